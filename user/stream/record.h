/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_STREAM_RECORD_H
#define NSWATCH_STREAM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nswatch/record.h"
#include "packet.h"
#include "util/ipaddr.h"

/* The contract's types, as the rest of user space knows them. One of each packet is made in
 * place: see ipaddr_set_v4(). */
void record_owner(struct owner *out, const struct nsw_owner *o);
/* An IPv4-mapped address becomes the IPv4 one. */
struct ipaddr record_addr(const struct nsw_addr *a);

/* --- blocks of the packet ring ------------------------------------------------ */

/* Borrows its bytes: at least the head must be there. Aligned to 4 bytes. */
static inline const struct nsw_block *block_head(const uint8_t *block)
{
	return (const struct nsw_block *)(const void *)block;
}

static inline uint32_t block_len(const uint8_t *block)
{
	return block_head(block)->len;
}

static inline uint32_t block_tap(const uint8_t *block)
{
	return block_head(block)->interface + 1;
}

static inline int64_t block_time(const uint8_t *block)
{
	const struct nsw_block *b = block_head(block);

	return (int64_t)((uint64_t)b->time_high << 32 | b->time_low);
}

/* Its length if it has no owner. */
static inline size_t block_plain_len(const uint8_t *block)
{
	size_t padded = ((size_t)block_head(block)->caplen + 3) & ~(size_t)3;

	return sizeof(struct nsw_block) + padded + sizeof(struct nsw_block_tail);
}

static inline bool block_is_sane(const uint8_t *block, uint32_t snaplen)
{
	size_t plain = block_plain_len(block), len = block_len(block);

	return block_head(block)->caplen <= snaplen &&
	       (len == plain || len == plain + NSW_OWNER_OPTION);
}

/* Of the block at that place of a run; 0: it cannot be true, and what is behind it is lost. */
static inline uint32_t run_block_len(const struct packet_run *run, size_t at)
{
	uint32_t len = block_len(run->blocks + at);

	return len >= NSW_LEAST_BLOCK && len <= run->len - at ? len : 0;
}

/* All of a sane block but its tap and number. Borrows its bytes. */
static inline void block_packet(const uint8_t *block, struct packet *p)
{
	const struct nsw_block *b = block_head(block);
	const uint8_t *tail = block + block_plain_len(block) - sizeof(struct nsw_block_tail);
	uint32_t flags = ((const struct nsw_block_tail *)(const void *)tail)->flags;

	p->time = block_time(block);
	p->data = block + sizeof(*b);
	p->caplen = b->caplen;
	p->wirelen = b->wirelen;
	p->dir = flags & NSW_BLOCK_OUT ? DIR_OUT : DIR_IN;
	p->csum_partial = flags & NSW_BLOCK_CSUM_PARTIAL;
	p->owner.pid = 0;
	if (b->len != block_plain_len(block))
		record_owner(&p->owner, (const void *)(tail + 12));
}

#endif

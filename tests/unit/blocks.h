/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_TESTS_BLOCKS_H
#define NSWATCH_TESTS_BLOCKS_H

#include <stdint.h>
#include <string.h>

#include "nswatch/record.h"
#include "packet.h"

/* A block as it lies in the ring, by the contract: not by what the writers make. Its length. */
static inline size_t put_block(uint8_t *out, const struct packet *p, uint32_t interface)
{
	uint32_t padded = (p->caplen + 3) & ~3u;
	struct nsw_block head = {
		.type = NSW_BLOCK_TYPE,
		.len = (uint32_t)(sizeof(head) + padded + sizeof(struct nsw_block_tail)),
		.interface = interface,
		.time_high = (uint32_t)((uint64_t)p->time >> 32),
		.time_low = (uint32_t)p->time,
		.caplen = p->caplen,
		.wirelen = p->wirelen,
	};
	struct nsw_block_tail tail = {
		.flags_code = NSW_OPT_FLAGS,
		.flags_len = 4,
		.flags = (p->dir == DIR_OUT ? NSW_BLOCK_OUT : NSW_BLOCK_IN) |
			 (p->csum_partial ? NSW_BLOCK_CSUM_PARTIAL : 0),
		.len = head.len,
	};

	memcpy(out, &head, sizeof(head));
	memset(out + sizeof(head), 0, padded);
	memcpy(out + sizeof(head), p->data, p->caplen);
	memcpy(out + sizeof(head) + padded, &tail, sizeof(tail));
	return head.len;
}

#endif

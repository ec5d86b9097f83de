/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_PCAPNG_H
#define NSWATCH_SINK_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#include "nswatch/record.h"
#include "packet.h"
#include "util/ipaddr.h"

/*
 * pcapng blocks (draft-ietf-opsawg-pcapng), encoded into memory in host byte
 * order. Pure: no syscalls, no allocation, no state. Every function writes one
 * whole block and returns its length in bytes, or writes nothing and returns 0
 * if it does not fit into `room`.
 */

/* No option text is longer; a longer comment is cut, a longer filter left out. */
#define PCAPNG_TEXT_MAX 8192

/* Room in which any block fits. */
#define PCAPNG_BLOCK_MAX (NSW_MAX_SNAP + 4 * PCAPNG_TEXT_MAX)

/* Section header block, of unspecified length. A NULL text is left out. */
size_t pcapng_put_section(uint8_t *out, size_t room, const char *hardware, const char *os,
			  const char *application);

/*
 * Interface description block, named "target/ifname". filter may be NULL.
 * Interfaces are numbered from 0 in the order of these blocks in a section.
 */
size_t pcapng_put_interface(uint8_t *out, size_t room, const struct tap *tap, uint32_t snaplen,
			    const char *filter);

/*
 * Enhanced packet block. At most snaplen bytes of the packet are taken, and
 * snaplen is at most NSW_MAX_SNAP. dropped: packets lost on this interface
 * since the one before. comment: valid UTF-8 or NULL. The packet's owner
 * becomes a comment of its own.
 */
size_t pcapng_put_packet(uint8_t *out, size_t room, uint32_t interface, uint32_t snaplen,
			 const struct packet *p, const char *comment, uint64_t dropped);

/*
 * Enhanced packet blocks for those of a run from byte `first` on, until the run
 * ends or `room` is used up (the last one may go beyond it, by PCAPNG_BLOCK_MAX at most).
 * As pcapng_put_packet() makes them.
 */
size_t pcapng_put_run(uint8_t *out, size_t room, uint32_t interface, const struct packet_run *run,
		      size_t first, struct run_part *part);
/* Has the blocks of a run from byte `first` on name that interface. */
void pcapng_set_interface(const struct packet_run *run, size_t first, uint32_t interface);

/* Name resolution block with one record. name is a host name (see
 * pcapng_is_hostname()). */
size_t pcapng_put_name(uint8_t *out, size_t room, const struct ipaddr *a, const char *name);

/* Whether the text is safe as a host name: letters, digits, '-', '_', '.', at
 * most 253 of them (RFC 1035 section 2.3.4). */
int pcapng_is_hostname(const char *name);

/* Interface statistics block; start and end are ns since the Unix epoch. */
size_t pcapng_put_stats(uint8_t *out, size_t room, uint32_t interface, int64_t start, int64_t end,
			const struct tap_stats *s);

/*
 * Length in bytes of the block at `block`, of which `len` bytes are there;
 * 0 if it is not whole. *is_packet: it is an enhanced packet block.
 */
size_t pcapng_block_len(const uint8_t *block, size_t len, int *is_packet);

#endif

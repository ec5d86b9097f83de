/* SPDX-License-Identifier: GPL-2.0-only */
/* Which echo request an echo reply answers (ICMP and ICMPv6). */
#ifndef NSWATCH_TRACK_ECHO_H
#define NSWATCH_TRACK_ECHO_H

#include <stdint.h>

#include "decode/frame.h"
#include "packet.h"

struct echo_track;

/* The last `slots` (rounded up to a power of two) requests are remembered; one that falls on
 * another's place forgets it. NULL when out of memory. */
struct echo_track *echo_track_new(unsigned int slots);
void echo_track_free(struct echo_track *t);

/* ident, seq and sum (the checksum) are the message's. A reply carries the request's data, so that
 * its checksum differs by the type alone. */
void echo_track_request(struct echo_track *t, const struct packet *p, const struct frame *f,
			uint16_t ident, uint16_t seq, uint16_t sum);
/* The packet number of the request, 0 if it was not seen or has had its reply. */
uint64_t echo_track_reply(struct echo_track *t, const struct packet *p, const struct frame *f,
			  uint16_t ident, uint16_t seq, uint16_t sum);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* Puts fragments of IP datagrams together (RFC 791 3.2, RFC 8200 4.5). */
#ifndef NSWATCH_TRACK_FRAG_H
#define NSWATCH_TRACK_FRAG_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/frame.h"
#include "packet.h"

struct frag_track;

/* Whether what waits for its rest is given up after the kernel's time, 30 s for IPv4
 * (ipfrag_time) and 60 s for IPv6 (RFC 8200 4.5), from the first fragment that came; or never, as
 * tshark has it. */
enum frag_patience { FRAG_AS_KERNEL, FRAG_FOR_EVER };

/* At most max_datagrams wait for their rest, 64 KiB each; the oldest gives way. NULL when out of
 * memory. */
struct frag_track *frag_track_new(unsigned int max_datagrams, enum frag_patience patience);
void frag_track_free(struct frag_track *t);

/*
 * Takes a fragment that has been captured whole. True if it completes its
 * datagram: *data and *len are then the datagram behind an IP header without
 * options or fragmentation, valid until the next call.
 */
bool frag_track_add(struct frag_track *t, const struct packet *p, const struct frame *f,
		    const uint8_t **data, uint32_t *len);

/* The whole datagram, decoded into *whole, if f is the fragment that completes it; else f. The
 * bytes that *whole refers to live until the next call. */
const struct frame *frag_track_whole(struct frag_track *t, const struct packet *p,
				     const struct frame *f, struct frame *whole);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One look at a frame, for whoever asks whether the same one, or the answer to it,
 * is seen elsewhere. Cheaper than decode_frame(), and blind to what an interface
 * may still have to fill in.
 */
#ifndef NSWATCH_DECODE_GLANCE_H
#define NSWATCH_DECODE_GLANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/ipaddr.h"

enum glance_role {
	GLANCE_OTHER,
	GLANCE_REQUEST, /* TCP SYN, ICMP(v6) echo request, ARP who-has: an answer is due */
	GLANCE_ANSWER,	/* any other TCP segment, echo reply, ARP is-at, or an ICMP error
			 * about a request */
};

/* Whom a request is from and to; an answer has those of its request. */
struct glance_talk {
	struct ipaddr client, server;	   /* family 0: none (neither IP nor ARP) */
	uint16_t client_port, server_port; /* of an echo both the identifier and the sequence */
	uint8_t proto;			   /* IPPROTO_*; 0 for ARP */
	uint8_t pad[3];
};

struct glance {
	uint32_t print; /* alike for the same frame on either side of an interface */
	enum glance_role role;
	struct glance_talk talk; /* for GLANCE_OTHER: source and destination */
};

/* data begins with an Ethernet header. The print takes in the frame from its type on,
 * at most GLANCE_BYTES, but no transport checksum, and the wire length. */
#define GLANCE_BYTES 128
void glance(struct glance *g, uint32_t seed, const uint8_t *data, uint32_t caplen,
	    uint32_t wirelen);

/*
 * What the answer to a request would look like, in its first bytes: for a filter
 * to be asked whether it would take it. Returns their number (0: not known), at
 * most GLANCE_BYTES.
 */
uint32_t glance_answer(const uint8_t *data, uint32_t caplen, uint8_t out[GLANCE_BYTES]);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP options (RFC 9293 3.1), one after the other. */
#ifndef NSWATCH_DECODE_TCPOPT_H
#define NSWATCH_DECODE_TCPOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/cursor.h"
#include "decode/frame.h"

enum tcpopt_kind {
	TCPOPT_END = 0,
	TCPOPT_NOP = 1,
	TCPOPT_MSS = 2,
	TCPOPT_WSCALE = 3,
	TCPOPT_SACK_PERMITTED = 4,
	TCPOPT_SACK = 5,
	TCPOPT_ECHO = 6,
	TCPOPT_ECHO_REPLY = 7,
	TCPOPT_TIMESTAMP = 8,
	TCPOPT_CC = 11,
	TCPOPT_CC_NEW = 12,
	TCPOPT_CC_ECHO = 13,
	TCPOPT_MD5 = 19,
	TCPOPT_SCPS = 20,
	TCPOPT_SNACK = 21,
	TCPOPT_RECORD_BOUND = 22,
	TCPOPT_CORRUPTION = 23,
	TCPOPT_QUICKSTART = 27,
	TCPOPT_USER_TIMEOUT = 28,
	TCPOPT_AO = 29,
	TCPOPT_MULTIPATH = 30,
	TCPOPT_FAST_OPEN = 34,
	TCPOPT_PROBE = 76,
	TCPOPT_TRANSPARENCY = 78,
	TCPOPT_ACCECN0 = 172,
	TCPOPT_ACCECN1 = 174,
	TCPOPT_EXP1 = 253,
	TCPOPT_EXP2 = 254,
};

/* RFC 6994: what the first two bytes of an experimental option say. */
enum {
	TCPEXID_ACK_RATE = 0x00ac,
	TCPEXID_ACCECN0 = 0xacc0,
	TCPEXID_ACCECN1 = 0xacc1,
	TCPEXID_FAST_OPEN = 0xf989,
};

/* One option: kind, and a cursor over its body, of which the capture may hold only a part; then it
 * is the last. */
struct tcpopt {
	uint8_t kind;
	struct cursor body;
};

/* A walk over the options of a segment. */
struct tcpopts {
	struct cursor c;
	bool past_end; /* an option says that it goes on behind the header */
};

void tcpopts_init(struct tcpopts *o, const struct frame *f);
/* False at the end, at an option whose length cannot be, or where bytes are missing:
 * o->past_end and o->c tell. Padding is skipped. */
bool tcpopts_next(struct tcpopts *o, struct tcpopt *opt);

/* What a connection is judged by. */
struct tcpopt_facts {
	int wscale;	 /* shift count of the window scale option, -1 if there is none */
	bool has_accecn; /* accurate ECN (draft-ietf-tcpm-accurate-ecn 3.2.3), in either coding */
	bool scps;	 /* the sender is able to SCPS */
	bool multipath;	 /* the connection is part of a multipath one */
	uint8_t multipath_ops; /* a bit for each subtype seen */
};

#endif

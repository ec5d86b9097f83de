/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be said of a TCP segment only by remembering the ones before it:
 * relative numbers, the window's scale, retransmissions, gaps, duplicate ACKs.
 * The verdicts are tshark's, so that the text reads the same.
 */
#ifndef NSWATCH_TRACK_TCP_H
#define NSWATCH_TRACK_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/frame.h"
#include "decode/tcpopt.h"
#include "packet.h"

/* Verdicts on one segment, in the order in which the text shows them last to first. */
enum tcp_mark {
	TCP_MARK_REUSED = 1 << 0, /* a new connection on the ports of an older one */
	TCP_MARK_RETRANSMISSION = 1 << 1,
	TCP_MARK_FAST_RETRANSMISSION = 1 << 2,
	TCP_MARK_SPURIOUS = 1 << 3, /* retransmitted although acknowledged */
	TCP_MARK_OUT_OF_ORDER = 1 << 4,
	TCP_MARK_GAP = 1 << 5,	      /* a segment before this one was not seen */
	TCP_MARK_ACK_UNSEEN = 1 << 6, /* acknowledges what was not seen */
	TCP_MARK_WINDOW_UPDATE = 1 << 7,
	TCP_MARK_WINDOW_FULL = 1 << 8,
	TCP_MARK_KEEP_ALIVE = 1 << 9,
	TCP_MARK_KEEP_ALIVE_ACK = 1 << 10,
	TCP_MARK_DUP_ACK = 1 << 11,
	TCP_MARK_ZERO_PROBE = 1 << 12,
	TCP_MARK_ZERO_WINDOW = 1 << 13,
	TCP_MARK_ZERO_PROBE_ACK = 1 << 14,
};

/* Of one segment. */
struct tcp_verdict {
	uint32_t marks;	     /* enum tcp_mark */
	uint32_t seq, ack;   /* relative, if the segment's length is known; else as sent */
	uint32_t window;     /* bytes, scaled if the scale is known */
	uint64_t dup_ack_of; /* packet number of the ACK that is repeated */
	uint32_t dup_ack_nr; /* 1 is the first repetition */
	uint32_t base_ack;   /* what SACK edges are relative to */
	bool has_ace;	     /* AE, CWR and ECE are a counter (accurate ECN) */
	bool has_len; /* false in fragments and where the header is longer than the segment */
	uint32_t len; /* payload bytes, if has_len */
	struct tcp_stream *dir; /* this direction's payload; NULL if not has_len */
	struct tcp_flow *flow;	/* and the side that sent it, valid until the next segment */
	unsigned int sender;
	uint16_t syn; /* SYN and ACK of its flags */
};

/* Message bytes of one direction that wait for the rest (RFC 1035 4.2.2). */
struct tcp_stream {
	bool waiting;
	uint32_t seq;	/* of the first byte in buf */
	uint32_t have;	/* bytes in buf */
	uint32_t given; /* of these, whole messages that were handed out */
	uint32_t room;
	uint8_t *buf;
};

struct tcp_track;
struct tcp_flow;

/* At most max_flows connections are remembered, the least recently seen is dropped; and at most
 * max_bytes of payload. NULL when out of memory. */
struct tcp_track *tcp_track_new(unsigned int max_flows, uint32_t max_bytes);
void tcp_track_free(struct tcp_track *t);

/*
 * Takes one segment (f->l4 is L4_TCP and f->has_tcp) into account, up to its
 * options: these are read with what *facts says to be known, and then told with
 * tcp_track_options(). whole: they could be read to their end.
 */
void tcp_track_segment(struct tcp_track *t, const struct packet *p, const struct frame *f,
		       struct tcp_verdict *v, struct tcpopt_facts *facts);
void tcp_track_options(const struct tcp_verdict *v, const struct tcpopt_facts *facts, bool whole);

/*
 * DNS over TCP and the like: messages behind their length in two bytes. Takes
 * this segment's payload and tells what it holds: no message's bytes
 * (TCP_MSG_NONE, as in a retransmission), a part of one (TCP_MSG_PART), what the
 * capture has cut off (TCP_MSG_CUT: nothing is put together), or the end of one
 * or more (TCP_MSG_WHOLE). Then *data and *len are these messages
 * with their lengths, valid until the next call for this connection.
 */
enum tcp_messages { TCP_MSG_NONE, TCP_MSG_PART, TCP_MSG_CUT, TCP_MSG_WHOLE };
enum tcp_messages tcp_track_messages(struct tcp_track *t, const struct tcp_verdict *v,
				     const struct frame *f, const uint8_t **data, uint32_t *len);
/* After TCP_MSG_WHOLE: messages behind the one that was put together. False if there are none. */
bool tcp_track_more(const struct tcp_verdict *v, const uint8_t **data, uint32_t *len);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DNS over TCP: segments in, whole messages out (RFC 7766: two bytes of length
 * before each). Segments may come out of order, twice, overlapping, or not at
 * all; memory is bounded over all connections.
 */
#ifndef NSWATCH_DNS_TCP_H
#define NSWATCH_DNS_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "util/ipaddr.h"

/* One direction of a connection; zeroed by the caller before it is filled. */
struct tcp_key {
	uint64_t netns;
	struct ipaddr src, dst;
	uint16_t sport, dport;
};

struct tcp_segment {
	uint32_t seq;
	const uint8_t *data;
	uint32_t caplen, len;
	bool syn, fin, rst;
};

struct tcp_table;

struct tcp_table *tcp_table_new(uint32_t max_streams, uint32_t max_bytes);
void tcp_table_free(struct tcp_table *t);

/* Calls message() for each message that the segment completes; data is valid during the call.
 * caplen is less than len if the capture cut the segment. */
void tcp_segment(struct tcp_table *t, const struct tcp_key *key, const struct tcp_segment *s,
		 void (*message)(void *ctx, const uint8_t *data, uint32_t caplen, uint32_t len),
		 void *ctx);
/* Forgets one direction. */
void tcp_forget(struct tcp_table *t, const struct tcp_key *key);

#endif

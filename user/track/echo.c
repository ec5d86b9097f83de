// SPDX-License-Identifier: GPL-2.0-only
#include "track/echo.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct echo {
	uint64_t number; /* 0: free */
	struct ipaddr client, server;
	uint32_t tap;
	uint16_t ident, seq;
	uint16_t sum; /* the request's checksum */
};

struct echo_track {
	uint32_t mask;
	struct echo slots[];
};

struct echo_track *echo_track_new(unsigned int slots)
{
	struct echo_track *t;
	uint32_t n = 1;

	while (n < slots)
		n <<= 1;
	t = calloc(1, sizeof(*t) + n * sizeof(t->slots[0]));
	if (t)
		t->mask = n - 1;
	return t;
}

void echo_track_free(struct echo_track *t)
{
	free(t);
}

static struct echo *slot_of(struct echo_track *t, const struct echo *e)
{
	uint64_t h = e->tap, w[4];
	unsigned int i;

	memcpy(w, e->client.bytes, 16);
	memcpy(w + 2, e->server.bytes, 16);
	for (i = 0; i < 4; i++)
		h = (h ^ w[i]) * 0x9e3779b97f4a7c15u;
	h = (h ^ ((uint64_t)e->sum << 32 | (uint32_t)e->ident << 16 | e->seq)) *
	    0x9e3779b97f4a7c15u;
	return &t->slots[(h >> 32) & t->mask];
}

static struct echo make_echo(const struct packet *p, const struct ipaddr *client,
			     const struct ipaddr *server, uint16_t ident, uint16_t seq,
			     uint16_t sum)
{
	return (struct echo){
		.number = p->number,
		.client = *client,
		.server = *server,
		.tap = p->tap ? p->tap->id : 0,
		.ident = ident,
		.seq = seq,
		.sum = sum,
	};
}

static bool same(const struct echo *a, const struct echo *b)
{
	return a->tap == b->tap && a->ident == b->ident && a->seq == b->seq && a->sum == b->sum &&
	       ipaddr_equal(&a->client, &b->client) && ipaddr_equal(&a->server, &b->server);
}

/* The checksum that a request with the reply's data has: RFC 1624, with the type's word
 * changed from the reply's to the request's. */
static uint16_t request_sum(const struct frame *f, uint16_t reply_sum)
{
	uint32_t s = (uint16_t)~reply_sum;

	if (f->ip_version == 6)
		s += (uint16_t)~0x8100 + 0x8000u;
	else
		s += 0x0800;
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

void echo_track_request(struct echo_track *t, const struct packet *p, const struct frame *f,
			uint16_t ident, uint16_t seq, uint16_t sum)
{
	struct echo e = make_echo(p, &f->flow.src, &f->flow.dst, ident, seq, sum);

	*slot_of(t, &e) = e;
}

uint64_t echo_track_reply(struct echo_track *t, const struct packet *p, const struct frame *f,
			  uint16_t ident, uint16_t seq, uint16_t sum)
{
	struct echo e = make_echo(p, &f->flow.dst, &f->flow.src, ident, seq, request_sum(f, sum));
	struct echo *slot = slot_of(t, &e);
	uint64_t number;

	if (!slot->number || !same(slot, &e))
		return 0;
	number = slot->number;
	slot->number = 0;
	return number;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "dns/engine_state.h"

#include <stdlib.h>
#include <string.h>

struct netns_state *engine_netns(struct dns_engine *e, uint64_t netns)
{
	uint32_t i = (uint32_t)(netns * 0x9e3779b97f4a7c15ULL >> 40) % NETNS_SLOTS;

	for (; e->ns[i].used; i = (i + 1) % NETNS_SLOTS)
		if (e->ns[i].netns == netns)
			return &e->ns[i];
	if (e->nr_ns == MAX_NAMESPACES) {
		e->spare_ns = (struct netns_state){ .netns = netns };
		return &e->spare_ns;
	}
	e->ns[i] = (struct netns_state){ .netns = netns, .used = true };
	e->nr_ns++;
	return &e->ns[i];
}

static struct server_state **server_bucket(struct dns_engine *e, uint64_t netns,
					   const struct ipaddr *addr)
{
	uint64_t h = netns * 0x9e3779b97f4a7c15ULL, word;

	memcpy(&word, addr->bytes, sizeof(word));
	h = (h ^ word) * 0xff51afd7ed558ccdULL;
	memcpy(&word, addr->bytes + 8, sizeof(word));
	h = (h ^ word) * 0xc4ceb9fe1a85ec53ULL;
	return &e->server_buckets[(h >> 32) % SERVER_BUCKETS];
}

struct server_state *engine_server(struct dns_engine *e, uint64_t netns, const struct ipaddr *addr)
{
	struct server_state **bucket = server_bucket(e, netns, addr), *s;

	for (s = *bucket; s; s = s->chain)
		if (s->netns == netns && ipaddr_equal(&s->addr, addr))
			return s;
	if (e->nr_servers == MAX_SERVERS)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->netns = netns;
	s->addr = *addr;
	s->chain = *bucket;
	*bucket = s;
	e->servers[e->nr_servers++] = s;
	return s;
}

void engine_emit(struct dns_engine *e, const struct dns_transaction *t)
{
	if (e->ops.transaction)
		e->ops.transaction(e->ctx, t);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the engine have in common, and for them only: engine.c says
 * which they are.
 */
#ifndef NSWATCH_DNS_ENGINE_STATE_H
#define NSWATCH_DNS_ENGINE_STATE_H

#include <string.h>

#include "dns/engine.h"
#include "dns/latency.h"
#include "dns/table.h"
#include "dns/timers.h"
#include "dns/transaction.h"

#define MSEC 1000000LL
#define SEC  (1000 * MSEC)

#define MAX_NAMESPACES 1024
#define NETNS_SLOTS    (2 * MAX_NAMESPACES)
#define SERVER_BUCKETS 256
#define MAX_SERVERS    256
#define MAX_AAAA       3
#define MAX_PASSABLE   64

/* How far the packets' ring may lag behind the attempts'. */
#define RING_SKEW (20 * MSEC)
/* A query repeated after more than this is a lookup of its own. */
#define RETRY_WINDOW (30 * SEC)
/* How many of one question, or of the newest, are looked through. */
#define SCAN_MAX 64

enum timer_kind { TIMER_TRANS, TIMER_ATTEMPT, TIMER_HELD };

struct netns_state {
	uint64_t netns;
	bool used;
	bool host_end_asked; /* for a watch on the host's end */
	int64_t host_since;  /* what passes the host's end is seen from then on, 0 not */
	int64_t lost;	     /* time of the latest loss, 0 none */
	int64_t last_plain;  /* of the latest query on port 53, 0 none */
	int64_t encrypted;   /* of the latest event of that kind, 0 none */
	int64_t refused;
	uint16_t refused_port;
};

struct server_state {
	struct server_state *chain; /* of its bucket */
	uint64_t netns;
	struct ipaddr addr;
	int64_t last_query, last_answer;
	uint64_t unanswered_row;
	uint32_t servfails;	/* in a row */
	int64_t last_tcp;	/* query or connection, 0 none */
	int64_t last_truncated; /* answer over UDP, 0 none */
	int64_t big_lost; /* the latest unanswered query that allowed for a large answer, 0 none */
	int64_t slow_told, storm_told;
	uint32_t nr_aaaa;	 /* names whose A it answers and whose AAAA not */
	uint32_t aaaa[MAX_AAAA]; /* their hashes */
	struct dns_server_summary sum;
	struct latency latency;
};

struct dns_engine {
	struct dns_engine_options o;
	struct dns_engine_ops ops;
	void *ctx;
	int64_t now;
	uint32_t seed; /* of names' hashes */
	uint64_t serial;
	struct timers timers;
	struct table *table;
	struct tcp_table *tcp;
	struct frag_track *frag;
	struct names *names;
	struct patterns *patterns;
	struct transit *transit;
	struct multicast *multicast; /* NULL: not wanted */
	struct netns_state *ns;	     /* NETNS_SLOTS, by hash */
	struct netns_state spare_ns;
	uint32_t nr_ns;
	int64_t lost_any;
	struct server_state *servers[MAX_SERVERS];
	struct server_state *server_buckets[SERVER_BUCKETS];
	uint32_t nr_servers;
	struct attempts *attempts;
	struct judge *judge;
	struct trans_key passable[MAX_PASSABLE]; /* the latest lookups through Docker's resolver */
	uint32_t next_passable;
	struct latency latency;
	struct dns_summary *sum;
	/* The packet under work, for callbacks. */
	const struct packet *packet;
	const struct frame *frame;
};

/* The state of that namespace; beyond MAX_NAMESPACES one that is forgotten at the next call. */
struct netns_state *engine_netns(struct dns_engine *e, uint64_t netns);
/* NULL if there are too many. */
struct server_state *engine_server(struct dns_engine *e, uint64_t netns, const struct ipaddr *addr);
/* Hands the transaction over. */
void engine_emit(struct dns_engine *e, const struct dns_transaction *t);

/* Packets of that tap make transactions; those of the other side only mark them. */
static inline bool engine_is_view(const struct dns_engine *e, const struct tap *tap)
{
	return (tap->side == SIDE_HOST) == e->o.from_host_side;
}

/* Docker's embedded resolver, 127.0.0.11, as packets have it. */
static inline bool engine_is_docker(const struct ipaddr *a)
{
	static const uint8_t docker[4] = { 127, 0, 0, 11 };

	return a->family == 4 && !memcmp(a->bytes, docker, 4);
}

#endif

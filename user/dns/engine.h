/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The DNS engine: packets, socket attempts and facts in; transactions,
 * findings and questions out. Pure: no system call but malloc, and time is an
 * argument everywhere. Memory is bounded by the options.
 */
#ifndef NSWATCH_DNS_ENGINE_H
#define NSWATCH_DNS_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/frame.h"
#include "dns/facts.h"
#include "dns/transaction.h"
#include "nswatch/record.h"
#include "packet.h"

/* Zero means the default, in brackets. */
struct dns_engine_options {
	uint32_t max_transactions; /* [32768] kept at once; ~500 bytes each when used */
	uint32_t max_streams;	   /* [1024] TCP connections followed */
	uint32_t max_stream_bytes; /* [8 MiB] of all TCP messages in reassembly */
	int64_t unanswered_after;  /* [1 s] */
	int64_t verdict_after;	   /* [5 s] NO-ANSWER, unless the client gives up sooner */
	int64_t attempt_wait;	   /* [300 ms] for the packet of a socket call */
	int64_t facts_wait;	   /* [500 ms] a finding waits for facts */
	int64_t host_end_after;	   /* [300 ms] without an answer the host's end is wanted */
	bool from_host_side;	   /* take packets of SIDE_HOST taps as the view (--side host) */
	uint16_t ports[NSW_MAX_DNS_PORTS]; /* beside 53, 0 for none */
	bool multicast;			   /* mDNS and LLMNR as well, see dns/multicast.h */
};

/* A question about a namespace, which the loader answers with dns_facts whose netns and
 * asker.pid are these. At most one is under way per namespace, process and server. */
struct dns_ask {
	uint64_t netns;
	char target[TARGET_NAME_LEN]; /* raw */
	struct owner asker;	      /* pid 0 unknown */
	uint32_t ppid;		      /* 0 unknown */
	struct ipaddr server;	      /* to be among dns_facts.servers */
	uint16_t port;		      /* that the host's listeners are looked at for */
	uint8_t proto;
};

/* A connect or sendmsg to a name server's port, seen by a socket hook. */
struct dns_attempt {
	int64_t time; /* ns since the epoch */
	uint64_t netns;
	char target[TARGET_NAME_LEN]; /* raw */
	struct owner owner;
	uint32_t ppid;
	struct ipaddr dst;
	uint16_t port;
	uint8_t proto;
	uint8_t call;	/* enum nsw_call */
	uint16_t error; /* errno that the call failed with; 0: it has not, as far as is known */
	/* Raw. The interface whose egress hook dropped what was sent; empty: none did. */
	char dropped_at[IFNAMSIZ];
};

/* Any may be NULL. What they get is valid during the call only. */
struct dns_engine_ops {
	void (*transaction)(void *ctx, const struct dns_transaction *t);
	void (*finding)(void *ctx, const struct dns_finding *f);
	/* NULL: nobody answers (a file is read); nothing waits for facts. */
	void (*ask)(void *ctx, const struct dns_ask *a);
	/* Each message of the view. */
	void (*message)(void *ctx, const struct dns_seen *m);
	/* A query that went out lacks its answer: what passes the host's end of the
	 * namespace's veth pairs would tell more, and is not watched. NULL: it never is. */
	void (*host_end)(void *ctx, uint64_t netns);
	/* Before a finding: calls dns_engine_lost() for what was lost and not told yet. NULL: there
	 * is no such thing. */
	void (*losses)(void *ctx);
};

struct dns_engine;

/* NULL when out of memory. ops and ctx are kept; *o is copied. o may be NULL. */
struct dns_engine *dns_engine_new(const struct dns_engine_options *o,
				  const struct dns_engine_ops *ops, void *ctx);
void dns_engine_free(struct dns_engine *e);

/* Any packet; those that do not concern DNS are passed over quickly. p->tap must live as long
 * as the engine. Packets come in order of time, or nearly so; dns_engine_tick() is implied
 * with p->time. */
void dns_engine_packet(struct dns_engine *e, const struct packet *p, const struct frame *f);
/* A tap whose packets come after this. */
void dns_engine_tap(struct dns_engine *e, const struct tap *tap, int64_t now);
/* No more packets pass it. */
void dns_engine_tap_gone(struct dns_engine *e, const struct tap *tap);
void dns_engine_attempt(struct dns_engine *e, const struct dns_attempt *a);
/* The answer to an ask, or unasked: at start (asker.pid 0) or along with an attempt. Copied. */
void dns_engine_facts(struct dns_engine *e, const struct dns_facts *facts, int64_t now);
/* Records of that namespace (0: of any) were lost. */
void dns_engine_lost(struct dns_engine *e, uint64_t netns, uint64_t count, int64_t now);

/* Does what is due at now (ns since the epoch, the packets' clock). */
void dns_engine_tick(struct dns_engine *e, int64_t now);
/* When dns_engine_tick() is needed next; INT64_MAX: not until something comes in. */
int64_t dns_engine_next(const struct dns_engine *e);

/* Ends the run: what waits is reported. The summary belongs to the engine and lives until
 * dns_engine_free(). */
const struct dns_summary *dns_engine_finish(struct dns_engine *e, int64_t now);

/*
 * What DNS would do in a namespace, from facts alone: STUB-CONFIG, LO-DOWN,
 * LOOPBACK-DEAD, UNREACHABLE, DOCKER-DNS-GONE, RESOLV-LIMITS; and what is no
 * fault by itself (DNS_INFO): INTERNAL, LOOPBACK-ONLY. Returns the number of
 * findings handed over.
 */
unsigned int dns_check(const struct dns_facts *facts,
		       void (*finding)(void *ctx, const struct dns_finding *f), void *ctx);

/* Nothing bad is known of that server: a lookup may be answered there. */
bool dns_usable(const struct dns_facts *facts, const struct ipaddr *server);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The engine is in parts, which share its state (engine_state.h). What happens
 * goes down this list; none calls one above it:
 *
 *   engine.c    the interface and the clock
 *   packets.c   from a packet to what it says: a query, an answer, a failure
 *   trans.c     the life of a transaction
 *   attempts.c  socket calls, of which a packet should come
 *   symptoms.c  which transactions deserve a look by the rules
 *   judge.c     events before the rules, with facts and evidence.c; findings
 *
 * report.c and counts.c fill what is handed over, a transaction and the summary,
 * for whoever needs it. What else the parts use, table.c, timers.c, tcp.c,
 * multicast.c, names.c, patterns.c and transit.c, knows nothing of the engine.
 */
#include "dns/engine.h"

#include <stdlib.h>

#include "dns/attempts.h"
#include "dns/counts.h"
#include "dns/engine_state.h"
#include "dns/judge.h"
#include "dns/multicast.h"
#include "dns/names.h"
#include "dns/packets.h"
#include "dns/patterns.h"
#include "dns/table.h"
#include "dns/tcp.h"
#include "dns/timers.h"
#include "dns/trans.h"
#include "dns/transit.h"
#include "track/frag.h"
#include "util/cleanup.h"
#include "util/hash.h"

/* A tap is announced before it is attached: by then it is. */
#define ATTACH_TIME (100 * MSEC)
#define MAX_FRAGS   64

void dns_engine_packet(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	dns_engine_tick(e, p->time);
	packets_take(e, p, f);
}

void dns_engine_tap(struct dns_engine *e, const struct tap *tap, int64_t now)
{
	struct netns_state *ns = engine_netns(e, tap->netns);

	if (tap->side == SIDE_INSIDE)
		ns->host_end_asked = false; /* it may lead to another end */
	else if (!ns->host_since)
		ns->host_since = now + ATTACH_TIME;
}

void dns_engine_tap_gone(struct dns_engine *e, const struct tap *tap)
{
	struct netns_state *ns = engine_netns(e, tap->netns);

	if (tap->side == SIDE_HOST)
		ns->host_since = 0;
	ns->host_end_asked = false;
}

void dns_engine_attempt(struct dns_engine *e, const struct dns_attempt *a)
{
	dns_engine_tick(e, a->time);
	attempts_add(e, a);
}

void dns_engine_facts(struct dns_engine *e, const struct dns_facts *facts, int64_t now)
{
	dns_engine_tick(e, now);
	judge_facts(e, facts);
}

void dns_engine_lost(struct dns_engine *e, uint64_t netns, uint64_t count, int64_t now)
{
	if (!count)
		return;
	e->sum->lost_records += count;
	if (netns)
		engine_netns(e, netns)->lost = now;
	else
		e->lost_any = now;
}

void dns_engine_tick(struct dns_engine *e, int64_t now)
{
	struct timer *t;

	/* Each timer runs at its own time, so that a jump of the clock, as in a file, gives the
	 * same as if it had been waited for. */
	if (e->multicast)
		multicast_tick(e->multicast, now);
	while ((t = timers_expired(&e->timers, now))) {
		if (t->due > e->now)
			e->now = t->due;
		switch (t->kind) {
		case TIMER_TRANS: trans_timer(e, t); break;
		case TIMER_ATTEMPT: attempts_timer(e, t); break;
		case TIMER_HELD: judge_timer(e, t); break;
		}
	}
	if (now > e->now)
		e->now = now;
}

int64_t dns_engine_next(const struct dns_engine *e)
{
	int64_t plain = timers_next(&e->timers);
	int64_t multicast = e->multicast ? multicast_next(e->multicast) : INT64_MAX;

	return plain < multicast ? plain : multicast;
}

const struct dns_summary *dns_engine_finish(struct dns_engine *e, int64_t now)
{
	dns_engine_tick(e, now);
	trans_finish(e);
	attempts_finish(e);
	judge_finish(e);
	counts_finish(e);
	if (e->multicast)
		multicast_finish(e->multicast, now, e->sum);
	return e->sum;
}

static void set_defaults(struct dns_engine_options *o)
{
	const struct {
		int64_t *value, standard;
	} times[] = {
		{ &o->unanswered_after, SEC },	    { &o->verdict_after, 5 * SEC },
		{ &o->attempt_wait, 300 * MSEC },   { &o->facts_wait, 500 * MSEC },
		{ &o->host_end_after, 300 * MSEC },
	};
	const struct {
		uint32_t *value, standard;
	} sizes[] = {
		{ &o->max_transactions, 32768 },
		{ &o->max_streams, 1024 },
		{ &o->max_stream_bytes, 8U << 20 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++)
		if (!*times[i].value)
			*times[i].value = times[i].standard;
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (!*sizes[i].value)
			*sizes[i].value = sizes[i].standard;
}

static uint64_t next_serial(void *ctx)
{
	struct dns_engine *e = ctx;

	return ++e->serial;
}

static void multicast_transaction(void *ctx, const struct dns_transaction *t)
{
	engine_emit(ctx, t);
}

static const struct multicast_ops multicast_ops = { next_serial, multicast_transaction };

struct dns_engine *dns_engine_new(const struct dns_engine_options *o,
				  const struct dns_engine_ops *ops, void *ctx)
{
	struct dns_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	if (o)
		e->o = *o;
	set_defaults(&e->o);
	e->ops = *ops;
	e->ctx = ctx;
	e->seed = hash_seed(e);
	e->now = INT64_MIN;
	e->table = table_new(e->o.max_transactions);
	e->tcp = tcp_table_new(e->o.max_streams, e->o.max_stream_bytes);
	e->frag = frag_track_new(MAX_FRAGS, FRAG_AS_KERNEL);
	e->names = names_new();
	e->patterns = patterns_new();
	e->transit = transit_new();
	if (e->o.multicast)
		e->multicast = multicast_new(&multicast_ops, e);
	e->ns = calloc(NETNS_SLOTS, sizeof(*e->ns));
	e->attempts = attempts_new();
	e->judge = judge_new();
	e->sum = calloc(1, sizeof(*e->sum));
	if (!e->table || !e->tcp || !e->frag || !e->names || !e->patterns || !e->transit ||
	    !e->ns || !e->attempts || !e->judge || !e->sum || (e->o.multicast && !e->multicast)) {
		dns_engine_free(e);
		return NULL;
	}
	return e;
}

void dns_engine_free(struct dns_engine *e)
{
	uint32_t i;

	if (!e)
		return;
	for (i = 0; i < e->nr_servers; i++)
		free(e->servers[i]);
	timers_fini(&e->timers);
	table_free(e->table);
	tcp_table_free(e->tcp);
	frag_track_free(e->frag);
	names_free(e->names);
	patterns_free(e->patterns);
	transit_free(e->transit);
	multicast_free(e->multicast);
	free(e->ns);
	attempts_free(e->attempts);
	judge_free(e->judge);
	free(e->sum);
	free(e);
}

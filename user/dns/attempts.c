// SPDX-License-Identifier: GPL-2.0-only
#include "dns/attempts.h"

#include <stdlib.h>
#include <string.h>

#include "dns/engine_state.h"
#include "dns/judge.h"
#include "nswatch/record.h"

#define MAX_ATTEMPTS 256
/* How long before its packet a socket call may have been seen. */
#define OWNER_WINDOW (2 * SEC)

/* One that is settled stays until its slot is needed, for attempts_owner(). */
struct attempt {
	struct timer timer; /* set: it waits for its packet */
	struct dns_attempt a;
	uint32_t count; /* of calls, the first and those that joined it */
	bool used;
};

struct attempts {
	struct attempt slots[MAX_ATTEMPTS];
	uint32_t pending; /* whose timers run */
};

struct attempts *attempts_new(void)
{
	return calloc(1, sizeof(struct attempts));
}

void attempts_free(struct attempts *as)
{
	free(as);
}

struct owner attempts_owner(struct dns_engine *e, const struct trans_key *k)
{
	const struct attempt *found = NULL;
	const struct owner none = { 0 };
	uint32_t i;

	for (i = 0; i < MAX_ATTEMPTS; i++) {
		const struct attempt *a = &e->attempts->slots[i];

		if (!a->used || a->a.netns != k->netns || a->a.proto != k->proto ||
		    !ipaddr_equal(&a->a.dst, &k->server) || a->a.time > e->now + RING_SKEW ||
		    a->a.time < e->now - OWNER_WINDOW)
			continue;
		if (found && found->a.owner.pid != a->a.owner.pid)
			return none;
		found = a;
	}
	return found ? found->a.owner : none;
}

static void attempt_settled(struct dns_engine *e, struct attempt *a)
{
	if (a->timer.pos)
		e->attempts->pending--;
	timers_cancel(&e->timers, &a->timer);
}

void attempts_settle(struct dns_engine *e, const struct trans_key *k)
{
	uint32_t i;

	for (i = 0; i < MAX_ATTEMPTS && e->attempts->pending; i++) {
		struct attempt *a = &e->attempts->slots[i];

		if (a->used && a->timer.pos && a->a.netns == k->netns &&
		    ipaddr_equal(&a->a.dst, &k->server) && !a->a.dropped_at[0])
			attempt_settled(e, a);
	}
}

static void attempt_report(const struct attempt *a, struct dns_transaction *t)
{
	memset(t, 0, sizeof(*t));
	t->state = DNS_NOT_SENT;
	t->time = a->a.time;
	t->latency = -1;
	t->queries = a->count;
	t->netns = a->a.netns;
	memcpy(t->target, a->a.target, sizeof(t->target));
	t->owner = a->a.owner;
	t->server = a->a.dst;
	t->server_port = a->a.port;
	t->proto = a->a.proto;
	t->failure = a->a.dropped_at[0] ? DNS_FAIL_EGRESS
		     : a->a.error	? DNS_FAIL_CALL
					: DNS_FAIL_NONE;
	t->call = a->a.call;
	t->error = a->a.error;
	memcpy(t->ifname, a->a.dropped_at, sizeof(t->ifname));
}

static void attempt_timeout(struct dns_engine *e, struct attempt *a)
{
	struct rule_input in = { .event = RULE_NOT_SENT };
	struct dns_transaction t;

	attempt_report(a, &t);
	t.serial = ++e->serial;
	t.waited = e->now - a->a.time;
	judge_event(e, &in, &t, NULL, a->a.ppid);
}

static struct attempt *attempt_slot(struct dns_engine *e, const struct dns_attempt *n, bool *joined)
{
	struct attempt *oldest = &e->attempts->slots[0];
	uint32_t i;

	*joined = false;
	for (i = 0; i < MAX_ATTEMPTS; i++) {
		struct attempt *a = &e->attempts->slots[i];

		if (a->used && a->timer.pos && a->a.netns == n->netns &&
		    a->a.owner.pid == n->owner.pid && ipaddr_equal(&a->a.dst, &n->dst)) {
			*joined = true;
			return a;
		}
		if (oldest->used && (!a->used || a->a.time < oldest->a.time))
			oldest = a;
	}
	attempt_settled(e, oldest);
	return oldest;
}

/* The packet may have been read before the attempt: it gets its owner now. */
static void adopt(struct dns_engine *e, const struct dns_attempt *a)
{
	struct trans *x = NULL;
	unsigned int n = 0;

	if (!e->o.from_host_side)
		return;
	while ((x = table_next_live(e->table, x)) && n++ < SCAN_MAX)
		if (!x->owner.pid && x->key.netns == a->netns && x->key.proto == a->proto &&
		    ipaddr_equal(&x->key.server, &a->dst) && x->first >= a->time - RING_SKEW &&
		    x->first <= a->time + OWNER_WINDOW)
			x->owner = attempts_owner(e, &x->key);
}

static bool receives(uint8_t call)
{
	return call == NSW_CALL_RECVFROM || call == NSW_CALL_RECVMSG || call == NSW_CALL_READ;
}

/* The call of that slot has failed: nobody needs to wait for its packet. What fails only when the
 * answer is read may have been sent, and have met an ICMP error. */
static void attempt_failed(struct dns_engine *e, struct attempt *slot, const struct dns_attempt *a)
{
	struct server_state *s = engine_server(e, a->netns, &slot->a.dst);

	if (receives(a->call) && s && s->last_query >= a->time - RETRY_WINDOW)
		return;
	attempt_settled(e, slot);
	slot->a.call = a->call;
	slot->a.error = a->error;
	attempt_timeout(e, slot);
}

static void attempt_waits(struct dns_engine *e, struct attempt *slot)
{
	timers_set(&e->timers, &slot->timer, slot->a.time + e->o.attempt_wait);
	e->attempts->pending += slot->timer.pos > 0;
}

/* No packet will come of that slot's call; whether the call fails is known in a moment, if at
 * all. */
static void attempt_dropped(struct dns_engine *e, struct attempt *slot, const struct dns_attempt *a)
{
	memcpy(slot->a.dropped_at, a->dropped_at, sizeof(slot->a.dropped_at));
	if (!slot->timer.pos)
		attempt_waits(e, slot);
}

static void attempt_begin(struct attempt *slot, const struct dns_attempt *a)
{
	slot->a = *a;
	slot->a.dst = ipaddr_unmap(&a->dst);
	slot->count = 1;
	slot->used = true;
	slot->timer.kind = TIMER_ATTEMPT;
}

void attempts_add(struct dns_engine *e, const struct dns_attempt *a)
{
	struct attempt *slot;
	struct server_state *s;
	struct dns_transaction t;
	bool joined;

	slot = attempt_slot(e, a, &joined);
	if (!joined)
		attempt_begin(slot, a);
	if (a->error) {
		attempt_failed(e, slot, a);
		return;
	}
	if (a->dropped_at[0]) {
		attempt_dropped(e, slot, a);
		return;
	}
	if (joined) {
		slot->count++;
		return;
	}
	adopt(e, &slot->a);
	s = engine_server(e, a->netns, &slot->a.dst);
	if (s && s->last_query >= a->time - RING_SKEW)
		return;
	attempt_waits(e, slot);
	if (judge_trouble_ahead(e, a->netns, a->owner.pid, &slot->a.dst)) {
		attempt_report(slot, &t);
		judge_ask(e, &t, a->ppid);
	}
}

void attempts_timer(struct dns_engine *e, struct timer *t)
{
	e->attempts->pending--;
	attempt_timeout(e, timer_owner(t, struct attempt, timer));
}

void attempts_finish(struct dns_engine *e)
{
	uint32_t i;

	for (i = 0; i < MAX_ATTEMPTS; i++) {
		struct attempt *a = &e->attempts->slots[i];

		if (!a->timer.pos)
			continue;
		attempt_settled(e, a);
		attempt_timeout(e, a);
	}
}

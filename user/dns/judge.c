// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Rules want facts about the namespace and the asking process. An event that
 * has none is held while the question is under way, half a second at most,
 * and judged with what is known then. A refused connection, of which nothing can be told
 * without, is held longer: what listens is looked for in all namespaces.
 */
#include "dns/judge.h"

#include <stdlib.h>
#include <string.h>

#include "dns/counts.h"
#include "dns/engine_state.h"
#include "dns/evidence.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

/* A namespace's facts from before an event are no proof, give or take the time that they
 * travelled. */
#define FACTS_SLACK    (50 * MSEC)
#define LISTENERS_WAIT (5 * SEC)
/* What rules_wait() waits. */
#define MORE_CASES (30 * SEC)

#define MAX_HELD  256
#define MAX_FACTS 256
#define MAX_ASKED 128

/* An event that waits for facts. */
struct held {
	struct timer timer;
	struct rule_input in; /* without t and facts */
	struct dns_transaction t;
	struct question q;
	int64_t since;
	bool used;
	bool facts_came;
};

/* A question that was asked lately. */
struct asked {
	uint64_t netns;
	uint32_t pid;
	struct ipaddr server;
	uint16_t port;
	int64_t time;
};

struct facts_slot {
	struct dns_facts facts;
	int64_t time;
	bool used;
};

struct judge {
	struct held held[MAX_HELD];
	struct facts_slot facts[MAX_FACTS];
	struct asked asked[MAX_ASKED];
	uint32_t next_asked;
	bool ending;
	/* Serial of the transaction that each finding counted last. */
	uint64_t found_serial[DNS_MAX_FINDINGS];
};

struct judge *judge_new(void)
{
	return calloc(1, sizeof(struct judge));
}

void judge_free(struct judge *j)
{
	free(j);
}

/* --- facts ---------------------------------------------------------------------- */

/* The facts that fit best: of the asking process itself, else of the namespace. */
static const struct facts_slot *facts_find(const struct dns_engine *e, uint64_t netns, uint32_t pid)
{
	const struct facts_slot *best = NULL;
	uint32_t i;

	for (i = 0; i < MAX_FACTS; i++) {
		const struct facts_slot *s = &e->judge->facts[i];

		if (!s->used || s->facts.netns != netns)
			continue;
		if (s->facts.asker.pid == pid)
			return s;
		if (!s->facts.asker.pid)
			best = s;
	}
	return best;
}

static struct facts_slot *facts_slot_for(struct dns_engine *e, const struct dns_facts *f)
{
	struct facts_slot *oldest = &e->judge->facts[0];
	uint32_t i;

	for (i = 0; i < MAX_FACTS; i++) {
		struct facts_slot *s = &e->judge->facts[i];

		if (s->used && s->facts.netns == f->netns && s->facts.asker.pid == f->asker.pid)
			return s;
		if (oldest->used && (!s->used || s->time < oldest->time))
			oldest = s;
	}
	return oldest;
}

/* --- findings --------------------------------------------------------------------- */

static bool same_cause(const struct dns_finding *a, const struct dns_rule *r,
		       const struct rule_input *in, uint64_t netns)
{
	return !strcmp(a->code, r->code) && a->netns == netns &&
	       (r->scope == PER_NAMESPACE || ipaddr_equal(&a->server, rules_server(r, in)));
}

static bool lost_near(struct dns_engine *e, uint64_t netns, int64_t when)
{
	const struct netns_state *ns = engine_netns(e, netns);

	return (ns->lost && ns->lost >= when - SEC) || (e->lost_any && e->lost_any >= when - SEC);
}

/* The finding of this cause, new or known; NULL if there are too many. */
static struct dns_finding *finding_get(struct dns_engine *e, const struct dns_rule *r,
				       const struct rule_input *in)
{
	struct dns_summary *s = e->sum;
	uint32_t i;

	for (i = 0; i < s->nr_findings; i++)
		if (same_cause(&s->findings[i], r, in, in->t->netns))
			return &s->findings[i];
	if (s->nr_findings == DNS_MAX_FINDINGS) {
		s->more_findings++;
		return NULL;
	}
	rules_finding(&s->findings[i], r, in);
	s->findings[i].first = in->t->time;
	s->nr_findings++;
	return &s->findings[i];
}

static void blind(struct dns_engine *e, const struct rule_input *about);

static void found(struct dns_engine *e, const struct dns_rule *r, const struct rule_input *in)
{
	struct dns_finding *f = finding_get(e, r, in);
	size_t i;

	if (!f)
		return;
	i = (size_t)(f - e->sum->findings);
	if (e->judge->found_serial[i] == in->t->serial)
		return;
	e->judge->found_serial[i] = in->t->serial;
	if (e->ops.losses)
		e->ops.losses(e->ctx);
	f->possible = lost_near(e, in->t->netns, in->t->time);
	f->repeat = f->count > 0;
	f->count++;
	f->last = in->t->time;
	if (in->t->owner.pid)
		f->owner = in->t->owner;
	if (e->ops.finding)
		e->ops.finding(e->ctx, f);
	if (f->possible && in->event != RULE_BLIND)
		blind(e, in);
}

/* Says once why the findings are only possible. */
static void blind(struct dns_engine *e, const struct rule_input *about)
{
	struct rule_input in = *about;
	const struct dns_rule *r;

	in.event = RULE_BLIND;
	r = rules_match(&in);
	if (r)
		found(e, r, &in);
}

static bool asked_lately(struct dns_engine *e, const struct dns_transaction *t)
{
	struct judge *j = e->judge;
	struct asked *a;
	uint32_t i;

	for (i = 0; i < MAX_ASKED; i++) {
		a = &j->asked[i];
		if (a->netns == t->netns && a->pid == t->owner.pid &&
		    ipaddr_equal(&a->server, &t->server) && a->port == t->server_port && a->time &&
		    e->now - a->time < e->o.facts_wait)
			return true;
	}
	a = &j->asked[j->next_asked++ % MAX_ASKED];
	*a = (struct asked){ t->netns, t->owner.pid, t->server, t->server_port, e->now };
	return false;
}

bool judge_ask(struct dns_engine *e, const struct dns_transaction *t, uint32_t ppid)
{
	struct dns_ask a = {
		.netns = t->netns,
		.asker = t->owner,
		.ppid = ppid,
		.server = t->server,
		.port = t->server_port,
		.proto = t->proto,
	};

	if (!e->ops.ask || asked_lately(e, t))
		return false;
	memcpy(a.target, t->target, sizeof(a.target));
	e->ops.ask(e->ctx, &a);
	return true;
}

bool judge_trouble_ahead(const struct dns_engine *e, uint64_t netns, uint32_t pid,
			 const struct ipaddr *server)
{
	const struct facts_slot *s;
	uint32_t i;

	if (!ipaddr_is_loopback(server))
		return false;
	s = facts_find(e, netns, pid);
	if (s && s->facts.asker.pid == pid)
		return false;
	for (i = 0; s && i < s->facts.nr_servers && i < ARRAY_SIZE(s->facts.servers); i++)
		if (ipaddr_equal(&s->facts.servers[i].addr, server))
			return !s->facts.servers[i].listening;
	return true;
}

static bool facts_fresh(const struct facts_slot *s, const struct dns_transaction *t)
{
	return s && s->time >= t->time - FACTS_SLACK;
}

/* Of a call whose end nobody saw: with no route it fails with what the route lookup answers. */
static void add_route_error(struct dns_transaction *t, const struct rule_input *in)
{
	const struct server_facts *s;

	if (t->state != DNS_NOT_SENT || t->failure || !in->facts || !in->facts_fresh)
		return;
	s = server_facts(in->facts, &t->server);
	if (!s || !s->route_errno)
		return;
	t->failure = DNS_FAIL_ROUTE;
	t->error = (uint16_t)s->route_errno;
}

/* Listeners and rules are looked at for port 53: of a server on another port they say nothing. */
static bool facts_apply(const struct rule_input *in)
{
	return in->t->server_port == 53 || in->event == RULE_REFUSED || in->event == RULE_ENCRYPTED;
}

/* A call that never became a packet is shown if its error or a rule says why. */
static void judge_held(struct dns_engine *e, struct held *h)
{
	const struct facts_slot *s = facts_find(e, h->t.netns, h->t.owner.pid);
	struct rule_input in = h->in;
	const struct dns_rule *r;

	timers_cancel(&e->timers, &h->timer);
	in.server = h->t.server;
	in.t = &h->t;
	in.facts = s && facts_apply(&in) ? &s->facts : NULL;
	in.facts_fresh = facts_fresh(s, &h->t);
	in.age = e->now - h->t.time;
	add_route_error(&h->t, &in);
	evidence_fill(e, &in, &h->q);
	r = rules_match(&in);
	if (rules_wait(&in) && !e->judge->ending && (!r || r->can_wait)) {
		h->in.waited = true;
		h->in.not_before = e->now + MORE_CASES;
		timers_set(&e->timers, &h->timer, h->in.not_before);
		return;
	}
	h->used = false;
	if (r)
		found(e, r, &in);
	if ((r || h->t.error) && h->t.state == DNS_NOT_SENT) {
		counts_not_sent(e, &h->t);
		engine_emit(e, &h->t);
	}
}

/* A free one; else the one that has waited longest for facts is judged without. What waits for
 * its time is not judged before: in a flood, what is new is let go. */
static struct held *held_slot(struct dns_engine *e)
{
	struct held *oldest = NULL;
	uint32_t i;

	for (i = 0; i < MAX_HELD; i++) {
		struct held *h = &e->judge->held[i];

		if (!h->used)
			return h;
		if (h->in.not_before <= e->now && (!oldest || h->since < oldest->since))
			oldest = h;
	}
	if (oldest)
		judge_held(e, oldest);
	return oldest;
}

static bool waits_for_facts(const struct dns_engine *e, const struct dns_transaction *t)
{
	const struct facts_slot *s = facts_find(e, t->netns, t->owner.pid);

	return e->ops.ask && !(facts_fresh(s, t) && s->facts.asker.pid == t->owner.pid);
}

void judge_event(struct dns_engine *e, const struct rule_input *about,
		 const struct dns_transaction *t, const struct question *q, uint32_t ppid)
{
	struct held *h = held_slot(e);
	int64_t due = about->not_before;

	if (!h)
		return;
	h->in = *about;
	h->t = *t;
	h->since = e->now;
	h->used = true;
	h->timer.kind = TIMER_HELD;
	question_copy(&h->q, q ?: &(struct question){ 0 });
	h->facts_came = !waits_for_facts(e, t) && about->event != RULE_REFUSED;
	if (!h->facts_came && due < e->now + e->o.facts_wait)
		due = e->now + e->o.facts_wait;
	if (due <= e->now) {
		judge_held(e, h);
		return;
	}
	timers_set(&e->timers, &h->timer, due);
	if (!h->facts_came && judge_ask(e, t, ppid) && about->event == RULE_REFUSED)
		timers_set(&e->timers, &h->timer, e->now + LISTENERS_WAIT);
}

enum target_kind judge_target_kind(const struct dns_engine *e, uint64_t netns)
{
	const struct facts_slot *s = facts_find(e, netns, 0);

	return s ? s->facts.kind : TARGET_UNKNOWN;
}

/* At the start only the stub is warned of; whatever else is wrong shows when it is used. */
static void check_found(void *ctx, const struct dns_finding *f)
{
	struct dns_engine *e = ctx;
	struct dns_summary *s = e->sum;
	struct dns_finding *mine;
	uint32_t i;

	for (i = 0; i < s->nr_findings; i++)
		if (s->findings[i].netns == f->netns)
			return;
	if (strcmp(f->code, "STUB-CONFIG") || s->nr_findings == DNS_MAX_FINDINGS)
		return;
	mine = &s->findings[s->nr_findings++];
	*mine = *f;
	mine->first = mine->last = e->now;
	if (e->ops.finding)
		e->ops.finding(e->ctx, mine);
}

void judge_facts(struct dns_engine *e, const struct dns_facts *facts)
{
	struct facts_slot *s;
	uint32_t i;

	s = facts_slot_for(e, facts);
	s->facts = *facts;
	s->time = facts->time ?: e->now;
	s->used = true;
	for (i = 0; i < MAX_HELD; i++) {
		struct held *h = &e->judge->held[i];

		if (!h->used || h->t.netns != facts->netns || h->t.owner.pid != facts->asker.pid)
			continue;
		/* The host's listeners were looked at for another port. */
		if (h->in.event == RULE_REFUSED && facts->asked_port != h->t.server_port)
			continue;
		h->facts_came = true;
		if (h->in.not_before > e->now)
			timers_set(&e->timers, &h->timer, h->in.not_before);
		else
			judge_held(e, h);
	}
	if (!facts->asker.pid)
		dns_check(facts, check_found, e);
}

void judge_timer(struct dns_engine *e, struct timer *t)
{
	judge_held(e, timer_owner(t, struct held, timer));
}

void judge_finish(struct dns_engine *e)
{
	uint32_t i;

	e->judge->ending = true;
	for (i = 0; i < MAX_HELD; i++) {
		struct held *h = &e->judge->held[i];

		if (!h->used)
			continue;
		h->in.last_call = h->in.not_before > e->now;
		judge_held(e, h);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A query makes a transaction; an answer, an ICMP error or a reset ends it. A
 * pending one has a timer that takes it through its stages: after a second it
 * is shown as unanswered, after five (sooner if the client went on to another
 * server) the rules get to see the whole of it for a verdict. The inside view
 * makes transactions; packets at the host's end of the veth only mark them.
 */
#include "dns/trans.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "dns/attempts.h"
#include "dns/counts.h"
#include "dns/engine_state.h"
#include "dns/judge.h"
#include "dns/names.h"
#include "dns/report.h"
#include "dns/symptoms.h"
#include "dns/transit.h"
#include "util/hash.h"

/* A packet of the retry may be read a little after the verdict's time. */
#define VERDICT_GRACE (200 * MSEC)
/* Docker's resolver goes on to its next upstream after four seconds; at once otherwise. */
#define PASS_ON_LATEST	(13 * SEC)
#define PASS_ON_AT_ONCE (100 * MSEC)
/* A query again after so long is answered as a new one (tshark's dns.time). */
#define ANEW_AFTER (5 * SEC)

/* It has to go for a newer one. */
static void trans_drop(void *ctx, struct trans *x)
{
	struct dns_engine *e = ctx;

	timers_cancel(&e->timers, &x->timer);
	if (x->stage == TRANS_PENDING) {
		e->sum->dropped++;
		if (!x->key.connect)
			counts_unanswered(e, x);
	}
}

static void trans_remove(struct dns_engine *e, struct trans *x)
{
	timers_cancel(&e->timers, &x->timer);
	table_remove(e->table, x);
}

static void verdict(struct dns_engine *e, struct trans *x, const struct dns_transaction *t)
{
	struct rule_input in = { .event = RULE_VERDICT };

	if (x->verdict_given)
		return;
	x->verdict_given = true;
	symptoms_verdict(e, x, &in);
	judge_event(e, &in, t, &x->q, 0);
}

static bool wants_host_end(struct dns_engine *e, const struct trans *x)
{
	const struct netns_state *ns = engine_netns(e, x->key.netns);

	return e->ops.host_end && !x->tap->is_loopback && x->tap->side == SIDE_INSIDE &&
	       !ns->host_since && !ns->host_end_asked;
}

static void ask_for_host_end(struct dns_engine *e, const struct trans *x)
{
	if (!wants_host_end(e, x))
		return;
	engine_netns(e, x->key.netns)->host_end_asked = true;
	e->ops.host_end(e->ctx, x->key.netns);
}

static void show_unanswered(struct dns_engine *e, struct trans *x)
{
	struct rule_input in = { .event = RULE_UNANSWERED };
	struct dns_transaction t;

	report_trans(e, x, &t);
	x->stage = TRANS_SHOWN;
	counts_unanswered(e, x);
	symptoms_unanswered(e, x);
	engine_emit(e, &t);
	symptoms_verdict(e, x, &in);
	if (ipaddr_is_loopback(&t.server) || in.wrong_source.family || in.half_answered)
		judge_event(e, &in, &t, &x->q, 0);
	else
		judge_ask(e, &t, 0); /* for the verdict */
}

/* When the verdict on an unanswered one is due. */
static int64_t verdict_time(const struct dns_engine *e, const struct trans *x)
{
	int64_t due = x->first + e->o.verdict_after + VERDICT_GRACE;

	if (x->failed)
		return x->failure.time + e->o.unanswered_after;
	if (x->switch_time)
		due = x->switch_time + e->o.unanswered_after;
	/* A retry gets its second, too. */
	if (x->last + e->o.unanswered_after > due)
		due = x->last + e->o.unanswered_after;
	return due;
}

void trans_timer(struct dns_engine *e, struct timer *timer)
{
	struct trans *x = timer_owner(timer, struct trans, timer);
	struct dns_transaction t;
	int64_t due;

	ask_for_host_end(e, x);
	if (e->now < x->last + e->o.unanswered_after && x->stage == TRANS_PENDING) {
		timers_set(&e->timers, &x->timer, x->last + e->o.unanswered_after);
		return;
	}
	if (x->stage == TRANS_PENDING)
		show_unanswered(e, x);
	if (x->verdict_given)
		return;
	due = verdict_time(e, x);
	if (due > e->now) {
		timers_set(&e->timers, &x->timer, due);
		return;
	}
	report_trans(e, x, &t);
	verdict(e, x, &t);
}

/* The client asks another server the same: it has given up on those it asked before. */
static void mark_switch(struct dns_engine *e, struct trans *x)
{
	struct trans *y = NULL;
	unsigned int n = 0;

	while ((y = (struct trans *)table_next_same_question(e->table, x, y)) && n++ < SCAN_MAX) {
		if (y->key.id == x->key.id && y->key.client_port == x->key.client_port)
			x->other_servers = y->other_servers = true;
		if (y->stage == TRANS_DONE || y->failed || y->verdict_given || y->switch_time ||
		    !ipaddr_equal(&y->key.client, &x->key.client) ||
		    ipaddr_equal(&y->key.server, &x->key.server) ||
		    x->first - y->last < 9 * e->o.unanswered_after / 10)
			continue;
		y->switch_time = x->first;
		if (y->stage == TRANS_SHOWN)
			timers_set(&e->timers, &y->timer, verdict_time(e, y));
	}
}

static const struct owner nobody;

/* The asking process, from a packet with a query: its sender. */
static const struct owner *asker(const struct packet *p)
{
	return p->dir == DIR_IN ? &nobody : &p->owner;
}

/* The asking process, from a packet with the answer: its receiver. On lo a packet has its
 * sender, the server. */
static const struct owner *asker_answered(const struct packet *p)
{
	return p->dir == DIR_IN && p->tap->side == SIDE_INSIDE ? &p->owner : &nobody;
}

static struct trans *trans_new(struct dns_engine *e, const struct trans_key *k,
			       const struct question *q, const struct packet *p)
{
	struct trans *x = table_add(e->table, k, q, trans_drop, e);

	if (!x)
		return NULL;
	x->serial = ++e->serial;
	x->first = x->last = x->asked = p->time;
	x->first_nr = x->asked_nr = p->number;
	x->queries = 1;
	x->tap = p->tap;
	x->owner = *asker(p);
	if (!x->owner.pid && p->dir != DIR_IN && e->o.from_host_side)
		x->owner = attempts_owner(e, k);
	x->server = engine_server(e, k->netns, &k->server);
	x->timer.kind = TIMER_TRANS;
	timers_set(&e->timers, &x->timer,
		   p->time + (wants_host_end(e, x) ? e->o.host_end_after : e->o.unanswered_after));
	return x;
}

static void note_query(struct dns_engine *e, const struct trans_key *k, int64_t time)
{
	struct server_state *s = engine_server(e, k->netns, &k->server);

	if (s)
		s->last_query = time;
	if (s && k->proto == IPPROTO_TCP)
		s->last_tcp = time;
	engine_netns(e, k->netns)->last_plain = time;
	attempts_settle(e, k);
}

/* A query again. The same packet on a second interface, a bridge and its port, is no retry. */
static void retry(struct dns_engine *e, struct trans *x, const struct packet *p)
{
	if (!x->owner.pid)
		x->owner = *asker(p);
	if (p->tap != x->tap)
		return;
	x->last = p->time;
	if (p->time - x->asked >= ANEW_AFTER) {
		x->asked = p->time;
		x->asked_nr = p->number;
	}
	x->queries++;
	counts_retry(e, x);
}

static void get_question(const struct dns_engine *e, struct question *q, const struct dns_msg *m)
{
	memset(q, 0, offsetof(struct question, name.wire));
	if (dns_question_get(m, &q->name, &q->type, &q->class))
		q->hash = hash_bytes(e->seed, q->name.wire, q->name.len);
}

/*
 * Docker's embedded resolver passes a query on as it is, with its id: from a socket of its own in
 * the same namespace or, where it was given the host's own resolver, in the host's; so it is
 * another process's. Where processes are not known, as in a file, a client's own second server
 * must be told apart by the time: it is not asked at once.
 */
static bool is_passed_on(const struct trans *from, const struct trans *x)
{
	int64_t after = x->first - from->first;

	if (from->stage == TRANS_DONE || after < 0)
		return false;
	if (from->owner.pid && x->owner.pid)
		return from->owner.pid != x->owner.pid && after < PASS_ON_LATEST;
	return from->key.netns == x->key.netns && after < PASS_ON_AT_ONCE;
}

static void tie_upstream(struct dns_engine *e, struct trans *x)
{
	const struct trans_key *k;
	struct trans *from;
	uint32_t i;

	if (engine_is_docker(&x->key.server)) {
		e->passable[e->next_passable++ % MAX_PASSABLE] = x->key;
		return;
	}
	for (i = 0; i < MAX_PASSABLE && i < e->next_passable; i++) {
		k = &e->passable[i];
		from = k->id == x->key.id ? table_find(e->table, k, &x->q) : NULL;
		if (!from || !is_passed_on(from, x))
			continue;
		x->upstream_of = from->serial;
		from->upstream = x->key.server;
		from->passed_on = true;
	}
}

/* Hands over the message m of the packet under work. */
static void tell(struct dns_engine *e, const struct dns_seen *about, const struct dns_msg *m,
		 const struct trans_key *k)
{
	struct dns_seen s = *about;

	if (!e->ops.message || !engine_is_view(e, e->packet->tap))
		return;
	s.msg = m;
	s.time = e->packet->time;
	s.over_tcp = k->proto == IPPROTO_TCP;
	e->ops.message(e->ctx, &s);
}

/* One namespace alone sees nobody else's. What a file is of is not known ahead. */
static bool may_pass(const struct dns_engine *e)
{
	return !e->ops.ask || e->nr_ns > 1;
}

/* Another watched namespace's query on its way: there it is shown. */
static bool passes_through(struct dns_engine *e, const struct packet *p, const struct trans_key *k,
			   const struct question *q)
{
	return may_pass(e) && transit_query(e->transit, k, q, p->time, asker(p)->pid != 0);
}

void trans_connected(struct dns_engine *e, const struct trans_key *k)
{
	struct trans_key c = *k;
	struct trans *x;

	c.id = 0;
	c.connect = true;
	x = table_find(e->table, &c, NULL);
	if (!x)
		return;
	if (x->stage == TRANS_PENDING)
		counts_no_query(e, x);
	trans_remove(e, x);
}

void trans_connect(struct dns_engine *e, const struct packet *p, const struct trans_key *k)
{
	struct trans *x = table_find(e->table, k, NULL);
	struct question none = { 0 };

	if (!engine_is_view(e, p->tap)) {
		if (x)
			x->left = true;
		return;
	}
	if (passes_through(e, p, k, &none) && !x)
		return;
	note_query(e, k, p->time);
	if (x && x->stage != TRANS_DONE) {
		retry(e, x, p);
		return;
	}
	if (x)
		trans_remove(e, x);
	x = trans_new(e, k, &none, p);
	if (x)
		counts_query(e, x);
}

static void ask_for(struct dns_engine *e, const struct trans *x)
{
	struct dns_transaction t;

	report_trans(e, x, &t);
	judge_ask(e, &t, 0);
}

static struct dns_edns_asked query_edns(const struct dns_msg *m)
{
	struct dns_edns edns;

	if (!m->count[DNS_ADDITIONAL])
		return (struct dns_edns_asked){ 0 };
	dns_edns_get(&edns, m);
	return (struct dns_edns_asked){
		.present = edns.present,
		.dnssec_ok = edns.dnssec_ok,
		.has_cookie = edns.has_cookie,
		.udp_size = edns.udp_size,
	};
}

/* x is new, made by the query m. */
static void begin_lookup(struct dns_engine *e, struct trans *x, const struct dns_msg *m)
{
	x->opcode = m->opcode;
	tie_upstream(e, x);
	if (!x->upstream_of)
		counts_query(e, x);
	if (judge_trouble_ahead(e, x->key.netns, x->owner.pid, &x->key.server))
		ask_for(e, x);
	if (!x->q.name.len)
		return;
	x->asked_edns = query_edns(m);
	mark_switch(e, x);
	symptoms_query(e, x);
}

void trans_query(struct dns_engine *e, const struct packet *p, const struct trans_key *k,
		 const struct dns_msg *m)
{
	struct question q;
	struct trans *x;

	tell(e, &(struct dns_seen){ 0 }, m, k);
	get_question(e, &q, m);
	table_expect(e->table, k->netns, &q);
	x = table_find(e->table, k, &q);
	if (!engine_is_view(e, p->tap)) {
		if (x)
			x->left = true;
		return;
	}
	if (passes_through(e, p, k, &q) && !x)
		return;
	note_query(e, k, p->time);
	if (k->proto == IPPROTO_TCP)
		trans_connected(e, k);
	if (x && x->stage != TRANS_DONE && !x->failed && p->time - x->last <= RETRY_WINDOW) {
		retry(e, x, p);
		return;
	}
	/* Answered within the same instant on another interface: the same packet still. */
	if (x && x->tap != p->tap && p->time - x->first < MSEC)
		return;
	if (x)
		trans_remove(e, x);
	x = trans_new(e, k, &q, p);
	if (x)
		begin_lookup(e, x, m);
}

/* The answer m of the packet p ends x. */
static void end_lookup(struct dns_engine *e, const struct packet *p, struct trans *x,
		       const struct dns_msg *m)
{
	struct dns_transaction t;

	if (!x->owner.pid)
		x->owner = *asker_answered(p);
	report_trans(e, x, &t);
	t.state = x->stage == TRANS_SHOWN ? DNS_LATE : DNS_ANSWERED;
	t.failure = DNS_FAIL_NONE;
	t.latency = p->time - x->asked;
	t.response_nr = p->number;
	report_response(&t, m);
	x->answered = p->time;
	x->rcode = t.rcode;
	x->found = t.rcode == DNS_R_NOERROR && t.count[DNS_ANSWER];
	x->truncated = t.flags & DNS_F_TC;
	counts_answer(e, x, &t);
	timers_cancel(&e->timers, &x->timer);
	table_done(e->table, x);
	engine_emit(e, &t);
	symptoms_answer(e, x, &t);
}

void trans_answer(struct dns_engine *e, const struct packet *p, const struct trans_key *k,
		  const struct dns_msg *m)
{
	struct question q;
	struct trans *x;

	get_question(e, &q, m);
	names_expect(e->names, &q);
	x = table_find(e->table, k, q.name.len ? &q : NULL);
	if (!x && may_pass(e) && transit_answer(e->transit, k, &q, p->time))
		return;
	tell(e,
	     &(struct dns_seen){
		     .unsolicited = !x,
		     .repeated = x && x->stage == TRANS_DONE,
		     .latency = x ? p->time - x->asked : 0,
	     },
	     m, k);
	if (!x && engine_is_view(e, p->tap))
		symptoms_stray(e, k, &q, p->number);
	if (!x || x->stage == TRANS_DONE)
		return;
	if (!engine_is_view(e, p->tap)) {
		x->came_back = true;
		return;
	}
	end_lookup(e, p, x, m);
}

/* Shown at once. A loopback server is judged at once as well; for
 * another one the verdict waits whether somebody else answers. */
void trans_fail(struct dns_engine *e, const struct packet *p, struct trans *x,
		const struct trans_failure *how)
{
	struct dns_transaction t;

	if (x->failed || x->stage == TRANS_DONE)
		return;
	if (x->stage == TRANS_SHOWN)
		counts_take_back(e, x);
	x->failed = how->how;
	x->failure = *how;
	x->failure.time = p->time;
	x->failure.packet_nr = p->number;
	x->stage = TRANS_SHOWN;
	symptoms_unanswered(e, x);
	counts_failed(e, x);
	report_trans(e, x, &t);
	engine_emit(e, &t);
	if (ipaddr_is_loopback(&x->key.server)) {
		timers_cancel(&e->timers, &x->timer);
		verdict(e, x, &t);
		return;
	}
	judge_ask(e, &t, 0);
	timers_set(&e->timers, &x->timer, verdict_time(e, x));
}

void trans_finish(struct dns_engine *e)
{
	struct trans *x, *next;

	for (x = table_next_live(e->table, NULL); x; x = next) {
		struct dns_transaction t;
		bool due = e->now - x->first >= e->o.unanswered_after || x->failed;

		next = table_next_live(e->table, x);
		timers_cancel(&e->timers, &x->timer);
		report_trans(e, x, &t);
		if (x->stage == TRANS_PENDING) {
			counts_unanswered(e, x);
			engine_emit(e, &t);
		}
		if (due && !x->verdict_given)
			verdict(e, x, &t);
	}
}

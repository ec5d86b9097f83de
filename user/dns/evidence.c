// SPDX-License-Identifier: GPL-2.0-only
#include "dns/evidence.h"

#include <netinet/in.h>
#include <string.h>

#include "dns/engine_state.h"
#include "dns/patterns.h"
#include "util/cleanup.h"
#include "util/hash.h"

/* A resolver on the loopback asks its upstream as soon as it is asked; Docker's goes on to the
 * next one after some seconds. Without retries of its own a client is not that fast. */
#define RESOLVER_TIME (900 * MSEC)
#define DOCKER_TIME   (10 * SEC)
/* A and AAAA of one lookup are asked within this. */
#define LOOKUP_TIME (10 * SEC)
/* Two taps may be read out of order by that. */
#define SKEW (20 * MSEC)

static const struct server_state *find_server(const struct dns_engine *e, uint64_t netns,
					      const struct ipaddr *addr)
{
	uint32_t i;

	for (i = 0; i < e->nr_servers; i++)
		if (e->servers[i]->netns == netns && ipaddr_equal(&e->servers[i]->addr, addr))
			return e->servers[i];
	return NULL;
}

static void about_server(struct dns_engine *e, struct rule_input *in)
{
	const struct dns_transaction *t = in->t;
	const struct server_state *s = find_server(e, t->netns, &t->server);

	in->server_silent = !s || s->last_answer < t->time;
	in->tcp_after = in->truncated_before = -1;
	if (!s)
		return;
	in->server_unanswered = s->unanswered_row;
	in->aaaa_names = s->nr_aaaa;
	in->servfails = s->servfails;
	if (s->last_tcp && s->last_tcp >= t->time)
		in->tcp_after = s->last_tcp - t->time;
	if (s->last_truncated && s->last_truncated <= t->time)
		in->truncated_before = t->time - s->last_truncated;
	if (in->event == RULE_SLOW)
		in->latency = latency_result(&s->latency);
}

/* The same question by the same client: it may have been answered meanwhile. */
static void about_question(struct dns_engine *e, struct rule_input *in, const struct question *q)
{
	const struct dns_transaction *t = in->t;
	const struct trans *y = NULL;
	unsigned int n = 0;

	while ((y = table_next_question(e->table, t->netns, q, q->type, y)) && n++ < SCAN_MAX) {
		if (y->answered < t->time || !ipaddr_equal(&y->key.client, &t->client))
			continue;
		in->answered_by = y->key.server;
		in->answered_after = y->answered - t->time;
		if (y->rcode == DNS_R_NOERROR || y->rcode == DNS_R_NXDOMAIN)
			in->resolved_by = y->key.server;
		if (!y->truncated && y->rcode == DNS_R_NOERROR)
			in->whole = true;
	}
}

/* Addresses found for the name: by anybody, and by this server. */
static void about_name(struct dns_engine *e, struct rule_input *in, const struct question *q)
{
	static const uint16_t types[] = { DNS_T_A, DNS_T_AAAA };
	const struct dns_transaction *t = in->t;
	size_t i;

	in->name_found = patterns_found_suffixed(e->patterns, t->netns, q);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		const struct trans *y = NULL;
		unsigned int n = 0;

		while ((y = table_next_question(e->table, t->netns, q, types[i], y)) &&
		       n++ < SCAN_MAX) {
			if (!y->found || y->answered < t->time - LOOKUP_TIME)
				continue;
			in->name_found = true;
			if (types[i] == DNS_T_A && ipaddr_equal(&y->key.server, &t->server))
				in->a_found = true;
		}
	}
}

/* One more name whose AAAA this server leaves without an answer that A gets. */
static void note_silent_aaaa(struct dns_engine *e, struct rule_input *in, const struct question *q)
{
	struct server_state *s = engine_server(e, in->t->netns, &in->t->server);
	uint32_t h = hash_bytes(0, q->name.wire, q->name.len), i;
	bool silent = in->event == RULE_VERDICT && !in->answered_by.family;
	bool notimp = in->event == RULE_ANSWER && in->t->rcode == DNS_R_NOTIMP;

	if (!s || q->type != DNS_T_AAAA || !in->a_found || (!silent && !notimp))
		return;
	for (i = 0; i < s->nr_aaaa; i++)
		if (s->aaaa[i] == h)
			return;
	if (s->nr_aaaa < MAX_AAAA)
		s->aaaa[s->nr_aaaa++] = h;
	in->aaaa_names = s->nr_aaaa;
}

static void set_upstream(struct rule_upstream *u, const struct trans *y)
{
	bool bad = !y->answered && (y->failed || y->stage == TRANS_SHOWN);

	/* One that failed says more than one that did not. */
	if (u->server.family && (u->bad || !bad))
		return;
	u->server = y->key.server;
	u->bad = bad;
	u->answered = y->answered;
	u->rcode = y->rcode;
	u->query_nr = y->first_nr;
	memcpy(u->ifname, y->tap->ifname, sizeof(u->ifname));
}

/* Not the client itself, which goes on to its next server. */
static bool is_other_process(const struct trans *y, const struct dns_transaction *t)
{
	return !y->owner.pid || !t->owner.pid || y->owner.pid != t->owner.pid;
}

/* A resolver in the namespace, Docker's or another on the loopback, and whom it asks: which of
 * the two is this one, if either? */
static void about_upstream(struct dns_engine *e, struct rule_input *in, const struct question *q)
{
	const struct dns_transaction *t = in->t;
	bool local = ipaddr_is_loopback(&t->server);
	const struct trans *y = NULL;
	unsigned int n = 0;

	while ((y = table_next_question(e->table, t->netns, q, q->type, y)) && n++ < SCAN_MAX) {
		const struct ipaddr *resolver = local ? &t->server : &y->key.server;
		int64_t asked = local ? t->time : y->first;
		int64_t passed_on = local ? y->first : t->time;
		int64_t within = engine_is_docker(resolver) ? DOCKER_TIME : RESOLVER_TIME;

		if (ipaddr_is_loopback(&y->key.server) == local ||
		    (!engine_is_docker(resolver) && !is_other_process(y, t)) ||
		    passed_on < asked - SKEW || passed_on > asked + within)
			continue;
		if (local)
			set_upstream(&in->upstream, y);
		else if (!y->failed)
			in->parent = y->key.server;
	}
}

/* The query is itself what Docker's resolver asks. */
static void be_upstream(struct rule_input *in)
{
	const struct dns_transaction *t = in->t;

	in->upstream.server = t->server;
	in->upstream.bad = t->state != DNS_ANSWERED && t->state != DNS_LATE;
	in->upstream.query_nr = t->query_nr;
	memcpy(in->upstream.ifname, t->ifname, sizeof(in->upstream.ifname));
}

void evidence_fill(struct dns_engine *e, struct rule_input *in, const struct question *q)
{
	const struct netns_state *ns = engine_netns(e, in->t->netns);

	in->plain_seen = ns->last_plain && ns->last_plain >= in->t->time - 60 * SEC;
	in->lost = e->sum->lost_records;
	about_server(e, in);
	if (!q->name.len)
		return;
	about_question(e, in, q);
	about_name(e, in, q);
	note_silent_aaaa(e, in, q);
	about_upstream(e, in, q);
	if (in->parent.family)
		be_upstream(in);
}

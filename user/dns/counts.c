// SPDX-License-Identifier: GPL-2.0-only
#include "dns/counts.h"

#include <stdlib.h>

#include "dns/engine_state.h"
#include "dns/latency.h"
#include "dns/names.h"
#include "util/cleanup.h"

static struct server_state *trans_server(struct dns_engine *e, const struct trans *x)
{
	return x->server ?: engine_server(e, x->key.netns, &x->key.server);
}

void counts_query(struct dns_engine *e, const struct trans *x)
{
	struct server_state *s = trans_server(e, x);

	e->sum->transactions++;
	if (s)
		s->sum.transactions++;
	else
		e->sum->more_servers++;
}

void counts_no_query(struct dns_engine *e, const struct trans *x)
{
	struct server_state *s = trans_server(e, x);

	e->sum->transactions--;
	if (s)
		s->sum.transactions--;
	else
		e->sum->more_servers--;
}

void counts_retry(struct dns_engine *e, const struct trans *x)
{
	struct server_state *s = trans_server(e, x);

	if (x->upstream_of)
		return;
	e->sum->retries++;
	names_retry(e->names, &x->q);
	if (s)
		s->sum.retries++;
}

void counts_unanswered(struct dns_engine *e, const struct trans *x)
{
	struct server_state *s = trans_server(e, x);

	if (s)
		s->unanswered_row++;
	if (x->upstream_of)
		return;
	e->sum->unanswered++;
	names_add(e->names, &x->q, NAMES_UNANSWERED);
	if (s)
		s->sum.unanswered++;
}

void counts_failed(struct dns_engine *e, const struct trans *x)
{
	struct server_state *s = trans_server(e, x);

	if (x->upstream_of)
		return;
	e->sum->failed++;
	names_add(e->names, &x->q, NAMES_FAILED);
	if (s)
		s->sum.failed++;
}

void counts_take_back(struct dns_engine *e, const struct trans *x)
{
	struct server_state *s = trans_server(e, x);

	if (x->upstream_of)
		return;
	names_take_back(e->names, &x->q, x->failed ? NAMES_FAILED : NAMES_UNANSWERED);
	if (x->failed) {
		e->sum->failed--;
		if (s)
			s->sum.failed--;
	} else {
		e->sum->unanswered--;
		if (s)
			s->sum.unanswered--;
	}
}

void counts_answer(struct dns_engine *e, const struct trans *x, const struct dns_transaction *t)
{
	struct server_state *s = trans_server(e, x);
	unsigned int last = DNS_SUMMARY_RCODES - 1;

	if (s) {
		s->last_answer = e->now;
		s->unanswered_row = 0;
	}
	if (x->upstream_of)
		return;
	e->sum->answered++;
	if (t->state == DNS_LATE) {
		e->sum->late++;
		counts_take_back(e, x);
	}
	latency_add(&e->latency, t->latency);
	names_answered(e->names, &x->q, t->rcode < last ? t->rcode : last, t->latency);
	if (!s)
		return;
	s->sum.answered++;
	s->sum.rcode[t->rcode < last ? t->rcode : last]++;
	latency_add(&s->latency, t->latency);
}

void counts_not_sent(struct dns_engine *e, const struct dns_transaction *t)
{
	struct server_state *s = engine_server(e, t->netns, &t->server);

	e->sum->transactions++;
	e->sum->not_sent++;
	if (s) {
		s->sum.transactions++;
		s->sum.not_sent++;
	} else {
		e->sum->more_servers++;
	}
}

static int more_used_first(const void *a, const void *b)
{
	const struct server_state *x = *(struct server_state *const *)a;
	const struct server_state *y = *(struct server_state *const *)b;

	return (x->sum.transactions < y->sum.transactions) -
	       (x->sum.transactions > y->sum.transactions);
}

static void add_server(struct dns_server_summary *to, const struct dns_server_summary *from)
{
	size_t i;

	to->transactions += from->transactions;
	to->answered += from->answered;
	to->unanswered += from->unanswered;
	to->failed += from->failed;
	to->not_sent += from->not_sent;
	to->retries += from->retries;
	for (i = 0; i < ARRAY_SIZE(to->rcode); i++)
		to->rcode[i] += from->rcode[i];
}

/* The same server asked from several namespaces is one line. */
static void merge_servers(struct dns_engine *e)
{
	uint32_t i, j, n = 0;

	for (i = 0; i < e->nr_servers; i++) {
		struct server_state *s = e->servers[i];

		for (j = 0; j < n && !ipaddr_equal(&e->servers[j]->addr, &s->addr); j++)
			;
		if (j == n) {
			e->servers[n++] = s;
			continue;
		}
		add_server(&e->servers[j]->sum, &s->sum);
		latency_merge(&e->servers[j]->latency, &s->latency);
		free(s);
	}
	e->nr_servers = n;
}

/* Those that have a place of their own; the others are counted together. */
static void list_servers(struct dns_engine *e)
{
	struct dns_summary *sum = e->sum;
	uint32_t i;

	qsort(e->servers, e->nr_servers, sizeof(e->servers[0]), more_used_first);
	for (i = 0; i < e->nr_servers; i++) {
		struct server_state *s = e->servers[i];

		if (!s->sum.transactions)
			continue;
		if (sum->nr_servers == DNS_MAX_SERVERS) {
			sum->more_servers += s->sum.transactions;
			continue;
		}
		s->sum.addr = s->addr;
		s->sum.latency = latency_result(&s->latency);
		sum->servers[sum->nr_servers++] = s->sum;
	}
}

void counts_finish(struct dns_engine *e)
{
	merge_servers(e);
	list_servers(e);
	e->sum->latency = latency_result(&e->latency);
	names_summary(e->names, e->sum);
}

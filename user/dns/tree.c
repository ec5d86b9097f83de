// SPDX-License-Identifier: GPL-2.0-only
#include "dns/tree.h"

#define BUCKET_NS (5 * 1000000LL)
#define WINDOW	  20 /* buckets */

static void slide_to(struct tree_count *c, int64_t number, int64_t time)
{
	while (c->nr_buckets && number >= c->bucket[c->oldest].number + WINDOW) {
		c->in_window -= c->bucket[c->oldest].n;
		c->oldest = (c->oldest + 1) % TREE_BUCKETS;
		c->nr_buckets--;
	}
	c->bucket[(c->oldest + c->nr_buckets) % TREE_BUCKETS].number = number;
	c->bucket[(c->oldest + c->nr_buckets) % TREE_BUCKETS].time = time;
	c->bucket[(c->oldest + c->nr_buckets) % TREE_BUCKETS].n = 0;
	c->nr_buckets++;
}

/* time: ns since the start. One from before the window counts, but for no burst. */
static void count(struct tree_count *c, int64_t time)
{
	int64_t number = time / BUCKET_NS;
	uint32_t i;

	/* There is a bucket at the start, with nothing in it. */
	if (!c->n++)
		c->nr_buckets = 1;
	i = (c->oldest + c->nr_buckets + TREE_BUCKETS - 1) % TREE_BUCKETS;
	if (number > c->bucket[i].number)
		slide_to(c, number, time);
	for (i = c->nr_buckets; i > 0; i--) {
		uint32_t at = (c->oldest + i - 1) % TREE_BUCKETS;

		if (c->bucket[at].number > number)
			continue;
		c->bucket[at].n++;
		c->in_window++;
		break;
	}
	if (c->in_window <= c->burst)
		return;
	c->burst = c->in_window;
	c->burst_time = c->bucket[c->oldest].time;
}

static void average(struct tree_average *a, float value, int64_t time)
{
	if (!a->count.n || value < a->min)
		a->min = value;
	if (!a->count.n || value > a->max)
		a->max = value;
	a->total += value;
	count(&a->count, time);
}

static void count_value(struct dns_tree *t, enum tree_kind kind, uint32_t value, int64_t time)
{
	struct tree_value *v = t->kinds[kind].values;
	uint32_t i;

	count(&t->kinds[kind].all, time);
	for (i = 0; i < t->kinds[kind].nr && v[i].value != value; i++)
		;
	if (i == TREE_VALUES)
		return;
	if (i == t->kinds[kind].nr)
		t->kinds[kind].nr++;
	v[i].value = value;
	count(&v[i].count, time);
}

/* Length of the first question's name as text, and its labels. */
static uint32_t name_of(const struct dns_msg *m, uint32_t off, uint32_t *labels)
{
	struct dns_name n;
	uint32_t at;

	*labels = 1;
	if (dns_name_get(&n, m, off, NULL) || n.len < 2)
		return 6; /* "<Root>" */
	*labels = 0;
	for (at = 0; n.wire[at]; at += n.wire[at] + 1U)
		++*labels;
	return n.len - 2U;
}

static void count_query(struct dns_tree *t, const struct dns_msg *m, const struct dns_rr *question,
			int64_t time)
{
	uint32_t labels = 0, len = 0;

	if (question)
		len = name_of(m, question->name_off, &labels);
	average(&t->name_len, (float)len, time);
	count(&t->levels[labels >= 1 && labels <= 3 ? labels - 1 : 3], time);
}

/* tshark counts a response's sections twice, but once if nobody asked. */
static void count_response(struct dns_tree *t, const struct dns_seen *s, int64_t time)
{
	int i, times;

	for (times = s->unsolicited ? 1 : 2; times; times--)
		for (i = 0; i < DNS_NR_SECTIONS; i++)
			average(&t->sections[i], s->msg->count[i], time);
	if (s->unsolicited)
		count(&t->unsolicited, time);
	else if (s->repeated)
		count(&t->repeated, time);
	else
		average(&t->response_time, (float)((double)s->latency / 1e6), time);
}

void dns_tree_start(struct dns_tree *t, int64_t time)
{
	if (!t->started)
		t->start = time;
	t->started = true;
}

void dns_tree_add(struct dns_tree *t, const struct dns_seen *s)
{
	int64_t time = s->time > t->start ? s->time - t->start : 0;
	const struct dns_msg *m = s->msg;
	struct dns_rr rr, first = { 0 };
	bool has_question = false;
	struct dns_walk w;

	dns_walk_init(&w, m);
	while (dns_walk_next(&w, &rr)) {
		if (!has_question && rr.section == DNS_QUESTION) {
			first = rr;
			has_question = true;
		}
	}
	/* What tshark does not get to the end of it does not count. */
	if (w.status)
		return;
	t->last = time;
	count(&t->packets, time);
	count_value(t, TREE_RCODE, m->rcode, time);
	count_value(t, TREE_OPCODE, m->opcode, time);
	count_value(t, TREE_RESPONSE, m->flags & DNS_F_QR ? 1 : 0, time);
	count_value(t, TREE_TYPE, first.type, time);
	count_value(t, TREE_CLASS, first.class, time);
	average(&t->payload, (float)(m->len + (s->over_tcp ? 2 : 0)), time);
	if (m->flags & DNS_F_QR)
		count_response(t, s, time);
	else
		count_query(t, m, has_question ? &first : NULL, time);
}

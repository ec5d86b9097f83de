// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A name's hash leads to a set of four entries. A name that is in none of them takes
 * a free one, else that with the smallest count: a flood of names that are asked once
 * pushes out itself, not those asked often.
 */
#include "dns/names.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "dns/latency.h"
#include "util/cleanup.h"
#include "util/clear.h"

#define SETS 1024
#define WAYS 4

#define NO_LATENCY INT64_MIN

struct entry {
	uint32_t retries;
	uint32_t count[NAMES_OUTCOMES];
	struct latency_coarse *latency; /* NULL: not more than one of its lookups was answered */
	int64_t only_latency;		/* of that one, ns; NO_LATENCY none */
	struct dns_name name;
};

/* What the choice of an entry needs, in one cache line. */
struct set {
	uint32_t hash[WAYS];
	uint32_t total[WAYS];
};

struct names {
	uint64_t pushed_out; /* transactions */
	struct set sets[SETS];
	struct entry entries[SETS][WAYS];
};

struct names *names_new(void)
{
	return calloc(1, sizeof(struct names));
}

void names_free(struct names *n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < SETS * WAYS; i++)
		free(n->entries[i / WAYS][i % WAYS].latency);
	free(n);
}

static unsigned int set_of(const struct question *q)
{
	return q->hash % SETS;
}

/* In which way of its set the name is; WAYS: in none. */
static unsigned int way_of(const struct names *n, const struct question *q)
{
	unsigned int s = set_of(q), i;

	for (i = 0; i < WAYS; i++) {
		const struct dns_name *name = &n->entries[s][i].name;

		if (n->sets[s].hash[i] == q->hash && name->len == q->name.len &&
		    !memcmp(name->wire, q->name.wire, name->len))
			break;
	}
	return i;
}

/* The way whose name gives way. */
static unsigned int least_of(const struct set *set)
{
	unsigned int way = 0, i;

	for (i = 1; i < WAYS; i++)
		if (set->total[i] < set->total[way])
			way = i;
	return way;
}

void names_expect(const struct names *n, const struct question *q)
{
	const struct set *set = &n->sets[set_of(q)];
	unsigned int i;

	for (i = 0; i < WAYS && set->hash[i] != q->hash; i++)
		;
	if (i == WAYS)
		i = least_of(set);
	__builtin_prefetch(&n->entries[set_of(q)][i], 1);
	__builtin_prefetch(n->entries[set_of(q)][i].name.wire, 1);
}

/* The way that the name is given. */
static unsigned int make_room(struct names *n, const struct question *q)
{
	struct set *set = &n->sets[set_of(q)];
	unsigned int way = least_of(set);
	struct entry *e;

	n->pushed_out += set->total[way];
	set->hash[way] = q->hash;
	set->total[way] = 0;
	e = &n->entries[set_of(q)][way];
	free(e->latency);
	clear_memory(e, offsetof(struct entry, name));
	e->only_latency = NO_LATENCY;
	dns_name_copy(&e->name, &q->name);
	return way;
}

/* The way that the name has, from now on if not before. */
static unsigned int get_way(struct names *n, const struct question *q)
{
	unsigned int way = way_of(n, q);

	return way == WAYS ? make_room(n, q) : way;
}

/* One more transaction of the name came to that. */
static struct entry *count(struct names *n, const struct question *q, unsigned int outcome)
{
	unsigned int way = get_way(n, q);
	struct entry *e = &n->entries[set_of(q)][way];

	n->sets[set_of(q)].total[way]++;
	e->count[outcome]++;
	return e;
}

void names_add(struct names *n, const struct question *q, unsigned int outcome)
{
	if (q->name.len)
		count(n, q, outcome);
}

/* Most names in a flood are asked for once: room is made with the second answer. */
static void add_latency(struct entry *e, int64_t ns)
{
	if (!e->latency && e->only_latency == NO_LATENCY) {
		e->only_latency = ns;
		return;
	}
	if (!e->latency) {
		e->latency = calloc(1, sizeof(*e->latency));
		if (!e->latency)
			return;
		latency_coarse_add(e->latency, e->only_latency);
	}
	latency_coarse_add(e->latency, ns);
}

void names_answered(struct names *n, const struct question *q, unsigned int rcode, int64_t ns)
{
	if (q->name.len)
		add_latency(count(n, q, rcode), ns);
}

void names_take_back(struct names *n, const struct question *q, unsigned int outcome)
{
	unsigned int way = q->name.len ? way_of(n, q) : WAYS;

	if (way == WAYS || !n->entries[set_of(q)][way].count[outcome])
		return;
	n->sets[set_of(q)].total[way]--;
	n->entries[set_of(q)][way].count[outcome]--;
}

void names_retry(struct names *n, const struct question *q)
{
	if (q->name.len)
		n->entries[set_of(q)][get_way(n, q)].retries++;
}

static uint64_t total(const struct entry *e)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < NAMES_OUTCOMES; i++)
		sum += e->count[i];
	return sum;
}

static uint64_t failures(const struct entry *e)
{
	return total(e) - e->count[DNS_R_NOERROR];
}

/* Most first; of equals, the name that comes first. */
static int compare(uint64_t x, uint64_t y, const struct entry *a, const struct entry *b)
{
	if (x != y)
		return x < y ? 1 : -1;
	return memcmp(a->name.wire, b->name.wire, DNS_NAME_MAX);
}

static int by_total(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;

	return compare(total(x), total(y), x, y);
}

static int by_failures(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;

	return compare(failures(x), failures(y), x, y);
}

static struct dns_latency latencies(const struct entry *e)
{
	struct latency_coarse one = { 0 };

	if (e->latency)
		return latency_coarse_result(e->latency);
	if (e->only_latency != NO_LATENCY)
		latency_coarse_add(&one, e->only_latency);
	return latency_coarse_result(&one);
}

static void summarize(struct dns_name_summary *s, const struct entry *e)
{
	struct strbuf b;
	size_t i;

	strbuf_init(&b, s->name, sizeof(s->name));
	dns_name_text(&b, &e->name);
	s->transactions = total(e);
	s->retries = e->retries;
	s->unanswered = e->count[NAMES_UNANSWERED];
	s->failed = e->count[NAMES_FAILED];
	s->latency = latencies(e);
	for (i = 0; i < ARRAY_SIZE(s->rcode); i++)
		s->rcode[i] = e->count[i];
}

void names_summary(const struct names *n, struct dns_summary *s)
{
	const struct entry **all = calloc(SETS * WAYS, sizeof(struct entry *));
	uint32_t i, nr = 0;

	s->more_names = n->pushed_out;
	for (i = 0; all && i < SETS * WAYS; i++)
		if (n->sets[i / WAYS].total[i % WAYS])
			all[nr++] = &n->entries[i / WAYS][i % WAYS];
	if (nr)
		qsort(all, nr, sizeof(struct entry *), by_total);
	for (i = 0; i < nr; i++)
		if (i < DNS_MAX_NAMES)
			summarize(&s->names[s->nr_names++], all[i]);
		else
			s->more_names += total(all[i]);
	if (nr)
		qsort(all, nr, sizeof(struct entry *), by_failures);
	for (i = 0; i < nr && i < DNS_MAX_NAMES && failures(all[i]); i++)
		summarize(&s->failing_names[s->nr_failing_names++], all[i]);
	free(all);
}

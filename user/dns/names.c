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
#include <time.h>

#include "dns/latency.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define SETS 1024
#define WAYS 4

#define NO_LATENCY INT64_MIN

struct entry {
	uint64_t total;
	uint32_t hash;
	uint32_t retries;
	uint32_t count[NAMES_OUTCOMES];
	struct latency_coarse *latency; /* NULL: not more than one of its lookups was answered */
	int64_t only_latency;		/* of that one, ns; NO_LATENCY none */
	struct dns_name name;
};

struct names {
	uint32_t seed;
	uint64_t pushed_out; /* transactions */
	struct entry entries[SETS * WAYS];
};

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (n)
		n->seed = (uint32_t)((uintptr_t)n >> 4) ^ (uint32_t)time(NULL);
	return n;
}

void names_free(struct names *n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < ARRAY_SIZE(n->entries); i++)
		free(n->entries[i].latency);
	free(n);
}

static bool is_of(const struct entry *e, uint32_t hash, const struct dns_name *name)
{
	return e->hash == hash && e->name.len == name->len &&
	       !memcmp(e->name.wire, name->wire, name->len);
}

static struct entry *find(struct names *n, const struct dns_name *name, uint32_t *hash)
{
	struct entry *set;
	unsigned int i;

	*hash = hash_bytes(n->seed, name->wire, name->len);
	set = &n->entries[*hash % SETS * WAYS];
	for (i = 0; i < WAYS; i++)
		if (is_of(&set[i], *hash, name))
			return &set[i];
	return NULL;
}

static struct entry *get(struct names *n, const struct dns_name *name)
{
	struct entry *e, *set;
	unsigned int i;
	uint32_t hash;

	e = find(n, name, &hash);
	if (e)
		return e;
	set = &n->entries[hash % SETS * WAYS];
	for (e = set, i = 1; i < WAYS; i++)
		if (set[i].total < e->total)
			e = &set[i];
	n->pushed_out += e->total;
	free(e->latency);
	memset(e, 0, sizeof(*e));
	e->only_latency = NO_LATENCY;
	e->hash = hash;
	memcpy(&e->name, name, offsetof(struct dns_name, wire) + name->len);
	return e;
}

void names_add(struct names *n, const struct dns_name *name, unsigned int outcome)
{
	struct entry *e;

	if (!name->len)
		return;
	e = get(n, name);
	e->total++;
	e->count[outcome]++;
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

void names_answered(struct names *n, const struct dns_name *name, unsigned int rcode, int64_t ns)
{
	struct entry *e;

	if (!name->len)
		return;
	e = get(n, name);
	e->total++;
	e->count[rcode]++;
	add_latency(e, ns);
}

void names_take_back(struct names *n, const struct dns_name *name, unsigned int outcome)
{
	struct entry *e;
	uint32_t hash;

	e = name->len ? find(n, name, &hash) : NULL;
	if (!e || !e->count[outcome])
		return;
	e->total--;
	e->count[outcome]--;
}

void names_retry(struct names *n, const struct dns_name *name)
{
	if (name->len)
		get(n, name)->retries++;
}

static uint64_t failures(const struct entry *e)
{
	return e->total - e->count[DNS_R_NOERROR];
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

	return compare(x->total, y->total, x, y);
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
	s->transactions = e->total;
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
		if (n->entries[i].total)
			all[nr++] = &n->entries[i];
	if (nr)
		qsort(all, nr, sizeof(struct entry *), by_total);
	for (i = 0; i < nr; i++)
		if (i < DNS_MAX_NAMES)
			summarize(&s->names[s->nr_names++], all[i]);
		else
			s->more_names += all[i]->total;
	if (nr)
		qsort(all, nr, sizeof(struct entry *), by_failures);
	for (i = 0; i < nr && i < DNS_MAX_NAMES && failures(all[i]); i++)
		summarize(&s->failing_names[s->nr_failing_names++], all[i]);
	free(all);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "dns/transit.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"

#define MSEC	     1000000LL
#define SLOTS	     4096	   /* a power of two; a query that is overwritten is shown twice */
#define PASSES_AFTER (1000 * MSEC) /* from the first namespace to the last */
#define NAT_AFTER    (100 * MSEC)  /* from one interface to another */
#define RING_SKEW    (2 * MSEC)	   /* records may come out of order by this */
#define ANSWER_AFTER (10000 * MSEC)

struct passage {
	uint64_t print; /* 0: free */
	uint64_t netns;
	int64_t time;
};

struct transit {
	uint32_t seed;
	struct passage first[SLOTS];  /* by all but the namespace */
	struct passage passed[SLOTS]; /* by all but the client */
};

struct transit *transit_new(void)
{
	struct transit *t = calloc(1, sizeof(*t));

	if (t)
		t->seed = (uint32_t)(uintptr_t)t;
	return t;
}

void transit_free(struct transit *t)
{
	free(t);
}

static uint64_t print_of(const struct transit *t, const struct trans_key *k,
			 const struct question *q)
{
	uint64_t question = (uint64_t)q->hash << 32 | q->type;

	return (hash_bytes64(t->seed, k, sizeof(*k)) ^ question) | 1;
}

static struct passage *slot_of(struct passage *slots, uint64_t print)
{
	return &slots[(print >> 32) & (SLOTS - 1)];
}

/* Without the namespace. */
static uint64_t print_of_path(const struct transit *t, const struct trans_key *k,
			      const struct question *q)
{
	struct trans_key path = *k;

	path.netns = 0;
	return print_of(t, &path, q);
}

/* Without the client. */
static uint64_t print_of_target(const struct transit *t, const struct trans_key *k,
				const struct question *q)
{
	struct trans_key target = *k;

	memset(&target.client, 0, sizeof(target.client));
	target.client_port = 0;
	return print_of(t, &target, q);
}

static bool is_recent(const struct passage *p, uint64_t print, int64_t time, int64_t after)
{
	return p->print == print && time >= p->time - RING_SKEW && time - p->time <= after;
}

static void note(struct passage *p, uint64_t print, uint64_t netns, int64_t time)
{
	*p = (struct passage){ .print = print, .netns = netns, .time = time };
}

bool transit_query(struct transit *t, const struct trans_key *k, const struct question *q,
		   int64_t time, bool is_own)
{
	uint64_t path = print_of_path(t, k, q), target = print_of_target(t, k, q);
	struct passage *first = slot_of(t->first, path), *passed = slot_of(t->passed, target);

	/* Each namespace has a loopback of its own. */
	if (ipaddr_is_loopback(&k->server))
		return false;
	if (!is_own && first->netns != k->netns && is_recent(first, path, time, PASSES_AFTER)) {
		note(passed, target, k->netns, time);
		return true;
	}
	/* Whoever sees it after this takes it from here. */
	note(first, path, k->netns, time);
	return !is_own && is_recent(passed, target, time, NAT_AFTER);
}

bool transit_answer(const struct transit *t, const struct trans_key *k, const struct question *q,
		    int64_t time)
{
	uint64_t path = print_of_path(t, k, q);
	const struct passage *first = &t->first[(path >> 32) & (SLOTS - 1)];

	return first->netns != k->netns && is_recent(first, path, time, ANSWER_AFTER);
}

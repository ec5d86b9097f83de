// SPDX-License-Identifier: GPL-2.0-only
#include "dns/table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/clear.h"
#include "util/hash.h"

#define CHUNK	 256  /* transactions allocated at once */
#define MAX_DONE 4096 /* finished ones kept to recognise duplicates */

struct age_list {
	struct trans *oldest, *newest;
	uint32_t nr;
};

struct chunk {
	struct chunk *next;
	struct trans trans[CHUNK];
};

struct table {
	struct trans **by_key, **by_question;
	uint32_t mask;
	uint32_t seed;
	uint32_t max, allocated;
	struct trans *free; /* chained by next */
	struct chunk *chunks;
	struct age_list live, done;
};

static uint32_t hash_key(const struct table *t, const struct trans_key *k)
{
	return hash_bytes(t->seed, k, sizeof(*k));
}

static uint32_t hash_question(const struct table *t, uint64_t netns, const struct question *q,
			      uint16_t type)
{
	bool is_aaaa = type == DNS_T_AAAA;
	uint32_t h =
		q->hash ^ hash_bytes(t->seed + (is_aaaa ? DNS_T_A : type), &netns, sizeof(netns));

	/* A and AAAA of a name lie side by side: with a query for one, the other is looked for. */
	return h ^ is_aaaa;
}

/* But for its type. */
static bool is_alike(const struct question *a, const struct question *b)
{
	return a->hash == b->hash && a->class == b->class && a->name.len == b->name.len &&
	       !memcmp(a->name.wire, b->name.wire, a->name.len);
}

bool question_equal(const struct question *a, const struct question *b)
{
	return a->type == b->type && is_alike(a, b);
}

struct table *table_new(uint32_t max)
{
	struct table *t = calloc(1, sizeof(*t));
	uint32_t buckets = 1024;

	if (!t)
		return NULL;
	while (buckets < max / 2 && buckets < 1U << 24)
		buckets *= 2;
	t->mask = buckets - 1;
	t->max = max;
	/* Hostile names must not be able to aim at one bucket. */
	t->seed = hash_seed(t);
	t->by_key = calloc(buckets, sizeof(struct trans *));
	t->by_question = calloc(buckets, sizeof(struct trans *));
	if (!t->by_key || !t->by_question) {
		table_free(t);
		return NULL;
	}
	return t;
}

void table_free(struct table *t)
{
	struct chunk *c, *next;

	if (!t)
		return;
	for (c = t->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(t->by_key);
	free(t->by_question);
	free(t);
}

static void age_add(struct age_list *l, struct trans *x)
{
	x->prev = l->newest;
	x->next = NULL;
	if (l->newest)
		l->newest->next = x;
	else
		l->oldest = x;
	l->newest = x;
	l->nr++;
}

static void age_remove(struct age_list *l, struct trans *x)
{
	if (x->prev)
		x->prev->next = x->next;
	else
		l->oldest = x->next;
	if (x->next)
		x->next->prev = x->prev;
	else
		l->newest = x->prev;
	l->nr--;
}

static struct age_list *age_list_of(struct table *t, const struct trans *x)
{
	return x->stage == TRANS_DONE ? &t->done : &t->live;
}

void table_remove(struct table *t, struct trans *x)
{
	*x->key_link = x->by_key;
	if (x->by_key)
		x->by_key->key_link = x->key_link;
	*x->question_link = x->by_question;
	if (x->by_question)
		x->by_question->question_link = x->question_link;
	age_remove(age_list_of(t, x), x);
	x->next = t->free;
	t->free = x;
}

static bool add_chunk(struct table *t)
{
	struct chunk *c = malloc(sizeof(*c));
	unsigned int i;

	if (!c)
		return false;
	c->next = t->chunks;
	t->chunks = c;
	t->allocated += CHUNK;
	for (i = 0; i < CHUNK; i++) {
		c->trans[i].next = t->free;
		t->free = &c->trans[i];
	}
	return true;
}

struct trans *table_add(struct table *t, const struct trans_key *key, const struct question *q,
			void (*evict)(void *ctx, struct trans *old), void *ctx)
{
	struct trans *x, **bucket;

	if (!t->free && (t->allocated >= t->max || !add_chunk(t))) {
		x = t->done.oldest ? t->done.oldest : t->live.oldest;
		if (!x)
			return NULL;
		evict(ctx, x);
		table_remove(t, x);
	}
	x = t->free;
	t->free = x->next;
	clear_memory(x, offsetof(struct trans, q));
	x->key = *key;
	question_copy(&x->q, q);
	x->key_hash = hash_key(t, key);
	x->question_hash = hash_question(t, key->netns, q, q->type);
	bucket = &t->by_key[x->key_hash & t->mask];
	x->by_key = *bucket;
	x->key_link = bucket;
	if (*bucket)
		(*bucket)->key_link = &x->by_key;
	*bucket = x;
	bucket = &t->by_question[x->question_hash & t->mask];
	x->by_question = *bucket;
	x->question_link = bucket;
	if (*bucket)
		(*bucket)->question_link = &x->by_question;
	*bucket = x;
	age_add(&t->live, x);
	return x;
}

/* The next one to be made takes the place of the one just removed, and the oldest goes next: both
 * have been left alone for so long that no cache has them. */
static void call_ahead(const struct table *t)
{
	const struct trans *x = t->done.oldest;
	size_t off;

	for (off = 0; off < offsetof(struct trans, q) + 64; off += 64)
		__builtin_prefetch((const char *)t->free + off, 1);
	__builtin_prefetch(x->key_link, 1);
	__builtin_prefetch(x->question_link, 1);
	__builtin_prefetch(x->next, 1);
}

void table_done(struct table *t, struct trans *x)
{
	age_remove(age_list_of(t, x), x);
	x->stage = TRANS_DONE;
	age_add(&t->done, x);
	if (t->done.nr <= MAX_DONE)
		return;
	table_remove(t, t->done.oldest);
	call_ahead(t);
}

void table_expect(const struct table *t, uint64_t netns, const struct question *q)
{
	__builtin_prefetch(&t->by_question[hash_question(t, netns, q, q->type) & t->mask], 1);
}

struct trans *table_find(const struct table *t, const struct trans_key *key,
			 const struct question *q)
{
	uint32_t h = hash_key(t, key);
	struct trans *x;

	for (x = t->by_key[h & t->mask]; x; x = x->by_key)
		if (x->key_hash == h && !memcmp(&x->key, key, sizeof(*key)) &&
		    (!q || question_equal(&x->q, q)))
			return x;
	return NULL;
}

struct trans *table_next_same_question(const struct table *t, const struct trans *x,
				       const struct trans *pos)
{
	struct trans *y = pos ? pos->by_question : t->by_question[x->question_hash & t->mask];

	for (; y; y = y->by_question)
		if (y != x && y->question_hash == x->question_hash &&
		    y->key.netns == x->key.netns && question_equal(&y->q, &x->q))
			return y;
	return NULL;
}

struct trans *table_next_question(const struct table *t, uint64_t netns, const struct question *q,
				  uint16_t type, const struct trans *pos)
{
	uint32_t h = pos ? pos->question_hash : hash_question(t, netns, q, type);
	struct trans *y = pos ? pos->by_question : t->by_question[h & t->mask];

	for (; y; y = y->by_question)
		if (y->question_hash == h && y->key.netns == netns && y->q.type == type &&
		    is_alike(&y->q, q))
			return y;
	return NULL;
}

struct trans *table_next_live(const struct table *t, const struct trans *pos)
{
	return pos ? pos->prev : t->live.newest;
}

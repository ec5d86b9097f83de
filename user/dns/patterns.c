// SPDX-License-Identifier: GPL-2.0-only
#include "dns/patterns.h"

#include <stdlib.h>
#include <string.h>

#include "util/clear.h"
#include "util/hash.h"

#define SEC	   1000000000LL
#define NX_MAX	   128
#define PORT_MAX   128
#define LABELS	   2048
#define STORM_TIME (60 * SEC)
/* The suffixes of one lookup and its success follow each other within this. */
#define LOOKUP_TIME (10 * SEC)

/* A name and type that does not exist. */
struct nx {
	uint64_t netns;
	bool used;
	uint32_t label;	     /* hash of the first label */
	uint32_t fresh;	     /* answers since a success */
	int64_t first_asked; /* of the fresh ones */
	int64_t latest;	     /* 0 none */
	int64_t amplified;   /* the name without its suffix was found then; 0 never */
	int64_t suffixed;    /* the name with a suffix was found then; 0 never */
	uint32_t next;	     /* in times, the oldest */
	int64_t times[PATTERN_STORM];
	struct question q;
};

/* A client's socket and the server it asks. */
struct port {
	struct trans_key k; /* without id */
	bool used;
	uint32_t failures;
	int64_t since, latest;
};

struct patterns {
	int64_t latest_nx; /* time of the latest in any namespace */
	uint32_t nr_ports;
	uint8_t newest, oldest; /* of nx, by latest */
	uint8_t older[NX_MAX], newer[NX_MAX];
	uint8_t labels[LABELS]; /* how many of nx have a first label with that hash */
	struct nx nx[NX_MAX];
	struct port ports[PORT_MAX];
};

struct patterns *patterns_new(void)
{
	struct patterns *p = calloc(1, sizeof(*p));
	unsigned int i;

	if (!p)
		return NULL;
	p->latest_nx = INT64_MIN;
	p->oldest = NX_MAX - 1;
	for (i = 0; i < NX_MAX; i++) {
		p->newer[i] = (uint8_t)(i - 1);
		p->older[i] = (uint8_t)(i + 1);
	}
	return p;
}

void patterns_free(struct patterns *p)
{
	free(p);
}

/* --- names ------------------------------------------------------------------------ */

static uint32_t label_hash(const struct question *q)
{
	return q->name.len ? hash_bytes(0, q->name.wire, q->name.wire[0] + 1U) : 0;
}

/* Nearly every name of a flood is like none before: that one look tells. */
static uint8_t *with_label(const struct patterns *p, uint32_t label)
{
	return (uint8_t *)&p->labels[label % LABELS];
}

static const struct nx *nx_find(const struct patterns *p, uint64_t netns, const struct question *q)
{
	uint32_t label = label_hash(q), i;

	for (i = 0; i < NX_MAX && *with_label(p, label); i++) {
		const struct nx *n = &p->nx[i];

		if (n->used && n->netns == netns && question_equal(&n->q, q))
			return n;
	}
	return NULL;
}

/* Takes the entry out of its place in the order of age. */
static void age_unlink(struct patterns *p, uint8_t i)
{
	if (i == p->newest)
		p->newest = p->older[i];
	else
		p->older[p->newer[i]] = p->older[i];
	if (i == p->oldest)
		p->oldest = p->newer[i];
	else
		p->newer[p->older[i]] = p->newer[i];
}

static void age_renew(struct patterns *p, const struct nx *n)
{
	uint8_t i = (uint8_t)(n - p->nx);

	if (i == p->newest)
		return;
	age_unlink(p, i);
	p->older[i] = p->newest;
	p->newer[p->newest] = i;
	p->newest = i;
}

static struct nx *nx_get(struct patterns *p, uint64_t netns, const struct question *q)
{
	struct nx *n = (struct nx *)nx_find(p, netns, q);

	if (n)
		return n;
	n = &p->nx[p->oldest];
	if (n->used)
		--*with_label(p, n->label);
	clear_memory(n, offsetof(struct nx, q));
	n->used = true;
	n->netns = netns;
	n->label = label_hash(q);
	++*with_label(p, n->label);
	question_copy(&n->q, q);
	return n;
}

/* How many of the entry's times are within the last minute. */
static uint32_t nx_recent(const struct nx *n, int64_t now)
{
	uint32_t i, count = 0;

	for (i = 0; i < PATTERN_STORM; i++)
		count += n->times[i] && n->times[i] > now - STORM_TIME;
	return count;
}

uint32_t patterns_nx(struct patterns *p, uint64_t netns, const struct question *q, int64_t asked,
		     int64_t now)
{
	struct nx *n = nx_get(p, netns, q);

	if (!n->fresh || n->latest < now - LOOKUP_TIME) {
		n->fresh = 0;
		n->first_asked = asked;
	}
	n->fresh++;
	n->latest = p->latest_nx = now;
	age_renew(p, n);
	n->times[n->next++ % PATTERN_STORM] = now;
	if ((n->amplified && n->amplified > now - STORM_TIME) ||
	    (n->suffixed && n->suffixed > now - STORM_TIME))
		return 0;
	return nx_recent(n, now);
}

/* name is longer than base, and base followed by more labels; both in wire form. */
static bool extends(const struct dns_name *name, const struct dns_name *base)
{
	return base->len > 1 && name->len > base->len &&
	       !memcmp(name->wire, base->wire, base->len - 1U);
}

uint32_t patterns_found(struct patterns *p, uint64_t netns, const struct question *q, int64_t now,
			int64_t *wasted)
{
	uint32_t label = label_hash(q), i, count = 0;
	int64_t first = now;

	*wasted = 0;
	if (p->latest_nx < now - LOOKUP_TIME || !*with_label(p, label))
		return 0;
	for (i = 0; i < NX_MAX; i++) {
		struct nx *n = &p->nx[i];

		if (!n->used || n->label != label || n->netns != netns ||
		    n->latest < now - LOOKUP_TIME)
			continue;
		if (extends(&q->name, &n->q.name))
			n->suffixed = now;
		if (!extends(&n->q.name, &q->name))
			continue;
		n->amplified = now;
		count += n->fresh;
		if (n->fresh && n->first_asked < first)
			first = n->first_asked;
		n->fresh = 0;
	}
	*wasted = now - first;
	return count;
}

bool patterns_found_suffixed(const struct patterns *p, uint64_t netns, const struct question *q)
{
	const struct nx *n = nx_find(p, netns, q);

	return n && n->suffixed && n->suffixed >= n->first_asked;
}

/* --- sockets ------------------------------------------------------------------------ */

static struct trans_key port_key(const struct trans_key *k)
{
	struct trans_key p = *k;

	p.id = 0;
	p.connect = false;
	return p;
}

static struct port *port_find(const struct patterns *p, const struct trans_key *k)
{
	struct trans_key key = port_key(k);
	uint32_t i;

	for (i = 0; i < PORT_MAX && p->nr_ports; i++)
		if (p->ports[i].used && !memcmp(&p->ports[i].k, &key, sizeof(key)))
			return (struct port *)&p->ports[i];
	return NULL;
}

static struct port *port_slot(struct patterns *p)
{
	struct port *slot = &p->ports[0];
	uint32_t i;

	for (i = 1; i < PORT_MAX && slot->used; i++)
		if (!p->ports[i].used || p->ports[i].latest < slot->latest)
			slot = &p->ports[i];
	p->nr_ports += !slot->used;
	return slot;
}

void patterns_port_failed(struct patterns *p, const struct trans_key *k, int64_t first)
{
	struct port *port = port_find(p, k);

	if (!port) {
		port = port_slot(p);
		*port = (struct port){ .k = port_key(k), .used = true, .since = first };
	}
	port->latest = first;
	port->failures++;
}

uint32_t patterns_port(const struct patterns *p, const struct trans_key *k, int64_t *span)
{
	const struct port *port = port_find(p, k);

	*span = port ? port->latest - port->since : 0;
	return port ? port->failures : 0;
}

void patterns_port_answered(struct patterns *p, const struct trans_key *k)
{
	struct port *port = p->nr_ports ? port_find(p, k) : NULL;

	if (!port)
		return;
	port->used = false;
	p->nr_ports--;
}

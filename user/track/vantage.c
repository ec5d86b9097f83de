// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A packet that enters the pair at one end waits in a table until the same one is
 * seen at the other. Alike packets are interchangeable: the oldest goes first, so
 * the count is exact. One that has waited for long is lost; should it turn up
 * after all (a shaper may hold it for as long as it likes) that is taken back.
 *
 * No false alarm is worth having the rest, so a packet is not counted as lost if
 * - it was seen before both ends were attached, or shortly before one went;
 * - records of the pair were lost at about that time;
 * - something arrived at about that time that nobody had sent: packets are then
 *   changed on the way (cut into segments, joined, rewritten), and this may be
 *   one of them.
 *
 * A request waits for its answer in the same table. An answer on any interface
 * of the namespace will do: routes need not be symmetric. From outside, only what
 * goes to an address that the namespace has sent from is due an answer: a bridge
 * floods, and who-has is for everybody to hear.
 */
#include "track/vantage.h"

#include <stdlib.h>
#include <string.h>

#include "nswatch/record.h"
#include "util/hash.h"

#define MSEC	       1000000LL
#define ENTRIES	       16384 /* a power of two */
#define MAX_PAIRS      1024
#define SENDERS	       4096	      /* a power of two */
#define NONE	       0	      /* no entry; the first is 1 */
#define BEGUN	       (50 * MSEC)    /* what was sent before we came has arrived after this */
#define TURN_UP	       (500 * MSEC)   /* in flight at the end, beside twice the slowest */
#define SETTLE	       (10000 * MSEC) /* around what makes us unsure */
#define ETHERNET_FRAME 1518	      /* with a VLAN tag */

/* What an entry is; each has a list of its own, oldest first. */
enum kind {
	EARLY,	 /* arrived: what was sent may be told of a moment later */
	WAITING, /* sent: to arrive */
	REQUEST, /* to be answered */
	LOST,	 /* sent, counted as lost: may turn up yet */
	NR_KINDS,
};

struct entry {
	uint32_t print;
	uint32_t next;	       /* in the bucket */
	uint32_t older, newer; /* in the list */
	int64_t time;
	uint64_t number;
	struct glance_talk talk;
	uint16_t pair;
	uint8_t kind;
	uint8_t dir; /* enum direction */
};

struct span {
	int64_t from, to;
};

struct pair {
	struct vantage_pair shown;
	uint32_t ifindex; /* inside */
	bool open[2];	  /* by enum tap_side */
	int64_t since;	  /* both are */
	int64_t slowest;  /* from end to end, so far */
	struct span missed;
	struct span changed[3]; /* by enum direction */
};

struct vantage {
	struct vantage_options o;
	struct pair *pairs; /* from 1 */
	uint16_t nr_pairs;
	uint16_t pair_of[NSW_MAX_TAPS]; /* by tap id; 0 none */
	struct entry *entries;		/* from 1 */
	uint32_t used;			/* entries that were ever in use */
	uint32_t free;			/* a list by next */
	uint32_t buckets[ENTRIES];
	struct list {
		uint32_t oldest, newest;
	} lists[NR_KINDS];
	uint32_t senders[SENDERS]; /* hashes of namespace and address, by their low bits */
	int64_t end;		   /* 0: not yet */
	uint32_t seed;
};

_Static_assert(sizeof(struct glance_talk) == 42, "no padding in what is hashed");

/* How long a kind waits; LOST ones as long as there is room. */
static const int64_t waits[NR_KINDS] = {
	[EARLY] = 100 * MSEC,
	[WAITING] = 5000 * MSEC,
	[REQUEST] = 5000 * MSEC,
	[LOST] = INT64_MAX,
};

struct vantage *vantage_new(const struct vantage_options *o)
{
	struct vantage *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->o = *o;
	v->pairs = calloc(MAX_PAIRS + 1, sizeof(*v->pairs));
	v->entries = calloc(ENTRIES + 1, sizeof(*v->entries));
	v->seed = (uint32_t)(uintptr_t)v;
	if (!v->pairs || !v->entries) {
		vantage_free(v);
		return NULL;
	}
	return v;
}

void vantage_free(struct vantage *v)
{
	if (!v)
		return;
	free(v->pairs);
	free(v->entries);
	free(v);
}

/* --- the table ------------------------------------------------------------- */

static uint32_t *bucket_of(struct vantage *v, uint32_t print)
{
	return &v->buckets[print % ENTRIES];
}

static void list_add(struct vantage *v, uint32_t at, enum kind kind)
{
	struct list *l = &v->lists[kind];
	struct entry *e = &v->entries[at];

	e->kind = kind;
	e->older = l->newest;
	e->newer = NONE;
	if (l->newest)
		v->entries[l->newest].newer = at;
	else
		l->oldest = at;
	l->newest = at;
}

static void list_del(struct vantage *v, uint32_t at)
{
	const struct entry *e = &v->entries[at];
	struct list *l = &v->lists[e->kind];

	if (e->older)
		v->entries[e->older].newer = e->newer;
	else
		l->oldest = e->newer;
	if (e->newer)
		v->entries[e->newer].older = e->older;
	else
		l->newest = e->older;
}

static void drop(struct vantage *v, uint32_t at)
{
	uint32_t *p = bucket_of(v, v->entries[at].print);

	while (*p != at)
		p = &v->entries[*p].next;
	*p = v->entries[at].next;
	list_del(v, at);
	v->entries[at].next = v->free;
	v->free = at;
}

static bool is_alike(const struct entry *e, const struct entry *want)
{
	return e->print == want->print && e->kind == want->kind && e->pair == want->pair &&
	       e->dir == want->dir;
}

/* The oldest like that, or NONE. The newest is the first of its bucket. */
static uint32_t find(struct vantage *v, const struct entry *want)
{
	uint32_t at = *bucket_of(v, want->print), found = NONE;

	for (; at; at = v->entries[at].next)
		if (is_alike(&v->entries[at], want))
			found = at;
	return found;
}

/* --- judging --------------------------------------------------------------- */

static bool is_within(const struct span *s, int64_t t)
{
	return t >= s->from && t <= s->to;
}

/* Everything around now is in doubt. What waits is no older than that. */
static void doubt(struct span *s, int64_t now)
{
	if (!s->to || now - SETTLE > s->to)
		s->from = now - SETTLE;
	s->to = now + SETTLE;
}

static uint32_t sender_print(const struct vantage *v, uint64_t netns, const struct ipaddr *a)
{
	return hash_bytes(v->seed ^ (uint32_t)netns, a, sizeof(*a));
}

static void note_sender(struct vantage *v, uint64_t netns, const struct ipaddr *a)
{
	uint32_t print = sender_print(v, netns, a);

	v->senders[print % SENDERS] = print;
}

/* Whether somebody in the namespace is asked. With many addresses one may be forgotten. */
static bool is_asked(const struct vantage *v, const struct entry *e)
{
	uint32_t print = sender_print(v, v->pairs[e->pair].shown.netns, &e->talk.server);

	return e->dir == DIR_OUT || v->senders[print % SENDERS] == print;
}

static enum vantage_place place_of(const struct entry *e)
{
	if (e->kind == REQUEST)
		return e->dir == DIR_OUT ? VANTAGE_LEFT_NETNS : VANTAGE_CAME_IN;
	return e->dir == DIR_OUT ? VANTAGE_LEFT_PROCESS : VANTAGE_CAME_BACK;
}

static bool is_unsure(const struct pair *p, const struct entry *e)
{
	return is_within(&p->missed, e->time) ||
	       (e->kind == WAITING && is_within(&p->changed[e->dir], e->time));
}

/* True if it counts as lost. */
static bool judge(struct vantage *v, const struct entry *e)
{
	struct pair *p = &v->pairs[e->pair];
	enum vantage_place at = place_of(e);
	struct vantage_loss *l = &p->shown.lost[at];

	if (!p->since || e->time < p->since)
		return false;
	if (is_unsure(p, e)) {
		l->unsure++;
		return false;
	}
	if (!l->count) {
		l->first = e->number;
		l->first_time = e->time;
		l->talk = e->talk;
	}
	l->last = e->number;
	l->last_time = e->time;
	if (!l->count++ && v->o.lost && !v->end)
		v->o.lost(v->o.ctx, &p->shown, at);
	return true;
}

static void settle(struct vantage *v, uint32_t at)
{
	struct entry *e = &v->entries[at];
	struct pair *p = &v->pairs[e->pair];
	bool lost = false;

	if (e->kind == EARLY && p->since && e->time > p->since)
		doubt(&p->changed[e->dir], e->time);
	else if (e->kind == WAITING || (e->kind == REQUEST && is_asked(v, e)))
		lost = judge(v, e);
	if (!lost || e->kind != WAITING) {
		drop(v, at);
		return;
	}
	list_del(v, at);
	list_add(v, at, LOST);
}

/* It was late: not lost. */
static void take_back(struct vantage *v, struct entry *e)
{
	struct vantage_loss *l =
		&v->pairs[e->pair]
			 .shown.lost[e->dir == DIR_OUT ? VANTAGE_LEFT_PROCESS : VANTAGE_CAME_BACK];

	l->count--;
	if (l->first == e->number)
		l->first = 0;
	if (l->last == e->number)
		l->last = 0;
}

/* Nothing that left so late before an end must have arrived, or been answered. */
static int64_t in_flight(const struct pair *p)
{
	return TURN_UP + 2 * p->slowest;
}

/* One end of the pair, or both, see nothing any more. */
static void close_pair(struct vantage *v, uint16_t nr, int64_t now)
{
	int64_t until = now - in_flight(&v->pairs[nr]);
	int kind;

	for (kind = EARLY; kind <= REQUEST; kind++) {
		uint32_t at = v->lists[kind].oldest, next;

		for (; at; at = next) {
			next = v->entries[at].newer;
			if (v->entries[at].pair != nr)
				continue;
			if (v->entries[at].time > until && kind != EARLY)
				drop(v, at);
			else
				settle(v, at);
		}
	}
	v->pairs[nr].since = 0;
}

/* It cannot be waited for, and others may be like it. */
static void give_up(struct vantage *v, const struct entry *e)
{
	struct pair *p = &v->pairs[e->pair];

	if (e->kind == LOST)
		return;
	doubt(&p->missed, e->time);
	if (e->kind != EARLY && p->since && e->time >= p->since)
		p->shown.lost[place_of(e)].unsure++;
}

/* Room for one more: what is known to be lost is the first to go. */
static uint32_t make_room(struct vantage *v)
{
	static const enum kind order[] = { LOST, EARLY, REQUEST, WAITING };
	size_t i;
	uint32_t at;

	if (v->used < ENTRIES)
		return ++v->used;
	for (i = 0; !v->free; i++) {
		at = v->lists[order[i]].oldest;
		if (!at)
			continue;
		give_up(v, &v->entries[at]);
		drop(v, at);
	}
	at = v->free;
	v->free = v->entries[at].next;
	return at;
}

static void add(struct vantage *v, const struct entry *e)
{
	uint32_t at = v->free, *bucket = bucket_of(v, e->print);

	if (at)
		v->free = v->entries[at].next;
	else
		at = make_room(v);
	v->entries[at] = *e;
	v->entries[at].next = *bucket;
	*bucket = at;
	list_add(v, at, e->kind);
}

/* --- taps ------------------------------------------------------------------ */

static uint32_t inside_ifindex(const struct tap *tap)
{
	return tap->side == SIDE_HOST ? tap->peer : tap->ifindex;
}

static uint16_t find_pair(const struct vantage *v, const struct tap *tap)
{
	uint16_t i;

	for (i = 1; i <= v->nr_pairs; i++)
		if (v->pairs[i].shown.netns == tap->netns &&
		    v->pairs[i].ifindex == inside_ifindex(tap))
			return i;
	return 0;
}

/* That of the same name which went before, or a new one. */
static uint16_t take_pair(struct vantage *v, const struct tap *tap)
{
	uint16_t i;

	for (i = 1; i <= v->nr_pairs; i++) {
		const struct pair *p = &v->pairs[i];

		if (!p->open[SIDE_INSIDE] && !p->open[SIDE_HOST] && tap->side == SIDE_INSIDE &&
		    !strcmp(p->shown.inside, tap->ifname) && !strcmp(p->shown.target, tap->target))
			return i;
	}
	return v->nr_pairs < MAX_PAIRS ? ++v->nr_pairs : 0;
}

void vantage_tap(struct vantage *v, const struct tap *tap)
{
	uint16_t nr = find_pair(v, tap);
	struct pair *p;

	if (!nr && !tap->is_loopback)
		nr = take_pair(v, tap);
	v->pair_of[tap->id % NSW_MAX_TAPS] = nr;
	if (!nr)
		return;
	p = &v->pairs[nr];
	p->shown.netns = tap->netns;
	p->ifindex = inside_ifindex(tap);
	memcpy(p->shown.target, tap->target, sizeof(p->shown.target));
	memcpy(tap->side == SIDE_HOST ? p->shown.host : p->shown.inside, tap->ifname,
	       sizeof(p->shown.host));
}

void vantage_begin(struct vantage *v, const struct tap *tap, int64_t now)
{
	uint16_t nr = v->pair_of[tap->id % NSW_MAX_TAPS];
	struct pair *p = &v->pairs[nr];

	if (!nr)
		return;
	p->open[tap->side] = true;
	if (p->open[SIDE_INSIDE] && p->open[SIDE_HOST] && !p->since)
		p->since = now + BEGUN;
}

void vantage_end(struct vantage *v, const struct tap *tap, int64_t now)
{
	uint16_t nr = v->pair_of[tap->id % NSW_MAX_TAPS];

	if (v->end || !nr)
		return;
	v->pairs[nr].open[tap->side] = false;
	close_pair(v, nr, now);
}

void vantage_end_all(struct vantage *v, int64_t now)
{
	if (!v->end)
		v->end = now;
}

void vantage_missed(struct vantage *v, const struct tap *tap, int64_t now)
{
	doubt(&v->pairs[v->pair_of[tap->id % NSW_MAX_TAPS]].missed, now);
}

/* --- packets --------------------------------------------------------------- */

/* Whether both ends were watched then. What one alone has seen never meets its like at
 * the other, and would take the place of a later one. */
static bool is_open(const struct pair *p, int64_t time)
{
	return p->since && time >= p->since - BEGUN;
}

/* Whether it enters the pair here, or leaves it. */
static bool is_sent(const struct packet *p)
{
	return (p->tap->side == SIDE_INSIDE) == (p->dir == DIR_OUT);
}

static void arrived(struct vantage *v, struct entry *e)
{
	struct pair *p = &v->pairs[e->pair];
	uint32_t at;

	e->kind = WAITING;
	at = find(v, e);
	if (!at) {
		e->kind = LOST;
		at = find(v, e);
		if (at)
			take_back(v, &v->entries[at]);
	}
	if (!at) {
		e->kind = EARLY;
		add(v, e);
		return;
	}
	if (e->time - v->entries[at].time > p->slowest)
		p->slowest = e->time - v->entries[at].time;
	drop(v, at);
}

static void sent(struct vantage *v, struct entry *e)
{
	uint32_t at;

	e->kind = EARLY;
	at = find(v, e);
	if (at) {
		drop(v, at);
		return;
	}
	e->kind = WAITING;
	add(v, e);
}

/* The same for a request and its answer, of the namespace. */
static uint32_t talk_print(const struct vantage *v, uint64_t netns, const struct glance_talk *t)
{
	return hash_bytes(v->seed ^ (uint32_t)netns, t, sizeof(*t));
}

static void answered(struct vantage *v, uint32_t print, enum direction dir, uint64_t netns)
{
	uint32_t at = *bucket_of(v, print), next;

	for (; at; at = next) {
		const struct entry *e = &v->entries[at];

		next = e->next;
		if (e->kind == REQUEST && e->print == print && e->dir != dir &&
		    v->pairs[e->pair].shown.netns == netns)
			drop(v, at);
	}
}

static bool answer_would_show(const struct vantage *v, const struct packet *p)
{
	uint8_t bytes[GLANCE_BYTES];
	uint32_t len;

	if (!v->o.takes)
		return true;
	len = glance_answer(p->data, p->caplen, bytes);
	return len && v->o.takes(v->o.ctx, bytes, len, p->dir == DIR_OUT ? DIR_IN : DIR_OUT);
}

static void talk(struct vantage *v, const struct packet *p, const struct glance *g, struct entry e)
{
	e.print = talk_print(v, p->tap->netns, &g->talk);
	if (g->role == GLANCE_ANSWER) {
		answered(v, e.print, p->dir, p->tap->netns);
		return;
	}
	e.kind = REQUEST;
	/* It has crossed the pair: what becomes of it is not the pair's doing. */
	if (is_open(&v->pairs[e.pair], e.time) && !is_sent(p) && !find(v, &e) &&
	    answer_would_show(v, p))
		add(v, &e);
}

void vantage_packet(struct vantage *v, const struct packet *p)
{
	uint16_t pair = v->pair_of[p->tap->id % NSW_MAX_TAPS];
	struct entry e = {
		.time = p->time, .number = p->number, .pair = pair, .dir = (uint8_t)p->dir
	};
	struct glance g;

	if (p->tap->is_loopback || p->dir == DIR_UNKNOWN)
		return;
	glance(&g, v->seed, p->data, p->caplen, p->wirelen);
	if (p->dir == DIR_OUT && p->tap->side == SIDE_INSIDE)
		note_sender(v, p->tap->netns,
			    g.role == GLANCE_ANSWER ? &g.talk.server : &g.talk.client);
	e.print = g.print;
	e.talk = g.talk;
	if (g.role != GLANCE_OTHER)
		talk(v, p, &g, e);
	if (!is_open(&v->pairs[pair], e.time) || (v->o.filtered && p->wirelen > ETHERNET_FRAME))
		return;
	if (is_sent(p))
		sent(v, &e);
	else
		arrived(v, &e);
}

/* --- time ------------------------------------------------------------------ */

static bool is_due(const struct vantage *v, enum kind kind, int64_t now)
{
	uint32_t at = v->lists[kind].oldest;

	return at && kind != LOST && now - v->entries[at].time >= waits[kind];
}

void vantage_tick(struct vantage *v, int64_t now)
{
	int kind;

	for (kind = EARLY; kind < LOST; kind++)
		while (is_due(v, kind, now))
			settle(v, v->lists[kind].oldest);
}

int64_t vantage_next(const struct vantage *v)
{
	int64_t next = INT64_MAX;
	int kind;

	for (kind = EARLY; kind < LOST; kind++) {
		uint32_t at = v->lists[kind].oldest;

		if (at && v->entries[at].time + waits[kind] < next)
			next = v->entries[at].time + waits[kind];
	}
	return next;
}

void vantage_finish(struct vantage *v, int64_t now)
{
	uint16_t i;

	vantage_end_all(v, now);
	for (i = 1; i <= v->nr_pairs; i++)
		close_pair(v, i, v->end);
}

/* --- what came of it ------------------------------------------------------- */

const struct vantage_pair *vantage_pair(const struct vantage *v, size_t i)
{
	return i < v->nr_pairs ? &v->pairs[i + 1].shown : NULL;
}

uint64_t vantage_not_across(const struct vantage *v, const struct tap *tap)
{
	const struct vantage_pair *p = &v->pairs[v->pair_of[tap->id % NSW_MAX_TAPS]].shown;

	return p->lost[tap->side == SIDE_INSIDE ? VANTAGE_LEFT_PROCESS : VANTAGE_CAME_BACK].count;
}

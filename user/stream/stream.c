// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Order. Each lane is in order of time by itself, and lanes are merged. Before a CPU takes
 * the time for a block it marks its lane busy. Each pass reads the clock (t0) and then the
 * lanes. One that is not busy then will never get a block that is older than t0 less the
 * time that a store may take to be seen (SETTLE_NS). One that is busy may: it began after
 * the last pass that had not seen it began, so that pass's t0 is its limit. What is younger
 * than the least of the lanes' limits waits for the next pass.
 *
 * Wake-ups, NAPI style. A notification per packet costs more than the capture.
 * At work, the consumer naps between two looks; a producer wakes it early only
 * if the ring fills up meanwhile. With nothing to do it goes to sleep: it sets
 * the flag, and then looks once more. A producer makes its block visible, then reads the
 * flag, without a barrier between the two, which would cost as much as all the rest. So
 * the flag may be seen too late; but not by much, and the consumer looks a last time
 * STREAM_SETTLE_MS later before it sleeps for good.
 *
 * Runs. Each chunk says how many blocks it has up to its end, if they are of one tap and whole;
 * so what a chunk has left can be given out without a look at more than its first block and
 * its last ones: those between would have to come from another core's cache. That their
 * lengths can be true is up to whoever walks a run (run_block_len()).
 *
 * Chunks. The stream holds one from its beginning until it has been read to the end;
 * somebody else may hold it longer (struct hold).
 */
#include "stream/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream/clock.h"
#include "stream/hold.h"
#include "stream/record.h"

#define SETTLE_NS	10000
#define STEP_NS		1000000000LL /* further ahead no block can be: the clock was set back */
#define PREFETCH_BYTES	2048
#define PREFETCH_BLOCK	256
#define PREFETCH_BLOCKS 16
#define LOOKED_AHEAD	16 /* blocks of a run that may turn out to be too young */
#define LOOKED_BACK	16 /* blocks at the end of one that may */
#define CACHE_LINE	64
#define SCRATCH_LEN	(NSW_MAX_SNAP + 256) /* of the longest block, at least */

/* A place in a lane. */
struct cursor {
	uint32_t chunk;
	uint32_t begun; /* chunks up to this one; 0: there is none yet */
	uint32_t off;
	uint32_t blocks;  /* before it in the chunk */
	uint32_t fetched; /* asked for up to there, as take() goes on */
};

struct lane {
	const struct nsw_lane *shared;
	uint64_t end;	  /* as the latest pass saw it */
	struct cursor at; /* what is before that has been given out */
	int64_t limit;	  /* all blocks older than that were there */
};

struct stream {
	struct stream_options o;
	struct ring ring;
	struct clock clock;

	struct lane *lanes;
	struct lane **active; /* those with blocks to give out, since the latest pass */
	uint32_t nr_active;
	struct lane *current; /* that the last block came from */
	int64_t until;	      /* no other one has a block older than that to give out */

	int64_t pass_time;  /* t0 of the latest pass; as all times here, ns since the epoch */
	int64_t horizon;    /* of the latest pass: the least of the lanes' limits */
	int64_t limit;	    /* all that is older is to be given out: that, or no limit */
	size_t taken;	    /* bytes that the latest pass found */
	struct hold *holds; /* by chunk */
	uint64_t number;
	uint64_t strays;
	uint8_t *scratch; /* a block put together from its pieces */
};

static int64_t wall_now(struct stream *s)
{
	int64_t now = clock_now(&s->clock);

	return clock_wall(&s->clock, now, now);
}

/* Only if it has changed: the producers read it. */
static void set_wall_offset(struct stream *s)
{
	if (*s->ring.wall_offset != (uint64_t)s->clock.offset)
		*s->ring.wall_offset = (uint64_t)s->clock.offset;
}

int stream_new(struct stream **out, const struct stream_options *o, struct err *e)
{
	struct stream *s = calloc(1, sizeof(*s));
	uint32_t i;

	if (!s)
		return err_sys(e, -ENOMEM, "packet ring");
	s->o = *o;
	s->ring = *o->ring;
	s->lanes = calloc(s->ring.nr_lanes, sizeof(*s->lanes));
	s->active = calloc(s->ring.nr_lanes, sizeof(struct lane *));
	s->holds = calloc(s->ring.nr_chunks, sizeof(*s->holds));
	s->scratch = malloc(SCRATCH_LEN);
	if (!s->lanes || !s->active || !s->holds || !s->scratch) {
		stream_free(s);
		return err_sys(e, -ENOMEM, "packet ring");
	}
	for (i = 0; i < s->ring.nr_lanes; i++) {
		s->lanes[i].shared = &s->ring.lanes[i];
		s->lanes[i].at =
			(struct cursor){ .chunk = s->ring.nr_chunks + i, .off = NSW_CHUNK };
		s->lanes[i].end = NSW_CHUNK;
	}
	for (i = 0; i < s->ring.nr_chunks; i++)
		s->holds[i] = (struct hold){
			.chunk = i,
			.returned = s->ring.returned,
			.slot_mask = s->ring.nr_slots - 1,
		};
	clock_init(&s->clock, o->clock);
	set_wall_offset(s);
	s->horizon = s->pass_time = wall_now(s);
	for (i = 0; i < s->ring.nr_lanes; i++)
		s->lanes[i].limit = s->horizon;
	*out = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	free(s->lanes);
	free(s->active);
	free(s->holds);
	free(s->scratch);
	free(s);
}

/* --- chunks ------------------------------------------------------------------ */

static uint8_t *place(const struct stream *s, const struct cursor *at)
{
	const uint32_t in_segment = NSW_SEGMENT / NSW_CHUNK;
	size_t segment = at->chunk / in_segment, chunk = at->chunk % in_segment;

	return s->ring.segments + segment * NSW_SEGMENT_STRIDE + chunk * NSW_CHUNK + at->off;
}

static uint32_t off_of(uint64_t position)
{
	return position & NSW_OFF_MASK;
}

static bool is_at_end(const struct lane *l)
{
	return l->at.off == off_of(l->end) && l->at.begun == l->end >> 32;
}

/* Lower half of the position where the blocks end that are whole, in the chunk that the
 * cursor is in. */
static uint32_t end_in_chunk(const struct stream *s, const struct lane *l)
{
	if (l->at.begun == l->end >> 32)
		return (uint32_t)l->end;
	return s->ring.links[l->at.chunk].end;
}

/* Of no use if they are mixed. */
static uint32_t blocks_of(uint32_t end)
{
	return (end & ~NSW_MIXED) / NSW_ONE_BLOCK;
}

static uint32_t filled(const struct stream *s, const struct lane *l)
{
	return off_of(end_in_chunk(s, l));
}

/* Goes on to the next chunk if this one is read. False: that was all. */
static bool find_next(struct stream *s, struct lane *l)
{
	if (is_at_end(l))
		return false;
	while (l->at.off >= filled(s, l)) {
		uint32_t next = s->ring.links[l->at.chunk].next;

		if (l->at.chunk < s->ring.nr_chunks)
			hold_drop(&s->holds[l->at.chunk]);
		hold_add(&s->holds[next]);
		l->at = (struct cursor){ .chunk = next, .begun = l->at.begun + 1 };
		if (is_at_end(l))
			return false;
	}
	return true;
}

/* What cannot be true has no end that could be known: all there is of the lane is left out. */
static void skip_all(struct stream *s, struct lane *l)
{
	s->strays++;
	while (find_next(s, l)) {
		uint32_t end = end_in_chunk(s, l);

		l->at.off = off_of(end);
		l->at.blocks = blocks_of(end);
	}
}

/* The block at the cursor, put together. NULL: it does not go on where it should. */
static const uint8_t *put_together(struct stream *s, struct lane *l, uint32_t len)
{
	uint32_t have = 0, n;

	while (have < len && find_next(s, l)) {
		n = filled(s, l) - l->at.off;
		if (n > len - have)
			n = len - have;
		memcpy(s->scratch + have, place(s, &l->at), n);
		have += n;
		l->at.off += n;
	}
	return have == len ? s->scratch : NULL;
}

/* --- order ------------------------------------------------------------------- */

/*
 * Whether a block can be given out. One from the future was stamped before the
 * clock was set back: waiting for that time to come again could take hours, so it counts
 * as being of now.
 */
static bool is_due(const struct stream *s, int64_t time, int64_t limit)
{
	return time <= limit || time > s->pass_time + STEP_NS;
}

/* Whether the CPU is at work on a block; all before that are there. */
static bool is_busy(struct stream *s, struct lane *l)
{
	uint32_t busy = __atomic_load_n(&l->shared->busy, __ATOMIC_ACQUIRE);
	uint64_t end = __atomic_load_n(&l->shared->end, __ATOMIC_ACQUIRE), before = l->end;

	s->taken += ((end >> 32) - (before >> 32)) * NSW_CHUNK + off_of(end) - off_of(before);
	l->end = end;
	return busy;
}

/* A CPU that is not busy has nothing older than now in the making; nor has one that was and
 * is at the next block already. */
static void look_at(struct stream *s, struct lane *l, int64_t t0)
{
	uint64_t before = l->end, seen;
	bool busy = is_busy(s, l);

	seen = l->end;
	if (busy)
		busy = is_busy(s, l) && l->end == seen;
	if (!busy)
		l->limit = t0 - SETTLE_NS;
	else if (seen != before)
		l->limit = s->pass_time - SETTLE_NS;
	if (l->limit < s->horizon)
		s->horizon = l->limit;
	if (!is_at_end(l))
		s->active[s->nr_active++] = l;
}

/* The lane whose next block is to be given out, or NULL. */
static struct lane *pick(struct stream *s)
{
	struct lane *first = NULL;
	int64_t earliest = INT64_MAX, second = INT64_MAX;
	uint32_t i;

	for (i = 0; i < s->nr_active;) {
		struct lane *l = s->active[i];
		int64_t time;

		if (!find_next(s, l)) {
			s->active[i] = s->active[--s->nr_active];
			continue;
		}
		i++;
		time = block_time(place(s, &l->at));
		if (!first || time < earliest) {
			second = earliest;
			earliest = time;
			first = l;
		} else if (time < second) {
			second = time;
		}
	}
	if (!first || !is_due(s, earliest, s->limit))
		return NULL;
	s->until = second < s->limit ? second : s->limit;
	return first;
}

static struct lane *next_lane(struct stream *s)
{
	struct lane *l = s->current;

	if (l && find_next(s, l) && is_due(s, block_time(place(s, &l->at)), s->until))
		return l;
	return s->current = pick(s);
}

bool stream_poll(struct stream *s, bool final)
{
	int64_t t0 = wall_now(s);
	uint32_t i;

	set_wall_offset(s);
	s->taken = 0;
	s->nr_active = 0;
	s->horizon = INT64_MAX;
	for (i = 0; i < s->ring.nr_lanes; i++)
		look_at(s, &s->lanes[i], t0);
	s->pass_time = t0;
	s->limit = final ? INT64_MAX : s->horizon;
	s->current = NULL;
	return next_lane(s) != NULL;
}

/* --- packets ----------------------------------------------------------------- */

/*
 * Another core wrote all this: ask for it before it is needed, but not for what that core
 * may still be writing. Of what follows a large block, the beginning: within one, the
 * processor foresees by itself what is read.
 */
static void prefetch(const struct stream *s, struct lane *l, const uint8_t *block, uint32_t len)
{
	bool is_large = len > PREFETCH_BLOCK;
	uint32_t from = l->at.off + (is_large ? len : 0), end = filled(s, l), at;
	uint32_t to = from + (is_large ? PREFETCH_BLOCK : PREFETCH_BYTES);

	if (from < l->at.fetched)
		from = l->at.fetched;
	if (to > end)
		to = end;
	for (at = from; at < to; at += CACHE_LINE)
		__builtin_prefetch(block + (at - l->at.off));
	l->at.fetched = at;
}

static const uint8_t *take(struct stream *s, struct lane *l)
{
	const uint8_t *block = place(s, &l->at);
	uint32_t len = block_len(block);

	if (!block_is_sane(block, s->o.snaplen)) {
		skip_all(s, l);
		return NULL;
	}
	if (len > filled(s, l) - l->at.off) {
		block = put_together(s, l, len);
		if (!block)
			skip_all(s, l);
		return block;
	}
	prefetch(s, l, block, len);
	l->at.off += len;
	l->at.blocks++;
	return block;
}

bool stream_next(struct stream *s, struct packet *p)
{
	struct lane *l;

	while ((l = next_lane(s))) {
		const uint8_t *block = take(s, l);

		if (!block)
			continue;
		p->tap = s->o.tap(s->o.ctx, block_tap(block));
		if (!p->tap) {
			s->strays++;
			continue;
		}
		p->number = ++s->number;
		block_packet(block, p);
		return true;
	}
	return false;
}

/* Asks for the heads of the next blocks, should they be as long as this one. */
static void prefetch_heads(const uint8_t *block, size_t room)
{
	size_t len = block_len(block), at = len, i;

	for (i = 1; i < PREFETCH_BLOCKS && at < room; i++, at += len)
		__builtin_prefetch(block + at + offsetof(struct nsw_block, len));
}

/* Less of the run, as much as is due. */
static void cut_run(const struct stream *s, struct packet_run *run)
{
	size_t len = 0, n;

	for (n = 0; n < run->n && is_due(s, block_time(run->blocks + len), s->until); n++)
		len += block_len(run->blocks + len);
	run->n = n;
	run->len = len;
}

/*
 * The run of blocks of one tap that are all in the chunk, block by block. As little as can be
 * of one is looked at, as another core has written it; its caplen is not. False: there is none.
 */
static bool measure_blocks(const struct stream *s, struct packet_run *run, size_t room)
{
	uint32_t interface = block_head(run->blocks)->interface;
	const uint8_t *last = NULL;

	run->n = run->len = 0;
	while (run->len < room) {
		const struct nsw_block *b = block_head(run->blocks + run->len);

		if (run->n % LOOKED_AHEAD == 1 && !is_due(s, block_time(last), s->until))
			break;
		if (run->n == 1)
			prefetch_heads(last, room);
		__builtin_prefetch(&b->len + PREFETCH_BLOCKS * (size_t)(b->len / sizeof(b->len)));
		if (b->interface != interface || b->len > room - run->len ||
		    b->len < NSW_LEAST_BLOCK)
			break;
		last = (const uint8_t *)b;
		run->len += b->len;
		run->n++;
	}
	if (last && !is_due(s, block_time(last), s->until))
		cut_run(s, run);
	return last != NULL;
}

/* The last block of a run, or NULL: what stands there cannot be true. */
static const uint8_t *last_block(const struct packet_run *run)
{
	const uint8_t *end = run->blocks + run->len;
	uint32_t len;

	if (run->len < NSW_LEAST_BLOCK)
		return NULL;
	len = ((const struct nsw_block_tail *)(const void *)end)[-1].len;
	if (len > run->len || len < NSW_LEAST_BLOCK || len % 4 || block_len(end - len) != len)
		return NULL;
	return end - len;
}

/*
 * The same without a look at any blocks but the last ones: if all that are in the chunk are
 * of one tap, and no other lane has one in between. False: it is not so.
 */
static bool measure_rest(const struct stream *s, const struct lane *l, struct packet_run *run)
{
	uint32_t end = end_in_chunk(s, l), back, most = s->until == s->limit ? LOOKED_BACK : 1;

	if (end & NSW_MIXED)
		return false;
	run->n = blocks_of(end) - l->at.blocks;
	run->len = off_of(end) - l->at.off;
	for (back = 0; back < most && run->n; back++) {
		const uint8_t *last = last_block(run);

		if (!last)
			return false;
		if (is_due(s, block_time(last), s->until))
			return true;
		run->n--;
		run->len = (size_t)(last - run->blocks);
	}
	return false;
}

bool stream_run(struct stream *s, struct packet_run *run)
{
	struct lane *l = s->o.owners ? NULL : next_lane(s);

	if (!l)
		return false;
	run->blocks = place(s, &l->at);
	run->tap = s->o.tap(s->o.ctx, block_tap(run->blocks));
	if (!run->tap)
		return false;
	if (!measure_rest(s, l, run) && !measure_blocks(s, run, filled(s, l) - l->at.off))
		return false;
	run->hold = &s->holds[l->at.chunk];
	l->at.off += (uint32_t)run->len;
	l->at.blocks += (uint32_t)run->n;
	s->number += run->n;
	return true;
}

size_t stream_taken(const struct stream *s)
{
	return s->taken;
}

/* --- waiting ----------------------------------------------------------------- */

bool stream_is_drained(const struct stream *s)
{
	uint32_t i;

	for (i = 0; i < s->ring.nr_lanes; i++) {
		const struct lane *l = &s->lanes[i];

		if (!is_at_end(l) || __atomic_load_n(&l->shared->busy, __ATOMIC_ACQUIRE) ||
		    __atomic_load_n(&l->shared->end, __ATOMIC_ACQUIRE) != l->end)
			return false;
	}
	return true;
}

bool stream_sleep(struct stream *s)
{
	if (!stream_is_drained(s))
		return false;
	*s->ring.consumer = NSW_ASLEEP;
	__sync_synchronize();
	if (stream_is_drained(s))
		return true;
	stream_wake(s);
	return false;
}

void stream_nap(struct stream *s)
{
	*s->ring.consumer = NSW_NAPPING;
}

void stream_wake(struct stream *s)
{
	*s->ring.consumer = NSW_AWAKE;
	__atomic_store_n(s->ring.bell_read, __atomic_load_n(s->ring.bell_rung, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}

void stream_clock_stepped(struct stream *s)
{
	clock_stepped(&s->clock);
	set_wall_offset(s);
}

int64_t stream_wall(struct stream *s, uint64_t time)
{
	return clock_wall(&s->clock, (int64_t)time, clock_now(&s->clock));
}

int64_t stream_now(struct stream *s)
{
	return wall_now(s);
}

int64_t stream_horizon(const struct stream *s)
{
	return s->horizon;
}

uint64_t stream_strays(const struct stream *s)
{
	return s->strays;
}

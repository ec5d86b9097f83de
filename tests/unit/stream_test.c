// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring is plain memory here, small, so that its chunks go round and round. The
 * producer below does what bpf/ring.bpf.h and bpf/emit.bpf.h do, in the same order, but
 * each of its steps can be had alone: the consumer may look between any two.
 */
#include <pcap/dlt.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stream/clock.h"
#include "stream/hold.h"
#include "stream/record.h"
#include "stream/stream.h"
#include "util/cleanup.h"

#define SECOND	     1000000000ULL
#define MSEC	     1000000ULL
#define SETTLE_NS    10000 /* as user/stream/stream.c has it */
#define NO_CHUNK     UINT32_MAX
#define HEAD_ROOM    64
#define IN_SEGMENT   (NSW_SEGMENT / NSW_CHUNK)
#define MAX_LANES    4
#define LONGEST	     NSW_MAX_SNAP
#define BELL_RECORD  16
#define PADDED(len)  (((len) + 3) & ~3u)
#define SMALL_CAPLEN 60
/* Of a block without an owner. */
#define BLOCK_LEN(caplen) \
	(uint32_t)(sizeof(struct nsw_block) + PADDED(caplen) + sizeof(struct nsw_block_tail))

struct shape {
	uint32_t nr_lanes, nr_chunks, wake_chunks, snaplen;
	bool owners;
	enum nsw_clock clock;
};

/* The ring with both its ends. */
struct bed {
	struct shape shape;
	struct ring ring;
	struct nsw_link *links;
	struct nsw_lane *lanes;
	volatile uint32_t consumer;
	volatile __u64 wall_offset;
	uint64_t bell_read, bell_rung;
	/* The pool. */
	pthread_mutex_t lock;
	uint32_t fresh, next;

	struct stream *s;
};

static const struct tap taps[] = {
	{ .id = 1, .dlt = DLT_EN10MB },
	{ .id = 2, .dlt = DLT_EN10MB },
};

static const struct tap *tap_by_id(void *ctx, uint32_t id)
{
	(void)ctx;
	return id - 1 < ARRAY_SIZE(taps) ? &taps[id - 1] : NULL;
}

/* --- the clock --------------------------------------------------------------- */

/* By how much the system clock has been set, for all that is in this program. */
static int64_t step;

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int64_t ns;

	if (syscall(SYS_clock_gettime, clock, ts))
		return -1;
	if (clock != CLOCK_REALTIME || !step)
		return 0;
	ns = ts->tv_sec * (int64_t)SECOND + ts->tv_nsec + step;
	ts->tv_sec = ns / (int64_t)SECOND;
	ts->tv_nsec = ns % (int64_t)SECOND;
	return 0;
}

/* --- the ring ---------------------------------------------------------------- */

static void *zeroed(size_t n, size_t size)
{
	void *mem = calloc(n, size);

	assert_non_null(mem);
	return mem;
}

static void lay_out(struct bed *b)
{
	struct ring *r = &b->ring;
	uint32_t i;

	r->nr_lanes = b->shape.nr_lanes;
	r->nr_chunks = b->shape.nr_chunks;
	for (r->nr_slots = 1; r->nr_slots < r->nr_chunks;)
		r->nr_slots *= 2;
	r->segments = zeroed((r->nr_chunks + IN_SEGMENT - 1) / IN_SEGMENT, NSW_SEGMENT_STRIDE);
	r->links = b->links = zeroed(r->nr_chunks + r->nr_lanes, sizeof(*b->links));
	r->lanes = b->lanes = zeroed(r->nr_lanes, sizeof(*b->lanes));
	r->returned = zeroed(1, sizeof(*r->returned) + r->nr_slots * sizeof(uint32_t));
	r->consumer = &b->consumer;
	r->wall_offset = &b->wall_offset;
	r->bell_fd = -1;
	r->bell_read = &b->bell_read;
	r->bell_rung = &b->bell_rung;
	for (i = 0; i < r->nr_lanes; i++) {
		b->lanes[i].end = NSW_CHUNK;
		b->lanes[i].chunk = r->nr_chunks + i;
	}
}

static struct bed *bed_new(struct shape shape)
{
	struct bed *b = zeroed(1, sizeof(*b));
	struct stream_options o = {
		.ring = &b->ring,
		.snaplen = shape.snaplen,
		.owners = shape.owners,
		.clock = shape.clock,
		.tap = tap_by_id,
	};
	struct err e = { 0 };

	b->shape = shape;
	pthread_mutex_init(&b->lock, NULL);
	lay_out(b);
	assert_int_equal(stream_new(&b->s, &o, &e), 0);
	return b;
}

/* TAI, as it is an exact number of seconds from wall time: sampled again, it stays that. */
static struct bed *small_bed(uint32_t nr_lanes, uint32_t nr_chunks)
{
	return bed_new((struct shape){ .nr_lanes = nr_lanes,
				       .nr_chunks = nr_chunks,
				       .snaplen = LONGEST,
				       .clock = NSW_CLOCK_TAI });
}

static void bed_free(struct bed *b)
{
	stream_free(b->s);
	free(b->ring.segments);
	free(b->links);
	free(b->lanes);
	free(b->ring.returned);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static uint64_t now(const struct bed *b)
{
	const struct clock clock = { .kind = b->shape.clock };

	return (uint64_t)clock_now(&clock) + b->wall_offset;
}

static void wait_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = (long)(ms * MSEC) }, NULL);
}

/* --- the producer's end: chunks ---------------------------------------------- */

static void wake(struct bed *b)
{
	b->consumer = NSW_AWAKE;
	__atomic_fetch_add(&b->bell_rung, BELL_RECORD, __ATOMIC_RELEASE);
}

static uint32_t take_returned(struct bed *b)
{
	uint32_t *slot = &b->ring.returned->slots[b->next & (b->ring.nr_slots - 1)];
	uint32_t chunk = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

	if (!chunk)
		return NO_CHUNK;
	*slot = 0;
	b->next++;
	return chunk - 1;
}

static uint32_t nr_free(const struct bed *b)
{
	uint32_t count = __atomic_load_n(&b->ring.returned->count, __ATOMIC_RELAXED);

	return b->ring.nr_chunks - b->fresh + count - b->next;
}

static uint32_t take_chunk(struct bed *b)
{
	uint32_t chunk, left;

	pthread_mutex_lock(&b->lock);
	chunk = take_returned(b);
	if (chunk == NO_CHUNK && b->fresh < b->ring.nr_chunks)
		chunk = b->fresh++;
	left = nr_free(b);
	pthread_mutex_unlock(&b->lock);
	if (b->consumer == NSW_NAPPING && left < b->shape.wake_chunks)
		wake(b);
	return chunk;
}

static void start_next(struct nsw_lane *lane)
{
	lane->next.chunk = lane->chunk;
	lane->next.off = lane->end & NSW_OFF_MASK;
	lane->next.begun = (uint32_t)(lane->end >> 32);
	lane->next.blocks = (uint32_t)lane->end & ~NSW_OFF_MASK;
	lane->next.ahead = lane->ahead;
}

static bool advance(struct bed *b, struct nsw_lane *lane)
{
	struct nsw_link *link = &b->links[lane->next.chunk];
	uint32_t chunk;

	if (lane->next.ahead) {
		lane->next.ahead--;
	} else {
		chunk = take_chunk(b);
		if (chunk == NO_CHUNK)
			return false;
		link->next = chunk;
	}
	link->end = lane->next.blocks | lane->next.off;
	lane->next.chunk = link->next;
	lane->next.off = 0;
	lane->next.begun++;
	return true;
}

static void publish(struct nsw_lane *lane)
{
	uint64_t end = (uint64_t)lane->next.begun << 32 | lane->next.blocks | lane->next.off;

	lane->chunk = lane->next.chunk;
	lane->ahead = lane->next.ahead;
	__atomic_store_n(&lane->end, end, __ATOMIC_RELEASE);
}

static void keep_for_later(struct nsw_lane *lane)
{
	lane->ahead = lane->next.begun - (uint32_t)(lane->end >> 32) + lane->next.ahead;
}

/* --- the producer's end: blocks ---------------------------------------------- */

struct emission {
	uint32_t tap, flags, wirelen, caplen;
	uint64_t time;
	const uint8_t *frame;
	const struct nsw_owner *owner; /* or NULL: the ring's blocks have none */
};

static uint32_t tail_len(const struct emission *e)
{
	return (uint32_t)(sizeof(struct nsw_block_tail) + (e->owner ? NSW_OWNER_OPTION : 0));
}

static uint32_t len_of(const struct emission *e)
{
	return (uint32_t)sizeof(struct nsw_block) + PADDED(e->caplen) + tail_len(e);
}

static void put_bytes(struct bed *b, struct nsw_lane *lane, const void *from, uint32_t len)
{
	size_t segment = lane->next.chunk / IN_SEGMENT, chunk = lane->next.chunk % IN_SEGMENT;

	assert_true(lane->next.off + len <= NSW_CHUNK);
	memcpy(b->ring.segments + segment * NSW_SEGMENT_STRIDE + chunk * NSW_CHUNK + lane->next.off,
	       from, len);
	lane->next.off += len;
}

static void put_head(struct bed *b, struct nsw_lane *lane, const struct emission *e)
{
	const struct nsw_block head = {
		.type = NSW_BLOCK_TYPE,
		.len = len_of(e),
		.interface = e->tap - 1,
		.time_high = (uint32_t)(e->time >> 32),
		.time_low = (uint32_t)e->time,
		.caplen = e->caplen,
		.wirelen = e->wirelen,
	};

	put_bytes(b, lane, &head, sizeof(head));
}

static bool put_pieces(struct bed *b, struct nsw_lane *lane, const uint8_t *from, uint32_t rest)
{
	while (rest) {
		uint32_t len;

		if (lane->next.off >= NSW_CHUNK && !advance(b, lane))
			return false;
		len = NSW_CHUNK - lane->next.off;
		if (len > rest)
			len = rest;
		put_bytes(b, lane, from, len);
		from += len;
		rest -= len;
	}
	return true;
}

static void put_owner(struct bed *b, struct nsw_lane *lane, const struct nsw_owner *owner)
{
	const uint16_t option[] = { NSW_OPT_OWNER, sizeof(*owner) };

	put_bytes(b, lane, option, sizeof(option));
	put_bytes(b, lane, owner, sizeof(*owner));
}

static void put_tail(struct bed *b, struct nsw_lane *lane, const struct emission *e)
{
	const struct nsw_block_tail tail = {
		.flags_code = NSW_OPT_FLAGS,
		.flags_len = sizeof(tail.flags),
		.flags = e->flags,
		.len = len_of(e),
	};
	const uint8_t *bytes = (const void *)&tail;

	put_bytes(b, lane, bytes, 8);
	if (e->owner)
		put_owner(b, lane, e->owner);
	put_bytes(b, lane, bytes + 8, 8);
}

/* One more, if it is all in the chunk. */
static void count_block(struct nsw_lane *lane, uint32_t tap)
{
	if (!lane->next.off)
		lane->next.blocks = 0;
	else if (lane->tap != tap)
		lane->next.blocks |= NSW_MIXED;
	lane->next.blocks += NSW_ONE_BLOCK;
}

/* The block as the next of its lane, still unseen. False: no chunk for it. */
static bool make_block(struct bed *b, struct nsw_lane *lane, const struct emission *e)
{
	uint32_t len = len_of(e), room = len > NSW_WHOLE_BLOCK ? HEAD_ROOM : len;

	start_next(lane);
	if (len > NSW_WHOLE_BLOCK)
		lane->next.blocks = NSW_MIXED;
	if (NSW_CHUNK - lane->next.off < room && !advance(b, lane))
		return false;
	if (len <= NSW_WHOLE_BLOCK)
		count_block(lane, e->tap);
	put_head(b, lane, e);
	if (!put_pieces(b, lane, e->frame, e->caplen))
		return false;
	put_bytes(b, lane, "\0\0\0", PADDED(e->caplen) - e->caplen);
	if (NSW_CHUNK - lane->next.off < tail_len(e) && !advance(b, lane))
		return false;
	put_tail(b, lane, e);
	lane->tap = e->tap;
	return true;
}

static void begin(struct nsw_lane *lane)
{
	__atomic_store_n(&lane->busy, 1, __ATOMIC_RELAXED);
}

static void end(struct bed *b, struct nsw_lane *lane, bool whole)
{
	if (whole)
		publish(lane);
	else
		keep_for_later(lane);
	__atomic_store_n(&lane->busy, 0, __ATOMIC_RELEASE);
	if (b->consumer == NSW_ASLEEP)
		wake(b);
}

static bool emit(struct bed *b, uint32_t lane, const struct emission *e)
{
	bool whole;

	begin(&b->lanes[lane]);
	whole = make_block(b, &b->lanes[lane], e);
	end(b, &b->lanes[lane], whole);
	return whole;
}

/* --- frames that say which one they are -------------------------------------- */

/* No two places of a frame look alike that a misplaced piece could take for each other. */
static void fill_frame(uint8_t *frame, uint32_t id, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		frame[i] = (uint8_t)(id + i + (i >> 8) * 3 + (i >> 15) * 5);
	memcpy(frame, &id, sizeof(id));
}

static struct emission numbered(uint8_t *frame, uint64_t time, uint32_t id, uint32_t len)
{
	fill_frame(frame, id, len);
	return (struct emission){
		.tap = 1,
		.flags = NSW_BLOCK_IN,
		.wirelen = len,
		.caplen = len,
		.time = time,
		.frame = frame,
	};
}

static bool add_long(struct bed *b, uint32_t lane, uint64_t time, uint32_t id, uint32_t len)
{
	static uint8_t frame[LONGEST];
	struct emission e = numbered(frame, time, id, len);

	return emit(b, lane, &e);
}

static void add(struct bed *b, uint32_t lane, uint64_t time, uint32_t id)
{
	assert_true(add_long(b, lane, time, id, SMALL_CAPLEN));
}

static uint32_t id_of(const struct packet *p)
{
	uint32_t id;

	memcpy(&id, p->data, sizeof(id));
	return id;
}

static void check_frame(const struct packet *p)
{
	static uint8_t frame[LONGEST];

	assert_true(p->caplen <= sizeof(frame));
	fill_frame(frame, id_of(p), p->caplen);
	assert_memory_equal(p->data, frame, p->caplen);
}

/* All that the last poll has for us, as decimal digits: 3, 1, 2 is 312. */
static unsigned int digits(struct bed *b)
{
	unsigned int all = 0;
	struct packet p;

	while (stream_next(b->s, &p)) {
		check_frame(&p);
		all = all * 10 + id_of(&p);
	}
	return all;
}

/* --- where the chunks are ---------------------------------------------------- */

/* Counts the chunks that a lane keeps: the one it is in, and those linked behind it. */
static void mark_kept(const struct bed *b, const struct nsw_lane *lane, uint32_t *seen)
{
	uint32_t chunk = lane->chunk, i;

	if (chunk < b->ring.nr_chunks)
		seen[chunk]++;
	for (i = 0; i < lane->ahead; i++) {
		chunk = b->links[chunk].next;
		seen[chunk]++;
	}
}

/* Everything is read: each chunk that was ever used is in one place, and in one only. */
static void assert_none_is_lost(const struct bed *b)
{
	const struct nsw_returned *back = b->ring.returned;
	uint32_t *seen = zeroed(b->ring.nr_chunks, sizeof(*seen));
	uint32_t i;

	for (i = 0; i < b->ring.nr_lanes; i++)
		mark_kept(b, &b->lanes[i], seen);
	for (i = b->next; i != back->count; i++)
		seen[back->slots[i & (b->ring.nr_slots - 1)] - 1]++;
	for (i = 0; i < b->fresh; i++)
		assert_int_equal(seen[i], 1);
	free(seen);
}

/* Blocks that are short of a chunk's size, until the lane is in its next chunk. Returns how
 * many of them are in the first. */
static uint32_t fill_chunk(struct bed *b, uint32_t lane, uint64_t time)
{
	uint32_t begun = (uint32_t)(b->lanes[lane].end >> 32) + 1, n;

	for (n = 0; b->lanes[lane].end >> 32 <= begun; n++)
		assert_true(add_long(b, lane, time, n, 1500));
	return n - 1;
}

/* --- order ------------------------------------------------------------------- */

static void order_is_by_time(void **state)
{
	struct bed *b = small_bed(3, 4);
	uint64_t t = now(b) - MSEC;
	struct packet p;

	(void)state;
	add(b, 2, t + 1, 1);
	add(b, 2, t + 4, 4);
	add(b, 0, t + 2, 2);
	add(b, 0, t + 5, 5);
	add(b, 0, t + 5, 6); /* equal times stay in the lane's order */
	add(b, 1, t + 3, 3);
	add(b, 1, t + 6, 7);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(stream_taken(b->s), 7 * BLOCK_LEN(SMALL_CAPLEN));
	assert_true(stream_next(b->s, &p));
	assert_int_equal(p.number, 1);
	assert_int_equal(id_of(&p), 1);
	assert_int_equal(p.time, t + 1);
	assert_ptr_equal(p.tap, &taps[0]);
	assert_int_equal(digits(b), 234567);
	assert_true(stream_is_drained(b->s));
	assert_false(stream_poll(b->s, false));
	assert_int_equal(stream_taken(b->s), 0);
	bed_free(b);
}

static void younger_than_the_pass_waits(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b);

	(void)state;
	add(b, 0, t + 200 * MSEC, 2);
	assert_false(stream_poll(b->s, false));
	assert_true(stream_taken(b->s) > 0);
	assert_false(stream_is_drained(b->s));
	assert_false(stream_sleep(b->s));
	add(b, 1, t - MSEC, 1);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 1);
	assert_true(stream_horizon(b->s) < (int64_t)(t + 200 * MSEC));
	wait_ms(220);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 2);
	assert_true(stream_horizon(b->s) >= (int64_t)(t + 200 * MSEC));
	bed_free(b);
}

/* A store takes its time to be seen: a block a little older than the pass may be missing. */
static void horizon_is_a_little_older_than_the_pass(void **state)
{
	struct bed *b = small_bed(2, 4);
	int64_t before = (int64_t)now(b), after;

	(void)state;
	assert_false(stream_poll(b->s, false));
	after = (int64_t)now(b);
	assert_true(stream_horizon(b->s) >= before - SETTLE_NS);
	assert_true(stream_horizon(b->s) <= after - SETTLE_NS);
	bed_free(b);
}

/* Makes the block that a busy lane has begun. */
static void finish(struct bed *b, uint32_t lane, uint64_t time, uint32_t id)
{
	uint8_t frame[SMALL_CAPLEN];
	struct emission e = numbered(frame, time, id, sizeof(frame));

	assert_true(make_block(b, &b->lanes[lane], &e));
	end(b, &b->lanes[lane], true);
}

static void busy_lane_holds_back_what_may_be_younger(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t;

	(void)state;
	assert_false(stream_poll(b->s, false));
	begin(&b->lanes[1]);
	t = now(b);
	add(b, 0, t + 1, 2);
	add(b, 0, t + 2, 3);
	wait_ms(1);
	assert_false(stream_poll(b->s, false));
	assert_false(stream_poll(b->s, false));
	assert_false(stream_is_drained(b->s));
	assert_false(stream_sleep(b->s));
	finish(b, 1, t, 1);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 123);
	bed_free(b);
}

/* Blocks older than what the busy lane can have in the making need not wait. */
static void busy_lane_lets_older_ones_pass(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b);

	(void)state;
	add(b, 0, t, 1);
	wait_ms(1);
	assert_true(stream_poll(b->s, false)); /* lane 1 was idle then */
	begin(&b->lanes[1]);
	add(b, 0, now(b), 2);
	wait_ms(1);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 1);
	assert_true(stream_horizon(b->s) >= (int64_t)t);
	finish(b, 1, now(b), 3);
	wait_ms(1);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 23);
	bed_free(b);
}

/* A lane that is busy at each pass, but with another block: the limit moves on. */
static void busy_lane_that_moves_on_has_a_younger_limit(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t old;

	(void)state;
	assert_false(stream_poll(b->s, false));
	begin(&b->lanes[1]);
	old = now(b);
	add(b, 0, old + 1, 2);
	wait_ms(1);
	assert_false(stream_poll(b->s, false));
	finish(b, 1, old, 1);
	begin(&b->lanes[1]); /* after that pass, and so younger than it */
	add(b, 0, now(b), 3);
	wait_ms(1);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 12);
	finish(b, 1, now(b), 4);
	wait_ms(1);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 34);
	bed_free(b);
}

/* A block in vain leaves nothing, and its lane is not busy. */
static void busy_lane_may_come_to_nothing(void **state)
{
	struct bed *b = small_bed(2, 4);

	(void)state;
	assert_false(stream_poll(b->s, false));
	begin(&b->lanes[1]);
	add(b, 0, now(b), 1);
	wait_ms(1);
	assert_false(stream_poll(b->s, false));
	start_next(&b->lanes[1]);
	assert_true(advance(b, &b->lanes[1]));
	end(b, &b->lanes[1], false);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 1);
	assert_true(stream_is_drained(b->s));
	assert_none_is_lost(b);
	bed_free(b);
}

static void final_poll_gives_all_but_the_busy(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b) + SECOND / 2;

	(void)state;
	add(b, 0, t, 1);
	add(b, 1, t + 1, 2);
	begin(&b->lanes[1]);
	assert_false(stream_poll(b->s, false));
	assert_true(stream_poll(b->s, true));
	assert_int_equal(digits(b), 12);
	assert_false(stream_is_drained(b->s));
	bed_free(b);
}

/* The clock of the blocks (TAI) is set back: what was stamped before that is
 * given out at once, not when that time comes again. */
static void clock_set_back(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b);

	(void)state;
	add(b, 0, t + 3600 * SECOND, 2);
	add(b, 0, t + 3600 * SECOND + 1, 3);
	add(b, 0, t - MSEC, 4);
	add(b, 1, t - 2 * MSEC, 1);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 1234);
	assert_true(stream_sleep(b->s));
	bed_free(b);
}

/* --- what cannot be ---------------------------------------------------------- */

/* The head of a block in a lane. */
static struct nsw_block *head_at(const struct bed *b, uint32_t chunk, uint32_t off)
{
	return (void *)(b->ring.segments + chunk * NSW_CHUNK + off);
}

/* Of what stands behind a block whose length is not true nothing can be known; what comes
 * after the pass can. */
static void skips_the_rest(void (*spoil)(struct nsw_block *block))
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b) - MSEC;

	add(b, 1, t + 1, 2);
	add(b, 0, t, 1);
	add(b, 0, t, 8);
	spoil(head_at(b, b->lanes[0].chunk, BLOCK_LEN(SMALL_CAPLEN)));
	fill_chunk(b, 0, t);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 12);
	assert_int_equal(stream_strays(b->s), 1);
	assert_true(stream_is_drained(b->s));
	assert_none_is_lost(b);
	add(b, 0, t + 2, 3);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 3);
	bed_free(b);
}

/* What is left out is no part of a run that comes after it in the chunk. */
static void run_after_what_is_skipped(void **state)
{
	struct bed *b = small_bed(1, 4);
	uint64_t t = now(b) - MSEC;
	struct packet_run run;

	(void)state;
	add(b, 0, t, 1);
	add(b, 0, t, 8);
	add(b, 0, t, 8);
	head_at(b, b->lanes[0].chunk, BLOCK_LEN(SMALL_CAPLEN))->len = 0;
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 1);
	add(b, 0, t, 2);
	add(b, 0, t, 3);
	assert_true(stream_poll(b->s, false));
	assert_true(stream_run(b->s, &run));
	assert_int_equal(run.n, 2);
	assert_int_equal(run.len, 2 * BLOCK_LEN(SMALL_CAPLEN));
	bed_free(b);
}

static void no_length(struct nsw_block *block)
{
	block->len = 0;
}

static void odd_length(struct nsw_block *block)
{
	block->len++;
}

static void huge_length(struct nsw_block *block)
{
	block->len = UINT32_MAX & ~3u;
}

static void huge_caplen(struct nsw_block *block)
{
	block->caplen = UINT32_MAX;
}

static void caplen_beyond_snaplen(struct nsw_block *block)
{
	block->caplen = LONGEST + 4;
	block->len = BLOCK_LEN(LONGEST + 4);
}

/* It goes on where nothing is. */
static void longer_than_the_lane(struct nsw_block *block)
{
	block->caplen = LONGEST;
	block->len = BLOCK_LEN(LONGEST);
}

static void strange_blocks_are_strays(void **state)
{
	(void)state;
	skips_the_rest(no_length);
	skips_the_rest(odd_length);
	skips_the_rest(huge_length);
	skips_the_rest(huge_caplen);
	skips_the_rest(caplen_beyond_snaplen);
	skips_the_rest(longer_than_the_lane);
}

/* The length is true: what stands behind it is too. */
static void unknown_tap_is_a_stray(void **state)
{
	struct bed *b = small_bed(1, 4);
	uint8_t frame[SMALL_CAPLEN];
	struct emission e = numbered(frame, now(b) - MSEC, 8, sizeof(frame));
	struct packet_run run;

	(void)state;
	e.tap = 3;
	assert_true(emit(b, 0, &e));
	e.tap = 0;
	assert_true(emit(b, 0, &e));
	add(b, 0, e.time, 1);
	assert_true(stream_poll(b->s, false));
	assert_false(stream_run(b->s, &run));
	assert_int_equal(digits(b), 1);
	assert_int_equal(stream_strays(b->s), 2);
	bed_free(b);
}

static void run_ends_before_a_bad_length(void (*spoil)(struct nsw_block *block))
{
	struct bed *b = small_bed(1, 4);
	uint64_t t = now(b) - MSEC;
	struct packet_run run;

	add(b, 0, t, 1);
	add(b, 0, t, 2);
	spoil(head_at(b, b->lanes[0].chunk, BLOCK_LEN(SMALL_CAPLEN)));
	assert_true(stream_poll(b->s, false));
	assert_true(stream_run(b->s, &run));
	assert_int_equal(run.n, 1);
	assert_false(stream_run(b->s, &run));
	assert_int_equal(digits(b), 0);
	assert_int_equal(stream_strays(b->s), 1);
	bed_free(b);
}

static void run_ends_before_what_is_strange(void **state)
{
	(void)state;
	run_ends_before_a_bad_length(no_length);
	run_ends_before_a_bad_length(huge_length);
	run_ends_before_a_bad_length(longer_than_the_lane);
}

/* --- sleep ------------------------------------------------------------------- */

static void sleep_and_wake(void **state)
{
	struct bed *b = small_bed(2, 4);

	(void)state;
	assert_true(stream_sleep(b->s));
	assert_int_equal(b->consumer, NSW_ASLEEP);
	add(b, 1, now(b) - MSEC, 1);
	assert_int_equal(b->consumer, NSW_AWAKE);
	assert_int_equal(b->bell_rung, BELL_RECORD);
	add(b, 1, now(b) - MSEC, 2); /* one ring is enough */
	assert_int_equal(b->bell_rung, BELL_RECORD);
	assert_int_equal(b->bell_read, 0);
	stream_wake(b->s);
	assert_int_equal(b->bell_read, BELL_RECORD);
	assert_false(stream_sleep(b->s)); /* there is something to read */
	assert_int_equal(b->consumer, NSW_AWAKE);
	assert_true(stream_poll(b->s, false));
	assert_false(stream_sleep(b->s)); /* there is still */
	assert_int_equal(digits(b), 12);
	assert_true(stream_sleep(b->s));
	stream_wake(b->s); /* for another reason than a packet */
	assert_int_equal(b->consumer, NSW_AWAKE);
	begin(&b->lanes[0]); /* it may have read the flag before */
	assert_false(stream_sleep(b->s));
	assert_int_equal(b->consumer, NSW_AWAKE);
	bed_free(b);
}

/* What arrives while there is room enough can wait. */
static void nap_ends_when_chunks_run_low(void **state)
{
	struct bed *b = bed_new((struct shape){
		.nr_lanes = 1,
		.nr_chunks = 4,
		.wake_chunks = 3,
		.snaplen = LONGEST,
		.clock = NSW_CLOCK_TAI,
	});
	uint64_t t = now(b) - MSEC;

	(void)state;
	stream_nap(b->s);
	add(b, 0, t, 1);
	assert_int_equal(b->consumer, NSW_NAPPING);
	fill_chunk(b, 0, t);
	assert_int_equal(b->consumer, NSW_AWAKE);
	assert_int_equal(b->bell_rung, BELL_RECORD);
	stream_wake(b->s);
	assert_int_equal(b->bell_read, b->bell_rung);
	bed_free(b);
}

/* --- chunks and holds -------------------------------------------------------- */

/* A chunk goes back when what follows it is asked for, not before: its last packet is
 * valid until then. */
static void chunk_goes_back_when_it_is_read(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b) - MSEC;
	uint32_t n = fill_chunk(b, 0, t), i;
	struct packet p;

	(void)state;
	add(b, 1, t - 1, 1);
	assert_true(stream_poll(b->s, false));
	for (i = 0; i < n + 1; i++) {
		assert_true(stream_next(b->s, &p));
		assert_int_equal(b->ring.returned->count, 0);
	}
	assert_true(stream_next(b->s, &p));
	assert_int_equal(b->ring.returned->count, 1);
	assert_int_equal(b->ring.returned->slots[0], 1);
	assert_false(stream_next(b->s, &p));
	assert_int_equal(b->ring.returned->count, 1);
	assert_none_is_lost(b);
	assert_int_equal(take_chunk(b), 0); /* before a fresh one */
	assert_int_equal(b->ring.returned->slots[0], 0);
	bed_free(b);
}

/* Two chunks of blocks in a lane; the first of them as a run, with one more user. */
static struct bed *bed_with_held_chunk(struct packet_run *run)
{
	struct bed *b = small_bed(1, 4);
	uint32_t n = fill_chunk(b, 0, now(b) - MSEC);

	assert_true(stream_poll(b->s, false));
	assert_true(stream_run(b->s, run));
	assert_int_equal(run->n, n);
	assert_int_equal(run->len, n * BLOCK_LEN(1500));
	hold_add(run->hold);
	return b;
}

static void held_chunk_does_not_go_back(void **state)
{
	struct packet_run run, rest;
	struct bed *b = bed_with_held_chunk(&run);
	struct packet p;

	(void)state;
	assert_true(stream_run(b->s, &rest));
	assert_int_equal(rest.n, 1);
	assert_false(stream_run(b->s, &rest));
	assert_int_equal(b->ring.returned->count, 0);
	fill_chunk(b, 0, now(b) - MSEC); /* the chunk is not among those taken */
	block_packet(run.blocks, &p);
	check_frame(&p);
	hold_drop(run.hold);
	assert_int_equal(b->ring.returned->count, 1);
	assert_int_equal(b->ring.returned->slots[0], 1);
	bed_free(b);
}

/* Whoever held it longest gives it back: here it is the stream. */
static void hold_may_be_dropped_before_all_is_read(void **state)
{
	struct packet_run run;
	struct bed *b = bed_with_held_chunk(&run);

	(void)state;
	hold_drop(run.hold);
	assert_int_equal(b->ring.returned->count, 0);
	assert_true(stream_run(b->s, &run));
	assert_int_equal(b->ring.returned->count, 1);
	bed_free(b);
}

static void *drop(void *hold)
{
	hold_drop(hold);
	return NULL;
}

static void drop_elsewhere(struct hold *hold)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, drop, hold), 0);
	pthread_join(thread, NULL);
}

static void another_thread_gives_a_chunk_back(void **state)
{
	struct packet_run run, rest;
	struct bed *b = bed_with_held_chunk(&run);

	(void)state;
	hold_add(run.hold);
	assert_true(stream_run(b->s, &rest));
	drop_elsewhere(run.hold);
	assert_int_equal(b->ring.returned->count, 0);
	drop_elsewhere(run.hold);
	assert_int_equal(b->ring.returned->count, 1);
	assert_int_equal(take_chunk(b), 0);
	bed_free(b);
}

/* The consumer does not read: what there is no room for is lost, and all else stays. */
static void full_ring_loses_the_new(void **state)
{
	struct bed *b = small_bed(1, 2);
	uint64_t t = now(b) - MSEC;
	uint32_t n = 0, i;
	struct packet p;

	(void)state;
	while (add_long(b, 0, t, n, 1500))
		n++;
	assert_int_equal(n, 2 * (NSW_CHUNK / BLOCK_LEN(1500)));
	assert_true(stream_poll(b->s, false));
	for (i = 0; stream_next(b->s, &p); i++)
		assert_int_equal(id_of(&p), i);
	assert_int_equal(i, n);
	assert_true(add_long(b, 0, t, 7, 1500));
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 7);
	assert_none_is_lost(b);
	bed_free(b);
}

/* --- long blocks ------------------------------------------------------------- */

/* Wherever in a chunk they begin: also where the head or the tail has no room any more. */
static void long_blocks_come_whole(void **state)
{
	static const uint32_t lens[] = { 1984,	2100,	9000,	32767,	60001,
					 65536, 131070, 200000, LONGEST };
	struct bed *b = small_bed(1, 20);
	uint32_t round, i;
	struct packet p;

	(void)state;
	for (round = 0; round < 300; round++) {
		for (i = 0; i < 1 + round % 3; i++)
			assert_true(add_long(b, 0, now(b), i, 14 + round * 5));
		assert_true(add_long(b, 0, now(b), round, lens[round % ARRAY_SIZE(lens)]));
		assert_true(stream_poll(b->s, true));
		for (i = 0; stream_next(b->s, &p); i++)
			check_frame(&p);
		assert_int_equal(i, 2 + round % 3);
		assert_int_equal(id_of(&p), round);
		assert_int_equal(p.wirelen, lens[round % ARRAY_SIZE(lens)]);
	}
	assert_int_equal(stream_strays(b->s), 0);
	assert_none_is_lost(b);
	bed_free(b);
}

/* A frame that leaves `room` bytes to the end of the chunk, as the lane's first. */
static void leave_room(struct bed *b, uint64_t time, uint32_t room)
{
	assert_true(add_long(b, 0, time, 1, NSW_CHUNK - room - BLOCK_LEN(0)));
	assert_int_equal(b->lanes[0].end & NSW_OFF_MASK, NSW_CHUNK - room);
}

static void long_head_is_never_split(void **state)
{
	uint32_t room;

	(void)state;
	for (room = 0; room <= 2 * HEAD_ROOM; room += 4) {
		struct bed *b = small_bed(1, 4);
		uint64_t t = now(b) - MSEC;

		leave_room(b, t, room);
		assert_true(add_long(b, 0, t, 2, 32000));
		add(b, 0, t, 3);
		assert_true(stream_poll(b->s, false));
		assert_int_equal(digits(b), 123);
		assert_none_is_lost(b);
		bed_free(b);
	}
}

static void long_tail_is_never_split(void **state)
{
	uint32_t room;

	(void)state;
	for (room = 0; room <= 2 * sizeof(struct nsw_block_tail); room++) {
		struct bed *b = small_bed(1, 4);
		uint64_t t = now(b) - MSEC;

		/* All but the tail, padding included, in a chunk of its own. */
		assert_true(add_long(b, 0, t, 1,
				     NSW_CHUNK - (uint32_t)sizeof(struct nsw_block) - room));
		add(b, 0, t, 2);
		assert_true(stream_poll(b->s, false));
		assert_int_equal(digits(b), 12);
		assert_none_is_lost(b);
		bed_free(b);
	}
}

/* The chunks that a long block has taken in vain are for the next ones. */
static void long_block_without_room_keeps_its_chunks(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b) - MSEC;

	(void)state;
	add(b, 1, t, 1);
	add(b, 0, t + 1, 2);
	assert_false(add_long(b, 0, t + 2, 9, 200000));
	assert_int_equal(b->lanes[0].ahead, 2);
	assert_int_equal(take_chunk(b), NO_CHUNK);
	add(b, 0, t + 3, 3);
	assert_false(add_long(b, 0, t + 4, 9, 200000));
	assert_int_equal(b->lanes[0].ahead, 2);
	assert_true(add_long(b, 0, t + 5, 4, 60000));
	assert_true(stream_poll(b->s, false));
	assert_int_equal(digits(b), 1234);
	assert_true(stream_is_drained(b->s));
	assert_none_is_lost(b);
	bed_free(b);
}

/* --- runs -------------------------------------------------------------------- */

static size_t run_of(struct bed *b)
{
	struct packet_run run;

	return stream_run(b->s, &run) ? run.n : 0;
}

static void run_ends_before_another_tap(void **state)
{
	static const uint32_t tap_ids[] = { 1, 1, 2, 1 };
	struct bed *b = small_bed(1, 4);
	uint8_t frame[SMALL_CAPLEN];
	struct emission e = numbered(frame, now(b) - MSEC, 1, sizeof(frame));
	struct packet_run run;
	struct packet p;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(tap_ids); i++) {
		e.tap = tap_ids[i];
		assert_true(emit(b, 0, &e));
	}
	assert_true(stream_poll(b->s, false));
	assert_true(stream_run(b->s, &run));
	assert_int_equal(run.n, 2);
	assert_int_equal(run.len, 2 * BLOCK_LEN(SMALL_CAPLEN));
	assert_ptr_equal(run.tap, &taps[0]);
	assert_true(stream_run(b->s, &run));
	assert_int_equal(run.n, 1);
	assert_ptr_equal(run.tap, &taps[1]);
	assert_true(stream_next(b->s, &p));
	assert_int_equal(p.number, 4); /* those of runs are counted */
	assert_int_equal(run_of(b), 0);
	bed_free(b);
}

static void run_ends_before_what_is_not_due(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b) - MSEC;

	(void)state;
	add(b, 0, t, 1);
	add(b, 0, t + 2, 2);
	add(b, 0, t + 4, 3);
	add(b, 0, t + SECOND / 2, 4);
	add(b, 1, t + 3, 5);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(run_of(b), 2); /* up to the other lane's */
	assert_int_equal(run_of(b), 1);
	assert_int_equal(run_of(b), 1); /* up to the pass */
	assert_int_equal(run_of(b), 0);
	assert_true(stream_poll(b->s, true));
	assert_int_equal(run_of(b), 1);
	assert_int_equal(run_of(b), 0);
	bed_free(b);
}

static void run_ends_before_a_straddling_block(void **state)
{
	struct bed *b = small_bed(1, 4);
	uint64_t t = now(b) - MSEC;
	struct packet p;

	(void)state;
	add(b, 0, t, 1);
	assert_true(add_long(b, 0, t, 2, 20000)); /* long, but all in the chunk */
	assert_true(add_long(b, 0, t, 3, 20000));
	add(b, 0, t, 4);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(run_of(b), 2);
	assert_int_equal(run_of(b), 0);
	assert_true(stream_next(b->s, &p));
	assert_int_equal(id_of(&p), 3);
	check_frame(&p);
	assert_int_equal(run_of(b), 1);
	assert_int_equal(run_of(b), 0);
	assert_true(stream_is_drained(b->s));
	bed_free(b);
}

/* However many of the last ones have to wait. */
static void run_leaves_what_is_too_young(void **state)
{
	uint32_t young, i;

	(void)state;
	for (young = 0; young < 40; young++) {
		struct bed *b = small_bed(1, 4);
		uint64_t t = now(b);

		for (i = 0; i < 40; i++)
			add(b, 0, i < 40 - young ? t - MSEC + i : t + SECOND / 2, i);
		assert_true(stream_poll(b->s, false));
		assert_int_equal(run_of(b), 40 - young);
		assert_int_equal(run_of(b), 0);
		assert_true(stream_poll(b->s, true) == (young > 0));
		assert_int_equal(run_of(b), young);
		bed_free(b);
	}
}

/* Those given out one by one are no part of it, nor those that were not there at the pass. */
static void run_is_the_rest_of_the_chunk(void **state)
{
	struct bed *b = small_bed(1, 4);
	uint64_t t = now(b) - MSEC;
	struct packet p;
	uint32_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		add(b, 0, t, i);
	assert_true(stream_poll(b->s, false));
	for (i = 0; i < 3; i++)
		assert_true(stream_next(b->s, &p));
	add(b, 0, t, 10);
	assert_int_equal(run_of(b), 7);
	assert_true(stream_poll(b->s, false));
	assert_true(stream_next(b->s, &p));
	assert_int_equal(id_of(&p), 10);
	assert_int_equal(p.number, 11);
	bed_free(b);
}

/* Only its first block and its last ones are looked at: the others need not be in the cache. */
static void run_of_a_chunk_is_not_walked(void **state)
{
	struct bed *b = small_bed(2, 4);
	uint64_t t = now(b) - MSEC;
	uint32_t n = fill_chunk(b, 0, t), at = BLOCK_LEN(1500);

	(void)state;
	memset(head_at(b, 0, at), 0, (n - 2) * (size_t)at);
	add(b, 1, t + 1, 1);
	assert_true(stream_poll(b->s, false));
	assert_int_equal(run_of(b), n);
	bed_free(b);
}

/* --- what is in a block ------------------------------------------------------ */

static const struct nsw_owner some_owner = { .pid = 7, .comm = "sixteen-letters!", .mntns = 9 };

static struct bed *bed_with_owners(uint32_t snaplen)
{
	return bed_new((struct shape){ .nr_lanes = 1,
				       .nr_chunks = 9,
				       .snaplen = snaplen,
				       .owners = true,
				       .clock = NSW_CLOCK_TAI });
}

static void check_owner(const struct owner *o)
{
	assert_int_equal(o->pid, 7);
	assert_int_equal(o->mntns, 9);
	assert_string_equal(o->comm, "sixteen-letters!");
}

static void owner_and_direction(void **state)
{
	struct bed *b = bed_with_owners(20);
	uint8_t frame[20];
	struct emission e = numbered(frame, now(b) - MSEC, 1, sizeof(frame));
	struct packet p;

	(void)state;
	e.owner = &some_owner;
	e.wirelen = 70000;
	e.flags = NSW_BLOCK_OUT | NSW_BLOCK_CSUM_PARTIAL;
	assert_true(emit(b, 0, &e));
	e.flags = NSW_BLOCK_IN;
	assert_true(emit(b, 0, &e));
	assert_true(stream_poll(b->s, false));
	assert_int_equal(run_of(b), 0); /* none has an owner */
	assert_true(stream_next(b->s, &p));
	check_owner(&p.owner);
	assert_int_equal(p.dir, DIR_OUT);
	assert_true(p.csum_partial);
	assert_int_equal(p.wirelen, 70000);
	assert_int_equal(p.caplen, 20);
	assert_true(stream_next(b->s, &p));
	check_owner(&p.owner);
	assert_int_equal(p.dir, DIR_IN);
	assert_false(p.csum_partial);
	bed_free(b);
}

/* The flags and the owner of a block stand behind its last piece. */
static void owner_of_a_straddling_block(void **state)
{
	static uint8_t frame[LONGEST];
	struct bed *b = bed_with_owners(LONGEST);
	struct emission e = numbered(frame, now(b) - MSEC, 1, LONGEST);
	struct packet p;

	(void)state;
	e.owner = &some_owner;
	e.flags = NSW_BLOCK_OUT | NSW_BLOCK_CSUM_PARTIAL;
	assert_true(emit(b, 0, &e));
	assert_true(stream_poll(b->s, false));
	assert_true(stream_next(b->s, &p));
	check_frame(&p);
	check_owner(&p.owner);
	assert_int_equal(p.dir, DIR_OUT);
	assert_true(p.csum_partial);
	assert_int_equal(p.wirelen, LONGEST);
	assert_int_equal(p.caplen, LONGEST);
	bed_free(b);
}

static void no_owner(void **state)
{
	struct bed *b = small_bed(1, 2);
	struct packet p = { .owner.pid = 1 };

	(void)state;
	add(b, 0, now(b) - MSEC, 1);
	assert_true(stream_poll(b->s, false));
	assert_true(stream_next(b->s, &p));
	assert_int_equal(p.owner.pid, 0);
	bed_free(b);
}

/* The offset that the stream sets makes the epoch's time of either clock. */
static void check_wall_time(enum nsw_clock clock)
{
	struct bed *b = bed_new((struct shape){
		.nr_lanes = 1, .nr_chunks = 1, .snaplen = LONGEST, .clock = clock });
	int64_t wall = (int64_t)time(NULL) * (int64_t)SECOND, t = (int64_t)now(b);

	assert_true(llabs(t - wall) < 2 * (int64_t)SECOND);
	assert_true(llabs(stream_now(b->s) - wall) < 2 * (int64_t)SECOND);
	assert_true(llabs(stream_wall(b->s, (uint64_t)t - b->wall_offset) - t) < (int64_t)MSEC);
	bed_free(b);
}

static void time_is_wall_time(void **state)
{
	(void)state;
	check_wall_time(NSW_CLOCK_BOOT);
	check_wall_time(NSW_CLOCK_TAI);
}

/* Told of a step, the stream does not wait for a second to be over. */
static void steps_of_the_clock(void **state)
{
	struct bed *b = bed_new((struct shape){
		.nr_lanes = 1, .nr_chunks = 1, .snaplen = LONGEST, .clock = NSW_CLOCK_BOOT });
	const int64_t by[] = { 3600 * (int64_t)SECOND, 0, -7200 * (int64_t)SECOND };
	uint64_t before = b->wall_offset;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(by); i++) {
		step = by[i];
		stream_clock_stepped(b->s);
		assert_true(llabs((int64_t)(b->wall_offset - before) - step) < (int64_t)MSEC);
	}
	step = 0;
	bed_free(b);
}

/* The system clock is not set here: that a step is noticed, tools/vm shows. */
static void the_clock_has_not_stepped(void **state)
{
	int fd = clock_steps_fd();
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(poll(&p, 1, 20), 0);
	assert_false(clock_has_stepped(fd));
	close(fd);
}

/* --- round and round --------------------------------------------------------- */

/* The lane that a frame came by, and how many before it did. */
#define NUMBERED(lane, nr) ((lane) << 24 | (nr))

/* What has come so far: of each lane all, one after the other, and in order of time. */
struct received {
	uint32_t of_lane[MAX_LANES];
	int64_t last;
};

static void receive(struct received *r, const struct packet *p)
{
	uint32_t lane = id_of(p) >> 24;

	assert_true(lane < MAX_LANES);
	assert_int_equal(id_of(p), NUMBERED(lane, r->of_lane[lane]));
	r->of_lane[lane]++;
	check_frame(p);
	assert_int_equal(p->wirelen, p->caplen);
	assert_true(p->time >= r->last);
	r->last = p->time;
}

static void receive_run(struct received *r, const struct packet_run *run)
{
	const uint8_t *block = run->blocks;
	struct packet p = { 0 };
	size_t i;

	for (i = 0; i < run->n; i++) {
		assert_true(block_len(block) == block_plain_len(block));
		block_packet(block, &p);
		receive(r, &p);
		block += block_len(block);
	}
	assert_int_equal(block - run->blocks, run->len);
}

/* A run that somebody still needs, and what is in it. */
struct kept_run {
	struct packet_run run;
	uint8_t *copy;
};

static void let_go(struct kept_run *k)
{
	if (!k->copy)
		return;
	assert_memory_equal(k->run.blocks, k->copy, k->run.len);
	hold_drop(k->run.hold);
	free(k->copy);
	k->copy = NULL;
}

static void keep(struct kept_run *k, const struct packet_run *run)
{
	let_go(k);
	hold_add(run->hold);
	k->run = *run;
	k->copy = zeroed(run->len, 1);
	memcpy(k->copy, run->blocks, run->len);
}

/* One packet, or a run of them, as a coin decides; some runs are kept. */
static bool take(struct bed *b, struct received *r, struct kept_run *kept)
{
	struct packet_run run;
	struct packet p;

	if (rand() % 2 && stream_run(b->s, &run)) {
		receive_run(r, &run);
		if (kept && rand() % 4 == 0)
			keep(kept, &run);
		return true;
	}
	if (!stream_next(b->s, &p))
		return false;
	receive(r, &p);
	return true;
}

static void take_all(struct bed *b, struct received *r)
{
	assert_true(stream_poll(b->s, true) || stream_is_drained(b->s));
	while (take(b, r, NULL))
		;
	assert_true(stream_is_drained(b->s));
	assert_int_equal(stream_strays(b->s), 0);
	assert_none_is_lost(b);
}

/* One producer, as far as it has come with a block. */
struct cpu {
	uint32_t lane, nr;
	struct emission e;
	uint8_t frame[LONGEST];
	enum { IDLE, BUSY, STAMPED, MADE, IN_VAIN } at;
};

/* Mostly the frames of a network; some of offloads. */
static uint32_t random_len(uint32_t longest)
{
	uint32_t most = 1500;

	if (rand() % 8 == 0)
		most = 9000;
	if (rand() % 32 == 0)
		most = longest;
	return 14 + (uint32_t)rand() % (most - 14);
}

static void step_producer(struct bed *b, struct cpu *c, uint32_t longest)
{
	struct nsw_lane *lane = &b->lanes[c->lane];

	switch (c->at) {
	case IDLE:
		begin(lane);
		c->at = BUSY;
		break;
	case BUSY:
		c->e = numbered(c->frame, now(b), NUMBERED(c->lane, c->nr), random_len(longest));
		c->at = STAMPED;
		break;
	case STAMPED:
		/* Some frames cannot be read, when all is ready for them. */
		c->at = make_block(b, lane, &c->e) && rand() % 32 ? MADE : IN_VAIN;
		break;
	default:
		end(b, lane, c->at == MADE);
		c->nr += c->at == MADE;
		c->at = IDLE;
	}
}

static void finish_all(struct bed *b, struct cpu *cpus, uint32_t longest)
{
	uint32_t i;

	for (i = 0; i < b->ring.nr_lanes; i++)
		while (cpus[i].at != IDLE)
			step_producer(b, &cpus[i], longest);
}

/* The producers and the consumer, interleaved at random, round and round the ring: every
 * packet comes once, whole, and in order of time. */
static void go_round(struct shape shape, uint32_t longest, uint32_t steps)
{
	struct bed *b = bed_new(shape);
	struct cpu *cpus = zeroed(shape.nr_lanes, sizeof(*cpus));
	struct kept_run kept = { 0 };
	struct received r = { 0 };
	uint32_t i, all = 0;

	for (i = 0; i < shape.nr_lanes; i++)
		cpus[i].lane = i;
	while (steps--) {
		step_producer(b, &cpus[(uint32_t)rand() % shape.nr_lanes], longest);
		if (rand() % 16)
			continue;
		stream_poll(b->s, false);
		while (take(b, &r, &kept) && rand() % 64)
			;
		if (rand() % 8 == 0)
			let_go(&kept);
	}
	finish_all(b, cpus, longest);
	let_go(&kept);
	take_all(b, &r);
	for (i = 0; i < shape.nr_lanes; i++) {
		assert_int_equal(r.of_lane[i], cpus[i].nr);
		all += cpus[i].nr;
	}
	/* The ring has gone round more than a few times. */
	assert_true(all > 1000);
	assert_true(b->ring.returned->count > 10 * b->ring.nr_slots);
	free(cpus);
	bed_free(b);
}

static void many_producers(void **state)
{
	(void)state;
	srand(1);
	go_round((struct shape){ 4, 8, 0, LONGEST, false, NSW_CLOCK_TAI }, 1500, 100000);
	/* A second segment; and blocks that need most of what there is. */
	go_round((struct shape){ 4, 21, 0, LONGEST, false, NSW_CLOCK_TAI }, 200000, 60000);
	go_round((struct shape){ 1, 10, 0, LONGEST, false, NSW_CLOCK_TAI }, 200000, 30000);
}

/* --- threads ----------------------------------------------------------------- */

#define TRIES 10000
#define WHOLE 3000 /* blocks of each producer */

struct producer {
	pthread_t thread;
	struct bed *b;
	struct cpu cpu;
	atomic_bool done;
};

static void *produce(void *arg)
{
	struct producer *p = arg;
	struct nsw_lane *lane = &p->b->lanes[p->cpu.lane];
	uint64_t until = now(p->b) + 30 * SECOND;
	uint32_t i;
	bool whole;

	/* What is in vain, and when: up to who gets the CPU. */
	for (i = 0; p->cpu.nr < WHOLE && now(p->b) < until; i++) {
		uint32_t len = 14 + i * 37 % (i % 64 ? 1500 : 60000);

		begin(lane);
		p->cpu.e = numbered(p->cpu.frame, now(p->b), NUMBERED(p->cpu.lane, p->cpu.nr), len);
		whole = make_block(p->b, lane, &p->cpu.e);
		end(p->b, lane, whole);
		p->cpu.nr += whole;
		if (!whole)
			sched_yield();
	}
	atomic_store(&p->done, true);
	return NULL;
}

static bool all_done(struct producer *p, uint32_t n)
{
	while (n && atomic_load(&p[n - 1].done))
		n--;
	return !n;
}

/* The same with producers that are at work at the same time. */
static void producers_in_threads(void **state)
{
	struct bed *b = small_bed(3, 24);
	struct producer *p = zeroed(3, sizeof(*p));
	struct kept_run kept = { 0 };
	struct received r = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		p[i].b = b;
		p[i].cpu.lane = i;
		assert_int_equal(pthread_create(&p[i].thread, NULL, produce, &p[i]), 0);
	}
	while (!all_done(p, 3)) {
		stream_poll(b->s, false);
		while (take(b, &r, &kept))
			;
	}
	for (i = 0; i < 3; i++)
		pthread_join(p[i].thread, NULL);
	let_go(&kept);
	take_all(b, &r);
	for (i = 0; i < 3; i++)
		assert_int_equal(r.of_lane[i], p[i].cpu.nr);
	assert_true(b->ring.returned->count > b->ring.nr_slots);
	free(p);
	bed_free(b);
}

static void *produce_now_and_then(void *arg)
{
	struct producer *p = arg;
	unsigned int seed = 1, i;

	/* Nothing comes until the consumer has had its first moment. */
	for (i = 0; i < 10000 && p->b->consumer != NSW_ASLEEP; i++)
		wait_ms(1);
	for (i = 0; i < TRIES / 4; i++) {
		p->cpu.e = numbered(p->cpu.frame, now(p->b), NUMBERED(0, p->cpu.nr), SMALL_CAPLEN);
		p->cpu.nr += emit(p->b, 0, &p->cpu.e);
		for (unsigned int pause = (unsigned int)rand_r(&seed) % 4096; pause; pause--)
			atomic_load(&p->done);
	}
	atomic_store(&p->done, true);
	return NULL;
}

static bool is_rung(const struct bed *b)
{
	return __atomic_load_n(&b->bell_rung, __ATOMIC_ACQUIRE) != b->bell_read;
}

/* As one would on the bell: a while at first, and if there is nothing then, for good. */
static void wait_for_bell(struct bed *b, struct producer *p)
{
	uint64_t until = now(b) + STREAM_SETTLE_MS * MSEC;

	while (!is_rung(b) && now(b) < until)
		sched_yield();
	if (!stream_is_drained(b->s))
		return;
	while (!is_rung(b) && !atomic_load(&p->done))
		sched_yield();
	assert_true(is_rung(b) || stream_is_drained(b->s));
}

/* Falls asleep over and over just as packets come. */
static void sleep_misses_no_packet(void **state)
{
	struct bed *b = small_bed(1, 8);
	struct producer *p = zeroed(1, sizeof(*p));
	struct received r = { 0 };

	(void)state;
	p->b = b;
	assert_int_equal(pthread_create(&p->thread, NULL, produce_now_and_then, p), 0);
	while (!atomic_load(&p->done)) {
		stream_poll(b->s, false);
		while (take(b, &r, NULL))
			;
		if (stream_sleep(b->s)) {
			wait_for_bell(b, p);
			stream_wake(b->s);
		}
		assert_int_equal(b->consumer, NSW_AWAKE);
	}
	pthread_join(p->thread, NULL);
	take_all(b, &r);
	assert_int_equal(r.of_lane[0], p->cpu.nr);
	assert_true(b->bell_rung > 0);
	free(p);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_by_time),
		cmocka_unit_test(younger_than_the_pass_waits),
		cmocka_unit_test(horizon_is_a_little_older_than_the_pass),
		cmocka_unit_test(busy_lane_holds_back_what_may_be_younger),
		cmocka_unit_test(busy_lane_lets_older_ones_pass),
		cmocka_unit_test(busy_lane_that_moves_on_has_a_younger_limit),
		cmocka_unit_test(busy_lane_may_come_to_nothing),
		cmocka_unit_test(final_poll_gives_all_but_the_busy),
		cmocka_unit_test(clock_set_back),
		cmocka_unit_test(strange_blocks_are_strays),
		cmocka_unit_test(unknown_tap_is_a_stray),
		cmocka_unit_test(run_ends_before_what_is_strange),
		cmocka_unit_test(sleep_and_wake),
		cmocka_unit_test(nap_ends_when_chunks_run_low),
		cmocka_unit_test(chunk_goes_back_when_it_is_read),
		cmocka_unit_test(held_chunk_does_not_go_back),
		cmocka_unit_test(hold_may_be_dropped_before_all_is_read),
		cmocka_unit_test(another_thread_gives_a_chunk_back),
		cmocka_unit_test(full_ring_loses_the_new),
		cmocka_unit_test(long_blocks_come_whole),
		cmocka_unit_test(long_head_is_never_split),
		cmocka_unit_test(long_tail_is_never_split),
		cmocka_unit_test(long_block_without_room_keeps_its_chunks),
		cmocka_unit_test(run_ends_before_another_tap),
		cmocka_unit_test(run_ends_before_what_is_not_due),
		cmocka_unit_test(run_ends_before_a_straddling_block),
		cmocka_unit_test(run_leaves_what_is_too_young),
		cmocka_unit_test(run_is_the_rest_of_the_chunk),
		cmocka_unit_test(run_of_a_chunk_is_not_walked),
		cmocka_unit_test(run_after_what_is_skipped),
		cmocka_unit_test(owner_and_direction),
		cmocka_unit_test(owner_of_a_straddling_block),
		cmocka_unit_test(no_owner),
		cmocka_unit_test(time_is_wall_time),
		cmocka_unit_test(steps_of_the_clock),
		cmocka_unit_test(the_clock_has_not_stepped),
		cmocka_unit_test(many_producers),
		cmocka_unit_test(producers_in_threads),
		cmocka_unit_test(sleep_misses_no_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring is a memory file with the kernel's layout: consumer's page,
 * producers' page, the data, and the data again. Where the kernel maps the
 * same memory twice, put() writes twice.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <pcap/dlt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stream/clock.h"
#include "stream/stream.h"
#include "util/cleanup.h"

#define RING	 65536
#define SECOND	 1000000000ULL
#define NO_SPACE UINT64_MAX

struct ring {
	int fd;
	size_t page;
	uint8_t *mem;
	uint64_t *consumer, *producer;
	uint8_t *data;
	volatile uint32_t wants;
	struct stream *s;
};

static const struct clock boot = { .kind = NSW_CLOCK_BOOT };
static const struct tap the_tap = { .id = 1, .dlt = DLT_EN10MB };

static const struct tap *tap_1(void *ctx, uint32_t id)
{
	(void)ctx;
	return id == 1 ? &the_tap : NULL;
}

static uint64_t now(void)
{
	return (uint64_t)clock_now(&boot);
}

static struct ring *ring_new(uint32_t snaplen)
{
	struct ring *r = calloc(1, sizeof(*r));
	struct stream_options o = {
		.ring_size = RING,
		.snaplen = snaplen,
		.clock = NSW_CLOCK_BOOT,
		.tap = tap_1,
	};
	struct err e = { 0 };
	size_t size;

	assert_non_null(r);
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	size = 2 * r->page + 2 * RING;
	r->fd = memfd_create("ring", MFD_CLOEXEC);
	assert_int_equal(ftruncate(r->fd, (off_t)size), 0);
	r->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	assert_true(r->mem != MAP_FAILED);
	r->consumer = (void *)r->mem;
	r->producer = (void *)(r->mem + r->page);
	r->data = r->mem + 2 * r->page;
	o.ring_fd = r->fd;
	o.consumer = &r->wants;
	assert_int_equal(stream_new(&r->s, &o, &e), 0);
	return r;
}

static void ring_free(struct ring *r)
{
	stream_free(r->s);
	munmap(r->mem, 2 * r->page + 2 * RING);
	close(r->fd);
	free(r);
}

static void put(struct ring *r, uint64_t pos, const void *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		size_t at = (pos + i) % RING;

		r->data[at] = r->data[at + RING] = ((const uint8_t *)bytes)[i];
	}
}

static void set_length(struct ring *r, uint64_t pos, uint32_t len)
{
	const uint32_t header[2] = { len, 0 };

	put(r, pos, header, sizeof(header));
}

/* As bpf_ringbuf_reserve(): the position of a busy record. */
static uint64_t reserve(struct ring *r, uint32_t len)
{
	uint64_t pos = *r->producer, end = pos + (len + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;

	if (end - *r->consumer > RING - 1)
		return NO_SPACE;
	set_length(r, pos, len | BPF_RINGBUF_BUSY_BIT);
	*r->producer = end;
	return pos;
}

/* A packet record with room to spare, as the size classes leave it. */
static uint64_t reserve_packet(struct ring *r, uint32_t caplen)
{
	return reserve(r, sizeof(struct nsw_rec) + (caplen + 63) / 64 * 64);
}

static void commit(struct ring *r, uint64_t pos, const struct nsw_rec *rec, const void *body,
		   size_t len, uint32_t bits)
{
	put(r, pos + BPF_RINGBUF_HDR_SZ, rec, sizeof(*rec));
	put(r, pos + BPF_RINGBUF_HDR_SZ + sizeof(*rec), body, len);
	set_length(r, pos, (uint32_t)(sizeof(*rec) + (len + 63) / 64 * 64) | bits);
}

/* A frame that says which one it is. */
static void commit_numbered(struct ring *r, uint64_t pos, uint64_t time, uint32_t id, uint32_t len)
{
	struct nsw_rec rec = { .time = time, .wirelen = len, .tap = 1 };
	uint8_t body[2048] = { 0 };

	memset(body, (int)id, len);
	memcpy(body, &id, sizeof(id));
	commit(r, pos, &rec, body, len, 0);
}

static void add(struct ring *r, uint64_t time, uint32_t id)
{
	commit_numbered(r, reserve_packet(r, 60), time, id, 60);
}

static uint32_t id_of(const struct packet *p)
{
	uint32_t id;

	memcpy(&id, p->data, sizeof(id));
	return id;
}

/* All that the last poll has for us, as decimal digits: 3, 1, 2 is 312. */
static unsigned int digits(struct ring *r)
{
	unsigned int all = 0;
	struct packet p;

	while (stream_next(r->s, &p))
		all = all * 10 + id_of(&p);
	return all;
}

static void order_is_by_time(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);
	uint64_t t = now();
	struct packet p;

	(void)state;
	add(r, t - 5, 3);
	add(r, t - 9, 1);
	add(r, t - 7, 2);
	add(r, t - 5, 4); /* equal times stay in the ring's order */
	assert_int_equal(stream_poll(r->s, false), 4);
	assert_true(stream_next(r->s, &p));
	assert_int_equal(p.number, 1);
	assert_int_equal(id_of(&p), 1);
	/* The first in the ring is not read yet: nothing is released. */
	assert_int_equal(*r->consumer, 0);
	assert_int_equal(digits(r), 234);
	assert_true(stream_is_drained(r->s));
	stream_poll(r->s, false);
	assert_int_equal(*r->consumer, *r->producer);
	ring_free(r);
}

/* The earliest stands last in the ring: what is before it is not free yet. */
static void unread_records_are_not_released(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);
	uint64_t t = now();
	struct packet p;
	uint32_t i;

	(void)state;
	for (i = 2; i <= 5; i++)
		commit_numbered(r, reserve_packet(r, 1500), t - 10 + i, i, 1500);
	add(r, t - 9, 1);
	assert_int_equal(stream_poll(r->s, false), 5);
	assert_true(stream_next(r->s, &p));
	assert_int_equal(id_of(&p), 1);
	assert_int_equal(*r->consumer, 0);
	assert_int_equal(digits(r), 2345);
	ring_free(r);
}

static void younger_than_the_pass_waits(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);
	const struct timespec later = { .tv_nsec = 60 * 1000 * 1000 };
	uint64_t t = now();

	(void)state;
	add(r, t + 50 * 1000 * 1000, 2);
	assert_int_equal(stream_poll(r->s, false), 0);
	assert_false(stream_is_drained(r->s));
	assert_false(stream_sleep(r->s));
	add(r, t, 1);
	assert_int_equal(stream_poll(r->s, false), 1);
	assert_int_equal(digits(r), 1);
	nanosleep(&later, NULL);
	assert_int_equal(stream_poll(r->s, false), 1);
	assert_int_equal(digits(r), 2);
	ring_free(r);
}

static void busy_record_holds_back_what_may_be_younger(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);
	uint64_t busy, t;

	(void)state;
	assert_int_equal(stream_poll(r->s, false), 0);
	t = now();
	add(r, t + 1, 2);
	busy = reserve_packet(r, 60);
	add(r, t + 2, 3);
	assert_int_equal(stream_poll(r->s, false), 0);
	assert_int_equal(stream_poll(r->s, false), 0);
	assert_false(stream_is_drained(r->s));
	assert_false(stream_sleep(r->s));
	commit_numbered(r, busy, t, 1, 60);
	assert_int_equal(stream_poll(r->s, false), 3);
	assert_int_equal(digits(r), 123);
	ring_free(r);
}

/* Records that were there before the busy one was reserved need not wait. */
static void busy_record_lets_older_ones_pass(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);

	(void)state;
	add(r, now() + 20 * 1000 * 1000, 1);
	assert_int_equal(stream_poll(r->s, false), 0);
	nanosleep(&(struct timespec){ .tv_nsec = 30 * 1000 * 1000 }, NULL);
	assert_int_equal(stream_poll(r->s, false), 1);
	add(r, now(), 2);
	assert_int_equal(stream_poll(r->s, false), 2);
	reserve_packet(r, 60);
	assert_int_equal(stream_poll(r->s, false), 2);
	assert_int_equal(digits(r), 12);
	ring_free(r);
}

static void final_poll_gives_all_but_the_busy(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);

	(void)state;
	add(r, now() + SECOND / 2, 1);
	reserve_packet(r, 60);
	assert_int_equal(stream_poll(r->s, true), 1);
	assert_int_equal(digits(r), 1);
	assert_false(stream_is_drained(r->s));
	ring_free(r);
}

static void discarded_and_strange_records_are_skipped(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);
	struct nsw_rec rec = { .time = now(), .wirelen = 60, .tap = 1 };
	uint8_t body[64] = { 0 };

	(void)state;
	commit(r, reserve_packet(r, 60), &rec, body, 60, BPF_RINGBUF_DISCARD_BIT);
	set_length(r, reserve(r, 8), 8); /* no room for a header */
	rec.wirelen = 65;		 /* more than there is */
	commit(r, reserve_packet(r, 60), &rec, body, 60, 0);
	rec.wirelen = 60;
	rec.flags = NSW_REC_OWNER; /* no room for an owner */
	commit(r, reserve_packet(r, 60), &rec, body, 60, 0);
	rec.flags = 0;
	rec.tap = 2;
	commit(r, reserve_packet(r, 60), &rec, body, 60, 0);
	add(r, rec.time, 7);
	assert_int_equal(stream_poll(r->s, false), 2);
	assert_int_equal(digits(r), 7);
	assert_int_equal(stream_strays(r->s), 4);
	assert_true(stream_is_drained(r->s));
	assert_true(stream_sleep(r->s));
	assert_int_equal(*r->consumer, *r->producer);
	ring_free(r);
}

static void sleep_and_wake(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);

	(void)state;
	assert_true(stream_sleep(r->s));
	assert_int_equal(r->wants, 1);
	stream_wake(r->s);
	assert_int_equal(r->wants, 0);
	reserve_packet(r, 60); /* its producer may have read the flag before */
	assert_false(stream_sleep(r->s));
	assert_int_equal(r->wants, 0);
	ring_free(r);
}

/* The clock of the records (TAI) is set back: what was stamped before that is
 * given out at once, not when that time comes again. */
static void clock_set_back(void **state)
{
	struct ring *r = ring_new(NSW_MAX_SNAP);
	uint64_t t = now();

	(void)state;
	add(r, t + 3600 * SECOND, 1);
	add(r, t + 3600 * SECOND + 1, 2);
	add(r, now(), 3);
	assert_int_equal(stream_poll(r->s, false), 3);
	assert_int_equal(digits(r), 312);
	assert_true(stream_sleep(r->s));
	ring_free(r);
}

/* One simulated producer: reserves, takes the time, writes. */
struct cpu {
	uint64_t pos, time;
	uint32_t id, len;
	enum { IDLE, RESERVED, STAMPED } at;
};

static uint32_t step_producer(struct ring *r, struct cpu *c, uint32_t next)
{
	if (c->at == IDLE) {
		c->len = 14 + (uint32_t)rand() % 1486;
		c->pos = reserve_packet(r, c->len);
		if (c->pos != NO_SPACE)
			c->at = RESERVED;
	} else if (c->at == RESERVED) {
		c->time = now();
		c->at = STAMPED;
	} else {
		c->id = next++;
		commit_numbered(r, c->pos, c->time, c->id, c->len);
		c->at = IDLE;
	}
	return next;
}

static void check_frame(const struct packet *p, uint32_t nr, bool *seen)
{
	uint32_t id = id_of(p), i;

	assert_true(id < nr && !seen[id]);
	seen[id] = true;
	for (i = sizeof(id); i < p->caplen; i++)
		assert_int_equal(p->data[i], (uint8_t)id);
}

static void count_frame(const struct packet *p, uint32_t nr, bool *seen, int64_t *last)
{
	check_frame(p, nr, seen);
	assert_true(p->time >= *last);
	*last = p->time;
}

/* One packet, or a run of them, as a coin decides. Returns how many. */
static uint32_t take(struct ring *r, uint32_t nr, bool *seen, int64_t *last)
{
	struct packet_run run;
	struct packet p;
	size_t i;

	if (rand() % 2 && stream_next(r->s, &p)) {
		count_frame(&p, nr, seen, last);
		return 1;
	}
	if (!stream_run(r->s, &run))
		return 0;
	for (i = 0; i < run.n; i++) {
		p.time = (int64_t)run.recs[i]->time + run.offset;
		p.data = (const void *)(run.recs[i] + 1);
		p.caplen = run.recs[i]->wirelen;
		count_frame(&p, nr, seen, last);
	}
	return (uint32_t)run.n;
}

/* Four producers and the consumer, interleaved at random, round and round the
 * ring: every record comes once, whole, and in order of time. */
static void many_producers(void **state)
{
	enum { RECORDS = 20000 };
	struct ring *r = ring_new(NSW_MAX_SNAP);
	bool *seen = calloc(RECORDS + 8, sizeof(*seen));
	uint32_t next = 0, got = 0;
	struct cpu cpus[4] = { 0 };
	int64_t last = 0;
	uint32_t more;

	(void)state;
	srand(1);
	while (got < RECORDS) {
		struct cpu *c = &cpus[rand() % 4];

		if (next < RECORDS || c->at != IDLE)
			next = step_producer(r, c, next);
		if (rand() % 16 && *r->producer - *r->consumer < RING - 4096)
			continue;
		stream_poll(r->s, false);
		while ((more = take(r, next, seen, &last))) {
			got += more;
			if (rand() % 64 == 0)
				break;
		}
		if (next >= RECORDS && got == next)
			break;
	}
	assert_int_equal(stream_strays(r->s), 0);
	free(seen);
	ring_free(r);
}

static void first_packet(struct ring *r, struct nsw_rec *rec, const void *body, size_t len,
			 struct packet *p)
{
	rec->time = now();
	rec->tap = 1;
	commit(r, reserve_packet(r, (uint32_t)len), rec, body, len, 0);
	assert_int_equal(stream_poll(r->s, false), 1);
	assert_true(stream_next(r->s, p));
}

static void ip_packet_gets_an_ethernet_header(void **state)
{
	static const uint8_t v4[] = { 0x45, 1, 2, 3 }, v6[] = { 0x60, 1, 2, 3 };
	const uint8_t *bytes[] = { v4, v6 };
	static const uint8_t types[][2] = { { 0x08, 0x00 }, { 0x86, 0xdd } };
	struct ring *r = ring_new(16);
	struct packet p;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct nsw_rec rec = { .wirelen = 4, .flags = NSW_REC_L3 };

		first_packet(r, &rec, bytes[i], 4, &p);
		assert_int_equal(p.wirelen, 18);
		assert_int_equal(p.caplen, 16);
		assert_memory_equal(p.data + 12, types[i], 2);
		assert_memory_equal(p.data + 14, bytes[i], 2);
	}
	ring_free(r);
}

/* What is not just bytes behind a header, or of another tap, ends a run. */
static void run_ends_before_what_is_not_alike(void **state)
{
	static const uint8_t flags[] = { 0, 0, NSW_REC_L3, 0, NSW_REC_OWNER };
	struct ring *r = ring_new(NSW_MAX_SNAP);
	const uint8_t body[64] = { 0x45 };
	struct packet_run run;
	struct packet p;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		struct nsw_rec rec = { .time = now(), .wirelen = 30, .tap = 1, .flags = flags[i] };

		commit(r, reserve_packet(r, 60), &rec, body, 60, 0);
	}
	assert_int_equal(stream_poll(r->s, false), 5);
	assert_true(stream_run(r->s, &run));
	assert_int_equal(run.n, 2);
	assert_ptr_equal(run.tap, &the_tap);
	assert_false(stream_run(r->s, &run));
	assert_true(stream_next(r->s, &p));
	assert_int_equal(p.wirelen, 30 + 14);
	assert_true(stream_run(r->s, &run));
	assert_int_equal(run.n, 1);
	assert_false(stream_run(r->s, &run));
	assert_true(stream_next(r->s, &p));
	assert_false(stream_run(r->s, &run));
	ring_free(r);
}

static void owner_and_direction(void **state)
{
	struct ring *r = ring_new(20);
	struct {
		struct nsw_owner owner;
		uint8_t frame[20];
	} body = { .owner = { .pid = 7, .comm = "sixteen-letters!", .mntns = 9 } };
	struct nsw_rec rec = { .wirelen = 70000, .flags = NSW_REC_OWNER | NSW_REC_EGRESS };
	struct packet p;

	(void)state;
	first_packet(r, &rec, &body, sizeof(body), &p);
	assert_int_equal(p.owner.pid, 7);
	assert_int_equal(p.owner.mntns, 9);
	assert_string_equal(p.owner.comm, "sixteen-letters!");
	assert_int_equal(p.dir, DIR_OUT);
	assert_int_equal(p.wirelen, 70000);
	assert_int_equal(p.caplen, 20);
	/* Wall time, from boot time. */
	assert_true(llabs(p.time - (int64_t)time(NULL) * (int64_t)SECOND) < 2 * (int64_t)SECOND);
	ring_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_by_time),
		cmocka_unit_test(unread_records_are_not_released),
		cmocka_unit_test(younger_than_the_pass_waits),
		cmocka_unit_test(busy_record_holds_back_what_may_be_younger),
		cmocka_unit_test(busy_record_lets_older_ones_pass),
		cmocka_unit_test(final_poll_gives_all_but_the_busy),
		cmocka_unit_test(discarded_and_strange_records_are_skipped),
		cmocka_unit_test(sleep_and_wake),
		cmocka_unit_test(clock_set_back),
		cmocka_unit_test(many_producers),
		cmocka_unit_test(ip_packet_gets_an_ethernet_header),
		cmocka_unit_test(run_ends_before_what_is_not_alike),
		cmocka_unit_test(owner_and_direction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

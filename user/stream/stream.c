// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Order. Producers on several CPUs reserve first and take the time after that,
 * so records stand in the ring nearly, but not quite, in order of time. Each
 * pass reads the clock (t0) and then the producers' position. A record older
 * than t0 was reserved before t0, hence lies before that position. So all
 * records of the pass that are older than t0 can be sorted and given out, and
 * nothing older can come later. One that is still being written ("busy") ends
 * the pass: it was reserved after the last pass that had not seen it began, so
 * that pass's t0 is the limit instead. What is younger than the limit waits
 * for the next pass.
 *
 * Wake-ups, NAPI style. A notification per packet costs more than the capture.
 * At work, the consumer naps between two looks; a producer wakes it early only
 * if the ring fills up meanwhile. With nothing to do it goes to sleep: it sets
 * the flag, and then looks once more. The producer reserves, then reads the
 * flag. Both sides have a full barrier between the two, so at least one sees
 * the other.
 *
 * The ring's memory: one page for us to write (consumer position), one page
 * with the producers' position, then the data, mapped twice in a row so that a
 * record never wraps (Linux Documentation/bpf/ringbuf.rst).
 */
#include "stream/stream.h"

#include <errno.h>
#include <linux/bpf.h>
#include <net/ethernet.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/clock.h"
#include "stream/record.h"
#include "util/cleanup.h"

#define RELEASE_STEPS	32	     /* per ring */
#define STEP_NS		1000000000LL /* further ahead no record can be: the clock was set back */
#define RUN_MAX		128	     /* records, so that they are still in the nearest cache */
#define PREFETCH_BYTES	2048
#define PREFETCH_RECORD 256
#define CACHE_LINE	64

struct stream {
	struct stream_options o;
	struct clock clock;
	size_t page;
	uint64_t *consumer;	  /* our page */
	const uint64_t *producer; /* their page; the data follow */
	const uint8_t *data;

	const struct nsw_rec **queue; /* found and not yet given out, by time; [head, tail) */
	size_t head, tail, limit;     /* [head, limit) may be given out */
	bool disordered;	      /* the queue's order is not the ring's */
	uint64_t scanned;	      /* ring position up to which records are in the queue */
	int64_t pass_time;	      /* t0 of the latest pass */
	uint64_t pass_pos;	      /* producers' position that it saw */
	int64_t horizon;	      /* of the latest pass: all that is older was in the ring */
	int64_t busy_limit;	      /* t0 of the last pass that did not see the busy record */
	size_t taken;		      /* bytes that the latest pass found */
	uint64_t released;	      /* as told to the producers */
	uint64_t release_at;	      /* ring position at which to tell them next */
	uint64_t number;
	uint64_t strays;
	uint8_t *scratch; /* a frame put together from parts */
};

int stream_new(struct stream **out, const struct stream_options *o, struct err *e)
{
	struct stream *s = calloc(1, sizeof(*s));
	void *mem;

	if (!s)
		return err_sys(e, -ENOMEM, "packet ring");
	s->o = *o;
	s->page = (size_t)sysconf(_SC_PAGESIZE);
	/* Every record takes at least its two headers. Pages are used only as
	 * far as the ring is ever filled. */
	s->queue = calloc(o->ring_size / (BPF_RINGBUF_HDR_SZ + sizeof(struct nsw_rec)) + 1,
			  sizeof(*s->queue));
	s->scratch = malloc(NSW_MAX_SNAP + ETH_HLEN);
	mem = mmap(NULL, s->page, PROT_READ | PROT_WRITE, MAP_SHARED, o->ring_fd, 0);
	s->consumer = mem == MAP_FAILED ? NULL : mem;
	mem = mmap(NULL, s->page + 2 * o->ring_size, PROT_READ, MAP_SHARED, o->ring_fd,
		   (off_t)s->page);
	s->producer = mem == MAP_FAILED ? NULL : mem;
	if (!s->queue || !s->scratch || !s->consumer || !s->producer) {
		int err = errno ? -errno : -ENOMEM;

		stream_free(s);
		return err_sys(e, err, "cannot map the packet ring");
	}
	s->data = (const uint8_t *)s->producer + s->page;
	clock_init(&s->clock, o->clock);
	*out = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	if (s->producer)
		munmap((void *)s->producer, s->page + 2 * s->o.ring_size);
	if (s->consumer)
		munmap(s->consumer, s->page);
	free(s->queue);
	free(s->scratch);
	free(s);
}

/* Appends to the queue, keeping it sorted. Out of order is rare and near. */
static void enqueue(struct stream *s, const struct nsw_rec *rec)
{
	size_t i = s->tail++;

	while (i > s->head && s->queue[i - 1]->time > rec->time) {
		s->queue[i] = s->queue[i - 1];
		s->disordered = true;
		i--;
	}
	s->queue[i] = rec;
}

/* Moves what is left to the front, so that the queue cannot run out. */
static void compact(struct stream *s)
{
	if (!s->head)
		return;
	memmove(s->queue, s->queue + s->head, (s->tail - s->head) * sizeof(*s->queue));
	s->tail -= s->head;
	s->limit = s->head = 0;
}

/* Where in the ring a record of the queue stands: not before what was released. */
static uint64_t position(const struct stream *s, const struct nsw_rec *rec)
{
	uint64_t at = (uint64_t)((const uint8_t *)rec - s->data) - BPF_RINGBUF_HDR_SZ;

	return s->released + ((at - s->released) & (s->o.ring_size - 1));
}

/* The ring position before which nothing in the queue lies. */
static uint64_t oldest(const struct stream *s)
{
	uint64_t pos = s->scanned, at;
	size_t i;

	if (s->head == s->tail)
		return pos;
	if (!s->disordered)
		return position(s, s->queue[s->head]);
	for (i = s->head; i < s->tail; i++) {
		at = position(s, s->queue[i]);
		if (at < pos)
			pos = at;
	}
	return pos;
}

/* Everything before that is the producers' again. */
static void release(struct stream *s)
{
	s->released = oldest(s);
	__atomic_store_n(s->consumer, s->released, __ATOMIC_RELEASE);
}

static bool is_sane(const struct stream *s, const struct nsw_rec *rec, uint32_t len)
{
	size_t head = sizeof(*rec);

	if (len < head)
		return false;
	if (rec->flags & NSW_REC_OWNER)
		head += sizeof(struct nsw_owner);
	return head + record_caplen(rec, s->o.snaplen) <= len;
}

/*
 * Another core wrote all this: ask for it before it is needed. Large records are
 * read in a row, which the processor foresees by itself.
 */
static void prefetch(const uint8_t *at, uint32_t size)
{
	uint32_t i;

	for (i = 0; i < size && i < PREFETCH_RECORD; i += CACHE_LINE)
		__builtin_prefetch(at + PREFETCH_BYTES + i);
}

/* Takes in records up to the producers' position. Returns false at a busy one. */
static bool scan(struct stream *s, uint64_t until)
{
	const uint64_t mask = s->o.ring_size - 1;

	while (s->scanned < until) {
		const uint8_t *at = s->data + (s->scanned & mask);
		uint32_t len = __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
		const struct nsw_rec *rec = (const void *)(at + BPF_RINGBUF_HDR_SZ);
		uint32_t size = len & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (len & BPF_RINGBUF_BUSY_BIT)
			return false;
		prefetch(at, size);
		s->scanned += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		if (len & BPF_RINGBUF_DISCARD_BIT)
			continue;
		if (is_sane(s, rec, size))
			enqueue(s, rec);
		else
			s->strays++;
	}
	return true;
}

/*
 * Whether the record can be given out. One from the future was stamped before the
 * clock was set back (TAI follows such steps): waiting for that time to come
 * again could take hours, so it counts as being of now.
 */
static bool is_due(const struct nsw_rec *rec, int64_t horizon, int64_t now)
{
	return (int64_t)rec->time <= horizon || (int64_t)rec->time > now + STEP_NS;
}

size_t stream_poll(struct stream *s, bool final)
{
	int64_t t0 = clock_now(&s->clock);
	uint64_t until = __atomic_load_n(s->producer, __ATOMIC_ACQUIRE);
	int64_t horizon = t0;

	release(s);
	compact(s);
	s->disordered &= s->tail > 0;
	s->taken = until - s->scanned;
	if (!scan(s, until)) {
		if (s->scanned >= s->pass_pos)
			s->busy_limit = s->pass_time;
		horizon = s->busy_limit;
	}
	s->horizon = horizon;
	s->pass_time = t0;
	s->pass_pos = until;
	while (s->limit < s->tail && (final || is_due(s->queue[s->limit], horizon, t0)))
		s->limit++;
	return s->limit - s->head;
}

/* Puts an Ethernet header before a packet that has none. */
static void put_link_header(struct stream *s, struct packet *p)
{
	uint16_t type = htobe16(p->caplen && p->data[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);

	memset(s->scratch, 0, ETH_HLEN - sizeof(type));
	memcpy(s->scratch + ETH_HLEN - sizeof(type), &type, sizeof(type));
	memcpy(s->scratch + ETH_HLEN, p->data, p->caplen);
	p->data = s->scratch;
	p->wirelen += ETH_HLEN;
	p->caplen += ETH_HLEN;
	if (p->caplen > s->o.snaplen)
		p->caplen = s->o.snaplen;
}

static void unpack(struct stream *s, const struct nsw_rec *rec, struct packet *p)
{
	const uint8_t *body = (const uint8_t *)(rec + 1);

	p->owner.pid = 0;
	if (rec->flags & NSW_REC_OWNER) {
		p->owner = record_owner((const struct nsw_owner *)body);
		body += sizeof(struct nsw_owner);
	}
	p->time = clock_wall(&s->clock, (int64_t)rec->time, s->pass_time);
	p->data = body;
	record_header(rec, s->o.snaplen, p);
	if (rec->flags & NSW_REC_L3)
		put_link_header(s, p);
}

/* What was given out before is done with. The producers are told now and then:
 * each time costs them a cache miss. */
static void release_some(struct stream *s)
{
	uint64_t pos = position(s, s->queue[s->head]);

	if ((int64_t)(pos - s->release_at) < 0)
		return;
	release(s);
	/* It may not have got far, in disorder. */
	s->release_at = pos + s->o.ring_size / RELEASE_STEPS;
}

bool stream_next(struct stream *s, struct packet *p)
{
	while (s->head < s->limit) {
		const struct nsw_rec *rec = s->queue[s->head];

		release_some(s);
		s->head++;
		p->tap = s->o.tap(s->o.ctx, rec->tap);
		if (!p->tap) {
			s->strays++;
			continue;
		}
		p->number = ++s->number;
		unpack(s, rec, p);
		return true;
	}
	return false;
}

static bool is_plain(const struct nsw_rec *rec, uint16_t tap)
{
	return rec->tap == tap && !(rec->flags & (NSW_REC_OWNER | NSW_REC_L3));
}

bool stream_run(struct stream *s, struct packet_run *run)
{
	size_t end = s->limit - s->head > RUN_MAX ? s->head + RUN_MAX : s->limit, i;
	uint16_t tap;

	if (s->head == s->limit)
		return false;
	tap = s->queue[s->head]->tap;
	run->tap = s->o.tap(s->o.ctx, tap);
	if (!run->tap)
		return false;
	release_some(s);
	for (i = s->head; i < end && is_plain(s->queue[i], tap); i++)
		;
	run->recs = s->queue + s->head;
	run->n = i - s->head;
	run->offset = clock_wall(&s->clock, 0, s->pass_time);
	run->snaplen = s->o.snaplen;
	s->number += run->n;
	s->head = i;
	return run->n > 0;
}

size_t stream_taken(const struct stream *s)
{
	return s->taken;
}

bool stream_is_drained(const struct stream *s)
{
	return s->head == s->tail && s->scanned == __atomic_load_n(s->producer, __ATOMIC_ACQUIRE);
}

bool stream_sleep(struct stream *s)
{
	if (s->head < s->tail)
		return false;
	release(s);
	*s->o.consumer = NSW_ASLEEP;
	__sync_synchronize();
	if (stream_is_drained(s))
		return true;
	stream_wake(s);
	return false;
}

void stream_nap(struct stream *s)
{
	*s->o.consumer = NSW_NAPPING;
}

void stream_wake(struct stream *s)
{
	*s->o.consumer = NSW_AWAKE;
}

int64_t stream_wall(struct stream *s, uint64_t time)
{
	return clock_wall(&s->clock, (int64_t)time, clock_now(&s->clock));
}

int64_t stream_now(struct stream *s)
{
	int64_t now = clock_now(&s->clock);

	return clock_wall(&s->clock, now, now);
}

int64_t stream_clock(const struct stream *s)
{
	return clock_now(&s->clock);
}

int64_t stream_horizon(const struct stream *s)
{
	return s->horizon;
}

uint64_t stream_strays(const struct stream *s)
{
	return s->strays;
}

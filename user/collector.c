// SPDX-License-Identifier: GPL-2.0-only
#include "collector.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pipeline.h"
#include "sandbox/wire.h"
#include "stream/clock.h"
#include "stream/record.h"
#include "stream/stream.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"

#define NAP_FIRST_NS	 1000000L /* between two looks at the ring while awake */
#define NAP_MIN_NS	 250000L
#define NAP_MAX_NS	 50000000L
#define FLUSH_NS	 200000000LL  /* at most this late, output reaches who reads along */
#define POLLS_UNTIL_IDLE 4	      /* looks in vain before sleeping */
#define REPORT_NS	 1000000000LL /* between two warnings about loss */
#define LOOK_NS		 10000000LL   /* between two looks for loss, as findings come */
#define ANSWER_WAIT_NS	 500000000LL  /* for facts asked for, once stopped */
#define BUSY_WAIT_NS	 1000000000LL /* for a record in the making, once stopped */

#define GONE_NS 500000000LL /* so long a program may still run on a packet, once detached */

/*
 * One for each announcement of a tap: an interface under one name. The sinks know
 * it by its seat's number; its id in the kernel comes to others after it, and what
 * that had counted before is not its own. With all seats taken the first of those that
 * are closed are taken over, and what had happened on them counts in the sums only.
 */
struct seat {
	struct tap tap;
	uint32_t kernel_id;	/* 0: that belongs to another seat now */
	struct tap_stats base;	/* had been counted before */
	struct tap_stats final; /* once kernel_id is 0 */
	uint64_t delivered;
	uint64_t reported_lost; /* told to the sinks */
	bool taken;
	bool attached; /* it was told so */
};

struct collector {
	const struct collector_setup *s;
	struct stream *stream;
	int64_t drained; /* all packets before that have been given to the pipeline */
	struct pipeline *pipeline;
	struct seat *seats;	    /* from 1 */
	uint32_t nr_seats, highest; /* highest: seat taken */
	uint32_t next_seat;
	uint32_t *seat_of; /* by the kernel's id; 0 none */
	/* By the kernel's id: what it had counted when its last seat was closed. What it counts
	 * after that is the next one's, also if that is heard of later. */
	struct tap_stats *spent;
	uint64_t *read; /* by the kernel's id: its records that came to seats since closed */
	struct gone {
		uint32_t id;
		int64_t until; /* its counts may still grow, on the monotonic clock */
	} * gone;	       /* a ring of nr_seats: detached, records may still come */
	uint32_t first_gone, nr_gone;
	struct tap_stats past; /* of seats that were taken over */
	int64_t next_look;     /* on the monotonic clock, as the next */
	int64_t next_report;   /* on the monotonic clock: the other may be set back */
	uint64_t warned_lost;
	unsigned int questions; /* asked and not answered */
	volatile sig_atomic_t stopping;
	bool told_done;
	bool abandoned; /* the watch never began */
	bool orphaned;	/* the loader is gone */
	int file_event; /* eventfd: the output file has failed */
	int steps_fd;	/* the system clock has been set */
	long nap;	/* ns */
	bool unflushed; /* output lies in buffers */
	int64_t next_flush;
};

static void count_kernel(const struct collector *c, uint32_t kernel_id, struct tap_stats *out)
{
	uint32_t ncpus = programs_ncpus(c->s->programs), cpu;
	const struct nsw_count *n = programs_counts(c->s->programs) + (size_t)kernel_id * ncpus;

	*out = (struct tap_stats){ 0 };
	for (cpu = 0; cpu < ncpus; cpu++) {
		out->seen += n[cpu].seen;
		out->matched += n[cpu].matched;
		out->captured += n[cpu].captured;
		out->ring_full += n[cpu].ring_full;
		out->load_failed += n[cpu].load_failed;
		out->truncated += n[cpu].truncated;
	}
}

static void subtract_kernel(struct tap_stats *from, const struct tap_stats *s)
{
	from->seen -= s->seen;
	from->matched -= s->matched;
	from->captured -= s->captured;
	from->ring_full -= s->ring_full;
	from->load_failed -= s->load_failed;
	from->truncated -= s->truncated;
}

static void sum_counts(const struct collector *c, uint32_t seat, struct tap_stats *out)
{
	const struct seat *s = &c->seats[seat];

	if (s->kernel_id) {
		count_kernel(c, s->kernel_id, out);
		subtract_kernel(out, &s->base);
	} else {
		*out = s->final;
	}
	out->delivered = s->delivered;
	pipeline_count(c->pipeline, &s->tap, out);
}

static void tap_stats(void *ctx, const struct tap *tap, struct tap_stats *s)
{
	sum_counts(ctx, tap->id, s);
	s->matched -= s->filtered; /* the file speaks of one filter, wherever it ran */
}

static void add(struct tap_stats *sum, const struct tap_stats *s)
{
	sum->seen += s->seen;
	sum->matched += s->matched;
	sum->captured += s->captured;
	sum->ring_full += s->ring_full;
	sum->load_failed += s->load_failed;
	sum->truncated += s->truncated;
	sum->delivered += s->delivered;
	sum->filtered += s->filtered;
	sum->hidden += s->hidden;
	sum->beyond += s->beyond;
	sum->written += s->written;
	sum->write_lost += s->write_lost;
}

static bool is_same_interface(const struct tap *a, const struct tap *b)
{
	return a->netns == b->netns && a->side == b->side && !strcmp(a->ifname, b->ifname) &&
	       !strncmp(a->target, b->target, sizeof(a->target));
}

/* One row for all attachments to an interface. */
static struct books_row *row_of(const struct collector *c, struct books_row *rows, size_t *nr,
				const struct tap *tap)
{
	size_t i;

	for (i = 0; i < *nr; i++)
		if (is_same_interface(rows[i].tap, tap))
			return &rows[i];
	rows[*nr] = (struct books_row){
		.tap = tap,
		.is_aside = !pipeline_shows(c->pipeline, tap),
	};
	return &rows[(*nr)++];
}

/* The rows are the caller's to free; without memory there are none. */
static struct books draw_up(const struct collector *c)
{
	struct books_row *rows = calloc(c->highest + 1, sizeof(*rows));
	struct books b = { .rows = rows, .has_file = c->s->file_fd >= 0 };
	uint32_t id;

	add(&b.total, &c->past);
	for (id = 1; id <= c->highest; id++) {
		struct tap_stats s;

		if (!c->seats[id].taken)
			continue;
		sum_counts(c, id, &s);
		add(&b.total, &s);
		if (rows)
			add(&row_of(c, rows, &b.nr, &c->seats[id].tap)->s, &s);
	}
	return b;
}

static uint64_t lost_in_kernel(const struct tap_stats *s)
{
	return s->ring_full + s->load_failed;
}

/* Returns -errno if a program waits for them on stdout and cannot be told. */
static int print_books(const struct collector *c, const struct books *b, bool is_final)
{
	struct err e = { 0 };
	char mem[512];
	struct strbuf line;
	size_t i;

	strbuf_init(&line, mem, sizeof(mem));
	books_text_total(&line, b);
	log_info("%s", mem);
	strbuf_reset(&line);
	for (i = 0; books_has_table(b) && books_text_line(&line, b, i); i++) {
		log_info("%s", mem);
		strbuf_reset(&line);
	}
	if (pipeline_books(c->pipeline, b, is_final, &e))
		log_err(&e);
	return e.code;
}

/* Loss since last time goes to the sinks. Returns all there has been. */
static uint64_t pass_losses_on(struct collector *c, int64_t now)
{
	struct tap_stats sum = { 0 };
	uint64_t lost;
	uint32_t id;

	for (id = 1; id <= c->highest; id++) {
		struct seat *seat = &c->seats[id];
		struct tap_stats s;

		if (!seat->taken)
			continue;
		sum_counts(c, id, &s);
		add(&sum, &s);
		lost = lost_in_kernel(&s);
		if (lost > seat->reported_lost)
			pipeline_lost(c->pipeline, &seat->tap, lost - seat->reported_lost, now);
		seat->reported_lost = lost;
	}
	return lost_in_kernel(&sum);
}

/* And as a warning to the user, at most once a second. */
static void report_loss(struct collector *c, int64_t now)
{
	uint64_t lost = pass_losses_on(c, now);

	if (lost > c->warned_lost)
		log_warn("%llu packets lost so far (%llu more): a larger buffer (-B) or a "
			 "narrower filter helps",
			 (unsigned long long)lost, (unsigned long long)(lost - c->warned_lost));
	c->warned_lost = lost;
}

static void tell(struct collector *c, enum wire_type type, int code)
{
	struct wire_msg m = { .type = type, .code = code };

	wire_send(c->s->sock, &m, -1);
}

static void on_attempt(struct collector *c, const struct nsw_attempt *n)
{
	struct dns_attempt a = {
		.time = stream_wall(c->stream, n->time),
		.netns = n->netns,
		.ppid = n->ppid,
		.port = n->dst.port,
		.proto = n->proto,
		.call = n->call,
		.error = n->error,
		.dst = record_addr(&n->dst),
	};
	uint32_t id;

	record_owner(&a.owner, &n->owner);
	_Static_assert(sizeof(a.dropped_at) == sizeof(n->dropped_at), "name of an interface");
	memcpy(a.dropped_at, n->dropped_at, sizeof(a.dropped_at) - 1);

	for (id = 1; id <= c->highest; id++)
		if (c->seats[id].taken && c->seats[id].tap.netns == a.netns)
			memcpy(a.target, c->seats[id].tap.target, sizeof(a.target));
	pipeline_attempt(c->pipeline, &a);
}

/* What its kernel id counts from now on is not the seat's. */
static void close_seat(struct collector *c, struct seat *s)
{
	if (!s->kernel_id)
		return;
	count_kernel(c, s->kernel_id, &s->final);
	c->spent[s->kernel_id] = s->final;
	c->read[s->kernel_id] += s->delivered;
	subtract_kernel(&s->final, &s->base);
	c->seat_of[s->kernel_id] = 0;
	s->kernel_id = 0;
}

/* Of those that are closed there is one: there are no fewer seats than ids, and the one that
 * a seat is taken for has none. */
static uint32_t next_seat(struct collector *c)
{
	uint32_t seat;

	do {
		seat = c->next_seat;
		c->next_seat = seat + 1 < c->nr_seats ? seat + 1 : 1;
	} while (c->seats[seat].kernel_id);
	return seat;
}

/* The next seat, or the closed one that was taken first. What the pipeline counts for it
 * goes on from there. */
static uint32_t take_seat(struct collector *c)
{
	uint32_t seat = next_seat(c);
	struct seat *s = &c->seats[seat];

	if (seat > c->highest)
		c->highest = seat;
	if (s->taken) {
		s->final.delivered = s->delivered;
		add(&c->past, &s->final);
	}
	*s = (struct seat){ .taken = true };
	return seat;
}

static struct seat *seat_by(const struct collector *c, uint32_t kernel_id)
{
	uint32_t seat = kernel_id < c->nr_seats ? c->seat_of[kernel_id] : 0;

	return seat ? &c->seats[seat] : NULL;
}

/* A new tap, or another name for one that goes on. */
static void on_tap(struct collector *c, const struct tap *tap)
{
	uint32_t kernel_id = tap->id, seat, before;
	bool attached = false;
	struct seat *s;

	if (!kernel_id || kernel_id >= c->nr_seats)
		return;
	before = c->seat_of[kernel_id];
	if (before) {
		attached = c->seats[before].attached;
		close_seat(c, &c->seats[before]);
	}
	seat = take_seat(c);
	s = &c->seats[seat];
	s->kernel_id = kernel_id;
	s->base = c->spent[kernel_id];
	s->attached = attached;
	s->tap = *tap;
	s->tap.id = seat;
	c->seat_of[kernel_id] = seat;
	pipeline_tap(c->pipeline, &s->tap, stream_now(c->stream));
}

static void add_gone(struct collector *c, uint32_t kernel_id, int64_t until)
{
	c->gone[(c->first_gone + c->nr_gone++) % c->nr_seats] = (struct gone){
		.id = kernel_id,
		.until = until,
	};
}

static void on_gone(struct collector *c, uint32_t kernel_id)
{
	const struct seat *s = seat_by(c, kernel_id);

	if (s && s->attached)
		pipeline_gone(c->pipeline, &s->tap, stream_now(c->stream));
	if (c->nr_gone == c->nr_seats || kernel_id >= c->nr_seats)
		return;
	if (c->seat_of[kernel_id])
		pipeline_tap_gone(c->pipeline, &c->seats[c->seat_of[kernel_id]].tap);
	add_gone(c, kernel_id, now_ns(CLOCK_MONOTONIC) + GONE_NS);
}

/* Whether each record that ever bore that id has been read, if none comes any more. Those
 * that were unreadable cannot be told from those to come: then there must be none at all. */
static bool is_read(const struct collector *c, uint32_t kernel_id)
{
	const struct seat *s = seat_by(c, kernel_id);
	struct tap_stats counted;

	count_kernel(c, kernel_id, &counted);
	return c->read[kernel_id] + (s ? s->delivered : 0) >= counted.captured ||
	       stream_is_drained(c->stream);
}

static struct gone take_gone(struct collector *c)
{
	struct gone g = c->gone[c->first_gone];

	c->first_gone = (c->first_gone + 1) % c->nr_seats;
	c->nr_gone--;
	return g;
}

/* Tells the loader of the ids whose last record has been read. One that waits for that longer
 * than others lets them pass. */
static void give_back_ids(struct collector *c)
{
	struct wire_msg m = { .type = WIRE_FREED };
	uint32_t n = c->nr_gone;

	while (n-- && now_ns(CLOCK_MONOTONIC) >= c->gone[c->first_gone].until) {
		struct gone g = take_gone(c);

		m.code = (int)g.id;
		if (!is_read(c, g.id) || wire_send(c->s->sock, &m, -1))
			add_gone(c, g.id, g.until);
		else if (c->seat_of[g.id])
			close_seat(c, &c->seats[c->seat_of[g.id]]);
	}
}

static void on_attached(struct collector *c, uint32_t kernel_id)
{
	struct seat *s = seat_by(c, kernel_id);

	if (!s)
		return;
	s->attached = true;
	pipeline_attached(c->pipeline, &s->tap, stream_now(c->stream));
}

static void report_books(const struct collector *c)
{
	struct books b = draw_up(c);

	print_books(c, &b, false);
	free((void *)b.rows);
}

/* Time for whoever follows packets, ns since the epoch: none that comes later is
 * older. The clock itself would run ahead of those that still lie in the ring, and the
 * stream's horizon of those that it is about to give out. */
static int64_t packet_time(const struct collector *c)
{
	return c->drained;
}

static void on_message(struct collector *c, const struct wire_msg *m)
{
	switch (m->type) {
	case WIRE_TAP: on_tap(c, &m->tap); break;
	case WIRE_ATTACHED: on_attached(c, (uint32_t)m->code); break;
	case WIRE_GONE: on_gone(c, (uint32_t)m->code); break;
	case WIRE_LEAVING: pipeline_leaving(c->pipeline, stream_now(c->stream)); break;
	case WIRE_ATTEMPT: on_attempt(c, &m->attempt); break;
	case WIRE_FACTS:
		if (m->code && c->questions)
			c->questions--;
		pipeline_facts(c->pipeline, &m->facts, packet_time(c));
		break;
	case WIRE_STATS: report_books(c); break;
	case WIRE_STOP:
		c->abandoned = m->code != 0;
		c->stopping = 1;
		break;
	default: break;
	}
}

static void read_messages(struct collector *c)
{
	struct wire_msg m;
	int fd, got;

	while (!c->orphaned) {
		got = wire_recv(c->s->sock, &m, &fd, MSG_DONTWAIT);
		if (got == -EAGAIN)
			return;
		if (got <= 0) {
			c->orphaned = true;
			c->stopping = 1;
			return;
		}
		closep(&fd);
		on_message(c, &m);
	}
}

/* The loader announces a tap before it attaches: if it is unknown, the
 * announcement is waiting to be read. */
static const struct tap *tap_by_id(void *ctx, uint32_t id)
{
	struct collector *c = ctx;

	if (id >= c->nr_seats)
		return NULL;
	if (!c->seat_of[id])
		read_messages(c);
	return c->seat_of[id] ? &c->seats[c->seat_of[id]].tap : NULL;
}

static void ask(void *ctx, const struct dns_ask *a)
{
	struct collector *c = ctx;
	struct wire_msg m = { .type = WIRE_ASK, .ask = *a };

	if (!wire_send(c->s->sock, &m, -1))
		c->questions++;
}

/* Whoever judges many at once need not know of each packet that is lost meanwhile. */
static void tell_losses(void *ctx)
{
	struct collector *c = ctx;
	int64_t now = now_ns(CLOCK_MONOTONIC);

	if (now < c->next_look)
		return;
	pass_losses_on(c, packet_time(c));
	c->next_look = now + LOOK_NS;
}

static void want_host_end(void *ctx, uint64_t netns)
{
	struct collector *c = ctx;
	struct wire_msg m = { .type = WIRE_HOST_END, .netns = netns };

	wire_send(c->s->sock, &m, -1);
}

/* Called in the writer's thread. */
static int next_file(void *ctx, unsigned int index, struct err *e)
{
	struct collector *c = ctx;
	struct wire_msg m = { .type = WIRE_NEED_FILE, .code = (int)index };
	int fd = -1;

	if (wire_send(c->s->files_sock, &m, -1) || wire_recv(c->s->files_sock, &m, &fd, 0) != 1)
		return err_set(e, -EPIPE, "cannot open output file %u: nswatch was ended", index);
	if (fd < 0)
		return err_sys(e, m.code ? m.code : -EIO, "cannot open output file %u", index);
	return fd;
}

/* Called in the writer's thread: the main one may be asleep. */
static void file_failed(void *ctx)
{
	const struct collector *c = ctx;
	uint64_t one = 1;

	if (write(c->file_event, &one, sizeof(one)) < 0)
		return; /* only when the counter is at its end: the event stands */
}

/* Many packets at once, where all that is done with them is writing them. */
static bool drain_run(struct collector *c)
{
	struct packet_run run;

	if (!pipeline_takes_runs(c->pipeline) || !stream_run(c->stream, &run))
		return false;
	c->seats[run.tap->id].delivered += run.n;
	pipeline_run(c->pipeline, &run);
	return true;
}

static bool drain_one(struct collector *c)
{
	struct packet pkt;

	if (!stream_next(c->stream, &pkt))
		return false;
	c->seats[pkt.tap->id].delivered++;
	pipeline_packet(c->pipeline, &pkt);
	return true;
}

/* Gives what has arrived to the pipeline; returns whether there was anything. */
static bool drain(struct collector *c, bool final)
{
	bool some = stream_poll(c->stream, final);

	/* What was said about a tap before these packets passed it has been sent by now. */
	read_messages(c);
	while (drain_run(c) || drain_one(c))
		;
	pipeline_let_go(c->pipeline);
	c->drained = stream_horizon(c->stream);
	return some;
}

static int timeout_ms(int64_t until, int64_t now)
{
	if (until == INT64_MAX)
		return -1;
	if (until <= now)
		return 0;
	if (until - now > 3600 * 1000000000LL)
		return 3600 * 1000;
	return (int)((until - now + 999999) / 1000000);
}

static void follow_clock(struct collector *c, const struct pollfd *steps)
{
	if (steps->revents && clock_has_stepped(steps->fd))
		stream_clock_stepped(c->stream);
}

/* Sleeps until a packet, a message or a deadline; with no deadline, for good. False: there is
 * something to be done before that. */
static bool sleep_until_needed(struct collector *c)
{
	struct pollfd fds[] = {
		{ .fd = c->s->sock, .events = POLLIN },
		{ .fd = programs_ring(c->s->programs)->bell_fd, .events = POLLIN },
		{ .fd = c->file_event, .events = POLLIN },
		{ .fd = STDOUT_FILENO, .events = 0 }, /* POLLERR: its reader is gone */
		{ .fd = c->steps_fd, .events = POLLIN },
	};
	int64_t now = stream_now(c->stream);
	int timeout;

	pipeline_idle(c->pipeline);
	if (pipeline_is_done(c->pipeline) || !stream_sleep(c->stream))
		return false;
	timeout = timeout_ms(pipeline_next(c->pipeline), now);
	if (!poll(fds, ARRAY_SIZE(fds), STREAM_SETTLE_MS) && stream_is_drained(c->stream))
		poll(fds, ARRAY_SIZE(fds), timeout);
	stream_wake(c->stream);
	if (fds[3].revents & POLLERR)
		pipeline_reader_gone(c->pipeline);
	follow_clock(c, &fds[4]);
	return true;
}

/* That all CPUs share: each may have a chunk to itself. */
static size_t ring_bytes(const struct programs *p)
{
	const struct ring *r = programs_ring(p);

	return (size_t)(r->nr_chunks - r->nr_lanes) * NSW_CHUNK;
}

/* Few records: longer naps, larger batches. Many: the ring must not get near its end. */
static void adjust_nap(struct collector *c)
{
	size_t taken = stream_taken(c->stream);
	size_t ring = ring_bytes(c->s->programs);

	if (taken > ring / 6 && c->nap > NAP_MIN_NS)
		c->nap /= 2;
	else if (taken < ring / 12 && c->nap < NAP_MAX_NS)
		c->nap *= 2;
}

static void nap(struct collector *c)
{
	struct pollfd fds[] = {
		{ .fd = c->orphaned ? -1 : c->s->sock, .events = POLLIN },
		{ .fd = programs_ring(c->s->programs)->bell_fd, .events = POLLIN },
		{ .fd = c->steps_fd, .events = POLLIN },
	};
	struct timespec ts = { .tv_nsec = c->nap };

	stream_nap(c->stream);
	ppoll(fds, ARRAY_SIZE(fds), &ts, NULL);
	stream_wake(c->stream);
	follow_clock(c, &fds[2]);
}

/* What ends a silence goes out at once, what follows it at most FLUSH_NS late. */
static void flush_if_due(struct collector *c)
{
	if (!c->unflushed || now_ns(CLOCK_MONOTONIC) < c->next_flush)
		return;
	pipeline_idle(c->pipeline);
	c->unflushed = false;
	c->next_flush = now_ns(CLOCK_MONOTONIC) + FLUSH_NS;
}

static void watch(struct collector *c)
{
	unsigned int in_vain = 0;

	pipeline_idle(c->pipeline); /* the head of a file */
	for (;;) {
		bool some = drain(c, false);
		int64_t now = packet_time(c);

		give_back_ids(c);
		/* Before time passes: what is missing then may be what we have lost. */
		if (now_ns(CLOCK_MONOTONIC) >= c->next_report) {
			report_loss(c, now);
			c->next_report = now_ns(CLOCK_MONOTONIC) + REPORT_NS;
		}
		pipeline_tick(c->pipeline, now);
		if (pipeline_is_done(c->pipeline) && !c->told_done) {
			tell(c, WIRE_DONE, 0);
			c->told_done = true;
		}
		if (c->stopping)
			return;
		c->unflushed |= some;
		flush_if_due(c);
		adjust_nap(c);
		in_vain = some ? 0 : in_vain + 1;
		if (in_vain > POLLS_UNTIL_IDLE)
			c->nap = NAP_FIRST_NS;
		if (in_vain <= POLLS_UNTIL_IDLE || !sleep_until_needed(c))
			nap(c);
	}
}

/* Nothing is attached any more: what is in the ring is all there will be. */
static void drain_rest(struct collector *c)
{
	int64_t until = now_ns(CLOCK_MONOTONIC) + BUSY_WAIT_NS;

	do {
		if (!drain(c, false) && !stream_is_drained(c->stream))
			nap(c);
	} while (!stream_is_drained(c->stream) && now_ns(CLOCK_MONOTONIC) < until);
	drain(c, true);
	report_loss(c, stream_now(c->stream));
}

static void await_answers(struct collector *c)
{
	int64_t until = now_ns(CLOCK_MONOTONIC) + ANSWER_WAIT_NS;

	while (c->questions && !c->orphaned && now_ns(CLOCK_MONOTONIC) < until) {
		nap(c);
		read_messages(c);
		pipeline_tick(c->pipeline, stream_now(c->stream));
	}
}

/* matched == captured + lost, every captured record came through, and it is known
 * what became of each. */
static bool books_balance(const struct collector *c, const struct tap_stats *s)
{
	uint64_t to_file = s->delivered - s->filtered - s->hidden - s->beyond;
	bool kernel = s->matched == s->captured + lost_in_kernel(s);
	bool user = s->captured == s->delivered && !stream_strays(c->stream);
	bool file = c->s->file_fd < 0 || to_file == s->written + s->write_lost;

	if (!kernel)
		log_error("the books do not balance: %llu matched, %llu captured, %llu lost",
			  (unsigned long long)s->matched, (unsigned long long)s->captured,
			  (unsigned long long)lost_in_kernel(s));
	if (!user)
		log_error("the books do not balance: %llu captured, %llu read from the ring, "
			  "%llu unreadable",
			  (unsigned long long)s->captured, (unsigned long long)s->delivered,
			  (unsigned long long)stream_strays(c->stream));
	if (!file)
		log_error("the books do not balance: %llu for the file, %llu written, %llu lost",
			  (unsigned long long)to_file, (unsigned long long)s->written,
			  (unsigned long long)s->write_lost);
	return kernel && user && file;
}

static int finish(struct collector *c)
{
	struct err e = { 0 };
	struct books b;
	bool failed;

	read_messages(c);
	if (c->abandoned)
		return 1;
	drain_rest(c);
	await_answers(c);
	failed = pipeline_finish(c->pipeline, stream_now(c->stream), &e) != 0;
	if (failed)
		log_err(&e);
	b = draw_up(c);
	failed |= print_books(c, &b, true) != 0;
	if (c->orphaned)
		log_error("the loader is gone; what was captured until then is kept");
	failed |= c->orphaned || b.total.write_lost || !books_balance(c, &b.total);
	failed |= c->s->o->strict && lost_in_kernel(&b.total);
	free((void *)b.rows);
	return failed;
}

static int start(struct collector *c, struct err *e)
{
	const struct collector_setup *s = c->s;
	const struct programs *p = s->programs;
	const int keep[] = { s->sock, s->files_sock, programs_ring(p)->bell_fd, s->file_fd };
	int err;
	struct stream_options so = {
		.ring = programs_ring(p),
		.snaplen = s->o->snaplen,
		.owners = programs_have_owners(p),
		.clock = programs_clock(p),
		.tap = tap_by_id,
		.ctx = c,
	};
	struct pipeline_setup ps = {
		.o = s->o,
		.file_fd = s->file_fd,
		.dlt = DLT_EN10MB,
		.live = true,
		.ring_bytes = ring_bytes(s->programs),
		.utf8 = s->utf8,
		.filter = s->filter,
		.any_filter = s->any_filter,
		.filter_text = s->filter_text,
		.stop = &c->stopping,
		.ask = ask,
		.host_end = want_host_end,
		.losses = tell_losses,
		.next_fd = next_file,
		.file_failed = file_failed,
		.stats = tap_stats,
		.ctx = c,
	};

	err = stream_new(&c->stream, &so, e);
	if (!err)
		c->drained = stream_now(c->stream);
	tzset(); /* reads /etc/localtime while that can be opened */
	if (!err)
		err = sandbox_drop(&s->identity, keep, ARRAY_SIZE(keep), e);
	c->file_event = eventfd(0, EFD_CLOEXEC);
	c->steps_fd = clock_steps_fd();
	if (!err)
		err = pipeline_new(&c->pipeline, &ps, e);
	return err ?: sandbox_seal(e);
}

int collector_run(const struct collector_setup *s)
{
	struct collector c = {
		.s = s, .nr_seats = NSW_MAX_TAPS, .next_seat = 1, .nap = NAP_FIRST_NS
	};
	struct err e = { 0 };
	int status = 1;

	prctl(PR_SET_NAME, "nswatch-collect");
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	c.seats = calloc(c.nr_seats, sizeof(*c.seats));
	c.seat_of = calloc(c.nr_seats, sizeof(*c.seat_of));
	c.spent = calloc(c.nr_seats, sizeof(*c.spent));
	c.read = calloc(c.nr_seats, sizeof(*c.read));
	c.gone = calloc(c.nr_seats, sizeof(*c.gone));
	if (!c.seats || !c.seat_of || !c.spent || !c.read || !c.gone || start(&c, &e)) {
		log_err(&e);
	} else {
		watch(&c);
		status = finish(&c);
	}
	tell(&c, WIRE_RESULT, status);
	pipeline_free(c.pipeline);
	stream_free(c.stream);
	free(c.seats);
	free(c.seat_of);
	free(c.spent);
	free(c.read);
	free(c.gone);
	return status;
}

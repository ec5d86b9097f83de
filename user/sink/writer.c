// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The producer must never wait for a disk or a pipe, but for a moment that it
 * chooses (writer_wait_held()), so a thread of its own does the writing. Between the two lies a
 * pool of batches: a stack of free ones and a queue of full ones, under one lock that is taken per
 * batch, not per packet. The free ones are a stack so that the memory in use is that which was
 * written last and still lies in the cache; the rest of the pool is never touched, thus not even
 * allocated, unless the output falls behind.
 *
 * A batch may be submitted before it is full, to let a reader at the end of a
 * pipe see the packets now. When the writer lags, such batches would eat up
 * the pool; so writer_get() takes the last queued one back and it fills up.
 *
 * What is much at once is not copied: a batch may have spans of memory that is somebody
 * else's, between its own.
 *
 * Books. A batch carries, beside the bytes, which tap each packet belongs to.
 * When write() fails, the records before the failure are counted by walking
 * the batch, and the rest of it and all that comes later is lost, per tap. A
 * regular file is cut back to its last whole record; a pipe cannot be.
 *
 * The thread blocks all signals (SIGPIPE and SIGXFSZ thus become EPIPE and
 * EFBIG) except one, with which writer_finish() breaks a write that a stuck
 * reader would never let return. Its system calls, for a seccomp filter: write, writev
 * and futex; lseek, ftruncate and close at the end of a file; lseek and
 * fcntl(F_GETFL) at the start of a further one, and what next_fd does; poll if
 * the descriptor it was given is non-blocking; and what ends a thread. On the
 * producer's side futex, clock_gettime, and tgkill to break that write.
 *
 * A compressing writer makes of each batch a piece of a gzip stream that can be
 * read without what follows. A regular file has the stream's end behind the
 * latest piece at every moment, and the next one takes the place of it; so the
 * file is whole however we end, and if a piece cannot be written the end is put
 * back where it was. What has no places (a pipe) gets the end at close.
 */
#include "sink/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "nswatch/record.h"
#include "sink/gzip.h"
#include "stream/hold.h"
#include "util/cleanup.h"

#define TICK_MS		    50
#define QUEUE_MUCH	    4 /* batches that do not wait for writer_kick() */
#define BATCH_MEMORY	    (BATCH_BYTES + BATCH_SLACK)
#define SIGNAL_BREAKS_WRITE (SIGRTMIN + 5)

struct writer {
	struct writer_options o;
	pthread_t thread;
	bool has_thread;
	bool hurry; /* the producer's own */

	uint8_t *memory;
	uint16_t *taps;
	struct batch *batches;

	pthread_mutex_t lock;
	pthread_cond_t work; /* the queue is not empty, or finishing */
	pthread_cond_t room; /* a batch became free, or done */
	struct batch **free; /* stack */
	unsigned int nr_free;
	struct batch **queue; /* circular, nr_batches long */
	unsigned int queue_head;
	unsigned int queue_len;
	bool finishing;
	bool done;
	bool wants_room; /* the producer waits */

	atomic_bool failed;
	atomic_bool give_up;
	atomic_uint_fast64_t progress; /* bytes written in all */
	atomic_size_t held;	       /* bytes in spans */
	atomic_uint_fast64_t lost[NSW_MAX_TAPS];

	/* The thread's own. */
	int fd;
	unsigned int file_index;
	bool is_seekable;
	bool is_append;
	off_t whole;	   /* where the last whole record, or piece, ends, if seekable */
	struct gzip *gzip; /* or NULL: not compressed */
	struct err err;
};

/* --- output, in the writer's thread --------------------------------------- */

static void set_output(struct writer *w, int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);

	w->fd = fd;
	w->is_seekable = at >= 0;
	w->is_append = w->is_seekable && (fcntl(fd, F_GETFL) & O_APPEND);
	if (w->is_append)
		at = lseek(fd, 0, SEEK_END);
	w->whole = at;
	if (w->gzip)
		gzip_start(w->gzip);
}

/* Leaves out what is written. Returns how many parts are left. */
static int skip_parts(struct iovec **parts, int nr, size_t done)
{
	for (; nr && done >= (*parts)->iov_len; nr--, ++*parts)
		done -= (*parts)->iov_len;
	if (nr) {
		(*parts)->iov_base = (uint8_t *)(*parts)->iov_base + done;
		(*parts)->iov_len -= done;
	}
	return nr;
}

/* Returns how much was written: less than there is after an error, left in *error
 * as -errno. Changes the parts. */
static size_t write_parts(struct writer *w, struct iovec *parts, int nr, int *error)
{
	size_t done = 0;
	ssize_t n;

	*error = 0;
	while (nr && !atomic_load_explicit(&w->give_up, memory_order_relaxed)) {
		n = writev(w->fd, parts, nr);
		if (n > 0) {
			done += (size_t)n;
			nr = skip_parts(&parts, nr, (size_t)n);
			atomic_fetch_add_explicit(&w->progress, (uint64_t)n, memory_order_relaxed);
		} else if (n < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = w->fd, .events = POLLOUT }, 1, TICK_MS);
		} else if (n < 0 && errno != EINTR) {
			*error = -errno;
			return done;
		}
	}
	if (nr)
		*error = -ETIMEDOUT;
	return done;
}

static size_t write_all(struct writer *w, const uint8_t *data, size_t len, int *error)
{
	struct iovec all = { .iov_base = (void *)data, .iov_len = len };

	return write_parts(w, &all, !!len, error);
}

static size_t whole_records_of(const struct writer *w, const uint8_t *data, size_t at, size_t n,
			       uint32_t *nr_packets)
{
	size_t len;
	int is_packet;

	while (at < n && (len = w->o.record_len(data + at, n - at, &is_packet)) > 0) {
		at += len;
		*nr_packets += !!is_packet;
	}
	return at;
}

/* Bytes of the whole records within the first n of the batch; *nr_packets of
 * them hold packets. */
static size_t whole_records(const struct writer *w, const struct batch *b, size_t n,
			    uint32_t *nr_packets)
{
	size_t whole = 0, i;

	*nr_packets = 0;
	if (n < b->skip)
		return 0;
	if (!b->nr_spans)
		return whole_records_of(w, b->data, b->skip, n, nr_packets);
	/* What is written of a record that is not whole is not the next span's. */
	for (i = 0; i < b->nr_spans; i++) {
		const struct span *s = &b->spans[i];
		size_t written = n < s->len ? n : s->len;

		whole += whole_records_of(w, s->data, 0, written, nr_packets);
		n -= written;
	}
	return whole;
}

static void count_lost(struct writer *w, const struct batch *b, uint32_t from)
{
	uint32_t i;

	for (i = from; i < b->nr_packets; i++)
		atomic_fetch_add_explicit(&w->lost[b->taps[i]], 1, memory_order_relaxed);
}

/* Cuts the file back to `whole`, unless somebody else has appended to it (or it
 * is a device, which has no end). */
static void cut_file(const struct writer *w, size_t partial)
{
	if (!w->is_seekable || !partial || lseek(w->fd, 0, SEEK_END) != w->whole + (off_t)partial)
		return;
	if (!ftruncate(w->fd, w->whole))
		lseek(w->fd, w->whole, SEEK_SET);
}

static void describe_failure(struct writer *w, int error)
{
	if (error == -ETIMEDOUT)
		err_set(&w->err, error, "the reader of the output has stopped reading");
	else if (error == -EFBIG)
		err_set(&w->err, error, "the output file has reached the file size limit");
	else if (error == -EPIPE)
		err_set(&w->err, error, "broken pipe, its reader has closed it");
	else
		err_sys(&w->err, error, "cannot write the output");
}

static void give_up(struct writer *w)
{
	atomic_store(&w->failed, true);
	if (w->o.failed)
		w->o.failed(w->o.ctx);
}

static void fail(struct writer *w, const struct batch *b, size_t written, int error)
{
	uint32_t nr;
	size_t whole = whole_records(w, b, written, &nr);

	w->whole += (off_t)whole;
	cut_file(w, written - whole);
	count_lost(w, b, nr);
	describe_failure(w, error);
	give_up(w);
}

/* --- compressed output ------------------------------------------------------ */

static bool has_end_in_place(const struct writer *w)
{
	return w->is_seekable && !w->is_append;
}

static bool put_end_back(const struct writer *w, off_t *end)
{
	uint8_t bytes[GZIP_END_MAX];
	size_t len = gzip_end(w->gzip, bytes);

	*end = w->whole + (off_t)len;
	return lseek(w->fd, w->whole, SEEK_SET) == w->whole &&
	       write(w->fd, bytes, len) == (ssize_t)len;
}

/* The old end had room, so it has again; where files are never written in place,
 * only once the rest is given back. */
static void restore_end(const struct writer *w)
{
	off_t end;

	if (!has_end_in_place(w))
		return;
	if (!put_end_back(w, &end) && (ftruncate(w->fd, w->whole) || !put_end_back(w, &end)))
		return;
	if (ftruncate(w->fd, end))
		return; /* a device, which has no end */
}

/* Of a file, the whole piece is taken back; of a pipe, what can be read there
 * is not lost. */
static void fail_compressed(struct writer *w, const struct batch *b, size_t written, int error)
{
	uint32_t nr = 0;

	if (has_end_in_place(w))
		restore_end(w);
	else
		whole_records(w, b, gzip_readable(w->gzip, written), &nr);
	count_lost(w, b, nr);
	describe_failure(w, error);
	give_up(w);
}

static bool write_compressed(struct writer *w, const struct batch *b)
{
	struct gzip_piece p = gzip_add(w->gzip, b->data, b->len);
	bool in_place = has_end_in_place(w);
	size_t n;
	int error;

	if (in_place)
		lseek(w->fd, w->whole, SEEK_SET);
	n = write_all(w, p.data, p.len + (in_place ? p.end_len : 0), &error);
	if (error) {
		fail_compressed(w, b, n, error);
		return false;
	}
	gzip_keep(w->gzip);
	w->whole += (off_t)p.len;
	return true;
}

static int end_compressed(struct writer *w)
{
	uint8_t bytes[GZIP_END_MAX];
	int error;

	if (!w->gzip || w->fd < 0 || has_end_in_place(w) || atomic_load(&w->failed))
		return 0;
	write_all(w, bytes, gzip_end(w->gzip, bytes), &error);
	return error;
}

/* --- batches and files ------------------------------------------------------ */

static int close_output(struct writer *w)
{
	int error = end_compressed(w), fd = steal_fd(&w->fd);

	/* Network file systems and quotas may speak up only here. */
	if (fd >= 0 && close(fd) && errno != EINTR && !error)
		error = -errno;
	return error;
}

static void switch_file(struct writer *w)
{
	int r = close_output(w), fd;

	if (r) {
		describe_failure(w, r);
		give_up(w);
		return;
	}
	fd = w->o.next_fd(w->o.ctx, ++w->file_index, &w->err);
	if (fd < 0) {
		if (!w->err.code)
			err_sys(&w->err, fd, "cannot open output file number %u", w->file_index);
		give_up(w);
		return;
	}
	set_output(w, fd);
}

static size_t write_spans(struct writer *w, const struct batch *b, int *error)
{
	struct iovec parts[BATCH_SPANS];
	uint32_t i;

	for (i = 0; i < b->nr_spans; i++)
		parts[i] = (struct iovec){ (void *)b->spans[i].data, b->spans[i].len };
	return write_parts(w, parts, (int)b->nr_spans, error);
}

static bool write_plain(struct writer *w, const struct batch *b)
{
	int error;
	size_t n = b->nr_spans ? write_spans(w, b, &error) : write_all(w, b->data, b->len, &error);

	if (error) {
		fail(w, b, n, error);
		return false;
	}
	w->whole += (off_t)n;
	return true;
}

static void write_batch(struct writer *w, const struct batch *b)
{
	if (atomic_load(&w->failed)) {
		count_lost(w, b, 0);
		return;
	}
	if (!(w->gzip ? write_compressed(w, b) : write_plain(w, b)))
		return;
	if (b->ends_file && w->o.next_fd)
		switch_file(w);
}

static struct batch *dequeue(struct writer *w)
{
	struct batch *b = NULL;

	pthread_mutex_lock(&w->lock);
	while (!w->queue_len && !w->finishing)
		pthread_cond_wait(&w->work, &w->lock);
	if (w->queue_len) {
		b = w->queue[w->queue_head];
		w->queue_head = (w->queue_head + 1) % w->o.nr_batches;
		w->queue_len--;
	}
	pthread_mutex_unlock(&w->lock);
	return b;
}

size_t batch_keeps(const struct batch *b)
{
	const struct hold *last = NULL;
	size_t sum = 0;
	uint32_t i;

	for (i = 0; i < b->nr_spans; i++) {
		const struct hold *hold = b->spans[i].hold;

		if (hold && hold != last)
			sum += NSW_CHUNK;
		last = hold ?: last;
	}
	return sum;
}

static void release(struct writer *w, struct batch *b)
{
	uint32_t i;

	atomic_fetch_sub(&w->held, batch_keeps(b));
	for (i = 0; i < b->nr_spans; i++)
		if (b->spans[i].hold)
			hold_drop(b->spans[i].hold);
	b->nr_spans = 0;
	pthread_mutex_lock(&w->lock);
	w->free[w->nr_free++] = b;
	if (w->wants_room)
		pthread_cond_signal(&w->room);
	pthread_mutex_unlock(&w->lock);
}

static void *thread_main(void *arg)
{
	struct writer *w = arg;
	struct batch *b;
	int r;

	while ((b = dequeue(w))) {
		write_batch(w, b);
		release(w, b);
	}
	r = close_output(w);
	if (r && !w->err.code)
		describe_failure(w, r);
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->room);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* --- the producer's side --------------------------------------------------- */

static void ignore_signal(int sig)
{
	(void)sig;
}

/* The thread inherits the mask; the handler has no SA_RESTART, so that write()
 * returns. */
static int start_thread(struct writer *w)
{
	struct sigaction sa = { .sa_handler = ignore_signal };
	sigset_t all, old;
	int r;

	sigaction(SIGNAL_BREAKS_WRITE, &sa, NULL);
	sigfillset(&all);
	sigdelset(&all, SIGNAL_BREAKS_WRITE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->has_thread = !r;
	return -r;
}

static void init_locks(struct writer *w)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->room, &attr);
	pthread_condattr_destroy(&attr);
}

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int alloc_batches(struct writer *w)
{
	unsigned int n = w->o.nr_batches, i;

	w->memory = map((size_t)n * BATCH_MEMORY);
	w->taps = map((size_t)n * BATCH_PACKETS * sizeof(*w->taps));
	w->batches = calloc(n, sizeof(*w->batches));
	w->free = calloc(n, sizeof(struct batch *));
	w->queue = calloc(n, sizeof(struct batch *));
	if (!w->memory || !w->taps || !w->batches || !w->free || !w->queue)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		w->batches[i].data = w->memory + (size_t)i * BATCH_MEMORY;
		w->batches[i].taps = w->taps + (size_t)i * BATCH_PACKETS;
		w->free[w->nr_free++] = &w->batches[i];
	}
	return 0;
}

struct writer *writer_new(int fd, const struct writer_options *o, struct err *e)
{
	struct writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		close(fd);
		err_sys(e, -ENOMEM, "cannot set up the output");
		return NULL;
	}
	w->o = *o;
	w->file_index = 1;
	w->gzip = o->gzip ? gzip_new(BATCH_MEMORY) : NULL;
	set_output(w, fd);
	init_locks(w);
	r = o->gzip && !w->gzip ? -ENOMEM : alloc_batches(w);
	if (!r)
		r = start_thread(w);
	if (r) {
		err_sys(e, r, "cannot set up the output");
		writer_free(w);
		return NULL;
	}
	return w;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	if (w->has_thread)
		writer_finish(w, NULL);
	closep(&w->fd);
	if (w->memory)
		munmap(w->memory, (size_t)w->o.nr_batches * BATCH_MEMORY);
	if (w->taps)
		munmap(w->taps, (size_t)w->o.nr_batches * BATCH_PACKETS * sizeof(*w->taps));
	free(w->batches);
	free(w->free);
	free(w->queue);
	gzip_free(w->gzip);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->room);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

unsigned int writer_nr_free(struct writer *w)
{
	unsigned int n;

	pthread_mutex_lock(&w->lock);
	n = w->nr_free;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* ns: less than a second. */
static struct timespec from_now(long ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += ns;
	if (ts.tv_nsec >= 1000000000L) {
		ts.tv_nsec -= 1000000000L;
		ts.tv_sec++;
	}
	return ts;
}

static bool is_stopping(const struct writer *w)
{
	return w->hurry || (w->o.stop && *w->o.stop);
}

/* Waits for the thread, lock held, until n batches are free or it is done.
 * When stopping, a write that makes no progress for stall_ms is broken, again
 * and again: the signal may come just before the call. */
static void wait_for_thread(struct writer *w, unsigned int n)
{
	uint64_t before = atomic_load(&w->progress), now;
	unsigned int still_ms = 0;
	struct timespec until;

	w->wants_room = true;
	pthread_cond_signal(&w->work);
	while (w->nr_free < n && !w->done) {
		until = from_now(TICK_MS * 1000000L);
		if (pthread_cond_timedwait(&w->room, &w->lock, &until) != ETIMEDOUT)
			continue;
		now = atomic_load(&w->progress);
		still_ms = now == before ? still_ms + TICK_MS : 0;
		before = now;
		if (is_stopping(w) && still_ms >= w->o.stall_ms) {
			atomic_store(&w->give_up, true);
			pthread_kill(w->thread, SIGNAL_BREAKS_WRITE);
		}
	}
	w->wants_room = false;
}

bool writer_wait_free(struct writer *w, unsigned int n)
{
	pthread_mutex_lock(&w->lock);
	wait_for_thread(w, n);
	pthread_mutex_unlock(&w->lock);
	return !writer_failed(w);
}

static struct batch *take_back_last(struct writer *w)
{
	unsigned int last;
	struct batch *b;

	if (!w->queue_len)
		return NULL;
	last = (w->queue_head + w->queue_len - 1) % w->o.nr_batches;
	b = w->queue[last];
	if (batch_is_full(b) || b->ends_file)
		return NULL;
	w->queue_len--;
	atomic_fetch_sub(&w->held, batch_keeps(b));
	return b;
}

size_t writer_held(const struct writer *w)
{
	return atomic_load_explicit(&w->held, memory_order_relaxed);
}

bool writer_wait_held(struct writer *w, size_t most, long ns)
{
	struct timespec until = from_now(ns);

	pthread_mutex_lock(&w->lock);
	w->wants_room = true;
	pthread_cond_signal(&w->work);
	while (writer_held(w) > most && !w->done)
		if (pthread_cond_timedwait(&w->room, &w->lock, &until) == ETIMEDOUT)
			break;
	w->wants_room = false;
	pthread_mutex_unlock(&w->lock);
	return writer_held(w) <= most;
}

struct batch *writer_get(struct writer *w)
{
	struct batch *b;

	pthread_mutex_lock(&w->lock);
	b = take_back_last(w);
	if (!b && w->nr_free) {
		b = w->free[--w->nr_free];
		b->own = 0;
		b->len = 0;
		b->nr_packets = 0;
		b->skip = 0;
		b->ends_file = false;
	}
	pthread_mutex_unlock(&w->lock);
	return b;
}

void writer_submit(struct writer *w, struct batch *b)
{
	bool much;

	atomic_fetch_add(&w->held, batch_keeps(b));
	pthread_mutex_lock(&w->lock);
	w->queue[(w->queue_head + w->queue_len) % w->o.nr_batches] = b;
	much = ++w->queue_len == QUEUE_MUCH;
	pthread_mutex_unlock(&w->lock);
	if (much)
		pthread_cond_signal(&w->work);
}

void writer_kick(struct writer *w)
{
	bool some;

	pthread_mutex_lock(&w->lock);
	some = w->queue_len > 0;
	pthread_mutex_unlock(&w->lock);
	if (some)
		pthread_cond_signal(&w->work);
}

bool batch_is_full(const struct batch *b)
{
	return b->len >= BATCH_BYTES || b->nr_spans == BATCH_SPANS;
}

static void add_span(struct batch *b, const uint8_t *data, size_t len, struct hold *hold)
{
	b->spans[b->nr_spans++] = (struct span){ .data = data, .len = len, .hold = hold };
}

void batch_add_own(struct batch *b, size_t len)
{
	struct span *last = b->nr_spans ? &b->spans[b->nr_spans - 1] : NULL;

	if (last && !last->hold)
		last->len += len;
	else if (last)
		add_span(b, b->data + b->own, len, NULL);
	b->own += len;
	b->len += len;
}

void batch_add_span(struct batch *b, const uint8_t *data, size_t len, struct hold *hold)
{
	if (!b->nr_spans && b->own)
		add_span(b, b->data, b->own, NULL);
	add_span(b, data, len, hold);
	b->len += len;
}

bool writer_failed(struct writer *w)
{
	return atomic_load_explicit(&w->failed, memory_order_relaxed);
}

uint64_t writer_lost(struct writer *w, uint16_t tap)
{
	return atomic_load_explicit(&w->lost[tap], memory_order_relaxed);
}

void writer_hurry(struct writer *w)
{
	w->hurry = true;
}

int writer_finish(struct writer *w, struct err *e)
{
	writer_hurry(w);
	pthread_mutex_lock(&w->lock);
	w->finishing = true;
	pthread_cond_signal(&w->work);
	wait_for_thread(w, UINT_MAX);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->has_thread = false;
	if (e && w->err.code)
		*e = w->err;
	return w->err.code;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Packets are encoded straight into the current batch (see writer.c); a full
 * one goes to the writer's thread. The end of a file is a mark on a batch, and
 * the next batch starts with the header of the next file; so files change
 * without the caller waiting, and no packet can fall between two files.
 *
 * A packet is taken whole or not at all. A batch has slack behind its mark of
 * "full" for the largest record; for the end of a file and the start of the
 * next, with statistics and names, free batches are counted beforehand.
 */
#include "sink/capfile.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "sink/pcap.h"
#include "sink/pcapng.h"
#include "sink/writer.h"
#include "stream/hold.h"
#include "stream/record.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/now.h"

#define QUEUE_BYTES	(8 * 1024 * 1024)
#define MIN_BATCHES	16
#define STALL_MS	5000
#define BORROW_BYTES	(2 * 1024 * 1024)
#define BORROW_LEAST	4096 /* less of a run is copied */
#define BORROW_FREE	(MIN_BATCHES / 2)
#define BORROW_WAIT_NS	250000 /* for the writer, which may share our CPU */
#define MAX_NAMES	4096
#define NAME_BUCKETS	(2 * MAX_NAMES) /* a power of two */
#define NAMES_BYTES	(256 * 1024)
#define SMALL_BLOCK	512 /* statistics and names are no longer than this */
#define INTERFACE_BLOCK (1024 + PCAPNG_TEXT_MAX)
_Static_assert(BATCH_SLACK >= PCAPNG_BLOCK_MAX, "any record must fit");

/* What is kept per tap id. */
struct slot {
	const struct tap *tap;
	unsigned int file;  /* where it was last declared; 0 nowhere */
	uint32_t interface; /* its number in that file */
	uint64_t accepted;
	uint64_t lost;	 /* refused here; the writer counts the others */
	uint64_t missed; /* lost since the last packet in the file */
};

struct name {
	struct ipaddr addr;
	uint32_t text; /* offset in names.bytes */
};

/* Names learned so far: each goes into the file once, and again into every
 * further file. */
struct names {
	struct name list[MAX_NAMES];
	unsigned int nr;
	uint16_t buckets[NAME_BUCKETS]; /* index into list plus 1 */
	char bytes[NAMES_BYTES];
	uint32_t used;
};

struct format {
	size_t (*start)(const struct capfile *c, struct batch *b);
	size_t (*interface)(const struct capfile *c, uint8_t *out, size_t room,
			    const struct tap *tap);
	size_t (*packet)(const struct capfile *c, uint8_t *out, size_t room, const struct slot *s,
			 const struct packet *p, const char *comment);
	size_t (*run)(uint8_t *out, size_t room, const struct slot *s, const struct packet_run *run,
		      size_t first, struct run_part *part);
	record_len_fn record_len;
	bool has_stats;
	bool has_names;
	bool is_of_blocks; /* as they lie in the ring */
};

struct capfile {
	struct capfile_options o;
	const struct format *format;
	struct writer *writer;
	char *filter;
	struct utsname uts;
	int64_t started; /* ns since the Unix epoch */
	bool closed;
	bool full;
	bool lags; /* the writer, with what is to be written from where it is */

	struct batch *batch; /* being filled, or NULL */

	/* The current file. */
	unsigned int file; /* its number, from 1 */
	uint64_t file_bytes;
	uint64_t file_packets;
	int64_t file_first; /* time of its first packet */
	uint32_t nr_interfaces;
	uint16_t interfaces[NSW_MAX_TAPS]; /* tap ids by interface number, of the last ones */

	struct tap none;		 /* of a file without packets */
	struct slot slots[NSW_MAX_TAPS]; /* by tap id */
	uint32_t highest;		 /* id in use */
	struct names names;
};

/* --- formats --------------------------------------------------------------- */

static size_t pcapng_start(const struct capfile *c, struct batch *b)
{
	char os[sizeof(c->uts.sysname) + sizeof(c->uts.release) + 1];

	snprintf(os, sizeof(os), "%s %s", c->uts.sysname, c->uts.release);
	return pcapng_put_section(b->data, BATCH_BYTES, c->uts.machine, os,
				  "nswatch " NSWATCH_VERSION);
}

static size_t pcapng_interface(const struct capfile *c, uint8_t *out, size_t room,
			       const struct tap *tap)
{
	return pcapng_put_interface(out, room, tap, c->o.snaplen, c->filter);
}

static size_t pcapng_packet(const struct capfile *c, uint8_t *out, size_t room,
			    const struct slot *s, const struct packet *p, const char *comment)
{
	return pcapng_put_packet(out, room, s->interface, c->o.snaplen, p, comment, s->missed);
}

static size_t pcapng_run(uint8_t *out, size_t room, const struct slot *s,
			 const struct packet_run *run, size_t first, struct run_part *part)
{
	return pcapng_put_run(out, room, s->interface, run, first, part);
}

static size_t pcap_start(const struct capfile *c, struct batch *b)
{
	b->skip = PCAP_FILE_HEADER_LEN;
	return pcap_put_header(b->data, BATCH_BYTES, c->o.dlt, c->o.snaplen);
}

static size_t pcap_packet(const struct capfile *c, uint8_t *out, size_t room, const struct slot *s,
			  const struct packet *p, const char *comment)
{
	(void)s;
	(void)comment;
	return pcap_put_record(out, room, c->o.snaplen, p);
}

static size_t pcap_run(uint8_t *out, size_t room, const struct slot *s,
		       const struct packet_run *run, size_t first, struct run_part *part)
{
	(void)s;
	return pcap_put_run(out, room, run, first, part);
}

static size_t pcap_any_record_len(const uint8_t *rec, size_t len, int *is_packet)
{
	*is_packet = 1;
	return pcap_record_len(rec, len);
}

static const struct format formats[] = {
	[FORMAT_PCAPNG] = {
		.start = pcapng_start,
		.interface = pcapng_interface,
		.packet = pcapng_packet,
		.run = pcapng_run,
		.record_len = pcapng_block_len,
		.has_stats = true,
		.has_names = true,
		.is_of_blocks = true,
	},
	[FORMAT_PCAP] = {
		.start = pcap_start,
		.packet = pcap_packet,
		.run = pcap_run,
		.record_len = pcap_any_record_len,
	},
};

/* --- batches --------------------------------------------------------------- */

static void submit(struct capfile *c)
{
	if (c->batch)
		writer_submit(c->writer, c->batch);
	c->batch = NULL;
}

/* The batch to put a record into, or NULL if the output lags behind. */
static struct batch *current(struct capfile *c)
{
	if (!c->batch)
		c->batch = writer_get(c->writer);
	if (!c->batch && c->o.lossless && writer_wait_free(c->writer, 1))
		c->batch = writer_get(c->writer);
	return c->batch;
}

static uint8_t *end_of(struct batch *b)
{
	return b->data + b->own;
}

static size_t room_in(const struct batch *b)
{
	return BATCH_BYTES + BATCH_SLACK - b->own;
}

static void submit_if_full(struct capfile *c)
{
	if (batch_is_full(c->batch))
		submit(c);
}

static void grow(struct capfile *c, size_t n)
{
	batch_add_own(c->batch, n);
	c->file_bytes += n;
	submit_if_full(c);
}

/* --- files ----------------------------------------------------------------- */

static void start_file(struct capfile *c)
{
	struct batch *b = current(c);

	c->file++;
	c->file_bytes = 0;
	c->file_packets = 0;
	c->nr_interfaces = 0;
	grow(c, c->format->start(c, b));
}

static bool declare(struct capfile *c, struct slot *s)
{
	if (s->file == c->file)
		return true;
	if (!current(c))
		return false;
	s->file = c->file;
	s->interface = c->nr_interfaces;
	c->interfaces[c->nr_interfaces++ % NSW_MAX_TAPS] = (uint16_t)s->tap->id;
	if (c->format->interface)
		grow(c, c->format->interface(c, end_of(c->batch), room_in(c->batch), s->tap));
	return true;
}

/* A tap of which nothing came into this file, because all of it was lost. */
static bool has_only_losses(const struct capfile *c, const struct slot *s)
{
	return s->tap && s->missed && s->file != c->file;
}

static void put_stats(struct capfile *c)
{
	int64_t now = now_ns(CLOCK_REALTIME);
	struct batch *b;
	uint32_t i;

	if (!c->o.stats || !c->format->has_stats)
		return;
	for (i = 0; i <= c->highest; i++)
		if (has_only_losses(c, &c->slots[i]))
			declare(c, &c->slots[i]);
	i = c->nr_interfaces > NSW_MAX_TAPS ? c->nr_interfaces - NSW_MAX_TAPS : 0;
	for (; i < c->nr_interfaces && (b = current(c)); i++) {
		const struct slot *s = &c->slots[c->interfaces[i % NSW_MAX_TAPS]];
		const struct tap *tap = s->tap;
		struct tap_stats st = { 0 };

		if (s->interface != i)
			continue; /* its tap id was given to another one since */

		c->o.stats(c->o.ctx, tap, &st);
		capfile_stats(c, tap, &st.written, &st.write_lost);
		/* Up to the packet that goes into the next file. */
		st.delivered = st.written + st.write_lost;
		grow(c, pcapng_put_stats(end_of(b), room_in(b), i, c->started, now, &st));
	}
}

static void put_name(struct capfile *c, const struct name *n)
{
	struct batch *b = current(c);

	if (b)
		grow(c, pcapng_put_name(end_of(b), room_in(b), &n->addr, c->names.bytes + n->text));
}

/* Free batches that the end of this file and the start of the next need. */
static unsigned int batches_to_switch(const struct capfile *c)
{
	size_t bytes = ((size_t)c->nr_interfaces + c->names.nr) * SMALL_BLOCK;
	uint32_t i;

	for (i = 0; i <= c->highest; i++)
		if (has_only_losses(c, &c->slots[i]))
			bytes += INTERFACE_BLOCK + SMALL_BLOCK;
	return 3 + (unsigned int)(bytes / BATCH_BYTES);
}

static bool switch_file(struct capfile *c)
{
	unsigned int need = batches_to_switch(c), i;

	if (writer_nr_free(c->writer) < need &&
	    (!c->o.lossless || !writer_wait_free(c->writer, need)))
		return false;
	put_stats(c);
	current(c)->ends_file = true;
	submit(c);
	start_file(c);
	for (i = 0; i < c->names.nr; i++)
		put_name(c, &c->names.list[i]);
	return true;
}

static bool has_reached_limit(const struct capfile *c)
{
	return (c->o.max_bytes && c->file_bytes >= c->o.max_bytes) ||
	       (c->o.max_packets && c->file_packets >= c->o.max_packets);
}

static bool is_due(const struct capfile *c, const struct packet *p)
{
	if (!c->file_packets)
		return false;
	return has_reached_limit(c) ||
	       (c->o.max_duration && p->time - c->file_first >= c->o.max_duration);
}

static bool is_last_file(const struct capfile *c)
{
	return c->o.max_files && c->file >= c->o.max_files;
}

/* --- the interface --------------------------------------------------------- */

struct capfile *capfile_new(int fd, const struct capfile_options *o, struct err *e)
{
	struct capfile *c = calloc(1, sizeof(*c));
	size_t queue = o->queue_bytes ? o->queue_bytes : QUEUE_BYTES;
	struct writer_options wo = {
		.nr_batches = (unsigned int)(queue / BATCH_BYTES) + 1,
		.record_len = formats[o->format].record_len,
		.gzip = o->gzip,
		.next_fd = o->next_fd,
		.failed = o->failed,
		.ctx = o->ctx,
		.stall_ms = STALL_MS,
		.stop = o->stop,
	};

	if (wo.nr_batches < MIN_BATCHES)
		wo.nr_batches = MIN_BATCHES;
	if (c && o->filter)
		c->filter = strdup(o->filter);
	if (!c || (o->filter && !c->filter)) {
		close(fd);
		capfile_free(c);
		err_sys(e, -ENOMEM, "cannot set up the output");
		return NULL;
	}
	c->o = *o;
	c->format = &formats[o->format];
	if (!c->o.snaplen || c->o.snaplen > NSW_MAX_SNAP)
		c->o.snaplen = NSW_MAX_SNAP;
	if (!c->o.borrow_bytes)
		c->o.borrow_bytes = BORROW_BYTES;
	if (!c->o.borrow_wait_ns)
		c->o.borrow_wait_ns = BORROW_WAIT_NS;
	if (!c->o.next_fd)
		c->o.max_files = 1;
	c->started = now_ns(CLOCK_REALTIME);
	uname(&c->uts);
	c->writer = writer_new(fd, &wo, e);
	if (!c->writer) {
		capfile_free(c);
		return NULL;
	}
	start_file(c);
	capfile_flush(c);
	return c;
}

void capfile_free(struct capfile *c)
{
	if (!c)
		return;
	writer_free(c->writer);
	free(c->filter);
	free(c);
}

static struct slot *slot_of(struct capfile *c, const struct tap *tap)
{
	uint32_t id = tap->id % NSW_MAX_TAPS;
	struct slot *s = &c->slots[id];

	s->tap = tap;
	if (id > c->highest)
		c->highest = id;
	return s;
}

/* Another one may have had the id before: declared again, it is a new interface. */
void capfile_tap(struct capfile *c, const struct tap *tap)
{
	struct slot *s = slot_of(c, tap);

	s->file = 0;
	declare(c, s);
}

static bool lose(struct slot *s)
{
	s->lost++;
	s->missed++;
	return false;
}

bool capfile_packet(struct capfile *c, const struct packet *p, const char *comment)
{
	struct slot *s = slot_of(c, p->tap);
	struct batch *b;

	if (c->full)
		return false;
	if (writer_failed(c->writer))
		return lose(s);
	if (is_due(c, p)) {
		c->full = is_last_file(c);
		if (c->full)
			return false;
		if (!switch_file(c))
			return lose(s);
	}
	if (!declare(c, s))
		return lose(s);
	b = current(c);
	if (!b)
		return lose(s);
	b->taps[b->nr_packets++] = (uint16_t)p->tap->id;
	if (!c->file_packets++)
		c->file_first = p->time;
	s->accepted++;
	grow(c, c->format->packet(c, end_of(b), room_in(b), s, p, comment));
	s->missed = 0;
	c->full = is_last_file(c) && has_reached_limit(c);
	return true;
}

static void count_run(struct capfile *c, struct slot *s, size_t packets)
{
	struct batch *b = c->batch;
	uint16_t *taps = b->taps + b->nr_packets, id = (uint16_t)s->tap->id;
	size_t i;

	for (i = 0; i < packets; i++)
		taps[i] = id;
	b->nr_packets += (uint32_t)packets;
	s->accepted += packets;
	c->file_packets += packets;
}

/* As many records as make the batch full. Returns where the next one is. */
static size_t fill_batch(struct capfile *c, struct slot *s, const struct packet_run *run,
			 size_t first, size_t *packets)
{
	struct batch *b = c->batch;
	struct run_part part;
	size_t len = c->format->run(end_of(b), BATCH_BYTES - b->len, s, run, first, &part);

	count_run(c, s, part.packets);
	grow(c, len);
	*packets -= part.packets;
	return part.end;
}

/*
 * Whether one more chunk can be kept. If not, it may be that the writer has not had the time
 * yet: it is let have a moment. What it has not written then lags behind, until most is.
 */
static bool can_keep(struct capfile *c)
{
	size_t held = writer_held(c->writer), kept = c->batch ? batch_keeps(c->batch) : 0;
	size_t room = c->o.borrow_bytes / 4;

	if (c->lags && held + kept > c->o.borrow_bytes / 2)
		return false;
	c->lags = false;
	if (held + kept + NSW_CHUNK <= c->o.borrow_bytes)
		return true;
	if (room < NSW_CHUNK)
		room = NSW_CHUNK;
	if (room > c->o.borrow_bytes)
		return false;
	submit(c);
	c->lags = !writer_wait_held(c->writer, c->o.borrow_bytes - room, c->o.borrow_wait_ns);
	return !c->lags;
}

/* Whether what is left of a run is to be written from where it is. While the output lags
 * behind it is not: the ring is to be free for what comes, and batches are to be full. */
static bool is_to_borrow(struct capfile *c, size_t len)
{
	return c->format->is_of_blocks && !c->o.gzip && !c->o.lossless && len >= BORROW_LEAST &&
	       can_keep(c) && writer_nr_free(c->writer) > BORROW_FREE;
}

static bool borrow(struct capfile *c, struct slot *s, const struct packet_run *run, size_t first,
		   size_t packets)
{
	struct batch *b = current(c);

	if (!b)
		return false;
	if (block_head(run->blocks + first)->interface != s->interface)
		pcapng_set_interface(run, first, s->interface);
	hold_add(run->hold);
	batch_add_span(b, run->blocks + first, run->len - first, run->hold);
	count_run(c, s, packets);
	c->file_bytes += run->len - first;
	submit_if_full(c);
	return true;
}

static size_t put_one(struct capfile *c, const struct packet_run *run, size_t at, size_t *packets)
{
	struct packet p = { .tap = run->tap };
	uint32_t len = run_block_len(run, at);

	if (!len)
		return run->len;
	block_packet(run->blocks + at, &p);
	capfile_packet(c, &p, NULL);
	--*packets;
	return at + len;
}

void capfile_run(struct capfile *c, const struct packet_run *run)
{
	struct slot *s = slot_of(c, run->tap);
	size_t at = 0, left = run->n;

	while (at < run->len) {
		bool plain = !s->missed && !writer_failed(c->writer) && declare(c, s);

		if (plain && is_to_borrow(c, run->len - at) && borrow(c, s, run, at, left))
			return;
		/* Loss is counted in put_one(), and told with the packet after it. */
		if (plain && current(c))
			at = fill_batch(c, s, run, at, &left);
		else
			at = put_one(c, run, at, &left);
	}
	s->lost += left;
	s->missed += left;
}

void capfile_let_go(struct capfile *c)
{
	if (!c->batch || !c->batch->nr_spans)
		return;
	submit(c);
	writer_kick(c->writer);
}

bool capfile_is_full(const struct capfile *c)
{
	return c->full;
}

bool capfile_has_failed(const struct capfile *c)
{
	return writer_failed(c->writer);
}

void capfile_missed(struct capfile *c, const struct tap *tap, uint64_t n)
{
	slot_of(c, tap)->missed += n;
}

static uint32_t hash_name(const struct ipaddr *a, const char *name)
{
	return hash_bytes(hash_bytes(0, a->bytes, sizeof(a->bytes)), name, strlen(name));
}

/* Where the name is, or where it belongs. */
static uint16_t *find_name(struct names *n, const struct ipaddr *a, const char *name)
{
	uint32_t at = hash_name(a, name);

	for (;; at++) {
		uint16_t *bucket = &n->buckets[at & (NAME_BUCKETS - 1)];
		const struct name *have;

		if (!*bucket)
			return bucket;
		have = &n->list[*bucket - 1];
		if (ipaddr_equal(&have->addr, a) && !strcmp(n->bytes + have->text, name))
			return bucket;
	}
}

void capfile_name(struct capfile *c, const struct ipaddr *a, const char *name)
{
	struct names *n = &c->names;
	uint16_t *bucket;
	size_t len;

	if (!c->format->has_names || !a->family || !pcapng_is_hostname(name) || c->full)
		return;
	len = strlen(name) + 1;
	bucket = find_name(n, a, name);
	if (*bucket || n->nr == MAX_NAMES || n->used + len > sizeof(n->bytes) || !current(c))
		return;
	memcpy(n->bytes + n->used, name, len);
	n->list[n->nr] = (struct name){ .addr = *a, .text = n->used };
	n->used += (uint32_t)len;
	*bucket = (uint16_t)++n->nr;
	put_name(c, &n->list[n->nr - 1]);
}

void capfile_flush(struct capfile *c)
{
	submit(c);
	writer_kick(c->writer);
}

/* What was read had no packets: its link type is told all the same, or the file could not be
 * converted. A live file has the interfaces that are watched. */
static void declare_link_type(struct capfile *c)
{
	if (c->nr_interfaces || c->o.stats)
		return;
	c->none.dlt = c->o.dlt;
	capfile_tap(c, &c->none);
}

int capfile_close(struct capfile *c, struct err *e)
{
	if (c->closed)
		return 0;
	c->closed = true;
	c->o.lossless = true;
	writer_hurry(c->writer);
	declare_link_type(c);
	put_stats(c);
	submit(c);
	return writer_finish(c->writer, e);
}

void capfile_stats(const struct capfile *c, const struct tap *tap, uint64_t *written,
		   uint64_t *lost)
{
	const struct slot *s = &c->slots[tap->id % NSW_MAX_TAPS];
	uint64_t later = writer_lost(c->writer, (uint16_t)(tap->id % NSW_MAX_TAPS));

	*written = s->accepted - later;
	*lost = s->lost + later;
}

unsigned int capfile_nr_files(const struct capfile *c)
{
	return c->file;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A stream is one direction of a connection. `base` is the sequence number at
 * which the next message starts; everything before it is done with. A segment
 * that starts there while nothing is stored, which is nearly every one, is cut
 * into messages in place. Only what is left over is stored, in a buffer that
 * begins at base, with a short sorted list of the ranges that are filled; the
 * first range growing over a whole message releases it.
 *
 * A buffer holds one message of the largest size and no more, so what lies
 * further ahead is not kept. If a segment was lost for good, the stream stays
 * stuck at base until the peer's data runs out of the window; then the stream
 * starts anew at a segment that begins with a believable message.
 */
#include "dns/tcp.h"

#include <stdlib.h>
#include <string.h>

#include "decode/dns.h"
#include "util/hash.h"

#define PREFIX	   2
#define WINDOW	   (PREFIX + 65535U)
#define MAX_RANGES 16
#define MIN_BUFFER 2048U

struct range {
	uint32_t from, to; /* offsets from base; to is exclusive */
};

struct stream {
	struct stream *chain, *prev, *next; /* hash; age, oldest first */
	struct tcp_key key;
	uint32_t base;
	bool synced; /* base is known */
	uint8_t *buf;
	uint32_t size;
	uint32_t nr_ranges;
	struct range ranges[MAX_RANGES];
};

struct tcp_table {
	struct stream *buckets[256];
	struct stream *oldest, *newest;
	uint32_t nr, max;
	uint32_t bytes, max_bytes;
};

typedef void message_fn(void *ctx, const uint8_t *data, uint32_t caplen, uint32_t len);

struct tcp_table *tcp_table_new(uint32_t max_streams, uint32_t max_bytes)
{
	struct tcp_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max_streams;
	t->max_bytes = max_bytes;
	return t;
}

static unsigned int bucket_of(const struct tcp_key *k)
{
	return hash_bytes(0, k, sizeof(*k)) & 255;
}

static void age_unlink(struct tcp_table *t, struct stream *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		t->oldest = s->next;
	if (s->next)
		s->next->prev = s->prev;
	else
		t->newest = s->prev;
}

static void age_append(struct tcp_table *t, struct stream *s)
{
	s->prev = t->newest;
	s->next = NULL;
	if (t->newest)
		t->newest->next = s;
	else
		t->oldest = s;
	t->newest = s;
}

static void buffer_drop(struct tcp_table *t, struct stream *s)
{
	t->bytes -= s->size;
	free(s->buf);
	s->buf = NULL;
	s->size = 0;
	s->nr_ranges = 0;
}

static void stream_remove(struct tcp_table *t, struct stream *s)
{
	struct stream **p;

	for (p = &t->buckets[bucket_of(&s->key)]; *p != s; p = &(*p)->chain)
		;
	*p = s->chain;
	age_unlink(t, s);
	buffer_drop(t, s);
	t->nr--;
	free(s);
}

void tcp_table_free(struct tcp_table *t)
{
	if (!t)
		return;
	while (t->oldest)
		stream_remove(t, t->oldest);
	free(t);
}

static struct stream *stream_find(struct tcp_table *t, const struct tcp_key *key)
{
	struct stream *s;

	for (s = t->buckets[bucket_of(key)]; s; s = s->chain)
		if (!memcmp(&s->key, key, sizeof(*key)))
			return s;
	return NULL;
}

static struct stream *stream_get(struct tcp_table *t, const struct tcp_key *key)
{
	struct stream *s = stream_find(t, key), **bucket;

	if (s) {
		age_unlink(t, s);
		age_append(t, s);
		return s;
	}
	if (t->nr >= t->max)
		stream_remove(t, t->oldest);
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->key = *key;
	bucket = &t->buckets[bucket_of(key)];
	s->chain = *bucket;
	*bucket = s;
	age_append(t, s);
	t->nr++;
	return s;
}

void tcp_forget(struct tcp_table *t, const struct tcp_key *key)
{
	struct stream *s = stream_find(t, key);

	if (s)
		stream_remove(t, s);
}

/* Whether bytes look like the start of a message with its length. */
static bool believable(const uint8_t *p, uint32_t caplen)
{
	struct dns_msg m;
	uint32_t len;

	if (caplen < PREFIX + DNS_HEADER_LEN)
		return false;
	len = (uint32_t)p[0] << 8 | p[1];
	if (dns_msg_init(&m, p + PREFIX, caplen - PREFIX, len))
		return false;
	return m.opcode <= 6 && m.count[DNS_QUESTION] <= 1 && !(m.flags & 0x40);
}

/* Hands over the whole messages at p; returns how many bytes they take. */
static uint32_t cut_messages(const uint8_t *p, uint32_t caplen, uint32_t len, message_fn *message,
			     void *ctx)
{
	uint32_t off = 0, n;

	while (off + PREFIX <= caplen) {
		n = (uint32_t)p[off] << 8 | p[off + 1];
		if (n > len - off - PREFIX)
			break;
		off += PREFIX;
		if (n)
			message(ctx, p + off, caplen - off < n ? caplen - off : n, n);
		off += n;
		/* What the capture cut off is known by its length alone: once the cursor is
		 * behind caplen, the next message's length is not known. */
		if (off > caplen)
			return len;
	}
	return off;
}

static bool buffer_reserve(struct tcp_table *t, struct stream *s, uint32_t need)
{
	uint32_t size = s->size ? s->size : MIN_BUFFER;
	uint8_t *buf;

	if (s->buf && need <= s->size)
		return true;
	while (size < need)
		size *= 2;
	/* The others' unfinished messages go before this one does. */
	while (t->bytes - s->size + size > t->max_bytes && t->oldest != s)
		stream_remove(t, t->oldest);
	if (t->bytes - s->size + size > t->max_bytes)
		return false;
	buf = realloc(s->buf, size);
	if (!buf)
		return false;
	t->bytes += size - s->size;
	s->buf = buf;
	s->size = size;
	return true;
}

static void ranges_add(struct stream *s, uint32_t from, uint32_t to)
{
	uint32_t i = 0, j;

	while (i < s->nr_ranges && s->ranges[i].to < from)
		i++;
	for (j = i; j < s->nr_ranges && s->ranges[j].from <= to; j++) {
		if (s->ranges[j].from < from)
			from = s->ranges[j].from;
		if (s->ranges[j].to > to)
			to = s->ranges[j].to;
	}
	if (i == j && s->nr_ranges == MAX_RANGES) {
		/* Too many holes: what lies furthest ahead is given up. */
		if (i == MAX_RANGES)
			return;
		s->nr_ranges--;
	}
	memmove(&s->ranges[i + 1], &s->ranges[j], (s->nr_ranges - j) * sizeof(struct range));
	s->nr_ranges = s->nr_ranges + 1 - (j - i);
	s->ranges[i] = (struct range){ from, to };
}

/* Drops n bytes from the buffer's front. */
static void buffer_advance(struct stream *s, uint32_t n)
{
	uint32_t i, end = s->ranges[s->nr_ranges - 1].to;

	memmove(s->buf, s->buf + n, end - n);
	s->base += n;
	if (s->ranges[0].to == n) {
		s->nr_ranges--;
		memmove(&s->ranges[0], &s->ranges[1], s->nr_ranges * sizeof(struct range));
	} else {
		s->ranges[0].from = n;
	}
	for (i = 0; i < s->nr_ranges; i++) {
		s->ranges[i].from -= n;
		s->ranges[i].to -= n;
	}
}

static void store(struct tcp_table *t, struct stream *s, uint32_t off, const uint8_t *p,
		  uint32_t len, message_fn *message, void *ctx)
{
	uint32_t done;

	if (off >= WINDOW)
		return;
	if (len > WINDOW - off)
		len = WINDOW - off;
	if (!len || !buffer_reserve(t, s, off + len))
		return;
	memcpy(s->buf + off, p, len);
	ranges_add(s, off, off + len);
	if (s->ranges[0].from)
		return;
	done = cut_messages(s->buf, s->ranges[0].to, s->ranges[0].to, message, ctx);
	if (done)
		buffer_advance(s, done);
	if (!s->nr_ranges)
		buffer_drop(t, s);
}

/* Data at base with nothing stored: cut in place, keep the rest. */
static void in_order(struct tcp_table *t, struct stream *s, const uint8_t *p, uint32_t caplen,
		     uint32_t len, message_fn *message, void *ctx)
{
	uint32_t done = cut_messages(p, caplen, len, message, ctx);

	s->base += done;
	if (done >= len)
		return;
	if (caplen < len) {
		/* The rest cannot be had; go on behind it if it is a message's start. */
		s->synced = false;
		return;
	}
	store(t, s, 0, p + done, len - done, message, ctx);
}

static void stream_data(struct tcp_table *t, struct stream *s, const struct tcp_segment *g,
			message_fn *message, void *ctx)
{
	uint32_t off = g->seq - s->base, skip;

	if (!s->synced || (off >= WINDOW && off < 0x80000000U)) {
		if (!believable(g->data, g->caplen))
			return;
		buffer_drop(t, s);
		s->base = g->seq;
		s->synced = true;
		off = 0;
	}
	if (off >= 0x80000000U) { /* starts before base: a retransmission */
		skip = -off;
		if (skip >= g->caplen)
			return;
		off = 0;
	} else {
		skip = 0;
	}
	if (!off && !s->nr_ranges)
		in_order(t, s, g->data + skip, g->caplen - skip, g->len - skip, message, ctx);
	else
		store(t, s, off, g->data + skip, g->caplen - skip, message, ctx);
}

void tcp_segment(struct tcp_table *t, const struct tcp_key *key, const struct tcp_segment *g,
		 message_fn *message, void *ctx)
{
	struct stream *s;

	if (g->rst) {
		tcp_forget(t, key);
		return;
	}
	if (!g->syn && !g->len)
		return;
	s = stream_get(t, key);
	if (!s)
		return;
	if (g->syn) {
		buffer_drop(t, s);
		s->base = g->seq + 1;
		s->synced = true;
	}
	if (g->len) {
		struct tcp_segment data = *g;

		data.seq += g->syn;
		stream_data(t, s, &data, message, ctx);
	}
	if (g->fin && !s->nr_ranges)
		stream_remove(t, s);
}

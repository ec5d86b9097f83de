// SPDX-License-Identifier: GPL-2.0-only
/*
 * A datagram that waits is a buffer with room for an IP header in front, and
 * for each eight bytes the offset of the fragment that they came with: fragments
 * begin at multiples of eight, and all but the last should end there. Where they
 * contradict each other, the one that begins first has it, as in tshark; and
 * the first one that says so is the last one.
 */
#include "track/frag.h"

#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define NSEC	    1000000000LL
#define MAX_PAYLOAD 65536
#define MAX_BLOCKS  (MAX_PAYLOAD / 8)
#define IP4_HLEN    20
#define IP6_HLEN    40
#define HEAD_ROOM   IP6_HLEN

struct datagram {
	bool used;
	uint64_t age; /* packet number of its first fragment */
	int64_t time; /* of that, ns */
	struct ipaddr src, dst;
	uint32_t tap, id;
	uint8_t proto, ip_version, ttl;
	uint32_t len; /* of the payload; 0 until the last fragment came */
	uint8_t *buf;
	uint16_t from[MAX_BLOCKS]; /* offset in blocks, plus 1; 0 if it did not come */
};

struct frag_track {
	unsigned int max;
	enum frag_patience patience;
	uint8_t *done; /* what the last call gave out */
	struct datagram datagrams[];
};

struct frag_track *frag_track_new(unsigned int max_datagrams, enum frag_patience patience)
{
	struct frag_track *t = calloc(1, sizeof(*t) + max_datagrams * sizeof(t->datagrams[0]));

	if (!t)
		return NULL;
	t->max = max_datagrams;
	t->patience = patience;
	return t;
}

static void drop(struct datagram *d)
{
	free(d->buf);
	memset(d, 0, sizeof(*d));
}

void frag_track_free(struct frag_track *t)
{
	unsigned int i;

	if (!t)
		return;
	for (i = 0; i < t->max; i++)
		drop(&t->datagrams[i]);
	free(t->done);
	free(t);
}

static uint32_t tap_of(const struct packet *p)
{
	return p->tap ? p->tap->id : 0;
}

static bool belongs(const struct datagram *d, const struct packet *p, const struct frame *f)
{
	return d->used && d->id == f->ip_id && d->proto == f->flow.proto && d->tap == tap_of(p) &&
	       ipaddr_equal(&d->src, &f->flow.src) && ipaddr_equal(&d->dst, &f->flow.dst);
}

/* Its id may have come round again by then. */
static bool is_too_old(const struct frag_track *t, const struct datagram *d, int64_t now)
{
	int64_t patience = d->ip_version == 4 ? 30 * NSEC : 60 * NSEC;

	return d->used && t->patience == FRAG_AS_KERNEL && now - d->time > patience;
}

static struct datagram *find(struct frag_track *t, const struct packet *p, const struct frame *f)
{
	struct datagram *d, *oldest = &t->datagrams[0];
	unsigned int i;

	for (i = 0; i < t->max; i++) {
		d = &t->datagrams[i];
		if (is_too_old(t, d, p->time))
			drop(d);
		if (belongs(d, p, f))
			return d;
		if (d->age < oldest->age)
			oldest = d;
	}
	drop(oldest);
	oldest->buf = malloc(HEAD_ROOM + MAX_PAYLOAD);
	if (!oldest->buf)
		return NULL;
	oldest->used = true;
	oldest->age = p->number;
	oldest->time = p->time;
	oldest->src = f->flow.src;
	oldest->dst = f->flow.dst;
	oldest->tap = tap_of(p);
	oldest->id = f->ip_id;
	oldest->proto = f->flow.proto;
	oldest->ip_version = f->ip_version;
	oldest->ttl = f->ttl;
	return oldest;
}

/* Part of a block counts only if the payload ends there. */
static void store(struct datagram *d, const struct frame *f)
{
	uint16_t from = (uint16_t)(f->frag_off / 8 + 1);
	uint32_t off, end = f->frag_off + f->l4_len;

	if (!f->more_fragments && !d->len)
		d->len = end;
	for (off = f->frag_off; off < end; off += 8) {
		uint16_t *owner = &d->from[off / 8];
		uint32_t n = end - off < 8 ? end - off : 8;

		if ((n < 8 && f->more_fragments) || (*owner && *owner <= from))
			continue;
		memcpy(d->buf + HEAD_ROOM + off, f->data + f->l4_off + (off - f->frag_off), n);
		*owner = from;
	}
}

static bool is_whole(const struct datagram *d)
{
	uint32_t i;

	for (i = 0; i < (d->len + 7) / 8; i++)
		if (!d->from[i])
			return false;
	return d->len;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Writes the header in front of the payload; returns its length. */
static uint32_t put_header(const struct datagram *d)
{
	uint32_t hlen = d->ip_version == 4 ? IP4_HLEN : IP6_HLEN;
	uint8_t *h = d->buf + HEAD_ROOM - hlen;

	memset(h, 0, hlen);
	if (d->ip_version == 4) {
		h[0] = 0x45;
		put16(h + 2, hlen + d->len);
		h[8] = d->ttl;
		h[9] = d->proto;
		memcpy(h + 12, d->src.bytes, 4);
		memcpy(h + 16, d->dst.bytes, 4);
	} else {
		h[0] = 0x60;
		put16(h + 4, d->len);
		h[6] = d->proto;
		h[7] = d->ttl;
		memcpy(h + 8, d->src.bytes, 16);
		memcpy(h + 24, d->dst.bytes, 16);
	}
	return hlen;
}

bool frag_track_add(struct frag_track *t, const struct packet *p, const struct frame *f,
		    const uint8_t **data, uint32_t *len)
{
	struct datagram *d;
	uint32_t hlen;

	/* The header's length field must be able to hold the whole. */
	if (!f->l4_len || f->frag_off + f->l4_len > UINT16_MAX - IP4_HLEN ||
	    f->l4_off + f->l4_len > f->caplen)
		return false;
	d = find(t, p, f);
	if (!d)
		return false;
	store(d, f);
	if (!is_whole(d))
		return false;
	hlen = put_header(d);
	*data = d->buf + HEAD_ROOM - hlen;
	*len = hlen + d->len;
	free(t->done);
	t->done = steal_ptr(d->buf);
	drop(d);
	return true;
}

static uint32_t header_len(const struct frame *f)
{
	return f->ip_version == 4 ? f->ip_hlen : IP6_HLEN;
}

const struct frame *frag_track_whole(struct frag_track *t, const struct packet *p,
				     const struct frame *f, struct frame *whole)
{
	const uint8_t *data;
	uint32_t len;

	if (!f->is_fragment || f->layer != LAYER_PAYLOAD || f->l4_caplen < f->l4_len ||
	    f->l4_off + f->l4_len < f->l3_off + header_len(f) + f->ip_payload_len)
		return f;
	if (!frag_track_add(t, p, f, &data, &len))
		return f;
	decode_frame(whole, data, len, len, DLT_RAW);
	return whole;
}

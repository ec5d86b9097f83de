// SPDX-License-Identifier: GPL-2.0-only
#include "sink/gzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The fastest: the writer must keep up. */
#define LEVEL	     1
#define LEVEL_STORED 0
#define MEM_LEVEL    9
#define RAW_DEFLATE  (-15) /* without header and trailer: these are made here */
#define WINDOW_BYTES 32768
#define MIN_SAMPLE   16384 /* shorter pieces tell nothing about the next ones */
#define STORED_RUN   15	   /* pieces stored after one that could not be compressed */

/* RFC 1952 section 2.3: deflate, no flags, no time, XFL 4 (fastest), Unix. */
static const uint8_t header[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3 };
/* RFC 1951 section 3.2.6: the last block, of fixed codes, with nothing in it. */
static const uint8_t last_block[] = { 0x03, 0x00 };

#define END_LEN (sizeof(last_block) + 2 * sizeof(uint32_t))
_Static_assert(GZIP_END_MAX == sizeof(header) + END_LEN, "the end of a stream not begun");

struct sum {
	uint32_t crc;
	uint32_t len; /* modulo 2^32, as in the trailer */
};

struct gzip {
	z_stream z;
	struct sum kept, with_piece;
	bool begun; /* a piece was kept */
	unsigned int stored_left;
	uint8_t *out;
	size_t size;
	size_t head;		      /* bytes of `out` before the compressed ones */
	uint8_t window[WINDOW_BYTES]; /* what came before the piece */
	unsigned int window_len;
};

static void put_u32(uint8_t *out, uint32_t v)
{
	int i;

	for (i = 0; i < 4; i++)
		out[i] = (uint8_t)(v >> 8 * i);
}

static size_t put_end(uint8_t *out, const struct sum *s)
{
	memcpy(out, last_block, sizeof(last_block));
	put_u32(out + sizeof(last_block), s->crc);
	put_u32(out + sizeof(last_block) + 4, s->len);
	return END_LEN;
}

struct gzip *gzip_new(size_t most)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	if (deflateInit2(&g->z, LEVEL, Z_DEFLATED, RAW_DEFLATE, MEM_LEVEL, Z_DEFAULT_STRATEGY)) {
		free(g);
		return NULL;
	}
	/* The bound is one for a whole stream; the mark of a flush takes as much as its end. */
	g->size = sizeof(header) + deflateBound(&g->z, most) + END_LEN;
	g->out = malloc(g->size);
	if (!g->out) {
		gzip_free(g);
		return NULL;
	}
	gzip_start(g);
	return g;
}

void gzip_free(struct gzip *g)
{
	if (!g)
		return;
	deflateEnd(&g->z);
	free(g->out);
	free(g);
}

void gzip_start(struct gzip *g)
{
	deflateReset(&g->z);
	g->kept = (struct sum){ 0 };
	g->begun = false;
	g->stored_left = 0;
}

/* What is encrypted cannot be compressed, and to find that out takes ten times as
 * long as to store it: so it is found out now and then only. */
static void choose_level(struct gzip *g)
{
	g->z.avail_in = 0;
	deflateParams(&g->z, g->stored_left ? LEVEL_STORED : LEVEL, Z_DEFAULT_STRATEGY);
}

static void learn_from(struct gzip *g, size_t len, size_t compressed)
{
	if (g->stored_left)
		g->stored_left--;
	else if (len >= MIN_SAMPLE && compressed > len - len / 8)
		g->stored_left = STORED_RUN;
}

struct gzip_piece gzip_add(struct gzip *g, const void *data, size_t len)
{
	struct gzip_piece p = { .data = g->out };

	g->head = g->begun ? 0 : sizeof(header);
	memcpy(g->out, header, g->head);
	deflateGetDictionary(&g->z, g->window, &g->window_len);
	g->z.next_out = g->out + g->head;
	g->z.avail_out = (uInt)(g->size - g->head - END_LEN);
	choose_level(g);
	g->z.next_in = (z_const Bytef *)data;
	g->z.avail_in = (uInt)len;
	deflate(&g->z, Z_SYNC_FLUSH);
	g->with_piece.crc = (uint32_t)crc32(g->kept.crc, data, (uInt)len);
	g->with_piece.len = g->kept.len + (uint32_t)len;
	p.len = (size_t)(g->z.next_out - g->out);
	learn_from(g, len, p.len);
	p.end_len = put_end(g->z.next_out, &g->with_piece);
	return p;
}

void gzip_keep(struct gzip *g)
{
	g->kept = g->with_piece;
	g->begun = true;
}

size_t gzip_end(const struct gzip *g, uint8_t out[GZIP_END_MAX])
{
	size_t head = g->begun ? 0 : sizeof(header);

	memcpy(out, header, head);
	return head + put_end(out + head, &g->kept);
}

/* Inflates the part, with what came before it in the window, and counts. */
size_t gzip_readable(struct gzip *g, size_t n)
{
	uint8_t text[4096];
	z_stream z = { 0 };
	size_t sum = 0;
	int r;

	if (n <= g->head || inflateInit2(&z, RAW_DEFLATE))
		return 0;
	inflateSetDictionary(&z, g->window, g->window_len);
	z.next_in = g->out + g->head;
	z.avail_in = (uInt)(n - g->head);
	do {
		z.next_out = text;
		z.avail_out = sizeof(text);
		r = inflate(&z, Z_SYNC_FLUSH);
		sum += sizeof(text) - z.avail_out;
	} while (r == Z_OK && !z.avail_out);
	inflateEnd(&z);
	return sum;
}

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_GZIP_H
#define NSWATCH_SINK_GZIP_H

#include <stddef.h>
#include <stdint.h>

/*
 * A gzip stream (RFC 1952), made piece by piece in memory. No syscalls but for
 * the memory that zlib allocates. Whatever was added can be read from the bytes
 * of the pieces so far; with the end behind them they are a whole stream. The
 * end of an earlier piece gives way to the next piece.
 */
struct gzip;

#define GZIP_END_MAX 20

struct gzip_piece {
	const uint8_t *data; /* borrowed, until the next call */
	size_t len;
	size_t end_len; /* behind that: the end, in case this is the last one */
};

/* For pieces of at most `most` bytes, uncompressed. NULL: out of memory. */
struct gzip *gzip_new(size_t most);
void gzip_free(struct gzip *g);

/* Begins a stream; gzip_new() has done so for the first. */
void gzip_start(struct gzip *g);

struct gzip_piece gzip_add(struct gzip *g, const void *data, size_t len);

/* The piece is in the file. Without this it never was, and nothing can be added
 * any more but a new stream. */
void gzip_keep(struct gzip *g);

/* The end of the stream behind the pieces kept so far; returns its length. */
size_t gzip_end(const struct gzip *g, uint8_t out[GZIP_END_MAX]);

/* How many bytes of the piece last added, and not kept, can be read from the
 * first n of its compressed bytes. */
size_t gzip_readable(struct gzip *g, size_t n);

#endif

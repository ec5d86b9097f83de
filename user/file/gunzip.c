// SPDX-License-Identifier: GPL-2.0-only
#include "file/gunzip.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define BUFFER_BYTES 65536
#define MAGIC_BYTES  2
#define GZIP_HEADER  (16 + 15) /* windowBits of inflateInit2(): gzip, the largest window */

enum state { STATE_UNKNOWN, STATE_PLAIN, STATE_GZIP, STATE_END };

struct gunzip {
	int fd;
	enum state state;
	z_stream z; /* its next_in and avail_in: what was read and not taken yet */
	bool has_inflate;
	bool within; /* a stream has begun and not ended */
	const char *damage;
	uint8_t in[BUFFER_BYTES];
};

struct gunzip *gunzip_new(int fd)
{
	struct gunzip *g = calloc(1, sizeof(*g));

	if (g)
		g->fd = fd;
	return g;
}

void gunzip_free(struct gunzip *g)
{
	if (g && g->has_inflate)
		inflateEnd(&g->z);
	free(g);
}

const char *gunzip_damage(const struct gunzip *g)
{
	return g->damage;
}

static ssize_t read_fd(const struct gunzip *g, void *out, size_t size)
{
	ssize_t n;

	do
		n = read(g->fd, out, size);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Adds to what waits in the buffer; as read(2). */
static ssize_t fill(struct gunzip *g)
{
	size_t have = g->z.avail_in;
	ssize_t n;

	memmove(g->in, g->z.next_in ?: g->in, have);
	n = read_fd(g, g->in + have, sizeof(g->in) - have);
	g->z.next_in = g->in;
	if (n > 0)
		g->z.avail_in += (uInt)n;
	return n;
}

static bool starts_stream(const struct gunzip *g)
{
	return g->z.avail_in >= MAGIC_BYTES && g->z.next_in[0] == 0x1f && g->z.next_in[1] == 0x8b;
}

static int find_state(struct gunzip *g)
{
	ssize_t n = 1;

	while (n > 0 && g->z.avail_in < MAGIC_BYTES)
		n = fill(g);
	if (n < 0)
		return -1;
	g->state = starts_stream(g) ? STATE_GZIP : STATE_PLAIN;
	if (g->state == STATE_PLAIN)
		return 0;
	if (inflateInit2(&g->z, GZIP_HEADER)) {
		errno = ENOMEM;
		return -1;
	}
	g->has_inflate = true;
	g->within = true;
	return 0;
}

static ssize_t read_plain(struct gunzip *g, void *out, size_t size)
{
	size_t n = g->z.avail_in < size ? g->z.avail_in : size;

	if (!n)
		return read_fd(g, out, size);
	memcpy(out, g->z.next_in, n);
	g->z.next_in += n;
	g->z.avail_in -= (uInt)n;
	return (ssize_t)n;
}

static void end(struct gunzip *g, const char *damage)
{
	g->state = STATE_END;
	g->damage = damage;
}

/* Behind a stream stands another one, or nothing that matters. */
static int next_stream(struct gunzip *g)
{
	ssize_t n = 1;

	while (n > 0 && g->z.avail_in < MAGIC_BYTES)
		n = fill(g);
	if (n < 0)
		return -1;
	g->within = starts_stream(g);
	if (!g->within)
		end(g, NULL);
	return 0;
}

static int more(struct gunzip *g)
{
	int r;

	if (!g->within)
		return next_stream(g);
	if (!g->z.avail_in) {
		ssize_t n = fill(g);

		if (n <= 0) {
			if (!n)
				end(g, "the compressed data are cut short");
			return (int)n;
		}
	}
	r = inflate(&g->z, Z_SYNC_FLUSH);
	if (r == Z_STREAM_END) {
		inflateReset(&g->z);
		g->within = false;
	} else if (r != Z_OK && r != Z_BUF_ERROR) {
		end(g, g->z.msg ?: "the compressed data are damaged");
	}
	return 0;
}

static ssize_t read_gzip(struct gunzip *g, void *out, size_t size)
{
	g->z.next_out = out;
	g->z.avail_out = (uInt)size;
	while (g->state == STATE_GZIP && g->z.avail_out == size)
		if (more(g))
			return -1;
	return (ssize_t)(size - g->z.avail_out);
}

ssize_t gunzip_read(struct gunzip *g, void *out, size_t size)
{
	if (g->state == STATE_UNKNOWN && find_state(g))
		return -1;
	return g->state == STATE_PLAIN ? read_plain(g, out, size) : read_gzip(g, out, size);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "sink/out.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_SIZE (1024 * 1024)

int out_init(struct out *o, int fd, bool line_buffered)
{
	*o = (struct out){ .fd = fd, .line_buffered = line_buffered };
	o->mem = malloc(OUT_SIZE);
	if (!o->mem)
		return -ENOMEM;
	strbuf_init(&o->buf, o->mem, OUT_SIZE);
	return 0;
}

void out_fini(struct out *o)
{
	free(o->mem);
	o->mem = NULL;
}

/* Whoever gave us the descriptor may have made it non-blocking. */
static void wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	poll(&p, 1, -1);
}

void out_flush(struct out *o)
{
	size_t done = 0;

	while (done < o->buf.len && !o->error) {
		ssize_t n = write(o->fd, o->buf.s + done, o->buf.len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			wait_writable(o->fd);
		else if (n < 0 && errno != EINTR)
			o->error = -errno;
	}
	strbuf_reset(&o->buf);
}

struct strbuf *out_reserve(struct out *o, size_t n)
{
	if (o->buf.len + n >= OUT_SIZE)
		out_flush(o);
	return &o->buf;
}

void out_line_end(struct out *o)
{
	if (o->line_buffered || o->buf.len >= OUT_SIZE / 2)
		out_flush(o);
}

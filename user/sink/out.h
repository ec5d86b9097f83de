/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_OUT_H
#define NSWATCH_SINK_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "util/strbuf.h"

/*
 * Standard output: lines gathered and written in large pieces. A sink appends
 * to `buf` after out_reserve(); the first write error is kept and ends all
 * further output.
 */
struct out {
	int fd;		    /* borrowed */
	bool line_buffered; /* out_line_end() writes at once */
	int error;	    /* 0 or -errno of the first failed write */
	struct strbuf buf;
	char *mem;
};

int out_init(struct out *o, int fd, bool line_buffered);
void out_fini(struct out *o);

/* Makes room for n more bytes, at most half the buffer (512 KiB). */
struct strbuf *out_reserve(struct out *o, size_t n);
/* A line is complete. */
void out_line_end(struct out *o);
void out_flush(struct out *o);

#endif

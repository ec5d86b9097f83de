/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_BOOKS_H
#define NSWATCH_SINK_BOOKS_H

#include <stdbool.h>
#include <stddef.h>

#include "packet.h"
#include "util/strbuf.h"

/*
 * What became of the packets, in total and by interface:
 *
 *     matched = captured + ring full + load failed
 *     captured = not matching + host's end + after the end [+ written + lost in writing]
 *
 * of which the last two exist if there is an output file, and without one the
 * rest of the captured ones was shown. See struct tap_stats. Pure.
 */
struct books_row {
	const struct tap *tap; /* of several attachments to one interface, the first */
	bool is_aside;	       /* of the side that is evidence, not output */
	struct tap_stats s;
};

struct books {
	struct tap_stats total;
	const struct books_row *rows; /* borrowed */
	size_t nr;
	bool has_file;
};

/* The total in one line, without a newline. */
void books_text_total(struct strbuf *out, const struct books *b);

/*
 * A table of the interfaces, its lines in order: false once there is no further
 * one. Interfaces without traffic are left out and, if there are many, those
 * that lost nothing. `line` starts at 0. Names are the untrusted bytes they are.
 */
bool books_text_line(struct strbuf *out, const struct books *b, size_t line);

/* Whether the table says more than the total: several interfaces had traffic, not
 * counting those that are aside, or something was lost. */
bool books_has_table(const struct books *b);

/* One JSON line; 512 KiB hold it. */
void books_json(struct strbuf *out, const struct books *b, bool is_final);

#endif

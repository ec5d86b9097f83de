/* SPDX-License-Identifier: GPL-2.0-only */
/* One line of text per packet, byte for byte that of `tshark -n`. */
#ifndef NSWATCH_SINK_TEXT_H
#define NSWATCH_SINK_TEXT_H

#include <stdbool.h>

#include "decode/frame.h"
#include "options.h"
#include "packet.h"
#include "util/strbuf.h"

struct text_options {
	enum time_format time_format;
	bool show_tap; /* a first column "php/eth0" */
	bool color;
};

struct text;

/* NULL when out of memory. */
struct text *text_new(const struct text_options *o);
void text_free(struct text *t);

/*
 * Appends the line of one packet, without newline. f is decode_frame()'s result
 * for it. Packets are to come in the order of their numbers: what tshark says
 * of a TCP segment depends on those before it. No allocation in the common path.
 */
void text_line(struct text *t, const struct packet *p, const struct frame *f, struct strbuf *out);

/* The last two columns alone, and whose flow they are about: of a fragment that completes its
 * datagram, the datagram's. Until the next call; to be used for each packet, or not at all. */
struct text_columns {
	const char *protocol, *info;
	struct flow flow;
};

struct text_columns text_columns(struct text *t, const struct packet *p, const struct frame *f);

#endif

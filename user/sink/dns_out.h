/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the --dns text: a line being written, with colours, columns and
 * wrapping.
 */
#ifndef NSWATCH_SINK_DNS_OUT_H
#define NSWATCH_SINK_DNS_OUT_H

#include <stddef.h>

#include "packet.h"
#include "sink/dns_text.h"
#include "util/strbuf.h"

enum color { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, CYAN, BOLD_RED, BOLD_YELLOW };

/* A line being written: knows its column, which bytes alone do not tell. */
struct dns_out {
	struct strbuf *b;
	const struct dns_text_style *style;
	unsigned int col;
};

/* One that knows its length; safe for a terminal. */
struct dns_word {
	const char *s; /* NUL-terminated, borrowed */
	size_t len;
	unsigned int cols; /* that it takes */
};

/* ASCII, as all is but our own signs. */
static inline struct dns_word dns_word(const char *s, size_t len)
{
	return (struct dns_word){ .s = s, .len = len, .cols = (unsigned int)len };
}

static inline struct dns_word dns_word_of(const struct strbuf *b)
{
	return dns_word(b->s, b->len);
}

void dns_out_word(struct dns_out *o, const struct dns_word *word, enum color color);
void dns_out_put(struct dns_out *o, const char *s, enum color color);
/* A sign, of one column, with its ASCII stand-in. */
void dns_out_sign(struct dns_out *o, const char *utf8, const char *ascii, enum color color);
/* Blanks up to the column, if it is not reached yet. */
void dns_out_pad(struct dns_out *o, unsigned int to);
/* Up to the column, and a blank at least. */
void dns_out_column(struct dns_out *o, unsigned int to);
void dns_out_newline(struct dns_out *o);
/* On to the next line, which begins at the column. */
void dns_out_break(struct dns_out *o, unsigned int indent);
/* Prose, wrapped at blanks, its further lines indented; the cursor stands where it begins. */
void dns_out_wrap(struct dns_out *o, const char *s, unsigned int indent, enum color color);
/* "COMM(PID)"; COMM is cut to make it fit into max columns, 0: never. */
void dns_out_owner(struct dns_out *o, const struct owner *owner, unsigned int max);

/* The columns that a string of ASCII and our own signs takes. */
unsigned int dns_out_columns(const char *s);

/* Room for the mark in a string that dns_out_shorten() may get. */
#define MARK_ROOM 4

/* Takes out the middle of an ASCII string, so that it is of `max` columns. */
void dns_out_shorten(char *s, unsigned int max, const struct dns_text_style *style);
/* The same of a word, which from then on stands in room. */
void dns_out_shorten_word(struct dns_word *word, char *room, unsigned int max,
			  const struct dns_text_style *style);
/* An ASCII string, as long as it is: what it is copied into has room for the longest. */
void dns_out_copy(char *to, const char *from);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rows of a label and a text, drawn as the branches of a tree and wrapped at the
 * width of the terminal. The text may hold the marks below; everything else in it
 * must be safe for a terminal.
 */
#ifndef NSWATCH_LIST_VIEW_H
#define NSWATCH_LIST_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "util/strbuf.h"

#define VIEW_JOIN "\001" /* a blank at which no line is broken */
#define VIEW_BOLD "\002b"
#define VIEW_DIM  "\002d"
#define VIEW_GOOD "\002g"
#define VIEW_BAD  "\002r"
#define VIEW_WARN "\002y"
#define VIEW_NAME "\002c" /* a name or an address to look at */
#define VIEW_END  "\003"  /* of any of these */

#define VIEW_TEXT_LEN  4096
#define VIEW_LABEL_LEN 80

struct view_style {
	bool utf8, color;
	unsigned int width; /* columns; 0: lines are not wrapped */
};

/* What stdout takes: the terminal's width, the locale's signs; color is enum color_choice. */
struct view_style view_style_of(unsigned int color);

struct view_row {
	char label[VIEW_LABEL_LEN];
	char text[VIEW_TEXT_LEN];
	char more[VIEW_TEXT_LEN];	  /* begins another line; may be empty */
	unsigned int indent, more_indent; /* of continuation lines, from the start of the text on */
};

/* Columns that a text takes: marks take none. */
unsigned int view_columns(const char *text);

/* A line of its own, wrapped with an indent of two. */
void view_title(const struct view_style *s, const char *text);
/* label_width: of the label's column, the same for all rows that are to be aligned. */
void view_row(const struct view_style *s, const struct view_row *row, unsigned int label_width,
	      bool last);

/* 1234, 12k, 3.4M: five columns at most. */
void view_count(struct strbuf *b, unsigned long long n);

#endif

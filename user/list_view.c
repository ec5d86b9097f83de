// SPDX-License-Identifier: GPL-2.0-only
#include "list_view.h"

#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "options.h"
#include "util/cleanup.h"

static const struct {
	char mark;
	const char *sgr;
} colors[] = {
	{ 'b', "\033[1m" },  { 'd', "\033[2m" },  { 'g', "\033[32m" },
	{ 'r', "\033[31m" }, { 'y', "\033[33m" }, { 'c', "\033[36m" },
};

struct view_style view_style_of(unsigned int color)
{
	struct winsize ws = { 0 };
	bool terminal = ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0;

	return (struct view_style){
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.color = color == COLOR_ALWAYS || (color == COLOR_AUTO && terminal),
		.width = terminal && !ws.ws_col ? 80 : ws.ws_col,
	};
}

static bool is_mark(const char *s)
{
	return *s == VIEW_BOLD[0] && s[1];
}

/* Of the first len bytes. */
static unsigned int columns(const char *s, size_t len)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < len && s[i]; i++) {
		if (is_mark(s + i))
			i++;
		else if (s[i] != VIEW_END[0])
			n += ((unsigned char)s[i] & 0xc0) != 0x80;
	}
	return n;
}

unsigned int view_columns(const char *text)
{
	return columns(text, strlen(text));
}

static void print_mark(const struct view_style *s, char mark)
{
	size_t i;

	for (i = 0; s->color && i < ARRAY_SIZE(colors); i++)
		if (colors[i].mark == mark)
			fputs(colors[i].sgr, stdout);
}

static void print_marked(const struct view_style *s, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (is_mark(text + i))
			print_mark(s, text[++i]);
		else if (text[i] == VIEW_END[0])
			fputs(s->color ? "\033[0m" : "", stdout);
		else
			putchar(text[i] == VIEW_JOIN[0] ? ' ' : text[i]);
	}
}

/* The bytes that take up to room columns. */
static size_t cut_at(const char *text, unsigned int room)
{
	size_t n = 0;

	while (text[n] && columns(text, n + 1) <= room)
		n += is_mark(text + n) ? 2 : 1;
	while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
		n++;
	return n ? n : strlen(text);
}

/* The bytes of the next line: up to room columns, broken at a blank if there is one. */
static size_t line_len(const char *text, unsigned int room)
{
	size_t best = 0, n;

	for (n = 0;; n++) {
		if (text[n] && text[n] != ' ')
			continue;
		if (columns(text, n) > room)
			return best ? best : cut_at(text, room);
		best = n;
		if (!text[n])
			return best;
	}
}

/* Lines from the cursor at column `at` on; margin_columns is what margin takes at the start of
 * each further one. */
static void print_wrapped(const struct view_style *s, const char *text, unsigned int at,
			  const char *margin, unsigned int margin_columns)
{
	size_t len;

	for (;;) {
		len = line_len(text, s->width > at + 8 ? s->width - at : 8);
		if (!s->width)
			len = strlen(text);
		print_marked(s, text, len);
		putchar('\n');
		text += len;
		while (*text == ' ')
			text++;
		if (!*text)
			return;
		print_marked(s, margin, strlen(margin));
		at = margin_columns;
	}
}

void view_title(const struct view_style *s, const char *text)
{
	print_wrapped(s, text, 0, "  ", 2);
}

/* The line down to the next branch, and blanks. */
static void make_margin(const struct view_style *s, char *mem, size_t size, bool last,
			unsigned int width)
{
	struct strbuf b;

	strbuf_init(&b, mem, size);
	strbuf_printf(&b, VIEW_DIM "%s" VIEW_END "%*s",
		      last	? " "
		      : s->utf8 ? "│"
				: "|",
		      (int)width - 1, "");
}

void view_row(const struct view_style *s, const struct view_row *row, unsigned int label_width,
	      bool last)
{
	unsigned int label = view_columns(row->label), start = label_width + 4;
	char margin[256];

	print_mark(s, 'd');
	fputs(s->utf8 ? (last ? "└─ " : "├─ ") : (last ? "`- " : "|- "), stdout);
	fputs(s->color ? "\033[0m" : "", stdout);
	if (label < label_width)
		label = label_width;
	print_marked(s, row->label, strlen(row->label));
	printf("%*s", (int)(label - view_columns(row->label) + (row->text[0] ? 1 : 0)), "");
	make_margin(s, margin, sizeof(margin), last, start + row->indent);
	print_wrapped(s, row->text, label + 4, margin, start + row->indent);
	if (!row->more[0])
		return;
	make_margin(s, margin, sizeof(margin), last, start + row->more_indent);
	print_marked(s, margin, strlen(margin));
	print_wrapped(s, row->more, start + row->more_indent, margin, start + row->more_indent);
}

void view_count(struct strbuf *b, unsigned long long n)
{
	static const char units[] = "kMGTPE";
	double v = (double)n;
	size_t i = 0;

	if (n < 10000) {
		strbuf_printf(b, "%llu", n);
		return;
	}
	for (v /= 1000; v >= 999.5 && i + 2 < sizeof(units); i++)
		v /= 1000;
	strbuf_printf(b, v < 9.95 ? "%.1f%c" : "%.0f%c", v, units[i]);
}

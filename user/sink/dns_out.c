// SPDX-License-Identifier: GPL-2.0-only
#include "sink/dns_out.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Prose wider than this is hard to read. */
#define PROSE_WIDTH 100

static const char *const sgr[] = {
	[PLAIN] = "",	     [BOLD] = "\033[1m",	[DIM] = "\033[2m",
	[RED] = "\033[31m",  [GREEN] = "\033[32m",	[YELLOW] = "\033[33m",
	[CYAN] = "\033[36m", [BOLD_RED] = "\033[1;31m", [BOLD_YELLOW] = "\033[1;33m",
};

/* What is printed is ASCII, but for our own signs: each is one column. */
static unsigned int columns_of(const char *s, size_t len)
{
	const uint64_t ones = 0x0101010101010101ULL;
	size_t i, more = 0;
	uint64_t v;

	/* Bytes that go on with a character begin with the bits 10. */
	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&v, s + i, 8);
		v = v >> 7 & ~v >> 6 & ones;
		more += v * ones >> 56;
	}
	for (; i < len; i++)
		more += ((unsigned char)s[i] & 0xc0) == 0x80;
	return (unsigned int)(len - more);
}

unsigned int dns_out_columns(const char *s)
{
	return columns_of(s, strlen(s));
}

void dns_out_word(struct dns_out *o, const struct dns_word *word, enum color color)
{
	bool colored = o->style->color && color != PLAIN && word->len;

	if (colored)
		strbuf_puts(o->b, sgr[color]);
	strbuf_put(o->b, word->s, word->len);
	if (colored)
		strbuf_puts(o->b, "\033[0m");
	o->col += word->cols;
}

static struct dns_word measured(const char *s)
{
	size_t len = strlen(s);

	return (struct dns_word){ .s = s, .len = len, .cols = columns_of(s, len) };
}

void dns_out_put(struct dns_out *o, const char *s, enum color color)
{
	struct dns_word word = measured(s);

	dns_out_word(o, &word, color);
}

void dns_out_sign(struct dns_out *o, const char *utf8, const char *ascii, enum color color)
{
	struct dns_word sign = { .s = utf8, .len = strlen(utf8), .cols = 1 };

	if (!o->style->utf8)
		sign = dns_word(ascii, strlen(ascii));
	dns_out_word(o, &sign, color);
}

static void put_blanks(struct dns_out *o, unsigned int n)
{
	static const char blanks[] = "                                ";

	o->col += n;
	for (; n > sizeof(blanks) - 1; n -= sizeof(blanks) - 1)
		strbuf_put(o->b, blanks, sizeof(blanks) - 1);
	strbuf_put(o->b, blanks, n);
}

void dns_out_pad(struct dns_out *o, unsigned int to)
{
	if (o->col < to)
		put_blanks(o, to - o->col);
}

void dns_out_column(struct dns_out *o, unsigned int to)
{
	put_blanks(o, o->col < to ? to - o->col : 1);
}

void dns_out_newline(struct dns_out *o)
{
	strbuf_putc(o->b, '\n');
	o->col = 0;
}

void dns_out_break(struct dns_out *o, unsigned int indent)
{
	dns_out_newline(o);
	dns_out_pad(o, indent);
}

static unsigned int prose_width(const struct dns_text_style *style)
{
	if (!style->width)
		return 0;
	if (style->width > PROSE_WIDTH)
		return PROSE_WIDTH;
	return style->width < 40 ? 40 : style->width;
}

void dns_out_wrap(struct dns_out *o, const char *s, unsigned int indent, enum color color)
{
	unsigned int width = prose_width(o->style);
	bool first = true;

	while (*s) {
		size_t n = strcspn(s, " ");
		char word[1024];

		if (n >= sizeof(word))
			n = sizeof(word) - 1;
		memcpy(word, s, n);
		word[n] = '\0';
		if (!first && width && o->col + 1 + n > width) {
			dns_out_newline(o);
			dns_out_pad(o, indent);
		} else if (!first) {
			dns_out_put(o, " ", PLAIN);
		}
		dns_out_put(o, word, color);
		first = false;
		s += n;
		s += *s == ' ';
	}
	dns_out_newline(o);
}

void dns_out_shorten(char *s, unsigned int max, const struct dns_text_style *style)
{
	const char *mark = style->utf8 ? "\u2026" : "..";
	size_t len = strlen(s), marks = dns_out_columns(mark), bytes = strlen(mark), head, tail;

	if (len <= max || max < 2 * marks + 2)
		return;
	head = (max - marks) / 2;
	tail = max - marks - head;
	memmove(s + head + bytes, s + len - tail, tail + 1);
	while (*mark)
		s[head++] = *mark++;
}

void dns_out_shorten_word(struct dns_word *word, char *room, unsigned int max,
			  const struct dns_text_style *style)
{
	if (word->s != room)
		memcpy(room, word->s, word->len + 1);
	dns_out_shorten(room, max, style);
	*word = measured(room);
}

void dns_out_copy(char *to, const char *from)
{
	memcpy(to, from, strlen(from) + 1);
}

void dns_out_owner(struct dns_out *o, const struct owner *owner, unsigned int max)
{
	char comm_text[64 + MARK_ROOM], pid_text[16];
	struct dns_word comm, pid;
	struct strbuf b;

	if (!owner->pid) {
		dns_out_put(o, "-", DIM);
		return;
	}
	strbuf_init(&b, pid_text, sizeof(pid_text));
	strbuf_putc(&b, '(');
	strbuf_u64(&b, owner->pid);
	strbuf_putc(&b, ')');
	pid = dns_word_of(&b);
	strbuf_init(&b, comm_text, sizeof(comm_text) - MARK_ROOM);
	strbuf_escape(&b, owner->comm, strlen(owner->comm));
	comm = dns_word_of(&b);
	if (max)
		dns_out_shorten_word(&comm, comm_text, max - pid.cols, o->style);
	dns_out_word(o, &comm, PLAIN);
	dns_out_word(o, &pid, PLAIN);
}

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_STRBUF_H
#define NSWATCH_UTIL_STRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A bounded string over memory that the caller owns. What does not fit is cut
 * and remembered in `cut`; the text is NUL-terminated at every moment (size 0
 * is not allowed). Never allocates.
 */
struct strbuf {
	char *s;
	size_t len;  /* without the NUL */
	size_t size; /* of the memory, with the NUL */
	bool cut;
};

static inline void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->cut = false;
	b->s[0] = '\0';
}

static inline void strbuf_init(struct strbuf *b, char *mem, size_t size)
{
	b->s = mem;
	b->size = size;
	strbuf_reset(b);
}

/* Cuts at the end of the memory. */
void strbuf_put_cut(struct strbuf *b, const char *s, size_t len);

/* These are the bulk of what a line costs: in line, so that a constant's length is known. */
static inline void strbuf_put(struct strbuf *b, const char *s, size_t len)
{
	if (len >= b->size - b->len) {
		strbuf_put_cut(b, s, len);
		return;
	}
	memcpy(b->s + b->len, s, len);
	b->len += len;
	b->s[b->len] = '\0';
}

/*
 * Where to make a text of at most max bytes: at the end of *b if so many fit, else in mem, which
 * has room for them. strbuf_end() appends what stands there up to `end`, cut if need be.
 */
static inline char *strbuf_begin(struct strbuf *b, char *mem, size_t max)
{
	return max < b->size - b->len ? b->s + b->len : mem;
}

static inline void strbuf_end(struct strbuf *b, const char *text, const char *end)
{
	size_t len = (size_t)(end - text);

	if (text != b->s + b->len) {
		strbuf_put_cut(b, text, len);
		return;
	}
	b->len += len;
	b->s[b->len] = '\0';
}

static inline void strbuf_puts(struct strbuf *b, const char *s)
{
	strbuf_put(b, s, strlen(s));
}

static inline void strbuf_putc(struct strbuf *b, char c)
{
	strbuf_put(b, &c, 1);
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Decimal, without printf's cost: for lines printed per packet. */
void strbuf_u64(struct strbuf *b, uint64_t v);
/* v < 10^digits, with leading zeros; at most 10 digits. */
void strbuf_digits(struct strbuf *b, uint32_t v, unsigned int digits);
/* A time in ns since the epoch: RFC 3339 with nanoseconds, UTC. */
void strbuf_rfc3339(struct strbuf *b, int64_t ns);
/* Exactly `digits` lower-case hex digits, zero-padded. */
void strbuf_hex(struct strbuf *b, uint64_t v, unsigned int digits);

/*
 * Untrusted bytes for a terminal: printable ASCII as is, backslash doubled,
 * \t \n \r by letter, anything else as \xHH. Never emits a control byte.
 */
void strbuf_escape(struct strbuf *b, const void *bytes, size_t len);

/* A JSON string with its quotes. Valid UTF-8 passes; other bytes become the
 * code point of the same number (\u00HH), so that the output is valid JSON. */
void strbuf_json(struct strbuf *b, const void *bytes, size_t len);

#endif

// SPDX-License-Identifier: GPL-2.0-only
#include "util/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char hexdigits[] = "0123456789abcdef";

void strbuf_init(struct strbuf *b, char *mem, size_t size)
{
	b->s = mem;
	b->size = size;
	strbuf_reset(b);
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->cut = false;
	b->s[0] = '\0';
}

void strbuf_put(struct strbuf *b, const char *s, size_t len)
{
	size_t room = b->size - 1 - b->len;

	if (len > room) {
		len = room;
		b->cut = true;
	}
	memcpy(b->s + b->len, s, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void strbuf_putc(struct strbuf *b, char c)
{
	strbuf_put(b, &c, 1);
}

void strbuf_puts(struct strbuf *b, const char *s)
{
	strbuf_put(b, s, strlen(s));
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
	size_t room = b->size - b->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(b->s + b->len, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= room) {
		b->cut = true;
		n = (int)room - 1;
	}
	b->len += n;
}

void strbuf_u64(struct strbuf *b, uint64_t v)
{
	char tmp[20];
	size_t i = sizeof(tmp);

	do {
		tmp[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	strbuf_put(b, tmp + i, sizeof(tmp) - i);
}

void strbuf_hex(struct strbuf *b, uint64_t v, unsigned int digits)
{
	char tmp[16];
	unsigned int i;

	if (digits > sizeof(tmp))
		digits = sizeof(tmp);
	for (i = digits; i > 0; i--) {
		tmp[i - 1] = hexdigits[v & 0xf];
		v >>= 4;
	}
	strbuf_put(b, tmp, digits);
}

void strbuf_escape(struct strbuf *b, const void *bytes, size_t len)
{
	static const char named[] = { ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r', ['\\'] = '\\' };
	const uint8_t *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		uint8_t c = p[i];

		if (c < sizeof(named) && named[c]) {
			strbuf_putc(b, '\\');
			strbuf_putc(b, named[c]);
		} else if (c >= 0x20 && c < 0x7f) {
			strbuf_putc(b, (char)c);
		} else {
			strbuf_puts(b, "\\x");
			strbuf_hex(b, c, 2);
		}
	}
}

/* Length of the valid UTF-8 sequence at p (Unicode 15, table 3-7), or 0. */
static size_t utf8_len(const uint8_t *p, size_t len)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n, i;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void strbuf_json(struct strbuf *b, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t i = 0, n;

	strbuf_putc(b, '"');
	while (i < len) {
		uint8_t c = p[i];

		if (c == '"' || c == '\\') {
			strbuf_putc(b, '\\');
			strbuf_putc(b, (char)c);
		} else if (c >= 0x20 && c < 0x7f) {
			strbuf_putc(b, (char)c);
		} else if ((n = utf8_len(p + i, len - i)) > 0) {
			strbuf_put(b, (const char *)p + i, n);
			i += n;
			continue;
		} else {
			strbuf_puts(b, "\\u00");
			strbuf_hex(b, c, 2);
		}
		i++;
	}
	strbuf_putc(b, '"');
}

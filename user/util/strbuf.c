// SPDX-License-Identifier: GPL-2.0-only
#include "util/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/digits.h"

void strbuf_put_cut(struct strbuf *b, const char *s, size_t len)
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
	char mem[DIGITS_U64], *text = strbuf_begin(b, mem, sizeof(mem));

	strbuf_end(b, text, digits_u64(text, v));
}

void strbuf_digits(struct strbuf *b, uint32_t v, unsigned int digits)
{
	char mem[10], *text = strbuf_begin(b, mem, sizeof(mem));

	strbuf_end(b, text, digits_last(text, v, digits));
}

void strbuf_hex(struct strbuf *b, uint64_t v, unsigned int digits)
{
	char mem[16], *text = strbuf_begin(b, mem, sizeof(mem));

	if (digits > sizeof(mem))
		digits = sizeof(mem);
	strbuf_end(b, text, digits_hex(text, v, digits));
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

void strbuf_rfc3339(struct strbuf *b, int64_t ns)
{
	int64_t sec = ns / 1000000000, rest = ns % 1000000000;
	struct tm tm;
	time_t t;

	if (rest < 0) {
		rest += 1000000000;
		sec--;
	}
	t = sec;
	if (!gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	strbuf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		      tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)rest);
}

/* How many of the bytes at p stand in a JSON string as they are. */
static size_t plain_run(const uint8_t *p, size_t len)
{
	size_t n;

	for (n = 0; n < len; n++)
		if (p[n] < 0x20 || p[n] >= 0x7f || p[n] == '"' || p[n] == '\\')
			break;
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
		} else if ((n = plain_run(p + i, len - i)) > 0) {
			strbuf_put(b, (const char *)p + i, n);
			i += n;
			continue;
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

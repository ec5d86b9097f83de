/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bounded cursor that every packet byte goes through. It knows two ends:
 * `caplen`, how many bytes were captured, and `len`, how many the packet has as
 * the layer below says (never less than caplen). A read behind caplen but
 * within len is *truncated* (the snapshot cut it off); a read behind len is
 * *malformed* (the packet says it holds more than it does). A failed read
 * returns zero, sets the flag and moves nothing; the flags stay set, so a
 * decoder may read a whole header and ask once.
 */
#ifndef NSWATCH_DECODE_CURSOR_H
#define NSWATCH_DECODE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *data; /* borrowed */
	uint32_t caplen;     /* bytes that may be read at data */
	uint32_t len;	     /* bytes that the packet has; >= caplen */
	uint32_t off;	     /* of the next byte; <= caplen */
	bool truncated;
	bool malformed;
};

/* len less than caplen cuts caplen: bytes behind the packet's end are padding. */
static inline struct cursor cursor_init(const uint8_t *data, uint32_t caplen, uint32_t len)
{
	return (struct cursor){ .data = data, .caplen = caplen < len ? caplen : len, .len = len };
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->truncated && !c->malformed;
}

/* Captured bytes from here on. */
static inline uint32_t cursor_left(const struct cursor *c)
{
	return c->caplen - c->off;
}

/* Bytes of the packet from here on, captured or not. */
static inline uint32_t cursor_reported(const struct cursor *c)
{
	return c->len - c->off;
}

/* True if n bytes can be read; else sets the flag that says why not. */
static inline bool cursor_need(struct cursor *c, uint32_t n)
{
	if (n <= cursor_left(c))
		return true;
	if (n <= cursor_reported(c))
		c->truncated = true;
	else
		c->malformed = true;
	return false;
}

/* The next n bytes, or NULL. Borrowed from the packet. */
static inline const uint8_t *cursor_bytes(struct cursor *c, uint32_t n)
{
	const uint8_t *p = c->data + c->off;

	if (!cursor_need(c, n))
		return NULL;
	c->off += n;
	return p;
}

static inline bool cursor_skip(struct cursor *c, uint32_t n)
{
	if (!cursor_need(c, n))
		return false;
	c->off += n;
	return true;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, 1);

	return p ? p[0] : 0;
}

static inline uint16_t cursor_be16(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t cursor_be32(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

#endif

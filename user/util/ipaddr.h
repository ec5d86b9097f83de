/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_IPADDR_H
#define NSWATCH_UTIL_IPADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct strbuf;

/* An IP address. All bytes behind an IPv4 address are zero, so that two of
 * them may be compared and hashed as memory. */
struct ipaddr {
	uint8_t family;	   /* 4, 6; 0 is none */
	uint8_t bytes[16]; /* network byte order */
};

/* Longest text: an IPv6 address with NUL. */
#define IPADDR_STRLEN 46

/* In place: to copy one that has just been put together, a processor waits for all its parts. */
static inline void ipaddr_set_v4(struct ipaddr *a, const void *bytes4)
{
	memset(a, 0, sizeof(*a));
	a->family = 4;
	memcpy(a->bytes, bytes4, 4);
}

static inline void ipaddr_set_v6(struct ipaddr *a, const void *bytes16)
{
	a->family = 6;
	memcpy(a->bytes, bytes16, 16);
}

static inline struct ipaddr ipaddr_v4(const void *bytes4)
{
	struct ipaddr a;

	ipaddr_set_v4(&a, bytes4);
	return a;
}

static inline struct ipaddr ipaddr_v6(const void *bytes16)
{
	struct ipaddr a;

	ipaddr_set_v6(&a, bytes16);
	return a;
}

/* Text to address (inet_pton(3) forms; no scope). Returns false if it is none. */
bool ipaddr_parse(const char *s, struct ipaddr *out);
/* RFC 5952 text, as inet_ntop(3) gives it. */
void ipaddr_format(const struct ipaddr *a, char out[IPADDR_STRLEN]);
/* The same to memory of that size, maybe without NUL; returns what is behind the text. */
char *ipaddr_text(char *to, const struct ipaddr *a);
void ipaddr_put(struct strbuf *b, const struct ipaddr *a);
void ipaddr_put_v4(struct strbuf *b, const uint8_t bytes[4]);
void ipaddr_put_v6(struct strbuf *b, const uint8_t bytes[16]);

static inline bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}
/* 127.0.0.0/8 (also IPv4-mapped) or ::1 */
bool ipaddr_is_loopback(const struct ipaddr *a);
/* 0.0.0.0 or :: */
bool ipaddr_is_any(const struct ipaddr *a);
/* ::ffff:a.b.c.d becomes a.b.c.d; anything else is returned as it is. */
struct ipaddr ipaddr_unmap(const struct ipaddr *a);

#endif

// SPDX-License-Identifier: GPL-2.0-only
#include "util/ipaddr.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/strbuf.h"

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

struct ipaddr ipaddr_v4(const void *bytes4)
{
	struct ipaddr a = { .family = 4 };

	memcpy(a.bytes, bytes4, 4);
	return a;
}

struct ipaddr ipaddr_v6(const void *bytes16)
{
	struct ipaddr a = { .family = 6 };

	memcpy(a.bytes, bytes16, 16);
	return a;
}

bool ipaddr_parse(const char *s, struct ipaddr *out)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, s, raw) == 1)
		*out = ipaddr_v4(raw);
	else if (inet_pton(AF_INET6, s, raw) == 1)
		*out = ipaddr_v6(raw);
	else
		return false;
	return true;
}

void ipaddr_format(const struct ipaddr *a, char out[IPADDR_STRLEN])
{
	int family = a->family == 4 ? AF_INET : AF_INET6;

	out[0] = '\0';
	if (a->family)
		inet_ntop(family, a->bytes, out, IPADDR_STRLEN);
}

static void put_v4(struct strbuf *b, const uint8_t *p)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (i)
			strbuf_putc(b, '.');
		strbuf_u64(b, p[i]);
	}
}

void ipaddr_put(struct strbuf *b, const struct ipaddr *a)
{
	char text[IPADDR_STRLEN];

	if (a->family == 4) {
		put_v4(b, a->bytes);
		return;
	}
	ipaddr_format(a, text);
	strbuf_puts(b, text);
}

bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

struct ipaddr ipaddr_unmap(const struct ipaddr *a)
{
	if (a->family == 6 && !memcmp(a->bytes, mapped_prefix, sizeof(mapped_prefix)))
		return ipaddr_v4(a->bytes + 12);
	return *a;
}

bool ipaddr_is_loopback(const struct ipaddr *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	struct ipaddr u = ipaddr_unmap(a);

	if (u.family == 4)
		return u.bytes[0] == 127;
	return u.family == 6 && !memcmp(u.bytes, one, sizeof(one));
}

bool ipaddr_is_any(const struct ipaddr *a)
{
	static const uint8_t zero[16];

	return a->family && !memcmp(a->bytes, zero, sizeof(zero));
}

// SPDX-License-Identifier: GPL-2.0-only
#include "util/ipaddr.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/digits.h"
#include "util/strbuf.h"

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

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

void ipaddr_put_v4(struct strbuf *b, const uint8_t bytes[4])
{
	char mem[DIGITS_IP4], *text = strbuf_begin(b, mem, sizeof(mem));

	strbuf_end(b, text, digits_ip4(text, bytes));
}

static void put_word(struct strbuf *b, uint16_t v)
{
	unsigned int digits = v >= 0x1000 ? 4 : v >= 0x100 ? 3 : v >= 0x10 ? 2 : 1;

	strbuf_hex(b, v, digits);
}

/* The longest run of two zero words or more, the first of equals: RFC 5952 4.2. */
static unsigned int zero_run(const uint16_t w[8], unsigned int *len)
{
	unsigned int i, from, best = 0;

	*len = 0;
	for (i = 0; i < 8; i++) {
		for (from = i; i < 8 && !w[i]; i++)
			;
		if (i - from >= 2 && i - from > *len) {
			best = from;
			*len = i - from;
		}
	}
	return best;
}

void ipaddr_put_v6(struct strbuf *b, const uint8_t bytes[16])
{
	unsigned int i, run, len;
	bool dotted;
	uint16_t w[8];

	for (i = 0; i < 8; i++)
		w[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
	run = zero_run(w, &len);
	/* IPv4-compatible and IPv4-mapped addresses end in dotted form. */
	dotted = len && run == 0 && (len == 6 || (len == 5 && w[5] == 0xffff));
	for (i = 0; i < 8; i++) {
		if (len && i == run) {
			strbuf_put(b, "::", i + len == 8 ? 2 : 1 + (i == 0));
			i += len - 1;
			if (i == 7)
				break;
			if (run)
				strbuf_putc(b, ':');
			continue;
		}
		if (dotted && i == 6) {
			ipaddr_put_v4(b, bytes + 12);
			break;
		}
		put_word(b, w[i]);
		if (i < 7 && !(len && i + 1 == run))
			strbuf_putc(b, ':');
	}
}

void ipaddr_put(struct strbuf *b, const struct ipaddr *a)
{
	if (a->family == 4)
		ipaddr_put_v4(b, a->bytes);
	else if (a->family)
		ipaddr_put_v6(b, a->bytes);
}

char *ipaddr_text(char *to, const struct ipaddr *a)
{
	struct strbuf b;

	if (a->family == 4)
		return digits_ip4(to, a->bytes);
	strbuf_init(&b, to, IPADDR_STRLEN);
	ipaddr_put(&b, a);
	return to + b.len;
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

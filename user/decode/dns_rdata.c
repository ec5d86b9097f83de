// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Record data is described by a small language, one letter a field, so that a type
 * is one line of a table and one interpreter is all there is to fuzz.
 */
#include "decode/dns.h"

#include <string.h>
#include <time.h>

#include "decode/cursor.h"
#include "util/cleanup.h"
#include "util/ipaddr.h"

static struct cursor msg_cursor(const struct dns_msg *m, uint32_t off)
{
	struct cursor c = cursor_init(m->data, m->caplen, m->len);

	cursor_skip(&c, off);
	return c;
}

/*
 * n name              1 2 4 6 decimal number of that many bytes
 * a IPv4   A IPv6     s quoted string   S strings to the end   k bare string
 * q rest, quoted      x rest in hex     X length, hex          b rest in base64
 * B length, base32hex t type            T type bitmap          d time, RFC 4034
 * p SvcParams         e EDNS options    v 16-bit length, base64
 * r error of TSIG     w ports of WKS    i 64 bits in groups    m bytes with dashes
 * u types of NXT      l LOC             o NSAP                 y A6
 * P APL               g IPSECKEY        h HIP                  z AMTRELAY
 * f ATMA              c type of CERT    j its algorithm        D rest in base64 or "-"
 */
static const struct rdata_format {
	uint16_t type;
	const char *format;
} rdata_formats[] = {
	{ 1, "a" },	     { 2, "n" },       { 3, "n" },	    { 4, "n" },
	{ 5, "n" },	     { 6, "nn44444" }, { 7, "n" },	    { 8, "n" },
	{ 9, "n" },	     { 11, "aw" },     { 12, "n" },	    { 13, "ss" },
	{ 14, "nn" },	     { 15, "2n" },     { 16, "S" },	    { 17, "nn" },
	{ 18, "2n" },	     { 19, "s" },      { 20, "S" },	    { 21, "2n" },
	{ 22, "o" },	     { 23, "n" },      { 24, "t114dd2nb" }, { 25, "211b" },
	{ 26, "2nn" },	     { 27, "sss" },    { 28, "A" },	    { 29, "l" },
	{ 30, "nu" },	     { 31, "x" },      { 32, "x" },	    { 33, "222n" },
	{ 34, "f" },	     { 35, "22sssn" }, { 36, "2n" },	    { 37, "c2jb" },
	{ 38, "y" },	     { 39, "n" },      { 40, "111b" },	    { 41, "e" },
	{ 42, "P" },	     { 43, "211x" },   { 44, "11x" },	    { 45, "g" },
	{ 46, "t114dd2nb" }, { 47, "nT" },     { 48, "211b" },	    { 49, "b" },
	{ 50, "112XBT" },    { 51, "112X" },   { 52, "111x" },	    { 53, "111x" },
	{ 55, "h" },	     { 56, "S" },      { 57, "211b" },	    { 58, "nn" },
	{ 59, "211x" },	     { 60, "211b" },   { 61, "b" },	    { 62, "42T" },
	{ 63, "411x" },	     { 64, "2np" },    { 65, "2np" },	    { 99, "S" },
	{ 104, "2i" },	     { 105, "2a" },    { 106, "2i" },	    { 107, "2n" },
	{ 108, "m" },	     { 109, "m" },     { 249, "n442rvv" },  { 250, "n62v2rv" },
	{ 256, "22q" },	     { 257, "1kq" },   { 258, "S" },	    { 259, "441sD" },
	{ 260, "z" },	     { 261, "S" },     { 262, "S" },	    { 32768, "211x" },
	{ 32769, "211x" },
};

struct rdata {
	struct strbuf *b;
	const struct dns_msg *msg;
	struct cursor c; /* over the whole message, for names; ends with the data */
};

static uint32_t rdata_left(const struct rdata *r)
{
	return cursor_left(&r->c);
}

static void put_quoted(struct strbuf *b, const uint8_t *p, uint32_t len)
{
	uint32_t i, n;

	for (i = 0; i < len; i += n) {
		for (n = 0; i + n < len && p[i + n] >= 0x20 && p[i + n] < 0x7f; n++)
			if (p[i + n] == '"' || p[i + n] == '\\')
				break;
		strbuf_put(b, (const char *)p + i, n);
		/* A blank needs no escape between quotes: none comes here. */
		if (i + n < len)
			dns_escape_put(b, p[i + n++]);
	}
}

/* In capitals, as dig has it. */
static void put_hex(struct strbuf *b, const uint8_t *p, uint32_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	uint32_t i;

	for (i = 0; i < len; i++) {
		const char two[2] = { digits[p[i] >> 4], digits[p[i] & 15] };

		strbuf_put(b, two, 2);
	}
}

/* Groups of `bits` bits as letters of the alphabet, most significant first. */
static void put_base(struct strbuf *b, const uint8_t *p, uint32_t len, unsigned int bits,
		     const char *alphabet)
{
	unsigned int have = 0;
	uint32_t acc = 0, i;

	for (i = 0; i < len; i++) {
		acc = acc << 8 | p[i];
		for (have += 8; have >= bits; have -= bits)
			strbuf_putc(b, alphabet[acc >> (have - bits) & ((1U << bits) - 1)]);
	}
	if (have)
		strbuf_putc(b, alphabet[acc << (bits - have) & ((1U << bits) - 1)]);
}

static void put_base64(struct strbuf *b, const uint8_t *p, uint32_t len)
{
	put_base(b, p, len, 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	for (; len % 3; len++)
		strbuf_putc(b, '=');
}

static void put_name(struct rdata *r)
{
	uint32_t end = 0;

	switch (dns_name_put(r->b, r->msg, r->c.off, &end)) {
	case DNS_OK: cursor_skip(&r->c, end - r->c.off); break;
	case DNS_TRUNCATED: r->c.truncated = true; break;
	case DNS_MALFORMED: r->c.malformed = true; break;
	}
}

static void put_string(struct rdata *r, bool quote)
{
	uint8_t len = cursor_u8(&r->c);
	const uint8_t *p = cursor_bytes(&r->c, len);

	if (!cursor_ok(&r->c))
		return;
	if (quote)
		strbuf_putc(r->b, '"');
	put_quoted(r->b, p, len);
	if (quote)
		strbuf_putc(r->b, '"');
}

static void put_strings(struct rdata *r)
{
	do {
		put_string(r, true);
		if (!cursor_ok(&r->c) || !rdata_left(r))
			return;
		strbuf_putc(r->b, ' ');
	} while (true);
}

static void put_rest(struct rdata *r, char how)
{
	uint32_t len = rdata_left(r);
	const uint8_t *p = cursor_bytes(&r->c, len);

	switch (how) {
	case 'x': put_hex(r->b, p, len); break;
	case 'b': put_base64(r->b, p, len); break;
	case 'D':
		if (len)
			put_base64(r->b, p, len);
		else
			strbuf_putc(r->b, '-');
		break;
	default:
		strbuf_putc(r->b, '"');
		put_quoted(r->b, p, len);
		strbuf_putc(r->b, '"');
	}
}

static void put_counted(struct rdata *r, char how)
{
	uint8_t len = cursor_u8(&r->c);
	const uint8_t *p = cursor_bytes(&r->c, len);

	if (!cursor_ok(&r->c))
		return;
	if (how == 'B')
		put_base(r->b, p, len, 5, "0123456789ABCDEFGHIJKLMNOPQRSTUV");
	else if (len)
		put_hex(r->b, p, len);
	else
		strbuf_putc(r->b, '-');
}

static void put_time(struct rdata *r)
{
	time_t t = cursor_be32(&r->c);
	struct tm tm;

	if (!cursor_ok(&r->c) || !gmtime_r(&t, &tm))
		return;
	strbuf_printf(r->b, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		      tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* RFC 4034 4.1.2 */
static void put_bitmap(struct rdata *r)
{
	bool first = true;

	while (rdata_left(r)) {
		uint8_t block = cursor_u8(&r->c), len = cursor_u8(&r->c);
		const uint8_t *p = cursor_bytes(&r->c, len);
		unsigned int bit;

		if (!cursor_ok(&r->c))
			return;
		for (bit = 0; bit < len * 8U; bit++) {
			if (!(p[bit / 8] & 0x80 >> bit % 8))
				continue;
			if (!first)
				strbuf_putc(r->b, ' ');
			first = false;
			dns_type_put(r->b, (uint16_t)(block << 8 | bit));
		}
	}
}

static const char *const svcparam_names[] = {
	"mandatory", "alpn",	 "no-default-alpn", "port",  "ipv4hint",
	"ech",	     "ipv6hint", "dohpath",	    "ohttp",
};

static void put_svckey(struct strbuf *b, uint16_t key)
{
	if (key < ARRAY_SIZE(svcparam_names))
		strbuf_puts(b, svcparam_names[key]);
	else
		strbuf_printf(b, "key%u", key);
}

static void put_svc_list(struct rdata *v, uint16_t key)
{
	bool first = true;

	while (rdata_left(v) && cursor_ok(&v->c)) {
		uint32_t n = key == 0 ? 2 : key == 4 ? 4 : key == 6 ? 16 : cursor_u8(&v->c);
		const uint8_t *p = cursor_bytes(&v->c, n);
		struct ipaddr a;

		if (!p)
			return;
		if (!first)
			strbuf_putc(v->b, ',');
		first = false;
		if (key == 0) {
			put_svckey(v->b, (uint16_t)(p[0] << 8 | p[1]));
		} else if (key == 1) {
			put_quoted(v->b, p, n);
		} else {
			a = n == 4 ? ipaddr_v4(p) : ipaddr_v6(p);
			ipaddr_put(v->b, &a);
		}
	}
}

/* RFC 9460 2.1 and appendix A, the value of one parameter. */
static void put_svcvalue(struct rdata *v, uint16_t key)
{
	if (!rdata_left(v))
		return;
	strbuf_putc(v->b, '=');
	if (key == 3 && rdata_left(v) == 2) {
		strbuf_u64(v->b, cursor_be16(&v->c));
		return;
	}
	if (key == 5) {
		put_rest(v, 'b');
		return;
	}
	if (key == 0 || key == 4 || key == 6) {
		put_svc_list(v, key);
		return;
	}
	strbuf_putc(v->b, '"');
	if (key == 1)
		put_svc_list(v, key);
	else
		put_quoted(v->b, v->c.data + v->c.off, rdata_left(v));
	strbuf_putc(v->b, '"');
}

static void put_svcparams(struct rdata *r)
{
	bool first = true;

	while (rdata_left(r)) {
		uint16_t key = cursor_be16(&r->c), len = cursor_be16(&r->c);
		const uint8_t *p = cursor_bytes(&r->c, len);
		struct rdata v = { .b = r->b, .msg = r->msg };

		if (!cursor_ok(&r->c))
			return;
		if (!first)
			strbuf_putc(r->b, ' ');
		first = false;
		v.c = cursor_init(p, len, len);
		put_svckey(r->b, key);
		put_svcvalue(&v, key);
		r->c.malformed |= v.c.malformed;
	}
}

static const char *edns_option_name(uint16_t code)
{
	static const struct {
		uint16_t code;
		const char *name;
	} names[] = {
		{ 3, "NSID" },		{ 5, "DAU" },	 { 6, "DHU" },	    { 7, "N3U" },
		{ 8, "CLIENT-SUBNET" }, { 9, "EXPIRE" }, { 10, "COOKIE" },  { 11, "TCP-KEEPALIVE" },
		{ 12, "PAD" },		{ 13, "CHAIN" }, { 14, "KEY-TAG" }, { 15, "EDE" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].code == code)
			return names[i].name;
	return NULL;
}

static void put_edns_options(struct rdata *r)
{
	bool first = true;

	while (rdata_left(r)) {
		uint16_t code = cursor_be16(&r->c), len = cursor_be16(&r->c);
		const uint8_t *p = cursor_bytes(&r->c, len);
		const char *name = edns_option_name(code);

		if (!cursor_ok(&r->c))
			return;
		strbuf_puts(r->b, first ? "" : " ");
		first = false;
		if (name)
			strbuf_puts(r->b, name);
		else
			strbuf_printf(r->b, "OPT%u", code);
		if (!len)
			continue;
		strbuf_putc(r->b, '=');
		put_hex(r->b, p, len);
	}
}

static void put_number(struct rdata *r, char size)
{
	uint64_t v = 0;
	int i;

	for (i = '0'; i < size; i++)
		v = v << 8 | cursor_u8(&r->c);
	strbuf_u64(r->b, v);
}

static void put_addr(struct rdata *r, uint32_t len)
{
	const uint8_t *p = cursor_bytes(&r->c, len);
	struct ipaddr a;

	if (!p)
		return;
	a = len == 4 ? ipaddr_v4(p) : ipaddr_v6(p);
	ipaddr_put(r->b, &a);
}

/* 16 bits of length, the data in base64 unless there is none. */
static void put_sized(struct rdata *r)
{
	uint16_t len = cursor_be16(&r->c);
	const uint8_t *p = cursor_bytes(&r->c, len);

	strbuf_u64(r->b, len);
	if (!p || !len)
		return;
	strbuf_putc(r->b, ' ');
	put_base64(r->b, p, len);
}

/* RFC 6742 2.1.2 */
static void put_groups(struct rdata *r)
{
	const uint8_t *p = cursor_bytes(&r->c, 8);
	int i;

	for (i = 0; p && i < 8; i += 2) {
		strbuf_printf(r->b, "%s%x", i ? ":" : "", p[i] << 8 | p[i + 1]);
	}
}

/* RFC 7043 3.2; how many they are the type says. */
static void put_dashed(struct rdata *r)
{
	uint32_t len = rdata_left(r), i;
	const uint8_t *p = cursor_bytes(&r->c, len);

	r->c.malformed |= len != 6 && len != 8;
	for (i = 0; i < len; i++) {
		strbuf_puts(r->b, i ? "-" : "");
		strbuf_hex(r->b, p[i], 2);
	}
}

/* The numbers of the bits that are set, the first bit being the highest of its byte. */
static void put_bits(struct rdata *r, void (*put)(struct strbuf *b, uint32_t n))
{
	uint32_t len = rdata_left(r), i;
	const uint8_t *p = cursor_bytes(&r->c, len);
	bool first = true;

	for (i = 0; i < len * 8; i++) {
		if (!(p[i / 8] & 0x80 >> i % 8))
			continue;
		strbuf_puts(r->b, first ? "" : " ");
		first = false;
		put(r->b, i);
	}
}

static void put_port(struct strbuf *b, uint32_t n)
{
	strbuf_u64(b, n);
}

static void put_bit_type(struct strbuf *b, uint32_t n)
{
	dns_type_put(b, (uint16_t)n);
}

/* RFC 1035 3.4.2: a protocol, and a bit for each port. */
static void put_wks(struct rdata *r)
{
	put_number(r, '1');
	if (rdata_left(r))
		strbuf_putc(r->b, ' ');
	r->c.malformed |= rdata_left(r) > 8192;
	if (cursor_ok(&r->c))
		put_bits(r, put_port);
}

/* RFC 2535 5.2: types up to 127 only. */
static void put_nxt(struct rdata *r)
{
	r->c.malformed |= rdata_left(r) > 16;
	if (cursor_ok(&r->c))
		put_bits(r, put_bit_type);
}

/* Thousandths of a second of arc from the equator or the prime meridian (2^31). */
static void put_angle(struct rdata *r, char plus, char minus)
{
	int64_t v = (int64_t)cursor_be32(&r->c) - (1LL << 31);
	uint32_t ms = (uint32_t)(v < 0 ? -v : v);

	strbuf_printf(r->b, "%u %u %u.%03u %c ", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
		      ms % 1000, v < 0 ? minus : plus);
}

/* Centimetres as a decimal digit and a power of ten; in metres. */
static void put_precision(struct rdata *r, uint8_t v)
{
	uint64_t cm = v >> 4;
	unsigned int i;

	r->c.malformed |= v >> 4 > 9 || (v & 15) > 9;
	for (i = 0; i < (v & 15) && i < 10; i++)
		cm *= 10;
	strbuf_u64(r->b, cm / 100);
	if ((v & 15) < 2) {
		strbuf_putc(r->b, '.');
		strbuf_digits(r->b, (uint32_t)(cm % 100), 2);
	}
	strbuf_putc(r->b, 'm');
}

/* RFC 1876 2 and 3 */
static void put_loc(struct rdata *r)
{
	uint8_t version = cursor_u8(&r->c), sizes[3];
	int64_t altitude;
	int i;

	r->c.malformed |= version != 0;
	for (i = 0; i < 3; i++)
		sizes[i] = cursor_u8(&r->c);
	put_angle(r, 'N', 'S');
	put_angle(r, 'E', 'W');
	altitude = (int64_t)cursor_be32(&r->c) - 10000000;
	strbuf_printf(r->b, "%s%llu.%02llum", altitude < 0 ? "-" : "",
		      (unsigned long long)(altitude < 0 ? -altitude : altitude) / 100,
		      (unsigned long long)(altitude < 0 ? -altitude : altitude) % 100);
	for (i = 0; i < 3; i++) {
		strbuf_putc(r->b, ' ');
		put_precision(r, sizes[i]);
	}
}

/* RFC 1706 */
static void put_nsap(struct rdata *r)
{
	uint32_t i, len = rdata_left(r);
	const uint8_t *p = cursor_bytes(&r->c, len);

	strbuf_puts(r->b, "0x");
	for (i = 0; i < len; i++)
		strbuf_hex(r->b, p[i], 2);
}

/* The ATM Forum's AF-DANS-0152: an AESA in hex, or a number as it is dialled. */
static void put_atma(struct rdata *r)
{
	uint8_t format = cursor_u8(&r->c);
	uint32_t i, len = rdata_left(r);
	const uint8_t *p = cursor_bytes(&r->c, len);

	r->c.malformed |= format > 1 || !len;
	if (!cursor_ok(&r->c))
		return;
	strbuf_puts(r->b, format ? "+" : "");
	for (i = 0; i < len; i++)
		if (!format)
			strbuf_hex(r->b, p[i], 2);
		else if (p[i] >= '0' && p[i] <= '9')
			strbuf_putc(r->b, (char)p[i]);
		else
			r->c.malformed = true;
}

/* The leading bytes of an address that is zero behind them. */
static void put_short_addr(struct rdata *r, const uint8_t *p, uint32_t len, uint32_t size)
{
	uint8_t bytes[16] = { 0 };
	struct ipaddr a;

	memcpy(bytes, p, len);
	a = size == 4 ? ipaddr_v4(bytes) : ipaddr_v6(bytes);
	ipaddr_put(r->b, &a);
}

/* RFC 2874 3.1: the last bytes of an address, and whose first ones they follow. */
static void put_a6(struct rdata *r)
{
	uint8_t bits = cursor_u8(&r->c), bytes[16] = { 0 };
	uint32_t len = bits > 128 ? 0 : 16 - bits / 8U;
	const uint8_t *p = cursor_bytes(&r->c, len);

	r->c.malformed |= bits > 128;
	if (!cursor_ok(&r->c))
		return;
	strbuf_u64(r->b, bits);
	if (len) {
		memcpy(bytes + 16 - len, p, len);
		bytes[16 - len] &= 0xff >> bits % 8;
		strbuf_putc(r->b, ' ');
		put_short_addr(r, bytes, 16, 16);
	}
	if (!bits)
		return;
	strbuf_putc(r->b, ' ');
	put_name(r);
}

/* RFC 3123 4 */
static void put_apl(struct rdata *r)
{
	bool first = true;

	while (rdata_left(r) && cursor_ok(&r->c)) {
		uint16_t family = cursor_be16(&r->c);
		uint8_t prefix = cursor_u8(&r->c), n = cursor_u8(&r->c);
		uint32_t size = family == 1 ? 4 : 16;
		const uint8_t *p = cursor_bytes(&r->c, n & 0x7f);

		r->c.malformed |=
			(family != 1 && family != 2) || (n & 0x7fU) > size || prefix > size * 8;
		if (!cursor_ok(&r->c))
			return;
		strbuf_printf(r->b, "%s%s%u:", first ? "" : " ", n & 0x80 ? "!" : "", family);
		first = false;
		put_short_addr(r, p, n & 0x7f, size);
		strbuf_printf(r->b, "/%u", prefix);
	}
}

/* RFC 4025 2.5 and RFC 8777 4.2: none, an address or a name. */
static void put_gateway(struct rdata *r, uint8_t type)
{
	switch (type) {
	case 0: strbuf_putc(r->b, '.'); break;
	case 1: put_addr(r, 4); break;
	case 2: put_addr(r, 16); break;
	case 3: put_name(r); break;
	default: r->c.malformed = true;
	}
}

static void put_ipseckey(struct rdata *r)
{
	uint8_t precedence = cursor_u8(&r->c), type = cursor_u8(&r->c);

	strbuf_printf(r->b, "%u %u %u ", precedence, type, cursor_u8(&r->c));
	put_gateway(r, type);
	if (cursor_ok(&r->c) && rdata_left(r)) {
		strbuf_putc(r->b, ' ');
		put_rest(r, 'b');
	}
}

static void put_amtrelay(struct rdata *r)
{
	uint8_t precedence = cursor_u8(&r->c), type = cursor_u8(&r->c);

	strbuf_printf(r->b, "%u %u %u ", precedence, type >> 7, type & 0x7f);
	put_gateway(r, type & 0x7f);
}

/* RFC 8005 5 and 6 */
static void put_hip(struct rdata *r)
{
	uint8_t hit_len = cursor_u8(&r->c), algorithm = cursor_u8(&r->c);
	uint16_t key_len = cursor_be16(&r->c);
	const uint8_t *hit = cursor_bytes(&r->c, hit_len), *key = cursor_bytes(&r->c, key_len);

	if (!cursor_ok(&r->c))
		return;
	strbuf_u64(r->b, algorithm);
	strbuf_putc(r->b, ' ');
	put_hex(r->b, hit, hit_len);
	strbuf_putc(r->b, ' ');
	put_base64(r->b, key, key_len);
	while (rdata_left(r) && cursor_ok(&r->c)) {
		strbuf_putc(r->b, ' ');
		put_name(r);
	}
}

static void put_named(struct rdata *r, const char *const names[], size_t nr, unsigned int v)
{
	if (v < nr && names[v])
		strbuf_puts(r->b, names[v]);
	else
		strbuf_u64(r->b, v);
}

/* RFC 4398 2.1 */
static void put_cert_type(struct rdata *r)
{
	static const char *const names[] = { NULL,    "PKIX", "SPKI",	"PGP",	  "IPKIX",
					     "ISPKI", "IPGP", "ACPKIX", "IACPKIX" };
	uint16_t v = cursor_be16(&r->c);

	if (v == 253 || v == 254)
		strbuf_puts(r->b, v == 253 ? "URI" : "OID");
	else
		put_named(r, names, ARRAY_SIZE(names), v);
}

/* IANA, "DNS Security Algorithm Numbers" */
static void put_algorithm(struct rdata *r)
{
	static const char *const names[] = {
		NULL,
		"RSAMD5",
		"DH",
		"DSA",
		NULL,
		"RSASHA1",
		"NSEC3DSA",
		"NSEC3RSASHA1",
		"RSASHA256",
		NULL,
		"RSASHA512",
		NULL,
		"ECCGOST",
		"ECDSAP256SHA256",
		"ECDSAP384SHA384",
		"ED25519",
		"ED448",
	};

	put_named(r, names, ARRAY_SIZE(names), cursor_u8(&r->c));
}

static const struct {
	char field;
	void (*put)(struct rdata *r);
} rare_fields[] = {
	{ 'v', put_sized }, { 'i', put_groups },    { 'm', put_dashed },    { 'w', put_wks },
	{ 'u', put_nxt },   { 'l', put_loc },	    { 'o', put_nsap },	    { 'y', put_a6 },
	{ 'P', put_apl },   { 'g', put_ipseckey },  { 'h', put_hip },	    { 'z', put_amtrelay },
	{ 'f', put_atma },  { 'c', put_cert_type }, { 'j', put_algorithm },
};

static void put_rare_field(struct rdata *r, char field)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rare_fields); i++)
		if (rare_fields[i].field == field) {
			rare_fields[i].put(r);
			return;
		}
	put_rest(r, field);
}

/* RFC 8945 3: 16 is another error there than in EDNS. */
static void put_tsig_error(struct rdata *r)
{
	uint16_t v = cursor_be16(&r->c);

	if (v == 16)
		strbuf_puts(r->b, "BADSIG");
	else
		dns_rcode_put(r->b, v);
}

static void put_field(struct rdata *r, char field)
{
	switch (field) {
	case 'n': put_name(r); break;
	case '1':
	case '2':
	case '4':
	case '6': put_number(r, field); break;
	case 'a': put_addr(r, 4); break;
	case 'A': put_addr(r, 16); break;
	case 's': put_string(r, true); break;
	case 'k': put_string(r, false); break;
	case 'S': put_strings(r); break;
	case 'X':
	case 'B': put_counted(r, field); break;
	case 't': dns_type_put(r->b, cursor_be16(&r->c)); break;
	case 'T': put_bitmap(r); break;
	case 'd': put_time(r); break;
	case 'p': put_svcparams(r); break;
	case 'e': put_edns_options(r); break;
	case 'r': put_tsig_error(r); break;
	default: put_rare_field(r, field);
	}
}

static const char *rdata_format(const struct dns_rr *rr)
{
	size_t i = rr->type < ARRAY_SIZE(rdata_formats) ? rr->type : ARRAY_SIZE(rdata_formats) - 1;

	/* Only class IN's addresses are addresses (RFC 1035 3.4). */
	if ((rr->type == DNS_T_A || rr->type == DNS_T_AAAA) && rr->class != 1)
		return NULL;
	/* Sorted: it stands at its number or before. */
	while (i && rdata_formats[i].type > rr->type)
		i--;
	return rdata_formats[i].type == rr->type ? rdata_formats[i].format : NULL;
}

static void put_generic(struct strbuf *b, const struct dns_msg *m, const struct dns_rr *rr)
{
	struct cursor c = msg_cursor(m, rr->rdata_off);
	uint32_t left = cursor_left(&c), len = left < rr->rdlen ? left : rr->rdlen;

	strbuf_printf(b, "\\# %u%s", rr->rdlen, len ? " " : "");
	put_hex(b, c.data + c.off, len);
}

enum dns_status dns_rdata_put(struct strbuf *b, const struct dns_msg *m, const struct dns_rr *rr)
{
	const char *format = rdata_format(rr), *f;
	struct rdata r = { .b = b, .msg = m };
	struct strbuf saved = *b;

	r.c = cursor_init(m->data, m->caplen, rr->rdata_off + rr->rdlen);
	cursor_skip(&r.c, rr->rdata_off);
	for (f = format; f && *f && cursor_ok(&r.c); f++) {
		/* The last field may be an empty list; it brings no space along. */
		if (f != format && (f[1] || rdata_left(&r) || *f == 'D'))
			strbuf_putc(b, ' ');
		put_field(&r, *f);
	}
	if (format && cursor_ok(&r.c) && !rdata_left(&r))
		return DNS_OK;
	if (b->len != saved.len) {
		*b = saved;
		b->s[b->len] = '\0';
	}
	put_generic(b, m, rr);
	if (!format)
		return DNS_OK;
	return r.c.truncated ? DNS_TRUNCATED : DNS_MALFORMED;
}

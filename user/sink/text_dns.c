// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * tshark appends to its Info column while it reads the message, and stops in
 * the middle with "[Malformed Packet]" where it would read behind the end. To
 * give the same text, this reads the same bytes in the same order: a record's
 * data is described by a string of operations (see formats[]), and text that
 * tshark appends in one go is committed in one go.
 *
 * Its names are read its way as well, which is laxer than decode/dns: pointers
 * may go forward, and only their number is limited. A budget of steps for the
 * whole message keeps a hostile one from costing more than it should.
 */
#include "sink/text_dns.h"

#include <string.h>

#include "decode/cursor.h"
#include "decode/dns.h"
#include "util/cleanup.h"
#include "util/ipaddr.h"

#define INFO_MAX      4095 /* bytes that tshark keeps of the column */
#define NAME_MAX_TEXT 255
#define MAX_POINTERS  255
#define REPLACEMENT   0xfffd
#define FLAGS_OPCODE  0x7800
#define FLAGS_DSO     0x3000
#define STEP_BUDGET   5000000 /* some 10 ms */

struct msg {
	struct strbuf *out;
	struct strbuf *text; /* of the record's data, not committed yet */
	struct cursor c;
	int32_t left; /* of the record's data as its length says; may go below zero */
	uint32_t steps;
	bool mdns;
	bool beyond;	    /* the next record would begin behind the end */
	uint32_t end;	    /* of the last record */
	uint32_t owner_off; /* of the record's name */
};

static bool ok(const struct msg *m)
{
	return cursor_ok(&m->c);
}

/* What reading on and on comes to. */
static void run_off_the_end(struct msg *m)
{
	if (m->c.caplen < m->c.len)
		m->c.truncated = true;
	else
		m->c.malformed = true;
}

static const uint8_t *take(struct msg *m, uint32_t n)
{
	const uint8_t *p = cursor_bytes(&m->c, n);

	m->left -= (int32_t)n;
	return p;
}

static uint8_t take_u8(struct msg *m)
{
	const uint8_t *p = take(m, 1);

	return p ? p[0] : 0;
}

static uint16_t take_u16(struct msg *m)
{
	const uint8_t *p = take(m, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

/* --- text as tshark shows it ------------------------------------------------------ */

/* Controls, Unicode's category Cf, and most of what is not assigned: shown by number. */
static bool is_invisible(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x0, 0x1f },	      { 0x7f, 0x9f },	      { 0xad, 0xad },
		{ 0x378, 0x379 },     { 0x380, 0x383 },	      { 0x38b, 0x38b },
		{ 0x38d, 0x38d },     { 0x3a2, 0x3a2 },	      { 0x530, 0x530 },
		{ 0x557, 0x558 },     { 0x58b, 0x58c },	      { 0x590, 0x590 },
		{ 0x5c8, 0x5cf },     { 0x5eb, 0x5ee },	      { 0x5f5, 0x605 },
		{ 0x61c, 0x61c },     { 0x6dd, 0x6dd },	      { 0x70e, 0x70f },
		{ 0x74b, 0x74c },     { 0x7b2, 0x7bf },	      { 0x7fb, 0x7fc },
		{ 0x88f, 0x897 },     { 0x8e2, 0x8e2 },	      { 0x180e, 0x180e },
		{ 0x1acf, 0x1aff },   { 0x200b, 0x200f },     { 0x202a, 0x202e },
		{ 0x2060, 0x206f },   { 0xd7fc, 0xdfff },     { 0xfefd, 0xff00 },
		{ 0xffef, 0xfffb },   { 0x101a1, 0x101cf },   { 0x101fe, 0x1027f },
		{ 0x103d6, 0x103ff }, { 0x105bd, 0x105ff },   { 0x107bb, 0x107ff },
		{ 0x108b0, 0x108df }, { 0x10940, 0x1097f },   { 0x10bb0, 0x10bff },
		{ 0x10c49, 0x10c7f }, { 0x10d3a, 0x10e5f },   { 0x10eb2, 0x10eff },
		{ 0x110bd, 0x110bd }, { 0x110c3, 0x110cf },   { 0x1123f, 0x1127f },
		{ 0x11375, 0x113ff }, { 0x114da, 0x1157f },   { 0x116ca, 0x116ff },
		{ 0x11747, 0x117ff }, { 0x1183c, 0x1189f },   { 0x1195a, 0x1199f },
		{ 0x11af9, 0x11bff }, { 0x11cb7, 0x11cff },   { 0x11daa, 0x11edf },
		{ 0x11ef9, 0x11faf }, { 0x1239a, 0x123ff },   { 0x12544, 0x12f8f },
		{ 0x1342f, 0x143ff }, { 0x14647, 0x167ff },   { 0x16b90, 0x16e3f },
		{ 0x16e9b, 0x16eff }, { 0x16fa0, 0x16fdf },   { 0x18cd6, 0x18cff },
		{ 0x18d09, 0x1afef }, { 0x1b123, 0x1b14f },   { 0x1b2fc, 0x1bbff },
		{ 0x1bca0, 0x1ceff }, { 0x1cfc4, 0x1cfff },   { 0x1d173, 0x1d17a },
		{ 0x1d246, 0x1d2df }, { 0x1d379, 0x1d3ff },   { 0x1dab0, 0x1deff },
		{ 0x1df1f, 0x1dfff }, { 0x1e02b, 0x1e0ff },   { 0x1e150, 0x1e28f },
		{ 0x1e300, 0x1e7df }, { 0x1e8d7, 0x1e8ff },   { 0x1e960, 0x1ec70 },
		{ 0x1ecb5, 0x1ed00 }, { 0x1ed3e, 0x1edff },   { 0x1eebc, 0x1eeef },
		{ 0x1eef2, 0x1efff }, { 0x1f1ae, 0x1f1e5 },   { 0x1f266, 0x1f2ff },
		{ 0x1f8b2, 0x1f8ff }, { 0x1fbfa, 0x1ffff },   { 0x2ebe1, 0x2f7ff },
		{ 0x2fa1e, 0x2ffff }, { 0x3134b, 0xe00ff },   { 0xe01f0, 0xeffff },
		{ 0xffffe, 0xfffff }, { 0x10fffe, 0x10ffff },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/*
 * Decodes one character of n bytes at most; *used bytes belong to it. As tshark
 * does it: up to six bytes, and longer than need be. 0xfffd if there is none.
 */
static uint32_t utf8_char(const uint8_t *p, size_t n, size_t *used)
{
	unsigned int want = (unsigned int)__builtin_clz(~((uint32_t)p[0] << 24)), i;
	uint32_t c = p[0] & (0x7fu >> want);

	*used = 1;
	if (want < 2 || want > 6)
		return REPLACEMENT;
	for (i = 1; i < want; i++) {
		if (i >= n || (p[i] & 0xc0) != 0x80)
			return REPLACEMENT;
		c = c << 6 | (p[i] & 0x3f);
		*used = i + 1;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return REPLACEMENT;
	return c;
}

static void put_utf8(struct strbuf *b, uint32_t c)
{
	if (c < 0x80) {
		strbuf_putc(b, (char)c);
		return;
	}
	if (c < 0x800) {
		strbuf_putc(b, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			strbuf_putc(b, (char)(0xe0 | c >> 12));
		} else {
			strbuf_putc(b, (char)(0xf0 | c >> 18));
			strbuf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		strbuf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	strbuf_putc(b, (char)(0x80 | (c & 0x3f)));
}

static void put_control(struct strbuf *b, uint8_t c)
{
	static const char letters[] = "abtnvfr"; /* from 7 on */

	if (c >= 7 && c <= 13)
		strbuf_printf(b, "\\%c", letters[c - 7]);
	else
		strbuf_printf(b, "\\%03o", c);
}

/* Whether eight bytes are all printing ASCII: 0x20 to 0x7e. */
static bool all_print(const uint8_t *p)
{
	const uint64_t each = 0x0101010101010101;
	uint64_t bytes;

	memcpy(&bytes, p, sizeof(bytes));
	return !((bytes | (bytes - 0x20 * each) | (bytes + each)) & 0x80 * each);
}

/* How many of the bytes at p are shown as they are. */
static size_t printing_run(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (n - i >= sizeof(uint64_t) && all_print(p + i))
		i += sizeof(uint64_t);
	/* The last word begins among those that have been looked at. */
	if (i && n - i < sizeof(uint64_t) && all_print(p + n - sizeof(uint64_t)))
		return n;
	while (i < n && p[i] >= 0x20 && p[i] < 0x7f)
		i++;
	return i;
}

static void put_text(struct strbuf *b, const uint8_t *p, size_t n)
{
	size_t used;
	uint32_t c;

	for (; n; p += used, n -= used) {
		used = printing_run(p, n);
		if (used) {
			strbuf_put(b, (const char *)p, used);
			continue;
		}
		used = 1;
		if (p[0] < 0x80) {
			put_control(b, p[0]);
			continue;
		}
		c = utf8_char(p, n, &used);
		if (!is_invisible(c))
			put_utf8(b, c);
		else if (c > 0xffff)
			strbuf_printf(b, "\\U%08X", c);
		else
			strbuf_printf(b, "\\u%04X", c);
	}
}

/* --- names -------------------------------------------------------------------------- */

struct name_text {
	bool wanted;
	int len, room;
	int counted;	   /* of len; a bit string is not */
	const char *fixed; /* shown instead */
	uint32_t end;	   /* behind the name in the place it stands; 0 while unknown */
	unsigned int pointers;
	uint8_t s[NAME_MAX_TEXT + 1]; /* if wanted */
};

static void name_byte(struct name_text *t, uint8_t c)
{
	if (t->room <= 0)
		return;
	t->s[t->len++] = c;
	t->room--;
	t->counted++;
}

/* Labels one behind the other; the bytes that count them become the dots. */
static void name_copy(uint8_t *to, const uint8_t *labels, uint32_t len, uint32_t first)
{
	uint32_t i;

	memcpy(to, labels + first, len - first);
	for (i = first ? labels[0] + 1 : 0; i < len; i += labels[i] + 1)
		to[i - first] = '.';
}

/* The first dot of a name is not shown, but has its room. */
static void name_add(struct name_text *t, const uint8_t *labels, uint32_t len)
{
	uint32_t first = !t->len;

	t->room -= (int)(len < NAME_MAX_TEXT ? len : NAME_MAX_TEXT);
	if (t->room <= 0)
		return; /* too long to be shown */
	if (t->wanted)
		name_copy(t->s + t->len, labels, len, first);
	t->len += (int)(len - first);
	t->counted += (int)(len - first);
}

/* Takes the labels that are whole. */
static bool name_labels(struct msg *m, struct name_text *t)
{
	const uint8_t *p = m->c.data + m->c.off;
	uint32_t left = cursor_left(&m->c), len = 0, labels = 0;

	if (!ok(m))
		return false;
	while (len < left && p[len] && p[len] < 0x40 && p[len] < left - len) {
		len += p[len] + 1U;
		labels++;
	}
	if (len)
		name_add(t, p, len);
	m->c.off += len;
	m->steps += labels;
	if (m->steps > STEP_BUDGET)
		m->c.malformed = true;
	return ok(m);
}

/* RFC 2673, as "\[x0102/16]". */
static void name_bits(struct msg *m, struct name_text *t)
{
	char text[96];
	struct strbuf b;
	uint8_t bits = cursor_u8(&m->c);
	int n = (bits - 1) / 8 + 1;
	size_t i;

	strbuf_init(&b, text, sizeof(text));
	strbuf_puts(&b, "\\[x");
	while (n-- && ok(m))
		strbuf_hex(&b, cursor_u8(&m->c), 2);
	strbuf_printf(&b, "/%u]", bits);
	for (i = 0; i < b.len; i++)
		name_byte(t, (uint8_t)text[i]);
	t->counted -= (int)b.len;
}

static void name_pointer(struct msg *m, struct name_text *t, uint8_t high)
{
	uint32_t to = (uint32_t)(high & 0x3f) << 8 | cursor_u8(&m->c);

	if (!ok(m))
		return;
	if (!t->end)
		t->end = m->c.off;
	if (to == m->c.off + 2 || ++t->pointers > MAX_POINTERS) {
		t->fixed = "<Name contains a pointer that loops>";
		return;
	}
	m->c.off = 0;
	cursor_skip(&m->c, to);
}

/* What is no whole label, by its first byte. */
static void name_other(struct msg *m, struct name_text *t, uint8_t n)
{
	if (++m->steps > STEP_BUDGET) {
		m->c.malformed = true;
	} else if (n >= 0xc0) {
		name_pointer(m, t, n);
	} else if (n < 0x40) {
		cursor_skip(&m->c, n);
	} else if (n == 0x41) {
		name_bits(m, t);
	} else if (n < 0x80) {
		t->fixed = "<Unknown extended label>";
		t->end = m->c.off;
	} else {
		m->c.malformed = true;
	}
}

/* The name at the cursor, which moves behind it; false if it cannot be read. b NULL: its text is
 * not wanted. */
static bool read_name(struct msg *m, struct strbuf *b)
{
	uint32_t start = m->c.off, len;
	struct name_text t;
	uint8_t n;

	t.room = NAME_MAX_TEXT;
	t.wanted = b;
	t.len = t.counted = 0;
	t.fixed = NULL;
	t.end = t.pointers = 0;
	t.s[0] = 0; /* the rest is not worth clearing */
	while (!t.fixed && name_labels(m, &t) && (n = cursor_u8(&m->c)) && ok(m))
		name_other(m, &t, n);
	if (!ok(m))
		return false;
	if (t.end)
		m->c.off = t.end;
	len = m->c.off - start;
	m->left -= (int32_t)len;
	if (!t.fixed && t.room <= 0)
		t.fixed = "<Name too long>";
	if (!t.fixed && (!t.len || !t.s[0]) && len <= 2)
		t.fixed = "<Root>";
	else if (m->c.off < start + 2 || (!t.fixed && len > 2 && t.counted <= 0))
		m->c.malformed = true;
	if (!ok(m))
		return false;
	if (b && t.fixed)
		strbuf_puts(b, t.fixed);
	else if (b)
		put_text(b, t.s, (size_t)t.counted);
	return true;
}

static void skip_name(struct msg *m)
{
	read_name(m, NULL);
}

/* The record's own name, once more. */
static void put_owner(struct msg *m)
{
	uint32_t off = m->c.off;
	int32_t left = m->left;

	m->c.off = m->owner_off;
	read_name(m, m->text);
	m->c.off = off;
	m->left = left;
}

/* --- record data ----------------------------------------------------------------------- */

/*
 * N name       n name, not shown    o the record's owner       p two-byte number
 * a IPv4       A IPv6               ! what was read so far is shown
 * 1 2 4 6 8 that many bytes         s counted string           S the same, shown
 * 5 counted by two bytes            R the rest of the data, which must not be less than none
 * r the rest, if any                T counted strings to the end
 * and single types' own: H HINFO, I ISDN, L LOC, M ATMA, 0 A6, O OPT, P APL, K IPSECKEY,
 * B type bitmap, 3 NSEC3, V SvcParams, Y TKEY and TSIG, C CAA, h HIP, W WINS, w WINS-R
 */
static const struct {
	uint16_t type;
	char name[12];	 /* in place: it is appended as a whole field */
	const char *ops; /* NULL: R */
} formats[] = {
	{ 0, "Unused", NULL },
	{ 1, "A", "a!" },
	{ 2, "NS", "N!" },
	{ 3, "MD", "o!n" },
	{ 4, "MF", "o!n" },
	{ 5, "CNAME", "N!" },
	{ 6, "SOA", "N!n44444" },
	{ 7, "MB", "o!n" },
	{ 8, "MG", "o!n" },
	{ 9, "MR", "o!n" },
	{ 10, "NULL", "o!R" },
	{ 11, "WKS", "a!1R" },
	{ 12, "PTR", "N!" },
	{ 13, "HINFO", "H" },
	{ 14, "MINFO", "o!nn" },
	{ 15, "MX", "pN!" },
	{ 16, "TXT", "T" },
	{ 17, "RP", "o!nn" },
	{ 18, "AFSDB", "o!2n" },
	{ 19, "X25", "o!s" },
	{ 20, "ISDN", "o!I" },
	{ 21, "RT", "o!2n" },
	{ 22, "NSAP", "o!R" },
	{ 23, "NSAP-PTR", "o!n" },
	{ 24, "SIG", "2114442nR" },
	{ 25, "KEY", "211R" },
	{ 26, "PX", "o!2nn" },
	{ 27, "GPOS", "o!sss" },
	{ 28, "AAAA", "A!" },
	{ 29, "LOC", "L" },
	{ 30, "NXT", "N!R" },
	{ 31, "EID", NULL },
	{ 32, "NIMLOC", NULL },
	{ 33, "SRV", "pppN!" },
	{ 34, "ATMA", "1R" },
	{ 35, "NAPTR", "ppSssn!" },
	{ 36, "KX", "pN!" },
	{ 37, "CERT", "221r" },
	{ 38, "A6", "0" },
	{ 39, "DNAME", "N!" },
	{ 40, "SINK", "R" },
	{ 41, "OPT", "O" },
	{ 42, "APL", "o!P" },
	{ 43, "DS", "211R" },
	{ 44, "SSHFP", "11r" },
	{ 45, "IPSECKEY", "K" },
	{ 46, "RRSIG", "2114442nR" },
	{ 47, "NSEC", "N!B" },
	{ 48, "DNSKEY", "211r" },
	{ 49, "DHCID", "o!R" },
	{ 50, "NSEC3", "112ssB" },
	{ 51, "NSEC3PARAM", "o!112s" },
	{ 52, "TLSA", "o!111R" },
	{ 55, "HIP", "o!h" },
	{ 57, "RKEY", NULL },
	{ 58, "TALINK", NULL },
	{ 59, "CDS", "211R" },
	{ 60, "CDNSKEY", "211r" },
	{ 61, "OPENPGPKEY", NULL },
	{ 62, "CSYNC", "42B" },
	{ 63, "ZONEMD", "411R" },
	{ 64, "SVCB", "2nV" },
	{ 65, "HTTPS", "2nV" },
	{ 99, "SPF", "T" },
	{ 100, "UINFO", NULL },
	{ 101, "UID", NULL },
	{ 102, "GID", NULL },
	{ 103, "UNSPEC", NULL },
	{ 104, "NID", "28" },
	{ 105, "L32", "24" },
	{ 106, "L64", "28" },
	{ 107, "LP", "2n" },
	{ 108, "EUI48", "6" },
	{ 109, "EUI64", "8" },
	{ 249, "TKEY", "n442255" },
	{ 250, "TSIG", "n625225" },
	{ 251, "IXFR", NULL },
	{ 252, "AXFR", NULL },
	/* Swapped against IANA's list; so does tshark. */
	{ 253, "MAILA", NULL },
	{ 254, "MAILB", NULL },
	{ 255, "ANY", NULL },
	{ 256, "URI", "22r" },
	{ 257, "CAA", "C" },
	{ 32768, "TA", NULL },
	{ 32769, "DLV", "211R" },
	{ 65281, "WINS", "W" },
	{ 65282, "WINS-R", "w" },
	{ 65422, "XPF", NULL },
};

static void take_string(struct msg *m)
{
	uint8_t n = take_u8(m);

	if (ok(m))
		take(m, n);
}

static void take_rest(struct msg *m)
{
	if (m->left < 0)
		run_off_the_end(m);
	else
		take(m, (uint32_t)m->left);
}

static void take_strings(struct msg *m)
{
	while (ok(m) && m->left > 0)
		take_string(m);
	if (ok(m) && m->left < 0)
		run_off_the_end(m);
}

/* Blocks of a type bitmap; also where the length is used up in the middle of one. */
static void take_bitmap(struct msg *m)
{
	while (ok(m) && m->left > 0) {
		uint8_t n;

		take_u8(m);
		n = take_u8(m);
		if (ok(m))
			take(m, n);
	}
	if (ok(m) && m->left < 0)
		run_off_the_end(m);
}

/* A string of n ASCII bytes, each other byte a replacement character, cut at n bytes again. */
static void put_ascii(struct strbuf *b, const uint8_t *p, size_t n)
{
	char text[255 * 3 + 1];
	struct strbuf t;
	size_t i;

	strbuf_init(&t, text, sizeof(text));
	for (i = 0; i < n && p[i]; i++) {
		if (p[i] < 0x80)
			strbuf_putc(&t, (char)p[i]);
		else
			strbuf_puts(&t, "\xef\xbf\xbd");
	}
	if (t.len > n)
		t.len = n;
	for (i = 0; i < t.len; i++) {
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			put_control(b, (uint8_t)text[i]);
		else
			strbuf_putc(b, text[i]);
	}
}

static void take_hinfo(struct msg *m)
{
	uint8_t n = take_u8(m), k;
	const uint8_t *cpu = take(m, n), *os;

	if (!ok(m))
		return;
	k = take_u8(m);
	os = take(m, k);
	if (!ok(m))
		return;
	strbuf_putc(m->text, ' ');
	put_ascii(m->text, cpu, n);
	strbuf_putc(m->text, ' ');
	put_ascii(m->text, os, k);
}

static void take_isdn(struct msg *m)
{
	take_string(m);
	if (ok(m) && m->left > 1)
		take_string(m);
}

static void take_loc(struct msg *m)
{
	const uint8_t *version = take(m, 1);

	if (!version)
		return;
	if (version[0]) {
		m->c.off--;
		m->left++;
		take_rest(m);
		return;
	}
	take(m, 15);
}

/* RFC 2874 */
static void take_a6(struct msg *m)
{
	uint8_t prefix = take_u8(m), bytes[16] = { 0 };
	unsigned int n = (128 - prefix) / 8 + ((128 - prefix) % 8 ? 1 : 0);
	const uint8_t *p;
	struct ipaddr a;

	if (!ok(m))
		return;
	if (prefix > 128)
		n = 0;
	p = take(m, n);
	if (!p)
		return;
	memcpy(bytes + 16 - n, p, n);
	a = ipaddr_v6(bytes);
	strbuf_printf(m->text, " %u ", prefix);
	ipaddr_put(m->text, &a);
	strbuf_putc(m->text, ' ');
	if (prefix)
		read_name(m, m->text);
}

static void take_options(struct msg *m)
{
	while (ok(m) && m->left > 0) {
		uint16_t n;

		take_u16(m);
		n = take_u16(m);
		if (ok(m))
			take(m, n);
	}
}

static void take_apl(struct msg *m)
{
	while (ok(m) && m->left > 1) {
		const uint8_t *p = take(m, 4);

		if (p)
			take(m, p[3] & 0x7f);
	}
}

static void take_ipseckey(struct msg *m)
{
	const uint8_t *p = take(m, 3);

	if (!p)
		return;
	switch (p[1]) {
	case 1: take(m, 4); break;
	case 2: take(m, 16); break;
	case 3: skip_name(m); break;
	default: break;
	}
	if (ok(m))
		take_rest(m);
}

static void take_hip(struct msg *m)
{
	const uint8_t *p = take(m, 4);

	if (!p)
		return;
	take(m, p[0]);
	if (ok(m))
		take(m, (uint32_t)(p[2] << 8 | p[3]));
	while (ok(m) && m->left > 1)
		skip_name(m);
}

static void take_caa(struct msg *m)
{
	take_u8(m);
	take_string(m);
	if (ok(m))
		take_rest(m);
}

/* A length of two bytes, and that many. */
static void take_sized(struct msg *m)
{
	uint16_t n = take_u16(m);

	if (ok(m))
		take(m, n);
}

static void take_wins(struct msg *m, bool reverse)
{
	uint32_t servers;

	take(m, 12);
	if (reverse) {
		strbuf_putc(m->text, ' ');
		read_name(m, m->text);
		return;
	}
	for (servers = cursor_be32(&m->c); servers && ok(m); servers--)
		take(m, 4);
}

static void put_addr(struct msg *m, uint32_t n)
{
	const uint8_t *p = take(m, n);

	if (!p)
		return;
	strbuf_putc(m->text, ' ');
	if (n == 4)
		ipaddr_put_v4(m->text, p);
	else
		ipaddr_put_v6(m->text, p);
}

static void take_shown_string(struct msg *m)
{
	uint8_t n = take_u8(m);
	const uint8_t *p = take(m, n);

	if (!ok(m))
		return;
	strbuf_putc(m->text, ' ');
	put_ascii(m->text, p, n);
}

static void commit(struct msg *m)
{
	if (ok(m))
		strbuf_put(m->out, m->text->s, m->text->len);
	strbuf_reset(m->text);
}

/* False if it is none of these. */
static bool shown_op(struct msg *m, char op)
{
	switch (op) {
	case 'N':
		strbuf_putc(m->text, ' ');
		read_name(m, m->text);
		break;
	case 'o':
		strbuf_putc(m->text, ' ');
		put_owner(m);
		break;
	case 'p':
		strbuf_putc(m->text, ' ');
		strbuf_u64(m->text, take_u16(m));
		break;
	case 'a': put_addr(m, 4); break;
	case 'A': put_addr(m, 16); break;
	case 'H': take_hinfo(m); break;
	case 'S': take_shown_string(m); break;
	case '0': take_a6(m); break;
	case 'W':
	case 'w': take_wins(m, op == 'w'); break;
	default: return false;
	}
	return true;
}

static void silent_op(struct msg *m, char op)
{
	switch (op) {
	case 'n': skip_name(m); break;
	case 's': take_string(m); break;
	case 'R': take_rest(m); break;
	case 'r':
		if (m->left > 0)
			take_rest(m);
		break;
	case 'T': take_strings(m); break;
	case 'I': take_isdn(m); break;
	case 'L': take_loc(m); break;
	case 'O': take_options(m); break;
	case 'P': take_apl(m); break;
	case 'K': take_ipseckey(m); break;
	case 'B': take_bitmap(m); break;
	case 'V': take_options(m); break;
	case 'C': take_caa(m); break;
	case 'h': take_hip(m); break;
	case '5': take_sized(m); break;
	default: take(m, (uint32_t)(op - '0'));
	}
}

static void run_ops(struct msg *m, const char *ops)
{
	char mem[2048];
	struct strbuf text;

	strbuf_init(&text, mem, sizeof(mem));
	m->text = &text;
	for (; *ops && ok(m); ops++) {
		if (*ops == '!')
			commit(m);
		else if (!shown_op(m, *ops))
			silent_op(m, *ops);
	}
	commit(m);
	m->text = NULL;
}

static size_t find_type(uint16_t type)
{
	size_t i = type < ARRAY_SIZE(formats) ? type : ARRAY_SIZE(formats) - 1;

	/* Sorted, nearly without gaps at first: it stands at its number or a little before. */
	while (formats[i].type > type)
		i--;
	return formats[i].type == type ? i : ARRAY_SIZE(formats);
}

/* i: what find_type() found. */
static void put_type(struct strbuf *b, uint16_t type, size_t i)
{
	char mem[1 + sizeof(formats[0].name)], *text = strbuf_begin(b, mem, sizeof(mem));

	if (i == ARRAY_SIZE(formats)) {
		strbuf_printf(b, " Unknown (%u)", type);
		return;
	}
	text[0] = ' ';
	memcpy(text + 1, formats[i].name, sizeof(formats[i].name));
	strbuf_end(b, text, text + 1 + strlen(formats[i].name));
}

/* --- the message ----------------------------------------------------------------------- */

static void put_question(struct msg *m)
{
	char mem[NAME_MAX_TEXT * 4 + 64];
	uint16_t type, class;
	struct strbuf name;

	strbuf_init(&name, mem, sizeof(mem));
	if (!read_name(m, &name))
		return;
	type = cursor_be16(&m->c);
	class = cursor_be16(&m->c);
	if (!ok(m))
		return;
	put_type(m->out, type, find_type(type));
	strbuf_putc(m->out, ' ');
	strbuf_put(m->out, name.s, name.len);
	if (m->mdns)
		strbuf_puts(m->out, class & 0x8000 ? ", \"QU\" question" : ", \"QM\" question");
}

static void put_record(struct msg *m)
{
	uint16_t type, class, len;
	uint32_t end;
	size_t i;

	if (m->beyond)
		run_off_the_end(m);
	m->owner_off = m->c.off;
	if (!read_name(m, NULL))
		return;
	type = cursor_be16(&m->c);
	class = cursor_be16(&m->c);
	/* The lifetime is looked at later than the length behind it. */
	cursor_skip(&m->c, 4);
	len = cursor_be16(&m->c);
	if (!ok(m))
		return;
	i = find_type(type);
	put_type(m->out, type, i);
	if (m->mdns && class & 0x8000)
		strbuf_puts(m->out, ", cache flush");
	end = m->end = m->c.off + len;
	m->left = len;
	if (len)
		run_ops(m, i < ARRAY_SIZE(formats) && formats[i].ops ? formats[i].ops : "R");
	if (!ok(m))
		return;
	/* The next one is looked for there, be it in the message or not. */
	m->beyond = end > m->c.caplen;
	if (!m->beyond)
		m->c.off = end;
}

static void put_opcode(struct strbuf *b, uint8_t opcode)
{
	static const char *const opcodes[] = {
		NULL,
		"Inverse query",
		"Server status request",
		NULL,
		"Zone change notification",
		"Dynamic update",
		"DNS Stateful operations (DSO)",
	};

	/* Nearly every one; apart from the others, its length is known. */
	if (!opcode)
		strbuf_puts(b, "Standard query");
	else if (opcode < ARRAY_SIZE(opcodes) && opcodes[opcode])
		strbuf_puts(b, opcodes[opcode]);
	else
		strbuf_printf(b, "Unknown operation (%u)", opcode);
}

static void put_rcode(struct strbuf *b, uint8_t rcode)
{
	static const char *const rcodes[] = {
		NULL,
		" Format error",
		" Server failure",
		" No such name",
		" Not implemented",
		" Refused",
		" Name exists",
		" RRset exists",
		" RRset does not exist",
		" Not authoritative",
		" Name out of zone",
		" DSO-Type not implemented",
	};

	if (rcode >= ARRAY_SIZE(rcodes))
		strbuf_printf(b, " Unknown error (%u)", rcode);
	else if (rcode)
		strbuf_puts(b, rcodes[rcode]);
}

static void put_head(struct strbuf *b, uint16_t id, uint16_t flags)
{
	bool is_response = flags & DNS_F_QR;

	put_opcode(b, flags >> 11 & 0xf);
	if (is_response)
		strbuf_puts(b, " response 0x");
	else
		strbuf_puts(b, " 0x");
	strbuf_hex(b, id, 4);
	if (is_response)
		put_rcode(b, flags & 0xf);
}

enum { DSO_KEEPALIVE = 1, DSO_RETRY_DELAY = 2 };

/* RFC 8490 5.4: type, length, value; nothing of it is shown. */
static void walk_dso(struct msg *m)
{
	struct cursor *c = &m->c;

	if (!cursor_need(c, 1))
		return;
	while (cursor_ok(c) && cursor_reported(c) >= 4) {
		uint16_t type = cursor_be16(c), len = cursor_be16(c);

		if (cursor_ok(c))
			cursor_skip(c, type == DSO_KEEPALIVE	 ? 8
				       : type == DSO_RETRY_DELAY ? 4
								 : len);
	}
}

static void put_entries(struct msg *m)
{
	uint16_t count[DNS_NR_SECTIONS];
	uint32_t records, i;

	for (i = 0; i < DNS_NR_SECTIONS; i++)
		count[i] = cursor_be16(&m->c);
	for (i = 0; i < count[DNS_QUESTION] && ok(m) && !m->out->cut; i++)
		put_question(m);
	records = (uint32_t)count[DNS_ANSWER] + count[DNS_AUTHORITY] + count[DNS_ADDITIONAL];
	for (i = 0; i < records && ok(m) && !m->out->cut; i++)
		put_record(m);
	/* Bytes behind the last entry are wanted too. */
	if (ok(m) && !m->out->cut && (m->beyond ? m->end : m->c.off) < m->c.len)
		m->c.truncated = m->c.caplen < m->c.len;
}

static bool has_no_entries(const uint8_t *header)
{
	static const uint8_t none[DNS_NR_SECTIONS * 2];

	return memcmp(header + DNS_HEADER_LEN - sizeof(none), none, sizeof(none)) == 0;
}

/* unreassembled: of a segment that could not be put together with others. */
static void put_message(struct strbuf *out, const uint8_t *data, uint32_t caplen, uint32_t len,
			bool mdns, bool unreassembled)
{
	struct msg m = { .c = cursor_init(data, caplen, len), .mdns = mdns };
	struct strbuf bounded = *out;
	uint16_t id, flags;

	/* Whatever tshark's column has no room for is not shown, its verdict included. */
	if (bounded.size > out->len + INFO_MAX + 1)
		bounded.size = out->len + INFO_MAX + 1;
	m.out = &bounded;
	id = cursor_be16(&m.c);
	flags = cursor_be16(&m.c);
	if (ok(&m)) {
		put_head(&bounded, id, flags);
		put_entries(&m);
		if (ok(&m) && (flags & FLAGS_OPCODE) == FLAGS_DSO && has_no_entries(data))
			walk_dso(&m);
	}
	if (m.c.truncated)
		strbuf_puts(&bounded, "[Packet size limited during capture]");
	else if (m.c.malformed)
		strbuf_puts(&bounded, unreassembled ? "[BoundErrorUnreassembled Packet]"
						    : "[Malformed Packet]");
	out->len = bounded.len;
}

/* tshark's heuristic for UDP on any port; *cut if the capture ends before it can tell. */
static bool is_likely(const uint8_t *p, uint32_t caplen, uint32_t len, bool *cut)
{
	struct cursor c = cursor_init(p, caplen, len);
	uint16_t flags, questions, answers, authority, additional;

	*cut = false;
	if (len <= DNS_HEADER_LEN)
		return false;
	cursor_skip(&c, 2);
	flags = cursor_be16(&c);
	*cut = c.truncated;
	if (*cut || flags & FLAGS_OPCODE)
		return false;
	questions = cursor_be16(&c);
	answers = cursor_be16(&c);
	authority = cursor_be16(&c);
	*cut = c.truncated;
	if (*cut)
		return false;
	if (flags & DNS_F_QR ? questions > 1 || answers > 100 || authority > 10
			     : questions != 1 || answers || authority)
		return false;
	additional = cursor_be16(&c);
	*cut = c.truncated;
	return !*cut && additional <= 10;
}

bool text_dns_cuts_guess(const uint8_t *payload, uint32_t caplen, uint32_t len)
{
	bool cut;

	return !is_likely(payload, caplen, len, &cut) && cut;
}

static const char multicast[] = "MDNS";

/* The protocol by port, the lower port first, as tshark looks it up. */
static const char *protocol_of(const struct flow *f, bool tcp)
{
	uint16_t ports[2] = { f->sport, f->dport };
	int i;

	if (ports[0] > ports[1]) {
		ports[0] = f->dport;
		ports[1] = f->sport;
	}
	for (i = 0; i < 2; i++) {
		if (ports[i] == 53 || (tcp && ports[i] == 5353))
			return "DNS";
		if (!tcp && ports[i] == 5353)
			return multicast;
		if (!tcp && ports[i] == 5355)
			return "LLMNR";
	}
	return NULL;
}

static bool udp_info(struct strbuf *out, const char **protocol, const uint8_t *payload,
		     uint32_t caplen, uint32_t len, const struct frame *f)
{
	const char *name = protocol_of(&f->flow, false);
	bool cut;

	if (!caplen)
		return false;
	if (!name && !is_likely(payload, caplen, len, &cut))
		return false;
	*protocol = name ? name : "DNS";
	put_message(out, payload, caplen, len, name == multicast, false);
	return true;
}

/* Each message begins the column anew: the last one stays. */
static bool tcp_info(struct strbuf *out, const char **protocol, const uint8_t *payload,
		     uint32_t caplen, uint32_t len, const struct frame *f)
{
	struct cursor c = cursor_init(payload, caplen, len);
	size_t start = out->len;
	bool any = false;

	if (!protocol_of(&f->flow, true))
		return false;
	while (cursor_reported(&c) >= 2) {
		uint32_t n = cursor_be16(&c), left = cursor_left(&c);

		if (!cursor_ok(&c) || (n > cursor_reported(&c) && caplen == len))
			break;
		out->len = start;
		put_message(out, payload + c.off, left < n ? left : n, n, false, caplen < len);
		any = true;
		if (left < n)
			break;
		c.off += n;
	}
	if (any && c.truncated)
		strbuf_puts(out, "[Packet size limited during capture]");
	if (any)
		*protocol = "DNS";
	return any;
}

bool text_dns_info(struct strbuf *out, const char **protocol, const uint8_t *payload,
		   uint32_t caplen, uint32_t len, const struct frame *f)
{
	if (f->l4 == L4_TCP)
		return tcp_info(out, protocol, payload, caplen, len, f);
	return udp_info(out, protocol, payload, caplen, len, f);
}

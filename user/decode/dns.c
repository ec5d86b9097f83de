// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A message is walked with cursors that never leave it; a name, which is most of
 * the work, with an offset that is held against the same two ends. Names are the hard
 * part: a compression pointer can lead anywhere. The walk keeps the offset at
 * which the current run of labels began and takes only pointers to before it,
 * so every jump goes strictly backwards. That alone would allow for thousands of
 * pointers to pointers in each of the ten thousand names of a long message: a name
 * may have as many jumps as labels fit into it, and over 255 bytes it is refused.
 */
#include "decode/dns.h"

#include <string.h>

#include "decode/cursor.h"
#include "util/cleanup.h"
#include "util/digits.h"
#include "util/ipaddr.h"

static struct cursor msg_cursor(const struct dns_msg *m, uint32_t off)
{
	struct cursor c = cursor_init(m->data, m->caplen, m->len);

	cursor_skip(&c, off);
	return c;
}

static enum dns_status cursor_status(const struct cursor *c)
{
	if (c->malformed)
		return DNS_MALFORMED;
	return c->truncated ? DNS_TRUNCATED : DNS_OK;
}

enum dns_status dns_msg_init(struct dns_msg *m, const uint8_t *data, uint32_t caplen, uint32_t len)
{
	struct cursor c = cursor_init(data, caplen, len);
	int i;

	*m = (struct dns_msg){ .data = data, .caplen = c.caplen, .len = len };
	if (!cursor_need(&c, DNS_HEADER_LEN))
		return len < DNS_HEADER_LEN ? DNS_MALFORMED : DNS_TRUNCATED;
	m->id = cursor_be16(&c);
	m->flags = cursor_be16(&c);
	m->opcode = m->flags >> 11 & 0xf;
	m->rcode = m->flags & 0xf;
	for (i = 0; i < DNS_NR_SECTIONS; i++)
		m->count[i] = cursor_be16(&c);
	return DNS_OK;
}

/* --- names ------------------------------------------------------------------ */

/* A name has 127 labels at most; more pointers than that lead nowhere. */
#define NAME_MAX_JUMPS 127

struct name_walk {
	const struct dns_msg *m;
	uint32_t off;
	uint32_t run;  /* where this run of labels began: pointers go before it */
	uint32_t end;  /* behind the name in the place it stands; 0 while unknown */
	uint32_t wire; /* bytes of the uncompressed name so far */
	uint32_t jumps, steps;
	enum dns_status status;
};

static struct name_walk name_begin(const struct dns_msg *m, uint32_t off)
{
	return (struct name_walk){ .m = m, .off = off, .run = off };
}

/* The name needs n more bytes than were captured. */
static bool name_cut(struct name_walk *w, uint32_t n)
{
	w->status = w->off + n > w->m->len ? DNS_MALFORMED : DNS_TRUNCATED;
	return false;
}

static bool name_bad(struct name_walk *w)
{
	w->status = DNS_MALFORMED;
	return false;
}

static bool name_jump(struct name_walk *w, uint8_t high)
{
	uint32_t to;

	if (w->off >= w->m->caplen)
		return name_cut(w, 1);
	to = (uint32_t)(high & 0x3f) << 8 | w->m->data[w->off++];
	if (!w->end)
		w->end = w->off;
	if (to >= w->run || ++w->jumps > NAME_MAX_JUMPS)
		return name_bad(w);
	w->run = w->off = to;
	return true;
}

/* The next label, or false at the root label or a fault. In line, so that the walk is in registers:
 * most of what a message costs. */
static inline bool name_label(struct name_walk *w, const uint8_t **label, uint8_t *len)
{
	for (;;) {
		uint8_t n;

		if (w->off >= w->m->caplen)
			return name_cut(w, 1);
		n = w->m->data[w->off++];
		w->steps++;
		if ((n & 0xc0) == 0xc0) {
			if (!name_jump(w, n))
				return false;
			continue;
		}
		/* 0x40 and 0x80 are no longer label types (RFC 6891 5). */
		w->wire += n + 1;
		if (n & 0xc0 || w->wire > DNS_NAME_MAX)
			return name_bad(w);
		if (n > w->m->caplen - w->off)
			return name_cut(w, n);
		*len = n;
		*label = w->m->data + w->off;
		w->off += n;
		if (!n && !w->end)
			w->end = w->off;
		return n;
	}
}

static enum dns_status name_status(const struct name_walk *w, uint32_t *end)
{
	if (end)
		*end = w->end;
	return w->status;
}

/* What a name shows as it is: printing characters but "$().;@\ */
static const bool is_plain[256] = {
	['!'] = true,	      ['#'] = true,	    ['%' ... '\''] = true, ['*' ... '-'] = true,
	['/' ... ':'] = true, ['<' ... '?'] = true, ['A' ... '['] = true,  [']' ... '~'] = true,
};

#define ESCAPE_TEXT 4 /* at most */

/* To memory that has room for it; returns what is behind it, as the next one does. */
static char *escape_text(char *to, uint8_t c)
{
	*to++ = '\\';
	if (c <= 0x20 || c >= 0x7f)
		return digits_last(to, c, 3);
	*to++ = (char)c;
	return to;
}

void dns_escape_put(struct strbuf *b, uint8_t c)
{
	char mem[ESCAPE_TEXT], *text = strbuf_begin(b, mem, sizeof(mem));

	strbuf_end(b, text, escape_text(text, c));
}

static char *label_text(char *to, const uint8_t *label, uint8_t len)
{
	const uint8_t *end = label + len;

	for (; label < end; label++) {
		if (is_plain[*label])
			*to++ = (char)*label;
		else
			to = escape_text(to, *label);
	}
	return to;
}

enum dns_status dns_name_put(struct strbuf *b, const struct dns_msg *m, uint32_t off, uint32_t *end)
{
	char mem[DNS_NAME_TEXT], *text = strbuf_begin(b, mem, sizeof(mem)), *to = text;
	struct name_walk w = name_begin(m, off);
	const uint8_t *label;
	uint8_t len;

	while (name_label(&w, &label, &len)) {
		if (to != text)
			*to++ = '.';
		to = label_text(to, label, len);
	}
	if (to == text && !w.status)
		*to++ = '.';
	strbuf_end(b, text, to);
	return name_status(&w, end);
}

/* Of eight bytes. */
static bool have_capital(const uint8_t bytes[8])
{
	const uint64_t ones = 0x0101010101010101ULL, highest = 0x80 * ones;
	uint64_t v, low;

	memcpy(&v, bytes, 8);
	/* The highest bit of a byte's sum: it is A or behind it; it is behind Z. */
	low = v & ~highest;
	return (low + (0x80 - 'A') * ones) & ~(low + (0x7f - 'Z') * ones) & ~v & highest;
}

/* Lowers the letters of a name in wire form; the bytes that count labels are below them. */
static void name_lower(struct dns_name *n)
{
	unsigned int i = 0;

	while (i + 8 <= n->len && !have_capital(n->wire + i))
		i += 8;
	for (; i < n->len; i++) {
		bool is_upper = (uint8_t)(n->wire[i] - 'A') < 26;

		if (!is_upper)
			continue;
		if (!n->has_upper)
			memset(n->upper, 0, sizeof(n->upper));
		n->has_upper = true;
		n->upper[i / 32] |= 1U << i % 32;
		n->wire[i] += 0x20;
	}
}

static void name_append(struct dns_name *n, const uint8_t *bytes, uint32_t len)
{
	memcpy(n->wire + n->len, bytes, len);
	n->len += len;
}

enum dns_status dns_name_get(struct dns_name *n, const struct dns_msg *m, uint32_t off,
			     uint32_t *end)
{
	struct name_walk w = name_begin(m, off);
	const uint8_t *label, *run = m->data;
	uint32_t run_len = 0;
	enum dns_status status;
	uint8_t len;

	n->len = 0;
	n->has_upper = false;
	/* Labels are copied along with the bytes that count them, as far as they stand together. */
	while (name_label(&w, &label, &len)) {
		if (label - 1 != run + run_len) {
			name_append(n, run, run_len);
			run = label - 1;
			run_len = 0;
		}
		run_len += len + 1U;
	}
	status = name_status(&w, end);
	if (status) {
		n->len = 0;
		return status;
	}
	name_append(n, run, run_len);
	n->wire[n->len++] = 0;
	name_lower(n);
	return DNS_OK;
}

bool dns_question_get(const struct dns_msg *m, struct dns_name *name, uint16_t *type,
		      uint16_t *class)
{
	struct cursor c;
	uint32_t end;

	name->len = 0;
	if (!m->count[DNS_QUESTION] || dns_name_get(name, m, DNS_HEADER_LEN, &end))
		return false;
	c = msg_cursor(m, end);
	if (!cursor_need(&c, 4)) {
		name->len = 0;
		return false;
	}
	*type = cursor_be16(&c);
	*class = cursor_be16(&c);
	return true;
}

void dns_name_text(struct strbuf *b, const struct dns_name *n)
{
	struct dns_msg m = { .data = n->wire, .caplen = n->len, .len = n->len };
	uint8_t as_sent[DNS_NAME_MAX];
	unsigned int i;

	if (n->has_upper) {
		for (i = 0; i < n->len; i++)
			as_sent[i] = n->wire[i] - (n->upper[i / 32] >> i % 32 & 1) * 0x20;
		m.data = as_sent;
	}
	if (n->len)
		dns_name_put(b, &m, 0, NULL);
}

/* --- the walk over a message ------------------------------------------------- */

void dns_walk_init(struct dns_walk *w, const struct dns_msg *m)
{
	*w = (struct dns_walk){
		.msg = m,
		.off = DNS_HEADER_LEN,
		.left = m->count[DNS_QUESTION],
	};
}

static bool walk_stop(struct dns_walk *w, enum dns_status status)
{
	w->status = status;
	w->left = 0;
	w->section = DNS_NR_SECTIONS;
	return false;
}

/* Offset behind the name at off; its text is not wanted. */
static enum dns_status name_skip(struct dns_walk *walk, uint32_t off, uint32_t *end)
{
	struct name_walk w = name_begin(walk->msg, off);
	const uint8_t *label;
	uint8_t len;

	while (name_label(&w, &label, &len))
		;
	walk->steps += w.steps;
	return name_status(&w, end);
}

bool dns_walk_next(struct dns_walk *w, struct dns_rr *rr)
{
	enum dns_status status;
	struct cursor c;
	uint32_t end;

	while (!w->left) {
		if (w->section + 1 >= DNS_NR_SECTIONS)
			return walk_stop(w, w->status);
		w->left = w->msg->count[++w->section];
	}
	*rr = (struct dns_rr){ .section = w->section, .name_off = w->off };
	status = name_skip(w, w->off, &end);
	if (status)
		return walk_stop(w, status);
	c = msg_cursor(w->msg, end);
	rr->type = cursor_be16(&c);
	rr->class = cursor_be16(&c);
	if (w->section != DNS_QUESTION) {
		rr->ttl = cursor_be32(&c);
		rr->rdlen = cursor_be16(&c);
		rr->rdata_off = c.off;
		cursor_skip(&c, rr->rdlen);
	}
	if (!cursor_ok(&c))
		return walk_stop(w, cursor_status(&c));
	w->off = c.off;
	w->left--;
	return true;
}

/* --- EDNS --------------------------------------------------------------------- */

static struct dns_span span_left(const struct cursor *c)
{
	return (struct dns_span){ c->off, cursor_left(c) };
}

static void edns_error(struct dns_edns *e, struct cursor *o)
{
	uint16_t code = cursor_be16(o);

	if (!cursor_ok(o) || e->nr_errors == DNS_MAX_EDE)
		return;
	e->errors[e->nr_errors].code = code;
	e->errors[e->nr_errors++].text = span_left(o);
}

/* RFC 7871 6: as many bytes as the source's bits need. */
static void edns_subnet(struct dns_edns *e, struct cursor *o)
{
	uint16_t family = cursor_be16(o);
	uint8_t source = cursor_u8(o), scope = cursor_u8(o);
	uint32_t max = family == 1 ? 4 : 16;

	if (!cursor_ok(o) || (family != 1 && family != 2) || source > max * 8 ||
	    cursor_left(o) != (source + 7U) / 8)
		return;
	e->subnet_family = family == 1 ? 4 : 6;
	e->subnet_source = source;
	e->subnet_scope = scope;
	e->subnet = span_left(o);
}

void dns_subnet_put(struct strbuf *b, const struct dns_msg *m, const struct dns_edns *e)
{
	uint8_t bytes[16] = { 0 };
	struct ipaddr a;

	if (!e->subnet_family)
		return;
	memcpy(bytes, m->data + e->subnet.off, e->subnet.len);
	a = e->subnet_family == 4 ? ipaddr_v4(bytes) : ipaddr_v6(bytes);
	ipaddr_put(b, &a);
	strbuf_printf(b, "/%u/%u", e->subnet_source, e->subnet_scope);
}

static void edns_option(struct dns_edns *e, uint16_t code, struct cursor *c, uint16_t len)
{
	struct cursor o = cursor_init(c->data, c->off + len, c->off + len);

	cursor_skip(&o, c->off);
	switch (code) {
	case 3:
		e->has_nsid = true;
		e->nsid = span_left(&o);
		break;
	case 8: edns_subnet(e, &o); break;
	case 10:
		e->has_cookie = true;
		e->cookie = span_left(&o);
		break;
	case 15: edns_error(e, &o); break;
	}
}

static void edns_options(struct dns_edns *e, const struct dns_msg *m, const struct dns_rr *rr)
{
	struct cursor c = cursor_init(m->data, m->caplen, rr->rdata_off + rr->rdlen);

	cursor_skip(&c, rr->rdata_off);
	while (cursor_left(&c)) {
		uint16_t code = cursor_be16(&c), len = cursor_be16(&c);

		if (!cursor_ok(&c) || !cursor_need(&c, len))
			return;
		edns_option(e, code, &c, len);
		cursor_skip(&c, len);
	}
}

void dns_edns_read(struct dns_edns *e, const struct dns_msg *m, const struct dns_rr *rr)
{
	*e = (struct dns_edns){
		.present = true,
		.udp_size = rr->class,
		.ext_rcode = (uint8_t)(rr->ttl >> 24),
		.version = (uint8_t)(rr->ttl >> 16),
		.dnssec_ok = rr->ttl & 0x8000,
	};
	edns_options(e, m, rr);
}

void dns_edns_get(struct dns_edns *e, const struct dns_msg *m)
{
	struct dns_walk w;
	struct dns_rr rr;

	*e = (struct dns_edns){ 0 };
	if (!m->count[DNS_ADDITIONAL])
		return;
	dns_walk_init(&w, m);
	while (dns_walk_next(&w, &rr)) {
		if (rr.section != DNS_ADDITIONAL || rr.type != DNS_T_OPT)
			continue;
		dns_edns_read(e, m, &rr);
		return;
	}
}

/* --- names of numbers (IANA, "Domain Name System (DNS) Parameters") ----------- */

static const char *const type_names[] = {
	[1] = "A",	   [2] = "NS",	     [3] = "MD",	  [4] = "MF",
	[5] = "CNAME",	   [6] = "SOA",	     [7] = "MB",	  [8] = "MG",
	[9] = "MR",	   [10] = "NULL",    [11] = "WKS",	  [12] = "PTR",
	[13] = "HINFO",	   [14] = "MINFO",   [15] = "MX",	  [16] = "TXT",
	[17] = "RP",	   [18] = "AFSDB",   [19] = "X25",	  [20] = "ISDN",
	[21] = "RT",	   [22] = "NSAP",    [23] = "NSAP-PTR",	  [24] = "SIG",
	[25] = "KEY",	   [26] = "PX",	     [27] = "GPOS",	  [28] = "AAAA",
	[29] = "LOC",	   [30] = "NXT",     [31] = "EID",	  [32] = "NIMLOC",
	[33] = "SRV",	   [34] = "ATMA",    [35] = "NAPTR",	  [36] = "KX",
	[37] = "CERT",	   [38] = "A6",	     [39] = "DNAME",	  [40] = "SINK",
	[41] = "OPT",	   [42] = "APL",     [43] = "DS",	  [44] = "SSHFP",
	[45] = "IPSECKEY", [46] = "RRSIG",   [47] = "NSEC",	  [48] = "DNSKEY",
	[49] = "DHCID",	   [50] = "NSEC3",   [51] = "NSEC3PARAM", [52] = "TLSA",
	[53] = "SMIMEA",   [55] = "HIP",     [56] = "NINFO",	  [57] = "RKEY",
	[58] = "TALINK",   [59] = "CDS",     [60] = "CDNSKEY",	  [61] = "OPENPGPKEY",
	[62] = "CSYNC",	   [63] = "ZONEMD",  [64] = "SVCB",	  [65] = "HTTPS",
	[66] = "DSYNC",	   [99] = "SPF",     [100] = "UINFO",	  [101] = "UID",
	[102] = "GID",	   [103] = "UNSPEC", [104] = "NID",	  [105] = "L32",
	[106] = "L64",	   [107] = "LP",     [108] = "EUI48",	  [109] = "EUI64",
	[249] = "TKEY",	   [250] = "TSIG",   [251] = "IXFR",	  [252] = "AXFR",
	[253] = "MAILB",   [254] = "MAILA",  [255] = "ANY",	  [256] = "URI",
	[257] = "CAA",	   [258] = "AVC",    [259] = "DOA",	  [260] = "AMTRELAY",
	[261] = "RESINFO", [262] = "WALLET",
};

static const char *const rcode_names[] = {
	"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",   "REFUSED",
	"YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",  "DSOTYPENI",
	NULL,	    NULL,      NULL,	   NULL,       "BADVERS",  "BADKEY",
	"BADTIME",  "BADMODE", "BADNAME",  "BADALG",   "BADTRUNC", "BADCOOKIE",
};

static const char *const opcode_names[] = {
	"QUERY", "IQUERY", "STATUS", NULL, "NOTIFY", "UPDATE", "DSO",
};

static const char *const ede_names[] = {
	"Other Error",
	"Unsupported DNSKEY Algorithm",
	"Unsupported DS Digest Type",
	"Stale Answer",
	"Forged Answer",
	"DNSSEC Indeterminate",
	"DNSSEC Bogus",
	"Signature Expired",
	"Signature Not Yet Valid",
	"DNSKEY Missing",
	"RRSIGs Missing",
	"No Zone Key Bit Set",
	"NSEC Missing",
	"Cached Error",
	"Not Ready",
	"Blocked",
	"Censored",
	"Filtered",
	"Prohibited",
	"Stale NXDOMAIN Answer",
	"Not Authoritative",
	"Not Supported",
	"No Reachable Authority",
	"Network Error",
	"Invalid Data",
	"Signature Expired before Valid",
	"Too Early",
	"Unsupported NSEC3 Iterations Value",
	"Unable to conform to policy",
	"Synthesized",
};

const char *dns_type_name(uint16_t type)
{
	if (type < ARRAY_SIZE(type_names))
		return type_names[type];
	if (type == 32768)
		return "TA";
	return type == 32769 ? "DLV" : NULL;
}

const char *dns_class_name(uint16_t class)
{
	switch (class) {
	case 1: return "IN";
	case 3: return "CH";
	case 4: return "HS";
	case 254: return "NONE";
	case 255: return "ANY";
	default: return NULL;
	}
}

const char *dns_rcode_name(uint16_t rcode)
{
	return rcode < ARRAY_SIZE(rcode_names) ? rcode_names[rcode] : NULL;
}

const char *dns_opcode_name(uint8_t opcode)
{
	return opcode < ARRAY_SIZE(opcode_names) ? opcode_names[opcode] : NULL;
}

const char *dns_ede_name(uint16_t code)
{
	return code < ARRAY_SIZE(ede_names) ? ede_names[code] : NULL;
}

static void put_named(struct strbuf *b, const char *name, const char *prefix, uint16_t number)
{
	if (name)
		strbuf_puts(b, name);
	else
		strbuf_printf(b, "%s%u", prefix, number);
}

void dns_type_put(struct strbuf *b, uint16_t type)
{
	put_named(b, dns_type_name(type), "TYPE", type);
}

void dns_class_put(struct strbuf *b, uint16_t class)
{
	put_named(b, dns_class_name(class), "CLASS", class);
}

void dns_rcode_put(struct strbuf *b, uint16_t rcode)
{
	put_named(b, dns_rcode_name(rcode), "RCODE", rcode);
}

void dns_opcode_put(struct strbuf *b, uint8_t opcode)
{
	put_named(b, dns_opcode_name(opcode), "OPCODE", opcode);
}

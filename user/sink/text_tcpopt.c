// SPDX-License-Identifier: GPL-2.0-only
/*
 * The options of a TCP segment in the Info column. Each is read from its start
 * as far as it goes: what was read before bytes are missing stays in the line,
 * and what stands behind is not looked at.
 */
#include "sink/text_tcpopt.h"

#include <string.h>

#include "util/cleanup.h"

#define MAX_EDGES  4
#define MAX_SHIFT  14 /* RFC 7323 2.3 */
#define OPT_HEADER 2  /* kind and length, which the length counts */

/* One walk over the options of a segment. */
struct options {
	struct line *l;
	const struct tcp_verdict *v;
	struct tcpopt_facts *facts;
	size_t front; /* where in the line the segment's text begins */
	uint8_t kind;
	unsigned int nr_edges; /* of all SACK options, up to MAX_EDGES */
	uint32_t left[MAX_EDGES], right[MAX_EDGES];
	bool probes; /* a Riverbed probe asks */
	uint8_t probe_type, probe_flags;
};

static void put_front(struct options *o, const char *s)
{
	text_insert(o->l->info, o->front, s, strlen(s));
}

/* --- one number, windows, time stamps -------------------------------------- */

static void opt_field(struct options *o, const char *name, struct cursor *c, unsigned int bytes)
{
	uint32_t value = 0;

	while (bytes-- && cursor_ok(c))
		value = value << 8 | cursor_u8(c);
	if (cursor_ok(c))
		text_field(o->l->info, name, value);
}

static void opt_mss(struct options *o, struct cursor *c)
{
	opt_field(o, "MSS", c, 2);
}

static void opt_echo(struct options *o, struct cursor *c)
{
	opt_field(o, "ECHO", c, 4);
}

static void opt_cc(struct options *o, struct cursor *c)
{
	opt_field(o, "CC", c, 4);
}

static void opt_user_timeout(struct options *o, struct cursor *c)
{
	uint16_t value = cursor_be16(c);

	if (cursor_ok(c))
		text_field(o->l->info, "USER_TO", value & 0x7fff); /* without the unit */
}

static void opt_wscale(struct options *o, struct cursor *c)
{
	uint8_t shift = cursor_u8(c);

	if (!cursor_ok(c))
		return;
	if (shift > MAX_SHIFT)
		shift = MAX_SHIFT;
	o->facts->wscale = shift;
	text_field(o->l->info, "WS", 1u << shift);
}

static void opt_timestamp(struct options *o, struct cursor *c)
{
	uint32_t value = cursor_be32(c), echo = cursor_be32(c);

	if (!cursor_ok(c))
		return;
	text_field(o->l->info, "TSval", value);
	text_field(o->l->info, "TSecr", echo);
}

/* --- selective acknowledgement (RFC 2018, 2883) ---------------------------- */

static void opt_sack_permitted(struct options *o, struct cursor *c)
{
	(void)c;
	strbuf_puts(o->l->info, " SACK_PERM");
}

/* RFC 2883 4: the first block lies in what is acknowledged, or in the second block. */
static bool is_duplicate_sack(const struct options *o)
{
	if ((int32_t)(o->right[0] - o->v->ack) <= 0)
		return true;
	return o->nr_edges > 1 && (int32_t)(o->left[1] - o->right[0]) < 0 &&
	       (int32_t)(o->right[1] - o->right[0]) >= 0;
}

static void opt_sack(struct options *o, struct cursor *c)
{
	while (cursor_reported(c) >= 4) {
		uint32_t left = cursor_be32(c) - o->v->base_ack, right;

		if (!cursor_ok(c) || cursor_reported(c) < 4)
			break;
		right = cursor_be32(c) - o->v->base_ack;
		if (!cursor_ok(c))
			break;
		text_field(o->l->info, "SLE", left);
		text_field(o->l->info, "SRE", right);
		if (o->nr_edges < MAX_EDGES) {
			o->left[o->nr_edges] = left;
			o->right[o->nr_edges++] = right;
		}
	}
	if (cursor_ok(c) && c->off % 8 == 0)
		cursor_skip(c, cursor_reported(c)); /* too short for a block */
	/* The first block is read again to be called a duplicate, if there is one or not. */
	if (cursor_ok(c) && c->len < 8 && is_duplicate_sack(o))
		c->malformed = true;
}

/* --- signatures, fast open, accurate ECN, experiments ---------------------- */

static void opt_md5(struct options *o, struct cursor *c)
{
	strbuf_puts(o->l->info, " MD5");
	if (c->len == 16)
		cursor_skip(c, 16);
}

static void opt_ao(struct options *o, struct cursor *c)
{
	strbuf_puts(o->l->info, "TCP AO");
	if (c->len >= 2)
		cursor_skip(c, c->len);
}

static void opt_fast_open(struct options *o, struct cursor *c)
{
	const char *what = cursor_reported(c) ? " TFO=C" : " TFO=R";

	if (cursor_skip(c, cursor_reported(c)))
		strbuf_puts(o->l->info, what);
}

/* Three counters of three bytes; which comes first, the option's kind tells. */
static void put_accecn(struct options *o, struct cursor *c, bool ect0_first)
{
	static const char *const names[2][3] = { { "EE1B", "ECEB", "EE0B" },
						 { "EE0B", "ECEB", "EE1B" } };
	uint32_t i, nr = cursor_reported(c) / 3;

	if (cursor_reported(c) % 3 || nr > ARRAY_SIZE(names[0]))
		return;
	if (!nr)
		strbuf_puts(o->l->info, " AccECN");
	for (i = 0; i < nr && cursor_ok(c); i++)
		opt_field(o, names[ect0_first][i], c, 3);
	o->facts->has_accecn |= cursor_ok(c);
}

static void opt_accecn(struct options *o, struct cursor *c)
{
	put_accecn(o, c, o->kind == TCPOPT_ACCECN0);
}

/* TCP ACK Rate Request (draft-gomez-tcpm-ack-rate-request) */
static void put_ack_rate(struct options *o, struct cursor *c)
{
	uint32_t len = cursor_reported(c);
	uint8_t rate;

	if (!len)
		strbuf_puts(o->l->info, " TARR");
	if (len != 1)
		return;
	rate = cursor_u8(c);
	if (cursor_ok(c))
		text_field(o->l->info, "TARR", rate >> 1);
}

static void put_experiment(struct options *o, struct cursor *c, uint16_t id)
{
	static const char hex[] = "0123456789ABCDEF";
	int shift;

	if (!cursor_skip(c, cursor_reported(c)))
		return;
	strbuf_puts(o->l->info, " ExID=");
	for (shift = 12; shift > 0 && !(id >> shift); shift -= 4)
		;
	for (; shift >= 0; shift -= 4)
		strbuf_putc(o->l->info, hex[id >> shift & 0xf]);
}

/* RFC 6994: the first two bytes tell whose experiment it is. */
static void opt_experiment(struct options *o, struct cursor *c)
{
	uint16_t id;

	if (c->len < 2)
		return;
	id = cursor_be16(c);
	if (!cursor_ok(c))
		return;
	switch (id) {
	case TCPEXID_ACK_RATE: put_ack_rate(o, c); break;
	case TCPEXID_FAST_OPEN: opt_fast_open(o, c); break;
	case TCPEXID_ACCECN0:
	case TCPEXID_ACCECN1: put_accecn(o, c, id == TCPEXID_ACCECN0); break;
	default: put_experiment(o, c, id);
	}
}

/* RFC 4782 3.1 */
static void opt_quick_start(struct options *o, struct cursor *c)
{
	static const char *const rates[16] = {
		"0 bit/s",	 "80 Kbit/s",	  "160 Kbit/s",	   "320 Kbit/s",
		"640 Kbit/s",	 "1.28 Mbit/s",	  "2.56 Mbit/s",   "5.12 Mbit/s",
		"10.24 Mbit/s",	 "20.48 Mbit/s",  "40.96 Mbit/s",  "81.92 Mbit/s",
		"163.84 Mbit/s", "327.68 Mbit/s", "655.36 Mbit/s", "1.31072 Gbit/s",
	};
	uint8_t rate = cursor_u8(c);

	if (!cursor_ok(c))
		return;
	strbuf_puts(o->l->info, " QSresp=");
	strbuf_puts(o->l->info, rates[rate & 0xf]);
	cursor_skip(c, 1);
}

/* --- space links (CCSDS 714.0-B-2, SCPS) ------------------------------------ */

static void put_scps_names(struct strbuf *b, uint8_t capabilities)
{
	static const struct {
		uint8_t mask;
		const char *name;
	} bits[] = { { 0x80, "BETS" }, { 0x40, "SNACK1" }, { 0x20, "SNACK2" },
		     { 0x10, "COMP" }, { 0x08, "NLTS" },   { 0x07, "RESERVED" } };
	const char *separator = " SCPS[";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		if (!(capabilities & bits[i].mask))
			continue;
		strbuf_puts(b, separator);
		strbuf_puts(b, bits[i].name);
		separator = ", ";
	}
	strbuf_putc(b, ']');
}

/* 3.2.5: blocks of the kind, the length in two bytes, data */
static void put_scps_blocks(struct options *o, struct cursor *c)
{
	while (cursor_ok(c) && cursor_reported(c)) {
		uint8_t space = cursor_u8(c), len = cursor_u8(c) >> 4;

		if (cursor_ok(c) && cursor_skip(c, len * 2u))
			text_field(o->l->info, "EXCAP", space);
	}
}

static void opt_scps(struct options *o, struct cursor *c)
{
	uint8_t capabilities, id;

	if (c->len != 2) {
		if (o->facts->scps)
			put_scps_blocks(o, c);
		return;
	}
	capabilities = cursor_u8(c);
	if (cursor_ok(c) && capabilities)
		put_scps_names(o->l->info, capabilities);
	id = cursor_u8(c);
	if (!cursor_ok(c))
		return;
	o->facts->scps = true;
	if (id)
		text_field(o->l->info, "Connection ID", id);
}

/* tshark 4.0 reads an acknowledgement behind the option's end. */
static void opt_snack(struct options *o, struct cursor *c)
{
	(void)o;
	if (cursor_skip(c, 4))
		c->malformed = true;
}

/* --- multipath (RFC 6824, 8684) --------------------------------------------- */

enum { MP_CAPABLE, MP_JOIN, MP_DSS, MP_ADD, MP_REMOVE, MP_PRIO, MP_FAIL, MP_FASTCLOSE, MP_RST };

enum { DSS_ACK = 1, DSS_ACK8 = 2, DSS_MAP = 4, DSS_SEQ8 = 8 };

static void read_dss(struct cursor *c)
{
	uint8_t flags;

	cursor_skip(c, 1);
	flags = cursor_u8(c);
	if (cursor_ok(c) && flags & DSS_ACK)
		cursor_skip(c, flags & DSS_ACK8 ? 8 : 4);
	if (!cursor_ok(c) || !(flags & DSS_MAP))
		return;
	/* sequence numbers of data and subflow, length, and perhaps a checksum */
	text_fields(c, flags & DSS_SEQ8 ? "842" : "442");
	if (cursor_ok(c) && cursor_reported(c) >= 4)
		cursor_skip(c, 2);
}

/* Which fields stand there, the option's whole length tells. */
static const struct {
	uint8_t subtype, len;
	const char *fields;
} multipath_fields[] = {
	{ MP_CAPABLE, 12, "118" },    { MP_CAPABLE, 20, "1188" }, { MP_CAPABLE, 22, "11882" },
	{ MP_CAPABLE, 24, "118822" }, { MP_CAPABLE, 0, "11" },	  { MP_JOIN, 12, "1144" },
	{ MP_JOIN, 16, "1184" },      { MP_JOIN, 24, "2884" },	  { MP_ADD, 8, "114" },
	{ MP_ADD, 10, "1142" },	      { MP_ADD, 16, "1148" },	  { MP_ADD, 18, "11428" },
	{ MP_ADD, 20, "11A" },	      { MP_ADD, 22, "11A2" },	  { MP_ADD, 28, "11A8" },
	{ MP_ADD, 30, "11A28" },      { MP_ADD, 0, "11" },	  { MP_PRIO, 4, "11" },
	{ MP_PRIO, 0, "1" },	      { MP_FAIL, 0, "28" },	  { MP_FASTCLOSE, 0, "28" },
	{ MP_RST, 0, "11" },
};

static void read_multipath(struct cursor *c, uint8_t subtype)
{
	size_t i;

	if (subtype == MP_DSS)
		read_dss(c);
	if (subtype == MP_REMOVE && cursor_reported(c) > 1)
		cursor_skip(c, cursor_reported(c));
	for (i = 0; i < ARRAY_SIZE(multipath_fields); i++) {
		if (multipath_fields[i].subtype != subtype ||
		    (multipath_fields[i].len && multipath_fields[i].len != c->len + OPT_HEADER))
			continue;
		text_fields(c, multipath_fields[i].fields);
		return;
	}
}

static void opt_multipath(struct options *o, struct cursor *c)
{
	uint8_t subtype;

	o->l->protocol = "MPTCP";
	/* As a protocol of its own it hides what a probe asks. */
	o->probes = false;
	o->probe_flags = 0;
	if (!cursor_need(c, 1))
		return;
	subtype = c->data[c->off] >> 4;
	read_multipath(c, subtype);
	if (!cursor_ok(c))
		return;
	/* The first SYN of version 1 bears no key, and nothing is known of its connection. */
	if (subtype != MP_CAPABLE || c->len + OPT_HEADER >= 12)
		o->facts->multipath = true;
	if (subtype < MP_RST)
		o->facts->multipath_ops |= (uint8_t)(1 << subtype);
}

/* --- Riverbed ------------------------------------------------------------------ */

enum {
	PROBE_QUERY,
	PROBE_RESPONSE,
	PROBE_INTERNAL,
	PROBE_TRACE,
	PROBE_QUERY_SH,
	PROBE_RESPONSE_SH,
	PROBE_QUERY_INFO,
	PROBE_RESPONSE_INFO,
	PROBE_QUERY_INFO_SH,
	PROBE_QUERY_INFO_SID,
	PROBE_RST,
	NR_PROBES
};

enum { PROBE_LAST = 0x01, PROBE_NOT_CFE = 0x04 };

static void opt_probe1(struct options *o, struct cursor *c, uint8_t type)
{
	if (type == PROBE_INTERNAL || !text_fields(c, "14"))
		return;
	if (type == PROBE_QUERY || type == PROBE_QUERY_SH || type == PROBE_TRACE) {
		if (!cursor_skip(c, 2))
			return;
		o->probes = true;
		o->probe_type = type;
	} else if (type == PROBE_RESPONSE || type == PROBE_RESPONSE_SH) {
		if (text_fields(c, type == PROBE_RESPONSE ? "42" : "442"))
			put_front(o, "SA+, ");
	}
}

static void opt_probe2(struct options *o, struct cursor *c, uint8_t type)
{
	uint8_t flags;

	if (type < PROBE_QUERY_INFO)
		return;
	flags = cursor_u8(c);
	if (type == PROBE_QUERY_INFO && cursor_ok(c))
		o->probe_flags = flags;
	if (type == PROBE_QUERY_INFO_SH || type == PROBE_QUERY_INFO_SID)
		cursor_skip(c, 4);
	if (cursor_ok(c) && (type == PROBE_QUERY_INFO || type == PROBE_QUERY_INFO_SH) &&
	    (o->l->f->tcp_flags & (TH_SYN | TH_ACK)) == (TH_SYN | TH_ACK) && flags & PROBE_LAST)
		put_front(o, "SA++, ");
}

static void opt_probe(struct options *o, struct cursor *c)
{
	uint8_t version_type;

	if (!c->len)
		return;
	version_type = cursor_u8(c);
	if (!cursor_ok(c))
		return;
	if (version_type & 1 && version_type >> 4 < NR_PROBES)
		opt_probe1(o, c, version_type >> 4);
	else if (!(version_type & 1) && version_type >> 1 < NR_PROBES)
		opt_probe2(o, c, version_type >> 1);
}

static void put_probe(struct options *o)
{
	if (o->probe_type == PROBE_TRACE)
		put_front(o, "S#, ");
	else
		put_front(o, o->probe_flags & PROBE_NOT_CFE ? "S+*, " : "S+, ");
}

static void opt_transparency(struct options *o, struct cursor *c)
{
	put_front(o, "TRPY, ");
	if (c->len == 14)
		cursor_skip(c, 14);
}

/* --- the walk ---------------------------------------------------------------- */

static const struct {
	uint8_t kind, len; /* of the only right length, header included; 0 is any */
	void (*put)(struct options *, struct cursor *);
} opts[] = {
	{ TCPOPT_MSS, 4, opt_mss },
	{ TCPOPT_WSCALE, 3, opt_wscale },
	{ TCPOPT_SACK_PERMITTED, 0, opt_sack_permitted },
	{ TCPOPT_SACK, 0, opt_sack },
	{ TCPOPT_ECHO, 6, opt_echo },
	{ TCPOPT_ECHO_REPLY, 6, opt_echo },
	{ TCPOPT_TIMESTAMP, 10, opt_timestamp },
	{ TCPOPT_CC, 6, opt_cc },
	{ TCPOPT_CC_NEW, 6, opt_cc },
	{ TCPOPT_CC_ECHO, 6, opt_cc },
	{ TCPOPT_MD5, 0, opt_md5 },
	{ TCPOPT_SCPS, 0, opt_scps },
	{ TCPOPT_SNACK, 6, opt_snack },
	{ TCPOPT_RECORD_BOUND, 2, NULL },
	{ TCPOPT_CORRUPTION, 2, NULL },
	{ TCPOPT_QUICKSTART, 8, opt_quick_start },
	{ TCPOPT_USER_TIMEOUT, 4, opt_user_timeout },
	{ TCPOPT_AO, 0, opt_ao },
	{ TCPOPT_MULTIPATH, 0, opt_multipath },
	{ TCPOPT_FAST_OPEN, 0, opt_fast_open },
	{ TCPOPT_PROBE, 0, opt_probe },
	{ TCPOPT_TRANSPARENCY, 0, opt_transparency },
	{ TCPOPT_ACCECN0, 0, opt_accecn },
	{ TCPOPT_ACCECN1, 0, opt_accecn },
	{ TCPOPT_EXP1, 0, opt_experiment },
	{ TCPOPT_EXP2, 0, opt_experiment },
};

/* Of an option that nobody knows all bytes are wanted; of one with a wrong length none. */
static void put_option(struct options *o, struct tcpopt *opt)
{
	struct cursor *c = &opt->body;
	size_t i;

	o->kind = opt->kind;
	for (i = 0; i < ARRAY_SIZE(opts); i++) {
		if (opts[i].kind != opt->kind)
			continue;
		if (opts[i].put && (!opts[i].len || opts[i].len == c->len + OPT_HEADER))
			opts[i].put(o, c);
		return;
	}
	cursor_skip(c, c->len);
}

/* Why an option could not be read to its end: it stands in the segment, the segment in the capture.
 */
static void option_stopped(struct line *l, const struct cursor *c)
{
	uint32_t at = (uint32_t)(c->data + c->off - (l->f->data + l->f->l4_off));

	l->malformed = c->malformed;
	l->truncated = c->truncated && l->f->l4_caplen < l->f->l4_len && at < l->f->l4_len;
	l->contained = c->truncated && !l->truncated;
}

/* Bytes up to `end` are wanted. */
static void want_header(struct line *l, uint32_t end)
{
	l->malformed = end > l->f->l4_len;
	l->truncated = !l->malformed && end > l->f->l4_caplen;
}

/* Padding one by one, anything else behind the last option at once. */
static void want_padding(struct line *l, uint32_t from)
{
	const struct frame *f = l->f;

	while (from < f->l4_caplen && from < f->tcp_hlen && !f->data[f->l4_off + from])
		from++;
	if (from < f->tcp_hlen)
		want_header(l, from < f->l4_caplen ? f->tcp_hlen : from + 1);
}

/* An option that is cut, but of which nothing is read; false if that is the last one. */
static bool want_next(struct line *l, const struct tcpopt *opt)
{
	uint32_t next = (uint32_t)(opt->body.data - (l->f->data + l->f->l4_off)) + opt->body.len;

	if (opt->body.caplen >= opt->body.len)
		return true;
	if (next < l->f->tcp_hlen)
		want_header(l, next + 1);
	return false;
}

static void put_all(struct options *o)
{
	struct line *l = o->l;
	struct tcpopt opt = { .kind = TCPOPT_NOP };
	struct tcpopts walk;

	tcpopts_init(&walk, l->f);
	while (tcpopts_next(&walk, &opt)) {
		put_option(o, &opt);
		if (!cursor_ok(&opt.body)) {
			option_stopped(l, &opt.body);
			return;
		}
		if (!want_next(l, &opt))
			return;
	}
	if (!cursor_ok(&walk.c))
		want_header(l, walk.c.off + 1);
	else if (opt.kind == TCPOPT_END)
		want_padding(l, walk.c.off);
	else if (walk.past_end)
		want_header(l, l->f->tcp_hlen - OPT_HEADER);
}

bool text_tcp_options(struct line *l, size_t front, const struct tcp_verdict *v,
		      struct tcpopt_facts *facts)
{
	struct options o = { .l = l, .v = v, .facts = facts, .front = front };

	if (l->f->tcp_hlen <= TCP_HLEN_MIN)
		return true;
	/* Nobody asks for bytes behind an option that says that it has no length. */
	l->malformed = l->truncated = false;
	put_all(&o);
	if (l->malformed || l->truncated || l->contained)
		return false;
	if (o.probes)
		put_probe(&o);
	return true;
}

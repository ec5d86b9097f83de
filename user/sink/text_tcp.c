// SPDX-License-Identifier: GPL-2.0-only
/* TCP and UDP in the Info column. */
#include "decode/tcpopt.h"
#include "sink/text_dns.h"
#include "sink/text_line.h"

#include <string.h>

#include "util/cleanup.h"

#define ARROW " \xe2\x86\x92 "

enum { PORT_DNS = 53, PORT_LLMNR = 5355 };

/* Guessing whether a datagram is DNS takes this many bytes of its header. */
#define MIN_GUESS  10
#define DNS_HEADER 12
#define DNS_COUNTS 4 /* where they begin; the flags are before them */
#define DNS_OPCODE 0x78
enum { TH_SYN = 0x02, TH_RST = 0x04, TH_ACK = 0x10, TH_URG = 0x20, TH_RESERVED = 0xe00 };

static void put_ports(struct line *l)
{
	if (!l->f->flow.has_ports)
		return;
	strbuf_u64(l->info, l->f->flow.sport);
	strbuf_puts(l->info, ARROW);
	strbuf_u64(l->info, l->f->flow.dport);
}

static bool has_port(const struct flow *flow, uint16_t port)
{
	return flow->sport == port || flow->dport == port;
}

/* --- UDP ------------------------------------------------------------------- */

static void put_udp_len(struct line *l)
{
	const struct frame *f = l->f;

	if (f->fault == FAULT_UDP_LEN) {
		strbuf_puts(l->info, " [BAD UDP LENGTH ");
		strbuf_u64(l->info, f->fault_value);
		strbuf_puts(l->info, " < 8]");
		l->malformed = false;
		return;
	}
	if (f->fault == FAULT_UDP_LEN_OVER) {
		strbuf_puts(l->info, " [BAD UDP LENGTH ");
		strbuf_u64(l->info, f->fault_value);
		strbuf_puts(l->info, " > IP PAYLOAD LENGTH]");
	}
	text_field(l->info, "Len", (f->udp_len ? f->udp_len : f->l4_len) - 8u);
	if (!f->udp_len)
		strbuf_puts(l->info, " [Jumbogram]");
	if (f->has_transport && f->ip_version == 6 && !f->udp_checksum)
		strbuf_puts(l->info, " [ILLEGAL CHECKSUM (0)]");
}

/* tshark guesses on any port; the operation code may tell before the counters are read. */
static bool cuts_guess(const struct frame *f)
{
	const uint8_t *payload = f->data + f->payload_off;

	if (f->payload_caplen >= f->payload_len || f->payload_caplen >= MIN_GUESS)
		return false;
	if (!f->payload_caplen)
		return true;
	if (f->payload_len <= DNS_HEADER)
		return false;
	return f->payload_caplen < DNS_COUNTS || !(payload[DNS_COUNTS - 2] & DNS_OPCODE);
}

void text_udp(struct line *l)
{
	const struct frame *f = l->f;
	const uint8_t *payload = f->data + f->payload_off;

	l->protocol = "UDP";
	if (f->payload_caplen &&
	    text_dns_info(l->info, &l->protocol, payload, f->payload_caplen, f->payload_len, f))
		return;
	put_ports(l);
	if (f->has_udp_len)
		put_udp_len(l);
	if (f->fault == FAULT_UDP_LEN_OVER && f->has_transport && !f->payload_len)
		l->malformed = true;
	if (cuts_guess(f))
		l->truncated = true;
}

/* --- TCP ------------------------------------------------------------------- */

static const char *const flag_names[] = { "FIN", "SYN", "RST", "PSH", "ACK",
					  "URG", "ECE", "CWR", "AE" };

#define FIRST_ACE_FLAG 6 /* ECE, CWR, AE */

static void put_flags(struct strbuf *b, uint16_t flags, bool has_ace)
{
	size_t i, nr = has_ace ? FIRST_ACE_FLAG : ARRAY_SIZE(flag_names);
	const char *separator = "";

	strbuf_puts(b, " [");
	for (i = 0; i < nr; i++) {
		if (!(flags & 1u << i))
			continue;
		strbuf_puts(b, separator);
		strbuf_puts(b, flag_names[i]);
		separator = ", ";
	}
	if (has_ace) {
		strbuf_puts(b, ", ACE="); /* also behind no flag */
		strbuf_u64(b, flags >> FIRST_ACE_FLAG & 7);
		separator = ", ";
	}
	if (flags & TH_RESERVED) {
		strbuf_puts(b, separator);
		strbuf_puts(b, "Reserved");
	}
	if (!flags)
		strbuf_puts(b, "<None>");
	strbuf_putc(b, ']');
}

static void put_mark(struct strbuf *b, const struct tcp_verdict *v, uint32_t mark)
{
	static const char *const names[] = {
		"TCP Port numbers reused",  "TCP Retransmission",
		"TCP Fast Retransmission",  "TCP Spurious Retransmission",
		"TCP Out-Of-Order",	    "TCP Previous segment not captured",
		"TCP ACKed unseen segment", "TCP Window Update",
		"TCP Window Full",	    "TCP Keep-Alive",
		"TCP Keep-Alive ACK",	    "TCP Dup ACK ",
		"TCP ZeroWindowProbe",	    "TCP ZeroWindow",
		"TCP ZeroWindowProbeAck",
	};

	strbuf_putc(b, '[');
	strbuf_puts(b, names[__builtin_ctz(mark)]);
	if (mark == TCP_MARK_DUP_ACK) {
		strbuf_u64(b, v->dup_ack_of);
		strbuf_putc(b, '#');
		strbuf_u64(b, v->dup_ack_nr);
	}
	strbuf_puts(b, "] ");
}

static void put_marks(struct line *l, const struct tcp_verdict *v)
{
	uint32_t mark;

	if (!v->marks)
		return;
	l->tone = TONE_NOTICE;
	for (mark = TCP_MARK_ZERO_PROBE_ACK; mark; mark >>= 1)
		if (v->marks & mark)
			put_mark(l->info, v, mark);
}

/* --- options --------------------------------------------------------------- */

static void opt_field(struct strbuf *b, const char *name, struct cursor *c, unsigned int bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | cursor_u8(c);
	text_field(b, name, value);
}

static void opt_sack(struct line *l, struct cursor *c, const struct tcp_verdict *v)
{
	l->malformed |= c->len < 8;
	while (cursor_left(c) >= 8) {
		text_field(l->info, "SLE", (uint32_t)(cursor_be32(c) - v->base_ack));
		text_field(l->info, "SRE", (uint32_t)(cursor_be32(c) - v->base_ack));
	}
}

/* Three counters of three bytes; the order is the option's kind. */
static void opt_accecn(struct strbuf *b, struct cursor *c, bool ect0_first)
{
	static const char *const names[2][3] = { { "EE1B", "ECEB", "EE0B" },
						 { "EE0B", "ECEB", "EE1B" } };
	unsigned int i;

	if (!c->len)
		strbuf_puts(b, " AccECN");
	if (c->len % 3 || c->len / 3 > ARRAY_SIZE(names[0]))
		return;
	for (i = 0; i < ARRAY_SIZE(names[0]) && i < c->len / 3; i++)
		opt_field(b, names[ect0_first][i], c, 3);
}

static void opt_tfo(struct strbuf *b, const struct cursor *c)
{
	strbuf_puts(b, cursor_left(c) ? " TFO=C" : " TFO=R");
}

/* RFC 6994: the first two bytes tell whose experiment it is. */
static void opt_experiment(struct strbuf *b, struct cursor *c)
{
	static const char hex[] = "0123456789ABCDEF";
	uint16_t id;
	int shift;

	if (c->len < 2)
		return;
	id = cursor_be16(c);
	if (id == TCPEXID_FAST_OPEN) {
		opt_tfo(b, c);
	} else if (id == TCPEXID_ACCECN0 || id == TCPEXID_ACCECN1) {
		struct cursor rest = cursor_init(c->data + 2, c->caplen - 2, c->len - 2);

		opt_accecn(b, &rest, id == TCPEXID_ACCECN0);
	} else {
		strbuf_puts(b, " ExID=");
		for (shift = 12; shift > 0 && !(id >> shift); shift -= 4)
			;
		for (; shift >= 0; shift -= 4)
			strbuf_putc(b, hex[id >> shift & 0xf]);
	}
}

/* Options that are one number: printed only if the length is right. */
static const struct {
	uint8_t kind, bytes;
	const char *name;
} number_opts[] = {
	{ TCPOPT_MSS, 2, "MSS" }, { TCPOPT_ECHO, 4, "ECHO" }, { TCPOPT_ECHO_REPLY, 4, "ECHO" },
	{ TCPOPT_CC, 4, "CC" },	  { TCPOPT_CC_NEW, 4, "CC" }, { TCPOPT_CC_ECHO, 4, "CC" },
};

static void put_number_option(struct strbuf *b, struct tcpopt *opt)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(number_opts); i++)
		if (number_opts[i].kind == opt->kind && number_opts[i].bytes == opt->body.len)
			opt_field(b, number_opts[i].name, &opt->body, number_opts[i].bytes);
}

static void put_option(struct line *l, struct tcpopt *opt, const struct tcp_verdict *v)
{
	struct strbuf *b = l->info;
	struct cursor *c = &opt->body;

	switch (opt->kind) {
	case TCPOPT_TIMESTAMP:
		if (c->len == 8) {
			opt_field(b, "TSval", c, 4);
			opt_field(b, "TSecr", c, 4);
		}
		break;
	case TCPOPT_WSCALE:
		if (c->len == 1) {
			uint8_t shift = cursor_u8(c);

			text_field(b, "WS", 1u << (shift > 14 ? 14 : shift));
		}
		break;
	case TCPOPT_USER_TIMEOUT:
		if (c->len == 2)
			text_field(b, "USER_TO", cursor_be16(c) & 0x7fff);
		break;
	case TCPOPT_SACK_PERMITTED: strbuf_puts(b, " SACK_PERM"); break;
	case TCPOPT_SACK: opt_sack(l, c, v); break;
	case TCPOPT_MD5: strbuf_puts(b, " MD5"); break;
	case TCPOPT_AO: strbuf_puts(b, "TCP AO"); break;
	case TCPOPT_FAST_OPEN: opt_tfo(b, c); break;
	case TCPOPT_ACCECN0: opt_accecn(b, c, true); break;
	case TCPOPT_ACCECN1: opt_accecn(b, c, false); break;
	case TCPOPT_EXP1:
	case TCPOPT_EXP2: opt_experiment(b, c); break;
	default: put_number_option(b, opt);
	}
}

/* Options whose name comes before their body is looked at. */
static bool is_named_first(uint8_t kind)
{
	return kind == TCPOPT_SACK_PERMITTED || kind == TCPOPT_MD5 || kind == TCPOPT_AO;
}

/* Bytes up to `end` are wanted: the capture may stop before, or the packet itself. */
static void want_header(struct line *l, uint32_t end)
{
	const struct frame *f = l->f;

	l->malformed = end > f->l4_len;
	l->truncated = end <= f->l4_len && end > f->l4_caplen;
}

/* The rest of an option's body is missing. */
static void body_cut(struct line *l)
{
	if (l->f->l4_caplen < l->f->l4_len)
		l->truncated = true;
	else
		l->contained = true;
}

/* Of such an option nothing is read. */
static bool has_wrong_len(const struct tcpopt *opt)
{
	switch (opt->kind) {
	case TCPOPT_MSS: return opt->body.len != 2;
	case TCPOPT_WSCALE: return opt->body.len != 1;
	case TCPOPT_TIMESTAMP: return opt->body.len != 8;
	case TCPOPT_USER_TIMEOUT: return opt->body.len != 2;
	default: return false;
	}
}

static void put_options(struct line *l, const struct tcp_verdict *v)
{
	struct tcpopts o;
	struct tcpopt opt = { .kind = TCPOPT_NOP };

	if (l->f->tcp_hlen <= 20)
		return;
	/* An option of no length ends them before the header does, and nobody asks for the rest. */
	l->malformed = l->truncated = false;
	tcpopts_init(&o, l->f);
	while (tcpopts_next(&o, &opt)) {
		bool cut = opt.body.caplen < opt.body.len;

		if (!cut || is_named_first(opt.kind))
			put_option(l, &opt, v);
		if (cut) {
			if (!has_wrong_len(&opt))
				body_cut(l);
			return;
		}
	}
	if (!cursor_ok(&o.c))
		want_header(l, o.c.off + 1);
	else if (o.past_end || opt.kind == TCPOPT_END)
		want_header(l, l->f->tcp_hlen);
}

/* --- the line -------------------------------------------------------------- */

static void put_tcp_header(struct line *l, const struct tcp_verdict *v)
{
	const struct frame *f = l->f;
	struct strbuf *b = l->info;

	put_ports(l);
	put_flags(b, f->tcp_flags, v->has_ace);
	text_field(b, "Seq", v->seq);
	if (f->tcp_flags & TH_ACK)
		text_field(b, "Ack", v->ack);
	text_field(b, "Win", v->window);
	if (f->fault == FAULT_TCP_HEADER_LEN) {
		strbuf_puts(b, ", bogus TCP header length (");
		strbuf_u64(b, f->fault_value);
		strbuf_puts(b, ", must be at least 20)");
		l->malformed = false;
		return;
	}
	if (!f->has_urgent)
		return;
	if (f->tcp_flags & TH_URG)
		text_field(b, "Urg", f->tcp_urgent);
	if (v->has_len)
		text_field(b, "Len", v->len);
	put_options(l, v);
}

static bool is_dns_stream(const struct frame *f)
{
	return f->payload_caplen && !(f->tcp_flags & TH_RST) &&
	       (has_port(&f->flow, PORT_DNS) || has_port(&f->flow, PORT_LLMNR));
}

/* DNS over TCP replaces the text where a message ends in this segment. */
static bool put_dns_stream(struct line *l, const struct tcp_verdict *v, bool *part)
{
	const uint8_t *data;
	uint32_t len;

	switch (tcp_track_messages(l->tcp, v, l->f, &data, &len)) {
	case TCP_MSG_NONE: break;
	case TCP_MSG_PART: *part = true; break;
	case TCP_MSG_WHOLE:
		do {
			if (!text_dns_info(l->info, &l->protocol, data, len, len, l->f))
				return false;
		} while (tcp_track_more(v, &data, &len));
		return true;
	}
	return false;
}

/* Takes what stands between the two out again. */
static void take_out(struct strbuf *b, size_t from, size_t to)
{
	if (b->cut)
		return;
	memmove(b->s + from, b->s + to, b->len - to);
	b->len -= to - from;
}

void text_tcp(struct line *l)
{
	const struct frame *f = l->f;
	size_t from = l->info->len, to;
	struct tcp_verdict v;
	bool part = false;

	l->protocol = "TCP";
	if (!f->has_tcp) {
		put_ports(l);
		return;
	}
	tcp_track_segment(l->tcp, l->p, f, tcpopts_facts(f), &v);
	if (f->has_transport)
		put_marks(l, &v);
	to = l->info->len;
	if (f->tcp_flags & TH_RST)
		l->tone = TONE_TROUBLE;
	if (is_dns_stream(f) && put_dns_stream(l, &v, &part))
		return;
	put_tcp_header(l, &v);
	/* tshark comes to the marks behind the options, if it does. */
	if (l->malformed || l->truncated || l->contained)
		take_out(l->info, from, to);
	if (part)
		strbuf_puts(l->info, " [TCP segment of a reassembled PDU]");
}

// SPDX-License-Identifier: GPL-2.0-only
/* TCP and UDP in the Info column. */
#include "sink/text_dns.h"
#include "sink/text_line.h"
#include "sink/text_tcpopt.h"

#include <string.h>

#include "util/cleanup.h"

#define ARROW " \xe2\x86\x92 "

enum { PORT_DNS = 53, PORT_LLMNR = 5355 };

#define UDP_HLEN   8
#define MARKS_SIZE 512

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

/* tshark looks for payload, and guesses on any port whether it is DNS. */
static bool cuts_guess(const struct frame *f)
{
	if (f->payload_caplen >= f->payload_len)
		return false;
	return !f->payload_caplen ||
	       text_dns_cuts_guess(f->data + f->payload_off, f->payload_caplen, f->payload_len);
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
	/* The length tells of payload, the packet has none. */
	if (f->has_transport && !f->payload_len && f->udp_len > UDP_HLEN)
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
	if (!flags && !has_ace)
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

/* Puts the marks at `at`; returns where they end. */
static size_t put_marks(struct line *l, size_t at, const struct tcp_verdict *v)
{
	char mem[MARKS_SIZE];
	struct strbuf b;
	uint32_t mark;

	if (!v->marks)
		return at;
	l->tone = TONE_NOTICE;
	strbuf_init(&b, mem, sizeof(mem));
	for (mark = TCP_MARK_ZERO_PROBE_ACK; mark; mark >>= 1)
		if (v->marks & mark)
			put_mark(&b, v, mark);
	text_insert(l->info, at, b.s, b.len);
	return at + b.len;
}

/* --- the line -------------------------------------------------------------- */

/* Up to the options. False if the segment ends before them. */
static bool put_tcp_header(struct line *l, const struct tcp_verdict *v)
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
		return false;
	}
	if (!f->has_urgent)
		return false;
	if (f->tcp_flags & TH_URG)
		text_field(b, "Urg", f->tcp_urgent);
	if (v->has_len)
		text_field(b, "Len", v->len);
	return true;
}

static bool is_dns_stream(const struct frame *f)
{
	return f->payload_caplen && !(f->tcp_flags & TH_RST) &&
	       (has_port(&f->flow, PORT_DNS) || has_port(&f->flow, PORT_LLMNR));
}

/* DNS over TCP is the text where a message ends in this segment. */
static bool put_dns_stream(struct line *l, const struct tcp_verdict *v, bool *part)
{
	const uint8_t *data;
	uint32_t len;

	switch (tcp_track_messages(l->tcp, v, l->f, &data, &len)) {
	case TCP_MSG_NONE: break;
	case TCP_MSG_PART: *part = true; break;
	case TCP_MSG_CUT:
		len = l->f->payload_len;
		l->truncated = l->f->payload_caplen < 2;
		return text_dns_info(l->info, &l->protocol, data, l->f->payload_caplen, len, l->f);
	case TCP_MSG_WHOLE:
		do {
			if (!text_dns_info(l->info, &l->protocol, data, len, len, l->f))
				return false;
		} while (tcp_track_more(v, &data, &len));
		return true;
	}
	return false;
}

/* Takes what stands between the two out. */
static void take_out(struct strbuf *b, size_t from, size_t to)
{
	if (b->cut)
		return;
	memmove(b->s + from, b->s + to, b->len - to + 1); /* its end too */
	b->len -= to - from;
}

/* DNS takes the place of the header's text. */
static void put_payload(struct line *l, size_t from, const struct tcp_verdict *v)
{
	size_t to = l->info->len;
	bool part = false;

	if (put_dns_stream(l, v, &part))
		take_out(l->info, from, to);
	else if (part)
		strbuf_puts(l->info, " [TCP segment of a reassembled PDU]");
}

void text_tcp(struct line *l)
{
	const struct frame *f = l->f;
	struct tcpopt_facts facts;
	size_t from = l->info->len;
	struct tcp_verdict v;
	bool whole;

	l->protocol = "TCP";
	if (!f->has_tcp) {
		put_ports(l);
		return;
	}
	tcp_track_segment(l->tcp, l->p, f, &v, &facts);
	if (f->tcp_flags & TH_RST)
		l->tone = TONE_TROUBLE;
	if (!put_tcp_header(l, &v))
		return;
	whole = text_tcp_options(l, from, &v, &facts);
	tcp_track_options(&v, &facts, whole);
	if (!whole)
		return;
	from = put_marks(l, from, &v);
	if (is_dns_stream(f))
		put_payload(l, from, &v);
}

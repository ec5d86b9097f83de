// SPDX-License-Identifier: GPL-2.0-only
/* ICMPv6 (RFC 4443, 4861, 2710, 3810, 4620, 6550 and others) in the Info column. */
#include "sink/text_line.h"

#include "util/cleanup.h"

enum { ICMP6_ECHO = 128, ICMP6_ECHO_REPLY = 129 };

static const char *const unreachable_codes[] = {
	"no route to destination",
	"Administratively prohibited",
	"Beyond scope of source address",
	"Address unreachable",
	"Port unreachable",
	"Source address failed ingress/egress policy",
	"Reject route to destination",
	"Error in Source Routing Header",
};

static const char *const exceeded_codes[] = {
	"hop limit exceeded in transit",
	"fragment reassembly time exceeded",
};

static const char *const parameter_codes[] = {
	"erroneous header field encountered",
	"unrecognized Next Header type encountered",
	"unrecognized IPv6 option encountered",
	"IPv6 First Fragment has incomplete IPv6 Header Chain",
};

static const char *const renumbering_codes[] = { "Command", "Result" };

static const char *const ni_query_codes[] = {
	"Query subject = IPv6 addresses",
	"Query subject = DNS name or empty",
	"Query subject = IPv4 addresses",
};

static const char *const ni_reply_codes[] = { "Successful", "Refused", "Unknown query type" };

static const char *const rpl_codes[] = {
	"DODAG Information Solicitation",
	"DODAG Information Object",
	"Destination Advertisement Object",
	"Destination Advertisement Object Acknowledgment",
	"P2P Discovery Reply Object",
	"P2P Discovery Reply Object Acknowledgement",
	[128] = "Secure DODAG Information Solicitation",
	[129] = "Secure DODAG Information Object",
	[130] = "Secure Destination Advertisement Object",
	[131] = "Secure Destination Advertisement Object Acknowledgment",
	[132] = "P2P Secure Discovery Reply Object",
	[133] = "P2P Secure Discovery Reply Object Acknowledgement",
	[138] = "Consistency Check",
};

static const char *const extended_request_codes[] = { "No error" };

static const char *const extended_reply_codes[] = {
	"No error",
	"Malformed Query",
	"No Such Interface",
	"No Such Table Entry",
	"Multiple Interfaces Satisfy Query",
};

struct icmp6_type {
	const char *name;
	const char *const *codes; /* NULL: the code is not shown */
	uint8_t nr_codes;
};

#define CODES(a) .codes = (a), .nr_codes = ARRAY_SIZE(a)

static const struct icmp6_type types[256] = {
	[1] = { "Destination Unreachable", CODES(unreachable_codes) },
	[2] = { "Packet Too Big" },
	[3] = { "Time Exceeded", CODES(exceeded_codes) },
	[4] = { "Parameter Problem", CODES(parameter_codes) },
	[100] = { "Private experimentation" },
	[101] = { "Private experimentation" },
	[127] = { "Reserved for expansion of ICMPv6 error messages" },
	[ICMP6_ECHO] = { "Echo (ping) request" },
	[ICMP6_ECHO_REPLY] = { "Echo (ping) reply" },
	[130] = { "Multicast Listener Query" },
	[131] = { "Multicast Listener Report" },
	[132] = { "Multicast Listener Done" },
	[133] = { "Router Solicitation" },
	[134] = { "Router Advertisement" },
	[135] = { "Neighbor Solicitation" },
	[136] = { "Neighbor Advertisement" },
	[137] = { "Redirect" },
	[138] = { "Router Renumbering", CODES(renumbering_codes) },
	[139] = { "Node Information Query", CODES(ni_query_codes) },
	[140] = { "Node Information Reply", CODES(ni_reply_codes) },
	[141] = { "Inverse Neighbor Discovery Solicitation" },
	[142] = { "Inverse Neighbor Discovery Advertisement" },
	[143] = { "Multicast Listener Report Message v2" },
	[144] = { "Home Agent Address Discovery Request" },
	[145] = { "Home Agent Address Discovery Reply" },
	[146] = { "Mobile Prefix Solicitation" },
	[147] = { "Mobile Prefix Advertisement" },
	[148] = { "Certification Path Solicitation" },
	[149] = { "Certification Path Advertisement" },
	[150] = { "Experimental Mobility" },
	[151] = { "Multicast Router Advertisement" },
	[152] = { "Multicast Router Solicitation" },
	[153] = { "Multicast Router Termination" },
	[154] = { "FMIPv6" },
	[155] = { "RPL Control", CODES(rpl_codes) },
	[156] = { "Locator Update" },
	[157] = { "Duplicate Address Request" },
	[158] = { "Duplicate Address Confirmation" },
	[159] = { "MPL Control Message" },
	[160] = { "Extended Echo request", CODES(extended_request_codes) },
	[161] = { "Extended Echo reply", CODES(extended_reply_codes) },
	[200] = { "Private experimentation" },
	[201] = { "Private experimentation" },
	[255] = { "Reserved for expansion of ICMPv6 informational messages" },
};

static void put_type(struct strbuf *b, uint8_t type)
{
	if (types[type].name) {
		strbuf_puts(b, types[type].name);
		return;
	}
	strbuf_puts(b, "Unknown (");
	strbuf_u64(b, type);
	strbuf_putc(b, ')');
}

static void put_code(struct strbuf *b, uint8_t type, uint8_t code)
{
	const struct icmp6_type *t = &types[type];

	if (!t->codes)
		return;
	strbuf_puts(b, " (");
	if (code < t->nr_codes && t->codes[code]) {
		strbuf_puts(b, t->codes[code]);
	} else if (t->codes == unreachable_codes) {
		strbuf_puts(b, "Unknown");
	} else {
		strbuf_puts(b, "Unknown (");
		strbuf_u64(b, code);
		strbuf_putc(b, ')');
	}
	strbuf_putc(b, ')');
}

static void put_echo(struct line *l, struct cursor *c)
{
	uint16_t id = cursor_be16(c), seq = cursor_be16(c);
	struct cursor head = line_cursor(l, l->f->l4_off + 2, 2);
	uint16_t sum = cursor_be16(&head);
	uint64_t request = 0;

	if (!cursor_ok(c))
		return;
	strbuf_puts(l->info, " id=0x");
	strbuf_hex(l->info, id, 4);
	strbuf_puts(l->info, ", seq=");
	strbuf_u64(l->info, seq);
	if (l->f->ip_version == 6) {
		strbuf_puts(l->info, ", hop limit=");
		strbuf_u64(l->info, l->f->ttl);
	}
	if (l->f->icmp_type == ICMP6_ECHO)
		echo_track_request(l->echo, l->p, l->f, id, seq, sum);
	else
		request = echo_track_reply(l->echo, l->p, l->f, id, seq, sum);
	if (!request)
		return;
	strbuf_puts(l->info, " (request in ");
	strbuf_u64(l->info, request);
	strbuf_putc(l->info, ')');
}

static void put_body(struct line *l, struct cursor *c)
{
	uint8_t type = l->f->icmp_type;

	if (type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY)
		put_echo(l, c);
	else
		text_icmp6_body(l, c);
}

void text_icmp6(struct line *l)
{
	const struct frame *f = l->f;
	struct cursor c = line_cursor(l, f->l4_off, f->l4_len);
	uint8_t type, code;

	l->protocol = "ICMPv6";
	l->truncated = l->malformed = false;
	if (f->icmp_is_error)
		l->tone = TONE_TROUBLE;
	type = cursor_u8(&c);
	if (cursor_ok(&c)) {
		put_type(l->info, type);
		code = cursor_u8(&c);
		if (cursor_ok(&c))
			put_code(l->info, type, code);
		if (cursor_skip(&c, 2))
			put_body(l, &c);
	}
	line_stopped(l, &c);
}

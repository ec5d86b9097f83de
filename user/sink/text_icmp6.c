// SPDX-License-Identifier: GPL-2.0-only
/* ICMPv6 (RFC 4443, 4861, 2710, 3810, 4620, 6550 and others) in the Info column. */
#include "sink/text_line.h"

#include "util/cleanup.h"

enum {
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_ROUTER_SOLICIT = 133,
	ICMP6_ROUTER_ADVERT = 134,
	ICMP6_NEIGHBOR_SOLICIT = 135,
	ICMP6_NEIGHBOR_ADVERT = 136,
	ICMP6_REDIRECT = 137,
	ICMP6_INVERSE_SOLICIT = 141,
	ICMP6_INVERSE_ADVERT = 142,
};

enum { OPT_SOURCE_LINK = 1, OPT_TARGET_LINK = 2, OPT_PREFIX = 3, OPT_RDNSS = 25, OPT_PREF64 = 38 };
enum { NA_ROUTER = 1u << 31, NA_SOLICITED = 1u << 30, NA_OVERRIDE = 1u << 29 };

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
	"DODAG Information Solicitation",   "DODAG Information Object",
	"Destination Advertisement Object", "Destination Advertisement Object Acknowledgment",
	"P2P Discovery Reply Object",	    "P2P Discovery Reply Object Acknowledgement",
};

static const char *const extended_request_codes[] = { "No error" };

static const char *const extended_reply_codes[] = {
	"No error",
	"Malformed Query",
	"No Such Interface",
	"No Such Table Entry",
	"Multiple Interfaces Satisfy Query",
};

static const char *const no_codes[] = { NULL };

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
	[ICMP6_ROUTER_SOLICIT] = { "Router Solicitation" },
	[ICMP6_ROUTER_ADVERT] = { "Router Advertisement" },
	[ICMP6_NEIGHBOR_SOLICIT] = { "Neighbor Solicitation" },
	[ICMP6_NEIGHBOR_ADVERT] = { "Neighbor Advertisement" },
	[ICMP6_REDIRECT] = { "Redirect" },
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
	[150] = { "Experimental Mobility", CODES(no_codes) },
	[151] = { "Multicast Router Advertisement" },
	[152] = { "Multicast Router Solicitation" },
	[153] = { "Multicast Router Termination" },
	[154] = { "FMIPv6", CODES(no_codes) },
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
	strbuf_puts(l->info, ", hop limit=");
	strbuf_u64(l->info, l->f->ttl);
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

/* Prefix information, recursive servers (RFC 8106) and PREF64 (RFC 8781) have sizes of their own.
 */
static bool nd_option_fits(uint8_t type, uint8_t len)
{
	switch (type) {
	case OPT_PREFIX: return len >= 4;
	case OPT_RDNSS: return len & 1;
	case OPT_PREF64: return len >= 2;
	default: return true;
	}
}

/* RFC 4861 4.6: type, length in 8 bytes, data. */
static void put_nd_options(struct line *l, struct cursor *c)
{
	while (cursor_reported(c) && cursor_ok(c)) {
		uint8_t type = cursor_u8(c), len = cursor_u8(c);
		const uint8_t *body;

		if (!cursor_ok(c))
			return;
		if (!len)
			return;
		if (!nd_option_fits(type, len))
			c->malformed = true;
		body = cursor_bytes(c, len * 8u - 2);
		if (!body || len != 1 || (type != OPT_SOURCE_LINK && type != OPT_TARGET_LINK))
			continue;
		strbuf_puts(l->info, type == OPT_SOURCE_LINK ? " from " : " is at ");
		text_mac_put(l->info, body, 6);
	}
}

static void put_na_flags(struct strbuf *b, uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { NA_ROUTER, "rtr" }, { NA_SOLICITED, "sol" }, { NA_OVERRIDE, "ovr" } };
	const char *separator = "";
	size_t i;

	strbuf_puts(b, " (");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(flags & names[i].bit))
			continue;
		strbuf_puts(b, separator);
		strbuf_puts(b, names[i].name);
		separator = ", ";
	}
	strbuf_puts(b, *separator ? ")" : "none)");
}

static void put_neighbor(struct line *l, struct cursor *c)
{
	uint32_t flags = cursor_be32(c);
	const uint8_t *target = cursor_bytes(c, 16);
	bool advert = l->f->icmp_type == ICMP6_NEIGHBOR_ADVERT;

	if (!cursor_ok(c) || !target)
		return;
	strbuf_puts(l->info, advert ? " " : " for ");
	ipaddr_put_v6(l->info, target);
	if (advert)
		put_na_flags(l->info, flags);
	put_nd_options(l, c);
}

static void put_nd(struct line *l, struct cursor *c, uint32_t fixed)
{
	if (cursor_skip(c, fixed))
		put_nd_options(l, c);
}

static void put_body(struct line *l, struct cursor *c)
{
	switch (l->f->icmp_type) {
	case ICMP6_ECHO:
	case ICMP6_ECHO_REPLY: put_echo(l, c); break;
	case ICMP6_INVERSE_SOLICIT:
	case ICMP6_INVERSE_ADVERT:
	case ICMP6_ROUTER_SOLICIT: put_nd(l, c, 4); break;
	case ICMP6_ROUTER_ADVERT: put_nd(l, c, 12); break;
	case ICMP6_NEIGHBOR_SOLICIT:
	case ICMP6_NEIGHBOR_ADVERT: put_neighbor(l, c); break;
	case ICMP6_REDIRECT: put_nd(l, c, 36); break;
	default: break;
	}
}

void text_icmp6(struct line *l)
{
	const struct frame *f = l->f;
	struct cursor c = line_cursor(l, f->l4_off, f->l4_len);
	uint8_t type, code;

	l->protocol = "ICMPv6";
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

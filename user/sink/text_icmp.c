// SPDX-License-Identifier: GPL-2.0-only
/* ICMP (RFC 792, 950, 1256, 8335) in the Info column. */
#include "sink/text_dns.h"
#include "sink/text_line.h"

#include "util/cleanup.h"

#define QUOTED_MAX 128 /* bytes that an error quotes before its extensions, RFC 4884 5.3 */
#define TYPE_WIDTH 20  /* the message's name fills this much */

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_ADVERTISEMENT = 9,
	ICMP_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
	ICMP_TIMESTAMP = 13,
	ICMP_TIMESTAMP_REPLY = 14,
	ICMP_MASK = 17,
	ICMP_MASK_REPLY = 18,
	ICMP_EXTENDED_ECHO = 42,
	ICMP_EXTENDED_REPLY = 43,
};

static const char *const unreachable_codes[] = {
	"Network unreachable",
	"Host unreachable",
	"Protocol unreachable",
	"Port unreachable",
	"Fragmentation needed",
	"Source route failed",
	"Destination network unknown",
	"Destination host unknown",
	"Source host isolated",
	"Network administratively prohibited",
	"Host administratively prohibited",
	"Network unreachable for TOS",
	"Host unreachable for TOS",
	"Communication administratively filtered",
	"Host precedence violation",
	"Precedence cutoff in effect",
};

static const char *const redirect_codes[] = {
	"Redirect for network",
	"Redirect for host",
	"Redirect for TOS and network",
	"Redirect for TOS and host",
};

static const char *const alternate_codes[] = { "Alternate address for host" };

static const char *const advertisement_codes[] = {
	"Normal router advertisement", [16] = "Does not route common traffic"
};

static const char *const exceeded_codes[] = {
	"Time to live exceeded in transit",
	"Fragment reassembly time exceeded",
};

static const char *const parameter_codes[] = {
	"Pointer indicates the error",
	"Required option missing",
	"Bad length",
};

static const char *const photuris_codes[] = {
	"Bad SPI",	     "Authentication Failed", "Decompression Failed",
	"Decryption Failed", "Need Authentication",   "Need Authorization",
};

static const char *const extended_request_codes[] = { "No error" };

static const char *const extended_reply_codes[] = {
	"No error",
	"Malformed Query",
	"No Such Interface",
	"No Such Table Entry",
	"Multiple Interfaces Satisfy Query",
};

struct icmp_type {
	const char *name;
	const char *const *codes; /* NULL: the code is not shown */
	uint8_t nr_codes;
	bool has_id; /* identifier and sequence number follow */
};

#define CODES(a) .codes = (a), .nr_codes = ARRAY_SIZE(a)

static const struct icmp_type types[] = {
	[ICMP_ECHO_REPLY] = { "Echo (ping) reply", .has_id = true },
	[1] = { "Reserved" },
	[2] = { "Reserved" },
	[ICMP_UNREACHABLE] = { "Destination unreachable", CODES(unreachable_codes) },
	[4] = { "Source quench (flow control)" },
	[5] = { "Redirect", CODES(redirect_codes) },
	[6] = { "Alternate host address", CODES(alternate_codes) },
	[ICMP_ECHO] = { "Echo (ping) request", .has_id = true },
	[ICMP_ADVERTISEMENT] = { "Router advertisement", CODES(advertisement_codes) },
	[10] = { "Router solicitation" },
	[11] = { "Time-to-live exceeded", CODES(exceeded_codes) },
	[12] = { "Parameter problem", CODES(parameter_codes) },
	[13] = { "Timestamp request", .has_id = true },
	[14] = { "Timestamp reply", .has_id = true },
	[15] = { "Information request", .has_id = true },
	[16] = { "Information reply", .has_id = true },
	[17] = { "Address mask request", .has_id = true },
	[18] = { "Address mask reply", .has_id = true },
	[19] = { "Reserved (for security)" },
	[30] = { "Traceroute" },
	[31] = { "Datagram Conversion Error" },
	[32] = { "Mobile Host Redirect" },
	[33] = { "IPv6 Where-Are-You" },
	[34] = { "IPv6 I-Am-Here" },
	[35] = { "Mobile Registration Request" },
	[36] = { "Mobile Registration Reply" },
	[37] = { "Domain Name Request" },
	[38] = { "Domain Name Reply" },
	[39] = { "SKIP" },
	[40] = { "Photuris", CODES(photuris_codes) },
	[41] = { "Experimental mobility protocols" },
	[42] = { "Extended Echo request", CODES(extended_request_codes) },
	[43] = { "Extended Echo reply", CODES(extended_reply_codes) },
};

static void put_code(struct strbuf *b, const struct icmp_type *type, uint8_t code)
{
	strbuf_puts(b, " (");
	if (code < type->nr_codes && type->codes[code]) {
		strbuf_puts(b, type->codes[code]);
	} else {
		strbuf_puts(b, "Unknown code: ");
		strbuf_u64(b, code);
	}
	strbuf_putc(b, ')');
}

static void put_type(struct line *l)
{
	const struct frame *f = l->f;
	const struct icmp_type *type;
	size_t from = l->info->len;

	if (f->icmp_type >= ARRAY_SIZE(types) || !types[f->icmp_type].name) {
		strbuf_puts(l->info, "Unknown ICMP (obsolete or malformed?)");
		return;
	}
	type = &types[f->icmp_type];
	/* RFC 3344 2.1.1: mobility agents advertise in router advertisements of their own. */
	if (f->icmp_type == ICMP_ADVERTISEMENT && (f->icmp_code == 0 || f->icmp_code == 16))
		strbuf_puts(l->info, "Mobile IP Advertisement");
	else
		strbuf_puts(l->info, type->name);
	while (l->info->len - from < TYPE_WIDTH && !l->info->cut)
		strbuf_putc(l->info, ' ');
	if (type->codes)
		put_code(l->info, type, f->icmp_code);
}

static void put_id(struct line *l, uint16_t id, uint16_t seq)
{
	struct strbuf *b = l->info;

	strbuf_puts(b, " id=0x");
	strbuf_hex(b, id, 4);
	strbuf_puts(b, ", seq=");
	strbuf_u64(b, seq);
	strbuf_putc(b, '/');
	strbuf_u64(b, __builtin_bswap16(seq));
	if (l->f->ip_version != 4)
		return;
	strbuf_puts(b, ", ttl=");
	strbuf_u64(b, l->f->ttl);
}

static void put_echo_pair(struct line *l, uint16_t id, uint16_t seq, uint16_t sum)
{
	uint64_t request;

	if (l->f->icmp_type == ICMP_ECHO) {
		echo_track_request(l->echo, l->p, l->f, id, seq, sum);
		return;
	}
	request = echo_track_reply(l->echo, l->p, l->f, id, seq, sum);
	if (!request)
		return;
	strbuf_puts(l->info, " (request in ");
	strbuf_u64(l->info, request);
	strbuf_putc(l->info, ')');
}

/* --- extensions (RFC 4884, 4950, 5837, 8335) ----------------------------------- */

enum { EXT_PAYLOAD = 0, EXT_MPLS = 1, EXT_INTERFACE = 2, EXT_IDENT = 3 };
enum { INFO_INDEX = 8, INFO_ADDRESS = 4, INFO_NAME = 2, INFO_MTU = 1 };
enum { IDENT_NAME = 1, IDENT_INDEX = 2, IDENT_ADDRESS = 3 };

/* What an address of an unknown family takes is what is left of the object. */
static void walk_interface_address(struct cursor *c, uint32_t end)
{
	struct cursor whole = *c;
	uint16_t family = cursor_be16(c);

	if (!cursor_ok(c) || !cursor_need(&whole, family == 1 ? 8 : 20)) {
		c->truncated |= whole.truncated;
		c->malformed |= whole.malformed;
		return;
	}
	cursor_skip(c, family == 1 ? 6 : family == 2 ? 18 : 2);
	if ((family < 1 || family > 2) && c->off < end)
		c->malformed |= c->off + 1 != end;
}

/* The length counts itself. A name of no length ends where it begins. */
static void walk_interface_name(struct cursor *c, uint32_t end)
{
	uint32_t at = c->off;
	uint8_t len;

	if (end <= at)
		return;
	len = cursor_u8(c);
	if (!cursor_ok(c) || (len && !cursor_need(c, len - 1u)))
		return;
	if (end > at + len)
		c->off = at + len;
}

static void walk_interface(struct cursor *c, uint8_t what, uint32_t end)
{
	if (what & INFO_INDEX && !text_fields(c, "4"))
		return;
	if (what & INFO_ADDRESS && end >= c->off + 2)
		walk_interface_address(c, end);
	if (cursor_ok(c) && what & INFO_NAME)
		walk_interface_name(c, end);
	if (cursor_ok(c) && what & INFO_MTU)
		text_fields(c, "4");
}

static void walk_ident(struct cursor *c, uint8_t type, uint16_t len)
{
	if (type == IDENT_NAME)
		cursor_skip(c, len - 4u);
	else if (type == IDENT_INDEX)
		text_fields(c, "4");
	else if (type == IDENT_ADDRESS)
		text_fields(c, "211");
}

/* c stands behind the object's header; `end` is where it ends, cut to the message. */
static void walk_object(struct cursor *c, uint8_t class, uint8_t type, uint16_t len, uint32_t end)
{
	if (class == EXT_INTERFACE)
		walk_interface(c, type, end);
	else if (class == EXT_IDENT && cursor_reported(c))
		walk_ident(c, type, len);
	else if (end > c->off)
		cursor_skip(c, end - c->off);
}

void text_icmp_extensions(struct cursor *c)
{
	uint32_t whole = cursor_reported(c);
	uint8_t version;
	uint16_t sum;

	if (whole < 4)
		return;
	version = cursor_u8(c) >> 4;
	cursor_skip(c, 1);
	sum = cursor_be16(c);
	if (cursor_ok(c) && sum)
		cursor_need(c, whole - 4); /* it is computed */
	if (!cursor_ok(c) || (version != 1 && version != 2))
		return;
	while (cursor_reported(c) >= 4) {
		struct cursor object = *c;
		uint16_t len = cursor_be16(&object);
		uint8_t class = cursor_u8(&object), type = cursor_u8(&object);
		uint32_t cut = len < cursor_reported(c) ? len : cursor_reported(c);

		if (!cursor_need(c, cut < 4 ? 4 : cut) || len < 4)
			return;
		if (cursor_ok(&object))
			walk_object(&object, class, type, len, c->off + cut);
		c->truncated = object.truncated;
		c->malformed = object.malformed;
		if (!cursor_ok(c) || cut > cursor_left(c))
			return;
		cursor_skip(c, cut);
	}
}

/* --- the message ----------------------------------------------------------------- */

/* Types whose fifth to eighth byte are looked at. */
static bool has_second_word(uint8_t type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_EXCEEDED || type == ICMP_PARAMETER || type == ICMP_ADVERTISEMENT ||
	       type == ICMP_EXTENDED_ECHO || type == ICMP_EXTENDED_REPLY;
}

/* Behind identifier and the like, from the ninth byte. */
static void walk_rest(struct line *l, struct cursor *c, uint16_t second)
{
	uint8_t entries = (uint8_t)(second >> 8);

	switch (l->f->icmp_type) {
	case ICMP_ADVERTISEMENT:
		if ((second & 0xff) == 2)
			while (entries-- && text_fields(c, "44"))
				;
		break;
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMP_REPLY: text_fields(c, "444"); break;
	case ICMP_MASK:
	case ICMP_MASK_REPLY: text_fields(c, "4"); break;
	case ICMP_EXTENDED_ECHO: text_icmp_extensions(c); break;
	default: break;
	}
}

/* The first error quotes the whole packet, so that extensions begin behind 128 bytes of it. */
static void walk_error(struct line *l, struct cursor *c, uint16_t second)
{
	bool redirect = l->f->icmp_type == ICMP_REDIRECT;
	uint32_t said = (second & 0xffu) * 4, quoted = said ?: QUOTED_MAX;
	const uint8_t *ip = c->data + c->off;

	c->truncated |= l->f->quoted_truncated;
	if (redirect)
		cursor_need(c, 1);
	else if (said && cursor_reported(c) > said)
		cursor_need(c, 4);
	if (!cursor_ok(c) || cursor_reported(c) <= QUOTED_MAX || !cursor_need(c, 4))
		return;
	if ((ip[2] << 8 | ip[3]) <= QUOTED_MAX && cursor_skip(c, quoted))
		text_icmp_extensions(c);
}

static void put_message(struct line *l, struct cursor *c, uint16_t sum)
{
	uint8_t type = l->f->icmp_type;
	uint16_t second = cursor_be16(c), seq;

	put_type(l);
	if (type < ARRAY_SIZE(types) && types[type].has_id) {
		seq = cursor_be16(c);
		if (!cursor_ok(c))
			return;
		put_id(l, second, seq);
		if (type == ICMP_ECHO || type == ICMP_ECHO_REPLY)
			put_echo_pair(l, second, seq, sum);
	} else if (!has_second_word(type) || !text_fields(c, "2")) {
		return;
	}
	if (l->f->icmp_is_error)
		walk_error(l, c, second);
	else
		walk_rest(l, c, second);
}

void text_icmp(struct line *l)
{
	const struct frame *f = l->f;
	struct cursor c = line_cursor(l, f->l4_off, f->l4_len);
	uint16_t sum;

	l->protocol = "ICMP";
	l->truncated = l->malformed = false;
	if (f->icmp_is_error)
		l->tone = TONE_TROUBLE;
	/* type, code, checksum and the first two bytes behind are read before anything is shown */
	cursor_skip(&c, 2);
	if (cursor_ok(&c) && cursor_need(&c, 4)) {
		sum = cursor_be16(&c);
		put_message(l, &c, sum);
	}
	line_stopped(l, &c);
}

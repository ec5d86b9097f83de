// SPDX-License-Identifier: GPL-2.0-only
/* ICMP (RFC 792, 950, 1256, 8335) in the Info column. */
#include "sink/text_dns.h"
#include "sink/text_line.h"

#include "util/cleanup.h"

#define TYPE_WIDTH 20 /* the message's name fills this much */

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_ECHO = 8,
	ICMP_ADVERTISEMENT = 9,
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

void text_icmp(struct line *l)
{
	const struct frame *f = l->f;
	struct cursor c = line_cursor(l, f->l4_off, f->l4_len);
	uint16_t id, seq, sum;

	l->protocol = "ICMP";
	if (f->icmp_is_error)
		l->tone = TONE_TROUBLE;
	/* type, code, checksum and the first two bytes behind are read before anything is shown */
	cursor_skip(&c, 2);
	sum = cursor_be16(&c);
	id = cursor_be16(&c);
	if (!cursor_ok(&c))
		return;
	put_type(l);
	if (f->icmp_type >= ARRAY_SIZE(types) || !types[f->icmp_type].has_id)
		return;
	seq = cursor_be16(&c);
	if (!cursor_ok(&c))
		return;
	put_id(l, id, seq);
	if (f->icmp_type == ICMP_ECHO || f->icmp_type == ICMP_ECHO_REPLY)
		put_echo_pair(l, id, seq, sum);
}

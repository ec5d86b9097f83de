// SPDX-License-Identifier: GPL-2.0-only
/*
 * What follows an ICMPv6 header. Little of it is shown; it is walked because
 * the line says so if a message ends before its fields do, or the capture does.
 * Fields are read one by one: the first that does not fit decides which of the
 * two it was.
 */
#include "sink/text_line.h"

#include <string.h>

#include "util/cleanup.h"

enum { OPT_SOURCE_LINK = 1, OPT_TARGET_LINK = 2, OPT_PREF64 = 38 };
enum { OPT_SOURCES = 9, OPT_TARGETS = 10, OPT_CGA = 11, OPT_RDNSS = 25 };
enum { OPT_KEY_REQUEST = 27, OPT_KEY_REPLY, OPT_ASSIST, OPT_NODE_ID, OPT_DNSSL };
enum { NA_ROUTER = 1u << 31, NA_SOLICITED = 1u << 30, NA_OVERRIDE = 1u << 29 };
enum { MLD2_QUERY_MIN = 28, IP6_LEN = 16 };
enum { NI_QUERY = 139, NI_NAME = 2, NI_ADDRESSES = 3, NI_ADDRESSES4 = 4 };

/* Field sizes in bytes, a digit each; A is an IPv6 address. */
bool text_fields(struct cursor *c, const char *sizes)
{
	for (; *sizes; sizes++)
		if (!cursor_skip(c, *sizes == 'A' ? IP6_LEN : (uint32_t)(*sizes - '0')))
			return false;
	return true;
}

/* As many groups as fit before `end`, the last one perhaps not. */
static void walk_until(struct cursor *c, uint32_t end, const char *sizes)
{
	while (c->off < end && text_fields(c, sizes))
		;
}

static void walk_times(struct cursor *c, uint32_t n, const char *sizes)
{
	while (n-- && text_fields(c, sizes))
		;
}

/* A byte at a time, so that a capture's end comes before the packet's. */
static bool skip_bytes(struct cursor *c, uint32_t n)
{
	if (n <= cursor_left(c))
		return cursor_skip(c, n);
	if (cursor_left(c) < cursor_reported(c))
		c->truncated = true;
	else
		c->malformed = true;
	return false;
}

/* RFC 1035 3.1; a pointer or an unknown label ends the name. */
static bool walk_name(struct cursor *c)
{
	for (;;) {
		uint8_t len = cursor_u8(c);

		if (!cursor_ok(c))
			return false;
		if (!len)
			return true;
		if (len & 0xc0)
			return len < 0xc0 || skip_bytes(c, 1);
		if (!skip_bytes(c, len))
			return false;
	}
}

/* --- options of neighbor discovery ------------------------------------------- */

/* What stands behind type and length, whatever the length says. */
static const char *const nd_fields[] = {
	[3] = "11444A",			/* prefix, RFC 4861 */
	[9] = "6",			/* addresses, RFC 3122 */
	[10] = "6",	[11] = "11A81", /* generated addresses, RFC 3971 */
	[12] = "2A",			/* RSA signature, RFC 3971 */
	[13] = "68",			/* timestamp */
	[17] = "114A",			/* address or prefix, RFC 5568 */
	[18] = "114A",	[23] = "114A",	/* mobility anchor point, RFC 5380 */
	[25] = "24",			/* recursive servers, RFC 8106 */
	[31] = "24",			/* search list */
	[32] = "2A",			/* proxy signature, RFC 6496 */
	[33] = "1328",			/* registration, RFC 6775 */
	[35] = "222A",			/* border router */
};

static void put_link_address(struct line *l, struct cursor *c, uint8_t type, uint8_t len)
{
	static const uint8_t padding[6];
	const uint8_t *body = c->data + c->off;
	bool eui64;

	if (len > 2 || !cursor_need(c, len == 2 ? 14 : 6))
		return;
	eui64 = len == 2 && memcmp(body + 8, padding, sizeof(padding)) == 0;
	if (len == 2 && !eui64)
		return;
	strbuf_puts(l->info, type == OPT_SOURCE_LINK || eui64 ? " from " : " is at ");
	text_mac_put(l->info, body, eui64 ? 8 : 6);
}

/* The prefix has room for 12 bytes, of which as many are looked at as its length takes. */
static void walk_pref64(struct cursor *c)
{
	static const uint8_t bytes[] = { 12, 8, 7, 6, 5, 4 };
	uint8_t code = cursor_be16(c) & 7;

	if (!cursor_ok(c))
		return;
	if (code < ARRAY_SIZE(bytes))
		cursor_skip(c, bytes[code]);
}

/* True if padding is reached. */
static bool walk_dnssl(struct cursor *c, uint32_t end)
{
	while (c->off < end && cursor_need(c, 1)) {
		if (!c->data[c->off])
			return true;
		if (!walk_name(c))
			break;
	}
	return false;
}

/* More padding than there is room for it. */
static void walk_padded(struct cursor *c, int room)
{
	if (cursor_need(c, 1) && c->data[c->off] > room + 1)
		c->malformed = true;
}

/* RFC 5568 6.4.5: code, length, value. tshark takes the rest of the message's length for padding.
 */
static void walk_counted(struct cursor *c, int option_len)
{
	uint8_t n;
	int pad;

	cursor_skip(c, 1);
	n = cursor_u8(c);
	if (!cursor_ok(c) || !cursor_skip(c, n))
		return;
	pad = option_len - (int)c->off;
	if (pad < -1)
		c->malformed = true;
	else if (pad > 0)
		cursor_skip(c, (uint32_t)pad);
}

/* c stands behind type and length; the fields may go on behind the option's end. True if it does
 * not matter whether the rest of the option is there. */
static bool walk_nd_option(struct line *l, struct cursor *c, uint8_t type, uint8_t len)
{
	uint32_t end = c->off + len * 8u - 2;

	if (type == OPT_CGA)
		walk_padded(c, len * 8 - 4);
	if (!cursor_ok(c))
		return false;
	if (type < ARRAY_SIZE(nd_fields) && nd_fields[type] && !text_fields(c, nd_fields[type]))
		return false;
	switch (type) {
	case OPT_SOURCE_LINK:
	case OPT_TARGET_LINK: put_link_address(l, c, type, len); break;
	case OPT_SOURCES:
	case OPT_TARGETS:
	case OPT_RDNSS: walk_until(c, end, "A"); break;
	case OPT_KEY_REQUEST: walk_padded(c, len * 8 - 4); break;
	case OPT_KEY_REPLY: walk_padded(c, len * 8 - 6); break;
	case OPT_ASSIST:
	case OPT_NODE_ID: walk_counted(c, len * 8); break;
	case OPT_DNSSL: return walk_dnssl(c, end);
	case OPT_PREF64: walk_pref64(c); return true;
	default: break;
	}
	return false;
}

/* RFC 4861 4.6: type, length in 8 bytes, data. */
static void walk_nd(struct line *l, struct cursor *c)
{
	while (cursor_reported(c) && cursor_need(c, 2)) {
		const uint8_t *p = c->data + c->off;
		uint32_t end = c->off + p[1] * 8u;
		struct cursor option = *c;
		bool is_done;

		if (!p[1])
			return;
		cursor_skip(&option, 2);
		is_done = walk_nd_option(l, &option, p[0], p[1]);
		if (cursor_ok(&option) && !is_done && option.off < end)
			cursor_skip(&option, end - option.off);
		c->truncated = option.truncated;
		c->malformed = option.malformed;
		if (!cursor_ok(c))
			return;
		if (end > c->caplen) {
			c->truncated = end < c->len;
			return;
		}
		c->off = end;
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

static void walk_solicit(struct line *l, struct cursor *c)
{
	const uint8_t *target = cursor_bytes(c, IP6_LEN);

	if (!target)
		return;
	strbuf_puts(l->info, " for ");
	ipaddr_put_v6(l->info, target);
	walk_nd(l, c);
}

static void walk_advert(struct line *l, struct cursor *c)
{
	uint32_t flags = cursor_be32(c);
	const uint8_t *target = cursor_ok(c) ? cursor_bytes(c, IP6_LEN) : NULL;

	if (!target)
		return;
	strbuf_putc(l->info, ' ');
	ipaddr_put_v6(l->info, target);
	put_na_flags(l->info, flags);
	walk_nd(l, c);
}

/* --- multicast listeners (RFC 2710, 3810) ------------------------------------ */

static void walk_query(struct line *l, struct cursor *c)
{
	bool v2 = c->caplen >= MLD2_QUERY_MIN;

	(void)l;
	if (text_fields(c, v2 ? "22A11" : "22A") && v2)
		walk_times(c, cursor_be16(c), "A");
}

static void walk_report2(struct line *l, struct cursor *c)
{
	(void)l;
	while (cursor_reported(c) && cursor_ok(c)) {
		uint8_t type = cursor_u8(c), aux = cursor_u8(c);
		uint16_t sources = cursor_be16(c);

		(void)type;
		if (!cursor_ok(c) || !text_fields(c, "A"))
			return;
		walk_times(c, sources, "A");
		if (cursor_ok(c))
			cursor_skip(c, aux * 4u);
	}
}

/* --- node information (RFC 4620), renumbering (RFC 2894) and others ---------- */

static void walk_names(struct cursor *c)
{
	if (!text_fields(c, "4"))
		return;
	while (cursor_reported(c)) {
		if (!cursor_need(c, 1) || !c->data[c->off] || !walk_name(c))
			return;
	}
}

static void walk_node_info(struct line *l, struct cursor *c)
{
	uint16_t kind = cursor_be16(c);

	if (!cursor_ok(c) || !text_fields(c, "28") || !cursor_reported(c))
		return;
	if (l->f->icmp_type == NI_QUERY) {
		switch (l->f->icmp_code) {
		case 0: text_fields(c, "A"); break;
		case 1: walk_name(c); break;
		case 2: text_fields(c, "4"); break;
		default: break;
		}
		return;
	}
	switch (kind) {
	case NI_NAME: walk_names(c); break;
	case NI_ADDRESSES: walk_until(c, c->len, "4A"); break;
	case NI_ADDRESSES4: walk_until(c, c->len, "44"); break;
	default: break;
	}
}

static void walk_renumbering(struct line *l, struct cursor *c)
{
	if (!cursor_reported(c))
		return;
	if (l->f->icmp_code == 0 && text_fields(c, "1111112A"))
		walk_until(c, c->len, "1111444A");
	else if (l->f->icmp_code == 1)
		walk_until(c, c->len, "2114A");
}

static void walk_home_agents(struct line *l, struct cursor *c)
{
	(void)l;
	while (cursor_left(c) && text_fields(c, "A"))
		;
}

/* RFC 6275 6.8: the flags are of no account. */
static void walk_prefix_advert(struct line *l, struct cursor *c)
{
	if (cursor_reported(c) > 2 && text_fields(c, "2"))
		walk_nd(l, c);
}

static void put_subtype(struct strbuf *b, uint8_t subtype)
{
	static const char *const names[] = {
		[2] = "Router Solicitation for Proxy Advertisement",
		[3] = "Proxy Router Advertisement",
		[4] = "Handover Initiate",
		[5] = "Handover Acknowledge",
	};

	strbuf_puts(b, " (");
	if (subtype < ARRAY_SIZE(names) && names[subtype]) {
		strbuf_puts(b, names[subtype]);
	} else {
		strbuf_puts(b, "Unknown (");
		strbuf_u64(b, subtype);
		strbuf_putc(b, ')');
	}
	strbuf_putc(b, ')');
}

/* RFC 4065, 5568 */
static void walk_mobility(struct line *l, struct cursor *c)
{
	uint8_t subtype = cursor_u8(c);

	if (!cursor_ok(c))
		return;
	put_subtype(l->info, subtype);
	if (text_fields(c, "12"))
		walk_nd(l, c);
}

/* RFC 6743 */
static void walk_locators(struct line *l, struct cursor *c)
{
	uint8_t n = cursor_u8(c);

	(void)l;
	if (cursor_ok(c) && text_fields(c, "12"))
		walk_times(c, n, "822");
}

/* RFC 7731 6.2: what cannot be a whole seed is passed over. */
static void walk_mpl(struct line *l, struct cursor *c)
{
	static const uint8_t id_len[] = { 0, 2, 8, 16 };
	uint32_t start = c->off;

	if (l->f->icmp_code) {
		cursor_skip(c, 1);
		return;
	}
	while (cursor_left(c) >= 2) {
		const uint8_t *p = cursor_bytes(c, 2);
		uint32_t len = id_len[p[1] & 3] + (p[1] >> 2);

		if (len > cursor_left(c))
			return;
		cursor_skip(c, len);
	}
	if (cursor_left(c))
		cursor_skip(c, c->off - start);
}

static void walk_extensions(struct line *l, struct cursor *c)
{
	(void)l;
	text_icmp_extensions(c);
}

/* RFC 4884 4.1: the first byte is the length of what is quoted, if extensions follow it. */
static void walk_error(struct line *l, struct cursor *c)
{
	uint32_t quoted = cursor_u8(c) * 8u;

	if (!cursor_ok(c) || !text_fields(c, "3") || !cursor_need(c, 1))
		return;
	c->truncated = l->f->quoted_truncated;
	if (!quoted || !cursor_ok(c))
		return;
	if (cursor_skip(c, quoted))
		text_icmp_extensions(c);
}

static void walk_quote(struct line *l, struct cursor *c)
{
	if (cursor_need(c, 1))
		c->truncated = l->f->quoted_truncated;
}

/* --- RPL (RFC 6550, 6551, 6997) ---------------------------------------------- */

static const char *const rpl_fields[] = {
	[3] = "114",	    /* route */
	[4] = "1111222112", /* configuration */
	[5] = "11",	    /* target */
	[6] = "1111",	    /* transit */
	[7] = "11A1",	    /* solicited */
	[8] = "11444A",	    /* prefix */
	[9] = "4",	    /* target descriptor */
	[10] = "11A",	    /* route discovery */
};

static void walk_rpl_option(struct cursor *c, uint8_t type, uint8_t len)
{
	uint32_t end = c->off + len;

	if (type == 1) /* padding */
		return;
	if (type < ARRAY_SIZE(rpl_fields) && rpl_fields[type] && !text_fields(c, rpl_fields[type]))
		return;
	if (type == 6 && len > 4 && !text_fields(c, "A"))
		return;
	if (c->off < end)
		cursor_skip(c, end - c->off);
}

static void walk_rpl_options(struct cursor *c)
{
	while (cursor_reported(c) && cursor_ok(c)) {
		uint8_t type = cursor_u8(c), len;
		struct cursor option;

		if (!cursor_ok(c) || !type)
			continue;
		len = cursor_u8(c);
		if (!cursor_ok(c))
			return;
		option = *c;
		walk_rpl_option(&option, type, len);
		c->truncated = option.truncated;
		c->malformed = option.malformed;
		if (!cursor_ok(c) || len > cursor_reported(c))
			return;
		cursor_skip(c, len);
	}
}

static bool walk_rpl_security(struct cursor *c)
{
	static const char *const keys[] = { "1", "", "81", "" };
	uint8_t mode;

	if (!text_fields(c, "11"))
		return false;
	mode = cursor_u8(c);
	if (!cursor_ok(c) || !text_fields(c, "14"))
		return false;
	return text_fields(c, (mode & 7) == 3 ? "81" : keys[mode & 3]);
}

static const struct {
	const char *fields;
	uint8_t id_flag; /* in the second byte: an address follows */
	bool has_options;
} rpl_messages[] = {
	[0] = { "11", 0, true },      [1] = { "1121111A", 0, true }, [2] = { "1111", 0x40, true },
	[3] = { "1111", 0x80, true }, [4] = { "112A", 0, true },     [5] = { "112A", 0, false },
	[10] = { "112A4", 0, true },
};

static void walk_rpl(struct line *l, struct cursor *c)
{
	uint8_t code = l->f->icmp_code & 0x7f;
	bool secure = l->f->icmp_code & 0x80;
	const uint8_t *p;

	if (secure && !walk_rpl_security(c))
		return;
	if (code >= ARRAY_SIZE(rpl_messages) || !rpl_messages[code].fields ||
	    (code == 10 && !secure))
		return;
	p = c->data + c->off;
	if (!text_fields(c, rpl_messages[code].fields))
		return;
	if (p[1] & rpl_messages[code].id_flag && !text_fields(c, "A"))
		return;
	if (rpl_messages[code].has_options)
		walk_rpl_options(c);
}

/* ------------------------------------------------------------------------------ */

static const struct {
	const char *fields;
	void (*rest)(struct line *l, struct cursor *c);
} bodies[256] = {
	[1] = { "", walk_error },
	[2] = { "4", walk_quote },
	[3] = { "", walk_error },
	[4] = { "4", walk_quote },
	[130] = { "", walk_query },
	[131] = { "22A" },
	[132] = { "22A" },
	[133] = { "4", walk_nd },
	[134] = { "11244", walk_nd },
	[135] = { "4", walk_solicit },
	[136] = { "", walk_advert },
	[137] = { "4AA", walk_nd },
	[138] = { "41124", walk_renumbering },
	[139] = { "", walk_node_info },
	[140] = { "", walk_node_info },
	[141] = { "4", walk_nd },
	[142] = { "4", walk_nd },
	[143] = { "22", walk_report2 },
	[144] = { "22" },
	[145] = { "22", walk_home_agents },
	[146] = { "22" },
	[147] = { "2", walk_prefix_advert },
	[148] = { "22", walk_nd },
	[149] = { "2222", walk_nd },
	[150] = { "", walk_mobility },
	[151] = { "22" },
	[152] = { "" },
	[153] = { "" },
	[154] = { "", walk_mobility },
	[155] = { "", walk_rpl },
	[156] = { "", walk_locators },
	[157] = { "1128A" },
	[158] = { "1128A" },
	[159] = { "", walk_mpl },
	[160] = { "211", walk_extensions },
	[161] = { "211" },
};

void text_icmp6_body(struct line *l, struct cursor *c)
{
	uint8_t type = l->f->icmp_type;

	if (!bodies[type].fields)
		cursor_need(c, 1);
	else if (text_fields(c, bodies[type].fields) && bodies[type].rest)
		bodies[type].rest(l, c);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * One cursor walks the frame from the outside in. Its `len` is what the layer
 * just read says that the packet has, so that a read behind it is malformed,
 * and one behind the captured bytes is truncated (cursor.h). Each layer narrows
 * the cursor to its own payload and returns the function for the next one, or
 * NULL; there is no recursion, and a fixed bound on the number of headers. A tunnel
 * (tunnel.c) starts anew at an inner Ethernet or IP header.
 *
 * What was read before a fault stays in *f: an IPv4 source address is known
 * although the header ends behind it. `layer` tells how far it went.
 */
#include "decode/frame.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <string.h>

#include "decode/walk.h"
#include "util/cleanup.h"
#include "util/clear.h"

#define ETH_ALEN	  6
#define ETHERTYPE_MIN	  0x600 /* IEEE 802.3: below is a length, up to 1500 */
#define ETHERTYPE_MAX_LEN 1500
#define MAX_HEADERS	  32 /* per frame: tags, IP headers and extension headers */
#define IP4_HLEN_MIN	  20
#define IP6_HLEN	  40
#define ARP_HLEN	  8 /* without the addresses */
#define UDP_HLEN	  8
#define SLL_HLEN_ADDR	  8 /* LINUX_SLL has room for eight bytes of address */
#define NULL_AF_INET	  2
#define LLC_HLEN_MIN	  3 /* DSAP, SSAP, one byte of control */
#define LLC_SAP_IP	  0x06
#define LLC_UI		  0x03 /* unnumbered information */

enum { OPT_END = 0, OPT_NOP = 1, OPT_LSRR = 131, OPT_SSRR = 137, OPT_ROUTE_FIRST = 4 };

/* RFC 5095, 6275, 6554, 8754, 9631 */
enum {
	ROUTE_SOURCE = 0,
	ROUTE_MOBILE = 2,
	ROUTE_RPL = 3,
	ROUTE_SEGMENTS = 4,
	ROUTE_COMPACT16 = 5,
	ROUTE_COMPACT32 = 6,
};

/* IANA's destination and hop-by-hop options */
enum {
	OPT6_TUNNEL_LIMIT = 0x04,
	OPT6_ROUTER_ALERT = 0x05,
	OPT6_CALIPSO = 0x07,
	OPT6_DUPLICATES = 0x08,
	OPT6_METRICS = 0x0f,
	OPT6_QUICK_START = 0x26,
	OPT6_MTU = 0x30,
	OPT6_TUNNEL_PAYLOAD = 0x41,
	OPT6_RPL = 0x63,
	OPT6_MPL = 0x6d,
	OPT6_LINE_ID = 0x8c,
	OPT6_JUMBO = 0xc2,
	OPT6_HOME_ADDRESS = 0xc9,
	OPT6_DEPTH_FIRST = 0xee,
};

enum {
	PROTO_HOPOPTS = 0,
	PROTO_ICMP = 1,
	PROTO_IPIP = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_IP6 = 41,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_GRE = 47,
	PROTO_ICMP6 = 58,
	PROTO_NONE = 59,
	PROTO_DSTOPTS = 60,
	PROTO_ETHER = 143,
};

static void walk_ethertype(struct walk *w);
static void walk_ip(struct walk *w);
static void walk_ip4(struct walk *w);
static void walk_ip6(struct walk *w);
static void walk_ip6_payload(struct walk *w);

static void fault(struct walk *w, enum frame_fault what, uint32_t value)
{
	w->f->fault = what;
	w->f->fault_value = value;
}

/* Cuts the packet to len bytes from here; a len behind its end changes nothing. */
static void narrow(struct walk *w, uint32_t len)
{
	struct cursor *c = &w->c;

	if (len >= cursor_reported(c))
		return;
	c->len = c->off + len;
	if (c->caplen > c->len)
		c->caplen = c->len;
}

/* The outermost packet's end is the frame's. */
static void set_end(struct walk *w)
{
	if (w->f->has_end)
		return;
	w->f->has_end = true;
	w->f->end_off = w->c.len;
	w->f->is_end_tagged = w->f->nr_vlans;
}

/* --- transport ------------------------------------------------------------ */

static void set_payload(struct walk *w, uint32_t len)
{
	struct frame *f = w->f;

	f->payload_off = w->c.off;
	f->payload_len = len;
	f->payload_caplen = cursor_left(&w->c) < len ? cursor_left(&w->c) : len;
}

static void walk_ports(struct walk *w)
{
	struct flow *flow = &w->f->flow;

	flow->sport = cursor_be16(&w->c);
	flow->dport = cursor_be16(&w->c);
	flow->has_ports = cursor_ok(&w->c);
}

static void walk_udp(struct walk *w)
{
	uint32_t len, whole = cursor_reported(&w->c);
	bool has_len;

	walk_ports(w);
	if (!w->f->flow.has_ports)
		return;
	len = cursor_be16(&w->c);
	has_len = cursor_ok(&w->c);
	w->f->udp_len = len;
	w->f->has_udp_len = has_len;
	if (!has_len)
		return;
	/* RFC 2675: zero is the rest of a jumbogram. */
	if (len == 0 && w->f->ip_version == 6)
		len = whole;
	if (len < UDP_HLEN) {
		fault(w, FAULT_UDP_LEN, len);
		return;
	}
	if (len > whole && !w->f->is_fragment)
		fault(w, FAULT_UDP_LEN_OVER, len);
	w->f->udp_checksum = cursor_be16(&w->c);
	w->f->has_transport = cursor_ok(&w->c);
	if (!w->f->has_transport)
		return;
	narrow(w, len - UDP_HLEN);
	set_payload(w, cursor_reported(&w->c));
	if (!frame_waits(w->f))
		tunnel_over_udp(w);
}

static void walk_tcp(struct walk *w)
{
	struct frame *f = w->f;
	struct cursor *c = &w->c;
	uint16_t bits;

	walk_ports(w);
	if (!f->flow.has_ports)
		return; /* the first field that is missing tells why */
	f->tcp_seq = cursor_be32(c);
	f->tcp_ack = cursor_be32(c);
	bits = cursor_be16(c);
	f->tcp_window = cursor_be16(c);
	f->has_tcp = cursor_ok(c);
	f->tcp_hlen = (uint8_t)(bits >> 12 << 2);
	f->tcp_flags = bits & 0xfff;
	if (!f->has_tcp)
		return;
	if (f->tcp_hlen < TCP_HLEN_MIN) {
		fault(w, FAULT_TCP_HEADER_LEN, f->tcp_hlen);
		return;
	}
	cursor_skip(c, 2); /* checksum */
	f->tcp_urgent = cursor_be16(c);
	f->has_urgent = cursor_ok(c);
	f->has_transport = f->has_urgent && cursor_skip(c, f->tcp_hlen - TCP_HLEN_MIN);
	if (f->has_transport)
		set_payload(w, cursor_reported(c));
}

/* --- what an ICMP error quotes -------------------------------------------- */

static bool has_version(struct cursor *c, uint8_t version)
{
	return cursor_need(c, 1) && c->data[c->off] >> 4 == version;
}

static bool quoted_ip4(struct flow *q, struct cursor *c, bool *first)
{
	const uint8_t *p;
	uint32_t hlen;

	if (!has_version(c, 4))
		return false;
	p = cursor_bytes(c, IP4_HLEN_MIN);
	if (!p)
		return false;
	hlen = (p[0] & 0xfu) << 2;
	q->proto = p[9];
	q->src = ipaddr_v4(p + 12);
	q->dst = ipaddr_v4(p + 16);
	*first = !((p[6] & 0x1f) << 8 | p[7]);
	return hlen >= IP4_HLEN_MIN && cursor_skip(c, hlen - IP4_HLEN_MIN);
}

static bool is_skippable_ext(uint8_t proto)
{
	return proto == PROTO_HOPOPTS || proto == PROTO_ROUTING || proto == PROTO_DSTOPTS;
}

static bool quoted_ip6(struct flow *q, struct cursor *c, bool *first)
{
	const uint8_t *p;
	unsigned int i;

	if (!has_version(c, 6))
		return false;
	p = cursor_bytes(c, IP6_HLEN);
	if (!p)
		return false;
	q->proto = p[6];
	q->src = ipaddr_v6(p + 8);
	q->dst = ipaddr_v6(p + 24);
	*first = true;
	for (i = 0; i < MAX_HEADERS; i++) {
		bool frag = q->proto == PROTO_FRAGMENT;

		if (!frag && !is_skippable_ext(q->proto))
			return true;
		p = cursor_bytes(c, 8);
		if (!p || (!frag && !cursor_skip(c, p[1] * 8u)))
			return false;
		q->proto = p[0];
		if (frag && (p[2] << 8 | p[3]) & 0xfff8)
			*first = false;
	}
	return false;
}

static void quoted_icmp(struct cursor *c, bool six)
{
	uint8_t type = cursor_u8(c);
	bool is_echo = six ? type == 128 || type == 129 : type == 0 || type == 8;

	cursor_skip(c, is_echo ? 7 : 3);
}

/* RFC 792 and RFC 4443: the error carries the packet's beginning, ports included if we are lucky.
 */
static void walk_quoted(struct walk *w, bool six)
{
	struct frame *f = w->f;
	struct cursor c = w->c;
	struct flow *q = &f->quoted;
	bool first = false, whole;

	whole = six ? quoted_ip6(q, &c, &first) : quoted_ip4(q, &c, &first);
	f->has_quoted = q->src.family != 0;
	if (whole && first && q->proto == (six ? PROTO_ICMP6 : PROTO_ICMP))
		quoted_icmp(&c, six);
	f->quoted_truncated = c.truncated;
	if (!whole || !first || (q->proto != PROTO_TCP && q->proto != PROTO_UDP))
		return;
	q->sport = cursor_be16(&c);
	q->dport = cursor_be16(&c);
	q->has_ports = cursor_ok(&c);
	if (cursor_skip(&c, q->proto == PROTO_UDP ? UDP_HLEN - 4 : TCP_HLEN_MIN - 4) &&
	    q->proto == PROTO_UDP) {
		f->quoted_payload_off = c.off;
		f->quoted_payload_caplen = cursor_left(&c);
	}
	f->quoted_truncated = c.truncated;
}

/* RFC 792: destination unreachable, source quench, redirect, time exceeded, parameter problem. */
static bool is_icmp_error(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static void walk_icmp_any(struct walk *w, bool six)
{
	struct frame *f = w->f;
	struct cursor *c = &w->c;

	f->icmp_type = cursor_u8(c);
	f->icmp_code = cursor_u8(c);
	if (!cursor_ok(c))
		return;
	/* RFC 4443 2.1: ICMPv6 errors have the high bit clear. */
	f->icmp_is_error = six ? f->icmp_type < 128 : is_icmp_error(f->icmp_type);
	if (cursor_skip(c, 6) && f->icmp_is_error)
		walk_quoted(w, six);
}

static void walk_icmp(struct walk *w)
{
	walk_icmp_any(w, false);
}

static void walk_icmp6(struct walk *w)
{
	walk_icmp_any(w, true);
}

/* --- network -------------------------------------------------------------- */

static const struct {
	uint8_t proto;
	enum frame_l4 l4;
	layer_fn walk;
} transports[] = {
	{ PROTO_TCP, L4_TCP, walk_tcp },    { PROTO_UDP, L4_UDP, walk_udp },
	{ PROTO_ICMP, L4_ICMP, walk_icmp }, { PROTO_ICMP6, L4_ICMP6, walk_icmp6 },
	{ PROTO_GRE, L4_GRE, tunnel_gre },  { PROTO_ETHER, L4_OTHER, tunnel_ether },
};

static bool is_version6(const struct cursor *c)
{
	return !cursor_left(c) || c->data[c->off] >> 4 == 6;
}

static void set_l4(struct walk *w)
{
	w->f->l4_off = w->c.off;
	w->f->l4_len = cursor_reported(&w->c);
	w->f->l4_caplen = cursor_left(&w->c);
}

static void walk_transport(struct walk *w)
{
	struct frame *f = w->f;
	uint8_t proto = f->flow.proto;
	size_t i;

	f->layer = LAYER_PAYLOAD;
	set_l4(w);
	f->l4 = L4_OTHER;
	if (f->frag_off || (f->ip_version == 4 && !f->l4_len))
		return;
	if (proto == PROTO_IPIP || (proto == PROTO_IP6 && is_version6(&w->c))) {
		w->next = frame_waits(f) ? NULL : walk_ip;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(transports); i++) {
		if (transports[i].proto == proto) {
			f->l4 = transports[i].l4;
			transports[i].walk(w);
			return;
		}
	}
}

/* A new IP header forgets the one around it. */
static void enter_ip(struct walk *w, uint8_t version)
{
	struct frame *f = w->f;

	if (f->ip_version)
		f->nr_tunnels++;
	f->in_fragment |= f->is_fragment;
	f->ip_version = version;
	f->l3_off = w->c.off;
	f->layer = version == 4 ? LAYER_IP4 : LAYER_IP6;
	f->l4 = L4_NONE;
	f->nr_ext = 0;
	f->is_fragment = f->more_fragments = false;
	f->frag_off = 0;
	f->ip_id = 0;
}

static bool ip4_fields(struct walk *w)
{
	struct frame *f = w->f;
	struct cursor *c = &w->c;
	uint16_t bits;

	f->ip_id = cursor_be16(c);
	bits = cursor_be16(c);
	f->ttl = cursor_u8(c);
	f->flow.proto = cursor_u8(c);
	cursor_skip(c, 2); /* checksum */
	f->more_fragments = bits & 0x2000;
	f->frag_off = (bits & 0x1fffu) * 8;
	f->is_fragment = bits & 0x3fff;
	return cursor_ok(c);
}

/*
 * RFC 791 3.1: with a source route the header's destination is only the next
 * hop, and the last entry of the route is where the packet goes. NULL if there
 * is none; sets the cursor's flags if it cannot be known.
 */
static const uint8_t *ip4_route_end(struct cursor *c, uint32_t options)
{
	while (options) {
		uint8_t type = cursor_u8(c), len, next;

		if (!cursor_ok(c) || type == OPT_END)
			return NULL;
		options--;
		if (type == OPT_NOP)
			continue;
		len = options ? cursor_u8(c) : 0;
		if (!cursor_ok(c) || len < 2 || len - 1u > options)
			return NULL;
		if (type == OPT_LSRR || type == OPT_SSRR) {
			next = cursor_u8(c);
			if (!cursor_ok(c) || next < OPT_ROUTE_FIRST || next % 4 || next > len)
				return NULL;
			c->off -= 3;
			return cursor_skip(c, len - 4u) ? cursor_bytes(c, 4) : NULL;
		}
		options -= len - 1u;
		if (options && !cursor_skip(c, len - 2u))
			return NULL;
	}
	return NULL;
}

static bool ip4_addresses(struct walk *w, uint32_t options)
{
	struct frame *f = w->f;
	const uint8_t *src = cursor_bytes(&w->c, 4), *dst, *last;
	struct cursor c;

	if (!src)
		return false;
	ipaddr_set_v4(&f->flow.src, src);
	f->has_src = true;
	dst = cursor_bytes(&w->c, 4);
	if (!dst)
		return false;
	c = w->c;
	last = ip4_route_end(&c, options);
	f->has_dst = cursor_ok(&c);
	if (f->has_dst)
		ipaddr_set_v4(&f->flow.dst, last ?: dst);
	return cursor_skip(&w->c, options);
}

static void walk_ip4(struct walk *w)
{
	struct cursor *c = &w->c;
	uint32_t hlen, total;
	uint8_t first;

	if (cursor_left(c) && c->data[c->off] >> 4 == 6) {
		w->next = walk_ip6;
		return;
	}
	enter_ip(w, 4);
	if (!cursor_need(c, 1))
		return;
	first = cursor_u8(c);
	hlen = (first & 0xfu) << 2;
	w->f->ip_hlen = (uint8_t)hlen;
	if (first >> 4 != 4) {
		fault(w, FAULT_IP_VERSION, first >> 4);
		return;
	}
	if (hlen < IP4_HLEN_MIN) {
		fault(w, FAULT_IP_HEADER_LEN, hlen);
		return;
	}
	cursor_skip(c, 1); /* type of service */
	total = cursor_be16(c);
	if (!cursor_ok(c))
		return;
	/* Zero is a segment left to the device, or one above 64 KiB (BIG TCP). */
	if (total == 0) {
		total = cursor_reported(c) + 4;
	} else if (total < hlen) {
		fault(w, FAULT_IP_TOTAL_LEN, total);
		return;
	}
	w->f->ip_payload_len = total > hlen ? total - hlen : 0;
	narrow(w, total - 4);
	set_end(w);
	if (!ip4_fields(w) || !ip4_addresses(w, hlen - IP4_HLEN_MIN))
		return;
	set_l4(w);
	if (frame_waits(w->f) || !cursor_reported(c))
		walk_transport(w);
	else
		walk_ip6_payload(w); /* IPv6 extension headers are numbered with the protocols */
}

/* Where a packet with segments left finally goes: RFC 5095 (type 0), 6275 (2), 6554 (3), 8754 (4).
 */
static void ip6_route_end(struct walk *w, const uint8_t *body, uint8_t len)
{
	struct ipaddr *dst = &w->f->flow.dst;
	unsigned int same, end;

	if (body[0] == ROUTE_SOURCE) {
		*dst = ipaddr_v6(body + 6 + (len / 2 - 1) * 16u);
	} else if (body[0] == ROUTE_MOBILE || body[0] == ROUTE_SEGMENTS) {
		*dst = ipaddr_v6(body + 6);
	} else if (body[0] == ROUTE_RPL) {
		/* The last address leaves out the bytes that it shares with the header's. */
		same = body[2] & 0xf;
		end = 6 + len * 8u - (body[3] >> 4);
		memcpy(dst->bytes + same, body + end - (16 - same), 16 - same);
	}
}

/* RFC 4782 3.1: requests and reports have fields, other functions none. */
static uint32_t quick_start_fields(uint8_t first)
{
	return first >> 4 == 0 || first >> 4 == 8 ? 6 : 1;
}

/* RFC 6621 6.1.1: a hash, or whose identifier it is, if that is said. */
static uint32_t duplicates_fields(uint8_t first, uint8_t len)
{
	if (first & 0x80)
		return len ?: 1;
	return first & 0x70 ? 2 + (first & 0xf) : 1;
}

/* Bytes that are read of an option, whatever its length says. c stands at its first. */
static uint32_t ip6_option_fields(const struct cursor *c, uint8_t type, uint8_t len)
{
	static const uint8_t seed[] = { 0, 2, 8, 16 }; /* RFC 7731 6.1 */
	uint8_t first = cursor_left(c) ? c->data[c->off] : 0;

	switch (type) {
	case OPT6_TUNNEL_LIMIT: return 1;
	case OPT6_ROUTER_ALERT: return 2;
	case OPT6_DEPTH_FIRST: return 3;
	case OPT6_JUMBO:
	case OPT6_MTU:
	case OPT6_TUNNEL_PAYLOAD:
	case OPT6_RPL: return 4;
	case OPT6_QUICK_START: return quick_start_fields(first);
	case OPT6_CALIPSO: return 8;
	case OPT6_METRICS: return 10;
	case OPT6_HOME_ADDRESS: return 16;
	case OPT6_DUPLICATES: return duplicates_fields(first, len);
	case OPT6_MPL: return 2u + seed[first >> 6];
	case OPT6_LINE_ID: return first < len ? 1u + first : len ?: 1u;
	default: return len;
	}
}

/*
 * RFC 8200 4.2, up to the header's end; what stands behind it is read too if an
 * option says so. A home address (RFC 6275 6.3) is where the packet comes from.
 */
static void ip6_options(struct walk *w, struct cursor *c, uint32_t end)
{
	while (c->off < end && cursor_need(c, 2)) {
		uint8_t type = cursor_u8(c), len = type ? cursor_u8(c) : 0;
		uint32_t fields = ip6_option_fields(c, type, len);
		uint32_t option_end = c->off + len;
		const uint8_t *p;

		if (!type)
			continue;
		p = cursor_bytes(c, fields);
		if (!p)
			return;
		if (type == OPT6_HOME_ADDRESS)
			w->f->flow.src = ipaddr_v6(p);
		/* RFC 5570 5.1.3: a bitmap of so many words */
		if (type == OPT6_CALIPSO && !cursor_skip(c, p[4] * 4u))
			return;
		if (c->off < option_end && !cursor_skip(c, option_end - c->off))
			return;
	}
}

/* Segments of that size: the current one, and all up to the first that is zero. c stands at the
 * number of those that are left. */
static void ip6_compact_fields(struct cursor *c, uint32_t size, uint32_t len)
{
	uint32_t n = (len - 2) / size, left = cursor_u8(c);
	struct cursor current = *c;
	const uint8_t *p;

	if (!cursor_skip(&current, size * left) || !cursor_need(&current, size)) {
		*c = current;
		return;
	}
	do {
		p = cursor_bytes(c, size);
	} while (p && n-- && (p[0] || p[1] || (size == 4 && (p[2] || p[3]))));
}

/* Fields and addresses of a routing header of len bytes, from its type on. Returns where the
 * reading ended, and why. */
static struct cursor ip6_route_fields(struct cursor c, uint8_t type, uint32_t len)
{
	uint32_t n;

	cursor_skip(&c, 1);
	switch (type) {
	case ROUTE_SOURCE:
		cursor_skip(&c, 5);
		for (n = (len - 6) / 16; n && cursor_ok(&c); n--)
			cursor_skip(&c, 16);
		break;
	case ROUTE_MOBILE:
		if (cursor_skip(&c, 5))
			cursor_skip(&c, 16);
		break;
	case ROUTE_RPL: cursor_skip(&c, 5); break;
	case ROUTE_SEGMENTS:
		cursor_skip(&c, 1);
		n = cursor_u8(&c) + 1u;
		cursor_skip(&c, 3);
		while (n-- && cursor_ok(&c))
			cursor_skip(&c, 16);
		break;
	case ROUTE_COMPACT16: ip6_compact_fields(&c, 2, len); break;
	case ROUTE_COMPACT32: ip6_compact_fields(&c, 4, len); break;
	default: break;
	}
	return c;
}

/* False if the fields do not fit the header, or the header is longer than the packet. */
static bool ip6_route(struct walk *w, uint32_t len)
{
	struct cursor *c = &w->c, body;
	const uint8_t *p = c->data + c->off;
	uint32_t need = len, here = cursor_reported(c);

	if (!cursor_need(c, 2))
		return false;
	if (p[0] == ROUTE_MOBILE || p[0] == ROUTE_SEGMENTS)
		need = 6 + 2 * 8; /* the first address says it */
	if (need <= cursor_left(c) && p[1] && len >= 6 + 2 * 8)
		ip6_route_end(w, p, (uint8_t)((len - 6) / 8));
	body = ip6_route_fields(cursor_init(p, cursor_left(c), len), p[0], len);
	if (body.truncated && len > here)
		w->f->contained =
			ip6_route_fields(cursor_init(p, cursor_left(c), here), p[0], len).malformed;
	c->truncated = body.truncated && !w->f->contained;
	c->malformed = body.malformed || w->f->contained;
	return cursor_ok(c);
}

/* The rest of an extension header. */
static bool ip6_ext_body(struct walk *w, uint8_t kind, uint32_t len)
{
	struct cursor *c = &w->c, body = *c;

	if (kind == PROTO_ROUTING)
		return ip6_route(w, len) && cursor_skip(c, len);
	ip6_options(w, &body, c->off + len);
	c->truncated = body.truncated;
	c->malformed = body.malformed;
	return cursor_ok(c) && cursor_skip(c, len);
}

/* RFC 8200 4: each is `next header`, `length in 8 bytes after the first 8`, data. */
static bool ip6_ext(struct walk *w)
{
	struct frame *f = w->f;
	struct cursor *c = &w->c;
	uint8_t kind = f->flow.proto, next, len;
	uint16_t bits;
	uint32_t id;

	if (f->nr_ext < FRAME_MAX_EXT)
		f->ext[f->nr_ext++] = kind;
	next = cursor_u8(c);
	len = cursor_u8(c);
	if (kind != PROTO_FRAGMENT) {
		if (!cursor_ok(c) || !ip6_ext_body(w, kind, 6 + len * 8u))
			return false;
		f->flow.proto = next;
		return true;
	}
	bits = cursor_be16(c);
	id = cursor_be32(c);
	if (!cursor_ok(c))
		return false;
	f->flow.proto = next;
	f->frag6_bits = bits;
	f->frag6_id = id;
	/* It makes no fragment of IPv4's own, nor of nothing. */
	if (f->ip_version == 4 || !cursor_reported(c))
		return true;
	f->ip_id = id;
	f->frag_off = bits & 0xfff8;
	f->more_fragments = bits & 1;
	f->is_fragment = f->more_fragments || f->frag_off;
	return true;
}

static void walk_ip6_payload(struct walk *w)
{
	struct frame *f = w->f;
	unsigned int i;

	for (i = 0; i < MAX_HEADERS; i++) {
		uint8_t kind = f->flow.proto;

		if (!is_skippable_ext(kind) && kind != PROTO_FRAGMENT)
			break;
		f->layer = LAYER_IP6_EXT;
		if (!ip6_ext(w))
			return;
		if (kind == PROTO_FRAGMENT && f->is_fragment)
			break;
	}
	walk_transport(w);
}

/* RFC 2675: a payload length of zero and the jumbo option in the first extension header. */
static uint32_t ip6_jumbo_len(const struct walk *w, uint8_t next)
{
	struct cursor c = w->c;
	uint32_t end;

	if (next != PROTO_HOPOPTS || !cursor_skip(&c, 1))
		return 0;
	end = c.off + 7 + cursor_u8(&c) * 8u;
	while (c.off < end && cursor_left(&c) >= 6 && cursor_ok(&c)) {
		uint8_t type = cursor_u8(&c), len = type ? cursor_u8(&c) : 0;

		if (type == OPT6_JUMBO && len == 4) {
			end = cursor_be32(&c);
			return end > UINT16_MAX ? end : 0;
		}
		cursor_skip(&c, len);
	}
	return 0;
}

static bool ip6_address(struct walk *w, struct ipaddr *a, bool *has)
{
	const uint8_t *p = cursor_bytes(&w->c, 16);

	if (!p)
		return false;
	ipaddr_set_v6(a, p);
	*has = true;
	return true;
}

static void walk_ip6(struct walk *w)
{
	struct frame *f = w->f;
	struct cursor *c = &w->c;
	uint32_t len, here = cursor_reported(c);

	/* Whoever sends another version under Ethernet's number for IPv6 does not send IP. */
	if (cursor_left(c) && c->data[c->off] >> 4 != 6) {
		fault(w, FAULT_IP_VERSION, c->data[c->off] >> 4);
		if (f->ip_version)
			enter_ip(w, 6);
		else
			f->layer = LAYER_LINK;
		return;
	}
	enter_ip(w, 6);
	if (!cursor_skip(c, 1))
		return;
	if (here < IP6_HLEN)
		fault(w, FAULT_IP6_SHORT, here);
	cursor_skip(c, 3); /* class and label */
	len = cursor_be16(c);
	f->flow.proto = cursor_u8(c);
	f->ttl = cursor_u8(c);
	if (!ip6_address(w, &f->flow.src, &f->has_src) ||
	    !ip6_address(w, &f->flow.dst, &f->has_dst))
		return;
	if (len == 0)
		len = ip6_jumbo_len(w, f->flow.proto);
	f->ip_payload_len = len;
	narrow(w, len);
	set_end(w);
	walk_ip6_payload(w);
}

/* Inside an IP header the version nibble decides, whatever the protocol number said. */
static void walk_ip(struct walk *w)
{
	struct frame *f = w->f;
	uint8_t version;

	if (!cursor_need(&w->c, 1)) {
		if (f->ip_version)
			f->layer = f->ip_version == 4 ? LAYER_IP4 : LAYER_IP6;
		return;
	}
	version = w->c.data[w->c.off] >> 4;
	if (version == 4) {
		w->next = walk_ip4;
	} else if (version == 6) {
		w->next = walk_ip6;
	} else {
		f->layer = LAYER_IP_VERSION;
		fault(w, FAULT_IP_VERSION, version);
	}
}

/* --- link ----------------------------------------------------------------- */

static void set_l2(struct walk *w)
{
	w->f->l2_off = w->c.off;
	w->f->l2_len = cursor_reported(&w->c);
}

static void walk_vlan(struct walk *w)
{
	struct frame *f = w->f;
	uint16_t tci;

	f->layer = LAYER_VLAN;
	f->vlan_tpid = f->ethertype;
	f->has_type = false;
	tci = cursor_be16(&w->c);
	f->has_tci = cursor_ok(&w->c);
	if (!f->has_tci)
		return;
	if (f->nr_vlans < ARRAY_SIZE(f->vlan_tci))
		f->vlan_tci[f->nr_vlans] = tci;
	f->last_tci = tci;
	f->nr_vlans++;
	f->ethertype = cursor_be16(&w->c);
	f->has_type = cursor_ok(&w->c);
	if (f->has_type)
		w->next = walk_ethertype;
}

static void walk_arp(struct walk *w)
{
	struct frame *f = w->f;
	const uint8_t *p;

	f->layer = LAYER_ARP;
	f->l3_off = w->c.off;
	p = cursor_left(&w->c) >= ARP_HLEN ? w->c.data + w->c.off : NULL;
	if (!p)
		return;
	narrow(w, ARP_HLEN + 2u * p[4] + 2u * p[5]);
	set_end(w);
}

/* IP behind its own service access point, in a frame that carries information. */
static bool is_llc_ip(struct walk *w)
{
	const uint8_t *p = w->c.data + w->c.off;
	uint8_t control;

	if (cursor_left(&w->c) < LLC_HLEN_MIN || p[0] != LLC_SAP_IP)
		return false;
	control = p[2];
	if ((control & 1) && (control & 0xef) != LLC_UI)
		return false;
	return cursor_skip(&w->c, LLC_HLEN_MIN + !(control & 1));
}

/* IEEE 802.2; IP and the SNAP form with an Ethernet type go on. */
static void walk_llc(struct walk *w)
{
	static const uint8_t snap[] = { 0xaa, 0xaa, 0x03, 0, 0, 0 };
	struct frame *f = w->f;
	const uint8_t *p;

	f->layer = LAYER_LLC;
	if (is_llc_ip(w)) {
		w->next = walk_ip;
		return;
	}
	if (cursor_left(&w->c) < sizeof(snap) ||
	    memcmp(w->c.data + w->c.off, snap, sizeof(snap)) != 0)
		return;
	p = cursor_bytes(&w->c, sizeof(snap));
	f->ethertype = cursor_be16(&w->c);
	if (p && cursor_ok(&w->c))
		w->next = walk_ethertype;
}

/* IEEE 802.3: the two bytes are the length of an LLC frame, or of Novell's raw IPX. */
static void walk_8023(struct walk *w)
{
	struct frame *f = w->f;

	narrow(w, f->ethertype);
	f->is_8023 = true;
	set_l2(w);
	if (cursor_left(&w->c) >= 2 && w->c.data[w->c.off] == 0xff &&
	    w->c.data[w->c.off + 1] == 0xff)
		f->layer = LAYER_RAW_8023;
	else
		walk_llc(w);
}

struct ethertype {
	uint16_t type;
	layer_fn walk;
};

static const struct ethertype ethertypes[] = {
	{ ET_IP, walk_ip4 },	    { ET_IP6, walk_ip6 },	{ ET_ARP, walk_arp },
	{ ET_RARP, walk_arp },	    { ET_VLAN, walk_vlan },	{ ET_QINQ, walk_vlan },
	{ ET_QINQ_OLD, walk_vlan }, { ET_JUMBO_LLC, walk_llc },
};

static layer_fn find_walk(const struct ethertype *types, size_t n, uint16_t type)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (types[i].type == type)
			return types[i].walk;
	return NULL;
}

/* Behind a provider's tag there are types only; of no length there is nothing to say
 * but behind a customer's tag. */
static bool may_be_length(const struct frame *f)
{
	return f->nr_vlans ? f->vlan_tpid != ET_QINQ : f->ethertype != 0;
}

static void walk_ethertype(struct walk *w)
{
	struct frame *f = w->f;

	set_l2(w);
	w->next = find_walk(ethertypes, ARRAY_SIZE(ethertypes), f->ethertype);
	if (w->next || !may_be_length(f))
		return;
	if (f->ethertype <= ETHERTYPE_MAX_LEN)
		walk_8023(w);
	else if (f->ethertype < ETHERTYPE_MIN)
		fault(w, FAULT_LENGTH_TYPE, f->ethertype);
}

static void walk_ether(struct walk *w)
{
	struct frame *f = w->f;
	struct cursor *c = &w->c;

	f->mac_len = ETH_ALEN;
	f->mac_dst_off = c->off;
	f->has_mac_dst = cursor_skip(c, ETH_ALEN);
	f->mac_src_off = c->off;
	f->has_mac_src = f->has_mac_dst && cursor_skip(c, ETH_ALEN);
	f->ethertype = cursor_be16(c);
	f->has_type = cursor_ok(c);
	if (f->has_type)
		w->next = walk_ethertype;
}

static void forget_transport(struct frame *f)
{
	f->l4 = L4_NONE;
	f->fault = FAULT_NONE;
	f->flow.has_ports = false;
	f->has_transport = f->has_udp_len = false;
	f->payload_off = f->payload_len = f->payload_caplen = 0;
}

/* The IP addresses around it stand until there are others. */
static void walk_inner_ether(struct walk *w)
{
	struct frame *f = w->f;
	struct flow outer = f->flow;

	f->in_fragment |= f->is_fragment;
	f->nr_tunnels++;
	f->ip_version = 0;
	f->l3_off = 0;
	f->layer = LAYER_LINK;
	f->is_8023 = false;
	f->nr_vlans = 0;
	f->vlan_tpid = 0;
	walk_ether(w);
	f->has_dst = !f->has_mac_dst;
	f->has_src = !f->has_mac_src;
	f->flow = (struct flow){ 0 };
	if (f->has_dst)
		f->flow.dst = outer.dst;
	if (f->has_src)
		f->flow.src = outer.src;
}

static const struct ethertype inner[] = {
	{ ET_ETHER, walk_inner_ether },
	{ ET_IP, walk_ip },
	{ ET_IP6, walk_ip6 },
	{ ET_ARP, walk_arp },
};

static void enter_tunnel(struct walk *w, layer_fn walk)
{
	if (!walk || frame_waits(w->f))
		return;
	forget_transport(w->f);
	set_l2(w);
	w->next = walk;
}

/* Of IP the version is looked at first: without it the frame is that of the tunnel. */
void walk_inner(struct walk *w, uint16_t type)
{
	if (type != ET_IP || cursor_need(&w->c, 1))
		enter_tunnel(w, find_walk(inner, ARRAY_SIZE(inner), type));
}

void walk_inner_ethertype(struct walk *w, uint16_t type)
{
	w->f->ethertype = type;
	if (type == ET_ETHER)
		enter_tunnel(w, walk_inner_ether);
	else
		enter_tunnel(w, find_walk(ethertypes, ARRAY_SIZE(ethertypes), type));
}

/* https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html */
static void walk_sll(struct walk *w)
{
	struct frame *f = w->f;
	struct cursor *c = &w->c;
	uint16_t alen;

	cursor_skip(c, 4); /* packet type, ARPHRD */
	alen = cursor_be16(c);
	f->mac_src_off = c->off;
	f->mac_len = (uint8_t)(alen < SLL_HLEN_ADDR ? alen : SLL_HLEN_ADDR);
	f->has_mac_src = cursor_skip(c, SLL_HLEN_ADDR) && f->mac_len;
	f->ethertype = cursor_be16(c);
	f->has_type = cursor_ok(c);
	if (f->has_type)
		w->next = walk_ethertype;
}

/* https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html */
static void walk_sll2(struct walk *w)
{
	struct frame *f = w->f;
	struct cursor *c = &w->c;
	uint8_t alen;

	f->ethertype = cursor_be16(c);
	cursor_skip(c, 9); /* reserved, interface index, ARPHRD, packet type */
	alen = cursor_u8(c);
	f->mac_src_off = c->off;
	f->mac_len = alen < SLL_HLEN_ADDR ? alen : SLL_HLEN_ADDR;
	f->has_type = cursor_skip(c, SLL_HLEN_ADDR);
	f->has_mac_src = f->has_type && f->mac_len;
	if (f->has_type)
		w->next = walk_ethertype;
}

/* The address family in the byte order of the machine that wrote the file. */
static void walk_null(struct walk *w)
{
	uint32_t family = cursor_be32(&w->c);

	if (!cursor_ok(&w->c))
		return;
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	set_l2(w);
	w->f->null_family = family;
	if (family == NULL_AF_INET)
		w->next = walk_ip4;
	else if (family == 10 || family == 24 || family == 28 || family == 30)
		w->next = walk_ip6; /* Linux, NetBSD, FreeBSD, macOS */
}

static const struct {
	int dlt;
	layer_fn walk;
} links[] = {
	{ DLT_EN10MB, walk_ether },    { DLT_RAW, walk_ip },	    { DLT_NULL, walk_null },
	{ DLT_LINUX_SLL2, walk_sll2 }, { DLT_LINUX_SLL, walk_sll }, { DLT_LOOP, walk_null },
	{ DLT_IPV4, walk_ip },	       { DLT_IPV6, walk_ip },
};

int decode_frame(struct frame *f, const uint8_t *data, uint32_t caplen, uint32_t wirelen, int dlt)
{
	struct walk w = {
		.f = f,
		.c = cursor_init(data, caplen, wirelen < caplen ? caplen : wirelen),
	};
	unsigned int n;
	size_t i;

	clear_memory(f, sizeof(*f));
	f->data = data;
	f->caplen = caplen;
	f->wirelen = wirelen;
	f->dlt = dlt;
	for (i = 0; i < ARRAY_SIZE(links) && !w.next; i++)
		if (links[i].dlt == dlt)
			w.next = links[i].walk;
	if (!w.next)
		return -ENOTSUP;
	for (n = 0; w.next && n < MAX_HEADERS; n++) {
		layer_fn walk = w.next;

		w.next = NULL;
		walk(&w);
	}
	f->truncated = w.c.truncated || f->quoted_truncated;
	f->malformed = w.c.malformed || (f->fault && f->fault != FAULT_UDP_LEN_OVER) || w.next;
	f->fault_read = !cursor_ok(&w.c);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tunnels that overlay networks of containers are made of. What they carry is what the frame
 * then describes; if that is not decoded, or the tunnel's header is cut off, the tunnel itself.
 */
#include "decode/tunnel.h"

#include "decode/walk.h"
#include "util/cleanup.h"

#define VXLAN_FLAG_P	   0x04 /* the header says what follows */
#define GENEVE_OPTIONS	   0x3f /* of the first byte; in 4 bytes */
#define GRE_CHECKSUM	   0x8000
#define GRE_ROUTING	   0x4000
#define GRE_KEY		   0x2000
#define GRE_SEQUENCE	   0x1000
#define GRE_ACK		   0x0080 /* RFC 2637 */
#define ERSPAN_2_VERSION   1
#define ERSPAN_3_VERSION   2
#define ERSPAN_3_SUBHEADER 0x01 /* of the last byte */
#define ERSPAN_3_TYPE	   0x7c /* of the last byte but one; 0: Ethernet */

enum { GRE_ERSPAN_3 = 0x22eb, GRE_PPP = 0x880b, GRE_WCCP = 0x883e, GRE_ERSPAN = 0x88be };

/* A tunnel of its kind, whatever it carries: it is not shown as a UDP datagram. */
static void set_tunnel(struct walk *w, enum frame_l4 kind)
{
	w->f->l4 = kind;
	w->f->l4_off = w->f->payload_off;
	w->f->l4_len = w->f->payload_len;
	w->f->l4_caplen = w->f->payload_caplen;
}

/* RFC 7348 */
static void over_vxlan(struct walk *w)
{
	set_tunnel(w, L4_VXLAN);
	if (cursor_skip(&w->c, 8))
		walk_inner(w, ET_ETHER);
}

/* draft-ietf-nvo3-vxlan-gpe */
static void over_vxlan_gpe(struct walk *w)
{
	static const uint16_t types[] = { 0, ET_IP, ET_IP6, ET_ETHER };
	const uint8_t *p = cursor_bytes(&w->c, 8);

	set_tunnel(w, L4_VXLAN);
	if (p && p[0] & VXLAN_FLAG_P && p[3] < ARRAY_SIZE(types))
		walk_inner(w, types[p[3]]);
}

/* RFC 8926 */
static void over_geneve(struct walk *w)
{
	const uint8_t *p = cursor_bytes(&w->c, 8);

	set_tunnel(w, L4_GENEVE);
	if (p && cursor_skip(&w->c, (p[0] & GENEVE_OPTIONS) * 4u))
		walk_inner_ethertype(w, (uint16_t)(p[2] << 8 | p[3]));
}

static const struct {
	uint16_t port;
	layer_fn walk; /* NULL: other than a tunnel, and told by its port all the same */
} ports[] = {
	{ 53, NULL },	{ 4789, over_vxlan }, { 4790, over_vxlan_gpe },
	{ 5353, NULL }, { 5355, NULL },	      { 6081, over_geneve },
};

/* The lower port tells, if it tells anything, as in tshark. */
void tunnel_over_udp(struct walk *w)
{
	const struct flow *flow = &w->f->flow;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ports) && w->f->payload_caplen; i++) {
		if (flow->sport != ports[i].port && flow->dport != ports[i].port)
			continue;
		if (ports[i].walk)
			ports[i].walk(w);
		return;
	}
}

/* ERSPAN of types II and III, which their header tells. */
static void over_erspan(struct walk *w)
{
	struct cursor *c = &w->c;
	const uint8_t *p = c->data + c->off;

	w->f->l4 = L4_ERSPAN;
	if (!cursor_need(c, 2))
		return;
	switch (p[0] >> 4) {
	case ERSPAN_2_VERSION:
		if (!cursor_skip(c, 8))
			return;
		break;
	case ERSPAN_3_VERSION:
		if (!cursor_skip(c, 12) || p[10] & ERSPAN_3_TYPE ||
		    (p[11] & ERSPAN_3_SUBHEADER && !cursor_skip(c, 8)))
			return;
		break;
	default: return;
	}
	walk_inner(w, ET_ETHER);
}

/* A packet that a router redirects to a web cache; version 2 puts four bytes before it. */
static void over_wccp(struct walk *w)
{
	struct cursor *c = &w->c;

	if (cursor_need(c, 1) && (c->data[c->off] >> 4 == 4 || cursor_skip(c, 4)))
		walk_inner(w, ET_IP);
}

/* RFC 1701: address family, offset, length, and so many bytes. The last one has neither. */
static void skip_routing(struct cursor *c)
{
	uint16_t family;
	uint8_t len;

	do {
		family = cursor_be16(c);
		cursor_skip(c, 1);
		len = cursor_u8(c);
	} while (cursor_skip(c, len) && (family || len));
}

bool tunnel_gre_header(struct cursor *c, struct gre *g)
{
	const uint8_t *p = cursor_bytes(c, 4);

	if (!p)
		return false;
	*g = (struct gre){ .flags = (uint16_t)(p[0] << 8 | p[1]),
			   .type = (uint16_t)(p[2] << 8 | p[3]) };
	if (g->flags & (GRE_CHECKSUM | GRE_ROUTING))
		cursor_skip(c, 4);
	if (g->flags & GRE_KEY)
		cursor_skip(c, 4);
	if (g->flags & GRE_SEQUENCE)
		cursor_skip(c, 4);
	if (g->flags & GRE_ACK && g->type == GRE_PPP)
		cursor_skip(c, 4);
	if (cursor_ok(c) && g->flags & GRE_ROUTING)
		skip_routing(c);
	return true;
}

void tunnel_gre(struct walk *w)
{
	struct cursor c = w->c;
	struct gre g;

	if (!tunnel_gre_header(&c, &g) || !cursor_ok(&c))
		return;
	/* Nothing behind it is nothing wrong, as in a keepalive; but what has a number in a
	 * sequence is something. */
	if (!cursor_reported(&c) && !(g.flags & GRE_SEQUENCE) && g.type != GRE_WCCP)
		return;
	w->c = c;
	/* Type I of ERSPAN has no header, and no number in GRE's. */
	if (g.type == GRE_ERSPAN && !(g.flags & GRE_SEQUENCE))
		walk_inner(w, ET_ETHER);
	else if (g.type == GRE_ERSPAN || g.type == GRE_ERSPAN_3)
		over_erspan(w);
	else if (g.type == GRE_WCCP)
		over_wccp(w);
	else
		walk_inner(w, g.type);
}

/* RFC 8986 4.9 */
void tunnel_ether(struct walk *w)
{
	walk_inner(w, ET_ETHER);
}

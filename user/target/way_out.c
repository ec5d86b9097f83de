// SPDX-License-Identifier: GPL-2.0-only
#include "target/way_out.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/nat.h"
#include "util/cleanup.h"

const char *way_end_name(enum way_end end)
{
	static const char *const names[] = {
		[WAY_NONE] = "none",
		[WAY_DEVICE] = "device",
		[WAY_PROGRAM] = "program",
		[WAY_DEAD_END] = "dead-end",
		[WAY_NO_FORWARD] = "no-forwarding",
		[WAY_BLOCKED] = "blocked",
		[WAY_LOST] = "unknown",
	};

	return names[end];
}

static bool read_flag(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	return f && fgetc(f) == '1';
}

static int visit_router(void *arg)
{
	struct space *s = arg;

	s->forwards4 = read_flag("/proc/sys/net/ipv4/ip_forward");
	s->forwards6 = read_flag("/proc/sys/net/ipv6/conf/all/forwarding");
	s->nat = nat_read_here();
	return 0;
}

static void look_at_router(struct space *s)
{
	_cleanup_fd_ int fd = -1;

	if (s->is_router)
		return;
	s->is_router = true;
	if (!s->seen.home)
		fd = netns_open(s->seen.path, &s->seen.id, NULL);
	if (s->seen.home || fd >= 0)
		netns_call(fd, visit_router, s, NULL);
}

static const struct link *route_link(const struct space *s)
{
	return s->route.found ? inventory_find(s->links, s->nr_links, s->route.ifindex) : NULL;
}

static bool is_kind(const struct link *l, const char *const *kinds)
{
	for (; *kinds; kinds++)
		if (!strcmp(l->kind, *kinds))
			return true;
	return false;
}

static struct ipaddr source_on(const struct link *l, uint8_t family)
{
	uint32_t i;

	for (i = 0; i < l->nr_addrs && i < LINK_MAX_ADDRS; i++)
		if (l->addrs[i].addr.family == family)
			return l->addrs[i].addr;
	return (struct ipaddr){ 0 };
}

/* An address that is nobody's (RFC 5737, RFC 3849) stands for all that is outside. */
static struct ipaddr somewhere(uint8_t family)
{
	static const uint8_t v4[4] = { 198, 51, 100, 1 };
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

	return family == 4 ? ipaddr_v4(v4) : ipaddr_v6(v6);
}

/* A packet of the first namespace, as it comes into the one that this hop leads to. */
static struct nat_packet packet_at(const struct way_hop *h, const struct ipaddr *src)
{
	struct nat_packet p = { .src = *src, .proto = IPPROTO_UDP, .dport = 53 };
	const struct link *out = route_link(h->into);

	p.dst = somewhere(src->family);
	memcpy(p.iif, h->arrives, sizeof(p.iif));
	if (out)
		memcpy(p.oif, out->name, sizeof(p.oif));
	return p;
}

/* Where the hop's interface leads to; NULL: nowhere on this machine. */
static struct space *enter(const struct spaces *all, const struct space *from, struct way_hop *h)
{
	const struct veth_peer *p = from->peers ? &from->peers[h->out - from->links] : NULL;
	struct space *into = p && p->ifindex ? space_of_ns(all, &p->ns) : NULL;

	if (!into)
		return NULL;
	memcpy(h->arrives, p->bridge ? p->bridge_name : p->name, sizeof(h->arrives));
	h->into = into;
	return into;
}

static bool forwards(const struct space *s, uint8_t family)
{
	return family == 4 ? s->forwards4 : s->forwards6;
}

/* The interface at the end of the way, or of the part of it that can be seen. */
static enum way_end end_at(const struct spaces *all, const struct space *from, struct way_hop *h)
{
	static const char *const on_parent[] = { "macvlan", "ipvlan", "macvtap",
						 "ipvtap",  "vlan",   NULL };
	static const char *const tun[] = { "tun", NULL };

	if (is_kind(h->out, on_parent))
		enter(all, from, h);
	h->nat = NAT_NO;
	return is_kind(h->out, tun) ? WAY_PROGRAM : WAY_DEVICE;
}

/* The next hop from s on. */
static struct space *step(const struct spaces *all, struct space *s, struct way_out *out,
			  struct ipaddr *src)
{
	static const char *const veth[] = { "veth", NULL };
	const struct link *l = route_link(s);
	struct nat_packet packet;
	struct way_hop *h;
	struct space *into;

	if (!l || out->nr_hops == WAY_MAX_HOPS) {
		out->end = l ? WAY_LOST : out->nr_hops ? WAY_DEAD_END : WAY_NONE;
		return NULL;
	}
	h = &out->hops[out->nr_hops++];
	*h = (struct way_hop){ .out = l, .gateway = s->route.gateway };
	if (!is_kind(l, veth)) {
		out->end = end_at(all, s, h);
		return NULL;
	}
	into = enter(all, s, h);
	if (!into) {
		out->end = WAY_LOST;
		return NULL;
	}
	look_at_router(into);
	if (!src->family)
		*src = source_on(l, s->route.family);
	packet = packet_at(h, src);
	h->nat = nat_source(into->nat, &packet);
	/* From there on it is the router that seems to send. */
	if (h->nat != NAT_NO)
		*src = (struct ipaddr){ 0 };
	if (!forwards(into, s->route.family))
		out->end = WAY_NO_FORWARD;
	else if (nat_blocks(into->nat, &packet))
		out->end = WAY_BLOCKED;
	else
		return into;
	return NULL;
}

void way_out_find(const struct spaces *all, struct space *s, struct way_out *out)
{
	struct ipaddr src = { 0 };

	*out = (struct way_out){ .end = WAY_NONE };
	while (s)
		s = step(all, s, out, &src);
}

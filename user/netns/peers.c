// SPDX-License-Identifier: GPL-2.0-only
/*
 * A veth names its peer, and a macvlan its parent, by an ifindex and by a number
 * for the other namespace that means something in its own namespace only. The
 * number cannot be turned into a namespace, but it can be used: asked for link
 * IFINDEX of namespace NUMBER, the kernel (4.16 or later, commit 79e1ad148c84)
 * tells that link's address. Ifindex and address single out a link of those that
 * were listed, or a few, and the kernel is asked whether NUMBER is that link's
 * namespace. A number once known is not asked for again.
 */
#include "netns/peers.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "netns/rtnl.h"
#include "util/cleanup.h"
#include "util/u64map.h"

#define NONE UINT32_MAX

/* Links whose addresses are the same, too, are tried one after the other, so many at most. */
#define MAX_TRIES 64

struct place {
	uint32_t ns, link; /* indexes */
	uint32_t next;	   /* another place with the same key, or NONE */
};

struct peers {
	struct peers_ns *v;
	size_t n;
	struct place *places;
	size_t nr_places;
	struct u64map by_key; /* to the first place */
};

static void peers_fini(struct peers *p)
{
	free(p->places);
	u64map_fini(&p->by_key);
}

static bool is_veth(const struct link *l)
{
	return !strcmp(l->kind, "veth");
}

static uint64_t key_of(uint32_t ifindex, const uint8_t mac[6])
{
	uint64_t address = 0;

	memcpy(&address, mac, 6);
	return u64map_mix(address, ifindex);
}

static int add_place(struct peers *p, uint32_t ns, uint32_t link)
{
	const struct link *l = &p->v[ns].links[link];
	uint64_t key = key_of(l->ifindex, l->mac);
	struct place *place = &p->places[p->nr_places];
	uint32_t *first = u64map_get(&p->by_key, key);

	*place = (struct place){ ns, link, first ? *first : NONE };
	if (!first && u64map_put(&p->by_key, key, (uint32_t)p->nr_places))
		return -ENOMEM;
	if (first)
		*first = (uint32_t)p->nr_places;
	p->nr_places++;
	return 0;
}

static int index_links(struct peers *p)
{
	size_t i, k, n = 0;

	for (i = 0; i < p->n; i++)
		n += p->v[i].nr_links;
	p->places = calloc(n + 1, sizeof(*p->places));
	if (!p->places)
		return -ENOMEM;
	for (i = 0; i < p->n; i++)
		for (k = 0; k < p->v[i].nr_links; k++)
			if (is_veth(&p->v[i].links[k]) && add_place(p, (uint32_t)i, (uint32_t)k))
				return -ENOMEM;
	return 0;
}

/* The namespace that a thread is in, while it is. */
struct visit {
	struct peers *p;
	uint32_t ns;
	struct mnl_socket *nl;
	struct u64map by_nsid; /* what was found out so far: nsid here to index */
};

struct address {
	bool found;
	uint8_t mac[6];
};

static int on_address(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *attr;
	struct address *a = ctx;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) != IFLA_ADDRESS ||
		    mnl_attr_get_payload_len(attr) != sizeof(a->mac))
			continue;
		memcpy(a->mac, mnl_attr_get_payload(attr), sizeof(a->mac));
		a->found = true;
	}
	return MNL_CB_OK;
}

static bool peer_address(struct visit *v, const struct link *l, struct address *out)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = rtnl_request(buf, RTM_GETLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(req, sizeof(*ifi));

	ifi->ifi_index = (int)l->peer_ifindex;
	mnl_attr_put_u32(req, IFLA_TARGET_NETNSID, (uint32_t)l->peer_nsid);
	mnl_attr_put_u32(req, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	out->found = false;
	return rtnl_talk(v->nl, req, on_address, out) == 0 && out->found;
}

/* A veth's peer names it back, a parent does not. */
static bool may_be(const struct peers *p, const struct link *l, const struct place *at)
{
	const struct link *other = &p->v[at->ns].links[at->link];

	if (other == l || other->ifindex != l->peer_ifindex)
		return false;
	return !is_veth(l) || other->peer_ifindex == l->ifindex;
}

/* Whether the namespace of a place has that number here. */
static bool has_nsid(struct visit *v, uint32_t ns, int32_t nsid)
{
	const struct netns_seen *seen = v->p->v[ns].seen;
	_cleanup_fd_ int fd = netns_open(seen->path, &seen->id, NULL);

	return fd >= 0 && veth_nsid_here(v->nl, fd) == nsid;
}

static uint32_t find_ns(struct visit *v, const struct link *l)
{
	struct peers *p = v->p;
	unsigned int tries = 0;
	struct address a;
	uint32_t *at, i;

	if (!peer_address(v, l, &a))
		return NONE;
	at = u64map_get(&p->by_key, key_of(l->peer_ifindex, a.mac));
	for (i = at ? *at : NONE; i != NONE && tries < MAX_TRIES; i = p->places[i].next, tries++)
		if (may_be(p, l, &p->places[i]) && has_nsid(v, p->places[i].ns, l->peer_nsid))
			return p->places[i].ns;
	return NONE;
}

static uint32_t ns_of_peer(struct visit *v, const struct link *l)
{
	uint32_t *known, ns;

	if (l->peer_nsid < 0)
		return v->ns;
	known = u64map_get(&v->by_nsid, (uint64_t)l->peer_nsid);
	if (known)
		return *known;
	ns = find_ns(v, l);
	if (ns != NONE)
		u64map_put(&v->by_nsid, (uint64_t)l->peer_nsid, ns);
	return ns;
}

static int visit_ns(void *arg)
{
	struct visit *v = arg;
	struct peers_ns *own = &v->p->v[v->ns], *other;
	const struct link *links = own->links;
	size_t i;
	uint32_t ns;

	if (!links || rtnl_open(&v->nl, NETLINK_ROUTE, NULL))
		return 0;
	for (i = 0; i < own->nr_links; i++) {
		if (!links[i].peer_ifindex)
			continue;
		ns = ns_of_peer(v, &links[i]);
		if (ns == NONE)
			continue;
		other = &v->p->v[ns];
		veth_describe(other->seen, other->links, other->nr_links, &links[i], &own->peers[i],
			      NULL);
	}
	mnl_socket_close(v->nl);
	return 0;
}

static bool has_peer(const struct peers_ns *ns)
{
	size_t i;

	for (i = 0; i < ns->nr_links; i++)
		if (ns->links[i].peer_ifindex)
			return true;
	return false;
}

static int find_in(struct peers *p, uint32_t i)
{
	struct visit v = { .p = p, .ns = i };
	struct peers_ns *ns = &p->v[i];
	_cleanup_fd_ int fd = -1;

	ns->peers = calloc(ns->nr_links + 1, sizeof(*ns->peers));
	if (!ns->peers)
		return -ENOMEM;
	if (!has_peer(ns))
		return 0;
	if (!ns->seen->home) {
		fd = netns_open(ns->seen->path, &ns->seen->id, NULL);
		if (fd < 0)
			return 0;
	}
	netns_call(fd, visit_ns, &v, NULL);
	u64map_fini(&v.by_nsid);
	return 0;
}

int peers_find(struct peers_ns *v, size_t n)
{
	_cleanup_(peers_fini) struct peers p = { .v = v, .n = n };
	size_t i;
	int r;

	r = index_links(&p);
	for (i = 0; i < n && !r; i++)
		r = find_in(&p, (uint32_t)i);
	return r;
}

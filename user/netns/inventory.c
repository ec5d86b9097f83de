// SPDX-License-Identifier: GPL-2.0-only
#include "netns/inventory.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "netns/rtnl.h"
#include "util/cleanup.h"

/* A dump is repeated when links changed under it; a namespace in which they
 * change all the time gets the last answer, in which all that stay are. */
#define MAX_TRIES 5

struct links {
	struct link *v;
	size_t n, room;
};

/* A string attribute, cut to fit: the kernel bounds names, we do not rely on it. */
static void get_str(char *out, size_t size, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len >= size)
		len = size - 1;
	memcpy(out, mnl_attr_get_payload(attr), len);
	out[len] = '\0';
}

static uint32_t get_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) ? mnl_attr_get_u32(attr) : 0;
}

static void get_kind(struct link *l, const struct nlattr *linkinfo)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			get_str(l->kind, sizeof(l->kind), attr);
	}
}

static void get_mac(struct link *l, const struct nlattr *attr)
{
	l->mac_len = (uint8_t)mnl_attr_get_payload_len(attr);
	if (l->mac_len == sizeof(l->mac))
		memcpy(l->mac, mnl_attr_get_payload(attr), sizeof(l->mac));
}

/* struct rtnl_link_stats64 begins with these two; it is not aligned in the message, and longer in
 * newer kernels. */
static void get_stats(struct link *l, const struct nlattr *attr)
{
	uint64_t packets[2];

	if (mnl_attr_get_payload_len(attr) < sizeof(packets))
		return;
	memcpy(packets, mnl_attr_get_payload(attr), sizeof(packets));
	l->rx_packets = packets[0];
	l->tx_packets = packets[1];
}

static void get_link_attr(struct link *l, const struct nlattr *attr)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME: get_str(l->name, sizeof(l->name), attr); break;
	case IFLA_LINK: l->peer_ifindex = get_u32(attr); break;
	case IFLA_LINK_NETNSID: l->peer_nsid = (int32_t)get_u32(attr); break;
	case IFLA_MASTER: l->master = get_u32(attr); break;
	case IFLA_MTU: l->mtu = get_u32(attr); break;
	case IFLA_LINKINFO: get_kind(l, attr); break;
	case IFLA_ADDRESS: get_mac(l, attr); break;
	case IFLA_STATS64: get_stats(l, attr); break;
	default: break;
	}
}

static int on_link(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	struct links *all = ctx;
	struct link *l;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 16;

		l = reallocarray(all->v, room, sizeof(*l));
		if (!l)
			return MNL_CB_ERROR;
		all->v = l;
		all->room = room;
	}
	l = &all->v[all->n++];
	*l = (struct link){
		.ifindex = (uint32_t)ifi->ifi_index,
		.type = ifi->ifi_type,
		.up = ifi->ifi_flags & IFF_UP,
		.loopback = ifi->ifi_flags & IFF_LOOPBACK,
		.peer_nsid = -1,
	};
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) {
		get_link_attr(l, attr);
	}
	return MNL_CB_OK;
}

static bool get_addr(struct ipaddr *out, int family, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (family == AF_INET && len == 4)
		*out = ipaddr_v4(mnl_attr_get_payload(attr));
	else if (family == AF_INET6 && len == 16)
		*out = ipaddr_v6(mnl_attr_get_payload(attr));
	else
		return false;
	return true;
}

/* Of a point-to-point IPv4 link IFA_ADDRESS is the other end, IFA_LOCAL ours. */
static int on_addr(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct ipaddr local = { 0 }, other = { 0 };
	const struct nlattr *attr;
	struct links *all = ctx;
	struct link *l;

	l = (struct link *)inventory_find(all->v, all->n, ifa->ifa_index);
	if (nlh->nlmsg_type != RTM_NEWADDR || !l)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa)) {
		if (mnl_attr_get_type(attr) == IFA_LOCAL)
			get_addr(&local, ifa->ifa_family, attr);
		else if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			get_addr(&other, ifa->ifa_family, attr);
	}
	if (!local.family)
		local = other;
	if (!local.family)
		return MNL_CB_OK;
	if (l->nr_addrs < LINK_MAX_ADDRS)
		l->addrs[l->nr_addrs] = (struct link_addr){ local, ifa->ifa_prefixlen };
	l->nr_addrs++;
	return MNL_CB_OK;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

/* By ifindex. One may be told twice when others came meanwhile. */
static void sort_links(struct links *all)
{
	size_t i, n = 0;

	if (all->n)
		qsort(all->v, all->n, sizeof(*all->v), by_ifindex);
	for (i = 0; i < all->n; i++)
		if (!n || all->v[n - 1].ifindex != all->v[i].ifindex)
			all->v[n++] = all->v[i];
	all->n = n;
}

/* -EINTR: they changed meanwhile; *all is as good as it gets all the same. */
static int dump_links(struct links *all)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	_cleanup_rtnl_ struct mnl_socket *nl = NULL;
	struct nlmsghdr *req;
	int r, changed;

	all->n = 0;
	r = rtnl_open(&nl, NETLINK_ROUTE, NULL);
	if (r)
		return r;
	req = rtnl_request(buf, RTM_GETLINK, NLM_F_DUMP);
	mnl_nlmsg_put_extra_header(req, sizeof(struct ifinfomsg));
	changed = rtnl_talk(nl, req, on_link, all);
	if (changed && changed != -EINTR)
		return changed;
	sort_links(all);
	req = rtnl_request(buf, RTM_GETADDR, NLM_F_DUMP);
	mnl_nlmsg_put_extra_header(req, sizeof(struct ifaddrmsg));
	r = rtnl_talk(nl, req, on_addr, all);
	return r ?: changed;
}

int inventory_links_here(struct link **links, size_t *n, struct err *e)
{
	struct links all = { 0 };
	int tries = 0, r;

	do {
		r = dump_links(&all);
	} while (r == -EINTR && ++tries < MAX_TRIES);
	if (r && r != -EINTR) {
		free(all.v);
		return err_sys(e, r, "list of interfaces");
	}
	*links = all.v;
	*n = all.n;
	return 0;
}

struct links_visit {
	struct link **links;
	size_t *n;
	struct err *e;
};

static int visit_links(void *arg)
{
	struct links_visit *v = arg;

	return inventory_links_here(v->links, v->n, v->e);
}

int inventory_links(int nsfd, struct link **links, size_t *n, struct err *e)
{
	struct links_visit v = { links, n, e };

	return netns_call(nsfd, visit_links, &v, e);
}

const struct link *inventory_find(const struct link *links, size_t n, uint32_t ifindex)
{
	const struct link key = { .ifindex = ifindex };

	return n ? bsearch(&key, links, n, sizeof(*links), by_ifindex) : NULL;
}

const struct link *inventory_find_name(const struct link *links, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(links[i].name, name))
			return &links[i];
	return NULL;
}

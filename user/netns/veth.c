// SPDX-License-Identifier: GPL-2.0-only
#include "netns/veth.h"

#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/rtnl.h"
#include "util/cleanup.h"

static int on_nsid(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *attr;
	int32_t *nsid = ctx;

	mnl_attr_for_each(attr, nlh, sizeof(struct rtgenmsg)) {
		if (mnl_attr_get_type(attr) == NETNSA_NSID)
			*nsid = (int32_t)mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

int32_t veth_nsid_here(struct mnl_socket *nl, int fd)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = rtnl_request(buf, RTM_GETNSID, 0);
	int32_t nsid = -1;

	mnl_nlmsg_put_extra_header(req, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(req, NETNSA_FD, (uint32_t)fd);
	if (rtnl_talk(nl, req, on_nsid, &nsid))
		return -1;
	return nsid;
}

struct nsids_visit {
	const struct netns_seen *all;
	size_t n;
	int32_t *nsids;
	struct err *e;
};

static int visit_nsids(void *arg)
{
	_cleanup_rtnl_ struct mnl_socket *nl = NULL;
	struct nsids_visit *v = arg;
	size_t i;
	int r;

	r = rtnl_open(&nl, NETLINK_ROUTE, v->e);
	if (r)
		return r;
	for (i = 0; i < v->n; i++) {
		_cleanup_fd_ int fd = netns_open(v->all[i].path, &v->all[i].id, NULL);

		v->nsids[i] = fd < 0 ? -1 : veth_nsid_here(nl, fd);
	}
	return 0;
}

int veth_nsids(int nsfd, const struct netns_seen *all, size_t n, int32_t *nsids, struct err *e)
{
	struct nsids_visit v = { all, n, nsids, e };

	return netns_call(nsfd, visit_nsids, &v, e);
}

/* A bridge speaks to containers by its IPv4 address if it has one. */
static struct ipaddr first_addr(const struct link *l)
{
	uint32_t i, n = l->nr_addrs < LINK_MAX_ADDRS ? l->nr_addrs : LINK_MAX_ADDRS;

	for (i = 0; i < n; i++)
		if (l->addrs[i].addr.family == 4)
			return l->addrs[i].addr;
	return n ? l->addrs[0].addr : (struct ipaddr){ 0 };
}

/* The peer of a veth is one that names it back; anything else was made since we asked. */
int veth_describe(const struct netns_seen *in, const struct link *links, size_t n,
		  const struct link *l, struct veth_peer *out, struct err *e)
{
	const struct link *peer = inventory_find(links, n, l->peer_ifindex), *bridge;

	if (!peer || (!strcmp(l->kind, "veth") &&
		      (strcmp(peer->kind, "veth") != 0 || peer->peer_ifindex != l->ifindex)))
		return err_set(e, -ENOENT, "the peer of %s is gone", l->name);
	*out = (struct veth_peer){ .ns = in->id, .home = in->home, .ifindex = peer->ifindex };
	memcpy(out->path, in->path, sizeof(out->path));
	memcpy(out->name, peer->name, sizeof(out->name));
	bridge = peer->master ? inventory_find(links, n, peer->master) : NULL;
	if (bridge) {
		out->bridge = bridge->ifindex;
		memcpy(out->bridge_name, bridge->name, sizeof(out->bridge_name));
		out->bridge_addr = first_addr(bridge);
	}
	return 0;
}

static int describe(const struct netns_seen *in, const struct link *l, struct veth_peer *out,
		    struct err *e)
{
	_cleanup_fd_ int fd = netns_open(in->path, &in->id, e);
	_cleanup_free_ struct link *links = NULL;
	size_t n = 0;
	int r;

	if (fd < 0)
		return fd;
	r = inventory_links(in->home ? -1 : fd, &links, &n, e);
	return r ? r : veth_describe(in, links, n, l, out, e);
}

static int check_veth(const struct link *l, struct err *e)
{
	if (strcmp(l->kind, "veth") != 0 || !l->peer_ifindex)
		return err_set(e, -ENODEV, "%s is no veth", l->name);
	return 0;
}

int veth_peer_among(const struct netns_seen *all, size_t n, const int32_t *nsids,
		    const struct netns_seen *own, const struct link *l, struct veth_peer *out,
		    struct err *e)
{
	size_t i;
	int r;

	r = check_veth(l, e);
	if (r)
		return r;
	if (l->peer_nsid < 0)
		return describe(own, l, out, e);
	for (i = 0; i < n; i++)
		if (nsids[i] == l->peer_nsid)
			return describe(&all[i], l, out, e);
	return err_set(e, -ENOENT,
		       "%s: its peer is in a namespace that no process or name here holds",
		       l->name);
}

static int own_entry(struct netns_seen *own, int nsfd, const char *path)
{
	memset(own, 0, sizeof(*own));
	own->home = nsfd < 0;
	snprintf(own->path, sizeof(own->path), "%s", own->home ? NETNS_HOME_PATH : path);
	return nsfd < 0 ? netns_home(&own->id, NULL) : netns_ident(nsfd, &own->id);
}

int veth_peer(int nsfd, const char *path, const struct link *l, struct veth_peer *out,
	      struct err *e)
{
	_cleanup_free_ struct netns_seen *all = NULL;
	_cleanup_free_ int32_t *nsids = NULL;
	struct netns_seen own, home;
	int32_t home_nsid = -1;
	size_t n;
	int r;

	r = check_veth(l, e);
	if (r)
		return r;
	r = own_entry(&own, nsfd, path);
	if (r)
		return err_sys(e, r, "%s", path);
	if (l->peer_nsid < 0)
		return describe(&own, l, out, e);
	r = own_entry(&home, -1, NULL);
	if (!r)
		r = veth_nsids(nsfd, &home, 1, &home_nsid, e);
	if (r)
		return r;
	if (home_nsid == l->peer_nsid)
		return describe(&home, l, out, e);

	r = netns_scan(&all, &n, e);
	if (r)
		return r;
	nsids = calloc(n, sizeof(*nsids));
	if (!nsids)
		return err_sys(e, -ENOMEM, "peer of %s", l->name);
	r = veth_nsids(nsfd, all, n, nsids, e);
	if (r)
		return r;
	return veth_peer_among(all, n, nsids, &own, l, out, e);
}

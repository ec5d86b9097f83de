// SPDX-License-Identifier: GPL-2.0-only
#include "netns/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "netns/nat.h"
#include "netns/netns.h"
#include "netns/rtnl.h"
#include "util/cleanup.h"

/* A container start makes some ten events; room for hundreds at once. */
#define RECEIVE_BUFFER (1024 * 1024)

struct netns_watch {
	struct mnl_socket *events;
	struct mnl_socket *rules;    /* events of nftables, or NULL */
	struct mnl_socket *requests; /* apart, so that answers and events do not mix */
};

static int join(struct mnl_socket *nl, int group)
{
	if (mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;
	return 0;
}

/* To the events of all namespaces that have a number. */
static int listen_to_all(struct mnl_socket *nl)
{
	int fd = mnl_socket_get_fd(nl), one = 1, size = RECEIVE_BUFFER;

	if (mnl_socket_setsockopt(nl, NETLINK_LISTEN_ALL_NSID, &one, sizeof(one)) < 0)
		return -errno;
	/* Without the privilege to exceed the limit the default size must do. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int netns_watch_open(struct netns_watch **out, struct err *e)
{
	struct netns_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_sys(e, -ENOMEM, "link events");
	r = rtnl_open(&w->events, NETLINK_ROUTE, e);
	if (!r)
		r = rtnl_open(&w->requests, NETLINK_ROUTE, e);
	if (!r) {
		r = join(w->events, RTNLGRP_LINK) ?: join(w->events, RTNLGRP_NSID);
		r = r ?: listen_to_all(w->events);
		if (r)
			err_sys(e, r, "link events");
	}
	if (r) {
		netns_watch_free(w);
		return r;
	}
	*out = w;
	return 0;
}

void netns_watch_free(struct netns_watch *w)
{
	if (!w)
		return;
	rtnl_closep(&w->events);
	rtnl_closep(&w->rules);
	rtnl_closep(&w->requests);
	free(w);
}

int netns_watch_rules(struct netns_watch *w, struct err *e)
{
	_cleanup_rtnl_ struct mnl_socket *nl = NULL;
	int r;

	if (!nat_has_nftables())
		return -ENOENT;
	r = rtnl_open(&nl, NETLINK_NETFILTER, e);
	if (r)
		return r;
	r = join(nl, NFNLGRP_NFTABLES) ?: listen_to_all(nl);
	if (r)
		return err_sys(e, r, "events of nftables");
	w->rules = nl;
	nl = NULL;
	return 0;
}

void netns_watch_rules_end(struct netns_watch *w)
{
	rtnl_closep(&w->rules);
	w->rules = NULL;
}

int netns_watch_rules_fd(const struct netns_watch *w)
{
	return w->rules ? mnl_socket_get_fd(w->rules) : -1;
}

static struct nlmsghdr *nsid_request(char *buf, uint16_t type, int nsfd)
{
	struct nlmsghdr *req = rtnl_request(buf, type, 0);

	mnl_nlmsg_put_extra_header(req, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(req, NETNSA_FD, (uint32_t)nsfd);
	return req;
}

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

static int get_nsid(struct netns_watch *w, int nsfd, int32_t *nsid)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));

	*nsid = -1;
	return rtnl_talk(w->requests, nsid_request(buf, RTM_GETNSID, nsfd), on_nsid, nsid);
}

/* EEXIST: somebody else gave it a number in between; that one will do. */
static int give_nsid(struct netns_watch *w, int nsfd)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = nsid_request(buf, RTM_NEWNSID, nsfd);
	int r;

	mnl_attr_put_u32(req, NETNSA_NSID, (uint32_t)-1); /* any free one */
	r = rtnl_talk(w->requests, req, NULL, NULL);
	return r == -EEXIST ? 0 : r;
}

int netns_watch_add(struct netns_watch *w, int nsfd, struct err *e)
{
	struct netns_id id, home;
	int32_t nsid = -1;
	int r;

	r = netns_home(&home, e);
	if (r)
		return r;
	if (!netns_ident(nsfd, &id) && netns_same(&id, &home))
		return NETNS_WATCH_HOME;
	r = get_nsid(w, nsfd, &nsid);
	if (!r && nsid < 0) {
		r = give_nsid(w, nsfd);
		if (!r)
			r = get_nsid(w, nsfd, &nsid);
	}
	if (!r && nsid < 0)
		r = -ENOENT;
	if (r) {
		err_sys(e, r, "number for a network namespace");
		return r == -1 ? -EACCES : r; /* -EPERM looks like NETNS_WATCH_HOME */
	}
	return nsid;
}

/* Asking by the number is understood since Linux 4.20 (commit 3a4f68bf6235). */
bool netns_watch_is_given(struct netns_watch *w, int nsid)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = rtnl_request(buf, RTM_GETNSID, 0);

	mnl_nlmsg_put_extra_header(req, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(req, NETNSA_NSID, (uint32_t)nsid);
	return rtnl_talk(w->requests, req, NULL, NULL) != -ENOENT;
}

bool netns_watch_is_number_of(struct netns_watch *w, int nsid, int nsfd)
{
	int32_t now = -1;

	return !get_nsid(w, nsfd, &now) && now == nsid;
}

int netns_watch_fd(const struct netns_watch *w)
{
	return mnl_socket_get_fd(w->events);
}

struct delivery {
	netns_watch_cb *cb;
	void *ctx;
	int nsid;
};

static int on_link(const struct nlmsghdr *nlh, struct delivery *d)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	char name[IFNAMSIZ] = "";
	const struct nlattr *attr;

	/* A bridge tells of its ports the same way: there, DELLINK is a port that left. */
	if (ifi->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) {
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != IFLA_IFNAME)
			continue;
		if (len > sizeof(name) - 1)
			len = sizeof(name) - 1;
		memcpy(name, mnl_attr_get_payload(attr), len);
		name[len] = '\0';
	}
	d->cb(d->ctx, d->nsid, nlh->nlmsg_type, (uint32_t)ifi->ifi_index, name);
	return MNL_CB_OK;
}

/* The id that comes or goes is in the message; the message itself comes from home. */
static int on_nsid_event(const struct nlmsghdr *nlh, struct delivery *d)
{
	int32_t nsid = -1;

	on_nsid(nlh, &nsid);
	if (d->nsid == NETNS_WATCH_HOME && nsid >= 0)
		d->cb(d->ctx, nsid, nlh->nlmsg_type, 0, "");
	return MNL_CB_OK;
}

static int on_rules_event(const struct nlmsghdr *nlh, void *ctx)
{
	const struct delivery *d = ctx;

	if (nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE) ||
	    nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN))
		d->cb(d->ctx, d->nsid, NETNS_WATCH_RULES, 0, "");
	return MNL_CB_OK;
}

static int on_event(const struct nlmsghdr *nlh, void *ctx)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK: return on_link(nlh, ctx);
	case RTM_NEWNSID:
	case RTM_DELNSID: return on_nsid_event(nlh, ctx);
	default: return MNL_CB_OK;
	}
}

static int nsid_of_message(struct msghdr *msg)
{
	struct cmsghdr *c;
	int nsid = NETNS_WATCH_HOME;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID)
			memcpy(&nsid, CMSG_DATA(c), sizeof(nsid));
	return nsid;
}

static int read_events(int fd, mnl_cb_t on_message, netns_watch_cb *cb, void *ctx)
{
	char buf[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	char control[CMSG_SPACE(sizeof(int)) + 64] __attribute__((aligned(8)));
	struct iovec iov = { buf, sizeof(buf) };

	for (;;) {
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		struct delivery d = { cb, ctx, NETNS_WATCH_HOME };
		ssize_t len = recvmsg(fd, &msg, 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			return 0;
		if (len < 0 && errno != ENOBUFS)
			return -errno;
		if (len < 0 || (msg.msg_flags & MSG_TRUNC)) {
			cb(ctx, NETNS_WATCH_HOME, NETNS_WATCH_RESYNC, 0, "");
			continue;
		}
		d.nsid = nsid_of_message(&msg);
		mnl_cb_run(buf, (size_t)len, 0, 0, on_message, &d);
	}
}

int netns_watch_read(struct netns_watch *w, netns_watch_cb *cb, void *ctx)
{
	if (w->rules)
		read_events(netns_watch_rules_fd(w), on_rules_event, cb, ctx);
	return read_events(netns_watch_fd(w), on_event, cb, ctx);
}

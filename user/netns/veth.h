/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other end of a veth. Its ifindex says nothing by itself: every namespace
 * counts from 1. The kernel tells the peer's namespace by an id that means
 * something only in the namespace that asks, so candidates are tried from there.
 */
#ifndef NSWATCH_NETNS_VETH_H
#define NSWATCH_NETNS_VETH_H

#include "netns/inventory.h"
#include "netns/scan.h"

struct veth_peer {
	struct netns_id ns;
	char path[NETNS_PATH_LEN]; /* of its namespace: netns_open(path, &ns, ...) */
	bool home;		   /* it is in the namespace nswatch runs in */
	uint32_t ifindex;
	char name[IFNAMSIZ];	    /* untrusted bytes */
	uint32_t bridge;	    /* ifindex of its master; 0 none */
	char bridge_name[IFNAMSIZ]; /* untrusted bytes */
	struct ipaddr bridge_addr;  /* IPv4 if it has one; family 0 if none */
};

/*
 * Finds the peer of l, a link of the namespace nsfd (whose identity is ns and
 * which path leads to). Looks at home first, then in every namespace that
 * netns_scan() finds. 0, or
 *   -ENODEV  l is no veth
 *   -ENOENT  its peer is in a namespace that cannot be found from here
 *   -errno   of asking
 */
int veth_peer(int nsfd, const char *path, const struct link *l, struct veth_peer *out,
	      struct err *e);

/*
 * The same with the candidates given, for whoever resolves many links. Numbers:
 * nsids[i] is what all[i] is called in the namespace of the link, from
 * veth_nsids(); -1 where it has no number.
 */
int veth_peer_among(const struct netns_seen *all, size_t n, const int32_t *nsids,
		    const struct netns_seen *own, const struct link *l, struct veth_peer *out,
		    struct err *e);
int veth_nsids(int nsfd, const struct netns_seen *all, size_t n, int32_t *nsids, struct err *e);

/* What veth_peer() tells, from the n links of the namespace that has the peer. 0 or -ENOENT. */
int veth_describe(const struct netns_seen *in, const struct link *links, size_t n,
		  const struct link *l, struct veth_peer *out, struct err *e);

/* What the namespace behind fd is called where nl, a NETLINK_ROUTE socket, was opened; -1 if
 * nothing. */
struct mnl_socket;
int32_t veth_nsid_here(struct mnl_socket *nl, int fd);

#endif

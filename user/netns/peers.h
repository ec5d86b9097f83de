/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The peers of all veths of all namespaces at once, and the parents of macvlans, at a cost that
 * grows with their number: to ask every namespace about every other, as veth_peer() does for one,
 * would grow with its square.
 */
#ifndef NSWATCH_NETNS_PEERS_H
#define NSWATCH_NETNS_PEERS_H

#include "netns/veth.h"

/* One namespace and its links; links may be NULL where nobody could look. */
struct peers_ns {
	const struct netns_seen *seen;
	const struct link *links;
	size_t nr_links;
	/* Out, parallel to links: the peer of a veth, the parent of a macvlan, ipvlan or VLAN;
	 * ifindex 0: there is none, or it was not found. */
	struct veth_peer *peers;
};

/* Fills in peers of each; the caller frees them. 0 or -ENOMEM. */
int peers_find(struct peers_ns *v, size_t n);

#endif

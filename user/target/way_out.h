/* SPDX-License-Identifier: GPL-2.0-only */
/* How packets leave a namespace: from link to link, to the interface that leads out. */
#ifndef NSWATCH_TARGET_WAY_OUT_H
#define NSWATCH_TARGET_WAY_OUT_H

#include "target/space.h"

#define WAY_MAX_HOPS 4

enum way_end {
	WAY_NONE,	/* no default route: an internal network, or none at all */
	WAY_DEVICE,	/* the last hop's interface leads out of this machine */
	WAY_PROGRAM,	/* it is a tun device: a program takes the packets */
	WAY_DEAD_END,	/* it leads into a namespace that has no default route */
	WAY_NO_FORWARD, /* it leads into a namespace that forwards nothing */
	WAY_BLOCKED,	/* it leads into a namespace whose filter drops what comes from here */
	WAY_LOST,	/* what its peer is could not be found out, or the way is too long */
};

struct way_hop {
	const struct link *out;	  /* the default route's interface */
	struct ipaddr gateway;	  /* its next hop; family 0 if none */
	const struct space *into; /* where it leads; NULL at the end, or if unknown */
	char arrives[IFNAMSIZ];	  /* at which bridge or interface there; untrusted bytes */
	enum nat_answer nat;	  /* whether into translates the source */
};

struct way_out {
	enum way_end end;
	unsigned int nr_hops;
	struct way_hop hops[WAY_MAX_HOPS];
};

/* Follows the default route of s among all spaces. Reads the NAT rules of the namespaces on the
 * way, once for all ways. */
void way_out_find(const struct spaces *all, struct space *s, struct way_out *out);

/* "none", "device"... for programs. */
const char *way_end_name(enum way_end end);

#endif

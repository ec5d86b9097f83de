/* SPDX-License-Identifier: GPL-2.0-only */
/* Every network namespace with what lives in it: the data of `nswatch list`. */
#ifndef NSWATCH_TARGET_SPACE_H
#define NSWATCH_TARGET_SPACE_H

#include "netns/holders.h"
#include "netns/inventory.h"
#include "netns/scan.h"
#include "netns/veth.h"
#include "target/containers.h"
#include "target/target.h"
#include "util/u64map.h"

#define SPACE_MAX_CONTAINERS 8 /* named per namespace; the others are counted */

struct space {
	struct netns_seen seen;
	uint32_t nr_containers;
	struct container containers[SPACE_MAX_CONTAINERS];
	int error; /* errno of looking inside; what follows is empty then */
	struct link *links;
	struct veth_peer *peers; /* parallel to links: peer or parent, see netns/peers.h */
	size_t nr_links;
	uint32_t nr_listeners;
	struct listener listeners[FACTS_MAX_LISTENERS];
	struct holder holders[FACTS_MAX_LISTENERS]; /* who has listeners[i] open */
	struct default_route route;
	/* Known only if is_router: another namespace's way out leads through this one. */
	bool is_router, forwards4, forwards6;
	struct nat_rules *nat;
	struct resolv_file resolv; /* as the container's, else the oldest process sees it */
};

struct spaces {
	struct space *v; /* the host, then those with a name, then the others */
	size_t n;
	struct u64map by_ino; /* to the place in v */
};

/* SPACES_LINKS: interfaces, peers and routes alone. */
enum spaces_depth { SPACES_LINKS, SPACES_ALL };

/* 0 or -errno. spaces_fini() is due in either case. */
int spaces_collect(struct spaces *out, enum spaces_depth depth, struct err *e);
void spaces_fini(struct spaces *s);

/* What to type for it: "docker:php", "netns:blue", "pid:12", "host". */
void space_label(const struct space *s, char out[CONTAINER_LABEL_LEN]);

/* The space of that namespace, or NULL. */
struct space *space_of_ns(const struct spaces *s, const struct netns_id *id);

#endif

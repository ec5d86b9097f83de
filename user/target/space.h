/* SPDX-License-Identifier: GPL-2.0-only */
/* Every network namespace with what lives in it: the data of `nswatch list`. */
#ifndef NSWATCH_TARGET_SPACE_H
#define NSWATCH_TARGET_SPACE_H

#include "netns/inventory.h"
#include "netns/scan.h"
#include "netns/veth.h"
#include "target/target.h"

#define SPACE_MAX_CONTAINERS 8 /* named per namespace; the others are counted */

struct space {
	struct netns_seen seen;
	uint32_t nr_containers;
	char containers[SPACE_MAX_CONTAINERS][TARGET_NAME_LEN]; /* untrusted bytes */
	int error; /* errno of looking inside; what follows is empty then */
	struct link *links;
	struct veth_peer *peers; /* parallel to links; ifindex 0: no veth, or not found */
	size_t nr_links;
	uint32_t nr_listeners;
	struct listener listeners[FACTS_MAX_LISTENERS];
	struct resolv_file resolv; /* as the container's, else the oldest process sees it */
};

/* 0 or -errno. spaces_free() releases *out. */
int spaces_collect(struct space **out, size_t *n, struct err *e);
void spaces_free(struct space *spaces, size_t n);

/* What to type for it: "docker:php", "netns:blue", "pid:12", "host". */
void space_label(const struct space *s, char out[TARGET_NAME_LEN + 16]);

const struct space *spaces_find(const struct space *spaces, size_t n, const struct netns_id *id);

#endif

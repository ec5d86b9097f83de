/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The roll: which namespaces a command line means, each once, named by all that
 * live in it.
 */
#ifndef NSWATCH_TARGET_ROLL_H
#define NSWATCH_TARGET_ROLL_H

#include <stddef.h>

#include "target/target.h"

struct roll {
	struct target *v;
	size_t n, room;
	struct netns_id *excluded;
	size_t nr_excluded;
	bool is_unsure; /* some only have a makeshift name: a pid, a path */
};

void roll_free(struct roll *r);

/*
 * Adds a target, or only its name ("php+sidecar") if its namespace is there
 * already. 0 or -ENOMEM.
 */
int roll_add(struct roll *r, const struct target *t);

/*
 * Adds every namespace of this machine that can be found: the host, those with
 * containers under their names, those of `ip netns`, the others as pid:N or by
 * path. exclude: words as for --exclude, or NULL: a namespace goes if one of its
 * names matches, with or without its kind in front. 0 or -errno; a runtime that
 * does not answer costs the names that it knows and a warning.
 */
int roll_all(struct roll *r, const char *exclude, struct err *e);

/* The entry of that namespace, or NULL. */
const struct target *roll_find(const struct roll *r, const struct netns_id *id);

#endif

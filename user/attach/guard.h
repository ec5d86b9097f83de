/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_ATTACH_GUARD_H
#define NSWATCH_ATTACH_GUARD_H

#include <limits.h>

#include "attach/hook.h"
#include "netns/netns.h"

/*
 * Without TCX the kernel does not detach when we die. So a small process of
 * its own keeps the list of our cls_bpf filters and removes them when the
 * loader's end of the pipe closes, however that comes about.
 */
struct guard {
	int fd; /* -1: not started */
	int pid;
};

/* Where a namespace is found again. */
struct netns_ref {
	struct netns_id id;
	char path[PATH_MAX];
};

/* Opens it by its path or, if that leads elsewhere by now, by looking for it
 * everywhere. The caller closes the fd. */
int netns_ref_open(const struct netns_ref *ref, struct err *e);

#define GUARD_NONE                  \
	{                           \
		.fd = -1, .pid = -1 \
	}

/* Hands over a hook that is attached through clsact; starts the process when needed. */
int guard_add(struct guard *g, const struct netns_ref *ns, const struct hook *h, struct err *e);

/* Has everything detached and waits until it is. */
void guard_finish(struct guard *g);

#endif

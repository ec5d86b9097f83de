/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * [KIND:]NAME → a network namespace. A target is a description, not a hold on
 * the namespace: it keeps no fd, and target_open() finds out whether the
 * namespace is still there.
 */
#ifndef NSWATCH_TARGET_TARGET_H
#define NSWATCH_TARGET_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "dns/facts.h"
#include "netns/netns.h"

#define TARGET_ID_LEN 65 /* a container id: 64 hex digits */

struct target {
	enum target_kind kind;
	/* How it is called in output and in a fix that the user types: the container's or
	 * namespace's name, "pid:N", the path, "host". Untrusted bytes. */
	char name[TARGET_NAME_LEN];
	struct netns_id ns;	       /* zero for TARGET_NEW */
	char path[PATH_MAX];	       /* through which it is opened; empty for TARGET_NEW */
	bool is_host;		       /* the very namespace nswatch runs in (host mode, too) */
	pid_t pid;		       /* main process, 0 if none is known */
	char files_root[32];	       /* "/proc/PID/root", or "" for the host's files */
	char container[TARGET_ID_LEN]; /* full container id, or empty */
	bool inherits_dns; /* a container known to have been started without servers of its own */
};

/*
 * Resolves a word of the command line. A bare name is "host" or "new", a path
 * if it starts like one or there is such a file, a pid if numeric, else what
 * docker, podman, cri, machine and netns know by it. A runtime that hangs costs
 * 500 ms. 0, or -errno with a message of one line and a hint:
 *   -EINVAL  not a target word     -ENOENT  unknown     -ESRCH  not running
 *   -EEXIST  fits in several places
 */
int target_resolve(const char *spec, struct target *out, struct err *e);

/* Opens its namespace, for a call only: netns_open() of path and ns. */
int target_open(const struct target *t, struct err *e);

/* "docker", "netns"...; never NULL. */
const char *target_kind_name(enum target_kind kind);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces: identity, opening, entering. Only this directory enters
 * one, and only in a thread of its own: the main thread never leaves home, the
 * namespace that nswatch was started in and calls the host.
 *
 * A namespace fd keeps the namespace alive, and with it the veth of a container
 * that is long gone. So nobody holds one longer than a call: what is kept is a
 * path and the identity that the path must still lead to.
 */
#ifndef NSWATCH_NETNS_NETNS_H
#define NSWATCH_NETNS_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

/* The main thread's own namespace, from any thread. */
#define NETNS_HOME_PATH "/proc/self/ns/net"

struct netns_id {
	uint64_t dev, ino; /* of the nsfs inode; ino is what net:[4026531840] shows */
};

static inline bool netns_same(const struct netns_id *a, const struct netns_id *b)
{
	return a->ino == b->ino && a->dev == b->dev;
}

/*
 * Opens the network namespace at path (an nsfs file or a symlink to one) with
 * O_CLOEXEC; the caller closes it at once. expect may be NULL. Returns the fd, or
 *   -ESTALE  the path does not lead to the expected one any more (a pid or name was
 *            reused, what was mounted there is gone)
 *   -EINVAL  it is something else than a network namespace, and nothing was expected
 *   -errno   of opening it
 */
int netns_open(const char *path, const struct netns_id *expect, struct err *e);

/* The identity of an open namespace. 0 or -errno. */
int netns_ident(int fd, struct netns_id *out);

/* The identity of the namespace at path; the same errors as netns_open(). */
int netns_ident_path(const char *path, struct netns_id *out, struct err *e);

/* The identity of the namespace that nswatch runs in. */
int netns_home(struct netns_id *out, struct err *e);

/*
 * Runs fn(arg) in a fresh thread inside the namespace fd, waits for it and
 * returns its value; -errno with e set when the namespace cannot be entered.
 * fd -1 is home: fn runs in the calling thread. The caller must be at home:
 * calls do not nest.
 */
int netns_call(int fd, int (*fn)(void *), void *arg, struct err *e);

/* What no other namespace has until the next boot, unlike an inode number; 0 where the
 * kernel does not tell (before Linux 5.14). The caller must be at home. */
uint64_t netns_cookie(int fd);

#endif

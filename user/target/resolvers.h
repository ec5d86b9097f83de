/* SPDX-License-Identifier: GPL-2.0-only */
/* What target.c's table holds: one function per kind, one file each. */
#ifndef NSWATCH_TARGET_RESOLVERS_H
#define NSWATCH_TARGET_RESOLVERS_H

#include "target/containers.h"
#include "target/target.h"

/*
 * Each fills kind, name, path and what it knows of pid, files_root and
 * container; the caller fills ns and is_host. -ENOENT: no such thing, with a
 * message; another -errno: there is one, but it cannot be used, or it could not
 * be found out.
 */
int target_docker(const char *name, struct target *out, struct err *e);
int target_netns(const char *name, struct target *out, struct err *e);
int target_pid(const char *name, struct target *out, struct err *e);
int target_path(const char *name, struct target *out, struct err *e);
int target_host(const char *name, struct target *out, struct err *e);
int target_new(const char *name, struct target *out, struct err *e);

/* One per runtime: what containers_each() is put together from, with the same
 * contract. */
int docker_containers(containers_fn fn, void *ctx, int64_t deadline, struct err *e);

/* Points out at a process: pid, path and files_root. */
void target_set_pid(struct target *out, pid_t pid);

/*
 * Of the names offered one by one, keeps the one nearest to what was typed, if
 * it is near enough to be a slip of the fingers.
 */
struct target_guess {
	const char *typed;
	char best[TARGET_NAME_LEN]; /* empty if none */
	unsigned int distance, limit;
};

void target_guess_init(struct target_guess *g, const char *typed);
void target_guess_offer(struct target_guess *g, const char *name);

/* Offers every name that docker or `ip netns` knows. */
void target_docker_guess(struct target_guess *g);
void target_netns_guess(struct target_guess *g);

#endif

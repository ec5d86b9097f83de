/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SANDBOX_SANDBOX_H
#define NSWATCH_SANDBOX_SANDBOX_H

#include <sys/types.h>

#include "util/err.h"

struct identity {
	uid_t uid;
	gid_t gid;
};

/* Who started us, and whom output files belong to: the sudo user, else who we are. */
void sandbox_invoker(struct identity *id);

/* Who the unprivileged side becomes: the invoker, or nobody if that is root. */
void sandbox_identity(struct identity *id);

/*
 * Gives up every privilege, for good: all fds but 0-2 and `keep` are closed,
 * the ids become `id`, no capability is left or can come back, no core dumps.
 * Before any thread is started.
 */
int sandbox_drop(const struct identity *id, const int *keep, unsigned int nr_keep, struct err *e);

/*
 * From here on, in all threads: only the system calls that reading rings and
 * writing open files needs. Opening a file fails with EPERM.
 */
int sandbox_seal(struct err *e);

#endif

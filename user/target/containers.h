/* SPDX-License-Identifier: GPL-2.0-only */
/* Every container that a runtime of this machine knows, in one form. */
#ifndef NSWATCH_TARGET_CONTAINERS_H
#define NSWATCH_TARGET_CONTAINERS_H

#include <stdbool.h>
#include <stdint.h>

#include "target/target.h"

/* What asking all runtimes may cost by default: one that hangs gets no more. */
#define CONTAINERS_TIMEOUT_MS 500

/* "docker:" and the name. */
#define CONTAINER_LABEL_LEN (TARGET_NAME_LEN + 16)

struct container {
	enum target_kind kind;
	/* What to type after the kind: "php", "alice/php" (a user's), "default/web-0/nginx"
	 * (Kubernetes: namespace, pod, container). Untrusted bytes. */
	char name[TARGET_NAME_LEN];
	char alias[TARGET_NAME_LEN]; /* another name that it answers to, or empty */
	char id[TARGET_ID_LEN];	     /* full; empty where the runtime has none */
	bool sandbox;		     /* holds the namespaces of a pod and does nothing else */
	bool running;		     /* paused counts */
	pid_t pid; /* main process; 0 unless running, or if it was not found out in time */
};

typedef void (*containers_fn)(void *ctx, const struct container *c);

/* A point in time, in milliseconds of CLOCK_MONOTONIC, that many from now. */
int64_t containers_deadline(unsigned int ms);

/*
 * Calls fn for each container of each runtime, those that do not run included,
 * and returns 0. A runtime that is absent is no error and costs a stat. One that
 * cannot be asked, or does not answer by the deadline, is left out, or its state
 * files are read: the return value is then its -errno and e says which it is and
 * what was done, for one line of warning; all that is known was given to fn.
 *
 * A pid is that of the container at the moment of the call: whoever opens its
 * namespace later must expect another one there (netns_open() with expect).
 */
int containers_each(containers_fn fn, void *ctx, int64_t deadline, struct err *e);

/* "docker:php", "cri:default/web-0/nginx": a word for target_resolve(). */
void container_label(const struct container *c, char out[CONTAINER_LABEL_LEN]);

#endif

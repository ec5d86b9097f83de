/* SPDX-License-Identifier: GPL-2.0-only */
/* What nswatch asks of the Docker engine. */
#ifndef NSWATCH_TARGET_DOCKER_H
#define NSWATCH_TARGET_DOCKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "target/target.h"

/* Where containerd keeps the tasks that Docker gave it: the machine's own, or the
 * one that dockerd starts for itself. */
#define DOCKER_TASK_FOLDERS                                   \
	"/run/containerd/io.containerd.runtime.v2.task/moby", \
		"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby"

struct docker_container {
	char id[TARGET_ID_LEN];	    /* full */
	char name[TARGET_NAME_LEN]; /* without the slash; untrusted bytes */
	bool running;
	char status[32];   /* "running", "exited"...; untrusted bytes */
	pid_t pid;	   /* of its main process; 0 unless running */
	bool inherits_dns; /* it was started without --dns */
};

/*
 * Asks the engine about a container by name or id prefix. -ENOENT: it has none
 * such; -ECONNREFUSED: there is no engine to ask; another -errno: it cannot be
 * asked. The socket is DOCKER_HOST if that is unix://, else /var/run/docker.sock.
 */
int docker_inspect(const char *name, struct docker_container *out, struct err *e);

struct published; /* netns/facts.h */

/*
 * Lists the ports of the host that are published to the container of that id,
 * at most max; for one that shares another's network, that one's. 0 or -errno.
 */
int docker_published(const char *id, struct published *out, uint32_t max, uint32_t *n,
		     struct err *e);

#endif

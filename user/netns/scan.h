/* SPDX-License-Identifier: GPL-2.0-only */
/* Every network namespace that can be found from here. */
#ifndef NSWATCH_NETNS_SCAN_H
#define NSWATCH_NETNS_SCAN_H

#include <stddef.h>
#include <sys/types.h>

#include "netns/netns.h"
#include "packet.h"

#define NETNS_PATH_LEN	320 /* a folder of the table in scan.c and NAME_MAX */
#define NETNS_MAX_PROCS 6   /* named per namespace; the others are counted */

struct netns_seen {
	struct netns_id id;
	char path[NETNS_PATH_LEN];  /* to be opened with netns_open(path, &id, ...) */
	char name[TARGET_NAME_LEN]; /* as `ip netns` knows it, or empty; untrusted bytes */
	bool home;
	uint32_t nr_procs; /* processes whose main thread lives there */
	struct {
		pid_t pid;
		char comm[17];	  /* untrusted bytes */
	} procs[NETNS_MAX_PROCS]; /* lowest pids first */
};

/*
 * Lists namespaces: home first, then those with a name, then those that only
 * processes hold. Namespaces that vanish meanwhile are left out. The caller
 * frees *out with free(). 0 or -errno.
 */
int netns_scan(struct netns_seen **out, size_t *n, struct err *e);

/* Reads /proc/PID/comm; empty when the process is gone. */
void netns_read_comm(pid_t pid, char comm[17]);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_NETNS_HOLDERS_H
#define NSWATCH_NETNS_HOLDERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A process that has a socket open. */
struct holder {
	uint32_t inode; /* of the socket; 0: skipped */
	pid_t pid;	/* 0: nobody was found */
	char comm[17];	/* untrusted bytes */
};

/*
 * Finds for each of the n sockets the process with the lowest pid that has it
 * open, in whatever namespace that is: dockerd's sockets are in its containers'.
 * Reads /proc/PID/fd until all are found. 0 or -errno; then some may be missing.
 */
int holders_find(struct holder *v, size_t n);

#endif

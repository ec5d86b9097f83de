/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_NETNS_RESOLV_FILE_H
#define NSWATCH_NETNS_RESOLV_FILE_H

#include <sys/types.h>

#include "dns/facts.h"

#define RESOLV_FILE_MAX	       (64 * 1024) /* bytes; longer files are refused */
#define RESOLV_FILE_TIMEOUT_MS 200

/*
 * Reads file (absolute) as a process sees whose root folder is at root
 * ("/proc/PID/root", or "/"), following links within that root only, and parses
 * it. Fills *out but for source and pid. Only a regular file is opened: a
 * device or a FIFO gives error EINVAL, a file above the limit EFBIG. A container
 * can put a file system of its own in the way that never answers; after the
 * timeout that is error ETIMEDOUT. It is up to ten times as long while there is
 * no CPU for the reading. Returns -out->error.
 *
 * pid is for mountinfo, to tell host_path; 0 for nswatch itself.
 */
int resolv_file_read(const char *root, pid_t pid, const char *file, struct resolv_file *out);

#endif

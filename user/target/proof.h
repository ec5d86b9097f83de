/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a process is still the one that a state file means. The file may be
 * older than the last reboot, and the number may long be another process: to
 * follow it would show one container's traffic under another's name.
 */
#ifndef NSWATCH_TARGET_PROOF_H
#define NSWATCH_TARGET_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proof_proc {
	char state; /* field 3 of proc(5)'s stat: R, S, D, ... */
	pid_t ppid;
	uint64_t start; /* clock ticks since boot: field 22 */
};

/* Of a process, or a thread. 0 or -errno: -ESRCH if there is none. */
int proof_look(pid_t pid, struct proof_proc *out);

/* Parses the text of /proc/PID/stat. 0 or -EPROTO. */
int proof_parse(const char *stat, struct proof_proc *out);

/*
 * True if something that the container itself cannot change says that pid
 * belongs to the container of that id:
 *   - start is not 0 and is its start time (as runtimes note it down), or
 *   - the id is part of the path of its control group, or
 *   - its parent is a monitor (conmon, containerd-shim) with the id in its
 *     arguments, and runs as root, or as owner if that is not 0.
 * A zombie belongs to nobody.
 */
bool proof_container(pid_t pid, const char *id, uint64_t start, uid_t owner);

/* Whether /proc/PID/cgroup (text) has a path of which id is a whole word: next
 * to letters and digits it is part of another. */
bool proof_in_cgroup(const char *text, const char *id);

/* The text of /proc/PID/name (comm, cmdline: NUL-separated, ...), cut to size and
 * NUL-terminated. Length or -errno. */
ssize_t proof_read(pid_t pid, const char *name, char *out, size_t size);

/*
 * The user that pid runs as, (uid_t)-1 if it is gone or changed its user: who
 * starts a set-user-ID program chooses its name and arguments.
 */
uid_t proof_uid(pid_t pid);

/* Whether the user namespace of pid, or one that it lies in, belongs to uid. What
 * a user's container runs in does; root's own does not belong to any user. */
bool proof_in_userns_of(pid_t pid, uid_t uid);

/* The oldest child of pid, or 0. */
pid_t proof_child(pid_t pid);

#endif

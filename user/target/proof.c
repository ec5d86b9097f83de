// SPDX-License-Identifier: GPL-2.0-only
#include "target/proof.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "target/statefile.h"
#include "util/cleanup.h"

#define MIN_ID 8 /* shorter words are in every path by chance */

int proof_parse(const char *stat, struct proof_proc *out)
{
	/* The command stands in parentheses and may hold any byte, ")" too. */
	const char *p = strrchr(stat, ')');
	int ppid;

	if (!p || sscanf(p, ") %c %d", &out->state, &ppid) != 2)
		return -EPROTO;
	if (sscanf(p,
		   ") %*c %*d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %*s %" SCNu64,
		   &out->start) != 1)
		return -EPROTO;
	out->ppid = ppid;
	return out->state == 'Z' || out->state == 'X' ? -ESRCH : 0;
}

ssize_t proof_read(pid_t pid, const char *name, char *out, size_t size)
{
	_cleanup_fd_ int fd = -1;
	char path[48];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, out, size - 1);
	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	out[n] = '\0';
	return n;
}

int proof_look(pid_t pid, struct proof_proc *out)
{
	char text[1024];
	ssize_t n = pid > 0 ? proof_read(pid, "stat", text, sizeof(text)) : -ESRCH;

	return n < 0 ? (int)n : proof_parse(text, out);
}

bool proof_in_cgroup(const char *text, const char *id)
{
	size_t len = strlen(id);
	const char *p;

	if (len < MIN_ID)
		return false;
	for (p = text; (p = strstr(p, id)); p += len)
		if (p > text && !isalnum((unsigned char)p[-1]) && !isalnum((unsigned char)p[len]))
			return true;
	return false;
}

/* Not from the owner of /proc/PID: that is root for every process that is not
 * dumpable, which each user can make. */
uid_t proof_uid(pid_t pid)
{
	unsigned int real, effective, saved;
	char text[2048];
	const char *p;

	if (proof_read(pid, "status", text, sizeof(text)) < 0)
		return (uid_t)-1;
	p = strstr(text, "\nUid:\t");
	if (!p || sscanf(p, "\nUid:\t%u %u %u", &real, &effective, &saved) != 3)
		return (uid_t)-1;
	return real == effective && real == saved ? real : (uid_t)-1;
}

bool proof_in_userns_of(pid_t pid, uid_t uid)
{
	_cleanup_fd_ int fd = -1;
	char path[48];
	int level;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (level = 0; fd >= 0 && level < 32; level++) { /* the kernel nests 32 deep */
		uid_t owner;
		int parent;

		if (ioctl(fd, NS_GET_OWNER_UID, &owner) < 0)
			return false;
		if (owner == uid)
			return true;
		parent = ioctl(fd, NS_GET_PARENT);
		close(fd);
		fd = parent;
	}
	return false;
}

pid_t proof_child(pid_t pid)
{
	char name[48], text[64];
	int child;

	snprintf(name, sizeof(name), "task/%d/children", (int)pid);
	if (proof_read(pid, name, text, sizeof(text)) <= 0 || sscanf(text, "%d", &child) != 1)
		return 0;
	return child;
}

static bool has_argument(const char *args, size_t len, const char *word)
{
	const char *p;

	for (p = args; p < args + len; p += strlen(p) + 1)
		if (!strcmp(p, word))
			return true;
	return false;
}

/* Anybody can start a process with such arguments, but not as root. */
static bool is_monitor(pid_t pid, const char *id, uid_t owner)
{
	char comm[32], args[8192];
	uid_t uid = proof_uid(pid);
	ssize_t len;

	if (pid <= 1 || (uid && uid != owner))
		return false;
	if (proof_read(pid, "comm", comm, sizeof(comm)) < 0 ||
	    (strcmp(comm, "conmon\n") != 0 && strncmp(comm, "containerd-shim", 15) != 0))
		return false;
	len = proof_read(pid, "cmdline", args, sizeof(args));
	return len > 0 && has_argument(args, (size_t)len, id);
}

bool proof_container(pid_t pid, const char *id, uint64_t start, uid_t owner)
{
	char groups[8192];
	struct proof_proc proc;

	if (proof_look(pid, &proc))
		return false;
	if (start)
		return proc.start == start;
	if (proof_read(pid, "cgroup", groups, sizeof(groups)) > 0 && proof_in_cgroup(groups, id))
		return true;
	return id[0] && is_monitor(proc.ppid, id, owner);
}

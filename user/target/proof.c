// SPDX-License-Identifier: GPL-2.0-only
#include "target/proof.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "target/statefile.h"
#include "util/cleanup.h"

#define MIN_ID 8 /* shorter words are in every path by chance */

int proof_parse(const char *stat, struct proof_proc *out)
{
	/* The command stands in parentheses and may hold any byte, ")" too. */
	const char *p = strrchr(stat, ')');
	char state;
	int ppid;

	if (!p || sscanf(p, ") %c %d", &state, &ppid) != 2)
		return -EPROTO;
	if (sscanf(p,
		   ") %*c %*d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %*s %" SCNu64,
		   &out->start) != 1)
		return -EPROTO;
	out->ppid = ppid;
	return state == 'Z' || state == 'X' ? -ESRCH : 0;
}

static ssize_t read_proc(pid_t pid, const char *name, char *out, size_t size)
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
	ssize_t n = pid > 0 ? read_proc(pid, "stat", text, sizeof(text)) : -ESRCH;

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

ssize_t proof_cmdline(pid_t pid, char *out, size_t size)
{
	return read_proc(pid, "cmdline", out, size);
}

uid_t proof_uid(pid_t pid)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) < 0 ? (uid_t)-1 : st.st_uid;
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
	if (read_proc(pid, "comm", comm, sizeof(comm)) < 0 ||
	    (strcmp(comm, "conmon\n") != 0 && strncmp(comm, "containerd-shim", 15) != 0))
		return false;
	len = proof_cmdline(pid, args, sizeof(args));
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
	if (read_proc(pid, "cgroup", groups, sizeof(groups)) > 0 && proof_in_cgroup(groups, id))
		return true;
	return id[0] && is_monitor(proc.ppid, id, owner);
}

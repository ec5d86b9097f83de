// SPDX-License-Identifier: GPL-2.0-only
/* The kinds that need nobody to be asked: pid, path, host, new. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netns/scan.h"
#include "target/resolvers.h"
#include "util/cleanup.h"

int target_pid(const char *name, struct target *out, struct err *e)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(name, &end, 10);
	if (errno || *end || !*name || pid <= 0 || pid > INT_MAX) {
		err_set(e, -EINVAL, "pid:%s: not a process id", name);
		err_hint(e, "a process id is a positive number");
		return -EINVAL;
	}
	target_set_pid(out, (pid_t)pid);
	snprintf(out->name, sizeof(out->name), "pid:%ld", pid);
	if (access(out->path, F_OK) == 0)
		return 0;
	if (errno == ENOENT) {
		err_set(e, -ESRCH, "pid:%ld: no such process", pid);
		err_hint(e,
			 "`nswatch list` shows what there is; a container of that name is "
			 "docker:%ld",
			 pid);
		return -ESRCH;
	}
	return err_sys(e, -errno, "pid:%ld", pid);
}

/* Relative paths stop working when somebody changes the working folder. */
static int absolute(const char *path, char out[PATH_MAX], struct err *e)
{
	char cwd[PATH_MAX] = "";
	int n;

	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return err_sys(e, -errno, "%s", path);
	n = snprintf(out, PATH_MAX, "%s%s%s", cwd, cwd[0] ? "/" : "", path);
	if (n >= PATH_MAX)
		return err_sys(e, -ENAMETOOLONG, "%s", path);
	return 0;
}

int target_path(const char *name, struct target *out, struct err *e)
{
	struct netns_id id;
	int r;

	r = *name ? absolute(name, out->path, e) : err_set(e, -EINVAL, "path: the path is missing");
	if (!r)
		r = netns_ident_path(out->path, &id, e);
	if (r) {
		err_hint(e, "a namespace file, as /proc/PID/ns/net or /run/netns/NAME");
		return r;
	}
	snprintf(out->name, sizeof(out->name), "%s", name);
	return 0;
}

/* [4026532281], as readlink shows it, or the number alone. */
static int parse_inode(const char *name, uint64_t *ino)
{
	char *end;
	bool brackets = *name == '[';

	name += brackets;
	if (!strchr("0123456789", *name) || !*name)
		return -EINVAL;
	errno = 0;
	*ino = strtoull(name, &end, 10);
	return errno || strcmp(end, brackets ? "]" : "") != 0 ? -EINVAL : 0;
}

/* What is known about a namespace says what to call it: there is no other way in
 * than by a name or a process. */
static int target_seen(const struct netns_seen *seen, struct target *out, struct err *e)
{
	char pid[16];

	if (seen->home) {
		out->kind = TARGET_HOST;
		return target_host("host", out, e);
	}
	if (seen->name[0]) {
		out->kind = TARGET_NETNS;
		return target_netns(seen->name, out, e);
	}
	if (!seen->nr_procs)
		return target_path(seen->path, out, e);
	out->kind = TARGET_PID;
	snprintf(pid, sizeof(pid), "%d", (int)seen->procs[0].pid);
	return target_pid(pid, out, e);
}

int target_inode(const char *name, struct target *out, struct err *e)
{
	_cleanup_free_ struct netns_seen *all = NULL;
	uint64_t ino = 0;
	size_t i, n;
	int r;

	r = parse_inode(name, &ino);
	if (r) {
		err_set(e, r, "net:%s: not the number of a namespace", name);
		err_hint(
			e,
			"net:[4026532281] or inode:4026532281, as `readlink /proc/PID/ns/net` has it");
		return r;
	}
	r = netns_scan(&all, &n, e);
	for (i = 0; !r && i < n; i++)
		if (all[i].id.ino == ino)
			return target_seen(&all[i], out, e);
	if (r)
		return r;
	return err_set(e, -ENOENT, "net:[%llu]: no name and no process leads to such a namespace",
		       (unsigned long long)ino);
}

int target_host(const char *name, struct target *out, struct err *e)
{
	if (*name && strcmp(name, "host") != 0) {
		err_set(e, -EINVAL, "host:%s: there is one host only", name);
		err_hint(e, "host");
		return -EINVAL;
	}
	snprintf(out->path, sizeof(out->path), "%s", NETNS_HOME_PATH);
	snprintf(out->name, sizeof(out->name), "host");
	return 0;
}

int target_new(const char *name, struct target *out, struct err *e)
{
	(void)e;
	snprintf(out->name, sizeof(out->name), "%s", *name ? name : "new");
	return 0;
}

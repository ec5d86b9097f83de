// SPDX-License-Identifier: GPL-2.0-only
#include "netns/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/u64map.h"

/* Where runtimes bind-mount namespaces. Names in the first two are for people. */
static const struct {
	const char *path;
	bool named;
} folders[] = {
	{ "/run/netns", true },
	{ "/var/run/netns", true },
	{ "/run/docker/netns", false },
	{ "/var/run/docker/netns", false },
};

struct scan {
	struct netns_seen *v;
	size_t n, room;
	struct u64map by_ino; /* to the place in v */
};

/* There is one nsfs, so inode numbers are enough. */
static struct netns_seen *find(struct scan *s, const struct netns_id *id)
{
	const uint32_t *at = u64map_get(&s->by_ino, id->ino);

	return at ? &s->v[*at] : NULL;
}

/* The entry of id, made if missing; NULL without memory. */
static struct netns_seen *put(struct scan *s, const struct netns_id *id, const char *path)
{
	struct netns_seen *seen = find(s, id);

	if (seen)
		return seen;
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 32;

		seen = reallocarray(s->v, room, sizeof(*seen));
		if (!seen)
			return NULL;
		s->v = seen;
		s->room = room;
	}
	if (u64map_put(&s->by_ino, id->ino, (uint32_t)s->n))
		return NULL;
	seen = &s->v[s->n++];
	memset(seen, 0, sizeof(*seen));
	seen->id = *id;
	snprintf(seen->path, sizeof(seen->path), "%s", path);
	return seen;
}

static int scan_folder(struct scan *s, const char *folder, bool named)
{
	_cleanup_closedir_ DIR *d = opendir(folder);
	char path[NETNS_PATH_LEN];
	struct netns_seen *seen;
	struct netns_id id;
	struct dirent *ent;

	if (!d)
		return 0;
	while ((ent = readdir(d))) {
		if (ent->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, ent->d_name);
		if (netns_ident_path(path, &id, NULL))
			continue;
		seen = put(s, &id, path);
		if (!seen)
			return -ENOMEM;
		if (named && !seen->name[0])
			snprintf(seen->name, sizeof(seen->name), "%s", ent->d_name);
	}
	return 0;
}

void netns_read_comm(pid_t pid, char comm[17])
{
	_cleanup_fd_ int fd = -1;
	char path[32];
	ssize_t len;

	comm[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, comm, 16);
	if (len < 0)
		len = 0;
	comm[len] = '\0';
	/* The kernel ends it with the one newline that is not part of the name. */
	if (len > 0 && comm[len - 1] == '\n')
		comm[len - 1] = '\0';
}

static void add_proc(struct netns_seen *seen, pid_t pid)
{
	if (seen->nr_procs < NETNS_MAX_PROCS) {
		seen->procs[seen->nr_procs].pid = pid;
		netns_read_comm(pid, seen->procs[seen->nr_procs].comm);
	}
	seen->nr_procs++;
}

/* Kernel threads have no program; they live in the first namespace and do
 * nothing there that belongs to anybody. */
static bool is_kernel_thread(long pid)
{
	char path[40], exe[8];

	snprintf(path, sizeof(path), "/proc/%ld/exe", pid);
	return readlink(path, exe, sizeof(exe)) < 0 && errno == ENOENT;
}

/* /proc lists processes by rising pid. */
static int scan_procs(struct scan *s)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	char path[NETNS_PATH_LEN];
	struct netns_seen *seen;
	struct dirent *ent;
	struct stat st;

	if (!d)
		return -errno;
	while ((ent = readdir(d))) {
		long pid = strtol(ent->d_name, NULL, 10);

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/ns/net", pid);
		if (stat(path, &st) < 0)
			continue;
		seen = put(s, &(struct netns_id){ st.st_dev, st.st_ino }, path);
		if (!seen)
			return -ENOMEM;
		if (!is_kernel_thread(pid))
			add_proc(seen, (pid_t)pid);
	}
	return 0;
}

static void scan_fini(struct scan *s)
{
	free(s->v);
	u64map_fini(&s->by_ino);
}

int netns_scan(struct netns_seen **out, size_t *n, struct err *e)
{
	_cleanup_(scan_fini) struct scan s = { 0 };
	struct netns_id home;
	size_t i;
	int r;

	r = netns_home(&home, e);
	if (r)
		return r;
	if (!put(&s, &home, NETNS_HOME_PATH))
		return err_sys(e, -ENOMEM, "list of namespaces");
	s.v[0].home = true;
	for (i = 0; i < ARRAY_SIZE(folders) && !r; i++)
		r = scan_folder(&s, folders[i].path, folders[i].named);
	if (!r)
		r = scan_procs(&s);
	if (r)
		return err_sys(e, r, "list of namespaces");
	*n = s.n;
	*out = steal_ptr(s.v);
	return 0;
}

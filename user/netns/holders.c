// SPDX-License-Identifier: GPL-2.0-only
#include "netns/holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/scan.h"
#include "util/cleanup.h"
#include "util/u64map.h"

struct search {
	struct holder *v;
	struct u64map by_inode; /* to the place in v */
	size_t missing;
};

static void look_at_fd(struct search *s, int dir, const char *fd, pid_t pid)
{
	unsigned long inode;
	char link[64];
	ssize_t len = readlinkat(dir, fd, link, sizeof(link) - 1);
	struct holder *h;
	uint32_t *at;

	link[len > 0 ? len : 0] = '\0';
	if (sscanf(link, "socket:[%lu]", &inode) != 1)
		return;
	at = u64map_get(&s->by_inode, inode);
	h = at ? &s->v[*at] : NULL;
	if (!h || h->pid)
		return;
	h->pid = pid;
	netns_read_comm(pid, h->comm);
	s->missing--;
}

static void look_at_process(struct search *s, const char *name)
{
	_cleanup_closedir_ DIR *d = NULL;
	pid_t pid = (pid_t)strtol(name, NULL, 10);
	struct dirent *ent;
	char path[40];

	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && s->missing && (ent = readdir(d)))
		if (ent->d_name[0] != '.')
			look_at_fd(s, dirfd(d), ent->d_name, pid);
}

int holders_find(struct holder *v, size_t n)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct search s = { .v = v };
	struct dirent *ent;
	int r = 0;
	size_t i;

	for (i = 0; i < n && !r; i++) {
		v[i].pid = 0;
		if (!v[i].inode || u64map_get(&s.by_inode, v[i].inode))
			continue;
		r = u64map_put(&s.by_inode, v[i].inode, (uint32_t)i);
		s.missing++;
	}
	if (!r && s.missing) {
		d = opendir("/proc");
		r = d ? 0 : -errno;
	}
	while (d && s.missing && (ent = readdir(d)))
		look_at_process(&s, ent->d_name);
	u64map_fini(&s.by_inode);
	return r;
}

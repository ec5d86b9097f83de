// SPDX-License-Identifier: GPL-2.0-only
/* Names that `ip netns` knows: files or symlinks in /run/netns. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "target/resolvers.h"
#include "util/cleanup.h"

static const char *const folders[] = { "/run/netns", "/var/run/netns" };

static bool valid_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strlen(name) < TARGET_NAME_LEN;
}

static int explain(const char *name, const char *path, int code, struct err *e)
{
	if (code == -ENOENT) { /* it is there, or we would not be here */
		err_set(e, -ESRCH, "netns:%s: %s is a link to a namespace that is gone", name,
			path);
		err_hint(e, "rm %s", path);
		return -ESRCH;
	}
	if (code == -EINVAL) {
		err_set(e, -ESRCH, "netns:%s: %s is not a network namespace, only a leftover name",
			name, path);
		err_hint(e, "ip netns delete %s", name);
		return -ESRCH;
	}
	return err_wrap(e, "netns:%s", name);
}

int target_netns(const char *name, struct target *out, struct err *e)
{
	struct netns_id id;
	struct stat st;
	size_t i;
	int r;

	if (!valid_name(name))
		return err_set(e, -ENOENT, "netns:%s: not a name that `ip netns` can give", name);
	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(out->path, sizeof(out->path), "%s/%s", folders[i], name);
		if (lstat(out->path, &st) < 0)
			continue;
		r = netns_ident_path(out->path, &id, e);
		if (r)
			return explain(name, out->path, r, e);
		snprintf(out->name, sizeof(out->name), "%s", name);
		return 0;
	}
	return err_set(e, -ENOENT, "netns:%s: there is no /run/netns/%s", name, name);
}

void target_netns_guess(struct target_guess *g)
{
	struct dirent *ent;
	DIR *d = opendir(folders[0]);

	if (!d)
		return;
	while ((ent = readdir(d)))
		if (ent->d_name[0] != '.')
			target_guess_offer(g, ent->d_name);
	closedir(d);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netns/facts.h"
#include "util/cleanup.h"

static int open_of_process(pid_t pid, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return open(path, flags | O_CLOEXEC);
}

/* --mount: the files of another container, through its main process. */
static int open_files_of(const char *spec, struct command_options *co, struct target *files,
			 struct err *e)
{
	int err = target_resolve(spec, files, e);

	if (err)
		return err_wrap(e, "--mount");
	if (!files->pid) {
		err_set(e, -EINVAL, "--mount %s: no process to take the files from", spec);
		err_hint(e, "name a container or a pid");
		return e->code;
	}
	co->mntns_fd = open_of_process(files->pid, "ns/mnt", O_RDONLY);
	co->root_fd = open_of_process(files->pid, "root", O_PATH | O_DIRECTORY);
	if (co->mntns_fd < 0 || co->root_fd < 0)
		return err_sys(e, -errno, "--mount %s", spec);
	return 0;
}

/*
 * The file that the command would read if nothing were done: the host's, or
 * that of --mount. In `files` is whose namespace the facts are taken from, too,
 * but all that is used of them are the file and the host's upstreams.
 */
static int make_resolv_conf(const struct target *files, char **text, struct err *e)
{
	static const struct target host = { .kind = TARGET_HOST, .path = NETNS_HOME_PATH };
	struct target t = files ? *files : host;
	struct dns_facts facts;
	int err = 0;

	if (!files)
		err = netns_home(&t.ns, e);
	if (!err)
		err = facts_collect(&t, NULL, 0, NULL, 0, NULL, &facts, e);
	if (err)
		return err_wrap(e, "--fix-dns");
	*text = command_fix_dns_text(&facts, e);
	return *text ? 0 : err_wrap(e, "--fix-dns");
}

static int open_netns(struct target *target, struct err *e)
{
	int fd = -1;

	if (target->kind != TARGET_NEW)
		return target_open(target, e);
	return command_new_netns(&fd, e) ?: fd;
}

/* A namespace made for the command is nobody else's. It is kept: a command that looks a name up
 * and is gone in a millisecond would take with it what is to be found out about the lookup. */
static int adopt_new(struct target *target, struct command *c, int *netns, struct err *e)
{
	if (target->kind != TARGET_NEW)
		return 0;
	target->pid = command_pid(c);
	c->netns = steal_fd(netns);
	snprintf(target->path, sizeof(target->path), "/proc/%d/fd/%d", (int)getpid(), c->netns);
	return netns_ident_path(target->path, &target->ns, e);
}

int launch(struct command *c, const struct options *o, struct target *target, struct err *e)
{
	struct command_options co = COMMAND_OPTIONS_INIT;
	_cleanup_fd_ int netns = -1, mntns = -1, root = -1;
	_cleanup_free_ char *resolv_conf = NULL;
	struct target files;
	int err = 0;

	if (!o->argv)
		return 0;
	netns = open_netns(target, e);
	if (netns < 0)
		return netns;
	if (o->mount)
		err = open_files_of(o->mount, &co, &files, e);
	mntns = co.mntns_fd;
	root = co.root_fd;
	if (!err && o->fix_dns)
		err = make_resolv_conf(o->mount ? &files : NULL, &resolv_conf, e);
	if (err)
		return err;
	co.argv = o->argv;
	co.netns_fd = netns;
	co.netns_name = target->kind == TARGET_NETNS ? target->name : NULL;
	co.resolv_conf = resolv_conf;
	co.stdout_to_stderr = o->write_file && !strcmp(o->write_file, "-");
	err = command_start(c, &co, e);
	return err ?: adopt_new(target, c, &netns, e);
}

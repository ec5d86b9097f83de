// SPDX-License-Identifier: GPL-2.0-only
#include "attach/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns/scan.h"
#include "util/cleanup.h"

struct entry {
	struct netns_ref ns;
	struct hook hook;
};

struct list {
	struct entry *entries;
	size_t n;
};

int netns_ref_open(const struct netns_ref *ref, struct err *e)
{
	_cleanup_free_ struct netns_seen *all = NULL;
	int fd = netns_open(ref->path, &ref->id, e);
	size_t n, i;

	if (fd >= 0 || netns_scan(&all, &n, NULL))
		return fd;
	for (i = 0; i < n; i++)
		if (netns_same(&all[i].id, &ref->id))
			return netns_open(all[i].path, &ref->id, e);
	return fd;
}

static int detach(void *arg)
{
	hook_detach(arg);
	return 0;
}

/* Latest first: the qdisc belongs to the hook that was attached first. */
static void detach_all(const struct list *list)
{
	size_t i = list->n;

	while (i-- > 0) {
		struct entry *en = &list->entries[i];
		_cleanup_fd_ int fd = netns_ref_open(&en->ns, NULL);

		if (fd >= 0)
			netns_call(fd, detach, &en->hook, NULL);
	}
}

/* Reads one entry; false at the end of the pipe. */
static bool read_entry(int fd, struct entry *en)
{
	size_t got = 0;

	while (got < sizeof(*en)) {
		ssize_t n = read(fd, (char *)en + got, sizeof(*en) - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

static void remember(struct list *list, const struct entry *en)
{
	struct entry *more = reallocarray(list->entries, list->n + 1, sizeof(*more));

	if (!more)
		return;
	list->entries = more;
	list->entries[list->n++] = *en;
}

static void close_all_but(int fd)
{
	if (fd > 3)
		close_range(3, (unsigned int)fd - 1, 0);
	close_range((unsigned int)fd + 1, ~0U, 0);
}

static _Noreturn void run(int fd)
{
	struct list list = { 0 };
	struct entry en;
	const struct sched_param usual = { 0 };
	sigset_t all;

	sched_setscheduler(0, SCHED_OTHER, &usual);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "nswatch-guard");
	close_all_but(fd);
	while (read_entry(fd, &en))
		remember(&list, &en);
	detach_all(&list);
	_exit(0);
}

static int start(struct guard *g, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, -errno, "pipe");
	g->pid = fork();
	if (g->pid < 0) {
		int err = -errno;

		close(ends[0]);
		close(ends[1]);
		return err_sys(e, err, "fork");
	}
	if (g->pid == 0) {
		close(ends[1]);
		run(ends[0]);
	}
	close(ends[0]);
	g->fd = ends[1];
	return 0;
}

int guard_add(struct guard *g, const struct netns_ref *ns, const struct hook *h, struct err *e)
{
	struct entry en = { .ns = *ns, .hook = *h };
	int err = g->fd < 0 ? start(g, e) : 0;

	if (err)
		return err;
	if (write(g->fd, &en, sizeof(en)) != sizeof(en))
		return err_sys(e, errno ? -errno : -EIO, "guard process");
	return 0;
}

void guard_finish(struct guard *g)
{
	if (g->fd < 0)
		return;
	close(steal_fd(&g->fd));
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

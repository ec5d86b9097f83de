// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The kernel has no event for a new namespace. There are signs of one: a process
 * is born, starts a program or opens a socket in a namespace that is not known
 * (bpf/netns.bpf.h); a file appears where namespaces are bound (inotify); one gets
 * a number here, because a veth leads into it; one is gone.
 *
 * A sign comes early. The file that `ip netns add` makes becomes a namespace a
 * moment later, and a runtime tells a container's pid only once it runs. So one
 * sign causes a series of looks, ever further apart, and the last of them is the
 * end of it: with no signs nobody is woken up. Looking takes time that grows with
 * the number of processes, so there is a pause after each look that is a multiple
 * of what it took.
 */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loader/internal.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MSEC	   1000000LL
#define REST	   10		/* times what the last look took */
#define REST_MIN   (40 * MSEC)	/* between two looks */
#define REST_MAX   (400 * MSEC) /* whatever the last one took: it may have waited itself */
#define SURE_LOOKS 5		/* as many in any case */

/* Before each look of a series, ns. */
static const int64_t pauses[] = {
	5 * MSEC,   20 * MSEC,	50 * MSEC,   100 * MSEC,  200 * MSEC,
	400 * MSEC, 800 * MSEC, 1500 * MSEC, 3000 * MSEC,
};

/* Where namespaces are bound, and the folders in which these appear. */
static const struct {
	const char *path, *entry; /* entry NULL: any */
} folders[] = {
	{ "/run/netns", NULL }, { "/run/docker/netns", NULL }, { "/run/docker", "netns" },
	{ "/run", "netns" },	{ "/run", "docker" },
};

static void watch_folders(int fd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(folders); i++)
		inotify_add_watch(fd, folders[i].path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

int follow_open(struct loader *l, struct err *e)
{
	struct follow *f = &l->follow;

	f->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	f->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (f->timer_fd < 0 || f->inotify_fd < 0)
		return err_sys(e, -errno, "--follow");
	watch_folders(f->inotify_fd);
	f->looks = ARRAY_SIZE(pauses);
	return 0;
}

void follow_close(struct loader *l)
{
	closep(&l->follow.timer_fd);
	closep(&l->follow.inotify_fd);
}

static void schedule(struct follow *f)
{
	int64_t now = loader_now_ns(), when = now + pauses[f->looks];
	int64_t rest = f->cost * REST;
	struct itimerspec at = { 0 };

	rest = rest < REST_MIN ? REST_MIN : rest > REST_MAX ? REST_MAX : rest;
	if (when < f->last_look + rest)
		when = f->last_look + rest;
	at.it_value.tv_sec = when / 1000000000LL;
	at.it_value.tv_nsec = when % 1000000000LL;
	timerfd_settime(f->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* A series that has just begun is not begun again: signs may come in a stream. */
void follow_hint(struct loader *l)
{
	struct follow *f = &l->follow;

	if (f->timer_fd < 0 || !f->looks)
		return;
	f->looks = 0;
	schedule(f);
}

void follow_timer(struct loader *l)
{
	struct follow *f = &l->follow;
	int64_t began = loader_now_ns();
	uint64_t times;
	bool sure;

	if (read(f->timer_fd, &times, sizeof(times)) != sizeof(times))
		return;
	f->looks++;
	sure = watchset_look(l);
	f->last_look = loader_now_ns();
	f->cost = f->last_look - began;
	if (f->looks < ARRAY_SIZE(pauses) && !(sure && f->looks >= SURE_LOOKS))
		schedule(f);
	else
		f->looks = ARRAY_SIZE(pauses);
}

/* In the folders that hold much else, only one name tells something. */
static bool is_sign(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(folders); i++)
		if (folders[i].entry && !strcmp(folders[i].entry, name))
			return true;
	return false;
}

void follow_inotify(struct loader *l)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len = read(l->follow.inotify_fd, buf, sizeof(buf)), at = 0;
	int netns = inotify_add_watch(l->follow.inotify_fd, folders[0].path,
				      IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	int docker = inotify_add_watch(l->follow.inotify_fd, folders[1].path,
				       IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);

	while (len - at >= (ssize_t)sizeof(struct inotify_event)) {
		const struct inotify_event *ev = (const void *)(buf + at);

		at += (ssize_t)(sizeof(*ev) + ev->len);
		if (ev->wd == netns || ev->wd == docker || (ev->len && is_sign(ev->name))) {
			watch_folders(l->follow.inotify_fd);
			follow_hint(l);
		}
	}
}

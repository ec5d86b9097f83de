// SPDX-License-Identifier: GPL-2.0-only
#include "netns/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "util/cleanup.h"

#ifndef SO_NETNS_COOKIE /* Linux 5.14 (commit e8b9eab99232); the headers may be older */
#define SO_NETNS_COOKIE 71
#endif

static int not_a_netns(const char *path, struct err *e)
{
	return err_set(e, -EINVAL, "%s: not a network namespace", path);
}

static int is_gone(const char *path, const struct netns_id *expect, struct err *e)
{
	return err_set(e, -ESTALE, "%s: the namespace net:[%llu] is gone", path,
		       (unsigned long long)expect->ino);
}

/* Opening a device or a FIFO has side effects, so the file is looked at first. */
static int check_nsfs(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(e, -errno, "%s", path);
	if (fs.f_type != NSFS_MAGIC)
		return not_a_netns(path, e);
	return 0;
}

int netns_ident(int fd, struct netns_id *out)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	return 0;
}

int netns_open(const char *path, const struct netns_id *expect, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	struct netns_id id;
	int r;

	r = check_nsfs(path, e);
	/* The file under a mount that is not there any more is no other kind of thing. */
	if (r == -EINVAL && expect)
		return is_gone(path, expect, e);
	if (r)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, -errno, "%s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return not_a_netns(path, e);
	r = netns_ident(fd, &id);
	if (r)
		return err_sys(e, r, "%s", path);
	if (expect && !netns_same(&id, expect))
		return is_gone(path, expect, e);
	return steal_fd(&fd);
}

int netns_ident_path(const char *path, struct netns_id *out, struct err *e)
{
	_cleanup_fd_ int fd = netns_open(path, NULL, e);

	return fd < 0 ? fd : netns_ident(fd, out);
}

int netns_home(struct netns_id *out, struct err *e)
{
	return netns_ident_path(NETNS_HOME_PATH, out, e);
}

struct visit {
	int fd;
	int (*fn)(void *);
	void *arg;
	int setns_errno;
	int result;
};

static void *visit_thread(void *arg)
{
	struct visit *v = arg;

	if (setns(v->fd, CLONE_NEWNET) < 0)
		v->setns_errno = errno;
	else
		v->result = v->fn(v->arg);
	return NULL;
}

int netns_call(int fd, int (*fn)(void *), void *arg, struct err *e)
{
	struct visit v = { .fd = fd, .fn = fn, .arg = arg };
	sigset_t all, before;
	pthread_t thread;
	int r;

	if (fd < 0)
		return fn(arg);
	/* Signals belong to the main thread; the new one inherits the full mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, visit_thread, &v);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return err_sys(e, -r, "cannot start a thread");
	pthread_join(thread, NULL);
	if (v.setns_errno)
		return err_sys(e, -v.setns_errno, "cannot enter the network namespace");
	return v.result;
}

static int ask_cookie(void *arg)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(uint64_t);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, arg, &len) < 0)
		return -errno;
	return 0;
}

uint64_t netns_cookie(int fd)
{
	uint64_t cookie = 0;

	return netns_call(fd, ask_cookie, &cookie, NULL) ? 0 : cookie;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "attach/holders.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nswatch/record.h"
#include "util/cleanup.h"

struct holders {
	int owners, watched;
};

static bool is_watched(const struct holders *h, int sock)
{
	_cleanup_fd_ int ns = ioctl(sock, SIOCGSKNS);
	struct stat st;
	uint32_t ino;
	uint8_t one;

	if (ns < 0 || fstat(ns, &st))
		return false;
	ino = (uint32_t)st.st_ino;
	return !bpf_map_lookup_elem(h->watched, &ino, &one);
}

static bool is_ip(int sock)
{
	socklen_t len = sizeof(int);
	int domain;

	return !getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
	       (domain == AF_INET || domain == AF_INET6);
}

static void describe(pid_t pid, struct nsw_owner *o)
{
	_cleanup_fd_ int fd = -1;
	char path[48], *end;
	struct stat st;

	o->pid = (uint32_t)pid;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (!stat(path, &st))
		o->mntns = (uint32_t)st.st_ino;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, o->comm, sizeof(o->comm)) > 0 &&
	    (end = memchr(o->comm, '\n', sizeof(o->comm))))
		*end = '\0';
}

/* Does not overwrite, as seed() in bpf/owner.bpf.h does not: a hook, or the first
 * holder, knows better. */
static void look_at(const struct holders *h, pid_t pid, int pidfd, int fd)
{
	_cleanup_fd_ int sock = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	struct nsw_sock_owner owner = { .how = NSW_HOW_HOLDS }, known;

	if (sock < 0 || !is_ip(sock) || !is_watched(h, sock))
		return;
	if (!bpf_map_lookup_elem(h->owners, &sock, &known) && known.owner.pid != 1)
		return;
	describe(pid, &owner.owner);
	bpf_map_update_elem(h->owners, &sock, &owner, BPF_ANY);
}

static void look_at_process(const struct holders *h, pid_t pid)
{
	_cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	_cleanup_closedir_ DIR *d = NULL;
	char path[32], link[32];
	struct dirent *ent;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (pidfd >= 0 && d && (ent = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), ent->d_name, link, sizeof(link));

		if (n > 7 && !strncmp(link, "socket:", 7))
			look_at(h, pid, pidfd, atoi(ent->d_name));
	}
}

int holders_seed(int owners, int watched)
{
	const struct holders h = { owners, watched };
	_cleanup_closedir_ DIR *d = opendir("/proc");
	_cleanup_fd_ int probe = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct dirent *ent;

	if (!d || probe < 0)
		return -errno;
	while ((ent = readdir(d))) {
		long pid = strtol(ent->d_name, NULL, 10);

		if (pid > 0)
			look_at_process(&h, (pid_t)pid);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_TESTS_CHILD_H
#define NSWATCH_TESTS_CHILD_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A process in namespaces of its own; it runs until it is killed. */
struct child {
	pid_t pid;
	char path[40];
};

static inline int spawn(struct child *c, int flags, void (*inside)(void *), void *arg)
{
	int pipefd[2];
	char ok = 0;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return -errno;
	c->pid = fork();
	if (c->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(flags) < 0)
			_exit(1);
		if (inside)
			inside(arg);
		if (write(pipefd[1], "k", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipefd[1]);
	if (read(pipefd[0], &ok, 1) != 1) {
		waitpid(c->pid, NULL, 0);
		close(pipefd[0]);
		return -EPERM;
	}
	close(pipefd[0]);
	snprintf(c->path, sizeof(c->path), "/proc/%d/ns/net", (int)c->pid);
	return 0;
}

static inline void reap(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
}

#define SPAWN_OR_SKIP(c, flags, inside, arg)                    \
	do {                                                    \
		if (spawn(c, flags, inside, arg)) {             \
			print_message("skipped: needs root\n"); \
			skip();                                 \
		}                                               \
	} while (0)

/* Runs ip(8) in the child's namespace. */
static inline void ip(const struct child *c, const char *args)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "nsenter --net=%s ip %s", c->path, args);
	assert_int_equal(system(cmd), 0);
}

#endif

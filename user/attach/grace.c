// SPDX-License-Identifier: GPL-2.0-only
#include "attach/grace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define KNOB "/sys/kernel/rcu_expedited"

static int put(int fd, char value)
{
	return pwrite(fd, &value, 1, 0) == 1 ? 0 : -errno;
}

/* The keeper: puts the knob back when the other end of the pipe closes, however that
 * comes about. Until it is gone, the lock is held through its descriptor, too. */
static _Noreturn void keep(int knob, int pipe)
{
	sigset_t all;
	char byte;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "nswatch-keeper");
	if (dup2(pipe, STDIN_FILENO) < 0 || dup2(knob, STDOUT_FILENO) < 0)
		_exit(1);
	close_range(STDERR_FILENO, ~0U, 0);
	while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(put(STDOUT_FILENO, '0') != 0);
}

/* The knob is only turned once there is somebody to turn it back. */
static int start_keeper(struct grace *g, int knob)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	g->keeper = fork();
	if (g->keeper == 0) {
		close(ends[1]);
		keep(knob, ends[0]);
	}
	close(ends[0]);
	if (g->keeper < 0) {
		close(ends[1]);
		return -errno;
	}
	g->pipe = ends[1];
	return 0;
}

/* The lock keeps two of us from taking the other's 1 for what was there before. */
void grace_hurry(struct grace *g)
{
	_cleanup_fd_ int fd = open(KNOB, O_RDWR | O_CLOEXEC);
	char was = '1';

	*g = GRACE_NONE;
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) || pread(fd, &was, 1, 0) != 1 || was != '0' ||
	    start_keeper(g, fd))
		return;
	g->fd = steal_fd(&fd);
	put(g->fd, '1');
}

/* If the keeper was killed, it is up to us. */
void grace_end(struct grace *g)
{
	int status = 1, r;

	if (g->fd < 0)
		return;
	close(steal_fd(&g->pipe));
	do {
		r = waitpid(g->keeper, &status, 0);
	} while (r < 0 && errno == EINTR);
	if ((r != g->keeper || status) && put(g->fd, '0'))
		log_warn("cannot set " KNOB " back to 0");
	close(steal_fd(&g->fd));
}

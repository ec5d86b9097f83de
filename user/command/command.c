// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parent and child talk over a socketpair of packets. The child sends one
 * struct err when it is ready or has failed to be; the parent sends one byte
 * to say go; the child sends a second struct err if exec fails. The child's
 * end being close-on-exec, a success reads as EOF; and if the parent is gone
 * before it said go, the child reads EOF and leaves.
 */
#include "command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "command/view.h"
#include "util/cleanup.h"

#define EXIT_ABANDONED	    125 /* as timeout(1) and others: it did not come to exec */
#define EXIT_NOT_EXECUTABLE 126 /* POSIX shell, 2.8.2 */
#define EXIT_NOT_FOUND	    127

static ssize_t receive(int sock, void *buf, size_t size)
{
	ssize_t n;

	do {
		n = recv(sock, buf, size, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* If the other side is gone, what it does next is not ours to say. */
static void transmit(int sock, const void *buf, size_t size)
{
	ssize_t n;

	do {
		n = send(sock, buf, size, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
}

/* SIGHUP stays ignored if it is: nohup(1) is meant for the command as well. */
static void default_signals(void)
{
	struct sigaction old, dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++) {
		if (sig == SIGHUP && !sigaction(sig, NULL, &old) && old.sa_handler == SIG_IGN)
			continue;
		sigaction(sig, &dfl, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int enter(const struct command_options *opt, struct err *e)
{
	if (opt->netns_fd >= 0 && setns(opt->netns_fd, CLONE_NEWNET))
		return err_sys(e, -errno, "cannot enter the network namespace");
	return view_enter(opt, e);
}

static void child(const struct command_options *opt, int sock)
{
	struct err e = { 0 };
	int code;
	char go;

	default_signals();
	code = enter(opt, &e);
	transmit(sock, &e, sizeof(e));
	if (code || receive(sock, &go, 1) != 1)
		_exit(EXIT_ABANDONED);
	if (opt->stdout_to_stderr)
		dup2(STDERR_FILENO, STDOUT_FILENO);
	execvp(opt->argv[0], opt->argv);
	code = -errno;
	err_sys(&e, code, "cannot run %s", opt->argv[0]);
	if (opt->mntns_fd >= 0)
		err_hint(&e, "a command from the files of --mount's TARGET");
	transmit(sock, &e, sizeof(e));
	_exit(code == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* 0 if the child says that all is well, or if it says nothing more. */
static int read_report(struct command *c, bool eof_is_fine, struct err *e)
{
	struct err from_child;
	ssize_t n = receive(c->sock, &from_child, sizeof(from_child));

	if (n == sizeof(from_child)) {
		if (from_child.code && e)
			*e = from_child;
		return from_child.code;
	}
	if (n < 0)
		return err_sys(e, (int)n, "command");
	return eof_is_fine ? 0 : err_set(e, -ECHILD, "the command's process was killed");
}

static int fork_child(struct command *c, const struct command_options *opt, struct err *e)
{
	_cleanup_fd_ int theirs = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_sys(e, -errno, "command: socketpair");
	c->sock = pair[0];
	theirs = pair[1];
	c->pid = fork();
	if (c->pid < 0) {
		c->pid = 0;
		return err_sys(e, -errno, "command: fork");
	}
	if (!c->pid) {
		close(c->sock); /* or it would keep EOF from the child itself */
		child(opt, theirs);
	}
	c->pidfd = pidfd_open(c->pid, 0);
	return c->pidfd < 0 ? err_sys(e, -errno, "command: pidfd_open") : 0;
}

int command_start(struct command *c, const struct command_options *opt, struct err *e)
{
	int err;

	*c = (struct command)COMMAND_INIT;
	err = fork_child(c, opt, e);
	if (!err)
		err = read_report(c, false, e);
	if (err)
		command_fini(c);
	return err;
}

int command_go(struct command *c, struct err *e)
{
	int err;

	transmit(c->sock, "", 1);
	err = read_report(c, true, e);
	close(steal_fd(&c->sock));
	return err;
}

pid_t command_pid(const struct command *c)
{
	return c->pid;
}

int command_pidfd(const struct command *c)
{
	return c->pidfd;
}

static int reap(struct command *c, int flags)
{
	int status;
	pid_t pid;

	do {
		pid = waitpid(c->pid, &status, flags);
	} while (pid < 0 && errno == EINTR);
	if (pid <= 0)
		return pid ? -errno : -EAGAIN;
	c->pid = 0;
	c->has_ended = true;
	c->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}

int command_status(struct command *c)
{
	int err;

	if (c->has_ended)
		return c->status;
	if (!c->pid)
		return -ECHILD;
	err = reap(c, WNOHANG);
	return err ? err : c->status;
}

int command_kill(const struct command *c, int sig)
{
	if (!c->pid)
		return -ESRCH;
	return pidfd_send_signal(c->pidfd, sig, NULL, 0) ? -errno : 0;
}

void command_fini(struct command *c)
{
	bool waiting = c->sock >= 0;

	/* close() alone is no EOF while a process forked since has a copy. */
	if (waiting)
		shutdown(c->sock, SHUT_RDWR);
	closep(&c->sock);
	if (waiting && c->pid)
		reap(c, 0);
	closep(&c->pidfd);
	closep(&c->netns);
	*c = (struct command)COMMAND_INIT;
}

struct netns_request {
	int fd;
	int error;
};

/* A thread of its own, so that the caller's never leaves its namespace. */
static void *make_netns(void *arg)
{
	struct netns_request *r = arg;

	if (!unshare(CLONE_NEWNET))
		r->fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		r->error = -errno;
	return NULL;
}

int command_new_netns(int *fd_out, struct err *e)
{
	struct netns_request r = { .fd = -1 };
	pthread_t thread;
	int err;

	err = -pthread_create(&thread, NULL, make_netns, &r);
	if (err)
		return err_sys(e, err, "new network namespace: thread");
	pthread_join(thread, NULL);
	if (r.error)
		return err_sys(e, r.error, "cannot make a network namespace");
	*fd_out = r.fd;
	return 0;
}

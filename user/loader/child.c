// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <linux/sockios.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector.h"
#include "loader/internal.h"
#include "stream/record.h"
#include "util/cleanup.h"
#include "util/log.h"

#define SOCKET_BYTES (16 * 1024 * 1024)

/*
 * Nothing may keep the loader waiting for the collector: that may be stopped,
 * or wait itself for whoever reads its output. So the socket does not block,
 * and only taps, which are few, may fill the second half of it.
 */
void child_send(struct loader *l, const struct wire_msg *m)
{
	int used;

	if (!ioctl(l->sock, SIOCOUTQ, &used) && used < l->socket_room) {
		wire_send(l->sock, m, -1);
		return;
	}
	if (!l->is_falling_behind)
		log_warn("the output does not keep up; some processes and socket calls will be "
			 "missing in findings");
	l->is_falling_behind = true;
}

/* Without the privilege to exceed the limit (CAP_NET_ADMIN) that must do. */
static void enlarge(int sock)
{
	const int size = SOCKET_BYTES;

	if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fcntl(sock, F_SETFL, O_NONBLOCK);
}

static int make_sockets(int loader[2], int collector[2], struct err *e)
{
	int i;

	for (i = 0; i < 2; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
			return err_sys(e, -errno, "socketpair");
		enlarge(pair[0]);
		loader[i] = pair[0];
		collector[i] = pair[1];
	}
	return 0;
}

int child_fork(struct loader *l, struct err *e)
{
	int mine[2] = { -1, -1 }, its[2] = { -1, -1 };
	socklen_t len = sizeof(l->socket_room);
	int err = make_sockets(mine, its, e);

	if (err)
		return err;
	fflush(NULL);
	l->collector = fork();
	if (l->collector < 0)
		return err_sys(e, -errno, "fork");
	if (l->collector == 0) {
		struct collector_setup s = {
			.o = l->o,
			.programs = l->programs,
			.filter = l->filter_in_user ? l->filter : NULL,
			.any_filter = l->o->filter ? l->filter : NULL,
			.filter_text = l->o->filter,
			.identity = l->identity,
			.sock = its[0],
			.files_sock = its[1],
			.file_fd = l->file_fd,
			.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		};

		_exit(collector_run(&s));
	}
	close(its[0]);
	close(its[1]);
	closep(&l->file_fd);
	l->file_fd = -1;
	l->sock = mine[0];
	l->files_sock = mine[1];
	getsockopt(l->sock, SOL_SOCKET, SO_SNDBUF, &l->socket_room, &len);
	l->socket_room /= 2;
	return 0;
}

/* Returns false when the collector is gone. */
bool child_serve(struct loader *l)
{
	struct wire_msg m;
	int fd, got = wire_recv(l->sock, &m, &fd, MSG_DONTWAIT);

	if (got == -EAGAIN || got == -EPROTO)
		return true;
	if (got <= 0)
		return false;
	closep(&fd);
	if (m.type == WIRE_ASK)
		attempts_answer(l, &m.ask);
	else if (m.type == WIRE_HOST_END)
		watchset_host_end(l, m.netns);
	else if (m.type == WIRE_FREED && l->taps)
		taps_freed(l->taps, (uint32_t)m.code);
	else if (m.type == WIRE_DONE)
		loader_begin_stop(l);
	return true;
}

void child_reap(struct loader *l)
{
	int status = 0;

	while (waitpid(l->collector, &status, 0) < 0 && errno == EINTR)
		;
	l->collector = 0;
	if (WIFEXITED(status)) {
		l->status = WEXITSTATUS(status);
		return;
	}
	l->status = 1;
	log_error("the collector was killed by signal %d; what it had not written is lost",
		  WTERMSIG(status));
}

void child_abandon(struct loader *l)
{
	const struct wire_msg m = { .type = WIRE_STOP, .code = 1 };

	if (l->collector <= 0)
		return;
	wire_send(l->sock, &m, -1);
	child_reap(l);
}

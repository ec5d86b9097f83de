// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP request and response, one at a time over one connection: the workload
 * asks, the peer echoes. Both run on the generator's core.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT	 7777
#define MAX_SIZE 65536

static char buffer[MAX_SIZE];

static int tcp_socket(const char *netns)
{
	int fd, on = 1;

	enter(netns);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		die("socket");
	return fd;
}

/* Returns 0 at the end of the stream. */
static int transfer(int fd, size_t size, ssize_t (*step)(int, void *, size_t))
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = step(fd, buffer + done, size - done);
		if (n <= 0)
			return 0;
		done += (size_t)n;
	}
	return 1;
}

static ssize_t write_step(int fd, void *buf, size_t n)
{
	return send(fd, buf, n, MSG_NOSIGNAL);
}

static pid_t start_server(const struct load *l, const struct sockaddr_in *addr)
{
	int fd = tcp_socket(l->peer), on = 1;
	pid_t pid;

	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) || listen(fd, 1))
		die("listen");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = accept(fd, NULL, NULL);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		while (transfer(fd, l->size, read) && transfer(fd, l->size, write_step))
			;
		_exit(0);
	}
	close(fd);
	return pid;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void ask(int fd, const struct load *l, double *us)
{
	struct timespec gap = { .tv_sec = (time_t)(l->gap_us / 1000000),
				.tv_nsec = (long)(l->gap_us % 1000000 * 1000) };
	uint64_t i, begin;

	for (i = 0; i < l->count; i++) {
		if (l->gap_us)
			nanosleep(&gap, NULL);
		begin = now_ns();
		if (!transfer(fd, l->size, write_step) || !transfer(fd, l->size, read))
			die("the server has gone");
		us[i] = (double)(now_ns() - begin) / 1e3;
	}
}

int load_rr(const struct load *l)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	double *us = calloc(l->count, sizeof(*us));
	pid_t server;
	int fd;

	if (!us || !l->peer || !l->size || l->size > MAX_SIZE) {
		errno = EINVAL;
		die("size");
	}
	inet_pton(AF_INET, PEER_ADDR, &addr.sin_addr);
	server = start_server(l, &addr);
	fd = tcp_socket(l->workload);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	ask(fd, l, us);
	close(fd);
	waitpid(server, NULL, 0);
	qsort(us, l->count, sizeof(*us), by_value);
	printf("{\"sent\":%llu,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f}\n",
	       (unsigned long long)l->count, us[l->count / 2], us[l->count * 99 / 100],
	       us[l->count * 999 / 1000]);
	free(us);
	return 0;
}

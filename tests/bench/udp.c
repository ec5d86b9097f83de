// SPDX-License-Identifier: GPL-2.0-only
/*
 * A UDP flood out of the workload: sendmmsg(2), the flows in turn. The peer
 * takes each packet in softirq on this same core and drops it. With `every`, each
 * every-th flow goes to rare_port.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH	   32
#define FIRST_PORT 20000
#define MAX_FLOWS  512

static void open_flows(const struct load *l, int *fds)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint64_t i;

	inet_pton(AF_INET, NOBODY_ADDR, &to.sin_addr);
	for (i = 0; i < l->flows; i++) {
		fds[i] = udp_socket(l->workload, WORKLOAD_ADDR, (uint16_t)(FIRST_PORT + i));
		to.sin_port =
			htons((uint16_t)(l->every && i % l->every == 0 ? l->rare_port : l->port));
		if (connect(fds[i], (struct sockaddr *)&to, sizeof(to)))
			die("connect");
	}
}

static uint64_t send_batch(int fd, size_t size, uint64_t left)
{
	static unsigned char payload[MAX_FRAME];
	struct iovec iov = { payload, size - HEADERS };
	struct mmsghdr msgs[BATCH];
	int i, n;

	for (i = 0; i < BATCH; i++)
		msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	n = sendmmsg(fd, msgs, left < BATCH ? (unsigned int)left : BATCH, 0);
	if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
		die("sendmmsg");
	return n < 0 ? 0 : (uint64_t)n;
}

static void burst(const struct load *l, const int *fds, uint64_t n)
{
	uint64_t start = now_ns(), sent = 0, turn = 0;

	while (sent < n) {
		sent += send_batch(fds[turn++ % l->flows], l->size, n - sent);
		pace(start, sent, l->rate);
	}
}

int load_udp(const struct load *l)
{
	uint64_t n = l->count / l->bursts, start, begin, i;
	int fds[MAX_FLOWS];
	double *ns;

	if (l->flows > MAX_FLOWS || l->size < MIN_FRAME || l->size > MAX_FRAME) {
		errno = EINVAL;
		die("flows or size");
	}
	open_flows(l, fds);
	ns = calloc(l->bursts, sizeof(*ns));
	if (!ns)
		die("memory");
	start = now_ns();
	for (i = 0; i < l->bursts; i++) {
		begin = now_ns();
		burst(l, fds, n);
		ns[i] = (double)(now_ns() - begin) / (double)n;
	}
	report(n * l->bursts, now_ns() - start, ns, l->bursts);
	free(ns);
	return 0;
}

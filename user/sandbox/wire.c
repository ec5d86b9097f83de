// SPDX-License-Identifier: GPL-2.0-only
#include "sandbox/wire.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const size_t payload[WIRE_NR_TYPES] = {
	/* clang-format off */
	[WIRE_TAP] = sizeof(struct tap),
	[WIRE_ATTEMPT] = sizeof(struct nsw_attempt),
	[WIRE_FACTS] = sizeof(struct dns_facts),
	[WIRE_ASK] = sizeof(struct dns_ask),
	[WIRE_HOST_END] = sizeof(((struct wire_msg *)0)->netns),
	/* clang-format on */
};

#define HEADER_LEN offsetof(struct wire_msg, tap)

int wire_send(int sock, const struct wire_msg *m, int passed_fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)m, .iov_len = HEADER_LEN + payload[m->type] };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (passed_fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &passed_fd, sizeof(int));
	}
	while (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int take_fd(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

int wire_recv(int sock, struct wire_msg *m, int *passed_fd, int flags)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf };
	ssize_t n;

	do {
		/* One descriptor: padding has room for a second, which nobody would close. */
		msg.msg_controllen = CMSG_LEN(sizeof(int));
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	*passed_fd = take_fd(&msg);
	if ((size_t)n < HEADER_LEN || m->type >= WIRE_NR_TYPES ||
	    (size_t)n != HEADER_LEN + payload[m->type]) {
		if (*passed_fd >= 0)
			close(*passed_fd);
		*passed_fd = -1;
		return -EPROTO;
	}
	return 1;
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/wire.h"

static int ends[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_pair(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void every_type_arrives_whole(void **state)
{
	uint32_t type;

	(void)state;
	for (type = 0; type < WIRE_NR_TYPES; type++) {
		struct wire_msg m, got;
		int fd = 7;

		memset(&m, (int)type + 1, sizeof(m));
		memset(&got, 0, sizeof(got));
		m.type = type;
		assert_int_equal(wire_send(ends[0], &m, -1), 0);
		assert_int_equal(wire_recv(ends[1], &got, &fd, 0), 1);
		assert_int_equal(fd, -1);
		assert_int_equal(got.type, type);
		assert_int_equal(got.code, m.code);
		if (type == WIRE_TAP)
			assert_memory_equal(&got.tap, &m.tap, sizeof(m.tap));
		if (type == WIRE_FACTS)
			assert_memory_equal(&got.facts, &m.facts, sizeof(m.facts));
	}
}

static void descriptor_travels_along(void **state)
{
	struct wire_msg m = { .type = WIRE_FILE };
	int fd = -1, pipes[2];
	char c = 0;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(wire_send(ends[0], &m, pipes[1]), 0);
	assert_int_equal(wire_recv(ends[1], &m, &fd, 0), 1);
	assert_true(fd >= 0 && fd != pipes[1]);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipes[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

static size_t open_files(void)
{
	size_t n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* One that has been taken over must not fill our table of descriptors. */
static void further_descriptors_are_not_taken(void **state)
{
	const int fds[] = { 0, 0, 0 };
	union {
		char buf[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr head;
	} control = { 0 };
	struct wire_msg m = { .type = WIRE_DONE };
	struct iovec iov = { .iov_base = &m, .iov_len = offsetof(struct wire_msg, tap) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	size_t before = open_files();
	int fd = -1;

	(void)state;
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
	assert_int_equal(sendmsg(ends[0], &msg, 0), (ssize_t)iov.iov_len);
	assert_int_equal(wire_recv(ends[1], &m, &fd, 0), 1);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(open_files(), before);
}

/* What the other side may send if it has been taken over. */
static void wrong_messages_are_refused(void **state)
{
	struct wire_msg m = { .type = WIRE_TAP }, got;
	const size_t header = offsetof(struct wire_msg, tap);
	const struct {
		uint32_t type;
		size_t len;
	} wrong[] = {
		{ WIRE_TAP, header - 1 },
		{ WIRE_TAP, header },
		{ WIRE_TAP, header + sizeof(m.tap) - 1 },
		{ WIRE_TAP, header + sizeof(m.tap) + 1 },
		{ WIRE_DONE, header + 1 },
		{ WIRE_NR_TYPES, header },
		{ UINT32_MAX, header },
		{ WIRE_DONE, 1 },
	};
	size_t i;
	int fd = 7;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		m.type = wrong[i].type;
		assert_int_equal(send(ends[0], &m, wrong[i].len, 0), (ssize_t)wrong[i].len);
		assert_int_equal(wire_recv(ends[1], &got, &fd, 0), -EPROTO);
		assert_int_equal(fd, -1);
	}
}

static void full_empty_and_gone(void **state)
{
	struct wire_msg m = { .type = WIRE_FACTS };
	int fd, err;

	(void)state;
	assert_int_equal(wire_recv(ends[1], &m, &fd, MSG_DONTWAIT), -EAGAIN);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	do {
		err = wire_send(ends[0], &m, -1);
	} while (!err);
	assert_int_equal(err, -EAGAIN);
	close(ends[0]);
	while (wire_recv(ends[1], &m, &fd, 0) == 1)
		;
	assert_int_equal(wire_recv(ends[1], &m, &fd, 0), 0);
	assert_int_equal(wire_send(ends[1], &m, -1), -EPIPE);
	ends[0] = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_type_arrives_whole, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(descriptor_travels_along, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(further_descriptors_are_not_taken, open_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(wrong_messages_are_refused, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(full_empty_and_gone, open_pair, close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

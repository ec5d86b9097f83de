// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SUDO_USER 1234
#define STRANGER  4321

/* own/ belongs to us alone; shared/ is like /tmp. */
static char dir[] = "/tmp/nswatch-output-XXXXXX";

static int make_dirs(void **state)
{
	(void)state;
	return !mkdtemp(dir) || chdir(dir) || mkdir("own", 0755) || mkdir("shared", 0755) ||
	       chmod("shared", 01777);
}

static int remove_dirs(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return chdir("/") || system(cmd);
}

static int attempt(const char *path)
{
	struct err e = { 0 };
	int fd = output_open(path, SUDO_USER, SUDO_USER, &e), flags;

	if (fd < 0) {
		assert_int_equal(e.code, fd);
		assert_true(e.msg[0]);
		return fd;
	}
	flags = fcntl(fd, F_GETFL);
	assert_int_equal(flags & O_NONBLOCK, 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	return 0;
}

static void need_root(void)
{
	if (geteuid()) {
		print_message("skipped: needs root, to make files of others\n");
		skip();
	}
}

static void put_file(const char *path, uid_t owner)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_int_equal(write(fd, "precious", 8), 8);
	assert_int_equal(fchown(fd, owner, owner), 0);
	close(fd);
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void test_new_file_is_the_users(void **state)
{
	static const char *const names[] = { "own/new", "shared/new", "new" };
	struct stat st;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(attempt(names[i]), 0);
		assert_int_equal(stat(names[i], &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		assert_int_equal(st.st_uid, geteuid() ? geteuid() : SUDO_USER);
	}
}

static void test_existing_file_keeps_mode_and_owner(void **state)
{
	struct stat st;

	(void)state;
	need_root();
	put_file("own/old", STRANGER);
	assert_int_equal(attempt("own/old"), 0);
	assert_int_equal(stat("own/old", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_uid, STRANGER);
	assert_int_equal(st.st_size, 1);
	put_file("shared/ours", SUDO_USER);
	assert_int_equal(attempt("shared/ours"), 0);
	assert_int_equal(size_of("shared/ours"), 1);
}

static void test_planted_things_are_refused(void **state)
{
	(void)state;
	need_root();
	put_file("own/target", 0);
	assert_int_equal(symlink("../own/target", "shared/link"), 0);
	assert_int_equal(lchown("shared/link", STRANGER, STRANGER), 0);
	assert_int_equal(attempt("shared/link"), -EPERM);
	assert_int_equal(symlink("../own/created", "shared/dangling"), 0);
	assert_int_equal(lchown("shared/dangling", STRANGER, STRANGER), 0);
	assert_int_equal(attempt("shared/dangling"), -EPERM);
	assert_int_equal(access("own/created", F_OK), -1);
	assert_int_equal(mkfifo("shared/fifo", 0666), 0);
	assert_int_equal(chown("shared/fifo", STRANGER, STRANGER), 0);
	assert_int_equal(attempt("shared/fifo"), -EPERM);
	put_file("shared/file", STRANGER);
	assert_int_equal(attempt("shared/file"), -EPERM);
	assert_int_equal(link("own/target", "shared/hard"), 0);
	assert_int_equal(attempt("shared/hard"), -EPERM);
	/* A link of one's own, to a planted one. */
	assert_int_equal(symlink("../shared/link", "own/indirect"), 0);
	assert_int_equal(attempt("own/indirect"), -EPERM);
	assert_int_equal(size_of("own/target"), 8);
	assert_int_equal(size_of("shared/file"), 8);
}

static void test_own_links_are_followed(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(symlink("../own/a", "shared/mine"), 0);
	assert_int_equal(lchown("shared/mine", SUDO_USER, SUDO_USER), 0);
	assert_int_equal(attempt("shared/mine"), 0);
	assert_int_equal(size_of("own/a"), 1);
	assert_int_equal(symlink("a", "own/b"), 0);
	assert_int_equal(attempt("own/b"), 0);
	assert_int_equal(symlink("loop", "own/loop"), 0);
	assert_int_equal(attempt("own/loop"), -ELOOP);
}

static void test_fifo_of_ones_own(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkfifo("own/fifo", 0600), 0);
	assert_int_equal(attempt("own/fifo"), -ENXIO);
	fd = open("own/fifo", O_RDONLY | O_NONBLOCK);
	assert_int_equal(attempt("own/fifo"), 0);
	close(fd);
}

static void test_what_is_no_file(void **state)
{
	(void)state;
	assert_int_equal(attempt("/dev/null"), 0);
	assert_int_equal(attempt("own"), -EISDIR);
	assert_int_equal(attempt("own/"), -EISDIR);
	assert_int_equal(attempt("nowhere/x"), -ENOENT);
	if (!geteuid() && !mknod("own/block", S_IFBLK | 0600, makedev(7, 200)))
		assert_int_equal(attempt("own/block"), -EINVAL);
}

static void test_stdout(void **state)
{
	int saved = dup(STDOUT_FILENO), fds[2], r, r2;
	char got[2];

	(void)state;
	fflush(stdout);
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDOUT_FILENO);
	r = attempt("-");
	r2 = attempt("/dev/stdout"); /* a link to a link in /proc */
	dup2(saved, STDOUT_FILENO);
	assert_int_equal(r, 0);
	assert_int_equal(r2, 0);
	assert_int_equal(read(fds[0], got, 2), 2);
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

static void test_names_are_dumpcaps(void **state)
{
	static const struct {
		const char *path, *name;
		unsigned int index;
	} rows[] = {
		{ "x.pcapng", "x_00001_20260101120000.pcapng", 1 },
		{ "/tmp/a.b/x", "/tmp/a.b/x_00023_20260101120000", 23 },
		{ "a.b.pcap", "a.b_99999_20260101120000.pcap", 99999 },
		{ "x.pcapng.gz", "x_00000_20260101120000.pcapng.gz", 100000 },
		{ ".hidden", ".hidden_00001_20260101120000", 1 },
	};
	char out[64];
	size_t i;

	(void)state;
	setenv("TZ", "UTC", 1);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(
			output_name(out, sizeof(out), rows[i].path, rows[i].index, 1767268800), 0);
		assert_string_equal(out, rows[i].name);
	}
	assert_int_equal(output_name(out, 29, "x.pcapng", 1, 1767268800), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_file_is_the_users),
		cmocka_unit_test(test_existing_file_keeps_mode_and_owner),
		cmocka_unit_test(test_planted_things_are_refused),
		cmocka_unit_test(test_own_links_are_followed),
		cmocka_unit_test(test_fifo_of_ones_own),
		cmocka_unit_test(test_what_is_no_file),
		cmocka_unit_test(test_stdout),
		cmocka_unit_test(test_names_are_dumpcaps),
	};

	return cmocka_run_group_tests(tests, make_dirs, remove_dirs);
}

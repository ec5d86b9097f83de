// SPDX-License-Identifier: GPL-2.0-only
/* State files that somebody else may have written, and pids that may be stale. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/proof.h"
#include "target/statefile.h"
#include "util/cleanup.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char dir[32];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/nswatch-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static const char *at(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const char *text)
{
	_cleanup_fclose_ FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

static ssize_t read_it(const char *name, size_t max)
{
	_cleanup_free_ char *text = NULL;

	return statefile_read(AT_FDCWD, at(name), max, &text);
}

static void test_planted_files(void **state)
{
	(void)state;
	put("good", "12345");
	assert_int_equal(read_it("good", 5), 5);
	assert_int_equal(read_it("good", 4), -EFBIG);
	assert_int_equal(read_it("missing", 5), -ENOENT);
	assert_return_code(mkfifo(at("fifo"), 0600), errno);
	assert_int_equal(read_it("fifo", 5), -EINVAL); /* and does not wait */
	assert_return_code(symlink("/etc/shadow", at("link")), errno);
	assert_int_equal(read_it("link", 1000000), -ELOOP);
	assert_int_equal(read_it("", 1000000), -EINVAL); /* the folder */
	/* Claims to be empty, is not, and never ends. */
	assert_int_equal(statefile_read(AT_FDCWD, "/proc/self/maps", 10, &(char *){ NULL }),
			 -EFBIG);
}

static void test_pid_files(void **state)
{
	static const struct {
		const char *text;
		pid_t pid;
	} cases[] = {
		{ "4711", 4711 },
		{ "4711\n", 4711 },
		{ "", 0 },
		{ "\n", 0 },
		{ "0", 0 },
		{ "-1", 0 },
		{ "+1", 0 },
		{ " 1", 0 },
		{ "1 2", 0 },
		{ "1\n2", 0 },
		{ "0x10", 0 },
		{ "2147483648", 0 },
		{ "2147483647", INT_MAX },
		{ "99999999999999999999", 0 },
		{ "1111111111111111111111111111111111", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		put("pid", cases[i].text);
		assert_int_equal(statefile_pid(AT_FDCWD, at("pid")), cases[i].pid);
	}
}

static void test_json(void **state)
{
	static const char *const broken[] = { "", "{", "{\"a\":1,\"a\":2}", "{}x", "\"\xff\"" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(broken); i++) {
		put("json", broken[i]);
		assert_null(statefile_json(AT_FDCWD, at("json")));
	}
}

static void test_stat_line(void **state)
{
	static const char tail[] = " 4200 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 2";
	struct proof_proc p;
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "12 (sleep) S%s", tail);
	assert_int_equal(proof_parse(text, &p), 0);
	assert_int_equal(p.ppid, 4200);
	assert_int_equal(p.start, 987654);
	/* A command that looks like the rest of the line. */
	snprintf(text, sizeof(text), "12 (a) R 1 (b) S 1) S%s", tail);
	assert_int_equal(proof_parse(text, &p), 0);
	assert_int_equal(p.ppid, 4200);
	snprintf(text, sizeof(text), "12 (sleep) Z%s", tail);
	assert_int_equal(proof_parse(text, &p), -ESRCH);
	assert_int_equal(proof_parse("12 (sleep) S 1 2 3", &p), -EPROTO);
	assert_int_equal(proof_parse("", &p), -EPROTO);
}

static void test_control_groups(void **state)
{
	static const struct {
		const char *text;
		bool in;
	} cases[] = {
		{ "0::/system.slice/docker-" ID ".scope\n", true },
		{ "0::/docker/" ID "\n", true },
		{ "4:memory:/x\n0::/machine.slice/libpod-" ID ".scope/container\n", true },
		{ "0::/kubepods.slice/cri-containerd-" ID ".scope\n", true },
		{ "0::/docker/f" ID "\n", false },
		{ "0::/docker/" ID "f\n", false },
		{ "0::/docker/f" ID "/" ID "\n", true },
		{ "0::/\n", false },
		{ "", false },
		{ ID, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(proof_in_cgroup(cases[i].text, ID), cases[i].in);
	assert_false(proof_in_cgroup("0::/system.slice/a.scope\n", "a"));
	assert_false(proof_in_cgroup("0::/\n", ""));
}

/* The number is this process's, but nothing ties it to the container. */
static void test_recycled_pid(void **state)
{
	struct proof_proc me;

	(void)state;
	assert_int_equal(proof_look(getpid(), &me), 0);
	assert_int_equal(me.ppid, getppid());
	assert_true(proof_container(getpid(), ID, me.start, 0));
	assert_false(proof_container(getpid(), ID, me.start + 1, 0));
	assert_false(proof_container(getpid(), ID, 0, 0));
	assert_false(proof_container(getpid(), "", 0, 0));
	assert_false(proof_container(INT_MAX, ID, 0, 0));
	assert_false(proof_container(0, ID, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_planted_files),  cmocka_unit_test(test_pid_files),
		cmocka_unit_test(test_json),	       cmocka_unit_test(test_stat_line),
		cmocka_unit_test(test_control_groups), cmocka_unit_test(test_recycled_pid),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

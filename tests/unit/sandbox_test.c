// SPDX-License-Identifier: GPL-2.0-only
/* Each test gives up its privileges in a child, which reports by its status:
 * 0, or the number of the check that failed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/sandbox.h"

#define SOMEBODY 54321

static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(fn());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool has_capability(cap_flag_t flag)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value;
	cap_value_t cap;

	for (cap = 0; cap_valid(cap); cap++)
		if (!cap_get_flag(caps, cap, flag, &value) && value == CAP_SET)
			return true;
	return false;
}

static int drop(void)
{
	const struct identity id = { SOMEBODY, SOMEBODY };
	bool root = geteuid() == 0;
	struct err e = { 0 };
	int keep[3] = { 40, -1, 20 }, cap;

	if (dup2(1, 19) < 0 || dup2(1, 20) < 0 || dup2(1, 30) < 0 || dup2(1, 40) < 0 ||
	    dup2(1, 41) < 0)
		return 1;
	if (sandbox_drop(&id, keep, 3, &e))
		return 2;
	if (!is_open(2) || !is_open(20) || !is_open(40))
		return 3;
	if (is_open(3) || is_open(19) || is_open(30) || is_open(41))
		return 4;
	if (has_capability(CAP_EFFECTIVE) || has_capability(CAP_PERMITTED) ||
	    has_capability(CAP_INHERITABLE))
		return 5;
	for (cap = 0; root && cap_valid(cap); cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0))
			return 6;
	if (root && (getuid() != SOMEBODY || getegid() != SOMEBODY || getgroups(0, NULL) ||
		     !setuid(0) || !setgid(0)))
		return 7;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
			       prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
		       ? 0
		       : 8;
}

static bool is_refused(long result)
{
	return result == -1 && errno == EPERM;
}

static int seal(void)
{
	struct err e = { 0 };
	void *mem;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (sandbox_seal(&e))
		return 1;
	if (!is_refused(open("/dev/null", O_RDONLY)) ||
	    !is_refused(syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0)))
		return 2;
	if (!is_refused(socket(AF_INET, SOCK_STREAM, 0)))
		return 3;
	if (!is_refused(syscall(SYS_execve, "/bin/true", NULL, NULL)) ||
	    !is_refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)))
		return 4;
	if (!is_refused(syscall(SYS_bpf, 0, NULL, 0)) ||
	    !is_refused(syscall(SYS_ptrace, 0, 1, 0, 0)) ||
	    !is_refused(syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0)) ||
	    !is_refused(syscall(SYS_kill, getppid(), 0)) ||
	    !is_refused(syscall(SYS_unlinkat, AT_FDCWD, "/nothing", 0)))
		return 5;
	mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mem != MAP_FAILED && !write(STDOUT_FILENO, "", 0) ? 0 : 6;
}

static void privileges_are_gone_for_good(void **state)
{
	(void)state;
	assert_int_equal(in_child(drop), 0);
}

static void sealed_process_opens_nothing(void **state)
{
	(void)state;
	assert_int_equal(in_child(seal), 0);
}

static void identity_is_that_of_sudos_user(void **state)
{
	struct identity id;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	setenv("SUDO_UID", "1234", 1);
	setenv("SUDO_GID", "5678", 1);
	sandbox_identity(&id);
	assert_int_equal(id.uid, 1234);
	assert_int_equal(id.gid, 5678);
	/* Nonsense, or root itself: nobody. */
	setenv("SUDO_UID", "0", 1);
	sandbox_identity(&id);
	assert_int_not_equal(id.uid, 0);
	assert_int_not_equal(id.gid, 0);
	setenv("SUDO_UID", "12x", 1);
	sandbox_identity(&id);
	assert_true(id.uid != 0 && id.uid != 12);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(privileges_are_gone_for_good),
		cmocka_unit_test(sealed_process_opens_nothing),
		cmocka_unit_test(identity_is_that_of_sudos_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

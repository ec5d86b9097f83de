// SPDX-License-Identifier: GPL-2.0-only
/*
 * As root these run in a private mount namespace, where /etc is a tmpfs that
 * each test fills; namespaces are made by unshare, and a test's own children
 * are all it leaves running for a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "command/command.h"
#include "dns/facts.h"
#include "util/cleanup.h"

#define NETNS_NAME "nswatch-cmd-test"
#define SUBSTITUTE "nameserver 192.0.2.53\n"

static bool is_root;

#define NEEDS_ROOT(name)                                         \
	do {                                                     \
		if (!is_root) {                                  \
			print_message("%s: needs root\n", name); \
			skip();                                  \
		}                                                \
	} while (0)

static void put(const char *path, const char *text)
{
	_cleanup_fclose_ FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
}

static void get(const char *path, char *buf, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
}

static int wait_status(struct command *c)
{
	struct pollfd p = { .fd = command_pidfd(c), .events = POLLIN };

	assert_int_equal(poll(&p, 1, 10000), 1);
	return command_status(c);
}

/* Runs a command with its stdout in a file; returns its status. */
static int run_argv(struct command_options *opt, char *const *argv, char *out, size_t size)
{
	_cleanup_(command_fini) struct command c = COMMAND_INIT;
	/* no tmpfile(): some tests have a read-only root */
	int fd = memfd_create("stdout", MFD_CLOEXEC);
	int saved = dup(STDOUT_FILENO), status, err;
	struct err e = { 0 };
	ssize_t n;

	assert_true(fd >= 0);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	opt->argv = argv;
	err = command_start(&c, opt, &e);
	if (!err)
		err = command_go(&c, &e);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	if (err)
		print_error("%s\n", e.msg);
	assert_int_equal(err, 0);
	status = wait_status(&c);
	n = pread(fd, out, size - 1, 0);
	assert_true(n >= 0);
	out[n] = '\0';
	close(fd);
	return status;
}

static int run(struct command_options *opt, const char *script, char *out, size_t size)
{
	char *const argv[] = { "sh", "-c", (char *)script, NULL };

	return run_argv(opt, argv, out, size);
}

static int status_of(const char *script)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char out[64];

	return run(&opt, script, out, sizeof(out));
}

static void statuses(void **state)
{
	(void)state;
	assert_int_equal(status_of("exit 0"), 0);
	assert_int_equal(status_of("exit 3"), 3);
	assert_int_equal(status_of("exit 255"), 255);
	assert_int_equal(status_of("kill -TERM $$"), 143);
	assert_int_equal(status_of("kill -KILL $$"), 137);
}

static int exec_failure(const char *name, struct err *e)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char *const argv[] = { (char *)name, NULL };
	_cleanup_(command_fini) struct command c = COMMAND_INIT;

	opt.argv = argv;
	assert_int_equal(command_start(&c, &opt, e), 0);
	assert_true(command_go(&c, e) < 0);
	return wait_status(&c);
}

static void exec_failures(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(exec_failure("/no/such/command", &e), 127);
	assert_string_equal(e.msg, "cannot run /no/such/command: No such file or directory");
	assert_int_equal(e.code, -ENOENT);
	assert_int_equal(exec_failure("no-such-command-either", &e), 127);
	assert_int_equal(exec_failure("/dev/null", &e), 126);
	assert_string_equal(e.msg, "cannot run /dev/null: Permission denied");
	assert_int_equal(exec_failure("/", &e), 126);
}

/* What the parent ignores or blocks is not the command's business, except
 * that nohup(1) is. */
static void signals_are_default(void **state)
{
	char *const argv[] = { "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status", NULL };
	struct command_options opt = COMMAND_OPTIONS_INIT;
	unsigned long long blocked, ignored;
	char out[256];
	sigset_t all, old;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	run_argv(&opt, argv, out, sizeof(out)); /* no shell: it would reset the mask */
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	/* Signals 32 and 33 are libc's own; a posix_spawn(3) before us leaves them ignored. */
	assert_int_equal(sscanf(out, "SigBlk:%llx SigIgn:%llx", &blocked, &ignored), 2);
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored & ~0x180000000ULL, 1);
}

static void waits_for_go(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char *const argv[] = { "true", NULL };
	_cleanup_(command_fini) struct command c = COMMAND_INIT;
	struct pollfd p;

	(void)state;
	opt.argv = argv;
	assert_int_equal(command_start(&c, &opt, NULL), 0);
	assert_true(command_pid(&c) > 0);
	p = (struct pollfd){ .fd = command_pidfd(&c), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 100), 0);
	assert_int_equal(command_status(&c), -EAGAIN);
	assert_int_equal(command_go(&c, NULL), 0);
	assert_int_equal(wait_status(&c), 0);
	assert_int_equal(command_status(&c), 0);
	assert_int_equal(command_kill(&c, SIGTERM), -ESRCH);
}

static void never_let_go(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char marker[] = "/tmp/nswatch-cmd-test-XXXXXX";
	char *const argv[] = { "rm", marker, NULL };
	struct command c;
	int fd = mkstemp(marker), copy;

	(void)state;
	opt.argv = argv;
	assert_int_equal(command_start(&c, &opt, NULL), 0);
	copy = dup(c.sock); /* as in a process that was forked meanwhile */
	command_fini(&c);
	close(copy);
	assert_int_equal(command_pid(&c), 0);
	assert_int_equal(access(marker, F_OK), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing left to reap */
	unlink(marker);
	close(fd);
}

/* The caller is killed before it says go: the child must not run on. */
static void caller_dies(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char *const argv[] = { "sleep", "30", NULL };
	int alive[2];
	struct pollfd p;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(alive), 0);
	opt.argv = argv;
	pid = fork();
	if (!pid) {
		struct command cmd;

		close(alive[0]);
		if (!command_start(&cmd, &opt, NULL))
			raise(SIGKILL);
		_exit(1);
	}
	close(alive[1]);
	waitpid(pid, NULL, 0);
	/* The grandchild has the other end until it exits. */
	p = (struct pollfd){ .fd = alive[0], .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(alive[0], &c, 1), 0);
	close(alive[0]);
}

static void killed(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char *const argv[] = { "sleep", "30", NULL };
	_cleanup_(command_fini) struct command c = COMMAND_INIT;

	(void)state;
	opt.argv = argv;
	assert_int_equal(command_start(&c, &opt, NULL), 0);
	assert_int_equal(command_go(&c, NULL), 0);
	assert_int_equal(command_kill(&c, SIGINT), 0);
	assert_int_equal(wait_status(&c), 128 + SIGINT);
}

static void stdout_goes_to_stderr(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char out[64];

	(void)state;
	opt.stdout_to_stderr = true;
	run(&opt, "echo to stderr", out, sizeof(out));
	assert_string_equal(out, "");
}

static void bad_namespace(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	_cleanup_fd_ int null = open("/dev/null", O_RDONLY);
	char *const argv[] = { "true", NULL };
	struct err e = { 0 };
	struct command c;

	(void)state;
	opt.argv = argv;
	opt.netns_fd = null;
	assert_int_equal(command_start(&c, &opt, &e), -EINVAL);
	assert_string_equal(e.msg, "cannot enter the network namespace: Invalid argument");
	assert_int_equal(command_pid(&c), 0);
}

static void new_netns(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	_cleanup_fd_ int fd = -1;
	struct stat st, here, after;
	char out[256], expected[64];

	(void)state;
	NEEDS_ROOT("new_netns");
	stat("/proc/thread-self/ns/net", &here);
	assert_int_equal(command_new_netns(&fd, NULL), 0);
	stat("/proc/thread-self/ns/net", &after);
	assert_int_equal(here.st_ino, after.st_ino);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_ino != here.st_ino);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	snprintf(expected, sizeof(expected), "net:[%lu]\n", (unsigned long)st.st_ino);
	opt.netns_fd = fd;
	assert_int_equal(run(&opt, "readlink /proc/self/ns/net", out, sizeof(out)), 0);
	assert_string_equal(out, expected);
	/* as `unshare -n`: lo alone, and down (IFF_LOOPBACK without IFF_UP) */
	run(&opt, "ip -o link | sed -E 's/(.*<[^>]*>).*/\\1/'", out, sizeof(out));
	assert_string_equal(out, "1: lo: <LOOPBACK>\n");
}

/* The fresh namespace dies with the last descriptor. The kernel frees it some
 * time later; the inode number of nsfs goes with it. */
static void new_netns_is_not_kept(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	_cleanup_fd_ int fd = -1;
	char out[64], script[128];
	struct stat st;

	(void)state;
	NEEDS_ROOT("new_netns_is_not_kept");
	assert_int_equal(command_new_netns(&fd, NULL), 0);
	fstat(fd, &st);
	close(steal_fd(&fd));
	snprintf(script, sizeof(script),
		 "ls -l /proc/[0-9]*/fd /proc/[0-9]*/ns 2>/dev/null |"
		 " grep -c 'net:\\[%lu\\]'",
		 (unsigned long)st.st_ino);
	run(&opt, script, out, sizeof(out));
	assert_string_equal(out, "0\n");
}

static void fill_etc(void)
{
	assert_int_equal(mount("tmpfs", "/etc", "tmpfs", 0, "mode=755"), 0);
	put("/etc/hosts", "127.0.0.1 localhost\n");
}

static int setup_etc(void **state)
{
	(void)state;
	if (!is_root)
		return 0;
	fill_etc();
	return mount("tmpfs", "/run", "tmpfs", 0, "mode=755");
}

static int teardown_etc(void **state)
{
	(void)state;
	if (!is_root)
		return 0;
	umount2("/run", MNT_DETACH);
	return umount2("/etc", MNT_DETACH);
}

static void fixed(const char *script, const char *expected)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char out[512];

	opt.resolv_conf = SUBSTITUTE;
	assert_int_equal(run(&opt, script, out, sizeof(out)), 0);
	assert_string_equal(out, expected);
}

static void fix_dns_regular(void **state)
{
	char text[64];

	(void)state;
	NEEDS_ROOT("fix_dns_regular");
	put("/etc/resolv.conf", "nameserver 127.0.0.53\n");
	fixed("cat /etc/resolv.conf; cat /etc/hosts; stat -c %a /etc/resolv.conf",
	      SUBSTITUTE "127.0.0.1 localhost\n644\n");
	get("/etc/resolv.conf", text, sizeof(text));
	assert_string_equal(text, "nameserver 127.0.0.53\n");
	/* Nothing is left on the directory that was used for staging. */
	fixed("grep -c ' /tmp tmpfs .*size=64k' /proc/mounts; :", "0\n");
}

static void fix_dns_symlink(void **state)
{
	char text[64];

	(void)state;
	NEEDS_ROOT("fix_dns_symlink");
	mkdir("/run/systemd", 0755);
	mkdir("/run/systemd/resolve", 0755);
	put("/run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\n");
	assert_int_equal(symlink("../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"), 0);
	fixed("cat /etc/resolv.conf; readlink /etc/resolv.conf",
	      SUBSTITUTE "../run/systemd/resolve/stub-resolv.conf\n");
	get("/run/systemd/resolve/stub-resolv.conf", text, sizeof(text));
	assert_string_equal(text, "nameserver 127.0.0.53\n");
}

static void fix_dns_dangling(void **state)
{
	char target[64] = "";

	(void)state;
	NEEDS_ROOT("fix_dns_dangling");
	assert_int_equal(symlink("../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"), 0);
	/* /etc itself is what it was, and not an overlay */
	fixed("cat /etc/resolv.conf; cat /etc/hosts; touch /etc/new && rm /etc/new",
	      SUBSTITUTE "127.0.0.1 localhost\n");
	assert_true(readlink("/etc/resolv.conf", target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "../run/systemd/resolve/stub-resolv.conf");
	assert_int_equal(access("/run/systemd", F_OK), -1);
}

static void fix_dns_loop(void **state)
{
	(void)state;
	NEEDS_ROOT("fix_dns_loop");
	assert_int_equal(symlink("resolv.conf", "/etc/resolv.conf"), 0);
	fixed("cat /etc/resolv.conf", SUBSTITUTE);
}

static void fix_dns_missing(void **state)
{
	(void)state;
	NEEDS_ROOT("fix_dns_missing");
	fixed("cat /etc/resolv.conf; cat /etc/hosts", SUBSTITUTE "127.0.0.1 localhost\n");
	assert_int_equal(access("/etc/resolv.conf", F_OK), -1);
}

static void fix_dns_directory(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char *const argv[] = { "true", NULL };
	struct err e = { 0 };
	struct command c;

	(void)state;
	NEEDS_ROOT("fix_dns_directory");
	mkdir("/etc/resolv.conf", 0755);
	opt.argv = argv;
	opt.resolv_conf = SUBSTITUTE;
	assert_true(command_start(&c, &opt, &e) < 0);
	assert_non_null(strstr(e.msg, "cannot mount over /etc/resolv.conf"));
}

/* The whole tree read-only, as on an immutable host or with docker --read-only. */
static void fix_dns_readonly(void **state)
{
	static const char *const dirs[] = { "/", "/etc", "/run" };
	size_t i;

	(void)state;
	NEEDS_ROOT("fix_dns_readonly");
	put("/etc/resolv.conf", "nameserver 127.0.0.53\n");
	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mount(NULL, dirs[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
				 0);
	assert_int_equal(access("/etc", W_OK), -1);
	fixed("cat /etc/resolv.conf", SUBSTITUTE);
	unlink("/etc/resolv.conf");
	assert_int_equal(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL), 0);
}

/* `ip netns exec` of a namespace with the same name gives the same files. */
static void etc_netns(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	_cleanup_fd_ int fd = -1;
	char ours[1024], theirs[1024], text[64];
	static const char script[] = "cat /etc/resolv.conf /etc/hosts; ls /sys/class/net";

	(void)state;
	NEEDS_ROOT("etc_netns");
	mkdir("/etc/netns", 0755);
	mkdir("/etc/netns/" NETNS_NAME, 0755);
	put("/etc/netns/" NETNS_NAME "/resolv.conf", "nameserver 192.0.2.1\n");
	put("/etc/netns/" NETNS_NAME "/hosts", "192.0.2.2 there\n");
	put("/etc/resolv.conf", "nameserver 127.0.0.53\n");
	assert_int_equal(run(&opt, "ip netns add " NETNS_NAME, ours, sizeof(ours)), 0);
	fd = open("/run/netns/" NETNS_NAME, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	run(&opt,
	    "ip netns exec " NETNS_NAME
	    " sh -c 'cat /etc/resolv.conf /etc/hosts; ls /sys/class/net'",
	    theirs, sizeof(theirs));
	opt.netns_fd = fd;
	opt.netns_name = NETNS_NAME;
	assert_int_equal(run(&opt, script, ours, sizeof(ours)), 0);
	assert_string_equal(ours, theirs);
	assert_string_equal(ours, "nameserver 192.0.2.1\n192.0.2.2 there\nlo\n");
	opt.resolv_conf = SUBSTITUTE; /* the option wins over the file */
	run(&opt, "cat /etc/resolv.conf", ours, sizeof(ours));
	assert_string_equal(ours, SUBSTITUTE);
	get("/etc/resolv.conf", text, sizeof(text));
	assert_string_equal(text, "nameserver 127.0.0.53\n");
	opt = (struct command_options)COMMAND_OPTIONS_INIT;
	run(&opt, "ip netns del " NETNS_NAME, ours, sizeof(ours));
}

/* Names that would lead out of /etc/netns bind nothing. */
static void etc_netns_name_is_a_name(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char out[128];

	(void)state;
	NEEDS_ROOT("etc_netns_name_is_a_name");
	mkdir("/etc/netns", 0755);
	mkdir("/etc/evil", 0755);
	put("/etc/evil/hosts", "evil\n");
	put("/etc/netns/hosts", "evil\n");
	opt.netns_name = "../evil";
	run(&opt, "cat /etc/hosts", out, sizeof(out));
	assert_string_equal(out, "127.0.0.1 localhost\n");
	opt.netns_name = ".";
	run(&opt, "cat /etc/hosts", out, sizeof(out));
	assert_string_equal(out, "127.0.0.1 localhost\n");
}

/* A process with other files: what --mount borrows. In a chroot as well, if
 * that is asked for. Returns its pid; it lives until the pipe is closed. */
static pid_t other_container(int *alive, const char *root)
{
	int up[2], down[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	assert_int_equal(pipe2(down, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNS))
			_exit(1);
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
		fill_etc();
		put("/etc/motd", "other\n");
		mkdir("/etc/netns", 0755);
		mkdir("/etc/netns/" NETNS_NAME, 0755);
		put("/etc/netns/" NETNS_NAME "/motd", "not this\n");
		put("/etc/resolv.conf", "nameserver 127.0.0.11\n");
		if (root && chroot(root))
			_exit(1);
		close(down[1]);
		if (write(up[1], "", 1) == 1 && read(down[0], &c, 1) == 0)
			_exit(0);
		_exit(1);
	}
	assert_int_equal(read(up[0], &c, 1), 1);
	close(up[0]);
	close(up[1]);
	close(down[0]);
	*alive = down[1];
	return pid;
}

static int open_proc(pid_t pid, const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void mount_of_another(void **state)
{
	struct command_options opt = COMMAND_OPTIONS_INIT;
	_cleanup_fd_ int netns = -1;
	char out[256], expected[128];
	struct stat st;
	int alive;
	pid_t pid;

	(void)state;
	NEEDS_ROOT("mount_of_another");
	pid = other_container(&alive, NULL);
	assert_int_equal(command_new_netns(&netns, NULL), 0);
	fstat(netns, &st);
	opt.netns_fd = netns;
	opt.netns_name = NETNS_NAME; /* without effect: those are the host's files */
	opt.mntns_fd = open_proc(pid, "ns/mnt", O_RDONLY);
	opt.root_fd = open_proc(pid, "root", O_PATH);
	snprintf(expected, sizeof(expected), "other\nnameserver 127.0.0.11\n/\nnet:[%lu]\n",
		 (unsigned long)st.st_ino);
	run(&opt, "cat /etc/motd /etc/resolv.conf; pwd; readlink /proc/self/ns/net", out,
	    sizeof(out));
	assert_string_equal(out, expected);
	opt.resolv_conf = SUBSTITUTE;
	run(&opt, "cat /etc/motd /etc/resolv.conf", out, sizeof(out));
	assert_string_equal(out, "other\n" SUBSTITUTE);
	/* ... and the other container has its own file still. */
	opt.resolv_conf = NULL;
	run(&opt, "cat /etc/resolv.conf", out, sizeof(out));
	assert_string_equal(out, "nameserver 127.0.0.11\n");
	close(opt.mntns_fd);
	close(opt.root_fd);
	close(alive);
	waitpid(pid, NULL, 0);
}

/* A root that is a plain directory, not a mount: /run/root with the host's
 * programs bound into it. */
static void mount_of_chroot(void **state)
{
	static const char *const dirs[] = { "usr", "bin", "lib", "lib64", "proc" };
	struct command_options opt = COMMAND_OPTIONS_INIT;
	char out[256], from[32], to[32];
	int alive;
	pid_t pid;
	size_t i;

	(void)state;
	NEEDS_ROOT("mount_of_chroot");
	mkdir("/run/root", 0755);
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(from, sizeof(from), "/%s", dirs[i]);
		snprintf(to, sizeof(to), "/run/root/%s", dirs[i]);
		mkdir(to, 0755);
		if (!access(from, F_OK))
			assert_int_equal(mount(from, to, NULL, MS_BIND, NULL), 0);
	}
	mkdir("/run/root/etc", 0755);
	mkdir("/run/root/tmp", 0755);
	put("/run/root/etc/resolv.conf", "nameserver 192.0.2.9\n");
	pid = other_container(&alive, "/run/root");
	opt.mntns_fd = open_proc(pid, "ns/mnt", O_RDONLY);
	opt.root_fd = open_proc(pid, "root", O_PATH);
	run(&opt, "cat /etc/resolv.conf", out, sizeof(out));
	assert_string_equal(out, "nameserver 192.0.2.9\n");
	opt.resolv_conf = SUBSTITUTE;
	run(&opt, "cat /etc/resolv.conf; ls /tmp", out, sizeof(out));
	assert_string_equal(out, SUBSTITUTE);
	close(opt.mntns_fd);
	close(opt.root_fd);
	close(alive);
	waitpid(pid, NULL, 0);
	get("/run/root/etc/resolv.conf", out, sizeof(out));
	assert_string_equal(out, "nameserver 192.0.2.9\n");
}

static void add_upstream(struct dns_facts *f, const char *addr)
{
	assert_true(ipaddr_parse(addr, &f->upstreams[f->nr_upstreams++]));
}

static void fix_dns_text(void **state)
{
	_cleanup_free_ struct dns_facts *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *text = NULL;

	(void)state;
	add_upstream(f, "127.0.0.53");
	add_upstream(f, "192.0.2.1");
	add_upstream(f, "fe80::1");
	add_upstream(f, "0.0.0.0");
	add_upstream(f, "2001:db8::1");
	add_upstream(f, "192.0.2.2");
	add_upstream(f, "192.0.2.3");
	f->resolv.source = RESOLV_HOST;
	f->resolv.conf = (struct resolv_conf){
		.nr_search = 3,
		.search = { "example.com", "evil\nnameserver 203.0.113.1", "corp.example" },
		.ndots = 5,
		.timeout = 5,
		.attempts = 2,
		.edns0 = true,
		.trust_ad = true,
	};
	text = command_fix_dns_text(f, NULL);
	assert_non_null(text);
	assert_string_equal(strchr(text, '\n') + 1, "nameserver 192.0.2.1\n"
						    "nameserver 2001:db8::1\n"
						    "nameserver 192.0.2.2\n"
						    "search example.com corp.example\n"
						    "options ndots:5 edns0\n");
	assert_int_equal(text[0], '#');
}

static void fix_dns_text_plain(void **state)
{
	_cleanup_free_ struct dns_facts *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *text = NULL;

	(void)state;
	add_upstream(f, "192.0.2.1");
	text = command_fix_dns_text(f, NULL);
	assert_non_null(text);
	assert_string_equal(strchr(text, '\n') + 1, "nameserver 192.0.2.1\n");
}

static void fix_dns_text_none(void **state)
{
	_cleanup_free_ struct dns_facts *f = calloc(1, sizeof(*f));
	struct err e = { 0 };

	(void)state;
	assert_null(command_fix_dns_text(f, &e));
	assert_int_equal(e.code, -ENOENT);
	add_upstream(f, "127.0.0.1");
	add_upstream(f, "::1");
	add_upstream(f, "::ffff:127.0.0.1");
	assert_null(command_fix_dns_text(f, &e));
	assert_non_null(strstr(e.msg, "no upstream server"));
}

static int privatize(void)
{
	if (unshare(CLONE_NEWNS))
		return -errno;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ? -errno : 0;
}

#define ETC_TEST(f) cmocka_unit_test_setup_teardown(f, setup_etc, teardown_etc)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(exec_failures),
		cmocka_unit_test(signals_are_default),
		cmocka_unit_test(waits_for_go),
		cmocka_unit_test(never_let_go),
		cmocka_unit_test(caller_dies),
		cmocka_unit_test(killed),
		cmocka_unit_test(stdout_goes_to_stderr),
		cmocka_unit_test(bad_namespace),
		cmocka_unit_test(new_netns),
		cmocka_unit_test(new_netns_is_not_kept),
		ETC_TEST(fix_dns_regular),
		ETC_TEST(fix_dns_symlink),
		ETC_TEST(fix_dns_dangling),
		ETC_TEST(fix_dns_loop),
		ETC_TEST(fix_dns_missing),
		ETC_TEST(fix_dns_directory),
		ETC_TEST(fix_dns_readonly),
		ETC_TEST(etc_netns),
		ETC_TEST(etc_netns_name_is_a_name),
		ETC_TEST(mount_of_another),
		ETC_TEST(mount_of_chroot),
		cmocka_unit_test(fix_dns_text),
		cmocka_unit_test(fix_dns_text_plain),
		cmocka_unit_test(fix_dns_text_none),
	};

	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	is_root = geteuid() == 0 && !privatize();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

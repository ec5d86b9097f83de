// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entering, watching and reading other namespaces. Needs root: each test makes
 * its own namespaces with unshare(2) in children, which take them along when
 * they end. Skipped, saying so, where that is not allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "netns/facts.h"
#include "netns/netns.h"
#include "netns/resolv_file.h"
#include "netns/watch.h"
#include "util/cleanup.h"

#include "child.h"

static int open_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int own_inode(void *arg)
{
	return netns_ident_path("/proc/thread-self/ns/net", arg, NULL);
}

static void test_call(void **state)
{
	struct netns_id home, there, after, expected;
	uint64_t cookie;
	struct child c;
	int fd, before;

	(void)state;
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, NULL, NULL);
	before = open_fds();
	assert_int_equal(netns_home(&home, NULL), 0);
	assert_int_equal(netns_ident_path(c.path, &expected, NULL), 0);
	fd = netns_open(c.path, &expected, NULL);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(netns_call(fd, own_inode, &there, NULL), 0);
	cookie = netns_cookie(fd);
	assert_true(cookie == netns_cookie(fd));
	assert_true(!cookie || cookie != netns_cookie(-1));
	close(fd);
	assert_true(netns_same(&there, &expected));
	assert_false(netns_same(&there, &home));
	assert_int_equal(own_inode(&after), 0);
	assert_true(netns_same(&after, &home));
	assert_int_equal(open_fds(), before);
	reap(&c);
}

static void test_stale(void **state)
{
	struct netns_id first;
	struct err e = { 0 };
	struct child a, b;

	(void)state;
	SPAWN_OR_SKIP(&a, CLONE_NEWNET, NULL, NULL);
	SPAWN_OR_SKIP(&b, CLONE_NEWNET, NULL, NULL);
	assert_int_equal(netns_ident_path(a.path, &first, NULL), 0);
	/* What a reused pid looks like. */
	assert_int_equal(netns_open(b.path, &first, &e), -ESTALE);
	/* What is left of a mount, or is there before it. */
	assert_int_equal(netns_open("/etc/passwd", &first, &e), -ESTALE);
	assert_int_equal(netns_open("/etc/passwd", NULL, &e), -EINVAL);
	reap(&a);
	assert_int_equal(netns_open(a.path, &first, &e), -ENOENT);
	reap(&b);
}

struct events {
	int nsid;
	char log[1024];
};

static void note(void *ctx, int nsid, int msgtype, uint32_t ifindex, const char *ifname)
{
	struct events *ev = ctx;
	size_t len = strlen(ev->log);

	(void)ifindex;
	if (nsid != ev->nsid)
		return;
	snprintf(ev->log + len, sizeof(ev->log) - len, "%s%s ",
		 msgtype == RTM_NEWLINK	  ? "+"
		 : msgtype == RTM_DELLINK ? "-"
		 : msgtype == RTM_DELNSID ? "gone"
					  : "other",
		 ifname);
}

/* Events come in their own time; the word must appear within twenty seconds. */
static bool wait_for(struct netns_watch *w, struct events *ev, const char *word)
{
	struct pollfd p = { .fd = netns_watch_fd(w), .events = POLLIN };
	int tries = 200;

	do {
		assert_int_equal(netns_watch_read(w, note, ev), 0);
		if (strstr(ev->log, word))
			return true;
		poll(&p, 1, 100);
	} while (--tries);
	print_error("no \"%s\" in \"%s\"\n", word, ev->log);
	return false;
}

static bool has_number(struct netns_watch *w, int nsid, const char *path)
{
	_cleanup_fd_ int fd = netns_open(path, NULL, NULL);

	assert_true(fd >= 0);
	return netns_watch_is_number_of(w, nsid, fd);
}

static int watch_child(struct netns_watch *w, const struct child *c)
{
	_cleanup_fd_ int fd = netns_open(c->path, NULL, NULL);

	assert_true(fd >= 0);
	return netns_watch_add(w, fd, NULL);
}

/* No veth leads there, so nobody has given it a number yet. */
static void test_watch(void **state)
{
	struct events ev = { 0 };
	struct netns_watch *w;
	struct child c;
	int before;

	(void)state;
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, NULL, NULL);
	assert_int_equal(netns_watch_open(&w, NULL), 0);
	before = open_fds();
	ev.nsid = watch_child(w, &c);
	assert_true(ev.nsid >= 0);
	assert_int_equal(watch_child(w, &c), ev.nsid);
	assert_int_equal(open_fds(), before);
	assert_true(netns_watch_is_given(w, ev.nsid));
	assert_true(has_number(w, ev.nsid, c.path));
	assert_false(has_number(w, ev.nsid + 1, c.path));
	assert_false(has_number(w, ev.nsid, NETNS_HOME_PATH));

	ip(&c, "link add a0 type veth peer name a1");
	assert_true(wait_for(w, &ev, "+a0"));
	assert_true(wait_for(w, &ev, "+a1"));
	ip(&c, "link set a0 name b0");
	assert_true(wait_for(w, &ev, "+b0"));
	ip(&c, "link add br0 type bridge");
	ip(&c, "link set b0 master br0");
	ip(&c, "link set b0 nomaster");
	assert_true(wait_for(w, &ev, "+br0"));
	/* Leaving a bridge is no removal, though the bridge says it with DELLINK. */
	ip(&c, "link set lo up");
	assert_true(wait_for(w, &ev, "+lo"));
	assert_null(strstr(ev.log, "-b0"));
	ip(&c, "link del b0");
	assert_true(wait_for(w, &ev, "-b0"));
	assert_true(wait_for(w, &ev, "-a1"));

	reap(&c);
	assert_true(wait_for(w, &ev, "gone"));
	assert_false(netns_watch_is_given(w, ev.nsid));
	netns_watch_free(w);
}

static void test_watch_home(void **state)
{
	_cleanup_fd_ int fd = open(NETNS_HOME_PATH, O_RDONLY | O_CLOEXEC);
	struct netns_watch *w;

	(void)state;
	if (netns_watch_open(&w, NULL)) {
		print_message("skipped: needs root\n");
		skip();
	}
	assert_int_equal(netns_watch_add(w, fd, NULL), NETNS_WATCH_HOME);
	netns_watch_free(w);
}

/* A folder that plays the root of a process. */
struct rootdir {
	char path[32];
};

static void make_root(struct rootdir *d)
{
	char path[64];

	strcpy(d->path, "/tmp/nswatch-root-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	snprintf(path, sizeof(path), "%s/etc", d->path);
	assert_return_code(mkdir(path, 0755), errno);
}

static void remove_root(struct rootdir *d)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", d->path);
	assert_int_equal(system(cmd), 0);
}

static const char *in_root(const struct rootdir *d, const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s%s", d->path, file);
	return path;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_resolv_links_stay_inside(void **state)
{
	struct resolv_file f;
	struct rootdir d;
	char inner[64];

	(void)state;
	make_root(&d);
	assert_return_code(mkdir(in_root(&d, "/run"), 0755), errno);
	write_file(in_root(&d, "/run/stub.conf"), "nameserver 192.0.2.7\n");
	assert_return_code(symlink("../../../../run/stub.conf", in_root(&d, "/etc/resolv.conf")),
			   errno);
	assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), 0);
	assert_string_equal(f.path, "/run/stub.conf");
	snprintf(inner, sizeof(inner), "%s/run/stub.conf", d.path);
	assert_string_equal(f.host_path, inner);
	assert_false(f.is_hosts_own);
	assert_int_equal(f.conf.nr_servers, 1);

	/* Absolute: the one in the root, not the host's. */
	unlink(in_root(&d, "/etc/resolv.conf"));
	assert_return_code(symlink("/etc/passwd", in_root(&d, "/etc/resolv.conf")), errno);
	assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), -ENOENT);
	remove_root(&d);
}

/* Between other names of the host, as fast as it goes. */
static void rename_for_ever(void *arg)
{
	const struct rootdir *d = arg;
	char there[64], back[64];

	snprintf(there, sizeof(there), "%s/there", d->path);
	snprintf(back, sizeof(back), "%s/back", d->path);
	if (fork() > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!rename(there, back) && !rename(back, there))
		;
	_exit(0);
}

static void test_resolv_link_while_others_rename(void **state)
{
	struct resolv_file f;
	struct rootdir d;
	struct child c;
	int i;

	(void)state;
	make_root(&d);
	write_file(in_root(&d, "/there"), "");
	write_file(in_root(&d, "/etc/a.conf"), "nameserver 192.0.2.7\n");
	assert_return_code(
		symlink("../../../../etc/../etc/a.conf", in_root(&d, "/etc/resolv.conf")), errno);
	SPAWN_OR_SKIP(&c, 0, rename_for_ever, &d);
	for (i = 0; i < 2000; i++)
		assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), 0);
	reap(&c);
	remove_root(&d);
}

static void test_resolv_hostile_files(void **state)
{
	_cleanup_free_ char *big = calloc(1, RESOLV_FILE_MAX + 2);
	struct resolv_file f;
	struct rootdir d;

	(void)state;
	make_root(&d);
	assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), -ENOENT);
	assert_return_code(mkfifo(in_root(&d, "/etc/resolv.conf"), 0644), errno);
	assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), -EINVAL);
	unlink(in_root(&d, "/etc/resolv.conf"));
	assert_return_code(mkdir(in_root(&d, "/etc/resolv.conf"), 0755), errno);
	assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), -EINVAL);
	rmdir(in_root(&d, "/etc/resolv.conf"));
	assert_return_code(symlink("resolv.conf", in_root(&d, "/etc/resolv.conf")), errno);
	assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), -ELOOP);
	unlink(in_root(&d, "/etc/resolv.conf"));
	assert_return_code(symlink("/proc/self/fd/0", in_root(&d, "/etc/resolv.conf")), errno);
	assert_int_equal(resolv_file_read("/", 0, in_root(&d, "/etc/resolv.conf"), &f), -EXDEV);
	unlink(in_root(&d, "/etc/resolv.conf"));
	assert_non_null(big);
	memset(big, '#', RESOLV_FILE_MAX + 1);
	write_file(in_root(&d, "/etc/resolv.conf"), big);
	assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), -EFBIG);
	big[RESOLV_FILE_MAX] = '\0';
	write_file(in_root(&d, "/etc/resolv.conf"), big);
	assert_int_equal(resolv_file_read(d.path, 0, "/etc/resolv.conf", &f), 0);
	assert_int_equal(f.conf.nr_servers, 0);
	remove_root(&d);
}

/* How long whoever reads a file, and asks for its path, does so without a rest. */
static int busy_ms;

static long ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

ssize_t readlink(const char *path, char *buf, size_t size)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (ms_since(&start) < busy_ms)
		;
	return readlinkat(AT_FDCWD, path, buf, size);
}

/* As a thread that gets little of its CPU. */
static void test_slow_is_not_dead(void **state)
{
	struct resolv_file f;
	struct rootdir d;
	int r;

	(void)state;
	make_root(&d);
	write_file(in_root(&d, "/etc/resolv.conf"), "nameserver 192.0.2.7\n");
	busy_ms = RESOLV_FILE_TIMEOUT_MS;
	r = resolv_file_read(d.path, 0, "/etc/resolv.conf", &f);
	busy_ms = 0;
	assert_int_equal(r, 0);
	assert_string_equal(f.path, "/etc/resolv.conf");
	assert_int_equal(f.conf.nr_servers, 1);
	remove_root(&d);
}

/* As docker does it: a file of the host bound over the container's. */
static void bind_over(void *arg)
{
	const struct rootdir *d = arg;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(in_root(d, "/etc/theirs.conf"), "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
		_exit(1);
}

static void chroot_into(void *arg)
{
	const struct rootdir *d = arg;

	if (chroot(d->path) < 0 || chdir("/") < 0)
		_exit(1);
}

static struct owner owner_of(const struct child *c)
{
	struct owner o = { .pid = (uint32_t)c->pid };
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)c->pid);
	assert_return_code(stat(path, &st), errno);
	o.mntns = (uint32_t)st.st_ino;
	return o;
}

/* As spawn(), with a folder to take away again. */
static void spawn_on_root(struct child *c, void (*inside)(void *), struct rootdir *d)
{
	if (!spawn(c, CLONE_NEWNS, inside, d))
		return;
	remove_root(d);
	print_message("skipped: needs root\n");
	skip();
}

static void test_asker_with_bound_file(void **state)
{
	struct target t = { .kind = TARGET_HOST, .name = "host", .path = NETNS_HOME_PATH };
	struct resolv_file f;
	struct rootdir d;
	struct owner o;
	struct child c;
	char theirs[64];

	(void)state;
	make_root(&d);
	write_file(in_root(&d, "/etc/theirs.conf"), "nameserver 192.0.2.9\n");
	snprintf(theirs, sizeof(theirs), "%s", in_root(&d, "/etc/theirs.conf"));
	spawn_on_root(&c, bind_over, &d);
	o = owner_of(&c);
	facts_read_resolv(&t, &o, 0, NULL, &f);
	assert_int_equal(f.error, 0);
	assert_int_equal(f.source, RESOLV_PROCESS);
	assert_int_equal(f.pid, c.pid);
	assert_string_equal(f.path, "/etc/resolv.conf");
	assert_string_equal(f.host_path, theirs);
	assert_false(f.is_hosts_own);
	assert_int_equal(f.conf.nr_servers, 1);

	/* Somebody else has its pid now. */
	o.mntns++;
	facts_read_resolv(&t, &o, 0, NULL, &f);
	assert_int_equal(f.source, RESOLV_HOST);
	/* It is gone, its parent (this test) is still there. */
	reap(&c);
	facts_read_resolv(&t, &o, (uint32_t)getpid(), NULL, &f);
	assert_int_equal(f.source, RESOLV_PARENT);
	assert_true(f.is_hosts_own);
	remove_root(&d);
}

static void test_asker_in_chroot(void **state)
{
	struct target t = { .kind = TARGET_HOST, .name = "host", .path = NETNS_HOME_PATH };
	struct resolv_file f;
	struct rootdir d;
	struct owner o;
	struct child c;

	(void)state;
	make_root(&d);
	write_file(in_root(&d, "/etc/resolv.conf"), "nameserver 192.0.2.9\n");
	spawn_on_root(&c, chroot_into, &d);
	o = owner_of(&c);
	facts_read_resolv(&t, &o, 0, NULL, &f);
	assert_int_equal(f.source, RESOLV_PROCESS);
	assert_string_equal(f.path, "/etc/resolv.conf");
	assert_string_equal(f.host_path, in_root(&d, "/etc/resolv.conf"));
	reap(&c);
	remove_root(&d);
}

/* The asker is gone; the oldest process of its mount namespace has its files. */
static void test_same_mount_namespace(void **state)
{
	struct target t = { .kind = TARGET_HOST, .name = "host", .path = NETNS_HOME_PATH };
	struct resolv_file f;
	struct rootdir d;
	struct owner o;
	struct child c;

	(void)state;
	make_root(&d);
	write_file(in_root(&d, "/etc/theirs.conf"), "nameserver 192.0.2.9\n");
	spawn_on_root(&c, bind_over, &d);
	o = owner_of(&c);
	o.pid = 2147483647;
	facts_read_resolv(&t, &o, 0, NULL, &f);
	assert_int_equal(f.source, RESOLV_SAME_MNTNS);
	assert_int_equal(f.pid, c.pid);
	assert_int_equal(f.conf.nr_servers, 1);
	reap(&c);
	remove_root(&d);
}

/* A file system whose server never answers, over /etc: every look-up below it
 * sleeps until the server's fd is closed, with the child. */
static void mount_dead_fuse(void *arg)
{
	char options[64];
	int fd = open("/dev/fuse", O_RDWR);

	(void)arg;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("dead", "/etc", "fuse", 0, options) < 0)
		_exit(1);
}

static unsigned int nr_threads(void)
{
	struct stat st;

	assert_return_code(stat("/proc/self/task", &st), errno);
	return (unsigned int)st.st_nlink - 2;
}

/* Who has read a file is gone a moment later. */
static void wait_for_threads(void)
{
	int tries = 1000;

	while (nr_threads() > 1 && --tries)
		usleep(10000);
	assert_int_equal(nr_threads(), 1);
}

static void test_dead_file_system(void **state)
{
	struct target t = { .kind = TARGET_HOST, .name = "host", .path = NETNS_HOME_PATH };
	struct timespec start;
	struct resolv_file f;
	struct owner o;
	struct child c;
	long ms;
	int i;

	(void)state;
	if (spawn(&c, CLONE_NEWNS, mount_dead_fuse, NULL)) {
		print_message("skipped: needs root and /dev/fuse\n");
		skip();
	}
	o = owner_of(&c);
	wait_for_threads();
	clock_gettime(CLOCK_MONOTONIC, &start);
	facts_read_resolv(&t, &o, 0, NULL, &f);
	ms = ms_since(&start);
	assert_int_equal(f.error, ETIMEDOUT);
	assert_int_equal(f.source, RESOLV_PROCESS);
	assert_in_range(ms, RESOLV_FILE_TIMEOUT_MS - 20, RESOLV_FILE_TIMEOUT_MS + 5000);
	/* It is not waited for again, threads do not pile up, others are served. */
	for (i = 0; i < 100; i++)
		facts_read_resolv(&t, &o, 0, NULL, &f);
	assert_in_range(ms_since(&start) - ms, 0, 50 * RESOLV_FILE_TIMEOUT_MS);
	assert_int_equal(nr_threads(), 2);
	assert_int_equal(f.error, ETIMEDOUT);
	assert_int_equal(resolv_file_read("/", 0, "/etc/resolv.conf", &f), 0);
	reap(&c);
	wait_for_threads(); /* for the leak checker: it frees what it had */
}

static void test_facts_of_bare_namespace(void **state)
{
	struct ipaddr loopback, asked;
	struct dns_facts f;
	struct target t;
	struct child c;
	char word[24];
	int before;

	(void)state;
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, NULL, NULL);
	before = open_fds();
	snprintf(word, sizeof(word), "pid:%d", (int)c.pid);
	assert_int_equal(target_resolve(word, &t, NULL), 0);
	assert_false(t.is_host);
	ipaddr_parse("127.0.0.53", &asked);
	assert_int_equal(facts_collect(&t, NULL, 0, &asked, 0, NULL, &f, NULL), 0);
	assert_false(f.lo_up);
	assert_false(f.has_default_route);
	assert_int_equal(f.gateway.family, 0);
	assert_int_equal(f.nr_listeners, 0);
	assert_true(f.nr_servers >= 1);
	assert_true(ipaddr_equal(&f.servers[f.nr_servers - 1].addr, &asked));
	assert_int_equal(f.servers[f.nr_servers - 1].route_errno, ENETUNREACH);
	ip(&c, "link set lo up");
	assert_int_equal(facts_collect(&t, NULL, 0, &asked, 0, NULL, &f, NULL), 0);
	assert_true(f.lo_up);
	assert_int_equal(f.servers[f.nr_servers - 1].route_errno, 0);
	assert_false(f.servers[f.nr_servers - 1].listening);
	ipaddr_parse("::1", &loopback);
	assert_int_equal(facts_collect(&t, NULL, 0, &loopback, 0, NULL, &f, NULL), 0);
	assert_int_equal(f.servers[f.nr_servers - 1].route_errno, 0);
	assert_int_equal(open_fds(), before);
	reap(&c);
	assert_int_not_equal(facts_collect(&t, NULL, 0, NULL, 0, NULL, &f, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_watch_home),
		cmocka_unit_test(test_resolv_links_stay_inside),
		cmocka_unit_test(test_resolv_link_while_others_rename),
		cmocka_unit_test(test_resolv_hostile_files),
		cmocka_unit_test(test_slow_is_not_dead),
		cmocka_unit_test(test_asker_with_bound_file),
		cmocka_unit_test(test_asker_in_chroot),
		cmocka_unit_test(test_same_mount_namespace),
		cmocka_unit_test(test_dead_file_system),
		cmocka_unit_test(test_facts_of_bare_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

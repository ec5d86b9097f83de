// SPDX-License-Identifier: GPL-2.0-only
/*
 * Target words, and a Docker engine that misbehaves. The engine is a thread that
 * sends what the test says over a real unix socket; what a real dockerd sends is
 * for the end-to-end tests.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/containers.h"
#include "target/docker.h"
#include "target/resolvers.h"
#include "target/target.h"
#include "target/unix_http.h"
#include "util/cleanup.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* An answer may take long on a busy machine: its time is not counted as a whole. What is waited
 * for, at each step, is. */
static bool clock_stands;

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (!clock_stands || clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, ts);
	*ts = (struct timespec){ .tv_sec = 1000 };
	return 0;
}

/* An engine that takes connections until it is told to stop. */
struct engine {
	char dir[32], sock[48];
	int listener;
	pthread_t thread;
	const char *answer; /* sent to each request; NULL: never answer */
	size_t len;
	size_t step; /* bytes per send; 0: all at once */
	char request[512];
};

static void answer(struct engine *en, int fd)
{
	size_t sent = 0, n = en->step ? en->step : en->len;
	ssize_t got;

	got = recv(fd, en->request, sizeof(en->request) - 1, 0);
	en->request[got > 0 ? got : 0] = '\0';
	if (!en->answer) /* until the client hangs up */
		(void)!recv(fd, &(char){ 0 }, 1, 0);
	while (en->answer && sent < en->len) {
		size_t now = en->len - sent < n ? en->len - sent : n;
		ssize_t r = send(fd, en->answer + sent, now, MSG_NOSIGNAL);

		if (r < 0)
			break;
		sent += (size_t)r;
	}
	close(fd);
}

static void *serve(void *arg)
{
	struct engine *en = arg;
	int fd;

	while ((fd = accept(en->listener, NULL, NULL)) >= 0)
		answer(en, fd);
	return NULL;
}

static void engine_start(struct engine *en, const char *text, size_t len)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char env[64];

	memset(en, 0, sizeof(*en));
	strcpy(en->dir, "/tmp/nswatch-test-XXXXXX");
	assert_non_null(mkdtemp(en->dir));
	snprintf(en->sock, sizeof(en->sock), "%s/sock", en->dir);
	memcpy(sa.sun_path, en->sock, sizeof(en->sock));
	en->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(en->listener, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_return_code(listen(en->listener, 4), errno);
	en->answer = text;
	en->len = len;
	clock_stands = text != NULL;
	snprintf(env, sizeof(env), "unix://%s", en->sock);
	setenv("DOCKER_HOST", env, 1);
	assert_int_equal(pthread_create(&en->thread, NULL, serve, en), 0);
}

static void engine_stop(struct engine *en)
{
	clock_stands = false;
	shutdown(en->listener, SHUT_RDWR);
	pthread_join(en->thread, NULL);
	close(en->listener);
	unlink(en->sock);
	rmdir(en->dir);
	unsetenv("DOCKER_HOST");
}

static int inspect(const char *text, size_t len, struct docker_container *c, struct err *e)
{
	struct engine en;
	int r;

	engine_start(&en, text, len);
	r = docker_inspect("php", c, e);
	engine_stop(&en);
	return r;
}

static int inspect_text(const char *text, struct docker_container *c, struct err *e)
{
	return inspect(text, strlen(text), c, e);
}

#define OK_HEAD "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"
#define RUNNING                                                                               \
	"{\"Id\":\"" ID "\",\"Name\":\"/php\",\"State\":{\"Status\":\"running\",\"Running\":" \
	"true,\"Pid\":4242}}"

static void test_inspect(void **state)
{
	struct docker_container c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(inspect_text(OK_HEAD "\r\n" RUNNING, &c, &e), 0);
	assert_string_equal(c.name, "php");
	assert_string_equal(c.id, ID);
	assert_int_equal(c.pid, 4242);
	assert_true(c.running);
}

static void test_request_is_http10(void **state)
{
	struct docker_container c;
	struct engine en;

	(void)state;
	engine_start(&en, OK_HEAD "\r\n" RUNNING, strlen(OK_HEAD "\r\n" RUNNING));
	en.step = 1; /* byte by byte */
	assert_int_equal(docker_inspect("php", &c, NULL), 0);
	assert_memory_equal(en.request, "GET /containers/php/json HTTP/1.0\r\n", 35);
	engine_stop(&en);
}

static void test_chunked(void **state)
{
	struct docker_container c;
	char text[1024];
	struct err e = { 0 };
	size_t half = 20;

	(void)state;
	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n"
		 "%zX;ext=1\r\n%s\r\n0\r\n\r\n",
		 half, (int)half, RUNNING, strlen(RUNNING) - half, RUNNING + half);
	assert_int_equal(inspect_text(text, &c, &e), 0);
	assert_int_equal(c.pid, 4242);
}

static void test_broken_answers(void **state)
{
	static const char *const broken[] = {
		"",
		"\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n",
		"HTTP/1.0 200 OK\r\n",
		"HTTP/1.0 200 OK\r\nContent-Length: 5000\r\n\r\n{}",
		"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n{}",
		"HTTP/1.0 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
		OK_HEAD "\r\n{\"Id\":",
		OK_HEAD "\r\n[]",
		OK_HEAD "\r\n\"x\"",
		OK_HEAD "\r\n{}",
		OK_HEAD "\r\n{\"State\":{\"Pid\":\"1\"}}",
		OK_HEAD "\r\n{\"State\":{\"Pid\":-7,\"Running\":true}}",
		OK_HEAD "\r\n{\"State\":{\"Pid\":99999999999,\"Running\":true}}",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
		"HTTP/1.0 500 Oops\r\n\r\n{\"message\":\"\x1b[31mboom\"}",
	};
	struct docker_container c;
	struct err e;
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(broken); i++) {
		memset(&e, 0, sizeof(e));
		r = inspect_text(broken[i], &c, &e);
		if (r != -EPROTO)
			print_error("answer %zu: %d %s\n", i, r, e.msg);
		assert_int_equal(r, -EPROTO);
		assert_true(e.msg[0]);
	}
}

/* Nesting must not run the stack out, nor an endless answer the memory. */
static void test_huge_answers(void **state)
{
	const size_t len = HTTP_MAX_ANSWER + 100000;
	_cleanup_free_ char *text = malloc(len);
	struct docker_container c;
	struct err e = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	memcpy(text, OK_HEAD "\r\n", strlen(OK_HEAD "\r\n"));
	assert_int_equal(inspect(text, len, &c, &e), -EMSGSIZE);
	memset(text + strlen(OK_HEAD "\r\n"), '[', 1000000);
	assert_int_equal(inspect(text, 1000000, &c, &e), -EPROTO);
}

static void test_silent_engine(void **state)
{
	struct timespec a, b;
	struct docker_container c;
	struct err e = { 0 };
	long ms;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(inspect(NULL, 0, &c, &e), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	assert_in_range(ms, CONTAINERS_TIMEOUT_MS - 50, CONTAINERS_TIMEOUT_MS + 1500);
	assert_non_null(strstr(e.msg, "no answer in time"));
}

static void test_no_such_container(void **state)
{
	struct docker_container c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(inspect_text("HTTP/1.0 404 Not Found\r\n\r\n"
				      "{\"message\":\"No such container: php\"}",
				      &c, &e),
			 -ENOENT);
	assert_int_equal(inspect_text("HTTP/1.0 400 Bad Request\r\n\r\n"
				      "{\"message\":\"multiple IDs found with provided prefix\"}",
				      &c, &e),
			 -EEXIST);
}

/* Nothing but a name is ever put into a request. */
static void test_hostile_names(void **state)
{
	static const char *const names[] = { "",       "a b",  "../x",	   "a/b", "a?x=1",
					     "a\r\nX", "-php", "\xc3\xa4", ".",	  "a%2e" };
	struct docker_container c;
	struct engine en;
	size_t i;

	(void)state;
	engine_start(&en, "", 0);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(docker_inspect(names[i], &c, NULL), -ENOENT);
	assert_string_equal(en.request, "");
	engine_stop(&en);
}

static void test_docker_host(void **state)
{
	struct docker_container c;
	struct err e = { 0 };

	(void)state;
	setenv("DOCKER_HOST", "tcp://192.0.2.1:2375", 1);
	assert_int_equal(docker_inspect("php", &c, &e), -ENOTSUP);
	assert_true(e.hint[0]);
	setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
	assert_int_equal(docker_inspect("php", &c, &e), -ECONNREFUSED);
	assert_non_null(strstr(e.msg, "/nonexistent/docker.sock"));
	unsetenv("DOCKER_HOST");
}

static void test_stopped(void **state)
{
	static const char text[] = OK_HEAD "\r\n{\"Id\":\"" ID "\",\"Name\":\"/php\",\"State\":"
					   "{\"Status\":\"exited\",\"Running\":false,\"Pid\":0}}";
	struct err e = { 0 };
	struct engine en;
	struct target t;

	(void)state;
	engine_start(&en, text, strlen(text));
	assert_int_equal(target_resolve("docker:php", &t, &e), -ESRCH);
	assert_string_equal(e.msg, "docker:php: the container is not running (exited)");
	assert_string_equal(e.hint, "docker start php");
	/* A bare name ends there, too: "unknown" would be wrong. */
	assert_int_equal(target_resolve("php", &t, &e), -ESRCH);
	engine_stop(&en);
}

static void keep_last(void *ctx, const struct container *c)
{
	*(struct container *)ctx = *c;
}

static int list(const char *text, struct container *last, struct err *e)
{
	struct engine en;
	int r;

	memset(last, 0, sizeof(*last));
	engine_start(&en, text, text ? strlen(text) : 0);
	r = containers_each(keep_last, last, containers_deadline(text ? 10000 : 100), e);
	engine_stop(&en);
	return r;
}

static void test_list(void **state)
{
	struct err e = { 0 };
	struct container c;
	char label[CONTAINER_LABEL_LEN];

	(void)state;
	assert_int_equal(list(OK_HEAD "\r\n[{\"Id\":\"" ID "\",\"Names\":[\"/php\"],\"State\":"
				      "\"exited\"}]",
			      &c, &e),
			 0);
	assert_int_equal(c.kind, TARGET_DOCKER);
	assert_string_equal(c.id, ID);
	assert_false(c.running);
	assert_int_equal(c.pid, 0);
	container_label(&c, label);
	assert_string_equal(label, "docker:php");
	assert_int_equal(list(OK_HEAD "\r\n{}", &c, &e), -EPROTO);
	assert_int_equal(list(NULL, &c, &e), -ETIMEDOUT);
	assert_non_null(strstr(e.msg, "no answer in time"));
	assert_int_equal(list(OK_HEAD "\r\n[7,{},{\"Id\":7,\"Names\":{}}]", &c, &e), 0);
	assert_string_equal(c.name, "");
}

/* The test itself plays the container, in host mode. */
static void test_running(void **state)
{
	struct err e = { 0 };
	char text[512], path[40];
	struct engine en;
	struct target t;

	(void)state;
	snprintf(text, sizeof(text),
		 OK_HEAD "\r\n{\"Id\":\"" ID "\",\"Name\":\"/php\",\"State\":"
			 "{\"Status\":\"running\",\"Running\":true,\"Pid\":%d}}",
		 (int)getpid());
	engine_start(&en, text, strlen(text));
	assert_int_equal(target_resolve("2147483647", &t, &e), -ESRCH); /* a pid, not an id */
	assert_int_equal(target_resolve("0123456789ab", &t, &e), 0);
	engine_stop(&en);
	assert_int_equal(t.kind, TARGET_DOCKER);
	assert_string_equal(t.name, "php");
	assert_string_equal(t.container, ID);
	assert_int_equal(t.pid, getpid());
	assert_true(t.is_host);
	snprintf(path, sizeof(path), "/proc/%d/root", (int)getpid());
	assert_string_equal(t.files_root, path);
}

static void test_plain_kinds(void **state)
{
	struct err e = { 0 };
	struct target t, by_inode;
	char word[40];
	int fd;

	(void)state;
	assert_int_equal(target_resolve("host", &t, &e), 0);
	assert_int_equal(t.kind, TARGET_HOST);
	assert_true(t.is_host);
	assert_int_equal(target_resolve("new", &t, &e), 0);
	assert_int_equal(t.kind, TARGET_NEW);
	snprintf(word, sizeof(word), "%d", (int)getpid());
	assert_int_equal(target_resolve(word, &t, &e), 0);
	assert_int_equal(t.kind, TARGET_PID);
	assert_int_equal(target_resolve("/proc/self/ns/net", &t, &e), 0);
	assert_int_equal(t.kind, TARGET_PATH);
	assert_true(t.is_host);
	snprintf(word, sizeof(word), "net:[%llu]", (unsigned long long)t.ns.ino);
	assert_int_equal(target_resolve(word, &by_inode, &e), 0);
	assert_int_equal(by_inode.kind, TARGET_HOST);
	assert_true(netns_same(&by_inode.ns, &t.ns));
	fd = target_open(&t, &e);
	assert_true(fd >= 0);
	close(fd);
	t.ns.ino++;
	assert_int_equal(target_open(&t, &e), -ESTALE);
}

static void test_wrong_words(void **state)
{
	static const struct {
		const char *word;
		int code;
	} cases[] = {
		{ "", -EINVAL },
		{ "pid:", -EINVAL },
		{ "pid:0", -EINVAL },
		{ "pid:-1", -EINVAL },
		{ "pid:12x", -EINVAL },
		{ "pid:99999999999999999999", -EINVAL },
		{ "2147483647", -ESRCH },
		{ "path:", -EINVAL },
		{ "path:/dev/null", -EINVAL },
		{ "/proc/self/ns/mnt", -EINVAL }, /* a namespace of another type */
		{ "/nonexistent/ns", -ENOENT },
		{ "host:other", -EINVAL },
		{ "lxc:box", -EINVAL },
		{ "podman:nobody-has-this-name", -ENOENT },
		{ "cri:nobody/has/this", -ENOENT },
		{ "cri:", -ENOENT },
		{ "containerd:nobody-has-this-name", -ENOENT },
		{ "machine:nobody-has-this-name", -ENOENT },
		{ "nobody/has/this", -ENOENT },
		{ "./nothing-here", -ENOENT },
		{ "net:", -EINVAL },
		{ "net:[", -EINVAL },
		{ "net:[12", -EINVAL },
		{ "net:12]", -EINVAL },
		{ "net:[-1]", -EINVAL },
		{ "inode:99999999999999999999", -EINVAL },
		{ "inode:1", -ENOENT },
		{ "netns:", -ENOENT },
		{ "netns:..", -ENOENT },
		{ "netns:a/b", -ENOENT },
		{ "nobody-has-this-name", -ENOENT },
	};
	struct target t;
	struct err e;
	size_t i;

	(void)state;
	setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(&e, 0, sizeof(e));
		if (target_resolve(cases[i].word, &t, &e) != cases[i].code)
			print_error("%s: %d %s\n", cases[i].word, e.code, e.msg);
		assert_int_equal(e.code, cases[i].code);
		assert_true(e.msg[0]);
		assert_true(e.hint[0]);
	}
	unsetenv("DOCKER_HOST");
}

static void test_guess(void **state)
{
	struct target_guess g;

	(void)state;
	target_guess_init(&g, "pph");
	target_guess_offer(&g, "mysql");
	target_guess_offer(&g, "php");
	assert_string_equal(g.best, "php");
	target_guess_init(&g, "php");
	target_guess_offer(&g, "redis");
	target_guess_offer(&g, "shop-php-1");
	assert_string_equal(g.best, "shop-php-1");
	target_guess_offer(&g, "phq");
	assert_string_equal(g.best, "phq");
	target_guess_init(&g, "web");
	target_guess_offer(&g, "db");
	assert_string_equal(g.best, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inspect),
		cmocka_unit_test(test_request_is_http10),
		cmocka_unit_test(test_chunked),
		cmocka_unit_test(test_broken_answers),
		cmocka_unit_test(test_huge_answers),
		cmocka_unit_test(test_silent_engine),
		cmocka_unit_test(test_no_such_container),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_docker_host),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_plain_kinds),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_wrong_words),
		cmocka_unit_test(test_guess),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

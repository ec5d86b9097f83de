// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dns/resolv.h"
#include "util/strbuf.h"

static struct resolv_conf parse(const char *text)
{
	struct resolv_conf c;

	resolv_parse(&c, text, strlen(text));
	return c;
}

static const char *server(const struct resolv_conf *c, unsigned int i)
{
	static char text[IPADDR_STRLEN];
	struct ipaddr a = resolv_server(c, i, NULL);

	ipaddr_format(&a, text);
	return text;
}

static void servers_and_lines(void **state)
{
	struct resolv_conf c = parse("# comment\n"
				     "nameserver 192.0.2.1\n"
				     "\n"
				     "nameserver\t2001:db8::1   # trailing\n"
				     "nameserver fe80::1%eth0\n"
				     "nameserver 192.0.2.4\n"
				     "nameserver not-an-address\n"
				     " \tnameserver 192.0.2.5\n");
	uint32_t line;

	(void)state;
	assert_int_equal(c.nr_servers, 4);
	assert_int_equal(c.nr_servers_total, 4);
	assert_int_equal(c.nr_ignored, 3);
	assert_int_equal(c.ignored[0].line, 6);
	assert_int_equal(c.ignored[0].why, RESOLV_TOO_MANY);
	assert_int_equal(c.ignored[1].line, 7);
	assert_int_equal(c.ignored[1].why, RESOLV_NO_ADDRESS);
	assert_int_equal(c.ignored[2].line, 8);
	assert_int_equal(c.ignored[2].why, RESOLV_INDENTED);
	assert_int_equal(resolv_nr_used(&c), 3);
	assert_string_equal(server(&c, 0), "192.0.2.1");
	assert_string_equal(server(&c, 1), "2001:db8::1");
	assert_string_equal(server(&c, 2), "fe80::1");
	resolv_server(&c, 1, &line);
	assert_int_equal(line, 4);
}

static void no_server_is_localhost(void **state)
{
	struct resolv_conf c = parse("search example.com\n");
	uint32_t line;

	(void)state;
	assert_int_equal(c.nr_servers, 0);
	assert_int_equal(resolv_nr_used(&c), 1);
	assert_string_equal(server(&c, 0), "127.0.0.1");
	resolv_server(&c, 0, &line);
	assert_int_equal(line, 0);
}

static void options(void **state)
{
	struct resolv_conf c = parse("options ndots:5 timeout:1 attempts:9 rotate edns0 trust-ad\n"
				     "options ndots:99 single-request-reopen use-vc\n");

	(void)state;
	assert_int_equal(c.ndots, 15);
	assert_int_equal(c.timeout, 1);
	assert_int_equal(c.attempts, 5);
	assert_true(c.rotate && c.edns0 && c.trust_ad && c.single_request_reopen && c.use_vc);
	assert_false(c.single_request);
	c = parse("");
	assert_int_equal(c.ndots, 1);
	assert_int_equal(c.timeout, 5);
	assert_int_equal(c.attempts, 2);
}

static void last_of_domain_and_search_wins(void **state)
{
	struct resolv_conf c = parse("search a.example b.example\ndomain c.example d.example\n");

	(void)state;
	assert_int_equal(c.nr_search, 1);
	assert_string_equal(c.search[0], "c.example");
	c = parse("domain c.example\nsearch a.example b.example\n");
	assert_int_equal(c.nr_search, 2);
	assert_string_equal(c.search[1], "b.example");
}

static void docker_comments(void **state)
{
	static const struct {
		const char *text;
		unsigned int nr;
		bool host0;
		const char *addr0;
	} cases[] = {
		{ "# ExtServers: [host(127.0.0.53)]\n", 1, true, "127.0.0.53" },
		{ "# ExtServers: [1.1.1.1 host(127.0.0.1)]\n", 2, false, "1.1.1.1" },
		{ "# ExtServers: host(127.0.0.53) 8.8.8.8\n", 2, true, "127.0.0.53" },
		{ "#ExtServers: 8.8.8.8\n", 1, false, "8.8.8.8" },
		{ "# ExtServers: [host(fe80::1%eth0) 2001:db8::1]\n", 2, true, "fe80::1" },
		{ "# ExtServers: []\n", 0, false, "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct resolv_conf c = parse(cases[i].text);
		char text[IPADDR_STRLEN];

		assert_true(c.has_ext_servers);
		assert_int_equal(c.nr_ext, cases[i].nr);
		if (!c.nr_ext)
			continue;
		assert_int_equal(c.ext[0].via_host, cases[i].host0);
		ipaddr_format(&c.ext[0].addr, text);
		assert_string_equal(text, cases[i].addr0);
	}
	assert_false(parse("# Based on host file: '/etc/resolv.conf'\n").has_ext_servers);
}

static void any_bytes(void **state)
{
	static const char text[] = "nameserver 1.2.3.4\0junk\nnameserver \xff\xfe\nsearch \x1b[31m";
	static const char line[] = "nameserver 1.1.1.1\nsearch a b c\noptions ndots:77777777777\n";
	struct resolv_conf c;
	char *big = malloc(100000);
	size_t i;

	(void)state;
	resolv_parse(&c, text, sizeof(text) - 1);
	assert_int_equal(c.nr_search, 1);
	assert_non_null(big);
	for (i = 0; i < 100000; i++)
		big[i] = line[i % (sizeof(line) - 1)];
	resolv_parse(&c, big, 100000);
	assert_int_equal(c.nr_servers, RESOLV_MAX_SERVERS);
	assert_true(c.nr_servers_total > 1000);
	free(big);
}

/* --- the same texts through glibc's own res_init() ---------------------------------------- */

static const char *const texts[] = {
	"nameserver 192.0.2.1\n",
	" nameserver 192.0.2.1\n",
	"nameserver192.0.2.1\n",
	"nameserver\t 192.0.2.1 192.0.2.2\n",
	"nameserver 192.0.2.1;x\n",
	"nameserver 192.0.2.1#x\n",
	"nameserver 192.0.2.1\r\n",
	"nameserver 127.1\n",
	"nameserver 0x7f.1\n",
	"nameserver 010.0.0.1\n",
	"nameserver 300.0.0.1\n",
	"nameserver 1.2.3.4.5\n",
	"nameserver \n",
	"nameserver 192.0.2.1",
	"nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n",
	"nameserver ::ffff:192.0.2.1\nnameserver ::1\n",
	"options ndots:3 timeout:40 attempts:7\n",
	"options ndots:\n",
	"options ndots:x timeout:0 attempts:0\n",
	"options ndots:016\n",
	"optionsndots:3\n",
	"options\tndots:2\ttimeout:2\n",
	"options no-tld-query ndots:4 unknown\n",
	"search a b c\noptions rotate\n",
	"; nameserver 192.0.2.1\n#nameserver 192.0.2.2\n",
	"",
};

static void put_glibc(char *out, size_t size)
{
	struct __res_state r;
	struct strbuf b;
	int i;

	memset(&r, 0, sizeof(r));
	strbuf_init(&b, out, size);
	if (res_ninit(&r))
		return;
	for (i = 0; i < r.nscount; i++) {
		struct ipaddr a = { 0 };

		if (r.nsaddr_list[i].sin_family == AF_INET)
			a = ipaddr_v4(&r.nsaddr_list[i].sin_addr);
		else if (r._u._ext.nsaddrs[i])
			a = ipaddr_v6(&r._u._ext.nsaddrs[i]->sin6_addr);
		ipaddr_put(&b, &a);
		strbuf_putc(&b, ' ');
	}
	strbuf_printf(&b, "%u %d %d %d", r.ndots, r.retrans, r.retry, !!(r.options & RES_ROTATE));
	res_nclose(&r);
}

static void put_ours(const char *text, char *out, size_t size)
{
	struct resolv_conf c = parse(text);
	struct strbuf b;
	unsigned int i;

	strbuf_init(&b, out, size);
	for (i = 0; i < resolv_nr_used(&c); i++) {
		struct ipaddr a = resolv_server(&c, i, NULL);

		ipaddr_put(&b, &a);
		strbuf_putc(&b, ' ');
	}
	strbuf_printf(&b, "%u %u %u %d", c.ndots, c.timeout, c.attempts, c.rotate);
}

/* In a child with a mount namespace of its own, where the file may be laid over. */
static int compare_all(const char *path)
{
	char want[512], got[512];
	size_t i;
	int bad = 0;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL))
		return 77;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *f = fopen(path, "w");

		if (!f)
			return 77;
		fputs(texts[i], f);
		fclose(f);
		want[0] = '\0';
		put_glibc(want, sizeof(want));
		put_ours(texts[i], got, sizeof(got));
		if (!strcmp(want, got))
			continue;
		print_error("text %zu: glibc \"%s\", here \"%s\"\n", i, want, got);
		bad = 1;
	}
	return bad;
}

static void as_glibc(void **state)
{
	char path[] = "/tmp/resolv_test.XXXXXX";
	int fd = mkstemp(path), status;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(compare_all(path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(path);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: laying over /etc/resolv.conf needs root\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_and_lines),
		cmocka_unit_test(no_server_is_localhost),
		cmocka_unit_test(options),
		cmocka_unit_test(last_of_domain_and_search_wins),
		cmocka_unit_test(docker_comments),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(as_glibc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

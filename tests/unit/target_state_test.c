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
#include "target/resolvers.h"
#include "target/statefile.h"
#include "target/survey.h"
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

/* --- what the runtimes write ------------------------------------------------------- */

static void parse(const char *text, json_t **out)
{
	*out = json_loads(text, 0, NULL);
	assert_non_null(*out);
}

static void test_owner_of_a_file(void **state)
{
	_cleanup_(json_decrefp) json_t *mine = NULL, *others = NULL;

	(void)state;
	put("config.json", "{}");
	mine = statefile_json_of(at("config.json"), getuid());
	others = statefile_json_of(at("config.json"), getuid() + 1);
	assert_non_null(mine);
	assert_null(others);
}

/* Debian's conmon 2.1 as podman 4.3 starts it, shortened. */
static const char conmon[] =
	"/usr/bin/conmon\0--api-version\0"
	"1\0-c\0" ID "\0-u\0" ID "\0-r\0/usr/bin/runc\0-b\0/var/lib/containers/storage/"
	"overlay-containers/" ID "/userdata\0-n\0web\0--exit-dir\0"
	"/run/libpod/exits\0--full-attach\0-n\0other";

static void test_conmon(void **state)
{
	static const char exec[] = "conmon\0-c\0" ID "\0-n\0web\0-e\0--exec-attach";
	static const char crio[] = "conmon\0-c\0" ID "\0-n\0k8s_a_b_c_d_0\0--exit-dir\0"
				   "/var/run/crio/exits";
	static const char no_value[] = "conmon\0-c\0" ID "\0-n";
	static const char odd_id[] = "conmon\0-c\0../../x\0-n\0web";
	char long_name[300] = "conmon\0-c\0" ID "\0-n\0";
	struct container c;

	(void)state;
	assert_int_equal(podman_parse_conmon(conmon, sizeof(conmon), &c, 0), 0);
	assert_int_equal(c.kind, TARGET_PODMAN);
	assert_string_equal(c.name, "web");
	assert_string_equal(c.id, ID);
	assert_int_equal(podman_parse_conmon(conmon, sizeof(conmon), &c, 4000000001u), 0);
	assert_string_equal(c.name, "4000000001/web");
	assert_int_equal(podman_parse_conmon(exec, sizeof(exec), &c, 0), -EINVAL);
	assert_int_equal(podman_parse_conmon(crio, sizeof(crio), &c, 0), -EINVAL);
	assert_int_equal(podman_parse_conmon(no_value, sizeof(no_value), &c, 0), -EINVAL);
	assert_int_equal(podman_parse_conmon(odd_id, sizeof(odd_id), &c, 0), -EINVAL);
	assert_int_equal(podman_parse_conmon("", 1, &c, 0), -EINVAL);
	memset(long_name + 7 + 3 + 65 + 3, 'x', 200);
	assert_int_equal(podman_parse_conmon(long_name, sizeof(long_name), &c, 0), 0);
	assert_int_equal(strlen(c.name), TARGET_NAME_LEN - 1);
}

static void test_podman_service(void **state)
{
	static const struct {
		const char *text;
		int code;
		pid_t pid;
		const char *name;
	} cases[] = {
		{ "{\"Id\":\"" ID "\",\"Names\":[\"web\"],\"Pid\":42,\"State\":\"running\"}", 0, 42,
		  "web" },
		{ "{\"Names\":[\"0123456789ab-infra\"],\"IsInfra\":true,\"PodName\":\"shop\"}", 0,
		  0, "shop" },
		{ "{\"Names\":[\"web\"],\"Pid\":-42}", 0, 0, "web" },
		{ "{\"Names\":[\"web\"],\"Pid\":99999999999}", 0, 0, "web" },
		{ "{\"Names\":[\"web\"],\"Pid\":\"42\"}", 0, 0, "web" },
		{ "{\"Names\":[\"\"],\"Pid\":42}", -EPROTO, 0, "" },
		{ "{\"Names\":\"web\"}", -EPROTO, 0, "" },
		{ "[]", -EPROTO, 0, "" },
	};
	struct container c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *j = NULL;

		parse(cases[i].text, &j);
		assert_int_equal(podman_parse_item(j, &c, 0), cases[i].code);
		assert_int_equal(c.pid, cases[i].pid);
		assert_string_equal(c.name, cases[i].name);
	}
}

static void test_toml(void **state)
{
	static const char text[] = "# graphroot = \"/wrong\"\n[storage]\n  graphroot= '/a b'\n"
				   "runroot = \"/run/x\"\ngraphroot_extra = \"/no\"\nempty = \"\"";
	char out[16];

	(void)state;
	assert_true(podman_toml_string(text, "graphroot", out, sizeof(out)));
	assert_string_equal(out, "/a b");
	assert_true(podman_toml_string(text, "runroot", out, sizeof(out)));
	assert_string_equal(out, "/run/x");
	assert_false(podman_toml_string(text, "runroot", out, 6)); /* does not fit */
	assert_false(podman_toml_string(text, "empty", out, sizeof(out)));
	assert_false(podman_toml_string(text, "driver", out, sizeof(out)));
	assert_false(podman_toml_string("graphroot", "graphroot", out, sizeof(out)));
}

static void test_kubernetes_names(void **state)
{
	static const struct {
		const char *notes, *name;
		bool sandbox;
	} cases[] = {
		/* containerd */
		{ "\"io.kubernetes.cri.container-name\":\"nginx\","
		  "\"io.kubernetes.cri.sandbox-name\":\"web-0\","
		  "\"io.kubernetes.cri.sandbox-namespace\":\"default\","
		  "\"io.kubernetes.cri.container-type\":\"container\"",
		  "default/web-0/nginx", false },
		{ "\"io.kubernetes.cri.sandbox-name\":\"web-0\","
		  "\"io.kubernetes.cri.sandbox-namespace\":\"default\","
		  "\"io.kubernetes.cri.container-type\":\"sandbox\"",
		  "default/web-0", true },
		/* CRI-O: the sandbox has a container's name, too */
		{ "\"io.kubernetes.container.name\":\"nginx\",\"io.kubernetes.pod.name\":\"web-0\","
		  "\"io.kubernetes.pod.namespace\":\"prod\","
		  "\"io.kubernetes.cri-o.ContainerType\":\"container\"",
		  "prod/web-0/nginx", false },
		{ "\"io.kubernetes.container.name\":\"POD\",\"io.kubernetes.pod.name\":\"web-0\","
		  "\"io.kubernetes.pod.namespace\":\"prod\","
		  "\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"",
		  "prod/web-0", true },
		/* Podman's containers have some of these keys as well. */
		{ "\"io.container.manager\":\"libpod\",\"io.kubernetes.cri-o.ContainerType\":"
		  "\"container\"",
		  NULL, false },
		{ "\"io.kubernetes.cri.sandbox-name\":7", NULL, false },
		{ "\"io.kubernetes.cri.sandbox-name\":\"\"", NULL, false },
	};
	struct container c;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *j = NULL;

		memset(&c, 0, sizeof(c));
		snprintf(text, sizeof(text), "{\"annotations\":{%s}}", cases[i].notes);
		parse(text, &j);
		assert_int_equal(cri_name(j, &c), cases[i].name != NULL);
		assert_string_equal(c.name, cases[i].name ? cases[i].name : "");
		assert_int_equal(c.sandbox, cases[i].sandbox);
	}
	assert_false(cri_name(NULL, &c));
}

/* Of a name that does not fit, the parts at the end stay whole. */
static void test_long_names(void **state)
{
	_cleanup_(json_decrefp) json_t *j = NULL;
	struct container c = { 0 };
	char pod[101], text[512];

	(void)state;
	memset(pod, 'p', 100);
	pod[100] = '\0';
	snprintf(text, sizeof(text),
		 "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"nginx\","
		 "\"io.kubernetes.cri.sandbox-name\":\"%s\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"a-namespace-of-thirty-letters!!\"}}",
		 pod);
	parse(text, &j);
	assert_true(cri_name(j, &c));
	snprintf(text, sizeof(text), "%s/nginx", pod);
	assert_string_equal(c.name, text);
}

static void test_fits(void **state)
{
	struct container c = { .name = "default/web-0/nginx", .alias = "other", .id = ID };

	(void)state;
	assert_int_equal(container_fits(&c, "default/web-0/nginx"), CONTAINER_FITS_WHOLE);
	assert_int_equal(container_fits(&c, "other"), CONTAINER_FITS_WHOLE);
	assert_int_equal(container_fits(&c, ID), CONTAINER_FITS_WHOLE);
	assert_int_equal(container_fits(&c, "web-0/nginx"), CONTAINER_FITS_PART);
	assert_int_equal(container_fits(&c, "nginx"), CONTAINER_FITS_PART);
	assert_int_equal(container_fits(&c, "0123"), CONTAINER_FITS_PART);
	assert_int_equal(container_fits(&c, "012"), CONTAINER_FITS_NOT);
	assert_int_equal(container_fits(&c, "0-0/nginx"), CONTAINER_FITS_NOT);
	assert_int_equal(container_fits(&c, "web-0"), CONTAINER_FITS_NOT);
	assert_int_equal(container_fits(&c, "/nginx"), CONTAINER_FITS_NOT);
	assert_int_equal(container_fits(&c, ""), CONTAINER_FITS_NOT);
}

static void test_docker_config(void **state)
{
	static const struct {
		const char *text;
		int code;
		pid_t pid;
	} cases[] = {
		{ "{\"Name\":\"/php\",\"State\":{\"Running\":true,\"Pid\":42}}", 0, 42 },
		{ "{\"Name\":\"/php\",\"State\":{\"Running\":false,\"Pid\":42}}", 0, 0 },
		{ "{\"Name\":\"/php\",\"State\":{\"Running\":true,\"Pid\":-42}}", 0, 0 },
		{ "{\"Name\":\"/php\",\"State\":{\"Running\":true,\"Pid\":99999999999}}", 0, 0 },
		{ "{\"Name\":\"/php\",\"State\":[]}", -EPROTO, 0 },
		{ "{\"Name\":\"/\",\"State\":{}}", -EPROTO, 0 },
		{ "{\"Name\":7,\"State\":{}}", -EPROTO, 0 },
		{ "[]", -EPROTO, 0 },
	};
	struct container c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_decrefp) json_t *j = NULL;

		parse(cases[i].text, &j);
		assert_int_equal(docker_state_parse(j, ID, &c), cases[i].code);
		assert_int_equal(c.pid, cases[i].pid);
		assert_false(c.running); /* not before the pid is looked at */
	}
	assert_int_equal(docker_state_parse(NULL, ID, &c), -EPROTO);
}

static void test_machines(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{ "# private\nNAME=box\nSCOPE=machine-box.scope\nSERVICE=\"nspawn\"\n"
		  "CLASS=container\nLEADER=42\n",
		  0 },
		{ "NAME=\"box\"\nCLASS=\"container\"\nLEADER=42", 0 },
		{ "NAME=box\nCLASS=vm\nLEADER=42\n", -EINVAL },
		{ "NAME=box\nCLASS=container\nLEADER=1\n", -EINVAL },
		{ "NAME=box\nCLASS=container\nLEADER=42x\n", -EINVAL },
		{ "NAME=box\nCLASS=container\nLEADER=-42\n", -EINVAL },
		{ "NAME=box\nCLASS=container\n", -EINVAL },
		{ "CLASS=container\nLEADER=42\nXNAME=box\n", -EINVAL },
		{ "NAME=\nCLASS=container\nLEADER=42\n", -EINVAL },
		{ "", -EINVAL },
		{ "\n\n\n=", -EINVAL },
	};
	char unit[MACHINE_UNIT_LEN];
	struct container c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(machine_parse(cases[i].text, &c, unit), cases[i].code);
		if (cases[i].code)
			continue;
		assert_string_equal(c.name, "box");
		assert_int_equal(c.pid, 42);
	}
	machine_parse(cases[0].text, &c, unit);
	assert_string_equal(unit, "machine-box.scope");
}

static void test_nspawn(void **state)
{
	static const char named[] = "systemd-nspawn\0-D\0/srv/other\0--machine=box";
	static const char folder[] = "systemd-nspawn\0-D\0/srv/box//\0/bin/sh";
	static const char image[] = "systemd-nspawn\0--image=box.raw";
	char out[16];

	(void)state;
	assert_true(machine_name_of_args(named, sizeof(named), out, sizeof(out)));
	assert_string_equal(out, "box");
	assert_true(machine_name_of_args(folder, sizeof(folder), out, sizeof(out)));
	assert_string_equal(out, "box");
	assert_true(machine_name_of_args(image, sizeof(image), out, sizeof(out)));
	assert_string_equal(out, "box.raw");
	assert_false(machine_name_of_args("systemd-nspawn", 15, out, sizeof(out)));
	assert_false(machine_name_of_args("systemd-nspawn\0-D\0/", 20, out, sizeof(out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_planted_files),
		cmocka_unit_test(test_pid_files),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_stat_line),
		cmocka_unit_test(test_control_groups),
		cmocka_unit_test(test_recycled_pid),
		cmocka_unit_test(test_owner_of_a_file),
		cmocka_unit_test(test_conmon),
		cmocka_unit_test(test_podman_service),
		cmocka_unit_test(test_toml),
		cmocka_unit_test(test_kubernetes_names),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_docker_config),
		cmocka_unit_test(test_machines),
		cmocka_unit_test(test_nspawn),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

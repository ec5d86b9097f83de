// SPDX-License-Identifier: GPL-2.0-only
#include "target/docker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/facts.h"
#include "target/containers.h"
#include "target/proof.h"
#include "target/resolvers.h"
#include "target/statefile.h"
#include "target/survey.h"
#include "target/unix_http.h"
#include "util/cleanup.h"
#include "util/log.h"

#define DEFAULT_SOCKET "/var/run/docker.sock"
#define MAX_CONTAINERS 8192

/* What the engine takes as a name or an id prefix; nothing else is sent to it. */
static bool valid_name(const char *name)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return *name && strchr(first, *name) && strlen(name) < TARGET_NAME_LEN &&
	       strspn(name + 1,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       strlen(name + 1);
}

static int find_socket(const char **out, struct err *e)
{
	const char *host = getenv("DOCKER_HOST");

	*out = DEFAULT_SOCKET;
	if (!host || !*host)
		return 0;
	if (strncmp(host, "unix://", 7) != 0) {
		err_set(e, -ENOTSUP, "DOCKER_HOST=%s: only an engine on this machine can be asked",
			host);
		err_hint(e, "unset DOCKER_HOST, or set it to unix://PATH");
		return -ENOTSUP;
	}
	*out = host + 7;
	return 0;
}

/* One GET, its JSON on success. Text that is not JSON is bounded by the reader
 * and refused by the parser. */
static int get_json(const char *path, int64_t deadline, json_t **out, int *status, struct err *e)
{
	struct http_answer a;
	json_error_t je;
	const char *sock;
	int r;

	r = find_socket(&sock, e);
	if (!r)
		r = unix_http_get(sock, path, deadline, &a, e);
	if (r == -ENOENT || r == -ECONNREFUSED) {
		err_set(e, -ECONNREFUSED, "no Docker engine answers at %s", sock);
		err_hint(e, "systemctl start docker, or DOCKER_HOST=unix://PATH");
		return -ECONNREFUSED;
	}
	if (r)
		return err_wrap(e, "docker engine");
	*status = a.status;
	*out = json_loadb(a.body, a.len, JSON_REJECT_DUPLICATES, &je);
	http_answer_fini(&a);
	if (!*out)
		return err_set(e, -EPROTO, "docker engine: %s: the answer is not JSON", sock);
	return 0;
}

/* Names come as "/php". */
static void copy_name(char *out, size_t size, const json_t *string)
{
	const char *s = json_is_string(string) ? json_string_value(string) : "";

	snprintf(out, size, "%s", *s == '/' ? s + 1 : s);
}

static int refused(const char *name, int status, const json_t *j, struct err *e)
{
	const json_t *message = json_object_get(j, "message");
	const char *text = json_is_string(message) ? json_string_value(message) : "";

	if (strcasestr(text, "multiple IDs")) {
		err_set(e, -EEXIST, "docker:%s: fits several containers", name);
		err_hint(e, "more digits of the id, or the name");
		return -EEXIST;
	}
	if (status == 404)
		return err_set(e, -ENOENT, "docker:%s: the engine has no such container", name);
	return err_set(e, -EPROTO, "docker:%s: the engine answers %d: %.200s", name, status, text);
}

static int parse_inspect(const char *name, const json_t *j, struct docker_container *out,
			 struct err *e)
{
	const json_t *state = json_object_get(j, "State");
	const json_t *pid = json_object_get(state, "Pid");
	json_int_t n = json_is_integer(pid) ? json_integer_value(pid) : -1;

	if (!json_is_object(state) || n < 0 || n > INT_MAX)
		return err_set(e, -EPROTO, "docker:%s: the engine's answer has no State.Pid", name);
	statefile_string(out->id, sizeof(out->id), json_object_get(j, "Id"));
	copy_name(out->name, sizeof(out->name), json_object_get(j, "Name"));
	statefile_string(out->status, sizeof(out->status), json_object_get(state, "Status"));
	out->running = json_is_true(json_object_get(state, "Running")) && n > 0;
	out->pid = out->running ? (pid_t)n : 0;
	out->inherits_dns =
		!json_array_size(json_object_get(json_object_get(j, "HostConfig"), "Dns"));
	return 0;
}

static int inspect(const char *name, int64_t deadline, struct docker_container *out, struct err *e)
{
	_cleanup_(json_decrefp) json_t *j = NULL;
	char path[TARGET_NAME_LEN + 32];
	int status = 0, r;

	memset(out, 0, sizeof(*out));
	if (!valid_name(name))
		return err_set(e, -ENOENT, "docker:%s: not a container name", name);
	snprintf(path, sizeof(path), "/containers/%s/json", name);
	r = get_json(path, deadline, &j, &status, e);
	if (r)
		return r;
	if (status != 200)
		return refused(name, status, j, e);
	return parse_inspect(name, j, out, e);
}

int docker_inspect(const char *name, struct docker_container *out, struct err *e)
{
	return inspect(name, containers_deadline(CONTAINERS_TIMEOUT_MS), out, e);
}

static void read_item(const json_t *item, struct docker_container *c)
{
	memset(c, 0, sizeof(*c));
	statefile_string(c->id, sizeof(c->id), json_object_get(item, "Id"));
	copy_name(c->name, sizeof(c->name), json_array_get(json_object_get(item, "Names"), 0));
	statefile_string(c->status, sizeof(c->status), json_object_get(item, "State"));
	c->running = !strcmp(c->status, "running") || !strcmp(c->status, "paused");
}

static int get_list(int64_t deadline, json_t **out, struct err *e)
{
	_cleanup_(json_decrefp) json_t *j = NULL;
	int status = 0, r;

	r = get_json("/containers/json?all=1", deadline, &j, &status, e);
	if (r)
		return r;
	if (status != 200 || !json_is_array(j))
		return err_set(e, -EPROTO, "docker engine: no list of containers");
	*out = steal_ptr(j);
	return 0;
}

/*
 * The list tells no pids, and to ask for each costs an exchange. containerd notes
 * them down next to each task's bundle: its own in /run/containerd, or the one
 * that dockerd starts for itself.
 */
static pid_t task_pid(const char *id)
{
	static const char *const folders[] = { DOCKER_TASK_FOLDERS };
	char path[192];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		pid_t pid;

		snprintf(path, sizeof(path), "%s/%s/init.pid", folders[i], id);
		pid = statefile_pid(AT_FDCWD, path);
		if (pid && proof_container(pid, id, 0, 0))
			return pid;
	}
	return 0;
}

static pid_t find_pid(const struct docker_container *c, int64_t deadline)
{
	struct docker_container full;
	pid_t pid;

	if (!c->running || !valid_name(c->id))
		return 0;
	pid = task_pid(c->id);
	if (pid)
		return pid;
	return inspect(c->id, deadline, &full, NULL) ? 0 : full.pid;
}

static void add_instead(struct err *e)
{
	size_t len = strlen(e->msg);

	snprintf(e->msg + len, sizeof(e->msg) - len, "; its state files are read instead");
}

/* An engine that does not answer has containers all the same. */
static int without_engine(struct survey *s, containers_fn fn, void *ctx, int failed, struct err *e)
{
	docker_state_containers(s, fn, ctx, NULL);
	if (failed == -ECONNREFUSED)
		return 0;
	if (e)
		add_instead(e);
	return failed;
}

int docker_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e)
{
	_cleanup_(json_decrefp) json_t *j = NULL;
	struct docker_container d;
	size_t i;
	int r;

	r = get_list(s->deadline, &j, e);
	if (r)
		return without_engine(s, fn, ctx, r, e);
	for (i = 0; i < json_array_size(j) && i < MAX_CONTAINERS; i++) {
		struct container c = { .kind = TARGET_DOCKER };

		read_item(json_array_get(j, i), &d);
		memcpy(c.name, d.name, sizeof(c.name));
		memcpy(c.id, d.id, sizeof(c.id));
		c.running = d.running;
		c.pid = find_pid(&d, s->deadline);
		fn(ctx, &c);
	}
	return 0;
}

/* From the state files, because the engine failed; the message says so. */
static int target_without_engine(const char *name, int failed, struct target *out, struct err *e)
{
	struct survey survey = { 0 }; /* nobody is asked */
	struct err why = { 0 };
	int r;

	r = containers_resolve(&survey, docker_state_containers, "docker", name, out, &why);
	if (r == -ENOENT) /* what the engine's failure means is the caller's to say */
		return failed == -ECONNREFUSED ? -ENOENT : failed;
	if (failed != -ECONNREFUSED && e) {
		add_instead(e);
		log_warn("%s", e->msg);
	}
	if (r && e)
		*e = why;
	return r;
}

/* No engine means no such container, for a bare name; with the kind spelled out
 * it is the reason. The message tells both apart. */
int target_docker(const char *name, struct target *out, struct err *e)
{
	struct docker_container c;
	int r;

	r = docker_inspect(name, &c, e);
	if (r == -ECONNREFUSED || r == -ETIMEDOUT)
		return target_without_engine(name, r, out, e);
	if (r)
		return r;
	if (!c.running) {
		err_set(e, -ESRCH, "docker:%s: the container is not running (%s)", c.name,
			c.status);
		err_hint(e, "docker start %s", c.name);
		return -ESRCH;
	}
	target_set_pid(out, c.pid);
	out->inherits_dns = c.inherits_dns;
	memcpy(out->name, c.name, sizeof(out->name));
	memcpy(out->container, c.id, sizeof(out->container));
	return 0;
}

/* "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, ...], or null. */
static void add_published(const char *port, const json_t *hosts, struct published *out,
			  uint32_t max, uint32_t *n)
{
	const json_t *host = json_object_get(json_array_get(hosts, 0), "HostPort");
	const char *proto = strchr(port, '/');
	struct published p = {
		.proto = proto && !strcmp(proto, "/udp") ? IPPROTO_UDP : IPPROTO_TCP,
		.port = (uint16_t)strtoul(port, NULL, 10),
		.host_port = (uint16_t)strtoul(json_is_string(host) ? json_string_value(host) : "0",
					       NULL, 10),
	};

	if (p.port && p.host_port && *n < max)
		out[(*n)++] = p;
}

static int inspect_json(const char *id, json_t **j, struct err *e)
{
	char path[TARGET_NAME_LEN + 32];
	int status = 0, r;

	if (!valid_name(id))
		return err_set(e, -ENOENT, "docker:%s: not a container name", id);
	snprintf(path, sizeof(path), "/containers/%s/json", id);
	r = get_json(path, containers_deadline(CONTAINERS_TIMEOUT_MS), j, &status, e);
	if (!r && status != 200)
		r = refused(id, status, *j, e);
	return r;
}

int docker_published(const char *id, struct published *out, uint32_t max, uint32_t *n,
		     struct err *e)
{
	_cleanup_(json_decrefp) json_t *j = NULL, *other = NULL;
	const json_t *mode, *ports, *hosts;
	const char *port;
	int r;

	*n = 0;
	r = inspect_json(id, &j, e);
	if (r)
		return r;
	mode = json_object_get(json_object_get(j, "HostConfig"), "NetworkMode");
	if (json_is_string(mode) && !strncmp(json_string_value(mode), "container:", 10))
		r = inspect_json(json_string_value(mode) + 10, &other, e);
	if (r)
		return r;
	ports = json_object_get(json_object_get(other ? other : j, "NetworkSettings"), "Ports");
	json_object_foreach((json_t *)ports, port, hosts) add_published(port, hosts, out, max, n);
	return 0;
}

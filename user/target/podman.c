// SPDX-License-Identifier: GPL-2.0-only
/*
 * Podman has no daemon. Each container has a monitor, conmon, which is the
 * parent of its main process and carries the name and the id in its arguments.
 * That holds wherever the storage is, for root and for users, and nothing that a
 * user wrote has to be believed: whose the monitor is and whose child the
 * process is, the kernel knows.
 *
 * Names of containers that do not run, and those whose monitor has died, come
 * from the storage. The API socket is asked last, and only if the state has not
 * told: behind it is mostly nobody, and asking starts the service.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "target/proof.h"
#include "target/resolvers.h"
#include "target/statefile.h"
#include "target/survey.h"
#include "target/unix_http.h"
#include "util/cleanup.h"

#define MAX_CONTAINERS 8192
#define API_SOCKET     "/run/podman/podman.sock"
#define API_LIST       "/v4.0.0/libpod/containers/json?all=true"

static const char *const traces[] = { "/usr/bin/podman", "/usr/local/bin/podman",
				      "/run/libpod",	 "/run/containers/storage",
				      "/usr/bin/conmon", NULL };

/* Without asking the network who somebody is. */
static void user_name(uid_t uid, char *out, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/passwd", "re");
	struct passwd *pw;

	snprintf(out, size, "%u", (unsigned int)uid);
	while (f && (pw = fgetpwent(f)))
		if (pw->pw_uid == uid) {
			snprintf(out, size, "%s", pw->pw_name);
			return;
		}
}

/* Names of users' containers start with the user's. */
static void set_name(struct container *c, uid_t uid, const char *name)
{
	char user[64];

	if (!uid) {
		snprintf(c->name, sizeof(c->name), "%s", name);
		return;
	}
	user_name(uid, user, sizeof(user));
	snprintf(c->name, sizeof(c->name), "%s/%s", user, name);
}

static bool is_infra(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");

	return n == 12 && !strcmp(name + n, "-infra");
}

/*
 * A pod is nothing that the kernel knows. Its infra container holds the
 * namespaces and has the pod's name for a host name, if no other was chosen.
 */
static void name_pod(struct container *c, uid_t uid, const char *infra, const char *bundle)
{
	_cleanup_(json_decrefp) json_t *config = NULL;
	const char *host;
	char path[PATH_MAX];

	c->sandbox = true;
	if (snprintf(path, sizeof(path), "%s/config.json", bundle) >= (int)sizeof(path))
		return;
	config = statefile_json_of(path, uid);
	host = json_string_value(json_object_get(config, "hostname"));
	if (!host || !*host)
		return;
	set_name(c, uid, host);
	snprintf(c->alias, sizeof(c->alias), "%s", infra);
}

/* A monitor of `podman exec` says the same, but its child is not the container. */
static bool is_exec(const char *args, size_t len)
{
	const char *p;

	for (p = args; p < args + len; p += strlen(p) + 1)
		if (!strcmp(p, "-e") || !strcmp(p, "--exec-process-spec"))
			return true;
	return false;
}

int podman_parse_conmon(const char *args, size_t len, struct container *c, uid_t uid)
{
	const char *id = survey_option(args, len, "-c"), *name = survey_option(args, len, "-n");
	const char *exits = survey_option(args, len, "--exit-dir");

	memset(c, 0, sizeof(*c));
	/* CRI-O's are of the same kind, but named by what Kubernetes calls them. */
	if (!id || !name || !*name || strlen(id) != 64 || strspn(id, "0123456789abcdef") != 64 ||
	    is_exec(args, len) || (exits && strstr(exits, "/crio/")))
		return -EINVAL;
	c->kind = TARGET_PODMAN;
	memcpy(c->id, id, 65);
	set_name(c, uid, name);
	return 0;
}

static int look_at_conmon(const struct monitor *m, struct container *c)
{
	const char *name, *bundle;
	char args[8192];
	ssize_t len;

	len = proof_read(m->pid, "cmdline", args, sizeof(args));
	if (len <= 0 || podman_parse_conmon(args, (size_t)len, c, m->uid))
		return -EINVAL;
	c->pid = proof_child(m->pid);
	if (c->pid && m->uid && !proof_in_userns_of(c->pid, m->uid))
		c->pid = 0;
	c->running = c->pid != 0;
	name = survey_option(args, (size_t)len, "-n");
	bundle = survey_option(args, (size_t)len, "-b");
	if (name && bundle && is_infra(name))
		name_pod(c, m->uid, name, bundle);
	return c->running ? 0 : -ESRCH;
}

/* --- the storage ------------------------------------------------------------ */

/* key = "VALUE" of a TOML file that is as simple as storage.conf(5). */
bool podman_toml_string(const char *text, const char *key, char *out, size_t size)
{
	size_t n = strlen(key), len;
	const char *p, *line;

	for (line = text; line; line = strchr(line, '\n')) {
		line += strspn(line, "\n \t");
		if (strncmp(line, key, n) != 0)
			continue;
		p = line + n + strspn(line + n, " \t");
		if (*p != '=')
			continue;
		p += 1 + strspn(p + 1, " \t");
		if (*p != '"' && *p != '\'')
			continue;
		len = strcspn(p + 1, "\"'\n");
		if (!len || len >= size)
			return false;
		memcpy(out, p + 1, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

struct roots {
	char graph[256], run[256];
};

static void find_roots(struct roots *r)
{
	static const char *const files[] = { "/etc/containers/storage.conf",
					     "/usr/share/containers/storage.conf" };
	size_t i;

	snprintf(r->graph, sizeof(r->graph), "%s", "/var/lib/containers/storage");
	snprintf(r->run, sizeof(r->run), "%s", "/run/containers/storage");
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *text = NULL;

		if (statefile_read(AT_FDCWD, files[i], 65536, &text) < 0 || !text)
			continue;
		podman_toml_string(text, "graphroot", r->graph, sizeof(r->graph));
		podman_toml_string(text, "runroot", r->run, sizeof(r->run));
		return;
	}
}

struct found {
	containers_fn fn;
	void *ctx;
	char (*ids)[TARGET_ID_LEN]; /* those given already */
	size_t n, room;
};

static void give(struct found *f, const struct container *c)
{
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 32;
		void *grown = reallocarray(f->ids, room, sizeof(*f->ids));

		if (!grown)
			return;
		f->ids = grown;
		f->room = room;
	}
	memcpy(f->ids[f->n++], c->id, TARGET_ID_LEN);
	f->fn(f->ctx, c);
}

static bool given(const struct found *f, const char *id)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (!strcmp(f->ids[i], id))
			return true;
	return false;
}

/* One item of containers.json, which Buildah and CRI-O share. */
static bool is_podmans(const json_t *item)
{
	const json_t *metadata = json_object_get(item, "metadata");
	const char *text = json_string_value(metadata);

	return text && strstr(text, "\"name\"") && !strstr(text, "\"pod-id\"");
}

static void look_at_stored(struct found *f, const struct roots *r, const char *driver,
			   const json_t *item)
{
	struct container c = { .kind = TARGET_PODMAN };
	char path[PATH_MAX];

	statefile_string(c.id, sizeof(c.id), json_object_get(item, "id"));
	statefile_string(c.name, sizeof(c.name), json_array_get(json_object_get(item, "names"), 0));
	if (!c.name[0] || strlen(c.id) != 64 || strchr(c.id, '/') || !is_podmans(item) ||
	    given(f, c.id))
		return;
	snprintf(path, sizeof(path), "%s/%s/%s/userdata/pidfile", r->run, driver, c.id);
	c.pid = statefile_pid(AT_FDCWD, path);
	if (c.pid && !proof_container(c.pid, c.id, 0, 0))
		c.pid = 0;
	c.running = c.pid != 0;
	give(f, &c);
}

/* The drivers' folders are overlay-containers, vfs-containers... */
static void look_at_storage(struct found *f)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct roots r;
	const char *name;

	find_roots(&r);
	d = statefile_dir(AT_FDCWD, r.graph);
	while (d && (name = statefile_next(d))) {
		_cleanup_(json_decrefp) json_t *list = NULL;
		char path[PATH_MAX];
		size_t i, len = strlen(name);

		if (len < 11 || strcmp(name + len - 11, "-containers") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s/containers.json", r.graph, name);
		list = statefile_json(AT_FDCWD, path);
		for (i = 0; i < json_array_size(list) && i < MAX_CONTAINERS; i++)
			look_at_stored(f, &r, name, json_array_get(list, i));
	}
}

int podman_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e)
{
	struct found f = { .fn = fn, .ctx = ctx };
	const struct monitor *m;
	struct container c;
	size_t i, n;

	(void)e;
	if (!survey_any_exists(traces))
		return 0;
	m = survey_monitors(s, &n);
	for (i = 0; i < n; i++)
		if (m[i].kind == MONITOR_CONMON && !look_at_conmon(&m[i], &c))
			give(&f, &c);
	look_at_storage(&f);
	free(f.ids);
	return 0;
}

/* --- the API ------------------------------------------------------------------ */

static const char *api_socket(void)
{
	const char *host = getenv("CONTAINER_HOST");

	return host && !strncmp(host, "unix://", 7) ? host + 7 : API_SOCKET;
}

/* A user's service may say any pid: then it must be one of the user's. */
static bool is_true(const struct container *c, uid_t owner)
{
	return proof_container(c->pid, c->id, 0, owner) &&
	       (!owner || proof_in_userns_of(c->pid, owner));
}

int podman_parse_item(const json_t *item, struct container *c, uid_t owner)
{
	const char *name = json_string_value(json_array_get(json_object_get(item, "Names"), 0));
	const char *pod = json_string_value(json_object_get(item, "PodName"));
	const json_t *pid = json_object_get(item, "Pid");
	json_int_t n = json_is_integer(pid) ? json_integer_value(pid) : 0;

	memset(c, 0, sizeof(*c));
	c->kind = TARGET_PODMAN;
	if (!name || !*name)
		return -EPROTO;
	statefile_string(c->id, sizeof(c->id), json_object_get(item, "Id"));
	c->sandbox = json_is_true(json_object_get(item, "IsInfra"));
	set_name(c, owner, c->sandbox && pod && *pod ? pod : name);
	if (c->sandbox)
		snprintf(c->alias, sizeof(c->alias), "%s", name);
	c->pid = n > 0 && n <= INT_MAX ? (pid_t)n : 0;
	return 0;
}

static int api_list(const char *sock, int64_t deadline, json_t **out, struct err *e)
{
	struct http_answer a;
	int status, r;

	r = unix_http_get(sock, API_LIST, deadline, &a, e);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return -ENOENT;
	if (r)
		return err_wrap(e, "podman service");
	status = a.status;
	*out = json_loadb(a.body, a.len, JSON_REJECT_DUPLICATES, NULL);
	http_answer_fini(&a);
	if (status == 200 && json_is_array(*out))
		return 0;
	json_decref(*out);
	*out = NULL;
	return err_set(e, -EPROTO, "podman service: %s: no list of containers", sock);
}

int podman_api_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e)
{
	_cleanup_(json_decrefp) json_t *list = NULL;
	const char *sock = api_socket();
	struct container c;
	struct stat st;
	size_t i;
	int r;

	if (stat(sock, &st) < 0)
		return 0;
	r = api_list(sock, s->deadline, &list, e);
	if (r)
		return r == -ENOENT ? 0 : r;
	for (i = 0; i < json_array_size(list) && i < MAX_CONTAINERS; i++) {
		if (podman_parse_item(json_array_get(list, i), &c, st.st_uid))
			continue;
		if (c.pid && !is_true(&c, st.st_uid))
			c.pid = 0;
		c.running = c.pid != 0;
		fn(ctx, &c);
	}
	return 0;
}

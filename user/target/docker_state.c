// SPDX-License-Identifier: GPL-2.0-only
/*
 * Docker's containers without the engine: with live-restore, or after its crash,
 * they run on. Each has a folder in the engine's data root with its name in
 * config.v2.json. Where the data root is, the bundle of a running task tells,
 * since the container's hosts and resolv.conf are mounted from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "target/docker.h"
#include "target/proof.h"
#include "target/resolvers.h"
#include "target/statefile.h"
#include "util/cleanup.h"

#define MAX_CONTAINERS 8192

static const char *const task_folders[] = { DOCKER_TASK_FOLDERS };

int docker_state_parse(const json_t *config, const char *id, struct container *c)
{
	const json_t *state = json_object_get(config, "State");
	const char *name = json_string_value(json_object_get(config, "Name"));
	const json_t *pid = json_object_get(state, "Pid");
	json_int_t n = json_is_integer(pid) ? json_integer_value(pid) : 0;

	memset(c, 0, sizeof(*c));
	c->kind = TARGET_DOCKER;
	if (!name || !json_is_object(state) || strlen(id) >= sizeof(c->id))
		return -EPROTO;
	name += *name == '/';
	if (!*name)
		return -EPROTO;
	snprintf(c->id, sizeof(c->id), "%s", id);
	snprintf(c->name, sizeof(c->name), "%s", name);
	if (json_is_true(json_object_get(state, "Running")) && n > 0 && n <= INT_MAX)
		c->pid = (pid_t)n;
	return 0;
}

/* The engine may have died before it could note down that the container did. */
static void verify(struct container *c)
{
	if (c->pid && !proof_container(c->pid, c->id, 0, 0))
		c->pid = 0;
	c->running = c->pid != 0;
}

/* The folder of the container's own files, from what is mounted into it. */
static bool folder_of_task(const json_t *bundle, const char *id, char *out, size_t size)
{
	const json_t *mounts = json_object_get(bundle, "mounts");
	char tail[TARGET_ID_LEN + 16];
	size_t i;

	snprintf(tail, sizeof(tail), "/containers/%s/", id);
	for (i = 0; i < json_array_size(mounts); i++) {
		const json_t *mount = json_array_get(mounts, i);
		const char *source = json_string_value(json_object_get(mount, "source"));
		const char *at = source && *source == '/' ? strstr(source, tail) : NULL;

		if (!at || strchr(at + strlen(tail), '/') ||
		    (size_t)(at - source) + strlen(tail) >= size)
			continue;
		snprintf(out, size, "%.*s", (int)(at - source + (int)strlen(tail)), source);
		return true;
	}
	return false;
}

static int look_at_task(int folder, const char *id, struct container *c)
{
	_cleanup_(json_decrefp) json_t *bundle = NULL, *config = NULL;
	char path[NAME_MAX + 16], home[PATH_MAX - 32], file[PATH_MAX];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/init.pid", id);
	pid = statefile_pid(folder, path);
	snprintf(path, sizeof(path), "%s/config.json", id);
	bundle = statefile_json(folder, path);
	if (!bundle || strlen(id) >= sizeof(c->id))
		return -ENOENT;
	if (folder_of_task(bundle, id, home, sizeof(home))) {
		snprintf(file, sizeof(file), "%sconfig.v2.json", home);
		config = statefile_json(AT_FDCWD, file);
	}
	if (docker_state_parse(config, id, c)) {
		/* All that is left of its name. */
		snprintf(c->id, sizeof(c->id), "%s", id);
		snprintf(c->name, sizeof(c->name), "%.12s", id);
	}
	c->pid = pid;
	verify(c);
	return 0;
}

struct found {
	containers_fn fn;
	void *ctx;
	json_t *ids; /* those given already */
};

static void give(struct found *f, const struct container *c)
{
	if (json_object_get(f->ids, c->id))
		return;
	json_object_set_new(f->ids, c->id, json_true());
	f->fn(f->ctx, c);
}

static void each_task(struct found *f)
{
	struct container c;
	const char *id;
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(task_folders); i++) {
		_cleanup_closedir_ DIR *d = statefile_dir(AT_FDCWD, task_folders[i]);

		while (d && (id = statefile_next(d)) && n++ < MAX_CONTAINERS)
			if (!look_at_task(dirfd(d), id, &c))
				give(f, &c);
	}
}

/* data-root of daemon.json(5), "graph" in its youth, else the default. */
static void find_root(char *out, size_t size)
{
	_cleanup_(json_decrefp) json_t *j = statefile_json(AT_FDCWD, "/etc/docker/daemon.json");
	const char *root = json_string_value(json_object_get(j, "data-root"));

	if (!root)
		root = json_string_value(json_object_get(j, "graph"));
	snprintf(out, size, "%s", root && *root == '/' ? root : "/var/lib/docker");
}

static void each_stored(struct found *f)
{
	_cleanup_closedir_ DIR *d = NULL;
	char path[PATH_MAX], root[PATH_MAX - 32];
	struct container c;
	const char *id;
	size_t n = 0;

	find_root(root, sizeof(root));
	snprintf(path, sizeof(path), "%s/containers", root);
	d = statefile_dir(AT_FDCWD, path);
	while (d && (id = statefile_next(d)) && n++ < MAX_CONTAINERS) {
		_cleanup_(json_decrefp) json_t *config = NULL;
		char file[NAME_MAX + 32];

		snprintf(file, sizeof(file), "%s/config.v2.json", id);
		config = statefile_json(dirfd(d), file);
		if (docker_state_parse(config, id, &c))
			continue;
		verify(&c);
		give(f, &c);
	}
}

int docker_state_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e)
{
	_cleanup_(json_decrefp) json_t *ids = json_object();
	struct found f = { fn, ctx, ids };

	(void)s;
	if (!ids)
		return err_sys(e, -ENOMEM, "docker's state");
	each_task(&f);
	each_stored(&f);
	return 0;
}

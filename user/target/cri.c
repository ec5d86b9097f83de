// SPDX-License-Identifier: GPL-2.0-only
/*
 * What containerd and CRI-O run, from the bundles they keep below /run: the OCI
 * configuration with the names that Kubernetes gave, and the pid beside it. No
 * daemon is asked, so it works when that is down, too. A container that does not
 * run has no bundle.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "target/proof.h"
#include "target/resolvers.h"
#include "target/statefile.h"
#include "target/survey.h"
#include "util/cleanup.h"

#define MAX_CONTAINERS 16384

/* state of containerd's configuration, as the distributions of Kubernetes have it. */
static const char *const task_folders[] = {
	"/run/containerd/io.containerd.runtime.v2.task",
	"/run/k3s/containerd/io.containerd.runtime.v2.task",
	"/run/k0s/containerd/io.containerd.runtime.v2.task",
	"/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
};

/* Docker's containers are found by Docker's names. */
#define DOCKERS "moby"

#define CRIO_FOLDER "/run/containers/storage"

/* Who calls the three parts of a name what, and what marks a pod's sandbox. */
static const struct {
	const char *namespace, *pod, *container, *type;
} dialects[] = {
	/* containerd: pkg/cri/annotations */
	{ "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name",
	  "io.kubernetes.cri.container-name", "io.kubernetes.cri.container-type" },
	/* CRI-O: the kubelet's labels, and pkg/annotations */
	{ "io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.container.name",
	  "io.kubernetes.cri-o.ContainerType" },
};

/* NAMESPACE/POD/CONTAINER; of what is too long the end is kept, which is what
 * people type. */
static void join(char *out, const char *a, const char *b, const char *c)
{
	char whole[1024], *p = whole;

	snprintf(whole, sizeof(whole), "%.300s%s%.300s%s%.300s", a, *a ? "/" : "", b, c ? "/" : "",
		 c ? c : "");
	while (strlen(p) >= TARGET_NAME_LEN && strchr(p, '/'))
		p = strchr(p, '/') + 1;
	snprintf(out, TARGET_NAME_LEN, "%s", p);
}

static const char *get(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

bool cri_name(const json_t *config, struct container *c)
{
	const json_t *notes = json_object_get(config, "annotations");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dialects); i++) {
		const char *namespace = get(notes, dialects[i].namespace);
		const char *pod = get(notes, dialects[i].pod);
		const char *container = get(notes, dialects[i].container);
		const char *type = get(notes, dialects[i].type);

		if (!pod || !*pod)
			continue;
		c->sandbox = (type && !strcmp(type, "sandbox")) || !container;
		join(c->name, namespace ? namespace : "", pod, c->sandbox ? NULL : container);
		return true;
	}
	return false;
}

/* A container that knows nothing of pods: NAMESPACE/ID, or nerdctl's name. */
static void name_plain(const json_t *config, const char *namespace, struct container *c)
{
	const char *name = get(json_object_get(config, "annotations"), "nerdctl/name");

	join(c->name, namespace, name && *name ? name : c->id, NULL);
}

/* One bundle: folder/ID. */
static int look_at_task(int folder, const char *namespace, const char *id, struct container *c)
{
	_cleanup_(json_decrefp) json_t *config = NULL;
	char path[NAME_MAX + 16];

	memset(c, 0, sizeof(*c));
	c->kind = TARGET_CRI;
	if (strlen(id) >= sizeof(c->id))
		return -ENAMETOOLONG;
	snprintf(c->id, sizeof(c->id), "%s", id);
	snprintf(path, sizeof(path), "%s/init.pid", id);
	c->pid = statefile_pid(folder, path);
	if (!c->pid || !proof_container(c->pid, id, 0, 0))
		return -ESRCH;
	c->running = true;
	snprintf(path, sizeof(path), "%s/config.json", id);
	config = statefile_json(folder, path);
	if (!cri_name(config, c))
		name_plain(config, namespace, c);
	return 0;
}

static void look_at_namespace(int parent, const char *namespace, containers_fn fn, void *ctx)
{
	_cleanup_closedir_ DIR *d = statefile_dir(parent, namespace);
	struct container c;
	const char *id;
	size_t n = 0;

	while (d && (id = statefile_next(d)) && n++ < MAX_CONTAINERS)
		if (!look_at_task(dirfd(d), namespace, id, &c))
			fn(ctx, &c);
}

/* CRI-O's bundle: the configuration names the pid's file, too, but that is always
 * the same. Podman keeps its configurations elsewhere. */
static int look_at_crio(int folder, const char *id, struct container *c)
{
	_cleanup_(json_decrefp) json_t *config = NULL;
	char path[NAME_MAX + 32];

	memset(c, 0, sizeof(*c));
	c->kind = TARGET_CRI;
	if (strlen(id) >= sizeof(c->id))
		return -ENAMETOOLONG;
	snprintf(c->id, sizeof(c->id), "%s", id);
	snprintf(path, sizeof(path), "%s/userdata/config.json", id);
	config = statefile_json(folder, path);
	if (!config || !cri_name(config, c))
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/userdata/pidfile", id);
	c->pid = statefile_pid(folder, path);
	if (!c->pid || !proof_container(c->pid, id, 0, 0))
		return -ESRCH;
	c->running = true;
	return 0;
}

static void each_crio(containers_fn fn, void *ctx)
{
	_cleanup_closedir_ DIR *top = statefile_dir(AT_FDCWD, CRIO_FOLDER);
	const char *driver, *id;
	struct container c;

	while (top && (driver = statefile_next(top))) {
		_cleanup_closedir_ DIR *d = NULL;
		size_t len = strlen(driver), n = 0;

		if (len < 11 || strcmp(driver + len - 11, "-containers") != 0)
			continue;
		d = statefile_dir(dirfd(top), driver);
		while (d && (id = statefile_next(d)) && n++ < MAX_CONTAINERS)
			if (!look_at_crio(dirfd(d), id, &c))
				fn(ctx, &c);
	}
}

int cri_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e)
{
	size_t i;

	(void)s;
	(void)e;
	for (i = 0; i < ARRAY_SIZE(task_folders); i++) {
		_cleanup_closedir_ DIR *d = statefile_dir(AT_FDCWD, task_folders[i]);
		const char *namespace;

		while (d && (namespace = statefile_next(d)))
			if (strcmp(namespace, DOCKERS) != 0)
				look_at_namespace(dirfd(d), namespace, fn, ctx);
	}
	each_crio(fn, ctx);
	return 0;
}

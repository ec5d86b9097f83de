// SPDX-License-Identifier: GPL-2.0-only
#include "target/space.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "netns/facts.h"
#include "target/docker.h"
#include "target/resolvers.h"
#include "util/cleanup.h"
#include "util/log.h"

struct containers {
	struct docker_container *v;
	size_t n, room;
};

static void keep_running(void *ctx, const struct docker_container *c)
{
	struct containers *all = ctx;
	struct docker_container *grown;

	if (!c->running)
		return;
	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 16;

		grown = reallocarray(all->v, room, sizeof(*grown));
		if (!grown)
			return;
		all->v = grown;
		all->room = room;
	}
	all->v[all->n++] = *c;
}

static struct space *space_of_pid(struct space *spaces, size_t n, pid_t pid)
{
	char path[40];
	struct stat st;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (stat(path, &st) < 0)
		return NULL;
	for (i = 0; i < n; i++)
		if (spaces[i].seen.id.ino == st.st_ino && spaces[i].seen.id.dev == st.st_dev)
			return &spaces[i];
	return NULL;
}

static int add_container(struct space *spaces, size_t n, const struct docker_container *c,
			 struct err *e)
{
	struct docker_container full;
	struct space *s;
	int r;

	r = docker_inspect(c->id, &full, e);
	if (r == -ETIMEDOUT)
		return r;
	s = r || !full.running ? NULL : space_of_pid(spaces, n, full.pid);
	if (!s)
		return 0;
	if (s->nr_containers < SPACE_MAX_CONTAINERS)
		memcpy(s->containers[s->nr_containers], full.name, sizeof(full.name));
	s->nr_containers++;
	return 0;
}

/* The list does not tell pids, so each container is asked for; an engine that
 * stopped to answer is not asked again. */
static void name_containers(struct space *spaces, size_t n)
{
	struct containers all = { 0 };
	struct err e = { 0 };
	size_t i;
	int r;

	r = docker_each(keep_running, &all, &e);
	for (i = 0; i < all.n && !r; i++)
		r = add_container(spaces, n, &all.v[i], &e);
	if (r && r != -ECONNREFUSED)
		log_warn("container names are missing: %s", e.msg);
	free(all.v);
}

struct look {
	struct space *s;
	struct err *e;
};

static int look_inside(void *arg)
{
	struct look *l = arg;
	struct space *s = l->s;
	int r;

	r = inventory_links_here(&s->links, &s->nr_links, l->e);
	if (r)
		return r;
	return netns_listeners_here(s->listeners, FACTS_MAX_LISTENERS, &s->nr_listeners, l->e);
}

static void find_peers(struct space *s, int fd, const struct netns_seen *all, size_t n)
{
	int32_t *nsids = calloc(n, sizeof(*nsids));
	size_t i;

	s->peers = calloc(s->nr_links + 1, sizeof(*s->peers));
	if (nsids && s->peers && !veth_nsids(s->seen.home ? -1 : fd, all, n, nsids, NULL))
		for (i = 0; i < s->nr_links; i++)
			if (veth_peer_among(all, n, nsids, &s->seen, &s->links[i], &s->peers[i],
					    NULL))
				s->peers[i].ifindex = 0;
	free(nsids);
}

static void read_resolv(struct space *s)
{
	struct target t = { .kind = TARGET_HOST, .ns = s->seen.id };

	if (!s->seen.home && s->seen.nr_procs) {
		t.kind = TARGET_PID;
		target_set_pid(&t, s->seen.procs[0].pid);
	} else if (!s->seen.home && s->seen.name[0]) {
		t.kind = TARGET_NETNS;
		memcpy(t.name, s->seen.name, sizeof(t.name));
	}
	facts_read_resolv(&t, NULL, 0, NULL, &s->resolv);
}

static void fill(struct space *s, const struct netns_seen *all, size_t n)
{
	_cleanup_fd_ int fd = netns_open(s->seen.path, &s->seen.id, NULL);
	struct look l = { s, NULL };
	int r;

	r = fd < 0 ? fd : netns_call(s->seen.home ? -1 : fd, look_inside, &l, NULL);
	s->error = -r;
	if (r)
		return;
	find_peers(s, fd, all, n);
	read_resolv(s);
}

int spaces_collect(struct space **out, size_t *n, struct err *e)
{
	_cleanup_free_ struct netns_seen *all = NULL;
	struct space *spaces;
	size_t i;
	int r;

	r = netns_scan(&all, n, e);
	if (r)
		return r;
	spaces = calloc(*n, sizeof(*spaces));
	if (!spaces)
		return err_sys(e, -ENOMEM, "list of namespaces");
	for (i = 0; i < *n; i++)
		spaces[i].seen = all[i];
	name_containers(spaces, *n);
	for (i = 0; i < *n; i++)
		fill(&spaces[i], all, *n);
	*out = spaces;
	return 0;
}

void spaces_free(struct space *spaces, size_t n)
{
	size_t i;

	for (i = 0; spaces && i < n; i++) {
		free(spaces[i].links);
		free(spaces[i].peers);
	}
	free(spaces);
}

void space_label(const struct space *s, char out[TARGET_NAME_LEN + 16])
{
	const size_t size = TARGET_NAME_LEN + 16;

	if (s->seen.home)
		snprintf(out, size, "host");
	else if (s->nr_containers)
		snprintf(out, size, "docker:%s", s->containers[0]);
	else if (s->seen.name[0])
		snprintf(out, size, "netns:%s", s->seen.name);
	else if (s->seen.nr_procs)
		snprintf(out, size, "pid:%d", (int)s->seen.procs[0].pid);
	else
		snprintf(out, size, "%.140s", s->seen.path);
}

const struct space *spaces_find(const struct space *spaces, size_t n, const struct netns_id *id)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (netns_same(&spaces[i].seen.id, id))
			return &spaces[i];
	return NULL;
}

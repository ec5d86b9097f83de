// SPDX-License-Identifier: GPL-2.0-only
#include "target/space.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "netns/facts.h"
#include "netns/nat.h"
#include "netns/peers.h"
#include "target/resolvers.h"
#include "util/cleanup.h"
#include "util/log.h"

static struct space *space_of_pid(const struct spaces *spaces, pid_t pid)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (stat(path, &st) < 0)
		return NULL;
	return space_of_ns(spaces, &(struct netns_id){ st.st_dev, st.st_ino });
}

/* The oldest first: it made the namespace, others joined it. */
static void add_container(void *ctx, const struct container *c)
{
	struct space *s = c->running && c->pid ? space_of_pid(ctx, c->pid) : NULL;
	uint32_t i;

	if (!s)
		return;
	i = s->nr_containers < SPACE_MAX_CONTAINERS ? s->nr_containers : SPACE_MAX_CONTAINERS - 1;
	s->nr_containers++;
	for (; i && s->containers[i - 1].pid > c->pid; i--)
		s->containers[i] = s->containers[i - 1];
	s->containers[i] = *c;
}

static void name_containers(struct spaces *spaces)
{
	struct err e = { 0 };
	int r = containers_each(add_container, spaces, containers_deadline(CONTAINERS_TIMEOUT_MS),
				&e);

	if (r && r != -ECONNREFUSED)
		log_warn("%s", e.msg);
}

struct look {
	struct space *s;
	enum spaces_depth depth;
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
	r = netns_default_here(&s->route, l->e);
	if (r || l->depth == SPACES_LINKS)
		return r;
	return netns_listeners_here(s->listeners, FACTS_MAX_LISTENERS, &s->nr_listeners, l->e);
}

static int find_peers(const struct spaces *all)
{
	struct peers_ns *v = calloc(all->n + 1, sizeof(*v));
	size_t i;
	int r;

	if (!v)
		return -ENOMEM;
	for (i = 0; i < all->n; i++)
		v[i] = (struct peers_ns){ .seen = &all->v[i].seen,
					  .links = all->v[i].links,
					  .nr_links = all->v[i].nr_links };
	r = peers_find(v, all->n);
	for (i = 0; i < all->n; i++)
		all->v[i].peers = v[i].peers;
	free(v);
	return r;
}

/* One look at all processes for the sockets of all namespaces. */
static void find_holders(const struct spaces *all)
{
	struct holder *v, *next;
	size_t i, n = 0;
	uint32_t k;

	for (i = 0; i < all->n; i++)
		n += all->v[i].nr_listeners;
	next = v = n ? calloc(n, sizeof(*v)) : NULL;
	for (i = 0; v && i < all->n; i++)
		for (k = 0; k < all->v[i].nr_listeners; k++, next++)
			next->inode = all->v[i].listeners[k].inode;
	if (!v || holders_find(v, n)) {
		free(v);
		return;
	}
	for (next = v, i = 0; i < all->n; i++) {
		memcpy(all->v[i].holders, next, all->v[i].nr_listeners * sizeof(*next));
		next += all->v[i].nr_listeners;
	}
	free(v);
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

static void fill(struct space *s, enum spaces_depth depth)
{
	_cleanup_fd_ int fd = netns_open(s->seen.path, &s->seen.id, NULL);
	struct look l = { s, depth, NULL };
	int r;

	r = fd < 0 ? fd : netns_call(s->seen.home ? -1 : fd, look_inside, &l, NULL);
	s->error = -r;
	if (!r && depth == SPACES_ALL)
		read_resolv(s);
}

static int make_spaces(struct spaces *out, struct err *e)
{
	_cleanup_free_ struct netns_seen *all = NULL;
	size_t i, n = 0;
	int r;

	r = netns_scan(&all, &n, e);
	if (r)
		return r;
	out->v = calloc(n, sizeof(*out->v));
	if (!out->v)
		return err_sys(e, -ENOMEM, "list of namespaces");
	for (i = 0; i < n; i++) {
		out->v[i].seen = all[i];
		r = u64map_put(&out->by_ino, all[i].id.ino, (uint32_t)i);
		if (r)
			return err_sys(e, r, "list of namespaces");
	}
	out->n = n;
	return 0;
}

int spaces_collect(struct spaces *out, enum spaces_depth depth, struct err *e)
{
	size_t i;
	int r;

	*out = (struct spaces){ 0 };
	r = make_spaces(out, e);
	if (r)
		return r;
	if (depth == SPACES_ALL)
		name_containers(out);
	for (i = 0; i < out->n; i++)
		fill(&out->v[i], depth);
	r = find_peers(out);
	if (depth == SPACES_ALL)
		find_holders(out);
	return r ? err_sys(e, r, "list of namespaces") : 0;
}

void spaces_fini(struct spaces *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		free(s->v[i].links);
		free(s->v[i].peers);
		nat_free(s->v[i].nat);
	}
	free(s->v);
	u64map_fini(&s->by_ino);
}

void space_label(const struct space *s, char out[CONTAINER_LABEL_LEN])
{
	const size_t size = CONTAINER_LABEL_LEN;

	if (s->seen.home)
		snprintf(out, size, "host");
	else if (s->nr_containers)
		container_label(&s->containers[0], out);
	else if (s->seen.name[0])
		snprintf(out, size, "netns:%s", s->seen.name);
	else if (s->seen.nr_procs)
		snprintf(out, size, "pid:%d", (int)s->seen.procs[0].pid);
	else
		snprintf(out, size, "%.140s", s->seen.path);
}

struct space *space_of_ns(const struct spaces *s, const struct netns_id *id)
{
	const uint32_t *at = u64map_get(&s->by_ino, id->ino);

	return at ? &s->v[*at] : NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "target/roll.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "netns/scan.h"
#include "target/containers.h"
#include "target/resolvers.h"
#include "util/cleanup.h"
#include "util/log.h"

void roll_free(struct roll *r)
{
	free(r->v);
	free(r->excluded);
	*r = (struct roll){ 0 };
}

const struct target *roll_find(const struct roll *r, const struct netns_id *id)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (netns_same(&r->v[i].ns, id))
			return &r->v[i];
	return NULL;
}

/* "php+sidecar"; what does not fit is left out. */
static void join_name(struct target *t, const char *name)
{
	size_t len = strlen(t->name);

	if (len + 1 + strlen(name) < sizeof(t->name))
		snprintf(t->name + len, sizeof(t->name) - len, "+%s", name);
}

static struct target *append(struct roll *r)
{
	struct target *grown;

	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 8;

		grown = reallocarray(r->v, room, sizeof(*grown));
		if (!grown)
			return NULL;
		r->v = grown;
		r->room = room;
	}
	memset(&r->v[r->n], 0, sizeof(*r->v));
	return &r->v[r->n++];
}

int roll_add(struct roll *r, const struct target *t)
{
	struct target *have = (struct target *)roll_find(r, &t->ns);

	if (have) {
		join_name(have, t->name);
		return 0;
	}
	have = append(r);
	if (!have)
		return -ENOMEM;
	*have = *t;
	return 0;
}

struct census {
	struct netns_seen *seen;
	size_t n;
	struct container *containers; /* running, by name */
	struct netns_id *homes;	      /* parallel: where each lives */
	size_t nr_containers, room;
	const char *exclude;
};

/* Whether one of the words stands for this name of that kind. */
static bool matches(const char *words, const char *kind, const char *name)
{
	char full[TARGET_NAME_LEN + 16], word[TARGET_NAME_LEN + 16];
	size_t len;

	snprintf(full, sizeof(full), "%s:%s", kind, name);
	for (; words && *words; words += len + (words[len] == ',')) {
		len = strcspn(words, ",");
		snprintf(word, sizeof(word), "%.*s", (int)len, words);
		if (!fnmatch(word, name, 0) || !fnmatch(word, full, 0))
			return true;
	}
	return false;
}

static void keep_container(void *ctx, const struct container *c)
{
	struct census *s = ctx;
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)c->pid);
	if (!c->running || c->pid <= 0 || stat(path, &st) < 0)
		return;
	if (s->nr_containers == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct container *more = reallocarray(s->containers, room, sizeof(*more));

		if (!more)
			return;
		s->containers = more;
		s->room = room;
	}
	s->containers[s->nr_containers++] = *c;
}

static int by_name(const void *a, const void *b)
{
	const struct container *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int locate_containers(struct census *s)
{
	char path[40];
	struct stat st;
	size_t i;

	if (s->nr_containers)
		qsort(s->containers, s->nr_containers, sizeof(*s->containers), by_name);
	s->homes = calloc(s->nr_containers + 1, sizeof(*s->homes));
	if (!s->homes)
		return -ENOMEM;
	for (i = 0; i < s->nr_containers; i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)s->containers[i].pid);
		if (!stat(path, &st))
			s->homes[i] = (struct netns_id){ st.st_dev, st.st_ino };
	}
	return 0;
}

static int take_census(struct census *s, struct err *e)
{
	struct err why = { 0 };
	int err = netns_scan(&s->seen, &s->n, e);

	if (err)
		return err;
	err = containers_each(keep_container, s, containers_deadline(CONTAINERS_TIMEOUT_MS), &why);
	if (err)
		log_warn("container names are missing: %s", why.msg);
	err = locate_containers(s);
	return err ? err_sys(e, err, "list of namespaces") : 0;
}

static void census_fini(struct census *s)
{
	free(s->seen);
	free(s->containers);
	free(s->homes);
}

static void describe_container(struct target *t, const struct container *c)
{
	t->kind = c->kind;
	target_set_pid(t, c->pid);
	snprintf(t->name, sizeof(t->name), "%s", c->name);
	snprintf(t->container, sizeof(t->container), "%s", c->id);
}

/* Nothing but a process, or a file, to call it by. */
static void describe_makeshift(struct target *t, const struct netns_seen *seen)
{
	int pid = seen->nr_procs ? (int)seen->procs[0].pid : 0;

	/* One that is ending is not counted any more, but may be all there is. */
	if (pid || sscanf(seen->path, "/proc/%d/", &pid) == 1) {
		t->kind = TARGET_PID;
		target_set_pid(t, pid);
		snprintf(t->name, sizeof(t->name), "pid:%d", (int)t->pid);
		return;
	}
	t->kind = TARGET_PATH;
	snprintf(t->path, sizeof(t->path), "%s", seen->path);
	snprintf(t->name, sizeof(t->name), "%.*s", TARGET_NAME_LEN - 1, seen->path);
}

static void describe(struct target *t, const struct netns_seen *seen)
{
	if (seen->home) {
		target_host("", t, NULL);
		t->kind = TARGET_HOST;
		t->is_host = true;
	} else if (seen->name[0]) {
		t->kind = TARGET_NETNS;
		snprintf(t->name, sizeof(t->name), "%s", seen->name);
		snprintf(t->path, sizeof(t->path), "%s", seen->path);
	} else {
		describe_makeshift(t, seen);
	}
}

/* Names t after what lives in its namespace. False: one of that is excluded. */
static bool name_target(const struct census *s, const struct netns_seen *seen, struct target *t)
{
	bool named = false;
	size_t i;

	for (i = 0; i < s->nr_containers; i++) {
		const struct container *c = &s->containers[i];

		if (!netns_same(&s->homes[i], &seen->id))
			continue;
		/* The host is the host, whichever containers share it. */
		if (seen->home)
			continue;
		if (matches(s->exclude, target_kind_name(c->kind), c->name))
			return false;
		if (named)
			join_name(t, c->name);
		else
			describe_container(t, c);
		named = true;
	}
	if (!named)
		describe(t, seen);
	if (seen->name[0] && matches(s->exclude, "netns", seen->name))
		return false;
	return !matches(s->exclude, target_kind_name(t->kind), t->name);
}

static int enroll(struct roll *r, const struct census *s, const struct netns_seen *seen)
{
	struct target *t = append(r);

	if (!t)
		return -ENOMEM;
	t->ns = seen->id;
	if (!name_target(s, seen, t)) {
		r->n--;
		r->excluded[r->nr_excluded++] = seen->id;
		return 0;
	}
	r->is_unsure |= t->kind == TARGET_PID || t->kind == TARGET_PATH;
	return 0;
}

int roll_all(struct roll *r, const char *exclude, struct err *e)
{
	struct census s = { .exclude = exclude };
	int err = take_census(&s, e);
	size_t i;

	r->excluded = err ? NULL : calloc(s.n, sizeof(*r->excluded));
	if (!err && !r->excluded)
		err = err_sys(e, -ENOMEM, "list of namespaces");
	for (i = 0; i < s.n && !err; i++) {
		err = enroll(r, &s, &s.seen[i]);
		if (err)
			err_sys(e, err, "list of namespaces");
	}
	census_fini(&s);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "target/resolvers.h"
#include "target/survey.h"
#include "util/cleanup.h"
#include "util/log.h"

/*
 * One line per kind. `bare`: tried, in this order, for a name without a kind.
 * A kind has a resolver, or a list of containers in which to look the name up;
 * `late` is a list that is asked only if nobody else knows the name, since
 * asking is dear.
 */
static const struct kind {
	const char *word;
	int (*resolve)(const char *name, struct target *out, struct err *e);
	containers_lister list, late;
	enum target_kind kind;
	bool bare;
} kinds[] = {
	{ "docker", target_docker, NULL, NULL, TARGET_DOCKER, true },
	{ "podman", NULL, podman_containers, podman_api_containers, TARGET_PODMAN, true },
	{ "cri", NULL, cri_containers, NULL, TARGET_CRI, true },
	{ "containerd", NULL, cri_containers, NULL, TARGET_CRI, false },
	{ "machine", NULL, machine_containers, NULL, TARGET_MACHINE, true },
	{ "netns", target_netns, NULL, NULL, TARGET_NETNS, true },
	{ "pid", target_pid, NULL, NULL, TARGET_PID, false },
	{ "path", target_path, NULL, NULL, TARGET_PATH, false },
	{ "net", target_inode, NULL, NULL, TARGET_PATH, false },
	{ "inode", target_inode, NULL, NULL, TARGET_PATH, false },
	{ "host", target_host, NULL, NULL, TARGET_HOST, false },
	{ "new", target_new, NULL, NULL, TARGET_NEW, false },
};

const char *target_kind_name(enum target_kind kind)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].word;
	return "unknown";
}

static const struct kind *kind_of_word(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].word) == len && !memcmp(kinds[i].word, word, len))
			return &kinds[i];
	return NULL;
}

static const struct kind *kind_of(enum target_kind kind)
{
	const char *word = target_kind_name(kind);

	return kind_of_word(word, strlen(word));
}

void target_set_pid(struct target *out, pid_t pid)
{
	out->pid = pid;
	snprintf(out->path, sizeof(out->path), "/proc/%d/ns/net", (int)pid);
	snprintf(out->files_root, sizeof(out->files_root), "/proc/%d/root", (int)pid);
}

static int identify(struct target *out, struct err *e)
{
	struct netns_id home;
	int r;

	r = netns_ident_path(out->path, &out->ns, e);
	if (!r)
		r = netns_home(&home, e);
	if (!r)
		out->is_host = netns_same(&out->ns, &home);
	return r;
}

static int resolve_kind(const struct kind *k, const char *name, containers_lister list,
			struct survey *survey, struct target *out, struct err *e)
{
	int r;

	memset(out, 0, sizeof(*out));
	out->kind = k->kind;
	r = list ? containers_resolve(survey, list, k->word, name, out, e)
		 : k->resolve(name, out, e);
	if (r || k->kind == TARGET_NEW)
		return r;
	r = identify(out, e);
	/* A process may end between being found and being looked at. */
	if (r == -ENOENT && out->pid) {
		r = err_set(e, -ESRCH, "%s:%s: its process %d has just ended", k->word, name,
			    (int)out->pid);
		err_hint(e, "nswatch list");
	}
	return r;
}

static void offer(void *ctx, const struct container *c)
{
	const char *slash = strrchr(c->name, '/');

	target_guess_offer(ctx, c->name);
	if (slash)
		target_guess_offer(ctx, slash + 1);
}

static void hint_unknown(const char *name, struct err *e)
{
	struct target_guess g;

	target_guess_init(&g, name);
	containers_each(offer, &g, containers_deadline(CONTAINERS_TIMEOUT_MS), NULL);
	target_netns_guess(&g);
	if (g.best[0])
		err_hint(e, "did you mean %s? `nswatch list` shows all", g.best);
	else
		err_hint(e, "`nswatch list` shows what there is");
}

static int ambiguous(const char *name, const char *places, struct err *e)
{
	err_set(e, -EEXIST, "%s is ambiguous: it fits %s", name, places);
	err_hint(e, "say which one, with its kind in front");
	return -EEXIST;
}

/* What the places that were tried have said. */
struct places {
	const char *name;
	struct survey survey;
	char list[256]; /* where it was found */
	unsigned int found;
	bool differ;
	struct err failure; /* the first that is more than "not here" */
};

static void try_place(struct places *p, const struct kind *k, containers_lister list,
		      struct target *out)
{
	size_t len = strlen(p->list);
	struct err here = { 0 };
	struct target t;
	int r;

	r = resolve_kind(k, p->name, list, &p->survey, &t, &here);
	if (r && r != -ENOENT && !p->failure.code)
		p->failure = here;
	if (r)
		return;
	snprintf(p->list + len, sizeof(p->list) - len, "%s%s:%s", len ? " and " : "", k->word,
		 t.name);
	p->differ |= p->found && !netns_same(&t.ns, &out->ns);
	if (!p->found++)
		*out = t;
}

static void try_late(struct places *p, struct target *out)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].bare && kinds[i].late)
			try_place(p, &kinds[i], kinds[i].late, out);
}

/*
 * Tries each place. Two that lead to one namespace (a container and the name
 * that was linked to it) are no conflict: the first wins. A place that cannot
 * be asked is an error only if no other place has the name, and a line of
 * warning if one has.
 */
static int resolve_bare(const char *name, struct target *out, struct err *e)
{
	struct places p = { .name = name };
	size_t i;

	survey_init(&p.survey, containers_deadline(CONTAINERS_TIMEOUT_MS));
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].bare)
			try_place(&p, &kinds[i], kinds[i].list, out);
	if (!p.found && !p.failure.code)
		try_late(&p, out);
	survey_fini(&p.survey);
	if (p.differ)
		return ambiguous(name, p.list, e);
	if (p.found && p.failure.code == -ETIMEDOUT)
		log_warn("%s", p.failure.msg);
	if (p.found)
		return 0;
	if (p.failure.code) {
		if (e)
			*e = p.failure;
		return p.failure.code;
	}
	err_set(e, -ENOENT, "%s: no container, namespace or %s of that name", name,
		strchr(name, '/') ? "file" : "process");
	hint_unknown(name, e);
	return -ENOENT;
}

static int resolve_spelled_out(const struct kind *k, const char *name, struct target *out,
			       struct err *e)
{
	_cleanup_(survey_fini) struct survey survey;
	int r;

	survey_init(&survey, containers_deadline(CONTAINERS_TIMEOUT_MS));
	r = resolve_kind(k, name, k->list, &survey, out, e);
	if (r == -ENOENT && k->late)
		r = resolve_kind(k, name, k->late, &survey, out, e);
	if (r == -ENOENT && e && !e->hint[0])
		hint_unknown(name, e);
	return r;
}

/* A slash makes a path, unless there is no such file and it does not look like
 * one either: then it may be namespace/pod/container. */
static bool is_path(const char *spec)
{
	return *spec == '/' || *spec == '.' ||
	       (strchr(spec, '/') && faccessat(AT_FDCWD, spec, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
}

static bool all_digits(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

int target_resolve(const char *spec, struct target *out, struct err *e)
{
	const char *colon = strchr(spec, ':');
	const struct kind *k = NULL;

	if (!*spec) {
		err_set(e, -EINVAL, "empty target");
		err_hint(e, "`nswatch list` shows what there is");
		return -EINVAL;
	}
	if (colon)
		k = kind_of_word(spec, (size_t)(colon - spec));
	if (k)
		return resolve_spelled_out(k, colon + 1, out, e);
	if (is_path(spec))
		return resolve_kind(kind_of(TARGET_PATH), spec, NULL, NULL, out, e);
	if (all_digits(spec))
		return resolve_kind(kind_of(TARGET_PID), spec, NULL, NULL, out, e);
	if (!strcmp(spec, "host") || !strcmp(spec, "new"))
		return resolve_kind(kind_of_word(spec, strlen(spec)), spec, NULL, NULL, out, e);
	if (colon) {
		err_set(e, -EINVAL, "%s: unknown kind of target", spec);
		err_hint(e, "one of docker, podman, cri, machine, netns, pid, path, inode, host");
		return -EINVAL;
	}
	return resolve_bare(spec, out, e);
}

int target_open(const struct target *t, struct err *e)
{
	int fd = netns_open(t->path, &t->ns, e);

	if (fd < 0)
		err_wrap(e, "%s", t->name);
	return fd;
}

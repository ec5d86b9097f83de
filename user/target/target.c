// SPDX-License-Identifier: GPL-2.0-only
#include "target/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target/resolvers.h"
#include "util/cleanup.h"

/*
 * One line per kind. `bare`: tried, in this order, for a name without a kind.
 * A kind without a resolver is known as a word only, and `instead` says how to
 * reach such a target.
 */
static const struct kind {
	const char *word;
	enum target_kind kind;
	int (*resolve)(const char *name, struct target *out, struct err *e);
	void (*guess)(struct target_guess *g);
	bool bare;
	const char *instead;
} kinds[] = {
	{ "docker", TARGET_DOCKER, target_docker, target_docker_guess, true, NULL },
	{ "podman", TARGET_PODMAN, NULL, NULL, false,
	  "pid:$(podman inspect --format '{{.State.Pid}}' NAME)" },
	{ "cri", TARGET_CRI, NULL, NULL, false,
	  "pid:$(crictl inspect -o go-template --template '{{.info.pid}}' ID)" },
	{ "netns", TARGET_NETNS, target_netns, target_netns_guess, true, NULL },
	{ "pid", TARGET_PID, target_pid, NULL, false, NULL },
	{ "path", TARGET_PATH, target_path, NULL, false, NULL },
	{ "host", TARGET_HOST, target_host, NULL, false, NULL },
	{ "new", TARGET_NEW, target_new, NULL, false, NULL },
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

static int resolve_kind(const struct kind *k, const char *name, struct target *out, struct err *e)
{
	int r;

	memset(out, 0, sizeof(*out));
	out->kind = k->kind;
	if (!k->resolve) {
		err_set(e, -ENOTSUP, "%s:%s: this version cannot look up %s containers by name",
			k->word, name, k->word);
		err_hint(e, "%s", k->instead);
		return -ENOTSUP;
	}
	r = k->resolve(name, out, e);
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

static void hint_unknown(const char *name, struct err *e)
{
	struct target_guess g;
	size_t i;

	target_guess_init(&g, name);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].guess)
			kinds[i].guess(&g);
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

/*
 * Tries each place. Two that lead to one namespace (a container and the name
 * that was linked to it) are no conflict: the first wins. A place that cannot
 * be asked is reported only if no other place has the name.
 */
static int resolve_bare(const char *name, struct target *out, struct err *e)
{
	struct err failure = { 0 }, here = { 0 };
	char places[256] = "";
	struct target t;
	unsigned int found = 0;
	bool differ = false;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(places);

		if (!kinds[i].bare)
			continue;
		r = resolve_kind(&kinds[i], name, &t, &here);
		if (r && r != -ENOENT && !failure.code)
			failure = here;
		if (r)
			continue;
		snprintf(places + len, sizeof(places) - len, "%s%s:%s", len ? " and " : "",
			 kinds[i].word, name);
		differ |= found && !netns_same(&t.ns, &out->ns);
		if (!found++)
			*out = t;
	}
	if (differ)
		return ambiguous(name, places, e);
	if (found)
		return 0;
	if (failure.code) {
		if (e)
			*e = failure;
		return failure.code;
	}
	err_set(e, -ENOENT, "%s: no container, namespace or process of that name", name);
	hint_unknown(name, e);
	return -ENOENT;
}

static bool all_digits(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

int target_resolve(const char *spec, struct target *out, struct err *e)
{
	const char *colon = strchr(spec, ':'), *slash = strchr(spec, '/');
	const struct kind *k = NULL;
	int r;

	if (!*spec) {
		err_set(e, -EINVAL, "empty target");
		err_hint(e, "`nswatch list` shows what there is");
		return -EINVAL;
	}
	if (colon)
		k = kind_of_word(spec, (size_t)(colon - spec));
	if (k) {
		r = resolve_kind(k, colon + 1, out, e);
		if (r == -ENOENT && k->guess && e && !e->hint[0])
			hint_unknown(colon + 1, e);
		return r;
	}
	if (slash)
		return resolve_kind(kind_of(TARGET_PATH), spec, out, e);
	if (all_digits(spec))
		return resolve_kind(kind_of(TARGET_PID), spec, out, e);
	if (!strcmp(spec, "host") || !strcmp(spec, "new"))
		return resolve_kind(kind_of_word(spec, strlen(spec)), spec, out, e);
	if (colon) {
		err_set(e, -EINVAL, "%s: unknown kind of target", spec);
		err_hint(e, "one of docker, podman, cri, netns, pid, path, host");
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

// SPDX-License-Identifier: GPL-2.0-only
#include "target/containers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target/resolvers.h"
#include "target/survey.h"
#include "target/unix_http.h"
#include "util/cleanup.h"

#define MIN_ID_PREFIX 4

static const containers_lister runtimes[] = {
	docker_containers,
	podman_containers,
	cri_containers,
	machine_containers,
};

int64_t containers_deadline(unsigned int ms)
{
	return http_now_ms() + ms;
}

int containers_each(containers_fn fn, void *ctx, int64_t deadline, struct err *e)
{
	_cleanup_(survey_fini) struct survey s;
	size_t i;
	int failed = 0, r;

	survey_init(&s, deadline);
	for (i = 0; i < ARRAY_SIZE(runtimes); i++) {
		r = runtimes[i](&s, fn, ctx, failed ? NULL : e);
		if (r && !failed)
			failed = r;
	}
	return failed;
}

void container_label(const struct container *c, char out[CONTAINER_LABEL_LEN])
{
	snprintf(out, CONTAINER_LABEL_LEN, "%s:%s", target_kind_name(c->kind), c->name);
}

static bool is_id_prefix(const char *id, const char *word)
{
	size_t n = strlen(word);

	return n >= MIN_ID_PREFIX && word[strspn(word, "0123456789abcdef")] == '\0' &&
	       !strncmp(id, word, n);
}

/* Whether whole ends with "/" and tail. */
static bool has_tail(const char *whole, const char *tail)
{
	size_t lw = strlen(whole), lt = strlen(tail);

	return lt && lw > lt && whole[lw - lt - 1] == '/' && !strcmp(whole + lw - lt, tail);
}

enum container_fit container_fits(const struct container *c, const char *name)
{
	if (!*name)
		return CONTAINER_FITS_NOT;
	if (!strcmp(c->name, name) || !strcmp(c->id, name) || !strcmp(c->alias, name))
		return CONTAINER_FITS_WHOLE;
	if (has_tail(c->name, name) || is_id_prefix(c->id, name))
		return CONTAINER_FITS_PART;
	return CONTAINER_FITS_NOT;
}

/* The best of those seen so far, and one that fits as well but is another. */
struct search {
	const char *name;
	enum container_fit fit;
	struct container best, rival;
	struct netns_id ns;
	bool found, ambiguous;
};

static int netns_of(const struct container *c, struct netns_id *id)
{
	char path[40];

	memset(id, 0, sizeof(*id));
	if (!c->pid)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)c->pid);
	return netns_ident_path(path, id, NULL);
}

static void take(struct search *s, const struct container *c, enum container_fit fit,
		 const struct netns_id *ns)
{
	s->best = *c;
	s->fit = fit;
	s->ns = *ns;
	s->found = true;
	s->ambiguous = false;
}

/* A whole name beats a part of one, what runs beats what does not, and in one
 * namespace a container of a pod beats the pod's sandbox, which has no files. */
static void consider(void *ctx, const struct container *c)
{
	struct search *s = ctx;
	enum container_fit fit = container_fits(c, s->name);
	struct netns_id ns;

	if (fit == CONTAINER_FITS_NOT || (s->found && fit < s->fit))
		return;
	netns_of(c, &ns);
	if (!s->found || fit > s->fit || (c->running && !s->best.running)) {
		take(s, c, fit, &ns);
	} else if (c->running == s->best.running && !(c->running && netns_same(&ns, &s->ns))) {
		s->rival = *c;
		s->ambiguous = true;
	} else if (c->running && s->best.sandbox && !c->sandbox) {
		s->best = *c;
	}
}

static int explain(const char *kind, const struct search *s, struct err *e)
{
	const char *name = s->best.name;

	if (!s->found)
		return err_set(e, -ENOENT, "%s:%s: there is no such container", kind, s->name);
	if (s->ambiguous) {
		err_set(e, -EEXIST, "%s:%s: fits %s and %s", kind, s->name, name, s->rival.name);
		err_hint(e, "more of the name, or the id: %s:%s", kind, name);
		return -EEXIST;
	}
	err_set(e, -ESRCH, "%s:%s: the container is not running", kind, name);
	if (s->best.kind == TARGET_DOCKER || s->best.kind == TARGET_PODMAN)
		err_hint(e, "%s start %s", kind, name);
	else
		err_hint(e, "`nswatch list` shows what there is");
	return -ESRCH;
}

int containers_resolve(struct survey *survey, containers_lister list, const char *kind,
		       const char *name, struct target *out, struct err *e)
{
	struct search s = { .name = name };
	int r;

	r = list(survey, consider, &s, e);
	if (!s.found && r)
		return r;
	if (!s.found || s.ambiguous || !s.best.running)
		return explain(kind, &s, e);
	target_set_pid(out, s.best.pid);
	memcpy(out->name, s.best.name, sizeof(out->name));
	memcpy(out->container, s.best.id, sizeof(out->container));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "complete.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "target/containers.h"
#include "util/cleanup.h"

/* A shell waits for the answer with its prompt. */
#define TIMEOUT_MS 300

struct offer {
	const char *typed; /* of the word, what is kept: all before the last comma included */
	size_t kept;
};

/* A name with a control character in it would be another line, or worse. */
static bool is_printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static void offer_word(void *ctx, const char *word, const char *help)
{
	const struct offer *o = ctx;

	if (!is_printable(word) || strncmp(word, o->typed + o->kept, strlen(o->typed + o->kept)))
		return;
	printf("%.*s%s\t%.*s\n", (int)o->kept, o->typed, word, (int)strcspn(help, "\n"), help);
}

/* A bare name, or one with its kind if that is what was begun. */
static void offer_container(void *ctx, const struct container *c)
{
	const struct offer *o = ctx;
	char label[CONTAINER_LABEL_LEN];

	if (!c->running)
		return;
	container_label(c, label);
	offer_word(ctx, strchr(o->typed + o->kept, ':') ? label : c->name, "container");
}

static void offer_namespaces(struct offer *o)
{
	bool kind = strchr(o->typed + o->kept, ':');
	char label[CONTAINER_LABEL_LEN + 256];
	_cleanup_closedir_ DIR *d = opendir("/run/netns");
	struct dirent *ent;

	while (d && (ent = readdir(d))) {
		if (ent->d_name[0] == '.')
			continue;
		snprintf(label, sizeof(label), "%s%s", kind ? "netns:" : "", ent->d_name);
		offer_word(o, label, "namespace");
	}
}

static void offer_kinds(struct offer *o)
{
	unsigned int kind;
	char word[32];

	/* Too many to be shown to who has typed nothing yet. */
	for (kind = TARGET_DOCKER; o->typed[o->kept] && kind <= TARGET_MACHINE; kind++) {
		bool alone = kind == TARGET_HOST || kind == TARGET_NEW;

		snprintf(word, sizeof(word), "%s%s", target_kind_name(kind), alone ? "" : ":");
		offer_word(o, word, "kind of target");
	}
}

static void offer_targets(const char *word)
{
	const char *comma = strrchr(word, ',');
	struct offer o = { word, comma ? (size_t)(comma + 1 - word) : 0 };

	if (strchr(word + o.kept, '/')) {
		puts(":files");
		return;
	}
	containers_each(offer_container, &o, containers_deadline(TIMEOUT_MS), NULL);
	offer_namespaces(&o);
	offer_kinds(&o);
}

int complete_main(int nr_words, char **words)
{
	const char *last = nr_words ? words[nr_words - 1] : "";
	struct offer o = { last, 0 };

	if (!nr_words)
		return 0;
	switch (options_complete(words, (unsigned int)nr_words, offer_word, &o)) {
	case COMPLETE_TARGETS: offer_targets(last); break;
	case COMPLETE_FILES: puts(":files"); break;
	case COMPLETE_COMMANDS: puts(":commands"); break;
	case COMPLETE_NOTHING: break;
	}
	return 0;
}

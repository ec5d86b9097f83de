// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may come next on a command line, from the option table. The line is half
 * typed, so that nothing is an error here.
 */
#include <stdio.h>
#include <string.h>

#include "options/internal.h"

struct completer {
	void (*fn)(void *ctx, const char *word, const char *help);
	void *ctx;
	const struct opt *pending; /* its value is the next word */
	unsigned int nr_words;	   /* without dashes in front */
	unsigned int commands;	   /* IN_*: what it can be so far */
	unsigned int after_dashes; /* 1 for the first word behind -- */
};

/* An option that wants a value in the next word, or NULL. */
static const struct opt *wants_value(const char *word)
{
	const struct opt *opt;
	const char *s;

	if (!strncmp(word, "--", 2)) {
		opt = opt_by_name(word + 2, strlen(word + 2));
		return opt && opt->arg ? opt : NULL;
	}
	for (s = word + 1; *s; s++) {
		opt = opt_by_letter(*s);
		if (!opt || opt->arg)
			return opt && !s[1] ? opt : NULL;
	}
	return NULL;
}

static void take_word(struct completer *c, const char *word)
{
	if (c->after_dashes) {
		c->after_dashes++;
	} else if (c->pending) {
		c->pending = NULL;
	} else if (!strcmp(word, "--")) {
		c->after_dashes = 1;
	} else if (word[0] == '-' && word[1]) {
		c->pending = wants_value(word);
		if (!strncmp(word, "-r", 2) || !strncmp(word, "--read", 6))
			c->commands = IN_READ;
	} else if (!c->nr_words++ && c->commands == IN_ALL) {
		c->commands = !strcmp(word, "list")    ? IN_LIST
			      : !strcmp(word, "check") ? IN_CHECK
						       : IN_WATCH;
	}
}

static enum completion complete_value(struct completer *c, const struct opt *opt)
{
	const struct condition *test;
	const struct choice *choice;
	char word[MAX_NAME + 2];

	if (opt->set == set_choice) {
		for (choice = opt->data; choice->name; choice++)
			c->fn(c->ctx, choice->name, "");
	} else if (opt->set == set_condition) {
		for (test = opt->data; test->name; test++) {
			snprintf(word, sizeof(word), "%s:", test->name);
			c->fn(c->ctx, word, "");
		}
	}
	if (!strcmp(opt->arg, "FILE"))
		return COMPLETE_FILES;
	return !strcmp(opt->arg, "TARGET") ? COMPLETE_TARGETS : COMPLETE_NOTHING;
}

static enum completion complete_options(struct completer *c, const char *word)
{
	const char *equals = strchr(word, '=');
	const struct opt *opt = equals ? opt_by_name(word + 2, (size_t)(equals - word - 2)) : NULL;
	const struct choice *choice;
	char text[2 * MAX_NAME];
	size_t i;

	if (opt && opt->set == set_choice) {
		for (choice = opt->data; choice->name; choice++) {
			snprintf(text, sizeof(text), "--%s=%s", opt->name, choice->name);
			c->fn(c->ctx, text, "");
		}
		return COMPLETE_NOTHING;
	}
	for (i = 0; i < opt_count; i++) {
		if (!(opt_table[i].commands & c->commands))
			continue;
		if (opt_table[i].name) {
			snprintf(text, sizeof(text), "--%s", opt_table[i].name);
			c->fn(c->ctx, text, opt_table[i].help);
		}
		if (opt_table[i].letter && strncmp(word, "--", 2) != 0) {
			snprintf(text, sizeof(text), "-%c", opt_table[i].letter);
			c->fn(c->ctx, text, opt_table[i].help);
		}
	}
	return COMPLETE_NOTHING;
}

enum completion options_complete(char *const *words, unsigned int n,
				 void (*fn)(void *ctx, const char *word, const char *help),
				 void *ctx)
{
	struct completer c = { .fn = fn, .ctx = ctx, .commands = IN_ALL };
	unsigned int i;

	if (!n)
		return COMPLETE_NOTHING;
	for (i = 0; i + 1 < n; i++)
		take_word(&c, words[i]);
	if (c.after_dashes)
		return c.after_dashes == 1 ? COMPLETE_COMMANDS : COMPLETE_FILES;
	if (c.pending)
		return complete_value(&c, c.pending);
	if (words[n - 1][0] == '-')
		return complete_options(&c, words[n - 1]);
	if (!c.nr_words && c.commands == IN_ALL) {
		fn(ctx, "list", "every network namespace of this host");
		fn(ctx, "check", "what DNS would do in a namespace");
		return COMPLETE_TARGETS;
	}
	return c.commands == IN_CHECK && c.nr_words == 1 ? COMPLETE_TARGETS : COMPLETE_NOTHING;
}

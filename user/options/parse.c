// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parser, in one pass: options are stored as they come, other words are
 * collected, and the first "--" ends it, the rest being COMMAND. Only then are the
 * words given a meaning, since it depends on options that may stand behind them;
 * last comes what does not go together. getopt_long(3) is not used: it permutes
 * argv, and it would want a second table.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options/internal.h"

#define DEFAULT_BUFFER_MIB 8

static int store(struct parser *p, const struct opt *opt, const char *value)
{
	uint64_t bit = opt_bit(opt);
	char name[MAX_NAME];

	if (opt->arg && !(opt->rules & REPEATS) && (p->given & bit))
		return err_set(p->e, -EINVAL, "%s is given twice", opt_name(opt, name));
	p->given |= bit;
	p->done = opt->set == set_command;
	return opt->set(p->o, opt, value, p->e);
}

/* The value that is the next word. "--" is none: a forgotten value must not
 * swallow the start of COMMAND. */
static int next_value(struct parser *p, const struct opt *opt, const char **value)
{
	char name[MAX_NAME];

	if (p->next < p->argc && strcmp(p->argv[p->next], "--") != 0) {
		*value = p->argv[p->next++];
		return 0;
	}
	err_set(p->e, -EINVAL, "%s needs a value: %s %s", opt_name(opt, name), name, opt->arg);
	return -EINVAL;
}

static int parse_long(struct parser *p, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct opt *opt = opt_by_name(word, len);
	int err;

	if (!opt)
		return unknown_long(p, word, len);
	if (!opt->arg && value)
		return err_set(p->e, -EINVAL, "--%s takes no value", opt->name);
	if (opt->arg && !value) {
		err = next_value(p, opt, &value);
		if (err)
			return err;
	}
	return store(p, opt, value);
}

/* "-q", "-lnq", "-c5", "-c 5" */
static int parse_letters(struct parser *p, const char *letters)
{
	int err = 0;

	while (*letters && !err && !p->done) {
		const struct opt *opt = opt_by_letter(*letters);
		const char *value = letters + 1;

		if (!opt)
			return unknown_letter(p, letters);
		letters++;
		if (!opt->arg) {
			err = store(p, opt, NULL);
			continue;
		}
		if (!*value) {
			err = next_value(p, opt, &value);
			if (err)
				return err;
		}
		return store(p, opt, value);
	}
	return err;
}

static int parse_words(struct parser *p)
{
	int err = 0;

	while (!err && !p->done && p->next < p->argc) {
		const char *word = p->argv[p->next++];

		if (!strcmp(word, "--")) {
			p->o->argv = p->argv + p->next;
			break;
		}
		if (!strncmp(word, "--", 2))
			err = parse_long(p, word + 2);
		else if (word[0] == '-' && word[1])
			err = parse_letters(p, word + 1);
		else
			p->words[p->nr_words++] = word;
	}
	return err;
}

static void fold_no_color(struct options *o)
{
	const char *no_color = getenv("NO_COLOR");

	if (o->color == COLOR_AUTO && no_color && *no_color)
		o->color = COLOR_NEVER;
}

static int parse_all(struct parser *p)
{
	int err = parse_words(p);

	if (err || p->done)
		return err;
	err = words_take(p);
	if (err)
		return err;
	fold_no_color(p->o);
	return conflicts_check(p);
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	struct parser p = { .o = o, .e = e, .argv = argv, .argc = argc, .next = 1 };
	int err;

	*o = (struct options){ .snaplen = DEFAULT_SNAPLEN, .buffer_mib = DEFAULT_BUFFER_MIB };
	if (argc < 2) {
		o->command = CMD_HELP;
		o->brief = true;
		return 0;
	}
	p.words = calloc(argc, sizeof(*p.words));
	if (!p.words)
		return err_sys(e, -ENOMEM, "command line");
	err = parse_all(&p);
	free(p.words);
	return err;
}

void options_free(struct options *o)
{
	unsigned int i;

	for (i = 0; i < o->nr_targets; i++)
		free((void *)o->targets[i]);
	free((void *)o->targets);
	free((void *)o->interfaces);
	free((void *)o->filter);
	*o = (struct options){ 0 };
}

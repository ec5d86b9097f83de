// SPDX-License-Identifier: GPL-2.0-only
/*
 * The words that are no options: with -r all of them are the filter; otherwise
 * the first one is TARGET, `list` or `check`.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options/internal.h"

static int join_filter(struct parser *p, unsigned int first)
{
	size_t size = 1;
	unsigned int i;
	char *joined;

	if (first >= p->nr_words)
		return 0;
	if (p->given & opt_bit(opt_by_letter('f')))
		return err_set(p->e, -EINVAL,
			       "-f and `%s`: the filter is given either by -f or by words",
			       p->words[first]);
	for (i = first; i < p->nr_words; i++)
		size += strlen(p->words[i]) + 1;
	joined = calloc(1, size);
	if (!joined)
		return err_sys(p->e, -ENOMEM, "filter");
	p->o->filter = joined;
	for (i = first; i < p->nr_words; i++) {
		if (i > first)
			joined = stpcpy(joined, " ");
		joined = stpcpy(joined, p->words[i]);
	}
	return 0;
}

static bool has_target(const struct options *o, const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < o->nr_targets; i++)
		if (is_word(name, len, o->targets[i]))
			return true;
	return false;
}

static int split_targets(struct parser *p, const char *list)
{
	size_t commas = 0, len;
	const char **targets, *s;

	for (s = list; *s; s++)
		commas += *s == ',';
	targets = calloc(commas + 1, sizeof(*targets));
	if (!targets)
		return err_sys(p->e, -ENOMEM, "%s", list);
	p->o->targets = targets;
	for (s = list;; s += len + 1) {
		len = strcspn(s, ",");
		if (!len)
			return err_set(p->e, -EINVAL, "`%s` has an empty name in it", list);
		if (has_target(p->o, s, len))
			return err_set(p->e, -EINVAL, "`%s` names %.*s twice", list, (int)len, s);
		targets[p->o->nr_targets] = strndup(s, len);
		if (!targets[p->o->nr_targets])
			return err_sys(p->e, -ENOMEM, "%s", list);
		p->o->nr_targets++;
		if (!s[len])
			return 0;
	}
}

static int want_target(struct parser *p)
{
	err_set(p->e, -EINVAL, "no TARGET given");
	err_hint(p->e, "nswatch list, to see the candidates; nswatch --help");
	return -EINVAL;
}

static int take_list(struct parser *p)
{
	if (p->nr_words > 1)
		return err_set(p->e, -EINVAL, "`nswatch list` takes no `%s`", p->words[1]);
	return 0;
}

static int take_check(struct parser *p)
{
	if (p->nr_words < 2)
		return want_target(p);
	if (p->nr_words > 2)
		return err_set(p->e, -EINVAL, "`nswatch check %s` takes no `%s`", p->words[1],
			       p->words[2]);
	return split_targets(p, p->words[1]);
}

static int take_watch(struct parser *p)
{
	int err;

	if (p->o->all)
		return join_filter(p, 0);
	if (!p->nr_words)
		return want_target(p);
	err = split_targets(p, p->words[0]);
	return err ? err : join_filter(p, 1);
}

int words_take(struct parser *p)
{
	struct options *o = p->o;

	if (o->read_file) {
		o->command = CMD_READ;
		return join_filter(p, 0);
	}
	if (p->nr_words && !strcmp(p->words[0], "list")) {
		o->command = CMD_LIST;
		return take_list(p);
	}
	if (p->nr_words && !strcmp(p->words[0], "check")) {
		o->command = CMD_CHECK;
		return take_check(p);
	}
	o->command = CMD_WATCH;
	return take_watch(p);
}

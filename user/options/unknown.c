// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options that do not exist: what was probably meant, or how to get what tshark
 * or tcpdump has that option for.
 */
#include <errno.h>
#include <string.h>

#include "options/internal.h"
#include "util/cleanup.h"

/* What tshark and tcpdump users may type and nswatch does not do. */
static const struct {
	char letter;
	const char *name;
	const char *hint;
} rejected[] = {
	{ 'T', NULL, "--json, or `nswatch TARGET -w - | tshark -r - -T ...`" },
	{ 'e', NULL, "`nswatch TARGET -w - | tshark -r - -T fields -e ...`" },
	{ 'E', NULL, "`nswatch TARGET -w - | tshark -r - -T fields -E ...`" },
	{ 'O', NULL, "`nswatch TARGET -w - | tshark -r - -O ...`" },
	{ 'x', NULL, "`nswatch TARGET -w - | tshark -r - -x`" },
	{ 'Y', "display-filter", "a capture filter, see pcap-filter(7): nswatch php udp port 53" },
	{ 'R', "read-filter", "a capture filter, see pcap-filter(7): nswatch -r FILE udp port 53" },
	{ 'N', NULL, "leave it out: addresses are never turned into names" },
	{ 'p', "no-promiscuous-mode", "leave it out: no interface is made promiscuous" },
	{ 'G', NULL, "-b duration:SECONDS" },
	{ 'C', NULL, "-b filesize:KB" },
	{ 'W', NULL, "-b files:N" },
};

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein distance, for words of up to MAX_NAME bytes. */
static unsigned int distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned int row[MAX_NAME + 1], diagonal, above;
	size_t i, j;

	for (j = 0; j <= blen; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= alen; i++) {
		diagonal = row[0];
		row[0] = (unsigned int)i;
		for (j = 1; j <= blen; j++) {
			above = row[j];
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[blen];
}

/* The option that was probably meant: one that the word begins, or is begun
 * by, or one that is two slips away at most. */
static const struct opt *nearest(const char *word, size_t len)
{
	const struct opt *best = NULL;
	unsigned int best_distance = 3;
	size_t i;

	for (i = 0; i < opt_count && len < MAX_NAME; i++) {
		const char *name = opt_table[i].name;
		size_t name_len = name ? strlen(name) : 0, common;
		unsigned int d;

		if (!name)
			continue;
		common = len < name_len ? len : name_len;
		d = distance(word, len, name, name_len);
		if (common > 2 && !strncmp(word, name, common))
			d = d ? 1 : 0;
		if (d < best_distance && d < len) {
			best = &opt_table[i];
			best_distance = d;
		}
	}
	return best;
}

int unknown_long(struct parser *p, const char *word, size_t len)
{
	const struct opt *near = nearest(word, len);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rejected); i++) {
		if (!is_word(word, len, rejected[i].name))
			continue;
		err_set(p->e, -EINVAL, "--%s is not supported in this version", rejected[i].name);
		err_hint(p->e, "%s", rejected[i].hint);
		return -EINVAL;
	}
	if (near)
		return err_set(p->e, -EINVAL, "unknown option --%.*s: did you mean --%s?", (int)len,
			       word, near->name);
	err_set(p->e, -EINVAL, "unknown option --%.*s", (int)len, word);
	err_hint(p->e, "nswatch --help");
	return -EINVAL;
}

int unknown_letter(struct parser *p, const char *letters)
{
	const struct opt *meant = opt_by_name(letters, strlen(letters));
	char letter = *letters;
	size_t i;

	if (meant)
		return err_set(p->e, -EINVAL, "unknown option -%s: did you mean --%s?", letters,
			       meant->name);
	for (i = 0; i < ARRAY_SIZE(rejected); i++) {
		if (rejected[i].letter != letter)
			continue;
		err_set(p->e, -EINVAL, "-%c is not supported in this version", letter);
		err_hint(p->e, "%s", rejected[i].hint);
		return -EINVAL;
	}
	err_set(p->e, -EINVAL, "unknown option -%c", letter);
	err_hint(p->e, "nswatch --help; a filter with a dash in it goes in quotes: -f 'EXPR'");
	return -EINVAL;
}

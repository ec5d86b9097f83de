// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "target/resolvers.h"

#define GUESS_MAX_LEN 32 /* longer names are not compared */

void target_guess_init(struct target_guess *g, const char *typed)
{
	g->typed = typed;
	g->best[0] = '\0';
	/* One slip in a short name, two from four letters up. */
	g->distance = strlen(typed) < 4 ? 2 : 3;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Optimal string alignment distance: insertions, deletions, replacements and
 * swaps of neighbours. */
static unsigned int edit_distance(const char *a, size_t la, const char *b, size_t lb)
{
	unsigned int d[GUESS_MAX_LEN + 1][GUESS_MAX_LEN + 1];
	size_t i, j;

	for (i = 0; i <= la; i++)
		d[i][0] = (unsigned int)i;
	for (j = 0; j <= lb; j++)
		d[0][j] = (unsigned int)j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			unsigned int differ = a[i - 1] != b[j - 1];

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + differ);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[la][lb];
}

void target_guess_offer(struct target_guess *g, const char *name)
{
	size_t lt = strlen(g->typed), ln = strlen(name);
	unsigned int distance;

	if (!ln || lt > GUESS_MAX_LEN || ln > GUESS_MAX_LEN)
		return;
	distance = edit_distance(g->typed, lt, name, ln);
	/* compose makes proj-php-1 of php: what was typed is one of the words. */
	if (distance >= g->distance && lt >= 3 && strstr(name, g->typed))
		distance = g->best[0] ? g->distance : g->distance - 1;
	if (distance >= g->distance)
		return;
	g->distance = distance;
	snprintf(g->best, sizeof(g->best), "%s", name);
}

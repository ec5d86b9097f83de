/* SPDX-License-Identifier: GPL-2.0-only */
/* For the targets whose output is lines of text. */
#ifndef NSWATCH_FUZZ_LINE_H
#define NSWATCH_FUZZ_LINE_H

#include <stddef.h>
#include <stdlib.h>

#include "util/strbuf.h"

static char line[1 << 16];

/* Nothing but printable ASCII and newlines may reach a terminal. */
static void check_line(const struct strbuf *b)
{
	size_t i;

	for (i = 0; i < b->len; i++)
		if (b->s[i] != '\n' && (b->s[i] < 0x20 || b->s[i] > 0x7e))
			abort();
}

#endif

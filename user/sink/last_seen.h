/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_LAST_SEEN_H
#define NSWATCH_SINK_LAST_SEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "track/vantage.h"
#include "util/strbuf.h"

/* Where lost packets were last seen. Pure. Text has no newline at its end, and names
 * are the untrusted bytes they are. */

/*
 * What was lost at one place of a pair, in lines: what it is, then which packets, then
 * of how many more it cannot be told. `line` starts at 0; false once there is none.
 */
bool last_seen_text(struct strbuf *out, const struct vantage_pair *p, enum vantage_place at,
		    size_t line);

/* One JSON line for the place, if there is something to tell; 4 KiB hold it. */
void last_seen_json(struct strbuf *out, const struct vantage_pair *p, enum vantage_place at);

#endif

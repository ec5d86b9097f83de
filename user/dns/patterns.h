/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What only shows over several transactions: names that are asked for again
 * and again in vain, suffixes tried before the name itself, source ports that
 * never get an answer. Pure; two tables of a fixed size in which the entry
 * used longest ago gives way, so that a flood costs memory nothing.
 */
#ifndef NSWATCH_DNS_PATTERNS_H
#define NSWATCH_DNS_PATTERNS_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/table.h"

/* As many NXDOMAIN for one name and type within a minute are a storm. */
#define PATTERN_STORM 20

struct patterns;

/* NULL when out of memory. */
struct patterns *patterns_new(void);
void patterns_free(struct patterns *p);

/* NXDOMAIN for q; asked and now in ns. Returns how many there were for that name and type in the
 * last minute, PATTERN_STORM at most; 0 for a name that was found after all with a search
 * suffix, or is the suffixed form of one that was. */
uint32_t patterns_nx(struct patterns *p, uint64_t netns, const struct question *q, int64_t asked,
		     int64_t now);

/* An answer with records for q. Returns how many NXDOMAIN for q's name with suffixes came before
 * it, since the last such call; *wasted is set to the time (ns) since the first of them was
 * asked. */
uint32_t patterns_found(struct patterns *p, uint64_t netns, const struct question *q, int64_t now,
			int64_t *wasted);
/* That name said NXDOMAIN, and with a suffix behind it, it was found. */
bool patterns_found_suffixed(const struct patterns *p, uint64_t netns, const struct question *q);

/* A transaction of this socket (the id does not count) got no answer; first: when it was asked. */
void patterns_port_failed(struct patterns *p, const struct trans_key *k, int64_t first);
/* How many have been so in a row; *span is set to the time (ns) between the first and the latest.
 */
uint32_t patterns_port(const struct patterns *p, const struct trans_key *k, int64_t *span);
/* It got one. */
void patterns_port_answered(struct patterns *p, const struct trans_key *k);

#endif

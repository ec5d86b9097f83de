/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queries that pass through a watched namespace on their way from another one: the
 * host's bridge and uplink see what a container asks. The lookup is shown once,
 * for the namespace that the query was seen in first, whose process asks. Pure.
 */
#ifndef NSWATCH_DNS_TRANSIT_H
#define NSWATCH_DNS_TRANSIT_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/table.h"

struct transit;

/* NULL when out of memory; it takes 200 KiB. */
struct transit *transit_new(void);
void transit_free(struct transit *t);

/*
 * Notes a query, and says whether it is one that passes through. With the source
 * address that it had, or, in the namespace where that was seen, with another one
 * (NAT) a moment later. is_own: a process of this namespace is known to send it, so it
 * never is.
 */
bool transit_query(struct transit *t, const struct trans_key *k, const struct question *q,
		   int64_t time, bool is_own);

/* Whether the answer to that key is one that passes through. */
bool transit_answer(const struct transit *t, const struct trans_key *k, const struct question *q,
		    int64_t time);

#endif

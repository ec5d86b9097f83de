/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What became of the lookups of each name. Bounded: of more names than there is
 * room for, those asked least often give way, and are counted together. A name takes
 * 400 bytes, and 900 more once it is answered.
 */
#ifndef NSWATCH_DNS_NAMES_H
#define NSWATCH_DNS_NAMES_H

#include <stdint.h>

#include "dns/table.h"
#include "dns/transaction.h"

struct names;

/* NULL when out of memory. */
struct names *names_new(void);
void names_free(struct names *n);

/* Outcomes: a response code, the last for all above it, or one of these. */
enum { NAMES_UNANSWERED = DNS_SUMMARY_RCODES, NAMES_FAILED, NAMES_OUTCOMES };

/* One will be counted soon: its memory is called for. */
void names_expect(const struct names *n, const struct question *q);
/* One more transaction for the question's name came to this; of two that differ in capitals, too.
 */
void names_add(struct names *n, const struct question *q, unsigned int outcome);
/* The same for an answer, which took ns. */
void names_answered(struct names *n, const struct question *q, unsigned int rcode, int64_t ns);
/* It turned out otherwise: one less. */
void names_take_back(struct names *n, const struct question *q, unsigned int outcome);
void names_retry(struct names *n, const struct question *q);

/* Fills names, failing_names, their numbers and more_names of the summary. */
void names_summary(const struct names *n, struct dns_summary *s);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the transactions in memory say about an event at the time it is judged:
 * who else was asked the same, and what came of it. A part of the engine.
 */
#ifndef NSWATCH_DNS_EVIDENCE_H
#define NSWATCH_DNS_EVIDENCE_H

#include "dns/engine.h"
#include "dns/rules.h"
#include "dns/table.h"

/* Completes *in, whose event and t are set. q: the transaction's question; len 0 none. */
void evidence_fill(struct dns_engine *e, struct rule_input *in, const struct question *q);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a transaction as the engine keeps it, and the answer as it is on the wire,
 * to the one that sinks and rules get. A part of the engine, apart from those that
 * follow transactions: it is long, and decides nothing.
 */
#ifndef NSWATCH_DNS_REPORT_H
#define NSWATCH_DNS_REPORT_H

#include "decode/dns.h"
#include "dns/engine.h"
#include "dns/table.h"
#include "dns/transaction.h"

/* Fills *t with all that is known of x without its answer: unanswered so far, or failed. */
void report_trans(struct dns_engine *e, const struct trans *x, struct dns_transaction *t);
/* Adds to *t, so filled, what the answer m says; state and latency are the caller's. */
void report_response(struct dns_transaction *t, const struct dns_msg *m);

#endif

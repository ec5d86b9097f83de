/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the run's summary says of unicast lookups: in all, per server, per name. A part
 * of the engine, apart from the others so that each step in the life of a transaction
 * is one call, and all that keeps the sums equal stands in one place.
 *
 * What a resolver passes on (trans.upstream_of) is no lookup: it is not counted, but
 * tells of its server.
 */
#ifndef NSWATCH_DNS_COUNTS_H
#define NSWATCH_DNS_COUNTS_H

#include "dns/engine.h"
#include "dns/table.h"
#include "dns/transaction.h"

/* A new transaction; the caller leaves out what a resolver passes on. */
void counts_query(struct dns_engine *e, const struct trans *x);
/* It was none: the connection that it was counted for brings queries of its own. */
void counts_no_query(struct dns_engine *e, const struct trans *x);
void counts_retry(struct dns_engine *e, const struct trans *x);

/* What became of it, *t being what is reported of the answer. */
void counts_answer(struct dns_engine *e, const struct trans *x, const struct dns_transaction *t);
void counts_unanswered(struct dns_engine *e, const struct trans *x);
void counts_failed(struct dns_engine *e, const struct trans *x);
/* It was counted as unanswered or failed, and turns out otherwise. */
void counts_take_back(struct dns_engine *e, const struct trans *x);

/* A call that never became a packet: a transaction, too. */
void counts_not_sent(struct dns_engine *e, const struct dns_transaction *t);

/* Fills the summary's servers, names and latency. Server states are merged on the way: they are
 * no longer those of one namespace, and trans.server may be gone. */
void counts_finish(struct dns_engine *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A socket call to a name server is an attempt. A packet to that server from
 * that namespace settles it, whoever sent it: it shows that packets get out.
 * One that stays unsettled is judged like a transaction, as never sent. Where a
 * packet does not tell whose it is, attempts do.
 *
 * A part of the engine. Transactions meet attempts in attempts_settle() and
 * attempts_owner() only, so the slots are attempts.c's own.
 */
#ifndef NSWATCH_DNS_ATTEMPTS_H
#define NSWATCH_DNS_ATTEMPTS_H

#include "dns/engine.h"
#include "dns/table.h"
#include "dns/timers.h"

struct attempts;

/* NULL when out of memory. */
struct attempts *attempts_new(void);
void attempts_free(struct attempts *as);

/* A call, or what became of one that is known: it has failed, or what it sent was dropped. */
void attempts_add(struct dns_engine *e, const struct dns_attempt *a);
/* A packet to k's server settles what was tried before it. */
void attempts_settle(struct dns_engine *e, const struct trans_key *k);
/* Whose query it is when its packet does not tell, as at the host's end: the one process
 * that called k's server lately. With two of them it is nobody's. */
struct owner attempts_owner(struct dns_engine *e, const struct trans_key *k);
/* A timer of kind TIMER_ATTEMPT is due. */
void attempts_timer(struct dns_engine *e, struct timer *t);
/* Judges whatever still waits. */
void attempts_finish(struct dns_engine *e);

#endif

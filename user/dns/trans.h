/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a transaction, from the first query to the answer, the failure or the
 * verdict: what belongs together, what it means that nothing comes, and when that is
 * said. A part of the engine; packets.c reads packets for it, and knows no stages.
 *
 * Keys are as the client has them: the server of Docker's is on port 53.
 */
#ifndef NSWATCH_DNS_TRANS_H
#define NSWATCH_DNS_TRANS_H

#include "decode/dns.h"
#include "dns/engine.h"
#include "dns/table.h"
#include "dns/timers.h"
#include "packet.h"

/* A message of p, in either direction; k->client is who asks. */
void trans_query(struct dns_engine *e, const struct packet *p, const struct trans_key *k,
		 const struct dns_msg *m);
void trans_answer(struct dns_engine *e, const struct packet *p, const struct trans_key *k,
		  const struct dns_msg *m);

/* A SYN to the server: until something comes back, the connection is a transaction, too. */
void trans_connect(struct dns_engine *e, const struct packet *p, const struct trans_key *k);
/* It is no longer just being opened: it was accepted, or carries a query. */
void trans_connected(struct dns_engine *e, const struct trans_key *k);

/* An ICMP error or a reset came for x, which may have its answer already; of *how, time and
 * packet_nr are p's. */
void trans_fail(struct dns_engine *e, const struct packet *p, struct trans *x,
		const struct trans_failure *how);

/* A timer of kind TIMER_TRANS is due. */
void trans_timer(struct dns_engine *e, struct timer *timer);
/* Shows what was not shown, and gives the verdicts that are due. */
void trans_finish(struct dns_engine *e);

#endif

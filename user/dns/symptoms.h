/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may show a fault although, or because, an answer came: the transactions
 * that deserve a look by the rules, and what is to be remembered of the others.
 * A part of the engine; on the way of each answer, so a healthy one costs little.
 */
#ifndef NSWATCH_DNS_SYMPTOMS_H
#define NSWATCH_DNS_SYMPTOMS_H

#include "decode/frame.h"
#include "dns/engine.h"
#include "dns/rules.h"
#include "dns/table.h"

struct server_state;

/* A new transaction: notes the A or AAAA that was asked along with it. */
void symptoms_query(struct dns_engine *e, struct trans *x);
/* An answer, already counted and reported as *t. */
void symptoms_answer(struct dns_engine *e, struct trans *x, const struct dns_transaction *t);
/* A second without an answer, or a failure. */
void symptoms_unanswered(struct dns_engine *e, struct trans *x);
/* An answer that belongs to no query: from a wrong source? */
void symptoms_stray(struct dns_engine *e, const struct trans_key *k, const struct question *q,
		    uint64_t packet_nr);
/* What the verdict on an unanswered one must know of it. */
void symptoms_verdict(struct dns_engine *e, const struct trans *x, struct rule_input *in);
/* A TCP packet that is not of port 53. */
void symptoms_other_tcp(struct dns_engine *e, const struct packet *p, const struct frame *f);
void symptoms_other_udp(struct dns_engine *e, const struct packet *p, const struct frame *f);

#endif

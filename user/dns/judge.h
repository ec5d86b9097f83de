/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Brings what happened before the rules, with the facts around it, and keeps
 * the findings: one per cause and namespace, counted. A part of the engine.
 */
#ifndef NSWATCH_DNS_JUDGE_H
#define NSWATCH_DNS_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/engine.h"
#include "dns/rules.h"
#include "dns/table.h"
#include "dns/timers.h"

struct judge;

/* NULL when out of memory. */
struct judge *judge_new(void);
void judge_free(struct judge *j);

/* Judges the event now if fresh facts of the asking process are there or nobody can be asked for
 * them; else when they come, or when they have been waited for; in any case not before
 * about->not_before, unless the run ends. about has the event and what goes with it; *t and *q,
 * its question (NULL: none), are copied. ppid: of the asking process, 0 unknown. */
void judge_event(struct dns_engine *e, const struct rule_input *about,
		 const struct dns_transaction *t, const struct question *q, uint32_t ppid);
/* Asks for the facts about the process of *t, unless that was done a moment ago; whether so. */
bool judge_ask(struct dns_engine *e, const struct dns_transaction *t, uint32_t ppid);
/* Whether the asking process's own facts may be needed, and must be asked for now because it
 * may end: it asks a loopback server that is not known to be well. */
bool judge_trouble_ahead(const struct dns_engine *e, uint64_t netns, uint32_t pid,
			 const struct ipaddr *server);
/* What the namespace's target is, as far as the facts tell. */
enum target_kind judge_target_kind(const struct dns_engine *e, uint64_t netns);
/* Facts have come; copied. */
void judge_facts(struct dns_engine *e, const struct dns_facts *facts);
/* A timer of kind TIMER_HELD is due. */
void judge_timer(struct dns_engine *e, struct timer *t);
/* Judges whatever still waits. */
void judge_finish(struct dns_engine *e);

#endif

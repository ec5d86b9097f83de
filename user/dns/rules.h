/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The findings as a table of rules. A rule looks at one event with all that is
 * known around it, and says whether its fault is proven; its text builder
 * then fills the finding. Rules are tried in the table's order, the first that
 * fires speaks for the event.
 */
#ifndef NSWATCH_DNS_RULES_H
#define NSWATCH_DNS_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/facts.h"
#include "dns/transaction.h"

enum rule_event {
	RULE_CHECK = 1 << 0,	  /* no traffic: what the files and the namespace say */
	RULE_NOT_SENT = 1 << 1,	  /* a socket call, and no packet to that server after it */
	RULE_UNANSWERED = 1 << 2, /* a second of silence from a loopback server */
	RULE_VERDICT = 1 << 3,	  /* it is over for this server: refused, or silent to the end */
	/* What concerns the namespace as a whole: every rule that fires speaks. */
	RULE_FACTS = 1 << 16,
};

struct rule_input {
	enum rule_event event;
	struct ipaddr server;
	const struct dns_transaction *t; /* NULL for RULE_CHECK */
	const struct dns_facts *facts;	 /* of the asking process if possible; NULL unknown */
	bool facts_fresh;		 /* collected during or after the event */
	/* For RULE_VERDICT */
	struct ipaddr answered_by;  /* another server, or this one asked again; family 0 none */
	int64_t answered_after;	    /* ns from the first query */
	bool server_silent;	    /* it answered nothing since the query */
	uint64_t server_unanswered; /* transactions in a row without an answer */
};

struct dns_rule {
	const char *code;
	enum dns_severity severity;
	unsigned int events; /* enum rule_event */
	bool per_server;     /* each server is a cause of its own */
	bool (*fires)(const struct rule_input *in);
	void (*text)(struct dns_finding *f, const struct rule_input *in);
};

/* The rule that fires for the event, or NULL. */
const struct dns_rule *rules_match(const struct rule_input *in);
/* Fills everything of *f but repeat, count, first and last. */
void rules_finding(struct dns_finding *f, const struct dns_rule *r, const struct rule_input *in);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The findings as a table of rules. A rule looks at one event with all that is
 * known around it, and says whether its fault is proven; its text builder
 * then fills the finding. Rules are tried in the table's order, the first that
 * fires speaks for the event.
 */
#ifndef NSWATCH_DNS_RULES_H
#define NSWATCH_DNS_RULES_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "dns/facts.h"
#include "dns/transaction.h"

enum rule_event {
	RULE_CHECK = 1 << 0,	  /* no traffic: what the files and the namespace say */
	RULE_NOT_SENT = 1 << 1,	  /* a socket call, and no packet to that server after it */
	RULE_UNANSWERED = 1 << 2, /* a second of silence */
	RULE_VERDICT = 1 << 3,	  /* it is over for this server: refused, or silent to the end */
	RULE_ANSWER = 1 << 4,	  /* an answer that says no, or that came in an odd way */
	RULE_SLOW = 1 << 5,	  /* enough answers of a server to judge its latency */
	RULE_REFUSED = 1 << 6,	  /* a connection to this host's loopback was refused, not DNS */
	RULE_ENCRYPTED = 1 << 7,  /* a connection to a server of encrypted DNS */
	RULE_BLIND = 1 << 8,	  /* a finding rests on a time in which records were lost */
	/* What concerns the namespace as a whole: every rule that fires speaks. */
	RULE_FACTS = 1 << 16,
};

/* What a resolver in the namespace asked another server on behalf of the query. */
struct rule_upstream {
	struct ipaddr server; /* family 0: it asked nobody */
	bool bad;	      /* silent, unreachable or refusing */
	bool answered;
	uint16_t rcode;
	uint64_t query_nr;
	char ifname[IFNAMSIZ]; /* raw */
};

/* What is known at the time of judgement. */
struct rule_input {
	enum rule_event event;
	/* The socket, the name, the namespace. */
	uint32_t port_failures; /* transactions of this source port in a row without an answer */
	int64_t port_time;	/* ns from the first of them to the latest */
	int64_t nx_wasted_time; /* ns that those took: */
	uint32_t nx_wasted;	/* NXDOMAIN for the name with suffixes, before this success */
	uint32_t nx_minute;	/* NXDOMAIN for this name and type in the last minute, up to 20 */
	uint64_t lost;		/* records */
	const struct dns_transaction *t; /* NULL for RULE_CHECK */
	const struct dns_facts *facts;	 /* of the asking process if possible; NULL unknown */
	int64_t not_before;		 /* when it may be judged; 0 at once */
	int64_t age;			 /* ns since the query */

	/* The server. */
	uint64_t server_unanswered; /* transactions in a row without an answer */
	int64_t tcp_after;	    /* ns from the query to a TCP connection; -1 none */
	int64_t truncated_before;   /* ns since it sent a truncated answer; -1 none */
	struct dns_latency latency;
	uint32_t aaaa_names; /* in a row whose A it answers and whose AAAA not */
	uint32_t servfails;  /* in a row */

	/* The same question meanwhile. */
	int64_t answered_after;	  /* ns from the first query */
	int64_t nx_ahead;	  /* ns by which nx_first was faster */
	uint64_t wrong_source_nr; /* packet */
	struct rule_upstream upstream;
	struct ipaddr server;
	struct ipaddr answered_by;  /* a server, whatever it said; family 0 none */
	struct ipaddr resolved_by;  /* a server that found the name or knows that it is none */
	struct ipaddr nx_first;	    /* from the same socket: this server had said NXDOMAIN */
	struct ipaddr wrong_source; /* whence an answer with this id and port came */
	struct ipaddr parent;	    /* this query is what that loopback server asks upstream */
	uint16_t big_unanswered; /* EDNS size of the query that this one is the smaller retry of */

	bool facts_fresh;   /* collected during or after the event */
	bool last_call;	    /* the run ends before not_before */
	bool waited;	    /* for further cases of the same (rules_wait()) */
	bool server_silent; /* it answered nothing since the query */
	bool name_found;    /* an address was found for the name, or for it with a suffix */
	bool a_found;	    /* this server gave an A record for the name */
	bool whole;	    /* an answer that is not truncated came */
	bool half_answered; /* the first fragment of an answer came, the rest did not */
	bool twin_answered; /* of A and AAAA, asked at once, the other was answered at once */
	bool plain_seen;    /* queries on port 53 in the namespace */
};

/* What a finding of the rule is about: the same of it is one cause, counted. */
enum rule_scope {
	PER_NAMESPACE,
	PER_SERVER,
	PER_UPSTREAM, /* the server is the one that a resolver in the namespace asked */
};

struct dns_rule {
	const char *code;
	enum dns_severity severity;
	unsigned int events; /* enum rule_event */
	enum rule_scope scope;
	bool can_wait; /* it says the least: another may come to fit (rules_wait()) */
	bool (*fires)(const struct rule_input *in);
	void (*text)(struct dns_finding *f, const struct rule_input *in);
};

/* The server that a finding of the rule is about. */
const struct ipaddr *rules_server(const struct dns_rule *r, const struct rule_input *in);

/* The rule that fires for the event, or NULL. */
const struct dns_rule *rules_match(const struct rule_input *in);
/* One such case can have two causes; further ones would tell which. */
bool rules_wait(const struct rule_input *in);
/* Fills everything of *f but repeat, count, first and last. */
void rules_finding(struct dns_finding *f, const struct dns_rule *r, const struct rule_input *in);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The terminal output of --dns: a line per transaction, a block per finding, a
 * table at the end. Everything printed is safe for a terminal.
 */
#ifndef NSWATCH_SINK_DNS_TEXT_H
#define NSWATCH_SINK_DNS_TEXT_H

#include <stdbool.h>
#include <time.h>

#include "dns/transaction.h"
#include "util/strbuf.h"

/* The second that was shown last, as text: most lines share it. Zeroed at first. */
struct dns_text_clock {
	time_t second;
	char text[9];
};

struct dns_text_style {
	bool color;	    /* ANSI SGR */
	bool utf8;	    /* arrows and marks; else ASCII */
	bool show_target;   /* several targets: "php/eth0" instead of "eth0" */
	bool forewarn;	    /* a fault nobody has run into yet: the warning and one fix only */
	bool after_blank;   /* the line before is blank already */
	bool details;	    /* header, counts and EDNS below each transaction */
	unsigned int width; /* columns of the terminal; 0: not a terminal, no wrapping */
	struct dns_text_clock *clock; /* or NULL; borrowed */
};

/* Each appends whole lines, the last with its newline. A buffer of 8 KiB holds a transaction
 * or a finding, one of 64 KiB any summary. */
void dns_text_transaction(struct strbuf *b, const struct dns_transaction *t,
			  const struct dns_text_style *style);
void dns_text_finding(struct strbuf *b, const struct dns_finding *f,
		      const struct dns_text_style *style);
void dns_text_summary(struct strbuf *b, const struct dns_summary *s,
		      const struct dns_text_style *style);

#endif

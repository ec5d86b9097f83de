/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the --dns text: what a transaction's line says, as words not yet placed. */
#ifndef NSWATCH_SINK_DNS_WORDS_H
#define NSWATCH_SINK_DNS_WORDS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "dns/transaction.h"
#include "sink/dns_out.h"
#include "sink/dns_text.h"
#include "util/strbuf.h"

struct dns_words {
	struct dns_word client, server, type, name, result, remarks, latency;
	/* What they are, unless they stand in the transaction. */
	struct {
		char client[TARGET_NAME_LEN * 4 + IFNAMSIZ * 4 + IPADDR_STRLEN + 4 + MARK_ROOM];
		char server[IPADDR_STRLEN + 16 + MARK_ROOM];
		char type[24];
		char name[DNS_NAME_TEXT + MARK_ROOM];
		char result[DNS_ANSWERS_LEN + 64 + MARK_ROOM];
		char remarks[512 + MARK_ROOM];
		char latency[32];
	} text;
};

/* *t has to live as long as they. */
void dns_words_make(struct dns_words *l, const struct dns_transaction *t,
		    const struct dns_text_style *style);
/* The result again; room: columns for the answers, 0: all of them. */
void dns_words_result(struct dns_words *l, const struct dns_transaction *t, unsigned int room,
		      bool brief);
/* In time or late. */
bool dns_words_answered(const struct dns_transaction *t);
/* Rounded to what a reader wants to know of it; ns. brief: without blanks. */
void dns_words_duration(struct strbuf *b, int64_t ns, bool brief);

#endif

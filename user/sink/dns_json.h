/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NDJSON: one object a line, "type" first. The schema is docs/json.md. Always
 * valid JSON in valid UTF-8, whatever the bytes were.
 */
#ifndef NSWATCH_SINK_DNS_JSON_H
#define NSWATCH_SINK_DNS_JSON_H

#include "dns/transaction.h"
#include "packet.h"
#include "util/strbuf.h"

struct flow;

/* Each appends one line with its newline. A buffer of 32 KiB holds any but the summary, which
 * needs 1 MiB. */
void dns_json_transaction(struct strbuf *b, const struct dns_transaction *t);
void dns_json_finding(struct strbuf *b, const struct dns_finding *f);
void dns_json_summary(struct strbuf *b, const struct dns_summary *s);
/* f, protocol and info are those of text_columns(). */
void dns_json_packet(struct strbuf *b, const struct packet *p, const struct flow *f,
		     const char *protocol, const char *info);

#endif

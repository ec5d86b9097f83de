// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of --dns: what came of all transactions, in tables by server, by name
 * and for multicast, and the findings in a row each.
 */
#include <stdio.h>
#include <string.h>

#include "decode/dns.h"
#include "sink/dns_layout.h"
#include "sink/dns_out.h"
#include "sink/dns_text.h"
#include "sink/dns_text_finding.h"
#include "sink/dns_words.h"
#include "util/cleanup.h"

static void put_count(struct dns_out *o, uint64_t n, const char *what, enum color color)
{
	char text[64];

	if (!n)
		return;
	snprintf(text, sizeof(text), ", %llu %s", (unsigned long long)n, what);
	dns_out_put(o, text, color);
}

static void put_headline(struct dns_out *o, const struct dns_summary *s)
{
	char text[64];

	snprintf(text, sizeof(text), "DNS: %llu transaction%s", (unsigned long long)s->transactions,
		 s->transactions == 1 ? "" : "s");
	dns_out_put(o, text, BOLD);
	put_count(o, s->answered, "answered", PLAIN);
	put_count(o, s->late, "of them late", YELLOW);
	put_count(o, s->unanswered, "without an answer", RED);
	put_count(o, s->failed, "failed", RED);
	put_count(o, s->not_sent, "never sent", RED);
	put_count(o, s->retries, "retried", PLAIN);
	put_count(o, s->malformed, "malformed", YELLOW);
	put_count(o, s->dropped, "not followed for lack of memory", YELLOW);
	dns_out_newline(o);
}

static void put_right(struct dns_out *o, unsigned int end, const char *text, enum color color)
{
	unsigned int n = (unsigned int)strlen(text);

	dns_out_put(o, " ", PLAIN);
	if (end > n)
		dns_out_pad(o, end - n);
	dns_out_put(o, text, color);
}

/* A percentile of l, right-aligned at end. */
static void put_latency_cell(struct dns_out *o, unsigned int end, const struct dns_latency *l,
			     int64_t ns)
{
	char text[32];
	struct strbuf b;

	strbuf_init(&b, text, sizeof(text));
	if (l->count)
		dns_words_duration(&b, ns, false);
	else
		strbuf_putc(&b, '-');
	put_right(o, end, text, PLAIN);
}

/* "NAME N", one of a list. */
static void put_item(struct dns_out *o, const char *name, uint64_t n, enum color color, bool *first)
{
	char text[64];

	if (!n)
		return;
	snprintf(text, sizeof(text), "%s%s %llu", *first ? "  " : ", ", name,
		 (unsigned long long)n);
	dns_out_put(o, text, color);
	*first = false;
}

static void put_rcodes(struct dns_out *o, const uint64_t rcode[DNS_SUMMARY_RCODES], bool *first)
{
	unsigned int i;

	for (i = 0; i < DNS_SUMMARY_RCODES; i++) {
		char name[32];
		struct strbuf b;

		strbuf_init(&b, name, sizeof(name));
		dns_rcode_put(&b, (uint16_t)i);
		put_item(o, name, rcode[i], i && i != DNS_R_NXDOMAIN ? RED : DIM, first);
	}
}

static void server_name(const struct ipaddr *a, char text[IPADDR_STRLEN + MARK_ROOM],
			const struct dns_text_style *style)
{
	ipaddr_format(a, text);
	if (dns_layout_is_narrow(style))
		dns_out_shorten(text, MIN_SERVER, style);
}

static void put_server_row(struct dns_out *o, const struct dns_server_summary *s, unsigned int base)
{
	const struct {
		uint64_t n;
		unsigned int end;
		enum color color;
	} counts[] = {
		{ s->transactions, 8, PLAIN },
		{ s->answered, 17, PLAIN },
		{ s->unanswered, 27, RED },
		{ s->failed + s->not_sent, 34, RED },
	};
	const int64_t latencies[] = { s->latency.p50, s->latency.p95, s->latency.p99 };
	char text[IPADDR_STRLEN + MARK_ROOM];
	size_t i;

	dns_out_pad(o, 2);
	server_name(&s->addr, text, o->style);
	dns_out_put(o, text, CYAN);
	dns_out_pad(o, base);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)counts[i].n);
		put_right(o, base + counts[i].end, text, counts[i].n ? counts[i].color : DIM);
	}
	for (i = 0; i < ARRAY_SIZE(latencies); i++)
		put_latency_cell(o, base + 43 + 9 * (unsigned int)i, &s->latency, latencies[i]);
	if (!dns_layout_is_narrow(o->style)) {
		bool first = true;

		put_rcodes(o, s->rcode, &first);
		put_item(o, "retried", s->retries, PLAIN, &first);
	}
	dns_out_newline(o);
}

static void put_servers(struct dns_out *o, const struct dns_summary *s)
{
	static const struct {
		const char *text;
		unsigned int end;
	} heads[] = {
		{ "queries", 8 }, { "answered", 17 }, { "no answer", 27 }, { "failed", 34 },
		{ "p50", 43 },	  { "p95", 52 },      { "p99", 61 },
	};
	unsigned int base = 10;
	char text[IPADDR_STRLEN + MARK_ROOM];
	uint32_t i;

	for (i = 0; i < s->nr_servers; i++) {
		server_name(&s->servers[i].addr, text, o->style);
		if (dns_out_columns(text) + 2 > base)
			base = dns_out_columns(text) + 2;
	}
	dns_out_pad(o, 2);
	dns_out_put(o, "server", DIM);
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		put_right(o, base + heads[i].end, heads[i].text, DIM);
	dns_out_newline(o);
	for (i = 0; i < s->nr_servers; i++)
		put_server_row(o, &s->servers[i], base);
}

/* Rows of the most asked names; names that fail are shown beyond them. */
#define NAME_ROWS    10
#define FAILING_ROWS 5

/* Columns of the names' table: where numbers end, and what became of the lookups begins. */
struct name_columns {
	unsigned int queries, p50, step, result;
};

static const struct name_columns *name_columns(const struct dns_text_style *style)
{
	static const struct name_columns narrow = { 33, 41, 8, 59 }, wide = { 48, 57, 9, 77 };

	return dns_layout_is_narrow(style) ? &narrow : &wide;
}

/* "NOERROR 3, NXDOMAIN 1", in further lines if there is no room for it in this. */
struct items {
	struct dns_out *o;
	unsigned int at; /* where they begin */
	bool any;
};

static void put_name_item(struct items *i, const char *name, uint64_t n, enum color color)
{
	struct dns_out *o = i->o;
	char text[64];

	if (!n)
		return;
	snprintf(text, sizeof(text), "%s %llu", name, (unsigned long long)n);
	if (i->any) {
		dns_out_put(o, ",", PLAIN);
		if (o->style->width && o->col + 1 + strlen(text) >= o->style->width)
			dns_out_break(o, i->at);
		else
			dns_out_put(o, " ", PLAIN);
	}
	dns_out_put(o, text, color);
	i->any = true;
}

static void put_name_result(struct items *to, const struct dns_name_summary *s)
{
	char name[32];
	struct strbuf b;
	unsigned int i;

	for (i = 0; i < DNS_SUMMARY_RCODES; i++) {
		strbuf_init(&b, name, sizeof(name));
		dns_rcode_put(&b, (uint16_t)i);
		put_name_item(to, name, s->rcode[i], i && i != DNS_R_NXDOMAIN ? RED : DIM);
	}
	put_name_item(to, "no answer", s->unanswered, RED);
	put_name_item(to, "failed", s->failed, RED);
	put_name_item(to, "retried", s->retries, PLAIN);
}

static void put_name_row(struct dns_out *o, const struct dns_name_summary *s)
{
	const struct name_columns *c = name_columns(o->style);
	const int64_t latencies[] = { s->latency.p50, s->latency.p95, s->latency.p99 };
	char text[DNS_NAME_TEXT + MARK_ROOM];
	struct items items = { .o = o, .at = c->result };
	unsigned int i;

	dns_out_pad(o, 2);
	dns_out_copy(text, s->name);
	if (o->style->width)
		dns_out_shorten(text, c->queries - 10, o->style);
	dns_out_put(o, text, BOLD);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)s->transactions);
	put_right(o, c->queries, text, PLAIN);
	for (i = 0; i < ARRAY_SIZE(latencies); i++)
		put_latency_cell(o, c->p50 + c->step * i, &s->latency, latencies[i]);
	dns_out_column(o, c->result);
	put_name_result(&items, s);
	dns_out_newline(o);
}

static bool is_among(const char *name, const struct dns_name_summary *s, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(s[i].name, name))
			return true;
	return false;
}

/* One name alone has been told about above. */
static void put_names(struct dns_out *o, const struct dns_summary *s)
{
	uint32_t i, nr = s->nr_names < NAME_ROWS ? s->nr_names : NAME_ROWS;
	const struct name_columns *c = name_columns(o->style);

	if (s->nr_names < 2)
		return;
	dns_out_pad(o, 2);
	dns_out_put(o, "name", DIM);
	put_right(o, c->queries, "queries", DIM);
	put_right(o, c->p50, "p50", DIM);
	put_right(o, c->p50 + c->step, "p95", DIM);
	put_right(o, c->p50 + 2 * c->step, "p99", DIM);
	dns_out_column(o, c->result);
	dns_out_put(o, "result", DIM);
	dns_out_newline(o);
	for (i = 0; i < nr; i++)
		put_name_row(o, &s->names[i]);
	for (i = 0; i < s->nr_failing_names && i < FAILING_ROWS; i++)
		if (!is_among(s->failing_names[i].name, s->names, nr))
			put_name_row(o, &s->failing_names[i]);
}

static void put_multicast_row(struct dns_out *o, const struct dns_multicast_summary *s,
			      const char *name)
{
	const struct {
		uint64_t n;
		unsigned int end;
	} counts[] = {
		{ s->questions, 20 },
		{ s->answered, 29 },
		{ s->silent, 37 },
		{ s->announcements, 47 },
	};
	const int64_t latencies[] = { s->latency.p50, s->latency.p95, s->latency.p99 };
	char text[32];
	size_t i;

	dns_out_pad(o, 2);
	dns_out_put(o, name, CYAN);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)counts[i].n);
		put_right(o, counts[i].end, text, counts[i].n ? PLAIN : DIM);
	}
	for (i = 0; i < ARRAY_SIZE(latencies); i++)
		put_latency_cell(o, 56 + 9 * (unsigned int)i, &s->latency, latencies[i]);
	dns_out_newline(o);
}

/* Apart from the servers: that nobody answers is no failure here. */
static void put_multicast(struct dns_out *o, const struct dns_summary *s)
{
	static const char *const names[] = { "mDNS", "LLMNR" };
	static const struct {
		const char *text;
		unsigned int end;
	} heads[] = {
		{ "questions", 20 }, { "answered", 29 }, { "silence", 37 }, { "announced", 47 },
		{ "p50", 56 },	     { "p95", 65 },	 { "p99", 74 },
	};
	const struct dns_multicast_summary *m;
	bool first = true;
	size_t i, j;

	for (i = 0; i < DNS_NR_MULTICAST; i++) {
		m = &s->multicast[i];
		if (!m->questions && !m->announcements)
			continue;
		if (first) {
			dns_out_pad(o, 2);
			dns_out_put(o, "multicast", DIM);
			for (j = 0; j < ARRAY_SIZE(heads); j++)
				put_right(o, heads[j].end, heads[j].text, DIM);
			dns_out_newline(o);
		}
		first = false;
		put_multicast_row(o, m, names[i]);
	}
}

static void put_note(struct dns_out *o, uint64_t n, const char *what)
{
	char text[96];

	snprintf(text, sizeof(text), "  %llu %s", (unsigned long long)n, what);
	dns_out_put(o, text, YELLOW);
	dns_out_newline(o);
}

void dns_text_summary(struct strbuf *b, const struct dns_summary *s,
		      const struct dns_text_style *style)
{
	struct dns_out o = { .b = b, .style = style };
	uint32_t i;

	if (!style->after_blank)
		dns_out_newline(&o);
	put_headline(&o, s);
	if (s->nr_servers)
		put_servers(&o, s);
	put_names(&o, s);
	put_multicast(&o, s);
	if (s->lost_records) {
		put_note(&o, s->lost_records, "records lost: verdicts may be incomplete");
	}
	dns_out_put(&o, s->nr_findings ? "Findings:" : "No findings.", BOLD);
	dns_out_newline(&o);
	for (i = 0; i < s->nr_findings; i++)
		dns_text_finding_row(&o, &s->findings[i]);
	if (s->more_findings) {
		put_note(&o, s->more_findings, "more, not kept");
	}
}

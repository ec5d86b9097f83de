// SPDX-License-Identifier: GPL-2.0-only
#include "sink/dns_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "decode/dns.h"
#include "util/cleanup.h"

#define MSEC 1000000LL
#define SEC  (1000 * MSEC)

/* Prose wider than this is hard to read. */
#define PROSE_WIDTH 100

enum color { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, CYAN, BOLD_RED, BOLD_YELLOW };

static const char *const sgr[] = {
	[PLAIN] = "",	     [BOLD] = "\033[1m",	[DIM] = "\033[2m",
	[RED] = "\033[31m",  [GREEN] = "\033[32m",	[YELLOW] = "\033[33m",
	[CYAN] = "\033[36m", [BOLD_RED] = "\033[1;31m", [BOLD_YELLOW] = "\033[1;33m",
};

/* A line being written: knows its column, which bytes alone do not tell. */
struct out {
	struct strbuf *b;
	const struct dns_text_style *style;
	unsigned int col;
};

static void put(struct out *o, const char *s, enum color color)
{
	bool colored = o->style->color && color != PLAIN && *s;

	if (colored)
		strbuf_puts(o->b, sgr[color]);
	strbuf_puts(o->b, s);
	if (colored)
		strbuf_puts(o->b, "\033[0m");
	o->col += (unsigned int)strlen(s);
}

/* A sign of one column, with its ASCII stand-in. */
static void put_sign(struct out *o, const char *utf8, const char *ascii, enum color color)
{
	put(o, o->style->utf8 ? utf8 : ascii, color);
	if (o->style->utf8)
		o->col -= (unsigned int)strlen(utf8) - 1;
}

static void pad(struct out *o, unsigned int to)
{
	for (; o->col < to; o->col++)
		strbuf_putc(o->b, ' ');
}

/* Up to the column, and a blank at least. */
static void column(struct out *o, unsigned int to)
{
	put(o, " ", PLAIN);
	pad(o, to);
}

static void newline(struct out *o)
{
	strbuf_putc(o->b, '\n');
	o->col = 0;
}

static bool is_narrow(const struct dns_text_style *style)
{
	return style->width && style->width < 120;
}

/* Where the columns of a transaction's line begin. */
static const struct columns {
	unsigned int process, client, server, question, result, result_min;
} narrow = { 9, 22, 38, 48, 62, 15 }, wide = { 14, 34, 56, 76, 110, 24 };

static void put_time(struct out *o, int64_t ns)
{
	time_t t = ns / SEC;
	char text[32];
	struct tm tm;

	if (!localtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	snprintf(text, sizeof(text), "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (!is_narrow(o->style))
		snprintf(text + 8, sizeof(text) - 8, ".%03d", (int)(ns % SEC / MSEC));
	put(o, text, DIM);
}

static void put_owner(struct out *o, const struct owner *owner)
{
	char text[96];
	struct strbuf b;

	if (!owner->pid) {
		put(o, "-", DIM);
		return;
	}
	strbuf_init(&b, text, sizeof(text));
	strbuf_escape(&b, owner->comm, strlen(owner->comm));
	strbuf_printf(&b, "(%u)", owner->pid);
	put(o, text, PLAIN);
}

static void put_client(struct out *o, const struct dns_transaction *t)
{
	char text[TARGET_NAME_LEN * 4 + IFNAMSIZ * 4 + IPADDR_STRLEN + 4];
	struct strbuf b;

	strbuf_init(&b, text, sizeof(text));
	if (t->client.family) {
		ipaddr_put(&b, &t->client);
		strbuf_putc(&b, '@');
	}
	if (o->style->show_target && t->target[0]) {
		strbuf_escape(&b, t->target, strlen(t->target));
		if (t->ifname[0])
			strbuf_putc(&b, '/');
	}
	strbuf_escape(&b, t->ifname, strlen(t->ifname));
	put(o, b.len ? text : "-", b.len ? PLAIN : DIM);
}

static void put_server(struct out *o, const struct dns_transaction *t)
{
	char text[IPADDR_STRLEN + 16];
	struct strbuf b;

	strbuf_init(&b, text, sizeof(text));
	if (t->server_port == 53) {
		ipaddr_put(&b, &t->server);
	} else {
		strbuf_puts(&b, t->server.family == 6 ? "[" : "");
		ipaddr_put(&b, &t->server);
		strbuf_printf(&b, "%s:%u", t->server.family == 6 ? "]" : "", t->server_port);
	}
	if (t->proto == IPPROTO_TCP)
		strbuf_puts(&b, "/tcp");
	put(o, text, CYAN);
}

static void put_question(struct out *o, const struct dns_transaction *t)
{
	char type[24];
	struct strbuf b;

	if (!t->has_question) {
		put(o, t->state == DNS_NOT_SENT ? "-" : "(connection)", DIM);
		return;
	}
	strbuf_init(&b, type, sizeof(type));
	if (t->opcode) {
		dns_opcode_put(&b, t->opcode);
		strbuf_putc(&b, ' ');
	}
	dns_type_put(&b, t->qtype);
	strbuf_putc(&b, ' ');
	put(o, type, DIM);
	put(o, t->name, BOLD);
}

static const char *icmp_text(const struct dns_transaction *t)
{
	if (t->icmp_version == 4 && t->icmp_type == 3) {
		switch (t->icmp_code) {
		case 0: return "network unreachable (ICMP)";
		case 1: return "host unreachable (ICMP)";
		case 3: return "port unreachable (ICMP)";
		case 9:
		case 10:
		case 13: return "prohibited (ICMP)";
		default: return "unreachable (ICMP)";
		}
	}
	if (t->icmp_version == 6 && t->icmp_type == 1) {
		switch (t->icmp_code) {
		case 0: return "no route (ICMPv6)";
		case 1: return "prohibited (ICMPv6)";
		case 3: return "address unreachable (ICMPv6)";
		case 4: return "port unreachable (ICMPv6)";
		default: return "unreachable (ICMPv6)";
		}
	}
	return "failed (ICMP)";
}

static const char *failure_text(const struct dns_transaction *t)
{
	switch (t->failure) {
	case DNS_FAIL_ICMP: return icmp_text(t);
	case DNS_FAIL_RESET: return "connection reset";
	case DNS_FAIL_NO_SYN: return "connection not accepted";
	case DNS_FAIL_NONE: break;
	}
	return t->state == DNS_NOT_SENT ? "not sent: no packet left" : "no answer yet";
}

static bool has_answer(const struct dns_transaction *t)
{
	return t->state == DNS_ANSWERED || t->state == DNS_LATE;
}

static enum color result_color(const struct dns_transaction *t)
{
	if (!has_answer(t))
		return RED;
	if (t->malformed || (t->rcode && t->rcode != DNS_R_NXDOMAIN))
		return RED;
	return t->rcode || !t->answers[0] ? YELLOW : GREEN;
}

/* What the answer says besides its records. */
static void put_remarks(struct strbuf *b, const struct dns_transaction *t)
{
	if (has_answer(t) && t->flags & DNS_F_TC)
		strbuf_puts(b, " (truncated)");
	if (t->malformed)
		strbuf_puts(b, " (malformed)");
	if (t->state == DNS_LATE)
		strbuf_puts(b, " (late)");
	if (has_answer(t) && t->edns.has_error) {
		const char *name = dns_ede_name(t->edns.error);

		strbuf_printf(b, " (%s%s%s)", name ? name : "extended error",
			      t->ede_text[0] ? ": " : "", t->ede_text);
	}
	if (t->queries > 1)
		strbuf_printf(b, " (%u %s)", t->queries,
			      t->state == DNS_NOT_SENT ? "calls" : "tries");
}

/* The answers, cut at a record if they do not fit into room; 0: all. */
static void put_answers(struct strbuf *b, const struct dns_transaction *t, unsigned int room)
{
	unsigned int all = t->count[DNS_ANSWER], n = 0;
	size_t len = strlen(t->answers), end = 0;
	const char *p = t->answers, *comma;

	if (!room || len <= room) {
		strbuf_puts(b, t->answers);
		return;
	}
	while ((comma = strstr(p, ", "))) {
		/* The first is shown even if it alone is too long. */
		if (n && (size_t)(comma - t->answers) + 4 > room)
			break;
		end = (size_t)(comma - t->answers);
		n++;
		p = comma + 2;
	}
	strbuf_put(b, t->answers, n ? end : len);
	if (n && all > n)
		strbuf_printf(b, " +%u", all - n);
}

static void put_result(struct out *o, const struct dns_transaction *t, unsigned int room)
{
	char text[DNS_ANSWERS_LEN + 512], remarks[512];
	struct strbuf b, r;

	strbuf_init(&r, remarks, sizeof(remarks));
	put_remarks(&r, t);
	strbuf_init(&b, text, sizeof(text));
	if (!has_answer(t))
		strbuf_puts(&b, failure_text(t));
	else if (t->rcode)
		dns_rcode_put(&b, t->rcode);
	else if (!t->answers[0])
		strbuf_puts(&b, "no data");
	else
		put_answers(&b, t, room > r.len ? room - (unsigned int)r.len : room ? 1 : 0);
	put(o, text, result_color(t));
	put(o, remarks, has_answer(t) ? YELLOW : RED);
}

static void format_duration(char *text, size_t size, int64_t ns, bool brief)
{
	double ms = (double)ns / 1e6;

	if (ms >= 1000)
		snprintf(text, size, "%.1f%ss", ms / 1000, brief ? "" : " ");
	else if (ms >= 100 || (brief && ms >= 10))
		snprintf(text, size, "%.0f%sms", ms, brief ? "" : " ");
	else if (ms >= 1)
		snprintf(text, size, "%.1f%sms", ms, brief ? "" : " ");
	else
		snprintf(text, size, "%.2f%sms", ms, brief ? "" : " ");
}

static void latency_text(const struct dns_transaction *t, char *text, size_t size, bool brief)
{
	char d[24];

	text[0] = '\0';
	if (t->state == DNS_NOT_SENT)
		return;
	format_duration(d, sizeof(d), t->latency >= 0 ? t->latency : t->waited, brief);
	snprintf(text, size, "%s%s", t->latency >= 0 ? "" : brief ? ">" : "> ", d);
}

static void put_latency(struct out *o, const struct dns_transaction *t)
{
	bool is_slow = t->latency < 0 || t->latency >= SEC;
	char text[32];

	latency_text(t, text, sizeof(text), is_narrow(o->style));
	if (!text[0])
		return;
	put(o, " ", PLAIN);
	if (o->style->width && o->col + strlen(text) < o->style->width)
		pad(o, o->style->width - (unsigned int)strlen(text));
	else if (!o->style->width)
		pad(o, wide.result + wide.result_min + 9 - (unsigned int)strlen(text));
	put(o, text, is_slow ? RED : t->latency >= 100 * MSEC ? YELLOW : DIM);
}

void dns_text_transaction(struct strbuf *b, const struct dns_transaction *t,
			  const struct dns_text_style *style)
{
	const struct columns *c = is_narrow(style) ? &narrow : &wide;
	struct out o = { .b = b, .style = style };
	unsigned int room = 0;
	char latency[32];

	put_time(&o, t->time);
	column(&o, c->process);
	put_owner(&o, &t->owner);
	column(&o, c->client);
	put_client(&o, t);
	column(&o, c->server - 2);
	put_sign(&o, "\u2192", ">", DIM);
	put(&o, " ", PLAIN);
	put_server(&o, t);
	column(&o, c->question);
	put_question(&o, t);
	column(&o, c->result);
	latency_text(t, latency, sizeof(latency), is_narrow(style));
	if (style->width) {
		unsigned int used = o.col + (unsigned int)strlen(latency) + 1;

		room = style->width > used ? style->width - used : 0;
		if (room < c->result_min)
			room = c->result_min;
	}
	put_result(&o, t, room);
	put_latency(&o, t);
	newline(&o);
}

/* --- findings ------------------------------------------------------------------------ */

static unsigned int prose_width(const struct dns_text_style *style)
{
	if (!style->width)
		return 0;
	if (style->width > PROSE_WIDTH)
		return PROSE_WIDTH;
	return style->width < 40 ? 40 : style->width;
}

/* Prose, wrapped at blanks, its further lines indented; the cursor stands where it begins. */
static void wrap(struct out *o, const char *s, unsigned int indent, enum color color)
{
	unsigned int width = prose_width(o->style);
	bool first = true;

	while (*s) {
		size_t n = strcspn(s, " ");
		char word[1024];

		if (n >= sizeof(word))
			n = sizeof(word) - 1;
		memcpy(word, s, n);
		word[n] = '\0';
		if (!first && width && o->col + 1 + n > width) {
			newline(o);
			pad(o, indent);
		} else if (!first) {
			put(o, " ", PLAIN);
		}
		put(o, word, color);
		first = false;
		s += n;
		s += *s == ' ';
	}
	newline(o);
}

static void put_list(struct out *o, const char *head, const struct dns_finding *f)
{
	uint32_t i;

	for (i = 0; i < f->nr_seen; i++) {
		pad(o, 2);
		put(o, i ? "" : head, BOLD);
		pad(o, 9);
		wrap(o, f->seen[i], 9, PLAIN);
	}
}

static void put_fixes(struct out *o, const struct dns_finding *f)
{
	uint32_t i;

	for (i = 0; i < f->nr_fix; i++) {
		pad(o, 2);
		put(o, i ? "" : "Fix:", BOLD);
		pad(o, 9);
		wrap(o, f->fix[i].how, 9, PLAIN);
		if (!f->fix[i].cmd[0])
			continue;
		/* Never wrapped: it is there to be copied. */
		pad(o, 11);
		put(o, f->fix[i].cmd, CYAN);
		newline(o);
	}
}

static void put_target(struct out *o, const char *target)
{
	char text[TARGET_NAME_LEN * 4 + 1];
	struct strbuf b;

	strbuf_init(&b, text, sizeof(text));
	strbuf_escape(&b, target, strlen(target));
	put(o, text, PLAIN);
}

static void put_code(struct out *o, const struct dns_finding *f)
{
	enum color color = f->severity == DNS_ERROR ? BOLD_RED : BOLD_YELLOW;

	if (f->severity == DNS_ERROR)
		put_sign(o, "\u2717", "!!", color);
	else
		put_sign(o, "!", "!", color);
	put(o, " ", PLAIN);
	put(o, f->code, color);
}

void dns_text_finding(struct strbuf *b, const struct dns_finding *f,
		      const struct dns_text_style *style)
{
	struct out o = { .b = b, .style = style };

	if (f->repeat)
		return;
	newline(&o);
	put_code(&o, f);
	if (f->target[0]) {
		put(&o, " in ", DIM);
		put_target(&o, f->target);
	}
	if (f->possible)
		put(&o, " (possible: records were lost meanwhile)", YELLOW);
	newline(&o);
	pad(&o, 2);
	wrap(&o, f->what, 2, PLAIN);
	put_list(&o, "Seen:", f);
	put_fixes(&o, f);
	newline(&o);
}

/* --- the summary ----------------------------------------------------------------------- */

static void put_count(struct out *o, uint64_t n, const char *what, enum color color)
{
	char text[64];

	if (!n)
		return;
	snprintf(text, sizeof(text), ", %llu %s", (unsigned long long)n, what);
	put(o, text, color);
}

static void put_headline(struct out *o, const struct dns_summary *s)
{
	char text[64];

	snprintf(text, sizeof(text), "DNS: %llu transaction%s", (unsigned long long)s->transactions,
		 s->transactions == 1 ? "" : "s");
	put(o, text, BOLD);
	put_count(o, s->answered, "answered", PLAIN);
	put_count(o, s->late, "of them late", YELLOW);
	put_count(o, s->unanswered, "without an answer", RED);
	put_count(o, s->failed, "failed", RED);
	put_count(o, s->not_sent, "never sent", RED);
	put_count(o, s->retries, "retried", PLAIN);
	put_count(o, s->malformed, "malformed", YELLOW);
	put_count(o, s->dropped, "not followed for lack of memory", YELLOW);
	newline(o);
}

static void put_right(struct out *o, unsigned int end, const char *text, enum color color)
{
	unsigned int n = (unsigned int)strlen(text);

	put(o, " ", PLAIN);
	if (end > n)
		pad(o, end - n);
	put(o, text, color);
}

static void put_rcodes(struct out *o, const struct dns_server_summary *s)
{
	bool first = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s->rcode); i++) {
		char name[32], text[64];
		struct strbuf b;

		if (!s->rcode[i])
			continue;
		strbuf_init(&b, name, sizeof(name));
		dns_rcode_put(&b, (uint16_t)i);
		snprintf(text, sizeof(text), "%s%s %llu", first ? "  " : ", ", name,
			 (unsigned long long)s->rcode[i]);
		put(o, text, i && i != DNS_R_NXDOMAIN ? RED : DIM);
		first = false;
	}
}

static void put_server_row(struct out *o, const struct dns_server_summary *s, unsigned int base)
{
	const struct {
		uint64_t n;
		unsigned int end;
		enum color color;
	} counts[] = {
		{ s->transactions, 9, PLAIN },
		{ s->answered, 19, PLAIN },
		{ s->unanswered, 30, RED },
		{ s->failed + s->not_sent, 38, RED },
	};
	const int64_t latencies[] = { s->latency.p50, s->latency.p95, s->latency.p99 };
	char text[IPADDR_STRLEN];
	size_t i;

	pad(o, 2);
	ipaddr_format(&s->addr, text);
	put(o, text, CYAN);
	pad(o, base);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)counts[i].n);
		put_right(o, base + counts[i].end, text, counts[i].n ? counts[i].color : DIM);
	}
	for (i = 0; i < ARRAY_SIZE(latencies); i++) {
		if (s->latency.count)
			format_duration(text, sizeof(text), latencies[i], false);
		else
			strcpy(text, "-");
		put_right(o, base + 48 + 10 * (unsigned int)i, text, PLAIN);
	}
	if (!is_narrow(o->style))
		put_rcodes(o, s);
	newline(o);
}

static void put_servers(struct out *o, const struct dns_summary *s)
{
	static const struct {
		const char *text;
		unsigned int end;
	} heads[] = {
		{ "queries", 9 }, { "answered", 19 }, { "no answer", 30 }, { "failed", 38 },
		{ "p50", 48 },	  { "p95", 58 },      { "p99", 68 },
	};
	unsigned int base = 10;
	char text[IPADDR_STRLEN];
	uint32_t i;

	for (i = 0; i < s->nr_servers; i++) {
		ipaddr_format(&s->servers[i].addr, text);
		if (strlen(text) + 2 > base)
			base = (unsigned int)strlen(text) + 2;
	}
	pad(o, 2);
	put(o, "server", DIM);
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		put_right(o, base + heads[i].end, heads[i].text, DIM);
	newline(o);
	for (i = 0; i < s->nr_servers; i++)
		put_server_row(o, &s->servers[i], base);
}

static void put_finding_row(struct out *o, const struct dns_finding *f)
{
	char text[64];

	pad(o, 2);
	put_code(o, f);
	column(o, 20);
	if (f->target[0]) {
		put_target(o, f->target);
		put(o, " ", PLAIN);
	}
	if (f->server.family) {
		ipaddr_format(&f->server, text);
		put(o, text, CYAN);
		put(o, " ", PLAIN);
	}
	if (f->owner.pid) {
		put(o, "last by ", DIM);
		put_owner(o, &f->owner);
		put(o, " ", PLAIN);
	}
	if (f->count) {
		snprintf(text, sizeof(text), "%llu time%s", (unsigned long long)f->count,
			 f->count == 1 ? "" : "s");
		put(o, text, PLAIN);
	}
	if (f->possible)
		put(o, " (possible)", YELLOW);
	newline(o);
}

static void put_note(struct out *o, uint64_t n, const char *what)
{
	char text[96];

	snprintf(text, sizeof(text), "  %llu %s", (unsigned long long)n, what);
	put(o, text, YELLOW);
	newline(o);
}

void dns_text_summary(struct strbuf *b, const struct dns_summary *s,
		      const struct dns_text_style *style)
{
	struct out o = { .b = b, .style = style };
	uint32_t i;

	newline(&o);
	put_headline(&o, s);
	if (s->nr_servers)
		put_servers(&o, s);
	if (s->lost_records) {
		put_note(&o, s->lost_records, "records lost: verdicts may be incomplete");
	}
	put(&o, s->nr_findings ? "Findings:" : "No findings.", BOLD);
	newline(&o);
	for (i = 0; i < s->nr_findings; i++)
		put_finding_row(&o, &s->findings[i]);
	if (s->more_findings) {
		put_note(&o, s->more_findings, "more, not kept");
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A transaction's line: its words are put into columns and cut to fit; with -V,
 * what the message says besides follows below it.
 */
#include "sink/dns_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "decode/dns.h"
#include "sink/dns_layout.h"
#include "sink/dns_out.h"
#include "sink/dns_words.h"
#include "util/cleanup.h"

#define MSEC 1000000LL
#define SEC  (1000 * MSEC)

/* Latencies stand at the right edge, but not farther off than this. */
#define LINE_WIDTH 160

static void clock_text(char text[9], time_t second)
{
	struct tm tm;

	if (!localtime_r(&second, &tm))
		memset(&tm, 0, sizeof(tm));
	snprintf(text, 9, "%02u:%02u:%02u", tm.tm_hour % 24U, tm.tm_min % 60U, tm.tm_sec % 61U);
}

static void put_time(struct dns_out *o, int64_t ns)
{
	struct dns_text_clock here = { 0 }, *c = o->style->clock ?: &here;
	time_t second = ns / SEC - (ns % SEC < 0);
	struct dns_word time;
	char text[16];
	struct strbuf b;

	if (!c->text[0] || c->second != second)
		clock_text(c->text, second);
	c->second = second;
	strbuf_init(&b, text, sizeof(text));
	strbuf_put(&b, c->text, 8);
	if (!dns_layout_is_narrow(o->style)) {
		strbuf_putc(&b, '.');
		strbuf_digits(&b, (uint32_t)((ns - second * SEC) / MSEC), 3);
	}
	time = dns_word_of(&b);
	dns_out_word(o, &time, DIM);
}

static enum color result_color(const struct dns_transaction *t)
{
	if (t->state == DNS_SILENT)
		return DIM;
	if (t->state == DNS_ANNOUNCED)
		return PLAIN;
	if (!dns_words_answered(t))
		return RED;
	if (t->malformed || (t->rcode && t->rcode != DNS_R_NXDOMAIN))
		return RED;
	return t->rcode || !t->answers[0] ? YELLOW : GREEN;
}

static unsigned int latency_room(const struct dns_words *l)
{
	return l->latency.len ? l->latency.cols + 1 : 0;
}

/* Columns that the line needs from the question on. */
static unsigned int needed(const struct dns_words *l)
{
	return l->type.cols + l->name.cols + 1 + l->result.cols + l->remarks.cols + latency_room(l);
}

/* Shortens a word, to stand in text, by what the line has too much, but not below min columns. */
static void give_way(struct dns_words *l, struct dns_word *word, char *text, unsigned int min,
		     unsigned int room, const struct dns_text_style *style)
{
	unsigned int len = word->cols, over = needed(l) > room ? needed(l) - room : 0;

	if (over)
		dns_out_shorten_word(word, text, len > over + min ? len - over : min, style);
}

/* Makes the line fit: what can be spared most goes first. */
static void squeeze(struct dns_words *l, const struct dns_transaction *t, unsigned int room,
		    const struct dns_text_style *style)
{
	static const struct dns_word nothing = { .s = "" };
	unsigned int len = l->result.cols, over;

	if (needed(l) > room && !dns_words_answered(t) && t->failure != DNS_FAIL_NONE)
		l->latency = nothing;
	over = needed(l) > room ? needed(l) - room : 0;
	if (over)
		dns_words_result(l, t, len > over + MIN_RESULT ? len - over : MIN_RESULT,
				 dns_layout_is_narrow(style));
	give_way(l, &l->name, l->text.name, MIN_NAME, room, style);
	if ((dns_words_answered(t) && !t->rcode) || t->state == DNS_ANNOUNCED)
		give_way(l, &l->result, l->text.result, MIN_RESULT, room, style);
	give_way(l, &l->remarks, l->text.remarks, MIN_RESULT, room, style);
	if (needed(l) > room)
		l->latency = nothing;
}

static void put_link(struct dns_out *o, const struct dns_words *l, const struct dns_layout *c)
{
	if (l->client.len)
		dns_out_word(o, &l->client, PLAIN);
	else
		dns_out_put(o, "-", DIM);
	if (c->server) {
		dns_out_column(o, c->server - 2);
		dns_out_sign(o, "\u2192", ">", DIM);
		dns_out_column(o, c->server);
	} else {
		dns_out_sign(o, "\u2192", ">", DIM);
	}
	dns_out_word(o, &l->server, CYAN);
}

static void put_question(struct dns_out *o, const struct dns_words *l,
			 const struct dns_transaction *t)
{
	dns_out_word(o, &l->type, DIM);
	dns_out_word(o, &l->name, t->has_question ? BOLD : DIM);
}

/* In its column, or before it if it would not fit there. */
static void put_result(struct dns_out *o, const struct dns_words *l,
		       const struct dns_transaction *t, unsigned int at, unsigned int width)
{
	if (width) {
		unsigned int need = l->result.cols + l->remarks.cols + latency_room(l);

		if (at + need > width)
			at = width > need ? width - need : 0;
	}
	dns_out_column(o, at);
	dns_out_word(o, &l->result, result_color(t));
	dns_out_word(o, &l->remarks,
		     t->protocol != DNS_UNICAST ? DIM
		     : dns_words_answered(t)	? YELLOW
						: RED);
}

static void put_latency(struct dns_out *o, const struct dns_words *l,
			const struct dns_transaction *t, unsigned int width)
{
	bool is_slow = t->latency < 0 || t->waited >= SEC;
	unsigned int len = l->latency.cols;

	if (!len)
		return;
	dns_out_column(o, width > len ? width - len : 0);
	dns_out_word(o, &l->latency, is_slow ? RED : t->waited >= 100 * MSEC ? YELLOW : DIM);
}

static void put_header_flags(struct strbuf *b, uint16_t flags)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {
		{ DNS_F_QR, " qr" }, { DNS_F_AA, " aa" }, { DNS_F_TC, " tc" }, { DNS_F_RD, " rd" },
		{ DNS_F_RA, " ra" }, { DNS_F_AD, " ad" }, { DNS_F_CD, " cd" },
	};
	size_t i;

	strbuf_puts(b, ";; flags:");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			strbuf_puts(b, names[i].name);
}

static void put_edns(struct strbuf *b, const struct dns_transaction *t)
{
	const struct dns_edns *e = &t->edns;

	strbuf_printf(b, ";; EDNS: version: %u, flags:%s; udp: %u", e->version,
		      e->dnssec_ok ? " do" : "", e->udp_size);
	if (t->asked.present)
		strbuf_printf(b, " (asked: %u%s)", t->asked.udp_size,
			      t->asked.dnssec_ok ? ", do" : "");
	if (e->has_cookie)
		strbuf_printf(b, "; COOKIE: %s", t->cookie);
	if (e->has_nsid)
		strbuf_printf(b, "; NSID: \"%s\"", t->nsid);
	if (t->subnet[0])
		strbuf_printf(b, "; CLIENT-SUBNET: %s", t->subnet);
}

static void put_edns_asked(struct strbuf *b, const struct dns_transaction *t)
{
	if (!t->asked.present) {
		strbuf_puts(b, ";; asked without EDNS");
		return;
	}
	strbuf_printf(b, ";; asked with EDNS: flags:%s; udp: %u%s", t->asked.dnssec_ok ? " do" : "",
		      t->asked.udp_size, t->asked.has_cookie ? "; COOKIE" : "");
}

/* What is behind the line, in dig's words. */
static void put_details(struct dns_out *o, const struct dns_transaction *t)
{
	unsigned int at = dns_layout_of(o->style)->process;
	char text[512];
	struct strbuf b;

	if (!t->has_question && !dns_words_answered(t))
		return;
	strbuf_init(&b, text, sizeof(text));
	if (dns_words_answered(t)) {
		put_header_flags(&b, t->flags);
		strbuf_printf(&b,
			      "; QUERY: %u, ANSWER: %u, AUTHORITY: %u, ADDITIONAL: %u; "
			      "id: %u; %u bytes",
			      t->count[DNS_QUESTION], t->count[DNS_ANSWER], t->count[DNS_AUTHORITY],
			      t->count[DNS_ADDITIONAL], t->id, t->response_len);
		dns_out_pad(o, at);
		dns_out_wrap(o, text, at + 3, DIM);
		strbuf_reset(&b);
	}
	if (dns_words_answered(t) && t->edns.present)
		put_edns(&b, t);
	else
		put_edns_asked(&b, t);
	dns_out_pad(o, at);
	dns_out_wrap(o, text, at + 3, DIM);
}

void dns_text_transaction(struct strbuf *b, const struct dns_transaction *t,
			  const struct dns_text_style *style)
{
	const struct dns_layout *c = dns_layout_of(style);
	unsigned int width = style->width < LINE_WIDTH ? style->width : LINE_WIDTH;
	struct dns_out o = { .b = b, .style = style };
	struct dns_words l;

	dns_words_make(&l, t, style);
	put_time(&o, t->time);
	dns_out_column(&o, c->process);
	dns_out_owner(&o, &t->owner, c->brief ? MIN_PROCESS : 0);
	dns_out_column(&o, c->client);
	put_link(&o, &l, c);
	dns_out_column(&o, c->question);
	if (width)
		squeeze(&l, t, width > o.col ? width - o.col : 0, style);
	put_question(&o, &l, t);
	put_result(&o, &l, t, c->result, width);
	put_latency(&o, &l, t, width ? width : c->result + 34);
	dns_out_newline(&o);
	if (style->details)
		put_details(&o, t);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "sink/dns_words.h"

#include <netinet/in.h>
#include <string.h>

#include "decode/dns.h"
#include "dns/call.h"
#include "sink/dns_layout.h"
#include "util/cleanup.h"

#define MSEC 1000000LL
#define SEC  (1000 * MSEC)

static void make_client(struct dns_words *l, const struct dns_transaction *t,
			const struct dns_text_style *style)
{
	/* Another machine's question is known by its address, not by our interface. */
	bool with_address = !style->width || dns_layout_of(style)->server || t->from_outside;
	bool with_target = style->show_target && t->target[0];
	struct strbuf b;

	strbuf_init(&b, l->text.client, sizeof(l->text.client) - MARK_ROOM);
	if (t->client.family && (with_address || !t->ifname[0])) {
		ipaddr_put(&b, &t->client);
		if (with_target || t->ifname[0])
			strbuf_putc(&b, '@');
	}
	if (with_target)
		strbuf_escape(&b, t->target, strlen(t->target));
	if (with_target && with_address && t->ifname[0])
		strbuf_putc(&b, '/');
	if (!with_target || with_address)
		strbuf_escape(&b, t->ifname, strlen(t->ifname));
	if (dns_layout_is_narrow(style) && t->from_outside) {
		strbuf_reset(&b);
		ipaddr_put(&b, &t->client);
	}
	l->client = dns_word_of(&b);
	if (!with_address || (dns_layout_is_narrow(style) && t->from_outside))
		dns_out_shorten_word(&l->client, l->text.client, MIN_CLIENT, style);
}

static void make_server(struct dns_words *l, const struct dns_transaction *t,
			const struct dns_text_style *style)
{
	struct strbuf b;

	strbuf_init(&b, l->text.server, sizeof(l->text.server) - MARK_ROOM);
	if (t->to_group) {
		strbuf_puts(&b, t->protocol == DNS_LLMNR ? "LLMNR" : "mDNS");
		if (t->server.family == 6)
			strbuf_puts(&b, "/ipv6");
	} else if (t->server_port == 53) {
		ipaddr_put(&b, &t->server);
	} else {
		strbuf_puts(&b, t->server.family == 6 ? "[" : "");
		ipaddr_put(&b, &t->server);
		strbuf_printf(&b, "%s:%u", t->server.family == 6 ? "]" : "", t->server_port);
	}
	if (t->proto == IPPROTO_TCP)
		strbuf_puts(&b, "/tcp");
	l->server = dns_word_of(&b);
	if (dns_layout_is_narrow(style) && b.len > 20)
		dns_out_shorten_word(&l->server, l->text.server, MIN_SERVER, style);
}

static const char *no_question(const struct dns_transaction *t)
{
	if (t->state == DNS_NOT_SENT)
		return "-";
	if (t->state == DNS_ANNOUNCED)
		return t->goodbye ? "withdraws" : "announces";
	return t->is_connection ? "(connection)" : "(no question)";
}

static void make_question(struct dns_words *l, const struct dns_transaction *t)
{
	const char *name = t->has_question ? t->name : no_question(t);
	struct strbuf b;

	strbuf_init(&b, l->text.type, sizeof(l->text.type));
	if (t->has_question && t->opcode) {
		dns_opcode_put(&b, t->opcode);
		strbuf_putc(&b, ' ');
	}
	if (t->has_question) {
		dns_type_put(&b, t->qtype);
		strbuf_putc(&b, ' ');
	}
	l->type = dns_word_of(&b);
	l->name = dns_word(name, strlen(name));
}

static const char *icmp_text(const struct dns_transaction *t)
{
	if (t->icmp_version == 4 && t->icmp_type == 3) {
		switch (t->icmp_code) {
		case 0: return "network unreachable";
		case 1: return "host unreachable";
		case 3: return "port unreachable";
		case 9:
		case 10:
		case 13: return "prohibited";
		default: return "unreachable";
		}
	}
	if (t->icmp_version == 6 && t->icmp_type == 1) {
		switch (t->icmp_code) {
		case 0: return "no route";
		case 1: return "prohibited";
		case 3: return "address unreachable";
		case 4: return "port unreachable";
		default: return "unreachable";
		}
	}
	return "failed";
}

static void put_failure(struct strbuf *b, const struct dns_transaction *t, bool brief)
{
	switch (t->failure) {
	case DNS_FAIL_ICMP:
		strbuf_puts(b, icmp_text(t));
		if (!brief)
			strbuf_puts(b, t->icmp_version == 6 ? " (ICMPv6)" : " (ICMP)");
		return;
	case DNS_FAIL_RESET: strbuf_puts(b, "connection reset"); return;
	case DNS_FAIL_NO_SYN: strbuf_puts(b, "connection not accepted"); return;
	case DNS_FAIL_CALL:
	case DNS_FAIL_ROUTE:
		strbuf_puts(b, "not sent: ");
		strbuf_puts(b, brief ? call_errno_name(t->error) : call_errno_text(t->error));
		if (t->failure == DNS_FAIL_ROUTE)
			strbuf_puts(b, " (route lookup)");
		return;
	case DNS_FAIL_EGRESS:
		strbuf_puts(b, "not sent: ");
		if (t->error)
			strbuf_printf(b, "%s, ", call_errno_name(t->error));
		strbuf_puts(b, brief ? "egress hook" : "dropped at the egress hook");
		return;
	case DNS_FAIL_NONE: break;
	}
	strbuf_puts(b, t->state == DNS_NOT_SENT ? "not sent: no packet left" : "no answer yet");
}

/* Nobody has it, or nobody says so. */
static const char *silence(const struct dns_transaction *t)
{
	if (t->probe)
		return "free";
	return t->known ? "nothing new" : "nobody answers";
}

bool dns_words_answered(const struct dns_transaction *t)
{
	return t->state == DNS_ANSWERED || t->state == DNS_LATE;
}

/* What a server says about itself or its answer, as dig has it. */
static void put_edns_remarks(struct strbuf *b, const struct dns_transaction *t)
{
	unsigned int i;

	for (i = 0; i < t->edns.nr_errors; i++) {
		const char *name = dns_ede_name(t->edns.errors[i].code), *text = t->ede_text[i];

		strbuf_printf(b, " (EDE %u%s%s%s%s)", t->edns.errors[i].code, name ? " " : "",
			      name ? name : "", text[0] ? ": " : "", text);
	}
	if (t->subnet[0])
		strbuf_printf(b, " (subnet %s)", t->subnet);
	if (t->nsid[0])
		strbuf_printf(b, " (NSID %s)", t->nsid);
}

/* Who answered, unless the answer is his address, and what the question said besides. */
static void put_multicast_remarks(struct strbuf *b, const struct dns_transaction *t)
{
	char from[IPADDR_STRLEN];

	ipaddr_format(&t->responders[0], from);
	if (t->nr_responders > 1)
		strbuf_printf(b, " (from %s and %u more)", from, t->nr_responders - 1);
	else if (t->nr_responders && strcmp(from, t->answers) != 0)
		strbuf_printf(b, " (from %s)", from);
	if (t->probe)
		strbuf_puts(b, " (probe)");
	if (t->unicast_wanted && !t->probe)
		strbuf_puts(b, " (QU)");
	if (t->known)
		strbuf_printf(b, " (%u known)", t->known);
}

/* What the answer says besides its records. */
static void put_remarks(struct strbuf *b, const struct dns_transaction *t)
{
	if (dns_words_answered(t) && t->flags & DNS_F_TC)
		strbuf_puts(b, " (truncated)");
	if (t->malformed)
		strbuf_puts(b, " (malformed)");
	if (t->truncated_capture)
		strbuf_puts(b, " (cut by the capture)");
	if (t->state == DNS_LATE)
		strbuf_puts(b, " (late)");
	if (dns_words_answered(t))
		put_edns_remarks(b, t);
	if (t->protocol != DNS_UNICAST)
		put_multicast_remarks(b, t);
	if (t->upstream.family) {
		strbuf_puts(b, " (via ");
		ipaddr_put(b, &t->upstream);
		strbuf_putc(b, ')');
	}
	if (t->queries > 1)
		strbuf_printf(b, " (%u %s)", t->queries,
			      t->state == DNS_NOT_SENT ? "calls" : "tries");
}

/* The answers, which do not fit into room, cut at a record. */
static void put_answers(struct strbuf *b, const struct dns_transaction *t, unsigned int room)
{
	unsigned int all = t->count[DNS_ANSWER], n = 0;
	const char *p = t->answers, *comma;
	size_t end = 0;

	while ((comma = strstr(p, ", "))) {
		/* The first is shown even if it alone is too long. */
		if (n && (size_t)(comma - t->answers) + 4 > room)
			break;
		end = (size_t)(comma - t->answers);
		n++;
		p = comma + 2;
	}
	strbuf_put(b, t->answers, n ? end : strlen(t->answers));
	if (n && all > n)
		strbuf_printf(b, " +%u", all - n);
}

/* Success without answers is not "no data" if there are some that could not be read, or if
 * none were asked for. */
static bool has_unread_answers(const struct dns_transaction *t)
{
	return !t->answers[0] &&
	       (t->count[DNS_ANSWER] || t->truncated_capture || t->opcode || !t->has_question);
}

static bool has_answers(const struct dns_transaction *t)
{
	return t->state == DNS_ANNOUNCED || (dns_words_answered(t) && !t->rcode && t->answers[0]);
}

void dns_words_result(struct dns_words *l, const struct dns_transaction *t, unsigned int room,
		      bool brief)
{
	bool with_answers = has_answers(t);
	size_t len = with_answers ? strlen(t->answers) : 0;
	struct strbuf b;

	if (with_answers && (!room || len <= room)) {
		l->result = dns_word(t->answers, len);
		return;
	}
	strbuf_init(&b, l->text.result, sizeof(l->text.result) - MARK_ROOM);
	if (with_answers)
		put_answers(&b, t, room);
	else if (t->state == DNS_SILENT)
		strbuf_puts(&b, silence(t));
	else if (!dns_words_answered(t))
		put_failure(&b, t, brief);
	else if (t->rcode || has_unread_answers(t))
		dns_rcode_put(&b, t->rcode);
	else
		strbuf_puts(&b, "no data");
	l->result = dns_word_of(&b);
}

/* v units with that many of its digits behind the point. */
static void put_decimal(struct strbuf *b, uint64_t v, unsigned int digits)
{
	static const unsigned int power[] = { 1, 10, 100 };

	strbuf_u64(b, v / power[digits]);
	if (!digits)
		return;
	strbuf_putc(b, '.');
	strbuf_digits(b, (uint32_t)(v % power[digits]), digits);
}

void dns_words_duration(struct strbuf *b, int64_t ns, bool brief)
{
	/* The second of each pair is for small terminals. */
	static const struct {
		int64_t from, unit[2]; /* ns */
		unsigned int digits[2];
		const char *name[2];
	} ranges[] = {
		{ SEC, { SEC / 10, SEC / 10 }, { 1, 1 }, { " s", "s" } },
		{ 100 * MSEC, { MSEC, MSEC }, { 0, 0 }, { " ms", "ms" } },
		{ 10 * MSEC, { MSEC / 10, MSEC }, { 1, 0 }, { " ms", "ms" } },
		{ MSEC, { MSEC / 10, MSEC / 10 }, { 1, 1 }, { " ms", "ms" } },
		{ MSEC / 100, { MSEC / 100, MSEC / 100 }, { 2, 2 }, { " ms", "ms" } },
	};
	size_t i = 0;

	while (i < ARRAY_SIZE(ranges) && ns < ranges[i].from)
		i++;
	if (i == ARRAY_SIZE(ranges)) {
		strbuf_puts(b, brief ? "<0.01ms" : "<0.01 ms");
		return;
	}
	put_decimal(b, (uint64_t)((ns + ranges[i].unit[brief] / 2) / ranges[i].unit[brief]),
		    ranges[i].digits[brief]);
	strbuf_puts(b, ranges[i].name[brief]);
}

static void make_remarks(struct dns_words *l, const struct dns_transaction *t)
{
	struct strbuf b;

	strbuf_init(&b, l->text.remarks, sizeof(l->text.remarks) - MARK_ROOM);
	put_remarks(&b, t);
	l->remarks = dns_word_of(&b);
}

static void make_latency(struct dns_words *l, const struct dns_transaction *t, bool brief)
{
	bool has_none =
		t->state == DNS_NOT_SENT || t->state == DNS_SILENT || t->state == DNS_ANNOUNCED;
	struct strbuf b;

	strbuf_init(&b, l->text.latency, sizeof(l->text.latency));
	if (!has_none && t->latency < 0)
		strbuf_puts(&b, brief ? ">" : "> ");
	if (!has_none)
		dns_words_duration(&b, t->waited, brief);
	l->latency = dns_word_of(&b);
}

void dns_words_make(struct dns_words *l, const struct dns_transaction *t,
		    const struct dns_text_style *style)
{
	bool brief = dns_layout_is_narrow(style);

	make_client(l, t, style);
	make_server(l, t, style);
	make_question(l, t);
	dns_words_result(l, t, 0, brief);
	make_remarks(l, t);
	make_latency(l, t, brief);
}

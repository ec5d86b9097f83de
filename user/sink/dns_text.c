// SPDX-License-Identifier: GPL-2.0-only
#include "sink/dns_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "decode/dns.h"
#include "dns/call.h"
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

/* What is printed is ASCII, but for our own signs: each is one column. */
static unsigned int columns_of(const char *s, size_t len)
{
	const uint64_t ones = 0x0101010101010101ULL;
	size_t i, more = 0;
	uint64_t v;

	/* Bytes that go on with a character begin with the bits 10. */
	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&v, s + i, 8);
		v = v >> 7 & ~v >> 6 & ones;
		more += v * ones >> 56;
	}
	for (; i < len; i++)
		more += ((unsigned char)s[i] & 0xc0) == 0x80;
	return (unsigned int)(len - more);
}

static unsigned int columns(const char *s)
{
	return columns_of(s, strlen(s));
}

/* A word of `cols` columns. */
static void put_word(struct out *o, const char *s, size_t len, unsigned int cols, enum color color)
{
	bool colored = o->style->color && color != PLAIN && len;

	if (colored)
		strbuf_puts(o->b, sgr[color]);
	strbuf_put(o->b, s, len);
	if (colored)
		strbuf_puts(o->b, "\033[0m");
	o->col += cols;
}

static void put(struct out *o, const char *s, enum color color)
{
	size_t len = strlen(s);

	put_word(o, s, len, columns_of(s, len), color);
}

/* One that is known to be ASCII. */
static void put_ascii(struct out *o, const char *s, enum color color)
{
	size_t len = strlen(s);

	put_word(o, s, len, (unsigned int)len, color);
}

/* A sign with its ASCII stand-in. */
static void put_sign(struct out *o, const char *utf8, const char *ascii, enum color color)
{
	put(o, o->style->utf8 ? utf8 : ascii, color);
}

static void pad(struct out *o, unsigned int to)
{
	static const char blanks[] = "                                ";

	while (o->col < to) {
		unsigned int n = to - o->col;

		if (n > sizeof(blanks) - 1)
			n = sizeof(blanks) - 1;
		strbuf_put(o->b, blanks, n);
		o->col += n;
	}
}

/* Up to the column, and a blank at least. */
static void column(struct out *o, unsigned int to)
{
	strbuf_putc(o->b, ' ');
	o->col++;
	pad(o, to);
}

static void newline(struct out *o)
{
	strbuf_putc(o->b, '\n');
	o->col = 0;
}

/* Room for the mark in a string that shorten() may get. */
#define MARK_ROOM 4

/* Takes out the middle of an ASCII string, so that it is of `max` columns. */
static void shorten(char *s, unsigned int max, const struct dns_text_style *style)
{
	const char *mark = style->utf8 ? "\u2026" : "..";
	size_t len = strlen(s), marks = columns(mark), bytes = strlen(mark), head, tail;

	if (len <= max || max < 2 * marks + 2)
		return;
	head = (max - marks) / 2;
	tail = max - marks - head;
	memmove(s + head + bytes, s + len - tail, tail + 1);
	while (*mark)
		s[head++] = *mark++;
}

/* Where the columns of a transaction's line begin, by the terminal's width. In a small one
 * the client is its interface alone, or its target, and "eth0\u2192192.0.2.1" one column. */
struct layout {
	unsigned int width; /* for terminals of at least this */
	unsigned int process, client, server, question, result;
	bool brief;
};

static const struct layout layouts[] = {
	{ 144, 14, 34, 56, 76, 110, false },
	{ 110, 9, 23, 41, 57, 80, true },
	{ 0, 9, 23, 0, 40, 59, true },
};

/* Latencies stand at the right edge, but not farther off than this. */
#define LINE_WIDTH 160

/* The least that is shown of what is too long. */
#define MIN_PROCESS 13
#define MIN_CLIENT  12
#define MIN_SERVER  15
#define MIN_NAME    10
#define MIN_RESULT  12

static const struct layout *layout_of(const struct dns_text_style *style)
{
	const struct layout *l = layouts;

	while (style->width && style->width < l->width)
		l++;
	return l;
}

static bool is_narrow(const struct dns_text_style *style)
{
	return layout_of(style)->brief;
}

/* The words of a transaction's line. */
struct line {
	char client[TARGET_NAME_LEN * 4 + IFNAMSIZ * 4 + IPADDR_STRLEN + 4 + MARK_ROOM];
	char server[IPADDR_STRLEN + 16 + MARK_ROOM];
	char type[24];
	char name[DNS_NAME_TEXT + MARK_ROOM];
	char result[DNS_ANSWERS_LEN + 64 + MARK_ROOM];
	char remarks[512 + MARK_ROOM];
	char latency[32];
};

static void clock_text(char text[9], time_t second)
{
	struct tm tm;

	if (!localtime_r(&second, &tm))
		memset(&tm, 0, sizeof(tm));
	snprintf(text, 9, "%02u:%02u:%02u", tm.tm_hour % 24U, tm.tm_min % 60U, tm.tm_sec % 61U);
}

static void put_time(struct out *o, int64_t ns)
{
	struct dns_text_clock here = { 0 }, *c = o->style->clock ?: &here;
	time_t second = ns / SEC - (ns % SEC < 0);
	char text[16];
	struct strbuf b;

	if (!c->text[0] || c->second != second)
		clock_text(c->text, second);
	c->second = second;
	strbuf_init(&b, text, sizeof(text));
	strbuf_put(&b, c->text, 8);
	if (!is_narrow(o->style)) {
		strbuf_putc(&b, '.');
		strbuf_digits(&b, (uint32_t)((ns - second * SEC) / MSEC), 3);
	}
	put_ascii(o, text, DIM);
}

/* "COMM(PID)"; COMM is cut to make it fit into max columns, 0: never. */
static void put_owner(struct out *o, const struct owner *owner, unsigned int max)
{
	char comm[64 + MARK_ROOM], pid[16];
	struct strbuf b;

	if (!owner->pid) {
		put(o, "-", DIM);
		return;
	}
	strbuf_init(&b, pid, sizeof(pid));
	strbuf_putc(&b, '(');
	strbuf_u64(&b, owner->pid);
	strbuf_putc(&b, ')');
	strbuf_init(&b, comm, sizeof(comm) - MARK_ROOM);
	strbuf_escape(&b, owner->comm, strlen(owner->comm));
	if (max)
		shorten(comm, max - (unsigned int)strlen(pid), o->style);
	put(o, comm, PLAIN);
	put_ascii(o, pid, PLAIN);
}

static void client_text(struct line *l, const struct dns_transaction *t,
			const struct dns_text_style *style)
{
	/* Another machine's question is known by its address, not by our interface. */
	bool with_address = !style->width || layout_of(style)->server || t->from_outside;
	bool with_target = style->show_target && t->target[0];
	struct strbuf b;

	strbuf_init(&b, l->client, sizeof(l->client) - MARK_ROOM);
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
	if (is_narrow(style) && t->from_outside) {
		strbuf_reset(&b);
		ipaddr_put(&b, &t->client);
	}
	if (!with_address || (is_narrow(style) && t->from_outside))
		shorten(l->client, MIN_CLIENT, style);
}

static void server_text(struct line *l, const struct dns_transaction *t,
			const struct dns_text_style *style)
{
	struct strbuf b;

	strbuf_init(&b, l->server, sizeof(l->server) - MARK_ROOM);
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
	if (is_narrow(style) && b.len > 20)
		shorten(l->server, MIN_SERVER, style);
}

/* An ASCII string, as long as it is: what it is copied into has room for the longest. */
static void copy(char *to, const char *from)
{
	memcpy(to, from, strlen(from) + 1);
}

static const char *no_question(const struct dns_transaction *t)
{
	if (t->state == DNS_NOT_SENT)
		return "-";
	if (t->state == DNS_ANNOUNCED)
		return t->goodbye ? "withdraws" : "announces";
	return t->is_connection ? "(connection)" : "(no question)";
}

static void question_text(struct line *l, const struct dns_transaction *t)
{
	struct strbuf b;

	l->type[0] = '\0';
	if (!t->has_question) {
		copy(l->name, no_question(t));
		return;
	}
	strbuf_init(&b, l->type, sizeof(l->type));
	if (t->opcode) {
		dns_opcode_put(&b, t->opcode);
		strbuf_putc(&b, ' ');
	}
	dns_type_put(&b, t->qtype);
	strbuf_putc(&b, ' ');
	copy(l->name, t->name);
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

static bool has_answer(const struct dns_transaction *t)
{
	return t->state == DNS_ANSWERED || t->state == DNS_LATE;
}

static enum color result_color(const struct dns_transaction *t)
{
	if (t->state == DNS_SILENT)
		return DIM;
	if (t->state == DNS_ANNOUNCED)
		return PLAIN;
	if (!has_answer(t))
		return RED;
	if (t->malformed || (t->rcode && t->rcode != DNS_R_NXDOMAIN))
		return RED;
	return t->rcode || !t->answers[0] ? YELLOW : GREEN;
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
	if (has_answer(t) && t->flags & DNS_F_TC)
		strbuf_puts(b, " (truncated)");
	if (t->malformed)
		strbuf_puts(b, " (malformed)");
	if (t->truncated_capture)
		strbuf_puts(b, " (cut by the capture)");
	if (t->state == DNS_LATE)
		strbuf_puts(b, " (late)");
	if (has_answer(t))
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

/* Success without answers is not "no data" if there are some that could not be read, or if
 * none were asked for. */
static bool has_unread_answers(const struct dns_transaction *t)
{
	return !t->answers[0] &&
	       (t->count[DNS_ANSWER] || t->truncated_capture || t->opcode || !t->has_question);
}

/* room: for the answers; 0: all of them. */
static void result_text(struct line *l, const struct dns_transaction *t, unsigned int room,
			bool brief)
{
	struct strbuf b;

	strbuf_init(&b, l->result, sizeof(l->result) - MARK_ROOM);
	if (t->state == DNS_SILENT)
		strbuf_puts(&b, silence(t));
	else if (t->state == DNS_ANNOUNCED)
		put_answers(&b, t, room);
	else if (!has_answer(t))
		put_failure(&b, t, brief);
	else if (t->rcode || has_unread_answers(t))
		dns_rcode_put(&b, t->rcode);
	else if (!t->answers[0])
		strbuf_puts(&b, "no data");
	else
		put_answers(&b, t, room);
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

/* Rounded to what a reader wants to know of it. */
static void put_duration(struct strbuf *b, int64_t ns, bool brief)
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

static void latency_text(struct line *l, const struct dns_transaction *t, bool brief)
{
	struct strbuf b;

	strbuf_init(&b, l->latency, sizeof(l->latency));
	if (t->state == DNS_NOT_SENT || t->state == DNS_SILENT || t->state == DNS_ANNOUNCED)
		return;
	if (t->latency < 0)
		strbuf_puts(&b, brief ? ">" : "> ");
	put_duration(&b, t->waited, brief);
}

static void make_line(struct line *l, const struct dns_transaction *t,
		      const struct dns_text_style *style)
{
	bool brief = is_narrow(style);
	struct strbuf b;

	client_text(l, t, style);
	server_text(l, t, style);
	question_text(l, t);
	result_text(l, t, 0, brief);
	strbuf_init(&b, l->remarks, sizeof(l->remarks) - MARK_ROOM);
	put_remarks(&b, t);
	latency_text(l, t, brief);
}

static unsigned int latency_room(const struct line *l)
{
	return l->latency[0] ? columns(l->latency) + 1 : 0;
}

/* Columns that the line needs from the question on. */
static unsigned int needed(const struct line *l)
{
	return columns(l->type) + columns(l->name) + 1 + columns(l->result) + columns(l->remarks) +
	       latency_room(l);
}

/* Shortens a word by what the line has too much, but not below min columns. */
static void give_way(struct line *l, char *word, unsigned int min, unsigned int room,
		     const struct dns_text_style *style)
{
	unsigned int len = columns(word), over = needed(l) > room ? needed(l) - room : 0;

	if (over)
		shorten(word, len > over + min ? len - over : min, style);
}

/* Makes the line fit: what can be spared most goes first. */
static void squeeze(struct line *l, const struct dns_transaction *t, unsigned int room,
		    const struct dns_text_style *style)
{
	unsigned int len = columns(l->result), over;

	if (needed(l) > room && !has_answer(t) && t->failure != DNS_FAIL_NONE)
		l->latency[0] = '\0';
	over = needed(l) > room ? needed(l) - room : 0;
	if (over)
		result_text(l, t, len > over + MIN_RESULT ? len - over : MIN_RESULT,
			    is_narrow(style));
	give_way(l, l->name, MIN_NAME, room, style);
	if ((has_answer(t) && !t->rcode) || t->state == DNS_ANNOUNCED)
		give_way(l, l->result, MIN_RESULT, room, style);
	give_way(l, l->remarks, MIN_RESULT, room, style);
	if (needed(l) > room)
		l->latency[0] = '\0';
}

static void put_link(struct out *o, const struct line *l, const struct layout *c)
{
	put(o, l->client[0] ? l->client : "-", l->client[0] ? PLAIN : DIM);
	if (c->server) {
		column(o, c->server - 2);
		put_sign(o, "\u2192", ">", DIM);
		put(o, " ", PLAIN);
	} else {
		put_sign(o, "\u2192", ">", DIM);
	}
	put(o, l->server, CYAN);
}

static void put_question(struct out *o, const struct line *l, const struct dns_transaction *t)
{
	put(o, l->type, DIM);
	put(o, l->name, t->has_question ? BOLD : DIM);
}

/* In its column, or before it if it would not fit there. */
static void put_result(struct out *o, const struct line *l, const struct dns_transaction *t,
		       unsigned int at, unsigned int width)
{
	if (width) {
		unsigned int need = columns(l->result) + columns(l->remarks) + latency_room(l);

		if (at + need > width)
			at = width > need ? width - need : 0;
	}
	column(o, at);
	put(o, l->result, result_color(t));
	put(o, l->remarks, t->protocol != DNS_UNICAST ? DIM : has_answer(t) ? YELLOW : RED);
}

static void put_latency(struct out *o, const struct line *l, const struct dns_transaction *t,
			unsigned int width)
{
	bool is_slow = t->latency < 0 || t->waited >= SEC;
	unsigned int len = columns(l->latency);

	if (!len)
		return;
	column(o, width > len ? width - len : 0);
	put(o, l->latency, is_slow ? RED : t->waited >= 100 * MSEC ? YELLOW : DIM);
}

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
static void put_details(struct out *o, const struct dns_transaction *t)
{
	unsigned int at = layout_of(o->style)->process;
	char text[512];
	struct strbuf b;

	if (!t->has_question && !has_answer(t))
		return;
	strbuf_init(&b, text, sizeof(text));
	if (has_answer(t)) {
		put_header_flags(&b, t->flags);
		strbuf_printf(&b,
			      "; QUERY: %u, ANSWER: %u, AUTHORITY: %u, ADDITIONAL: %u; "
			      "id: %u; %u bytes",
			      t->count[DNS_QUESTION], t->count[DNS_ANSWER], t->count[DNS_AUTHORITY],
			      t->count[DNS_ADDITIONAL], t->id, t->response_len);
		pad(o, at);
		wrap(o, text, at + 3, DIM);
		strbuf_reset(&b);
	}
	if (has_answer(t) && t->edns.present)
		put_edns(&b, t);
	else
		put_edns_asked(&b, t);
	pad(o, at);
	wrap(o, text, at + 3, DIM);
}

void dns_text_transaction(struct strbuf *b, const struct dns_transaction *t,
			  const struct dns_text_style *style)
{
	const struct layout *c = layout_of(style);
	unsigned int width = style->width < LINE_WIDTH ? style->width : LINE_WIDTH;
	struct out o = { .b = b, .style = style };
	struct line l;

	make_line(&l, t, style);
	put_time(&o, t->time);
	column(&o, c->process);
	put_owner(&o, &t->owner, c->brief ? MIN_PROCESS : 0);
	column(&o, c->client);
	put_link(&o, &l, c);
	column(&o, c->question);
	if (width)
		squeeze(&l, t, width > o.col ? width - o.col : 0, style);
	put_question(&o, &l, t);
	put_result(&o, &l, t, c->result, width);
	put_latency(&o, &l, t, width ? width : c->result + 34);
	newline(&o);
	if (style->details)
		put_details(&o, t);
}

/* --- findings ------------------------------------------------------------------------ */

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

/* The length of a shell command's first word, what is quoted in it included. */
static size_t shell_word(const char *s)
{
	bool quoted = false;
	size_t n;

	for (n = 0; s[n] && (quoted || s[n] != ' '); n++)
		if (s[n] == '\'')
			quoted = !quoted;
	return n;
}

/* The next words up to and including "&&" or "|", after which the shell reads on. */
static size_t shell_step(const char *s)
{
	size_t at = 0, n;

	while ((n = shell_word(s + at))) {
		bool ends = (n == 2 && !memcmp(s + at, "&&", 2)) || (n == 1 && s[at] == '|');

		at += n;
		if (ends || !s[at])
			break;
		at++;
	}
	return at;
}

static void break_line(struct out *o, unsigned int indent)
{
	newline(o);
	pad(o, indent);
}

/* A word of a command; before it a blank, or the end of the line, which the shell ignores. */
static void put_shell_word(struct out *o, const char *s, size_t n, bool first, bool last,
			   unsigned int indent)
{
	/* Room for " \\" unless nothing follows. */
	size_t end = o->col + 1 + n + (last ? 0 : 2);
	char word[600];

	snprintf(word, sizeof(word), "%.*s", (int)n, s);
	if (!first && end > o->style->width) {
		put(o, " \\", CYAN);
		break_line(o, indent);
	} else if (!first) {
		put(o, " ", PLAIN);
	}
	put(o, word, CYAN);
}

/* A command that is too long for the line, in lines that can be pasted as they are. */
static void put_long_command(struct out *o, const char *s, unsigned int indent)
{
	while (*s) {
		size_t step = shell_step(s), at = 0, n;

		for (; at < step; at += n + 1) {
			n = shell_word(s + at);
			put_shell_word(o, s + at, n, at == 0, at + n >= step, indent + 2);
		}
		s += step;
		s += *s == ' ';
		if (*s)
			break_line(o, indent);
	}
	newline(o);
}

static void put_command(struct out *o, const char *cmd)
{
	pad(o, 11);
	if (o->style->width && o->col + strlen(cmd) > o->style->width) {
		put_long_command(o, cmd, 11);
		return;
	}
	put(o, cmd, CYAN);
	newline(o);
}

static void put_fixes(struct out *o, const struct dns_finding *f, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		pad(o, 2);
		put(o, i ? "" : "Fix:", BOLD);
		pad(o, 9);
		wrap(o, f->fix[i].how, 9, PLAIN);
		if (f->fix[i].cmd[0])
			put_command(o, f->fix[i].cmd);
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

	if (f->severity == DNS_INFO)
		color = CYAN;
	if (f->severity == DNS_ERROR)
		put_sign(o, "\u2717", "!!", color);
	else if (f->severity == DNS_INFO)
		put(o, "i", color);
	else
		put_sign(o, "!", "!", color);
	put(o, " ", PLAIN);
	put(o, f->code, color);
}

/* What nobody has run into yet: the warning and the first fix will do. */
static bool is_forewarning(const struct dns_finding *f)
{
	return f->severity == DNS_WARNING && !f->owner.pid && f->nr_fix > 1;
}

void dns_text_finding(struct strbuf *b, const struct dns_finding *f,
		      const struct dns_text_style *style)
{
	bool brief = style->forewarn && is_forewarning(f);
	struct out o = { .b = b, .style = style };

	if (f->repeat)
		return;
	if (!style->after_blank)
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
	if (!brief)
		put_list(&o, "Seen:", f);
	put_fixes(&o, f, brief ? 1 : f->nr_fix);
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

/* A percentile of l, right-aligned at end. */
static void put_latency_cell(struct out *o, unsigned int end, const struct dns_latency *l,
			     int64_t ns)
{
	char text[32];
	struct strbuf b;

	strbuf_init(&b, text, sizeof(text));
	if (l->count)
		put_duration(&b, ns, false);
	else
		strbuf_putc(&b, '-');
	put_right(o, end, text, PLAIN);
}

/* "NAME N", one of a list. */
static void put_item(struct out *o, const char *name, uint64_t n, enum color color, bool *first)
{
	char text[64];

	if (!n)
		return;
	snprintf(text, sizeof(text), "%s%s %llu", *first ? "  " : ", ", name,
		 (unsigned long long)n);
	put(o, text, color);
	*first = false;
}

static void put_rcodes(struct out *o, const uint64_t rcode[DNS_SUMMARY_RCODES], bool *first)
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
	if (is_narrow(style))
		shorten(text, MIN_SERVER, style);
}

static void put_server_row(struct out *o, const struct dns_server_summary *s, unsigned int base)
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

	pad(o, 2);
	server_name(&s->addr, text, o->style);
	put(o, text, CYAN);
	pad(o, base);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)counts[i].n);
		put_right(o, base + counts[i].end, text, counts[i].n ? counts[i].color : DIM);
	}
	for (i = 0; i < ARRAY_SIZE(latencies); i++)
		put_latency_cell(o, base + 43 + 9 * (unsigned int)i, &s->latency, latencies[i]);
	if (!is_narrow(o->style)) {
		bool first = true;

		put_rcodes(o, s->rcode, &first);
		put_item(o, "retried", s->retries, PLAIN, &first);
	}
	newline(o);
}

static void put_servers(struct out *o, const struct dns_summary *s)
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
		if (columns(text) + 2 > base)
			base = columns(text) + 2;
	}
	pad(o, 2);
	put(o, "server", DIM);
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		put_right(o, base + heads[i].end, heads[i].text, DIM);
	newline(o);
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

	return is_narrow(style) ? &narrow : &wide;
}

/* "NOERROR 3, NXDOMAIN 1", in further lines if there is no room for it in this. */
struct items {
	struct out *o;
	unsigned int at; /* where they begin */
	bool any;
};

static void put_name_item(struct items *i, const char *name, uint64_t n, enum color color)
{
	struct out *o = i->o;
	char text[64];

	if (!n)
		return;
	snprintf(text, sizeof(text), "%s %llu", name, (unsigned long long)n);
	if (i->any) {
		put(o, ",", PLAIN);
		if (o->style->width && o->col + 1 + strlen(text) >= o->style->width)
			break_line(o, i->at);
		else
			put(o, " ", PLAIN);
	}
	put(o, text, color);
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

static void put_name_row(struct out *o, const struct dns_name_summary *s)
{
	const struct name_columns *c = name_columns(o->style);
	const int64_t latencies[] = { s->latency.p50, s->latency.p95, s->latency.p99 };
	char text[DNS_NAME_TEXT + MARK_ROOM];
	struct items items = { .o = o, .at = c->result };
	unsigned int i;

	pad(o, 2);
	copy(text, s->name);
	if (o->style->width)
		shorten(text, c->queries - 10, o->style);
	put(o, text, BOLD);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)s->transactions);
	put_right(o, c->queries, text, PLAIN);
	for (i = 0; i < ARRAY_SIZE(latencies); i++)
		put_latency_cell(o, c->p50 + c->step * i, &s->latency, latencies[i]);
	column(o, c->result);
	put_name_result(&items, s);
	newline(o);
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
static void put_names(struct out *o, const struct dns_summary *s)
{
	uint32_t i, nr = s->nr_names < NAME_ROWS ? s->nr_names : NAME_ROWS;
	const struct name_columns *c = name_columns(o->style);

	if (s->nr_names < 2)
		return;
	pad(o, 2);
	put(o, "name", DIM);
	put_right(o, c->queries, "queries", DIM);
	put_right(o, c->p50, "p50", DIM);
	put_right(o, c->p50 + c->step, "p95", DIM);
	put_right(o, c->p50 + 2 * c->step, "p99", DIM);
	column(o, c->result);
	put(o, "result", DIM);
	newline(o);
	for (i = 0; i < nr; i++)
		put_name_row(o, &s->names[i]);
	for (i = 0; i < s->nr_failing_names && i < FAILING_ROWS; i++)
		if (!is_among(s->failing_names[i].name, s->names, nr))
			put_name_row(o, &s->failing_names[i]);
}

static void put_multicast_row(struct out *o, const struct dns_multicast_summary *s,
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

	pad(o, 2);
	put(o, name, CYAN);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)counts[i].n);
		put_right(o, counts[i].end, text, counts[i].n ? PLAIN : DIM);
	}
	for (i = 0; i < ARRAY_SIZE(latencies); i++)
		put_latency_cell(o, 56 + 9 * (unsigned int)i, &s->latency, latencies[i]);
	newline(o);
}

/* Apart from the servers: that nobody answers is no failure here. */
static void put_multicast(struct out *o, const struct dns_summary *s)
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
			pad(o, 2);
			put(o, "multicast", DIM);
			for (j = 0; j < ARRAY_SIZE(heads); j++)
				put_right(o, heads[j].end, heads[j].text, DIM);
			newline(o);
		}
		first = false;
		put_multicast_row(o, m, names[i]);
	}
}

static void put_finding_row(struct out *o, const struct dns_finding *f)
{
	char text[64];

	pad(o, 2);
	put_code(o, f);
	column(o, 19);
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
		put_owner(o, &f->owner, 0);
		put(o, " ", PLAIN);
	}
	if (is_forewarning(f)) {
		put(o, "found at the start", PLAIN);
	} else if (f->count) {
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

	if (!style->after_blank)
		newline(&o);
	put_headline(&o, s);
	if (s->nr_servers)
		put_servers(&o, s);
	put_names(&o, s);
	put_multicast(&o, s);
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

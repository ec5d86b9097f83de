// SPDX-License-Identifier: GPL-2.0-only
/*
 * glibc's rules, which are not what one expects (resolv/res_init.c, 2.36): a
 * comment starts with ; or # in the first column only; a keyword counts only
 * in the first column and with a blank or tab behind it; an address ends at
 * the first blank, tab or newline and what follows is ignored; the options
 * line is searched for words, each cut at its length, not matched.
 */
#include "dns/resolv.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY of <resolv.h> */
#define MAX_NDOTS    15
#define MAX_TIMEOUT  30
#define MAX_ATTEMPTS 5

struct line {
	const char *s;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The rest behind the keyword, with leading blanks gone; false if it is not there. */
static bool keyword(struct line l, const char *word, struct line *rest)
{
	size_t n = strlen(word);

	if (l.len <= n || memcmp(l.s, word, n) || !is_blank(l.s[n]))
		return false;
	while (n < l.len && is_blank(l.s[n]))
		n++;
	*rest = (struct line){ l.s + n, l.len - n };
	return true;
}

/* The next word of l, which shrinks; an empty one at the end. */
static struct line next_word(struct line *l)
{
	struct line w;

	while (l->len && is_blank(*l->s)) {
		l->s++;
		l->len--;
	}
	w.s = l->s;
	for (w.len = 0; w.len < l->len && !is_blank(w.s[w.len]); w.len++)
		;
	l->s += w.len;
	l->len -= w.len;
	return w;
}

/* IPv4 as inet_aton(3) takes it (also 127.1 and hex, as glibc does), IPv6 with or without a
 * scope. */
static bool parse_addr(struct line w, struct ipaddr *out)
{
	char text[IPADDR_STRLEN + 32], *scope;

	if (!w.len || w.len >= sizeof(text) || memchr(w.s, '\0', w.len))
		return false;
	memcpy(text, w.s, w.len);
	text[w.len] = '\0';
	scope = strchr(text, '%');
	if (scope) {
		*scope = '\0';
		return ipaddr_parse(text, out) && out->family == 6;
	}
	return ipaddr_parse(text, out);
}

/* A part of a short or non-decimal IPv4 address. */
static bool aton_part(struct line *l, uint32_t *v)
{
	char text[16], *end;
	size_t n = 0;

	while (n < l->len && l->s[n] != '.')
		n++;
	if (!n || n >= sizeof(text) || l->s[0] < '0' || l->s[0] > '9')
		return false;
	memcpy(text, l->s, n);
	text[n] = '\0';
	*v = (uint32_t)strtoul(text, &end, 0);
	l->s += n;
	l->len -= n;
	return !*end;
}

/* inet_aton(3): a, a.b, a.b.c, a.b.c.d; the last part fills the rest. */
static bool parse_aton(struct line w, struct ipaddr *out)
{
	uint32_t part[4] = { 0 }, value = 0;
	unsigned int n = 0, i;
	uint8_t bytes[4];

	for (;;) {
		if (n == 4 || !aton_part(&w, &part[n]))
			return false;
		n++;
		if (!w.len)
			break;
		w.s++;
		w.len--;
	}
	for (i = 0; i + 1 < n; i++) {
		if (part[i] > 255)
			return false;
		value |= part[i] << (24 - 8 * i);
	}
	if (n > 1 && part[n - 1] >= 1ULL << (8 * (5 - n)))
		return false;
	value |= part[n - 1];
	for (i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (24 - 8 * i));
	*out = ipaddr_v4(bytes);
	return true;
}

static void ignore(struct resolv_conf *c, uint32_t line, enum resolv_ignored why)
{
	if (c->nr_ignored < RESOLV_MAX_IGNORED) {
		c->ignored[c->nr_ignored].line = line;
		c->ignored[c->nr_ignored].why = why;
	}
	c->nr_ignored++;
}

static void parse_nameserver(struct resolv_conf *c, struct line rest, uint32_t nr)
{
	struct line w = next_word(&rest);
	struct ipaddr a;

	if (!parse_aton(w, &a) && !parse_addr(w, &a)) {
		ignore(c, nr, RESOLV_NO_ADDRESS);
		return;
	}
	if (++c->nr_servers_total > RESOLV_LIBC_SERVERS)
		ignore(c, nr, RESOLV_TOO_MANY);
	if (c->nr_servers == RESOLV_MAX_SERVERS)
		return;
	c->servers[c->nr_servers].addr = a;
	c->servers[c->nr_servers].line = nr;
	c->nr_servers++;
}

static void parse_search(struct resolv_conf *c, struct line rest, unsigned int max)
{
	struct line w;

	c->nr_search = 0;
	while ((w = next_word(&rest)).len && c->nr_search < max) {
		if (w.len >= RESOLV_NAME_LEN)
			continue;
		memcpy(c->search[c->nr_search], w.s, w.len);
		c->search[c->nr_search][w.len] = '\0';
		c->nr_search++;
	}
}

/* "ndots:2" and its like; a value above the limit is cut to it. */
static bool number_option(struct line w, const char *name, uint32_t max, uint32_t *value)
{
	size_t n = strlen(name), i;
	uint32_t v = 0;

	if (w.len < n || memcmp(w.s, name, n))
		return false;
	for (i = n; i < w.len && w.s[i] >= '0' && w.s[i] <= '9'; i++)
		v = v * 10 + (uint32_t)(w.s[i] - '0') > max ? max + 1
							    : v * 10 + (uint32_t)(w.s[i] - '0');
	*value = v > max ? max : v;
	return true;
}

static bool flag_option(struct resolv_conf *c, struct line w)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "rotate", &c->rotate },
		/* The longer one first: a word is matched by its beginning. */
		{ "single-request-reopen", &c->single_request_reopen },
		{ "single-request", &c->single_request },
		{ "use-vc", &c->use_vc },
		{ "edns0", &c->edns0 },
		{ "trust-ad", &c->trust_ad },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (w.len >= strlen(flags[i].name) &&
		    !memcmp(w.s, flags[i].name, strlen(flags[i].name))) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

static void parse_options(struct resolv_conf *c, struct line rest)
{
	struct line w;

	while ((w = next_word(&rest)).len) {
		if (number_option(w, "ndots:", MAX_NDOTS, &c->ndots) ||
		    number_option(w, "timeout:", MAX_TIMEOUT, &c->timeout) ||
		    number_option(w, "attempts:", MAX_ATTEMPTS, &c->attempts))
			continue;
		flag_option(c, w);
	}
}

static void add_ext(struct resolv_conf *c, struct line w, bool via_host)
{
	struct ipaddr a;

	if (c->nr_ext == RESOLV_MAX_SERVERS || !parse_addr(w, &a))
		return;
	c->ext[c->nr_ext].addr = a;
	c->ext[c->nr_ext].via_host = via_host;
	c->nr_ext++;
}

/* "# ExtServers: [host(127.0.0.53) 1.1.1.1]", in older versions without the brackets. */
static void parse_docker(struct resolv_conf *c, struct line l)
{
	static const char head[] = "ExtServers:";
	struct line w;

	while (l.len && (*l.s == '#' || is_blank(*l.s))) {
		l.s++;
		l.len--;
	}
	if (l.len < sizeof(head) - 1 || memcmp(l.s, head, sizeof(head) - 1))
		return;
	c->has_ext_servers = true;
	l.s += sizeof(head) - 1;
	l.len -= sizeof(head) - 1;
	while ((w = next_word(&l)).len) {
		bool via_host;

		while (w.len && *w.s == '[') {
			w.s++;
			w.len--;
		}
		while (w.len && strchr("],", w.s[w.len - 1]))
			w.len--;
		via_host = w.len > 6 && !memcmp(w.s, "host(", 5) && w.s[w.len - 1] == ')';
		if (via_host)
			w = (struct line){ w.s + 5, w.len - 6 };
		add_ext(c, w, via_host);
	}
}

static bool is_indented_server(struct line l)
{
	struct line rest;

	if (!is_blank(*l.s))
		return false;
	while (l.len && is_blank(*l.s)) {
		l.s++;
		l.len--;
	}
	return keyword(l, "nameserver", &rest);
}

static void parse_line(struct resolv_conf *c, struct line l, uint32_t nr)
{
	struct line rest;

	if (!l.len)
		return;
	if (l.s[0] == '#' || l.s[0] == ';')
		parse_docker(c, l);
	else if (keyword(l, "nameserver", &rest))
		parse_nameserver(c, rest, nr);
	else if (keyword(l, "domain", &rest) && rest.len)
		parse_search(c, rest, 1);
	else if (keyword(l, "search", &rest) && rest.len)
		parse_search(c, rest, RESOLV_MAX_SEARCH);
	else if (keyword(l, "options", &rest))
		parse_options(c, rest);
	else if (is_indented_server(l))
		ignore(c, nr, RESOLV_INDENTED);
}

void resolv_parse(struct resolv_conf *out, const char *text, size_t len)
{
	const char *p = text, *end = text + len, *nl;
	uint32_t nr = 1;

	memset(out, 0, sizeof(*out));
	out->ndots = 1;
	out->timeout = 5;
	out->attempts = 2;
	for (; p < end; p = nl + 1, nr++) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			nl = end;
		parse_line(out, (struct line){ p, (size_t)(nl - p) }, nr);
	}
}

unsigned int resolv_nr_used(const struct resolv_conf *c)
{
	if (!c->nr_servers)
		return 1;
	return c->nr_servers < RESOLV_LIBC_SERVERS ? c->nr_servers : RESOLV_LIBC_SERVERS;
}

struct ipaddr resolv_server(const struct resolv_conf *c, unsigned int i, uint32_t *line)
{
	static const uint8_t localhost[4] = { 127, 0, 0, 1 };

	if (line)
		*line = c->nr_servers ? c->servers[i].line : 0;
	return c->nr_servers ? c->servers[i].addr : ipaddr_v4(localhost);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A finding: what is wrong, where it was seen, and how it is mended. Commands
 * that are too long for a line are broken such that they can be pasted.
 */
#include "sink/dns_text_finding.h"

#include <stdio.h>
#include <string.h>

#include "sink/dns_text.h"

static void put_list(struct dns_out *o, const char *head, const struct dns_finding *f)
{
	uint32_t i;

	for (i = 0; i < f->nr_seen; i++) {
		dns_out_pad(o, 2);
		dns_out_put(o, i ? "" : head, BOLD);
		dns_out_pad(o, 9);
		dns_out_wrap(o, f->seen[i], 9, PLAIN);
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

/* A word of a command; before it a blank, or the end of the line, which the shell ignores. */
static void put_shell_word(struct dns_out *o, const char *s, size_t n, bool first, bool last,
			   unsigned int indent)
{
	/* Room for " \\" unless nothing follows. */
	size_t end = o->col + 1 + n + (last ? 0 : 2);
	char word[600];

	snprintf(word, sizeof(word), "%.*s", (int)n, s);
	if (!first && end > o->style->width) {
		dns_out_put(o, " \\", CYAN);
		dns_out_break(o, indent);
	} else if (!first) {
		dns_out_put(o, " ", PLAIN);
	}
	dns_out_put(o, word, CYAN);
}

/* A command that is too long for the line, in lines that can be pasted as they are. */
static void put_long_command(struct dns_out *o, const char *s, unsigned int indent)
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
			dns_out_break(o, indent);
	}
	dns_out_newline(o);
}

static void put_command(struct dns_out *o, const char *cmd)
{
	dns_out_pad(o, 11);
	if (o->style->width && o->col + strlen(cmd) > o->style->width) {
		put_long_command(o, cmd, 11);
		return;
	}
	dns_out_put(o, cmd, CYAN);
	dns_out_newline(o);
}

static void put_fixes(struct dns_out *o, const struct dns_finding *f, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		dns_out_pad(o, 2);
		dns_out_put(o, i ? "" : "Fix:", BOLD);
		dns_out_pad(o, 9);
		dns_out_wrap(o, f->fix[i].how, 9, PLAIN);
		if (f->fix[i].cmd[0])
			put_command(o, f->fix[i].cmd);
	}
}

static void put_target(struct dns_out *o, const char *target)
{
	char text[TARGET_NAME_LEN * 4 + 1];
	struct strbuf b;

	strbuf_init(&b, text, sizeof(text));
	strbuf_escape(&b, target, strlen(target));
	dns_out_put(o, text, PLAIN);
}

static void put_code(struct dns_out *o, const struct dns_finding *f)
{
	enum color color = f->severity == DNS_ERROR ? BOLD_RED : BOLD_YELLOW;

	if (f->severity == DNS_INFO)
		color = CYAN;
	if (f->severity == DNS_ERROR)
		dns_out_sign(o, "\u2717", "!!", color);
	else if (f->severity == DNS_INFO)
		dns_out_put(o, "i", color);
	else
		dns_out_sign(o, "!", "!", color);
	dns_out_put(o, " ", PLAIN);
	dns_out_put(o, f->code, color);
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
	struct dns_out o = { .b = b, .style = style };

	if (f->repeat)
		return;
	if (!style->after_blank)
		dns_out_newline(&o);
	put_code(&o, f);
	if (f->target[0]) {
		dns_out_put(&o, " in ", DIM);
		put_target(&o, f->target);
	}
	if (f->possible)
		dns_out_put(&o, " (possible: records were lost meanwhile)", YELLOW);
	dns_out_newline(&o);
	dns_out_pad(&o, 2);
	dns_out_wrap(&o, f->what, 2, PLAIN);
	if (!brief)
		put_list(&o, "Seen:", f);
	put_fixes(&o, f, brief ? 1 : f->nr_fix);
	dns_out_newline(&o);
}

void dns_text_finding_row(struct dns_out *o, const struct dns_finding *f)
{
	char text[64];

	dns_out_pad(o, 2);
	put_code(o, f);
	dns_out_column(o, 19);
	if (f->target[0]) {
		put_target(o, f->target);
		dns_out_put(o, " ", PLAIN);
	}
	if (f->server.family) {
		ipaddr_format(&f->server, text);
		dns_out_put(o, text, CYAN);
		dns_out_put(o, " ", PLAIN);
	}
	if (f->owner.pid) {
		dns_out_put(o, "last by ", DIM);
		dns_out_owner(o, &f->owner, 0);
		dns_out_put(o, " ", PLAIN);
	}
	if (is_forewarning(f)) {
		dns_out_put(o, "found at the start", PLAIN);
	} else if (f->count) {
		snprintf(text, sizeof(text), "%llu time%s", (unsigned long long)f->count,
			 f->count == 1 ? "" : "s");
		dns_out_put(o, text, PLAIN);
	}
	if (f->possible)
		dns_out_put(o, " (possible)", YELLOW);
	dns_out_newline(o);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "sink/books.h"

#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

#define MAX_LINES 16  /* of the table; more would push away what was said before */
#define MAX_NAME  40  /* a longer one pushes its figures to the right */
#define JSON_ROWS 256 /* a row takes 1 to 2 KiB if its name is nothing but escapes */

struct field {
	const char *text; /* heading in the table; NULL: not there */
	const char *json;
	size_t at; /* in struct tap_stats */
	bool always;
	bool of_file; /* makes no sense without one */
};

#define AT(f) offsetof(struct tap_stats, f)

static const struct field fields[] = {
	{ "seen", "seen", AT(seen), true, false },
	{ "matched", "matched", AT(matched), true, false },
	{ "captured", "captured", AT(captured), true, false },
	{ "ring full", "ring_full", AT(ring_full), false, false },
	{ "load failed", "load_failed", AT(load_failed), false, false },
	{ "not matching", "not_matching", AT(filtered), false, false },
	{ "after the end", "after_the_end", AT(beyond), false, false },
	{ NULL, "host_end", AT(hidden), false, false },
	{ "written", "written", AT(written), true, true },
	{ "lost in writing", "lost_in_writing", AT(write_lost), false, true },
};

static uint64_t value_of(const struct field *f, const struct tap_stats *s)
{
	uint64_t v;

	memcpy(&v, (const char *)s + f->at, sizeof(v));
	return v;
}

/* All that was lost, wherever. */
static uint64_t lost_of(const struct tap_stats *s)
{
	return s->ring_full + s->load_failed + s->write_lost;
}

static void put_aside(struct strbuf *out, uint64_t n, const char *what)
{
	if (n)
		strbuf_printf(out, ", %llu %s", (unsigned long long)n, what);
}

void books_text_total(struct strbuf *out, const struct books *b)
{
	const struct tap_stats *s = &b->total;
	unsigned long long lost = s->ring_full + s->load_failed;

	strbuf_printf(out,
		      "%llu seen, %llu matched, %llu captured, %llu lost "
		      "(%llu ring full, %llu load failed)",
		      (unsigned long long)s->seen, (unsigned long long)s->matched,
		      (unsigned long long)s->captured, lost, (unsigned long long)s->ring_full,
		      (unsigned long long)s->load_failed);
	put_aside(out, s->filtered, "not matching");
	put_aside(out, s->beyond, "after the end");
	if (!b->has_file)
		return;
	put_aside(out, s->hidden, "of the host's end");
	strbuf_printf(out, ", %llu written, %llu lost in writing", (unsigned long long)s->written,
		      (unsigned long long)s->write_lost);
}

/* --- the table --------------------------------------------------------------- */

static size_t nr_busy(const struct books *b)
{
	size_t n = 0, i;

	for (i = 0; i < b->nr; i++)
		n += b->rows[i].s.seen > 0;
	return n;
}

bool books_has_table(const struct books *b)
{
	size_t n = 0, i;

	for (i = 0; i < b->nr; i++)
		n += b->rows[i].s.seen && !b->rows[i].is_aside;
	return n > 1 || lost_of(&b->total);
}

static bool has_column(const struct books *b, const struct field *f)
{
	return f->text && (b->has_file || !f->of_file) && (f->always || value_of(f, &b->total));
}

/* The n-th row that is shown, or NULL. */
static const struct books_row *shown_row(const struct books *b, size_t n)
{
	bool many = nr_busy(b) > MAX_LINES;
	size_t i;

	if (n >= MAX_LINES)
		return NULL;
	for (i = 0; i < b->nr; i++) {
		const struct books_row *r = &b->rows[i];

		if (r->s.seen && (!many || lost_of(&r->s)) && !n--)
			return r;
	}
	return NULL;
}

static size_t nr_shown(const struct books *b)
{
	size_t n = 0;

	while (shown_row(b, n))
		n++;
	return n;
}

static void put_name(struct strbuf *out, const struct tap *tap)
{
	strbuf_put(out, tap->target, strnlen(tap->target, sizeof(tap->target)));
	strbuf_putc(out, '/');
	strbuf_put(out, tap->ifname, strnlen(tap->ifname, sizeof(tap->ifname)));
	if (tap->side == SIDE_HOST)
		strbuf_puts(out, " (host end)");
}

static size_t name_width(const struct books *b)
{
	size_t widest = strlen("interface"), i;
	const struct books_row *r;

	for (i = 0; (r = shown_row(b, i)); i++) {
		char mem[TARGET_NAME_LEN + IFNAMSIZ + 16];
		struct strbuf name;

		strbuf_init(&name, mem, sizeof(mem));
		put_name(&name, r->tap);
		if (name.len > widest && name.len <= MAX_NAME)
			widest = name.len;
	}
	return widest;
}

static int column_width(const struct books *b, const struct field *f)
{
	int heading = (int)strlen(f->text);
	int digits = snprintf(NULL, 0, "%llu", (unsigned long long)value_of(f, &b->total));

	return 2 + (digits > heading ? digits : heading);
}

static void put_loss(struct strbuf *out, const struct tap_stats *s)
{
	uint64_t lost = lost_of(s);

	if (!lost)
		return;
	if (lost * 1000 < s->matched)
		strbuf_puts(out, "  < 0.1 % lost");
	else
		strbuf_printf(out, "  %.1f %% lost", 100.0 * (double)lost / (double)s->matched);
}

static void put_row(struct strbuf *out, const struct books *b, const struct books_row *r)
{
	size_t start = out->len, i;

	strbuf_puts(out, "  ");
	if (r)
		put_name(out, r->tap);
	else
		strbuf_puts(out, "interface");
	strbuf_printf(out, "%*s", (int)(start + 2 + name_width(b)) - (int)out->len, "");
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!has_column(b, &fields[i]))
			continue;
		if (r)
			strbuf_printf(out, "%*llu", column_width(b, &fields[i]),
				      (unsigned long long)value_of(&fields[i], &r->s));
		else
			strbuf_printf(out, "%*s", column_width(b, &fields[i]), fields[i].text);
	}
	if (r)
		put_loss(out, &r->s);
}

bool books_text_line(struct strbuf *out, const struct books *b, size_t line)
{
	size_t shown = nr_shown(b), busy = nr_busy(b);

	if (line > shown + (busy > shown))
		return false;
	if (line <= shown)
		put_row(out, b, line ? shown_row(b, line - 1) : NULL);
	else
		strbuf_printf(out, "  and %zu more interfaces%s", busy - shown,
			      shown < MAX_LINES ? ", which lost nothing" : "");
	return true;
}

/* --- JSON -------------------------------------------------------------------- */

static void json_stats(struct strbuf *out, const struct books *b, const struct tap_stats *s)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		strbuf_printf(out, ",\"%s\":", fields[i].json);
		if (fields[i].of_file && !b->has_file)
			strbuf_puts(out, "null");
		else
			strbuf_u64(out, value_of(&fields[i], s));
	}
}

static void json_row(struct strbuf *out, const struct books *b, const struct books_row *r)
{
	const struct tap *tap = r->tap;

	strbuf_puts(out, "{\"target\":");
	strbuf_json(out, tap->target, strnlen(tap->target, sizeof(tap->target)));
	strbuf_puts(out, ",\"netns\":");
	strbuf_u64(out, tap->netns);
	strbuf_puts(out, ",\"interface\":");
	strbuf_json(out, tap->ifname, strnlen(tap->ifname, sizeof(tap->ifname)));
	strbuf_printf(out, ",\"side\":\"%s\"", tap->side == SIDE_HOST ? "host" : "inside");
	json_stats(out, b, &r->s);
	strbuf_putc(out, '}');
}

void books_json(struct strbuf *out, const struct books *b, bool is_final)
{
	size_t n = b->nr < JSON_ROWS ? b->nr : JSON_ROWS, i;

	strbuf_printf(out, "{\"type\":\"books\",\"final\":%s", is_final ? "true" : "false");
	json_stats(out, b, &b->total);
	strbuf_puts(out, ",\"interfaces\":[");
	for (i = 0; i < n; i++) {
		if (i)
			strbuf_putc(out, ',');
		json_row(out, b, &b->rows[i]);
	}
	strbuf_printf(out, "],\"more_interfaces\":%zu}\n", b->nr - n);
}

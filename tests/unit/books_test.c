// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sink/books.h"
#include "util/cleanup.h"

#include <jansson.h>
#include <string.h>

#define NR 300

static struct tap taps[NR];
static struct books_row rows[NR];
static char mem[512 * 1024 - 1];

static void add(struct tap_stats *sum, const struct tap_stats *s)
{
	sum->seen += s->seen;
	sum->matched += s->matched;
	sum->captured += s->captured;
	sum->ring_full += s->ring_full;
	sum->written += s->written;
}

/* Of n interfaces each `nth` has lost a packet. */
static struct books make(size_t n, size_t nth)
{
	struct books b = { .rows = rows, .nr = n, .has_file = true };
	size_t i;

	for (i = 0; i < n; i++) {
		bool lost = nth && i % nth == 0;

		snprintf(taps[i].target, sizeof(taps[i].target), "box%zu", i);
		strcpy(taps[i].ifname, "eth0");
		taps[i].side = SIDE_INSIDE;
		rows[i] = (struct books_row){ .tap = &taps[i],
					      .s = { .seen = 20 + i,
						     .matched = 10,
						     .captured = 10 - lost,
						     .ring_full = lost,
						     .written = 10 - lost } };
		add(&b.total, &rows[i].s);
	}
	return b;
}

static const char *table(const struct books *b, size_t *lines)
{
	struct strbuf out;

	strbuf_init(&out, mem, sizeof(mem));
	for (*lines = 0; books_text_line(&out, b, *lines); ++*lines)
		strbuf_putc(&out, '\n');
	return mem;
}

static void test_columns(void **state)
{
	struct books b = make(2, 0);
	size_t lines;

	(void)state;
	taps[1].side = SIDE_HOST;
	assert_string_equal(table(&b, &lines),
			    "  interface             seen  matched  captured  written\n"
			    "  box0/eth0               20       10        10       10\n"
			    "  box1/eth0 (host end)    21       10        10       10\n");
	assert_true(books_has_table(&b));
	b = make(2, 2);
	b.total.matched = rows[0].s.matched = 12345678901;
	b.has_file = false;
	assert_string_equal(table(&b, &lines),
			    "  interface  seen      matched  captured  ring full\n"
			    "  box0/eth0    20  12345678901         9          1  < 0.1 % lost\n"
			    "  box1/eth0    21           10        10          0\n");
}

static void test_few_words_where_few_are_needed(void **state)
{
	struct books b = make(2, 0);
	size_t lines;

	(void)state;
	rows[1].s = (struct tap_stats){ 0 };
	assert_false(books_has_table(&b));
	b = make(2, 0);
	rows[1].is_aside = true;
	assert_false(books_has_table(&b));
	b = make(2, 0);
	rows[1].s = (struct tap_stats){ 0 };
	b.total.write_lost = rows[0].s.write_lost = 1;
	assert_true(books_has_table(&b));
	table(&b, &lines);
	assert_int_equal(lines, 2);
}

static void test_many_interfaces(void **state)
{
	struct books b = make(16, 0);
	size_t lines;

	(void)state;
	table(&b, &lines);
	assert_int_equal(lines, 17);
	b = make(NR, 100);
	assert_non_null(strstr(table(&b, &lines), "box200/eth0"));
	assert_int_equal(lines, 1 + 3 + 1);
	assert_non_null(strstr(mem, "  and 297 more interfaces, which lost nothing\n"));
	b = make(NR, 2);
	assert_non_null(strstr(table(&b, &lines), "  and 284 more interfaces\n"));
	assert_int_equal(lines, 1 + 16 + 1);
}

static void test_total(void **state)
{
	struct books b = { .total = { .seen = 9,
				      .matched = 8,
				      .captured = 7,
				      .ring_full = 1,
				      .filtered = 2,
				      .beyond = 1,
				      .hidden = 1,
				      .written = 2,
				      .write_lost = 1 } };
	struct strbuf out;

	(void)state;
	strbuf_init(&out, mem, sizeof(mem));
	books_text_total(&out, &b);
	assert_string_equal(mem,
			    "9 seen, 8 matched, 7 captured, 1 lost (1 ring full, 0 load failed), "
			    "2 not matching, 1 after the end");
	b.has_file = true;
	strbuf_reset(&out);
	books_text_total(&out, &b);
	assert_string_equal(mem,
			    "9 seen, 8 matched, 7 captured, 1 lost (1 ring full, 0 load failed), "
			    "2 not matching, 1 after the end, 1 of the host's end, "
			    "2 written, 1 lost in writing");
}

/* Valid, and whole, whatever the names. */
static void test_json(void **state)
{
	struct books b = make(NR, 0);
	struct strbuf out;
	json_t *j, *list;
	size_t i;

	(void)state;
	for (i = 0; i < NR; i++) {
		memset(taps[i].target, '\xff', sizeof(taps[i].target));
		memset(taps[i].ifname, '\xff', sizeof(taps[i].ifname));
	}
	strbuf_init(&out, mem, sizeof(mem));
	books_json(&out, &b, true);
	assert_false(out.cut);
	j = json_loads(mem, 0, NULL);
	assert_non_null(j);
	list = json_object_get(j, "interfaces");
	assert_int_equal(json_array_size(list), 256);
	assert_int_equal(json_integer_value(json_object_get(j, "more_interfaces")), NR - 256);
	assert_int_equal(json_integer_value(json_object_get(j, "matched")), 10 * NR);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 255), "seen")),
			 20 + 255);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_few_words_where_few_are_needed),
		cmocka_unit_test(test_many_interfaces),
		cmocka_unit_test(test_total),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

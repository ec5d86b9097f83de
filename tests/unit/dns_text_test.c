// SPDX-License-Identifier: GPL-2.0-only
#include "dns_packets.h"

#include <jansson.h>
#include <time.h>

#include "sink/dns_json.h"
#include "sink/dns_text.h"

static char mem[1 << 20];

static const struct dns_text_style plain = { .width = 0 };

static struct bench *looked_up(void)
{
	struct bench *b = bench_new();

	setenv("TZ", "UTC", 1);
	tzset();
	b->owner = (struct owner){ .pid = 4711, .comm = "getent" };
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	b->now += 12 * MSEC + 345678;
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 0x5db8d822);
	return b;
}

static const char *line_of(const struct dns_transaction *t, const struct dns_text_style *style)
{
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	dns_text_transaction(&b, t, style);
	assert_false(b.cut);
	assert_ptr_equal(strchr(mem, '\n'), mem + b.len - 1);
	return mem;
}

static void one_line_has_it_all(void **state)
{
	static const char *const parts[] = { "22:13:20.000", "getent(4711)",  "10.88.0.2@eth0",
					     "1.1.1.1",	     "A example.com", "93.184.216.34",
					     "12.3 ms" };
	struct bench *b = looked_up();
	const char *line = line_of(&b->t[0], &plain), *p = line;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		p = strstr(p, parts[i]);
		assert_non_null(p);
	}
	bench_free(b);
}

static void it_fits_the_terminal(void **state)
{
	struct dns_text_style style = { .width = 160 };
	struct bench *b = looked_up();

	(void)state;
	assert_int_equal(strlen(line_of(&b->t[0], &style)), 161);
	style.width = 80;
	assert_int_equal(strlen(line_of(&b->t[0], &style)), 81);
	/* Many answers are cut at one, and counted. */
	b->t[0].count[DNS_ANSWER] = 3;
	strcpy(b->t[0].answers, "192.0.2.1, 192.0.2.2, 192.0.2.3");
	assert_non_null(strstr(line_of(&b->t[0], &style), "192.0.2.1 +2"));
	assert_non_null(strstr(line_of(&b->t[0], &plain), "192.0.2.1, 192.0.2.2, 192.0.2.3"));
	bench_free(b);
}

/* Columns of a line without its newline; our signs are of three bytes and one column. */
static size_t line_columns(const char *line)
{
	size_t n = 0;

	for (; *line && *line != '\n'; line++)
		n += ((unsigned char)*line & 0xc0) != 0x80;
	return n;
}

/* Whatever is too long gives way; the server, the result and what was asked stay readable. */
static void long_words_give_way(void **state)
{
	static const unsigned int widths[] = { 80, 100, 110, 132, 144, 160, 200 };
	static const bool utf8[] = { false, true };
	struct bench *b = looked_up();
	struct dns_transaction *t = &b->t[0];
	size_t i, j;

	(void)state;
	strcpy(t->owner.comm, "systemd-resolve");
	t->owner.pid = 4194304;
	strcpy(t->name, "a-long-name-with-many-words-in-it.department.example.com");
	strcpy(t->answers, "CNAME another-long-name.example.net, 192.0.2.1");
	t->count[DNS_ANSWER] = 2;
	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		for (j = 0; j < ARRAY_SIZE(utf8); j++) {
			struct dns_text_style style = { .width = widths[i], .utf8 = utf8[j] };
			const char *line = line_of(t, &style);

			assert_true(line_columns(line) <= widths[i]);
			assert_non_null(strstr(line, "(4194304)"));
			assert_non_null(strstr(line, "1.1.1.1 "));
			assert_non_null(strstr(line, "A a-lo"));
			assert_non_null(strstr(line, ".com "));
		}
	}
	bench_free(b);
}

static void durations_are_never_zero(void **state)
{
	struct bench *b = looked_up();

	(void)state;
	b->t[0].latency = b->t[0].waited = 4321;
	assert_non_null(strstr(line_of(&b->t[0], &plain), " <0.01 ms\n"));
	b->t[0].latency = b->t[0].waited = 10000;
	assert_non_null(strstr(line_of(&b->t[0], &plain), " 0.01 ms\n"));
	bench_free(b);
}

static void untrusted_bytes_are_escaped(void **state)
{
	struct dns_text_style style = { .show_target = true };
	struct bench *b = looked_up();
	const char *line;
	json_t *json;
	struct strbuf s;

	(void)state;
	strcpy(b->t[0].owner.comm, "a\033[31m\n\xff");
	strcpy(b->t[0].target, "p\rq");
	strcpy(b->t[0].ifname, "e\tth");
	line = line_of(&b->t[0], &style);
	assert_null(strpbrk(line, "\033\r\t\xff"));
	assert_non_null(strstr(line, "a\\x1b[31m\\n\\xff(4711)"));
	assert_non_null(strstr(line, "p\\rq/e\\tth"));
	strbuf_init(&s, mem, sizeof(mem));
	dns_json_transaction(&s, &b->t[0]);
	json = json_loads(mem, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "process"), "comm")),
		"a\033[31m\n\u00ff");
	json_decref(json);
	bench_free(b);
}

static struct bench *failed(void)
{
	struct bench *b = bench_new_with(NULL, false);
	struct dns_facts f;

	b->owner = (struct owner){ .pid = 4711, .comm = "getent" };
	f = facts(b, STUB);
	dns_engine_facts(b->e, &f, b->now);
	query(b, &b->lo, LOCAL, 40000, STUB, 1, "example.com", 1);
	unreachable(b, &b->lo, STUB, 3, LOCAL, 40000, STUB, 53, 1, "example.com", 1);
	assert_int_equal(b->nf, 1);
	return b;
}

static void findings_wrap(void **state)
{
	const struct dns_text_style style = { .width = 60, .utf8 = true };
	struct bench *b = failed();
	struct strbuf s;
	char *line;

	(void)state;
	strbuf_init(&s, mem, sizeof(mem));
	dns_text_finding(&s, &b->f[0], &style);
	assert_int_equal(mem[0], '\n');
	assert_non_null(strstr(mem, "\u2717 STUB-DEAD in php\n"));
	/* Commands break where the shell reads on, so that they can be pasted. */
	assert_non_null(strstr(mem, "           mkdir -p /etc/netns/php &&\n"
				    "           printf 'nameserver 192.0.2.1\\n' > \\\n"
				    "             /etc/netns/php/resolv.conf\n"));
	for (line = strtok(mem, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(line_columns(line) <= 60);
	/* A repetition is for the summary. */
	b->f[0].repeat = true;
	strbuf_reset(&s);
	dns_text_finding(&s, &b->f[0], &style);
	assert_int_equal(s.len, 0);
	bench_free(b);
}

/* Before anybody has run into it, the warning and the first fix. */
static void a_forewarning_is_short(void **state)
{
	struct dns_text_style style = { .forewarn = true, .after_blank = true };
	struct bench *b = failed();
	struct strbuf s;

	(void)state;
	strbuf_init(&s, mem, sizeof(mem));
	dns_text_finding(&s, &b->f[0], &style);
	assert_non_null(strstr(mem, "Seen:"));
	assert_non_null(strstr(mem, "/etc/netns/php"));
	b->f[0].severity = DNS_WARNING;
	b->f[0].owner.pid = 0;
	strbuf_reset(&s);
	dns_text_finding(&s, &b->f[0], &style);
	assert_int_not_equal(mem[0], '\n');
	assert_null(strstr(mem, "Seen:"));
	assert_non_null(strstr(mem, "nswatch php --fix-dns -- CMD\n"));
	assert_null(strstr(mem, "/etc/netns/php"));
	bench_free(b);
}

static void no_color_without_being_asked(void **state)
{
	struct dns_text_style style = { .width = 120 };
	struct bench *b = failed();
	struct strbuf s;

	(void)state;
	strbuf_init(&s, mem, sizeof(mem));
	dns_text_finding(&s, &b->f[0], &style);
	dns_text_summary(&s, dns_engine_finish(b->e, b->now), &style);
	assert_null(strchr(mem, '\033'));
	style.color = true;
	strbuf_reset(&s);
	dns_text_finding(&s, &b->f[0], &style);
	assert_non_null(strstr(mem, "\033[1;31m"));
	bench_free(b);
}

static void json_is_json(void **state)
{
	struct bench *b = failed();
	const struct dns_summary *sum = dns_engine_finish(b->e, b->now);
	struct strbuf s;
	json_t *json;

	(void)state;
	strbuf_init(&s, mem, sizeof(mem));
	dns_json_finding(&s, &b->f[0]);
	json = json_loads(mem, JSON_REJECT_DUPLICATES, NULL);
	assert_string_equal(json_string_value(json_object_get(json, "code")), "STUB-DEAD");
	json_decref(json);
	strbuf_reset(&s);
	dns_json_summary(&s, sum);
	json = json_loads(mem, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(json_integer_value(json_object_get(json, "failed")), 1);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 1);
	json_decref(json);
	assert_false(s.cut);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_has_it_all),
		cmocka_unit_test(it_fits_the_terminal),
		cmocka_unit_test(long_words_give_way),
		cmocka_unit_test(durations_are_never_zero),
		cmocka_unit_test(untrusted_bytes_are_escaped),
		cmocka_unit_test(findings_wrap),
		cmocka_unit_test(a_forewarning_is_short),
		cmocka_unit_test(no_color_without_being_asked),
		cmocka_unit_test(json_is_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

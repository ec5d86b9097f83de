// SPDX-License-Identifier: GPL-2.0-only
#include "dns_packets.h"

#include <stdio.h>

#include "sink/dns_text.h"

#define GROUP  0xe00000fbU /* 224.0.0.251 */
#define OTHER  0x0a580003U
#define THIRD  0x0a580004U
#define MDNS   5353
#define LLMNR  5355
#define FRIEND 0x0a580009U

static struct bench *bench_multicast(void)
{
	static const struct dns_engine_options o = { .multicast = true };

	return bench_new_with(&o, true);
}

static void say(struct bench *b, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
		const uint8_t *m, uint32_t len)
{
	bench_udp(b, &b->eth0, src, sport, dst, dport, m, len);
}

static void ask(struct bench *b, uint32_t client, const char *name, uint16_t type)
{
	uint8_t m[600];

	say(b, client, MDNS, GROUP, MDNS, m, put_message(m, 0, name, type, -1, 0));
}

/* An answer as mDNS has it: no question, no id. */
static uint32_t put_reply(uint8_t *m, const char *name, uint32_t addr, uint32_t ttl)
{
	uint32_t n = put_message(m, 0, name, 1, -1, 0), at = n - 4;

	m[2] = 0x84;
	m[5] = 0;
	m[7] = 1;
	put16(m + at, 1);
	put16(m + at + 2, 0x8001);
	put32(m + at + 4, ttl);
	put16(m + at + 8, 4);
	put32(m + at + 10, addr);
	return at + 14;
}

static void reply(struct bench *b, uint32_t from, const char *name, uint32_t addr)
{
	uint8_t m[600];

	say(b, from, MDNS, GROUP, MDNS, m, put_reply(m, name, addr, 120));
}

static void all_answers_of_a_second_are_one_line(void **state)
{
	struct bench *b = bench_multicast();
	const struct dns_summary *s;

	(void)state;
	ask(b, CLIENT, "web.local", 1);
	assert_true(dns_engine_next(b->e) == START + SEC);
	bench_tick(b, 20 * MSEC);
	reply(b, OTHER, "WEB.local", OTHER);
	reply(b, THIRD, "web.local", THIRD);
	reply(b, THIRD, "web.local", THIRD);
	reply(b, THIRD, "web.local", OTHER);
	assert_int_equal(b->nt, 0);
	bench_tick(b, SEC);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].protocol, DNS_MDNS);
	assert_int_equal(b->t[0].state, DNS_ANSWERED);
	assert_int_equal(b->t[0].latency, 20 * MSEC);
	assert_string_equal(b->t[0].answers, "10.88.0.3, 10.88.0.4");
	assert_int_equal(b->t[0].nr_responders, 2);
	assert_int_equal(b->t[0].response_nr, 2);
	assert_true(dns_engine_next(b->e) == INT64_MAX);
	/* Too late for that one. */
	reply(b, OTHER, "web.local", OTHER);
	assert_int_equal(b->t[1].state, DNS_ANNOUNCED);
	assert_string_equal(b->t[1].answers, "web.local A 10.88.0.3");
	s = dns_engine_finish(b->e, b->now);
	assert_int_equal(s->transactions, 0);
	assert_int_equal(s->multicast[0].questions, 1);
	assert_int_equal(s->multicast[0].answered, 1);
	assert_int_equal(s->multicast[0].responses, 4);
	assert_int_equal(s->multicast[0].announcements, 1);
	assert_int_equal(s->multicast[0].latency.count, 1);
	bench_free(b);
}

static void silence_is_no_finding(void **state)
{
	struct bench *b = bench_multicast();
	unsigned int i;

	(void)state;
	for (i = 0; i < 30; i++) {
		ask(b, CLIENT, "nobody.local", 1);
		ask(b, CLIENT, "nobody.local", 28);
		bench_tick(b, SEC / 2);
	}
	bench_tick(b, 60 * SEC);
	assert_int_equal(b->nf, 0);
	assert_int_equal(b->nt, 30);
	assert_int_equal(b->t[0].state, DNS_SILENT);
	assert_int_equal(b->t[0].queries, 2);
	assert_int_equal(dns_engine_finish(b->e, b->now)->nr_findings, 0);
	bench_free(b);
}

static void the_type_must_fit(void **state)
{
	struct bench *b = bench_multicast();

	(void)state;
	ask(b, CLIENT, "web.local", 28);
	ask(b, CLIENT, "other.local", 1);
	ask(b, CLIENT, "web.local", 255);
	reply(b, OTHER, "web.local", OTHER);
	bench_tick(b, SEC);
	assert_int_equal(b->nt, 3);
	assert_int_equal(b->t[0].state, DNS_SILENT);
	assert_int_equal(b->t[1].state, DNS_SILENT);
	assert_int_equal(b->t[2].state, DNS_ANSWERED);
	assert_string_equal(b->t[2].answers, "A 10.88.0.3");
	bench_free(b);
}

static void a_unicast_answer_is_the_askers(void **state)
{
	struct bench *b = bench_multicast();
	uint8_t m[600];
	uint32_t n;

	(void)state;
	say(b, CLIENT, 40000, GROUP, MDNS, m, put_message(m, 9, "web.local", 1, -1, 0));
	ask(b, FRIEND, "web.local", 1);
	n = put_message(m, 9, "web.local", 1, 0, OTHER);
	say(b, OTHER, MDNS, CLIENT, 40001, m, n);
	assert_int_equal(b->nt, 0);
	say(b, OTHER, MDNS, CLIENT, 40000, m, n);
	bench_tick(b, SEC);
	assert_int_equal(b->nt, 2);
	assert_int_equal(b->t[0].state, DNS_ANSWERED);
	assert_int_equal(b->t[1].state, DNS_SILENT);
	bench_free(b);
}

static void withdrawn_names(void **state)
{
	struct bench *b = bench_multicast();
	uint8_t m[600];

	(void)state;
	say(b, OTHER, MDNS, GROUP, MDNS, m, put_reply(m, "web.local", OTHER, 0));
	assert_int_equal(b->nt, 1);
	assert_true(b->t[0].goodbye);
	bench_free(b);
}

/* A question with the record that the client wants for itself behind it. */
static uint32_t put_probe(uint8_t *m, const char *name, uint32_t addr)
{
	static const uint8_t head[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 120, 0, 4 };
	uint32_t n = put_message(m, 0, name, 255, -1, 0);

	m[9] = 1;
	memcpy(m + n, head, sizeof(head));
	put32(m + n + sizeof(head), addr);
	return n + sizeof(head) + 4;
}

static void who_takes_a_name_does_not_object_to_itself(void **state)
{
	struct bench *b = bench_multicast();
	uint8_t m[600];

	(void)state;
	say(b, CLIENT, MDNS, GROUP, MDNS, m, put_probe(m, "mine.local", CLIENT));
	reply(b, CLIENT, "mine.local", CLIENT);
	bench_tick(b, SEC);
	assert_int_equal(b->nt, 2);
	assert_int_equal(b->t[0].state, DNS_ANNOUNCED);
	assert_int_equal(b->t[1].state, DNS_SILENT);
	assert_true(b->t[1].probe);
	bench_free(b);
}

static void llmnr_goes_by_id_and_port(void **state)
{
	struct bench *b = bench_multicast();
	uint8_t m[600];

	(void)state;
	say(b, CLIENT, 40000, 0xe00000fcU, LLMNR, m, put_message(m, 9, "web", 1, -1, 0));
	say(b, OTHER, LLMNR, CLIENT, 40000, m, put_message(m, 8, "web", 1, 0, OTHER));
	bench_tick(b, MSEC);
	say(b, THIRD, LLMNR, CLIENT, 40000, m, put_message(m, 9, "web", 1, 0, THIRD));
	bench_tick(b, SEC);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].protocol, DNS_LLMNR);
	assert_string_equal(b->t[0].answers, "10.88.0.4");
	assert_int_equal(b->t[0].latency, MSEC);
	bench_free(b);
}

static void several_questions_are_several_lines(void **state)
{
	struct bench *b = bench_multicast();
	uint8_t m[600];
	uint32_t n = put_message(m, 0, "web.local", 1, -1, 0);

	(void)state;
	/* The same name, another type, a unicast answer wanted. */
	m[5] = 2;
	put16(m + n, 0xc00c);
	put16(m + n + 2, 28);
	put16(m + n + 4, 0x8001);
	say(b, CLIENT, MDNS, GROUP, MDNS, m, n + 6);
	reply(b, OTHER, "web.local", OTHER);
	bench_tick(b, SEC);
	assert_int_equal(b->nt, 2);
	assert_int_equal(b->t[0].state, DNS_ANSWERED);
	assert_false(b->t[0].unicast_wanted);
	assert_int_equal(b->t[1].qtype, 28);
	assert_int_equal(b->t[1].qclass, 1);
	assert_true(b->t[1].unicast_wanted);
	bench_free(b);
}

static void a_flood_is_bounded_and_told(void **state)
{
	struct bench *b = bench_multicast();
	const struct dns_summary *s;
	char name[32];
	unsigned int i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%u.local", i);
		ask(b, CLIENT, name, 1);
	}
	s = dns_engine_finish(b->e, b->now);
	assert_int_equal(b->nt, 5000);
	assert_int_equal(s->multicast[0].questions, 5000);
	assert_int_equal(s->multicast[0].silent, 5000);
	bench_free(b);
}

static void without_the_option_nothing(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	ask(b, CLIENT, "web.local", 1);
	reply(b, OTHER, "web.local", OTHER);
	bench_tick(b, 10 * SEC);
	assert_int_equal(b->nt, 0);
	bench_free(b);
}

static void text_fits_eighty_columns(void **state)
{
	static const struct dns_text_style style = { .width = 80 };
	struct bench *b = bench_multicast();
	static char mem[65536];
	struct strbuf out;
	unsigned int i;

	(void)state;
	ask(b, CLIENT, "a-rather-long-name-of-a-machine.local", 1);
	ask(b, CLIENT, "nobody-has-a-name-that-is-as-long-as-this-one.local", 28);
	reply(b, OTHER, "a-rather-long-name-of-a-machine.local", OTHER);
	reply(b, THIRD, "a-rather-long-name-of-a-machine.local", THIRD);
	reply(b, THIRD, "some-thing-else-that-has-a-long-name-indeed.local", THIRD);
	bench_tick(b, SEC);
	assert_int_equal(b->nt, 3);
	strbuf_init(&out, mem, sizeof(mem));
	for (i = 0; i < b->nt; i++) {
		strbuf_reset(&out);
		dns_text_transaction(&out, &b->t[i], &style);
		assert_in_range(out.len, 40, 81);
	}
	strbuf_reset(&out);
	dns_text_summary(&out, dns_engine_finish(b->e, b->now), &style);
	assert_non_null(strstr(mem, "\n  mDNS "));
	assert_null(strstr(mem, "\n  LLMNR "));
	for (char *line = strtok(mem, "\n"); line; line = strtok(NULL, "\n"))
		assert_in_range(strlen(line), 0, 80);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_answers_of_a_second_are_one_line),
		cmocka_unit_test(silence_is_no_finding),
		cmocka_unit_test(the_type_must_fit),
		cmocka_unit_test(a_unicast_answer_is_the_askers),
		cmocka_unit_test(withdrawn_names),
		cmocka_unit_test(who_takes_a_name_does_not_object_to_itself),
		cmocka_unit_test(llmnr_goes_by_id_and_port),
		cmocka_unit_test(several_questions_are_several_lines),
		cmocka_unit_test(a_flood_is_bounded_and_told),
		cmocka_unit_test(without_the_option_nothing),
		cmocka_unit_test(text_fits_eighty_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

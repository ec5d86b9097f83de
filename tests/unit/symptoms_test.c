// SPDX-License-Identifier: GPL-2.0-only
/* Findings that need more than one transaction, or an answer: each rule seen to fire, and not to.
 */
#include "dns_packets.h"

#include <stdio.h>

#include "decode/dns.h"

#define GETENT ((struct owner){ .pid = 4711, .comm = "getent" })
#define TC     0x200 /* for answer(): a flag beside the rcode */
#define A      1
#define AAAA   28

/* A file's bench: nobody is asked for facts. */
static struct bench *bench_file(void)
{
	struct bench *b = bench_new_with(NULL, false);

	b->owner = GETENT;
	return b;
}

static void lookup(struct bench *b, uint32_t server, uint16_t id, const char *name, uint16_t type,
		   int rcode, uint32_t addr)
{
	const struct tap *tap = server >> 24 == 127 ? &b->lo : &b->eth0;
	uint32_t client = server >> 24 == 127 ? LOCAL : CLIENT;

	query(b, tap, client, 40000 + id, server, id, name, type);
	b->now += MSEC;
	answer(b, tap, client, 40000 + id, server, id, name, type, rcode, addr);
	b->now += MSEC;
}

static const struct dns_summary *summary;

/* The run ends after a while; how many findings of that code there are. */
static unsigned int findings(struct bench *b, const char *code)
{
	const struct dns_summary *s;
	unsigned int n = 0;
	uint32_t i;

	bench_tick(b, 40 * SEC);
	s = summary = dns_engine_finish(b->e, b->now);
	for (i = 0; i < s->nr_findings; i++) {
		if (strcmp(s->findings[i].code, code))
			print_message("also found: %s\n", s->findings[i].code);
		n += !strcmp(s->findings[i].code, code);
	}
	return n;
}

static void only(struct bench *b, const char *code)
{
	assert_int_equal(findings(b, code), 1);
	assert_int_equal(summary->nr_findings, 1);
	assert_true(summary->findings[0].what[0]);
	bench_free(b);
}

static void nothing(struct bench *b)
{
	findings(b, "");
	assert_int_equal(summary->nr_findings, 0);
	bench_free(b);
}

static void servfail(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	lookup(b, SERVER, 1, "broken.example", A, DNS_R_SERVFAIL, 0);
	only(b, "SERVFAIL");
	/* Asked again it works, be it by another server. */
	b = bench_file();
	lookup(b, SERVER, 1, "hiccup.example", A, DNS_R_SERVFAIL, 0);
	lookup(b, SECOND, 2, "hiccup.example", A, 0, 1);
	nothing(b);
	/* Docker's own has rules of its own, and no facts say who is behind it. */
	b = bench_file();
	lookup(b, DOCKER, 1, "broken.example", A, DNS_R_SERVFAIL, 0);
	nothing(b);
}

static void servfail_of_a_local_resolver_is_its_upstreams(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	query(b, &b->lo, LOCAL, 40000, LOCAL, 1, "broken.example", A);
	b->owner = (struct owner){ .pid = 99, .comm = "unbound" };
	lookup(b, SERVER, 2, "broken.example", A, DNS_R_SERVFAIL, 0);
	answer(b, &b->lo, LOCAL, 40000, LOCAL, 1, "broken.example", A, DNS_R_SERVFAIL, 0);
	assert_int_equal(findings(b, "SERVFAIL"), 1);
	bench_free(b);
}

static void refused(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	lookup(b, SERVER, 1, "example.com", A, DNS_R_REFUSED, 0);
	only(b, "REFUSED");
}

static void short_name(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	lookup(b, DOCKER, 1, "db", A, DNS_R_NXDOMAIN, 0);
	lookup(b, DOCKER, 2, "db", AAAA, DNS_R_NXDOMAIN, 0);
	only(b, "SHORT-NAME");
	/* A container with IPv4 only. */
	b = bench_file();
	lookup(b, DOCKER, 1, "db", A, 0, 1);
	lookup(b, DOCKER, 2, "db", AAAA, 0, 0);
	nothing(b);
	b = bench_file();
	lookup(b, DOCKER, 2, "db", AAAA, 0, 0);
	lookup(b, DOCKER, 1, "db", A, 0, 1);
	nothing(b);
	/* The search domain has it. */
	b = bench_file();
	lookup(b, DOCKER, 1, "db", A, DNS_R_NXDOMAIN, 0);
	lookup(b, DOCKER, 2, "db.corp.example", A, 0, 1);
	nothing(b);
	/* Not a container's business, or no short name. */
	b = bench_file();
	lookup(b, SERVER, 1, "db", A, DNS_R_NXDOMAIN, 0);
	lookup(b, DOCKER, 2, "missing.example", A, DNS_R_NXDOMAIN, 0);
	nothing(b);
}

static void local_tld(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	lookup(b, SERVER, 1, "printer.local", A, DNS_R_NXDOMAIN, 0);
	only(b, "LOCAL-TLD");
	b = bench_file();
	lookup(b, SERVER, 1, "printer.local", A, 0, 1);
	lookup(b, SERVER, 2, "printer.local", AAAA, DNS_R_NXDOMAIN, 0);
	lookup(b, SERVER, 3, "web.default.svc.cluster.local", A, DNS_R_NXDOMAIN, 0);
	lookup(b, SERVER, 4, "notlocal", A, DNS_R_NXDOMAIN, 0);
	nothing(b);
}

static void nx_storm(void **state)
{
	struct bench *b = bench_file();
	uint16_t i;

	(void)state;
	for (i = 0; i < 20; i++) {
		lookup(b, SERVER, i, "gone.example", A, DNS_R_NXDOMAIN, 0);
		b->now += SEC;
	}
	only(b, "NX-STORM");
	/* Too few; too slow. */
	b = bench_file();
	for (i = 0; i < 19; i++) {
		lookup(b, SERVER, i, "gone.example", A, DNS_R_NXDOMAIN, 0);
		lookup(b, SERVER, 100 + i, "gone.example", AAAA, DNS_R_NXDOMAIN, 0);
	}
	for (i = 0; i < 40; i++) {
		lookup(b, SERVER, i, "rare.example", A, DNS_R_NXDOMAIN, 0);
		b->now += 4 * SEC;
	}
	nothing(b);
}

static void nx_storm_among_others(void **state)
{
	struct bench *b = bench_file();
	char name[32];
	uint16_t i;

	(void)state;
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "x%u.example", i);
		lookup(b, SERVER, i, i % 50 ? name : "gone.example", A, DNS_R_NXDOMAIN, 0);
	}
	only(b, "NX-STORM");
}

static void search_amplify(void **state)
{
	struct bench *b = bench_file();
	unsigned int i;

	(void)state;
	lookup(b, SERVER, 1, "api.example.com.a.svc.cluster.local", A, DNS_R_NXDOMAIN, 0);
	lookup(b, SERVER, 2, "api.example.com.svc.cluster.local", A, DNS_R_NXDOMAIN, 0);
	lookup(b, SERVER, 3, "api.example.com.cluster.local", A, DNS_R_NXDOMAIN, 0);
	lookup(b, SERVER, 4, "api.example.com", A, 0, 1);
	only(b, "SEARCH-AMPLIFY");
	/* One suffix, and a lookup each minute: no storm and no waste. */
	b = bench_file();
	for (i = 0; i < 30; i++) {
		lookup(b, SERVER, 1, "api.example.com.corp", A, DNS_R_NXDOMAIN, 0);
		lookup(b, SERVER, 2, "api.example.com.corp", AAAA, DNS_R_NXDOMAIN, 0);
		lookup(b, SERVER, 3, "api.example.com", A, 0, 1);
		b->now += SEC;
	}
	nothing(b);
	/* Another name's suffixes. */
	b = bench_file();
	lookup(b, SERVER, 1, "xapi.example.com.a", A, DNS_R_NXDOMAIN, 0);
	lookup(b, SERVER, 2, "xapi.example.com.b", A, DNS_R_NXDOMAIN, 0);
	lookup(b, SERVER, 3, "xapi.example.com.c", A, DNS_R_NXDOMAIN, 0);
	lookup(b, SERVER, 4, "api.example.com", A, 0, 1);
	nothing(b);
}

static void split_answers(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "intern.example", A);
	query(b, &b->eth0, CLIENT, 40000, SECOND, 1, "intern.example", A);
	b->now += MSEC;
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "intern.example", A, DNS_R_NXDOMAIN, 0);
	b->now += MSEC;
	answer(b, &b->eth0, CLIENT, 40000, SECOND, 1, "intern.example", A, 0, 1);
	only(b, "SPLIT-ANSWERS");
	b = bench_file();
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "intern.example", A);
	query(b, &b->eth0, CLIENT, 40000, SECOND, 1, "intern.example", A);
	answer(b, &b->eth0, CLIENT, 40000, SECOND, 1, "intern.example", A, 0, 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "intern.example", A, 0, 1);
	nothing(b);
}

static void slow(void **state)
{
	struct bench *b = bench_file();
	uint16_t i;

	(void)state;
	for (i = 0; i < 20; i++) {
		query(b, &b->eth0, CLIENT, 40000, SERVER, i, "example.com", A);
		b->now += 150 * MSEC;
		answer(b, &b->eth0, CLIENT, 40000, SERVER, i, "example.com", A, 0, 1);
	}
	only(b, "SLOW");
	b = bench_file();
	for (i = 0; i < 60; i++) {
		query(b, &b->eth0, CLIENT, 40000, SERVER, i, "example.com", A);
		b->now += i % 30 ? 90 * MSEC : 900 * MSEC;
		answer(b, &b->eth0, CLIENT, 40000, SERVER, i, "example.com", A, 0, 1);
	}
	for (i = 0; i < 19; i++) {
		query(b, &b->eth0, CLIENT, 40000, SECOND, i, "example.com", A);
		b->now += 500 * MSEC;
		answer(b, &b->eth0, CLIENT, 40000, SECOND, i, "example.com", A, 0, 1);
	}
	nothing(b);
}

static void wrong_source(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A);
	answer(b, &b->eth0, CLIENT, 40000, SECOND, 1, "example.com", A, 0, 1);
	only(b, "WRONG-SOURCE");
	/* The right one came, too; another id; both were asked. */
	b = bench_file();
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A);
	answer(b, &b->eth0, CLIENT, 40000, SECOND, 1, "example.com", A, 0, 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A, 0, 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", A);
	query(b, &b->eth0, CLIENT, 40000, SECOND, 2, "example.com", A);
	answer(b, &b->eth0, CLIENT, 40000, SECOND, 2, "example.com", A, 0, 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", A, 0, 1);
	nothing(b);
}

static void truncated(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	lookup(b, SERVER, 1, "big.example", A, TC, 1);
	only(b, "TC-NO-TCP");
	/* TCP follows. */
	b = bench_file();
	lookup(b, SERVER, 1, "big.example", A, TC, 0);
	tcp(b, &b->eth0, CLIENT, 40000, SERVER, 53, 1, 0x02, NULL, 0);
	tcp(b, &b->eth0, SERVER, 53, CLIENT, 40000, 1, 0x12, NULL, 0);
	nothing(b);
	/* TCP is tried, and turned down, or ignored. */
	b = bench_file();
	lookup(b, SERVER, 1, "big.example", A, TC, 0);
	tcp(b, &b->eth0, CLIENT, 40000, SERVER, 53, 1, 0x02, NULL, 0);
	tcp(b, &b->eth0, SERVER, 53, CLIENT, 40000, 0, 0x14, NULL, 0);
	only(b, "TCP53-BLOCKED");
	b = bench_file();
	lookup(b, SERVER, 1, "big.example", A, TC, 0);
	tcp(b, &b->eth0, CLIENT, 40000, SERVER, 53, 1, 0x02, NULL, 0);
	only(b, "TCP53-BLOCKED");
}

static void race(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA);
	b->now += MSEC;
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A, 0, 1);
	bench_tick(b, 5 * SEC);
	lookup(b, SERVER, 0, "example.com", A, 0, 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA);
	b->now += MSEC;
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA, 0, 1);
	only(b, "RACE-5S");
	/* The answer to the first overtakes the second query. */
	b = bench_file();
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A, 0, 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA);
	bench_tick(b, 5 * SEC);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA, 0, 1);
	only(b, "RACE-5S");
	/* Both were lost: not that race. */
	b = bench_file();
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA);
	bench_tick(b, 5 * SEC);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA);
	b->now += MSEC;
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", AAAA, 0, 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A, 0, 1);
	nothing(b);
}

static void aaaa_silent(void **state)
{
	static const char *const names[] = { "a.example", "b.example", "c.example" };
	struct bench *b = bench_file();
	uint16_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		lookup(b, SERVER, i, names[i], A, 0, 1);
		query(b, &b->eth0, CLIENT, 40100 + i, SERVER, i, names[i], AAAA);
		bench_tick(b, 6 * SEC);
	}
	only(b, "AAAA-SILENT");
	b = bench_file();
	for (i = 0; i < 3; i++) {
		lookup(b, SERVER, 10 + i, names[i], AAAA, DNS_R_NOTIMP, 0);
		lookup(b, SERVER, i, names[i], A, 0, 1);
	}
	only(b, "AAAA-SILENT");
	/* One name alone is just a query without an answer. */
	b = bench_file();
	lookup(b, SERVER, 1, names[0], A, 0, 1);
	query(b, &b->eth0, CLIENT, 40100, SERVER, 2, names[0], AAAA);
	bench_tick(b, 2 * SEC);
	query(b, &b->eth0, CLIENT, 40100, SERVER, 2, names[0], AAAA);
	bench_tick(b, 6 * SEC);
	assert_int_equal(b->nf, 0);
	only(b, "NO-ANSWER");
	/* There is no IPv6 address, and the server says so. */
	b = bench_file();
	for (i = 0; i < 3; i++) {
		lookup(b, SERVER, i, names[i], A, 0, 1);
		lookup(b, SERVER, 10 + i, names[i], AAAA, 0, 0);
	}
	nothing(b);
}

static void stale_conntrack(void **state)
{
	struct bench *b = bench_file();
	uint16_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u.example", i);
		query(b, &b->eth0, CLIENT, 5353, SERVER, i, name, A);
		bench_tick(b, SEC);
		lookup(b, SERVER, 100 + i, "ok.example", A, 0, 1);
		bench_tick(b, SEC);
	}
	only(b, "STALE-CONNTRACK");
}

static void docker_upstream_dead(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	query(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A);
	b->owner = (struct owner){ .pid = 99, .comm = "dockerd" };
	query(b, &b->eth0, CLIENT, 41000, SERVER, 1, "example.com", A);
	only(b, "DOCKER-UPSTREAM-DEAD");
	/* It gives up by itself. */
	b = bench_file();
	query(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A);
	query(b, &b->eth0, CLIENT, 41000, SERVER, 1, "example.com", A);
	bench_tick(b, 4 * SEC);
	answer(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A, DNS_R_SERVFAIL, 0);
	only(b, "DOCKER-UPSTREAM-DEAD");
	/* Slow, but well. */
	b = bench_file();
	query(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A);
	query(b, &b->eth0, CLIENT, 41000, SERVER, 1, "example.com", A);
	bench_tick(b, 1500 * MSEC);
	answer(b, &b->eth0, CLIENT, 41000, SERVER, 1, "example.com", A, 0, 1);
	answer(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A, 0, 1);
	nothing(b);
}

static void stale_upstream(void **state)
{
	struct bench *b = bench_file();
	struct dns_facts f = facts(b, DOCKER);

	(void)state;
	f.kind = TARGET_DOCKER;
	f.inherits_servers = true;
	dns_engine_facts(b->e, &f, b->now);
	query(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A);
	query(b, &b->eth0, CLIENT, 41000, SERVER, 1, "example.com", A);
	only(b, "STALE-UPSTREAM");
	/* Given with --dns, it is what it is. */
	b = bench_file();
	f.inherits_servers = false;
	dns_engine_facts(b->e, &f, b->now);
	query(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A);
	query(b, &b->eth0, CLIENT, 41000, SERVER, 1, "example.com", A);
	only(b, "DOCKER-UPSTREAM-DEAD");
}

static void docker_host_upstream(void **state)
{
	struct bench *b = bench_file();
	struct dns_facts f = facts(b, DOCKER);

	(void)state;
	f.kind = TARGET_DOCKER;
	f.resolv.conf.has_ext_servers = true;
	f.resolv.conf.nr_ext = 1;
	f.resolv.conf.ext[0].addr = v4(STUB);
	f.resolv.conf.ext[0].via_host = true;
	dns_engine_facts(b->e, &f, b->now);
	lookup(b, DOCKER, 1, "example.com", A, DNS_R_SERVFAIL, 0);
	only(b, "DOCKER-HOST-UPSTREAM");
	/* It asks from in here. */
	b = bench_file();
	f.resolv.conf.ext[0].via_host = false;
	dns_engine_facts(b->e, &f, b->now);
	lookup(b, DOCKER, 1, "example.com", A, DNS_R_SERVFAIL, 0);
	nothing(b);
}

static void docker_overload(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	query(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A);
	bench_tick(b, 4 * SEC);
	answer(b, &b->lo, LOCAL, 40000, DOCKER, 1, "example.com", A, DNS_R_REFUSED, 0);
	only(b, "DOCKER-OVERLOAD");
	b = bench_file();
	lookup(b, DOCKER, 1, "example.com", A, DNS_R_REFUSED, 0);
	nothing(b);
}

static void gateway_filtered(void **state)
{
	struct bench *b = bench_file();
	struct dns_facts f = facts(b, SERVER);

	(void)state;
	f.asked_port = 53;
	f.servers[0].is_gateway = f.servers[0].host_listens = true;
	dns_engine_facts(b->e, &f, b->now);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A);
	unreachable(b, &b->eth0, SERVER, 13, CLIENT, 40000, SERVER, 53, 1, "example.com", A);
	only(b, "GATEWAY-FILTERED");
	b = bench_file();
	f.servers[0].host_listens = false;
	dns_engine_facts(b->e, &f, b->now);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", A);
	unreachable(b, &b->eth0, SERVER, 3, CLIENT, 40000, SERVER, 53, 1, "example.com", A);
	only(b, "NO-ANSWER");
}

static void localhost_refused(void **state)
{
	struct bench *b = bench_new();
	struct dns_facts f = facts(b, LOCAL);

	(void)state;
	tcp(b, &b->lo, LOCAL, 8080, LOCAL, 40000, 0, 0x14, NULL, 0);
	assert_int_equal(b->na, 1);
	assert_int_equal(b->a[0].port, 8080);
	/* Facts about something else do not settle it. */
	f.asked_port = 53;
	dns_engine_facts(b->e, &f, b->now);
	assert_int_equal(b->nf, 0);
	/* The answer takes its time: what listens in many namespaces, on a busy machine. */
	bench_tick(b, 4 * SEC);
	f.asked_port = 8080;
	f.servers[0].host_listens = true;
	dns_engine_facts(b->e, &f, b->now);
	only(b, "LOCALHOST-REFUSED");
	b = bench_new();
	f.servers[0].host_listens = false;
	tcp(b, &b->lo, LOCAL, 8080, LOCAL, 40000, 0, 0x14, NULL, 0);
	dns_engine_facts(b->e, &f, b->now);
	nothing(b);
}

static void encrypted(void **state)
{
	struct bench *b = bench_file();

	(void)state;
	tcp(b, &b->eth0, CLIENT, 40000, SERVER, 853, 1, 0x02, NULL, 0);
	only(b, "ENCRYPTED");
	b = bench_file();
	tcp(b, &b->eth0, CLIENT, 40000, SERVER, 853, 1, 0x02, NULL, 0);
	lookup(b, SERVER, 1, "example.com", A, 0, 1);
	tcp(b, &b->eth0, CLIENT, 40000, 0x0a000001, 443, 1, 0x02, NULL, 0);
	nothing(b);
}

static void a_flood_of_bad_answers_is_bounded(void **state)
{
	struct bench *b = bench_new();
	char name[32];
	uint32_t i;

	(void)state;
	b->owner = GETENT;
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "x%u.local", i);
		lookup(b, SERVER, (uint16_t)i, name, A, i % 2 ? DNS_R_SERVFAIL : DNS_R_NXDOMAIN, 0);
	}
	assert_int_equal(findings(b, "SERVFAIL"), 1);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servfail),
		cmocka_unit_test(servfail_of_a_local_resolver_is_its_upstreams),
		cmocka_unit_test(refused),
		cmocka_unit_test(short_name),
		cmocka_unit_test(local_tld),
		cmocka_unit_test(nx_storm),
		cmocka_unit_test(nx_storm_among_others),
		cmocka_unit_test(search_amplify),
		cmocka_unit_test(split_answers),
		cmocka_unit_test(slow),
		cmocka_unit_test(wrong_source),
		cmocka_unit_test(truncated),
		cmocka_unit_test(race),
		cmocka_unit_test(aaaa_silent),
		cmocka_unit_test(stale_conntrack),
		cmocka_unit_test(docker_upstream_dead),
		cmocka_unit_test(stale_upstream),
		cmocka_unit_test(docker_host_upstream),
		cmocka_unit_test(docker_overload),
		cmocka_unit_test(gateway_filtered),
		cmocka_unit_test(localhost_refused),
		cmocka_unit_test(encrypted),
		cmocka_unit_test(a_flood_of_bad_answers_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

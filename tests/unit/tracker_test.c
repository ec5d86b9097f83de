// SPDX-License-Identifier: GPL-2.0-only
#include "dns_packets.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <unistd.h>

#include "dns/latency.h"
#include "dns/tcp.h"
#include "dns/timers.h"
#include "nswatch/record.h"

static void answered_query_is_one_transaction(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->owner = (struct owner){ .pid = 4711, .comm = "getent" };
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	b->owner.pid = 0;
	assert_int_equal(b->nt, 0);
	assert_true(dns_engine_next(b->e) == START + 300 * MSEC);
	b->now += 12 * MSEC;
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 0x5db8d822);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].state, DNS_ANSWERED);
	assert_int_equal(b->t[0].latency, 12 * MSEC);
	assert_string_equal(b->t[0].name, "example.com");
	assert_string_equal(b->t[0].answers, "93.184.216.34");
	assert_string_equal(b->t[0].target, "php");
	assert_int_equal(b->t[0].owner.pid, 4711);
	assert_int_equal(b->t[0].query_nr, 1);
	assert_int_equal(b->t[0].response_nr, 2);
	/* Nothing pending, no timer. */
	assert_true(dns_engine_next(b->e) == INT64_MAX);
	/* A duplicate is nothing new. */
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 0x5db8d822);
	assert_int_equal(b->nt, 1);
	bench_free(b);
}

static void an_answer_must_fit(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 8, "example.com", 1, 0, 1);
	answer(b, &b->eth0, CLIENT, 40001, SERVER, 7, "example.com", 1, 0, 1);
	answer(b, &b->eth0, CLIENT, 40000, SECOND, 7, "example.com", 1, 0, 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.org", 1, 0, 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 28, 0, 1);
	assert_int_equal(b->nt, 0);
	/* Case does not count (RFC 4343). */
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "eXample.COM", 1, 3, 0);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].rcode, DNS_R_NXDOMAIN);
	bench_free(b);
}

static void unanswered_is_shown_after_a_second_and_late_again(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	bench_tick(b, SEC - 1);
	assert_int_equal(b->nt, 0);
	bench_tick(b, 1);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].state, DNS_UNANSWERED);
	bench_tick(b, SEC);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->nt, 2);
	assert_int_equal(b->t[1].state, DNS_LATE);
	assert_true(b->t[1].serial == b->t[0].serial);
	assert_int_equal(b->t[1].latency, 2 * SEC);
	assert_int_equal(b->nf, 0);
	assert_true(dns_engine_next(b->e) == INT64_MAX);
	bench_free(b);
}

static void retries_join(void **state)
{
	const struct dns_summary *s;
	struct bench *b = bench_new();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	bench_tick(b, 5 * SEC);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	bench_tick(b, 20 * MSEC);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->nt, 2);
	assert_int_equal(b->t[1].queries, 2);
	assert_int_equal(b->nf, 0);
	/* The same id and question anew is another lookup. */
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->nt, 3);
	assert_int_equal(b->t[2].queries, 1);
	s = dns_engine_finish(b->e, b->now);
	assert_int_equal(s->transactions, 2);
	assert_int_equal(s->answered, 2);
	assert_int_equal(s->unanswered, 0);
	assert_int_equal(s->retries, 1);
	assert_int_equal(s->nr_servers, 1);
	assert_int_equal(s->servers[0].transactions, 2);
	bench_free(b);
}

static void host_side_is_evidence_only(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	query(b, &b->host, CLIENT, 40000, SERVER, 7, "example.com", 1);
	answer(b, &b->host, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->nt, 0);
	bench_tick(b, SEC);
	assert_true(b->t[0].host_side_watched && b->t[0].left && b->t[0].came_back);
	assert_int_equal(b->t[0].queries, 1);
	bench_free(b);
}

static void host_end_is_asked_for_once_if_an_answer_is_late(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	query(b, &b->lo, LOCAL, 40000, LOCAL, 7, "example.com", 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 8, "example.com", 1);
	bench_tick(b, 100 * MSEC);
	assert_int_equal(b->nr_host_ends, 0);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 8, "example.com", 1, 0, 1);
	bench_tick(b, SEC);
	assert_int_equal(b->nr_host_ends, 0);
	query(b, &b->eth0, CLIENT, 40001, SERVER, 9, "example.com", 1);
	query(b, &b->eth0, CLIENT, 40002, SERVER, 10, "example.com", 28);
	bench_tick(b, 310 * MSEC);
	assert_int_equal(b->nr_host_ends, 1);
	bench_tick(b, 800 * MSEC);
	assert_int_equal(b->nr_host_ends, 1);
	bench_free(b);
}

static void host_end_tells_of_what_was_sent_since(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	bench_tick(b, 310 * MSEC);
	dns_engine_tap(b->e, &b->host, b->now);
	bench_tick(b, SEC);
	assert_int_equal(b->t[0].state, DNS_UNANSWERED);
	assert_true(b->t[0].host_side_later && !b->t[0].host_side_watched);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	query(b, &b->host, CLIENT, 40000, SERVER, 7, "example.com", 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->nt, 2);
	assert_true(b->t[1].host_side_watched && b->t[1].left && !b->t[1].came_back);
	bench_free(b);
}

/* Packets lie in the ring for a while, calls and facts do not. */
static void an_answer_has_its_packets_time(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	dns_engine_tick(b->e, b->now + 200 * MSEC);
	b->now += 2 * MSEC;
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->t[0].latency, 2 * MSEC);
	assert_int_equal(b->t[0].waited, 2 * MSEC);
	bench_free(b);
}

static void one_packet_on_two_interfaces_is_no_retry(void **state)
{
	struct bench *b = bench_new();
	struct tap bridge = b->eth0;

	(void)state;
	bridge.id = 9;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	b->now += 3000;
	query(b, &bridge, CLIENT, 40000, SERVER, 7, "example.com", 1);
	answer(b, &bridge, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].queries, 1);
	bench_free(b);
}

static void docker_resolver_ports_are_seen_through(void **state)
{
	struct bench *b = bench_new();
	uint8_t m[600];
	uint32_t n = put_message(m, 7, "web", 1, -1, 0);

	(void)state;
	bench_udp(b, &b->lo, LOCAL, 40000, DOCKER, 38651, m, n);
	answer(b, &b->lo, LOCAL, 40000, DOCKER, 7, "web", 1, 0, 0x0a000005);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].server_port, 53);
	assert_string_equal(b->t[0].answers, "10.0.0.5");
	bench_free(b);
}

static void ask_as(struct bench *b, uint32_t pid, const struct tap *tap, uint32_t server,
		   uint16_t id)
{
	b->owner.pid = pid;
	query(b, tap, tap->is_loopback ? LOCAL : CLIENT, 40000, server, id, "example.com", 1);
}

/* Docker's resolver passes a query on: one lookup. A client's own second server is another. */
static void passed_on_is_no_lookup(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	ask_as(b, 99, &b->lo, DOCKER, 7);
	ask_as(b, 5, &b->eth0, SERVER, 7);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	answer(b, &b->lo, LOCAL, 40000, DOCKER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->t[0].upstream_of, b->t[1].serial);
	assert_true(ipaddr_equal(&b->t[1].upstream, &b->t[0].server));
	/* The same process under the same id; another id. */
	ask_as(b, 99, &b->lo, DOCKER, 8);
	ask_as(b, 99, &b->eth0, SERVER, 8);
	ask_as(b, 5, &b->eth0, SECOND, 9);
	/* Processes unknown: only at once. */
	ask_as(b, 0, &b->lo, DOCKER, 10);
	b->now += MSEC;
	ask_as(b, 0, &b->eth0, SERVER, 10);
	b->now += SEC / 2;
	ask_as(b, 0, &b->eth0, SECOND, 10);
	assert_int_equal(dns_engine_finish(b->e, b->now)->transactions, 6);
	bench_free(b);
}

static void attempt_of(struct bench *b, uint32_t pid, uint32_t server)
{
	b->owner.pid = pid;
	attempt(b, server);
	b->owner.pid = 0;
}

static void owner_comes_from_an_attempt(void **state)
{
	const struct dns_engine_options o = { .from_host_side = true };
	struct bench *b = bench_new_with(&o, true);

	(void)state;
	attempt_of(b, 99, SERVER);
	b->now += MSEC;
	query(b, &b->host, CLIENT, 40000, SERVER, 7, "example.com", 1);
	answer(b, &b->host, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->t[0].owner.pid, 99);
	/* The attempt is read after its packet. */
	query(b, &b->host, CLIENT, 40001, SECOND, 8, "example.com", 1);
	attempt_of(b, 99, SECOND);
	answer(b, &b->host, CLIENT, 40001, SECOND, 8, "example.com", 1, 0, 1);
	assert_int_equal(b->t[1].owner.pid, 99);
	/* Two processes ask the same server: which one is not known. */
	attempt_of(b, 100, SERVER);
	query(b, &b->host, CLIENT, 40002, SERVER, 9, "example.com", 1);
	answer(b, &b->host, CLIENT, 40002, SERVER, 9, "example.com", 1, 0, 1);
	assert_int_equal(b->t[2].owner.pid, 0);
	bench_free(b);
}

/* Inside, a packet has its own owner, or it is not known: never somebody else's. */
static void owner_is_not_guessed(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	attempt_of(b, 99, SERVER);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->t[0].owner.pid, 0);
	/* The answer on lo is its sender's, the server's. */
	query(b, &b->lo, LOCAL, 40000, STUB, 7, "example.com", 1);
	b->owner.pid = 53;
	b->dir = DIR_OUT;
	answer(b, &b->lo, LOCAL, 40000, STUB, 7, "example.com", 1, 0, 1);
	assert_int_equal(b->t[1].owner.pid, 0);
	/* A query that comes in is not its receiver's. */
	b->dir = DIR_IN;
	query(b, &b->eth0, SERVER, 40000, CLIENT, 8, "example.com", 1);
	b->dir = DIR_OUT;
	answer(b, &b->eth0, SERVER, 40000, CLIENT, 8, "example.com", 1, 0, 1);
	assert_int_equal(b->t[2].owner.pid, 0);
	bench_free(b);
}

/* A call that failed needs no waiting, and another's packet does not settle it. */
static void failed_calls_are_shown_at_once(void **state)
{
	struct bench *b = bench_new_with(NULL, false);
	struct dns_attempt a = { .time = START,
				 .netns = NETNS,
				 .dst = v4(SERVER),
				 .port = 53,
				 .proto = 17,
				 .owner = { .pid = 99, .comm = "curl" } };

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	a.call = NSW_CALL_SENDTO;
	dns_engine_attempt(b->e, &a);
	assert_int_equal(b->nt, 0);
	a.error = EPERM;
	dns_engine_attempt(b->e, &a);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].state, DNS_NOT_SENT);
	assert_int_equal(b->t[0].failure, DNS_FAIL_CALL);
	assert_int_equal(b->t[0].error, EPERM);
	assert_string_equal(b->f[0].code, "LOCAL-FIREWALL");
	/* What is read may be the error that the packet met: that has been shown. */
	a.call = NSW_CALL_RECVFROM;
	a.error = EHOSTUNREACH;
	dns_engine_attempt(b->e, &a);
	assert_int_equal(b->nt, 1);
	bench_free(b);
}

static struct dns_attempt attempt_of_curl(void)
{
	return (struct dns_attempt){ .time = START,
				     .netns = NETNS,
				     .dst = v4(SERVER),
				     .port = 53,
				     .proto = 17,
				     .call = NSW_CALL_CONNECT,
				     .owner = { .pid = 99, .comm = "curl" } };
}

static struct dns_facts facts_without_route(void)
{
	return (struct dns_facts){
		.netns = NETNS,
		.asker = { .pid = 99 },
		.lo_up = true,
		.nr_servers = 1,
		.servers = { { .addr = v4(SERVER), .route_errno = EHOSTUNREACH } },
	};
}

/* Nobody saw the call fail: the route lookup's answer stands for it, and says so. */
static void unseen_failures_have_the_routes_error(void **state)
{
	struct bench *b = bench_new_with(NULL, false);
	struct dns_attempt a = attempt_of_curl();
	struct dns_facts f = facts_without_route();

	(void)state;
	dns_engine_facts(b->e, &f, START);
	dns_engine_attempt(b->e, &a);
	dns_engine_tick(b->e, START + SEC);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].state, DNS_NOT_SENT);
	assert_int_equal(b->t[0].failure, DNS_FAIL_ROUTE);
	assert_int_equal(b->t[0].error, EHOSTUNREACH);
	assert_string_equal(b->f[0].code, "UNREACHABLE");
	bench_free(b);

	/* Read as the call was made, whatever packets tell of the time. */
	b = bench_new_with(NULL, false);
	f.time = START;
	dns_engine_facts(b->e, &f, START - SEC);
	dns_engine_attempt(b->e, &a);
	dns_engine_tick(b->e, START + SEC);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].error, EHOSTUNREACH);
	bench_free(b);
}

/* Another's packet to the server does not settle it, no route is no reason, and the error that
 * the call gets belongs to it. */
static void what_an_egress_hook_drops_is_shown(void **state)
{
	struct bench *b = bench_new_with(NULL, false);
	struct dns_attempt a = attempt_of_curl();
	struct dns_facts f = facts_without_route();

	(void)state;
	dns_engine_facts(b->e, &f, START);
	dns_engine_attempt(b->e, &a);
	strcpy(a.dropped_at, "eth0");
	dns_engine_attempt(b->e, &a);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	assert_int_equal(b->nt, 0);
	dns_engine_tick(b->e, START + SEC / 2);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].state, DNS_NOT_SENT);
	assert_int_equal(b->t[0].failure, DNS_FAIL_EGRESS);
	assert_int_equal(b->t[0].error, 0);
	assert_string_equal(b->t[0].ifname, "eth0");
	assert_int_equal(b->t[0].owner.pid, 99);
	assert_string_equal(b->f[0].code, "LOCAL-FIREWALL");

	/* Dropped when the sender did not run: nobody's. */
	a.time = START + SEC / 2;
	a.owner.pid = 0;
	dns_engine_attempt(b->e, &a);
	a.owner.pid = 98;
	dns_engine_attempt(b->e, &a);
	a.dropped_at[0] = '\0';
	a.call = NSW_CALL_SENDTO;
	a.error = ENOBUFS;
	dns_engine_attempt(b->e, &a);
	assert_int_equal(b->nt, 2);
	assert_int_equal(b->t[1].failure, DNS_FAIL_EGRESS);
	assert_int_equal(b->t[1].owner.pid, 98);
	assert_int_equal(b->t[1].call, NSW_CALL_SENDTO);
	assert_int_equal(b->t[1].error, ENOBUFS);
	dns_engine_tick(b->e, START + SEC - 1);
	assert_int_equal(b->nt, 3);
	assert_int_equal(b->t[2].failure, DNS_FAIL_EGRESS);
	assert_int_equal(b->t[2].owner.pid, 0);
	bench_free(b);
}

static void failures_are_shown_at_once(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "example.com", 1);
	b->now += MSEC;
	unreachable(b, &b->eth0, SERVER, 3, CLIENT, 40000, SERVER, 53, 7, "example.com", 1);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].state, DNS_FAILED);
	assert_int_equal(b->t[0].failure, DNS_FAIL_ICMP);
	assert_int_equal(b->t[0].icmp_code, 3);
	assert_int_equal(b->t[0].latency, MSEC);
	/* Once only. */
	unreachable(b, &b->eth0, SERVER, 3, CLIENT, 40000, SERVER, 53, 7, "example.com", 1);
	assert_int_equal(b->nt, 1);
	bench_free(b);
}

static void memory_is_bounded(void **state)
{
	struct dns_engine_options o = { .max_transactions = 512 };
	struct bench *b = bench_new_with(&o, true);
	const struct dns_summary *s;
	char name[32];
	int i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		query(b, &b->eth0, CLIENT, (uint16_t)(1024 + i), SERVER, (uint16_t)i, name, 1);
	}
	/* The newest is still there. */
	answer(b, &b->eth0, CLIENT, (uint16_t)(1024 + 4999), SERVER, 4999, name, 1, 0, 1);
	assert_int_equal(b->nt, 1);
	s = dns_engine_finish(b->e, b->now);
	assert_int_equal(s->transactions, 5000);
	assert_int_equal(s->dropped, 5000 - 512);
	assert_int_equal(s->unanswered, 4999);
	bench_free(b);
}

/* --- TCP ------------------------------------------------------------------------------ */

#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define PSH 0x18

static void connect_to(struct bench *b, uint16_t port, uint32_t server)
{
	tcp(b, &b->eth0, CLIENT, port, server, 53, 999, SYN, NULL, 0);
	tcp(b, &b->eth0, server, 53, CLIENT, port, 1999, SYN | ACK, NULL, 0);
}

static void connect_tcp(struct bench *b, uint16_t port)
{
	connect_to(b, port, SERVER);
}

static uint32_t put_prefixed(uint8_t *p, uint16_t id, int rcode)
{
	uint32_t n = put_message(p + 2, id, "example.com", 1, rcode, rcode < 0 ? 0 : 1);

	put16(p, n);
	return n + 2;
}

static void tcp_messages_are_reassembled(void **state)
{
	struct bench *b = bench_new();
	uint8_t q[600], a[1200];
	uint32_t qn, an, i;

	(void)state;
	connect_tcp(b, 40000);
	/* Two queries in one segment. */
	qn = put_prefixed(q, 1, -1);
	qn += put_prefixed(q + qn, 2, -1);
	tcp(b, &b->eth0, CLIENT, 40000, SERVER, 53, 1000, PSH, q, qn);
	an = put_prefixed(a, 1, 0);
	an += put_prefixed(a + an, 2, 0);
	/* The answers byte by byte, backwards, and some twice. */
	for (i = an; i-- > 0;)
		if (i % 7 == 0) {
			uint32_t n = an - i < 7 ? an - i : 7;

			tcp(b, &b->eth0, SERVER, 53, CLIENT, 40000, 2000 + i, ACK, a + i, n);
			tcp(b, &b->eth0, SERVER, 53, CLIENT, 40000, 2000 + i, ACK, a + i, n);
		}
	assert_int_equal(b->nt, 2);
	assert_int_equal(b->t[0].id, 1);
	assert_int_equal(b->t[1].id, 2);
	assert_int_equal(b->t[0].proto, 6);
	assert_int_equal(b->t[0].state, DNS_ANSWERED);
	bench_tick(b, 10 * SEC);
	assert_int_equal(b->nt, 2);
	bench_free(b);
}

static void tcp_goes_on_behind_a_lost_segment(void **state)
{
	struct bench *b = bench_new();
	uint8_t m[600];
	uint32_t n, seq = 1000;

	(void)state;
	n = put_prefixed(m, 1, -1);
	/* Seen from the middle of the connection on. */
	tcp(b, &b->eth0, CLIENT, 40000, SERVER, 53, seq, PSH, m, n);
	n = put_prefixed(m, 1, 0);
	/* 100,000 bytes were not seen. */
	tcp(b, &b->eth0, SERVER, 53, CLIENT, 40000, 5000, PSH, m, 5);
	tcp(b, &b->eth0, SERVER, 53, CLIENT, 40000, 105000, PSH, m, n);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].state, DNS_ANSWERED);
	bench_free(b);
}

static void tcp_refused_and_ignored(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	tcp(b, &b->eth0, CLIENT, 40000, SERVER, 53, 999, SYN, NULL, 0);
	b->now += MSEC;
	tcp(b, &b->eth0, SERVER, 53, CLIENT, 40000, 0, RST | ACK, NULL, 0);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].failure, DNS_FAIL_RESET);
	assert_false(b->t[0].has_question);
	tcp(b, &b->eth0, CLIENT, 40001, SECOND, 53, 999, SYN, NULL, 0);
	bench_tick(b, SEC);
	assert_int_equal(b->nt, 2);
	assert_int_equal(b->t[1].state, DNS_UNANSWERED);
	assert_int_equal(b->t[1].failure, DNS_FAIL_NO_SYN);
	bench_free(b);
}

static void tcp_connection_alone_is_no_transaction(void **state)
{
	const struct dns_summary *s;
	struct bench *b = bench_new();

	(void)state;
	connect_tcp(b, 40000);
	bench_tick(b, 10 * SEC);
	s = dns_engine_finish(b->e, b->now);
	assert_int_equal(b->nt, 0);
	assert_int_equal(s->transactions, 0);
	bench_free(b);
}

/* A server has its own line in the summary, or is among the others. */
static void many_servers_are_all_counted(void **state)
{
	const struct dns_summary *s;
	struct bench *b = bench_new();
	uint64_t sum = 0;
	uint32_t i;

	(void)state;
	for (i = 0; i < 300; i++)
		query(b, &b->eth0, CLIENT, 40000, SERVER + i, 7, "example.com", 1);
	for (i = 290; i < 310; i++)
		connect_to(b, 40000, SERVER + i);
	s = dns_engine_finish(b->e, b->now);
	for (i = 0; i < s->nr_servers; i++)
		sum += s->servers[i].transactions;
	assert_int_equal(s->transactions, 300);
	assert_int_equal(sum + s->more_servers, 300);
	bench_free(b);
}

/* --- its parts ----------------------------------------------------------------------- */

static void timers_run_in_order(void **state)
{
	struct timers ts = { 0 };
	struct timer t[500];
	struct timer *x;
	int64_t last = -1;
	unsigned int i, n = 0;

	(void)state;
	memset(t, 0, sizeof(t));
	srandom(7);
	for (i = 0; i < ARRAY_SIZE(t); i++)
		timers_set(&ts, &t[i], random() % 1000);
	for (i = 0; i < ARRAY_SIZE(t); i += 3)
		timers_cancel(&ts, &t[i]);
	for (i = 1; i < ARRAY_SIZE(t); i += 3)
		timers_set(&ts, &t[i], random() % 1000);
	while ((x = timers_expired(&ts, 2000))) {
		assert_true(x->due >= last);
		last = x->due;
		n++;
	}
	assert_int_equal(n, ARRAY_SIZE(t) - (ARRAY_SIZE(t) + 2) / 3);
	assert_true(timers_next(&ts) == INT64_MAX);
	timers_fini(&ts);
}

static void percentiles_are_exact_to_a_percent(void **state)
{
	static struct latency l;
	struct dns_latency r;
	int i;

	(void)state;
	for (i = 1; i <= 10000; i++)
		latency_add(&l, i * 10000LL); /* 10 us .. 100 ms */
	r = latency_result(&l);
	assert_true(llabs(r.p50 - 50 * MSEC) <= 50 * MSEC / 100);
	assert_true(llabs(r.p95 - 95 * MSEC) <= 95 * MSEC / 100);
	assert_true(llabs(r.p99 - 99 * MSEC) <= 99 * MSEC / 100);
	assert_true(r.max == 100 * MSEC);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void each_name_has_percentiles(void **state)
{
	struct bench *b = bench_new();
	const struct dns_name_summary *n;
	const struct dns_summary *s;
	int64_t took[200];
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(took); i++) {
		/* 20 us and up, with no pattern that a power of two could fit. */
		took[i] = 20000 + (int64_t)i * i * 7919;
		query(b, &b->eth0, CLIENT, (uint16_t)(2000 + i), SERVER, 7, "slow.test", 1);
		b->now += took[i];
		answer(b, &b->eth0, CLIENT, (uint16_t)(2000 + i), SERVER, 7, "SLOW.test", 1, 0, 1);
	}
	query(b, &b->eth0, CLIENT, 40000, SERVER, 7, "once.test", 1);
	b->now += 1234567;
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 7, "once.test", 1, 3, 0);
	query(b, &b->eth0, CLIENT, 40001, SERVER, 7, "never.test", 1);
	s = dns_engine_finish(b->e, b->now + 2 * SEC);
	assert_int_equal(s->nr_names, 3);
	qsort(took, ARRAY_SIZE(took), sizeof(took[0]), by_value);
	n = &s->names[0];
	assert_string_equal(n->name, "slow.test");
	assert_int_equal(n->latency.count, 200);
	assert_true(n->latency.max == took[199]);
	assert_true(llabs(n->latency.p50 - took[99]) <= took[99] * 7 / 100);
	assert_true(llabs(n->latency.p95 - took[189]) <= took[189] * 7 / 100);
	assert_true(llabs(n->latency.p99 - took[197]) <= took[197] * 7 / 100);
	for (i = 1; i < 3; i++)
		if (!strcmp(s->names[i].name, "once.test"))
			assert_true(s->names[i].latency.max == 1234567 &&
				    llabs(s->names[i].latency.p50 - 1234567) <= 86000);
		else
			assert_int_equal(s->names[i].latency.count, 0);
	bench_free(b);
}

/* --- against tshark --------------------------------------------------------------------- */

#define CORPUS "../shared/corpus/captures/"

static void run_capture(struct bench *b, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *p =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	struct pcap_pkthdr *h;
	const u_char *data;

	assert_non_null(p);
	b->eth0.dlt = pcap_datalink(p);
	while (pcap_next_ex(p, &h, &data) == 1) {
		b->now = h->ts.tv_sec * SEC + h->ts.tv_usec;
		bench_frame(b, &b->eth0, data, h->caplen);
	}
	dns_engine_finish(b->e, b->now);
	pcap_close(p);
}

/* Every answer that tshark pairs with a query is paired with the same one here, at the same
 * latency, and no other. */
static void pairs_as_tshark(void **state)
{
	/* Without dns_udp_2.pcap: its answer is cut by the capture, and tshark gives up before it
	 * comes to the pairing. */
	static const char *const files[] = { "dns-uri.pcap", "dns_udp.pcap", "dns_udp_8053.pcap",
					     "edns-opts.pcap", "mptcp-aa-v1.pcap" };
	char command[256], line[128];
	unsigned long response, request;
	double time;
	size_t i;

	(void)state;
	if (access(CORPUS "dns_udp.pcap", R_OK) || system("tshark -v >/dev/null 2>&1")) {
		print_message("skipped: no " CORPUS " or no tshark\n");
		skip();
	}
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		struct bench *b = bench_new_with(NULL, false);
		unsigned int n = 0, k = 0;
		FILE *f;

		snprintf(command, sizeof(command), CORPUS "%s", files[i]);
		run_capture(b, command);
		snprintf(command, sizeof(command),
			 "tshark -n -r " CORPUS "%s -Y dns.response_to -T fields -e frame.number "
			 "-e dns.response_to -e dns.time 2>/dev/null",
			 files[i]);
		f = popen(command, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f)) {
			assert_int_equal(sscanf(line, "%lu %lu %lf", &response, &request, &time),
					 3);
			while (k < b->nt && b->t[k].state != DNS_ANSWERED)
				k++;
			assert_true(k < b->nt);
			assert_int_equal(b->t[k].response_nr, response);
			assert_int_equal(b->t[k].query_nr, request);
			assert_true(llabs(b->t[k].latency - (int64_t)(time * 1e9 + 0.5)) <= 1);
			k++;
			n++;
		}
		assert_int_equal(pclose(f), 0);
		while (k < b->nt)
			assert_int_not_equal(b->t[k++].state, DNS_ANSWERED);
		bench_free(b);
	}
}

static const struct dns_name_summary *name_in(const struct dns_name_summary *list, uint32_t nr,
					      const char *name)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

/* Per name, all types together and whatever the capitals; a late answer moves its count. */
static void summary_counts_names(void **state)
{
	struct bench *b = bench_new_with(NULL, false);
	const struct dns_name_summary *n;
	const struct dns_summary *s;

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "a.test", 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "a.test", 1, 0, 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "A.Test", 28);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 2, "A.Test", 28, 3, 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 3, "late.test", 1);
	bench_tick(b, 2 * SEC);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 3, "late.test", 1, 0, 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 4, "silent.test", 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 4, "silent.test", 1);
	bench_tick(b, 2 * SEC);
	s = dns_engine_finish(b->e, b->now);
	assert_int_equal(s->nr_names, 3);
	assert_string_equal(s->names[0].name, "a.test");
	assert_int_equal(s->names[0].transactions, 2);
	assert_int_equal(s->names[0].rcode[0], 1);
	assert_int_equal(s->names[0].rcode[3], 1);
	n = name_in(s->names, s->nr_names, "late.test");
	assert_non_null(n);
	assert_int_equal(n->transactions, 1);
	assert_int_equal(n->unanswered, 0);
	n = name_in(s->names, s->nr_names, "silent.test");
	assert_non_null(n);
	assert_int_equal(n->unanswered, 1);
	assert_int_equal(n->retries, 1);
	assert_int_equal(s->nr_failing_names, 2);
	assert_null(name_in(s->failing_names, s->nr_failing_names, "late.test"));
	bench_free(b);
}

/* Names that are asked once do not push out one that is asked often, nor cost memory. */
static void name_flood_keeps_the_often_asked(void **state)
{
	struct bench *b = bench_new_with(NULL, false);
	const struct dns_summary *s;
	unsigned int i;
	char name[32];

	(void)state;
	for (i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), i % 100 ? "n%u.test" : "often.test", i);
		query(b, &b->eth0, CLIENT, 40000, SERVER, (uint16_t)i, name, 1);
		answer(b, &b->eth0, CLIENT, 40000, SERVER, (uint16_t)i, name, 1, 0, 1);
	}
	s = dns_engine_finish(b->e, b->now);
	assert_string_equal(s->names[0].name, "often.test");
	assert_int_equal(s->names[0].transactions, 300);
	assert_int_equal(s->more_names, 30000 - 300 - (s->nr_names - 1));
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summary_counts_names),
		cmocka_unit_test(name_flood_keeps_the_often_asked),
		cmocka_unit_test(answered_query_is_one_transaction),
		cmocka_unit_test(an_answer_must_fit),
		cmocka_unit_test(unanswered_is_shown_after_a_second_and_late_again),
		cmocka_unit_test(retries_join),
		cmocka_unit_test(an_answer_has_its_packets_time),
		cmocka_unit_test(host_side_is_evidence_only),
		cmocka_unit_test(host_end_is_asked_for_once_if_an_answer_is_late),
		cmocka_unit_test(host_end_tells_of_what_was_sent_since),
		cmocka_unit_test(one_packet_on_two_interfaces_is_no_retry),
		cmocka_unit_test(docker_resolver_ports_are_seen_through),
		cmocka_unit_test(passed_on_is_no_lookup),
		cmocka_unit_test(owner_comes_from_an_attempt),
		cmocka_unit_test(owner_is_not_guessed),
		cmocka_unit_test(failed_calls_are_shown_at_once),
		cmocka_unit_test(unseen_failures_have_the_routes_error),
		cmocka_unit_test(what_an_egress_hook_drops_is_shown),
		cmocka_unit_test(failures_are_shown_at_once),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(tcp_messages_are_reassembled),
		cmocka_unit_test(tcp_goes_on_behind_a_lost_segment),
		cmocka_unit_test(tcp_refused_and_ignored),
		cmocka_unit_test(tcp_connection_alone_is_no_transaction),
		cmocka_unit_test(many_servers_are_all_counted),
		cmocka_unit_test(timers_run_in_order),
		cmocka_unit_test(percentiles_are_exact_to_a_percent),
		cmocka_unit_test(each_name_has_percentiles),
		cmocka_unit_test(pairs_as_tshark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

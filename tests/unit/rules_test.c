// SPDX-License-Identifier: GPL-2.0-only
#include "dns_packets.h"

#include <errno.h>

#define GETENT ((struct owner){ .pid = 4711, .comm = "getent" })

static struct bench *bench_getent(void)
{
	struct bench *b = bench_new();

	b->owner = GETENT;
	return b;
}

static void give(struct bench *b, const struct dns_facts *f)
{
	dns_engine_facts(b->e, f, b->now);
}

static bool has_fix(const struct dns_finding *f, const char *cmd)
{
	uint32_t i;

	for (i = 0; i < f->nr_fix; i++)
		if (strstr(f->fix[i].cmd, cmd))
			return true;
	return false;
}

static bool has_seen(const struct dns_finding *f, const char *text)
{
	uint32_t i;

	for (i = 0; i < f->nr_seen; i++)
		if (strstr(f->seen[i], text))
			return true;
	return false;
}

static void ask_stub(struct bench *b, uint16_t id)
{
	query(b, &b->lo, LOCAL, 40000, STUB, id, "example.com", 1);
	b->now += 20000;
	unreachable(b, &b->lo, STUB, 3, LOCAL, 40000, STUB, 53, id, "example.com", 1);
}

/* --- STUB-DEAD ------------------------------------------------------------------------ */

static void stub_dead_by_icmp(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, STUB);

	(void)state;
	f.resolv.is_hosts_own = true;
	strcpy(f.resolv.path, "/run/systemd/resolve/stub-resolv.conf");
	ask_stub(b, 1);
	/* The transaction is out at once; the finding waits for the facts asked for. */
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->nf, 0);
	assert_int_equal(b->na, 1);
	assert_int_equal(b->a[0].asker.pid, 4711);
	give(b, &f);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "STUB-DEAD");
	assert_int_equal(b->f[0].severity, DNS_ERROR);
	assert_int_equal(b->f[0].owner.pid, 4711);
	assert_string_equal(b->f[0].resolv_path, "/run/systemd/resolve/stub-resolv.conf");
	assert_int_equal(b->f[0].resolv_line, 3);
	assert_non_null(strstr(b->f[0].what, "127.0.0.53"));
	assert_true(has_seen(&b->f[0], "getent(4711) sent the query for example.com A"));
	assert_true(has_seen(&b->f[0], "line 3: nameserver 127.0.0.53"));
	assert_true(has_seen(&b->f[0], "the host's own"));
	assert_true(has_fix(&b->f[0], "nswatch php --fix-dns -- CMD"));
	assert_true(has_fix(&b->f[0],
			    "mkdir -p /etc/netns/php && printf 'nameserver 192.0.2.1\\n' > "
			    "/etc/netns/php/resolv.conf"));
	/* The next lookup counts, and is no second finding. */
	ask_stub(b, 2);
	give(b, &f);
	assert_int_equal(b->nf, 2);
	assert_true(b->f[1].repeat);
	assert_int_equal(b->f[1].count, 2);
	bench_free(b);
}

static void stub_dead_without_facts(void **state)
{
	struct bench *b = bench_getent();

	(void)state;
	ask_stub(b, 1);
	bench_tick(b, 499 * MSEC);
	assert_int_equal(b->nf, 0);
	bench_tick(b, 2 * MSEC);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "STUB-DEAD");
	bench_free(b);
	/* From a file nothing waits. */
	b = bench_new_with(NULL, false);
	ask_stub(b, 1);
	assert_int_equal(b->nf, 1);
	bench_free(b);
}

static void stub_dead_by_reset(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	tcp(b, &b->lo, LOCAL, 40000, STUB, 53, 999, 0x02, NULL, 0);
	tcp(b, &b->lo, STUB, 53, LOCAL, 40000, 0, 0x14, NULL, 0);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "STUB-DEAD");
	bench_free(b);
}

static void stub_dead_by_silence_needs_facts(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, STUB);

	(void)state;
	query(b, &b->lo, LOCAL, 40000, STUB, 1, "example.com", 1);
	bench_tick(b, SEC);
	assert_int_equal(b->nf, 0);
	give(b, &f);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "STUB-DEAD");
	/* The verdict five seconds later is the same transaction. */
	bench_tick(b, 6 * SEC);
	give(b, &f);
	assert_int_equal(b->f[b->nf - 1].count, 1);
	bench_free(b);
}

static void stub_that_listens_is_well(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, STUB);

	(void)state;
	f.is_host_netns = true;
	f.servers[0].listening = true;
	give(b, &f);
	query(b, &b->lo, LOCAL, 40000, STUB, 1, "example.com", 1);
	assert_int_equal(b->na, 0);
	/* Slow, but there. */
	bench_tick(b, 2 * SEC);
	give(b, &f);
	answer(b, &b->lo, LOCAL, 40000, STUB, 1, "example.com", 1, 0, 1);
	bench_tick(b, 10 * SEC);
	assert_int_equal(b->nf, 0);
	bench_free(b);
}

static void late_answer_to_a_closed_socket_is_no_failure(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	query(b, &b->lo, LOCAL, 40000, STUB, 1, "example.com", 1);
	answer(b, &b->lo, LOCAL, 40000, STUB, 1, "example.com", 1, 0, 1);
	unreachable(b, &b->lo, LOCAL, 3, STUB, 53, LOCAL, 40000, 1, "example.com", 1);
	dns_engine_finish(b->e, b->now + 10 * SEC);
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->nf, 0);
	bench_free(b);
}

static void fixes_fit_the_target(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, STUB);

	(void)state;
	f.kind = TARGET_DOCKER;
	f.sudo = true;
	strcpy(f.bridge_addr, "172.17.0.1");
	strcpy(f.target, "my app;reboot");
	ask_stub(b, 1);
	give(b, &f);
	assert_true(has_fix(&b->f[0], "sudo nswatch 'my app;reboot' --fix-dns -- CMD"));
	assert_true(has_fix(&b->f[0], "sudo docker run --dns 192.0.2.1 IMAGE"));
	assert_true(has_fix(&b->f[0], "-v /run/systemd/resolve/resolv.conf:/etc/resolv.conf:ro"));
	assert_true(has_fix(&b->f[0], "DNSStubListenerExtra=172.17.0.1"));
	bench_free(b);
}

static void hostile_names_are_quoted(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, STUB);
	uint32_t i;

	(void)state;
	strcpy(f.target, "a'b\033[31m\n");
	strcpy(f.resolv.path, "/etc/\033]0;x\007resolv.conf");
	strcpy(b->owner.comm, "ge\ntent");
	f.asker = b->owner;
	ask_stub(b, 1);
	give(b, &f);
	assert_true(has_fix(&b->f[0], "nswatch $'a\\x27b\\x1b[31m\\x0a' --fix-dns"));
	for (i = 0; i < b->f[0].nr_seen; i++)
		assert_null(strpbrk(b->f[0].seen[i], "\n\033\007"));
	assert_null(strpbrk(b->f[0].what, "\n\033\007"));
	assert_true(has_seen(&b->f[0], "ge\\ntent(4711)"));
	bench_free(b);
}

/* --- LO-DOWN, UNREACHABLE: no packet ------------------------------------------------- */

static void lo_down_by_attempt(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, STUB);

	(void)state;
	f.lo_up = false;
	attempt(b, STUB);
	/* It asks at once, the process may end soon. */
	assert_int_equal(b->na, 1);
	b->now += MSEC;
	give(b, &f);
	attempt(b, STUB);
	assert_int_equal(b->nf, 0);
	bench_tick(b, 300 * MSEC);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "LO-DOWN");
	assert_true(has_fix(&b->f[0], "ip -n php link set lo up"));
	assert_true(has_fix(&b->f[0], "--fix-dns"));
	assert_true(has_seen(&b->f[0], "getent(4711) called the name server 127.0.0.53 2 times"));
	assert_int_equal(b->nt, 1);
	assert_int_equal(b->t[0].state, DNS_NOT_SENT);
	assert_int_equal(b->t[0].queries, 2);
	assert_true(dns_engine_next(b->e) == INT64_MAX);
	bench_free(b);
}

static void attempt_is_never_judged_without_facts(void **state)
{
	struct bench *b = bench_getent();

	(void)state;
	attempt(b, STUB);
	attempt(b, SERVER);
	bench_tick(b, 5 * SEC);
	assert_int_equal(b->nf, 0);
	assert_int_equal(b->nt, 0);
	bench_free(b);
}

static void attempt_with_a_packet_is_well(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, SERVER);

	(void)state;
	f.servers[0].route_errno = ENETUNREACH;
	attempt(b, SERVER);
	give(b, &f);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1, 0, 1);
	/* The attempts' ring may lag behind. */
	attempt(b, SERVER);
	bench_tick(b, SEC);
	assert_int_equal(b->nf, 0);
	assert_int_equal(b->nt, 1);
	bench_free(b);
}

static void unreachable_by_attempt(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, SERVER);

	(void)state;
	f.servers[0].route_errno = ENETUNREACH;
	f.has_default_route = false;
	attempt(b, SERVER);
	bench_tick(b, 310 * MSEC);
	assert_int_equal(b->na, 1);
	give(b, &f);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "UNREACHABLE");
	assert_true(has_seen(&b->f[0], "Network is unreachable; there is no default route"));
	bench_free(b);
}

static void unreachable_server_beside_a_good_one_is_well(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, SERVER);

	(void)state;
	f.servers[0].route_errno = ENETUNREACH;
	f.resolv.conf.nr_servers = 2;
	f.resolv.conf.servers[1].addr = v4(SECOND);
	f.servers[1].addr = v4(SECOND);
	f.nr_servers = 2;
	attempt(b, SERVER);
	give(b, &f);
	attempt(b, SECOND);
	query(b, &b->eth0, CLIENT, 40000, SECOND, 1, "example.com", 1);
	answer(b, &b->eth0, CLIENT, 40000, SECOND, 1, "example.com", 1, 0, 1);
	bench_tick(b, 10 * SEC);
	assert_int_equal(b->nf, 0);
	bench_free(b);
}

/* --- LOOPBACK-DEAD ---------------------------------------------------------------------- */

static void loopback_dead(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, LOCAL);

	(void)state;
	query(b, &b->lo, LOCAL, 40000, LOCAL, 1, "example.com", 1);
	unreachable(b, &b->lo, LOCAL, 3, LOCAL, 40000, LOCAL, 53, 1, "example.com", 1);
	give(b, &f);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "LOOPBACK-DEAD");
	bench_free(b);
}

static void local_resolver_is_well(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, LOCAL);

	(void)state;
	f.servers[0].listening = true;
	attempt(b, LOCAL);
	give(b, &f);
	query(b, &b->lo, LOCAL, 40000, LOCAL, 1, "example.com", 1);
	/* Its own query outside. */
	query(b, &b->eth0, CLIENT, 50000, SERVER, 2, "example.com", 1);
	b->now += 400 * MSEC;
	answer(b, &b->eth0, CLIENT, 50000, SERVER, 2, "example.com", 1, 0, 1);
	answer(b, &b->lo, LOCAL, 40000, LOCAL, 1, "example.com", 1, 0, 1);
	bench_tick(b, 10 * SEC);
	assert_int_equal(b->nf, 0);
	assert_int_equal(b->nt, 2);
	bench_free(b);
}

/* --- NO-ANSWER ------------------------------------------------------------------------------ */

static void no_answer_after_five_seconds(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, SERVER);

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	query(b, &b->host, CLIENT, 40000, SERVER, 1, "example.com", 1);
	bench_tick(b, SEC);
	give(b, &f);
	bench_tick(b, 3900 * MSEC);
	assert_int_equal(b->nf, 0);
	bench_tick(b, 500 * MSEC);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "NO-ANSWER");
	assert_true(
		has_seen(&b->f[0], "It left through the veth; no answer came back to the veth."));
	assert_true(has_fix(&b->f[0], "dig +time=2 +tries=1 @1.1.1.1 example.com"));
	bench_free(b);
}

/* A name is the choice of whoever asks for it; a command to copy must not do its bidding. */
static void a_name_is_no_option_of_the_command(void **state)
{
	struct bench *b = bench_getent();
	struct dns_facts f = facts(b, SERVER);

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "-f/etc/passwd", 1);
	bench_tick(b, SEC);
	give(b, &f);
	bench_tick(b, 5 * SEC);
	assert_int_equal(b->nf, 1);
	assert_true(has_fix(&b->f[0], "@1.1.1.1 '\\045f/etc/passwd'"));
	bench_free(b);
}

static void no_answer_although_it_came_to_the_veth(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	query(b, &b->host, CLIENT, 40000, SERVER, 1, "example.com", 1);
	answer(b, &b->host, CLIENT, 40000, SERVER, 1, "example.com", 1, 0, 1);
	bench_tick(b, 6 * SEC);
	assert_int_equal(b->nf, 1);
	assert_true(has_seen(&b->f[0], "but not into the namespace"));
	bench_free(b);
}

static void no_answer_when_the_run_ends_early(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	dns_engine_finish(b->e, b->now + 2 * SEC);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "NO-ANSWER");
	bench_free(b);
	/* A query under way is no fault. */
	b = bench_new_with(NULL, false);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	dns_engine_finish(b->e, b->now + 200 * MSEC);
	assert_int_equal(b->nf, 0);
	assert_int_equal(b->nt, 1);
	bench_free(b);
}

static void no_answer_refused_port(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	unreachable(b, &b->eth0, SERVER, 3, CLIENT, 40000, SERVER, 53, 1, "example.com", 1);
	bench_tick(b, 2 * SEC);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "NO-ANSWER");
	assert_non_null(strstr(b->f[0].what, "runs no name server"));
	bench_free(b);
}

static void second_server_that_answers_at_once_is_well(void **state)
{
	struct bench *b = bench_new_with(NULL, false);
	uint16_t id;

	(void)state;
	/* As musl does: all servers at once, the first answer counts. */
	for (id = 1; id < 6; id++) {
		query(b, &b->eth0, CLIENT, 40000, SERVER, id, "example.com", 1);
		query(b, &b->eth0, CLIENT, 40000, SECOND, id, "example.com", 1);
		b->now += 10 * MSEC;
		answer(b, &b->eth0, CLIENT, 40000, SECOND, id, "example.com", 1, 0, 1);
	}
	/* A port that is closed, and the next server at once. */
	query(b, &b->eth0, CLIENT, 41000, SERVER, 9, "example.org", 1);
	unreachable(b, &b->eth0, SERVER, 3, CLIENT, 41000, SERVER, 53, 9, "example.org", 1);
	query(b, &b->eth0, CLIENT, 41001, SECOND, 9, "example.org", 1);
	answer(b, &b->eth0, CLIENT, 41001, SECOND, 9, "example.org", 1, 0, 1);
	bench_tick(b, 10 * SEC);
	assert_int_equal(b->nf, 0);
	bench_free(b);
}

static void dead_first_server_costs_a_delay(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "example.com", 28);
	bench_tick(b, 5 * SEC);
	query(b, &b->eth0, CLIENT, 40001, SECOND, 1, "example.com", 1);
	query(b, &b->eth0, CLIENT, 40001, SECOND, 2, "example.com", 28);
	b->now += 10 * MSEC;
	answer(b, &b->eth0, CLIENT, 40001, SECOND, 1, "example.com", 1, 0, 1);
	answer(b, &b->eth0, CLIENT, 40001, SECOND, 2, "example.com", 28, 0, 0);
	bench_tick(b, 3 * SEC);
	assert_true(b->nf >= 1);
	assert_int_equal(b->nr_new_findings, 1);
	assert_string_equal(b->f[0].code, "NO-ANSWER");
	assert_int_equal(b->f[0].severity, DNS_WARNING);
	assert_non_null(strstr(b->f[0].what, "through 8.8.8.8, each after a delay of 5.0 s"));
	bench_free(b);
}

static void a_lost_packet_is_well(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	/* Answered at the retry. */
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	bench_tick(b, 5 * SEC + 50 * MSEC);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	bench_tick(b, 300 * MSEC);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1, 0, 1);
	/* Answered at a retry from a new socket. */
	query(b, &b->eth0, CLIENT, 40001, SERVER, 2, "example.org", 1);
	bench_tick(b, 2 * SEC);
	query(b, &b->eth0, CLIENT, 40002, SERVER, 3, "example.org", 1);
	answer(b, &b->eth0, CLIENT, 40002, SERVER, 3, "example.org", 1, 0, 1);
	bench_tick(b, 10 * SEC);
	assert_int_equal(b->nf, 0);
	bench_free(b);
}

static void name_that_does_not_exist_is_well(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "nope.example", 1);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 1, "nope.example", 1, 3, 0);
	query(b, &b->eth0, CLIENT, 40000, SERVER, 2, "empty.example", 28);
	answer(b, &b->eth0, CLIENT, 40000, SERVER, 2, "empty.example", 28, 0, 0);
	bench_tick(b, 10 * SEC);
	assert_int_equal(b->nf, 0);
	bench_free(b);
}

static void lost_records_make_it_possible_only(void **state)
{
	struct bench *b = bench_new_with(NULL, false);

	(void)state;
	query(b, &b->eth0, CLIENT, 40000, SERVER, 1, "example.com", 1);
	dns_engine_lost(b->e, NETNS, 5, b->now + MSEC);
	bench_tick(b, 6 * SEC);
	/* And that there are losses is said itself. */
	assert_int_equal(b->nf, 2);
	assert_true(b->f[0].possible);
	assert_string_equal(b->f[1].code, "BLIND");
	bench_free(b);
}

/* --- check and start -------------------------------------------------------------------------- */

struct checked {
	unsigned int n;
	struct dns_finding f[4];
};

static void keep_checked(void *ctx, const struct dns_finding *f)
{
	struct checked *c = ctx;

	c->f[c->n++] = *f;
}

static const char *check(const struct dns_facts *f)
{
	static struct checked c;
	unsigned int n;

	memset(&c, 0, sizeof(c));
	n = dns_check(f, keep_checked, &c);
	assert_int_equal(n, c.n);
	return c.n ? c.f[0].code : "";
}

static void check_finds_what_will_fail(void **state)
{
	struct bench *b = bench_new();
	struct dns_facts f = facts(b, STUB);

	(void)state;
	assert_string_equal(check(&f), "STUB-CONFIG");
	f.lo_up = false;
	assert_string_equal(check(&f), "LO-DOWN");
	f = facts(b, LOCAL);
	assert_string_equal(check(&f), "LOOPBACK-DEAD");
	/* No nameserver line: libc asks 127.0.0.1. */
	f.resolv.conf.nr_servers = 0;
	assert_string_equal(check(&f), "LOOPBACK-DEAD");
	f = facts(b, SERVER);
	f.servers[0].route_errno = ENETUNREACH;
	assert_string_equal(check(&f), "UNREACHABLE");
	/* No socket on 127.0.0.11; then sockets without the rule that leads to them. */
	f = facts(b, DOCKER);
	f.docker_known = true;
	f.docker_nat_udp = f.docker_nat_tcp = NAT_YES;
	assert_string_equal(check(&f), "DOCKER-DNS-GONE");
	f.nr_listeners = 2;
	f.listeners[0] = (struct listener){ f.servers[0].addr, 40001, 17, false, 0 };
	f.listeners[1] = (struct listener){ f.servers[0].addr, 40002, 6, false, 0 };
	assert_string_equal(check(&f), "");
	f.docker_nat_tcp = NAT_NO;
	assert_string_equal(check(&f), "DOCKER-DNS-GONE");
	f.docker_nat_tcp = NAT_UNKNOWN;
	assert_string_equal(check(&f), "");
	f = facts(b, SERVER);
	f.resolv.conf.nr_ignored = 1;
	assert_string_equal(check(&f), "RESOLV-LIMITS");
	bench_free(b);
}

static void check_is_silent_where_all_is_well(void **state)
{
	struct bench *b = bench_new();
	struct dns_facts f = facts(b, SERVER);

	(void)state;
	assert_string_equal(check(&f), "");
	f.lo_up = false;
	assert_string_equal(check(&f), "");
	f = facts(b, DOCKER);
	assert_string_equal(check(&f), "");
	f = facts(b, STUB);
	f.servers[0].listening = true;
	assert_string_equal(check(&f), "");
	f.servers[0].listening = false;
	f.nr_listeners = 1;
	f.listeners[0] = (struct listener){ .addr = v4(0), .port = 53, .proto = 17 };
	assert_string_equal(check(&f), "");
	f.listeners[0].port = 5353;
	assert_string_equal(check(&f), "STUB-CONFIG");
	bench_free(b);
}

static void start_warns_of_the_stub(void **state)
{
	struct bench *b = bench_new();
	struct dns_facts f = facts(b, STUB);

	(void)state;
	give(b, &f);
	assert_int_equal(b->nf, 1);
	assert_string_equal(b->f[0].code, "STUB-CONFIG");
	assert_int_equal(b->f[0].severity, DNS_WARNING);
	give(b, &f);
	assert_int_equal(b->nf, 1);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stub_dead_by_icmp),
		cmocka_unit_test(stub_dead_without_facts),
		cmocka_unit_test(stub_dead_by_reset),
		cmocka_unit_test(stub_dead_by_silence_needs_facts),
		cmocka_unit_test(stub_that_listens_is_well),
		cmocka_unit_test(late_answer_to_a_closed_socket_is_no_failure),
		cmocka_unit_test(fixes_fit_the_target),
		cmocka_unit_test(hostile_names_are_quoted),
		cmocka_unit_test(lo_down_by_attempt),
		cmocka_unit_test(attempt_is_never_judged_without_facts),
		cmocka_unit_test(attempt_with_a_packet_is_well),
		cmocka_unit_test(unreachable_by_attempt),
		cmocka_unit_test(unreachable_server_beside_a_good_one_is_well),
		cmocka_unit_test(loopback_dead),
		cmocka_unit_test(local_resolver_is_well),
		cmocka_unit_test(no_answer_after_five_seconds),
		cmocka_unit_test(a_name_is_no_option_of_the_command),
		cmocka_unit_test(no_answer_although_it_came_to_the_veth),
		cmocka_unit_test(no_answer_when_the_run_ends_early),
		cmocka_unit_test(no_answer_refused_port),
		cmocka_unit_test(second_server_that_answers_at_once_is_well),
		cmocka_unit_test(dead_first_server_costs_a_delay),
		cmocka_unit_test(a_lost_packet_is_well),
		cmocka_unit_test(name_that_does_not_exist_is_well),
		cmocka_unit_test(lost_records_make_it_possible_only),
		cmocka_unit_test(check_finds_what_will_fail),
		cmocka_unit_test(check_is_silent_where_all_is_well),
		cmocka_unit_test(start_warns_of_the_stub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Synthetic DNS traffic for the engine's tests: frames built byte by byte and
 * decoded by decode_frame(), a clock that the test sets, and everything the
 * engine says kept for inspection.
 */
#ifndef NSWATCH_TESTS_DNS_PACKETS_H
#define NSWATCH_TESTS_DNS_PACKETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns/engine.h"
#include "util/cleanup.h"

#define MSEC  1000000LL
#define SEC   (1000 * MSEC)
#define START (1700000000 * SEC)
#define NETNS 4026532000ULL

#define CLIENT 0x0a580002U /* 10.88.0.2 */
#define SERVER 0x01010101U
#define SECOND 0x08080808U
#define LOCAL  0x7f000001U
#define STUB   0x7f000035U
#define DOCKER 0x7f00000bU

#define MAX_SAID 64

struct bench {
	struct dns_engine *e;
	int64_t now;
	uint64_t number;
	struct owner owner; /* of the next packets that leave */
	enum direction dir; /* of the next packets */
	struct tap eth0, lo, host;
	struct dns_transaction t[MAX_SAID];
	struct dns_finding f[MAX_SAID];
	struct dns_ask a[MAX_SAID];
	unsigned int nt, nf, na;
	unsigned int nr_host_ends;    /* asked for */
	unsigned int nr_new_findings; /* without repeats */
};

static void bench_transaction(void *ctx, const struct dns_transaction *t)
{
	struct bench *b = ctx;

	if (b->nt < MAX_SAID)
		b->t[b->nt] = *t;
	b->nt++;
}

static void bench_finding(void *ctx, const struct dns_finding *f)
{
	struct bench *b = ctx;

	if (b->nf < MAX_SAID)
		b->f[b->nf] = *f;
	b->nf++;
	b->nr_new_findings += !f->repeat;
}

static void bench_ask(void *ctx, const struct dns_ask *a)
{
	struct bench *b = ctx;

	if (b->na < MAX_SAID)
		b->a[b->na] = *a;
	b->na++;
}

static void bench_host_end(void *ctx, uint64_t netns)
{
	struct bench *b = ctx;

	assert_int_equal(netns, NETNS);
	b->nr_host_ends++;
}

static struct bench *bench_new_with(const struct dns_engine_options *o, bool answers)
{
	static const struct dns_engine_ops live = { .transaction = bench_transaction,
						    .finding = bench_finding,
						    .ask = bench_ask,
						    .host_end = bench_host_end };
	static const struct dns_engine_ops file = { .transaction = bench_transaction,
						    .finding = bench_finding };
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->now = START;
	b->eth0 = (struct tap){ .id = 1, .netns = NETNS, .dlt = 1, .ifname = "eth0" };
	b->lo = (struct tap){
		.id = 2, .netns = NETNS, .dlt = 1, .is_loopback = true, .ifname = "lo"
	};
	b->host = (struct tap){
		.id = 3, .netns = NETNS, .dlt = 1, .side = SIDE_HOST, .ifname = "veth0"
	};
	strcpy(b->eth0.target, "php");
	strcpy(b->lo.target, "php");
	strcpy(b->host.target, "php");
	b->e = dns_engine_new(o, answers ? &live : &file, b);
	assert_non_null(b->e);
	return b;
}

static __attribute__((unused)) struct bench *bench_new(void)
{
	return bench_new_with(NULL, true);
}

static void bench_free(struct bench *b)
{
	dns_engine_free(b->e);
	free(b);
}

static struct ipaddr v4(uint32_t a)
{
	const uint8_t bytes[4] = { a >> 24, a >> 16, a >> 8, a };

	return ipaddr_v4(bytes);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* An Ethernet and an IPv4 header before len bytes; returns the whole length. */
static uint32_t put_ip(uint8_t *p, uint8_t proto, uint32_t src, uint32_t dst, uint32_t len)
{
	memset(p, 0, 34);
	p[12] = 8;
	p[14] = 0x45;
	put16(p + 16, 20 + len);
	p[22] = 64;
	p[23] = proto;
	put32(p + 26, src);
	put32(p + 30, dst);
	return 34 + len;
}

static __attribute__((unused)) void bench_tick(struct bench *b, int64_t after)
{
	b->now += after;
	dns_engine_tick(b->e, b->now);
}

static void bench_frame(struct bench *b, const struct tap *tap, const uint8_t *data, uint32_t len)
{
	struct packet p = {
		.number = ++b->number,
		.time = b->now,
		.caplen = len,
		.wirelen = len,
		.tap = tap,
		.dir = b->dir,
		.owner = b->owner,
	};
	struct frame f;
	/* Its own memory, so that a read behind it is seen. */
	uint8_t *copy = malloc(len);

	assert_non_null(copy);
	memcpy(copy, data, len);
	p.data = copy;
	decode_frame(&f, copy, len, len, tap->dlt);
	dns_engine_packet(b->e, &p, &f);
	free(copy);
}

static void bench_udp(struct bench *b, const struct tap *tap, uint32_t src, uint16_t sport,
		      uint32_t dst, uint16_t dport, const uint8_t *data, uint32_t len)
{
	uint8_t p[2048];

	put16(p + 34, sport);
	put16(p + 36, dport);
	put16(p + 38, 8 + len);
	put16(p + 40, 0);
	memcpy(p + 42, data, len);
	bench_frame(b, tap, p, put_ip(p, 17, src, dst, 8 + len));
}

/* A query or, with rcode >= 0, its answer: one A record if there is an address. */
static uint32_t put_message(uint8_t *p, uint16_t id, const char *name, uint16_t type, int rcode,
			    uint32_t addr)
{
	uint8_t *q = p;

	memset(p, 0, 12);
	put16(p, id);
	put16(p + 2, rcode < 0 ? 0x0100 : 0x8180 | (uint32_t)rcode);
	p[5] = 1;
	p[7] = addr ? 1 : 0;
	q += 12;
	while (*name) {
		size_t n = strcspn(name, ".");

		*q++ = (uint8_t)n;
		memcpy(q, name, n);
		q += n;
		name += n + (name[n] == '.');
	}
	*q++ = 0;
	put16(q, type);
	put16(q + 2, 1);
	q += 4;
	if (addr) {
		static const uint8_t head[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4 };

		memcpy(q, head, sizeof(head));
		put32(q + sizeof(head), addr);
		q += sizeof(head) + 4;
	}
	return (uint32_t)(q - p);
}

static __attribute__((unused)) void query(struct bench *b, const struct tap *tap, uint32_t client,
					  uint16_t port, uint32_t server, uint16_t id,
					  const char *name, uint16_t type)
{
	uint8_t m[600];

	bench_udp(b, tap, client, port, server, 53, m, put_message(m, id, name, type, -1, 0));
}

static __attribute__((unused)) void answer(struct bench *b, const struct tap *tap, uint32_t client,
					   uint16_t port, uint32_t server, uint16_t id,
					   const char *name, uint16_t type, int rcode,
					   uint32_t addr)
{
	uint8_t m[600];

	bench_udp(b, tap, server, 53, client, port, m, put_message(m, id, name, type, rcode, addr));
}

/* The ICMP error for the datagram that the arguments describe. */
static __attribute__((unused)) void unreachable(struct bench *b, const struct tap *tap,
						uint32_t from, uint8_t code, uint32_t src,
						uint16_t sport, uint32_t dst, uint16_t dport,
						uint16_t id, const char *name, uint16_t type)
{
	uint8_t p[1024], quoted[600];
	uint32_t n = put_message(quoted + 42, id, name, type, -1, 0);

	put16(quoted + 34, sport);
	put16(quoted + 36, dport);
	put16(quoted + 38, 8 + n);
	put16(quoted + 40, 0);
	put_ip(quoted, 17, src, dst, 8 + n);
	p[34] = 3;
	p[35] = code;
	memset(p + 36, 0, 6);
	memcpy(p + 42, quoted + 14, 28 + n);
	bench_frame(b, tap, p, put_ip(p, 1, from, src, 8 + 28 + n));
}

static __attribute__((unused)) void tcp(struct bench *b, const struct tap *tap, uint32_t src,
					uint16_t sport, uint32_t dst, uint16_t dport, uint32_t seq,
					uint8_t flags, const uint8_t *data, uint32_t len)
{
	uint8_t p[4096];

	memset(p + 34, 0, 20);
	put16(p + 34, sport);
	put16(p + 36, dport);
	put32(p + 38, seq);
	p[46] = 0x50;
	p[47] = flags;
	if (len)
		memcpy(p + 54, data, len);
	bench_frame(b, tap, p, put_ip(p, 6, src, dst, 20 + len));
}

/* Facts of a namespace whose resolv.conf names one server. */
static __attribute__((unused)) struct dns_facts facts(const struct bench *b, uint32_t server)
{
	struct dns_facts f = {
		.netns = NETNS,
		.kind = TARGET_NETNS,
		.lo_up = true,
		.has_default_route = true,
		.asker = b->owner,
		.resolv = { .source = RESOLV_PROCESS,
			    .pid = b->owner.pid,
			    .path = "/etc/resolv.conf" },
		.nr_servers = 1,
		.nr_upstreams = 1,
	};

	strcpy(f.target, "php");
	f.resolv.conf.nr_servers = f.resolv.conf.nr_servers_total = 1;
	f.resolv.conf.servers[0].addr = v4(server);
	f.resolv.conf.servers[0].line = 3;
	f.servers[0].addr = v4(server);
	f.upstreams[0] = v4(0xc0000201);
	return f;
}

static __attribute__((unused)) void attempt(struct bench *b, uint32_t server)
{
	struct dns_attempt a = {
		.time = b->now,
		.netns = NETNS,
		.owner = b->owner,
		.ppid = 1,
		.dst = v4(server),
		.port = 53,
		.proto = 17,
	};

	strcpy(a.target, "php");
	dns_engine_attempt(b->e, &a);
}

#endif

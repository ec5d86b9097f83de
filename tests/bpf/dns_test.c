// SPDX-License-Identifier: GPL-2.0-only
/*
 * What --dns selects, the whole program run by the kernel, against an oracle that knows
 * the RFCs and none of bpf/dns.bpf.h. Needs root. First scenes with the answer written
 * beside them, put to both; then the corpus' packets, mutated and cut, and some
 * hundred thousand random stacks of headers, put to both and compared. Each comes
 * through BPF_PROG_TEST_RUN (whose interface is lo), a tun device (as an Ethernet
 * frame however short, and as a layer-3 packet) or a tap device (tags stripped, most of
 * the packet outside of the skb's linear part).
 */
#define bpf_insn cbpf_insn
#include <pcap/pcap.h>
#undef bpf_insn

#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>

#include "attach/programs.h"
#include "nswatch/record.h"
#include "packets.h"
#include "util/err.h"

/* --- the oracle --- */

/* How a packet comes, and the id of the tap that it then passes. */
enum way { BY_RUN = 1, BY_TUN, BY_TUN_L3, BY_TAP, NR_WAYS };

/* With --dns-port. */
#define EXTRA_PORT 8053
#define LAST_PORT  9953

struct datagram {
	uint8_t key[36]; /* addresses, id */
	uint16_t tap;
	uint8_t version, proto;
	bool dns;
};

/* One run of programs, and what the oracle knows of it. */
struct subject {
	bool mdns, extra;
	struct programs *p;
	int fd[NR_WAYS], link[NR_WAYS];
	struct datagram *firsts;
	size_t nr_firsts;
};

struct reading {
	struct subject *s;
	enum way way;
	bool quoted;
	unsigned int headers;
	struct datagram of;
	bool is_first;
};

struct bytes {
	const uint8_t *p;
	uint32_t n;
};

static struct bytes skip(struct bytes b, uint32_t n)
{
	return n > b.n ? (struct bytes){ b.p, 0 } : (struct bytes){ b.p + n, b.n - n };
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool selects_ip(struct reading *r, int version, struct bytes b);

static bool is_first_of(const struct datagram *a, const struct datagram *b)
{
	return !memcmp(a->key, b->key, sizeof(a->key)) && a->tap == b->tap &&
	       a->version == b->version && (a->version == 6 || a->proto == b->proto);
}

static struct datagram *find_first(struct subject *s, const struct datagram *d)
{
	for (size_t i = 0; i < s->nr_firsts; i++)
		if (is_first_of(&s->firsts[i], d))
			return &s->firsts[i];
	return NULL;
}

static void keep_first(struct subject *s, const struct datagram *d)
{
	struct datagram *known = find_first(s, d);

	if (known) {
		known->dns = d->dns;
		return;
	}
	s->firsts = realloc(s->firsts, (s->nr_firsts + 1) * sizeof(*d));
	s->firsts[s->nr_firsts++] = *d;
}

static bool is_extension(uint8_t proto)
{
	return proto && strchr("\x2b\x3c\x87\x8b\x8c", proto) ? true : proto == 0;
}

/* Of a fragment whose first we do not know. */
static bool selects_stray(const struct reading *r, uint8_t proto)
{
	if (r->quoted)
		return false;
	return proto == 17 || proto == 6 || proto == 51 ||
	       (r->of.version == 6 && is_extension(proto));
}

static bool selects_port(const struct reading *r, uint16_t port)
{
	if (port == 53)
		return true;
	if (r->s->extra && (port == EXTRA_PORT || port == LAST_PORT))
		return true;
	return r->s->mdns && (port == 5353 || port == 5355);
}

/* By name, as people know them; key has source and destination. */
static bool is_doh_server(const struct reading *r)
{
	static const char *const known[] = { "1.1.1.1",
					     "1.0.0.1",
					     "1.1.1.2",
					     "1.0.0.2",
					     "1.1.1.3",
					     "1.0.0.3",
					     "8.8.8.8",
					     "8.8.4.4",
					     "9.9.9.9",
					     "149.112.112.112",
					     "9.9.9.10",
					     "149.112.112.10",
					     "9.9.9.11",
					     "149.112.112.11",
					     "208.67.222.222",
					     "208.67.220.220",
					     "94.140.14.14",
					     "94.140.15.15",
					     "94.140.14.140",
					     "94.140.14.141",
					     "2606:4700:4700::1111",
					     "2606:4700:4700::1001",
					     "2606:4700:4700::1112",
					     "2606:4700:4700::1002",
					     "2606:4700:4700::1113",
					     "2606:4700:4700::1003",
					     "2001:4860:4860::8888",
					     "2001:4860:4860::8844",
					     "2620:fe::fe",
					     "2620:fe::9",
					     "2620:fe::10",
					     "2620:fe::fe:10",
					     "2620:fe::11",
					     "2620:fe::fe:11",
					     "2620:119:35::35",
					     "2620:119:53::53",
					     "2a10:50c0::ad1:ff",
					     "2a10:50c0::ad2:ff" };
	char text[INET6_ADDRSTRLEN];
	bool six = r->of.version == 6;

	inet_ntop(six ? AF_INET6 : AF_INET, r->of.key + (six ? 16 : 4), text, sizeof(text));
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(text, known[i]))
			return true;
	return false;
}

static bool selects_transport(const struct reading *r, uint8_t proto, struct bytes b)
{
	bool dot, doh;

	if (b.n < 4)
		return false;
	if (selects_port(r, be16(b.p)) || selects_port(r, be16(b.p + 2)))
		return true;
	dot = be16(b.p) == 853 || be16(b.p + 2) == 853;
	if (r->quoted)
		return dot;
	doh = be16(b.p + 2) == 443 && is_doh_server(r);
	if (proto == 17)
		return (dot || doh) && (b.n <= 8 || b.p[8] > 127 || (dot && b.p[8] == 22));
	if (b.n < 14)
		return false;
	return (dot && b.p[13] & 2) || (doh && (b.p[13] & 0x12) == 2) ||
	       (r->way == BY_RUN && b.p[13] & 4);
}

static bool selects_icmp(struct reading *r, struct bytes b)
{
	static const uint8_t errors4[] = { 3, 4, 5, 11, 12 }, errors6[] = { 1, 2, 3, 4 };
	const uint8_t *errors = r->of.version == 4 ? errors4 : errors6;
	size_t n = r->of.version == 4 ? sizeof(errors4) : sizeof(errors6);

	if (r->quoted || !b.n || !memchr(errors, b.p[0], n))
		return false;
	r->quoted = true;
	r->is_first = false;
	return selects_ip(r, r->of.version, skip(b, 8));
}

static bool selects_fragment(struct reading *r, uint8_t proto, bool later, bool more, bool *done)
{
	struct datagram *first;

	*done = later;
	r->is_first = r->is_first || (!later && more && !r->quoted);
	if (!later)
		return false;
	first = find_first(r->s, &r->of);
	return first ? first->dns : selects_stray(r, proto);
}

static bool selects_next(struct reading *r, uint8_t proto, struct bytes b);

static bool selects_fragment_header(struct reading *r, struct bytes b)
{
	bool done, answer;

	if (b.n < 8)
		return false;
	memcpy(r->of.key + 32, b.p + 4, 4);
	answer = selects_fragment(r, b.p[0], be16(b.p + 2) >> 3, b.p[3] & 1, &done);
	return done ? answer : selects_next(r, b.p[0], skip(b, 8));
}

static bool selects_next(struct reading *r, uint8_t proto, struct bytes b)
{
	if (++r->headers > 12)
		return false;
	if (proto == 6 || proto == 17)
		return selects_transport(r, proto, b);
	if (proto == (r->of.version == 4 ? 1 : 58))
		return selects_icmp(r, b);
	if (proto == 44 && r->of.version == 6)
		return selects_fragment_header(r, b);
	if (proto != 51 && !(r->of.version == 6 && is_extension(proto)))
		return false;
	if (b.n < 2)
		return false;
	return selects_next(r, b.p[0], skip(b, proto == 51 ? (b.p[1] + 2u) * 4 : b.p[1] * 8u + 8));
}

static bool selects_ip4(struct reading *r, struct bytes b)
{
	static const uint8_t docker[] = { 127, 0, 0, 11 };
	bool done, answer;
	uint16_t frag;

	if (b.n < 20 || b.p[0] < 0x45 || b.p[0] > 0x4f)
		return false;
	if (!memcmp(b.p + 12, docker, 4) || !memcmp(b.p + 16, docker, 4))
		return true;
	r->of = (struct datagram){ .tap = (uint16_t)r->way, .version = 4, .proto = b.p[9] };
	memcpy(r->of.key, b.p + 12, 8);
	memcpy(r->of.key + 32, b.p + 4, 2);
	frag = be16(b.p + 6);
	answer = selects_fragment(r, b.p[9], frag & 0x1fff, frag & 0x2000, &done);
	return done ? answer : selects_next(r, b.p[9], skip(b, (b.p[0] & 15) * 4u));
}

static bool selects_ip6(struct reading *r, struct bytes b)
{
	if (b.n < 40 || b.p[0] >> 4 != 6)
		return false;
	r->of = (struct datagram){ .tap = (uint16_t)r->way, .version = 6 };
	memcpy(r->of.key, b.p + 8, 32);
	return selects_next(r, b.p[6], skip(b, 40));
}

static bool selects_ip(struct reading *r, int version, struct bytes b)
{
	r->headers++;
	return version == 4 ? selects_ip4(r, b) : selects_ip6(r, b);
}

static bool selects_type(struct reading *r, uint16_t type, struct bytes b)
{
	if (type == 0x0800)
		return selects_ip(r, 4, b);
	return type == 0x86dd && selects_ip(r, 6, b);
}

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

/* The frame as it would be written; type: of the skb, for a layer-3 packet. */
static bool expected(struct subject *s, enum way way, const uint8_t *data, uint32_t len,
		     uint16_t type)
{
	struct reading r = { .s = s, .way = way };
	struct bytes b = { data, len };
	bool dns = false;
	int tags = 4;

	if (way == BY_TUN_L3) {
		dns = selects_type(&r, type, b);
	} else if (len >= 14) {
		b = skip(b, 14);
		type = be16(data + 12);
		/* the kernel takes this one away, and the limit is for those that are left */
		tags += way == BY_TAP && (type == 0x8100 || type == 0x88a8);
		while (is_tag(type) && tags-- > 0 && b.n >= 4) {
			type = be16(b.p + 2);
			b = skip(b, 4);
		}
		dns = selects_type(&r, type, b);
	}
	r.of.dns = dns;
	if (r.is_first)
		keep_first(s, &r.of);
	return dns;
}

/* --- the program --- */

/* A tun device whose program believes in packets without an Ethernet header. */
static int l3_fd = -1, l3_index;

static uint64_t pairs, matches, differences, by_way[NR_WAYS];

static void counts(const struct subject *s, enum way way, uint64_t *seen, uint64_t *matched)
{
	const struct nsw_count *c = programs_counts(s->p);
	uint32_t n = programs_ncpus(s->p);

	*seen = *matched = 0;
	for (uint32_t i = way * n; i < (way + 1u) * n; i++) {
		*seen += __atomic_load_n(&c[i].seen, __ATOMIC_RELAXED);
		*matched += __atomic_load_n(&c[i].matched, __ATOMIC_RELAXED);
	}
}

static int deliver(const struct subject *s, enum way way, const uint8_t *data, uint32_t len,
		   uint16_t protocol)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = len, .repeat = 1);
	/* as a driver has it: some headers in the linear part, now and then in the middle */
	uint16_t linear = (uint16_t)(14 + rnd(100));

	if (way == BY_RUN)
		return bpf_prog_test_run_opts(s->fd[way], &opts);
	linear = linear < len ? linear : 0;
	if (way == BY_TAP)
		return inject(tap_fd, data, len, 0, linear);
	if (way == BY_TUN_L3)
		return inject(l3_fd, data, len, protocol, linear);
	/* a type of nobody's: a tag's would make the kernel look for one */
	return inject(tun_fd, data, len, 0x88b5, linear);
}

/* 1: selected; 0: not; -1: the kernel did not take the packet. */
static int answer(const struct subject *s, enum way way, const uint8_t *data, uint32_t len,
		  uint16_t type)
{
	uint64_t seen, matched, seen_then, matched_then;

	counts(s, way, &seen, &matched);
	if (deliver(s, way, data, len, type))
		return -1;
	counts(s, way, &seen_then, &matched_then);
	return seen_then - seen == 1 ? (int)(matched_then - matched) : -1;
}

static bool can_come(enum way way, const uint8_t *data, uint32_t len)
{
	switch (way) {
	case BY_RUN:
		/* the kernel refuses half an IP header here */
		return len >= 14 && len <= MAX_FRAME &&
		       !(be16(data + 12) == 0x0800 && len < 14 + 20) &&
		       !(be16(data + 12) == 0x86dd && len < 14 + 40);
	case BY_TAP: return len >= 24; /* room behind a tag */
	default: return len > 0;
	}
}

static void compare(struct subject *s, enum way way, const uint8_t *data, uint32_t len,
		    uint16_t type)
{
	int want, got;

	if (!can_come(way, data, len))
		return;
	want = expected(s, way, data, len, type);
	got = answer(s, way, data, len, type);
	pairs++;
	by_way[way]++;
	matches += (uint64_t)want;
	if (got == want || differences++ >= 20)
		return;
	fprintf(stderr, "%s%s, way %d: oracle %d, program %d, %u bytes:", s->mdns ? "mdns " : "",
		s->extra ? "extra" : "", way, want, got, len);
	for (uint32_t i = 0; i < len && i < 130; i++)
		fprintf(stderr, " %02x", data[i]);
	fprintf(stderr, "\n");
}

/* --- packets, made from the inside out --- */

static uint8_t room[4096];
static uint8_t *at = room + sizeof(room);
static uint8_t top;   /* protocol number of the outermost header so far */
static uint16_t type; /* or its Ethernet type */

static uint32_t length(void)
{
	return (uint32_t)(room + sizeof(room) - at);
}

static uint8_t *prepend(uint32_t n)
{
	at -= n;
	memset(at, 0, n);
	return at;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void payload(uint32_t n, uint8_t first)
{
	at = room + sizeof(room);
	if (n)
		prepend(n)[0] = first;
}

static void udp(uint16_t sport, uint16_t dport)
{
	uint32_t n = length() + 8;
	uint8_t *h = prepend(8);

	put16(h, sport);
	put16(h + 2, dport);
	put16(h + 4, n);
	top = 17;
}

static void tcp(uint16_t sport, uint16_t dport, uint8_t flags)
{
	uint8_t *h = prepend(20);

	put16(h, sport);
	put16(h + 2, dport);
	h[12] = 0x50;
	h[13] = flags;
	top = 6;
}

static void icmp(uint8_t proto, uint8_t kind)
{
	prepend(8)[0] = kind;
	top = proto;
}

/* An extension header or AH, of `units` beyond the shortest. */
static void extension(uint8_t proto, uint8_t units)
{
	uint8_t *h = prepend(proto == 51 ? 12u + units * 4u : 8u + units * 8u);

	h[0] = top;
	h[1] = (uint8_t)(proto == 51 ? units + 1 : units);
	top = proto;
}

static void fragment6(uint16_t offset, bool more, uint32_t id)
{
	uint8_t *h = prepend(8);

	h[0] = top;
	put16(h + 2, offset | more);
	put16(h + 6, id);
	top = 44;
}

static void ip4(const char *src, const char *dst, uint16_t id, uint16_t frag, uint8_t options)
{
	uint32_t n = length() + 20 + options * 4u;
	uint8_t *h = prepend(20 + options * 4u);

	h[0] = (uint8_t)(0x45 + options);
	put16(h + 2, n);
	put16(h + 4, id);
	put16(h + 6, frag);
	h[8] = 64;
	h[9] = top;
	inet_pton(AF_INET, src, h + 12);
	inet_pton(AF_INET, dst, h + 16);
	memset(h + 20, 1, options * 4u);
	type = 0x0800;
}

static void ip6(const char *src, const char *dst)
{
	uint32_t n = length();
	uint8_t *h = prepend(40);

	h[0] = 0x60;
	put16(h + 4, n);
	h[6] = top;
	h[7] = 64;
	inet_pton(AF_INET6, src, h + 8);
	inet_pton(AF_INET6, dst, h + 24);
	type = 0x86dd;
}

static void tag(uint16_t tpid, uint16_t tci)
{
	uint8_t *h = prepend(4);

	put16(h, tci);
	put16(h + 2, type);
	type = tpid;
}

static void ethernet(void)
{
	uint8_t *h = prepend(14);

	h[0] = 2;
	h[6] = 2;
	h[11] = 1;
	put16(h + 12, type);
}

/* --- scenes with their answer --- */

#define A4    "10.1.0.1"
#define B4    "10.1.0.2"
#define A6    "2001:db8::1"
#define B6    "2001:db8::2"
#define LATER 185 /* the offset of a second fragment, in units of 8 bytes */
#define MF    0x2000

static unsigned int scenes, wrong;

/* What was made so far, as an Ethernet frame; one scene of a sequence. */
static void scene_by(struct subject *s, enum way way, bool want, const char *what)
{
	uint16_t l3 = type;
	bool oracle;
	int got;

	if (way != BY_TUN_L3)
		ethernet();
	oracle = expected(s, way, at, length(), l3);
	got = answer(s, way, at, length(), l3);
	scenes++;
	if (oracle == want && got == want)
		return;
	wrong++;
	fprintf(stderr, "%s: wanted %d, oracle %d, program %d\n", what, want, oracle, got);
}

static void scene(struct subject *s, bool want, const char *what)
{
	scene_by(s, BY_RUN, want, what);
}

static void try_plain(struct subject *s)
{
	payload(30, 0);
	udp(40000, 53);
	ip4(A4, B4, 1, 0, 0);
	scene(s, true, "query");
	payload(30, 0);
	udp(53, 40000);
	ip6(A6, B6);
	scene(s, true, "answer, IPv6");
	payload(0, 0);
	tcp(40000, 53, 0x02);
	ip4(A4, B4, 1, 0, 0);
	scene(s, true, "TCP 53, SYN");
	payload(900, 0);
	tcp(53, 40000, 0x10);
	ip6(A6, B6);
	scene(s, true, "TCP 53, data");
	payload(30, 0);
	udp(40000, 54);
	ip4(A4, B4, 1, 0, 0);
	scene(s, false, "UDP 54");
	payload(30, 0);
	udp(0x3500, 13568); /* 53 in the wrong byte order */
	ip4(A4, B4, 1, 0, 0);
	scene(s, false, "UDP 13568");
	payload(30, 0);
	udp(40000, 5353);
	ip4(A4, "224.0.0.251", 1, 0, 0);
	scene(s, s->mdns, "mDNS");
	payload(30, 0);
	udp(5355, 40000);
	ip6(A6, B6);
	scene(s, s->mdns, "LLMNR");
	payload(30, 0);
	top = 132;
	udp(40000, 53);
	top = 132; /* SCTP has ports in the same place */
	ip4(A4, B4, 1, 0, 0);
	scene(s, false, "SCTP 53");
}

static void try_extra(struct subject *s)
{
	payload(30, 0);
	udp(40000, EXTRA_PORT);
	ip4(A4, B4, 1, 0, 0);
	scene(s, s->extra, "named port, UDP");
	payload(30, 0);
	tcp(LAST_PORT, 40000, 0x10);
	ip6(A6, B6);
	scene(s, s->extra, "named port, TCP, IPv6");
	payload(30, 0);
	udp(40000, EXTRA_PORT ^ 1);
	ip4(A4, B4, 1, 0, 0);
	scene(s, false, "a port beside it");
	payload(30, 0);
	udp(0, 40000);
	ip4(A4, B4, 1, 0, 0);
	scene(s, false, "port 0");
	payload(30, 0);
	udp(40000, 40123);
	ip4(A4, "127.0.0.11", 1, 0, 0);
	scene(s, true, "to Docker's resolver");
	payload(30, 0);
	tcp(40123, 40000, 0x10);
	ip4("127.0.0.11", A4, 1, 0, 3);
	scene(s, true, "from Docker's resolver, with options");
}

static void try_doh(struct subject *s)
{
	payload(0, 0);
	tcp(40000, 443, 0x02);
	ip4(A4, "1.1.1.1", 1, 0, 0);
	scene(s, true, "DoH SYN");
	payload(0, 0);
	tcp(40000, 443, 0xc2);
	ip4(A4, "94.140.14.141", 1, 0, 2);
	scene(s, true, "DoH SYN, with ECN and IP options");
	payload(0, 0);
	tcp(40000, 443, 0x02);
	ip6(A6, "2620:fe::fe");
	scene(s, true, "DoH SYN, IPv6");
	payload(0, 0);
	tcp(443, 40000, 0x12);
	ip4("1.1.1.1", A4, 1, 0, 0);
	scene(s, false, "DoH SYN ACK");
	payload(300, 0x16);
	tcp(40000, 443, 0x18);
	ip4(A4, "1.1.1.1", 1, 0, 0);
	scene(s, false, "DoH data");
	payload(0, 0);
	tcp(40000, 80, 0x02);
	ip4(A4, "1.1.1.1", 1, 0, 0);
	scene(s, false, "HTTP SYN to the same");
	payload(0, 0);
	tcp(40000, 443, 0x02);
	ip4(A4, B4, 1, 0, 0);
	scene(s, false, "HTTPS SYN to another");
	payload(0, 0);
	tcp(40000, 443, 0x02);
	ip4("1.1.1.1", A4, 1, 0, 0);
	scene(s, false, "HTTPS SYN from it");
	payload(1200, 0xc3);
	udp(40000, 443);
	ip4(A4, "8.8.4.4", 1, 0, 0);
	scene(s, true, "DoH over QUIC, Initial");
	payload(1200, 0x43);
	udp(40000, 443);
	ip4(A4, "8.8.4.4", 1, 0, 0);
	scene(s, false, "DoH over QUIC, data");
	payload(1200, 0xc3);
	udp(40000, 443);
	ip6(A6, B6);
	scene(s, false, "QUIC to another");
}

static void try_dot(struct subject *s)
{
	payload(0, 0);
	tcp(40000, 853, 0x02);
	ip4(A4, B4, 1, 0, 0);
	scene(s, true, "DoT SYN");
	payload(0, 0);
	tcp(853, 40000, 0x12);
	ip6(A6, B6);
	scene(s, true, "DoT SYN ACK");
	payload(500, 0x17);
	tcp(853, 40000, 0x18);
	ip4(A4, B4, 1, 0, 0);
	scene(s, false, "DoT data");
	payload(1200, 0xc3);
	udp(40000, 853);
	ip4(A4, B4, 1, 0, 0);
	scene(s, true, "DoQ Initial");
	payload(100, 0x43);
	udp(40000, 853);
	ip6(A6, B6);
	scene(s, false, "DoQ data");
	payload(0, 0);
	tcp(80, 40000, 0x14);
	ip4("127.0.0.1", "127.0.0.1", 1, 0, 0);
	scene(s, true, "RST on lo");
	payload(0, 0);
	tcp(80, 40000, 0x14);
	ip4(A4, B4, 1, 0, 0);
	scene_by(s, BY_TAP, false, "RST elsewhere");
	payload(0, 0);
	tcp(80, 40000, 0x10);
	ip6("::1", "::1");
	scene(s, false, "ACK on lo");
}

static void try_headers(struct subject *s)
{
	payload(30, 0);
	udp(40000, 53);
	ip4(A4, B4, 1, 0, 10);
	scene(s, true, "40 bytes of options");
	payload(30, 0);
	udp(40000, 53);
	extension(51, 4);
	ip4(A4, B4, 1, 0, 0);
	scene(s, true, "AH");
	payload(30, 0);
	udp(40000, 53);
	extension(60, 2);
	extension(43, 1);
	extension(0, 0);
	ip6(A6, B6);
	scene(s, true, "hop-by-hop, routing, destination options");
	payload(30, 0);
	tcp(40000, 53, 0x10);
	extension(51, 3);
	fragment6(0, false, 7);
	extension(0, 1);
	ip6(A6, B6);
	scene(s, true, "hop-by-hop, atomic fragment, AH");
	payload(30, 0);
	udp(40000, 80);
	extension(60, 2);
	ip6(A6, B6);
	scene(s, false, "destination options and port 80");
	payload(0, 0);
	top = 59;
	ip6(A6, B6);
	scene(s, false, "no next header");
	payload(30, 0);
	udp(40000, 53);
	ip4(A4, B4, 1, 0, 0);
	at[0] = 0x65;
	scene(s, false, "not version 4");
	payload(30, 0);
	udp(40000, 53);
	ip4(A4, B4, 1, 0, 0);
	at[0] = 0x44;
	scene(s, false, "header length 16");
}

static void try_tags(struct subject *s)
{
	static const uint16_t stacks[][3] = {
		{ 0x8100 }, { 0x88a8 }, { 0x8100, 0x88a8 }, { 0x8100, 0x8100, 0x9100 }, { 0x9100 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
		for (int way = BY_RUN; way <= BY_TAP; way += BY_TAP - BY_RUN) {
			for (int port = 53; port <= 54; port++) {
				payload(30, 0);
				udp(40000, (uint16_t)port);
				i & 1 ? ip6(A6, B6) : ip4(A4, B4, 1, 0, 0);
				for (size_t j = 0; j < 3 && stacks[i][j]; j++)
					tag(stacks[i][j], (uint16_t)(0x2000 + j));
				scene_by(s, (enum way)way, port == 53, "tags");
			}
		}
	}
	payload(30, 0);
	udp(40000, 53);
	type = 0x0806;
	scene(s, false, "ARP");
	payload(30, 0);
	udp(40000, 53);
	ip6(A6, B6);
	scene_by(s, BY_TUN_L3, true, "layer 3");
	payload(30, 0);
	udp(40000, 54);
	extension(60, 0);
	ip6(A6, B6);
	scene_by(s, BY_TUN_L3, false, "layer 3, port 54");
}

static void fragment(bool six, uint16_t id, uint16_t offset, uint16_t port)
{
	payload(160, 0);
	if (offset)
		top = 17;
	else
		udp(port, 40000);
	if (six) {
		fragment6((uint16_t)(offset * 8), offset < 2 * LATER, id);
		extension(0, 0);
		ip6(A6, B6);
	} else {
		ip4(A4, B4, id, (uint16_t)(offset | (offset < 2 * LATER ? MF : 0)), 0);
	}
}

static void try_fragments(struct subject *s)
{
	for (int six = 0; six < 2; six++) {
		for (uint16_t offset = 0; offset <= 2 * LATER; offset += LATER) {
			fragment(six, 100, offset, 53);
			scene(s, true, "fragment of an answer");
			fragment(six, 101, offset, 5000);
			scene(s, false, "fragment of something else");
		}
		fragment(six, 102, LATER, 53);
		scene(s, true, "a fragment before its first");
		fragment(six, 102, 0, 5000);
		scene(s, false, "the first one, no DNS");
		fragment(six, 102, 2 * LATER, 5000);
		scene(s, false, "the last one");
		fragment(six, 102, 0, 53);
		scene(s, true, "an id again, DNS this time");
		fragment(six, 102, 2 * LATER, 53);
		scene(s, true, "and its last one");
		/* what is known of one tap says nothing of another */
		fragment(six, 101, LATER, 5000);
		scene_by(s, BY_TAP, true, "the same datagram elsewhere");
	}
	payload(160, 0);
	top = 1;
	ip4(A4, B4, 103, LATER, 0);
	scene(s, false, "fragment of a ping");
	payload(160, 0);
	icmp(1, 8);
	ip4(A4, B4, 104, MF, 0);
	scene(s, false, "first fragment of a ping");
}

static void quote(bool six, uint16_t port, uint8_t kind)
{
	payload(0, 0);
	udp(40000, port);
	six ? ip6(A6, B6) : ip4(A4, B4, 1, 0, 2);
	icmp(six ? 58 : 1, kind);
	six ? ip6(B6, A6) : ip4(B4, A4, 2, 0, 0);
}

static void try_icmp(struct subject *s)
{
	static const uint8_t kinds4[] = { 0, 3, 4, 5, 8, 11, 12, 13 };
	static const uint8_t kinds6[] = { 0, 1, 2, 3, 4, 5, 128, 129, 135 };

	for (size_t i = 0; i < sizeof(kinds4); i++) {
		bool is_error = kinds4[i] && kinds4[i] != 8 && kinds4[i] != 13;

		quote(false, 53, kinds4[i]);
		scene(s, is_error, "ICMP that quotes DNS");
		quote(false, 80, kinds4[i]);
		scene(s, false, "ICMP that quotes no DNS");
	}
	for (size_t i = 0; i < sizeof(kinds6); i++) {
		quote(true, 53, kinds6[i]);
		scene(s, i >= 1 && i <= 4, "ICMPv6 that quotes DNS");
		quote(true, 80, kinds6[i]);
		scene(s, false, "ICMPv6 that quotes no DNS");
	}
	payload(0, 0);
	tcp(40000, 53, 2);
	extension(60, 1);
	fragment6(0, true, 9);
	ip6(A6, B6);
	icmp(58, 3);
	extension(0, 0);
	ip6(B6, A6);
	scene(s, true, "ICMPv6 that quotes extension headers");
	quote(false, 53, 3);
	icmp(1, 11);
	ip4(A4, B4, 2, 0, 0);
	scene(s, false, "ICMP that quotes ICMP");
	fragment(false, 100, LATER, 53);
	icmp(1, 11);
	ip4(A4, B4, 2, 0, 0);
	scene(s, true, "ICMP that quotes a later fragment of an answer");
	fragment(false, 999, LATER, 53);
	icmp(1, 11);
	ip4(A4, B4, 2, 0, 0);
	scene(s, false, "ICMP that quotes an unknown fragment");
	quote(false, 853, 3);
	scene(s, true, "ICMP that quotes DoT");
}

/* Every length of a query: selected from the byte on that completes the ports. */
static void try_lengths(struct subject *s)
{
	for (int six = 0; six < 2; six++) {
		uint32_t whole;

		payload(20, 0);
		udp(40000, 53);
		six ? ip6(A6, B6) : ip4(A4, B4, 1, 0, 0);
		ethernet();
		whole = length();
		for (uint32_t n = 1; n <= whole; n++) {
			bool want = n >= (six ? 58 : 38);
			int got = answer(s, BY_TUN, at, n, type);

			scenes++;
			if (got == want && expected(s, BY_TUN, at, n, type) == want)
				continue;
			wrong++;
			fprintf(stderr, "%u bytes of a query: wanted %d, program %d\n", n, want,
				got);
		}
	}
}

static void try_scenes(struct subject *s)
{
	try_plain(s);
	try_extra(s);
	try_doh(s);
	try_dot(s);
	try_headers(s);
	try_tags(s);
	try_fragments(s);
	try_icmp(s);
	try_lengths(s);
}

/* --- random stacks of headers --- */

static const uint16_t some_ports[] = { 53,   53, 853, 443,	  443,	     5353,
				       5355, 80, 9,   EXTRA_PORT, LAST_PORT, 40000 };

static uint16_t some_port(void)
{
	return some_ports[rnd(ARRAY_SIZE(some_ports))];
}

static void some_transport(void)
{
	static const uint8_t firsts[] = { 0, 22, 0x17, 0x40, 0x80, 0xff };

	payload(rnd(4) ? rnd(100) : 0, firsts[rnd(sizeof(firsts))]);
	switch (rnd(12)) {
	case 0: icmp(rnd(2) ? 1 : 58, (uint8_t)rnd(14)); break;
	case 1: top = (uint8_t)rnd(256); break;
	case 2:
	case 3:
	case 4: tcp(some_port(), some_port(), (uint8_t)rnd(64)); break;
	default: udp(some_port(), some_port());
	}
}

/* Few addresses and ids, so that fragments meet. */
static void some_ip4(void)
{
	static const char *const addrs[] = { "10.0.0.1", "10.0.0.2", "9.9.9.9", "127.0.0.11" };
	uint16_t frag = 0;

	if (!rnd(6))
		extension(51, (uint8_t)rnd(6));
	if (!rnd(3))
		frag = (uint16_t)((rnd(2) ? 0 : 1 + rnd(500)) | (rnd(3) ? MF : 0));
	ip4(addrs[rnd(rnd(20) ? 3 : 4)], addrs[rnd(3)], (uint16_t)rnd(4),
	    (uint16_t)(frag | (rnd(2) << 14)), (uint8_t)(rnd(3) ? 0 : rnd(11)));
	if (!rnd(40))
		at[0] = (uint8_t)rnd(256);
}

static void some_ip6(void)
{
	static const uint8_t kinds[] = { 0, 43, 60, 51, 135, 139, 140, 50, 59 };
	static const char *const addrs[] = { "fd00::1", "2620:fe::9", "::1" };

	for (uint32_t n = rnd(2) ? 0 : rnd(rnd(8) ? 4 : 14); n; n--) {
		if (!rnd(3))
			fragment6(rnd(2) ? 0 : (uint16_t)(8 + rnd(400) * 8), rnd(2), rnd(4));
		else
			extension(kinds[rnd(rnd(8) ? 5 : sizeof(kinds))], (uint8_t)rnd(3));
	}
	ip6(addrs[rnd(3)], addrs[rnd(3)]);
}

static void some_ip(void)
{
	rnd(2) ? some_ip4() : some_ip6();
}

static void some_packet(bool tagged)
{
	static const uint8_t errors[] = { 1, 2, 3, 3, 4, 5, 11, 12 };

	some_transport();
	some_ip();
	while (!rnd(4)) {
		bool six = type == 0x86dd;

		icmp(rnd(12) ? (six ? 58 : 1) : 17, errors[rnd(sizeof(errors))]);
		if (rnd(12) ? six : !six)
			some_ip6();
		else
			some_ip4();
	}
	while (tagged && !rnd(3))
		tag(rnd(4) ? 0x8100 : rnd(2) ? 0x88a8 : 0x9100, (uint16_t)rnd(65536));
}

static enum way some_way(void)
{
	return rnd(3) ? BY_RUN : (enum way)(BY_TUN + rnd(3));
}

/* Longer than a page: only then is part of it outside of the linear part. */
static void compare_paged(struct subject *s, enum way way, const uint8_t *data, uint32_t len)
{
	static uint8_t b[PAGED];

	memset(b, 0, sizeof(b));
	memcpy(b, data, len);
	compare(s, way, b, sizeof(b), type);
}

static void try_random(struct subject *s)
{
	enum way way = some_way();
	uint32_t len;

	some_packet(way != BY_TUN_L3);
	if (!rnd(30))
		type = (uint16_t)(rnd(2) ? 0x0800 : 0x86dd);
	if (way != BY_TUN_L3)
		ethernet();
	len = length();
	if (len > MAX_FRAME)
		return;
	if (!rnd(10))
		mutate(at, len);
	if (!rnd(4))
		len = rnd(2) ? rnd(len) : rnd(len < 60 ? len : 60);
	if (way != BY_RUN && !rnd(3))
		compare_paged(s, way, at, len);
	else
		compare(s, way, at, len, type);
}

static void try_corpus(struct subject *s)
{
	for (size_t i = 0; i < nr_frames; i++) {
		const struct frame_bytes *f = &frames[i];

		compare(s, BY_RUN, f->data, f->len, 0);
		if (rnd(4) || f->len < 15)
			continue;
		compare(s, BY_TUN, f->data, f->len, 0);
		compare(s, BY_TAP, f->data, f->len, 0);
		/* of a tag behind no Ethernet header the kernel makes something of its own */
		if (!is_tag(be16(f->data + 12)))
			compare(s, BY_TUN_L3, f->data + 14, f->len - 14, be16(f->data + 12));
	}
}

/* --- setting up --- */

static int hook_up(struct subject *s, enum way way, uint8_t flags, int ifindex)
{
	struct nsw_tap tap = { .id = (uint16_t)way, .flags = flags };
	int err = programs_tap_add(s->p, 1, (uint32_t)way, &tap);

	s->fd[way] = programs_instance(s->p, HOOK_INGRESS, &tap);
	if (err || s->fd[way] < 0)
		return err ? err : s->fd[way];
	s->link[way] = ifindex ? attach(s->fd[way], ifindex) : -1;
	return ifindex && s->link[way] < 0 ? -errno : 0;
}

static int start(struct subject *s, bool mdns, bool extra)
{
	struct programs_options o = {
		.snaplen = 64,
		.ring_bytes = 4096,
		.max_taps = 16,
		.dns = true,
		.mdns = mdns,
		.dns_ports = { extra ? EXTRA_PORT : 0, 0, 0, extra ? LAST_PORT : 0 },
	};
	struct err e = {};

	*s = (struct subject){ .mdns = mdns, .extra = extra };
	if (programs_load(&s->p, &o, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return -1;
	}
	return hook_up(s, BY_RUN, 0, 0);
}

static int start_live(struct subject *s)
{
	return hook_up(s, BY_TUN, 0, tun_index) ?: hook_up(s, BY_TUN_L3, NSW_TAP_L3, l3_index) ?:
	       hook_up(s, BY_TAP, 0, tap_index);
}

static void stop(struct subject *s)
{
	for (int way = BY_RUN; way < NR_WAYS; way++) {
		if (s->link[way] > 0)
			close(s->link[way]);
		close(s->fd[way]);
	}
	programs_free(s->p);
	free(s->firsts);
}

static void try_subject(bool mdns, bool extra, unsigned int rounds)
{
	struct subject s;

	if (start(&s, mdns, extra) || start_live(&s)) {
		fprintf(stderr, "cannot set up: %s\n", strerror(errno));
		wrong++;
		return;
	}
	try_scenes(&s);
	try_corpus(&s);
	while (rounds--)
		try_random(&s);
	stop(&s);
}

/* --- what it costs --- */

static double ns_per_run(int fd)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = at, .data_size_in = length(),
		    .repeat = 200000);
	double best = 1e9;

	for (int i = 0; i < 15; i++) {
		if (bpf_prog_test_run_opts(fd, &opts))
			return -1;
		best = opts.duration < best ? opts.duration : best;
	}
	return best;
}

static void cost_of(const struct subject *s, const char *what)
{
	ethernet();
	printf("  %-5s %6.1f ns\n", what, ns_per_run(s->fd[BY_RUN]));
	payload(40, 0);
}

/* The whole program: with a filter that nothing matches; with --dns and packets that it
 * does not select; and capturing everything into a full ring. */
static int cost(void)
{
	static const char *const names[] = { "nothing matches", "dns", "everything matches" };
	static const struct bpf_insn none = { .code = BPF_ALU64 | BPF_MOV | BPF_K };
	struct programs_options o = { .snaplen = 64, .ring_bytes = 4096, .max_taps = 16 };

	for (int i = 0; i < 3; i++) {
		struct subject s = {};
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		o.dns = i == 1;
		o.filter = i ? NULL : &none;
		o.filter_len = !i;
		if (programs_load(&s.p, &o, NULL) || hook_up(&s, BY_RUN, 0, 0))
			return 1;
		bpf_obj_get_info_by_fd(s.fd[BY_RUN], &info, &size);
		printf("%s: %u instructions verified, %u bytes of machine code\n", names[i],
		       info.verified_insns, info.jited_prog_len);
		payload(40, 0);
		udp(40000, 9);
		ip4(A4, B4, 1, 0, 0);
		cost_of(&s, "UDP");
		tcp(40000, 80, 0x10);
		ip4(A4, B4, 1, 0, 0);
		cost_of(&s, "TCP");
		tcp(40000, 80, 0x10);
		ip6(A6, B6);
		cost_of(&s, "IPv6");
		tcp(40000, 80, 0x10);
		ip4(A4, B4, 1, 0, 0);
		tag(0x8100, 7);
		cost_of(&s, "VLAN");
		udp(40000, 9);
		ip4(A4, B4, 1, 0, 1);
		cost_of(&s, "walk");
		programs_free(s.p);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	if (argc > 1 && !strcmp(argv[1], "--cost"))
		return cost();
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	if (read_corpus())
		printf("skipped the corpus: no " CORPUS "\n");
	add_variants(nr_frames);
	if (unshare(CLONE_NEWNET) || open_tuns() ||
	    (l3_fd = open_tun("trial2", IFF_TUN | IFF_VNET_HDR, &l3_index)) < 0) {
		printf("skipped: no tun device: %s\n", strerror(errno));
		return 77;
	}
	try_subject(false, false, 100000);
	try_subject(true, true, 100000);
	printf("scenes: %u, wrong: %u\n", scenes, wrong);
	printf("pairs compared: %llu (tun %llu, layer 3 %llu, tap %llu), %llu selected, "
	       "differences: %llu\n",
	       (unsigned long long)pairs, (unsigned long long)by_way[BY_TUN],
	       (unsigned long long)by_way[BY_TUN_L3], (unsigned long long)by_way[BY_TAP],
	       (unsigned long long)matches, (unsigned long long)differences);
	return wrong || differences;
}

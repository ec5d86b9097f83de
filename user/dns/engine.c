// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The engine is in parts, which share its state (engine_state.h). What happens
 * goes down this list; none calls one above it:
 *
 *   engine.c    the interface, the clock, and what belongs to no part alone
 *   packets.c   from a packet to what it says: a query, an answer, a failure
 *   trans.c     the life of a transaction
 *   attempts.c  socket calls, of which a packet should come
 *   symptoms.c  which transactions deserve a look by the rules
 *   judge.c     events before the rules, with facts and evidence.c; findings
 *
 * report.c and counts.c, which all may call, fill what is handed over: a
 * transaction, and the summary.
 */
#include "dns/engine.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "decode/dns.h"
#include "dns/attempts.h"
#include "dns/counts.h"
#include "dns/engine_state.h"
#include "dns/judge.h"
#include "dns/multicast.h"
#include "dns/names.h"
#include "dns/patterns.h"
#include "dns/symptoms.h"
#include "dns/table.h"
#include "dns/tcp.h"
#include "dns/timers.h"
#include "dns/trans.h"
#include "dns/transit.h"
#include "nswatch/record.h"
#include "track/frag.h"
#include "util/cleanup.h"
#include "util/hash.h"

/* A tap is announced before it is attached: by then it is. */
#define ATTACH_TIME (100 * MSEC)
#define MAX_FRAGS   64

/* --- small tables --------------------------------------------------------------- */

struct netns_state *engine_netns(struct dns_engine *e, uint64_t netns)
{
	uint32_t i = (uint32_t)(netns * 0x9e3779b97f4a7c15ULL >> 40) % NETNS_SLOTS;

	for (; e->ns[i].used; i = (i + 1) % NETNS_SLOTS)
		if (e->ns[i].netns == netns)
			return &e->ns[i];
	if (e->nr_ns == MAX_NAMESPACES) {
		e->spare_ns = (struct netns_state){ .netns = netns };
		return &e->spare_ns;
	}
	e->ns[i] = (struct netns_state){ .netns = netns, .used = true };
	e->nr_ns++;
	return &e->ns[i];
}

static struct server_state **server_bucket(struct dns_engine *e, uint64_t netns,
					   const struct ipaddr *addr)
{
	uint64_t h = netns * 0x9e3779b97f4a7c15ULL, word;

	memcpy(&word, addr->bytes, sizeof(word));
	h = (h ^ word) * 0xff51afd7ed558ccdULL;
	memcpy(&word, addr->bytes + 8, sizeof(word));
	h = (h ^ word) * 0xc4ceb9fe1a85ec53ULL;
	return &e->server_buckets[(h >> 32) % SERVER_BUCKETS];
}

struct server_state *engine_server(struct dns_engine *e, uint64_t netns, const struct ipaddr *addr)
{
	struct server_state **bucket = server_bucket(e, netns, addr), *s;

	for (s = *bucket; s; s = s->chain)
		if (s->netns == netns && ipaddr_equal(&s->addr, addr))
			return s;
	if (e->nr_servers == MAX_SERVERS)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->netns = netns;
	s->addr = *addr;
	s->chain = *bucket;
	*bucket = s;
	e->servers[e->nr_servers++] = s;
	return s;
}

void engine_emit(struct dns_engine *e, const struct dns_transaction *t)
{
	if (e->ops.transaction)
		e->ops.transaction(e->ctx, t);
}

void engine_show_not_sent(struct dns_engine *e, const struct dns_transaction *t)
{
	counts_not_sent(e, t);
	engine_emit(e, t);
}

static struct trans_key key_of(const struct packet *p, const struct flow *flow, bool from_client,
			       uint16_t id)
{
	struct trans_key k;

	memset(&k, 0, sizeof(k));
	k.netns = p->tap->netns;
	k.client = from_client ? flow->src : flow->dst;
	k.server = from_client ? flow->dst : flow->src;
	k.client_port = from_client ? flow->sport : flow->dport;
	k.server_port = from_client ? flow->dport : flow->sport;
	k.proto = flow->proto;
	k.id = id;
	return k;
}

/* Docker's embedded resolver: the namespace's NAT turns port 53 into a random one before any
 * interface sees the query, and back for the answer. */
static uint16_t server_port(const struct ipaddr *server, uint16_t port)
{
	return engine_is_docker(server) ? 53 : port;
}

/* --- packets --------------------------------------------------------------------------- */

static bool is_dns_port(const struct dns_engine *e, uint16_t port)
{
	size_t i;

	if (port == 53)
		return true;
	for (i = 0; i < ARRAY_SIZE(e->o.ports) && e->o.ports[i]; i++)
		if (e->o.ports[i] == port)
			return true;
	return false;
}

static bool is_multicast_port(uint16_t port)
{
	return port == MULTICAST_PORT_MDNS || port == MULTICAST_PORT_LLMNR;
}

static bool is_multicast(const struct dns_engine *e, const struct flow *flow)
{
	return e->multicast && (is_multicast_port(flow->dport) || is_multicast_port(flow->sport)) &&
	       !is_dns_port(e, flow->dport) && !is_dns_port(e, flow->sport);
}

static void message(struct dns_engine *e, const uint8_t *data, uint32_t caplen, uint32_t len)
{
	const struct packet *p = e->packet;
	struct flow flow = e->frame->flow;
	struct trans_key k;
	struct dns_msg m;
	bool from_client;

	switch (dns_msg_init(&m, data, caplen, len)) {
	case DNS_OK: break;
	case DNS_MALFORMED: e->sum->malformed++; return;
	case DNS_TRUNCATED: return;
	}
	if (is_multicast(e, &flow)) {
		if (engine_is_view(e, p->tap))
			multicast_message(e->multicast, p, &flow, &m);
		return;
	}
	from_client = !(m.flags & DNS_F_QR);
	k = key_of(p, &flow, from_client, m.id);
	k.server_port = server_port(&k.server, k.server_port);
	if (from_client)
		trans_query(e, p, &k, &m);
	else
		trans_answer(e, p, &k, &m);
}

static void tcp_message(void *ctx, const uint8_t *data, uint32_t caplen, uint32_t len)
{
	message(ctx, data, caplen, len);
}

/* A message on another port is taken for DNS if every byte of it fits. Names of NetBIOS,
 * multicast and link-local resolution look alike and are none of ours. */
static bool looks_like_dns(const struct frame *f)
{
	const uint8_t *data = f->data + f->payload_off;
	static const uint16_t others[] = { 137, 5353, 5355 };
	struct dns_walk w;
	struct dns_msg m;
	struct dns_rr rr;
	size_t i;

	if (f->payload_caplen <= DNS_HEADER_LEN || f->payload_caplen != f->payload_len)
		return false;
	/* One question, no opcode, no reserved bit: nearly all that is not DNS ends here. */
	if ((data[2] & 0x78) || (data[3] & 0x40) || data[4] || data[5] != 1)
		return false;
	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (f->flow.sport == others[i] || f->flow.dport == others[i])
			return false;
	if (dns_msg_init(&m, data, f->payload_caplen, f->payload_len) ||
	    (!(m.flags & DNS_F_QR) && (m.count[DNS_ANSWER] || m.count[DNS_AUTHORITY])))
		return false;
	dns_walk_init(&w, &m);
	while (dns_walk_next(&w, &rr))
		if (!dns_type_name(rr.type) || (rr.type != DNS_T_OPT && !dns_class_name(rr.class)))
			return false;
	return !w.status && w.off == m.len;
}

static void udp_packet(struct dns_engine *e, const struct frame *f)
{
	const struct flow *flow = &f->flow;

	if (f->frag_off || !flow->has_ports)
		return;
	if (is_dns_port(e, flow->dport) || is_dns_port(e, flow->sport) ||
	    engine_is_docker(&flow->dst) || engine_is_docker(&flow->src) || is_multicast(e, flow) ||
	    looks_like_dns(f))
		message(e, f->data + f->payload_off, f->payload_caplen, f->payload_len);
	else
		symptoms_other_udp(e, e->packet, f);
}

static struct tcp_key tcp_key_of(const struct packet *p, const struct flow *flow, bool reverse)
{
	struct tcp_key k;

	memset(&k, 0, sizeof(k));
	k.netns = p->tap->netns;
	k.src = reverse ? flow->dst : flow->src;
	k.dst = reverse ? flow->src : flow->dst;
	k.sport = reverse ? flow->dport : flow->sport;
	k.dport = reverse ? flow->sport : flow->dport;
	return k;
}

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static void tcp_syn(struct dns_engine *e, const struct packet *p, const struct flow *flow)
{
	struct trans_key k = key_of(p, flow, true, 0);

	k.server_port = server_port(&k.server, k.server_port);
	k.connect = true;
	trans_connect(e, p, &k);
}

/* A reset from the server's side fails whatever the connection still waits for. */
static void tcp_reset(struct dns_engine *e, const struct packet *p, const struct flow *flow)
{
	struct trans_key k = key_of(p, flow, false, 0);
	const struct trans_failure how = { .how = DNS_FAIL_RESET };
	struct trans *x = NULL, *next;
	unsigned int n = 0;

	k.server_port = server_port(&k.server, k.server_port);
	for (x = table_next_live(e->table, NULL); x && n++ < SCAN_MAX; x = next) {
		next = table_next_live(e->table, x);
		k.id = x->key.id;
		k.connect = x->key.connect;
		if (!memcmp(&k, &x->key, sizeof(k)))
			trans_fail(e, p, x, &how);
	}
}

/* What the segment carries. One view of a stream is reassembled; the host's would confuse it. */
static void tcp_data(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	struct tcp_segment g = {
		.seq = f->tcp_seq,
		.data = f->data + f->payload_off,
		.caplen = f->payload_caplen,
		.len = f->payload_len,
		.syn = f->tcp_flags & TCP_SYN,
		.fin = f->tcp_flags & TCP_FIN,
		.rst = f->tcp_flags & TCP_RST,
	};
	struct tcp_key k;

	if (f->frag_off || !engine_is_view(e, p->tap))
		return;
	k = tcp_key_of(p, &f->flow, false);
	tcp_segment(e->tcp, &k, &g, tcp_message, e);
}

static void tcp_packet(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	const struct flow *flow = &f->flow;
	bool to_server = is_dns_port(e, flow->dport) || engine_is_docker(&flow->dst);
	bool from_server = is_dns_port(e, flow->sport) || engine_is_docker(&flow->src);
	bool syn = f->tcp_flags & TCP_SYN;

	if (is_multicast(e, flow)) {
		tcp_data(e, p, f);
		return;
	}
	if (!to_server && !from_server)
		symptoms_other_tcp(e, p, f);
	if ((!to_server && !from_server) || f->frag_off || !flow->has_ports)
		return;
	if (to_server && syn && !(f->tcp_flags & TCP_ACK))
		tcp_syn(e, p, flow);
	if (from_server && f->tcp_flags & TCP_RST && engine_is_view(e, p->tap))
		tcp_reset(e, p, flow);
	if (from_server && syn && engine_is_view(e, p->tap)) {
		struct trans_key c = key_of(p, flow, false, 0);

		c.server_port = server_port(&c.server, c.server_port);
		trans_connected(e, &c);
	}
	tcp_data(e, p, f);
}

/* The transaction that an ICMP error quotes: by id, or by addresses if the quote ends too soon. */
static struct trans *quoted_trans(struct dns_engine *e, const struct packet *p,
				  const struct frame *f)
{
	struct trans_key k = key_of(p, &f->quoted, true, 0);
	const uint8_t *payload = f->data + f->quoted_payload_off;
	struct trans *x = NULL;
	unsigned int n = 0;

	k.server_port = server_port(&k.server, k.server_port);
	if (f->quoted_payload_off && f->quoted_payload_caplen >= 2 && k.proto == IPPROTO_UDP) {
		k.id = (uint16_t)(payload[0] << 8 | payload[1]);
		return table_find(e->table, &k, NULL);
	}
	while ((x = table_next_live(e->table, x)) && n++ < SCAN_MAX) {
		k.id = x->key.id;
		k.connect = x->key.connect;
		if (!memcmp(&k, &x->key, sizeof(k)))
			return x;
	}
	return NULL;
}

static void icmp_packet(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	struct trans_failure how = {
		.how = DNS_FAIL_ICMP,
		.icmp_version = f->ip_version,
		.icmp_type = f->icmp_type,
		.icmp_code = f->icmp_code,
		.reporter = f->flow.src,
	};
	struct trans *x;

	if (!f->icmp_is_error || !f->has_quoted || !f->quoted.has_ports ||
	    !engine_is_view(e, p->tap))
		return;
	/* "Fragmentation needed" and "packet too big" are answered by the sender's stack. */
	if (f->ip_version == 4 ? f->icmp_type == 3 && f->icmp_code == 4 : f->icmp_type == 2)
		return;
	x = quoted_trans(e, p, f);
	if (x && x->stage != TRANS_DONE)
		trans_fail(e, p, x, &how);
}

/* The rest may never come. */
static void half_an_answer(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	const uint8_t *payload = f->data + f->payload_off;
	struct trans_key k;
	struct trans *x;

	if (f->frag_off || !f->flow.has_ports || f->l4 != L4_UDP ||
	    !is_dns_port(e, f->flow.sport) || f->payload_caplen < 2)
		return;
	k = key_of(p, &f->flow, false, (uint16_t)(payload[0] << 8 | payload[1]));
	x = table_find(e->table, &k, NULL);
	if (x)
		x->half_answered = true;
}

/* The first fragment has the header but not the message. It is waited for, unless the capture
 * cut the fragment itself. */
static const struct frame *whole_datagram(struct dns_engine *e, const struct packet *p,
					  const struct frame *f, struct frame *whole)
{
	const struct frame *w = f;

	if (!f->is_fragment)
		return f;
	/* What the host's end sees marks transactions, and needs no more than the header. */
	if (engine_is_view(e, p->tap))
		w = frag_track_whole(e->frag, p, f, whole);
	if (w == f && engine_is_view(e, p->tap) && f->l4_caplen >= f->l4_len) {
		half_an_answer(e, p, f);
		return NULL;
	}
	return w;
}

void dns_engine_tap(struct dns_engine *e, const struct tap *tap, int64_t now)
{
	struct netns_state *ns = engine_netns(e, tap->netns);

	if (tap->side == SIDE_INSIDE)
		ns->host_end_asked = false; /* it may lead to another end */
	else if (!ns->host_since)
		ns->host_since = now + ATTACH_TIME;
}

void dns_engine_tap_gone(struct dns_engine *e, const struct tap *tap)
{
	struct netns_state *ns = engine_netns(e, tap->netns);

	if (tap->side == SIDE_HOST)
		ns->host_since = 0;
	ns->host_end_asked = false;
}

/* A file does not tell since when it was watched: from its start. */
static void note_host_end(struct dns_engine *e, const struct packet *p)
{
	struct netns_state *ns;

	if (p->tap->side != SIDE_HOST)
		return;
	ns = engine_netns(e, p->tap->netns);
	if (!e->ops.ask)
		ns->host_since = 1;
	else if (!ns->host_since || p->time < ns->host_since)
		ns->host_since = p->time;
}

void dns_engine_packet(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	struct frame whole;

	dns_engine_tick(e, p->time);
	f = whole_datagram(e, p, f, &whole);
	if (!f)
		return;
	e->packet = p;
	e->frame = f;
	note_host_end(e, p);
	switch (f->l4) {
	case L4_UDP: udp_packet(e, f); break;
	case L4_TCP: tcp_packet(e, p, f); break;
	case L4_ICMP:
	case L4_ICMP6: icmp_packet(e, p, f); break;
	default: break;
	}
	e->packet = NULL;
	e->frame = NULL;
}

/* --- the rest of the interface ---------------------------------------------------------- */

void dns_engine_attempt(struct dns_engine *e, const struct dns_attempt *a)
{
	dns_engine_tick(e, a->time);
	attempts_add(e, a);
}

void dns_engine_facts(struct dns_engine *e, const struct dns_facts *facts, int64_t now)
{
	dns_engine_tick(e, now);
	judge_facts(e, facts);
}

void dns_engine_lost(struct dns_engine *e, uint64_t netns, uint64_t count, int64_t now)
{
	if (!count)
		return;
	e->sum->lost_records += count;
	if (netns)
		engine_netns(e, netns)->lost = now;
	else
		e->lost_any = now;
}

void dns_engine_tick(struct dns_engine *e, int64_t now)
{
	struct timer *t;

	/* Each timer runs at its own time, so that a jump of the clock, as in a file, gives the
	 * same as if it had been waited for. */
	if (e->multicast)
		multicast_tick(e->multicast, now);
	while ((t = timers_expired(&e->timers, now))) {
		if (t->due > e->now)
			e->now = t->due;
		switch (t->kind) {
		case TIMER_TRANS: trans_timer(e, t); break;
		case TIMER_ATTEMPT: attempts_timer(e, t); break;
		case TIMER_HELD: judge_timer(e, t); break;
		}
	}
	if (now > e->now)
		e->now = now;
}

int64_t dns_engine_next(const struct dns_engine *e)
{
	int64_t plain = timers_next(&e->timers);
	int64_t multicast = e->multicast ? multicast_next(e->multicast) : INT64_MAX;

	return plain < multicast ? plain : multicast;
}

const struct dns_summary *dns_engine_finish(struct dns_engine *e, int64_t now)
{
	dns_engine_tick(e, now);
	trans_finish(e);
	attempts_finish(e);
	judge_finish(e);
	counts_finish(e);
	if (e->multicast)
		multicast_finish(e->multicast, now, e->sum);
	return e->sum;
}

static void set_defaults(struct dns_engine_options *o)
{
	const struct {
		int64_t *value, standard;
	} times[] = {
		{ &o->unanswered_after, SEC },	    { &o->verdict_after, 5 * SEC },
		{ &o->attempt_wait, 300 * MSEC },   { &o->facts_wait, 500 * MSEC },
		{ &o->host_end_after, 300 * MSEC },
	};
	const struct {
		uint32_t *value, standard;
	} sizes[] = {
		{ &o->max_transactions, 32768 },
		{ &o->max_streams, 1024 },
		{ &o->max_stream_bytes, 8U << 20 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++)
		if (!*times[i].value)
			*times[i].value = times[i].standard;
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (!*sizes[i].value)
			*sizes[i].value = sizes[i].standard;
}

static uint64_t next_serial(void *ctx)
{
	struct dns_engine *e = ctx;

	return ++e->serial;
}

static void multicast_transaction(void *ctx, const struct dns_transaction *t)
{
	engine_emit(ctx, t);
}

static const struct multicast_ops multicast_ops = { next_serial, multicast_transaction };

struct dns_engine *dns_engine_new(const struct dns_engine_options *o,
				  const struct dns_engine_ops *ops, void *ctx)
{
	struct dns_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	if (o)
		e->o = *o;
	set_defaults(&e->o);
	e->ops = *ops;
	e->ctx = ctx;
	e->seed = hash_seed(e);
	e->now = INT64_MIN;
	e->table = table_new(e->o.max_transactions);
	e->tcp = tcp_table_new(e->o.max_streams, e->o.max_stream_bytes);
	e->frag = frag_track_new(MAX_FRAGS, FRAG_AS_KERNEL);
	e->names = names_new();
	e->patterns = patterns_new();
	e->transit = transit_new();
	if (e->o.multicast)
		e->multicast = multicast_new(&multicast_ops, e);
	e->ns = calloc(NETNS_SLOTS, sizeof(*e->ns));
	e->attempts = attempts_new();
	e->held = calloc(MAX_HELD, sizeof(*e->held));
	e->facts = calloc(MAX_FACTS, sizeof(*e->facts));
	e->sum = calloc(1, sizeof(*e->sum));
	if (!e->table || !e->tcp || !e->frag || !e->names || !e->patterns || !e->transit ||
	    !e->ns || !e->attempts || !e->held || !e->facts || !e->sum ||
	    (e->o.multicast && !e->multicast)) {
		dns_engine_free(e);
		return NULL;
	}
	return e;
}

void dns_engine_free(struct dns_engine *e)
{
	uint32_t i;

	if (!e)
		return;
	for (i = 0; i < e->nr_servers; i++)
		free(e->servers[i]);
	timers_fini(&e->timers);
	table_free(e->table);
	tcp_table_free(e->tcp);
	frag_track_free(e->frag);
	names_free(e->names);
	patterns_free(e->patterns);
	transit_free(e->transit);
	multicast_free(e->multicast);
	free(e->ns);
	attempts_free(e->attempts);
	free(e->held);
	free(e->facts);
	free(e->sum);
	free(e);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "dns/symptoms.h"

#include <netinet/in.h>
#include <string.h>

#include "decode/dns.h"
#include "dns/engine_state.h"
#include "dns/judge.h"
#include "dns/patterns.h"
#include "nswatch/doh.h"
#include "util/cleanup.h"

/* libc asks for A and AAAA back to back. */
#define TWIN_TIME (5 * MSEC)
/* An answer that says no waits that long for another that says yes. */
#define SECOND_THOUGHT SEC
/* A truncated one that long for a TCP connection. */
#define TCP_PATIENCE (2200 * MSEC)
/* Encrypted DNS is the whole story if no query on port 53 comes within this. */
#define PLAIN_PATIENCE (5 * SEC)
/* One event of a kind is enough for so long. */
#define SLOW_EVERY	(5 * SEC)
#define STORM_EVERY	SEC
#define REFUSED_EVERY	SEC
#define ENCRYPTED_EVERY (60 * SEC)
/* Answers from which on a server's latency is judged, and how many ns are not worth it. */
#define SLOW_ANSWERS 20
#define SLOW_MIN     (100 * MSEC)
/* The largest EDNS answer that fits any path unfragmented (DNS flag day 2020). */
#define EDNS_SAFE    1232
#define BIG_TIME     (30 * SEC)
#define SUFFIXES_MIN 3
#define SCAN_FEW     8

/* --- a query ------------------------------------------------------------------------ */

static bool are_twins(const struct trans *x, const struct trans *y)
{
	struct trans_key k = y->key;

	k.id = x->key.id;
	return x->first - y->first <= TWIN_TIME && !memcmp(&k, &x->key, sizeof(k)) &&
	       ((x->q.type == DNS_T_A && y->q.type == DNS_T_AAAA) ||
		(x->q.type == DNS_T_AAAA && y->q.type == DNS_T_A)) &&
	       x->q.name.len == y->q.name.len &&
	       !memcmp(x->q.name.wire, y->q.name.wire, x->q.name.len);
}

/* The first may have been answered before the second was sent. */
void symptoms_query(struct dns_engine *e, struct trans *x)
{
	uint16_t other = x->q.type == DNS_T_A ? DNS_T_AAAA : DNS_T_A;
	struct trans *y = NULL;
	unsigned int n = 0;

	if (x->q.type != DNS_T_A && x->q.type != DNS_T_AAAA)
		return;
	while ((y = table_next_question(e->table, x->key.netns, &x->q, other, y)) &&
	       n++ < SCAN_FEW) {
		if (!are_twins(x, y))
			continue;
		x->has_twin = y->has_twin = true;
		x->twin_id = y->key.id;
		y->twin_id = x->key.id;
		x->twin_answered = y->answered;
		return;
	}
}

/* --- an answer ----------------------------------------------------------------------- */

static void tell_twin(struct dns_engine *e, const struct trans *x)
{
	struct trans_key k = x->key;
	struct trans *y;

	if (x->queries > 1 || x->answered - x->first > SEC)
		return;
	k.id = x->twin_id;
	y = table_find(e->table, &k, NULL);
	if (y)
		y->twin_answered = true;
}

/* The same server was silent about the same question while it could answer at length. */
static uint16_t big_one_before(struct dns_engine *e, const struct trans *x)
{
	const struct trans *y = NULL;
	unsigned int n = 0;

	while ((y = table_next_same_question(e->table, x, y)) && n++ < SCAN_FEW)
		if (y->asked_edns.udp_size > EDNS_SAFE && !y->answered && y->first <= x->first &&
		    y->first >= x->first - BIG_TIME &&
		    ipaddr_equal(&y->key.client, &x->key.client) &&
		    ipaddr_equal(&y->key.server, &x->key.server))
			return y->asked_edns.udp_size;
	return 0;
}

/* From the same socket another server had been asked, and had said that there is no such name. */
static void look_for_split(struct dns_engine *e, const struct trans *x, struct rule_input *in)
{
	const struct trans *y = NULL;
	unsigned int n = 0;

	while ((y = table_next_same_question(e->table, x, y)) && n++ < SCAN_FEW) {
		if (y->rcode != DNS_R_NXDOMAIN || !y->answered || y->answered > x->answered ||
		    y->key.id != x->key.id || y->key.client_port != x->key.client_port ||
		    !ipaddr_equal(&y->key.client, &x->key.client) ||
		    ipaddr_equal(&y->key.server, &x->key.server))
			continue;
		in->nx_first = y->key.server;
		in->nx_ahead = x->answered - y->answered;
	}
}

/* Whatever it says: it was asked for a second time. */
static void answer_at_last(struct dns_engine *e, struct trans *x, const struct dns_transaction *t)
{
	bool twin_answered = x->queries > 1 && x->has_twin && x->twin_answered;
	const struct server_state *s = x->server;
	uint16_t big_unanswered = 0;

	if (s && s->big_lost && s->big_lost >= x->first - BIG_TIME &&
	    x->asked_edns.udp_size <= EDNS_SAFE)
		big_unanswered = big_one_before(e, x);
	if (twin_answered || big_unanswered ||
	    (t->state == DNS_LATE && engine_is_docker(&x->key.server)))
		judge_event(e,
			    &(struct rule_input){
				    .event = RULE_ANSWER,
				    .twin_answered = twin_answered,
				    .big_unanswered = big_unanswered,
			    },
			    t, &x->q, 0);
}

static void judge_found(struct dns_engine *e, const struct trans *x,
			const struct dns_transaction *t, uint32_t nx_wasted, int64_t nx_wasted_time)
{
	struct rule_input in = {
		.event = RULE_ANSWER,
		.nx_wasted = nx_wasted,
		.nx_wasted_time = nx_wasted_time,
	};

	if (x->other_servers)
		look_for_split(e, x, &in);
	if (nx_wasted >= SUFFIXES_MIN || in.nx_first.family)
		judge_event(e, &in, t, &x->q, 0);
}

static void answer_found(struct dns_engine *e, struct trans *x, const struct dns_transaction *t)
{
	int64_t time;
	uint32_t wasted = patterns_found(e->patterns, x->key.netns, &x->q, e->now, &time);

	if (wasted >= SUFFIXES_MIN || x->other_servers)
		judge_found(e, x, t, wasted, time);
}

static bool is_single_label(const struct dns_name *n)
{
	return n->len > 2 && n->wire[0] + 2U == n->len;
}

static bool is_local_tld(const struct dns_name *n)
{
	static const uint8_t local[] = "\5local";

	return n->len > sizeof(local) &&
	       !memcmp(n->wire + n->len - sizeof(local), local, sizeof(local));
}

/* Docker's resolver knows the containers; without it, on the default bridge, nobody does. */
static bool may_be_container_name(struct dns_engine *e, const struct trans *x)
{
	return is_single_label(&x->q.name) && (engine_is_docker(&x->key.server) ||
					       judge_target_kind(e, x->key.netns) == TARGET_DOCKER);
}

static bool storm_is_news(struct dns_engine *e, struct server_state *s)
{
	if (!s || (s->storm_told && e->now - s->storm_told < STORM_EVERY))
		return false;
	s->storm_told = e->now;
	return true;
}

static void answer_says_no(struct dns_engine *e, struct trans *x, const struct dns_transaction *t)
{
	uint32_t nx_minute = 0;
	bool tell;

	switch (t->rcode) {
	case DNS_R_NXDOMAIN:
		nx_minute = patterns_nx(e->patterns, x->key.netns, &x->q, x->first, e->now);
		tell = (nx_minute >= PATTERN_STORM && storm_is_news(e, x->server)) ||
		       may_be_container_name(e, x) || is_local_tld(&x->q.name);
		break;
	case DNS_R_NOERROR: tell = may_be_container_name(e, x); break;
	case DNS_R_SERVFAIL:
	case DNS_R_REFUSED: tell = true; break;
	case DNS_R_NOTIMP: tell = x->q.type == DNS_T_AAAA; break;
	default: tell = false;
	}
	if (tell)
		judge_event(e,
			    &(struct rule_input){
				    .event = RULE_ANSWER,
				    .not_before = e->now + SECOND_THOUGHT,
				    .nx_minute = nx_minute,
			    },
			    t, &x->q, 0);
}

static void answer_is_truncated(struct dns_engine *e, struct trans *x,
				const struct dns_transaction *t)
{
	struct rule_input in = { .event = RULE_ANSWER, .not_before = e->now + TCP_PATIENCE };

	if (x->server)
		x->server->last_truncated = x->answered;
	judge_event(e, &in, t, &x->q, 0);
}

static void look_at_latency(struct dns_engine *e, struct trans *x, const struct dns_transaction *t)
{
	struct server_state *s = x->server;

	if (s->latency.count < SLOW_ANSWERS || s->latency.max <= SLOW_MIN ||
	    (s->slow_told && e->now - s->slow_told < SLOW_EVERY))
		return;
	s->slow_told = e->now;
	judge_event(e, &(struct rule_input){ .event = RULE_SLOW }, t, &x->q, 0);
}

void symptoms_answer(struct dns_engine *e, struct trans *x, const struct dns_transaction *t)
{
	struct server_state *s = x->server;

	patterns_port_answered(e->patterns, &x->key);
	if (x->has_twin)
		tell_twin(e, x);
	if (s) {
		s->servfails = t->rcode == DNS_R_SERVFAIL ? s->servfails + 1 : 0;
		if (x->q.type == DNS_T_AAAA && t->rcode != DNS_R_NOTIMP)
			s->nr_aaaa = 0;
		look_at_latency(e, x, t);
	}
	answer_at_last(e, x, t);
	if (x->found)
		answer_found(e, x, t);
	else if (!x->truncated)
		answer_says_no(e, x, t);
	if (x->truncated && x->key.proto == IPPROTO_UDP)
		answer_is_truncated(e, x, t);
}

/* --- no answer ------------------------------------------------------------------------ */

void symptoms_unanswered(struct dns_engine *e, struct trans *x)
{
	if (x->key.proto == IPPROTO_UDP && !x->failed)
		patterns_port_failed(e->patterns, &x->key, x->first);
	if (x->server && x->asked_edns.udp_size > EDNS_SAFE)
		x->server->big_lost = e->now;
}

void symptoms_verdict(struct dns_engine *e, const struct trans *x, struct rule_input *in)
{
	if (x->has_wrong_source) {
		in->wrong_source = x->wrong_source;
		in->wrong_source_nr = x->wrong_source_nr;
	}
	in->half_answered = x->half_answered;
	in->twin_answered = x->has_twin && x->twin_answered;
	in->port_failures = patterns_port(e->patterns, &x->key, &in->port_time);
}

void symptoms_stray(struct dns_engine *e, const struct trans_key *k, const struct question *q,
		    uint64_t packet_nr)
{
	struct trans_key other = *k;
	struct trans *x = NULL;
	unsigned int n = 0;

	if (k->proto != IPPROTO_UDP || !q->name.len || engine_is_docker(&k->server))
		return;
	while ((x = table_next_live(e->table, x)) && n++ < SCAN_MAX) {
		other.server = x->key.server;
		if (ipaddr_equal(&k->server, &x->key.server) || engine_is_docker(&x->key.server) ||
		    memcmp(&other, &x->key, sizeof(other)) || !question_equal(q, &x->q))
			continue;
		x->wrong_source = k->server;
		x->wrong_source_nr = packet_nr;
		x->has_wrong_source = true;
		return;
	}
}

/* --- what is not on port 53 -------------------------------------------------------------- */

#define PORT_DOT 853 /* RFC 7858 */

static bool is_doh_server(const struct ipaddr *a)
{
#define V4(...)	 { __VA_ARGS__ },
#define V6(h, l) { h##ULL, l##ULL },
	static const uint8_t v4[][4] = { DOH_SERVERS4(V4) };
	static const uint64_t v6[][2] = { DOH_SERVERS6(V6) };
	uint64_t half[2] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(v4); i++)
		if (a->family == 4 && !memcmp(a->bytes, v4[i], 4))
			return true;
	for (i = 0; i < 16; i++)
		half[i / 8] = half[i / 8] << 8 | a->bytes[i];
	for (i = 0; i < ARRAY_SIZE(v6); i++)
		if (a->family == 6 && half[0] == v6[i][0] && half[1] == v6[i][1])
			return true;
	return false;
}

static void connection(struct dns_engine *e, const struct packet *p, const struct frame *f,
		       bool reverse, struct dns_transaction *t)
{
	const struct flow *flow = &f->flow;

	memset(t, 0, sizeof(*t));
	t->serial = ++e->serial;
	t->time = p->time;
	t->latency = -1;
	t->queries = 1;
	t->query_nr = p->number;
	t->tap = p->tap;
	t->netns = p->tap->netns;
	if (!reverse)
		t->owner = p->owner;
	t->client = reverse ? flow->dst : flow->src;
	t->server = reverse ? flow->src : flow->dst;
	t->client_port = reverse ? flow->dport : flow->sport;
	t->server_port = reverse ? flow->sport : flow->dport;
	t->proto = flow->proto;
	memcpy(t->target, p->tap->target, sizeof(t->target));
	memcpy(t->ifname, p->tap->ifname, sizeof(t->ifname));
}

/* RFC 9293 3.10.7.1: a SYN to a port that nobody listens on gets a reset with sequence number 0
 * that acknowledges it. */
static void local_refusal(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	struct netns_state *ns = engine_netns(e, p->tap->netns);
	struct rule_input in = { .event = RULE_REFUSED };
	struct dns_transaction t;

	if (ns->refused_port == f->flow.sport && e->now - ns->refused < REFUSED_EVERY)
		return;
	ns->refused_port = f->flow.sport;
	ns->refused = e->now;
	connection(e, p, f, true, &t);
	t.state = DNS_FAILED;
	t.failure = DNS_FAIL_RESET;
	t.response_nr = p->number;
	judge_event(e, &in, &t, NULL, 0);
}

static void encrypted(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	struct rule_input in = { .event = RULE_ENCRYPTED, .not_before = e->now + PLAIN_PATIENCE };
	struct netns_state *ns = engine_netns(e, p->tap->netns);
	struct dns_transaction t;

	if (ns->encrypted && e->now - ns->encrypted < ENCRYPTED_EVERY)
		return;
	ns->encrypted = e->now;
	connection(e, p, f, false, &t);
	judge_event(e, &in, &t, NULL, 0);
}

static bool is_for_encrypted(const struct flow *flow)
{
	return flow->dport == PORT_DOT || (flow->dport == DOH_PORT && is_doh_server(&flow->dst));
}

void symptoms_other_tcp(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	const struct flow *flow = &f->flow;

	if (!flow->has_ports || f->frag_off || p->tap->side != SIDE_INSIDE)
		return;
	if ((f->tcp_flags & (TH_RST | TH_ACK)) == (TH_RST | TH_ACK) && !f->tcp_seq &&
	    ipaddr_is_loopback(&flow->src) && ipaddr_is_loopback(&flow->dst))
		local_refusal(e, p, f);
	else if ((f->tcp_flags & (TH_SYN | TH_ACK)) == TH_SYN && p->dir != DIR_IN &&
		 !ipaddr_is_loopback(&flow->dst) && is_for_encrypted(flow))
		encrypted(e, p, f);
}

/* The first byte of a handshake: QUIC (RFC 8999 5.1), DTLS (RFC 6347 4.3.1). */
void symptoms_other_udp(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	const struct flow *flow = &f->flow;
	uint8_t first;

	if (!is_for_encrypted(flow) || p->tap->side != SIDE_INSIDE || p->dir == DIR_IN ||
	    !f->payload_caplen || ipaddr_is_loopback(&flow->dst))
		return;
	first = f->data[f->payload_off];
	if (first & 0x80 || (first == 22 && flow->dport == PORT_DOT))
		encrypted(e, p, f);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A packet may hold several questions (RFC 6762 5.3); each is a transaction of its
 * own. They are open for the same time, so a ring in order of time is all the timers
 * there need be. An answer need not repeat the question, nor its id (18.1): its
 * records say what they answer, for every open question of that name and type in the
 * namespace, whoever asked. LLMNR's answer is that of unicast DNS: id, port, question.
 *
 * Hashes of the open names lie together in an array of their own: a hostile packet
 * has five thousand records, and each is looked for among all that is open.
 */
#include "dns/multicast.h"

#include <stdlib.h>
#include <string.h>

#include "dns/latency.h"
#include "util/hash.h"

#define OPEN_NS	      1000000000LL
#define MAX_OPEN      256
#define MAX_QUESTIONS 64 /* followed of one message */

#define CLASS_MASK 0x7fff
#define TOP_BIT	   0x8000 /* of a class: unicast answer wanted, RFC 6762 5.4; flush, 10.2 */

#define DLT_ETHERNET 1 /* libpcap's DLT_EN10MB */

#define DNS_T_ANY  255
#define DNS_T_NSEC 47

struct open_question {
	struct dns_transaction t;
	struct dns_name name;
	uint8_t mac[6]; /* of the client; zero if the link has none */
};

struct multicast {
	struct multicast_ops ops;
	void *ctx;
	uint32_t first, nr; /* of the ring */
	uint32_t hashes[MAX_OPEN];
	struct open_question open[MAX_OPEN];
	struct latency latency[DNS_NR_MULTICAST];
	struct dns_multicast_summary sum[DNS_NR_MULTICAST];
	uint64_t dropped;
};

/* The message under work. */
struct message {
	const struct packet *p;
	const struct flow *flow;
	const struct dns_msg *msg;
	enum dns_protocol protocol;
	bool to_group;
};

struct multicast *multicast_new(const struct multicast_ops *ops, void *ctx)
{
	struct multicast *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->ops = *ops;
	m->ctx = ctx;
	return m;
}

void multicast_free(struct multicast *m)
{
	free(m);
}

static bool is_group(const struct ipaddr *a)
{
	return a->family == 4 ? (a->bytes[0] & 0xf0) == 0xe0
			      : a->family == 6 && a->bytes[0] == 0xff;
}

static struct dns_multicast_summary *sum_of(struct multicast *m, enum dns_protocol protocol)
{
	return &m->sum[protocol - DNS_MDNS];
}

static uint32_t hash_name(const struct dns_name *n)
{
	return hash_bytes(0, n->wire, n->len);
}

/* --- what is open ---------------------------------------------------------------- */

static struct open_question *nth(struct multicast *m, uint32_t i)
{
	return &m->open[(m->first + i) % MAX_OPEN];
}

static void close_oldest(struct multicast *m, int64_t now)
{
	struct dns_transaction *t = &nth(m, 0)->t;
	struct dns_multicast_summary *s = sum_of(m, t->protocol);

	m->first = (m->first + 1) % MAX_OPEN;
	m->nr--;
	if (t->state == DNS_ANSWERED) {
		s->answered++;
		latency_add(&m->latency[t->protocol - DNS_MDNS], t->latency);
	} else {
		s->silent++;
		t->waited = now - t->time;
	}
	m->ops.transaction(m->ctx, t);
}

void multicast_tick(struct multicast *m, int64_t now)
{
	while (m->nr && nth(m, 0)->t.time + OPEN_NS <= now)
		close_oldest(m, nth(m, 0)->t.time + OPEN_NS);
}

int64_t multicast_next(const struct multicast *m)
{
	return m->nr ? m->open[m->first].t.time + OPEN_NS : INT64_MAX;
}

static struct open_question *open_new(struct multicast *m, int64_t now)
{
	struct open_question *o;

	if (m->nr == MAX_OPEN)
		close_oldest(m, now);
	o = nth(m, m->nr++);
	memset(o, 0, sizeof(*o));
	return o;
}

/* --- queries --------------------------------------------------------------------- */

static void init_transaction(struct multicast *m, const struct message *g,
			     struct dns_transaction *t)
{
	const struct packet *p = g->p;

	t->serial = m->ops.serial(m->ctx);
	t->protocol = g->protocol;
	t->time = p->time;
	t->latency = -1;
	t->queries = 1;
	t->tap = p->tap;
	t->netns = p->tap->netns;
	t->from_outside = p->dir == DIR_IN;
	if (!t->from_outside)
		t->owner = p->owner;
	t->client = g->flow->src;
	t->server = g->flow->dst;
	t->client_port = g->flow->sport;
	t->server_port = g->flow->dport;
	t->to_group = g->to_group;
	t->proto = g->flow->proto;
	t->id = g->msg->id;
	t->opcode = g->msg->opcode;
	memcpy(t->target, p->tap->target, sizeof(t->target));
	memcpy(t->ifname, p->tap->ifname, sizeof(t->ifname));
}

/* The sender's Ethernet address: a machine has one, and any number of others. */
static void get_mac(uint8_t mac[6], const struct packet *p)
{
	memset(mac, 0, 6);
	if (p->tap->dlt == DLT_ETHERNET && p->caplen >= 12)
		memcpy(mac, p->data + 6, 6);
}

/* The same client asks the same again before a second has passed. */
static struct open_question *find_same(struct multicast *m, const struct message *g,
				       const struct dns_name *name, const struct dns_rr *rr)
{
	uint32_t hash = hash_name(name), i;

	for (i = 0; i < m->nr; i++) {
		struct open_question *o = nth(m, i);

		if (m->hashes[o - m->open] == hash && o->t.netns == g->p->tap->netns &&
		    o->t.protocol == g->protocol && o->t.qtype == rr->type &&
		    o->t.client_port == g->flow->sport &&
		    ipaddr_equal(&o->t.client, &g->flow->src) &&
		    ipaddr_equal(&o->t.server, &g->flow->dst) && o->name.len == name->len &&
		    !memcmp(o->name.wire, name->wire, name->len))
			return o;
	}
	return NULL;
}

static void ask_again(struct multicast *m, const struct message *g, struct open_question *o)
{
	/* On a second interface, a bridge and its port, it is the same packet still. */
	if (o->t.tap != g->p->tap || o->t.query_nr == g->p->number)
		return;
	o->t.queries++;
	sum_of(m, g->protocol)->retries++;
}

static void ask(struct multicast *m, const struct message *g, const struct dns_rr *rr,
		const struct dns_name *name)
{
	struct open_question *o = find_same(m, g, name, rr);
	struct strbuf b;

	if (o) {
		ask_again(m, g, o);
		return;
	}
	sum_of(m, g->protocol)->questions++;
	o = open_new(m, g->p->time);
	init_transaction(m, g, &o->t);
	o->t.state = DNS_SILENT;
	o->t.first_query_nr = o->t.query_nr = g->p->number;
	o->t.has_question = true;
	o->t.qtype = rr->type;
	o->t.qclass = rr->class & CLASS_MASK;
	o->t.unicast_wanted = g->protocol == DNS_MDNS && rr->class & TOP_BIT;
	o->name = *name;
	get_mac(o->mac, g->p);
	m->hashes[o - m->open] = hash_name(name);
	strbuf_init(&b, o->t.name, sizeof(o->t.name));
	dns_name_text(&b, name);
}

/* What the client brings along: answers that it has already (RFC 6762 7.1), or the records
 * that it wants for itself (8.1). */
static void brings(struct multicast *m, const struct message *g, const struct dns_rr *rr,
		   const struct dns_name *name)
{
	uint32_t hash = hash_name(name), i;

	for (i = 0; i < m->nr; i++) {
		struct open_question *o = nth(m, i);

		if (m->hashes[o - m->open] != hash || o->t.query_nr != g->p->number ||
		    o->t.tap != g->p->tap || o->name.len != name->len ||
		    memcmp(o->name.wire, name->wire, name->len))
			continue;
		if (rr->section == DNS_AUTHORITY)
			o->t.probe = true;
		else if (rr->type == o->t.qtype || o->t.qtype == DNS_T_ANY)
			o->t.known++;
	}
}

static void query(struct multicast *m, const struct message *g)
{
	unsigned int n = 0;
	struct dns_walk w;
	struct dns_name name;
	struct dns_rr rr;

	dns_walk_init(&w, g->msg);
	while (dns_walk_next(&w, &rr)) {
		if (rr.section == DNS_ADDITIONAL || (rr.section != DNS_QUESTION && !n))
			return;
		if (dns_name_get(&name, g->msg, rr.name_off, NULL))
			return;
		if (rr.section != DNS_QUESTION)
			brings(m, g, &rr, &name);
		else if (n++ < MAX_QUESTIONS)
			ask(m, g, &rr, &name);
		else
			m->dropped++;
	}
}

/* --- answers --------------------------------------------------------------------- */

static bool is_own(const struct message *g, const struct open_question *o)
{
	uint8_t mac[6];

	get_mac(mac, g->p);
	return ipaddr_equal(&o->t.client, &g->flow->src) ||
	       (o->t.tap->dlt == DLT_ETHERNET && !memcmp(mac, o->mac, sizeof(mac)));
}

/* Whether the message may answer o, by its addresses. */
static bool may_answer(const struct message *g, const struct open_question *o)
{
	const struct dns_transaction *t = &o->t;

	if (t->netns != g->p->tap->netns || t->protocol != g->protocol)
		return false;
	/* Nobody objects to itself: it has got the name. */
	if (t->probe && is_own(g, o))
		return false;
	if (g->protocol == DNS_LLMNR && t->id != g->msg->id)
		return false;
	return g->to_group ||
	       (ipaddr_equal(&t->client, &g->flow->dst) && t->client_port == g->flow->dport);
}

static bool answers_type(const struct dns_rr *rr, uint16_t qtype)
{
	/* NSEC: there is nothing of that type (RFC 6762 6.1). */
	return rr->type == qtype || qtype == DNS_T_ANY || rr->type == DNS_T_CNAME ||
	       rr->type == DNS_T_NSEC;
}

static void add_responder(struct dns_transaction *t, const struct ipaddr *a)
{
	uint32_t i, kept = t->nr_responders < DNS_MAX_RESPONDERS ? t->nr_responders
								 : DNS_MAX_RESPONDERS;

	for (i = 0; i < kept; i++)
		if (ipaddr_equal(&t->responders[i], a))
			return;
	if (kept < DNS_MAX_RESPONDERS)
		t->responders[kept] = *a;
	t->nr_responders++;
}

static void answered(const struct message *g, struct dns_transaction *t)
{
	add_responder(t, &g->flow->src);
	if (t->state == DNS_ANSWERED)
		return;
	t->state = DNS_ANSWERED;
	t->latency = t->waited = g->p->time - t->time;
	t->response_nr = g->p->number;
	t->rcode = g->msg->rcode;
	t->flags = g->msg->flags;
	t->response_len = g->msg->len;
	memcpy(t->count, g->msg->count, sizeof(t->count));
}

static bool is_in_list(const char *list, const char *item)
{
	size_t n = strlen(item);
	const char *p = list;

	while ((p = strstr(p, item))) {
		if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ','))
			return true;
		p++;
	}
	return false;
}

static void put_item(struct dns_transaction *t, const char *item)
{
	size_t len = strlen(t->answers);
	struct strbuf b = { .s = t->answers, .len = len, .size = sizeof(t->answers) };

	/* All of it or nothing. */
	if (len + strlen(item) + 3 > sizeof(t->answers) || is_in_list(t->answers, item))
		return;
	strbuf_puts(&b, len ? ", " : "");
	strbuf_puts(&b, item);
}

/* A record as an item of the list; of another type than asked for, with its type. */
static void put_record(const struct message *g, struct dns_transaction *t, const struct dns_rr *rr)
{
	struct dns_rr plain = *rr;
	char item[1024];
	struct strbuf b;

	plain.class &= CLASS_MASK;
	strbuf_init(&b, item, sizeof(item));
	if (t->state == DNS_ANNOUNCED) {
		dns_name_put(&b, g->msg, rr->name_off, NULL);
		strbuf_putc(&b, ' ');
	}
	if (rr->type != t->qtype) {
		dns_type_put(&b, rr->type);
		strbuf_putc(&b, ' ');
	}
	if (dns_rdata_put(&b, g->msg, &plain) == DNS_MALFORMED)
		t->malformed = true;
	put_item(t, item);
}

/* Returns whether the record answers anything that is open. */
static bool take_record(struct multicast *m, const struct message *g, const struct dns_rr *rr)
{
	struct dns_name name;
	bool taken = false;
	uint32_t hash, i;

	if (dns_name_get(&name, g->msg, rr->name_off, NULL))
		return false;
	hash = hash_name(&name);
	for (i = 0; i < m->nr; i++) {
		struct open_question *o = nth(m, i);

		if (m->hashes[o - m->open] != hash || !may_answer(g, o) ||
		    o->name.len != name.len || memcmp(o->name.wire, name.wire, name.len) ||
		    !answers_type(rr, o->t.qtype))
			continue;
		answered(g, &o->t);
		if (rr->type != DNS_T_NSEC || o->t.qtype == DNS_T_NSEC)
			put_record(g, &o->t, rr);
		taken = true;
	}
	return taken;
}

static void announce(struct multicast *m, const struct message *g)
{
	struct dns_transaction t;
	struct dns_walk w;
	struct dns_rr rr;

	memset(&t, 0, sizeof(t));
	init_transaction(m, g, &t);
	t.state = DNS_ANNOUNCED;
	t.response_nr = g->p->number;
	t.response_len = g->msg->len;
	t.flags = g->msg->flags;
	t.goodbye = true;
	memcpy(t.count, g->msg->count, sizeof(t.count));
	dns_walk_init(&w, g->msg);
	while (dns_walk_next(&w, &rr)) {
		if (rr.section != DNS_ANSWER)
			continue;
		t.goodbye &= !rr.ttl; /* RFC 6762 10.1 */
		put_record(g, &t, &rr);
	}
	t.malformed |= w.status == DNS_MALFORMED;
	t.truncated_capture = w.status == DNS_TRUNCATED;
	sum_of(m, g->protocol)->announcements++;
	m->ops.transaction(m->ctx, &t);
}

/* mDNS: the records tell. */
static void mdns_answer(struct multicast *m, const struct message *g)
{
	bool taken = false, any = false;
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_init(&w, g->msg);
	while (dns_walk_next(&w, &rr)) {
		any |= rr.section == DNS_ANSWER;
		if (rr.section == DNS_ANSWER ||
		    (rr.section == DNS_ADDITIONAL && rr.type == DNS_T_NSEC))
			taken |= take_record(m, g, &rr);
	}
	if (taken)
		sum_of(m, g->protocol)->responses++;
	else if (any && g->to_group)
		announce(m, g);
}

/* LLMNR: the question is repeated; what follows it is its answer. */
static void llmnr_answer(struct multicast *m, const struct message *g)
{
	struct open_question *o = NULL;
	struct dns_name name;
	struct dns_walk w;
	struct dns_rr rr;
	uint32_t i;

	dns_walk_init(&w, g->msg);
	if (!dns_walk_next(&w, &rr) || rr.section != DNS_QUESTION ||
	    dns_name_get(&name, g->msg, rr.name_off, NULL))
		return;
	for (i = 0; i < m->nr && !o; i++) {
		struct open_question *y = nth(m, i);

		if (may_answer(g, y) && y->t.qtype == rr.type && y->name.len == name.len &&
		    !memcmp(y->name.wire, name.wire, name.len))
			o = y;
	}
	if (!o)
		return;
	answered(g, &o->t);
	sum_of(m, g->protocol)->responses++;
	while (dns_walk_next(&w, &rr))
		if (rr.section == DNS_ANSWER)
			put_record(g, &o->t, &rr);
	o->t.malformed |= w.status == DNS_MALFORMED;
	o->t.truncated_capture |= w.status == DNS_TRUNCATED;
}

void multicast_message(struct multicast *m, const struct packet *p, const struct flow *flow,
		       const struct dns_msg *msg)
{
	struct message g = {
		.p = p,
		.flow = flow,
		.msg = msg,
		.protocol =
			flow->sport == MULTICAST_PORT_LLMNR || flow->dport == MULTICAST_PORT_LLMNR
				? DNS_LLMNR
				: DNS_MDNS,
		.to_group = is_group(&flow->dst),
	};

	multicast_tick(m, p->time);
	if (!(msg->flags & DNS_F_QR))
		query(m, &g);
	else if (g.protocol == DNS_LLMNR)
		llmnr_answer(m, &g);
	else
		mdns_answer(m, &g);
}

void multicast_finish(struct multicast *m, int64_t now, struct dns_summary *s)
{
	unsigned int i;

	multicast_tick(m, now);
	while (m->nr)
		close_oldest(m, now);
	s->dropped += m->dropped;
	for (i = 0; i < DNS_NR_MULTICAST; i++) {
		s->multicast[i] = m->sum[i];
		s->multicast[i].latency = latency_result(&m->latency[i]);
	}
}

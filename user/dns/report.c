// SPDX-License-Identifier: GPL-2.0-only
#include "dns/report.h"

#include <stddef.h>
#include <string.h>

#include "dns/engine_state.h"
#include "util/clear.h"
#include "util/strbuf.h"

/* At least what was sent last, and what came of it. */
static bool is_seen_from_host(struct dns_engine *e, const struct trans *x)
{
	int64_t since = engine_netns(e, x->key.netns)->host_since;

	return since && x->last + RING_SKEW >= since;
}

static void report_failure(const struct trans *x, struct dns_transaction *t)
{
	t->icmp_version = x->failure.icmp_version;
	t->icmp_type = x->failure.icmp_type;
	t->icmp_code = x->failure.icmp_code;
	t->reporter = x->failure.reporter;
	t->response_nr = x->failure.packet_nr;
	t->latency = x->failure.time - x->asked;
}

void report_trans(struct dns_engine *e, const struct trans *x, struct dns_transaction *t)
{
	struct strbuf name;

	clear_memory(t, offsetof(struct dns_transaction, target));
	t->nsid[0] = t->subnet[0] = t->cookie[0] = t->answers[0] = '\0';
	t->serial = x->serial;
	t->state = x->failed ? DNS_FAILED : DNS_UNANSWERED;
	t->time = x->first;
	t->latency = -1;
	/* A socket call may have moved the clock ahead of packets that lay in the ring. */
	t->waited = (e->packet ? e->packet->time : e->now) - x->first;
	t->queries = x->queries;
	t->first_query_nr = x->first_nr;
	t->query_nr = x->asked_nr;
	t->tap = x->tap;
	t->netns = x->key.netns;
	memcpy(t->target, x->tap->target, sizeof(t->target));
	memcpy(t->ifname, x->tap->ifname, sizeof(t->ifname));
	t->owner = x->owner;
	t->client = x->key.client;
	t->server = x->key.server;
	t->client_port = x->key.client_port;
	t->server_port = x->key.server_port;
	t->proto = x->key.proto;
	t->id = x->key.id;
	t->is_connection = x->key.connect;
	t->has_question = x->q.name.len > 0;
	t->qtype = x->q.type;
	t->qclass = x->q.class;
	t->opcode = x->opcode;
	t->asked = x->asked_edns;
	strbuf_init(&name, t->name, sizeof(t->name));
	dns_name_text(&name, &x->q.name);
	if (x->passed_on)
		t->upstream = x->upstream;
	t->upstream_of = x->upstream_of;
	t->host_side_watched = is_seen_from_host(e, x);
	t->host_side_later = !t->host_side_watched && engine_netns(e, x->key.netns)->host_since;
	t->left = x->left;
	t->came_back = x->came_back;
	t->failure = x->key.connect && !x->failed ? DNS_FAIL_NO_SYN : x->failed;
	if (x->failed)
		report_failure(x, t);
}

static void put_answer(struct strbuf *b, const struct dns_transaction *t, const struct dns_msg *m,
		       const struct dns_rr *rr)
{
	if (b->len)
		strbuf_puts(b, ", ");
	if (rr->type != t->qtype || !t->has_question) {
		dns_type_put(b, rr->type);
		strbuf_putc(b, ' ');
	}
	dns_rdata_put(b, m, rr);
}

/* Signatures come along unasked and say nothing to a reader. */
static bool wanted(const struct dns_transaction *t, const struct dns_rr *rr)
{
	return rr->type != DNS_T_RRSIG || t->qtype == DNS_T_RRSIG;
}

static void report_answers(struct dns_transaction *t, const struct dns_msg *m)
{
	struct dns_walk w;
	struct strbuf b;
	struct dns_rr rr;

	strbuf_init(&b, t->answers, sizeof(t->answers));
	dns_walk_init(&w, m);
	while (dns_walk_next(&w, &rr))
		if (rr.section == DNS_ANSWER && !b.cut && wanted(t, &rr))
			put_answer(&b, t, m, &rr);
		else if (rr.section == DNS_ADDITIONAL && rr.type == DNS_T_OPT && !t->edns.present)
			dns_edns_read(&t->edns, m, &rr);
	t->malformed = w.status == DNS_MALFORMED;
	t->truncated_capture = w.status == DNS_TRUNCATED;
}

/* What of EDNS is text. */
static void report_edns(struct dns_transaction *t, const struct dns_msg *m)
{
	struct strbuf b;
	uint32_t i;

	for (i = 0; i < t->edns.nr_errors; i++) {
		strbuf_init(&b, t->ede_text[i], sizeof(t->ede_text[i]));
		strbuf_escape(&b, m->data + t->edns.errors[i].text.off, t->edns.errors[i].text.len);
	}
	strbuf_init(&b, t->nsid, sizeof(t->nsid));
	strbuf_escape(&b, m->data + t->edns.nsid.off, t->edns.nsid.len);
	strbuf_init(&b, t->subnet, sizeof(t->subnet));
	dns_subnet_put(&b, m, &t->edns);
	strbuf_init(&b, t->cookie, sizeof(t->cookie));
	for (i = 0; i < t->edns.cookie.len && !b.cut; i++)
		strbuf_hex(&b, m->data[t->edns.cookie.off + i], 2);
}

void report_response(struct dns_transaction *t, const struct dns_msg *m)
{
	memcpy(t->count, m->count, sizeof(t->count));
	t->flags = m->flags;
	t->response_len = m->len;
	report_answers(t, m);
	t->rcode = (uint16_t)(m->rcode | (t->edns.present ? t->edns.ext_rcode << 4 : 0));
	if (t->edns.present)
		report_edns(t, m);
}

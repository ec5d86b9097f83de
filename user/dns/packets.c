// SPDX-License-Identifier: GPL-2.0-only
#include "dns/packets.h"

#include <netinet/in.h>
#include <string.h>

#include "decode/dns.h"
#include "dns/engine_state.h"
#include "dns/multicast.h"
#include "dns/symptoms.h"
#include "dns/table.h"
#include "dns/tcp.h"
#include "dns/trans.h"
#include "track/frag.h"
#include "util/cleanup.h"

/* Docker's embedded resolver has port 53: the namespace's NAT turns that into a random one before
 * any interface sees the query, and back for the answer. Filled in place: see ipaddr_set_v4(). */
static void fill_key(struct trans_key *k, const struct packet *p, const struct flow *flow,
		     bool from_client, uint16_t id)
{
	memset(k, 0, sizeof(*k));
	k->netns = p->tap->netns;
	k->client = *(from_client ? &flow->src : &flow->dst);
	k->server = *(from_client ? &flow->dst : &flow->src);
	k->client_port = from_client ? flow->sport : flow->dport;
	k->server_port = from_client ? flow->dport : flow->sport;
	if (engine_is_docker(&k->server))
		k->server_port = 53;
	k->proto = flow->proto;
	k->id = id;
}

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
	const struct flow *flow = &e->frame->flow;
	struct trans_key k;
	struct dns_msg m;
	bool from_client;

	switch (dns_msg_init(&m, data, caplen, len)) {
	case DNS_OK: break;
	case DNS_MALFORMED: e->sum->malformed++; return;
	case DNS_TRUNCATED: return;
	}
	if (is_multicast(e, flow)) {
		if (engine_is_view(e, p->tap))
			multicast_message(e->multicast, p, flow, &m);
		return;
	}
	from_client = !(m.flags & DNS_F_QR);
	fill_key(&k, p, flow, from_client, m.id);
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
	static const uint16_t others[] = { 137, MULTICAST_PORT_MDNS, MULTICAST_PORT_LLMNR };
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

static void tcp_syn(struct dns_engine *e, const struct packet *p, const struct flow *flow)
{
	struct trans_key k;

	fill_key(&k, p, flow, true, 0);
	k.connect = true;
	trans_connect(e, p, &k);
}

/* A reset from the server's side fails whatever the connection still waits for. */
static void tcp_reset(struct dns_engine *e, const struct packet *p, const struct flow *flow)
{
	const struct trans_failure how = { .how = DNS_FAIL_RESET };
	struct trans *x = NULL, *next;
	struct trans_key k;
	unsigned int n = 0;

	fill_key(&k, p, flow, false, 0);
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
		.syn = f->tcp_flags & TH_SYN,
		.fin = f->tcp_flags & TH_FIN,
		.rst = f->tcp_flags & TH_RST,
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
	bool syn = f->tcp_flags & TH_SYN;

	if (is_multicast(e, flow)) {
		tcp_data(e, p, f);
		return;
	}
	if (!to_server && !from_server)
		symptoms_other_tcp(e, p, f);
	if ((!to_server && !from_server) || f->frag_off || !flow->has_ports)
		return;
	if (to_server && syn && !(f->tcp_flags & TH_ACK))
		tcp_syn(e, p, flow);
	if (from_server && f->tcp_flags & TH_RST && engine_is_view(e, p->tap))
		tcp_reset(e, p, flow);
	if (from_server && syn && engine_is_view(e, p->tap)) {
		struct trans_key c;

		fill_key(&c, p, flow, false, 0);
		trans_connected(e, &c);
	}
	tcp_data(e, p, f);
}

/* The transaction that an ICMP error quotes: by id, or by addresses if the quote ends too soon. */
static struct trans *quoted_trans(struct dns_engine *e, const struct packet *p,
				  const struct frame *f)
{
	const uint8_t *payload = f->data + f->quoted_payload_off;
	struct trans *x = NULL;
	struct trans_key k;
	unsigned int n = 0;

	fill_key(&k, p, &f->quoted, true, 0);
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
	if (x)
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
	fill_key(&k, p, &f->flow, false, (uint16_t)(payload[0] << 8 | payload[1]));
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

void packets_take(struct dns_engine *e, const struct packet *p, const struct frame *f)
{
	struct frame whole;

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

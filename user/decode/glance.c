// SPDX-License-Identifier: GPL-2.0-only
#include "decode/glance.h"

#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>
#include <string.h>

#include "decode/cursor.h"
#include "decode/frame.h"
#include "util/hash.h"

#define MACS	 12 /* bytes before the first type */
#define MAX_TAGS 2

#define TCP_FLAGS 13 /* where they are in the header */

/* Where the layers of a frame begin; 0: there is none, or it was cut off. */
struct layers {
	uint16_t type;
	uint32_t l3, l4;
	struct ipaddr src, dst;
	uint8_t proto;
};

static void find_v4(struct cursor *c, struct layers *l)
{
	const uint8_t *h = cursor_bytes(c, 20);
	uint32_t len = h ? (h[0] & 15) * 4 : 0;

	if (len < 20)
		return;
	l->src = ipaddr_v4(h + 12);
	l->dst = ipaddr_v4(h + 16);
	l->proto = h[9];
	/* A later fragment has no transport header. */
	if (!((h[6] & 0x1f) | h[7]) && cursor_skip(c, len - 20))
		l->l4 = c->off;
}

/* With no extension header: those have no checksum of their own, nor are they requests. */
static void find_v6(struct cursor *c, struct layers *l)
{
	const uint8_t *h = cursor_bytes(c, 40);

	if (!h)
		return;
	l->src = ipaddr_v6(h + 8);
	l->dst = ipaddr_v6(h + 24);
	l->proto = h[6];
	l->l4 = c->off;
}

static void find_layers(struct layers *l, const uint8_t *data, uint32_t caplen)
{
	struct cursor c = cursor_init(data, caplen, caplen);
	int tags = 0;

	*l = (struct layers){ 0 };
	cursor_skip(&c, MACS);
	l->type = cursor_be16(&c);
	while ((l->type == ETH_P_8021Q || l->type == ETH_P_8021AD) && tags++ < MAX_TAGS) {
		cursor_skip(&c, 2);
		l->type = cursor_be16(&c);
	}
	if (!cursor_ok(&c))
		return;
	l->l3 = c.off;
	if (l->type == ETH_P_IP)
		find_v4(&c, l);
	else if (l->type == ETH_P_IPV6)
		find_v6(&c, l);
}

/* The checksums that an interface may be left to fill in. */
static void blank_checksum(uint8_t *bytes, uint32_t len, const struct layers *l)
{
	static const struct {
		uint8_t proto, at, len;
	} sums[] = {
		{ IPPROTO_TCP, 16, 2 },
		{ IPPROTO_UDP, 6, 2 },
		{ IPPROTO_UDPLITE, 6, 2 },
		{ IPPROTO_SCTP, 8, 4 },
	};
	size_t i, k;

	for (i = 0; l->l4 && i < sizeof(sums) / sizeof(sums[0]); i++)
		for (k = 0; l->proto == sums[i].proto && k < sums[i].len; k++)
			if (l->l4 - MACS + sums[i].at + k < len)
				bytes[l->l4 - MACS + sums[i].at + k] = 0;
}

static uint32_t print_of(uint32_t seed, const uint8_t *data, uint32_t caplen, uint32_t wirelen,
			 const struct layers *l)
{
	struct cursor c = cursor_init(data, caplen, caplen);
	uint8_t bytes[GLANCE_BYTES];
	const uint8_t *from;
	uint32_t len;

	cursor_skip(&c, caplen < MACS ? caplen : MACS);
	len = cursor_left(&c) < sizeof(bytes) ? cursor_left(&c) : sizeof(bytes);
	from = cursor_bytes(&c, len);
	if (!from)
		return wirelen;
	memcpy(bytes, from, len);
	blank_checksum(bytes, len, l);
	return hash_bytes(seed ^ wirelen, bytes, len);
}

static void turn(struct glance_talk *t)
{
	struct ipaddr a = t->client;
	uint16_t port = t->client_port;

	t->client = t->server;
	t->client_port = t->server_port;
	t->server = a;
	t->server_port = port;
}

static void see_tcp(struct glance *g, struct cursor c)
{
	const uint8_t *h;

	g->talk.client_port = cursor_be16(&c);
	g->talk.server_port = cursor_be16(&c);
	h = cursor_bytes(&c, TCP_FLAGS + 1 - 4);
	if (!h)
		return;
	g->role = (h[TCP_FLAGS - 4] & (TH_SYN | TH_ACK)) == TH_SYN ? GLANCE_REQUEST : GLANCE_ANSWER;
	if (g->role == GLANCE_ANSWER)
		turn(&g->talk);
}

static void see_error(struct glance *g, struct cursor c, bool v6);

/* The types of one version of ICMP. */
static const struct {
	uint8_t request, reply, errors[5];
} icmp[] = {
	{ ICMP_ECHO,
	  ICMP_ECHOREPLY,
	  { ICMP_DEST_UNREACH, ICMP_SOURCE_QUENCH, ICMP_REDIRECT, ICMP_TIME_EXCEEDED,
	    ICMP_PARAMETERPROB } },
	{ ICMP6_ECHO_REQUEST,
	  ICMP6_ECHO_REPLY,
	  { ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_PARAM_PROB,
	    ICMP6_PARAM_PROB } },
};

static void see_icmp(struct glance *g, struct cursor c, bool v6)
{
	uint8_t type = cursor_u8(&c);

	cursor_skip(&c, 3);
	if (memchr(icmp[v6].errors, type, sizeof(icmp[v6].errors))) {
		cursor_skip(&c, 4);
		see_error(g, c, v6);
		return;
	}
	if (type != icmp[v6].request && type != icmp[v6].reply)
		return;
	g->talk.client_port = cursor_be16(&c);
	g->talk.server_port = cursor_be16(&c);
	if (!cursor_ok(&c))
		return;
	g->role = type == icmp[v6].request ? GLANCE_REQUEST : GLANCE_ANSWER;
	if (g->role == GLANCE_ANSWER) {
		struct ipaddr a = g->talk.client;

		g->talk.client = g->talk.server;
		g->talk.server = a;
	}
}

/* The packet that an error is about has its first bytes in it. */
static void see_error(struct glance *g, struct cursor c, bool v6)
{
	struct glance inner = { 0 };
	struct layers l = { 0 };

	if (v6)
		find_v6(&c, &l);
	else
		find_v4(&c, &l);
	if (!l.l4)
		return;
	inner.talk.client = l.src;
	inner.talk.server = l.dst;
	inner.talk.proto = l.proto;
	if (l.proto == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		cursor_skip(&c, 4);
	inner.talk.client_port = cursor_be16(&c);
	inner.talk.server_port = cursor_be16(&c);
	if (!cursor_ok(&c))
		return;
	inner.role = GLANCE_ANSWER;
	g->role = inner.role;
	g->talk = inner.talk;
}

#define ARP_ADDRESSES 28 /* length for Ethernet and IPv4 */

/* Not of an announcement or a probe: those are for nobody to answer. */
static void see_arp(struct glance *g, struct cursor c)
{
	const uint8_t *h = cursor_bytes(&c, ARP_ADDRESSES);

	if (!h || h[2] != 8 || h[3] != 0 || h[6] != 0)
		return;
	g->talk.client = ipaddr_v4(h + 14);
	g->talk.server = ipaddr_v4(h + 24);
	if (ipaddr_is_any(&g->talk.client) || ipaddr_equal(&g->talk.client, &g->talk.server))
		return;
	if (h[7] == 1)
		g->role = GLANCE_REQUEST;
	if (h[7] == 2) {
		g->role = GLANCE_ANSWER;
		turn(&g->talk);
	}
}

static bool is_multicast(const struct ipaddr *a)
{
	return a->family == 4 ? a->bytes[0] >= 224 : a->bytes[0] == 0xff;
}

void glance(struct glance *g, uint32_t seed, const uint8_t *data, uint32_t caplen, uint32_t wirelen)
{
	struct cursor c = cursor_init(data, caplen, caplen);
	struct layers l;

	find_layers(&l, data, caplen);
	*g = (struct glance){
		.print = print_of(seed, data, caplen, wirelen, &l),
		.talk = { .client = l.src, .server = l.dst, .proto = l.proto },
	};
	if (l.l3 && l.type == ETH_P_ARP && cursor_skip(&c, l.l3))
		see_arp(g, c);
	if (!l.l4 || !cursor_skip(&c, l.l4))
		return;
	if (l.proto == IPPROTO_TCP)
		see_tcp(g, c);
	else if (l.proto == IPPROTO_ICMP || l.proto == IPPROTO_ICMPV6)
		see_icmp(g, c, l.proto == IPPROTO_ICMPV6);
	/* Whoever does not answer to all keeps the rules. */
	if (g->role == GLANCE_REQUEST && l.proto && is_multicast(&g->talk.server))
		g->role = GLANCE_OTHER;
}

static void swap(uint8_t *a, uint8_t *b, uint32_t len)
{
	while (len--) {
		uint8_t t = a[len];

		a[len] = b[len];
		b[len] = t;
	}
}

uint32_t glance_answer(const uint8_t *data, uint32_t caplen, uint8_t out[GLANCE_BYTES])
{
	uint32_t len = caplen < GLANCE_BYTES ? caplen : GLANCE_BYTES;
	struct layers l;

	memcpy(out, data, len);
	find_layers(&l, out, len);
	if (l.l3 && l.type == ETH_P_ARP && len >= l.l3 + ARP_ADDRESSES) {
		out[l.l3 + 7] = 2;
		swap(out + l.l3 + 8, out + l.l3 + 18, 10);
	} else if (l.l4 && l.proto == IPPROTO_TCP && len > l.l4 + TCP_FLAGS) {
		swap(out + l.l4, out + l.l4 + 2, 2);
		out[l.l4 + TCP_FLAGS] = TH_SYN | TH_ACK;
	} else if (l.l4 && (l.proto == IPPROTO_ICMP || l.proto == IPPROTO_ICMPV6) && len > l.l4) {
		out[l.l4] = icmp[l.proto == IPPROTO_ICMPV6].reply;
	} else {
		return 0;
	}
	swap(out, out + 6, 6);
	if (l.src.family == 4)
		swap(out + l.l3 + 12, out + l.l3 + 16, 4);
	else if (l.src.family == 6)
		swap(out + l.l3 + 8, out + l.l3 + 24, 16);
	return len;
}

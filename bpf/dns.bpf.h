/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which packets --dns is about, decided on their headers, before anything is
 * copied:
 *
 *   - UDP and TCP, port 53 at either end; 5353 (mDNS) and 5355 (LLMNR) on request,
 *     and ports that the user names
 *   - whatever comes from or goes to 127.0.0.11, Docker's embedded resolver: NAT
 *     gives it a random port before a packet reaches lo
 *   - port 853 (DNS over TLS, RFC 7858, and QUIC, RFC 9250): TCP segments with SYN,
 *     UDP datagrams of a handshake; the same to port 443 of a well-known server of DNS
 *     over HTTPS (RFC 8484); enough to say that DNS is encrypted
 *   - TCP segments with RST on lo: a connection to localhost that nobody takes
 *   - fragments of the above; errors of ICMP and ICMPv6 that quote one of the above
 *
 * behind VLAN tags, IPv4 options, AH and IPv6 extension headers. The headers are
 * those of the frame as it is written: with a tag that the kernel has stripped, or an
 * Ethernet header that a layer-3 device lacks, they are the same ones. Tunnels are
 * not looked into.
 *
 * Nearly every packet is none of these, and what it costs to find that out is all
 * that --dns costs a busy machine. So there are two steps. dns_quick() reads the
 * packet directly, calls nothing, and knows UDP and TCP right behind a plain IPv4 or
 * IPv6 header in the linear part of the skb. What is different in any way goes to
 * dns_walk(), header by header with bpf_skb_load_bytes(). It is the complete one:
 * the quick step may give up on anything, and otherwise answers the same.
 *
 * Only the first fragment of a datagram has ports, so its verdict is kept for the
 * later ones. A later one that comes before its first (routers reorder packets; and
 * the watch begins in the middle of a datagram) is taken if it could belong to UDP
 * or TCP: one packet too many rather than an answer with a hole.
 */
#ifndef NSWATCH_DNS_BPF_H
#define NSWATCH_DNS_BPF_H

#define ETH_HLEN     14
#define ETH_P_IP     0x0800
#define ETH_P_IPV6   0x86dd
#define ETH_P_8021Q  0x8100
#define ETH_P_8021AD 0x88a8
#define ETH_P_QINQ1  0x9100
#define VLAN_TAG_LEN 4

#define IP4_HLEN   20
#define IP6_HLEN   40
#define IP4_MF	   0x2000
#define IP4_OFFSET 0x1fff
#define IP6_MF	   0x0001
#define IP6_OFFSET 0xfff8

#define TCP_FLAGS 13 /* offset in its header */
#define TCP_SYN	  0x02
#define TCP_RST	  0x04
#define TCP_ACK	  0x10
#define UDP_HLEN  8

#define PORT_DNS   53
#define PORT_DOT   853
#define PORT_MDNS  5353
#define PORT_LLMNR 5355

#define DTLS_HANDSHAKE 22   /* RFC 6347 4.3.1, content type */
#define QUIC_LONG      0x80 /* RFC 8999 5.1 */

#define DOCKER_RESOLVER	 0x7f00000b /* 127.0.0.11 */
#define LOOPBACK_IFINDEX 1	    /* in every namespace, include/net/flow.h */

#define DNS_QUICK_TAGS	1
#define DNS_MAX_TAGS	4
#define DNS_MAX_HEADERS 12	       /* IP and extension headers, quoted ones included */
#define DNS_FRAG_NS	60000000000ULL /* reassembly gives up by then, RFC 8200 4.5 */

enum dns_verdict { DNS_NO, DNS_YES, DNS_UNSURE, DNS_GO_ON = DNS_UNSURE };

/* Numbers of RFC 791 and 8200 next headers, and two of our own. */
enum dns_next {
	NEXT_HOPOPTS = 0,
	NEXT_ICMP = 1,
	NEXT_TCP = 6,
	NEXT_UDP = 17,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_AH = 51,
	NEXT_ICMPV6 = 58,
	NEXT_DSTOPTS = 60,
	NEXT_MOBILITY = 135,
	NEXT_HIP = 139,
	NEXT_SHIM6 = 140,
	NEXT_IP4 = 256,
	NEXT_IP6,
};

const volatile __u8 cfg_dns;  /* --dns: select */
const volatile __u8 cfg_mdns; /* mDNS and LLMNR as well */
/* Ports beside 53, 0 for none. Known to the verifier, which takes out what compares with 0. */
const volatile __u16 cfg_dns_ports[NSW_MAX_DNS_PORTS];

/* Which datagram a fragment belongs to. The tap keeps namespaces apart: the
 * addresses on their lo are the same. */
struct dns_datagram {
	__be32 src[4]; /* src[0] for IPv4 */
	__be32 dst[4];
	__be32 id;
	__u16 tap;
	__u8 proto; /* 0 for IPv6: not part of it, RFC 8200 4.5 */
	__u8 version;
};

/* Verdicts on first fragments: the time, with the verdict as its lowest bit. The
 * loader makes it small without --dns. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct dns_datagram);
	__type(value, __u64);
} fragments SEC(".maps");

/* Both ports of a UDP or TCP header, in the packet's byte order. */
union dns_ports {
	__u32 both;
	__be16 each[2];
};

static __always_inline bool dns_either(union dns_ports p, __u16 port)
{
	return p.each[0] == bpf_htons(port) || p.each[1] == bpf_htons(port);
}

static __always_inline bool dns_well_known(union dns_ports p)
{
	int i;

	if (dns_either(p, PORT_DNS))
		return true;
#pragma unroll
	for (i = 0; i < NSW_MAX_DNS_PORTS; i++)
		if (cfg_dns_ports[i] && dns_either(p, cfg_dns_ports[i]))
			return true;
	return cfg_mdns && (dns_either(p, PORT_MDNS) || dns_either(p, PORT_LLMNR));
}

/* A connection to a server of DNS over HTTPS begins like any other to port 443. */
static __always_inline bool dns_may_be_doh(__u8 flags, union dns_ports p)
{
	return (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && p.each[1] == bpf_htons(DOH_PORT);
}

static __always_inline bool dns_tcp_event(struct __sk_buff *skb, __u8 flags, union dns_ports p)
{
	if (flags & TCP_SYN && dns_either(p, PORT_DOT))
		return true;
	return flags & TCP_RST && skb->ifindex == LOOPBACK_IFINDEX;
}

/* --- the quick step --- */

/* RFC 792: unreachable, source quench, redirect, time exceeded, parameter problem.
 * RFC 4443: errors are below 128; 1 to 4 are assigned. */
static __always_inline bool dns_is_error(__u32 next, __u8 type)
{
	if (next == NEXT_ICMPV6)
		return type >= 1 && type <= 4;
	return (type >= 3 && type <= 5) || type == 11 || type == 12;
}

static __always_inline enum dns_verdict dns_quick_ports(struct __sk_buff *skb, __u8 proto,
							const __u8 *p, const __u8 *end)
{
	union dns_ports ports = { .both = *(const __u32 *)p };

	if (dns_well_known(ports))
		return DNS_YES;
	if (proto == NEXT_UDP) {
		if (dns_either(ports, PORT_DOT))
			return DNS_UNSURE;
		if (ports.each[1] != bpf_htons(DOH_PORT))
			return DNS_NO;
		return p + UDP_HLEN + 1 > end || p[UDP_HLEN] & QUIC_LONG ? DNS_UNSURE : DNS_NO;
	}
	if (p + TCP_FLAGS + 1 > end || dns_may_be_doh(p[TCP_FLAGS], ports))
		return DNS_UNSURE;
	return dns_tcp_event(skb, p[TCP_FLAGS], ports) ? DNS_YES : DNS_NO;
}

/* The first eight bytes at once: version and header length; no fragment. */
static __always_inline enum dns_verdict dns_quick4(struct __sk_buff *skb, const __u8 *p,
						   const __u8 *end)
{
	const __u64 mask = bpf_cpu_to_be64(0xff00000000003fffULL);
	__u8 proto;

	if (p + IP4_HLEN + UDP_HLEN > end)
		return DNS_UNSURE;
	if ((*(const __u64 *)p & mask) != bpf_cpu_to_be64(0x4500000000000000ULL))
		return DNS_UNSURE;
	if (*(const __be32 *)(p + 12) == bpf_htonl(DOCKER_RESOLVER) ||
	    *(const __be32 *)(p + 16) == bpf_htonl(DOCKER_RESOLVER))
		return DNS_YES;
	proto = p[9];
	if (proto == NEXT_UDP || proto == NEXT_TCP)
		return dns_quick_ports(skb, proto, p + IP4_HLEN, end);
	if (proto == NEXT_ICMP)
		return dns_is_error(NEXT_ICMP, p[IP4_HLEN]) ? DNS_UNSURE : DNS_NO;
	return proto == NEXT_AH ? DNS_UNSURE : DNS_NO;
}

static __always_inline enum dns_verdict dns_quick6(struct __sk_buff *skb, const __u8 *p,
						   const __u8 *end)
{
	__u8 next;

	if (p + IP6_HLEN + UDP_HLEN > end)
		return DNS_UNSURE;
	next = p[6];
	if (p[0] >> 4 != 6)
		return DNS_NO;
	if (next == NEXT_UDP || next == NEXT_TCP)
		return dns_quick_ports(skb, next, p + IP6_HLEN, end);
	if (next == NEXT_ICMPV6)
		return dns_is_error(NEXT_ICMPV6, p[IP6_HLEN]) ? DNS_UNSURE : DNS_NO;
	return DNS_UNSURE;
}

static __always_inline bool is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD) ||
	       type == bpf_htons(ETH_P_QINQ1);
}

static __always_inline enum dns_verdict dns_quick(struct __sk_buff *skb, const struct nsw_tap *tap)
{
	const __u8 *p = (const __u8 *)(long)skb->data;
	const __u8 *end = (const __u8 *)(long)skb->data_end;
	__be16 type;
	int tags;

	if (tap->flags & NSW_TAP_L3) {
		type = (__be16)skb->protocol;
	} else {
		if (p + ETH_HLEN > end)
			return DNS_UNSURE;
		type = *(const __be16 *)(p + ETH_HLEN - 2);
		p += ETH_HLEN;
	}
	for (tags = 0; tags <= DNS_QUICK_TAGS; tags++) {
		if (type == bpf_htons(ETH_P_IP))
			return dns_quick4(skb, p, end);
		if (type == bpf_htons(ETH_P_IPV6))
			return dns_quick6(skb, p, end);
		if (!is_tag(type))
			return DNS_NO;
		if (p + VLAN_TAG_LEN > end)
			return DNS_UNSURE;
		type = *(const __be16 *)(p + 2);
		p += VLAN_TAG_LEN;
	}
	return DNS_UNSURE;
}

/* --- the complete step --- */

/*
 * In a map, one per CPU (bottom halves are off): the verifier does not remember what
 * is written to a map. Of the stack it would, and follow each combination of what
 * the headers before may have left there: three times the work.
 */
struct dns_walk {
	__u32 off;     /* of the next header */
	__u32 next;    /* enum dns_next: what it is */
	__u8 quoted;   /* within an ICMP error */
	__u8 is_first; /* first fragment of datagram */
	__u16 tap;
	struct dns_datagram datagram; /* of the IP header passed last */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dns_walk);
} walks SEC(".maps");

static __always_inline bool dns_load(struct __sk_buff *skb, const struct dns_walk *w, __u32 at,
				     void *to, __u32 len)
{
	return !bpf_skb_load_bytes(skb, w->off + at, to, len);
}

static __always_inline bool dns_is_extension(__u32 next)
{
	switch (next) {
	case NEXT_HOPOPTS:
	case NEXT_ROUTING:
	case NEXT_DSTOPTS:
	case NEXT_MOBILITY:
	case NEXT_HIP:
	case NEXT_SHIM6: return true;
	default: return false;
	}
}

/* Whether the first fragment may have what we select, if all we know is what follows
 * the IP or fragment header. */
static __always_inline bool dns_may_carry(const struct dns_walk *w)
{
	return w->next == NEXT_UDP || w->next == NEXT_TCP || w->next == NEXT_AH ||
	       (w->datagram.version == 6 && dns_is_extension(w->next));
}

static __always_inline enum dns_verdict dns_later_fragment(const struct dns_walk *w)
{
	__u64 *kept = bpf_map_lookup_elem(&fragments, &w->datagram);

	if (kept && bpf_ktime_get_ns() - *kept < DNS_FRAG_NS)
		return *kept & 1 ? DNS_YES : DNS_NO;
	return !w->quoted && dns_may_carry(w) ? DNS_YES : DNS_NO;
}

static __always_inline void dns_keep_verdict(const struct dns_walk *w, enum dns_verdict v)
{
	__u64 kept = (bpf_ktime_get_ns() & ~1ULL) | (v == DNS_YES);

	bpf_map_update_elem(&fragments, &w->datagram, &kept, BPF_ANY);
}

static __always_inline enum dns_verdict dns_fragment(struct dns_walk *w, bool later, bool more)
{
	if (later)
		return dns_later_fragment(w);
	if (more && !w->quoted)
		w->is_first = true;
	return DNS_GO_ON;
}

static __always_inline enum dns_verdict dns_ip4(struct __sk_buff *skb, struct dns_walk *w)
{
	__u32 h[IP4_HLEN / 4];
	__u32 words, frag;

	if (!dns_load(skb, w, 0, h, sizeof(h)))
		return DNS_NO;
	words = bpf_ntohl(h[0]) >> 24 & 15;
	if (bpf_ntohl(h[0]) >> 28 != 4 || words < IP4_HLEN / 4)
		return DNS_NO;
	if (h[3] == bpf_htonl(DOCKER_RESOLVER) || h[4] == bpf_htonl(DOCKER_RESOLVER))
		return DNS_YES;
	__builtin_memset(&w->datagram, 0, sizeof(w->datagram));
	w->datagram.src[0] = h[3];
	w->datagram.dst[0] = h[4];
	w->datagram.id = bpf_ntohl(h[1]) >> 16;
	w->datagram.tap = w->tap;
	w->datagram.proto = bpf_ntohl(h[2]) >> 16;
	w->datagram.version = 4;
	w->off += words * 4;
	w->next = w->datagram.proto;
	frag = bpf_ntohl(h[1]);
	return dns_fragment(w, frag & IP4_OFFSET, frag & IP4_MF);
}

static __always_inline enum dns_verdict dns_ip6(struct __sk_buff *skb, struct dns_walk *w)
{
	__u32 h[2];

	if (!dns_load(skb, w, 0, h, sizeof(h)) || bpf_ntohl(h[0]) >> 28 != 6)
		return DNS_NO;
	if (!dns_load(skb, w, 8, w->datagram.src, 32))
		return DNS_NO;
	w->datagram.id = 0;
	w->datagram.tap = w->tap;
	w->datagram.proto = 0;
	w->datagram.version = 6;
	w->off += IP6_HLEN;
	w->next = bpf_ntohl(h[1]) >> 8 & 255;
	return DNS_GO_ON;
}

static __always_inline enum dns_verdict dns_fragment_header(struct __sk_buff *skb,
							    struct dns_walk *w)
{
	__u32 h[2], frag;

	if (!dns_load(skb, w, 0, h, sizeof(h)))
		return DNS_NO;
	w->next = bpf_ntohl(h[0]) >> 24;
	w->off += sizeof(h);
	w->datagram.id = h[1];
	frag = bpf_ntohl(h[0]);
	return dns_fragment(w, frag & IP6_OFFSET, frag & IP6_MF);
}

/* Any other extension header: what is next, and how long it is itself. */
static __always_inline enum dns_verdict dns_extension(struct __sk_buff *skb, struct dns_walk *w)
{
	__u8 h[2];

	if (!dns_load(skb, w, 0, h, sizeof(h)))
		return DNS_NO;
	w->off += w->next == NEXT_AH ? (h[1] + 2) * 4 : (h[1] + 1) * 8;
	w->next = h[0];
	return DNS_GO_ON;
}

static __always_inline enum dns_verdict dns_icmp(struct __sk_buff *skb, struct dns_walk *w)
{
	__u8 type;

	if (w->quoted || !dns_load(skb, w, 0, &type, 1) || !dns_is_error(w->next, type))
		return DNS_NO;
	w->next = w->next == NEXT_ICMP ? NEXT_IP4 : NEXT_IP6;
	w->off += 8;
	w->quoted = true;
	w->is_first = false; /* the rest of an ICMP message is nothing to us */
	return DNS_GO_ON;
}

static __always_inline bool dns_is_doh4(__be32 a)
{
#define IS_SERVER(b3, b2, b1, b0)                                              \
	if (a == bpf_htonl((__u32)(b3) << 24 | (b2) << 16 | (b1) << 8 | (b0))) \
		return true;
	DOH_SERVERS4(IS_SERVER)
#undef IS_SERVER
	return false;
}

static __always_inline bool dns_is_doh6(__u64 high, __u64 low)
{
#define IS_SERVER(h, l)                      \
	if (high == h##ULL && low == l##ULL) \
		return true;
	DOH_SERVERS6(IS_SERVER)
#undef IS_SERVER
	return false;
}

static __always_inline bool dns_to_doh(const struct dns_walk *w, union dns_ports p)
{
	const __be32 *a = w->datagram.dst;

	if (p.each[1] != bpf_htons(DOH_PORT))
		return false;
	if (w->datagram.version == 4)
		return dns_is_doh4(a[0]);
	return dns_is_doh6((__u64)bpf_ntohl(a[0]) << 32 | bpf_ntohl(a[1]),
			   (__u64)bpf_ntohl(a[2]) << 32 | bpf_ntohl(a[3]));
}

static __always_inline bool dns_udp_handshake(struct __sk_buff *skb, const struct dns_walk *w,
					      union dns_ports p)
{
	bool dot = dns_either(p, PORT_DOT);
	__u8 first;

	if (!dot && !dns_to_doh(w, p))
		return false;
	return !dns_load(skb, w, UDP_HLEN, &first, 1) || first & QUIC_LONG ||
	       (dot && first == DTLS_HANDSHAKE);
}

/* A quote may end after the ports; that it speaks of port 853 is enough. */
static __always_inline enum dns_verdict dns_transport(struct __sk_buff *skb, struct dns_walk *w)
{
	union dns_ports ports;
	__u8 flags = 0;

	if (!dns_load(skb, w, 0, &ports, sizeof(ports)))
		return DNS_NO;
	if (dns_well_known(ports))
		return DNS_YES;
	if (w->quoted)
		return dns_either(ports, PORT_DOT) ? DNS_YES : DNS_NO;
	if (w->next == NEXT_UDP)
		return dns_udp_handshake(skb, w, ports) ? DNS_YES : DNS_NO;
	if (!dns_load(skb, w, TCP_FLAGS, &flags, 1))
		return DNS_NO;
	if (dns_may_be_doh(flags, ports) && dns_to_doh(w, ports))
		return DNS_YES;
	return dns_tcp_event(skb, flags, ports) ? DNS_YES : DNS_NO;
}

static __always_inline enum dns_verdict dns_header(struct __sk_buff *skb, struct dns_walk *w)
{
	bool six = w->datagram.version == 6;

	if (w->next == NEXT_UDP || w->next == NEXT_TCP)
		return dns_transport(skb, w);
	if (w->next == NEXT_IP4)
		return dns_ip4(skb, w);
	if (w->next == NEXT_IP6)
		return dns_ip6(skb, w);
	if (w->next == (six ? NEXT_ICMPV6 : NEXT_ICMP))
		return dns_icmp(skb, w);
	if (six && w->next == NEXT_FRAGMENT)
		return dns_fragment_header(skb, w);
	if (w->next == NEXT_AH || (six && dns_is_extension(w->next)))
		return dns_extension(skb, w);
	return DNS_NO;
}

/* Up to the IP header. */
static __always_inline bool dns_link(struct __sk_buff *skb, const struct nsw_tap *tap,
				     struct dns_walk *w)
{
	__be16 type = (__be16)skb->protocol;
	int i;

	w->off = 0;
	if (!(tap->flags & NSW_TAP_L3)) {
		if (!dns_load(skb, w, ETH_HLEN - 2, &type, sizeof(type)))
			return false;
		w->off = ETH_HLEN;
		for (i = 0; i < DNS_MAX_TAGS && is_tag(type); i++) {
			if (!dns_load(skb, w, 2, &type, sizeof(type)))
				return false;
			w->off += VLAN_TAG_LEN;
		}
	}
	w->next = type == bpf_htons(ETH_P_IP) ? NEXT_IP4 : NEXT_IP6;
	return type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6);
}

static __always_inline enum dns_verdict dns_walk(struct __sk_buff *skb, const struct nsw_tap *tap)
{
	struct dns_walk *w = bpf_map_lookup_elem(&walks, &(__u32){ 0 });
	enum dns_verdict v = DNS_NO;
	int i;

	if (!w || !dns_link(skb, tap, w))
		return DNS_NO;
	w->tap = tap->id;
	w->quoted = w->is_first = false;
	w->datagram.version = 0;
	for (i = 0; i < DNS_MAX_HEADERS; i++) {
		v = dns_header(skb, w);
		if (v != DNS_GO_ON)
			break;
	}
	if (w->is_first)
		dns_keep_verdict(w, v);
	return v == DNS_YES ? DNS_YES : DNS_NO;
}

static __always_inline bool dns_selects(struct __sk_buff *skb, const struct nsw_tap *tap)
{
	enum dns_verdict v = dns_quick(skb, tap);

	if (v == DNS_UNSURE)
		v = dns_walk(skb, tap);
	return v == DNS_YES;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shape of one frame: which layers it has and where they start. Filled by
 * decode_frame(); holds offsets into the packet's bytes, never copies, so it
 * is valid as long as they are. Never prints, never allocates.
 */
#ifndef NSWATCH_DECODE_FRAME_H
#define NSWATCH_DECODE_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "util/ipaddr.h"

enum frame_l4 {
	L4_NONE,
	L4_UDP,
	L4_TCP,
	L4_ICMP,
	L4_ICMP6,
	L4_GRE,
	L4_ERSPAN,
	L4_VXLAN,
	L4_GENEVE,
	L4_OTHER
};

/* Ethernet types that are decoded. */
enum {
	ET_IP = 0x0800,
	ET_ARP = 0x0806,
	ET_ETHER = 0x6558, /* transparent Ethernet bridging, RFC 1701: in tunnels alone */
	ET_RARP = 0x8035,
	ET_VLAN = 0x8100,
	ET_IP6 = 0x86dd,
	ET_JUMBO_LLC = 0x8870,
	ET_QINQ = 0x88a8,
	ET_QINQ_OLD = 0x9100,
};

/* The innermost header that decoding got to; what follows it is in the fields below. */
enum frame_layer {
	LAYER_LINK, /* not even the link-layer header is whole, or its type is not decoded */
	LAYER_VLAN,
	LAYER_RAW_8023, /* Ethernet length field, but no LLC header behind it */
	LAYER_LLC,
	LAYER_ARP,
	LAYER_IP4,
	LAYER_IP6,
	LAYER_IP6_EXT,	  /* stopped in an IPv6 extension header */
	LAYER_IP_VERSION, /* inside an IP tunnel: neither 4 nor 6 */
	LAYER_PAYLOAD,	  /* IP header whole; l4 says what follows */
};

/* A header field with a value that ends decoding; fault_value is that value. */
enum frame_fault {
	FAULT_NONE,
	FAULT_LENGTH_TYPE, /* Ethernet type between 1501 and 1535 */
	FAULT_IP_VERSION,
	FAULT_IP_HEADER_LEN,  /* bytes, less than 20 */
	FAULT_IP_TOTAL_LEN,   /* bytes, less than the header */
	FAULT_IP6_SHORT,      /* bytes there, less than 40 */
	FAULT_UDP_LEN,	      /* less than 8 */
	FAULT_UDP_LEN_OVER,   /* more than the IP packet holds; decoded all the same */
	FAULT_TCP_HEADER_LEN, /* bytes, less than 20 */
};

#define TCP_HLEN_MIN 20 /* of a header without options */

/* RFC 9293, section 3.1; TH_AE was NS once, RFC 3540. */
enum tcp_flag {
	TH_FIN = 0x01,
	TH_SYN = 0x02,
	TH_RST = 0x04,
	TH_ACK = 0x10,
	TH_URG = 0x20,
	TH_ECE = 0x40,
	TH_CWR = 0x80,
	TH_AE = 0x100,
	TH_RESERVED = 0xe00,
};

/* Most IPv6 extension headers that are recorded; more are malformed. */
#define FRAME_MAX_EXT 8

/* An inner or outer flow: what an IP header and the ports behind it say. */
struct flow {
	struct ipaddr src, dst;
	uint8_t proto; /* IANA number, after IPv6 extension headers */
	bool has_ports;
	uint16_t sport, dport; /* host byte order; only if has_ports */
};

struct frame {
	const uint8_t *data; /* borrowed from the packet */
	uint32_t caplen, wirelen;

	int dlt;
	enum frame_layer layer;
	enum frame_fault fault;
	uint32_t fault_value;

	bool has_mac_dst, has_mac_src;
	uint8_t mac_len; /* 6, or what a cooked capture says */
	uint32_t mac_dst_off, mac_src_off;
	bool is_8023;	      /* a length instead of an Ethernet type */
	uint32_t null_family; /* DLT_NULL */
	bool has_type;	      /* a type or length field was read */
	uint16_t ethertype;   /* after VLAN tags; 0 if none */
	uint32_t l2_off;      /* of what follows the link-layer header and the tags */
	bool has_end;	      /* the packet says where it ends; behind it is padding or a trailer */
	uint32_t end_off;
	bool is_end_tagged; /* that packet stands behind VLAN tags */
	uint32_t l2_len;    /* bytes from there to the end of the frame's contents */
	uint8_t nr_vlans;
	bool has_tci;		      /* the innermost tag was read */
	uint16_t vlan_tpid, last_tci; /* of the innermost tag */
	uint16_t vlan_tci[2];	      /* outermost first, host byte order */

	bool has_src, has_dst; /* IP addresses; of the innermost header */
	uint8_t nr_tunnels;    /* around what is described: IP headers, with what belongs to them */
	uint32_t l3_off;       /* of the IP or ARP header; 0 if none */
	uint8_t ip_version;    /* 4, 6; 0 if not IP */
	struct flow flow;
	uint8_t ip_hlen;   /* bytes, IPv4 */
	uint8_t ttl;	   /* or hop limit */
	uint32_t ip_id;	   /* IPv4 identification, or that of the fragment header */
	bool is_fragment;  /* not the whole datagram */
	uint32_t frag_off; /* bytes; a fragment other than the first has no L4 header */
	bool more_fragments;
	bool in_fragment;    /* an IP packet around this one was a fragment */
	uint16_t frag6_bits; /* of IPv6's fragment header: offset, more */
	uint32_t frag6_id;
	uint8_t nr_ext; /* IPv6 extension headers, in order */
	uint8_t ext[FRAME_MAX_EXT];

	uint32_t ip_payload_len; /* as the IP header says, also if the frame is shorter */
	enum frame_l4 l4;
	uint32_t l4_off;
	uint32_t l4_caplen; /* of these captured */
	uint32_t l4_len;    /* bytes from l4_off to the end of the IP packet, as its header says */

	/* UDP and TCP payload. payload_caplen <= payload_len, less if cut by the snapshot. */
	uint32_t payload_off;
	uint32_t payload_len;
	uint32_t payload_caplen;

	bool has_transport; /* the UDP or TCP header is whole, with its options */
	bool has_udp_len;
	uint16_t udp_checksum;
	uint16_t udp_len; /* as its header says */

	/* TCP */
	bool has_tcp; /* up to the window */
	bool has_urgent;
	uint32_t tcp_seq, tcp_ack;
	uint16_t tcp_flags; /* enum tcp_flag: 12 bits, with the reserved ones */
	uint16_t tcp_window;
	uint16_t tcp_urgent;
	uint8_t tcp_hlen; /* bytes, as the header says */

	/* ICMP and ICMPv6 */
	uint8_t icmp_type, icmp_code;
	bool icmp_is_error;
	bool has_quoted;
	bool quoted_truncated;	     /* the capture ends in the quoted headers */
	struct flow quoted;	     /* of the packet the error is about */
	uint32_t quoted_payload_off; /* behind the quoted UDP header, 0 if not there */
	uint32_t quoted_payload_caplen;

	bool truncated;	 /* a header goes on behind caplen */
	bool fault_read; /* a header could not be read to its end */
	bool malformed;	 /* a length or version field cannot be true */
	bool contained;	 /* of these: an extension header is longer than the packet */
};

/*
 * Decodes the frame's headers. dlt is libpcap's DLT_ value (DLT_EN10MB,
 * DLT_RAW, DLT_NULL, DLT_LOOP, DLT_IPV4, DLT_IPV6, DLT_LINUX_SLL, DLT_LINUX_SLL2). Always fills *f;
 * what could not be read is zero. Returns 0, or -ENOTSUP for another link type.
 */
int decode_frame(struct frame *f, const uint8_t *data, uint32_t caplen, uint32_t wirelen, int dlt);

/* A fragment, of which the packet that it is put together to is to be shown. Of the first one of an
 * IPv4 packet, not captured whole, nothing will be put together. */
static inline bool frame_waits(const struct frame *f)
{
	if (f->ip_version == 4 && !f->frag_off && f->l4_caplen < f->ip_payload_len)
		return false;
	return f->is_fragment;
}

#endif

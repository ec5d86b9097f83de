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

enum frame_l4 { L4_NONE, L4_UDP, L4_TCP, L4_ICMP, L4_ICMP6, L4_OTHER };

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

	uint16_t ethertype; /* after VLAN tags; 0 if none */
	uint8_t nr_vlans;
	uint16_t vlan_tci[2]; /* outermost first, host byte order */

	uint32_t l3_off;    /* of the IP or ARP header; 0 if none */
	uint8_t ip_version; /* 4, 6; 0 if not IP */
	struct flow flow;
	uint8_t ttl;	   /* or hop limit */
	uint32_t ip_id;	   /* IPv4 identification, or that of the fragment header */
	bool is_fragment;  /* not the whole datagram */
	uint32_t frag_off; /* bytes; a fragment other than the first has no L4 header */
	bool more_fragments;

	enum frame_l4 l4;
	uint32_t l4_off;
	uint32_t l4_len; /* bytes from l4_off to the end of the IP packet, as its header says */

	/* UDP and TCP payload. payload_caplen <= payload_len, less if cut by the snapshot. */
	uint32_t payload_off;
	uint32_t payload_len;
	uint32_t payload_caplen;

	/* TCP */
	uint32_t tcp_seq, tcp_ack;
	uint16_t tcp_flags; /* 12 bits, with the reserved ones */
	uint16_t tcp_window;

	/* ICMP and ICMPv6 */
	uint8_t icmp_type, icmp_code;
	bool icmp_is_error;
	bool has_quoted;
	struct flow quoted;	     /* of the packet the error is about */
	uint32_t quoted_payload_off; /* behind the quoted UDP header, 0 if not there */
	uint32_t quoted_payload_caplen;

	bool truncated; /* a header goes on behind caplen */
	bool malformed; /* a length or version field cannot be true */
};

/*
 * Decodes the frame's headers. dlt is libpcap's DLT_ value (DLT_EN10MB,
 * DLT_RAW, DLT_NULL, DLT_LINUX_SLL, DLT_LINUX_SLL2). Always fills *f; what could not be read is
 * zero. Returns 0, or -ENOTSUP for another link type.
 */
int decode_frame(struct frame *f, const uint8_t *data, uint32_t caplen, uint32_t wirelen, int dlt);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What address translation and filters of a namespace would do to a packet, by its
 * nftables rules (those of iptables-nft are such, too) and, for NAT of IPv4, by
 * those of iptables-legacy. No tool is run and no
 * packet is made: the rules are read, and followed with a made-up packet. Where
 * they ask for what cannot be known (a mark, a set, connection tracking) both
 * answers are possible, and where the outcome depends on it, it is NAT_UNKNOWN.
 */
#ifndef NSWATCH_NETNS_NAT_H
#define NSWATCH_NETNS_NAT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "dns/facts.h"
#include "util/ipaddr.h"

struct nat_packet {
	struct ipaddr src, dst; /* of one family */
	uint8_t proto;		/* IPPROTO_* */
	uint16_t dport;
	char iif[IFNAMSIZ], oif[IFNAMSIZ]; /* names; empty: none */
};

struct nat_rules;

/*
 * Reads the rules of the namespace that the caller is in (within a
 * netns_call()). Never fails: what cannot be read makes the answers
 * NAT_UNKNOWN. NULL without memory, which the functions below take.
 */
struct nat_rules *nat_read_here(void);
void nat_free(struct nat_rules *r);

/* Whether nftables are in the kernel, or asking for rules does not load them. */
bool nat_has_nftables(void);

/* Filters that may drop what is sent: they have a rule, or drop by their policy. */
enum nat_filter {
	NAT_FILTER_OUTPUT = 1 << 0, /* in the IP layer: who sends is refused */
	NAT_FILTER_EGRESS = 1 << 1, /* at an interface (nftables' netdev family), Linux 5.16 */
};

/* Which of them are in the namespace that the caller is in; all where it cannot be read. */
unsigned int nat_filters_of_sent_here(void);

/* Whether a packet that is forwarded gets another source on its way out. */
enum nat_answer nat_source(const struct nat_rules *r, const struct nat_packet *p);
/* Whether a packet that is sent here gets another destination. */
enum nat_answer nat_redirect(const struct nat_rules *r, const struct nat_packet *p);

/* The filter rules certainly drop it when it is to be forwarded. */
bool nat_blocks(const struct nat_rules *r, const struct nat_packet *p);

#endif

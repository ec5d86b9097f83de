/* SPDX-License-Identifier: GPL-2.0-only */
/* nftables rules, read and followed: the half of nat.c that knows their netlink form. */
#ifndef NSWATCH_NETNS_NFT_H
#define NSWATCH_NETNS_NFT_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>

#include "netns/nat.h"

/* What may come of following rules, several at once where that is not known. */
enum nft_may {
	MAY_NAT = 1 << 0,    /* the packet is translated */
	MAY_END = 1 << 1,    /* a verdict lets it pass */
	MAY_RETURN = 1 << 2, /* the end of the chain is reached */
	MAY_DROP = 1 << 3,   /* it is dropped or rejected */
	MAY_ANY = MAY_NAT | MAY_END | MAY_RETURN | MAY_DROP,
};

struct nft_rules {
	struct nft_chain *chains; /* all, by priority */
	size_t nr_chains, room_chains;
	struct nft_rule *rules; /* of the tables that matter, in their order */
	size_t nr_rules, room_rules;
};

/* Keeps copies of the messages. 0 or -errno; nft_fini() in either case. */
int nft_read_here(struct nft_rules *r);
/* Which filters for what is sent have a rule, or drop by their policy: enum nat_filter, or
 * -errno. */
int nft_filters_of_sent_here(void);
void nft_fini(struct nft_rules *r);

/* The chains of type nat at a hook (NF_INET_POST_ROUTING, ...) in turn: MAY_NAT, MAY_END. */
unsigned int nft_follow_nat(const struct nft_rules *r, uint32_t hook, const struct nat_packet *p);
/* The filters of what is forwarded: MAY_DROP, MAY_END. */
unsigned int nft_follow_forward(const struct nft_rules *r, const struct nat_packet *p);

#endif

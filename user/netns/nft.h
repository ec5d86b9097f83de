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
	MAY_END = 1 << 1,    /* a verdict ends the walk without it */
	MAY_RETURN = 1 << 2, /* the end of the chain is reached */
	MAY_ANY = MAY_NAT | MAY_END | MAY_RETURN,
};

struct nft_rules {
	struct nft_chain *chains; /* those of nat tables, by priority */
	size_t nr_chains, room_chains;
	struct nft_rule *rules; /* of these, in their order */
	size_t nr_rules, room_rules;
};

/* Keeps copies of the messages. 0 or -errno; nft_fini() in either case. */
int nft_read_here(struct nft_rules *r);
void nft_fini(struct nft_rules *r);

/* The chains of type nat at a hook (NF_INET_POST_ROUTING, ...) in turn. */
unsigned int nft_follow(const struct nft_rules *r, uint32_t hook, const struct nat_packet *p);

#endif

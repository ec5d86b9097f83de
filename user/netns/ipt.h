/* SPDX-License-Identifier: GPL-2.0-only */
/* The NAT table of iptables-legacy, IPv4: the half of nat.c that knows its form. */
#ifndef NSWATCH_NETNS_IPT_H
#define NSWATCH_NETNS_IPT_H

#include <stdint.h>

#include "netns/nat.h"

struct ipt_rules {
	uint8_t *entries; /* struct ipt_entry, one after another; NULL: none was read */
	uint32_t size;
	uint32_t hooks[5]; /* where the chains begin, by NF_INET_*; UINT32_MAX: there is none */
};

/* Reads the table of the namespace that the caller is in. It must be there: to ask loads
 * its module. 0 or -errno; ipt_fini() in either case. */
int ipt_read_here(struct ipt_rules *t, const char *name);
void ipt_fini(struct ipt_rules *t);

/* What the chain of that hook makes of the packet: MAY_NAT, MAY_END (enum nft_may). */
unsigned int ipt_follow_nat(const struct ipt_rules *t, uint32_t hook, const struct nat_packet *p);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What a namespace has: interfaces, addresses, routes, listening sockets. Each
 * function takes a namespace fd, or -1 for home, and enters it for the call. */
#ifndef NSWATCH_NETNS_INVENTORY_H
#define NSWATCH_NETNS_INVENTORY_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/facts.h"
#include "netns/netns.h"
#include "util/ipaddr.h"

#define LINK_MAX_ADDRS 8 /* kept per interface; the others are counted */
#define LINK_KIND_LEN  16

struct link_addr {
	struct ipaddr addr;
	uint8_t prefixlen;
};

struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ]; /* untrusted bytes */
	uint16_t type;	     /* ARPHRD_* */
	bool up;	     /* IFF_UP */
	bool loopback;
	char kind[LINK_KIND_LEN]; /* "veth", "bridge", "tun"...; empty for hardware */
	uint32_t peer_ifindex; /* IFLA_LINK: a veth's peer, a VLAN's or macvlan's parent; 0 none */
	int32_t peer_nsid;     /* its namespace as numbered in this one; -1: this one itself */
	uint32_t master;       /* ifindex of the bridge or bond it belongs to; 0 none */
	uint32_t mtu;	       /* bytes */
	uint8_t mac[6];	       /* only if mac_len is 6 */
	uint8_t mac_len;
	uint64_t rx_packets, tx_packets; /* since the interface was made */
	uint32_t nr_addrs;		 /* all of them, more than LINK_MAX_ADDRS perhaps */
	struct link_addr addrs[LINK_MAX_ADDRS];
};

/* Lists the interfaces by rising ifindex. The caller frees *links with free(). */
int inventory_links(int nsfd, struct link **links, size_t *n, struct err *e);

/* The interface with that ifindex or name, or NULL. The links are sorted as inventory_links()
 * sorts them. */
const struct link *inventory_find(const struct link *links, size_t n, uint32_t ifindex);
const struct link *inventory_find_name(const struct link *links, size_t n, const char *name);

/*
 * Asks the namespace's routing tables for the way to addr, as a send without a
 * bound source would. Sends nothing. *route_errno is 0 if there is one, else
 * what the send would fail with (ENETUNREACH, EHOSTUNREACH, EACCES, ...).
 */
int netns_route(int nsfd, const struct ipaddr *addr, int *route_errno, struct err *e);

/*
 * The default route of lowest metric in the main table, IPv4 before IPv6.
 * *found tells whether there is one; gateway has family 0 if it has no next hop.
 */
struct default_route {
	bool found;
	struct ipaddr gateway; /* family 0 if it has no next hop */
	uint8_t family;	       /* 4, 6 */
	uint32_t ifindex;      /* of the interface it leaves by */
};

int netns_gateway(int nsfd, bool *found, struct ipaddr *gateway, struct err *e);

/*
 * Fills out with the sockets that take DNS queries: unconnected UDP and
 * listening TCP ones on port 53, and every one on 127.0.0.11 (Docker's resolver,
 * whose port is random). At most max; *n is how many were stored.
 */
int netns_listeners(int nsfd, struct listener *out, uint32_t max, uint32_t *n, struct err *e);

/* True if one of them takes a packet for addr: bound to it, or to the any address. */
bool netns_listens(const struct listener *l, uint32_t n, const struct ipaddr *addr, uint8_t proto,
		   uint16_t port);

/*
 * The functions above for a caller that already is inside (within a
 * netns_call()); together they cost one thread instead of five.
 */
int inventory_links_here(struct link **links, size_t *n, struct err *e);
int netns_route_here(const struct ipaddr *addr, int *route_errno, struct err *e);
int netns_default_here(struct default_route *out, struct err *e);
int netns_gateway_here(bool *found, struct ipaddr *gateway, struct err *e);
/* The same for one other port alone. */
int netns_port_here(uint16_t port, struct listener *out, uint32_t max, uint32_t *n, struct err *e);
int netns_listeners_here(struct listener *out, uint32_t max, uint32_t *n, struct err *e);
/* Every listening TCP and unconnected UDP socket, at most max. */
int netns_sockets_here(struct listener *out, uint32_t max, uint32_t *n, struct err *e);

#endif

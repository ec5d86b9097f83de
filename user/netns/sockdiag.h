/* SPDX-License-Identifier: GPL-2.0-only */
/* How netns_listeners() gets its list; a header for its tests. */
#ifndef NSWATCH_NETNS_SOCKDIAG_H
#define NSWATCH_NETNS_SOCKDIAG_H

#include <stdint.h>

#include "dns/facts.h"

struct sockdiag_table {
	uint8_t family, proto, state; /* AF_INET, IPPROTO_UDP, TCP_CLOSE */
	const char *proc;	      /* "/proc/thread-self/net/udp" */
};

struct sockdiag_found {
	struct listener *out;
	uint32_t max, n;
	uint8_t proto;
	bool all;      /* not only what takes DNS queries */
	uint16_t port; /* sockets on that one alone; 0: any */
};

/*
 * For kernels without the udp_diag or tcp_diag module: reads t->proc. The text
 * does not tell IPV6_V6ONLY; a dual-stack socket is assumed, the default. A
 * missing file means no IPv6. 0 or -errno.
 */
int sockdiag_read_proc(const struct sockdiag_table *t, struct sockdiag_found *f);

#endif

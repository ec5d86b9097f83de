/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Multicast DNS (RFC 6762) and LLMNR (RFC 4795): a question goes to everybody, any
 * number of machines answer, and when nobody has the name there is silence. So a
 * question is open for a second, in which answers gather, and is then handed over
 * once; no answer is no failure. What nobody asked for is an announcement.
 *
 * Bounded: of more open questions than there is room for, the oldest is handed over
 * early.
 */
#ifndef NSWATCH_DNS_MULTICAST_H
#define NSWATCH_DNS_MULTICAST_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/dns.h"
#include "decode/frame.h"
#include "dns/transaction.h"
#include "packet.h"

#define MULTICAST_PORT_MDNS  5353
#define MULTICAST_PORT_LLMNR 5355

struct multicast;

struct multicast_ops {
	uint64_t (*serial)(void *ctx); /* of the next transaction */
	void (*transaction)(void *ctx, const struct dns_transaction *t);
};

/* NULL when out of memory. ops and ctx are kept. */
struct multicast *multicast_new(const struct multicast_ops *ops, void *ctx);
void multicast_free(struct multicast *m);

/* A message whose ports are those of flow, one of which is mDNS's or LLMNR's. */
void multicast_message(struct multicast *m, const struct packet *p, const struct flow *flow,
		       const struct dns_msg *msg);

/* Hands over what is due at now, in ns as packets have it; and when that is needed next,
 * INT64_MAX for not until something comes in. */
void multicast_tick(struct multicast *m, int64_t now);
int64_t multicast_next(const struct multicast *m);

/* Hands over all that is open, and fills the summary's part. */
void multicast_finish(struct multicast *m, int64_t now, struct dns_summary *s);

#endif

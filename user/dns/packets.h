/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a packet says about DNS: whether it is any, which messages it completes, and
 * whose failure an ICMP error or a reset is. A part of the engine; what becomes of it
 * is for trans.c, dns/multicast.h and symptoms.c.
 */
#ifndef NSWATCH_DNS_PACKETS_H
#define NSWATCH_DNS_PACKETS_H

#include "decode/frame.h"
#include "dns/engine.h"
#include "packet.h"

/* Any packet, see dns_engine_packet(); the clock has been set. */
void packets_take(struct dns_engine *e, const struct packet *p, const struct frame *f);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_STREAM_RECORD_H
#define NSWATCH_STREAM_RECORD_H

#include "nswatch/record.h"
#include "packet.h"
#include "util/ipaddr.h"

/* The contract's types, as the rest of user space knows them. */
struct owner record_owner(const struct nsw_owner *o);
/* An IPv4-mapped address becomes the IPv4 one. */
struct ipaddr record_addr(const struct nsw_addr *a);

#endif

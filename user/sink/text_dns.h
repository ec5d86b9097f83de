/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_TEXT_DNS_H
#define NSWATCH_SINK_TEXT_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/frame.h"
#include "util/strbuf.h"

/*
 * tshark's Info column for the DNS message of a UDP datagram or TCP segment:
 * "Standard query 0x1a2b A example.com". payload is the transport's payload; caplen bytes
 * of it were captured, len were sent. Sets *protocol ("DNS", "MDNS", "LLMNR"). False, and
 * nothing is appended, if tshark would not take it for DNS.
 *
 * For TCP, whole messages that start at the segment's start are printed, as
 * tshark does with a segment that needs no reassembly.
 */
bool text_dns_info(struct strbuf *out, const char **protocol, const uint8_t *payload,
		   uint32_t caplen, uint32_t len, const struct frame *f);

/* True if the capture holds too little of a datagram to tell whether it is DNS. */
bool text_dns_cuts_guess(const uint8_t *payload, uint32_t caplen, uint32_t len);

#endif

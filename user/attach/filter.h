/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A capture filter, pcap-filter(7): compiled by libpcap, then either translated
 * to eBPF for the kernel or run here on the bytes of a captured frame. Pure: no
 * system call, except that libpcap may look a host, port or protocol name up.
 */
#ifndef NSWATCH_ATTACH_FILTER_H
#define NSWATCH_ATTACH_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "packet.h"

struct bpf_insn; /* the kernel's, <linux/bpf.h> */
struct err;
struct filter;

/*
 * Compiles expr for link type dlt (libpcap's DLT_). An empty expression matches
 * all. snaplen 0 is taken as the largest. The netmask is taken as unknown the way
 * tcpdump takes it, as 0: `ip broadcast` is 0.0.0.0 and 255.255.255.255.
 * 0 and *out, which filter_free() releases; -EINVAL with libpcap's message;
 * -ENOMEM.
 */
int filter_compile(struct filter **out, const char *expr, int dlt, uint32_t snaplen, struct err *e);
void filter_free(struct filter *f);

/* Bytes of stack that a translated filter may use. */
#define FILTER_STACK 176

/*
 * Makes the body of `int f(struct __sk_buff *skb, __u32 flags)` for a TC program,
 * arguments in R1 and R2, result in R0: 1 for a match, else 0. flags takes
 * NSW_TAP_L3 (the skb starts with the IP header) and NSW_EGRESS (for `inbound`
 * and `outbound`); other bits are ignored. The body calls no other subprogram,
 * uses no map and only registers 0 to 5, and never modifies the skb.
 *
 * inline_below 0 makes a subprogram, which returns with exit. Otherwise the body is
 * to be jumped to within a function, which saves the call and return: it keeps off
 * the first inline_below bytes of the function's stack (a multiple of 8, at most
 * 512 - FILTER_STACK), and leaves by going on with the instruction behind its last.
 *
 * It decides on the frame as it will be written, skb->len long and not cut to
 * a snapshot length: for DLT_EN10MB, with a stripped VLAN tag reinserted, and on
 * an NSW_TAP_L3 interface behind an Ethernet header of zero addresses and
 * skb->protocol. For any other link type the skb's bytes are taken as they are.
 *
 * 0, *insns (malloc'ed, to be freed) and *n; -EOPNOTSUPP for what cannot be
 * translated (`protochain` loops), -E2BIG if jumps do not reach, -ENOMEM. On an
 * error, as on the verifier's refusal, filter_match() is the way out.
 */
int filter_translate(const struct filter *f, uint32_t inline_below, struct bpf_insn **insns,
		     size_t *n, struct err *e);

/*
 * pcap_offline_filter() on one frame. `inbound` and `outbound` look at dir; with
 * DIR_UNKNOWN neither matches.
 */
bool filter_match(const struct filter *f, const uint8_t *data, uint32_t caplen, uint32_t wirelen,
		  enum direction dir);

/* Whether it depends on a packet's length: what is in two packets here may be one
 * at the next interface, and that is another answer then. */
bool filter_asks_length(const struct filter *f);

#endif

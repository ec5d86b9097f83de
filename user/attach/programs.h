/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_ATTACH_PROGRAMS_H
#define NSWATCH_ATTACH_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nswatch/record.h"
#include "util/err.h"

struct bpf_insn;
struct ring; /* stream/stream.h */

/*
 * The BPF programs and maps of one run: loaded once, attached many times.
 * Owned by the loader; the collector inherits the mapped memory by fork.
 */
struct programs;

struct programs_options {
	uint32_t snaplen;    /* bytes of a frame to keep */
	uint64_t ring_bytes; /* packet ring; a chunk for each CPU comes to that, and it is
			      * rounded up to segments */
	uint32_t max_taps;   /* ids 1..max_taps-1 can be used */
	bool owners;	     /* records carry the socket's owner */
	bool dns;	     /* only what bpf/dns.bpf.h selects, and the filter then narrows */
	bool mdns;	     /* with dns: mDNS and LLMNR as well */
	uint16_t dns_ports[NSW_MAX_DNS_PORTS]; /* with dns: beside port 53, 0 for none */
	bool every_errno; /* with dns: of each failed call, at a cost to every system call */
	bool one_for_all; /* many taps are to come: none gets a program of its own */
	bool meet;	  /* for programs_attach_namespaces() */
	/* Body of the capture filter, to be inlined below INSNS_OWN_STACK, or NULL: all match. */
	const struct bpf_insn *filter;
	size_t filter_len; /* instructions */
};

enum programs_hook { HOOK_INGRESS, HOOK_EGRESS };

/*
 * Loads. -ENOTSUP without BTF, -EPERM without the privileges; -EINVAL if the
 * kernel's verifier refused (with a filter: perhaps because of it).
 */
int programs_load(struct programs **out, const struct programs_options *o, struct err *e);
void programs_free(struct programs *p);

/* A program for one direction of a tap: an fd, the caller's, or -errno. */
int programs_instance(struct programs *p, enum programs_hook hook, const struct nsw_tap *tap);
int programs_attempts_fd(const struct programs *p);
enum nsw_clock programs_clock(const struct programs *p);
bool programs_have_owners(const struct programs *p);
/* The packet ring; mapped, valid until programs_free(). */
const struct ring *programs_ring(const struct programs *p);
/* The books: counts[tap * ncpus + cpu]; mapped, valid until programs_free(). */
const struct nsw_count *programs_counts(const struct programs *p);
/* The highest number that a CPU can have, and 1. */
uint32_t programs_ncpus(const struct programs *p);

/* Maps (netns inode, ifindex) to a tap. */
int programs_tap_add(struct programs *p, uint32_t netns, uint32_t ifindex,
		     const struct nsw_tap *tap);
void programs_tap_del(struct programs *p, uint32_t netns, uint32_t ifindex);

/* Socket calls of this namespace are of interest. */
int programs_watch_netns(struct programs *p, uint32_t netns);

/* Sets which namespaces are known: the first sign of any other one is reported in
 * the attempts ring (NSW_CALL_NETNS). 0 or -errno. */
int programs_set_known(struct programs *p, const uint32_t *netns, size_t n);
/* This one is gone, or left alone: nothing of it is of interest any more, and another
 * one that gets its number is reported. */
void programs_forget_netns(struct programs *p, uint32_t netns);

/* Attaches what reports unknown namespaces. Vanishes with the caller. */
int programs_attach_namespaces(struct programs *p, struct err *e);

/* Attaches what looks at processes: the socket hooks to the root cgroup and, with
 * dns, the tracepoint of exec and, with every_errno, of system calls. They vanish with the caller.
 */
int programs_attach_processes(struct programs *p, struct err *e);
/* With dns, once: there may be a firewall that drops what processes send, and from now on that
 * is seen, at a cost to every packet that the machine drops. */
void programs_watch_drops(struct programs *p);
/* Finds the owners of sockets that are open already; to be called once hooks are
 * attached and namespaces watched, and again when there are more of these. */
int programs_seed_owners(struct programs *p, struct err *e);
void programs_detach_processes(struct programs *p);

#endif

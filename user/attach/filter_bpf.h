/* SPDX-License-Identifier: GPL-2.0-only */
/* Classic BPF to eBPF: see filter_bpf.c. For filter.c and its tests. */
#ifndef NSWATCH_ATTACH_FILTER_BPF_H
#define NSWATCH_ATTACH_FILTER_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;    /* <linux/bpf.h> */
struct sock_filter; /* <linux/filter.h> */
struct err;

/*
 * Translates n instructions to a function body; contract and errors as
 * filter_translate(), plus -EINVAL for a program that is not well-formed.
 * ethernet: the program reads Ethernet frames.
 */
int filter_bpf_translate(const struct sock_filter *prog, size_t n, bool ethernet,
			 uint32_t inline_below, struct bpf_insn **out, size_t *nout, struct err *e);

#endif

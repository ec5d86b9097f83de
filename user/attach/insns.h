/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_ATTACH_INSNS_H
#define NSWATCH_ATTACH_INSNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;

/*
 * Work on the instructions of a TC program between compiler and kernel: the
 * marked places of bpf/emit.bpf.h are filled in. Pure.
 */

/* Stack that a program may use itself; below it is the filter's. */
#define INSNS_OWN_STACK 256

/*
 * Makes a copy of the program whose filter is body (see filter_translate(), with
 * inline_below INSNS_OWN_STACK), or, if NULL, one that all packets match. 0,
 * *out (malloc'ed) and *nout; -ENOENT if there is no marked instruction,
 * -E2BIG if a jump does not reach or the program's stack leaves no room.
 */
int insns_with_filter(const struct bpf_insn *insns, size_t n, const struct bpf_insn *body,
		      size_t nbody, struct bpf_insn **out, size_t *nout);

/*
 * Puts "r0 = 0" in the place of each call of a kernel function that this kernel
 * does not have (libbpf leaves 0 for its id), or, if all, of each call at all: the
 * program then takes another way. Returns how many it replaced.
 */
unsigned int insns_drop_kfuncs(struct bpf_insn *insns, size_t n, bool all);

/* Makes nothing of each atomic exchange: for programs that do not come to one, on kernels that
 * refuse it all the same. */
void insns_drop_exchanges(struct bpf_insn *insns, size_t n);

/* Fills in which tap the program serves. value 0: it looks that up. -ENOENT without a mark. */
int insns_set_tap(struct bpf_insn *insns, size_t n, uint32_t value);

#endif

// SPDX-License-Identifier: GPL-2.0-only
#include "attach/insns.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "nswatch/record.h"

#define MOV_IMM	  (BPF_ALU64 | BPF_MOV | BPF_K)
#define CALL	  (BPF_JMP | BPF_CALL)
#define JUMP	  (BPF_JMP | BPF_JA)
#define ATOMIC	  (BPF_STX | BPF_ATOMIC | BPF_DW)
#define LOAD_WIDE (BPF_LD | BPF_IMM | BPF_DW) /* two instructions long */

/* Index of the marked instruction, or n. */
static size_t find_mark(const struct bpf_insn *insns, size_t n, int32_t mark)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (insns[i].code == MOV_IMM && insns[i].imm == mark)
			return i;
		if (insns[i].code == LOAD_WIDE)
			i++;
	}
	return n;
}

static bool is_memory_access(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LDX: return insn->src_reg == BPF_REG_10;
	case BPF_ST:
	case BPF_STX: return insn->dst_reg == BPF_REG_10;
	default: return false;
	}
}

/* The deepest stack byte that is named: an access, or an address that is made
 * as compilers do, by a copy of r10 and a sum. */
static int stack_depth(const struct bpf_insn *insns, size_t n)
{
	int depth = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct bpf_insn *in = &insns[i];

		if (is_memory_access(in) && -in->off > depth)
			depth = -in->off;
		if (in->code == (BPF_ALU64 | BPF_MOV | BPF_X) && in->src_reg == BPF_REG_10 &&
		    i + 1 < n && insns[i + 1].code == (BPF_ALU64 | BPF_ADD | BPF_K) &&
		    -insns[i + 1].imm > depth)
			depth = -insns[i + 1].imm;
	}
	return depth;
}

static struct bpf_insn jump(size_t from, size_t to)
{
	return (struct bpf_insn){ .code = JUMP, .off = (int16_t)((long)to - (long)from - 1) };
}

int insns_with_filter(const struct bpf_insn *insns, size_t n, const struct bpf_insn *body,
		      size_t nbody, struct bpf_insn **out, size_t *nout)
{
	size_t mark = find_mark(insns, n, NSW_MARK_FILTER);
	size_t total = body ? n + nbody + 1 : n;
	struct bpf_insn *copy;

	if (mark == n)
		return -ENOENT;
	if (body && (total > INT16_MAX || stack_depth(insns, n) > INSNS_OWN_STACK))
		return -E2BIG;
	copy = calloc(total, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, insns, n * sizeof(*copy));
	if (body) {
		/* Out of line at the end, so that no jump of the program moves. */
		copy[mark] = jump(mark, n);
		memcpy(copy + n, body, nbody * sizeof(*copy));
		copy[n + nbody] = jump(n + nbody, mark + 1);
	} else {
		copy[mark].imm = 1;
	}
	*out = copy;
	*nout = total;
	return 0;
}

unsigned int insns_drop_kfuncs(struct bpf_insn *insns, size_t n, bool all)
{
	unsigned int dropped = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (insns[i].code == LOAD_WIDE) {
			i++;
			continue;
		}
		if (insns[i].code != CALL || insns[i].src_reg != BPF_PSEUDO_KFUNC_CALL ||
		    (insns[i].imm && !all))
			continue;
		insns[i] = (struct bpf_insn){ .code = MOV_IMM, .dst_reg = BPF_REG_0 };
		dropped++;
	}
	return dropped;
}

void insns_drop_exchanges(struct bpf_insn *insns, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (insns[i].code == LOAD_WIDE)
			i++;
		else if (insns[i].code == ATOMIC && insns[i].imm == BPF_XCHG)
			insns[i] = jump(i, i + 1);
	}
}

int insns_set_tap(struct bpf_insn *insns, size_t n, uint32_t value)
{
	size_t mark = find_mark(insns, n, NSW_MARK_TAP);

	if (mark == n)
		return -ENOENT;
	insns[mark].imm = (int32_t)value;
	return 0;
}

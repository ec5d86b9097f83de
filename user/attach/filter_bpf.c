// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classic BPF to eBPF, as the body of a subprogram of a TC program.
 *
 * Three layouts. The filter must see the frame as it will be written, which is
 * not always what lies at skb->data:
 *
 *   plain   the frame is the skb
 *   VLAN    the kernel moved a tag to skb->vlan_*: 12 bytes of the skb, the tag
 *           (4 bytes), the rest of the skb; "shift" 4, "split" 16
 *   L3      no link-layer header: 12 zero bytes, skb->protocol, the whole skb;
 *           "shift" 14, "split" 14
 *
 * The body holds the filter once per layout and picks one at its start, so that a
 * load at a constant offset knows at translation time where its bytes are. What
 * lies at or behind `split` is in the skb, `shift` bytes earlier. What straddles
 * the synthetic bytes goes through the "window", the 8 bytes before split and
 * the 4 after it, put together as 128 bits and shifted.
 *
 * Two copies per layout. The fast one reads the packet directly and calls
 * nothing. Where it must know that bytes are there it compares with data_end,
 * and on failure jumps to the same instruction of the slow copy, with A, X
 * and M[] as they are. Slow does not mean reject: the bytes may lie in a fragment
 * of the skb. The slow copy does every load with bpf_skb_load_bytes(), whose
 * failure is cBPF's out-of-bounds reject, and never goes back. So what the fast copy
 * checks is a matter of speed alone: it may check for more than the load at hand
 * to save a later check, and it may give up on anything odd. What is already
 * checked is tracked forward over the program (struct known); cBPF only jumps
 * forward, so one pass in order sees all predecessors of an instruction first.
 *
 * Instructions that cannot be reached must not be emitted: the verifier refuses
 * dead code. LD_ABS/LD_IND are not used: on a short packet they return 0 from
 * the whole program, and 0 ends the chain of TC programs.
 *
 * No callee-saved register is used, so that the JIT pushes and pops none; the slow
 * copy saves what it needs over a call on the stack.
 */
#include "attach/filter_bpf.h"

#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "attach/filter.h"
#include "nswatch/record.h"
#include "util/cleanup.h"
#include "util/err.h"

/* Registers. In the slow copy 0 to 3 are scratch, and 4 and 5 are lost by a call. */
enum {
	R_TMP = BPF_REG_0,
	R_XP = BPF_REG_1,   /* fast: data + X, if known.xp */
	R_END = BPF_REG_2,  /* fast: data_end */
	R_DATA = BPF_REG_3, /* fast: data */
	R_A = BPF_REG_4,    /* zero-extended to 64 bits, always */
	R_X = BPF_REG_5,    /* the same */
	R_FP = BPF_REG_10,
};

/* The stack, in 8-byte slots: the verifier follows whole slots best. */
enum {
	S_CTX = -8,
	S_FLAGS = -16,
	S_KEEP = -24, /* A or X over a call */
	S_BUF = -32,  /* bytes loaded */
	S_OFF = -40,  /* window: offset asked for */
	S_HIGH = -48, /* window: bytes before the split */
	S_MEM = -56,  /* M[0]; M[i] lies 8 * i lower */
	S_LOWEST = S_MEM - 8 * (BPF_MEMWORDS - 1),
};
_Static_assert(-S_LOWEST == FILTER_STACK, "promised in filter.h");

/* The fast copy gives up on offsets beyond these: the verifier bounds a packet
 * pointer's variable part and offset together by 65,535. */
#define FAST_MAX_OFF 0x3fffu
#define FAST_MAX_X   0x7fffu
/* How much further than needed a check may reach to save a later one. An IPv4 or
 * UDP header is longer than this beyond where its first field is read, so that few
 * real packets fail it. */
#define CHECK_AHEAD	  16u
#define CHECK_AHEAD_INSNS 64u

#define PKTTYPE_OFF ((uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE))

enum layout_id { PLAIN, VLAN, L3, NR_LAYOUTS };

static const struct layout {
	uint32_t shift, split;
} layouts[NR_LAYOUTS] = {
	[PLAIN] = { 0, 0 },
	[VLAN] = { 4, 16 },
	[L3] = { 14, 14 },
};

#define WINDOW 8u /* bytes of the window before the split */

/* What holds on every way from the start to an instruction of the fast copy. */
struct known {
	bool reached;
	bool xp;	/* R_XP is data + X */
	uint32_t data;	/* that many bytes from data on are linear */
	uint32_t xdata; /* the same from R_XP on */
	uint32_t xmax;	/* of X */
};

enum copy { FAST, SLOW, NR_COPIES };

/* Targets beside the n instructions, counted from n on. */
enum { AT_REJECT, AT_ENTRY, AT_END, NR_TARGETS };

/* A jump whose target was not placed yet. */
struct fixup {
	size_t at;
	enum layout_id layout;
	enum copy copy;
	size_t target; /* cBPF instruction; or one of below, from n on */
};

struct xlate {
	const struct sock_filter *prog;
	size_t n;
	bool ethernet;
	int below; /* bytes of the stack to leave to the caller; 0 for a subprogram */

	enum layout_id id;
	const struct layout *layout;
	enum copy copy;
	size_t i; /* the instruction being translated */

	struct known now;    /* before, then after instruction i of the fast copy */
	struct known *known; /* [n], of this layout */
	bool *slow;	     /* [n]: reached in this layout's slow copy */
	bool rejects;	     /* this copy jumps to its reject */

	size_t *place[NR_LAYOUTS][NR_COPIES]; /* [n + NR_TARGETS], into out */
	struct bpf_insn *out;
	size_t nout, out_size;
	struct fixup *fixups;
	size_t nr_fixups, fixups_size;
	int err; /* sticky: emitting never fails in the middle */
};

/* --- emitting --- */

static void *grow(struct xlate *x, void *array, size_t used, size_t *size, size_t elem)
{
	size_t want = *size ? *size * 2 : 256;
	void *p;

	if (used < *size)
		return array;
	p = x->err ? NULL : reallocarray(array, want, elem);
	if (!p) {
		x->err = x->err ? x->err : -ENOMEM;
		return NULL;
	}
	*size = want;
	return p;
}

static void put(struct xlate *x, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	struct bpf_insn *p = grow(x, x->out, x->nout, &x->out_size, sizeof(*p));

	if (!p)
		return;
	x->out = p;
	if (BPF_CLASS(code) == BPF_LDX ? src == R_FP : dst == R_FP)
		off = (int16_t)(off - x->below);
	x->out[x->nout++] = (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm
	};
}

static void put_mov(struct xlate *x, uint8_t dst, uint8_t src)
{
	put(x, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

/* dst = imm, 32 bits, the upper ones zero */
static void put_imm(struct xlate *x, uint8_t dst, uint32_t imm)
{
	put(x, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)imm);
}

static void put_alu64(struct xlate *x, uint8_t op, uint8_t dst, int32_t imm)
{
	put(x, BPF_ALU64 | op | BPF_K, dst, 0, 0, imm);
}

static void put_load(struct xlate *x, uint8_t size, uint8_t dst, uint8_t src, int off)
{
	put(x, BPF_LDX | BPF_MEM | size, dst, src, (int16_t)off, 0);
}

static void put_store(struct xlate *x, int slot, uint8_t src)
{
	put(x, BPF_STX | BPF_MEM | BPF_DW, R_FP, src, (int16_t)slot, 0);
}

static void put_be(struct xlate *x, uint8_t reg, int bits)
{
	put(x, BPF_ALU | BPF_END | BPF_TO_BE, reg, 0, 0, bits);
}

/* dst = a 32-bit field of __sk_buff; dst may be any register. */
static void put_field(struct xlate *x, uint8_t dst, size_t field)
{
	put_load(x, BPF_DW, dst, R_FP, S_CTX);
	put_load(x, BPF_W, dst, dst, (int)field);
}

#define SKB(field) offsetof(struct __sk_buff, field)

static void put_fixup(struct xlate *x, enum layout_id layout, enum copy copy, size_t target)
{
	struct fixup *p = grow(x, x->fixups, x->nr_fixups, &x->fixups_size, sizeof(*p));

	if (!p)
		return;
	x->fixups = p;
	x->fixups[x->nr_fixups++] = (struct fixup){ x->nout, layout, copy, target };
}

/* Leaves the body with the result in R0: an inlined one to behind its end. */
static void put_leave(struct xlate *x)
{
	if (!x->below) {
		put(x, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		return;
	}
	put_fixup(x, PLAIN, FAST, x->n + AT_END);
	put(x, BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

static void put_exit(struct xlate *x, bool match)
{
	put_imm(x, BPF_REG_0, match);
	put_leave(x);
}

/* Jumps to the slow copy's version of this instruction. code as put(). */
static void jump_slow(struct xlate *x, uint8_t code, uint8_t dst, uint8_t src, int32_t imm)
{
	x->slow[x->i] = true;
	put_fixup(x, x->id, SLOW, x->i);
	put(x, code, dst, src, 0, imm);
}

static void jump_reject(struct xlate *x, uint8_t code, uint8_t dst, uint8_t src, int32_t imm)
{
	x->rejects = true;
	put_fixup(x, x->id, x->copy, x->n + AT_REJECT);
	put(x, code, dst, src, 0, imm);
}

static void reject(struct xlate *x)
{
	jump_reject(x, BPF_JMP | BPF_JA, 0, 0, 0);
}

/* A forward jump within a few instructions: land() says where it goes. */
static size_t hop(struct xlate *x, uint8_t code, uint8_t dst, int32_t imm)
{
	put(x, code, dst, 0, 0, imm);
	return x->nout - 1;
}

static void land(struct xlate *x, size_t from)
{
	if (!x->err)
		x->out[from].off = (int16_t)(x->nout - from - 1);
}

/* --- control flow --- */

static void merge_known(struct known *to, const struct known *from)
{
	if (!to->reached) {
		*to = *from;
		return;
	}
	to->xp = to->xp && from->xp;
	to->data = to->data < from->data ? to->data : from->data;
	to->xdata = to->xdata < from->xdata ? to->xdata : from->xdata;
	to->xmax = to->xmax > from->xmax ? to->xmax : from->xmax;
}

/* Control may pass from the current instruction to `target`. */
static void flow(struct xlate *x, size_t target)
{
	if (x->copy == SLOW)
		x->slow[target] = true;
	else
		merge_known(&x->known[target], &x->now);
}

static void jump(struct xlate *x, uint8_t code, uint8_t src, uint32_t imm, size_t target)
{
	flow(x, target);
	put_fixup(x, x->id, x->copy, target);
	put(x, code, BPF_OP(code) == BPF_JA ? 0 : R_A, src, 0, (int32_t)imm);
}

static void jump_always(struct xlate *x, size_t target)
{
	if (target == x->i + 1)
		flow(x, target);
	else
		jump(x, BPF_JMP | BPF_JA, 0, 0, target);
}

static void translate_jump(struct xlate *x, const struct sock_filter *s)
{
	static const uint8_t inverse[] = {
		[BPF_JEQ >> 4] = BPF_JNE,
		[BPF_JGT >> 4] = BPF_JLE,
		[BPF_JGE >> 4] = BPF_JLT,
		[BPF_JSET >> 4] = 0,
	};
	size_t yes = x->i + 1 + s->jt, no = x->i + 1 + s->jf;
	uint8_t op = BPF_OP(s->code);
	bool by_x = BPF_SRC(s->code) == BPF_X;
	uint8_t code = BPF_JMP32 | (by_x ? BPF_X : BPF_K);
	uint8_t src = by_x ? R_X : 0;
	uint32_t imm = by_x ? 0 : s->k;

	if (op == BPF_JA) {
		jump_always(x, x->i + 1 + s->k);
	} else if (yes == x->i + 1 && no != yes && inverse[op >> 4]) {
		jump(x, code | inverse[op >> 4], src, imm, no);
		flow(x, yes);
	} else if (yes != no) {
		jump(x, code | op, src, imm, yes);
		jump_always(x, no);
	} else {
		jump_always(x, no);
	}
}

static void translate_ret(struct xlate *x, const struct sock_filter *s)
{
	size_t over;

	if (BPF_RVAL(s->code) != BPF_A) {
		put_exit(x, s->k != 0);
		return;
	}
	put_imm(x, BPF_REG_0, 0);
	over = hop(x, BPF_JMP | BPF_JEQ | BPF_K, R_A, 0);
	put_imm(x, BPF_REG_0, 1);
	land(x, over);
	put_leave(x);
}

/* --- arithmetic --- */

/* cBPF's shift by 32 and more gives 0; eBPF takes the count modulo 32. */
static void translate_shift(struct xlate *x, const struct sock_filter *s)
{
	size_t over, end;

	if (BPF_SRC(s->code) == BPF_K) {
		if (s->k < 32)
			put(x, s->code, R_A, 0, 0, (int32_t)s->k);
		else
			put_imm(x, R_A, 0);
		return;
	}
	over = hop(x, BPF_JMP | BPF_JLT | BPF_K, R_X, 32);
	put_imm(x, R_A, 0);
	end = hop(x, BPF_JMP | BPF_JA, 0, 0);
	land(x, over);
	put(x, s->code, R_A, R_X, 0, 0);
	land(x, end);
}

/* The operators' codes are the same in both; a result has 32 bits in both. */
static void translate_alu(struct xlate *x, const struct sock_filter *s)
{
	uint8_t op = BPF_OP(s->code);
	bool by_x = BPF_SRC(s->code) == BPF_X;

	if (op == BPF_LSH || op == BPF_RSH) {
		translate_shift(x, s);
	} else if (op == BPF_NEG) {
		put(x, BPF_ALU | BPF_NEG, R_A, 0, 0, 0);
	} else if ((op == BPF_DIV || op == BPF_MOD) && !by_x && !s->k) {
		reject(x);
		return;
	} else {
		if ((op == BPF_DIV || op == BPF_MOD) && by_x)
			jump_reject(x, BPF_JMP | BPF_JEQ | BPF_K, R_X, 0, 0);
		put(x, s->code, R_A, by_x ? R_X : 0, 0, by_x ? 0 : (int32_t)s->k);
	}
	flow(x, x->i + 1);
}

/* X got a new value. */
static void forget_x(struct xlate *x, uint32_t xmax)
{
	x->now.xp = false;
	x->now.xdata = 0;
	x->now.xmax = xmax;
}

static void translate_misc(struct xlate *x, const struct sock_filter *s)
{
	if (BPF_MISCOP(s->code) == BPF_TAX) {
		put_mov(x, R_X, R_A);
		forget_x(x, UINT32_MAX);
	} else {
		put_mov(x, R_A, R_X);
	}
	flow(x, x->i + 1);
}

static int mem_slot(uint32_t k)
{
	return S_MEM - 8 * (int)k;
}

static void translate_store(struct xlate *x, const struct sock_filter *s)
{
	put_store(x, mem_slot(s->k), BPF_CLASS(s->code) == BPF_ST ? R_A : R_X);
	flow(x, x->i + 1);
}

/* --- loads: where the bytes are --- */

static bool is_load(const struct sock_filter *s)
{
	return BPF_CLASS(s->code) == BPF_LD || BPF_CLASS(s->code) == BPF_LDX;
}

static bool is_pkttype(const struct sock_filter *s)
{
	return BPF_CLASS(s->code) == BPF_LD && BPF_MODE(s->code) == BPF_ABS && s->k == PKTTYPE_OFF;
}

static uint32_t load_size(const struct sock_filter *s)
{
	switch (BPF_SIZE(s->code)) {
	case BPF_W: return 4;
	case BPF_H: return 2;
	default: return 1;
	}
}

enum where {
	NOWHERE, /* beyond any frame */
	IN_SKB,	 /* at *off of the skb */
	IN_TPID, /* two bytes of metadata each */
	IN_TCI,
	IN_PROTOCOL,
	IN_ZEROES,
	IN_WINDOW,
	INDEXED, /* X decides */
};

/* Where a load's bytes are; *off becomes the offset in the skb. For an indexed
 * load, IN_SKB is an offset to be added to X. */
static enum where locate(const struct xlate *x, const struct sock_filter *s, uint32_t *off)
{
	const struct layout *l = x->layout;
	uint32_t size = load_size(s);

	*off = s->k;
	if (s->k > INT_MAX)
		return NOWHERE;
	if (s->k >= l->split) {
		*off = s->k - l->shift;
		return IN_SKB;
	}
	if (BPF_MODE(s->code) == BPF_IND)
		return INDEXED;
	if (s->k + size <= 12)
		return x->id == VLAN ? IN_SKB : IN_ZEROES;
	if (s->k == 12 && size == 2)
		return x->id == VLAN ? IN_TPID : IN_PROTOCOL;
	if (s->k == 14 && size == 2)
		return IN_TCI;
	return IN_WINDOW;
}

static void finish_load(struct xlate *x, const struct sock_filter *s, uint8_t base, int off)
{
	uint8_t dst = BPF_CLASS(s->code) == BPF_LD ? R_A : R_X;

	put_load(x, BPF_SIZE(s->code), dst, base, off);
	if (load_size(s) > 1)
		put_be(x, dst, (int)load_size(s) * 8);
}

/* X = 4 * (byte & 0xf), with the byte in X */
static void finish_msh(struct xlate *x, const struct sock_filter *s)
{
	if (BPF_MODE(s->code) != BPF_MSH)
		return;
	put(x, BPF_ALU | BPF_AND | BPF_K, R_X, 0, 0, 0xf);
	put(x, BPF_ALU | BPF_LSH | BPF_K, R_X, 0, 0, 2);
	forget_x(x, 60);
}

/* Only a byte of zeroes can be MSH's, the rest is two bytes wide. */
static void load_metadata(struct xlate *x, const struct sock_filter *s, enum where where)
{
	if (where == IN_ZEROES) {
		put_imm(x, BPF_CLASS(s->code) == BPF_LD ? R_A : R_X, 0);
		finish_msh(x, s);
	} else if (where == IN_TCI) {
		put_field(x, R_A, SKB(vlan_tci));
	} else {
		put_field(x, R_A, where == IN_TPID ? SKB(vlan_proto) : SKB(protocol));
		put_be(x, R_A, 16);
	}
}

/* --- loads: the fast copy --- */

/*
 * How far to check when `need` bytes are needed: as far as the loads that follow,
 * if that is not much more. X-relative loads count as long as X stays.
 */
static uint32_t check_ahead(const struct xlate *x, uint32_t need, bool indexed)
{
	size_t end = x->n - x->i > CHECK_AHEAD_INSNS ? x->i + CHECK_AHEAD_INSNS : x->n;
	uint32_t want = need, off;

	for (size_t i = x->i; i < end; i++) {
		const struct sock_filter *s = &x->prog[i];
		bool packet = BPF_MODE(s->code) == BPF_ABS || BPF_MODE(s->code) == BPF_MSH ||
			      BPF_MODE(s->code) == BPF_IND;

		if (indexed && (BPF_CLASS(s->code) == BPF_LDX || s->code == (BPF_MISC | BPF_TAX)))
			break;
		if (!is_load(s) || !packet || indexed != (BPF_MODE(s->code) == BPF_IND))
			continue;
		if (locate(x, s, &off) != IN_SKB || off > FAST_MAX_OFF)
			continue;
		off += load_size(s);
		if (off > want && off <= need + CHECK_AHEAD)
			want = off;
	}
	return want;
}

/* To the slow copy unless `want` bytes from base on are linear. */
static void check_linear(struct xlate *x, uint8_t base, uint32_t want)
{
	put_mov(x, R_TMP, base);
	put_alu64(x, BPF_ADD, R_TMP, (int32_t)want);
	jump_slow(x, BPF_JMP | BPF_JGT | BPF_X, R_TMP, R_END, 0);
}

static void fast_absolute(struct xlate *x, const struct sock_filter *s, uint32_t off)
{
	uint32_t need = off + load_size(s);

	if (x->now.data < need) {
		x->now.data = check_ahead(x, need, false);
		check_linear(x, R_DATA, x->now.data);
	}
	finish_load(x, s, R_DATA, (int)off);
	finish_msh(x, s);
}

static void fast_indexed(struct xlate *x, const struct sock_filter *s, uint32_t off)
{
	uint32_t need = off + load_size(s);

	if (x->now.xmax > FAST_MAX_X) {
		jump_slow(x, BPF_JMP | BPF_JGT | BPF_K, R_X, 0, FAST_MAX_X);
		x->now.xmax = FAST_MAX_X;
	}
	if (!x->now.xp || x->now.xdata < need) {
		if (!x->now.xp) {
			put_mov(x, R_XP, R_DATA);
			put(x, BPF_ALU64 | BPF_ADD | BPF_X, R_XP, R_X, 0, 0);
		}
		x->now.xp = true;
		x->now.xdata = check_ahead(x, need, true);
		check_linear(x, R_XP, x->now.xdata);
	}
	finish_load(x, s, R_XP, (int)off);
}

static void fast_load(struct xlate *x, const struct sock_filter *s)
{
	uint32_t off;
	enum where where = locate(x, s, &off);

	if (where == NOWHERE) {
		reject(x);
		return;
	}
	if (where == IN_WINDOW || where == INDEXED || (where == IN_SKB && off > FAST_MAX_OFF)) {
		jump_slow(x, BPF_JMP | BPF_JA, 0, 0, 0);
		return;
	}
	if (where != IN_SKB)
		load_metadata(x, s, where);
	else if (BPF_MODE(s->code) == BPF_IND)
		fast_indexed(x, s, off);
	else
		fast_absolute(x, s, off);
	flow(x, x->i + 1);
}

/* --- loads: the slow copy --- */

/* Calls bpf_skb_load_bytes(ctx, R2, S_BUF, R4); out of bounds rejects. */
static void call_load_bytes(struct xlate *x)
{
	put_load(x, BPF_DW, BPF_REG_1, R_FP, S_CTX);
	put_mov(x, BPF_REG_3, R_FP);
	put_alu64(x, BPF_ADD, BPF_REG_3, S_BUF - x->below);
	put(x, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_load_bytes);
	jump_reject(x, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 0);
}

/*
 * Leaves the window's 8 bytes before the split in S_HIGH, big-endian: those of
 * the skb that are in it (VLAN: 8 to 11) and the synthetic ones.
 */
static void window_high(struct xlate *x)
{
	if (x->id == VLAN) {
		put_imm(x, BPF_REG_2, 8);
		put_imm(x, BPF_REG_4, 4);
		call_load_bytes(x);
		put_load(x, BPF_W, BPF_REG_4, R_FP, S_BUF);
		put_be(x, BPF_REG_4, 32);
		put_alu64(x, BPF_LSH, BPF_REG_4, 16);
		put_field(x, BPF_REG_0, SKB(vlan_proto));
		put_be(x, BPF_REG_0, 16);
		put(x, BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_4, BPF_REG_0, 0, 0);
		put_alu64(x, BPF_LSH, BPF_REG_4, 16);
		put_field(x, BPF_REG_0, SKB(vlan_tci));
		put(x, BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_4, BPF_REG_0, 0, 0);
	} else {
		put_field(x, BPF_REG_4, SKB(protocol));
		put_be(x, BPF_REG_4, 16);
	}
	put_store(x, S_HIGH, BPF_REG_4);
}

/* Leaves up to 4 bytes behind the split, as many as there are, in S_BUF. */
static void window_low(struct xlate *x)
{
	uint32_t at = x->layout->split - x->layout->shift;
	size_t none, few;

	put(x, BPF_ST | BPF_MEM | BPF_DW, R_FP, 0, S_BUF, 0);
	put_field(x, BPF_REG_4, SKB(len));
	put_alu64(x, BPF_SUB, BPF_REG_4, (int32_t)at);
	none = hop(x, BPF_JMP | BPF_JSLT | BPF_K, BPF_REG_4, 1);
	few = hop(x, BPF_JMP | BPF_JLE | BPF_K, BPF_REG_4, 4);
	put_imm(x, BPF_REG_4, 4);
	land(x, few);
	put_imm(x, BPF_REG_2, at);
	call_load_bytes(x);
	land(x, none);
}

/*
 * Loads from the window at frame offset R2, split - 8 <= R2 < split, into R4. A
 * load that goes on behind the end of the frame rejects.
 */
static void slow_window(struct xlate *x, const struct sock_filter *s)
{
	uint32_t size = load_size(s);

	put_store(x, S_OFF, BPF_REG_2);
	put_alu64(x, BPF_ADD, BPF_REG_2, (int32_t)size - (int32_t)x->layout->shift);
	put_field(x, BPF_REG_0, SKB(len));
	jump_reject(x, BPF_JMP | BPF_JSGT | BPF_X, BPF_REG_2, BPF_REG_0, 0);
	window_high(x);
	window_low(x);
	put_load(x, BPF_DW, BPF_REG_0, R_FP, S_BUF);
	put_be(x, BPF_REG_0, 64);
	put_load(x, BPF_DW, BPF_REG_4, R_FP, S_HIGH);
	put_load(x, BPF_DW, BPF_REG_2, R_FP, S_OFF);
	put_alu64(x, BPF_SUB, BPF_REG_2, (int32_t)(x->layout->split - WINDOW));
	put_alu64(x, BPF_LSH, BPF_REG_2, 3);
	put(x, BPF_ALU64 | BPF_LSH | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0);
	/* low >> (64 - R2), in two steps as R2 may be 0 */
	put_imm(x, BPF_REG_3, 63);
	put(x, BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	put_alu64(x, BPF_RSH, BPF_REG_0, 1);
	put(x, BPF_ALU64 | BPF_RSH | BPF_X, BPF_REG_0, BPF_REG_3, 0, 0);
	put(x, BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_4, BPF_REG_0, 0, 0);
	put_alu64(x, BPF_RSH, BPF_REG_4, 64 - 8 * (int32_t)size);
}

/* Loads from the skb at offset R2 into R4. */
static void slow_skb(struct xlate *x, const struct sock_filter *s)
{
	put_imm(x, BPF_REG_4, load_size(s));
	call_load_bytes(x);
	put_load(x, BPF_SIZE(s->code), BPF_REG_4, R_FP, S_BUF);
	if (load_size(s) > 1)
		put_be(x, BPF_REG_4, (int)load_size(s) * 8);
}

/* X + k lies anywhere in a frame with synthetic bytes. R2 is X + k. */
static void slow_anywhere(struct xlate *x, const struct sock_filter *s)
{
	size_t inside, front, from_window, end = 0;

	inside = hop(x, BPF_JMP | BPF_JGE | BPF_K, BPF_REG_2, (int32_t)x->layout->split);
	front = hop(x, BPF_JMP | BPF_JLT | BPF_K, BPF_REG_2, (int32_t)(x->layout->split - WINDOW));
	slow_window(x, s);
	from_window = hop(x, BPF_JMP | BPF_JA, 0, 0);
	if (x->id == L3) {
		land(x, front);
		put_imm(x, BPF_REG_4, 0);
		end = hop(x, BPF_JMP | BPF_JA, 0, 0);
	}
	land(x, inside);
	put_alu64(x, BPF_SUB, BPF_REG_2, (int32_t)x->layout->shift);
	if (x->id == VLAN)
		land(x, front);
	slow_skb(x, s);
	if (x->id == L3)
		land(x, end);
	land(x, from_window);
}

static void slow_packet(struct xlate *x, const struct sock_filter *s, enum where where,
			uint32_t off)
{
	bool into_a = BPF_CLASS(s->code) == BPF_LD;

	put_store(x, S_KEEP, into_a ? R_X : R_A);
	if (BPF_MODE(s->code) == BPF_IND) {
		put_mov(x, BPF_REG_2, R_X);
		put_alu64(x, BPF_ADD, BPF_REG_2, (int32_t)off);
		/* the helper would take the offset modulo 2^32 */
		jump_reject(x, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_2, 0, INT_MAX);
	} else {
		put_imm(x, BPF_REG_2, off);
	}
	if (where == IN_SKB)
		slow_skb(x, s);
	else if (where == IN_WINDOW)
		slow_window(x, s);
	else
		slow_anywhere(x, s);
	if (!into_a)
		put_mov(x, R_X, R_A);
	put_load(x, BPF_DW, into_a ? R_X : R_A, R_FP, S_KEEP);
	finish_msh(x, s);
}
_Static_assert((int)R_A == (int)BPF_REG_4, "the slow loads leave their value in R4");

static void slow_load(struct xlate *x, const struct sock_filter *s)
{
	uint32_t off;
	enum where where = locate(x, s, &off);

	if (where == NOWHERE) {
		reject(x);
		return;
	}
	if (where == IN_SKB || where == IN_WINDOW || where == INDEXED)
		slow_packet(x, s, where, off);
	else
		load_metadata(x, s, where);
	flow(x, x->i + 1);
}

/* --- loads --- */

/* The loads that do not read the packet. */
static void load_other(struct xlate *x, const struct sock_filter *s)
{
	uint8_t dst = BPF_CLASS(s->code) == BPF_LD ? R_A : R_X;
	uint32_t xmax = UINT32_MAX;

	switch (BPF_MODE(s->code)) {
	case BPF_IMM:
		put_imm(x, dst, s->k);
		xmax = s->k;
		break;
	case BPF_MEM: put_load(x, BPF_DW, dst, R_FP, mem_slot(s->k)); break;
	case BPF_LEN:
		put_field(x, dst, SKB(len));
		put(x, BPF_ALU | BPF_ADD | BPF_K, dst, 0, 0, (int32_t)x->layout->shift);
		break;
	default: /* packet type */
		put_load(x, BPF_DW, dst, R_FP, S_FLAGS);
		put_alu64(x, BPF_AND, dst, NSW_EGRESS);
		put_alu64(x, BPF_MUL, dst, PACKET_OUTGOING);
		break;
	}
	if (dst == R_X)
		forget_x(x, xmax);
	flow(x, x->i + 1);
}
_Static_assert(NSW_EGRESS == 1, "multiplied");

static bool reads_packet(const struct sock_filter *s)
{
	uint16_t mode = BPF_MODE(s->code);

	return is_load(s) && !is_pkttype(s) &&
	       (mode == BPF_ABS || mode == BPF_IND || mode == BPF_MSH);
}

static void translate_load(struct xlate *x, const struct sock_filter *s)
{
	if (!reads_packet(s))
		load_other(x, s);
	else if (x->copy == FAST)
		fast_load(x, s);
	else
		slow_load(x, s);
}

/* --- the whole --- */

static void translate_insn(struct xlate *x, const struct sock_filter *s)
{
	switch (BPF_CLASS(s->code)) {
	case BPF_LD:
	case BPF_LDX: translate_load(x, s); break;
	case BPF_ST:
	case BPF_STX: translate_store(x, s); break;
	case BPF_ALU: translate_alu(x, s); break;
	case BPF_JMP: translate_jump(x, s); break;
	case BPF_RET: translate_ret(x, s); break;
	default: translate_misc(x, s); break;
	}
}

static void translate_copy(struct xlate *x, enum copy copy)
{
	size_t *place = x->place[x->id][copy];

	x->copy = copy;
	x->rejects = false;
	for (x->i = 0; x->i < x->n && !x->err; x->i++) {
		if (copy == FAST ? !x->known[x->i].reached : !x->slow[x->i])
			continue;
		place[x->i] = x->nout;
		if (copy == FAST)
			x->now = x->known[x->i];
		translate_insn(x, &x->prog[x->i]);
	}
	place[x->n + AT_REJECT] = x->nout;
	if (x->rejects)
		put_exit(x, false);
}

/*
 * M[] words that the program reads. They start at zero, and so do A and X;
 * libpcap never reads what it has not written, others may.
 */
static void put_zeroes(struct xlate *x)
{
	uint16_t words = 0;

	for (size_t i = 0; i < x->n; i++) {
		const struct sock_filter *s = &x->prog[i];

		if (is_load(s) && BPF_MODE(s->code) == BPF_MEM)
			words |= (uint16_t)(1u << s->k);
	}
	put_imm(x, R_A, 0);
	put_imm(x, R_X, 0);
	for (uint32_t k = 0; k < BPF_MEMWORDS; k++)
		if (words & (1u << k))
			put_store(x, mem_slot(k), R_A);
}

static void translate_layout(struct xlate *x, enum layout_id id)
{
	x->id = id;
	x->layout = &layouts[id];
	memset(x->known, 0, x->n * sizeof(*x->known));
	memset(x->slow, 0, x->n * sizeof(*x->slow));
	x->known[0] = (struct known){ .reached = true };
	x->place[id][FAST][x->n + AT_ENTRY] = x->nout;
	put_load(x, BPF_W, R_END, BPF_REG_1, SKB(data_end));
	put_load(x, BPF_W, R_DATA, BPF_REG_1, SKB(data));
	put_zeroes(x);
	translate_copy(x, FAST);
	translate_copy(x, SLOW);
}

static bool needs_layouts(const struct xlate *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (is_load(&x->prog[i]) &&
		    (reads_packet(&x->prog[i]) || BPF_MODE(x->prog[i].code) == BPF_LEN))
			return x->ethernet;
	return false;
}

/* A frame too short for a tag at offset 12 is written without it. */
static void put_dispatch(struct xlate *x)
{
	size_t untagged;

	put_fixup(x, L3, FAST, x->n + AT_ENTRY);
	put(x, BPF_JMP | BPF_JSET | BPF_K, BPF_REG_2, 0, 0, NSW_TAP_L3);
	put_load(x, BPF_W, R_TMP, BPF_REG_1, SKB(vlan_present));
	untagged = hop(x, BPF_JMP | BPF_JEQ | BPF_K, R_TMP, 0);
	put_load(x, BPF_W, R_TMP, BPF_REG_1, SKB(len));
	put_fixup(x, VLAN, FAST, x->n + AT_ENTRY);
	put(x, BPF_JMP | BPF_JGE | BPF_K, R_TMP, 0, 0, 12);
	land(x, untagged);
}

static void translate_all(struct xlate *x)
{
	if (BPF_CLASS(x->prog[0].code) == BPF_RET && BPF_RVAL(x->prog[0].code) == BPF_K) {
		put_exit(x, x->prog[0].k != 0);
		return;
	}
	put_store(x, S_CTX, BPF_REG_1);
	for (size_t i = 0; i < x->n; i++) {
		if (is_pkttype(&x->prog[i])) {
			put_store(x, S_FLAGS, BPF_REG_2);
			break;
		}
	}
	if (!needs_layouts(x)) {
		translate_layout(x, PLAIN);
		return;
	}
	put_dispatch(x);
	for (enum layout_id id = PLAIN; id < NR_LAYOUTS; id++)
		translate_layout(x, id);
}

static int resolve_jumps(struct xlate *x, struct err *e)
{
	for (size_t i = 0; i < x->nr_fixups; i++) {
		const struct fixup *f = &x->fixups[i];
		size_t to = x->place[f->layout][f->copy][f->target];

		if (to - f->at - 1 > INT16_MAX)
			return err_set(e, -E2BIG, "filter: too long to be translated");
		x->out[f->at].off = (int16_t)(to - f->at - 1);
	}
	return 0;
}

/* --- input --- */

static bool is_known_code(uint16_t code)
{
	/* clang-format off */
	static const uint16_t codes[] = {
		BPF_LD | BPF_W | BPF_ABS, BPF_LD | BPF_H | BPF_ABS, BPF_LD | BPF_B | BPF_ABS,
		BPF_LD | BPF_W | BPF_IND, BPF_LD | BPF_H | BPF_IND, BPF_LD | BPF_B | BPF_IND,
		BPF_LD | BPF_IMM, BPF_LD | BPF_MEM, BPF_LD | BPF_W | BPF_LEN,
		BPF_LDX | BPF_IMM, BPF_LDX | BPF_MEM, BPF_LDX | BPF_W | BPF_LEN,
		BPF_LDX | BPF_B | BPF_MSH, BPF_ST, BPF_STX,
		BPF_ALU | BPF_ADD | BPF_K, BPF_ALU | BPF_ADD | BPF_X, BPF_ALU | BPF_SUB | BPF_K,
		BPF_ALU | BPF_SUB | BPF_X, BPF_ALU | BPF_MUL | BPF_K, BPF_ALU | BPF_MUL | BPF_X,
		BPF_ALU | BPF_DIV | BPF_K, BPF_ALU | BPF_DIV | BPF_X, BPF_ALU | BPF_MOD | BPF_K,
		BPF_ALU | BPF_MOD | BPF_X, BPF_ALU | BPF_AND | BPF_K, BPF_ALU | BPF_AND | BPF_X,
		BPF_ALU | BPF_OR | BPF_K, BPF_ALU | BPF_OR | BPF_X, BPF_ALU | BPF_XOR | BPF_K,
		BPF_ALU | BPF_XOR | BPF_X, BPF_ALU | BPF_LSH | BPF_K, BPF_ALU | BPF_LSH | BPF_X,
		BPF_ALU | BPF_RSH | BPF_K, BPF_ALU | BPF_RSH | BPF_X, BPF_ALU | BPF_NEG,
		BPF_JMP | BPF_JA, BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JEQ | BPF_X,
		BPF_JMP | BPF_JGT | BPF_K, BPF_JMP | BPF_JGT | BPF_X, BPF_JMP | BPF_JGE | BPF_K,
		BPF_JMP | BPF_JGE | BPF_X, BPF_JMP | BPF_JSET | BPF_K, BPF_JMP | BPF_JSET | BPF_X,
		BPF_RET | BPF_K, BPF_RET | BPF_A, BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i] == code)
			return true;
	return false;
}

static bool uses_memory(const struct sock_filter *s)
{
	return BPF_CLASS(s->code) == BPF_ST || BPF_CLASS(s->code) == BPF_STX ||
	       (is_load(s) && BPF_MODE(s->code) == BPF_MEM);
}

static int check_insn(const struct sock_filter *prog, size_t n, size_t i, struct err *e)
{
	const struct sock_filter *s = &prog[i];
	size_t left = n - i - 1;
	bool is_jump = BPF_CLASS(s->code) == BPF_JMP;
	bool is_ja = is_jump && BPF_OP(s->code) == BPF_JA;

	if (is_ja && (int32_t)s->k < 0)
		return err_set(e, -EOPNOTSUPP, "filter: has a loop (protochain)");
	if (!is_known_code(s->code) || (uses_memory(s) && s->k >= BPF_MEMWORDS) ||
	    (is_ja && s->k >= left) || (is_jump && !is_ja && (s->jt >= left || s->jf >= left)))
		return err_set(e, -EINVAL, "filter: instruction %zu is not valid", i);
	return 0;
}

static int check_program(const struct sock_filter *prog, size_t n, struct err *e)
{
	if (!n || n > INT_MAX || BPF_CLASS(prog[n - 1].code) != BPF_RET)
		return err_set(e, -EINVAL, "filter: does not end with a return");
	for (size_t i = 0; i < n; i++) {
		int err = check_insn(prog, n, i, e);

		if (err)
			return err;
	}
	return 0;
}

static void xlate_fini(struct xlate *x)
{
	for (int i = 0; i < NR_LAYOUTS * NR_COPIES; i++)
		free(x->place[i / NR_COPIES][i % NR_COPIES]);
	free(x->known);
	free(x->slow);
	free(x->fixups);
	free(x->out);
}

static int xlate_init(struct xlate *x)
{
	for (int i = 0; i < NR_LAYOUTS * NR_COPIES; i++) {
		size_t *place = calloc(x->n + NR_TARGETS, sizeof(*place));

		x->place[i / NR_COPIES][i % NR_COPIES] = place;
		if (!place)
			return -ENOMEM;
	}
	x->known = calloc(x->n, sizeof(*x->known));
	x->slow = calloc(x->n, sizeof(*x->slow));
	return x->known && x->slow ? 0 : -ENOMEM;
}

static int translate_program(struct xlate *x, struct err *e)
{
	int err = xlate_init(x);

	if (!err) {
		translate_all(x);
		x->place[PLAIN][FAST][x->n + AT_END] = x->nout;
		err = x->err;
	}
	if (err)
		return err_sys(e, err, "filter");
	return resolve_jumps(x, e);
}

int filter_bpf_translate(const struct sock_filter *prog, size_t n, bool ethernet,
			 uint32_t inline_below, struct bpf_insn **out, size_t *nout, struct err *e)
{
	struct xlate x = { .prog = prog, .n = n, .ethernet = ethernet };
	int err = check_program(prog, n, e);

	if (!err && (inline_below % 8 || inline_below > 512 - FILTER_STACK))
		err = err_set(e, -EINVAL, "filter: no room on the stack");
	x.below = (int)inline_below;

	if (err)
		return err;
	err = translate_program(&x, e);
	if (!err) {
		*nout = x.nout;
		*out = steal_ptr(x.out);
	}
	xlate_fini(&x);
	return err;
}

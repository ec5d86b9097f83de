// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "attach/insns.h"
#include "nswatch/record.h"
#include "util/cleanup.h"

#define MOV(reg, value)                                                               \
	{                                                                             \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value) \
	}
#define EXIT                               \
	{                                  \
		.code = BPF_JMP | BPF_EXIT \
	}

/* The second half of a wide load can look like anything. */
static const struct bpf_insn wide_load[2] = {
	{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 3, .imm = 1 },
	MOV(BPF_REG_0, NSW_MARK_FILTER),
};

static void test_no_filter_matches_all(void **state)
{
	const struct bpf_insn prog[] = { wide_load[0], wide_load[1], MOV(0, NSW_MARK_FILTER),
					 EXIT };
	_cleanup_free_ struct bpf_insn *out = NULL;
	size_t n;

	(void)state;
	assert_int_equal(insns_with_filter(prog, ARRAY_SIZE(prog), NULL, 0, &out, &n), 0);
	assert_int_equal(n, ARRAY_SIZE(prog));
	assert_int_equal(out[1].imm, NSW_MARK_FILTER);
	assert_int_equal(out[2].imm, 1);
}

static void test_filter_is_entered_and_left(void **state)
{
	const struct bpf_insn prog[] = { MOV(1, 7), MOV(0, NSW_MARK_FILTER), MOV(2, 8), EXIT };
	const struct bpf_insn body[] = { MOV(3, 1), MOV(0, 0) };
	_cleanup_free_ struct bpf_insn *out = NULL;
	size_t n;

	(void)state;
	assert_int_equal(
		insns_with_filter(prog, ARRAY_SIZE(prog), body, ARRAY_SIZE(body), &out, &n), 0);
	assert_int_equal(n, 7);
	/* Offsets count from the instruction behind the jump. */
	assert_int_equal(out[1].code, BPF_JMP | BPF_JA);
	assert_int_equal(1 + 1 + out[1].off, 4);
	assert_memory_equal(out + 4, body, sizeof(body));
	assert_int_equal(out[6].code, BPF_JMP | BPF_JA);
	assert_int_equal(6 + 1 + out[6].off, 2);
	assert_memory_equal(out + 2, prog + 2, sizeof(*prog));
}

static void test_no_mark(void **state)
{
	struct bpf_insn prog[] = { wide_load[0], wide_load[1], EXIT };
	struct bpf_insn *out = NULL;
	size_t n;

	(void)state;
	assert_int_equal(insns_with_filter(prog, ARRAY_SIZE(prog), NULL, 0, &out, &n), -ENOENT);
	assert_int_equal(insns_set_tap(prog, ARRAY_SIZE(prog), 1), -ENOENT);
}

/* The filter's stack begins below what the program may use. */
static void test_stack_is_in_the_way(void **state)
{
	const struct bpf_insn body[] = { MOV(0, 0) };
	struct bpf_insn store[] = {
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -INSNS_OWN_STACK },
		MOV(0, NSW_MARK_FILTER),
		EXIT,
	};
	const struct bpf_insn address[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -INSNS_OWN_STACK - 8 },
		MOV(0, NSW_MARK_FILTER),
		EXIT,
	};
	struct bpf_insn *out = NULL;
	size_t n;

	(void)state;
	assert_int_equal(insns_with_filter(store, 3, body, 1, &out, &n), 0);
	free(out);
	store[0].off -= 8;
	assert_int_equal(insns_with_filter(store, 3, body, 1, &out, &n), -E2BIG);
	assert_int_equal(insns_with_filter(address, 4, body, 1, &out, &n), -E2BIG);
	assert_int_equal(insns_with_filter(address, 4, NULL, 0, &out, &n), 0);
	free(out);
}

static void test_jump_that_does_not_reach(void **state)
{
	const struct bpf_insn prog[] = { MOV(0, NSW_MARK_FILTER), EXIT };
	_cleanup_free_ struct bpf_insn *body = calloc(INT16_MAX, sizeof(*body));
	struct bpf_insn *out = NULL;
	size_t n;

	(void)state;
	assert_int_equal(insns_with_filter(prog, 2, body, INT16_MAX - 2, &out, &n), -E2BIG);
	assert_int_equal(insns_with_filter(prog, 2, body, INT16_MAX - 3, &out, &n), 0);
	assert_int_equal(out[0].off, 1);
	free(out);
}

static void test_tap(void **state)
{
	struct bpf_insn prog[] = { MOV(4, NSW_MARK_TAP), EXIT };

	(void)state;
	assert_int_equal(insns_set_tap(prog, 2, 0x40007), 0);
	assert_int_equal(prog[0].imm, 0x40007);
	assert_int_equal(prog[0].dst_reg, 4);
}

static void test_kernel_functions(void **state)
{
	const struct bpf_insn known = { .code = BPF_JMP | BPF_CALL,
					.src_reg = BPF_PSEUDO_KFUNC_CALL,
					.imm = 77 };
	const struct bpf_insn unknown = { .code = BPF_JMP | BPF_CALL,
					  .src_reg = BPF_PSEUDO_KFUNC_CALL };
	const struct bpf_insn helper = { .code = BPF_JMP | BPF_CALL, .imm = 0 };
	struct bpf_insn prog[] = { wide_load[0], unknown, known, unknown, helper, EXIT };

	(void)state;
	assert_int_equal(insns_drop_kfuncs(prog, ARRAY_SIZE(prog), false), 1);
	assert_memory_equal(&prog[1], &unknown, sizeof(unknown));
	assert_memory_equal(&prog[2], &known, sizeof(known));
	assert_int_equal(prog[3].code, BPF_ALU64 | BPF_MOV | BPF_K);
	assert_int_equal(prog[3].imm, 0);
	assert_memory_equal(&prog[4], &helper, sizeof(helper));
	assert_int_equal(insns_drop_kfuncs(prog, ARRAY_SIZE(prog), true), 1);
	assert_int_equal(prog[2].code, BPF_ALU64 | BPF_MOV | BPF_K);
	assert_int_equal(insns_drop_kfuncs(prog, ARRAY_SIZE(prog), true), 0);
}

static void test_exchanges(void **state)
{
	const struct bpf_insn exchange = { .code = BPF_STX | BPF_ATOMIC | BPF_DW,
					   .dst_reg = BPF_REG_10,
					   .off = -8,
					   .imm = BPF_XCHG };
	const struct bpf_insn add = { .code = exchange.code, .dst_reg = BPF_REG_10, .off = -8 };
	struct bpf_insn prog[] = { wide_load[0], exchange, exchange, add, EXIT };

	(void)state;
	insns_drop_exchanges(prog, ARRAY_SIZE(prog));
	assert_memory_equal(&prog[1], &exchange, sizeof(exchange)); /* the load's second half */
	assert_int_equal(prog[2].code, BPF_JMP | BPF_JA);
	assert_int_equal(prog[2].off, 0);
	assert_memory_equal(&prog[3], &add, sizeof(add));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_filter_matches_all),
		cmocka_unit_test(test_filter_is_entered_and_left),
		cmocka_unit_test(test_no_mark),
		cmocka_unit_test(test_stack_is_in_the_way),
		cmocka_unit_test(test_jump_that_does_not_reach),
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_kernel_functions),
		cmocka_unit_test(test_exchanges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The capture filter without a kernel: libpcap's answers, and what the verifier
 * would find wrong with a translation. Whether it decides right is tested in
 * tests/bpf/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach/filter.h"
#include "attach/filter_bpf.h"
#include "oracle.h"
#include "util/cleanup.h"
#include "util/err.h"

#define FILTERS	   "../shared/corpus/filters.tsv"
#define EN10MB	   1 /* DLT_EN10MB; pcap.h has a struct bpf_insn of its own */
#define RAW	   12
#define NR_UDP_DNS ((uint32_t)sizeof(udp_dns))

/* Ethernet, IPv4, UDP 40000 > 53, no payload */
static const uint8_t udp_dns[] = {
	2, 0,  0,  0, 0, 1,   2,   0, 0, 0,   0,   2, 8, 0,    0x45, 0, 0,  28, 0, 1, 0,
	0, 64, 17, 0, 0, 192, 168, 1, 1, 192, 168, 1, 2, 0x9c, 0x40, 0, 53, 0,	8, 0, 0,
};

static bool matches(const char *expr, enum direction dir)
{
	struct filter *f = NULL;
	bool match;

	assert_int_equal(filter_compile(&f, expr, EN10MB, 0, NULL), 0);
	match = filter_match(f, udp_dns, NR_UDP_DNS, NR_UDP_DNS, dir);
	filter_free(f);
	return match;
}

static void test_match(void **state)
{
	(void)state;
	assert_true(matches("", DIR_UNKNOWN));
	assert_true(matches("udp port 53", DIR_IN));
	assert_false(matches("tcp port 53", DIR_IN));
	assert_true(matches("inbound", DIR_IN));
	assert_false(matches("inbound", DIR_OUT));
	assert_true(matches("outbound and udp", DIR_OUT));
	assert_false(matches("outbound", DIR_IN));
	assert_false(matches("inbound", DIR_UNKNOWN));
	assert_false(matches("outbound", DIR_UNKNOWN));
	assert_false(matches("ip broadcast", DIR_IN));
}

static void test_wirelen(void **state)
{
	struct filter *f = NULL;

	(void)state;
	assert_int_equal(filter_compile(&f, "greater 1000", EN10MB, 96, NULL), 0);
	assert_true(filter_match(f, udp_dns, NR_UDP_DNS, 70000, DIR_IN));
	assert_false(filter_match(f, udp_dns, NR_UDP_DNS, 999, DIR_IN));
	filter_free(f);
}

static void test_compile_errors(void **state)
{
	struct filter *f = NULL;
	struct err e = {};

	(void)state;
	assert_int_equal(filter_compile(&f, "port port", EN10MB, 0, &e), -EINVAL);
	assert_string_equal(e.msg,
			    "filter 'port port': can't parse filter expression: syntax error");
	assert_int_equal(filter_compile(&f, "ether[0] << 33 = 1", EN10MB, 0, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "shift by more than 31 bits"));
	assert_int_equal(filter_compile(&f, "ifindex 3", EN10MB, 0, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "ifindex"));
	assert_null(f);
	filter_free(NULL);
}

static int translate(const char *expr, struct err *e)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	struct filter *f = NULL;
	size_t n;
	int err;

	assert_int_equal(filter_compile(&f, expr, EN10MB, 0, e), 0);
	err = filter_translate(f, 0, &insns, &n, e);
	filter_free(f);
	return err;
}

static void test_loop_is_refused(void **state)
{
	struct err e = {};

	(void)state;
	assert_int_equal(translate("ip6 protochain 17", &e), -EOPNOTSUPP);
	assert_string_equal(e.msg, "filter: has a loop (protochain)");
}

static int translate_code(const struct sock_filter *code, size_t n)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	struct err e = {};

	return filter_bpf_translate(code, n, true, 0, &insns, &n, &e);
}

static void test_malformed(void **state)
{
	static const struct sock_filter ret = { BPF_RET | BPF_K, 0, 0, 1 };
	const struct sock_filter bad[][2] = {
		{ { BPF_JMP | BPF_JA, 0, 0, 1 }, ret }, /* to behind the end */
		{ { BPF_JMP | BPF_JA, 0, 0, INT32_MAX }, ret },
		{ { BPF_JMP | BPF_JEQ, 1, 0, 0 }, ret },
		{ { BPF_JMP | BPF_JEQ, 0, 255, 0 }, ret },
		{ { BPF_ST, 0, 0, 16 }, ret },
		{ { BPF_LDX | BPF_MEM, 0, 0, UINT32_MAX }, ret },
		{ { BPF_LD | BPF_B | BPF_MSH, 0, 0, 0 }, ret }, /* no such code */
		{ { 0xffff, 0, 0, 0 }, ret },
		{ ret, { BPF_LD | BPF_IMM, 0, 0, 0 } }, /* falls off the end */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(translate_code(bad[i], 2), -EINVAL);
	assert_int_equal(translate_code(&ret, 0), -EINVAL);
	assert_int_equal(translate_code(&ret, 1), 0);
}

static void test_too_long(void **state)
{
	const size_t n = 40000;
	_cleanup_free_ struct sock_filter *code = calloc(n, sizeof(*code));

	(void)state;
	assert_non_null(code);
	for (size_t i = 0; i < n; i++)
		code[i] = (struct sock_filter){ BPF_LD | BPF_W | BPF_ABS, 0, 0, 12 };
	code[n - 1] = (struct sock_filter){ BPF_RET | BPF_A, 0, 0, 0 };
	assert_int_equal(translate_code(code, n), -E2BIG);
}

/* --- what a verifier looks at first --- */

static bool is_jump(const struct bpf_insn *s)
{
	uint8_t class = BPF_CLASS(s->code);

	return (class == BPF_JMP || class == BPF_JMP32) && BPF_OP(s->code) != BPF_CALL &&
	       BPF_OP(s->code) != BPF_EXIT;
}

static bool is_end(const struct bpf_insn *s)
{
	return s->code == (BPF_JMP | BPF_EXIT) || s->code == (BPF_JMP | BPF_JA);
}

static void check_insn(const struct bpf_insn *s, int below)
{
	if (BPF_CLASS(s->code) == BPF_LD)
		fail_msg("LD_ABS, LD_IND or a wide load");
	assert_true(s->dst_reg <= 5 || s->dst_reg == 10);
	assert_true(s->src_reg <= 5 || s->src_reg == 10);
	if (s->code == (BPF_JMP | BPF_CALL))
		assert_int_equal(s->imm, BPF_FUNC_skb_load_bytes);
	if (BPF_CLASS(s->code) == BPF_STX || BPF_CLASS(s->code) == BPF_ST) {
		assert_int_equal(s->dst_reg, 10);
		assert_in_range(-s->off, below + 8, below + FILTER_STACK);
	}
}

/* Jumps stay inside and go forward; everything can be reached; only an inlined body
 * goes on behind its end. */
static void check_body(const struct bpf_insn *insns, size_t n, int below)
{
	_cleanup_free_ bool *reached = calloc(n + 1, sizeof(*reached));

	assert_non_null(reached);
	reached[0] = true;
	for (size_t i = 0; i < n; i++) {
		assert_true(reached[i]);
		check_insn(&insns[i], below);
		if (is_jump(&insns[i])) {
			assert_true(insns[i].off >= 0);
			assert_true(i + 1 + (size_t)insns[i].off < n + (below > 0));
			reached[i + 1 + (size_t)insns[i].off] = true;
		}
		if (!is_end(&insns[i]))
			reached[i + 1] = true;
	}
	assert_int_equal(reached[n], below > 0);
}

static void check_translation(const char *expr, int dlt, uint32_t below)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	struct filter *f = NULL;
	struct err e = {};
	size_t n = 0;
	int err;

	assert_int_equal(filter_compile(&f, expr, dlt, 0, &e), 0);
	err = filter_translate(f, below, &insns, &n, &e);
	if (strstr(expr, "protochain"))
		assert_int_equal(err, -EOPNOTSUPP);
	else
		assert_int_equal(err, 0);
	if (!err)
		check_body(insns, n, (int)below);
	filter_free(f);
}

static void check_expression(const char *expr, int dlt)
{
	check_translation(expr, dlt, 0);
	check_translation(expr, dlt, 128);
}

/* Whether this libpcap compiles it: a newer one knows more. tcpdump is to think so too. */
static bool is_compiled(const char *expr, int dlt)
{
	struct filter *f = NULL;
	int err = filter_compile(&f, expr, dlt, 0, NULL);
	char cmd[128];

	filter_free(f);
	if (!err)
		return true;
	assert_true(have_tool("tcpdump"));
	snprintf(cmd, sizeof(cmd), "tcpdump -y %s -d \"$EXPR\" >/dev/null 2>&1",
		 dlt == RAW ? "RAW" : "EN10MB");
	setenv("EXPR", expr, 1);
	assert_int_not_equal(system(cmd), 0);
	return false;
}

static void test_bodies(void **state)
{
	_cleanup_fclose_ FILE *in = fopen(FILTERS, "r");
	char line[4096];

	(void)state;
	check_expression("", EN10MB);
	check_expression("ether[ether[0]:4] / ip[ether[5] & 15] = ether[10:4] << ip[8]", EN10MB);
	if (!in) {
		print_message("no " FILTERS "\n");
		skip();
	}
	while (fgets(line, sizeof(line), in)) {
		char *tab = strchr(line, '\t');

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || !tab)
			continue;
		if (is_compiled(tab + 1, EN10MB))
			check_expression(tab + 1, EN10MB);
		if (!strncmp(line, "RAW", 3) && is_compiled(tab + 1, RAW))
			check_expression(tab + 1, RAW);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),	       cmocka_unit_test(test_wirelen),
		cmocka_unit_test(test_compile_errors), cmocka_unit_test(test_loop_is_refused),
		cmocka_unit_test(test_malformed),      cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
/* How many slots a list of CPUs needs; and that of this machine, against libbpf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/libbpf.h>
#include <errno.h>

#include "attach/cpus.h"

static void test_lists(void **state)
{
	static const struct {
		const char *list;
		int slots;
	} cases[] = {
		{ "0\n", 1 },
		{ "0-1\n", 2 },
		{ "0-255", 256 },
		/* with holes */
		{ "0-1,4-5\n", 6 },
		{ "0,2,7\n", 8 },
		{ "1\n", 2 },
		{ "8-15,128-135\n", 136 },
		{ "4-5,0-1\n", 6 },
		/* no list */
		{ "", -EINVAL },
		{ "\n", -EINVAL },
		{ "0-\n", -EINVAL },
		{ "0,\n", -EINVAL },
		{ "-1\n", -EINVAL },
		{ "0 1\n", -EINVAL },
		{ "0-3:1/2\n", -EINVAL },
		{ "0-2147483647\n", -ERANGE },
		{ "99999999999999999999\n", -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cpus_parse(cases[i].list), cases[i].slots);
}

static void test_this_machine(void **state)
{
	struct err e = { 0 };
	uint32_t slots = 0;

	(void)state;
	assert_int_equal(cpus_slots(&slots, &e), 0);
	assert_true((int)slots >= libbpf_num_possible_cpus());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

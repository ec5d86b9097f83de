// SPDX-License-Identifier: GPL-2.0-only
/* Numbers and addresses as text, against the C library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/ipaddr.h"
#include "util/strbuf.h"

static uint64_t random_bits(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static uint64_t power_of_ten(unsigned int n)
{
	return n ? 10 * power_of_ten(n - 1) : 1;
}

static void test_u64(void **state)
{
	char got[32], want[32];
	struct strbuf b;
	unsigned int i;

	(void)state;
	for (i = 0; i < 200000; i++) {
		uint64_t v = i < 11000 ? i : random_bits() >> (i % 64);

		if (i >= 11000 && i < 11064)
			v = UINT64_MAX >> (i - 11000);
		if (i >= 11064 && i < 11104)
			v = power_of_ten((i - 11064) / 2) - i % 2;
		strbuf_init(&b, got, sizeof(got));
		strbuf_u64(&b, v);
		snprintf(want, sizeof(want), "%" PRIu64, v);
		assert_string_equal(got, want);
	}
}

static void test_digits(void **state)
{
	char got[32], want[32];
	unsigned int i, digits;
	struct strbuf b;

	(void)state;
	for (digits = 1; digits <= 9; digits++) {
		uint32_t end = 1;

		for (i = 0; i < digits; i++)
			end *= 10;
		for (i = 0; i < 2000; i++) {
			uint32_t v = (uint32_t)(random_bits() % end);

			strbuf_init(&b, got, sizeof(got));
			strbuf_digits(&b, v, digits);
			snprintf(want, sizeof(want), "%0*" PRIu32, (int)digits, v);
			assert_string_equal(got, want);
		}
	}
}

/* Words of zero, small and large ones in all patterns. */
static void test_addresses(void **state)
{
	char got[IPADDR_STRLEN], want[IPADDR_STRLEN];
	struct ipaddr a;
	struct strbuf b;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < 200000; i++) {
		uint8_t raw[16] = { 0 };
		uint64_t r = random_bits();

		for (j = 0; j < 16; j++)
			raw[j] = i & 1U << (j / 2) ? (uint8_t)(random_bits() >> (r & 7)) : 0;
		if (i % 16 == 0)
			raw[10] = raw[11] = 0xff;
		a = ipaddr_v6(raw);
		strbuf_init(&b, got, sizeof(got));
		ipaddr_put(&b, &a);
		inet_ntop(AF_INET6, raw, want, sizeof(want));
		assert_string_equal(got, want);
		*ipaddr_text(got, &a) = '\0';
		assert_string_equal(got, want);
		a = ipaddr_v4(raw);
		strbuf_reset(&b);
		ipaddr_put(&b, &a);
		inet_ntop(AF_INET, raw, want, sizeof(want));
		assert_string_equal(got, want);
		*ipaddr_text(got, &a) = '\0';
		assert_string_equal(got, want);
	}
}

/* Every length at every room: cut there, marked, terminated. */
static void test_cut(void **state)
{
	char mem[16];
	struct strbuf b;
	size_t size, len;

	(void)state;
	for (size = 1; size <= sizeof(mem); size++)
		for (len = 0; len <= 20; len++) {
			strbuf_init(&b, mem, size);
			strbuf_put(&b, "abcdefghijklmnopqrstuvwxyz", len);
			assert_int_equal(b.len, len < size ? len : size - 1);
			assert_int_equal(b.cut, len >= size);
			assert_int_equal(strlen(mem), b.len);
		}
}

/* Numbers and addresses at every room, as printf cuts them. */
static void test_cut_numbers(void **state)
{
	const uint8_t raw[4] = { 192, 0, 2, 255 };
	char got[32], want[32];
	struct strbuf b;
	unsigned int i;
	size_t size;

	(void)state;
	for (size = 1; size <= sizeof(got); size++)
		for (i = 0; i < 4; i++) {
			const char *text[] = { "1234567", "0000042", "00be", "192.0.2.255" };

			strbuf_init(&b, got, size);
			switch (i) {
			case 0: strbuf_u64(&b, 1234567); break;
			case 1: strbuf_digits(&b, 42, 7); break;
			case 2: strbuf_hex(&b, 0xbe, 4); break;
			default: ipaddr_put_v4(&b, raw);
			}
			snprintf(want, size, "%s", text[i]);
			assert_string_equal(got, want);
			assert_int_equal(b.len, strlen(want));
			assert_int_equal(b.cut, strlen(text[i]) >= size);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),	    cmocka_unit_test(test_digits),
		cmocka_unit_test(test_addresses),   cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

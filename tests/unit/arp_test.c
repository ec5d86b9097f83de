// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "track/arp.h"

static const uint8_t ip[4] = { 10, 40, 2, 3 }, other_ip[4] = { 10, 40, 2, 4 };
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 }, other[6] = { 2, 0, 0, 0, 0, 2 };

static void the_first_claim_stands(void **state)
{
	struct arp_track *t = arp_track_new(1024);

	(void)state;
	assert_non_null(t);
	assert_false(arp_track_claim(t, 1, ip, mac));
	assert_false(arp_track_claim(t, 2, ip, mac));
	assert_true(arp_track_claim(t, 3, ip, other));
	assert_true(arp_track_claim(t, 4, ip, other));
	assert_false(arp_track_claim(t, 5, ip, mac));
	assert_false(arp_track_claim(t, 6, other_ip, other));
	arp_track_free(t);
}

/* An answer to oneself names both in one packet. */
static void a_packet_does_not_contradict_itself(void **state)
{
	struct arp_track *t = arp_track_new(1024);

	(void)state;
	assert_non_null(t);
	assert_false(arp_track_claim(t, 1, ip, mac));
	assert_false(arp_track_claim(t, 1, ip, other));
	arp_track_free(t);
}

static void no_claims(void **state)
{
	static const uint8_t none[6], group[6] = { 1, 0, 0x5e, 0, 0, 1 };
	struct arp_track *t = arp_track_new(1024);

	(void)state;
	assert_non_null(t);
	assert_false(arp_track_claim(t, 1, ip, none));
	assert_false(arp_track_claim(t, 2, ip, group));
	assert_false(arp_track_claim(t, 3, none, mac));
	assert_false(arp_track_claim(t, 4, none, other));
	assert_false(arp_track_claim(t, 5, ip, mac));
	arp_track_free(t);
}

/* More addresses than there is room for: some are forgotten, none is taken for another. */
static void the_table_is_bounded(void **state)
{
	struct arp_track *t = arp_track_new(16);
	uint32_t i;

	(void)state;
	assert_non_null(t);
	for (i = 1; i < 5000; i++) {
		uint8_t a[4] = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i };
		uint8_t m[6] = { 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i };

		assert_false(arp_track_claim(t, i, a, m));
	}
	arp_track_free(t);
}

/* Four share a place; the fifth takes that of the oldest, and of no other. */
static void the_oldest_is_forgotten(void **state)
{
	struct arp_track *t = arp_track_new(4);
	uint8_t a[4] = { 10, 0, 0, 0 };
	uint8_t i;

	(void)state;
	assert_non_null(t);
	for (i = 1; i <= 5; i++) {
		a[3] = i;
		assert_false(arp_track_claim(t, i, a, mac));
	}
	for (i = 2; i <= 5; i++) {
		a[3] = i;
		assert_true(arp_track_claim(t, 10u + i, a, other));
	}
	a[3] = 1;
	assert_false(arp_track_claim(t, 20, a, other));
	arp_track_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_claim_stands),
		cmocka_unit_test(a_packet_does_not_contradict_itself),
		cmocka_unit_test(no_claims),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(the_oldest_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

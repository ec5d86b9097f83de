// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "track/frag.h"
#include "util/cleanup.h"

#define SEC 1000000000LL

static const struct tap tap = { .id = 1, .dlt = 12 };

/* A fragment of 16 bytes of a UDP datagram of 32, IPv4 or IPv6. Returns whether the datagram is
 * whole with it. */
static bool add(struct frag_track *t, int64_t time, int version, uint16_t id, bool last)
{
	static uint64_t number;
	uint8_t v4[36] = { 0x45,
			   0,
			   0,
			   36,
			   (uint8_t)(id >> 8),
			   (uint8_t)id,
			   last ? 0 : 0x20,
			   last ? 2 : 0,
			   64,
			   17,
			   0,
			   0,
			   10,
			   0,
			   0,
			   1,
			   10,
			   0,
			   0,
			   2 };
	uint8_t v6[64] = { 0x60, 0, 0, 0, 0, 24, 44, 64, 0xfd };
	struct packet p = { .number = ++number, .time = time, .tap = &tap };
	struct frame f, whole;

	v6[24] = 0xfd;
	v6[40] = 17;
	v6[43] = last ? 16 : 1;
	v6[46] = (uint8_t)(id >> 8);
	v6[47] = (uint8_t)id;
	p.data = version == 4 ? v4 : v6;
	p.caplen = p.wirelen = version == 4 ? sizeof(v4) : sizeof(v6);
	decode_frame(&f, p.data, p.caplen, p.wirelen, 12);
	assert_true(f.is_fragment);
	return frag_track_whole(t, &p, &f, &whole) == &whole;
}

static void a_rest_that_comes_in_time(void **state)
{
	struct frag_track *t = frag_track_new(4, FRAG_AS_KERNEL);

	(void)state;
	assert_false(add(t, SEC, 4, 1, false));
	assert_true(add(t, 31 * SEC, 4, 1, true));
	assert_false(add(t, SEC, 6, 1, false));
	assert_true(add(t, 61 * SEC, 6, 1, true));
	frag_track_free(t);
}

/* The id has come round: the old half must not be put before the new one. */
static void a_rest_that_comes_too_late(void **state)
{
	struct frag_track *t = frag_track_new(4, FRAG_AS_KERNEL);

	(void)state;
	assert_false(add(t, SEC, 4, 1, false));
	assert_false(add(t, 31 * SEC + 1, 4, 1, true));
	assert_true(add(t, 32 * SEC, 4, 1, false));
	assert_false(add(t, SEC, 6, 1, false));
	assert_false(add(t, 61 * SEC + 1, 6, 1, true));
	assert_true(add(t, 62 * SEC, 6, 1, false));
	frag_track_free(t);
}

/* What is too old gives way before what is not. */
static void old_ones_make_room(void **state)
{
	struct frag_track *t = frag_track_new(2, FRAG_AS_KERNEL);

	(void)state;
	assert_false(add(t, 40 * SEC, 4, 1, false));
	assert_false(add(t, 1 * SEC, 4, 2, false)); /* seen later, and older */
	assert_false(add(t, 41 * SEC, 4, 3, false));
	assert_true(add(t, 41 * SEC, 4, 1, true));
	assert_true(add(t, 41 * SEC, 4, 3, true));
	frag_track_free(t);
}

static void as_tshark_never(void **state)
{
	struct frag_track *t = frag_track_new(4, FRAG_FOR_EVER);

	(void)state;
	assert_false(add(t, SEC, 4, 1, false));
	assert_true(add(t, 3600 * SEC, 4, 1, true));
	frag_track_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rest_that_comes_in_time),
		cmocka_unit_test(a_rest_that_comes_too_late),
		cmocka_unit_test(old_ones_make_room),
		cmocka_unit_test(as_tshark_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

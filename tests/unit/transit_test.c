// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dns/transit.h"

#include <netinet/in.h>
#include <string.h>

#define MS 1000000LL
#define T0 1700000000000000000LL

static struct question q = { .type = 1, .class = 1, .name = { .len = 3, .wire = "\1a" } };

/* From 10.0.0.CLIENT to 10.0.9.9, or to a loopback. */
static struct trans_key key(uint64_t netns, uint8_t client, uint16_t id)
{
	struct trans_key k;

	memset(&k, 0, sizeof(k));
	k.netns = netns;
	k.client = ipaddr_v4((const uint8_t[]){ 10, 0, 0, client });
	k.server = ipaddr_v4((const uint8_t[]){ 10, 0, 9, 9 });
	k.client_port = 1000;
	k.server_port = 53;
	k.proto = IPPROTO_UDP;
	k.id = id;
	return k;
}

static bool passes(struct transit *t, uint64_t netns, uint8_t client, int64_t at, bool is_own)
{
	struct trans_key k = key(netns, client, 7);

	return transit_query(t, &k, &q, T0 + at, is_own);
}

static void test_way_out(void **state)
{
	struct transit *t = transit_new();
	struct trans_key k = key(2, 1, 7);

	(void)state;
	assert_false(passes(t, 1, 1, 0, true));
	assert_true(passes(t, 2, 1, 1, false));	 /* the bridge's port */
	assert_true(passes(t, 2, 1, 2, false));	 /* the bridge */
	assert_true(passes(t, 2, 99, 3, false)); /* the uplink, behind NAT */
	assert_true(passes(t, 3, 99, 4, false)); /* where that leads to */
	assert_true(transit_answer(t, &k, &q, T0 + 50 * MS));
	k.netns = 1;
	assert_false(transit_answer(t, &k, &q, T0 + 50 * MS));
	/* Again after the client's time is up, and again on its way. */
	assert_false(passes(t, 1, 1, 5000 * MS, true));
	assert_true(passes(t, 2, 1, 5000 * MS + 1, false));
	transit_free(t);
}

static void test_own(void **state)
{
	struct transit *t = transit_new();
	struct trans_key k = key(1, 1, 7), other = key(2, 1, 8);

	(void)state;
	/* A known process of that namespace sends it, though it looks the same. */
	assert_false(passes(t, 1, 1, 0, true));
	assert_false(passes(t, 2, 1, 1, true));
	/* Of the host, right after one passed through: another id, another name, later. */
	assert_false(passes(t, 1, 5, 10, true));
	assert_true(passes(t, 2, 5, 11, false));
	other.client = ipaddr_v4((const uint8_t[]){ 10, 0, 0, 99 });
	assert_false(transit_query(t, &other, &q, T0 + 12, false));
	assert_false(passes(t, 2, 99, 12, true));
	assert_false(passes(t, 2, 98, 200 * MS, false));
	/* Too long ago to be the same packet. */
	assert_false(passes(t, 1, 20, 0, true));
	assert_false(passes(t, 2, 20, 1500 * MS, false));
	/* Each has a loopback of its own. */
	k.server = ipaddr_v4((const uint8_t[]){ 127, 0, 0, 53 });
	assert_false(transit_query(t, &k, &q, T0, false));
	k.netns = 2;
	assert_false(transit_query(t, &k, &q, T0 + 1, false));
	transit_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_way_out),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "track/vantage.h"
#include "util/cleanup.h"

#include <jansson.h>
#include <pcap/dlt.h>
#include <string.h>

#include "sink/last_seen.h"

#define S  1000000000LL
#define MS 1000000LL
#define T0 (1700000000 * S)

static struct tap inside = { .id = 1,
			     .netns = 77,
			     .ifindex = 4,
			     .side = SIDE_INSIDE,
			     .dlt = DLT_EN10MB,
			     .target = "php",
			     .ifname = "eth0" };
static struct tap host = { .id = 2,
			   .netns = 77,
			   .ifindex = 9,
			   .peer = 4,
			   .side = SIDE_HOST,
			   .dlt = DLT_EN10MB,
			   .target = "php",
			   .ifname = "veth0" };

static unsigned int told;
static uint64_t number;

static void on_lost(void *ctx, const struct vantage_pair *p, enum vantage_place at)
{
	(void)ctx;
	assert_string_equal(p->inside, "eth0");
	told |= 1u << at;
}

static void vantage_freep(struct vantage **v)
{
	vantage_free(*v);
}
#define _cleanup_vantage_ _cleanup_(vantage_freep)

static struct vantage *begin_one(bool filtered, const struct tap *first, int64_t now)
{
	struct vantage_options o = { .filtered = filtered, .lost = on_lost };
	struct vantage *v = vantage_new(&o);

	told = 0;
	number = 0;
	vantage_tap(v, &inside);
	vantage_tap(v, &host);
	vantage_begin(v, first, now);
	return v;
}

static struct vantage *begin(bool filtered)
{
	struct vantage *v = begin_one(filtered, &inside, T0 - S);

	vantage_begin(v, &host, T0 - S);
	return v;
}

/* From 10.0.0.1:1000 to 10.0.0.2:2000, or back. */
static const uint8_t udp[] = { 2, 0,  0, 0,   0, 2,   2,  0,  0, 0, 0,	1, 8, 0, 0x45, 0,
			       0, 32, 0, 0,   0, 0,   64, 17, 0, 0, 10, 0, 0, 1, 10,   0,
			       0, 2,  3, 232, 7, 208, 0,  12, 0, 0, 0,	0, 0, 0 };
static const uint8_t syn[] = { 2, 0,   0, 0, 0,	 2, 2, 0, 0,  0, 0,    1, 8,  0, 0x45, 0, 0, 40,
			       0, 0,   0, 0, 64, 6, 0, 0, 10, 0, 0,    1, 10, 0, 0,    2, 3, 232,
			       7, 208, 0, 0, 0,	 1, 0, 0, 0,  0, 0x50, 2, 0,  0, 0,    0, 0, 0 };

/* body: what makes it differ from others. */
static void see(struct vantage *v, const struct tap *tap, enum direction dir, int64_t at,
		uint32_t body, uint32_t wirelen)
{
	uint8_t data[sizeof(udp)];
	struct packet p = { .number = ++number,
			    .time = T0 + at,
			    .data = data,
			    .caplen = sizeof(data),
			    .wirelen = wirelen,
			    .tap = tap,
			    .dir = dir };

	memcpy(data, udp, sizeof(udp));
	memcpy(data + sizeof(udp) - 4, &body, sizeof(body));
	/* The checksum is there only once somebody has filled it in. */
	data[40] = data[41] = tap->side == SIDE_HOST;
	vantage_packet(v, &p);
}

static void out_at(struct vantage *v, const struct tap *tap, int64_t at, uint32_t body)
{
	see(v, tap, DIR_OUT, at, body, sizeof(udp));
}

static const struct vantage_loss *loss(const struct vantage *v, enum vantage_place at)
{
	return &vantage_pair(v, 0)->lost[at];
}

static void test_through(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);
	uint32_t i;

	(void)state;
	for (i = 0; i < 50000; i++) {
		out_at(v, &inside, i * MS, i);
		out_at(v, &host, i * MS + 5000, i);
		see(v, &host, DIR_IN, i * MS, i, 60);
		see(v, &inside, DIR_IN, i * MS + 5000, i, 60);
		vantage_tick(v, T0 + i * MS);
	}
	assert_int_equal(vantage_next(v), INT64_MAX);
	vantage_finish(v, T0 + 60 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 0);
	assert_int_equal(loss(v, VANTAGE_CAME_BACK)->count, 0);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->unsure, 0);
	assert_int_equal(told, 0);
}

/* Five alike, of which three come through. */
static void test_alike(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		out_at(v, &inside, i * MS, 1);
	for (i = 0; i < 3; i++)
		out_at(v, &host, i * MS + 100, 1);
	assert_int_equal(vantage_next(v), T0 + 3 * MS + 5 * S);
	vantage_tick(v, T0 + 3 * MS + 5 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 1);
	assert_int_equal(told, 1u << VANTAGE_LEFT_PROCESS);
	vantage_finish(v, T0 + 10 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 2);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->first, 4);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->last, 5);
	assert_int_equal(vantage_not_across(v, &inside), 2);
	assert_int_equal(vantage_not_across(v, &host), 0);
}

static void test_late_is_taken_back(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);

	(void)state;
	out_at(v, &inside, 0, 1);
	out_at(v, &inside, 1, 2);
	vantage_tick(v, T0 + 6 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 2);
	out_at(v, &host, 7 * S, 1);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 1);
	/* From now on it takes twice that until one is missed at the end. */
	out_at(v, &inside, 10 * S, 3);
	vantage_finish(v, T0 + 24 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 1);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->unsure, 0);
}

/* Sent before both ends were watched, just before the end, after it. */
static void test_ends(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);

	(void)state;
	out_at(v, &inside, -2 * S, 1);
	out_at(v, &inside, 0, 2);
	out_at(v, &inside, 4 * S - 100 * MS, 3);
	vantage_end_all(v, T0 + 4 * S);
	out_at(v, &inside, 4 * S + 1, 4);
	vantage_finish(v, T0 + 30 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 1);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->first, 2);
}

/* The interface goes, and another comes with the same name. */
static void test_again(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);
	struct tap in2 = inside, host2 = host;

	(void)state;
	out_at(v, &inside, 0, 1);
	out_at(v, &inside, 2 * S - 1, 2);
	vantage_end(v, &host, T0 + 2 * S);
	vantage_end(v, &inside, T0 + 2 * S);
	in2.id = 3;
	host2.id = 4;
	in2.ifindex = host2.peer = 40;
	in2.netns = host2.netns = 78;
	vantage_tap(v, &in2);
	vantage_begin(v, &in2, T0 + 3 * S);
	out_at(v, &in2, 3 * S + 200 * MS, 3);
	vantage_tap(v, &host2);
	vantage_begin(v, &host2, T0 + 4 * S);
	out_at(v, &in2, 5 * S, 4);
	vantage_finish(v, T0 + 9 * S);
	assert_null(vantage_pair(v, 1));
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 2);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->unsure, 0);
}

/* Sent while only the inside was watched; a later one like it comes through. */
static void test_alike_before_both_ends(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin_one(false, &inside, T0);

	(void)state;
	out_at(v, &inside, 4 * MS, 1);
	vantage_begin(v, &host, T0 + 28 * MS);
	out_at(v, &inside, 27 * MS, 1); /* told of late */
	out_at(v, &inside, 428 * MS, 1);
	out_at(v, &host, 428 * MS + 5000, 1);
	vantage_tick(v, T0 + 10 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 0);
	/* Nor does it seem to have been slow: this is not in flight at the end. */
	out_at(v, &inside, 10 * S, 2);
	vantage_finish(v, T0 + 10 * S + 600 * MS);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 1);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->first, 5);
}

/* Arrived while only the inside was watched: a later one like it is no change on the way. */
static void test_alike_arrived_before_both_ends(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin_one(false, &inside, T0);

	(void)state;
	see(v, &inside, DIR_IN, 11 * MS, 1, 60);
	vantage_begin(v, &host, T0 + 30 * MS);
	see(v, &host, DIR_IN, 87 * MS, 1, 60);
	see(v, &inside, DIR_IN, 87 * MS + 5000, 1, 60);
	see(v, &host, DIR_IN, 100 * MS, 2, 60);
	vantage_finish(v, T0 + 10 * S);
	assert_int_equal(loss(v, VANTAGE_CAME_BACK)->unsure, 0);
	assert_int_equal(loss(v, VANTAGE_CAME_BACK)->count, 1);
}

static void test_records_missing(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);

	(void)state;
	out_at(v, &inside, 20 * S, 1);
	vantage_missed(v, &host, T0 + 21 * S);
	vantage_tick(v, T0 + 26 * S);
	out_at(v, &inside, 50 * S, 2);
	vantage_finish(v, T0 + 60 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 1);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->first, 2);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->unsure, 1);
}

/* Cut into two on the way; the other direction is not in doubt. */
static void test_changed(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);

	(void)state;
	see(v, &inside, DIR_OUT, 20 * S, 1, 3000);
	see(v, &host, DIR_OUT, 20 * S + 1000, 1, 1500);
	see(v, &host, DIR_OUT, 20 * S + 2000, 2, 1500);
	see(v, &host, DIR_IN, 20 * S, 3, 60);
	vantage_finish(v, T0 + 25 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 0);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->unsure, 1);
	assert_int_equal(loss(v, VANTAGE_CAME_BACK)->count, 1);
}

/* A filter may take the whole and not its parts. */
static void test_filtered(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(true);

	(void)state;
	see(v, &inside, DIR_OUT, 0, 1, 3000);
	vantage_finish(v, T0 + 10 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 0);
}

/* More than there is room for: the others are in doubt, and nothing grows. */
static void test_too_many(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);
	uint32_t i;

	(void)state;
	for (i = 0; i < 100000; i++)
		out_at(v, &inside, i, i);
	vantage_finish(v, T0 + 10 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 0);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->unsure, 100000);
}

static void see_tcp(struct vantage *v, const struct tap *tap, enum direction dir, int64_t at,
		    uint8_t flags)
{
	uint8_t data[sizeof(syn)];
	struct packet p = { .number = ++number,
			    .time = T0 + at,
			    .data = data,
			    .caplen = sizeof(data),
			    .wirelen = sizeof(data),
			    .tap = tap,
			    .dir = dir };

	memcpy(data, syn, sizeof(syn));
	data[47] = flags;
	if (flags & 0x10) {
		memcpy(data + 26, syn + 30, 4);
		memcpy(data + 30, syn + 26, 4);
		memcpy(data + 34, syn + 36, 2);
		memcpy(data + 36, syn + 34, 2);
	}
	vantage_packet(v, &p);
}

static void test_requests(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);
	const struct vantage_loss *l = loss(v, VANTAGE_LEFT_NETNS);

	(void)state;
	/* Answered after a retry; not answered after another. */
	see_tcp(v, &inside, DIR_OUT, 0, 2);
	see_tcp(v, &host, DIR_OUT, 1000, 2);
	see_tcp(v, &host, DIR_IN, S, 0x12);
	see_tcp(v, &inside, DIR_IN, S + 1000, 0x12);
	vantage_tick(v, T0 + 10 * S);
	assert_int_equal(l->count, 0);
	see_tcp(v, &inside, DIR_OUT, 10 * S, 2);
	see_tcp(v, &host, DIR_OUT, 10 * S + 1000, 2);
	see_tcp(v, &inside, DIR_OUT, 11 * S, 2);
	see_tcp(v, &host, DIR_OUT, 11 * S + 1000, 2);
	vantage_finish(v, T0 + 13 * S);
	assert_int_equal(l->count, 1);
	assert_int_equal(l->first, 6);
	assert_int_equal(l->talk.client_port, 1000);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 0);
}

/* Seen before both ends were: the retry is the first that counts. */
static void test_request_before_both_ends(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin_one(false, &host, T0);

	(void)state;
	see_tcp(v, &host, DIR_OUT, 1, 2);
	vantage_begin(v, &inside, T0 + 30 * MS);
	see_tcp(v, &inside, DIR_OUT, S, 2);
	see_tcp(v, &host, DIR_OUT, S + 1000, 2);
	vantage_finish(v, T0 + 4 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_NETNS)->count, 1);
	assert_int_equal(loss(v, VANTAGE_LEFT_NETNS)->first, 3);
}

/* A bridge floods: what comes in may be for somebody else, until it is known who is here. */
static void test_requests_from_outside(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);
	const struct vantage_loss *l = loss(v, VANTAGE_CAME_IN);

	(void)state;
	see_tcp(v, &host, DIR_IN, 0, 2);
	see_tcp(v, &inside, DIR_IN, 1000, 2);
	vantage_tick(v, T0 + 10 * S);
	assert_int_equal(l->count, 0);
	/* Refused, so asked for; then the same in silence. */
	see_tcp(v, &host, DIR_IN, 10 * S, 2);
	see_tcp(v, &inside, DIR_IN, 10 * S + 1000, 2);
	see_tcp(v, &inside, DIR_OUT, 10 * S + 2000, 0x14);
	see_tcp(v, &host, DIR_OUT, 10 * S + 3000, 0x14);
	see_tcp(v, &host, DIR_IN, 11 * S, 2);
	see_tcp(v, &inside, DIR_IN, 11 * S + 1000, 2);
	vantage_finish(v, T0 + 20 * S);
	assert_int_equal(l->count, 1);
}

static bool takes_none(void *ctx, const uint8_t *data, uint32_t len, enum direction dir)
{
	(void)ctx;
	/* SYN, ACK from 10.0.0.2:2000 to 10.0.0.1:1000 */
	assert_int_equal(len, sizeof(syn));
	assert_int_equal(dir, DIR_IN);
	assert_int_equal(data[29], 2);
	assert_int_equal(data[33], 1);
	assert_int_equal(data[35], 208);
	assert_int_equal(data[47], 0x12);
	return false;
}

static void test_answers_not_selected(void **state)
{
	struct vantage_options o = { .filtered = true, .takes = takes_none };
	_cleanup_vantage_ struct vantage *v = vantage_new(&o);

	(void)state;
	vantage_tap(v, &inside);
	vantage_tap(v, &host);
	vantage_begin(v, &inside, T0 - S);
	vantage_begin(v, &host, T0 - S);
	see_tcp(v, &inside, DIR_OUT, 0, 2);
	see_tcp(v, &host, DIR_OUT, 1000, 2);
	vantage_finish(v, T0 + 10 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_NETNS)->count, 0);
}

/* macvlan, tun, the host: nothing to compare, and nothing to wait for. */
static void test_no_host_end(void **state)
{
	struct vantage_options o = { 0 };
	_cleanup_vantage_ struct vantage *v = vantage_new(&o);

	(void)state;
	vantage_tap(v, &inside);
	vantage_begin(v, &inside, T0 - S);
	out_at(v, &inside, 0, 1);
	assert_int_equal(vantage_next(v), INT64_MAX);
	vantage_finish(v, T0 + 10 * S);
	assert_int_equal(loss(v, VANTAGE_LEFT_PROCESS)->count, 0);
}

static void test_output(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);
	const struct vantage_pair *p = vantage_pair(v, 0);
	char mem[4096];
	struct strbuf out;
	json_t *o;

	(void)state;
	out_at(v, &inside, 0, 1);
	see(v, &inside, DIR_OUT, 1, 2, 60);
	vantage_finish(v, T0 + 10 * S);
	strbuf_init(&out, mem, sizeof(mem));
	assert_true(last_seen_text(&out, p, VANTAGE_LEFT_PROCESS, 0));
	assert_string_equal(mem, "php: 2 packets left the process, but not the namespace: seen at "
				 "eth0, not at veth0 (host end)");
	strbuf_reset(&out);
	assert_true(last_seen_text(&out, p, VANTAGE_LEFT_PROCESS, 1));
	assert_string_equal(mem, "  packets 1 to 2; the first: UDP 10.0.0.1 > 10.0.0.2");
	assert_false(last_seen_text(&out, p, VANTAGE_LEFT_PROCESS, 2));
	assert_false(last_seen_text(&out, p, VANTAGE_CAME_IN, 0));
	strbuf_reset(&out);
	last_seen_json(&out, p, VANTAGE_CAME_IN);
	assert_int_equal(out.len, 0);
	last_seen_json(&out, p, VANTAGE_LEFT_PROCESS);
	o = json_loads(mem, 0, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "place")), "left-process");
	assert_string_equal(json_string_value(json_object_get(o, "first_time")),
			    "2023-11-14T22:13:20.000000000Z");
	assert_int_equal(json_integer_value(json_object_get(o, "count")), 2);
	json_decref(o);
}

/* A listener report: IPv6 with a hop-by-hop header. */
static void test_output_hop_by_hop(void **state)
{
	_cleanup_vantage_ struct vantage *v = begin(false);
	uint8_t data[90] = { [12] = 0x86, 0xdd,	    0x60, [19] = 36, 0,		  1, 0xfe,
			     0x80,	  [37] = 1, 0xff, 2,	     [53] = 0x16, 58 };
	struct packet p = { .number = 1,
			    .time = T0,
			    .data = data,
			    .caplen = sizeof(data),
			    .wirelen = sizeof(data),
			    .tap = &inside,
			    .dir = DIR_OUT };
	char mem[256];
	struct strbuf out;

	(void)state;
	vantage_packet(v, &p);
	vantage_finish(v, T0 + 10 * S);
	strbuf_init(&out, mem, sizeof(mem));
	assert_true(last_seen_text(&out, vantage_pair(v, 0), VANTAGE_LEFT_PROCESS, 1));
	assert_string_equal(mem, "  packet 1: IP fe80::1 > ff02::16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_through),
		cmocka_unit_test(test_alike),
		cmocka_unit_test(test_late_is_taken_back),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_alike_before_both_ends),
		cmocka_unit_test(test_alike_arrived_before_both_ends),
		cmocka_unit_test(test_records_missing),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_filtered),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_request_before_both_ends),
		cmocka_unit_test(test_requests_from_outside),
		cmocka_unit_test(test_answers_not_selected),
		cmocka_unit_test(test_no_host_end),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_output_hop_by_hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/pcap.h"

static const uint8_t bytes[100] = { 1, 2, 3 };

static struct packet make_packet(int64_t time, uint32_t caplen)
{
	return (struct packet){ .time = time, .data = bytes, .caplen = caplen, .wirelen = 70000 };
}

/* libpcap knows its own numbers: those its writer puts for each DLT are ours. */
static void test_linktypes_are_libpcaps(void **state)
{
	int dlt;

	(void)state;
	for (dlt = 0; dlt < 300; dlt++) {
		char *mem = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&mem, &len);
		pcap_t *dead = pcap_open_dead(dlt, 1000);
		pcap_dumper_t *d = pcap_dump_fopen(dead, f);
		uint32_t linktype;

		if (d) {
			pcap_dump_close(d);
			memcpy(&linktype, mem + 20, sizeof(linktype));
			assert_int_equal(pcap_linktype_of(dlt), linktype);
		} else {
			fclose(f);
		}
		pcap_close(dead);
		free(mem);
	}
}

static void test_libpcap_reads_back(void **state)
{
	static const struct {
		int64_t time, sec;
		uint32_t nsec;
	} rows[] = {
		{ 1700000000123456789, 1700000000, 123456789 },
		{ 0, 0, 0 },
		{ 2147483647999999999, 2147483647, 999999999 },
	};
	char why[PCAP_ERRBUF_SIZE];
	uint8_t out[1024];
	size_t len = pcap_put_header(out, sizeof(out), DLT_RAW, 64), i;
	struct pcap_pkthdr *h;
	const u_char *data;
	pcap_t *p;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct packet pkt = make_packet(rows[i].time, 63 + (uint32_t)i);

		len += pcap_put_record(out + len, sizeof(out) - len, 64, &pkt);
	}
	p = pcap_fopen_offline_with_tstamp_precision(fmemopen(out, len, "r"),
						     PCAP_TSTAMP_PRECISION_NANO, why);
	assert_non_null(p);
	assert_int_equal(pcap_datalink(p), DLT_RAW);
	assert_int_equal(pcap_snapshot(p), 64);
	for (i = 0; i < 3; i++) {
		assert_int_equal(pcap_next_ex(p, &h, &data), 1);
		assert_int_equal(h->ts.tv_sec, rows[i].sec);
		assert_int_equal(h->ts.tv_usec, rows[i].nsec);
		assert_int_equal(h->caplen, i ? 64 : 63);
		assert_int_equal(h->len, 70000);
		assert_memory_equal(data, bytes, h->caplen);
	}
	assert_int_equal(pcap_next_ex(p, &h, &data), PCAP_ERROR_BREAK);
	pcap_close(p);
}

static void test_time_before_1970_has_a_fraction(void **state)
{
	struct packet p = make_packet(-1, 0);
	uint32_t words[4];

	(void)state;
	assert_int_equal(pcap_put_record((uint8_t *)words, sizeof(words), 64, &p), 16);
	assert_int_equal(words[0], UINT32_MAX);
	assert_int_equal(words[1], 999999999);
}

static void test_room_is_respected(void **state)
{
	struct packet p = make_packet(0, 10);
	uint8_t *mem;
	size_t size;

	(void)state;
	for (size = 0; size <= 26; size++) {
		mem = malloc(size ? size : 1);
		assert_int_equal(pcap_put_record(mem, size, 64, &p), size < 26 ? 0 : 26);
		assert_int_equal(pcap_put_header(mem, size, 1, 64), size < 24 ? 0 : 24);
		if (size == 26) {
			pcap_put_record(mem, size, 64, &p);
			assert_int_equal(pcap_record_len(mem, 26), 26);
			assert_int_equal(pcap_record_len(mem, 25), 0);
			assert_int_equal(pcap_record_len(mem, 15), 0);
		}
		free(mem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linktypes_are_libpcaps),
		cmocka_unit_test(test_libpcap_reads_back),
		cmocka_unit_test(test_time_before_1970_has_a_fraction),
		cmocka_unit_test(test_room_is_respected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

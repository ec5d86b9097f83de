// SPDX-License-Identifier: GPL-2.0-only
/*
 * sink/text: columns, and frames that are wrong. That its lines are tshark's is shown in
 * tests/e2e/test_corpus.py.
 */
#include <dirent.h>
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "../fuzz/frame_fuzz.c"
#include "sink/text.h"

#define CORPUS	"../shared/corpus/captures"
#define MUTANTS 200000

static bool has_corpus(void)
{
	struct stat st;

	return stat(CORPUS, &st) == 0;
}

static void test_ip6_text(void **state)
{
	char want[INET6_ADDRSTRLEN], got[64];
	struct strbuf b;
	uint8_t a[16];
	unsigned int i, j;

	(void)state;
	srand(1);
	for (i = 0; i < 20000; i++) {
		for (j = 0; j < 16; j++)
			a[j] = rand() % 3 ? 0 : (uint8_t)(rand() % 2 ? rand() : 0xff);
		inet_ntop(AF_INET6, a, want, sizeof(want));
		strbuf_init(&b, got, sizeof(got));
		ipaddr_put_v6(&b, a);
		assert_string_equal(got, want);
	}
}

static const uint8_t arp_frame[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0, 1, 8, 6, 0, 1, 8, 0,  6, 4, 0,
	1,    2,    0,	  0,	0,    0,    1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
};

static void line_of(const struct text_options *o, const struct tap *tap, char *mem, size_t size)
{
	struct packet p = { .number = 7, .time = 1700000000123456789, .tap = tap };
	struct text *t = text_new(o);
	struct strbuf out;
	struct frame f;

	p.wirelen = p.caplen = sizeof(arp_frame);
	p.data = arp_frame;
	decode_frame(&f, arp_frame, sizeof(arp_frame), sizeof(arp_frame), DLT_EN10MB);
	strbuf_init(&out, mem, size);
	text_line(t, &p, &f, &out);
	text_free(t);
}

/* As `tshark -n -t FORMAT` prints this frame from a file of that resolution; with TZ=UTC. */
static void test_time_formats(void **state)
{
	static const struct {
		enum time_format format;
		uint8_t digits;
		const char *text;
	} cases[] = {
		{ TIME_RELATIVE, 6, "    7   0.000000 02" },
		{ TIME_ABSOLUTE, 6, "    7 22:13:20.123456 02" },
		{ TIME_ABSOLUTE_DATE, 6, "    7 2023-11-14 22:13:20.123456 02" },
		{ TIME_DELTA, 6, "    7   0.000000 02" },
		{ TIME_EPOCH, 6, "    7 1700000000.123456 02" },
		{ TIME_UTC_CLOCK, 6, "    7 22:13:20.123456 02" },
		{ TIME_UTC_DATE, 6, "    7 2023-11-14 22:13:20.123456 02" },
		{ TIME_RELATIVE, 3, "    7      0.000 02" },
		{ TIME_RELATIVE, TIME_DIGITS_NONE, "    7          0 02" },
		{ TIME_ABSOLUTE, TIME_DIGITS_NONE, "    7   22:13:20 02" },
		{ TIME_EPOCH, 1, "    7 1700000000.1 02" },
		{ TIME_EPOCH, 9, "    7 1700000000.123456789 02" },
		{ TIME_EPOCH, 0, "    7 1700000000.123456789 02" },
	};
	char mem[256];
	size_t i;

	(void)state;
	setenv("TZ", "UTC", 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text_options o = { .time_format = cases[i].format };
		struct tap tap = { .time_digits = cases[i].digits };

		line_of(&o, &tap, mem, sizeof(mem));
		mem[strlen(cases[i].text)] = '\0';
		assert_string_equal(mem, cases[i].text);
	}
}

static void test_tap_column(void **state)
{
	struct text_options o = { .show_tap = true };
	struct tap tap = { .target = "p\033hp", .ifname = "eth0" };
	char mem[256];

	(void)state;
	line_of(&o, &tap, mem, sizeof(mem));
	assert_string_equal(mem, "p\\x1bhp/eth0     7 0.000000000 02:00:00:00:00:01 \xe2\x86\x92 "
				 "ff:ff:ff:ff:ff:ff ARP 42 Who has 10.0.0.2? Tell 10.0.0.1");
}

static void mutate(uint8_t *data, size_t *size)
{
	unsigned int n = (unsigned int)rand() % 8;

	while (n--)
		data[(size_t)rand() % *size] = (uint8_t)(rand() % 3 ? rand() : -(rand() % 2));
	if (rand() % 4 == 0)
		*size = 2 + (size_t)rand() % (*size - 1);
	if (*size < 2)
		*size = 2;
	data[0] = rand() % 8 ? 0 : (uint8_t)rand();
}

static void mutate_frame(const u_char *frame, size_t len, unsigned int times)
{
	/* the heap, so that reads behind the end are seen */
	uint8_t *data = malloc(len + 2);

	while (times--) {
		size_t size = len + 2;
		uint8_t *copy;

		data[0] = data[1] = 0;
		memcpy(data + 2, frame, len);
		mutate(data, &size);
		copy = malloc(size);
		memcpy(copy, data, size);
		LLVMFuzzerTestOneInput(copy, size);
		free(copy);
	}
	free(data);
}

static void mutate_file(const char *file, unsigned int *left)
{
	char path[512], err[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *data;
	pcap_t *in;

	snprintf(path, sizeof(path), CORPUS "/%s", file);
	in = pcap_open_offline(path, err);
	assert_non_null(in);
	while (pcap_next_ex(in, &h, &data) == 1) {
		unsigned int times = *left < 120 ? *left : 120;

		if (h->caplen > 2000)
			continue;
		mutate_frame(data, h->caplen, times);
		*left -= times;
	}
	pcap_close(in);
}

/* Under the sanitizers: no read outside a frame, whatever it says. */
static void test_mutants(void **state)
{
	unsigned int left = MUTANTS;
	struct dirent *e;
	DIR *d;

	(void)state;
	if (!has_corpus()) {
		print_message("skipped: needs " CORPUS "\n");
		skip();
	}
	srand(2);
	d = opendir(CORPUS);
	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			mutate_file(e->d_name, &left);
	closedir(d);
	print_message("%u frames\n", MUTANTS - left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip6_text),
		cmocka_unit_test(test_time_formats),
		cmocka_unit_test(test_tap_column),
		cmocka_unit_test(test_mutants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

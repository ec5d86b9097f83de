// SPDX-License-Identifier: GPL-2.0-only
/*
 * sink/text against tshark, byte for byte: every frame of every capture of the
 * corpus. tshark runs with the dissectors switched off that we do not have, so
 * that it prints the line of the innermost protocol that both know.
 */
#include <dirent.h>
#include <errno.h>
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
#include "file/reader.h"
#include "oracle.h"
#include "sink/text_line.h"

#define CORPUS	"../shared/corpus/captures"
#define MUTANTS 200000

/* The protocols that decode/ knows, and what tshark needs below and beside them. */
#define KNOWN                                                                             \
	"^(frame|eth|ethertype|vlan|ieee8021ad|arp|ip|ipv6|icmp|icmpv6|tcp|udp|dns|mdns|" \
	"llmnr|data|llc|sll|null|raw|mptcp|vxlan|geneve|gre|erspan|file-pcap.*|_ws[.].*|" \
	"(tcp|ip)[.]options.*|ipv6[.].*)$"

static char profile[] = "/tmp/nswatch-text-XXXXXX";

static bool has_corpus(void)
{
	struct stat st;

	return stat(CORPUS, &st) == 0;
}

static int make_profile(void **state)
{
	char cmd[1024];

	(void)state;
	if (!mkdtemp(profile))
		return -1;
	snprintf(cmd, sizeof(cmd),
		 "tshark -G protocols 2>/dev/null | cut -f3 | grep -Ev '" KNOWN
		 "' > %s/disabled_protos",
		 profile);
	return have_tool("tshark") && system(cmd) ? -1 : 0;
}

static int drop_profile(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", profile);
	return system(cmd);
}

/* --- known differences ------------------------------------------------------ */

struct count {
	unsigned int frames, equal, oui;
};

static const struct {
	const char *text;
	size_t counter;
	const char *reason;
} reasons[] = {
	{ ", OUI 0x", offsetof(struct count, oui), "names of OUIs: a database of 35,000 vendors" },
};

static unsigned int *known_difference(struct count *c, const char *want)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		if (strstr(want, reasons[i].text))
			return (unsigned int *)((char *)c + reasons[i].counter);
	return NULL;
}

/* --- comparing -------------------------------------------------------------- */

static void compare_line(struct count *c, const char *file, const char *want, const char *got)
{
	unsigned int *known;

	c->frames++;
	if (strcmp(want, got) == 0) {
		c->equal++;
		return;
	}
	known = known_difference(c, want);
	if (!known)
		fail_msg("%s\n tshark: %s\n   ours: %s", file, want, got);
	(*known)++;
}

static void print_packet(struct text *t, const struct packet *p, struct strbuf *out)
{
	struct frame f;

	assert_int_equal(decode_frame(&f, p->data, p->caplen, p->wirelen, p->tap->dlt), 0);
	text_line(t, p, &f, out);
}

static void compare_lines(struct count *c, const char *file, struct reader *in, FILE *oracle_out)
{
	struct text_options o = { .time_format = TIME_RELATIVE };
	char want[16384], got[16384];
	struct text *t = text_new(&o);
	struct strbuf out;
	struct err e = { 0 };
	struct packet p;

	while (reader_next(in, &p, &e) == 1) {
		assert_non_null(fgets(want, sizeof(want), oracle_out));
		want[strcspn(want, "\n")] = '\0';
		strbuf_init(&out, got, sizeof(got));
		print_packet(t, &p, &out);
		compare_line(c, file, want, got);
	}
	assert_null(fgets(want, sizeof(want), oracle_out));
	text_free(t);
}

/* tshark takes most of a second to start; so all files at once. */
static int ask_tshark(void)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd),
		 "ls " CORPUS " | WIRESHARK_CONFIG_DIR=%s xargs -P \"$(nproc)\" -I{} sh -c "
		 "'tshark -n -r " CORPUS "/{} >%s/{} 2>/dev/null; true'",
		 profile, profile);
	return system(cmd);
}

static void compare_file(struct count *c, const char *file)
{
	struct err e = { 0 };
	struct reader *in;
	char path[512];
	FILE *oracle_out;

	snprintf(path, sizeof(path), "%s/%s", profile, file);
	oracle_out = fopen(path, "r");
	assert_non_null(oracle_out);
	snprintf(path, sizeof(path), CORPUS "/%s", file);
	in = reader_open(path, &e);
	assert_non_null(in);
	compare_lines(c, file, in, oracle_out);
	reader_free(in);
	fclose(oracle_out);
}

static void test_corpus(void **state)
{
	struct count c = { 0 };
	struct dirent *e;
	DIR *d;

	(void)state;
	if (!has_corpus() || !have_tool("tshark")) {
		print_message("skipped: needs tshark and " CORPUS "\n");
		skip();
	}
	assert_int_equal(ask_tshark(), 0);
	d = opendir(CORPUS);
	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			compare_file(&c, e->d_name);
	closedir(d);
	print_message("%u frames, %u equal; differing by OUI names %u\n", c.frames, c.equal, c.oui);
	assert_true(c.frames > 0);
	assert_int_equal(c.frames, c.equal + c.oui);
}

/* --- the rest --------------------------------------------------------------- */

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
		cmocka_unit_test(test_ip6_text),   cmocka_unit_test(test_time_formats),
		cmocka_unit_test(test_tap_column), cmocka_unit_test(test_mutants),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, make_profile, drop_profile);
}

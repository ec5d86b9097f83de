// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ctype.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "decode/dns.h"
#include "decode/frame.h"
#include "sink/text_dns.h"
#include "util/cleanup.h"

/* A message with one record of the given type; its data is text of hex digits. */
struct built {
	uint8_t bytes[1024];
	uint32_t len;
};

static void add(struct built *b, const void *p, size_t n)
{
	memcpy(b->bytes + b->len, p, n);
	b->len += (uint32_t)n;
}

static void add16(struct built *b, unsigned int v)
{
	const uint8_t p[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	add(b, p, 2);
}

static struct built build(uint16_t type, const char *hex)
{
	static const uint8_t head[] = { 0x12, 0x34, 0x81, 0x80, 0, 0, 0, 1, 0, 0, 0, 0 };
	static const uint8_t rest[] = { 0, 1, 0, 0, 0, 60 };
	struct built b = { .len = 0 };
	size_t i;

	add(&b, head, sizeof(head));
	add(&b, "\7example\3com", 13);
	add16(&b, type);
	add(&b, rest, sizeof(rest));
	add16(&b, (unsigned int)strlen(hex) / 2);
	for (i = 0; hex[i]; i += 2) {
		unsigned int v;

		assert_int_equal(sscanf(hex + i, "%2x", &v), 1);
		b.bytes[b.len++] = (uint8_t)v;
	}
	return b;
}

static enum dns_status rdata(const struct built *m, char *text, size_t size)
{
	struct dns_walk w;
	struct dns_msg msg;
	struct dns_rr rr;
	struct strbuf b;

	strbuf_init(&b, text, size);
	assert_int_equal(dns_msg_init(&msg, m->bytes, m->len, m->len), DNS_OK);
	dns_walk_init(&w, &msg);
	assert_true(dns_walk_next(&w, &rr));
	assert_int_equal(rr.section, DNS_ANSWER);
	return dns_rdata_put(&b, &msg, &rr);
}

/* Expected text: dig 9.18 on the same data, its final dots aside. */
static void rdata_as_dig(void **state)
{
	static const struct {
		uint16_t type;
		const char *hex, *text;
	} cases[] = {
		{ 1, "c0000201", "192.0.2.1" },
		{ 28, "20010db8000000000000000000000001", "2001:db8::1" },
		{ 2, "026e73c00c", "ns.example.com" },
		{ 5, "00", "." },
		{ 15, "000a026d78c00c", "10 mx.example.com" },
		{ 16, "0568656c6c6f0322225c", "\"hello\" \"\\\"\\\"\\\\\"" },
		{ 16, "0301ff20", "\"\\001\\255 \"" },
		{ 33, "0001000201bb03737276c00c", "1 2 443 srv.example.com" },
		{ 6, "016ec00c0172c00c0000000100000002000000030000000400000005",
		  "n.example.com r.example.com 1 2 3 4 5" },
		{ 43, "12670802abcd", "4711 8 2 ABCD" },
		{ 48, "01010308666f6f", "257 3 8 Zm9v" },
		{ 46, "0001080200000e105f5e100059682f0010920373696700616263",
		  "A 8 2 3600 20200913122640 20170714024000 4242 sig YWJj" },
		{ 47, "016ec00c0006400000000003", "n.example.com A RRSIG NSEC" },
		{ 50, "0101000a02abcd0401020304000140", "1 1 10 ABCD 0410610 A" },
		{ 52, "030101abcd", "3 1 1 ABCD" },
		{ 257, "00056973737565636127", "0 issue \"ca'\"" },
		{ 44, "0101abcd", "1 1 ABCD" },
		{ 64, "0001037376630000030002 01bb", NULL },
		{ 65, "0001000001000302683200040004c0000201",
		  "1 . alpn=\"h2\" ipv4hint=192.0.2.1" },
		{ 64, "00010373766300000300 0201bb", NULL },
		{ 65, "000100000300020050", "1 . port=80" },
		{ 256, "000a0001687474703a2f2f78", "10 1 \"http://x\"" },
		{ 65280, "0102", "\\# 2 0102" },
		/* dnspython 2.3 on the same data; the others: tests/e2e/test_rdata.py. */
		{ 250,
		  "0b686d61632d7368613235360000006553f100012c000a0011223344556677889912670010"
		  "0000",
		  "hmac-sha256 1700000000 300 10 ABEiM0RVZneImQ== 4711 BADSIG 0" },
		{ 250, "0b686d61632d7368613235360000006553f100012c00001267001200060000655400ff",
		  "hmac-sha256 1700000000 300 0 4711 BADTIME 6 AABlVAD/" },
		{ 249, "086773732d74736967006553f1006553ff100003000000036162630000",
		  "gss-tsig 1700000000 1700003600 3 NOERROR 3 YWJj 0" },
	};
	char text[2048];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct built m;

		if (!cases[i].text)
			continue;
		m = build(cases[i].type, cases[i].hex);
		assert_int_equal(rdata(&m, text, sizeof(text)), DNS_OK);
		assert_string_equal(text, cases[i].text);
	}
}

static void rdata_that_does_not_fit_is_generic(void **state)
{
	static const struct {
		uint16_t type;
		const char *hex, *text;
	} cases[] = {
		{ 1, "c00002", "\\# 3 C00002" },
		{ 1, "c000020101", "\\# 5 C000020101" },
		{ 1, "", "\\# 0" },
		{ 15, "00", "\\# 1 00" },
		{ 16, "0568", "\\# 2 0568" },
		{ 5, "c0ff", "\\# 2 C0FF" },
		{ 47, "0000ff", "\\# 3 0000FF" },
		{ 65, "00010000010003026832ff", "\\# 11 00010000010003026832FF" },
	};
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct built m = build(cases[i].type, cases[i].hex);

		assert_int_equal(rdata(&m, text, sizeof(text)), DNS_MALFORMED);
		assert_string_equal(text, cases[i].text);
	}
}

static enum dns_status name(const void *bytes, uint32_t off, uint32_t caplen, uint32_t len,
			    char *text, size_t size)
{
	struct dns_msg m = { .data = bytes, .caplen = caplen, .len = len };
	struct dns_name n;
	enum dns_status s;
	struct strbuf b;

	strbuf_init(&b, text, size);
	s = dns_name_put(&b, &m, off, NULL);
	assert_int_equal(dns_name_get(&n, &m, off, NULL), s);
	return s;
}

static void names(void **state)
{
	static const uint8_t m[] = "\3www\7Example\3com\0\2ab\xc0\4\xc0\24\xc0\x1a\xc0\x40";
	char text[DNS_NAME_TEXT];
	uint8_t big[300];
	unsigned int i;

	(void)state;
	assert_int_equal(name(m, 0, 30, 30, text, sizeof(text)), DNS_OK);
	assert_string_equal(text, "www.Example.com");
	assert_int_equal(name(m, 17, 30, 30, text, sizeof(text)), DNS_OK);
	assert_string_equal(text, "ab.Example.com");
	assert_int_equal(name(m, 16, 30, 30, text, sizeof(text)), DNS_OK);
	assert_string_equal(text, ".");
	/* To itself, forward. */
	assert_int_equal(name("\xc0\0", 0, 2, 2, text, sizeof(text)), DNS_MALFORMED);
	assert_int_equal(name("\xc0\2\0", 0, 3, 3, text, sizeof(text)), DNS_MALFORMED);
	/* A loop of two. */
	assert_int_equal(name("\1a\xc0\4\1b\xc0\0", 0, 8, 8, text, sizeof(text)), DNS_MALFORMED);
	/* Cut by the capture, and by nothing. */
	assert_int_equal(name(m, 0, 8, 30, text, sizeof(text)), DNS_TRUNCATED);
	assert_int_equal(name(m, 0, 8, 8, text, sizeof(text)), DNS_MALFORMED);
	assert_int_equal(name(m, 0, 0, 0, text, sizeof(text)), DNS_MALFORMED);
	/* Reserved label types. */
	assert_int_equal(name("\x41\1\1\0", 0, 4, 4, text, sizeof(text)), DNS_MALFORMED);
	assert_int_equal(name("\x80x\0", 0, 3, 3, text, sizeof(text)), DNS_MALFORMED);
	/* 255 bytes fit, 256 do not. */
	for (i = 0; i < sizeof(big); i++)
		big[i] = i % 2 ? 'x' : 1;
	big[254] = 0;
	assert_int_equal(name(big, 0, 300, 300, text, sizeof(text)), DNS_OK);
	big[254] = 1;
	big[256] = 0;
	assert_int_equal(name(big, 0, 300, 300, text, sizeof(text)), DNS_MALFORMED);
	/* As RFC 1035 5.1 and dig escape. */
	assert_int_equal(name("\6a.b\\ \x1b\0", 0, 8, 8, text, sizeof(text)), DNS_OK);
	assert_string_equal(text, "a\\.b\\\\\\032\\027");
}

static void longest_text_of_a_name_fits(void **state)
{
	char text[DNS_NAME_TEXT];
	uint8_t m[256];
	struct strbuf b;
	struct dns_msg msg = { .data = m, .caplen = 255, .len = 255 };
	unsigned int i;

	(void)state;
	memset(m, 0xff, sizeof(m));
	for (i = 0; i < 255; i += 64)
		m[i] = 63;
	m[192] = 61;
	m[254] = 0;
	strbuf_init(&b, text, sizeof(text));
	assert_int_equal(dns_name_put(&b, &msg, 0, NULL), DNS_OK);
	assert_false(b.cut);
	/* In less room there is its beginning. */
	strbuf_init(&b, text, sizeof("x\\255"));
	strbuf_putc(&b, 'x');
	assert_int_equal(dns_name_put(&b, &msg, 0, NULL), DNS_OK);
	assert_true(b.cut);
	assert_string_equal(text, "x\\255");
}

/* One byte of a label, whichever it is and wherever it stands. */
static void capitals_are_lowered_and_shown(void **state)
{
	char text[DNS_NAME_TEXT], as_sent[DNS_NAME_TEXT];
	uint8_t m[22], others[] = { 'a', 'Z', 0, 0xff };
	struct dns_msg msg = { .data = m, .caplen = sizeof(m), .len = sizeof(m) };
	unsigned int c, at, i, k;
	struct dns_name n;
	struct strbuf b;

	(void)state;
	for (c = 0; c < 256 * ARRAY_SIZE(others) * 20; c++) {
		at = 1 + c / 256 % 20;
		memset(m, others[c / 256 / 20], sizeof(m));
		m[0] = sizeof(m) - 2;
		m[at] = (uint8_t)c;
		m[sizeof(m) - 1] = 0;
		assert_int_equal(dns_name_get(&n, &msg, 0, NULL), DNS_OK);
		assert_int_equal(n.len, sizeof(m));
		for (i = 1, k = 0; i < sizeof(m); i++) {
			assert_int_equal(n.wire[i], tolower(m[i]));
			k += isupper(m[i]) != 0;
		}
		assert_int_equal(n.has_upper, k != 0);
		strbuf_init(&b, text, sizeof(text));
		dns_name_text(&b, &n);
		strbuf_init(&b, as_sent, sizeof(as_sent));
		assert_int_equal(dns_name_put(&b, &msg, 0, NULL), DNS_OK);
		assert_string_equal(text, as_sent);
	}
}

/* Steps of a walk over m, and how many names it has. The names' own text costs no more. */
static uint64_t steps_of(const uint8_t *m, uint32_t len, unsigned int *names)
{
	char mem[DNS_NAME_TEXT];
	struct dns_msg msg;
	struct dns_walk w;
	struct dns_rr rr;
	struct strbuf b;

	assert_int_equal(dns_msg_init(&msg, m, len, len), DNS_OK);
	dns_walk_init(&w, &msg);
	for (*names = 0; dns_walk_next(&w, &rr); ++*names) {
		strbuf_init(&b, mem, sizeof(mem));
		dns_name_put(&b, &msg, rr.name_off, NULL);
	}
	return w.steps;
}

/* 64 KiB of names that all lead to the end of a chain of pointers, as long as they may be:
 * the work must not grow with the square of the length. Counted, not timed. */
static void hostile_messages_take_linear_time(void **state)
{
	static uint8_t m[65535];
	/* Of the chain's pointers, so many can be gone through. */
	const unsigned int chain[] = { 1, 100, 126, 127, 2729 };
	unsigned int i, j, n, at;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(chain); i++) {
		memset(m, 0, sizeof(m));
		m[4] = m[5] = 0xff;
		/* Questions: a pointer, type and class. The first is the root. */
		for (j = 0, at = 13 + 4; at + 6 <= sizeof(m); j++, at += 6) {
			unsigned int to = j == 0	  ? 12
					  : j <= chain[i] ? at - 6
							  : 17 + 6 * (chain[i] - 1);

			m[at] = (uint8_t)(0xc0 | to >> 8);
			m[at + 1] = (uint8_t)to;
		}
		assert_true(steps_of(m, sizeof(m), &n) <= 32 * sizeof(m));
		/* A name with one pointer too many ends the walk. */
		assert_int_equal(n, chain[i] < 127 ? j + 1 : 128);
	}
}

/* The same with labels: names of 127, each with the whole of the one before behind it. */
static void long_names_take_linear_time(void **state)
{
	static uint8_t m[65535];
	unsigned int n, at;

	(void)state;
	memset(m, 0, sizeof(m));
	m[4] = m[5] = 0xff;
	for (at = 12; at < 12 + 126 * 2; at += 2) {
		m[at] = 1;
		m[at + 1] = 'a';
	}
	for (at += 5; at + 8 <= sizeof(m); at += 8) {
		m[at] = 1;
		m[at + 1] = 'b';
		m[at + 2] = 0xc0;
		m[at + 3] = 12;
	}
	assert_true(steps_of(m, sizeof(m), &n) <= 32 * sizeof(m));
	assert_true(n > 8000);
}

static void edns(void **state)
{
	static const uint8_t m[] = {
		0, 1,  0x81, 0x83, 0,	 0,  0,	  0,	0,   0,	  0,   1, /* header */
		0, 0,  41,   4,	   0xd0, 1,  0,	  0x80, 0,   0,	  18,	  /* OPT */
		0, 10, 0,    2,	   1,	 2,				  /* cookie */
		0, 15, 0,    8,	   0,	 18, 's', 'o',	'r', 'r', 'y', '!'
	};
	struct dns_msg msg;
	struct dns_edns e;

	(void)state;
	assert_int_equal(dns_msg_init(&msg, m, sizeof(m), sizeof(m)), DNS_OK);
	dns_edns_get(&e, &msg);
	assert_true(e.present && e.dnssec_ok && e.has_cookie && e.nr_errors == 1);
	assert_int_equal(e.udp_size, 1232);
	assert_int_equal(e.ext_rcode, 1);
	assert_int_equal(e.errors[0].code, 18);
	assert_string_equal(dns_ede_name(18), "Prohibited");
	assert_memory_equal(m + e.errors[0].text.off, "sorry!", e.errors[0].text.len);
	assert_int_equal(e.errors[0].text.len, 6);
	assert_int_equal(e.cookie.len, 2);
}

/* --- the Info column against tshark -------------------------------------------------------- */

#define CORPUS "../shared/corpus/captures/"

struct columns {
	char protocol[16];
	char info[8192];
};

/* What tshark printed behind "ADDRESS ARROW ADDRESS" for a packet whose protocol is DNS. */
static bool tshark_columns(char *line, struct columns *c)
{
	char *p = strstr(line, "\xe2\x86\x92");
	int n = 0;

	line[strcspn(line, "\n")] = '\0';
	if (!p || sscanf(p + 3, " %*s %15s %*u%n", c->protocol, &n) != 1 || !n)
		return false;
	p += 3 + n;
	snprintf(c->info, sizeof(c->info), "%s", *p ? p + 1 : p);
	return !strcmp(c->protocol, "DNS") || !strcmp(c->protocol, "MDNS") ||
	       !strcmp(c->protocol, "LLMNR");
}

static bool our_columns(pcap_t *p, struct columns *c)
{
	struct pcap_pkthdr *h;
	const char *protocol;
	const u_char *data;
	struct strbuf b;
	struct frame f;

	assert_int_equal(pcap_next_ex(p, &h, &data), 1);
	decode_frame(&f, data, h->caplen, h->len, pcap_datalink(p));
	strbuf_init(&b, c->info, sizeof(c->info));
	if ((f.l4 != L4_UDP && f.l4 != L4_TCP) || !f.payload_off)
		return false;
	if (!text_dns_info(&b, &protocol, data + f.payload_off, f.payload_caplen, f.payload_len,
			   &f))
		return false;
	snprintf(c->protocol, sizeof(c->protocol), "%s", protocol);
	return true;
}

/* Packets of the capture that differ from what tshark prints. */
static unsigned int differences(const char *path)
{
	static struct columns want, got;
	char command[512], error[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(path, error);
	unsigned int n = 0, bad = 0;
	size_t size = 0;
	char *line = NULL;
	FILE *f;

	assert_non_null(p);
	snprintf(command, sizeof(command), "tshark -n -r '%s' 2>/dev/null", path);
	f = popen(command, "r");
	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		bool is_dns = tshark_columns(line, &want), ours = our_columns(p, &got);

		n++;
		if (is_dns == ours && (!is_dns || (!strcmp(want.protocol, got.protocol) &&
						   !strcmp(want.info, got.info))))
			continue;
		bad++;
		print_message("%s %u:\n  %s\n  %s\n", path, n, is_dns ? want.info : "no DNS",
			      ours ? got.info : "no DNS");
	}
	free(line);
	pclose(f);
	pcap_close(p);
	return bad;
}

static void info_as_tshark(void **state)
{
	static const char *const files[] = {
		"dns-uri.pcap",	  "dns_fwdptr.pcap",   "dns_udp.pcap",
		"dns_udp_2.pcap", "dns_udp_8053.pcap", "edns-opts.pcap"
	};
	char path[256];
	size_t i;

	(void)state;
	if (access(CORPUS "dns_udp.pcap", R_OK) || system("tshark -v >/dev/null 2>&1")) {
		print_message("skipped: no " CORPUS " or no tshark\n");
		skip();
	}
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), CORPUS "%s", files[i]);
		assert_int_equal(differences(path), 0);
	}
}

static void info_of_all_types_as_tshark(void **state)
{
	char path[] = "/tmp/dns_decode_test.XXXXXX", command[256];
	int fd;

	(void)state;
	if (access("tests/dns_pcap.py", R_OK) || system("tshark -v >/dev/null 2>&1")) {
		print_message("skipped: no tests/dns_pcap.py or no tshark\n");
		skip();
	}
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), "python3 tests/dns_pcap.py %s", path);
	assert_int_equal(system(command), 0);
	/* The known ones: one byte of CERT, DNSKEY or CDNSKEY, a broken XPF and a broken
	 * parameter of HTTPS are refused by tshark for their content; and a byte that is not
	 * UTF-8 is never printed here. */
	assert_in_range(differences(path), 0, 6);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rdata_as_dig),
		cmocka_unit_test(rdata_that_does_not_fit_is_generic),
		cmocka_unit_test(names),
		cmocka_unit_test(longest_text_of_a_name_fits),
		cmocka_unit_test(capitals_are_lowered_and_shown),
		cmocka_unit_test(hostile_messages_take_linear_time),
		cmocka_unit_test(long_names_take_linear_time),
		cmocka_unit_test(edns),
		cmocka_unit_test(info_as_tshark),
		cmocka_unit_test(info_of_all_types_as_tshark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

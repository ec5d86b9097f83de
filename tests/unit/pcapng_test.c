// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "oracle.h"
#include "nswatch/record.h"
#include "sink/pcap.h"
#include "sink/pcapng.h"
#include "stream/record.h"

static char path[] = "/tmp/nswatch-pcapng-XXXXXX";

/* A DNS query for example.com, and the addresses it is sent between. */
static const uint8_t query[] = {
	0x02, 0,    0,	 0,   0,   2,  0x02, 0,	  0,   0,  0,	 1,    0x08, 0, /* Ethernet */
	0x45, 0,    0,	 57,  0,   1,  0x40, 0,	  64,  17, 0xf4, 0x5b, 10,   9,	  0,
	2,    192,  0,	 2,   53,		/* IP */
	0x9c, 0x40, 0,	 53,  0,   37, 0,    0, /* UDP */
	0x12, 0x34, 1,	 0,   0,   1,  0,    0,	  0,   0,  0,	 0,    7,    'e', 'x',
	'a',  'm',  'p', 'l', 'e', 3,  'c',  'o', 'm', 0,  0,	 1,    0,    1,
};

static const struct tap taps[] = {
	{ .id = 1,
	  .generation = 1,
	  .netns = 4026531840,
	  .ifindex = 2,
	  .side = SIDE_INSIDE,
	  .dlt = DLT_EN10MB,
	  .target = "php",
	  .ifname = "eth0" },
	{ .id = 2,
	  .generation = 3,
	  .netns = 4026531840,
	  .ifindex = 7,
	  .side = SIDE_HOST,
	  .dlt = DLT_EN10MB,
	  .target = "php\x1b[1m\xff",
	  .ifname = "veth0" },
};

struct out {
	uint8_t bytes[1 << 16];
	size_t len;
};

static uint8_t *at(struct out *o)
{
	return o->bytes + o->len;
}

static size_t room(const struct out *o)
{
	return sizeof(o->bytes) - o->len;
}

static struct packet make_packet(unsigned int tap, enum direction dir)
{
	return (struct packet){
		.time = 4323283200000000007, /* 2107-01-01, 7 ns */
		.data = query,
		.caplen = sizeof(query),
		.wirelen = 70000,
		.tap = &taps[tap],
		.dir = dir,
	};
}

static void put_packet(struct out *o, uint32_t interface, const struct packet *p,
		       const char *comment, uint64_t dropped)
{
	size_t n = pcapng_put_packet(at(o), room(o), interface, 262144, p, comment, dropped);

	assert_true(n > 0);
	o->len += n;
}

static void fill(struct out *o)
{
	static const struct tap_stats stats = {
		.seen = 1000,
		.matched = 100,
		.captured = 90,
		.ring_full = 9,
		.load_failed = 1,
		.delivered = 90,
		.write_lost = 4,
	};
	struct packet in = make_packet(0, DIR_IN), out = make_packet(0, DIR_OUT);
	struct packet other = make_packet(1, DIR_UNKNOWN);
	struct ipaddr a;

	o->len = 0;
	o->len += pcapng_put_section(at(o), room(o), "x86_64", "Linux 6.1", "nswatch test");
	o->len += pcapng_put_interface(at(o), room(o), &taps[0], 262144, "udp port 53");
	put_packet(o, 0, &in, NULL, 0);
	out.owner = (struct owner){ .pid = 4711, .comm = "get\x1b\xc3(t" };
	out.csum_partial = true;
	put_packet(o, 0, &out, "STUB-DEAD: nothing listens", 5);
	o->len += pcapng_put_interface(at(o), room(o), &taps[1], 262144, NULL);
	put_packet(o, 1, &other, NULL, 0);
	assert_true(ipaddr_parse("10.9.0.2", &a));
	o->len += pcapng_put_name(at(o), room(o), &a, "web.example.com");
	assert_true(ipaddr_parse("2001:db8::1", &a));
	o->len += pcapng_put_name(at(o), room(o), &a, "six.example.com");
	o->len += pcapng_put_stats(at(o), room(o), 0, 1000000000, 2000000000, &stats);
}

#define RUN_PACKETS 70
#define RUN_SNAPLEN 50 /* some packets are shorter, some are cut */

static struct packet run_packet(uint32_t i)
{
	static uint8_t frame[RUN_SNAPLEN];

	memset(frame, (int)i + 1, sizeof(frame));
	return (struct packet){
		/* Both words of it differ from packet to packet. */
		.time = 1700000000000000007 + (int64_t)i * 3000000001,
		.data = frame,
		.caplen = i < RUN_SNAPLEN ? i : RUN_SNAPLEN,
		.wirelen = i,
		.dir = i & 1 ? DIR_OUT : DIR_IN,
		.csum_partial = i & 2,
	};
}

/* What the formats' function for one packet makes of all of them. */
static void put_singles(struct out *pcapng, struct out *pcap, uint32_t interface)
{
	uint32_t i;

	pcapng->len = pcap->len = 0;
	for (i = 0; i < RUN_PACKETS; i++) {
		struct packet p = run_packet(i);

		put_packet(pcapng, interface, &p, NULL, 0);
		pcap->len += pcap_put_record(at(pcap), room(pcap), RUN_SNAPLEN, &p);
	}
}

static struct packet_run lay_run(void)
{
	static _Alignas(4) uint8_t blocks[RUN_PACKETS * 100];
	struct packet_run run = { .tap = &taps[0], .blocks = blocks, .n = RUN_PACKETS };
	uint32_t i;

	for (i = 0; i < RUN_PACKETS; i++) {
		struct packet p = run_packet(i);

		run.len += put_block(blocks + run.len, &p, 16);
	}
	return run;
}

static size_t put_run(bool is_pcap, uint8_t *out, size_t room, uint32_t interface,
		      const struct packet_run *run, size_t first, struct run_part *part)
{
	return is_pcap ? pcap_put_run(out, room, run, first, part)
		       : pcapng_put_run(out, room, interface, run, first, part);
}

/* The run in parts of that room each: of any size, the bytes are the same. */
static void assert_run_is(const struct out *expected, bool is_pcap, uint32_t interface, size_t room)
{
	struct packet_run run = lay_run();
	static struct out got;
	size_t first, packets = 0;
	struct run_part part = { 0 };

	got.len = 0;
	for (first = 0; first < run.len; first = part.end) {
		size_t n = put_run(is_pcap, at(&got), room, interface, &run, first, &part);

		assert_true(part.end > first && part.packets > 0);
		/* The last packet began within the room, and the next would not. */
		assert_true(n < room + 100 && (n >= room || part.end == run.len));
		got.len += n;
		packets += part.packets;
	}
	assert_int_equal(packets, RUN_PACKETS);
	assert_int_equal(got.len, expected->len);
	assert_memory_equal(got.bytes, expected->bytes, expected->len);
}

/* A run becomes what its packets become one by one, in both formats. */
static void test_run_equals_packets(void **state)
{
	static const size_t rooms[] = { 1, 44, 45, 500, 1 << 16 };
	static struct out pcapng, pcap;
	size_t i;

	(void)state;
	put_singles(&pcapng, &pcap, 3);
	for (i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) {
		assert_run_is(&pcapng, false, 3, rooms[i]);
		assert_run_is(&pcap, true, 3, rooms[i]);
	}
}

static void test_no_room_takes_nothing(void **state)
{
	struct packet_run run = lay_run();
	uint8_t none[1];
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct run_part part;

		assert_int_equal(put_run(i, none, 0, 0, &run, 44, &part), 0);
		assert_int_equal(part.end, 44);
		assert_int_equal(part.packets, 0);
	}
}

/* Where they lie, blocks are what is to be in the file but for the interface's number. */
static void test_blocks_are_the_file(void **state)
{
	struct packet_run run = lay_run();
	size_t first = block_len(run.blocks);
	static struct out before, after, pcap;

	(void)state;
	put_singles(&before, &pcap, 16);
	put_singles(&after, &pcap, 0x12345678);
	assert_int_equal(run.len, before.len);
	assert_memory_equal(run.blocks, before.bytes, run.len);
	pcapng_set_interface(&run, first, 0x12345678);
	assert_memory_equal(run.blocks, before.bytes, first);
	assert_memory_equal(run.blocks + first, after.bytes + first, run.len - first);
}

static int write_file(void **state)
{
	static struct out o;
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	*state = &o;
	fill(&o);
	return !f || fwrite(o.bytes, 1, o.len, f) != o.len || fclose(f);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void need(const char *tool)
{
	if (!have_tool(tool)) {
		print_message("skipped: no %s here\n", tool);
		skip();
	}
}

static void test_tshark_reads_packets(void **state)
{
	char got[8192];

	(void)state;
	need("tshark");
	assert_int_equal(
		oracle(got, sizeof(got),
		       "tshark -n -r %s -T fields -E separator='|' -e frame.interface_name -e "
		       "frame.packet_flags_direction -e frame.time_epoch -e frame.len -e "
		       "frame.cap_len -e dns.qry.name -e frame.drop_count -e frame.comment",
		       path),
		0);
	assert_string_equal(
		got, "php/eth0|0x00000001|4323283200.000000007|70000|71|example.com||\n"
		     "php/eth0|0x00000002|4323283200.000000007|70000|71|example.com|5|"
		     "get\\x1b\\xc3(t(4711),STUB-DEAD: nothing listens\n"
		     "php\\x1b[1m\\xff/veth0||4323283200.000000007|70000|71|example.com||\n");
}

static void test_tshark_resolves_names(void **state)
{
	char got[8192];

	(void)state;
	need("tshark");
	assert_int_equal(oracle(got, sizeof(got),
				"tshark -2 -N n -r %s -T fields -e ip.src_host -e ip.dst_host",
				path),
			 0);
	assert_string_equal(got, "web.example.com\t192.0.2.53\nweb.example.com\t192.0.2.53\n"
				 "web.example.com\t192.0.2.53\n");
}

/* The file's own structure, block by block, as Wireshark's dissector for the
 * format sees it. */
static void test_tshark_dissects_blocks(void **state)
{
	static const char *const expected[] = {
		"Description: in network namespace 4026531840, ifindex 2",
		"Description: host end, for network namespace 4026531840, ifindex 7, attachment 3",
		"Filter string: udp port 53",
		"Hardware Description = x86_64",
		"User Application: nswatch test",
		"Number of Received Packets = 1000",
		"Number of Dropped Packets = 14",
		"Number of Accepted by Filter Packets: 100",
		"Number of Packets Dropped by OS = 10",
		"Number of Packets Delivered to the User = 90",
		"lost: 9 buffer full, 1 not readable, 4 output too slow",
		"[Timestamp: Jan  1, 1970 00:00:02.000000000 UTC]",
		"Name Resolution Block",
	};
	static char got[65536];
	size_t i;

	(void)state;
	need("tshark");
	assert_int_equal(oracle(got, sizeof(got),
				"TZ=UTC tshark -n -X 'read_format:MIME Files Format' -V -r %s",
				path),
			 0);
	assert_null(strstr(got, "Malformed"));
	assert_null(strstr(got, "Expert Info (Error"));
	for (i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		if (!strstr(got, expected[i]))
			fail_msg("not found: %s\n%s", expected[i], got);
}

static void test_capinfos_accepts(void **state)
{
	char got[8192];

	(void)state;
	need("capinfos");
	assert_int_equal(oracle(got, sizeof(got), "capinfos %s", path), 0);
	assert_non_null(strstr(got, "Number of packets:   3\n"));
	assert_non_null(strstr(got, "Number of interfaces in file: 2\n"));
	assert_non_null(strstr(got, "Filter string = udp port 53\n"));
	assert_non_null(strstr(got, "Time resolution = 0x09\n"));
	assert_non_null(strstr(got, "Capture application: nswatch test\n"));
}

static void test_libpcap_reads(void **state)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	struct pcap_pkthdr *h;
	const u_char *data;
	int n = 0;

	(void)state;
	assert_non_null(p);
	assert_int_equal(pcap_datalink(p), DLT_EN10MB);
	assert_int_equal(pcap_snapshot(p), 262144);
	for (; pcap_next_ex(p, &h, &data) == 1; n++) {
		assert_int_equal(h->ts.tv_usec, 7);
		assert_int_equal(h->len, 70000);
		assert_int_equal(h->caplen, sizeof(query));
		assert_memory_equal(data, query, sizeof(query));
	}
	assert_int_equal(n, 3);
	pcap_close(p);
}

static void test_block_len_walks(void **state)
{
	const struct out *o = *state;
	size_t pos = 0, len;
	int is_packet, packets = 0, blocks = 0;

	while (pos < o->len) {
		len = pcapng_block_len(o->bytes + pos, o->len - pos, &is_packet);
		assert_true(len > 0);
		assert_int_equal(pcapng_block_len(o->bytes + pos, len - 1, &is_packet), 0);
		assert_int_equal(pcapng_block_len(o->bytes + pos, len, &is_packet), len);
		packets += is_packet;
		blocks++;
		pos += len;
	}
	assert_int_equal(pos, o->len);
	assert_int_equal(packets, 3);
	assert_int_equal(blocks, 9);
}

/* In memory that is exactly `size` long, so that the sanitizer sees a byte too many. */
static size_t put_in(size_t size, const struct packet *p)
{
	uint8_t *mem = malloc(size ? size : 1);
	size_t n = pcapng_put_packet(mem, size, 0, 64, p, "comment", 1);

	free(mem);
	return n;
}

static void test_room_is_respected(void **state)
{
	struct packet p = make_packet(0, DIR_IN);
	size_t size, whole;

	(void)state;
	p.owner = (struct owner){ .pid = UINT32_MAX, .comm = "0123456789abcde" };
	whole = put_in(4096, &p);
	assert_true(whole > 64);
	for (size = 0; size < whole; size++)
		assert_int_equal(put_in(size, &p), 0);
	assert_int_equal(put_in(whole, &p), whole);
}

static void test_snaplen_and_padding(void **state)
{
	struct packet p = make_packet(0, DIR_UNKNOWN);
	uint8_t out[256];
	uint32_t caplen;

	(void)state;
	for (p.caplen = 0; p.caplen <= 9; p.caplen++) {
		size_t n = pcapng_put_packet(out, sizeof(out), 0, 5, &p, NULL, 0);

		memcpy(&caplen, out + 20, sizeof(caplen));
		assert_int_equal(caplen, p.caplen < 5 ? p.caplen : 5);
		assert_int_equal(n, 32 + (caplen + 3) / 4 * 4);
		assert_memory_equal(out + 28, query, caplen);
	}
}

/* Too long a comment ends at a character, not within one. */
static void test_long_comment_is_cut(void **state)
{
	struct packet p = make_packet(0, DIR_UNKNOWN);
	static uint8_t out[65536];
	static char text[PCAPNG_TEXT_MAX + 100];
	uint16_t len;

	(void)state;
	text[0] = 'x';
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	p.caplen = 0;
	assert_true(pcapng_put_packet(out, sizeof(out), 0, 64, &p, text, 0) > 0);
	memcpy(&len, out + 30, sizeof(len));
	assert_int_equal(len, PCAPNG_TEXT_MAX - 1);
}

static void test_hostnames(void **state)
{
	char longest[300];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[253] = '\0';
	assert_true(pcapng_is_hostname(longest));
	longest[253] = 'a';
	longest[254] = '\0';
	assert_false(pcapng_is_hostname(longest));
	assert_true(pcapng_is_hostname("_dmarc.example-1.com."));
	assert_false(pcapng_is_hostname(""));
	assert_false(pcapng_is_hostname("a b"));
	assert_false(pcapng_is_hostname("a\x1b[31m"));
	assert_false(pcapng_is_hostname("m\xc3\xbcller"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_equals_packets),
		cmocka_unit_test(test_no_room_takes_nothing),
		cmocka_unit_test(test_blocks_are_the_file),
		cmocka_unit_test(test_tshark_reads_packets),
		cmocka_unit_test(test_tshark_resolves_names),
		cmocka_unit_test(test_tshark_dissects_blocks),
		cmocka_unit_test(test_capinfos_accepts),
		cmocka_unit_test(test_libpcap_reads),
		cmocka_unit_test(test_block_len_walks),
		cmocka_unit_test(test_room_is_respected),
		cmocka_unit_test(test_snaplen_and_padding),
		cmocka_unit_test(test_long_comment_is_cut),
		cmocka_unit_test(test_hostnames),
	};

	return cmocka_run_group_tests(tests, write_file, remove_file);
}

// SPDX-License-Identifier: GPL-2.0-only
/* decode/: the cursor, and the fields of frames written out by hand from the RFCs. */
#include <errno.h>
#include <pcap/dlt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "decode/cursor.h"
#include "decode/frame.h"
#include "decode/tcpopt.h"

#define ETH(type)	  "\x02\0\0\0\0\x02\x02\0\0\0\0\x01" type
#define IP4(len, proto)	  "\x45\0\0" len "\x12\x34\0\0\x40" proto "\0\0\x0a\0\0\x01\x0a\0\0\x02"
#define UDP(len)	  "\x30\x39\0\x35\0" len "\0\0"
#define UDP_TO(port, len) "\x30\x39" port "\0" len "\0\0"
#define BYTES(s)	  ((const uint8_t *)(s)), (sizeof(s) - 1)
#define decode(f, s)	  decode_frame(f, BYTES(s), sizeof(s) - 1, DLT_EN10MB)

static void test_cursor_ends(void **state)
{
	struct cursor c = cursor_init((const uint8_t *)"\1\2\3\4\5", 5, 9);

	(void)state;
	assert_int_equal(cursor_be16(&c), 0x0102);
	assert_int_equal(cursor_left(&c), 3);
	assert_int_equal(cursor_reported(&c), 7);
	assert_int_equal(cursor_be32(&c), 0); /* the packet has them, the capture does not */
	assert_true(c.truncated && !c.malformed);
	assert_int_equal(c.off, 2);
	assert_false(cursor_skip(&c, 8)); /* the packet has not */
	assert_true(c.malformed);
}

static void test_cursor_padding(void **state)
{
	struct cursor c = cursor_init((const uint8_t *)"\1\2\3\4", 4, 2);

	(void)state;
	assert_int_equal(c.caplen, 2);
	assert_null(cursor_bytes(&c, 3));
	assert_true(c.malformed && !c.truncated);
}

static void test_udp(void **state)
{
	struct frame f;

	(void)state;
	assert_int_equal(decode(&f, ETH("\x08\0") IP4("\x20", "\x11") UDP("\x0c") "abcd"
										  "pad"),
			 0);
	assert_int_equal(f.l4, L4_UDP);
	assert_int_equal(f.ip_version, 4);
	assert_int_equal(f.ttl, 64);
	assert_int_equal(f.ip_id, 0x1234);
	assert_true(f.flow.has_ports);
	assert_int_equal(f.flow.sport, 12345);
	assert_int_equal(f.flow.dport, 53);
	assert_int_equal(f.payload_off, 42);
	assert_int_equal(f.payload_len, 4);
	assert_int_equal(f.payload_caplen, 4);
	assert_int_equal(f.end_off, 46);
	assert_false(f.truncated || f.malformed);
}

static void test_udp_cut(void **state)
{
	static const char frame[] = ETH("\x08\0") IP4("\x20", "\x11") UDP("\x0c") "ab";
	struct frame f;

	(void)state;
	decode_frame(&f, BYTES(frame), 46, DLT_EN10MB);
	assert_int_equal(f.payload_len, 4);
	assert_int_equal(f.payload_caplen, 2);
	assert_false(f.malformed);
	decode_frame(&f, BYTES(frame) - 6, 46, DLT_EN10MB);
	assert_true(f.truncated);
	assert_true(f.flow.has_ports);
	assert_false(f.malformed);
}

static void test_vlan_tags(void **state)
{
	struct frame f;

	(void)state;
	decode(&f,
	       ETH("\x88\xa8") "\x20\x07\x81\0\0\x05\x08\0" IP4("\x20", "\x11") UDP("\x0c") "abcd");
	assert_int_equal(f.nr_vlans, 2);
	assert_int_equal(f.vlan_tci[0], 0x2007);
	assert_int_equal(f.vlan_tci[1], 5);
	assert_int_equal(f.ethertype, 0x0800);
	assert_int_equal(f.l4, L4_UDP);
}

static void test_fragments(void **state)
{
	struct frame f;

	(void)state;
	decode(&f, ETH("\x08\0") "\x45\0\0\x18\0\x07\x20\x03\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2"
				 "abcd");
	assert_true(f.is_fragment && f.more_fragments);
	assert_int_equal(f.frag_off, 24);
	assert_int_equal(f.ip_id, 7);
	assert_int_equal(f.l4, L4_OTHER);
	assert_false(f.flow.has_ports);
}

static void test_icmp_quotes_flow(void **state)
{
	struct frame f;

	(void)state;
	decode(&f,
	       ETH("\x08\0")
		       IP4("\x38",
			   "\x01") "\3\3\0\0\0\0\0\0"
				   "\x45\0\0\x28\0\0\0\0\x40\x11\0\0\x0a\0\0\x02\x0a\0\0\x01" UDP(
					   "\x14"));
	assert_int_equal(f.l4, L4_ICMP);
	assert_true(f.icmp_is_error && f.has_quoted);
	assert_int_equal(f.icmp_code, 3);
	assert_int_equal(f.quoted.proto, 17);
	assert_int_equal(f.quoted.dport, 53);
	assert_int_equal(f.quoted.src.bytes[3], 2);
	assert_int_equal(f.quoted_payload_off, 70);
	assert_int_equal(f.quoted_payload_caplen, 0);
}

#define IP6_ADDRS "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"

static void test_ip6_extensions(void **state)
{
	struct frame f;

	(void)state;
	decode(&f, ETH("\x86\xdd") "\x60\0\0\0\0\x1c\0\x40" IP6_ADDRS "\x3c\0\1\4\0\0\0\0"
				   "\x11\0\1\4\0\0\0\0" UDP("\x0c") "abcd");
	assert_int_equal(f.nr_ext, 2);
	assert_int_equal(f.flow.proto, 17);
	assert_int_equal(f.l4, L4_UDP);
	assert_int_equal(f.payload_len, 4);
}

static void test_tcp_options(void **state)
{
	struct tcpopts o;
	struct tcpopt opt;
	struct frame f;

	(void)state;
	decode(&f,
	       ETH("\x08\0")
		       IP4("\x30", "\x06") "\x30\x39\0\x50\0\0\0\1\0\0\0\2\x70\x02\xff\xff\0\0\0\0"
					   "\2\4\5\xb4\1\3\3\7");
	assert_int_equal(f.l4, L4_TCP);
	assert_int_equal(f.tcp_hlen, 28);
	assert_int_equal(f.tcp_flags, 2);
	tcpopts_init(&o, &f);
	assert_true(tcpopts_next(&o, &opt));
	assert_int_equal(opt.kind, TCPOPT_MSS);
	assert_int_equal(cursor_be16(&opt.body), 1460);
	assert_true(tcpopts_next(&o, &opt));
	assert_int_equal(opt.kind, TCPOPT_WSCALE);
	assert_int_equal(cursor_u8(&opt.body), 7);
	assert_false(tcpopts_next(&o, &opt));
}

static void test_faults(void **state)
{
	struct frame f;

	(void)state;
	decode(&f, ETH("\x08\0") "\x44\0\0\x14\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2");
	assert_int_equal(f.fault, FAULT_IP_HEADER_LEN);
	assert_true(f.malformed);
	decode(&f, ETH("\x08\0") "\x45\0\0\x13\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2");
	assert_int_equal(f.fault, FAULT_IP_TOTAL_LEN);
	assert_int_equal(f.fault_value, 19);
	assert_int_equal(decode_frame(&f, (const uint8_t *)"", 0, 0, DLT_EN10MB), 0);
	assert_true(f.malformed);
	assert_int_equal(decode_frame(&f, (const uint8_t *)"", 0, 0, DLT_USB_LINUX), -ENOTSUP);
}

static void test_cooked(void **state)
{
	static const char sll[] =
		"\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x08\0" IP4("\x20", "\x11") UDP("\x0c") "abcd";
	static const char sll2[] =
		"\x08\0\0\0\0\0\0\1\0\1\0\6\2\0\0\0\0\1\0\0" IP4("\x20", "\x11") UDP("\x0c") "abcd";
	static const char null[] = "\2\0\0\0" IP4("\x20", "\x11") UDP("\x0c") "abcd";
	struct frame f;

	(void)state;
	decode_frame(&f, BYTES(sll), sizeof(sll) - 1, DLT_LINUX_SLL);
	assert_int_equal(f.payload_off, 44);
	assert_true(f.has_mac_src && !f.has_mac_dst);
	decode_frame(&f, BYTES(sll2), sizeof(sll2) - 1, DLT_LINUX_SLL2);
	assert_int_equal(f.payload_off, 48);
	decode_frame(&f, BYTES(null), sizeof(null) - 1, DLT_NULL);
	assert_int_equal(f.payload_off, 32);
	decode_frame(&f, BYTES(null) - 4, sizeof(null) - 5, DLT_RAW);
	assert_int_equal(f.fault, FAULT_IP_VERSION);
}

#define INNER_IP "\x45\0\0\x20\0\1\0\0\x40\x11\0\0\xc0\xa8\0\1\xc0\xa8\0\2" UDP("\x0c") "abcd"
#define INNER	 "\2\0\0\0\0\4\2\0\0\0\0\3\x08\0" INNER_IP
#define VXLAN	 "\x08\0\0\0\0\0\5\0"

static void assert_inner(const struct frame *f, uint32_t outer_len)
{
	static const struct ipaddr src = { .family = 4, .bytes = { 192, 168, 0, 1 } };

	assert_int_equal(f->nr_tunnels, 1);
	assert_int_equal(f->l4, L4_UDP);
	assert_true(f->has_src && ipaddr_equal(&f->flow.src, &src));
	assert_int_equal(f->flow.dport, 53);
	assert_int_equal(f->payload_off, outer_len + 28);
	assert_int_equal(f->payload_caplen, 4);
	assert_false(f->truncated || f->malformed);
}

static void test_tunnels(void **state)
{
	struct frame f;

	(void)state;
	decode(&f, ETH("\x08\0") IP4("\x52", "\x11") UDP_TO("\x12\xb5", "\x3e") VXLAN INNER);
	assert_inner(&f, 50 + 14);
	assert_int_equal(f.mac_dst_off, 50);
	decode(&f, ETH("\x08\0") IP4("\x44", "\x11")
			   UDP_TO("\x12\xb6", "\x30") "\x0c\0\0\1\0\0\5\0" INNER_IP);
	assert_inner(&f, 50);
	decode(&f, ETH("\x08\0") IP4("\x56", "\x11")
			   UDP_TO("\x17\xc1", "\x42") "\1\0\x65\x58\0\0\5\0\0\0\0\0" INNER);
	assert_inner(&f, 54 + 14);
	decode(&f, ETH("\x08\0") IP4("\x3c", "\x2f") "\x20\0\x08\0\0\0\0\7" INNER_IP);
	assert_inner(&f, 42);
	decode(&f, ETH("\x08\0") IP4("\x46", "\x2f") "\0\0\x88\xbe" INNER);
	assert_inner(&f, 38 + 14);
	decode(&f, ETH("\x08\0") IP4("\x52", "\x2f") "\x10\0\x88\xbe\0\0\0\1"
						     "\x10\0\0\0\0\0\0\0" INNER);
	assert_inner(&f, 50 + 14);
	decode(&f, ETH("\x08\0") IP4("\x42", "\x8f") INNER);
	assert_inner(&f, 34 + 14);
}

/* The lower of two ports decides, as in tshark. */
static void test_tunnel_or_not(void **state)
{
	struct frame f;

	(void)state;
	decode(&f, ETH("\x08\0") IP4("\x52", "\x11") "\0\x35\x12\xb5\0\x3e\0\0" VXLAN INNER);
	assert_int_equal(f.l4, L4_UDP);
	assert_int_equal(f.payload_off, 42);
	decode(&f,
	       ETH("\x08\0") IP4("\x24", "\x11") UDP_TO("\x17\xc1", "\x10") "\0\0\x12\x34\0\0\5\0");
	assert_int_equal(f.l4, L4_GENEVE);
	assert_int_equal(f.nr_tunnels, 0);
	decode(&f, ETH("\x08\0") IP4("\x1c", "\x2f") "\0\0\x12\x34"
						     "abcd");
	assert_int_equal(f.l4, L4_GRE);
}

/* Of each address of the inner header, whatever there is of it. */
static void test_cut_in_a_tunnel(void **state)
{
	static const char frame[] =
		ETH("\x08\0") IP4("\x52", "\x11") UDP_TO("\x12\xb5", "\x3e") VXLAN INNER;
	struct frame f;

	(void)state;
	decode_frame(&f, (const uint8_t *)frame, 50 + 7, sizeof(frame) - 1, DLT_EN10MB);
	assert_true(f.has_mac_dst && !f.has_mac_src);
	assert_true(f.has_src && !f.has_dst && f.truncated);
	assert_int_equal(f.flow.src.bytes[0], 10);
	decode_frame(&f, (const uint8_t *)frame, 47, sizeof(frame) - 1, DLT_EN10MB);
	assert_int_equal(f.l4, L4_VXLAN);
	assert_true(f.has_dst && f.truncated);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursor_ends),
		cmocka_unit_test(test_cursor_padding),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_udp_cut),
		cmocka_unit_test(test_vlan_tags),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_icmp_quotes_flow),
		cmocka_unit_test(test_ip6_extensions),
		cmocka_unit_test(test_tcp_options),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_cooked),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_tunnel_or_not),
		cmocka_unit_test(test_cut_in_a_tunnel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * decode_frame() and text_line() over arbitrary bytes. The first two bytes
 * choose the link type and how much of the frame the capture cut off.
 *
 *   clang -g -fsanitize=fuzzer,address,undefined ... tests/fuzz/frame_fuzz.c
 *   cc -DREPLAY -fsanitize=address,undefined ... tests/fuzz/frame_fuzz.c; ./a.out FILE...
 */
#include <assert.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <string.h>

#include "sink/text.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int fuzz_links[] = { DLT_EN10MB, DLT_RAW, DLT_NULL, DLT_LINUX_SLL, DLT_LINUX_SLL2 };

/* Offsets that others will use must lie in the frame. */
static void check_offsets(const struct frame *f)
{
	assert(f->l3_off <= f->caplen);
	assert(f->l4_off <= f->caplen);
	assert(f->payload_off + f->payload_caplen <= f->caplen);
	assert(f->payload_caplen <= f->payload_len);
	assert(f->quoted_payload_off + f->quoted_payload_caplen <= f->caplen);
	if (f->has_mac_src)
		assert(f->mac_src_off + f->mac_len <= f->caplen);
	if (f->has_mac_dst)
		assert(f->mac_dst_off + f->mac_len <= f->caplen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct text_options o = { .show_tap = true, .color = true };
	static const struct tap tap = { .id = 1, .target = "a\nb", .ifname = "eth\0330" };
	static struct packet p = { .tap = &tap };
	static struct text *t;
	static char mem[8192];
	struct strbuf out;
	struct frame f;

	if (!t)
		t = text_new(&o);
	if (size < 2 || !t)
		return 0;
	p.number++;
	p.time += 1000 * data[1];
	p.data = data + 2;
	p.caplen = (uint32_t)size - 2;
	p.wirelen = p.caplen + (data[1] & 0x80 ? (data[1] & 0x7f) * 9u : 0);
	decode_frame(&f, p.data, p.caplen, p.wirelen, fuzz_links[data[0] % ARRAY_SIZE(fuzz_links)]);
	check_offsets(&f);
	strbuf_init(&out, mem, data[0] & 0x80 ? 64 : sizeof(mem));
	text_line(t, &p, &f, &out);
	assert(out.len == strlen(out.s));
	assert(!memchr(out.s, '\n', out.len));
	return 0;
}

#ifdef REPLAY
int main(int argc, char **argv)
{
	static uint8_t data[1 << 20];
	int i;

	for (i = 1; i < argc; i++) {
		_cleanup_fclose_ FILE *f = fopen(argv[i], "rb");

		if (!f) {
			perror(argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), f));
	}
	return 0;
}
#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The translated filter, run by the kernel, against libpcap on the same bytes.
 * Needs root. Every expression meets every packet of the corpus and random,
 * mutated and truncated ones, as
 *
 *   plain   the frame is the skb
 *   VLAN    the test program pushes a tag to the skb's metadata first; libpcap
 *           sees the frame with the tag at offset 12
 *   L3      the skb's bytes are an IP packet; libpcap sees them behind an Ethernet
 *           header with the protocol that the kernel gave the skb
 *   raw     compiled for DLT_RAW; the skb's bytes are the packet
 *
 * through BPF_PROG_TEST_RUN. That one takes 14 bytes at least and makes linear skbs
 * only, so shorter frames and fragments go through a tun and a tap device in a
 * network namespace of the test's own.
 */
#define bpf_insn cbpf_insn
#include <pcap/pcap.h>
#undef bpf_insn

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <dirent.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attach/filter.h"
#include "attach/filter_bpf.h"
#include "nswatch/record.h"
#include "util/cleanup.h"
#include "util/err.h"

#define CORPUS	  "../shared/corpus"
#define MAX_FRAME 3000 /* what BPF_PROG_TEST_RUN takes for certain */
#define MAX_INSNS 200000

/* --- packets --- */

struct frame_bytes {
	uint32_t len;
	uint8_t *data;
};

static struct frame_bytes *frames;
static size_t nr_frames;
static uint64_t seed = 1;

/* xorshift64*: the same packets in every run of the same seed */
static uint32_t rnd(uint32_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static void add_frame(const uint8_t *data, uint32_t len)
{
	struct frame_bytes *f;

	if (!(nr_frames & (nr_frames - 1)))
		frames = realloc(frames, (nr_frames ? nr_frames * 2 : 1) * sizeof(*frames));
	f = &frames[nr_frames++];
	f->len = len < MAX_FRAME ? len : MAX_FRAME;
	f->data = malloc(f->len ? f->len : 1);
	if (!f->data)
		abort();
	memcpy(f->data, data, f->len);
}

static int read_capture(const char *path)
{
	char msg[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(path, msg);
	struct pcap_pkthdr *h;
	const uint8_t *data;
	int n = 0;

	if (!p) {
		fprintf(stderr, "%s: %s\n", path, msg);
		return -1;
	}
	/* a few of each file: some hold hundreds of much the same packet */
	while (n < 40 && pcap_next_ex(p, &h, &data) == 1) {
		add_frame(data, h->caplen);
		n++;
	}
	pcap_close(p);
	return n;
}

static int read_corpus(void)
{
	DIR *d = opendir(CORPUS "/captures");
	char path[512];
	struct dirent *ent;

	if (!d)
		return -1;
	while ((ent = readdir(d))) {
		if (ent->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), CORPUS "/captures/%s", ent->d_name);
		read_capture(path);
	}
	closedir(d);
	return 0;
}

/* Values at which a filter's branches turn. */
static const uint16_t telling[] = { 0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x9100, 0x8847, 0x8035,
				    0x8864, 0x809b, 0x6003, 53,	    25,	    80,	    22,	    0x4500,
				    0x4600, 0x6000, 0x0011, 0x0006, 0x2000, 0,	    0xffff, 5672 };

static void mutate(uint8_t *b, uint32_t len)
{
	for (uint32_t n = 1 + rnd(4); n; n--) {
		uint32_t at = rnd(len < 80 ? len : 80);

		if (rnd(2)) {
			b[at] = (uint8_t)rnd(256);
		} else if (at + 2 <= len) {
			uint16_t v = telling[rnd(ARRAY_SIZE(telling))];

			at &= ~1u;
			b[at] = (uint8_t)(v >> 8);
			b[at + 1] = (uint8_t)v;
		}
	}
}

static void add_variants(size_t of_first)
{
	uint8_t b[MAX_FRAME];

	for (size_t i = 0; i < of_first; i++) {
		uint32_t len = frames[i].len;

		if (!len)
			continue;
		memcpy(b, frames[i].data, len);
		mutate(b, len);
		add_frame(b, len);
		mutate(b, len);
		add_frame(b, len);
		/* around the headers' ends, where a byte decides */
		add_frame(frames[i].data, 1 + rnd(len < 96 ? len : 96));
		add_frame(b, 1 + rnd(len));
	}
	for (int i = 0; i < 300; i++) {
		uint32_t len = 1 + rnd(120);

		for (uint32_t j = 0; j < len; j++)
			b[j] = (uint8_t)rnd(256);
		if (len > 23 && rnd(2)) {
			uint16_t v = telling[rnd(8)];

			b[12] = (uint8_t)(v >> 8);
			b[13] = (uint8_t)v;
			b[14] = v == 0x86dd ? 0x60 : (uint8_t)(0x40 + rnd(16));
		}
		add_frame(b, len);
	}
}

/* --- what libpcap gets to see --- */

enum view { V_PLAIN, V_VLAN, V_L3, V_RAW, NR_VIEWS };

struct trial {
	enum view view;
	uint16_t tpid, tci;
	uint16_t protocol; /* L3: of the skb */
	enum direction dir;
	const uint8_t *data; /* the skb's bytes */
	uint32_t len;
};

/* eth_type_trans(): the protocol BPF_PROG_TEST_RUN gives to 14 bytes and more. */
static uint16_t kernel_protocol(const uint8_t *data, uint32_t len)
{
	uint16_t type = (uint16_t)(data[12] << 8 | data[13]);

	if (type >= 0x600)
		return type;
	if (len >= 16 && data[14] == 0xff && data[15] == 0xff)
		return 0x0001;
	return 0x0004;
}

static uint32_t written_frame(const struct trial *t, uint8_t *out)
{
	if (t->view == V_VLAN && t->len >= 12) {
		memcpy(out, t->data, 12);
		out[12] = (uint8_t)(t->tpid >> 8);
		out[13] = (uint8_t)t->tpid;
		out[14] = (uint8_t)(t->tci >> 8);
		out[15] = (uint8_t)t->tci;
		memcpy(out + 16, t->data + 12, t->len - 12);
		return t->len + 4;
	}
	if (t->view == V_L3) {
		memset(out, 0, 12);
		out[12] = (uint8_t)(t->protocol >> 8);
		out[13] = (uint8_t)t->protocol;
		memcpy(out + 14, t->data, t->len);
		return t->len + 14;
	}
	memcpy(out, t->data, t->len);
	return t->len;
}

static bool expected(const struct filter *f, const struct trial *t)
{
	uint8_t b[MAX_FRAME + 16];
	uint32_t len = written_frame(t, b);

	return filter_match(f, b, len, len, t->dir);
}

/* --- the program under test --- */

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define LDCB(d, s, n) \
	INSN(BPF_LDX | BPF_MEM | BPF_W, d, s, offsetof(struct __sk_buff, cb[n]), 0)
#define MOV(d, s)  INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOVI(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define CALL(id)   INSN(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define EXIT	   INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* cb[0]: flags; cb[1]: TPID as it lies in the packet, 0 for no tag; cb[2]: TCI */
static const struct bpf_insn harness[] = {
	MOV(6, 1),
	LDCB(2, 1, 1),
	INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 4, 0),
	LDCB(3, 1, 2),
	CALL(BPF_FUNC_skb_vlan_push),
	INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, 0),
	EXIT, /* -errno: neither 0 nor 1 */
	MOV(1, 6),
	LDCB(2, 6, 0),
	INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 1),
	EXIT,
};

static char verifier_log[1 << 20];

static int load_body(const struct bpf_insn *body, size_t n)
{
	_cleanup_free_ struct bpf_insn *all = malloc(sizeof(harness) + n * sizeof(*all));
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	int fd;

	if (!all)
		return -ENOMEM;
	memcpy(all, harness, sizeof(harness));
	memcpy(all + ARRAY_SIZE(harness), body, n * sizeof(*all));
	n += ARRAY_SIZE(harness);
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "filter_test", "GPL", all, n, &opts);
	if (fd >= 0)
		return fd;
	opts.log_buf = verifier_log;
	opts.log_size = sizeof(verifier_log);
	opts.log_level = 1;
	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "filter_test", "GPL", all, n, &opts);
}

static int load_filter(const struct filter *f, struct err *e)
{
	_cleanup_free_ struct bpf_insn *body = NULL;
	size_t n;
	int err = filter_translate(f, &body, &n, e);

	if (err)
		return err;
	err = load_body(body, n);
	if (err < 0) {
		size_t len = strlen(verifier_log);

		err_set(e, err, "verifier: %s%s", strerror(-err),
			len > 400 ? verifier_log + len - 400 : verifier_log);
	}
	return err;
}

/* What the program returned, or -errno of the run. */
static int run(int fd, const struct trial *t)
{
	struct __sk_buff ctx = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = t->data, .data_size_in = t->len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);
	int err;

	ctx.cb[0] = (t->view == V_L3 ? NSW_TAP_L3 : 0) | (t->dir == DIR_OUT ? NSW_REC_EGRESS : 0);
	ctx.cb[1] = t->view == V_VLAN ? htons(t->tpid) : 0;
	ctx.cb[2] = t->tci;
	err = bpf_prog_test_run_opts(fd, &opts);
	return err ? -1000 + err : (int)opts.retval;
}

/* --- comparing --- */

static uint64_t pairs, matches, differences, refused;

static void compare(int fd, const struct filter *f, const char *what, const struct trial *t)
{
	static const char *const names[] = { "plain", "VLAN", "L3", "raw" };
	bool want = expected(f, t);
	int got = run(fd, t);

	pairs++;
	matches += want;
	if (got == want)
		return;
	if (differences++ < 20) {
		fprintf(stderr, "'%s' %s: libpcap %d, kernel %d, %u bytes:", what,
			names[t->view], want, got, t->len);
		for (uint32_t i = 0; i < t->len && i < 64; i++)
			fprintf(stderr, " %02x", t->data[i]);
		fprintf(stderr, "\n");
	}
}

static void set_tag(struct trial *t)
{
	t->tpid = rnd(4) ? 0x8100 : 0x88a8;
	t->tci = rnd(2) ? (uint16_t)rnd(65536) : (uint16_t)(rnd(8) << 13 | rnd(6));
}

/* One expression, all frames: each plain or raw, every fourth as VLAN and as L3. */
static void compare_all(int fd, const struct filter *f, const char *what, bool raw)
{
	for (size_t i = 0; i < nr_frames; i++) {
		struct trial t = { .view = raw ? V_RAW : V_PLAIN,
				   .dir = rnd(2) ? DIR_IN : DIR_OUT,
				   .data = frames[i].data,
				   .len = frames[i].len };
		struct trial l3 = t;

		l3.view = raw ? V_RAW : V_L3;
		l3.data += 14;
		l3.len = t.len > 14 ? t.len - 14 : 0;
		if (l3.len >= 14 && (raw || !rnd(4))) {
			l3.protocol = kernel_protocol(l3.data, l3.len);
			compare(fd, f, what, &l3);
		}
		if (t.len < 14)
			continue;
		if (!raw)
			compare(fd, f, what, &t);
		if (!raw && !rnd(4)) {
			t.view = V_VLAN;
			set_tag(&t);
			compare(fd, f, what, &t);
		}
	}
}

/* 0, or 1 if the expression has to run in user space. */
static int test_expression(const char *expr, int dlt)
{
	struct filter *f = NULL;
	struct err e = {};
	int fd;

	if (filter_compile(&f, expr, dlt, 0, &e)) {
		/* not the translator's business; libpcap's own refusals */
		printf("not compiled: %s\n", e.msg);
		return 0;
	}
	fd = load_filter(f, &e);
	if (fd < 0) {
		printf("in user space: '%.60s': %s\n", expr, e.msg);
		filter_free(f);
		refused++;
		return 1;
	}
	compare_all(fd, f, expr, dlt == DLT_RAW);
	close(fd);
	filter_free(f);
	return 0;
}

static int test_corpus(void)
{
	_cleanup_fclose_ FILE *in = fopen(CORPUS "/filters.tsv", "r");
	char line[4096];

	if (!in)
		return -1;
	while (fgets(line, sizeof(line), in)) {
		char *tab = strchr(line, '\t');

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || !tab)
			continue;
		*tab = '\0';
		/* Frames are always written as Ethernet, so that is what every
		 * expression is compiled for; RAW is for good measure. */
		test_expression(tab + 1, DLT_EN10MB);
		if (!strcmp(line, "RAW"))
			test_expression(tab + 1, DLT_RAW);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	if (read_corpus()) {
		printf("skipped: no " CORPUS "\n");
		return 77;
	}
	add_variants(nr_frames);
	printf("%zu frames\n", nr_frames);
	if (test_corpus())
		return 1;
	printf("pairs compared: %llu, differences: %llu (%llu matches, %llu expressions in user space)\n",
	       (unsigned long long)pairs, (unsigned long long)differences,
	       (unsigned long long)matches, (unsigned long long)refused);
	return differences != 0;
}

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

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attach/filter.h"
#include "attach/filter_bpf.h"
#include "nswatch/record.h"
#include "packets.h"
#include "util/cleanup.h"
#include "util/err.h"

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

/* A filter on trial: an expression, or a program without one. */
struct subject {
	const char *name;
	struct filter *f;
	struct bpf_program prog; /* if f is NULL */
	bool raw;		 /* not compiled for Ethernet */
	uint32_t below;		 /* inline_below */
	int fd;			 /* the loaded program, -1 if it could not be */
};

static bool expected(const struct subject *s, const struct trial *t)
{
	static uint8_t b[MAX_FRAME + 8192];
	uint32_t len = written_frame(t, b);
	struct pcap_pkthdr h = { .caplen = len, .len = len };

	if (s->f)
		return filter_match(s->f, b, len, len, t->dir);
	return pcap_offline_filter(&s->prog, &h, b) != 0;
}

/* --- the program under test --- */

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define LDCB(d, s, n) INSN(BPF_LDX | BPF_MEM | BPF_W, d, s, offsetof(struct __sk_buff, cb[n]), 0)
#define MOV(d, s)     INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOVI(d, i)    INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define CALL(id)      INSN(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define EXIT	      INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/*
 * cb[0]: flags; cb[1]: TPID as it lies in the packet, 0 for no tag; cb[2]: TCI;
 * cb[3]: length to cut the skb to, 0 to leave it
 */
static const struct bpf_insn harness[] = {
	MOV(6, 1),
	LDCB(2, 1, 3),
	INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 5, 0),
	MOVI(3, 0),
	CALL(BPF_FUNC_skb_change_tail),
	INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, 0),
	EXIT, /* -errno: neither 0 nor 1 */
	MOV(1, 6),
	LDCB(2, 1, 1),
	INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 4, 0),
	LDCB(3, 1, 2),
	CALL(BPF_FUNC_skb_vlan_push),
	INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, 0),
	EXIT,
	MOV(1, 6),
	LDCB(2, 6, 0),
	INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 1),
	EXIT,
};

static char verifier_log[1 << 20];

/* Makes the call of the subprogram behind the head a jump there and back. */
static void inline_call(struct bpf_insn *all, size_t nr_head, size_t end)
{
	size_t i = 0;

	while (all[i].code != (BPF_JMP | BPF_CALL) || all[i].src_reg != BPF_PSEUDO_CALL)
		i++;
	all[i] = INSN(BPF_JMP | BPF_JA, 0, 0, (int16_t)(nr_head - i - 1), 0);
	all[end] = INSN(BPF_JMP | BPF_JA, 0, 0, (int16_t)((int)i - (int)end), 0);
}

/* Loads `head` with the filter's body behind it. */
static int load_with(const struct bpf_insn *head, size_t nr_head, const struct bpf_insn *body,
		     size_t n, bool inlined)
{
	_cleanup_free_ struct bpf_insn *all = malloc((nr_head + n + 1) * sizeof(*all));
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	int fd;

	if (!all)
		return -ENOMEM;
	memcpy(all, head, nr_head * sizeof(*all));
	memcpy(all + nr_head, body, n * sizeof(*all));
	n += nr_head;
	if (inlined)
		inline_call(all, nr_head, n++);
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "filter_test", "GPL", all, n, &opts);
	if (fd >= 0)
		return fd;
	opts.log_buf = verifier_log;
	opts.log_size = sizeof(verifier_log);
	opts.log_level = 1;
	verifier_log[0] = '\0';
	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "filter_test", "GPL", all, n, &opts);
}

static int translate(const struct subject *s, struct bpf_insn **body, size_t *n, struct err *e)
{
	if (s->f)
		return filter_translate(s->f, s->below, body, n, e);
	return filter_bpf_translate((const struct sock_filter *)s->prog.bf_insns, s->prog.bf_len,
				    !s->raw, s->below, body, n, e);
}

static int load_subject(const struct subject *s, const struct bpf_insn *head, size_t nr_head,
			struct err *e)
{
	_cleanup_free_ struct bpf_insn *body = NULL;
	size_t n, len;
	int err = translate(s, &body, &n, e);

	if (err)
		return err;
	err = load_with(head, nr_head, body, n, s->below);
	len = strlen(verifier_log);
	if (err < 0)
		err_set(e, err, "verifier: %s%s", strerror(-err),
			len > 400 ? verifier_log + len - 400 : verifier_log);
	return err;
}

/*
 * What the program returned, or -1000 - errno of the run. The kernel refuses to make
 * an skb with half an IP header, so a short one is padded and cut again inside.
 */
static int run(int fd, const struct trial *t)
{
	struct __sk_buff ctx = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = t->data, .data_size_in = t->len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);
	uint8_t padded[64] = {};
	int err;

	if (t->len < sizeof(padded)) {
		memcpy(padded, t->data, t->len);
		opts.data_in = padded;
		opts.data_size_in = sizeof(padded);
		ctx.cb[3] = t->len;
	}

	ctx.cb[0] = (t->view == V_L3 ? NSW_TAP_L3 : 0) | (t->dir == DIR_OUT ? NSW_EGRESS : 0);
	ctx.cb[1] = t->view == V_VLAN ? htons(t->tpid) : 0;
	ctx.cb[2] = t->tci;
	err = bpf_prog_test_run_opts(fd, &opts);
	return err ? -1000 + err : (int)opts.retval;
}

/* --- comparing --- */

static uint64_t pairs, matches, differences;

static void report(const struct subject *s, const char *how, bool want, int got,
		   const struct trial *t)
{
	pairs++;
	matches += want;
	if (got == want || differences++ >= 20)
		return;
	fprintf(stderr, "'%.100s' %s: libpcap %d, kernel %d, %u bytes:", s->name, how, want, got,
		t->len);
	for (uint32_t i = 0; i < t->len && i < 64; i++)
		fprintf(stderr, " %02x", t->data[i]);
	fprintf(stderr, "\n");
}

static void compare(const struct subject *s, const struct trial *t)
{
	static const char *const names[] = { "plain", "VLAN", "L3", "raw" };

	report(s, names[t->view], expected(s, t), run(s->fd, t), t);
}

static void compare_inner(const struct subject *s, const struct frame_bytes *f)
{
	struct trial t = { .view = s->raw ? V_RAW : V_L3,
			   .dir = rnd(2) ? DIR_IN : DIR_OUT,
			   .data = f->data + 14,
			   .len = f->len > 14 ? f->len - 14 : 0 };

	if (t.len < 14)
		return;
	t.protocol = kernel_protocol(t.data, t.len);
	compare(s, &t);
}

/* All frames: each plain or raw, every fourth as VLAN and as L3. */
static void compare_all(const struct subject *s, uint32_t sparse)
{
	for (size_t i = rnd(sparse); i < nr_frames; i += sparse) {
		struct trial t = { .view = V_PLAIN,
				   .dir = rnd(2) ? DIR_IN : DIR_OUT,
				   .data = frames[i].data,
				   .len = frames[i].len };

		if (s->raw || !rnd(4))
			compare_inner(s, &frames[i]);
		if (t.len < 14 || s->raw)
			continue;
		compare(s, &t);
		if (!rnd(4)) {
			t.view = V_VLAN;
			t.tpid = rnd(4) ? 0x8100 : 0x88a8;
			t.tci = (uint16_t)(rnd(8) << 13 | (rnd(2) ? rnd(4096) : rnd(6)));
			compare(s, &t);
		}
	}
}

/* --- live: a tun and a tap device --- */

/* What the live program reads and leaves; one word each, in a mapped array. */
struct live_words {
	uint32_t flags;	 /* for the filter */
	uint32_t result; /* of the filter */
	uint32_t runs, len, linear, vlan;
};

static struct live_words *live;
static int live_map = -1;
static uint64_t live_nonlinear, live_vlan, live_short;

#define LDSKB(d, field) INSN(BPF_LDX | BPF_MEM | BPF_W, d, 6, offsetof(struct __sk_buff, field), 0)
#define STWORD(s, field) \
	INSN(BPF_STX | BPF_MEM | BPF_W, 7, s, offsetof(struct live_words, field), 0)
#define LDWORD(d, field) \
	INSN(BPF_LDX | BPF_MEM | BPF_W, d, 7, offsetof(struct live_words, field), 0)

static int load_live(const struct subject *s, struct err *e)
{
	const struct bpf_insn head[] = {
		MOV(6, 1),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 7, BPF_PSEUDO_MAP_VALUE, 0, live_map),
		INSN(0, 0, 0, 0, 0),
		LDSKB(2, data_end),
		LDSKB(3, data),
		INSN(BPF_ALU64 | BPF_SUB | BPF_X, 2, 3, 0, 0),
		STWORD(2, linear),
		LDSKB(2, len),
		STWORD(2, len),
		LDSKB(2, vlan_present),
		STWORD(2, vlan),
		LDWORD(2, runs),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, 1),
		STWORD(2, runs),
		MOV(1, 6),
		LDWORD(2, flags),
		INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 3),
		STWORD(0, result),
		MOVI(0, 2), /* TCX_DROP: the stack need not see it */
		EXIT,
	};

	return load_subject(s, head, ARRAY_SIZE(head), e);
}

static int set_up_live(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	if (unshare(CLONE_NEWNET))
		return -1;
	live_map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "filter_test", 4, sizeof(*live), 1, &opts);
	if (open_tuns() || live_map < 0)
		return -1;
	live = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, live_map, 0);
	return live == MAP_FAILED ? -1 : 0;
}

static bool send_live(bool tap, const struct trial *t, uint16_t linear)
{
	live->runs = 0;
	live->result = 2;
	live->flags = (t->view == V_L3 ? NSW_TAP_L3 : 0) | (t->dir == DIR_OUT ? NSW_EGRESS : 0);
	return !inject(tap ? tap_fd : tun_fd, t->data, t->len, t->protocol, linear) &&
	       live->runs == 1;
}

static void compare_live(const struct subject *s, bool tap, struct trial *t)
{
	static const char *const names[] = { "tun", "tap" };
	static uint8_t b[MAX_FRAME + PAGED];
	uint16_t linear = 0;

	if (!rnd(3) && t->len <= sizeof(b)) {
		memcpy(b, t->data, t->len);
		if (t->len < PAGED)
			memset(b + t->len, 0, PAGED - t->len);
		linear = (uint16_t)(14 + rnd(60));
		t->data = b;
		t->len = t->len < PAGED ? PAGED : t->len;
	}
	if (!send_live(tap, t, linear)) {
		/* the kernel itself drops a tagged frame without room for a type */
		if (tap && t->len < 20)
			return;
		report(s, "not delivered", 0, -1, t);
		return;
	}
	live_nonlinear += live->linear < live->len;
	live_vlan += live->vlan;
	live_short += live->len < 14;
	report(s, names[tap], expected(s, t), (int)live->result, t);
}

/* Every `sparse`th frame on the tap, with a tag more often than not, and on the tun. */
static int compare_all_live(const struct subject *s, uint32_t sparse)
{
	static const uint16_t protocols[] = { 0x0800, 0x86dd, 0x8847, 0x0806 };
	_cleanup_fd_ int prog = load_live(s, NULL);
	_cleanup_fd_ int tun = attach(prog, tun_index);
	_cleanup_fd_ int tap = attach(prog, tap_index);
	static uint8_t tagged[MAX_FRAME + 4];

	if (prog < 0 || tun < 0 || tap < 0)
		return -1;
	for (size_t i = rnd(sparse); i < nr_frames; i += sparse) {
		struct trial t = { .view = s->raw ? V_RAW : V_PLAIN,
				   .dir = rnd(2) ? DIR_IN : DIR_OUT,
				   .data = frames[i].data,
				   .len = frames[i].len,
				   .protocol = protocols[rnd(4)] };
		struct trial l3 = t, vlan = t;

		if (!t.len)
			continue;
		compare_live(s, false, &t);
		if (!s->raw && l3.len > 14) {
			l3.view = V_L3;
			l3.data += 14;
			l3.len -= 14;
			if (!rnd(8))
				l3.len = l3.len < 13 ? l3.len : 1 + rnd(13);
			compare_live(s, false, &l3);
		}
		if (s->raw || vlan.len < 14)
			continue;
		memcpy(tagged, vlan.data, 12);
		memcpy(tagged + 16, vlan.data + 12, vlan.len - 12);
		memcpy(tagged + 12, (uint8_t[]){ 0x81, 0, 0, (uint8_t)rnd(6) }, 4);
		vlan.data = tagged;
		vlan.len += 4;
		compare_live(s, true, &vlan);
	}
	return 0;
}

/* --- the filters on trial --- */

static unsigned int refused, not_compiled, live_failed;

static void try_subject(struct subject *s, uint32_t sparse, bool with_live)
{
	static unsigned int turn; /* either form of the body, by turns */
	struct err e = {};

	s->below = turn++ & 1 ? 128 : 0;
	s->fd = load_subject(s, harness, ARRAY_SIZE(harness), &e);
	if (s->fd < 0) {
		printf("in user space: '%.60s': %s\n", s->name, e.msg);
		refused++;
		return;
	}
	compare_all(s, sparse);
	if (live && with_live && compare_all_live(s, 32) && !live_failed++)
		printf("no live run of '%.60s'\n", s->name);
	close(s->fd);
}

static void try_expression(const char *expr, int dlt)
{
	struct subject s = { .name = expr, .raw = dlt == DLT_RAW };
	struct err e = {};

	if (filter_compile(&s.f, expr, dlt, 0, &e)) {
		not_compiled++;
		printf("not compiled: %.200s\n", e.msg);
		return;
	}
	try_subject(&s, 1, true);
	filter_free(s.f);
}

static int try_corpus(void)
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
		try_expression(tab + 1, DLT_EN10MB);
		if (!strcmp(line, "RAW"))
			try_expression(tab + 1, DLT_RAW);
	}
	return 0;
}

/* What the corpus' expressions leave out. */
static const char *const expressions[] = {
	"",
	"len >= 0",
	"len < 0",
	"1 = 1",
	"1 = 2",
	"port 53",
	"not port 53",
	"tcp port 80 and host 192.168.1.1",
	"udp and not port 53 and not net 10.0.0.0/8",
	"vlan",
	"vlan 3",
	"not vlan",
	"vlan and ip",
	"vlan and port 53",
	"vlan and vlan",
	"vlan 2 and vlan 4",
	"vlan and vlan and ip6",
	"vlan or ip",
	"vlan and ether[12:2] = 0x8100",
	"ether[12:2] = 0x8100",
	"ether[14:2] & 0xfff = 3",
	"ether[12:4] & 0xffff0fff = 0x81000003",
	"ether[8:4] != 0",
	"ether[9:4] & 0xff != 0",
	"ether[10:4] & 0xffff = 0x8100",
	"ether[11:4] & 0xffff00 = 0x810000",
	"ether[11:2] & 0xff = 0x08",
	"ether[13:4] & 0xff0000 != 0",
	"ether[13:2] & 0xff != 0",
	"ether[13] = 6",
	"ether[15] & 7 = 3",
	"ether[14:4] & 0xffff = 0x0800",
	"ether[15:4] & 0xff0000 = 0x080000",
	"ether[15:2] & 0xff = 8",
	"ether[16:4] != 0x45000000",
	"ether[ether[0] & 15] = 8",
	"ether[ether[5] & 15:2] = 0x0800",
	"ether[ether[5] & 15:4] & 0xff00 = 0",
	"ether[6 + (ether[5] & 15):4] & 0xff00 = 0x0800",
	"ether[(ether[5] & 31) + 4:2] > 0x0800",
	"ether[ether[0:4]] = 1",
	"ether[ether[0:4] - ether[0:4] + 60] >= 0",
	"ether[ether[0:2]] = 0",
	"ether[0xffffffff] = 0",
	"ether[0x7fffffff] = 0",
	"ether[0x7ffffffd:4] = 0",
	"ether[0x80000000] = 0",
	"ether[0xfffff0] = 0",
	"ether[60] >= 0",
	"ether[1400:4] >= 0",
	"ether[2990] >= 0",
	"ether[20000] >= 0",
	"ip[ip[0] + 0xfffffff0] = 3",
	"ip[ip[8:4] / 3] >= 0",
	"ip[2:2] = len - 14",
	"len - 14 > ip[2:2]",
	"len / 3 * 3 = len",
	"len % 2 = 1",
	"ip[1] / ip[8] = 0",
	"ip[8] % ip[1] = 0",
	"ip[2:2] / ip[4:2] > 1",
	"ip[2:2] % ip[9] = 5",
	"ip[8] / 7 = 9",
	"ip[12:4] % 10 = 3",
	"ip[8] << 3 = 0x200",
	"ip[12:4] << 31 = 0x80000000",
	"ip[12:4] >> 31 = 1",
	"ip[12:4] << ip[8] = 0",
	"ip[12:4] >> ip[8] = 0",
	"ip[12:4] >> (ip[8] & 31) = 1",
	"-ip[8] = 0xffffffc0",
	"ip[8] - 65 > 0xfffffff0",
	"ip[12:4] * 3 > 1000000000",
	"ip[8] ^ 0x40 = 0",
	"(ip[12:4] ^ ip[16:4]) & 0xffff0000 = 0",
	"ip[8] | ip[9] = 0x51",
	"(ip[0] & 0xf) + (ip[1] | 3) * (ip[8] - (ip[9] ^ (ip[2] + ip[3]))) > 1000",
	"ip[12:4] = ip[16:4]",
	"ip[12:4] > ip[16:4]",
	"ip[12:4] >= ip[16:4]",
	"ip[12:4] != ip[16:4]",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
	"udp[8 + (udp[8] & 3):2] & 0x8180 != 0",
	"tcp[13] & 2 != 0",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"ip[6:2] & 0x3fff != 0",
	"icmp[0] = 3 and icmp[17] = 17",
	"icmp6",
	"icmp6[0] = 135",
	"ip6[40] = 53 or ip6[42:2] = 53",
	"ip6 and udp port 53",
	"ip6 proto 17",
	"ip6 protochain 17",
	"proto 17",
	"less 64",
	"greater 100",
	"less 64 or greater 1000",
	"len = 60",
	"broadcast",
	"multicast",
	"ip multicast",
	"ip6 multicast",
	"ether multicast",
	"ip broadcast",
	"ether host 33:33:00:01:00:02",
	"arp or rarp or icmp",
	"mpls",
	"mpls 1000",
	"mpls and ip",
	"pppoes",
	"pppoed",
	"pppoes and ip",
	"geneve",
	"geneve and ip",
	"geneve 0xb",
	"vlan and geneve and vlan",
	"host 2001:db8::1",
	"net fe80::/10 and not icmp6",
	"src net 192.168.0.0/16 and dst net 10.0.0.0/8",
	"portrange 1-1023",
	"tcp portrange 20-25 or udp portrange 53-69",
	"sctp or esp or ah or pim or igmp",
	"ah",
	"inbound",
	"outbound",
	"inbound and port 53",
	"outbound or vlan",
	"not inbound",
	"ether proto 0x88cc",
	"ether proto 0x0800 and ip[9] = 17",
	"llc",
	"llc i",
	"llc s",
	"llc u",
	"llc rr",
	"stp",
	"iso",
	"wlan addr1 1:2:3:4:5:6",
	"not (tcp or udp) and not arp",
};

/* `host A or host B ...`; the libpcap tests have nothing long. */
static void try_list(const char *word, unsigned int n, bool v6)
{
	size_t size = n * 64 + 64, len = 0;
	_cleanup_free_ char *s = malloc(size);

	if (!s)
		abort();
	for (unsigned int i = 0; i < n; i++)
		len += (size_t)snprintf(s + len, size - len,
					v6 ? "%s%s 2001:db8::%x:%x" : "%s%s 10.%u.%u.1",
					i ? " or " : "", word, i >> 8, i & 255);
	try_expression(s, DLT_EN10MB);
}

/* --- random programs --- */

static uint16_t pick(const uint16_t *codes, size_t n)
{
	return codes[rnd((uint32_t)n)];
}

static struct cbpf_insn random_load(void)
{
	static const uint16_t codes[] = {
		BPF_LD | BPF_W | BPF_ABS,  BPF_LD | BPF_H | BPF_ABS,  BPF_LD | BPF_B | BPF_ABS,
		BPF_LD | BPF_W | BPF_IND,  BPF_LD | BPF_H | BPF_IND,  BPF_LD | BPF_B | BPF_IND,
		BPF_LDX | BPF_B | BPF_MSH, BPF_LD | BPF_W | BPF_LEN,  BPF_LD | BPF_IMM,
		BPF_LDX | BPF_IMM,	   BPF_LDX | BPF_W | BPF_LEN,
	};
	struct cbpf_insn s = { .code = pick(codes, ARRAY_SIZE(codes)) };

	s.k = rnd(10) ? rnd(rnd(3) ? 24 : 100) : 0xffffffff - rnd(40);
	return s;
}

static struct cbpf_insn random_alu(void)
{
	static const uint16_t codes[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND,
					  BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG };
	uint16_t op = pick(codes, ARRAY_SIZE(codes));
	struct cbpf_insn s = { .code = BPF_ALU | op | (rnd(2) && op != BPF_NEG ? BPF_X : BPF_K) };

	s.k = rnd(2) ? 1 + rnd(16) : 1 + (rnd(65536) << 16 | rnd(65536));
	if (op == BPF_LSH || op == BPF_RSH)
		s.k = rnd(32); /* more is undefined in libpcap */
	if (!s.k && op != BPF_LSH && op != BPF_RSH)
		s.k = 1;
	return s;
}

static struct cbpf_insn random_insn(uint32_t left)
{
	static const uint16_t memory[] = { BPF_ST, BPF_STX, BPF_LD | BPF_MEM, BPF_LDX | BPF_MEM };
	static const uint16_t jumps[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	uint32_t reach = left < 6 ? left : 6;

	switch (rnd(10)) {
	case 0:
	case 1:
	case 2:
	case 3: return random_load();
	case 4:
	case 5: return random_alu();
	case 6: return (struct cbpf_insn){ .code = pick(memory, 4), .k = rnd(16) };
	case 7: return (struct cbpf_insn){ .code = BPF_MISC | (rnd(2) ? BPF_TAX : BPF_TXA) };
	case 8:
		if (!rnd(8))
			return (struct cbpf_insn){ .code = BPF_JMP | BPF_JA, .k = rnd(reach) };
		return (struct cbpf_insn){ .code = BPF_JMP | pick(jumps, 4) |
						   (rnd(3) ? BPF_K : BPF_X),
					   .jt = (uint8_t)rnd(reach),
					   .jf = (uint8_t)rnd(reach),
					   .k = rnd(256) };
	default:
		if (rnd(6))
			return (struct cbpf_insn){ .code = BPF_ALU | BPF_AND | BPF_K,
						   .k = rnd(64) };
		return (struct cbpf_insn){ .code = BPF_RET | (rnd(2) ? BPF_A : BPF_K),
					   .k = rnd(2) };
	}
}

/* libpcap's M[] starts as it was on the stack, so these programs clear it first. */
static void try_random_program(unsigned int number)
{
	struct cbpf_insn code[64];
	uint32_t n = 0, len = 24 + rnd(40);
	char name[32];
	struct subject s = { .name = name, .prog = { .bf_insns = code }, .raw = !rnd(8) };

	snprintf(name, sizeof(name), "random program %u", number);
	while (n < 16) {
		code[n] = (struct cbpf_insn){ .code = BPF_ST, .k = n };
		n++;
	}
	for (; n < len - 1; n++)
		code[n] = random_insn(len - 1 - n);
	code[n++] = (struct cbpf_insn){ .code = BPF_RET | BPF_A };
	s.prog.bf_len = n;
	try_subject(&s, 16, !rnd(4));
}

/* --- speed --- */

#define CALLS 32

/* A program with `calls` runs of the filter: the cost of a run of a program is several
 * times that of a filter. */
static int load_calls(struct subject *s, unsigned int calls, uint32_t below, struct err *e)
{
	_cleanup_free_ struct bpf_insn *body = NULL, *all = NULL;
	size_t nr_body, n = 0, end = 3 + 3 * calls;
	int err;

	s->below = below;
	err = translate(s, &body, &nr_body, e);
	if (err)
		return err;
	all = calloc(3 + calls * (nr_body + 3) + nr_body, sizeof(*all));
	if (!all)
		return -ENOMEM;
	all[n++] = MOV(6, 1);
	while (calls--) {
		all[n++] = MOV(1, 6);
		all[n++] = MOVI(2, 0);
		if (below) {
			memcpy(all + n, body, nr_body * sizeof(*all));
			n += nr_body;
		} else {
			all[n] =
				INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, (int)(end - n - 1));
			n++;
		}
	}
	all[n++] = MOVI(0, 0);
	all[n++] = EXIT;
	if (!below) {
		memcpy(all + n, body, nr_body * sizeof(*all));
		n += nr_body;
	}
	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "filter_bench", "GPL", all, n, NULL);
}

static double ns_per_run(int fd, const uint8_t *frame, uint32_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len,
		    .repeat = 100000);
	double best = 1e9;

	for (int i = 0; i < 15; i++) {
		if (bpf_prog_test_run_opts(fd, &opts))
			return -1;
		best = opts.duration < best ? opts.duration : best;
	}
	return best;
}

static int bench(int argc, char **argv)
{
	/* Ethernet, IPv4 192.168.1.1 > 192.168.1.2, TCP 40000 > 80; 60 bytes */
	static const uint8_t frame[60] = {
		2, 0,  0,    0,	   0, 1,  2,  0, 0, 0, 0,   2,	 8, 0, 0x45, 0,
		0, 46, 0,    1,	   0, 0,  64, 6, 0, 0, 192, 168, 1, 1, 192,  168,
		1, 2,  0x9c, 0x40, 0, 80, 0,  0, 0, 1, 0,   0,	 0, 0, 0x50, 2,
	};
	for (int i = 0; i < argc; i++) {
		struct subject s = { .name = argv[i] };
		struct err e = {};

		if (filter_compile(&s.f, argv[i], DLT_EN10MB, 0, &e)) {
			printf("%s\n", e.msg);
			continue;
		}
		for (uint32_t below = 0; below <= 64; below += 64) {
			_cleanup_fd_ int one = load_calls(&s, 1, below, &e);
			_cleanup_fd_ int many = load_calls(&s, CALLS, below, &e);

			printf("%6.2f ns %s  '%s'\n",
			       (ns_per_run(many, frame, sizeof(frame)) -
				ns_per_run(one, frame, sizeof(frame))) /
				       (CALLS - 1),
			       below ? "inline" : "called", argv[i]);
		}
		filter_free(s.f);
	}
	return 0;
}

static void try_everything(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++)
		try_expression(expressions[i], DLT_EN10MB);
	/* libpcap's optimizer takes minutes for a thousand */
	try_list("host", 300, false);
	try_list("src net", 100, true);
	try_list("tcp port 80 and host", 30, false);
	for (unsigned int i = 0; i < 1500; i++)
		try_random_program(i);
}

int main(int argc, char **argv)
{
	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	if (argc > 1 && !strcmp(argv[1], "--bench"))
		return bench(argc - 2, argv + 2);
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	if (read_corpus()) {
		printf("skipped: no " CORPUS "\n");
		return 77;
	}
	add_variants(nr_frames);
	if (set_up_live())
		printf("skipped the live part: %s\n", strerror(errno));
	if (try_corpus())
		return 1;
	printf("the corpus' expressions alone: pairs %llu\n", (unsigned long long)pairs);
	try_everything();
	printf("%zu frames; %u filters for user space, %u not compiled; live: %llu non-linear, "
	       "%llu with a stripped tag, %llu shorter than 14 bytes; %llu matches\n",
	       nr_frames, refused, not_compiled, (unsigned long long)live_nonlinear,
	       (unsigned long long)live_vlan, (unsigned long long)live_short,
	       (unsigned long long)matches);
	printf("pairs compared: %llu, differences: %llu\n", (unsigned long long)pairs,
	       (unsigned long long)differences);
	return differences || live_failed;
}

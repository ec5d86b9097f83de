// SPDX-License-Identifier: GPL-2.0-only
#include "attach/filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

/* After pcap.h, whose struct bpf_insn is classic BPF's; only sock_filter is wanted. */
#include <linux/filter.h>
#include <linux/if_packet.h>

#include "attach/filter_bpf.h"
#include "nswatch/record.h"
#include "util/cleanup.h"
#include "util/err.h"

/*
 * libpcap turns `inbound` and `outbound` into a load at this offset, which only
 * the kernel's sockets answer (with PACKET_OUTGOING or something else); anything
 * else finds it out of bounds, so that neither word ever matches. For
 * filter_match() there is one copy of the program per direction with that load
 * made a constant.
 */
#define PKTTYPE_OFF ((uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE))

struct filter {
	int dlt;
	struct bpf_program prog[3]; /* by enum direction */
};

/* libpcap's and the kernel's classic instruction are the same eight bytes. */
_Static_assert(sizeof(struct sock_filter) == sizeof(struct bpf_insn), "cBPF instruction");
_Static_assert(offsetof(struct sock_filter, jt) == offsetof(struct bpf_insn, jt), "jt");
_Static_assert(offsetof(struct sock_filter, k) == offsetof(struct bpf_insn, k), "k");

static bool is_abs_load(const struct bpf_insn *s)
{
	return BPF_CLASS(s->code) == BPF_LD && BPF_MODE(s->code) == BPF_ABS;
}

static int copy_for_direction(struct filter *f, enum direction dir, uint32_t pkttype)
{
	const struct bpf_program *from = &f->prog[DIR_UNKNOWN];
	struct bpf_program *to = &f->prog[dir];

	to->bf_insns = calloc(from->bf_len, sizeof(*to->bf_insns));
	if (!to->bf_insns)
		return -ENOMEM;
	to->bf_len = from->bf_len;
	memcpy(to->bf_insns, from->bf_insns, from->bf_len * sizeof(*to->bf_insns));
	for (unsigned int i = 0; i < to->bf_len; i++) {
		struct bpf_insn *s = &to->bf_insns[i];

		if (is_abs_load(s) && s->k == PKTTYPE_OFF)
			*s = (struct bpf_insn){ .code = BPF_LD | BPF_IMM, .k = pkttype };
	}
	return 0;
}

/*
 * `ifindex` reads a field that a frame does not have: it would silently never
 * match.
 */
static bool asks_ifindex(const struct bpf_program *p)
{
	for (unsigned int i = 0; i < p->bf_len; i++) {
		const struct bpf_insn *s = &p->bf_insns[i];

		if (is_abs_load(s) && s->k == (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX))
			return true;
	}
	return false;
}

static void pcap_closep(pcap_t **p)
{
	if (*p)
		pcap_close(*p);
}

static int compile(struct filter *f, const char *expr, uint32_t snaplen, struct err *e)
{
	_cleanup_(pcap_closep) pcap_t *p = pcap_open_dead(f->dlt, (int)snaplen);

	if (!p)
		return err_sys(e, -ENOMEM, "filter");
	if (pcap_compile(p, &f->prog[DIR_UNKNOWN], expr, 1, 0))
		return err_set(e, -EINVAL, "filter '%s': %s", expr, pcap_geterr(p));
	if (asks_ifindex(&f->prog[DIR_UNKNOWN]))
		return err_set(e, -EINVAL, "filter '%s': ifindex is not supported", expr);
	if (copy_for_direction(f, DIR_IN, PACKET_HOST) ||
	    copy_for_direction(f, DIR_OUT, PACKET_OUTGOING))
		return err_sys(e, -ENOMEM, "filter");
	return 0;
}

int filter_compile(struct filter **out, const char *expr, int dlt, uint32_t snaplen, struct err *e)
{
	struct filter *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return err_sys(e, -ENOMEM, "filter");
	f->dlt = dlt;
	err = compile(f, expr, snaplen && snaplen < NSW_MAX_SNAP ? snaplen : NSW_MAX_SNAP, e);
	if (err)
		filter_free(f);
	else
		*out = f;
	return err;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	pcap_freecode(&f->prog[DIR_UNKNOWN]);
	free(f->prog[DIR_IN].bf_insns);
	free(f->prog[DIR_OUT].bf_insns);
	free(f);
}

bool filter_asks_length(const struct filter *f)
{
	const struct bpf_program *p = &f->prog[DIR_UNKNOWN];

	for (unsigned int i = 0; i < p->bf_len; i++) {
		unsigned int class = BPF_CLASS(p->bf_insns[i].code);

		if ((class == BPF_LD || class == BPF_LDX) &&
		    BPF_MODE(p->bf_insns[i].code) == BPF_LEN)
			return true;
	}
	return false;
}

int filter_translate(const struct filter *f, uint32_t inline_below, struct bpf_insn **insns,
		     size_t *n, struct err *e)
{
	const struct bpf_program *p = &f->prog[DIR_UNKNOWN];

	return filter_bpf_translate((const struct sock_filter *)p->bf_insns, p->bf_len,
				    f->dlt == DLT_EN10MB, inline_below, insns, n, e);
}

bool filter_match(const struct filter *f, const uint8_t *data, uint32_t caplen, uint32_t wirelen,
		  enum direction dir)
{
	struct pcap_pkthdr h = { .caplen = caplen, .len = wirelen };

	return pcap_offline_filter(&f->prog[dir], &h, data) != 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets into the workload's interface, faster than any socket could send
 * them: XDP frames that BPF_PROG_TEST_RUN makes (BPF_F_TEST_XDP_LIVE_FRAMES)
 * and a small program redirects into the peer's end of the veth pair. The
 * workload's end receives them in softirq on this same core, where the capture
 * runs too: the time of a run is the time of the whole path.
 */
#include "load.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>

#include "bench/xdp.skel.h"

#define MAX_BURSTS 1024 /* as in xdp.bpf.c */

static uint16_t ip_checksum(const struct iphdr *ip)
{
	const uint16_t *word = (const uint16_t *)ip;
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < sizeof(*ip) / sizeof(*word); i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* To nobody's MAC address: the workload's IP drops it before anything else. */
static void fill(unsigned char *frame, size_t size)
{
	struct ether_header eth = { .ether_dhost = NOBODY_MAC,
				    .ether_shost = PEER_MAC,
				    .ether_type = htons(ETHERTYPE_IP) };
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .tot_len = htons((uint16_t)(size - sizeof(eth))),
			    .ttl = 64,
			    .protocol = IPPROTO_UDP };
	struct udphdr udp = { .len = htons((uint16_t)(size - sizeof(eth) - sizeof(ip))) };
	size_t i;

	inet_pton(AF_INET, PEER_ADDR, &ip.saddr);
	inet_pton(AF_INET, WORKLOAD_ADDR, &ip.daddr);
	ip.check = ip_checksum(&ip);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(frame + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
	for (i = HEADERS; i < size; i++)
		frame[i] = (unsigned char)i;
}

static struct xdp_bpf *load_program(const struct load *l)
{
	struct xdp_bpf *skel = xdp_bpf__open();

	if (!skel)
		die("open the XDP program");
	skel->rodata->out_ifindex = if_nametoindex(l->dev);
	skel->rodata->flows = (uint32_t)l->flows;
	skel->rodata->port = (uint16_t)l->port;
	skel->rodata->burst = l->count / l->bursts;
	skel->rodata->rate = l->rate;
	skel->rodata->every = (uint32_t)l->every;
	skel->rodata->rare_port = (uint16_t)l->rare_port;
	if (!skel->rodata->out_ifindex)
		die("%s", l->dev);
	if (xdp_bpf__load(skel))
		die("load the XDP program");
	return skel;
}

static void run(int prog, unsigned char *frame, size_t size, uint64_t n)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)size,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .repeat = (int)n);

	if (bpf_prog_test_run_opts(prog, &opts))
		die("BPF_PROG_TEST_RUN");
}

/* One packet more than the bursts hold, whose mark ends the last of them. */
static void measure(struct xdp_bpf *skel, const struct load *l)
{
	uint64_t burst = l->count / l->bursts, n = burst * l->bursts + 1, i;
	const uint64_t *marks = (const uint64_t *)skel->bss->marks;
	static double ns[MAX_BURSTS];
	unsigned char frame[MAX_FRAME];

	fill(frame, l->size);
	run(bpf_program__fd(skel->progs.generate), frame, l->size, n);
	for (i = 0; i < l->bursts; i++)
		ns[i] = (double)(marks[i + 1] - marks[i]) / (double)burst;
	report(skel->bss->number, marks[l->bursts] - marks[0], ns, l->bursts);
}

int load_xdp(const struct load *l)
{
	struct xdp_bpf *skel;

	if (!l->peer || !l->dev || l->size < MIN_FRAME || l->size > MAX_FRAME ||
	    l->bursts > MAX_BURSTS || l->count > INT32_MAX / 2) {
		errno = EINVAL;
		die("count, size or link");
	}
	enter(l->peer);
	skel = load_program(l);
	measure(skel, l);
	xdp_bpf__destroy(skel);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_TESTS_BPF_PACKETS_H
#define NSWATCH_TESTS_BPF_PACKETS_H

/*
 * Packets for programs on trial: those of the corpus, mutations of them, and ways to
 * deliver them. BPF_PROG_TEST_RUN takes 14 bytes at least and makes linear skbs only,
 * so shorter frames and fragments go through a tun and a tap device.
 * Needs pcap.h, with its struct bpf_insn out of the way, before it.
 */

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/cleanup.h"

#define CORPUS	  "../shared/corpus"
#define MAX_FRAME 3000 /* what BPF_PROG_TEST_RUN takes for certain */

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

/* --- a tun and a tap device --- */

static int tun_fd = -1, tap_fd = -1;
static int tun_index, tap_index;

static int open_tun(const char *name, short flags, int *index)
{
	_cleanup_fd_ int fd = open("/dev/net/tun", O_RDWR);
	_cleanup_fd_ int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr = { .ifr_flags = flags };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || sock < 0 || ioctl(fd, TUNSETIFF, &ifr))
		return -1;
	*index = (int)if_nametoindex(name);
	ifr.ifr_flags = IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr))
		return -1;
	return steal_fd(&fd);
}

/* In the namespace of the caller. tun: with the protocol in front of each packet; tap:
 * the kernel strips tags. */
static int open_tuns(void)
{
	tun_fd = open_tun("trial0", IFF_TUN | IFF_VNET_HDR, &tun_index);
	tap_fd = open_tun("trial1", IFF_TAP | IFF_VNET_HDR | IFF_NO_PI, &tap_index);
	return tun_fd < 0 || tap_fd < 0 ? -1 : 0;
}

/* Frames of this length come with all but the first `linear` bytes in fragments. */
#define PAGED 4500

/* Has a frame arrive at a device; protocol: of the skb, on a tun. 0 or -1. */
static int inject(int fd, const uint8_t *data, uint32_t len, uint16_t protocol, uint16_t linear)
{
	struct tun_pi pi = { .proto = htons(protocol) };
	struct virtio_net_hdr vh = { .hdr_len = linear };
	struct iovec iov[] = {
		{ &pi, sizeof(pi) },
		{ &vh, sizeof(vh) },
		{ (void *)data, len },
	};

	int first = fd == tap_fd;

	return writev(fd, iov + first, 3 - first) > 0 ? 0 : -1;
}

static int attach(int prog, int ifindex)
{
	return bpf_link_create(prog, ifindex, 46 /* BPF_TCX_INGRESS */, NULL);
}

#endif

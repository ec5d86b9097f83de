// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turns each frame of a BPF_PROG_TEST_RUN into a packet on the far end of a
 * veth pair: gives it a flow, waits until it is due, sends it out of
 * `out_ifindex`. It takes the time itself: setting up and ending one such run
 * costs milliseconds, so there is one run, and it is divided here.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define UDP_SOURCE (14 + 20) /* Ethernet, IPv4 without options */
#define FIRST_PORT 20000
#define MAX_BURSTS 1024
#define SECOND	   1000000000ULL
#define MAX_WAIT   (1 << 16) /* looks at the clock; some milliseconds */

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 out_ifindex;
const volatile __u32 flows = 1; /* source ports in use */
const volatile __u32 every;	/* each every-th packet goes to rare_port */
const volatile __u16 port = 9;	/* destination of all others */
const volatile __u16 rare_port;

const volatile __u64 burst = 1; /* packets between two marks */
const volatile __u64 rate;	/* packets a second; 0: as fast as it goes */

__u64 number;
__u64 marks[MAX_BURSTS + 1]; /* when each burst began */

static long is_due(__u32 i, __u64 *due)
{
	return bpf_ktime_get_ns() >= *due;
}

static __always_inline void mark_and_wait(__u64 n)
{
	__u64 slot = n / burst, due;

	if (n % burst == 0 && slot <= MAX_BURSTS)
		marks[slot] = bpf_ktime_get_ns();
	if (rate) {
		due = marks[0] + n * SECOND / rate;
		bpf_loop(MAX_WAIT, is_due, &due, 0);
	}
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u16 *ports = data + UDP_SOURCE;
	__u64 n = number++;

	if ((void *)(ports + 2) > end)
		return XDP_ABORTED;
	mark_and_wait(n);
	/* The frames are used again and again: both ports are set each time. */
	ports[0] = bpf_htons(FIRST_PORT + n % flows);
	ports[1] = every && n % every == 0 ? bpf_htons(rare_port) : bpf_htons(port);
	return bpf_redirect(out_ifindex, 0);
}

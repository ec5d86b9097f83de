// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry points. tc_ingress and tc_egress are attached to every tapped
 * interface, inside the namespace and at the host end of its veth; the
 * sock_* programs to the root cgroup.
 *
 * We observe. Every TC program answers TC_ACT_UNSPEC (-1), which is TCX_NEXT:
 * whatever comes after us runs as if we were not there, on every packet.
 */
#include "vmlinux.h"
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "nswatch/doh.h"
#include "nswatch/record.h"

#include "maps.bpf.h"
#include "ring.bpf.h"
#include "dns.bpf.h"
#include "owner.bpf.h"
#include "emit.bpf.h"
#include "socket.bpf.h"
#include "netns.bpf.h"

#define TC_ACT_UNSPEC	(-1)
#define PACKET_LOOPBACK 5 /* linux/if_packet.h */

char LICENSE[] SEC("license") = "GPL";

SEC("tc/ingress")
int tc_ingress(struct __sk_buff *skb)
{
	/* A multicast's copy for the sender's own host, which the kernel makes before there is
	 * a link-layer header (dev_loopback_xmit()). Packet sockets do not get it either: the
	 * packet itself is seen as it leaves. */
	if (skb->pkt_type != PACKET_LOOPBACK)
		observe(skb, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc/egress")
int tc_egress(struct __sk_buff *skb)
{
	observe(skb, NSW_EGRESS);
	return TC_ACT_UNSPEC;
}

SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	report_exec((struct task_struct *)ctx->args[0]);
	return 0;
}

SEC("raw_tp/sys_exit")
int syscall_exit(struct bpf_raw_tracepoint_args *ctx)
{
	call_returns((void *)ctx->args[0], ctx->args[1]);
	return 0;
}

SEC("raw_tp/kfree_skb")
int packet_dropped(struct bpf_raw_tracepoint_args *ctx)
{
	packet_is_dropped((struct sk_buff *)ctx->args[0], (__u32)ctx->args[2]);
	return 0;
}

SEC("raw_tp/sched_process_fork")
int netns_fork(struct bpf_raw_tracepoint_args *ctx)
{
	meet((struct task_struct *)ctx->args[1]);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int netns_exec(struct bpf_raw_tracepoint_args *ctx)
{
	meet((struct task_struct *)ctx->args[0]);
	return 0;
}

SEC("cgroup/sock_create")
int netns_socket(struct bpf_sock *ctx)
{
	meet((struct task_struct *)bpf_get_current_task());
	return 1;
}

SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	socket_call(ctx, AF_INET, NSW_CALL_CONNECT);
	return 1;
}

SEC("cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	socket_call(ctx, AF_INET6, NSW_CALL_CONNECT);
	return 1;
}

SEC("cgroup/sendmsg4")
int sock_sendmsg4(struct bpf_sock_addr *ctx)
{
	socket_call(ctx, AF_INET, NSW_CALL_SENDMSG);
	return 1;
}

SEC("cgroup/sendmsg6")
int sock_sendmsg6(struct bpf_sock_addr *ctx)
{
	socket_call(ctx, AF_INET6, NSW_CALL_SENDMSG);
	return 1;
}

/* ctx is the kernel's struct sock at run time. */
SEC("cgroup/post_bind4")
int sock_bound4(struct bpf_sock *ctx)
{
	if (is_watched((struct sock *)ctx))
		set_owner(ctx, NSW_HOW_BOUND);
	return 1;
}

SEC("cgroup/post_bind6")
int sock_bound6(struct bpf_sock *ctx)
{
	if (is_watched((struct sock *)ctx))
		set_owner(ctx, NSW_HOW_BOUND);
	return 1;
}

SEC("iter/task_file")
int seed_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (task && file)
		seed(task, file);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Socket calls: who owns a socket, and calls to a name server, which may fail
 * in the kernel before any interface sees a packet (lo down, no route, a
 * firewall).
 *
 * A hook sees a call as it begins, and where it goes. That a firewall has dropped
 * what is being sent is known from raw_tp/kfree_skb, which tells why from Linux 5.18
 * on; only a dropped packet comes by there, but there are busy machines that drop
 * many, so it is attached once a watched namespace has a filter that may do that. The
 * egress hook of nftables' netdev family comes before any TC program of the interface
 * (__dev_queue_xmit()): what it drops is seen nowhere else. What became of
 * any call is known when the system call returns (raw_tp/sys_exit). That takes every task on the
 * machine off the fast path into the kernel, so it is there on request only. A call that fails is
 * told apart by the thread's latest call to a name server, or by the peer of the connected socket.
 */
#ifndef NSWATCH_SOCKET_BPF_H
#define NSWATCH_SOCKET_BPF_H

#define DNS_PORT	   53
#define REPORT_INTERVAL_NS 1000000000ULL
#define MAX_ERRNO	   4095
#define EPERM		   1
#define NO_MAC_HEADER	   0xffff /* skb_mac_header_was_set() */
#define AT_EGRESS	   0xffff /* in a key, beside errnos */

/* Why a packet is dropped; the kernel's numbers differ. */
enum skb_drop_reason {
	SKB_DROP_REASON_NETFILTER_DROP,
};

/* The numbers of the system calls by enum nsw_call; set by the loader, for they
 * are the architecture's. */
const volatile __u32 cfg_syscall[NSW_NR_CALLS];

/* Where the system call's number and first argument are found. */
struct pt_regs___x86 {
	unsigned long di, orig_ax;
} __attribute__((preserve_access_index));

struct pt_regs___arm64 {
	__u64 orig_x0;
	int syscallno;
} __attribute__((preserve_access_index));

struct sock_common___v6 {
	struct {
		__u8 bytes[16];
	} skc_v6_daddr;
} __attribute__((preserve_access_index));

/* A thread's latest call to a name server. */
struct call {
	struct nsw_addr dst;
	__u32 proto;
	__u64 sk;
	bool connects;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* pid and tgid */
	__type(value, struct call);
} calls SEC(".maps");

/* family is the hook's: a program may read the address of its own family only. */
static __always_inline void destination(struct bpf_sock_addr *ctx, const __u16 family,
					struct nsw_addr *dst)
{
	__u32 *words = (__u32 *)dst->bytes;

	dst->family = family;
	dst->port = bpf_ntohs((__u16)ctx->user_port);
	if (family == AF_INET) {
		words[0] = ctx->user_ip4;
	} else {
		words[0] = ctx->user_ip6[0];
		words[1] = ctx->user_ip6[1];
		words[2] = ctx->user_ip6[2];
		words[3] = ctx->user_ip6[3];
	}
}

/* True if this process's call to this server was reported within the last
 * second; remembers the call otherwise. */
static __always_inline bool is_repeated(const struct attempt_key *key, __u64 time)
{
	__u64 *last = bpf_map_lookup_elem(&reported, key);

	if (last && time - *last < REPORT_INTERVAL_NS)
		return true;
	bpf_map_update_elem(&reported, key, &time, BPF_ANY);
	return false;
}

/* error: 0 when the call begins. task: who calls, NULL if it is not known. dropped_at: the
 * interface whose egress hook dropped what was sent, or NULL. */
static __always_inline void report(const struct call *c, __u32 netns, struct task_struct *task,
				   __u8 call, __u16 error, const struct net_device *dropped_at)
{
	struct attempt_key key = { .dst = c->dst, .netns = netns, .proto = c->proto };
	struct nsw_attempt *a;
	__u64 time = now();

	key.pid = task ? bpf_get_current_pid_tgid() >> 32 : 0;
	key.error = dropped_at ? AT_EGRESS : error;
	if (is_repeated(&key, time))
		return;
	a = bpf_ringbuf_reserve(&attempts, sizeof(*a), 0);
	if (!a)
		return;
	__builtin_memset(a, 0, sizeof(*a));
	a->time = time;
	a->netns = netns;
	if (task) {
		a->ppid = BPF_CORE_READ(task, group_leader, real_parent, tgid);
		task_owner(task, &a->owner);
	}
	a->dst = key.dst;
	a->proto = c->proto;
	a->call = call;
	a->error = error;
	if (dropped_at)
		BPF_CORE_READ_INTO(&a->dropped_at, dropped_at, name);
	/* Wakes the loader at once: the process may live for milliseconds only. */
	bpf_ringbuf_submit(a, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void report_attempt(const struct call *c, __u32 netns, __u8 call,
					   __u16 error)
{
	report(c, netns, (void *)bpf_get_current_task(), call, error, NULL);
}

/*
 * A program starts in a watched namespace. It may look a name up and be gone in
 * milliseconds; this is early enough to see which resolv.conf it has.
 */
static __always_inline void report_exec(struct task_struct *task)
{
	__u32 netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	struct nsw_attempt *a;

	if (!bpf_map_lookup_elem(&watched, &netns))
		return;
	a = bpf_ringbuf_reserve(&attempts, sizeof(*a), 0);
	if (!a)
		return;
	__builtin_memset(a, 0, sizeof(*a));
	a->time = now();
	a->netns = netns;
	a->call = NSW_CALL_EXEC;
	a->ppid = BPF_CORE_READ(task, group_leader, real_parent, tgid);
	task_owner(task, &a->owner);
	bpf_ringbuf_submit(a, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void socket_call(struct bpf_sock_addr *ctx, const __u16 family, __u8 call)
{
	struct bpf_sock_addr_kern *kctx = (struct bpf_sock_addr_kern *)ctx;
	struct call c = { .connects = call == NSW_CALL_CONNECT };
	__u64 thread = bpf_get_current_pid_tgid();
	struct bpf_sock *sk = ctx->sk;
	__u32 netns;

	if (!sk)
		return;
	c.sk = (__u64)BPF_CORE_READ(kctx, sk);
	netns = netns_of((struct sock *)c.sk);
	if (!bpf_map_lookup_elem(&watched, &netns))
		return;
	set_owner(sk, NSW_HOW_CALLED);
	if (!cfg_dns)
		return;
	if (bpf_ntohs((__u16)ctx->user_port) != DNS_PORT) {
		bpf_map_delete_elem(&calls, &thread);
		return;
	}
	destination(ctx, family, &c.dst);
	c.proto = ctx->protocol;
	bpf_map_update_elem(&calls, &thread, &c, BPF_ANY);
	report_attempt(&c, netns, call, 0);
}

/* --- what became of a call -------------------------------------------------------- */

/* Errors that mean that nothing was sent, or that what was sent got nowhere. Not
 * those that only say "later", nor a refusal, which is a packet of its own. */
static __always_inline bool is_failure(__u32 error)
{
	const __u64 low = 1ULL << 1 /* EPERM */ | 1ULL << 13 /* EACCES */ |
			  1ULL << 19 /* ENODEV */ | 1ULL << 22 /* EINVAL */;
	const __u64 high =
		1ULL << (99 - 64) /* EADDRNOTAVAIL */ | 1ULL << (100 - 64) /* ENETDOWN */ |
		1ULL << (101 - 64) /* ENETUNREACH */ | 1ULL << (105 - 64) /* ENOBUFS */ |
		1ULL << (112 - 64) /* EHOSTDOWN */ | 1ULL << (113 - 64) /* EHOSTUNREACH */;

	if (error < 64)
		return low >> error & 1;
	return error < 128 && (high >> (error - 64) & 1);
}

/* The call by its number; 0: none of ours. */
static __always_inline __u8 which_call(__u32 nr)
{
	__u32 i;

#pragma clang loop unroll(full)
	for (i = 1; i < NSW_NR_CALLS; i++)
		if (cfg_syscall[i] == nr)
			return i;
	return 0;
}

static __always_inline __u32 syscall_nr(void *regs)
{
	struct pt_regs___arm64 *arm64 = regs;
	struct pt_regs___x86 *x86 = regs;

	if (bpf_core_field_exists(x86->orig_ax))
		return BPF_CORE_READ(x86, orig_ax);
	if (bpf_core_field_exists(arm64->syscallno))
		return BPF_CORE_READ(arm64, syscallno);
	return -1;
}

static __always_inline __u64 first_argument(void *regs)
{
	struct pt_regs___arm64 *arm64 = regs;
	struct pt_regs___x86 *x86 = regs;

	if (bpf_core_field_exists(x86->orig_ax))
		return BPF_CORE_READ(x86, di);
	if (bpf_core_field_exists(arm64->syscallno))
		return BPF_CORE_READ(arm64, orig_x0);
	return -1;
}

static __always_inline struct sock *socket_of(struct task_struct *task, __u32 fd)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **fds = BPF_CORE_READ(fdt, fd);
	struct sock *sk;

	if (fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	sk = socket_in(fds + fd);
	/* A file of another kind has something else there; a socket is its own proof. */
	return sk && BPF_CORE_READ(sk, sk_socket, sk) == sk ? sk : NULL;
}

/* Where a connected socket sends to. */
static __always_inline bool peer_of(const struct sock *sk, struct call *c)
{
	const struct sock_common___v6 *v6 = (void *)sk;

	c->dst.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	c->dst.port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	c->proto = BPF_CORE_READ(sk, sk_protocol);
	if (c->dst.port != DNS_PORT)
		return false;
	if (c->dst.family == AF_INET)
		bpf_core_read(c->dst.bytes, 4, &sk->__sk_common.skc_daddr);
	else if (c->dst.family == AF_INET6)
		bpf_core_read(c->dst.bytes, sizeof(c->dst.bytes), &v6->skc_v6_daddr);
	else
		return false;
	return c->proto == IPPROTO_UDP || c->proto == IPPROTO_TCP;
}

static __always_inline void call_failed(const struct sock *sk, __u8 call, __u16 error)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 netns = netns_of(sk);
	struct call *known, c = {};

	if (!bpf_map_lookup_elem(&watched, &netns))
		return;
	known = bpf_map_lookup_elem(&calls, &thread);
	if (known && known->sk == (__u64)sk && known->connects == (call == NSW_CALL_CONNECT))
		c = *known;
	else if (call == NSW_CALL_CONNECT || !peer_of(sk, &c))
		return;
	report_attempt(&c, netns, call, error);
}

static __always_inline void call_returns(void *regs, long result)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sock *sk;
	__u8 call;

	if (result >= 0 || result < -MAX_ERRNO || !is_failure(-result))
		return;
	call = which_call(syscall_nr(regs));
	if (!call)
		return;
	sk = socket_of(task, first_argument(regs));
	if (sk)
		call_failed(sk, call, -result);
}

/* Which system call sends: the helper is older than the tracepoint (Linux 5.15), but
 * the program must load where it will not be attached. */
static __always_inline __u8 sending_call(void)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return NSW_CALL_SENDMSG;
	return which_call(syscall_nr((void *)bpf_task_pt_regs(bpf_get_current_task_btf())))
		       ?: NSW_CALL_SENDMSG;
}

/* --- what a filter drops ----------------------------------------------------------- */

/* Whether a hook of the IP layer has it: it never came to an interface yet. (One that a
 * bridge or a tunnel sends on did, and its sender is not told.) */
static __always_inline bool is_in_ip_output(const struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, mac_header) == NO_MAC_HEADER;
}

/* Whether it is where an interface begins to send (__dev_queue_xmit()): no other hook of
 * netfilter has a packet that begins with its link-layer header. */
static __always_inline bool is_in_egress(const struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, data) ==
	       BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, mac_header);
}

/* Of a datagram, or the first packet of a connection: where it goes. Extension headers
 * are not followed. */
static __always_inline bool goes_to(const struct sk_buff *skb, struct call *c)
{
	const unsigned char *at = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	__u8 ip[IP6_HLEN], l4[TCP_FLAGS + 1];

	if (bpf_probe_read_kernel(ip, sizeof(ip), at))
		return false;
	if (ip[0] >> 4 == 4 && !((ip[6] << 8 | ip[7]) & IP4_OFFSET)) {
		c->dst.family = AF_INET;
		c->proto = ip[9];
		__builtin_memcpy(c->dst.bytes, ip + 16, 4);
		at += (ip[0] & 0xf) * 4;
	} else if (ip[0] >> 4 == 6) {
		c->dst.family = AF_INET6;
		c->proto = ip[6];
		__builtin_memcpy(c->dst.bytes, ip + 24, 16);
		at += IP6_HLEN;
	} else {
		return false;
	}
	if (bpf_probe_read_kernel(l4, sizeof(l4), at))
		return false;
	c->dst.port = l4[2] << 8 | l4[3];
	if (c->proto == IPPROTO_TCP)
		return (l4[TCP_FLAGS] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	return c->proto == IPPROTO_UDP;
}

/* The kernel tries a connection again by itself: that is no further call. */
static __always_inline bool is_tried_again(const struct sock *sk, __u32 proto)
{
	const struct inet_connection_sock *icsk = (void *)sk;

	return proto == IPPROTO_TCP && BPF_CORE_READ(icsk, icsk_retransmits);
}

/*
 * A sender of UDP gets ENOBUFS if it wants to know of errors (IP_RECVERR) and the neighbour's
 * address is known; else it is not told (udp_send_skb()). A connection is tried again.
 */
static __always_inline void dropped_in_egress(const struct sk_buff *skb, const struct sock *sk)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net_device *dev = BPF_CORE_READ(skb, dev);
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 netns = netns_of(sk);
	struct call c = {}, *known;

	/* The interface below a macvlan may be in another namespace. */
	if (BPF_CORE_READ(dev, nd_net.net, ns.inum) != netns ||
	    !bpf_map_lookup_elem(&watched, &netns) || !goes_to(skb, &c) ||
	    is_tried_again(sk, c.proto))
		return;
	if (c.dst.port != DNS_PORT) { /* but it may be, before NAT */
		known = bpf_map_lookup_elem(&calls, &thread);
		if (!known || known->sk != (__u64)sk || known->proto != c.proto)
			return;
		c.dst = known->dst;
	}
	report(&c, netns, holds(task, sk) ? task : NULL,
	       c.proto == IPPROTO_TCP ? NSW_CALL_CONNECT : NSW_CALL_SENDMSG, 0, dev);
}

/* Every packet that is dropped on the machine comes by here. Of TCP the connection goes on
 * trying; whoever sends UDP gets EPERM (nf_hook_slow()). */
static __always_inline void packet_is_dropped(const struct sk_buff *skb, __u64 reason)
{
	struct sock *sk;

	if (!bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NETFILTER_DROP) ||
	    reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NETFILTER_DROP))
		return;
	sk = BPF_CORE_READ(skb, sk);
	if (!sk || BPF_CORE_READ(skb, skb_iif))
		return; /* it comes in, or is passed on */
	if (is_in_egress(skb))
		dropped_in_egress(skb, sk);
	else if (is_in_ip_output(skb) && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_UDP)
		call_failed(sk, sending_call(), EPERM);
}

#endif

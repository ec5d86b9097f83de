/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Socket calls: who owns a socket, and calls to a name server, which may fail
 * in the kernel before any interface sees a packet (lo down, no route).
 */
#ifndef NSWATCH_SOCKET_BPF_H
#define NSWATCH_SOCKET_BPF_H

#define DNS_PORT	   53
#define REPORT_INTERVAL_NS 1000000000ULL

/* The socket's namespace: not always that of the calling process. */
static __always_inline __u32 netns_of(struct bpf_sock_addr *ctx)
{
	struct bpf_sock_addr_kern *kctx = (struct bpf_sock_addr_kern *)ctx;

	return BPF_CORE_READ(kctx, sk, __sk_common.skc_net.net, ns.inum);
}

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

static __always_inline void report_attempt(struct bpf_sock_addr *ctx, const __u16 family,
					   __u32 netns, const struct nsw_owner *owner, __u8 call)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct attempt_key key = { .pid = owner->pid, .netns = netns, .proto = ctx->protocol };
	struct nsw_attempt *a;
	__u64 time = now();

	destination(ctx, family, &key.dst);
	if (is_repeated(&key, time))
		return;
	a = bpf_ringbuf_reserve(&attempts, sizeof(*a), 0);
	if (!a)
		return;
	a->time = time;
	a->netns = netns;
	a->ppid = BPF_CORE_READ(task, group_leader, real_parent, tgid);
	a->owner = *owner;
	a->dst = key.dst;
	a->proto = ctx->protocol;
	a->call = call;
	a->pad[0] = a->pad[1] = 0;
	/* Wakes the loader at once: the process may live for milliseconds only. */
	bpf_ringbuf_submit(a, BPF_RB_FORCE_WAKEUP);
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
	struct bpf_sock *sk = ctx->sk;
	struct nsw_owner owner = {};
	__u32 netns;

	if (!sk)
		return;
	netns = netns_of(ctx);
	if (!bpf_map_lookup_elem(&watched, &netns))
		return;
	set_owner(sk, NSW_HOW_CALLED);
	if (!cfg_dns || bpf_ntohs((__u16)ctx->user_port) != DNS_PORT)
		return;
	task_owner((void *)bpf_get_current_task(), &owner);
	report_attempt(ctx, family, netns, &owner, call);
}

#endif

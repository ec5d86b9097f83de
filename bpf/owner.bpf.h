/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose packet it is.
 *
 * Each socket of a watched namespace carries its owner (socket storage): who
 * connected it, sent with it or bound it (socket.bpf.h), or had it open when
 * the watch began (seed_owners below). A packet on its way out knows its
 * socket; for one that comes in, the socket is looked up.
 *
 * A connected UDP socket can be sent with by another process than the one
 * that connected it: a child, or who got it over a unix socket. No hook
 * sees that call, but a UDP packet leaves in the middle of it. So the
 * current process counts, provided that it has the socket open: a packet that
 * waited for a neighbour's address leaves in whatever context the answer came
 * in, be it that of a program that feeds a tap device. TCP sends in any context,
 * mostly for acknowledgements. There the current process is looked at if all that is known
 * is who bound the listener, as any worker may have accepted, and with --dns,
 * where packets are few.
 */
#ifndef NSWATCH_OWNER_BPF_H
#define NSWATCH_OWNER_BPF_H

#define AF_INET	      2
#define AF_INET6      10
#define IPPROTO_TCP   6
#define IPPROTO_UDP   17
#define IP_OFFSET     0x1fff /* of the fragment offset field */
#define FDS_LOOKED_AT 256
#define FDS_AT_ONCE   8 /* a divisor of any table's size */

/* The process of a task. Its name is that of the main thread: threads of a
 * runtime have names of their own that tell a reader nothing. */
static __always_inline void task_owner(struct task_struct *task, struct nsw_owner *o)
{
	o->pid = BPF_CORE_READ(task, tgid);
	o->mntns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	BPF_CORE_READ_INTO(&o->comm, task, group_leader, comm);
}

/* The socket's namespace: not always that of the calling process. */
static __always_inline __u32 netns_of(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline bool is_watched(const struct sock *sk)
{
	__u32 netns = netns_of(sk);

	return bpf_map_lookup_elem(&watched, &netns);
}

/* The socket behind an open file. Each load is checked: no file, or one that is
 * no socket, leads nowhere, or to something that is not what is looked for. */
static __always_inline struct sock *socket_in(struct file **slot)
{
	struct socket *sock = NULL;
	struct file *file = NULL;
	struct sock *sk = NULL;

	bpf_probe_read_kernel(&file, sizeof(file), slot);
	bpf_core_read(&sock, sizeof(sock), &file->private_data);
	bpf_core_read(&sk, sizeof(sk), &sock->sk);
	return sk;
}

/* Whether the socket is among a task's open files, the first of them. */
static __always_inline bool holds(struct task_struct *task, const struct sock *sk)
{
	struct file *file = BPF_CORE_READ(sk, sk_socket, file), *some[FDS_AT_ONCE];
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **fds = BPF_CORE_READ(fdt, fd);
	__u32 max = BPF_CORE_READ(fdt, max_fds), i, k;

	if (!file)
		return false;
#pragma clang loop unroll(disable)
	for (i = 0; i < FDS_LOOKED_AT && i < max; i += FDS_AT_ONCE) {
		bpf_probe_read_kernel(some, sizeof(some), fds + i);
#pragma clang loop unroll(full)
		for (k = 0; k < FDS_AT_ONCE; k++)
			if (some[k] == file)
				return true;
	}
	return false;
}

/* Whether the current process, and not who is known, may be sending. */
static __always_inline bool may_be_another(struct bpf_sock *sk, struct nsw_owner *known)
{
	struct nsw_sock_owner *so = bpf_sk_storage_get(&owners, sk, NULL, 0);
	struct task_struct *task = (void *)bpf_get_current_task();

	if (!so)
		return true;
	*known = so->owner;
	if (known->pid == (__u32)BPF_CORE_READ(task, tgid))
		return false;
	return cfg_dns || so->how != NSW_HOW_CALLED || sk->protocol == IPPROTO_UDP;
}

/* Records who calls a socket. */
static __always_inline void set_owner(void *sk, __u32 how)
{
	struct nsw_sock_owner now = { .how = how };
	struct nsw_sock_owner *known =
		bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!known)
		return;
	task_owner((void *)bpf_get_current_task(), &now.owner);
	*known = now;
}

/* The owner of the socket that something is being sent with. */
static __always_inline void sender(struct __sk_buff *skb, struct bpf_sock *sk,
				   struct nsw_owner *dst)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sk_buff *kskb = (struct sk_buff *)skb;

	if (!may_be_another(sk, dst) || !holds(task, BPF_CORE_READ(kskb, sk)))
		return;
	task_owner(task, dst);
	set_owner(sk, NSW_HOW_CALLED);
}

static __always_inline struct bpf_sock *look_socket_up(struct __sk_buff *skb, __u8 proto,
						       struct bpf_sock_tuple *t, __u32 len)
{
	if (proto == IPPROTO_UDP)
		return bpf_sk_lookup_udp(skb, t, len, BPF_F_CURRENT_NETNS, 0);
	if (proto == IPPROTO_TCP)
		return bpf_sk_lookup_tcp(skb, t, len, BPF_F_CURRENT_NETNS, 0);
	return NULL;
}

/* The packet's source is the socket's peer: a tuple is the packet's own. */
static __always_inline struct bpf_sock *receiver4(struct __sk_buff *skb)
{
	struct bpf_sock_tuple t = {};
	__u8 h[20];

	if (bpf_skb_load_bytes_relative(skb, 0, h, sizeof(h), BPF_HDR_START_NET) ||
	    bpf_skb_load_bytes_relative(skb, (h[0] & 0xf) * 4, &t.ipv4.sport, 4,
					BPF_HDR_START_NET) ||
	    ((h[6] << 8 | h[7]) & IP_OFFSET))
		return NULL;
	__builtin_memcpy(&t.ipv4.saddr, h + 12, 8);
	return look_socket_up(skb, h[9], &t, sizeof(t.ipv4));
}

static __always_inline struct bpf_sock *receiver6(struct __sk_buff *skb)
{
	struct bpf_sock_tuple t = {};
	__u8 h[40];

	if (bpf_skb_load_bytes_relative(skb, 0, h, sizeof(h), BPF_HDR_START_NET) ||
	    bpf_skb_load_bytes_relative(skb, 40, &t.ipv6.sport, 4, BPF_HDR_START_NET))
		return NULL;
	__builtin_memcpy(&t.ipv6.saddr, h + 8, 32);
	return look_socket_up(skb, h[6], &t, sizeof(t.ipv6));
}

static __always_inline void receiver(struct __sk_buff *skb, struct nsw_owner *dst)
{
	struct nsw_sock_owner *known;
	struct bpf_sock *sk = NULL;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		sk = receiver4(skb);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		sk = receiver6(skb);
	if (!sk)
		return;
	known = bpf_sk_storage_get(&owners, sk, NULL, 0);
	if (known)
		*dst = known->owner;
	bpf_sk_release(sk);
}

/*
 * A packet that enters the watched namespace at the host's end of the veth is
 * being sent there, with one of the host's sockets; one that leaves it has none.
 */
static __always_inline void put_owner(struct __sk_buff *skb, __u8 hook, __u8 direction,
				      struct nsw_owner *dst)
{
	struct bpf_sock *sk = skb->sk;

	if (hook != NSW_EGRESS) {
		if (direction != NSW_EGRESS)
			receiver(skb, dst);
		return;
	}
	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (sk)
		sender(skb, sk, dst);
}

/* An open file of some process: a socket that is older than the watch? Of several
 * holders the first counts, the parent of workers; but not pid 1, which opens
 * sockets for its services. */
static __always_inline void seed(struct task_struct *task, struct file *file)
{
	struct socket *sock = bpf_sock_from_file(file);
	struct nsw_sock_owner *known;
	struct sock *sk;
	__u16 family;

	if (!sock)
		return;
	sk = sock->sk;
	if (!sk)
		return;
	family = sk->__sk_common.skc_family;
	if ((family != AF_INET && family != AF_INET6) || !is_watched(sk))
		return;
	known = bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!known || (known->how && known->owner.pid != 1))
		return;
	task_owner(task, &known->owner);
	known->how = NSW_HOW_HOLDS;
}

#endif

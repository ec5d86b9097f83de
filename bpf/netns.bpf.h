/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces that nobody has told us of. There is no event for a new one,
 * but nothing happens in it without a process: one that is born in it, starts a
 * program in it, or opens a socket in it. The first of these is reported, once.
 */
#ifndef NSWATCH_NETNS_BPF_H
#define NSWATCH_NETNS_BPF_H

/* Inodes of the namespaces that the loader knows, or has been told of. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NSW_MAX_NETNS);
	__type(key, __u32);
	__type(value, __u8);
} known SEC(".maps");

static __always_inline void meet(struct task_struct *task)
{
	__u32 netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	struct nsw_attempt *a;
	__u8 one = 1;

	if (!netns || bpf_map_lookup_elem(&known, &netns))
		return;
	/* With the map full it is left at that: better late than again and again. */
	if (bpf_map_update_elem(&known, &netns, &one, BPF_NOEXIST))
		return;
	a = bpf_ringbuf_reserve(&attempts, sizeof(*a), 0);
	if (!a) {
		bpf_map_delete_elem(&known, &netns);
		return;
	}
	__builtin_memset(a, 0, sizeof(*a));
	a->time = now();
	a->netns = netns;
	a->call = NSW_CALL_NETNS;
	bpf_ringbuf_submit(a, BPF_RB_FORCE_WAKEUP);
}

#endif

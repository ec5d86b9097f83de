/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_MAPS_BPF_H
#define NSWATCH_MAPS_BPF_H

/* Set by the loader before load; the verifier then drops what is not used. */
const volatile __u32 cfg_ncpus = 1;
const volatile __u32 cfg_snaplen = NSW_MAX_SNAP;
const volatile __u8 cfg_clock = NSW_CLOCK_BOOT;
const volatile __u8 cfg_owner; /* records carry the socket's owner */

/* Socket calls to name servers: few, and apart, so that a flood of packets
 * cannot push them out. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} attempts SEC(".maps");

/* (namespace, interface) -> tap. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NSW_MAX_TAPS);
	__type(key, struct nsw_tap_key);
	__type(value, struct nsw_tap);
} taps SEC(".maps");

/* struct nsw_count, tap * cfg_ncpus + cpu; mapped by user space. The loader
 * sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nsw_count);
} counts SEC(".maps");

/* Inodes of the watched namespaces. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NSW_MAX_TAPS);
	__type(key, __u32);
	__type(value, __u8);
} watched SEC(".maps");

/* Who owns a socket; gone with the socket. An accepted one has its listener's. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct nsw_sock_owner);
} owners SEC(".maps");

/* When a process's call to a server was last reported: a process that retries
 * in a tight loop is one attempt a second. */
struct attempt_key {
	struct nsw_addr dst;
	__u32 pid;
	__u32 netns;
	__u32 proto;
	__u32 error;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct attempt_key);
	__type(value, __u64);
} reported SEC(".maps");

static __always_inline __u64 now(void)
{
	if (cfg_clock == NSW_CLOCK_TAI)
		return bpf_ktime_get_tai_ns();
	return bpf_ktime_get_boot_ns();
}

#endif

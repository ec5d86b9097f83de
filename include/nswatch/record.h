/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the BPF programs and user space: what lies in the ring
 * buffers and in the shared arrays. Fixed-width types, explicit padding, host
 * byte order unless a field says otherwise. Both sides include this file.
 */
#ifndef NSWATCH_RECORD_H
#define NSWATCH_RECORD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define NSW_MAX_TAPS   8192 /* tap ids are 1..NSW_MAX_TAPS-1; 0 is none */
#define NSW_MAX_NETNS  16384
#define NSW_MAX_CPUS   512
#define NSW_COMM_LEN   16     /* TASK_COMM_LEN */
#define NSW_IFNAME_LEN 16     /* IFNAMSIZ */
#define NSW_MAX_SNAP   262144 /* tcpdump's MAXIMUM_SNAPLEN */

/* Bits of nsw_rec.flags. */
enum nsw_rec_flag {
	NSW_REC_EGRESS = 1 << 0,       /* leaving the observed namespace; else entering it */
	NSW_REC_OWNER = 1 << 1,	       /* struct nsw_owner stands between header and bytes */
	NSW_REC_L3 = 1 << 2,	       /* no link-layer header: bytes start with the IP header */
	NSW_REC_CSUM_PARTIAL = 1 << 3, /* the transport checksum is not filled in yet */
};

/*
 * One captured packet: this header, then nsw_owner if flagged, then the first
 * bytes of the frame, as many as the snapshot length allows. A VLAN tag that the
 * kernel had stripped is back in its place.
 */
struct nsw_rec {
	__u64 time;    /* ns, CLOCK_TAI or CLOCK_BOOTTIME: enum nsw_clock */
	__u32 wirelen; /* of the frame, with its VLAN tags, and with the link header if any */
	__u16 tap;
	__u8 flags; /* enum nsw_rec_flag */
	__u8 pad;
};
_Static_assert(sizeof(struct nsw_rec) == 16, "packet record header");

/* The process behind a packet or an attempt. */
struct nsw_owner {
	__u32 pid;		 /* tgid in the initial pid namespace */
	char comm[NSW_COMM_LEN]; /* not NUL-terminated if 16 long */
	__u32 mntns;		 /* inode of its mount namespace */
};
_Static_assert(sizeof(struct nsw_owner) == 24, "owner");

/* What the socket map keeps with each socket of a watched namespace. */
struct nsw_sock_owner {
	struct nsw_owner owner;
	__u32 how; /* enum nsw_how */
};
_Static_assert(sizeof(struct nsw_sock_owner) == 28, "owner of a socket");

/* How an owner was found; a later entry may be overruled by an earlier one. */
enum nsw_how {
	NSW_HOW_CALLED = 1, /* it connected the socket, or sent with it */
	NSW_HOW_BOUND = 2,  /* it bound the socket, or the listener that this one came from */
	NSW_HOW_HOLDS = 3,  /* it had the socket open when the watch began */
};

/* An address as the socket hooks see it. */
struct nsw_addr {
	__u8 bytes[16]; /* network byte order; the first 4 for AF_INET */
	__u16 family;	/* AF_INET or AF_INET6 */
	__u16 port;	/* host byte order */
};
_Static_assert(sizeof(struct nsw_addr) == 20, "address");

/* What a process does before any packet exists: a socket call to a name server
 * port, as it begins, again if its packet is dropped before a tap sees it, and again if it
 * fails; an exec in a watched namespace (dst, proto are zero then), or the first sign of an
 * unknown namespace (netns alone is set). And that NSW_MANY_PACKETS more have passed a tap on
 * a CPU (netns is its id). */
struct nsw_attempt {
	__u64 time;  /* as nsw_rec.time */
	__u32 netns; /* inode of the socket's network namespace */
	__u32 ppid;  /* tgid of the parent, initial pid namespace */
	struct nsw_owner owner;
	struct nsw_addr dst;
	__u8 proto;  /* IPPROTO_UDP or IPPROTO_TCP */
	__u8 call;   /* enum nsw_call */
	__u16 error; /* errno that the call failed with; 0: it has not, as far as is known */
	/* The interface whose egress hook (nftables' netdev family) dropped the packet; empty:
	 * none. Then the owner's pid is 0 if it was not the sender that ran. */
	char dropped_at[NSW_IFNAME_LEN];
};
_Static_assert(sizeof(struct nsw_attempt) == 80, "attempt");

enum nsw_call {
	NSW_CALL_CONNECT = 1,
	NSW_CALL_SENDTO,
	NSW_CALL_SENDMSG, /* for one that begins: any that sends */
	NSW_CALL_SENDMMSG,
	NSW_CALL_WRITE,
	NSW_CALL_WRITEV,
	NSW_CALL_RECVFROM,
	NSW_CALL_RECVMSG,
	NSW_CALL_READ,
	NSW_NR_CALLS,
	NSW_CALL_EXEC = NSW_NR_CALLS,
	NSW_CALL_NETNS,
	NSW_CALL_MANY_PACKETS,
};

#define NSW_MANY_PACKETS 16384 /* a power of two */

/* Immediates of marked instructions in the programs; the loader rewrites these. */
#define NSW_MARK_FILTER 0x4e534631
#define NSW_MARK_TAP	0x4e535431

/* What a (namespace, interface) pair is called; key and value of the tap map. */
struct nsw_tap_key {
	__u32 netns; /* inode */
	__u32 ifindex;
};

struct nsw_tap {
	__u16 id;
	__u8 flags; /* enum nsw_tap_flag */
	__u8 pad;
};

/* Together with NSW_REC_EGRESS these are the filter's flags: no bit twice. */
enum nsw_tap_flag {
	NSW_TAP_INVERT = 1 << 2, /* host end of a veth: its ingress is the container's egress */
	NSW_TAP_L3 = 1 << 1,	 /* interface without a link-layer header */
};

/*
 * The books of one tap on one CPU: slot tap * ncpus + cpu of a mapped array, a
 * cache line each. Only that CPU writes it, with bottom halves off.
 * matched == captured + ring_full + load_failed, at every stop.
 */
struct nsw_count {
	__u64 seen;
	__u64 matched;
	__u64 captured;
	__u64 ring_full;   /* lost: no room in the ring */
	__u64 load_failed; /* lost: bpf_skb_load_bytes refused */
	__u64 truncated;   /* captured, with caplen < wirelen */
	__u64 pad[2];
};
_Static_assert(sizeof(struct nsw_count) == 64, "one cache line");

#define NSW_MAX_DNS_PORTS 4 /* beside the well-known one */

/* What the consumer wants to be woken for. */
enum nsw_consumer {
	NSW_AWAKE = 0,	 /* nothing: it is at work */
	NSW_ASLEEP = 1,	 /* the next record */
	NSW_NAPPING = 2, /* it looks again by itself soon; only if the ring fills faster */
};

enum nsw_clock { NSW_CLOCK_BOOT = 0, NSW_CLOCK_TAI = 1 };

#endif

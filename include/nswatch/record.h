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

/* Whether a CPU's stores are seen by others in their order, so that nothing need see to it. */
#if defined(__TARGET_ARCH_x86) || defined(__x86_64__)
#define NSW_STORES_IN_ORDER 1
#else
#define NSW_STORES_IN_ORDER 0
#endif

#define NSW_MAX_TAPS   8192 /* tap ids are 1..NSW_MAX_TAPS-1; 0 is none */
#define NSW_MAX_NETNS  16384
#define NSW_MAX_CPUS   4096   /* numbers of CPUs are below that */
#define NSW_COMM_LEN   16     /* TASK_COMM_LEN */
#define NSW_IFNAME_LEN 16     /* IFNAMSIZ */
#define NSW_MAX_SNAP   262144 /* tcpdump's MAXIMUM_SNAPLEN */

/*
 * The packet ring. Memory in chunks, which lie in segments: elements of an array, each
 * with room behind it that nothing is kept in (a store has to be within the element
 * for all that the verifier knows). A CPU takes one chunk after the other and fills it
 * with blocks: its lane. The chunks of a lane, each up to its fill, are one row of blocks.
 * The consumer gives back what it is done with.
 *
 * A block is a pcapng Enhanced Packet Block (draft-ietf-opsawg-pcapng, section 4.3) in host
 * byte order: this head, the first bytes of the frame, as many as the snapshot length allows,
 * zeros up to the next multiple of 4, the tail. A VLAN tag that the kernel had stripped is
 * back in its place; a layer-3 packet has got an Ethernet header. Only a block longer than
 * NSW_WHOLE_BLOCK may go on in the next chunk, and its head and its tail never do.
 */
#define NSW_CHUNK	   32768
#define NSW_SEGMENT	   524288 /* a power of two; Linux 5.10 has elements of 4 MiB at most */
#define NSW_SEGMENT_STRIDE (NSW_SEGMENT + NSW_CHUNK + 4096)
#define NSW_MAX_CHUNKS	   65536
#define NSW_WHOLE_BLOCK	   2048

#define NSW_BLOCK_TYPE 6
struct nsw_block {
	__u32 type;
	__u32 len;	 /* of the whole block, a multiple of 4 */
	__u32 interface; /* tap id - 1 */
	__u32 time_high; /* ns since the Unix epoch */
	__u32 time_low;
	__u32 caplen;
	__u32 wirelen; /* of the frame, with its VLAN tags, and with the link header if any */
};
_Static_assert(sizeof(struct nsw_block) == 28, "block head");

/* The tail of a block: flags, and the owner if the run wants that. */
#define NSW_OPT_FLAGS 2
#define NSW_OPT_OWNER 0x8001 /* for local use; the consumer makes a comment of it */
struct nsw_block_tail {
	__u16 flags_code, flags_len;
	__u32 flags; /* enum nsw_block_flag */
	__u16 end_code, end_len;
	__u32 len; /* as in the head */
};
_Static_assert(sizeof(struct nsw_block_tail) == 16, "block tail");
#define NSW_LEAST_BLOCK	 (sizeof(struct nsw_block) + sizeof(struct nsw_block_tail))
#define NSW_OWNER_OPTION (4 + sizeof(struct nsw_owner)) /* between flags and end */

/* epb_flags, draft-ietf-opsawg-pcapng section 4.3.1 */
enum nsw_block_flag {
	NSW_BLOCK_IN = 1,	      /* entering the observed namespace */
	NSW_BLOCK_OUT = 2,	      /* leaving it */
	NSW_BLOCK_CSUM_PARTIAL = 512, /* the transport checksum is not filled in yet */
};

/* A position in a lane. The upper half is the number of chunks begun, up to the one it is in.
 * The lower half says what stands in that one up to there: the offset in the lowest 16 bits,
 * then how many blocks that are, and whether this number is of use: only if all are of one tap,
 * and none is longer than NSW_WHOLE_BLOCK. At first the position is the end of a chunk that
 * there is not, whose number is that of all chunks and that of the CPU. */
#define NSW_OFF_MASK  0xffffu
#define NSW_ONE_BLOCK 0x10000u
#define NSW_MIXED     0x80000000u /* it is of no use */

/* The ring as one CPU writes it. */
struct nsw_lane {
	__u64 end;   /* position up to which blocks are whole */
	__u32 busy;  /* not 0: a block is in the making */
	__u32 chunk; /* that end is in */
	__u32 ahead; /* chunks linked behind that one already */
	__u32 tap;   /* of the last block that is not long */
	/* A block in the making that needs another chunk. */
	struct {
		__u32 chunk, off, ahead; /* where it goes on, as above */
		__u32 begun;		 /* chunks up to that one */
		__u32 blocks;		 /* in it: the position's bits */
		__u32 from, rest;	 /* bytes of the skb that are in it, and are to come */
	} next;
	__u32 pad[3];
};
_Static_assert(sizeof(struct nsw_lane) == 64, "one cache line");

/* What is known of a chunk: valid once its lane has begun the next. Also of those that there
 * are not: what is before the first of each lane. */
struct nsw_link {
	__u32 next;
	__u32 end; /* lower half of the position of its end */
};

/* Chunks that are given back: number plus 1; 0 where none is. The consumer writes one slot
 * after the other, and counts them; who takes a chunk clears its slot. */
struct nsw_returned {
	__u32 count;
	__u32 pad[15];
	__u32 slots[]; /* a power of two, at least one for each chunk */
};

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
	__u64 time;  /* ns, CLOCK_TAI or CLOCK_BOOTTIME: enum nsw_clock */
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

/* Together with NSW_EGRESS these are the filter's flags: no bit twice. */
#define NSW_EGRESS 1 /* leaving the observed namespace */
enum nsw_tap_flag {
	NSW_TAP_INVERT = 1 << 2, /* host end of a veth: its ingress is the container's egress */
	NSW_TAP_L3 = 1 << 1,	 /* interface without a link-layer header */
};

/*
 * The books of one tap on one CPU: slot tap * ncpus + cpu of a mapped array, a cache line
 * each; ncpus is the highest number that a CPU can have, and 1, also if there are fewer. Only
 * that CPU writes it, with bottom halves off.
 * matched == captured + ring_full + load_failed, at every stop.
 */
struct nsw_count {
	__u64 seen;
	__u64 matched;
	__u64 captured;
	__u64 ring_full;   /* lost: no chunk of the ring was free, or the lane was busy */
	__u64 load_failed; /* lost: bpf_skb_load_bytes refused */
	__u64 truncated;   /* captured, with caplen < wirelen */
	__u64 pad[2];
};
_Static_assert(sizeof(struct nsw_count) == 64, "one cache line");
_Static_assert(sizeof(struct nsw_count) * NSW_MAX_TAPS * NSW_MAX_CPUS <= 1u << 31,
	       "an array of the kernel is smaller than 4 GiB");

#define NSW_MAX_DNS_PORTS 4 /* beside the well-known one */

/* What the consumer wants to be woken for. */
enum nsw_consumer {
	NSW_AWAKE = 0,	 /* nothing: it is at work */
	NSW_ASLEEP = 1,	 /* the next record */
	NSW_NAPPING = 2, /* it looks again by itself soon; only if the ring fills faster */
};

enum nsw_clock { NSW_CLOCK_BOOT = 0, NSW_CLOCK_TAI = 1 };

#endif

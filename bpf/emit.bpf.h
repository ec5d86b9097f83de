/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a packet to a record: one reservation, one copy, no notification.
 *
 * bpf_ringbuf_reserve() wants a constant size, so there is one branch per size
 * class: steps of 16 bytes up to 256, of 32 up to 2 KiB, coarser above. The time is taken
 * after the reservation: then a consumer that reads the clock before it reads
 * the producer's position knows that it has every record older than that
 * (user/stream/stream.c builds its time order on this).
 */
#ifndef NSWATCH_EMIT_BPF_H
#define NSWATCH_EMIT_BPF_H

/* A record in the making, and what is to go into it. */
struct emission {
	struct nsw_rec rec;
	struct nsw_owner *owner; /* if cfg_owner */
	struct nsw_count *count;
	__u32 caplen;
	__u32 tagged; /* the kernel has stripped a VLAN tag: 1, else 0 */
	__u64 last;   /* index of the last byte to be copied from the skb */
};

/* In a map, one per CPU, for the reason that bpf/dns.bpf.h gives for its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nsw_owner);
} sender_or_receiver SEC(".maps");

#define SHORT_FRAME	 256 /* copied by plain loads */
#define SHORT_STEP	 16  /* between the size classes up to there */
#define BLOCK		 32
#define MACS_LEN	 12 /* what stands before a VLAN tag */
#define CHECKSUM_PARTIAL 3  /* include/linux/skbuff.h */

/*
 * The smallest class that holds len bytes, as a constant on every path: the
 * verifier walks each of them, which is why there are no more. BY16_x(n) and
 * BY32_x(n) are binary searches among the classes in (n - x, n].
 */
#define CLASS(n)        \
	if (len <= (n)) \
		return n;
#define BY16_32(n) CLASS((n)-16) return n;
#define BY16_64(n)              \
	if (len <= (n)-32) {    \
		BY16_32((n)-32) \
	}                       \
	BY16_32(n)
#define BY16_128(n)             \
	if (len <= (n)-64) {    \
		BY16_64((n)-64) \
	}                       \
	BY16_64(n)
#define BY16_256(n)               \
	if (len <= (n)-128) {     \
		BY16_128((n)-128) \
	}                         \
	BY16_128(n)
#define BY32_64(n) CLASS((n)-32) return n;
#define BY32_128(n)             \
	if (len <= (n)-64) {    \
		BY32_64((n)-64) \
	}                       \
	BY32_64(n)
#define BY32_256(n)               \
	if (len <= (n)-128) {     \
		BY32_128((n)-128) \
	}                         \
	BY32_128(n)
#define BY32_512(n)               \
	if (len <= (n)-256) {     \
		BY32_256((n)-256) \
	}                         \
	BY32_256(n)
#define BY32_1024(n)              \
	if (len <= (n)-512) {     \
		BY32_512((n)-512) \
	}                         \
	BY32_512(n)

static __always_inline __u32 size_class(__u32 len)
{
	if (len <= 256) {
		BY16_256(256)
	}
	CLASS(272)
	if (len <= 1296) {
		BY32_1024(1296)
	}
	if (len <= 1808) {
		BY32_512(1808)
	}
	if (len <= 2064) {
		BY32_256(2064)
	}
	CLASS(3072)
	CLASS(4096)
	CLASS(6144)
	CLASS(8192)
	CLASS(12288)
	CLASS(16384)
	CLASS(24576)
	CLASS(32768)
	CLASS(49152)
	CLASS(66560)
	CLASS(131072)
	return NSW_MAX_SNAP;
}

/*
 * The kernel's own view of the packet, for plain loads from it (Linux 6.2, commit
 * fd264ca02094), or NULL where the loader found no such function: it replaces the
 * call then (user/attach/insns.c).
 */
extern void *bpf_cast_to_kern_ctx(void *) __ksym __weak;

static __always_inline struct sk_buff *kernel_skb(struct __sk_buff *skb)
{
	return bpf_cast_to_kern_ctx(skb);
}

/* NSW_REC_CSUM_PARTIAL if the transport checksum is still to be computed, by a device
 * that the packet may never reach. Without a branch: see measure(). */
static __always_inline __u8 partial_checksum(struct __sk_buff *skb)
{
	struct sk_buff *kskb = kernel_skb(skb);
	__u32 partial;

	if (kskb)
		partial = (BPF_CORE_READ_BITFIELD(kskb, ip_summed) + 1) / (CHECKSUM_PARTIAL + 1);
	else
		partial = (skb->gso_size + 0xffff) >> 16; /* any at all */
	asm volatile("" : "+r"(partial));
	return partial * NSW_REC_CSUM_PARTIAL;
}

/* In words: fewer instructions. */
static __always_inline void put_header(struct nsw_rec *rec, const struct emission *e)
{
	const __u64 *from = (const __u64 *)&e->rec, *owner = (const __u64 *)e->owner;
	__u64 *to = (__u64 *)rec;

	to[0] = now();
	to[1] = from[1];
	if (cfg_owner) {
		to[2] = owner[0];
		to[3] = owner[1];
		to[4] = owner[2];
	}
}

/*
 * The verifier wants the test as 64 bits and right before the call. Before 6.8 it
 * learns nothing from a comparison with zero, hence the last byte's index: at
 * most room - 1, and out of all bounds for an empty frame.
 */
static __always_inline bool load(struct __sk_buff *skb, void *to, __u64 last, __u32 room)
{
	asm volatile("" : "+r"(last));
	return last < room && !bpf_skb_load_bytes(skb, 0, to, last + 1);
}

static __always_inline void copy_block(char *to, const char *from)
{
	const __u64 *src = (const __u64 *)from;
	__u64 *dst = (__u64 *)to;

	dst[0] = src[0];
	dst[1] = src[1];
	dst[2] = src[2];
	dst[3] = src[3];
}

/*
 * A short frame that lies in the linear part of the skb, without a call: the blocks
 * that the shortest one of its class has, and then the last bytes as a block that
 * reaches back into those. room is a constant on each of the verifier's paths, so the
 * loop is none to it.
 */
static __always_inline bool copy_short(struct __sk_buff *skb, char *to, __u64 last, __u32 room)
{
	const char *from = (const char *)(long)skb->data;
	const char *end = (const char *)(long)skb->data_end;
	__u64 rest = last + 1 - BLOCK; /* where that last block begins */
	__u32 at;

	if (room < BLOCK || room > SHORT_FRAME || from + (room - SHORT_STEP) > end)
		return false;
#pragma clang loop unroll(disable)
	for (at = 0; at + BLOCK <= room - SHORT_STEP; at += BLOCK)
		copy_block(to + at, from + at);
	/* A number that is put by on the stack has no bounds for the verifier of Linux 5.10:
	 * it is used up right behind its test. */
	asm volatile("" : "+r"(rest));
	if (rest > room - BLOCK)
		return false;
	from += rest;
	to += rest;
	asm volatile("" : "+r"(from), "+r"(to));
	if (from + BLOCK > end)
		return false;
	copy_block(to, from);
	return true;
}

/*
 * The frame with the tag that the kernel has stripped from it: all is put as far
 * behind its place as the tag is long, then the addresses go where they belong.
 */
static __always_inline bool put_tagged(struct __sk_buff *skb, char *to, const struct emission *e,
				       __u32 room)
{
	__u32 *words = (__u32 *)to, dst, both, src;

	if (!load(skb, to + VLAN_TAG_LEN, e->last, room - VLAN_TAG_LEN))
		return false;
	dst = words[1];
	both = words[2];
	src = words[3];
	words[0] = dst;
	words[1] = both;
	words[2] = src;
	((__u16 *)to)[MACS_LEN / 2] = (__u16)skb->vlan_proto;
	((__u16 *)to)[MACS_LEN / 2 + 1] = bpf_htons((__u16)skb->vlan_tci);
	return true;
}

static __always_inline bool put_frame(struct __sk_buff *skb, char *to, const struct emission *e,
				      __u32 room)
{
	if (e->tagged)
		return put_tagged(skb, to, e, room);
	return copy_short(skb, to, e->last, room) || load(skb, to, e->last, room);
}

/*
 * What the record is to be submitted with, if the consumer is not asleep: one that
 * naps is woken early when the ring fills up. Looked at for one frame in 64, and for
 * each large one; should there be no room for this one, the nap goes on.
 */
static __always_inline __u64 early_wakeup(const struct emission *e)
{
	__u32 is_large = e->caplen >> 12;

	/* Not by the length itself: the verifier is to know nothing of it yet. */
	asm volatile("" : "+r"(is_large));
	if (consumer != NSW_NAPPING || (e->count->matched % 64 && !is_large) ||
	    bpf_ringbuf_query(&packets, BPF_RB_AVAIL_DATA) <= cfg_wake_bytes)
		return BPF_RB_NO_WAKEUP;
	consumer = NSW_AWAKE;
	return BPF_RB_FORCE_WAKEUP;
}

/*
 * Submits without notification, unless the consumer wants one. The reservation
 * (a spinlock, so a full barrier) lies between our record becoming visible and
 * this read: either the consumer sees the record or we see it asleep. Who clears
 * the flag wakes the consumer, so two clearing at once is one wake-up too many
 * and never one too few; no atomic is needed (5.10 has none).
 */
static __always_inline void submit(struct nsw_rec *rec, __u64 how)
{
	if (consumer == NSW_ASLEEP) {
		consumer = NSW_AWAKE;
		how = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(rec, how);
}

/*
 * What lies between reservation and submission the verifier walks once for each
 * size class, at a microsecond for an instruction: this decides how long it takes
 * until the first packet is captured. So all that can be is done before or after.
 */
static __always_inline void emit(struct __sk_buff *skb, const struct emission *e)
{
	const __u32 head = sizeof(struct nsw_rec) + (cfg_owner ? sizeof(struct nsw_owner) : 0);
	__u64 how = early_wakeup(e);
	__u32 room = size_class(e->caplen);
	struct nsw_rec *rec;

	/* What is known of the record is put together before. */
	asm volatile("" : : "r"(&e->rec) : "memory");
	rec = bpf_ringbuf_reserve(&packets, head + room, 0);
	if (!rec) {
		e->count->ring_full++;
		return;
	}
	put_header(rec, e);
	if (!put_frame(skb, (char *)rec + head, e, room)) {
		bpf_ringbuf_discard(rec, how);
		e->count->load_failed++;
		return;
	}
	submit(rec, how);
	e->count->captured++;
	if (e->caplen < e->rec.wirelen)
		e->count->truncated++;
}

/*
 * The capture filter. The loader puts a jump to the translated expression
 * (user/attach/filter.c) in the place of the marked instruction, or "r0 = 1":
 * everything matches. flags: NSW_REC_EGRESS and NSW_TAP_L3.
 */
static __always_inline int filter(struct __sk_buff *skb, __u64 flags)
{
	int match;

	asm volatile("r1 = %[skb]\n"
		     "r2 = %[flags]\n"
		     "r0 = %[mark]\n"
		     "%[match] = r0\n"
		     : [match] "=r"(match)
		     : [skb] "r"(skb), [flags] "r"(flags), [mark] "i"(NSW_MARK_FILTER)
		     : "r0", "r1", "r2", "r3", "r4", "r5");
	return match;
}

/*
 * Which tap this is. The first taps of a run get a program each, with the
 * answer in the place of the marked instruction: a struct nsw_tap as a number.
 * All others share one that has 0 there and looks it up.
 */
static __always_inline __u32 own_tap(void)
{
	__u64 tap;

	asm volatile("%[tap] = %[mark]\n" : [tap] "=r"(tap) : [mark] "i"(NSW_MARK_TAP));
	return tap;
}

static __always_inline bool look_tap_up(struct __sk_buff *skb, struct nsw_tap *tap)
{
	struct sk_buff *kskb = kernel_skb(skb);
	struct nsw_tap_key key = { .ifindex = skb->ifindex };
	struct nsw_tap *found;

	if (kskb) {
		key.netns = kskb->dev->nd_net.net->ns.inum;
	} else {
		/* __sk_buff is the kernel's sk_buff at run time; the loads are checked. */
		kskb = (struct sk_buff *)skb;
		key.netns = BPF_CORE_READ(kskb, dev, nd_net.net, ns.inum);
	}
	found = bpf_map_lookup_elem(&taps, &key);
	if (found)
		*tap = *found;
	return found;
}

static __always_inline bool tap_of(struct __sk_buff *skb, struct nsw_tap *tap)
{
	__u32 own = own_tap();

	if (!own)
		return look_tap_up(skb, tap);
	tap->id = own;
	tap->flags = own >> 16;
	return true;
}

static __always_inline struct nsw_count *count_of(__u32 tap)
{
	__u32 slot = tap * cfg_ncpus + bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&counts, &slot);
}

/* 1 if a < b, else 0, for numbers below 2^31. */
static __always_inline __u32 is_less(__u32 a, __u32 b)
{
	__u32 less = (a - b) >> 31;

	asm volatile("" : "+r"(less));
	return less;
}

static __always_inline __u32 min_of(__u32 a, __u32 b)
{
	return b + is_less(a, b) * (a - b);
}

/*
 * By arithmetic alone: each branch would be one more pass of the verifier over all
 * size classes. No tag is put into a frame that is too short for one, or captured no
 * further than to the place of one. With a tag the addresses are loaded in any case.
 */
static __always_inline void measure(struct __sk_buff *skb, struct emission *e)
{
	__u32 wirelen = skb->len;
	__u32 tagged = skb->vlan_present & is_less(MACS_LEN - 1, wirelen);
	__u32 last;

	e->rec.wirelen = wirelen + tagged * VLAN_TAG_LEN;
	e->caplen = min_of(e->rec.wirelen, cfg_snaplen);
	tagged &= is_less(MACS_LEN, e->caplen);
	last = e->caplen - 1 - tagged * VLAN_TAG_LEN;
	e->last = last + (tagged & is_less(last, MACS_LEN - 1)) * (MACS_LEN - 1 - last);
	e->tagged = tagged;
}

/* Without a branch: see measure(). */
static __always_inline __u8 record_flags(__u8 direction, __u32 tap_flags)
{
	__u32 inverts = tap_flags / NSW_TAP_INVERT & 1, l3 = tap_flags / NSW_TAP_L3 & 1;

	asm volatile("" : "+r"(inverts), "+r"(l3));
	return (direction ^ inverts * NSW_REC_EGRESS) | l3 * NSW_REC_L3;
}

/* The loader lets go of a host's end that is busy: it is watched for evidence alone. */
static __always_inline void tell_of_many(const struct nsw_tap *tap, const struct nsw_count *count)
{
	struct nsw_attempt *a;

	if (!cfg_dns || !(tap->flags & NSW_TAP_INVERT) || count->seen % NSW_MANY_PACKETS)
		return;
	a = bpf_ringbuf_reserve(&attempts, sizeof(*a), 0);
	if (!a)
		return;
	__builtin_memset(a, 0, sizeof(*a));
	a->time = now();
	a->netns = tap->id;
	a->call = NSW_CALL_MANY_PACKETS;
	bpf_ringbuf_submit(a, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void observe(struct __sk_buff *skb, const __u8 direction)
{
	struct emission e = {};
	struct nsw_tap tap = {};

	if (!tap_of(skb, &tap))
		return;
	e.count = count_of(tap.id);
	if (!e.count)
		return;
	e.rec.tap = tap.id;
	e.rec.flags = record_flags(direction, tap.flags);
	e.count->seen++;
	tell_of_many(&tap, e.count);
	if (cfg_dns && !dns_selects(skb, &tap))
		return;
	if (!filter(skb, (e.rec.flags & NSW_REC_EGRESS) | (tap.flags & NSW_TAP_L3)))
		return;
	if (cfg_owner) {
		e.owner = bpf_map_lookup_elem(&sender_or_receiver, &(__u32){ 0 });
		if (!e.owner)
			return; /* cannot be */
	}
	e.count->matched++;
	if (cfg_owner) {
		__builtin_memset(e.owner, 0, sizeof(*e.owner));
		put_owner(skb, direction, e.rec.flags & NSW_REC_EGRESS, e.owner);
		e.rec.flags |= NSW_REC_OWNER;
	}
	e.rec.flags |= partial_checksum(skb);
	measure(skb, &e);
	emit(skb, &e);
}

#endif

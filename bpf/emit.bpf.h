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

/* What a record needs to know about a packet beside its bytes. */
struct emission {
	struct nsw_count *count;
	struct nsw_owner owner;
	__u32 wirelen;
	__u32 caplen;
	__u16 tap;
	__u8 flags;
	bool tagged; /* the kernel has stripped a VLAN tag */
};

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

/* Whether the transport checksum is still to be computed, by a device that the
 * packet may never reach. */
static __always_inline bool has_partial_checksum(struct __sk_buff *skb)
{
	struct sk_buff *kskb = kernel_skb(skb);

	if (kskb)
		return BPF_CORE_READ_BITFIELD(kskb, ip_summed) == CHECKSUM_PARTIAL;
	return skb->gso_size;
}

static __always_inline void put_header(struct __sk_buff *skb, struct nsw_rec *rec,
				       const struct emission *e)
{
	rec->time = now();
	rec->wirelen = e->wirelen;
	rec->tap = e->tap;
	rec->flags = e->flags | (has_partial_checksum(skb) ? NSW_REC_CSUM_PARTIAL : 0);
	rec->pad = 0;
}

/*
 * The verifier wants the test as 64 bits and right before the call. Before 6.8 it
 * learns nothing from a comparison with zero, hence the last byte's index: at
 * most room - 1, and out of all bounds for an empty frame.
 */
static __always_inline bool load(struct __sk_buff *skb, __u32 from, void *to, __u64 last,
				 __u32 room)
{
	asm volatile("" : "+r"(last));
	return last < room && !bpf_skb_load_bytes(skb, from, to, last + 1);
}

/* The frame with the tag that the kernel has stripped from it. */
static __always_inline bool put_tagged(struct __sk_buff *skb, char *to, const struct emission *e,
				       __u32 room)
{
	const __u16 tag[2] = { (__u16)skb->vlan_proto, bpf_htons((__u16)skb->vlan_tci) };

	if (room < MACS_LEN + VLAN_TAG_LEN)
		return false;
	if (bpf_skb_load_bytes(skb, 0, to, MACS_LEN))
		return false;
	__builtin_memcpy(to + MACS_LEN, tag, VLAN_TAG_LEN);
	if (e->caplen <= MACS_LEN + VLAN_TAG_LEN)
		return true;
	return load(skb, MACS_LEN, to + MACS_LEN + VLAN_TAG_LEN,
		    (__u64)e->caplen - MACS_LEN - VLAN_TAG_LEN - 1, room - MACS_LEN - VLAN_TAG_LEN);
}

static __always_inline bool put_frame(struct __sk_buff *skb, char *to, const struct emission *e,
				      __u32 room)
{
	if (e->tagged && e->caplen > MACS_LEN)
		return put_tagged(skb, to, e, room);
	return load(skb, 0, to, (__u64)e->caplen - 1, room);
}

/* Looked at for one frame in 64, whose time decides which, and for each large one. */
static __always_inline bool is_filling_up(const struct nsw_rec *rec, const struct emission *e)
{
	if (rec->time % 64 && e->caplen < 4096)
		return false;
	return bpf_ringbuf_query(&packets, BPF_RB_AVAIL_DATA) > cfg_wake_bytes;
}

/*
 * Submits without notification, unless the consumer wants one. The reservation
 * (a spinlock, so a full barrier) lies between our record becoming visible and
 * this read: either the consumer sees the record or we see it asleep. Who clears
 * the flag wakes the consumer, so two clearing at once is one wake-up too many
 * and never one too few; no atomic is needed (5.10 has none).
 */
static __always_inline void submit(struct nsw_rec *rec, const struct emission *e)
{
	__u32 state = consumer;
	__u64 how = BPF_RB_NO_WAKEUP;

	if (state == NSW_ASLEEP || (state == NSW_NAPPING && is_filling_up(rec, e))) {
		consumer = NSW_AWAKE;
		how = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(rec, how);
}

static __always_inline void emit(struct __sk_buff *skb, const struct emission *e)
{
	const __u32 head = sizeof(struct nsw_rec) + (cfg_owner ? sizeof(struct nsw_owner) : 0);
	__u32 room = size_class(e->caplen);
	struct nsw_rec *rec = bpf_ringbuf_reserve(&packets, head + room, 0);

	if (!rec) {
		e->count->ring_full++;
		return;
	}
	put_header(skb, rec, e);
	if (cfg_owner)
		*(struct nsw_owner *)(rec + 1) = e->owner;
	if (!put_frame(skb, (char *)rec + head, e, room)) {
		e->count->load_failed++;
		bpf_ringbuf_discard(rec, BPF_RB_NO_WAKEUP);
		return;
	}
	e->count->captured++;
	if (e->caplen < e->wirelen)
		e->count->truncated++;
	submit(rec, e);
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

static __always_inline void observe(struct __sk_buff *skb, const __u8 direction)
{
	struct emission e = { .flags = direction };
	struct nsw_tap tap = {};

	if (!tap_of(skb, &tap))
		return;
	e.count = count_of(tap.id);
	if (!e.count)
		return;
	e.tap = tap.id;
	if (tap.flags & NSW_TAP_INVERT)
		e.flags ^= NSW_REC_EGRESS;
	e.count->seen++;
	if (cfg_dns && !dns_selects(skb, &tap))
		return;
	if (!filter(skb, e.flags | (tap.flags & NSW_TAP_L3)))
		return;
	e.count->matched++;
	if (tap.flags & NSW_TAP_L3)
		e.flags |= NSW_REC_L3;
	if (cfg_owner) {
		/* Before the paths part at the size class: the verifier walks each. */
		put_owner(skb, direction, e.flags & NSW_REC_EGRESS, &e.owner);
		e.flags |= NSW_REC_OWNER;
	}
	e.wirelen = skb->len;
	e.tagged = skb->vlan_present && e.wirelen >= MACS_LEN;
	if (e.tagged)
		e.wirelen += VLAN_TAG_LEN;
	e.caplen = e.wirelen < cfg_snaplen ? e.wirelen : cfg_snaplen;
	emit(skb, &e);
}

#endif

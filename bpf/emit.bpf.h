/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a packet to a block of the ring: one copy, no notification.
 *
 * The lane is marked busy before the time is taken: then a consumer that reads the clock
 * and, a moment later, a lane that is not busy, knows that it has every block of it older
 * than that (user/stream/stream.c builds its time order on this).
 */
#ifndef NSWATCH_EMIT_BPF_H
#define NSWATCH_EMIT_BPF_H

/* A block in the making: what is to go into it. */
struct emission {
	struct nsw_count *count;
	struct nsw_owner *owner; /* if cfg_owner */
	__u32 tap;
	__u32 flags;   /* enum nsw_block_flag */
	__u32 wirelen; /* as in the block, as caplen */
	__u32 caplen;
	__u32 tagged; /* the kernel has stripped a VLAN tag, which belongs into it */
	__u32 is_l3;
	__u32 direction; /* NSW_EGRESS or 0 */
};
_Static_assert(NSW_BLOCK_IN + NSW_EGRESS == NSW_BLOCK_OUT, "added");

/* In a map, one per CPU, for the reason that bpf/dns.bpf.h gives for its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nsw_owner);
} sender_or_receiver SEC(".maps");

#define SHORT_FRAME	 256 /* copied by plain loads */
#define COPY_STEP	 32
#define MACS_LEN	 12 /* what stands before a VLAN tag */
#define LINK_HEADER_LEN	 14
#define CHECKSUM_PARTIAL 3				/* include/linux/skbuff.h */
#define MAX_PIECES	 (NSW_MAX_SNAP / NSW_CHUNK + 2) /* of a frame, in as many chunks */
/* Together with the head of a block in one chunk, whatever belongs before the bytes of the skb. */
#define HEAD_ROOM 64
_Static_assert(HEAD_ROOM >= sizeof(struct nsw_block) + MACS_LEN + VLAN_TAG_LEN, "tagged");
_Static_assert(HEAD_ROOM >= sizeof(struct nsw_block) + LINK_HEADER_LEN, "layer 3");

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

/* NSW_BLOCK_CSUM_PARTIAL if the transport checksum is still to be computed, by a device
 * that the packet may never reach. Without a branch: see measure(). */
static __always_inline __u32 partial_checksum(struct __sk_buff *skb)
{
	struct sk_buff *kskb = kernel_skb(skb);
	__u32 partial;

	if (kskb)
		partial = (BPF_CORE_READ_BITFIELD(kskb, ip_summed) + 1) / (CHECKSUM_PARTIAL + 1);
	else
		partial = (skb->gso_size + 0xffff) >> 16; /* any at all */
	asm volatile("" : "+r"(partial));
	return partial * NSW_BLOCK_CSUM_PARTIAL;
}

/* 1 if a < b, else 0, for numbers below 2^31. */
static __always_inline __u32 is_less(__u32 a, __u32 b)
{
	__u32 less = (a - b) >> 31;

	asm volatile("" : "+r"(less));
	return less;
}

static __always_inline __u32 pad4(__u32 len)
{
	return (len + 3) & ~3u;
}

static __always_inline __u32 tail_len(void)
{
	return sizeof(struct nsw_block_tail) + (cfg_owner ? NSW_OWNER_OPTION : 0);
}

/* Two numbers as they stand in memory one after the other. */
static __always_inline __u64 pair(__u64 first, __u64 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | second << 32;
#else
	return first << 32 | second;
#endif
}

static __always_inline __u32 short_pair(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | second << 16;
#else
	return first << 16 | second;
#endif
}

/* In words: fewer instructions. */
static __always_inline void put_head(char *to, const struct emission *e, __u64 time, __u32 len)
{
	__u64 *words = (__u64 *)to;

	words[0] = pair(NSW_BLOCK_TYPE, len);
	words[1] = pair(e->tap - 1, time >> 32);
	words[2] = pair((__u32)time, e->caplen);
	((__u32 *)to)[6] = e->wirelen;
}

static __always_inline void put_tail(char *to, const struct emission *e, __u32 len)
{
	const __u64 *owner = (const __u64 *)e->owner;

	*(__u64 *)to = pair(short_pair(NSW_OPT_FLAGS, sizeof(__u32)), e->flags);
	to += sizeof(__u64);
	if (cfg_owner) {
		*(__u32 *)to = short_pair(NSW_OPT_OWNER, sizeof(struct nsw_owner));
		to += sizeof(__u32);
		((__u64 *)to)[0] = owner[0];
		((__u64 *)to)[1] = owner[1];
		((__u64 *)to)[2] = owner[2];
		to += sizeof(struct nsw_owner);
	}
	*(__u64 *)to = pair(0, len);
}

/* What is left of the last four bytes of a frame, which ends at `to`. */
static __always_inline void put_padding(char *to, __u32 caplen)
{
	__u32 over = caplen % 4;

	if (!over)
		return;
	to[0] = 0;
	if (over < 3)
		to[1] = 0;
	if (over < 2)
		to[2] = 0;
}

/* The verifier wants the test as 64 bits and right before the call. Before 6.8 it
 * learns nothing from a comparison with zero, hence the last byte's index. */
static __always_inline bool load(struct __sk_buff *skb, __u32 from, void *to, __u32 len, __u32 room)
{
	__u64 last = (__u64)len - 1;

	asm volatile("" : "+r"(last));
	return last < room && !bpf_skb_load_bytes(skb, from, to, last + 1);
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
 * A short frame that lies in the linear part of the skb, without a call: in steps, and then
 * the last bytes as a step that reaches back.
 */
static __always_inline bool copy_short(struct __sk_buff *skb, char *to, __u32 len)
{
	const char *from = (const char *)(long)skb->data;
	const char *end = (const char *)(long)skb->data_end;
	__u64 rest = (__u64)len - COPY_STEP;
	__u32 at;

	if (rest > SHORT_FRAME - COPY_STEP)
		return false;
#pragma clang loop unroll(full)
	for (at = 0; at < SHORT_FRAME - COPY_STEP; at += COPY_STEP) {
		if (rest < at)
			break;
		if (from + at + COPY_STEP > end)
			return false;
		copy_block(to + at, from + at);
	}
	/* A number that is put by on the stack has no bounds for the verifier of Linux 5.10:
	 * it is used up right behind its test. */
	asm volatile("" : "+r"(rest));
	if (rest > SHORT_FRAME - COPY_STEP)
		return false;
	from += rest;
	to += rest;
	asm volatile("" : "+r"(from), "+r"(to));
	if (from + COPY_STEP > end)
		return false;
	copy_block(to, from);
	return true;
}

static __always_inline void put_tag(struct __sk_buff *skb, char *to)
{
	*(__u32 *)to = short_pair((__u16)skb->vlan_proto, bpf_htons((__u16)skb->vlan_tci));
}

/*
 * The frame with the tag that the kernel has stripped from it: all is put as far
 * behind its place as the tag is long, then the addresses go where they belong.
 */
static __always_inline bool put_tagged(struct __sk_buff *skb, char *to, __u32 caplen)
{
	__u32 *words = (__u32 *)to, dst, both, src, len = caplen - VLAN_TAG_LEN;

	if (!load(skb, 0, to + VLAN_TAG_LEN, len < MACS_LEN ? MACS_LEN : len, NSW_WHOLE_BLOCK))
		return false;
	dst = words[1];
	both = words[2];
	src = words[3];
	words[0] = dst;
	words[1] = both;
	words[2] = src;
	put_tag(skb, to + MACS_LEN);
	return true;
}

/* A tun device's packets may lack a protocol: their first byte tells. */
static __always_inline void put_link_header(struct __sk_buff *skb, char *to)
{
	__u8 first = 0;

	bpf_skb_load_bytes(skb, 0, &first, sizeof(first));
	((__u32 *)to)[0] = 0;
	((__u32 *)to)[1] = 0;
	((__u32 *)to)[2] = 0;
	((__u16 *)to)[6] = first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
}

static __always_inline bool put_l3(struct __sk_buff *skb, char *to, __u32 caplen)
{
	put_link_header(skb, to);
	return caplen <= LINK_HEADER_LEN ||
	       load(skb, 0, to + LINK_HEADER_LEN, caplen - LINK_HEADER_LEN, NSW_WHOLE_BLOCK);
}

static __always_inline bool put_frame(struct __sk_buff *skb, char *to, const struct emission *e)
{
	if (e->tagged)
		return put_tagged(skb, to, e->caplen);
	if (e->is_l3)
		return put_l3(skb, to, e->caplen);
	return copy_short(skb, to, e->caplen) || load(skb, 0, to, e->caplen, NSW_WHOLE_BLOCK);
}

/* A block that is all in one chunk, at that place of it. */
static __always_inline bool put_block(struct __sk_buff *skb, __u32 chunk, __u32 off,
				      const struct emission *e, __u64 time, __u32 len)
{
	char *to = place(chunk, off);
	__u64 caplen;

	if (!to)
		return false; /* cannot be */
	put_head(to, e, time, len);
	to += sizeof(struct nsw_block);
	if (!put_frame(skb, to, e))
		return false;
	caplen = e->caplen;
	asm volatile("" : "+r"(caplen));
	caplen &= 2 * NSW_WHOLE_BLOCK - 1;
	put_padding(to + caplen, caplen);
	put_tail(to + pad4(caplen), e, len);
	return true;
}

/* A piece of a frame, as much as there is room for in the chunk. */
static __always_inline bool put_piece(struct __sk_buff *skb, struct nsw_lane *lane)
{
	__u32 off = lane->next.off, len = NSW_CHUNK - off, rest = lane->next.rest;
	char *to = place(lane->next.chunk, off);

	if (len > rest)
		len = rest;
	if (!to || !load(skb, lane->next.from, to, len, NSW_CHUNK))
		return false;
	lane->next.off = off + len;
	lane->next.from += len;
	lane->next.rest = rest - len;
	return true;
}

/* What belongs before the bytes of the skb, or between them. */
static __always_inline bool put_beginning(struct __sk_buff *skb, struct nsw_lane *lane, char *to,
					  const struct emission *e)
{
	__u32 put = 0;

	lane->next.from = 0;
	if (e->tagged) {
		put = MACS_LEN + VLAN_TAG_LEN;
		lane->next.from = MACS_LEN;
		put_tag(skb, to + MACS_LEN);
		if (!load(skb, 0, to, MACS_LEN, MACS_LEN))
			return false;
	} else if (e->is_l3) {
		put = LINK_HEADER_LEN;
		put_link_header(skb, to);
	}
	lane->next.off += sizeof(struct nsw_block) + put;
	lane->next.rest = e->caplen - put;
	return true;
}

static __always_inline bool put_pieces(struct __sk_buff *skb, struct nsw_lane *lane,
				       struct nsw_count *count)
{
	__u32 i;

#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_PIECES && lane->next.rest; i++) {
		if (lane->next.off >= NSW_CHUNK && !advance(lane)) {
			count->ring_full++;
			return false;
		}
		forget();
		if (!put_piece(skb, lane)) {
			count->load_failed++;
			return false;
		}
		forget();
	}
	if (lane->next.rest)
		count->load_failed++; /* cannot be */
	return !lane->next.rest;
}

/*
 * A block that goes on from chunk to chunk. Nothing of it is seen before it is whole;
 * should there be too few chunks, those taken are for the next one.
 */
static __always_inline bool put_long_block(struct __sk_buff *skb, struct nsw_lane *lane,
					   const struct emission *e, __u64 time, __u32 len)
{
	char *to;

	if (NSW_CHUNK - lane->next.off < HEAD_ROOM && !advance(lane))
		goto full;
	to = place(lane->next.chunk, lane->next.off);
	if (!to)
		goto full; /* cannot be */
	put_head(to, e, time, len);
	if (!put_beginning(skb, lane, to + sizeof(struct nsw_block), e)) {
		e->count->load_failed++;
		return false;
	}
	forget();
	if (!put_pieces(skb, lane, e->count))
		return false;
	to = place(lane->next.chunk, lane->next.off);
	if (!to)
		goto full; /* cannot be */
	put_padding(to, e->caplen);
	lane->next.off += pad4(e->caplen) - e->caplen;
	if (NSW_CHUNK - lane->next.off < tail_len() && !advance(lane))
		goto full;
	to = place(lane->next.chunk, lane->next.off);
	if (!to)
		goto full; /* cannot be */
	put_tail(to, e, len);
	lane->next.off += tail_len();
	return true;
full:
	e->count->ring_full++;
	return false;
}

static __always_inline bool put_long(struct __sk_buff *skb, struct nsw_lane *lane,
				     const struct emission *e, __u64 time, __u32 len)
{
	__u32 chunks = ((lane->end & NSW_OFF_MASK) + len) / NSW_CHUNK;
	bool done;

	/* Those taken in vain would be of no use to other CPUs. */
	if (free_chunks() + lane->ahead < chunks) {
		e->count->ring_full++;
		return false;
	}
	start_next(lane);
	lane->next.blocks = NSW_MIXED;
	done = put_long_block(skb, lane, e, time, len);
	if (done)
		publish_next(lane);
	else
		keep_for_later(lane);
	return done;
}

/* NSW_MIXED if the block before is of another tap. */
static __always_inline __u32 mixed_by(const struct nsw_lane *lane, __u32 tap)
{
	return is_less(0, lane->tap ^ tap) * NSW_MIXED;
}

static __always_inline bool put(struct __sk_buff *skb, struct nsw_lane *lane,
				const struct emission *e)
{
	__u32 len = sizeof(struct nsw_block) + pad4(e->caplen) + tail_len();
	__u64 end = lane->end, time = now() + wall_offset;
	__u32 chunk = lane->chunk, off = end & NSW_OFF_MASK;
	bool in_next = off + len > NSW_CHUNK;

	if (len > NSW_WHOLE_BLOCK)
		return put_long(skb, lane, e, time, len);
	if (in_next) {
		start_next(lane);
		if (!advance(lane)) {
			e->count->ring_full++;
			return false;
		}
		chunk = lane->next.chunk;
		off = 0;
	}
	if (!put_block(skb, chunk, off, e, time, len)) {
		e->count->load_failed++;
		if (in_next)
			keep_for_later(lane);
		return false;
	}
	if (in_next) {
		lane->next.blocks = NSW_ONE_BLOCK;
		lane->next.off = len;
		publish_next(lane);
	} else {
		publish(lane, (end + NSW_ONE_BLOCK + len) | mixed_by(lane, e->tap));
	}
	lane->tap = e->tap;
	return true;
}

static __always_inline void emit(struct __sk_buff *skb, struct nsw_lane *lane,
				 const struct emission *e)
{
	/* Something has come in between on this CPU, which bottom halves off should prevent;
	 * kernels for real-time work are less strict. */
	if (lane->busy) {
		e->count->ring_full++;
		return;
	}
	*(volatile __u32 *)&lane->busy = 1;
	forget();
	if (put(skb, lane, e)) {
		e->count->captured++;
		if (e->caplen < e->wirelen)
			e->count->truncated++;
	}
	forget();
	*(volatile __u32 *)&lane->busy = 0;
	if (consumer == NSW_ASLEEP)
		wake();
}

/*
 * The capture filter. The loader puts a jump to the translated expression
 * (user/attach/filter.c) in the place of the marked instruction, or "r0 = 1":
 * everything matches. flags: NSW_EGRESS and NSW_TAP_L3.
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

static __always_inline __u32 min_of(__u32 a, __u32 b)
{
	return b + is_less(a, b) * (a - b);
}

/*
 * By arithmetic alone: each branch would be one more pass of the verifier over all that
 * follows. No tag is put into a frame that is too short for one, or captured no
 * further than to the place of one, nor into a packet without a link layer.
 */
static __always_inline void measure(struct __sk_buff *skb, struct emission *e)
{
	__u32 len = skb->len;
	__u32 tagged = skb->vlan_present & is_less(MACS_LEN - 1, len) & (1 - e->is_l3);

	e->wirelen = len + tagged * VLAN_TAG_LEN + e->is_l3 * LINK_HEADER_LEN;
	e->caplen = min_of(e->wirelen, cfg_snaplen);
	e->tagged = tagged & is_less(MACS_LEN, e->caplen);
}

/* Without a branch: see measure(). */
static __always_inline void judge_tap(const struct nsw_tap *tap, __u32 hook, struct emission *e)
{
	__u32 inverts = tap->flags / NSW_TAP_INVERT & 1, is_l3 = tap->flags / NSW_TAP_L3 & 1;

	asm volatile("" : "+r"(inverts), "+r"(is_l3));
	e->direction = hook ^ inverts * NSW_EGRESS;
	e->is_l3 = is_l3;
	e->tap = tap->id;
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

static __always_inline void observe(struct __sk_buff *skb, const __u8 hook)
{
	struct emission e = {};
	struct nsw_tap tap = {};
	struct nsw_lane *lane;

	if (!tap_of(skb, &tap))
		return;
	e.count = count_of(tap.id);
	if (!e.count)
		return;
	judge_tap(&tap, hook, &e);
	e.count->seen++;
	tell_of_many(&tap, e.count);
	if (cfg_dns && !dns_selects(skb, &tap))
		return;
	if (!filter(skb, e.direction | (tap.flags & NSW_TAP_L3)))
		return;
	lane = bpf_map_lookup_elem(&lanes, &(__u32){ bpf_get_smp_processor_id() });
	if (!lane)
		return; /* cannot be */
	if (cfg_owner) {
		e.owner = bpf_map_lookup_elem(&sender_or_receiver, &(__u32){ 0 });
		if (!e.owner)
			return; /* cannot be */
	}
	e.count->matched++;
	if (cfg_owner) {
		__builtin_memset(e.owner, 0, sizeof(*e.owner));
		put_owner(skb, hook, e.direction, e.owner);
	}
	e.flags = (NSW_BLOCK_IN + e.direction) | partial_checksum(skb);
	measure(skb, &e);
	emit(skb, lane, &e);
}

#endif

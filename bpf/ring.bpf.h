/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet ring, from the side of those who fill it (include/nswatch/record.h has
 * its layout, user/stream/stream.c the other side).
 *
 * Each CPU writes its own lane, with bottom halves off and so undisturbed, by plain
 * stores: a lock is taken only for a chunk. Chunks that have been used before come
 * first, as they are in the cache.
 */
#ifndef NSWATCH_RING_BPF_H
#define NSWATCH_RING_BPF_H

/* Set by the loader, as the maps' sizes are. */
const volatile __u32 cfg_chunks = 1;
const volatile __u32 cfg_wake_chunks = 1; /* so few free ones are too few to let it nap on */
const volatile __u32 cfg_slot_mask = 1;
const volatile bool cfg_has_exchange = true; /* Linux 5.12; on arm64 5.18, commit 1902472b4fa9 */

/*
 * The consumer's half of the wake-up protocol (user/stream/stream.c): an enum
 * nsw_consumer, and what is to be added to now() for the time since the Unix epoch. On a
 * cache line of their own: all else in the packet path is read-only.
 */
volatile __u32 consumer __attribute__((aligned(64)));
volatile __u64 wall_offset;

/* The chunks, by segment. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, NSW_SEGMENT_STRIDE);
} segments SEC(".maps");

/* By chunk; and a lane's beginning. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nsw_link);
} links SEC(".maps");

/* By CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nsw_lane);
} lanes SEC(".maps");

/* One struct nsw_returned, with as many slots as the loader makes it have. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct nsw_returned) + sizeof(__u32));
} returned SEC(".maps");

/* Which chunks are free. */
struct pool {
	struct bpf_spin_lock lock;
	__u32 fresh; /* chunks that have been used once */
	__u32 next;  /* slot of those returned */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pool);
} pools SEC(".maps");

/* Wakes the consumer; what is in it says nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} bell SEC(".maps");

#define NO_CHUNK (~0u)

static __always_inline void wake(void)
{
	__u64 nothing = 0;

	/* Before it is awake. Who clears this wakes it, so two clearing at once is one
	 * wake-up too many and never one too few. */
	consumer = NSW_AWAKE;
	bpf_ringbuf_output(&bell, &nothing, sizeof(nothing), BPF_RB_FORCE_WAKEUP);
}

static __always_inline __u32 count_free(const struct pool *pool, const struct nsw_returned *back)
{
	return cfg_chunks - pool->fresh + back->count - pool->next;
}

/* How many can be taken, if nobody else does. */
static __always_inline __u32 free_chunks(void)
{
	struct pool *pool = bpf_map_lookup_elem(&pools, &(__u32){ 0 });
	struct nsw_returned *back = bpf_map_lookup_elem(&returned, &(__u32){ 0 });

	return pool && back ? count_free(pool, back) : 0;
}

/* A chunk that is free now, or NO_CHUNK. */
static __always_inline __u32 take_chunk(void)
{
	struct pool *pool = bpf_map_lookup_elem(&pools, &(__u32){ 0 });
	struct nsw_returned *back = bpf_map_lookup_elem(&returned, &(__u32){ 0 });
	__u32 chunk = NO_CHUNK, free, slot;

	if (!pool || !back)
		return chunk; /* cannot be */
	bpf_spin_lock(&pool->lock);
	slot = pool->next & cfg_slot_mask;
	if (back->slots[slot]) {
		chunk = back->slots[slot] - 1;
		back->slots[slot] = 0;
		pool->next++;
	} else if (pool->fresh < cfg_chunks) {
		chunk = pool->fresh++;
	}
	free = count_free(pool, back);
	bpf_spin_unlock(&pool->lock);
	if (consumer == NSW_NAPPING && free < cfg_wake_chunks)
		wake();
	return chunk;
}

/* The compiler loads again what it has stored. */
static __always_inline void forget(void)
{
	asm volatile("" : : : "memory");
}

/*
 * What goes on in another chunk is followed in the lane itself: the verifier knows nothing
 * of what it loads from there, so all ways to the same place are one to it.
 */
static __always_inline void start_next(struct nsw_lane *lane)
{
	lane->next.chunk = lane->chunk;
	lane->next.off = lane->end & NSW_OFF_MASK;
	lane->next.begun = lane->end >> 32;
	lane->next.blocks = (__u32)lane->end & ~NSW_OFF_MASK;
	lane->next.ahead = lane->ahead;
}

/* To the start of the next chunk; false if there is none. */
static __always_inline bool advance(struct nsw_lane *lane)
{
	struct nsw_link *link = bpf_map_lookup_elem(&links, &(__u32){ lane->next.chunk });
	__u32 chunk;

	if (!link)
		return false; /* cannot be */
	if (lane->next.ahead) {
		lane->next.ahead--;
	} else {
		chunk = take_chunk();
		if (chunk == NO_CHUNK)
			return false;
		link->next = chunk;
	}
	link->end = lane->next.blocks | lane->next.off;
	lane->next.chunk = link->next;
	lane->next.off = 0;
	lane->next.begun++;
	forget();
	return true;
}

/* What was stored before is seen before what is stored after: the first release of the lock
 * comes after the one, the second acquisition before the other. */
static __always_inline void order_stores(void)
{
	struct pool *pool = bpf_map_lookup_elem(&pools, &(__u32){ 0 });

	if (!pool)
		return; /* cannot be */
	bpf_spin_lock(&pool->lock);
	bpf_spin_unlock(&pool->lock);
	bpf_spin_lock(&pool->lock);
	bpf_spin_unlock(&pool->lock);
}

/* The blocks up to that position are whole. */
static __always_inline void publish(struct nsw_lane *lane, __u64 end)
{
	if (!NSW_STORES_IN_ORDER && cfg_has_exchange) {
		__sync_lock_test_and_set(&lane->end, end);
		return;
	}
	if (!NSW_STORES_IN_ORDER)
		order_stores();
	*(volatile __u64 *)&lane->end = end;
}

static __always_inline void publish_next(struct nsw_lane *lane)
{
	lane->chunk = lane->next.chunk;
	lane->ahead = lane->next.ahead;
	publish(lane, (__u64)lane->next.begun << 32 | lane->next.blocks | lane->next.off);
}

/* The lane stays where it is: what was taken for it in vain is for the next block. */
static __always_inline void keep_for_later(struct nsw_lane *lane)
{
	lane->ahead = lane->next.begun - (__u32)(lane->end >> 32) + lane->next.ahead;
}

/* The memory at an offset in a chunk: NSW_SEGMENT_STRIDE - NSW_SEGMENT bytes of it for all that
 * the verifier knows. */
static __always_inline char *place(__u32 chunk, __u32 off)
{
	__u32 segment = chunk / (NSW_SEGMENT / NSW_CHUNK);
	__u64 in_segment = (__u64)chunk * NSW_CHUNK + off;
	char *start = bpf_map_lookup_elem(&segments, &segment);

	if (!start)
		return NULL; /* cannot be */
	asm volatile("" : "+r"(in_segment));
	return start + (in_segment & (NSW_SEGMENT - 1));
}

#endif

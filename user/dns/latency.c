// SPDX-License-Identifier: GPL-2.0-only
#include "dns/latency.h"

#include <stddef.h>

#include "util/cleanup.h"

/* Units of 1024 ns / 64, so that the first octave starts at 1.024 us. */
#define UNIT_SHIFT 4
#define FINE	   6 /* bits: 64 buckets to an octave */
#define COARSE	   3

static unsigned int bucket_of(int64_t ns, unsigned int bits)
{
	uint64_t v = ns > 0 ? (uint64_t)ns >> UNIT_SHIFT : 0;
	/* Each bit that it has more than the first octave's seven is one. */
	unsigned int octave = v < 128 ? 0 : 57 - (unsigned int)__builtin_clzll(v);

	v >>= octave;
	if (v < 64)
		v = 64;
	if (octave >= LATENCY_OCTAVES)
		return (LATENCY_OCTAVES << bits) - 1;
	return (octave << bits) + (unsigned int)((v - 64) >> (FINE - bits));
}

/* The middle of a bucket. */
static int64_t bucket_value(unsigned int i, unsigned int bits)
{
	unsigned int octave = i >> bits, step = i & ((1U << bits) - 1);
	uint64_t low = (uint64_t)(64 + (step << (FINE - bits))) << (octave + UNIT_SHIFT);

	return (int64_t)(low + (1ULL << (octave + UNIT_SHIFT + FINE - bits)) / 2);
}

void latency_add(struct latency *l, int64_t ns)
{
	l->count++;
	if (ns > l->max)
		l->max = ns;
	l->bucket[bucket_of(ns, FINE)]++;
}

void latency_coarse_add(struct latency_coarse *l, int64_t ns)
{
	l->count++;
	if (ns > l->max)
		l->max = ns;
	l->bucket[bucket_of(ns, COARSE)]++;
}

void latency_merge(struct latency *to, const struct latency *from)
{
	size_t i;

	to->count += from->count;
	if (from->max > to->max)
		to->max = from->max;
	for (i = 0; i < ARRAY_SIZE(to->bucket); i++)
		to->bucket[i] += from->bucket[i];
}

static int64_t percentile(const uint32_t *bucket, const struct dns_latency *r, unsigned int bits,
			  unsigned int percent)
{
	uint64_t want = (r->count * percent + 99) / 100, sum = 0;
	unsigned int i;
	int64_t v;

	for (i = 0; i < LATENCY_OCTAVES << bits; i++) {
		sum += bucket[i];
		if (sum < want)
			continue;
		v = bucket_value(i, bits);
		return v < r->max ? v : r->max;
	}
	return r->max;
}

static struct dns_latency result(const uint32_t *bucket, uint64_t count, int64_t max,
				 unsigned int bits)
{
	struct dns_latency r = { .count = count, .max = max };

	if (!r.count)
		return r;
	r.p50 = percentile(bucket, &r, bits, 50);
	r.p95 = percentile(bucket, &r, bits, 95);
	r.p99 = percentile(bucket, &r, bits, 99);
	return r;
}

struct dns_latency latency_result(const struct latency *l)
{
	return result(l->bucket, l->count, l->max, FINE);
}

struct dns_latency latency_coarse_result(const struct latency_coarse *l)
{
	return result(l->bucket, l->count, l->max, COARSE);
}

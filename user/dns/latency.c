// SPDX-License-Identifier: GPL-2.0-only
#include "dns/latency.h"

#include <stddef.h>

#include "util/cleanup.h"

/* Units of 1024 ns / 64, so that the first octave starts at 1.024 us. */
#define UNIT_SHIFT 4

static unsigned int bucket_of(int64_t ns)
{
	uint64_t v = ns > 0 ? (uint64_t)ns >> UNIT_SHIFT : 0;
	unsigned int octave = 0;

	while (v >= 128) {
		v >>= 1;
		octave++;
	}
	if (v < 64)
		v = 64;
	if (octave >= LATENCY_OCTAVES)
		return LATENCY_OCTAVES * 64 - 1;
	return octave * 64 + (unsigned int)(v - 64);
}

/* The middle of a bucket. */
static int64_t bucket_value(unsigned int i)
{
	uint64_t low = (uint64_t)(64 + i % 64) << (i / 64 + UNIT_SHIFT);

	return (int64_t)(low + (1ULL << (i / 64 + UNIT_SHIFT)) / 2);
}

void latency_add(struct latency *l, int64_t ns)
{
	l->count++;
	if (ns > l->max)
		l->max = ns;
	l->bucket[bucket_of(ns)]++;
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

static int64_t percentile(const struct latency *l, unsigned int percent)
{
	uint64_t want = (l->count * percent + 99) / 100, sum = 0;
	int64_t v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(l->bucket); i++) {
		sum += l->bucket[i];
		if (sum < want)
			continue;
		v = bucket_value(i);
		return v < l->max ? v : l->max;
	}
	return l->max;
}

struct dns_latency latency_result(const struct latency *l)
{
	struct dns_latency r = { .count = l->count, .max = l->max };

	if (!l->count)
		return r;
	r.p50 = percentile(l, 50);
	r.p95 = percentile(l, 95);
	r.p99 = percentile(l, 99);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Histograms of durations, from 1 us to 4 min in fixed memory: with 64 buckets to
 * each power of two, so that a percentile is exact to 1 %, in 7 KiB; or with 8,
 * exact to 7 %, in 920 bytes, where there are thousands of them.
 */
#ifndef NSWATCH_DNS_LATENCY_H
#define NSWATCH_DNS_LATENCY_H

#include "dns/transaction.h"

#define LATENCY_OCTAVES 28U

struct latency {
	uint64_t count;
	int64_t max; /* ns */
	uint32_t bucket[LATENCY_OCTAVES * 64];
};

struct latency_coarse {
	uint64_t count;
	int64_t max; /* ns */
	uint32_t bucket[LATENCY_OCTAVES * 8];
};

void latency_add(struct latency *l, int64_t ns);
void latency_merge(struct latency *to, const struct latency *from);
/* Percentiles; all zero if nothing was added. */
struct dns_latency latency_result(const struct latency *l);

void latency_coarse_add(struct latency_coarse *l, int64_t ns);
struct dns_latency latency_coarse_result(const struct latency_coarse *l);

#endif

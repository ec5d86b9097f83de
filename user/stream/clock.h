/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_STREAM_CLOCK_H
#define NSWATCH_STREAM_CLOCK_H

#include <stdint.h>

#include "nswatch/record.h"

/*
 * The clock that stamps records, and its way to wall time. TAI follows steps
 * of the system clock by itself; for boot time the offset is sampled again
 * every second.
 */
struct clock {
	enum nsw_clock kind;
	int64_t offset;	 /* ns from kind's clock to the Unix epoch */
	int64_t sampled; /* when, on kind's clock */
};

void clock_init(struct clock *c, enum nsw_clock kind);
/* Now, on the clock of the records, ns. */
int64_t clock_now(const struct clock *c);
/* A record's time as ns since the Unix epoch. now: a recent clock_now(). */
int64_t clock_wall(struct clock *c, int64_t time, int64_t now);

#endif

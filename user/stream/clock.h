/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_STREAM_CLOCK_H
#define NSWATCH_STREAM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "nswatch/record.h"

/*
 * The clock that stamps records, and its way to wall time. TAI follows steps
 * of the system clock by itself; for boot time the offset is sampled again
 * every second, and when the clock is told of a step.
 */
struct clock {
	enum nsw_clock kind;
	int64_t offset;	 /* ns from kind's clock to the Unix epoch */
	int64_t sampled; /* when, on kind's clock */
};

void clock_init(struct clock *c, enum nsw_clock kind);
/* The system clock has been set. */
void clock_stepped(struct clock *c);
/* Now, on the clock of the records, ns. */
int64_t clock_now(const struct clock *c);
/* A record's time as ns since the Unix epoch. now: a recent clock_now(). */
int64_t clock_wall(struct clock *c, int64_t time, int64_t now);

/* A descriptor that is readable once the system clock has been set, the caller's; -errno. */
int clock_steps_fd(void);
/* Whether that has happened since the last call. */
bool clock_has_stepped(int steps_fd);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Deadlines in a binary heap. A timer is embedded in what it wakes; the heap
 * holds pointers, so setting, moving and cancelling cost O(log n).
 */
#ifndef NSWATCH_DNS_TIMERS_H
#define NSWATCH_DNS_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer {
	int64_t due;  /* ns */
	uint32_t pos; /* 1-based place in the heap; 0: not set */
	uint8_t kind; /* the owner's */
};

struct timers {
	struct timer **heap;
	uint32_t nr, size;
};

#define timer_owner(t, type, member) ((type *)((char *)(t)-offsetof(type, member)))

void timers_fini(struct timers *ts);
/* Sets or moves t. Without memory the timer stays unset: what it would have said is lost. */
void timers_set(struct timers *ts, struct timer *t, int64_t due);
void timers_cancel(struct timers *ts, struct timer *t);
/* The earliest timer if it is due at now, taken out; else NULL. */
struct timer *timers_expired(struct timers *ts, int64_t now);
/* Earliest deadline, INT64_MAX if none. */
int64_t timers_next(const struct timers *ts);

#endif

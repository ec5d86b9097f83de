/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_NOW_H
#define NSWATCH_UTIL_NOW_H

#include <stdint.h>
#include <time.h>

/* What the clock says, in ns. For the edges: pure modules are told the time. */
static inline int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

#endif

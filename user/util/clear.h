/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_CLEAR_H
#define NSWATCH_UTIL_CLEAR_H

#include <stddef.h>

/*
 * memset() to zero, as a call. Where the compiler knows the size, of some hundred bytes it makes
 * an instruction that repeats, and that takes longer to start than the C library to finish: for
 * what is cleared for each packet.
 */
void clear_memory(void *p, size_t len);

#endif

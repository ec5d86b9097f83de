/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers as text, without printf's cost: for lines printed per packet. They go to memory that has
 * room for them, without a NUL; what is behind them is returned.
 */
#ifndef NSWATCH_UTIL_DIGITS_H
#define NSWATCH_UTIL_DIGITS_H

#include <stdint.h>

#define DIGITS_U64 20 /* at most */
#define DIGITS_IP4 15

char *digits_u64(char *to, uint64_t v);
/* The last n digits, with leading zeros. */
char *digits_last(char *to, uint64_t v, unsigned int n);
/* The last n hex digits, in lower case. */
char *digits_hex(char *to, uint64_t v, unsigned int n);
/* Four bytes with dots between them. */
char *digits_ip4(char *to, const uint8_t bytes[4]);

#endif

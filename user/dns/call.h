/* SPDX-License-Identifier: GPL-2.0-only */
/* A socket call that failed, in words. */
#ifndef NSWATCH_DNS_CALL_H
#define NSWATCH_DNS_CALL_H

#include <stdint.h>

/* "sendto"; call is an enum nsw_call. */
const char *call_name(uint8_t call);
/* "ENETUNREACH", and "Network is unreachable"; static. */
const char *call_errno_name(int error);
const char *call_errno_text(int error);

#endif

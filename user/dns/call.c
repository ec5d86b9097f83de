// SPDX-License-Identifier: GPL-2.0-only
#include "dns/call.h"

#include <string.h>

#include "nswatch/record.h"

const char *call_name(uint8_t call)
{
	static const char *const names[] = {
		[NSW_CALL_CONNECT] = "connect",	  [NSW_CALL_SENDTO] = "sendto",
		[NSW_CALL_SENDMSG] = "sendmsg",	  [NSW_CALL_SENDMMSG] = "sendmmsg",
		[NSW_CALL_WRITE] = "write",	  [NSW_CALL_WRITEV] = "writev",
		[NSW_CALL_RECVFROM] = "recvfrom", [NSW_CALL_RECVMSG] = "recvmsg",
		[NSW_CALL_READ] = "read",
	};
	_Static_assert(sizeof(names) / sizeof(names[0]) == NSW_NR_CALLS, "a name for each call");

	return call < NSW_NR_CALLS && names[call] ? names[call] : "the call";
}

const char *call_errno_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "an unknown error";
}

const char *call_errno_text(int error)
{
	const char *text = strerrordesc_np(error);

	return text ? text : "Unknown error";
}

// SPDX-License-Identifier: GPL-2.0-only
#include "stream/record.h"

#include <string.h>
#include <sys/socket.h>

struct owner record_owner(const struct nsw_owner *o)
{
	struct owner out = { .pid = o->pid, .mntns = o->mntns };

	/* Not terminated there if it is of full length; one longer here. */
	memcpy(out.comm, o->comm, NSW_COMM_LEN);
	return out;
}

struct ipaddr record_addr(const struct nsw_addr *a)
{
	struct ipaddr raw = a->family == AF_INET ? ipaddr_v4(a->bytes) : ipaddr_v6(a->bytes);

	return ipaddr_unmap(&raw);
}

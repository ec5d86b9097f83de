// SPDX-License-Identifier: GPL-2.0-only
#include "stream/record.h"

#include <string.h>
#include <sys/socket.h>

void record_owner(struct owner *out, const struct nsw_owner *o)
{
	out->pid = o->pid;
	out->mntns = o->mntns;
	/* Not terminated there if it is of full length; one longer here. */
	memcpy(out->comm, o->comm, NSW_COMM_LEN);
	out->comm[NSW_COMM_LEN] = '\0';
}

struct ipaddr record_addr(const struct nsw_addr *a)
{
	struct ipaddr raw = a->family == AF_INET ? ipaddr_v4(a->bytes) : ipaddr_v6(a->bytes);

	return ipaddr_unmap(&raw);
}

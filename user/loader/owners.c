// SPDX-License-Identifier: GPL-2.0-only
#include "loader/internal.h"
#include "util/log.h"

static bool shows_processes(const struct loader *l)
{
	return l->o->dns || l->o->json;
}

void owners_attach(struct loader *l)
{
	struct err why = { 0 };

	if (shows_processes(l) && programs_attach_processes(l->programs, &why))
		log_warn("processes and failed sends are not shown: %s", why.msg);
}

void owners_seed(struct loader *l)
{
	struct err why = { 0 };

	if (shows_processes(l) && programs_seed_owners(l->programs, &why))
		log_warn("processes are not shown for sockets that are open already: %s", why.msg);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answers the question "what would a lookup by this process, in this namespace,
 * run into". The asking process may live for milliseconds only, so its
 * resolv.conf is read first.
 */
#ifndef NSWATCH_NETNS_FACTS_H
#define NSWATCH_NETNS_FACTS_H

#include <stdint.h>

#include "dns/facts.h"
#include "packet.h"
#include "target/target.h"
#include "util/err.h"

/*
 * Reads the resolv.conf that the asker sees, or the nearest to it that is still
 * there, in the order of enum resolv_source. asker->pid 0 or asker NULL: what a
 * process of the target sees. asker->mntns (0 unknown) guards against a reused
 * pid. ppid 0 is unknown. Never fails: out->error tells. pid is 0 where the file
 * was read through no process, but by its path on the host.
 */
void facts_read_resolv(const struct target *t, const struct owner *asker, uint32_t ppid,
		       struct resolv_file *out);

/*
 * Fills in all of *out; server (or NULL) is looked at besides those of the
 * resolv.conf. *t is not TARGET_NEW. 0, or -errno when the namespace cannot be
 * entered (-ESTALE, -ENOENT: it is gone); resolv is filled even then.
 */
int facts_collect(const struct target *t, const struct owner *asker, uint32_t ppid,
		  const struct ipaddr *server, struct dns_facts *out, struct err *e);

#endif

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
 * The resolv.conf files of processes as they were when these started: the last
 * FACTS_REMEMBERED of them. A process that is gone by the time its query is seen
 * is looked up here. Zero-initialised; owned by the caller.
 */
#define FACTS_REMEMBERED 64

struct facts_memory {
	uint32_t next; /* slot to be used next */
	struct remembered {
		struct owner owner; /* pid 0: none */
		struct resolv_file resolv;
	} slots[FACTS_REMEMBERED];
};

/* Reads and keeps the file of a process that has just started, unless it is
 * gone already or sees the same files as nswatch itself. */
void facts_remember(struct facts_memory *m, const struct owner *owner);

/*
 * Reads the resolv.conf that the asker sees, or the nearest to it that is still
 * there, in the order of enum resolv_source; memory may be NULL. asker->pid 0 or asker NULL: what a
 * process of the target sees. asker->mntns (0 unknown) guards against a reused
 * pid. ppid 0 is unknown. Never fails: out->error tells. pid is 0 where the file
 * was read through no process, but by its path on the host.
 */
void facts_read_resolv(const struct target *t, const struct owner *asker, uint32_t ppid,
		       const struct facts_memory *memory, struct resolv_file *out);

/* Whether a socket in the target's namespace takes that TCP port of that address; false, too,
 * if it cannot be looked at. */
bool facts_listens(const struct target *t, const struct ipaddr *addr, uint16_t port);

/*
 * Fills in all of *out; server (or NULL) is looked at besides those of the
 * resolv.conf. port: that the host's sockets are looked at for, 0 is 53. *t is not TARGET_NEW. 0,
 * or -errno when the namespace cannot be entered (-ESTALE, -ENOENT: it is gone); resolv is filled
 * even then.
 */
int facts_collect(const struct target *t, const struct owner *asker, uint32_t ppid,
		  const struct ipaddr *server, uint16_t port, const struct facts_memory *memory,
		  struct dns_facts *out, struct err *e);

/* A port of the host that leads to one of a container. */
struct published {
	uint8_t proto; /* IPPROTO_* */
	uint16_t port, host_port;
};

/*
 * Fills in f->services: what listens on the loopback of the target only, who
 * that is, and which of the n published ports lead there. Looks at the open
 * files of all processes, which facts_collect() does not. 0 or -errno.
 */
int facts_services(const struct target *t, const struct published *p, uint32_t n,
		   struct dns_facts *f, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_ATTACH_HOOK_H
#define NSWATCH_ATTACH_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/programs.h"
#include "util/err.h"

/*
 * One program on one direction of one interface. All functions act in the
 * network namespace of the calling thread (see netns_call()).
 */
struct hook {
	int link; /* TCX link; closing it detaches. -1 with clsact */
	uint32_t ifindex;
	uint32_t direction; /* enum programs_hook */
	/* clsact: what the filter is found by again */
	uint32_t handle, priority, prog_id;
	bool owns_qdisc; /* the clsact qdisc is our doing */
};

/*
 * Attaches. Tries TCX (Linux 6.6); if the kernel does not know it, or
 * *use_clsact is set, cls_bpf in a clsact qdisc, and sets *use_clsact.
 */
int hook_attach(struct hook *h, uint32_t ifindex, enum programs_hook direction, int prog_fd,
		bool *use_clsact, struct err *e);

/* Detaches. For clsact: removes our filter, and the qdisc if it is ours and no
 * filter of anybody else is in it. Never fails visibly: it may all be gone. */
void hook_detach(struct hook *h);

#endif

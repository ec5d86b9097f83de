/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCX waits, with the kernel's networking lock held, for an RCU grace period
 * after each program that it attaches or detaches (tcx_entry_sync(), Linux commit
 * e420bed02507): some 10 ms each, a quarter of a minute for a host with hundreds of
 * containers, during which nobody can set up an interface; several at once wait for the
 * lock one after the other. So where many are due the kernel is asked, for that moment, to
 * hurry: /sys/kernel/rcu_expedited (Documentation/RCU/Design/Expedited-Grace-Periods).
 * What it was before comes back, even if one of us is killed: a process of its own sees
 * to that.
 */
#ifndef NSWATCH_ATTACH_GRACE_H
#define NSWATCH_ATTACH_GRACE_H

#include <sys/types.h>

struct grace {
	int fd; /* -1: nothing to undo */
	int pipe;
	pid_t keeper;
};

#define GRACE_NONE                                 \
	(struct grace)                             \
	{                                          \
		.fd = -1, .pipe = -1, .keeper = -1 \
	}

/* As many programs, or more, are worth it. */
#define GRACE_MANY 24

/* Does nothing if it cannot be had, or somebody has done it already. */
void grace_hurry(struct grace *g);
void grace_end(struct grace *g);
#define _cleanup_grace_ _cleanup_(grace_end)

#endif

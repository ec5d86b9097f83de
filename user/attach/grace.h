/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCX waits, with the kernel's networking lock held, for an RCU grace period
 * after each program that it attaches or detaches (tcx_entry_sync(), Linux commit
 * e420bed02507): some 10 ms each, a quarter of a minute for a host with hundreds of
 * containers, during which nobody can set up an interface. So where many are due
 * the kernel is asked, for that moment, to hurry: /sys/kernel/rcu_expedited
 * (Documentation/RCU/Design/Expedited-Grace-Periods). What it was before comes back.
 */
#ifndef NSWATCH_ATTACH_GRACE_H
#define NSWATCH_ATTACH_GRACE_H

struct grace {
	int fd; /* -1: nothing to undo */
};

/* As many programs, or more, are worth it. */
#define GRACE_MANY 24

/* Does nothing if it cannot be had, or somebody has done it already. */
void grace_hurry(struct grace *g);
void grace_end(struct grace *g);
#define _cleanup_grace_ _cleanup_(grace_end)

#endif

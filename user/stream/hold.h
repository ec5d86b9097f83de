/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_STREAM_HOLD_H
#define NSWATCH_STREAM_HOLD_H

#include <stdatomic.h>
#include <stdint.h>

#include "nswatch/record.h"

/*
 * Keeps a chunk of the packet ring: while it has users, its memory stays. Who drops the last
 * one gives the chunk back to the producers, in any thread.
 */
struct hold {
	_Atomic uint32_t users;
	uint32_t chunk;
	struct nsw_returned *returned; /* mapped */
	uint32_t slot_mask;
};

static inline void hold_add(struct hold *h)
{
	atomic_fetch_add_explicit(&h->users, 1, memory_order_relaxed);
}

static inline void hold_drop(struct hold *h)
{
	uint32_t nr;

	if (atomic_fetch_sub_explicit(&h->users, 1, memory_order_acq_rel) > 1)
		return;
	nr = __atomic_fetch_add(&h->returned->count, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&h->returned->slots[nr & h->slot_mask], h->chunk + 1, __ATOMIC_RELEASE);
}

#endif

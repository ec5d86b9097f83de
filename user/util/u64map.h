/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_U64MAP_H
#define NSWATCH_UTIL_U64MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From a number to a number, at a constant cost; a key is put once, and stays. Zero-initialised;
 * u64map_fini() frees it. */
struct u64map {
	struct u64map_slot {
		uint64_t key;
		uint32_t value;
		bool used;
	} * slots;
	size_t n, room; /* room: 0 or a power of two */
};

/* The value of key, or NULL. Valid until the next u64map_put(). */
uint32_t *u64map_get(const struct u64map *m, uint64_t key);
/* Adds key, which must not be there yet. 0 or -ENOMEM. */
int u64map_put(struct u64map *m, uint64_t key, uint32_t value);
void u64map_fini(struct u64map *m);
#define _cleanup_u64map_ _cleanup_(u64map_fini)

/* Folds another number into a key. */
uint64_t u64map_mix(uint64_t key, uint64_t more);

#endif

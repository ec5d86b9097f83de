// SPDX-License-Identifier: GPL-2.0-only
#include "util/u64map.h"

#include <errno.h>
#include <stdlib.h>

/* The finaliser of splitmix64: inode numbers come in a row, and must not stay in one. */
uint64_t u64map_mix(uint64_t key, uint64_t more)
{
	uint64_t x = key * 31 + more + 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static struct u64map_slot *slot_of(struct u64map_slot *slots, size_t room, uint64_t key)
{
	size_t i = u64map_mix(key, 0) & (room - 1);

	while (slots[i].used && slots[i].key != key)
		i = (i + 1) & (room - 1);
	return &slots[i];
}

uint32_t *u64map_get(const struct u64map *m, uint64_t key)
{
	struct u64map_slot *s = m->room ? slot_of(m->slots, m->room, key) : NULL;

	return s && s->used ? &s->value : NULL;
}

static int grow(struct u64map *m)
{
	size_t room = m->room ? 2 * m->room : 64, i;
	struct u64map_slot *slots = calloc(room, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (i = 0; i < m->room; i++)
		if (m->slots[i].used)
			*slot_of(slots, room, m->slots[i].key) = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->room = room;
	return 0;
}

int u64map_put(struct u64map *m, uint64_t key, uint32_t value)
{
	int r;

	/* At most half full. */
	if (2 * (m->n + 1) > m->room) {
		r = grow(m);
		if (r)
			return r;
	}
	*slot_of(m->slots, m->room, key) = (struct u64map_slot){ key, value, true };
	m->n++;
	return 0;
}

void u64map_fini(struct u64map *m)
{
	free(m->slots);
	*m = (struct u64map){ 0 };
}

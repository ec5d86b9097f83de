// SPDX-License-Identifier: GPL-2.0-only
#include "track/arp.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 4 /* places that an address may be at; a power of two */

struct claim {
	uint64_t number; /* of the packet that was first; 0: free */
	uint8_t ip[4], mac[6];
};

struct arp_track {
	uint32_t mask;
	struct claim slots[];
};

struct arp_track *arp_track_new(unsigned int slots)
{
	struct arp_track *t;
	uint32_t n = WAYS;

	while (n < slots)
		n <<= 1;
	t = calloc(1, sizeof(*t) + n * sizeof(t->slots[0]));
	if (t)
		t->mask = n - 1;
	return t;
}

void arp_track_free(struct arp_track *t)
{
	free(t);
}

/* The address's place, or the one that has been in use for longest. */
static struct claim *slot_of(struct arp_track *t, const uint8_t *ip)
{
	struct claim *set, *oldest;
	uint32_t h, i;

	memcpy(&h, ip, sizeof(h));
	oldest = set = &t->slots[((h * 0x9e3779b97f4a7c15u) >> 32) & t->mask & ~(WAYS - 1u)];
	for (i = 0; i < WAYS; i++) {
		if (set[i].number && memcmp(set[i].ip, ip, sizeof(set[i].ip)) == 0)
			return &set[i];
		if (set[i].number < oldest->number)
			oldest = &set[i];
	}
	return oldest;
}

bool arp_is_claim(const uint8_t *ip, const uint8_t *mac)
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6) != 0 && memcmp(ip, zero, 4) != 0;
}

bool arp_track_claim(struct arp_track *t, uint64_t number, const uint8_t *ip, const uint8_t *mac)
{
	struct claim *c;

	if (!arp_is_claim(ip, mac))
		return false;
	c = slot_of(t, ip);
	if (c->number && memcmp(c->ip, ip, sizeof(c->ip)) == 0)
		return number > c->number && memcmp(c->mac, mac, sizeof(c->mac)) != 0;
	c->number = number;
	memcpy(c->ip, ip, sizeof(c->ip));
	memcpy(c->mac, mac, sizeof(c->mac));
	return false;
}

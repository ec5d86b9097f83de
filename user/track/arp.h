/* SPDX-License-Identifier: GPL-2.0-only */
/* Which Ethernet address each IPv4 address was first claimed by, in ARP. */
#ifndef NSWATCH_TRACK_ARP_H
#define NSWATCH_TRACK_ARP_H

#include <stdbool.h>
#include <stdint.h>

struct arp_track;

/* Some `slots` (rounded up to a power of two) addresses are remembered; one that finds its four
 * places taken drives out the oldest. NULL when out of memory. */
struct arp_track *arp_track_new(unsigned int slots);
void arp_track_free(struct arp_track *t);

/* Not 0.0.0.0, and neither a group address nor all zeros. */
bool arp_is_claim(const uint8_t *ip, const uint8_t *mac);

/*
 * The packet of that number says that ip (four bytes) is at mac (six). True if an earlier packet
 * said that it is elsewhere; the first claim stands.
 */
bool arp_track_claim(struct arp_track *t, uint64_t number, const uint8_t *ip, const uint8_t *mac);

#endif

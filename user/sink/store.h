/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_STORE_H
#define NSWATCH_SINK_STORE_H

#include <stdint.h>
#include <string.h>

/*
 * Stores a word at p, in any alignment and host byte order, and returns where the next one
 * goes. For the headers of packets: word by word to where they go. Put together elsewhere
 * and copied, a header would be read in larger pieces than it was written, while those
 * are in the store buffer still: a stall that costs more than all the rest.
 */
static inline uint8_t *store_u32(uint8_t *p, uint32_t word)
{
	memcpy(p, &word, sizeof(word));
	return p + sizeof(word);
}

#endif

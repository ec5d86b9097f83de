/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_HASH_H
#define NSWATCH_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Differs from run to run; of a table that was just allocated. */
static inline uint32_t hash_seed(const void *table)
{
	return (uint32_t)((uintptr_t)table >> 4) ^ (uint32_t)time(NULL);
}

static inline uint64_t hash_word(uint64_t h, const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	h = (h ^ v) * 0xff51afd7ed558ccdULL;
	return h ^ h >> 32;
}

/* Of bytes that strangers choose: with a seed that they do not know, none can aim at a bucket. */
static inline uint64_t hash_bytes64(uint32_t seed, const void *bytes, size_t len)
{
	const uint8_t *p = (const uint8_t *)bytes;
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ seed, g = ~h, v;

	/* Two words at a time: their multiplications do not wait for each other. */
	for (; len >= 16; len -= 16, p += 16) {
		h = hash_word(h, p);
		g = hash_word(g, p + 8);
	}
	if (len >= 8) {
		h = hash_word(h, p);
		len -= 8;
		p += 8;
	}
	for (v = 0; len; len--)
		v = v << 8 | *p++;
	h = (h ^ g >> 32 ^ g << 32 ^ v) * 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 29;
}

static inline uint32_t hash_bytes(uint32_t seed, const void *bytes, size_t len)
{
	return (uint32_t)hash_bytes64(seed, bytes, len);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_HASH_H
#define NSWATCH_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Of bytes that strangers choose: with a seed that they do not know, none can aim at a bucket. */
static inline uint32_t hash_bytes(uint32_t seed, const void *bytes, size_t len)
{
	const uint8_t *p = (const uint8_t *)bytes;
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ seed, v;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&v, p, 8);
		h = (h ^ v) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	for (v = 0; len; len--)
		v = v << 8 | *p++;
	h = (h ^ v) * 0xc4ceb9fe1a85ec53ULL;
	return (uint32_t)(h ^ h >> 29);
}

#endif

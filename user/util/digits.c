// SPDX-License-Identifier: GPL-2.0-only
#include "util/digits.h"

#include <string.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

/* How many digits it has: as many as its bits times log10(2), or one more. */
static unsigned int decimal_len(uint64_t v)
{
	static const uint64_t powers[] = {
		0,
		10,
		100,
		1000,
		10000,
		100000,
		1000000,
		10000000,
		100000000,
		1000000000,
		10000000000,
		100000000000,
		1000000000000,
		10000000000000,
		100000000000000,
		1000000000000000,
		10000000000000000,
		100000000000000000,
		1000000000000000000,
		10000000000000000000U,
	};
	unsigned int bits = 64 - (unsigned int)__builtin_clzll(v | 1);
	unsigned int less = bits * 1233 >> 12;

	return less + (v >= powers[less]);
}

char *digits_last(char *to, uint64_t v, unsigned int n)
{
	unsigned int i = n;

	while (i >= 2) {
		i -= 2;
		memcpy(to + i, pairs + 2 * (v % 100), 2);
		v /= 100;
	}
	if (i)
		to[0] = (char)('0' + v % 10);
	return to + n;
}

char *digits_u64(char *to, uint64_t v)
{
	return digits_last(to, v, decimal_len(v));
}

char *digits_hex(char *to, uint64_t v, unsigned int n)
{
	unsigned int i;

	for (i = n; i > 0; i--) {
		to[i - 1] = "0123456789abcdef"[v & 0xf];
		v >>= 4;
	}
	return to + n;
}

static char *put_byte(char *to, uint8_t v)
{
	if (v < 10) {
		*to = (char)('0' + v);
		return to + 1;
	}
	if (v >= 100) {
		*to++ = v >= 200 ? '2' : '1';
		v -= v >= 200 ? 200 : 100;
	}
	memcpy(to, pairs + 2 * v, 2);
	return to + 2;
}

char *digits_ip4(char *to, const uint8_t bytes[4])
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (i)
			*to++ = '.';
		to = put_byte(to, bytes[i]);
	}
	return to;
}

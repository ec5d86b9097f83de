/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_DECODE_TUNNEL_H
#define NSWATCH_DECODE_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/cursor.h"

/* Generic routing encapsulation: RFC 1701, 2637, 2784, 2890. */
struct gre {
	uint16_t flags; /* with the version */
	uint16_t type;	/* of what it carries */
};

/* Reads the header. False if not even its first four bytes are there; of what is missing behind
 * them the cursor tells. */
bool tunnel_gre_header(struct cursor *c, struct gre *g);

#endif

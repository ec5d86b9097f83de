/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of decode_frame(): the walk through a frame's headers, for the files that share it. */
#ifndef NSWATCH_DECODE_WALK_H
#define NSWATCH_DECODE_WALK_H

#include <stdint.h>

#include "decode/cursor.h"
#include "decode/frame.h"

struct walk;
typedef void (*layer_fn)(struct walk *);

/* What is next is set by the layer before it. */
struct walk {
	struct frame *f;
	struct cursor c;
	layer_fn next;
};

/* Goes on with what the type names within a tunnel. One that is not decoded changes
 * nothing: the frame is that of the tunnel. */
void walk_inner(struct walk *w, uint16_t type);
/* The same where the types are all those that Ethernet has, its tags included. */
void walk_inner_ethertype(struct walk *w, uint16_t type);

/* From behind the header before: VXLAN and Geneve by their ports, GRE, Ethernet within IP. */
void tunnel_over_udp(struct walk *w);
void tunnel_gre(struct walk *w);
void tunnel_ether(struct walk *w);

#endif

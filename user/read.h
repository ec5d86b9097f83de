/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_READ_H
#define NSWATCH_READ_H

#include "options.h"

/* -r: the packets of a capture file instead of live ones, with the same
 * outputs. Needs no privileges and gives up those it has. Returns the exit status. */
int read_main(const struct options *o);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_INTERFACES_H
#define NSWATCH_INTERFACES_H

#include "options.h"

/* -D: the interfaces of each target, numbered as tshark does. Returns the exit status. */
int interfaces_main(const struct options *o);

#endif

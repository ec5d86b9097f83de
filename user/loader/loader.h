/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_LOADER_H
#define NSWATCH_LOADER_H

#include "options.h"

/*
 * The privileged process: resolves the targets, loads, attaches, keeps the
 * attachments true, answers the collector's questions, and never looks into a
 * packet. Returns the exit status.
 */
int loader_main(const struct options *o);

#endif

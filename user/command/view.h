/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_COMMAND_VIEW_H
#define NSWATCH_COMMAND_VIEW_H

#include "util/err.h"

struct command_options;

/* Gives the calling process, which must have one thread, the files that opt
 * asks for. Its network namespace is entered already. 0 or -errno. */
int view_enter(const struct command_options *opt, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_LAUNCH_H
#define NSWATCH_LAUNCH_H

#include "command/command.h"
#include "options.h"
#include "target/target.h"
#include "util/err.h"

/*
 * Starts `-- COMMAND` in the target's network namespace with the files that
 * --mount and --fix-dns ask for; it waits for command_go(). For the target
 * `new` it makes the namespace, which then lives as long as the command, and
 * completes *target. Without a command: does nothing.
 */
int launch(struct command *c, const struct options *o, struct target *target, struct err *e);

#endif

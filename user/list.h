/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_LIST_H
#define NSWATCH_LIST_H

struct options;

/* `nswatch list [--json]`: every network namespace on stdout. Returns the exit status. */
int list_main(const struct options *o);

#endif

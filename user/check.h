/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_CHECK_H
#define NSWATCH_CHECK_H

struct options;

/*
 * `nswatch check TARGET... [--json]`: what DNS would do in there, from facts
 * alone. Returns the exit status: 0, 1 if a target could not be looked at, else
 * 3 if there is a finding.
 */
int check_main(const struct options *o);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_LIST_H
#define NSWATCH_LIST_H

struct options;
struct space;
struct spaces;
struct view_style;

/* `nswatch list [--json]`: every network namespace on stdout. Returns the exit status. */
int list_main(const struct options *o);

/* One of all namespaces, in each of the two forms. */
void list_print_text(const struct spaces *all, struct space *s, const struct view_style *style);
void list_print_json(const struct spaces *all, struct space *s);

/* Whether there is anything to see for who watches it. */
enum list_activity {
	LIST_DOWN,     /* no interface is up */
	LIST_QUIET,    /* no packet has passed yet */
	LIST_LOOPBACK, /* none but on lo */
	LIST_ACTIVE,
};

enum list_activity list_activity(const struct space *s);

#endif

// SPDX-License-Identifier: GPL-2.0-only
#include "list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "list_view.h"
#include "options.h"
#include "target/space.h"
#include "util/cleanup.h"
#include "util/log.h"

/* An interface that is down may have counted before. */
enum list_activity list_activity(const struct space *s)
{
	enum list_activity best = LIST_DOWN;
	size_t i;

	for (i = 0; i < s->nr_links; i++) {
		const struct link *l = &s->links[i];
		enum list_activity this = LIST_QUIET;

		if (!l->up)
			continue;
		if (l->rx_packets || l->tx_packets)
			this = l->loopback ? LIST_LOOPBACK : LIST_ACTIVE;
		if (this > best)
			best = this;
	}
	return best;
}

int list_main(const struct options *o)
{
	struct view_style style = view_style_of(o->color);
	_cleanup_(spaces_fini) struct spaces all;
	struct err e = { 0 };
	size_t i;

	if (spaces_collect(&all, SPACES_ALL, &e)) {
		log_err(&e);
		return 1;
	}
	for (i = 0; i < all.n; i++) {
		if (o->json)
			list_print_json(&all, &all.v[i]);
		else
			list_print_text(&all, &all.v[i], &style);
		if (!o->json && i + 1 < all.n)
			putchar('\n');
	}
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write the list: %s", strerror(errno));
		return 1;
	}
	return 0;
}

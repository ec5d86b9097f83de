/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_COLLECTOR_H
#define NSWATCH_COLLECTOR_H

#include <stdbool.h>

#include "attach/filter.h"
#include "attach/programs.h"
#include "options.h"
#include "sandbox/sandbox.h"
#include "util/err.h"

/* What the collector inherits by fork. */
struct collector_setup {
	const struct options *o;
	const struct programs *programs;
	const struct filter *filter; /* to be applied here, because the kernel cannot; or NULL */
	const struct filter *any_filter; /* wherever it is applied; or NULL */
	const char *filter_text;	 /* or NULL */
	struct identity identity;
	int sock;	/* its end of the socketpair */
	int files_sock; /* for WIRE_NEED_FILE and WIRE_FILE, asked by the writer's thread */
	int file_fd;	/* -w, or -1 */
	bool utf8;
};

/*
 * The unprivileged process: drains the ring until it is told to stop or the
 * loader is gone, feeds the sinks, checks and prints the books. Returns the
 * exit status. Call it in a fresh child.
 */
int collector_run(const struct collector_setup *s);

#endif

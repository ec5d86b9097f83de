/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_FILE_SERIES_H
#define NSWATCH_FILE_SERIES_H

#include <limits.h>
#include <sys/types.h>

#include "options.h"
#include "util/err.h"

/*
 * The output files of one run: a single one, or, with -b, a row of numbered
 * ones of which the newest ring_files are kept.
 */
struct series {
	const struct options *o;
	uid_t uid; /* whom the files belong to */
	gid_t gid;
	char (*names)[PATH_MAX]; /* ring_files of them, by index modulo; or NULL */
};

int series_init(struct series *s, const struct options *o, uid_t uid, gid_t gid, struct err *e);
void series_fini(struct series *s);

/* Whether -b asks for more than one file. */
bool series_rotates(const struct options *o);

/* Opens file number index, from 1 on. The fd is the caller's; or -errno and *e. */
int series_open(struct series *s, unsigned int index, struct err *e);

#endif

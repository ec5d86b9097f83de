/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_CLEANUP_H
#define NSWATCH_UTIL_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Scope-bound release: `_cleanup_(fclosep) FILE *f = NULL;`. A helper takes the
 * variable's address. Ownership leaves the scope by steal_fd()/steal_ptr().
 */
#define _cleanup_(fn)	   __attribute__((cleanup(fn)))
#define _cleanup_fd_	   _cleanup_(closep)
#define _cleanup_free_	   _cleanup_(freep)
#define _cleanup_fclose_   _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#define steal_ptr(p)                      \
	({                                \
		__typeof__(p) *_p = &(p); \
		__typeof__(p) _v = *_p;   \
		*_p = NULL;               \
		_v;                       \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif

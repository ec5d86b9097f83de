/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_FILE_GUNZIP_H
#define NSWATCH_FILE_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads from a descriptor what is in there, uncompressed if it is a gzip stream
 * (or several in a row, RFC 1952 section 2.2), as it is otherwise.
 */
struct gunzip;

/* fd is borrowed. NULL: out of memory. */
struct gunzip *gunzip_new(int fd);
void gunzip_free(struct gunzip *g);

/* As read(2): waits for no more than the first bytes. A stream that is cut short or
 * damaged ends there. */
ssize_t gunzip_read(struct gunzip *g, void *out, size_t size);

/* Why it has ended before the end of the stream, or NULL: it has not. */
const char *gunzip_damage(const struct gunzip *g);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files in which runtimes keep their state. Whoever may write there must not be
 * able to make us wait (a FIFO), read something else (a symlink) or fill the
 * memory: only regular files are read, up to a size, by their own name.
 */
#ifndef NSWATCH_TARGET_STATEFILE_H
#define NSWATCH_TARGET_STATEFILE_H

#include <dirent.h>
#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#define STATEFILE_MAX (4u * 1024 * 1024) /* bytes; the largest are bundles of pods, some 100 kB */

/*
 * Reads the file at path, which is taken from dirfd as openat(2) does; the last
 * component must not be a symlink. *out is NUL-terminated and the caller frees
 * it. Returns its length, or -errno: -EFBIG if longer than max, -EINVAL if no
 * regular file.
 */
ssize_t statefile_read(int dirfd, const char *path, size_t max, char **out);

/* The JSON in it, or NULL. The caller drops the reference. */
json_t *statefile_json(int dirfd, const char *path);

/* As statefile_json(), but only if the file belongs to owner, who may have chosen
 * the path, too. */
json_t *statefile_json_of(const char *path, uid_t owner);

/* The process id that is all of the file, or 0. */
pid_t statefile_pid(int dirfd, const char *path);

/* Opens a folder below dirfd; NULL if it is none. For closedir(3). */
DIR *statefile_dir(int dirfd, const char *path);

/* The next entry that is not hidden, or NULL. */
const char *statefile_next(DIR *d);

/* A JSON string cut to size; empty if it is none. */
void statefile_string(char *out, size_t size, const json_t *string);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_FILE_OUTPUT_H
#define NSWATCH_FILE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "util/err.h"

/*
 * Opens an output file for writing, with the privileges at hand, on behalf of
 * the user uid:gid. Returns an fd (close-on-exec, blocking), or -errno and *e.
 *
 * A new file has mode 0600 and belongs to uid:gid. An existing one is emptied
 * and keeps its mode and owner, as with tcpdump and dumpcap. "-" is a copy of
 * stdout. Character devices and FIFOs that have a reader are taken as they are;
 * block devices and terminals are refused.
 *
 * In a sticky world-writable directory (/tmp), what others may have planted is
 * refused, whatever the fs.protected_* sysctls say: a symbolic link or FIFO that
 * belongs neither to us nor to uid; a file that does not or has more than one
 * name. Links are followed one by one, so this holds for what they point to.
 */
int output_open(const char *path, uid_t uid, gid_t gid, struct err *e);

/* Whether the name asks for compression: it ends in ".gz". */
bool output_is_gzip(const char *path);

/*
 * The name of file number index in a row, as dumpcap forms it: "dir/x.pcapng"
 * becomes "dir/x_00001_20260101120000.pcapng", with the local time. A trailing
 * ".gz" counts as part of the suffix. 0, or -ENAMETOOLONG.
 */
int output_name(char *out, size_t size, const char *path, unsigned int index, time_t now);

#endif

// SPDX-License-Identifier: GPL-2.0-only
#include "file/series.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "file/output.h"

bool series_rotates(const struct options *o)
{
	return o->ring_filesize || o->ring_duration_ns || o->ring_packets;
}

int series_init(struct series *s, const struct options *o, uid_t uid, gid_t gid, struct err *e)
{
	*s = (struct series){ .o = o, .uid = uid, .gid = gid };
	if (!o->ring_files)
		return 0;
	s->names = calloc(o->ring_files, sizeof(*s->names));
	return s->names ? 0
			: err_sys(e, -ENOMEM, "-b files:%llu", (unsigned long long)o->ring_files);
}

void series_fini(struct series *s)
{
	free(s->names);
	s->names = NULL;
}

/* The slot of the oldest file becomes that of the newest. */
static void replace_oldest(struct series *s, unsigned int index, const char *name)
{
	char *slot = s->names[index % s->o->ring_files];

	if (slot[0])
		unlink(slot);
	snprintf(slot, sizeof(*s->names), "%s", name);
}

int series_open(struct series *s, unsigned int index, struct err *e)
{
	char name[PATH_MAX];
	int fd, err;

	if (!series_rotates(s->o))
		return output_open(s->o->write_file, s->uid, s->gid, e);
	err = output_name(name, sizeof(name), s->o->write_file, index, time(NULL));
	if (err)
		return err_sys(e, err, "%s", s->o->write_file);
	fd = output_open(name, s->uid, s->gid, e);
	if (fd >= 0 && s->names)
		replace_oldest(s, index, name);
	return fd;
}

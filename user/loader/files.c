// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loader/internal.h"
#include "util/cleanup.h"
#include "util/log.h"

int files_open(struct loader *l, struct err *e)
{
	const struct options *o = l->o;
	struct identity owner;
	int err;

	if (!o->write_file)
		return 0;
	sandbox_invoker(&owner);
	err = series_init(&l->series, o, owner.uid, owner.gid, e);
	if (err)
		return err;
	l->file_fd = series_open(&l->series, 1, e);
	return l->file_fd < 0 ? l->file_fd : 0;
}

/* What it asks for is fixed by what the user asked for: one file after another. */
static bool may_have_file(const struct loader *l, const struct wire_msg *m)
{
	return m->type == WIRE_NEED_FILE && l->o->write_file && series_rotates(l->o) &&
	       m->code == (int)l->next_file;
}

/* Rotation: the writer asks for file number `code`. */
void files_serve(struct loader *l)
{
	struct wire_msg m;
	struct err e = { 0 };
	int fd, got = wire_recv(l->files_sock, &m, &fd, MSG_DONTWAIT);

	if (got == 1)
		closep(&fd);
	if (got != 1 || !may_have_file(l, &m)) {
		if (got != -EAGAIN)
			close(steal_fd(&l->files_sock));
		return;
	}
	fd = series_open(&l->series, l->next_file++, &e);
	if (fd < 0)
		log_err(&e);
	m = (struct wire_msg){ .type = WIRE_FILE, .code = fd < 0 ? fd : 0 };
	wire_send(l->files_sock, &m, fd);
	closep(&fd);
}

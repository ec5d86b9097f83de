// SPDX-License-Identifier: GPL-2.0-only
#include "attach/grace.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define KNOB "/sys/kernel/rcu_expedited"

/* The lock keeps two of us from taking the other's 1 for what was there before. */
void grace_hurry(struct grace *g)
{
	_cleanup_fd_ int fd = open(KNOB, O_RDWR | O_CLOEXEC);
	char was = '1';

	g->fd = -1;
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) || pread(fd, &was, 1, 0) != 1)
		return;
	if (was == '0' && pwrite(fd, "1", 1, 0) == 1)
		g->fd = steal_fd(&fd);
}

void grace_end(struct grace *g)
{
	if (g->fd < 0)
		return;
	if (pwrite(g->fd, "0", 1, 0) != 1)
		log_warn("cannot set " KNOB " back to 0");
	close(steal_fd(&g->fd));
}

// SPDX-License-Identifier: GPL-2.0-only
#include "interfaces.h"

#include <stdio.h>
#include <string.h>

#include "netns/inventory.h"
#include "target/target.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/strbuf.h"

static void print_link(const struct link *l, unsigned int number, const char *target)
{
	char mem[512];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_printf(&b, "%u. ", number);
	if (target) {
		strbuf_escape(&b, target, strlen(target));
		strbuf_putc(&b, '/');
	}
	strbuf_escape(&b, l->name, strlen(l->name));
	if (l->loopback)
		strbuf_puts(&b, " (Loopback)");
	puts(mem);
}

static int print_target(const char *spec, bool named, unsigned int *number, struct err *e)
{
	_cleanup_free_ struct link *links = NULL;
	_cleanup_fd_ int fd = -1;
	struct target t;
	size_t n, i;
	int err = target_resolve(spec, &t, e);

	if (err)
		return err;
	fd = target_open(&t, e);
	if (fd < 0)
		return fd;
	err = inventory_links(fd, &links, &n, e);
	for (i = 0; i < n && !err; i++)
		print_link(&links[i], ++*number, named ? t.name : NULL);
	return err;
}

int interfaces_main(const struct options *o)
{
	unsigned int i, number = 0;
	struct err e = { 0 };

	for (i = 0; i < o->nr_targets; i++) {
		if (print_target(o->targets[i], o->nr_targets > 1, &number, &e)) {
			log_err(&e);
			return 1;
		}
	}
	return 0;
}

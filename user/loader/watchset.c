// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "launch.h"
#include "loader/internal.h"
#include "netns/inventory.h"
#include "util/cleanup.h"
#include "util/log.h"

static void tap_added(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;
	struct wire_msg m = { .type = WIRE_TAP, .tap = *tap };

	wire_send(l->sock, &m, -1);
}

static void tap_attached(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;

	if (!l->announcing)
		log_info("%s: %s appeared, watching it", tap->target, tap->ifname);
}

static void tap_removed(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;

	if (!l->stopping)
		log_debug("%s: %s is gone", tap->target, tap->ifname);
}

static const struct taps_ops taps_ops = { tap_added, tap_attached, tap_removed };

int watchset_resolve(struct loader *l, struct err *e)
{
	unsigned int i;
	int err;

	l->targets = calloc(l->o->nr_targets, sizeof(*l->targets));
	if (!l->targets)
		return err_sys(e, -ENOMEM, "targets");
	for (i = 0; i < l->o->nr_targets; i++) {
		err = target_resolve(l->o->targets[i], &l->targets[i].target, e);
		if (err)
			return err;
		l->n++;
	}
	err = launch(&l->command, l->o, &l->targets[0].target, e);
	if (!err && l->targets[0].target.kind == TARGET_NEW && !l->o->argv) {
		err_set(e, -EINVAL, "a new namespace needs a command to run in it");
		err_hint(e, "nswatch new -- COMMAND");
		return e->code;
	}
	return err;
}

struct watched *watchset_find(struct loader *l, uint64_t ino)
{
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (l->targets[i].target.ns.ino == ino)
			return &l->targets[i];
	return NULL;
}

static void on_link_event(void *ctx, int nsid, int msgtype, uint32_t ifindex, const char *ifname)
{
	struct loader *l = ctx;
	unsigned int i;

	(void)ifname;
	for (i = 0; i < l->n; i++) {
		if (msgtype != NETNS_WATCH_RESYNC && l->targets[i].nsid != nsid)
			continue;
		l->targets[i].dirty = true;
		if (msgtype == RTM_DELLINK)
			taps_gone(l->taps, &l->targets[i].target, ifindex);
	}
}

static void sync_target(struct loader *l, struct watched *w)
{
	struct err e = { 0 };
	int err = taps_sync(l->taps, &w->target, &e);

	w->dirty = false;
	if (!err)
		return;
	if (err != -ESTALE && err != -ENOENT) {
		log_warn("%s: %s", w->target.name, e.msg);
		return;
	}
	w->gone = true;
	taps_drop(l->taps, &w->target);
	log_info("%s: its network namespace is gone", w->target.name);
}

void watchset_update(struct loader *l)
{
	unsigned int i, left = 0;

	netns_watch_read(l->links, on_link_event, l);
	for (i = 0; i < l->n; i++) {
		if (l->targets[i].dirty && !l->targets[i].gone)
			sync_target(l, &l->targets[i]);
		left += !l->targets[i].gone;
	}
	if (!left)
		loader_begin_stop(l);
}

static int start_attaching(struct loader *l, struct err *e)
{
	const struct options *o = l->o;
	struct taps_options to = {
		.inside = o->side != SIDES_HOST,
		.host = o->side != SIDES_INSIDE || o->dns,
		.interfaces = o->interfaces,
		.nr_interfaces = o->nr_interfaces,
		.directions = o->directions,
		.max_taps = MAX_TAPS,
	};

	l->taps = taps_new(l->programs, &to, &taps_ops, l);
	if (!l->taps)
		return err_sys(e, -ENOMEM, "taps");
	return netns_watch_open(&l->links, e);
}

static int no_such_interface(struct loader *l, const struct target *t, int nsfd, struct err *e)
{
	_cleanup_free_ struct link *links = NULL;
	struct strbuf names;
	char mem[256];
	size_t n = 0, i;

	strbuf_init(&names, mem, sizeof(mem));
	inventory_links(nsfd, &links, &n, NULL);
	for (i = 0; i < n; i++)
		strbuf_printf(&names, "%s%s", i ? ", " : "", links[i].name);
	err_set(e, -ENODEV, "%s has no interface \"%s\"", t->name, l->o->interfaces[0]);
	err_hint(e, "one of %s", mem);
	return e->code;
}

/* Events are asked for before the first look, so that nothing falls between. */
static int attach_target(struct loader *l, struct watched *w, struct err *e)
{
	_cleanup_fd_ int fd = target_open(&w->target, e);
	int err;

	if (fd < 0)
		return fd;
	w->nsid = netns_watch_add(l->links, fd, e);
	if (w->nsid < NETNS_WATCH_HOME)
		return w->nsid;
	programs_watch_netns(l->programs, (uint32_t)w->target.ns.ino);
	err = taps_sync(l->taps, &w->target, e);
	if (!err && !taps_count(l->taps, &w->target) && l->o->nr_interfaces)
		return no_such_interface(l, &w->target, fd, e);
	return err;
}

static void announce(struct loader *l, const struct watched *w)
{
	char mem[512];
	struct strbuf names;

	strbuf_init(&names, mem, sizeof(mem));
	taps_names(l->taps, &w->target, &names);
	log_info("watching %s: %s", w->target.name, names.len ? mem : "no interface yet");
}

int watchset_attach(struct loader *l, struct err *e)
{
	unsigned int i;
	int err;

	err = start_attaching(l, e);
	if (!err)
		owners_attach(l);
	if (!err && l->o->dns)
		err = attempts_open(l, e);
	l->announcing = true;
	for (i = 0; i < l->n && !err; i++) {
		err = attach_target(l, &l->targets[i], e);
		if (err)
			return err;
	}
	l->announcing = false;
	owners_seed(l);
	/* Whoever waits for the first of these lines may rely on all targets. */
	for (i = 0; i < l->n && !err; i++)
		announce(l, &l->targets[i]);
	/* A command speaks for itself in a moment, and it may have other files. */
	for (i = 0; i < l->n && !err && l->o->dns && !l->o->argv; i++)
		attempts_send_facts(l, &l->targets[i].target, NULL, 0, NULL, 0, 0);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A tap is one interface with our programs on it. It is known to the kernel by
 * (inode of its own namespace, ifindex), to the collector by its id. Ids are
 * never reused within a run: an interface that is recreated, or moves away and
 * comes back, gets a new one, so a late record is never taken for somebody else's.
 *
 * taps_sync() is the only way in: it compares what is there with what is
 * tapped. Whatever event made it necessary, however many were missed, the
 * result is the same.
 */
#include "attach/taps.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/membarrier.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attach/guard.h"
#include "attach/hook.h"
#include "netns/inventory.h"
#include "netns/veth.h"
#include "util/cleanup.h"
#include "util/log.h"

struct attachment {
	struct tap tap;
	struct netns_ref ns; /* of this interface */
	struct hook hooks[2];
	unsigned int nr_hooks;
	bool present; /* seen by the sync under way */
	bool live;    /* in the kernel's tap map */
	bool refused; /* it could not be tapped: said once, and not tried again */
};

struct taps {
	struct programs *programs;
	struct taps_options o;
	const struct taps_ops *ops;
	void *ctx;
	struct attachment **all; /* by order of attachment; index + 1 is the tap id */
	uint32_t n;
	bool use_clsact;
	bool full; /* said once */
	struct guard guard;
};

/* What a new attachment is made from. */
struct site {
	struct netns_ref ns;
	uint32_t ifindex;
	const char *ifname;
	enum tap_side side;
	bool loopback;
	uint16_t type; /* ARPHRD_* */
};

struct taps *taps_new(struct programs *p, const struct taps_options *o, const struct taps_ops *ops,
		      void *ctx)
{
	struct taps *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct taps){ .programs = p, .o = *o, .ops = ops, .ctx = ctx, .guard = GUARD_NONE };
	t->all = calloc(o->max_taps, sizeof(*t->all));
	if (!t->all) {
		free(t);
		return NULL;
	}
	return t;
}

static int unhook_here(void *arg)
{
	struct attachment *a = arg;

	/* Latest first: the qdisc belongs to the first. */
	while (a->nr_hooks > 0)
		hook_detach(&a->hooks[--a->nr_hooks]);
	return 0;
}

static void unhook(struct attachment *a)
{
	bool clsact = a->nr_hooks && a->hooks[0].link < 0;
	_cleanup_fd_ int fd = -1;

	if (!clsact) {
		unhook_here(a); /* links go by closing, from anywhere */
		return;
	}
	fd = netns_ref_open(&a->ns, NULL);
	if (fd >= 0)
		netns_call(fd, unhook_here, a, NULL);
	a->nr_hooks = 0;
}

static void detach(struct taps *t, struct attachment *a)
{
	unhook(a);
	a->refused = false;
	if (!a->live)
		return;
	a->live = false;
	programs_tap_del(t->programs, (uint32_t)a->ns.id.ino, a->tap.ifindex);
	t->ops->removed(t->ctx, &a->tap);
}

void taps_free(struct taps *t)
{
	uint32_t i;

	if (!t)
		return;
	for (i = t->n; i-- > 0;) {
		detach(t, t->all[i]);
		free(t->all[i]);
	}
	guard_finish(&t->guard);
	/* Unlike TCX, clsact lets go of a program that may still run on a packet:
	 * after this (an RCU grace period) it does not, and all records are made. */
	if (t->use_clsact)
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	free(t->all);
	free(t);
}

/* The attachment to the interface, whatever its name was then. */
static struct attachment *find(struct taps *t, const struct site *s)
{
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		struct attachment *a = t->all[i];

		if ((a->live || a->refused) && a->tap.ifindex == s->ifindex &&
		    a->tap.side == s->side && netns_same(&a->ns.id, &s->ns.id))
			return a;
	}
	return NULL;
}

/* How often an interface of this name was tapped for this target before. */
static uint32_t generations(const struct taps *t, uint64_t netns, const struct site *s)
{
	uint32_t i, n = 0;

	for (i = 0; i < t->n; i++)
		if (t->all[i]->tap.netns == netns && t->all[i]->tap.side == s->side &&
		    !strcmp(t->all[i]->tap.ifname, s->ifname))
			n++;
	return n;
}

static struct attachment *new_attachment(struct taps *t, const struct target *target,
					 const struct site *s)
{
	struct attachment *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->ns = s->ns;
	a->tap = (struct tap){
		.id = t->n + 1,
		.generation = generations(t, target->ns.ino, s) + 1,
		.netns = target->ns.ino,
		.ifindex = s->ifindex,
		.side = s->side,
		.dlt = DLT_EN10MB,
		.is_loopback = s->loopback,
	};
	snprintf(a->tap.target, sizeof(a->tap.target), "%s", target->name);
	snprintf(a->tap.ifname, sizeof(a->tap.ifname), "%s", s->ifname);
	t->all[t->n++] = a;
	return a;
}

struct attach_call {
	struct taps *t;
	struct attachment *a;
	const struct nsw_tap *key;
	struct err *e;
};

/* The program sees the interface's direction; the container's is the opposite
 * at the host end of its veth. */
static bool wants(const struct taps *t, const struct attachment *a, enum programs_hook hook)
{
	bool egress = hook == HOOK_EGRESS;

	if (a->tap.is_loopback)
		return egress; /* every packet passes both; the sender's socket is known here */
	if (a->tap.side == SIDE_HOST)
		egress = !egress;
	switch (t->o.directions) {
	case DIRECTIONS_IN: return !egress;
	case DIRECTIONS_OUT: return egress;
	default: return true;
	}
}

/* The hook holds the program; our own descriptor is not needed after that. */
static int attach_one(struct attach_call *c, enum programs_hook hook)
{
	struct attachment *a = c->a;
	_cleanup_fd_ int prog = programs_instance(c->t->programs, hook, c->key);

	if (prog < 0)
		return err_sys(c->e, prog, "cannot load a program for %s", a->tap.ifname);
	return hook_attach(&a->hooks[a->nr_hooks], a->tap.ifindex, hook, prog, &c->t->use_clsact,
			   c->e);
}

/* Runs inside the interface's namespace. */
static int attach_here(void *arg)
{
	struct attach_call *c = arg;
	struct attachment *a = c->a;
	int hook;

	for (hook = HOOK_INGRESS; hook <= HOOK_EGRESS; hook++) {
		int err;

		if (!wants(c->t, a, hook))
			continue;
		err = attach_one(c, hook);
		if (err)
			return err;
		a->nr_hooks++;
	}
	return 0;
}

static int guard_hooks(struct taps *t, struct attachment *a, struct err *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < a->nr_hooks && !err; i++)
		if (a->hooks[i].link < 0)
			err = guard_add(&t->guard, &a->ns, &a->hooks[i], e);
	return err;
}

static int attach(struct taps *t, int nsfd, struct attachment *a, const struct site *s,
		  struct err *e)
{
	struct nsw_tap tap = { .id = (uint16_t)a->tap.id };
	struct attach_call call = { .t = t, .a = a, .key = &tap, .e = e };
	int err, guarded;

	if (s->side == SIDE_HOST)
		tap.flags |= NSW_TAP_INVERT;
	if (s->type != ARPHRD_ETHER && s->type != ARPHRD_LOOPBACK)
		tap.flags |= NSW_TAP_L3;
	err = programs_tap_add(t->programs, (uint32_t)s->ns.id.ino, s->ifindex, &tap,
			       (uint32_t)a->tap.netns);
	if (err)
		return err_sys(e, err, "tap table");
	a->live = true;
	t->ops->added(t->ctx, &a->tap);
	err = netns_call(nsfd, attach_here, &call, e);
	guarded = guard_hooks(t, a, err ? NULL : e);
	return err ?: guarded;
}

/* Taps the site unless it is tapped already. An interface that vanishes in the
 * middle of it is no error. */
static void ensure(struct taps *t, int nsfd, const struct target *target, const struct site *s)
{
	struct attachment *a = find(t, s);
	struct err e = { 0 };
	int err;

	/* Renamed, or gone and another one in its place. */
	if (a && strcmp(a->tap.ifname, s->ifname)) {
		detach(t, a);
		a = NULL;
	}
	if (!a && t->n + 1 >= t->o.max_taps) {
		if (!t->full)
			log_warn(
				"%s: more than %u interfaces came and went; new ones are not watched",
				target->name, t->o.max_taps - 1);
		t->full = true;
		return;
	}
	if (!a) {
		a = new_attachment(t, target, s);
		if (!a)
			return;
		err = attach(t, nsfd, a, s, &e);
		if (err) {
			detach(t, a);
			a->refused = err != -ENODEV;
			if (a->refused)
				log_warn("%s/%s: %s", target->name, s->ifname, e.msg);
		} else {
			t->ops->attached(t->ctx, &a->tap);
		}
	}
	a->present = true;
}

static bool is_wanted(const struct taps *t, const struct link *l)
{
	unsigned int i;

	for (i = 0; i < t->o.nr_interfaces; i++)
		if (!strcmp(t->o.interfaces[i], l->name) || !strcmp(t->o.interfaces[i], "any"))
			return true;
	return !t->o.nr_interfaces;
}

static void ensure_peer(struct taps *t, int nsfd, const struct target *target, const struct link *l)
{
	struct veth_peer peer;
	struct site s = { .side = SIDE_HOST, .ifname = peer.name, .type = ARPHRD_ETHER };
	_cleanup_fd_ int fd = -1;

	if (veth_peer(nsfd, target->path, l, &peer, NULL))
		return;
	s.ns.id = peer.ns;
	snprintf(s.ns.path, sizeof(s.ns.path), "%s", peer.path);
	s.ifindex = peer.ifindex;
	fd = netns_open(peer.path, &peer.ns, NULL);
	if (fd >= 0)
		ensure(t, fd, target, &s);
}

static void ensure_link(struct taps *t, int nsfd, const struct target *target, const struct link *l)
{
	struct site s = { .ns.id = target->ns,
			  .ifindex = l->ifindex,
			  .ifname = l->name,
			  .side = SIDE_INSIDE,
			  .loopback = l->loopback,
			  .type = l->type };

	if (!is_wanted(t, l))
		return;
	snprintf(s.ns.path, sizeof(s.ns.path), "%s", target->path);
	if (t->o.inside)
		ensure(t, nsfd, target, &s);
	/* The host's own veths lead into containers, not to a host of theirs. */
	if (t->o.host && !target->is_host && !strcmp(l->kind, "veth"))
		ensure_peer(t, nsfd, target, l);
}

int taps_sync(struct taps *t, const struct target *target, struct err *e)
{
	_cleanup_free_ struct link *links = NULL;
	struct netns_ref ref = { .id = target->ns };
	_cleanup_fd_ int fd = -1;
	size_t n, i;
	int err;

	/* The process that the path goes through may have ended before the namespace. */
	snprintf(ref.path, sizeof(ref.path), "%s", target->path);
	fd = netns_ref_open(&ref, e);
	if (fd < 0)
		return fd;
	err = inventory_links(fd, &links, &n, e);
	if (err)
		return err;
	for (i = 0; i < t->n; i++)
		t->all[i]->present = t->all[i]->tap.netns != target->ns.ino;
	for (i = 0; i < n; i++)
		ensure_link(t, fd, target, &links[i]);
	for (i = 0; i < t->n; i++)
		if (!t->all[i]->present)
			detach(t, t->all[i]);
	return 0;
}

void taps_gone(struct taps *t, const struct target *target, uint32_t ifindex)
{
	uint32_t i;

	for (i = 0; i < t->n; i++)
		if (t->all[i]->tap.ifindex == ifindex && netns_same(&t->all[i]->ns.id, &target->ns))
			detach(t, t->all[i]);
}

void taps_drop(struct taps *t, const struct target *target)
{
	uint32_t i;

	for (i = 0; i < t->n; i++)
		if (t->all[i]->tap.netns == target->ns.ino)
			detach(t, t->all[i]);
}

unsigned int taps_count(const struct taps *t, const struct target *target)
{
	unsigned int n = 0;
	uint32_t i;

	for (i = 0; i < t->n; i++)
		n += t->all[i]->live && t->all[i]->tap.netns == target->ns.ino;
	return n;
}

void taps_names(const struct taps *t, const struct target *target, struct strbuf *out)
{
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		const struct tap *tap = &t->all[i]->tap;

		if (!t->all[i]->live || tap->netns != target->ns.ino)
			continue;
		if (out->len)
			strbuf_puts(out, ", ");
		strbuf_puts(out, tap->ifname);
		if (tap->side == SIDE_HOST)
			strbuf_puts(out, " (host end)");
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A tap is one interface with our programs on it. It is known to the kernel by
 * (inode of its own namespace, ifindex), to the collector by its id. An interface
 * that is recreated, or moves away and comes back, gets a new one. An id is used
 * again only when the collector says that it has had every record of it, so a
 * late one is never taken for somebody else's.
 *
 * A rename leaves the programs where they are: no packet is missed. The collector
 * is told that the id has another name from now on.
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

#include "attach/grace.h"
#include "attach/guard.h"
#include "attach/hook.h"
#include "netns/inventory.h"
#include "netns/veth.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"

/* What one namespace may take of all ids, and how often an interface may change
 * its name: a container can do both as fast as it likes. */
#define MAX_PER_NETNS 1024
#define MAX_RENAMES   256

enum attachment_state {
	ATT_LIVE,    /* in the kernel's tap map */
	ATT_REFUSED, /* it could not be tapped: said once, and not tried again */
	ATT_LEFT,    /* detached; the collector may have records of it to come */
	ATT_FREE,    /* its id is to be used again */
};

struct attachment {
	struct tap tap;
	struct netns_id ns; /* of this interface */
	char *path;	    /* to that */
	struct hook hooks[2];
	unsigned int nr_hooks;
	enum attachment_state state;
	int64_t left; /* CLOCK_BOOTTIME in ns, when it was detached; 0: not yet */
	unsigned int renames;
	bool present; /* seen by the sync under way */
};

struct taps {
	struct programs *programs;
	struct taps_options o;
	const struct taps_ops *ops;
	void *ctx;
	struct attachment **all; /* index + 1 is the tap id */
	uint32_t n;		 /* ids used so far */
	uint32_t *free_ids;	 /* a ring of max_taps: the longest unused first */
	uint32_t first_free, nr_free;
	bool use_clsact;
	bool full;	 /* said once */
	bool crowded;	 /* said once */
	bool restless;	 /* said once */
	bool unfinished; /* by the last sync */
	struct guard guard;
};

/* What a new attachment is made from. */
struct site {
	struct netns_ref ns;
	uint32_t ifindex;
	uint32_t peer; /* as in struct tap */
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
	t->free_ids = calloc(o->max_taps, sizeof(*t->free_ids));
	if (!t->all || !t->free_ids) {
		free(t->all);
		free(t->free_ids);
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

static struct netns_ref place_of(const struct attachment *a)
{
	struct netns_ref ref = { .id = a->ns };

	snprintf(ref.path, sizeof(ref.path), "%s", a->path);
	return ref;
}

static void unhook(struct attachment *a)
{
	struct netns_ref ref;
	bool clsact = a->nr_hooks && a->hooks[0].link < 0;
	_cleanup_fd_ int fd = -1;

	if (!clsact) {
		unhook_here(a); /* links go by closing, from anywhere */
		return;
	}
	ref = place_of(a);
	fd = netns_ref_open(&ref, NULL);
	if (fd >= 0)
		netns_call(fd, unhook_here, a, NULL);
	a->nr_hooks = 0;
}

static void detach(struct taps *t, struct attachment *a)
{
	unhook(a);
	if (a->state == ATT_LEFT || a->state == ATT_FREE)
		return;
	a->left = now_ns(CLOCK_BOOTTIME);
	programs_tap_del(t->programs, (uint32_t)a->ns.ino, a->tap.ifindex);
	a->state = ATT_LEFT;
	t->ops->removed(t->ctx, &a->tap);
}

void taps_freed(struct taps *t, uint32_t id)
{
	if (!id || id > t->n || t->all[id - 1]->state != ATT_LEFT)
		return;
	t->all[id - 1]->state = ATT_FREE;
	t->free_ids[(t->first_free + t->nr_free++) % t->o.max_taps] = id;
}

static void free_attachment(struct attachment *a)
{
	if (!a)
		return;
	free(a->path);
	free(a);
}

/* Fresh ids first: the others remember, meanwhile, how often an interface was
 * attached to. 0: there is none. */
static uint32_t next_id(struct taps *t)
{
	uint32_t id;

	if (t->n + 1 < t->o.max_taps)
		return ++t->n;
	if (!t->nr_free)
		return 0;
	id = t->free_ids[t->first_free];
	t->first_free = (t->first_free + 1) % t->o.max_taps;
	t->nr_free--;
	free_attachment(t->all[id - 1]);
	t->all[id - 1] = NULL;
	return id;
}

static uint32_t nr_live(const struct taps *t)
{
	uint32_t i, n = 0;

	for (i = 0; i < t->n; i++)
		n += t->all[i]->state == ATT_LIVE;
	return n;
}

void taps_free(struct taps *t)
{
	_cleanup_grace_ struct grace grace = GRACE_NONE;
	uint32_t i;

	if (!t)
		return;
	if (nr_live(t) > GRACE_MANY)
		grace_hurry(&grace);
	for (i = t->n; i-- > 0;) {
		detach(t, t->all[i]);
		free_attachment(t->all[i]);
	}
	guard_finish(&t->guard);
	/* Unlike TCX, clsact lets go of a program that may still run on a packet:
	 * after this (an RCU grace period) it does not, and all records are made. */
	if (t->use_clsact)
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	free(t->all);
	free(t->free_ids);
	free(t);
}

/* The attachment to the interface, whatever its name was then. */
static struct attachment *find(struct taps *t, const struct site *s)
{
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		struct attachment *a = t->all[i];

		if (a->tap.ifindex == s->ifindex && a->state <= ATT_REFUSED &&
		    a->tap.side == s->side && netns_same(&a->ns, &s->ns.id))
			return a;
	}
	return NULL;
}

/* The latest of all that had this name, of this target; or NULL. */
static const struct attachment *former(const struct taps *t, const char *target, enum tap_side side,
				       const char *ifname)
{
	const struct attachment *found = NULL;
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		const struct attachment *a = t->all[i];

		if (a && a->tap.generation && a->tap.side == side &&
		    (!found || a->tap.generation > found->tap.generation) &&
		    !strcmp(a->tap.ifname, ifname) && !strcmp(a->tap.target, target))
			found = a;
	}
	return found;
}

/* Which one it is under that name, and how long there was none. */
static void count_generation(const struct taps *t, struct tap *tap)
{
	const struct attachment *a = former(t, tap->target, tap->side, tap->ifname);

	tap->began = now_ns(CLOCK_REALTIME);
	tap->generation = a ? a->tap.generation + 1 : 1;
	tap->gap = a && a->left ? now_ns(CLOCK_BOOTTIME) - a->left : 0;
}

static struct attachment *new_attachment(struct taps *t, const struct target *target,
					 const struct site *s)
{
	struct attachment *a = calloc(1, sizeof(*a));
	uint32_t id;

	if (!a)
		return NULL;
	a->path = strdup(s->ns.path);
	id = a->path ? next_id(t) : 0;
	if (!id) {
		free_attachment(a);
		return NULL;
	}
	a->ns = s->ns.id;
	a->tap = (struct tap){
		.id = id,
		.netns = target->ns.ino,
		.ifindex = s->ifindex,
		.peer = s->peer,
		.side = s->side,
		.dlt = DLT_EN10MB,
		.is_loopback = s->loopback,
	};
	t->all[id - 1] = a;
	snprintf(a->tap.target, sizeof(a->tap.target), "%s", target->name);
	snprintf(a->tap.ifname, sizeof(a->tap.ifname), "%s", s->ifname);
	count_generation(t, &a->tap);
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
	struct netns_ref ref;
	int err = 0;

	for (i = 0; i < a->nr_hooks && !err; i++) {
		if (a->hooks[i].link >= 0)
			continue;
		ref = place_of(a);
		err = guard_add(&t->guard, &ref, &a->hooks[i], e);
	}
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
	err = programs_tap_add(t->programs, (uint32_t)s->ns.id.ino, s->ifindex, &tap);
	if (err)
		return err_sys(e, err, "tap table");
	t->ops->added(t->ctx, &a->tap);
	err = netns_call(nsfd, attach_here, &call, e);
	guarded = guard_hooks(t, a, err ? NULL : e);
	return err ?: guarded;
}

static void give_name(struct taps *t, struct attachment *a, const char *target, const char *ifname)
{
	struct tap tap = a->tap;

	snprintf(tap.target, sizeof(tap.target), "%s", target);
	snprintf(tap.ifname, sizeof(tap.ifname), "%s", ifname);
	count_generation(t, &tap);
	a->tap = tap;
	if (a->state == ATT_LIVE)
		t->ops->added(t->ctx, &a->tap);
}

static void rename_tap(struct taps *t, struct attachment *a, const char *ifname)
{
	char before[IFNAMSIZ];

	if (a->renames++ >= MAX_RENAMES) {
		if (!t->restless)
			log_warn("%s: %s is renamed over and over; that is not followed any more",
				 a->tap.target, a->tap.ifname);
		t->restless = true;
		return;
	}
	memcpy(before, a->tap.ifname, sizeof(before));
	give_name(t, a, a->tap.target, ifname);
	if (a->state == ATT_LIVE)
		t->ops->renamed(t->ctx, &a->tap, before);
}

void taps_rename_target(struct taps *t, const struct target *target)
{
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		struct attachment *a = t->all[i];

		if (a->state <= ATT_REFUSED && a->tap.netns == target->ns.ino &&
		    strcmp(a->tap.target, target->name) != 0)
			give_name(t, a, target->name, a->tap.ifname);
	}
}

/* One container cannot take all the ids; the host has an end of everybody's veths. */
static bool has_room(struct taps *t, const struct target *target)
{
	if (!target->is_host && taps_count(t, target) >= MAX_PER_NETNS) {
		if (!t->crowded)
			log_warn("%s: more than %u interfaces; further ones are not watched",
				 target->name, MAX_PER_NETNS);
		t->crowded = true;
		return false;
	}
	if (t->n + 1 < t->o.max_taps || t->nr_free)
		return true;
	if (!t->full)
		log_warn("%s: more than %u interfaces in all; new ones are not watched",
			 target->name, t->o.max_taps - 1);
	t->full = true;
	return false;
}

static void attach_new(struct taps *t, int nsfd, const struct target *target, const struct site *s)
{
	struct attachment *a = has_room(t, target) ? new_attachment(t, target, s) : NULL;
	struct err e = { 0 };
	int err;

	if (!a)
		return;
	a->present = true;
	err = attach(t, nsfd, a, s, &e);
	if (!err) {
		t->ops->attached(t->ctx, &a->tap);
		return;
	}
	/* A program that taps share is on it still: it has come from another namespace
	 * that is watched, and that this one went from there is yet to be heard. */
	t->unfinished |= err == -EEXIST;
	/* Not if it vanished in the middle of it. */
	if (err != -ENODEV && err != -EEXIST) {
		log_warn("%s/%s: %s", target->name, s->ifname, e.msg);
		unhook(a);
		programs_tap_del(t->programs, (uint32_t)a->ns.ino, a->tap.ifindex);
		a->state = ATT_REFUSED;
		return;
	}
	detach(t, a);
}

/* Taps the site unless it is tapped already. */
static void ensure(struct taps *t, int nsfd, const struct target *target, const struct site *s)
{
	struct attachment *a = find(t, s);

	if (!a) {
		attach_new(t, nsfd, target, s);
		return;
	}
	a->present = true;
	if (strcmp(a->tap.ifname, s->ifname) != 0)
		rename_tap(t, a, s->ifname);
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
	s.peer = l->ifindex;
	fd = netns_open(peer.path, &peer.ns, NULL);
	if (fd >= 0)
		ensure(t, fd, target, &s);
}

static void ensure_link(struct taps *t, int nsfd, const struct target *target, const struct link *l,
			bool host)
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
	/* The host's own veths lead into containers, not to a host of theirs; and a pair with
	 * both ends in here leads nowhere. */
	if (host && !target->is_host && !strcmp(l->kind, "veth") && l->peer_nsid >= 0)
		ensure_peer(t, nsfd, target, l);
}

int taps_sync(struct taps *t, const struct target *target, bool host, struct err *e)
{
	_cleanup_free_ struct link *links = NULL;
	_cleanup_grace_ struct grace grace = GRACE_NONE;
	struct netns_ref ref = { .id = target->ns };
	_cleanup_fd_ int fd = -1;
	size_t n, i;
	int err;

	t->unfinished = false;
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
	if (n > taps_count(t, target) + GRACE_MANY)
		grace_hurry(&grace);
	for (i = 0; i < n; i++)
		ensure_link(t, fd, target, &links[i], host);
	for (i = 0; i < t->n; i++)
		if (!t->all[i]->present)
			detach(t, t->all[i]);
	return 0;
}

bool taps_are_unfinished(const struct taps *t)
{
	return t->unfinished;
}

void taps_gone(struct taps *t, const struct target *target, uint32_t ifindex)
{
	uint32_t i;

	for (i = 0; i < t->n; i++)
		if (t->all[i]->tap.ifindex == ifindex && netns_same(&t->all[i]->ns, &target->ns))
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
		n += t->all[i]->state == ATT_LIVE && t->all[i]->tap.netns == target->ns.ino;
	return n;
}

bool taps_lack_host_end(const struct taps *t, const struct target *target)
{
	bool leads_out = false;
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		const struct tap *tap = &t->all[i]->tap;

		if (t->all[i]->state != ATT_LIVE || tap->netns != target->ns.ino)
			continue;
		if (tap->side == SIDE_HOST)
			return false;
		leads_out |= !tap->is_loopback;
	}
	return leads_out;
}

uint64_t taps_netns(const struct taps *t, uint32_t id)
{
	if (!id || id > t->n || t->all[id - 1]->state != ATT_LIVE)
		return 0;
	return t->all[id - 1]->tap.netns;
}

void taps_names(const struct taps *t, const struct target *target, struct strbuf *out)
{
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		const struct tap *tap = &t->all[i]->tap;

		if (t->all[i]->state != ATT_LIVE || tap->netns != target->ns.ino)
			continue;
		if (out->len)
			strbuf_puts(out, ", ");
		strbuf_puts(out, tap->ifname);
		if (tap->side == SIDE_HOST)
			strbuf_puts(out, " (host end)");
	}
}

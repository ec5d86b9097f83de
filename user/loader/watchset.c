// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The roll (target/roll.h) tells what should be watched; here is what is. Both go
 * by namespace: one that several containers share is watched once, and what it is
 * called may change while it is watched. A namespace is over when the kernel says
 * so (its number is withdrawn) or, for a target named by the user, when the name
 * leads to another one: what held it may be held by others, but is not meant.
 *
 * Numbers and inodes are given again at once, and the kernel's word comes late. So
 * all that it has said is heard before anything is judged by its number or inode:
 * before what is there is compared with what is watched, and once a new one has its
 * number. A number is withdrawn before the inode, but may have been given again by the
 * time that is told: a namespace that has its number still is not the one meant.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "attach/grace.h"
#include "attach/guard.h"
#include "launch.h"
#include "loader/internal.h"
#include "netns/inventory.h"
#include "netns/scan.h"
#include "target/roll.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Lines a second about interfaces that come, go and change their names: a container
 * may do that without end. */
#define LINES_PER_SECOND 20

static bool may_say(struct loader *l)
{
	int64_t second = loader_now_ns() / 1000000000LL;

	if (l->announcing || l->stopping)
		return false;
	if (second != l->said_second)
		l->said = 0;
	l->said_second = second;
	if (l->said++ == LINES_PER_SECOND)
		log_info("interfaces come and go faster than it can be told");
	return l->said <= LINES_PER_SECOND;
}

static void tap_added(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;
	struct wire_msg m = { .type = WIRE_TAP, .tap = *tap };

	wire_send(l->sock, &m, -1);
}

static void tap_attached(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;
	struct wire_msg m = { .type = WIRE_ATTACHED, .code = (int)tap->id };

	if (l->o->side == SIDES_BOTH || l->o->json)
		wire_send(l->sock, &m, -1);
	if (!may_say(l))
		return;
	if (tap->generation > 1)
		log_info("%s: %s appeared again, watching it (attachment %u)", tap->target,
			 tap->ifname, tap->generation);
	else
		log_info("%s: %s appeared, watching it", tap->target, tap->ifname);
}

static void tap_renamed(void *ctx, const struct tap *tap, const char *before)
{
	struct loader *l = ctx;

	if (may_say(l))
		log_info("%s: %s is called %s now", tap->target, before, tap->ifname);
}

static void tap_removed(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;
	struct wire_msg m = { .type = WIRE_GONE, .code = (int)tap->id };

	if (l->stopping)
		return;
	log_debug("%s: %s is gone", tap->target, tap->ifname);
	wire_send(l->sock, &m, -1);
}

static const struct taps_ops taps_ops = { tap_added, tap_attached, tap_renamed, tap_removed };

static struct watched *add_target(struct loader *l, const struct target *t)
{
	struct watched *w;

	if (l->n == l->room) {
		unsigned int room = l->room ? 2 * l->room : 8;
		struct watched **grown = reallocarray(l->targets, room, sizeof(struct watched *));

		if (!grown)
			return NULL;
		l->targets = grown;
		l->room = room;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->target = *t;
	w->nsid = NETNS_WATCH_NONE;
	l->targets[l->n++] = w;
	return w;
}

static void drop_target(struct loader *l, unsigned int i)
{
	free(l->targets[i]);
	memmove(&l->targets[i], &l->targets[i + 1], (--l->n - i) * sizeof(*l->targets));
}

void watchset_free(struct loader *l)
{
	while (l->n)
		free(l->targets[--l->n]);
	free(l->targets);
}

/* A word that leads nowhere is an error at first, later only somebody missing. */
static int call_words(const struct options *o, struct roll *r, struct err *e)
{
	struct target t;
	unsigned int i;
	int err;

	for (i = 0; i < o->nr_targets; i++) {
		err = target_resolve(o->targets[i], &t, e);
		if (!err)
			err = roll_add(r, &t);
		if (err && e)
			return err;
		r->is_unsure |= err != 0;
	}
	return 0;
}

static int call_roll(const struct options *o, struct roll *r, struct err *e)
{
	return o->all ? roll_all(r, o->exclude, e) : call_words(o, r, e);
}

int watchset_resolve(struct loader *l, struct err *e)
{
	struct roll r = { 0 };
	size_t i;
	int err = call_roll(l->o, &r, e);

	if (!err && !r.n) {
		err_set(e, -ENOENT, "--exclude leaves nothing of --all");
		err = -ENOENT;
	}
	if (!err)
		err = launch(&l->command, l->o, &r.v[0], e);
	if (!err && r.v[0].kind == TARGET_NEW && !l->o->argv) {
		err_set(e, -EINVAL, "a new namespace needs a command to run in it");
		err_hint(e, "nswatch new -- COMMAND");
		err = e->code;
	}
	for (i = 0; i < r.n && !err; i++)
		if (!add_target(l, &r.v[i]))
			err = err_sys(e, -ENOMEM, "targets");
	roll_free(&r);
	return err;
}

struct watched *watchset_find(struct loader *l, uint64_t ino)
{
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (!l->targets[i]->gone && l->targets[i]->target.ns.ino == ino)
			return l->targets[i];
	return NULL;
}

static struct watched *by_nsid(struct loader *l, int nsid)
{
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (!l->targets[i]->gone && l->targets[i]->nsid == nsid)
			return l->targets[i];
	return NULL;
}

static void leave(struct loader *l, struct watched *w)
{
	w->gone = true;
	w->gone_at = loader_now_ns();
	taps_drop(l->taps, &w->target);
	programs_forget_netns(l->programs, (uint32_t)w->target.ns.ino);
	follow_hint(l);
}

static void lose(struct loader *l, struct watched *w)
{
	leave(l, w);
	if (!l->o->all)
		log_info("%s: its network namespace is gone%s", w->target.name,
			 l->o->follow ? "; waiting for it to come back" : "");
	else if (may_say(l))
		log_info("%s: gone", w->target.name);
}

/* Whether that its number was withdrawn is said of this one, and not of another that
 * had the number before. */
static bool is_over(struct loader *l, const struct watched *w)
{
	struct netns_ref ref = { .id = w->target.ns };
	_cleanup_fd_ int fd = -1;

	if (!netns_watch_is_given(l->links, w->nsid))
		return true;
	snprintf(ref.path, sizeof(ref.path), "%s", w->target.path);
	fd = netns_ref_open(&ref, NULL);
	return fd < 0 || !netns_watch_is_number_of(l->links, w->nsid, fd) ||
	       netns_cookie(fd) != w->cookie;
}

static void on_link_event(void *ctx, int nsid, int msgtype, uint32_t ifindex, const char *ifname)
{
	struct loader *l = ctx;
	struct watched *w;
	unsigned int i;

	(void)ifname;
	if (msgtype == NETNS_WATCH_RESYNC) {
		for (i = 0; i < l->n; i++)
			l->targets[i]->dirty = true;
		follow_hint(l);
		return;
	}
	w = by_nsid(l, nsid);
	if (msgtype == NETNS_WATCH_RULES) {
		if (w)
			w->new_rules = true;
		return;
	}
	if (msgtype == RTM_NEWNSID && !w)
		follow_hint(l);
	if (!w)
		return;
	w->dirty = true;
	if (msgtype == RTM_DELLINK)
		taps_gone(l->taps, &w->target, ifindex);
	else if (msgtype == RTM_DELNSID && is_over(l, w))
		lose(l, w);
}

static void sync_target(struct loader *l, struct watched *w)
{
	struct err e = { 0 };
	int err = taps_sync(l->taps, &w->target, w->host_end, &e);

	w->dirty = !err && taps_are_unfinished(l->taps);
	if (w->dirty)
		follow_hint(l);
	if (!err)
		return;
	if (err == -ESTALE || err == -ENOENT)
		lose(l, w);
	else
		log_warn("%s: %s", w->target.name, e.msg);
}

/* Nobody waits for those to come back. */
static void forget_gone(struct loader *l)
{
	unsigned int i = 0;

	while (i < l->n)
		if (l->targets[i]->gone && l->o->all)
			drop_target(l, i);
		else
			i++;
}

static void sync_dirty(struct loader *l)
{
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (l->targets[i]->dirty && !l->targets[i]->gone)
			sync_target(l, l->targets[i]);
}

void watchset_update(struct loader *l)
{
	unsigned int i, left = 0;

	netns_watch_read(l->links, on_link_event, l);
	sync_dirty(l);
	/* What one could not have yet, another may have lost by that. */
	sync_dirty(l);
	for (i = 0; i < l->n; i++) {
		if (l->targets[i]->new_rules && !l->targets[i]->gone)
			attempts_new_rules(l, l->targets[i]);
		left += !l->targets[i]->gone;
	}
	forget_gone(l);
	if (!left && !l->o->follow)
		loader_begin_stop(l);
}

/* Is the host itself watched, its ends of all veths are its interfaces. */
static bool watches_host(const struct loader *l)
{
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (l->targets[i]->target.is_host)
			return true;
	return l->o->all;
}

/*
 * Of the default view the host's end of a veth pair is no part: it is evidence, and
 * every packet of the container pays for it. So of one that moves many packets it is
 * let go, until an answer is late.
 */
#define BUSY_NS	   (500 * 1000000LL) /* for NSW_MANY_PACKETS on one CPU */
#define TROUBLE_NS (60 * 1000000000LL)

void watchset_many_packets(struct loader *l, uint32_t id, int64_t when)
{
	struct watched *w;
	int64_t since;

	if (l->stopping)
		return; /* nothing is tapped any more when the rest is read */
	w = watchset_find(l, taps_netns(l->taps, id));
	if (!w || !w->host_end || l->o->side != SIDES_INSIDE)
		return;
	since = when - w->many_packets;
	w->many_packets = when;
	if (since > BUSY_NS || loader_now_ns() < w->keep_until)
		return;
	w->host_end = false;
	sync_target(l, w);
	if (!w->told_busy && may_say(l))
		log_info("%s: it moves many packets, so the host's end of its veth pair is not "
			 "watched until an answer is late",
			 w->target.name);
	w->told_busy = true;
}

void watchset_host_end(struct loader *l, uint64_t netns)
{
	struct watched *w = watchset_find(l, netns);

	if (!w || l->stopping || watches_host(l))
		return;
	w->keep_until = loader_now_ns() + TROUBLE_NS;
	if (w->host_end)
		return;
	w->host_end = true;
	sync_target(l, w);
}

static int start_attaching(struct loader *l, struct err *e)
{
	const struct options *o = l->o;
	struct err why = { 0 };
	int err;
	struct taps_options to = {
		.inside = o->side != SIDES_HOST,
		.interfaces = o->interfaces,
		.nr_interfaces = o->nr_interfaces,
		.directions = o->directions,
		.max_taps = load_max_taps(o),
	};

	l->taps = taps_new(l->programs, &to, &taps_ops, l);
	if (!l->taps)
		return err_sys(e, -ENOMEM, "taps");
	err = netns_watch_open(&l->links, e);
	if (!err && o->dns && netns_watch_rules(l->links, &why) && why.code)
		log_debug("%s", why.msg);
	return err;
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

/*
 * Events are asked for before the first look, so that nothing falls between. What there
 * is by then under the same number is of the one that had it before.
 */
static int take_number(struct loader *l, struct watched *w, int fd, struct err *e)
{
	int nsid = netns_watch_add(l->links, fd, e);
	struct watched *former;

	if (nsid < NETNS_WATCH_HOME)
		return nsid;
	netns_watch_read(l->links, on_link_event, l);
	former = nsid == NETNS_WATCH_HOME ? NULL : by_nsid(l, nsid);
	if (former)
		lose(l, former);
	w->nsid = nsid;
	w->cookie = netns_cookie(fd);
	return 0;
}

static int attach_target(struct loader *l, struct watched *w, struct err *e)
{
	_cleanup_fd_ int fd = target_open(&w->target, e);
	int err;

	if (fd < 0)
		return fd;
	w->host_end = l->o->side != SIDES_INSIDE || (l->o->dns && !watches_host(l));
	err = take_number(l, w, fd, e);
	if (err)
		return err;
	programs_watch_netns(l->programs, (uint32_t)w->target.ns.ino);
	err = taps_sync(l->taps, &w->target, w->host_end, e);
	w->dirty = !err && taps_are_unfinished(l->taps);
	if (w->dirty)
		follow_hint(l);
	return err;
}

static int check_interfaces(struct loader *l, const struct watched *w, struct err *e)
{
	_cleanup_fd_ int fd = -1;

	if (l->o->all || !l->o->nr_interfaces || taps_count(l->taps, &w->target))
		return 0;
	fd = target_open(&w->target, e);
	return fd < 0 ? fd : no_such_interface(l, &w->target, fd, e);
}

static int attach_first(struct loader *l, struct err *e)
{
	_cleanup_grace_ struct grace grace = GRACE_NONE;
	unsigned int i = 0;
	int err = 0;

	if (l->n > MANY_TARGETS)
		grace_hurry(&grace);
	while (i < l->n && !err) {
		err = attach_target(l, l->targets[i], e);
		if (!err)
			err = check_interfaces(l, l->targets[i], e);
		if (!err) {
			i++;
		} else if (l->o->all && (err == -ESTALE || err == -ENOENT)) {
			drop_target(l, i); /* it was over before we came */
			err = 0;
		}
	}
	if (!err)
		sync_dirty(l); /* by events that were read on the way */
	return err;
}

/* Where the other end of what it sends is not to be had. */
static void say_one_view(const struct loader *l, const struct watched *w)
{
	if (l->o->side != SIDES_BOTH && !(l->o->dns && !w->target.is_host))
		return;
	if (w->target.is_host)
		log_info("%s: this is the host; there is no other side", w->target.name);
	else if (taps_lack_host_end(l->taps, &w->target))
		log_info("%s: no veth pair ends on the host; the view is from inside alone",
			 w->target.name);
}

static void announce(struct loader *l, const struct watched *w)
{
	char mem[512];
	struct strbuf names;

	strbuf_init(&names, mem, sizeof(mem));
	taps_names(l->taps, &w->target, &names);
	log_info("watching %s: %s", w->target.name, names.len ? mem : "no interface yet");
	say_one_view(l, w);
}

static void announce_all(struct loader *l)
{
	unsigned int i, taps = 0;

	/* Whoever waits for the first of these lines may rely on all targets. */
	for (i = 0; i < l->n; i++) {
		taps += taps_count(l->taps, &l->targets[i]->target);
		if (l->n <= MANY_TARGETS)
			announce(l, l->targets[i]);
	}
	if (l->n > MANY_TARGETS)
		log_info("watching %u network namespaces, %u interfaces", l->n, taps);
}

/* What need not be reported: what is watched, and what is not to be. A namespace that
 * was over before we came is neither: its number comes again. */
static int set_known(struct loader *l, const struct roll *r)
{
	_cleanup_free_ struct netns_seen *seen = NULL;
	_cleanup_free_ uint32_t *netns = NULL;
	size_t n = 0, nr_seen = 0, i;

	if (!l->o->all)
		netns_scan(&seen, &nr_seen, NULL);
	netns = calloc(r->nr_excluded + l->n + nr_seen + 1, sizeof(*netns));
	if (!netns)
		return -ENOMEM;
	for (i = 0; i < r->nr_excluded; i++)
		netns[n++] = (uint32_t)r->excluded[i].ino;
	for (i = 0; i < nr_seen; i++)
		netns[n++] = (uint32_t)seen[i].id.ino;
	for (i = 0; i < l->n; i++)
		if (!l->targets[i]->gone)
			netns[n++] = (uint32_t)l->targets[i]->target.ns.ino;
	return programs_set_known(l->programs, netns, n);
}

int watchset_attach(struct loader *l, struct err *e)
{
	unsigned int i;
	int err;

	err = start_attaching(l, e);
	if (!err && l->o->follow)
		err = follow_open(l, e);
	if (!err)
		owners_attach(l);
	if (!err && (l->o->dns || l->o->follow))
		err = attempts_open(l, e);
	l->announcing = true;
	if (!err)
		err = attach_first(l, e);
	l->announcing = false;
	if (err)
		return err;
	owners_seed(l);
	for (i = 0; i < l->n; i++)
		attempts_new_rules(l, l->targets[i]);
	announce_all(l);
	/* What came since the roll was called is found by a look. */
	follow_hint(l);
	/* A command speaks for itself in a moment, and it may have other files. Of a whole
	 * machine's namespaces only those that look names up are of interest. */
	for (i = 0; i < l->n && l->o->dns && !l->o->argv && !l->o->all; i++)
		attempts_send_facts(l, &l->targets[i]->target, NULL, 0, NULL, 0, 0);
	return 0;
}

/* The same namespace, described anew: who lives there may have changed. */
static void update_target(struct loader *l, struct watched *w, const struct target *t)
{
	struct target before = w->target;

	/* A name does not go with the process that told it: that may just be ending. */
	if (t->kind == TARGET_PID || t->kind == TARGET_PATH)
		return;
	w->target = *t;
	if (!strcmp(before.name, t->name))
		return;
	taps_rename_target(l->taps, t);
	log_info("%s is called %s now", before.name, t->name);
}

/* The gap, if this is one that was watched before. */
static void say_back(struct loader *l, const struct watched *w)
{
	unsigned int i;

	for (i = 0; i < l->n; i++) {
		const struct watched *old = l->targets[i];

		if (old == w || !old->gone || strcmp(old->target.name, w->target.name) != 0)
			continue;
		log_info("%s: back in another network namespace, %.3f s after the last was left",
			 w->target.name, (double)(loader_now_ns() - old->gone_at) / 1000000000.0);
		drop_target(l, i);
		return;
	}
}

/* False: it could not be had, now. */
static bool join(struct loader *l, const struct target *t)
{
	_cleanup_grace_ struct grace grace = GRACE_NONE;
	struct watched *w = add_target(l, t);
	struct err e = { 0 };
	int err;

	if (!w)
		return false;
	/* Its first packets are on their way, and others come after it. */
	if (l->n > MANY_TARGETS)
		grace_hurry(&grace);
	l->announcing = true;
	err = attach_target(l, w, &e);
	l->announcing = false;
	if (err) {
		if (err != -ESTALE && err != -ENOENT)
			log_warn("%s: %s", t->name, e.msg);
		taps_drop(l->taps, t);
		drop_target(l, l->n - 1);
		return false;
	}
	attempts_new_rules(l, w);
	say_back(l, w);
	announce(l, w);
	if (l->o->dns && !l->o->all)
		attempts_send_facts(l, t, NULL, 0, NULL, 0, 0);
	return true;
}

bool watchset_look(struct loader *l)
{
	struct roll r = { 0 };
	bool sure, joined = false;
	unsigned int i;

	if (call_roll(l->o, &r, NULL)) {
		roll_free(&r);
		return false;
	}
	watchset_update(l);
	for (i = 0; i < l->n; i++) {
		struct watched *w = l->targets[i];
		const struct target *t = roll_find(&r, &w->target.ns);

		if (w->gone)
			continue;
		if (t) {
			update_target(l, w, t);
		} else if (!l->o->all) {
			leave(l, w);
			log_info("%s: is not in its network namespace any more", w->target.name);
		}
	}
	for (i = 0; i < r.n; i++) {
		if (watchset_find(l, r.v[i].ns.ino))
			continue;
		if (join(l, &r.v[i]))
			joined = true;
		else
			r.is_unsure = true;
	}
	sync_dirty(l); /* by events that were read on the way */
	if (joined)
		owners_seed(l);
	set_known(l, &r);
	sure = !r.is_unsure;
	roll_free(&r);
	return sure;
}

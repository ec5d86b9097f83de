/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_ATTACH_TAPS_H
#define NSWATCH_ATTACH_TAPS_H

#include <stdbool.h>

#include "attach/programs.h"
#include "options.h"
#include "packet.h"
#include "target/target.h"
#include "util/err.h"
#include "util/strbuf.h"

/*
 * The attachments of one run: which interface of which namespace carries our
 * programs, under which tap id. Owned by the loader.
 */
struct taps;

struct taps_options {
	bool inside;		       /* tap the interfaces in the namespace */
	const char *const *interfaces; /* inside ones to tap, by name; none: all */
	unsigned int nr_interfaces;
	enum direction_choice directions;
	uint32_t max_taps;
};

struct taps_ops {
	/* Called before the first packet of a new tap can arrive. */
	void (*added)(void *ctx, const struct tap *tap);
	/* Its programs are attached: from here on every packet is seen. */
	void (*attached)(void *ctx, const struct tap *tap);
	/* added() was called again before this: same id, from now on by this name. */
	void (*renamed)(void *ctx, const struct tap *tap, const char *before);
	/* Detached. Its id stays taken until taps_freed(). */
	void (*removed)(void *ctx, const struct tap *tap);
};

struct taps *taps_new(struct programs *p, const struct taps_options *o, const struct taps_ops *ops,
		      void *ctx);
/* Detaches everything. */
void taps_free(struct taps *t);

/*
 * Makes the attachments of a target true to its namespace as it is now: taps
 * what has appeared, drops what has gone. host: the host end of its veths, too. -ESTALE or -ENOENT:
 * the namespace itself is gone. An interface that cannot be tapped is logged once and skipped.
 */
int taps_sync(struct taps *t, const struct target *target, bool host, struct err *e);

/* The last taps_sync() has left out an interface for now: it is to be called again for
 * that target once what went from others has been told to taps_gone(). */
bool taps_are_unfinished(const struct taps *t);

/* An interface of the target's namespace went: the next sync does not take
 * another one for it, though that has its index and its name. */
void taps_gone(struct taps *t, const struct target *target, uint32_t ifindex);

/* Forgets the target's taps; its namespace is gone. */
void taps_drop(struct taps *t, const struct target *target);

/* All records of a tap that was removed have been read: its id may be used again.
 * id comes from the collector and is checked. */
void taps_freed(struct taps *t, uint32_t id);

/* The target has another name now; its taps get that one. */
void taps_rename_target(struct taps *t, const struct target *target);

/* Attached taps of a target. */
unsigned int taps_count(const struct taps *t, const struct target *target);

/* An interface in the namespace leads out of it, and no host's end of a veth pair is watched. */
bool taps_lack_host_end(const struct taps *t, const struct target *target);

/* The namespace (its inode) that tap `id` watches; 0 none. */
uint64_t taps_netns(const struct taps *t, uint32_t id);

/* Appends their interfaces, joined by ", ". */
void taps_names(const struct taps *t, const struct target *target, struct strbuf *out);

#endif

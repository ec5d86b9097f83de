/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Link events of other namespaces, without a socket or an fd inside them: one
 * rtnetlink socket at home that listens to every namespace which has a number
 * (nsid) here. The number is all that is left behind; it dies with the namespace.
 */
#ifndef NSWATCH_NETNS_WATCH_H
#define NSWATCH_NETNS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

struct netns_watch;

#define NETNS_WATCH_HOME   (-1) /* nsid of events at home */
#define NETNS_WATCH_NONE   (-2) /* no nsid: of one that was not added */
#define NETNS_WATCH_RESYNC 0	/* msgtype: events were lost, look at everything again */
#define NETNS_WATCH_RULES  1	/* msgtype: there are new nftables rules */

/*
 * nsid: what netns_watch_add() returned, or NETNS_WATCH_HOME. msgtype:
 * RTM_NEWLINK (added, renamed, up, down), RTM_DELLINK, RTM_DELNSID (the
 * namespace is gone; ifindex 0, ifname empty), RTM_NEWNSID (one got a number here),
 * NETNS_WATCH_RULES or NETNS_WATCH_RESYNC. ifname is untrusted bytes. A number is given again at
 * once: an event may be of the namespace that had it before. Events of namespaces that were not
 * added come as well, if they have a number for another reason: skip nsids you do not know.
 */
typedef void netns_watch_cb(void *ctx, int nsid, int msgtype, uint32_t ifindex, const char *ifname);

/* Must be called at home. 0 or -errno. */
int netns_watch_open(struct netns_watch **out, struct err *e);
void netns_watch_free(struct netns_watch *w);

/* Takes the namespace nsfd in; the caller closes nsfd. Returns its nsid (>= 0,
 * the same one each time), NETNS_WATCH_HOME for home itself, or -errno below -1. */
int netns_watch_add(struct netns_watch *w, int nsfd, struct err *e);

/* Whether any namespace has this number now; in doubt, yes. */
bool netns_watch_is_given(struct netns_watch *w, int nsid);

/* Whether the namespace nsfd has it. */
bool netns_watch_is_number_of(struct netns_watch *w, int nsid, int nsfd);

/* Readable when there is something to read; borrowed. */
int netns_watch_fd(const struct netns_watch *w);

/* From now on, NETNS_WATCH_RULES as well. 0, or -errno: -ENOENT, quietly, where no nftables
 * are in the kernel yet (to ask for them would load them). */
int netns_watch_rules(struct netns_watch *w, struct err *e);
void netns_watch_rules_end(struct netns_watch *w);
/* As netns_watch_fd(), for these; -1 without. */
int netns_watch_rules_fd(const struct netns_watch *w);

/* Delivers what is there and returns without waiting. 0 or -errno. */
int netns_watch_read(struct netns_watch *w, netns_watch_cb *cb, void *ctx);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loader's own parts and what they share. Each function belongs to the file
 * that its prefix names.
 */
#ifndef NSWATCH_LOADER_INTERNAL_H
#define NSWATCH_LOADER_INTERNAL_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "attach/filter.h"
#include "attach/programs.h"
#include "attach/taps.h"
#include "command/command.h"
#include "file/series.h"
#include "netns/facts.h"
#include "netns/watch.h"
#include "options.h"
#include "sandbox/sandbox.h"
#include "sandbox/wire.h"

/* Beyond so many namespaces things are said in sums, and programs are shared. */
#define MANY_TARGETS 8

struct roll;

struct watched {
	struct target target;
	int nsid;
	uint64_t cookie;      /* netns_cookie() */
	bool new_rules;	      /* of nftables */
	int64_t rules_read;   /* when; CLOCK_MONOTONIC, ns */
	bool dirty;	      /* its interfaces changed */
	bool host_end;	      /* of its veth pairs is watched, too */
	bool told_busy;	      /* that it is not, for now */
	int64_t many_packets; /* when many had passed there once more; the programs' clock, ns */
	int64_t keep_until;   /* it is watched, busy or not; CLOCK_MONOTONIC, ns */
	bool gone;
	int64_t gone_at; /* CLOCK_MONOTONIC, ns */
};

/* When to look again who is there (--follow). */
struct follow {
	int timer_fd, inotify_fd;
	unsigned int looks; /* since the last sign of something new */
	int64_t last_look;  /* when it ended; CLOCK_MONOTONIC, ns */
	int64_t cost;	    /* of that, ns */
};

struct loader {
	const struct options *o;
	struct watched **targets;
	unsigned int n, room;
	struct follow follow;
	struct identity identity;
	struct series series;
	struct filter *filter;
	bool sees_drops;     /* by a firewall */
	bool filter_in_user; /* the kernel did not take it */
	struct programs *programs;
	struct taps *taps;
	struct netns_watch *links;
	struct ring_buffer *attempts;
	struct command command;
	bool announcing; /* interfaces found at start are named in one line */
	pid_t collector; /* 0 once reaped */
	int sock, files_sock, file_fd, signal_fd, timer_fd;
	int socket_room;	    /* bytes that may wait in sock, if they are no taps */
	bool is_falling_behind;	    /* said once */
	unsigned int attempts_left; /* of this round */
	unsigned int next_file;	    /* number that the collector may ask for */
	int64_t first_signal;	    /* when; 0: none yet */
	struct facts_memory memory;
	time_t facts_second;
	unsigned int facts_used;
	int64_t said_second; /* and how many lines were said in it about interfaces */
	unsigned int said;
	bool stopping, stop_sent;
	bool is_usage_error; /* what failed is the user's to correct */
	int status;	     /* the collector's, once it ended */
};

/* From now on nothing new is watched; the loop detaches and lets the collector end. */
void loader_begin_stop(struct loader *l);

/* Loads the programs, with the filter in the kernel if it can be had there. */
int load_programs(struct loader *l, struct err *e);

/* The collector's process, and what is said to it. */
int child_fork(struct loader *l, struct err *e);
/* Sends what may be left out when the collector does not keep up. */
void child_send(struct loader *l, const struct wire_msg *m);
/* Its socket is readable. False: it is gone. */
bool child_serve(struct loader *l);
void child_reap(struct loader *l);
/* Ends it: the watch has not begun. */
void child_abandon(struct loader *l);

/* The processes of packets, where these are shown: attaches the hooks; then, once
 * namespaces are watched, finds those of sockets that are open already. */
void owners_attach(struct loader *l);
void owners_seed(struct loader *l);

/* Socket calls to name servers, and what --dns has to know about who made them. */
int attempts_open(struct loader *l, struct err *e);
/* Takes at most `most` of those that wait. */
void attempts_read(struct loader *l, unsigned int most);
/* Rules of a firewall may be new there: if they may drop what is sent, that is seen. */
void attempts_new_rules(struct loader *l, struct watched *w);
/* The collector asks for facts. */
void attempts_answer(struct loader *l, const struct dns_ask *a);
/* server and asker may be NULL. code: 1 answers a question. */
void attempts_send_facts(struct loader *l, const struct target *t, const struct owner *asker,
			 uint32_t ppid, const struct ipaddr *server, uint16_t port, int code);

/* Output files: the first, and those that the collector asks for. */
int files_open(struct loader *l, struct err *e);
void files_serve(struct loader *l);

int64_t loader_now_ns(void); /* CLOCK_MONOTONIC */

/* Ids for taps, and one: --all is for machines with many of them. */
uint32_t load_max_taps(const struct options *o);

/* What is watched. */
int watchset_resolve(struct loader *l, struct err *e);
int watchset_attach(struct loader *l, struct err *e);
/* Link events are waiting. */
void watchset_update(struct loader *l);
/* The host's ends of the veth pairs of that namespace (its inode) tell more than is known. */
void watchset_host_end(struct loader *l, uint64_t netns);
/* There, tap `id` has seen many packets once more; when, on the programs' clock. */
void watchset_many_packets(struct loader *l, uint32_t id, int64_t when);
struct watched *watchset_find(struct loader *l, uint64_t ino);
/* Takes in what is there now. False: something has no proper name yet, or is missing. */
bool watchset_look(struct loader *l);
void watchset_free(struct loader *l);

/*
 * --follow: signs that something new may be there, and when to look. Without
 * signs nothing is looked at, and nobody is woken up.
 */
int follow_open(struct loader *l, struct err *e);
void follow_close(struct loader *l);
/* Something new may be there. */
void follow_hint(struct loader *l);
/* Its descriptors are readable. */
void follow_timer(struct loader *l);
void follow_inotify(struct loader *l);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `-- COMMAND`: a child in the target's network namespace. Everything else of
 * it is the invoker's own (files, credentials, terminal, environment), unless
 * struct command_options says otherwise.
 *
 *	command_start()	forks; the child enters the namespaces, makes its mounts
 *			and waits. From here on /proc/PID shows the view of
 *			network and files that COMMAND will have.
 *	command_go()	lets it exec, once whatever watches it is in place.
 *	command_pidfd()	becomes readable when it has ended.
 *	command_status()	says how.
 *
 * The child stays in the invoker's process group, so that a Ctrl-C reaches it
 * directly. File descriptors that are not close-on-exec are inherited, as
 * `ip netns exec` and `nsenter` do: a shell's <(...) works.
 */
#ifndef NSWATCH_COMMAND_COMMAND_H
#define NSWATCH_COMMAND_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

struct dns_facts;

/* Descriptors are borrowed; -1 where there is none. Strings are needed until
 * command_start() returns, argv until command_go() does. */
struct command_options {
	char *const *argv; /* NULL-terminated, at least one word */
	int netns_fd;	   /* -1: the invoker's own */
	/* A name known to `ip netns`, else NULL. Then, as `ip netns exec` does, in
	 * a private mount namespace: the files of /etc/netns/NAME are bound over
	 * those of /etc, and /sys is mounted anew so that /sys/class/net shows
	 * the namespace's interfaces. Without a name /sys is left alone, as
	 * `nsenter -n` leaves it. Ignored together with mntns_fd. */
	const char *netns_name;
	int mntns_fd; /* --mount: /proc/PID/ns/mnt of the process whose files to use */
	int root_fd;  /* with mntns_fd: its /proc/PID/root, for a process in a chroot */
	/* --fix-dns: what COMMAND shall read as /etc/resolv.conf, from a private
	 * mount namespace; no file of anyone changes. NULL: leave it. */
	const char *resolv_conf;
	bool stdout_to_stderr; /* our own stdout carries a capture file */
};

#define COMMAND_OPTIONS_INIT                                   \
	{                                                      \
		.netns_fd = -1, .mntns_fd = -1, .root_fd = -1, \
	}

struct command {
	pid_t pid; /* 0: none, or gone and reaped */
	int pidfd;
	int sock;	/* to the child until it has executed COMMAND */
	int status;	/* once ended: exit status as a shell counts it */
	bool has_ended; /* and has been reaped */
	int netns;	/* that was made for it, to be closed with it; else -1 */
};

#define COMMAND_INIT                                  \
	{                                             \
		.pidfd = -1, .sock = -1, .netns = -1, \
	}

/* Returns when the child stands ready in its namespaces, or -errno when it
 * could not get there. If the caller dies before command_go(), the child
 * exits without having run anything. */
int command_start(struct command *c, const struct command_options *opt, struct err *e);

/* Returns 0 once COMMAND is running; -errno if it could not be executed, and
 * then command_status() will be 127 (not found) or 126 (not executable). */
int command_go(struct command *c, struct err *e);

/* 0 when it has been reaped. */
pid_t command_pid(const struct command *c);
/* Readable from the end of COMMAND on. Owned by c. */
int command_pidfd(const struct command *c);

/* 0 to 255, 128 + N if signal N killed it; -EAGAIN while it is running. */
int command_status(struct command *c);

/* Sends it a signal. 0, or -errno (-ESRCH if it has ended). */
int command_kill(const struct command *c, int sig);

/* A child that was never let go exits and is reaped; one that runs is left
 * running. Accepts COMMAND_INIT and calls after errors. */
void command_fini(struct command *c);

/* `new`: a fresh network namespace, its lo down, as `unshare -n` makes it.
 * The fd (close-on-exec, owned by the caller) is all that keeps it alive. */
int command_new_netns(int *fd_out, struct err *e);

/*
 * --fix-dns: a resolv.conf(5) that names the host's upstream servers and keeps
 * the search list and the options of the file it stands in for. To be freed.
 * NULL with an error if no upstream is known that another namespace could
 * reach: loopback addresses are of no use there.
 */
char *command_fix_dns_text(const struct dns_facts *facts, struct err *e);

#endif

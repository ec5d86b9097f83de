/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SANDBOX_WIRE_H
#define NSWATCH_SANDBOX_WIRE_H

#include <stdint.h>

#include "dns/engine.h"
#include "dns/facts.h"
#include "nswatch/record.h"
#include "packet.h"

/*
 * What loader and collector say to each other, over a SOCK_SEQPACKET pair: one
 * message a packet, its length given by its type. Both run the same binary, so
 * layouts are the compiler's. The loader trusts nothing in what it receives.
 */
enum wire_type {
	/* loader → collector */
	WIRE_TAP,      /* a new tap; its packets come after this. One that goes on: its new name */
	WIRE_ATTACHED, /* tap number `code` sees every packet from now on */
	WIRE_GONE,     /* tap number `code` is detached */
	WIRE_ATTEMPT,  /* a socket call to a name server */
	WIRE_FACTS,    /* unasked, or the answer to WIRE_ASK */
	WIRE_FILE,     /* the next output file, with its fd; fd -1 with `code` = -errno */
	WIRE_STATS,    /* print the books now (SIGUSR1) */
	WIRE_LEAVING,  /* all taps are about to be detached */
	WIRE_STOP,     /* everything is detached: drain, report, end; with `code` set: the
			* watch never began, end without a word */
	/* collector → loader */
	WIRE_ASK,
	WIRE_HOST_END,	/* watch the host's end of what leads out of namespace `netns` as well */
	WIRE_NEED_FILE, /* rotation: `code` is the number of the next file */
	WIRE_FREED,	/* every record of the gone tap number `code` has been read */
	WIRE_DONE,	/* a limit is reached, or output failed: please stop */
	WIRE_RESULT,	/* the last message: `code` is the exit status */
	WIRE_NR_TYPES,
};

struct wire_msg {
	uint32_t type;
	int32_t code;
	union {
		struct tap tap;
		struct nsw_attempt attempt;
		struct dns_facts facts;
		struct dns_ask ask;
		uint64_t netns; /* inode */
	};
};

/* Sends; passed_fd travels along unless -1 (the caller keeps its own). 0 or -errno. */
int wire_send(int sock, const struct wire_msg *m, int passed_fd);

/*
 * Receives one message. 1: got one, *passed_fd is the caller's (-1: none).
 * 0: the other side is gone. -EAGAIN with MSG_DONTWAIT in flags, -EPROTO for a
 * message of the wrong length, or another -errno.
 */
int wire_recv(int sock, struct wire_msg *m, int *passed_fd, int flags);

#endif

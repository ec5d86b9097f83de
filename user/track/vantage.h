/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a lost packet was last seen, told from the two ends of a veth pair:
 *
 *     process → [eth0 | → veth0] → ... → [veth0 → | eth0] → process
 *              1          2                     3      4
 *
 * One that is seen at 1 must be seen at 2, and one at 3 at 4; a request seen at 2
 * has its answer at 3, one that came in at 4 has it at 1. Pure: no system call but
 * malloc, and time is an argument. Memory is bounded, at 2 MiB.
 */
#ifndef NSWATCH_TRACK_VANTAGE_H
#define NSWATCH_TRACK_VANTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/glance.h"
#include "packet.h"

struct vantage;

/* The last place that something lost was seen at. */
enum vantage_place {
	VANTAGE_LEFT_PROCESS, /* packets that did not leave the namespace */
	VANTAGE_LEFT_NETNS,   /* requests to which nothing came back */
	VANTAGE_CAME_BACK,    /* packets that did not come in */
	VANTAGE_CAME_IN,      /* requests that the process did not answer */
	VANTAGE_NR_PLACES,
};

struct vantage_loss {
	uint64_t count;
	uint64_t unsure; /* might be lost, but records are missing, or what comes through is changed
			  */
	uint64_t first, last;	       /* packet numbers; 0 not known */
	int64_t first_time, last_time; /* ns since the epoch */
	struct glance_talk talk;       /* of the first */
};

/* One veth pair. */
struct vantage_pair {
	uint64_t netns; /* inode, of the inside */
	char target[TARGET_NAME_LEN];
	char inside[IFNAMSIZ], host[IFNAMSIZ];
	struct vantage_loss lost[VANTAGE_NR_PLACES];
};

struct vantage_options {
	/* A filter selects packets: those longer than an Ethernet frame are left out of account,
	 * since they may be cut or joined between the ends, and the filter looks at one end. */
	bool filtered;
	/* Whether the filter takes that packet; NULL: all are taken. No answer is waited
	 * for that it would not take. */
	bool (*takes)(void *ctx, const uint8_t *data, uint32_t len, enum direction dir);
	/* Told once for a pair and place, at the first loss. Or NULL. */
	void (*lost)(void *ctx, const struct vantage_pair *p, enum vantage_place at);
	void *ctx;
};

/* NULL when out of memory. */
struct vantage *vantage_new(const struct vantage_options *o);
void vantage_free(struct vantage *v);

/* A tap is there, or has another name. tap must live until the next call with its id. */
void vantage_tap(struct vantage *v, const struct tap *tap);
/* All packets of the tap are seen from now on; until now. ns since the epoch. */
void vantage_begin(struct vantage *v, const struct tap *tap, int64_t now);
void vantage_end(struct vantage *v, const struct tap *tap, int64_t now);
/* The same for all taps. Later calls change nothing. */
void vantage_end_all(struct vantage *v, int64_t now);

void vantage_packet(struct vantage *v, const struct packet *p);
/* Records of the tap were lost up to now. */
void vantage_missed(struct vantage *v, const struct tap *tap, int64_t now);

/* Does what is due; when that will be next: INT64_MAX is never. */
void vantage_tick(struct vantage *v, int64_t now);
int64_t vantage_next(const struct vantage *v);

/* Judges what waits still. */
void vantage_finish(struct vantage *v, int64_t now);

/* Pair number i, or NULL. Valid until the next call of vantage_tap(). */
const struct vantage_pair *vantage_pair(const struct vantage *v, size_t i);

/* Of the packets seen on the tap, those not seen at the other end. */
uint64_t vantage_not_across(const struct vantage *v, const struct tap *tap);

#endif

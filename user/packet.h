/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What flows through the collector: a packet, the tap it was seen on, and the
 * sinks it goes to. Live records (stream/) and records of a file (file/) look
 * the same from here on.
 */
#ifndef NSWATCH_PACKET_H
#define NSWATCH_PACKET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hold;

#define TARGET_NAME_LEN 128

/* For time_digits: whole seconds. */
#define TIME_DIGITS_NONE UINT8_MAX

enum tap_side { SIDE_INSIDE, SIDE_HOST };

enum direction { DIR_UNKNOWN, DIR_IN, DIR_OUT }; /* from the container's point of view */

/* One attachment to one interface; a re-attachment is a new tap. */
struct tap {
	uint32_t id;	     /* 1.. live; 0 for a file */
	uint32_t generation; /* 1, then up with each re-attachment of the same interface */
	int64_t began;	     /* ns since the Unix epoch; 0 for a file */
	int64_t gap;	     /* ns before that in which the interface of that name was not watched,
			      * since the attachment before; 0: there was none, or it goes on */
	uint64_t netns;	     /* inode of the *target's* network namespace, on both sides */
	uint32_t ifindex;    /* of this interface in its own namespace */
	uint32_t peer;	     /* of a host end: the ifindex of the inside one; else 0 */
	enum tap_side side;
	int dlt; /* libpcap DLT_ value; live taps are always DLT_EN10MB */
	bool is_loopback;
	uint8_t time_digits;	      /* of the second's fraction that the source has; 0 is 9 */
	char target[TARGET_NAME_LEN]; /* "php"; empty for a file; untrusted bytes */
	char ifname[IFNAMSIZ];	      /* untrusted bytes */
};

/* The process that sent or received a packet; pid 0 is unknown. */
struct owner {
	uint32_t pid;
	uint32_t mntns; /* inode of its mount namespace, 0 unknown */
	char comm[17];	/* NUL-terminated, untrusted bytes */
};

struct packet {
	uint64_t number;       /* 1.. in the order of delivery */
	int64_t time;	       /* ns since the Unix epoch, UTC */
	const uint8_t *data;   /* the frame from its link-layer header on; borrowed */
	uint32_t caplen;       /* bytes at data */
	uint32_t wirelen;      /* length on the wire; may be more than 65,535 (GSO, BIG TCP) */
	const struct tap *tap; /* borrowed; lives as long as the run */
	enum direction dir;
	bool csum_partial; /* transport checksum not filled in yet (offload) */
	struct owner owner;
};

/*
 * Packets of one tap, in order of time, as they lie in the kernel's ring: blocks
 * (include/nswatch/record.h), one behind the other, for a sink that writes them as they are.
 * None has an owner. Valid until the next call for packets; who needs them longer uses the
 * hold (stream/hold.h).
 */
struct packet_run {
	const struct tap *tap;
	uint8_t *blocks;
	size_t len;
	size_t n;
	struct hold *hold;
};

/* How far a sink has come with a run. */
struct run_part {
	size_t end;	/* bytes */
	size_t packets; /* since it was called */
};

/* The books of one tap, summed over CPUs. See struct nsw_count. */
struct tap_stats {
	uint64_t seen;
	uint64_t matched;
	uint64_t captured;
	uint64_t ring_full;
	uint64_t load_failed;
	uint64_t truncated;
	uint64_t delivered;  /* records that the collector read from the ring */
	uint64_t filtered;   /* of these, kept back by a filter in user space */
	uint64_t hidden;     /* of these, of the side that is evidence, not output */
	uint64_t beyond;     /* of these, come after the last one wanted (-c, a broken output) */
	uint64_t written;    /* of these, given whole to the output file */
	uint64_t write_lost; /* of these, lost on the way to the output file */
	uint64_t not_across; /* of those delivered, not seen at the other end of the veth pair */
};

#endif

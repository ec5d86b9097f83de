/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The counts behind `-z dns,tree`: of DNS messages, as tshark counts them, each with
 * its rate and its densest 100 ms.
 */
#ifndef NSWATCH_DNS_TREE_H
#define NSWATCH_DNS_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/dns.h"
#include "dns/transaction.h"

#define TREE_BUCKETS 21	 /* of 5 ms: a window of 100 ms, and the one that slides in */
#define TREE_VALUES  128 /* of one kind that are told apart */

struct tree_count {
	uint64_t n;
	struct {
		int64_t number; /* of the bucket, since the start */
		int64_t time;	/* ns since the start, of its first message */
		uint64_t n;
	} bucket[TREE_BUCKETS]; /* a ring, oldest first */
	uint32_t oldest, nr_buckets;
	uint64_t in_window;
	uint64_t burst;	    /* most that were in a window; 0 none */
	int64_t burst_time; /* ns since the start */
};

/* Values with their mean. Single precision is tshark's. */
struct tree_average {
	struct tree_count count;
	float total, min, max;
};

enum tree_kind { TREE_RCODE, TREE_OPCODE, TREE_RESPONSE, TREE_TYPE, TREE_CLASS, TREE_KINDS };

struct tree_value {
	uint32_t value;
	struct tree_count count;
};

struct dns_tree {
	bool started;
	int64_t start; /* of the capture, ns since the epoch */
	int64_t last;  /* message, ns since the start */
	struct tree_count packets;
	struct {
		struct tree_count all;
		uint32_t nr;
		struct tree_value values[TREE_VALUES];
	} kinds[TREE_KINDS];
	struct tree_average payload, name_len, response_time; /* bytes, characters, ms */
	struct tree_count levels[4];			      /* labels: 1, 2, 3, more or none */
	struct tree_average sections[DNS_NR_SECTIONS];	      /* of responses */
	struct tree_count unsolicited, repeated;
};

/* The capture's first packet, DNS or not. */
void dns_tree_start(struct dns_tree *t, int64_t time);
void dns_tree_add(struct dns_tree *t, const struct dns_seen *m);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_STREAM_STREAM_H
#define NSWATCH_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nswatch/record.h"
#include "packet.h"
#include "util/err.h"

/*
 * The consumer's end of the packet ring (include/nswatch/record.h): packets in order of
 * time, with the frame as it was on the wire.
 */
struct stream;

/* The ring's memory, shared with the programs and borrowed. */
struct ring {
	uint8_t *segments; /* each NSW_SEGMENT_STRIDE bytes */
	const struct nsw_link *links;
	const struct nsw_lane *lanes;
	struct nsw_returned *returned;
	volatile uint32_t *consumer; /* enum nsw_consumer */
	volatile __u64 *wall_offset;
	uint32_t nr_chunks, nr_lanes, nr_slots;
	/* A BPF_MAP_TYPE_RINGBUF, readable once a producer wakes us, and its two positions. */
	int bell_fd;
	uint64_t *bell_read;
	const uint64_t *bell_rung;
};

struct stream_options {
	const struct ring *ring;
	uint32_t snaplen;
	bool owners; /* blocks have one */
	enum nsw_clock clock;
	/* Tap by id, or NULL: then the packet is counted as a stray and skipped. */
	const struct tap *(*tap)(void *ctx, uint32_t id);
	void *ctx;
};

int stream_new(struct stream **out, const struct stream_options *o, struct err *e);
void stream_free(struct stream *s);

/*
 * Looks what has arrived. Returns whether stream_next() has something to give. final: the
 * producers have stopped, give everything.
 */
bool stream_poll(struct stream *s, bool final);

/* The next packet, valid until the next call of this, stream_run() or stream_poll(). False
 * when those of the last stream_poll() are used up. */
bool stream_next(struct stream *s, struct packet *p);

/*
 * Takes the next packets as a run, as many as are alike (see struct packet_run). False, and
 * nothing is taken, if the next one needs stream_next(), or there is none.
 */
bool stream_run(struct stream *s, struct packet_run *run);

/* Bytes of the ring that the last stream_poll() found new. */
size_t stream_taken(const struct stream *s);

/* Whether every packet that the ring held has been given out. */
bool stream_is_drained(const struct stream *s);

/*
 * Asks the producers for a wake-up. Returns true if the ring is empty and one may sleep on
 * the bell: for STREAM_SETTLE_MS at first, and if the ring is drained still then, for good.
 * False if there is something to do after all.
 */
bool stream_sleep(struct stream *s);
/* Asks for a wake-up only if the ring fills up; for a wait of known length on the bell. */
void stream_nap(struct stream *s);
/* After either, whatever the reason for waking. */
void stream_wake(struct stream *s);

#define STREAM_SETTLE_MS 2

/* The system clock has been set: what comes from now on is stamped by it. Unasked, the stream
 * finds that out at the first pass that is a second later than another. */
void stream_clock_stepped(struct stream *s);

/* Now as ns since the Unix epoch, on the clock of the packets. */
int64_t stream_now(struct stream *s);
/* The same for a time that the programs took of the ring's clock. */
int64_t stream_wall(struct stream *s, uint64_t time);

/* How far the last pass came, ns since the Unix epoch: all packets older than that have been
 * given out once stream_next() ends. */
int64_t stream_horizon(const struct stream *s);

/* Packets whose length or tap could not be true; never counted as delivered. */
uint64_t stream_strays(const struct stream *s);

#endif

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
 * The consumer's end of the packet ring: records in order of time, with the
 * frame as it was on the wire (stripped VLAN tag put back, synthetic Ethernet
 * header before a layer-3 packet).
 */
struct stream;

struct stream_options {
	int ring_fd; /* BPF_MAP_TYPE_RINGBUF; borrowed, only needed by stream_new() and to poll */
	size_t ring_size; /* bytes, a power of two */
	uint32_t snaplen;
	enum nsw_clock clock;
	volatile uint32_t *consumer; /* enum nsw_consumer, for the producers */
	/* Tap by id, or NULL: then the record is counted as a stray and skipped. */
	const struct tap *(*tap)(void *ctx, uint32_t id);
	void *ctx;
};

int stream_new(struct stream **out, const struct stream_options *o, struct err *e);
void stream_free(struct stream *s);

/*
 * Looks what has arrived. Returns how many records stream_next() will give, 0
 * if none can be given yet. final: the producers have stopped, give everything.
 */
size_t stream_poll(struct stream *s, bool final);

/* The next record, valid until the next call of this, stream_run() or
 * stream_poll(). False when
 * those of the last stream_poll() are used up. */
bool stream_next(struct stream *s, struct packet *p);

/*
 * Takes the next records as a run, as many as are alike (see struct packet_run). False, and
 * nothing is taken, if the next one needs stream_next(), or there is none.
 */
bool stream_run(struct stream *s, struct packet_run *run);

/* Bytes of the ring that the last stream_poll() took in. */
size_t stream_taken(const struct stream *s);

/* Whether every record that the ring held has been given out. */
bool stream_is_drained(const struct stream *s);

/*
 * Asks the producers for a wake-up. Returns true if the ring is empty and it is
 * safe to sleep on the ring's fd; false if there is something to do after all.
 */
bool stream_sleep(struct stream *s);
/* Asks for a wake-up only if the ring fills up; for a wait of known length on the
 * ring's fd, edge-triggered. */
void stream_nap(struct stream *s);
/* After either, whatever the reason for waking. */
void stream_wake(struct stream *s);

/* Now as ns since the Unix epoch, on the clock of the packets. */
int64_t stream_now(struct stream *s);
/* The same for a time that the programs took. */
int64_t stream_wall(struct stream *s, uint64_t time);

/* Now, and how far the last pass came, both on the ring's own clock in ns: records
 * older than the horizon have all been given out once stream_next() ends. */
int64_t stream_clock(const struct stream *s);
int64_t stream_horizon(const struct stream *s);

/* Records whose length or tap could not be true; never counted as delivered. */
uint64_t stream_strays(const struct stream *s);

#endif

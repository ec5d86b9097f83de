/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_WRITER_H
#define NSWATCH_SINK_WRITER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/*
 * A bounded queue of batches and the thread that writes them to a file
 * descriptor. The producer, one thread, fills a batch with whole records and
 * submits it; it never waits unless it asks to. See writer.c.
 */

/* A batch is submitted once it holds this much; what makes it full may go
 * beyond by one record of at most BATCH_SLACK bytes. */
#define BATCH_BYTES   (256 * 1024)
#define BATCH_SLACK   (320 * 1024)
#define BATCH_PACKETS (BATCH_BYTES / 16 + 1) /* no record is shorter than 16 bytes */
#define BATCH_SPANS   16

struct hold; /* stream/hold.h */

/* Whole records. Those that lie elsewhere are held; the hold is the batch's, and dropped once
 * they are written, or lost. */
struct span {
	const uint8_t *data;
	size_t len;
	struct hold *hold; /* NULL: they are in the batch's own data */
};

struct batch {
	uint8_t *data;	/* BATCH_BYTES + BATCH_SLACK */
	uint16_t *taps; /* of each packet record in data, in order; BATCH_PACKETS */
	size_t own;	/* bytes in data */
	size_t len;	/* and in spans that lie elsewhere */
	uint32_t nr_packets;
	uint32_t nr_spans; /* if any, they are all there is; else all is in data */
	struct span spans[BATCH_SPANS];
	size_t skip;	/* bytes at the start that are no record: the pcap file header */
	bool ends_file; /* the next batch belongs to the next file */
};

/* Bytes have been put at data + own, room for which there is until the batch is full. */
void batch_add_own(struct batch *b, size_t len);
/* There is room for one span until the batch is full. The hold is the batch's. */
void batch_add_span(struct batch *b, const uint8_t *data, size_t len, struct hold *hold);
bool batch_is_full(const struct batch *b);
/* Bytes of memory that its holds keep. */
size_t batch_keeps(const struct batch *b);

/* Length of the record at rec, of which len bytes are there, or 0 if it is not
 * whole; *is_packet: it holds a packet, so it has an entry in batch.taps. */
typedef size_t (*record_len_fn)(const uint8_t *rec, size_t len, int *is_packet);

struct writer_options {
	unsigned int nr_batches;
	record_len_fn record_len;
	bool gzip; /* compress, each file on its own */
	/* Opens file number `index` (the first is 1): an fd, owned from then
	 * on, or -errno. Called in the writer's thread. NULL: one file only. */
	int (*next_fd)(void *ctx, unsigned int index, struct err *e);
	/* The output has failed for good. Called once, in the writer's thread; or NULL. */
	void (*failed)(void *ctx);
	void *ctx;
	unsigned int stall_ms;		   /* see writer_hurry() */
	const volatile sig_atomic_t *stop; /* does the same once set; or NULL */
};

struct writer;

/* fd is owned from here on, on failure too. Starts the thread. NULL: see *e. */
struct writer *writer_new(int fd, const struct writer_options *o, struct err *e);
void writer_free(struct writer *w); /* after writer_finish(), or unfinished */

/* Free batches at this moment; only the producer takes them, so at least as
 * many are free until it does. */
unsigned int writer_nr_free(struct writer *w);
/* Waits until n (less than nr_batches) are free. False if the output has failed. */
bool writer_wait_free(struct writer *w, unsigned int n);

/* Bytes of memory that is kept by what has been submitted. */
size_t writer_held(const struct writer *w);
/* Lets the thread write until it is no more than that, for at most ns (less than a second).
 * False: it is more still. */
bool writer_wait_held(struct writer *w, size_t most, long ns);

/* An empty batch, or the last submitted one if that still has room and has not
 * been touched. NULL if there is none. */
struct batch *writer_get(struct writer *w);
/* Queues it. The thread is woken only once a few wait: each time costs a change of
 * context, and somebody else's cache. */
void writer_submit(struct writer *w, struct batch *b);
/* Wakes the thread, whatever waits. */
void writer_kick(struct writer *w);

/* An error has ended the output: all that is submitted counts as lost. */
bool writer_failed(struct writer *w);
/* Packets of the tap that were submitted and are not in a file. Compressed, a
 * file has all packets of a batch or none. */
uint64_t writer_lost(struct writer *w, uint16_t tap);

/* From now on, an output that makes no progress for stall_ms is given up. */
void writer_hurry(struct writer *w);

/* Writes all that is submitted, closes the file, ends the thread. The first
 * error, or 0. Once; writer_lost() is final after it. */
int writer_finish(struct writer *w, struct err *e);

#endif

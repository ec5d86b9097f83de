/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_CAPFILE_H
#define NSWATCH_SINK_CAPFILE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "packet.h"
#include "util/err.h"
#include "util/ipaddr.h"

/*
 * The capture file being written (-w): one file, or a row of them. A packet is
 * encoded into memory and written by a thread; when the output cannot keep up,
 * packets are lost and counted, the caller never waits. All functions are for
 * one thread.
 */
struct capfile;

struct capfile_options {
	enum file_format format;
	uint32_t snaplen;   /* 0 is NSW_MAX_SNAP, which is also the most */
	int dlt;	    /* link type of a pcap file; in pcapng each tap has its own */
	const char *filter; /* recorded in pcapng; copied; or NULL */
	size_t queue_bytes; /* what may wait for the output; 0 is 8 MiB, the least is 4 MiB */

	size_t borrow_bytes; /* of runs that may be written from where they are; 0 is 2 MiB */
	long borrow_wait_ns; /* for the writer then, less than a second; 0 is 250 us */

	bool gzip; /* compress the files; max_bytes still counts what goes in */

	/* Wait for a slow output instead of losing packets: for files that are
	 * rewritten, not for live traffic. */
	bool lossless;
	/* Once set, waiting ends when the output makes no progress. Or NULL. */
	const volatile sig_atomic_t *stop;

	/* A file that has reached a limit is full: the next packet opens the
	 * next one. 0 is no limit. */
	uint64_t max_bytes;
	uint64_t max_packets;
	int64_t max_duration;	/* ns between the first packet and the one that is too late */
	unsigned int max_files; /* after these, capfile_is_full(); 0 is no limit */

	/*
	 * Opens file number `index`, from 2 on: an fd, owned by the capfile
	 * from then on, or -errno and *e. Called in a thread of the capfile, so
	 * that waiting for the answer holds up nothing. NULL: only one file,
	 * max_files counts as 1.
	 */
	int (*next_fd)(void *ctx, unsigned int index, struct err *e);

	/* The output has failed for good (full disk, closed pipe); what comes
	 * from now on is lost. Called once, in a thread of the capfile; or NULL. */
	void (*failed)(void *ctx);

	/*
	 * Fills in the books of a tap up to now, for the statistics at the end
	 * of each pcapng file; written and write_lost are ignored. Called by
	 * capfile_packet() and capfile_close(). NULL: no statistics.
	 */
	void (*stats)(void *ctx, const struct tap *tap, struct tap_stats *s);
	void *ctx;
};

/*
 * Starts the first file on fd, which is owned from here on, on failure too. Its
 * header is submitted at once. Starts a thread, so it comes before a seccomp
 * filter; see writer.c for the system calls needed later. NULL: see *e.
 */
struct capfile *capfile_new(int fd, const struct capfile_options *o, struct err *e);

/* Declares an interface, in pcapng, before its first packet (which would do it
 * as well): one that stays silent is then listed with its statistics. */
void capfile_tap(struct capfile *c, const struct tap *tap);

/*
 * Adds a packet; comment (valid UTF-8, or NULL) goes with it in pcapng. False:
 * it is lost, and counted. After capfile_is_full() nothing is taken, nor
 * counted.
 */
bool capfile_packet(struct capfile *c, const struct packet *p, const char *comment);
bool capfile_is_full(const struct capfile *c);

/* Adds many packets, counting those that are lost. For a file without limits. Some are
 * written from where they are: see struct packet_run; for that, it may wait a quarter of a
 * millisecond for the writer, until that turns out to lag. */
void capfile_run(struct capfile *c, const struct packet_run *run);
/* After the last run for now: hands what is not copied to the writer. */
void capfile_let_go(struct capfile *c);

/* Whether the output has failed. */
bool capfile_has_failed(const struct capfile *c);

/* Notes n packets of the tap lost before they came here (ring full): the next
 * packet's block says so. They are not in capfile_stats(). */
void capfile_missed(struct capfile *c, const struct tap *tap, uint64_t n);

/* A name that an address is known by now. Ignored: pcap, names that are no host
 * names, and those beyond the first 4,096. */
void capfile_name(struct capfile *c, const struct ipaddr *a, const char *name);

/* Hands what is there to the writer. For when the caller goes idle, or after
 * each batch if somebody reads along. */
void capfile_flush(struct capfile *c);

/*
 * Ends the file: statistics, all that waits is written, the file is closed, the
 * thread ends. Returns the first error and a message in *e, or 0. An output
 * that takes nothing for 5 s is given up.
 */
int capfile_close(struct capfile *c, struct err *e);

/*
 * Of the packets given to capfile_packet(): lost ones, and the rest, which after
 * capfile_close() is exactly what is in the files (or went into the pipe). Before
 * that, it includes what waits.
 */
void capfile_stats(const struct capfile *c, const struct tap *tap, uint64_t *written,
		   uint64_t *lost);

/* Number of files begun. */
unsigned int capfile_nr_files(const struct capfile *c);

void capfile_free(struct capfile *c);

#endif

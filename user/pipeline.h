/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_PIPELINE_H
#define NSWATCH_PIPELINE_H

#include <signal.h>

#include "attach/filter.h"
#include "dns/engine.h"
#include "options.h"
#include "packet.h"
#include "sink/books.h"
#include "util/err.h"

/*
 * From a packet to the outputs: decode, track, diagnose, print, write. The
 * same for live packets (collector.c) and for those of a file (read.c).
 */
struct pipeline;

struct pipeline_setup {
	const struct options *o;
	int file_fd;	   /* first output file, owned from here on; -1: none */
	int dlt;	   /* link type of the packets */
	size_t ring_bytes; /* of live packets */
	bool live;
	bool utf8;			   /* stdout takes UTF-8 */
	const struct filter *filter;	   /* to be applied here, or NULL; borrowed */
	const struct filter *any_filter;   /* wherever it is applied, or NULL; borrowed */
	const char *filter_text;	   /* for the file; or NULL */
	const volatile sig_atomic_t *stop; /* ends waiting for a stuck output; or NULL */

	/* All may be NULL. */
	void (*ask)(void *ctx, const struct dns_ask *a);
	/* As in struct dns_engine_ops. */
	void (*host_end)(void *ctx, uint64_t netns);
	void (*losses)(void *ctx);
	int (*next_fd)(void *ctx, unsigned int index, struct err *e);
	void (*file_failed)(void *ctx); /* called in the writer's thread */
	void (*stats)(void *ctx, const struct tap *tap, struct tap_stats *s);
	void *ctx;
};

/* Starts the writer's thread: after sandbox_drop(), before sandbox_seal(). */
int pipeline_new(struct pipeline **out, const struct pipeline_setup *s, struct err *e);
void pipeline_free(struct pipeline *p);

/* No more packets pass it. */
void pipeline_tap_gone(struct pipeline *p, const struct tap *tap);
/* A tap whose packets come after now, ns since the epoch. */
void pipeline_tap(struct pipeline *p, const struct tap *tap, int64_t now);
/* Whether its packets go to the outputs; else they are evidence only (--side, --dns). */
bool pipeline_shows(const struct pipeline *p, const struct tap *tap);
void pipeline_packet(struct pipeline *p, struct packet *pkt);
/* Whether packets may come as a run: nothing is done with them but writing them. */
bool pipeline_takes_runs(const struct pipeline *p);
void pipeline_run(struct pipeline *p, const struct packet_run *run);
/* After the last packet for now: nothing of the ring's memory is kept longer than needed. */
void pipeline_let_go(struct pipeline *p);
void pipeline_attempt(struct pipeline *p, const struct dns_attempt *a);
/* A tap sees all from now on (told with --side both or --json), or nothing any more; all taps
 * are about to go (with --side both). now: ns since the epoch. */
void pipeline_attached(struct pipeline *p, const struct tap *tap, int64_t now);
void pipeline_gone(struct pipeline *p, const struct tap *tap, int64_t now);
void pipeline_leaving(struct pipeline *p, int64_t now);
void pipeline_facts(struct pipeline *p, const struct dns_facts *f, int64_t now);
/* Records of a namespace were lost before they came here. */
void pipeline_lost(struct pipeline *p, const struct tap *tap, uint64_t n, int64_t now);

/* Time passes: what is due at now (ns since the epoch) is done. */
void pipeline_tick(struct pipeline *p, int64_t now);
/* When pipeline_tick() is needed next; INT64_MAX: not until something comes. */
int64_t pipeline_next(const struct pipeline *p);
/* Nothing to do for a moment: whoever reads along gets all there is. */
void pipeline_idle(struct pipeline *p);

/* Whoever read standard output has closed it. */
void pipeline_reader_gone(struct pipeline *p);

/* A limit of the command line is reached, or an output is broken: stop. */
bool pipeline_is_done(const struct pipeline *p);

/* What became of the packets of a tap that came here: filtered, hidden, beyond,
 * written, write_lost. */
void pipeline_count(const struct pipeline *p, const struct tap *tap, struct tap_stats *s);

/* Ends all outputs. 0, or -errno with the first thing that went wrong. */
int pipeline_finish(struct pipeline *p, int64_t now, struct err *e);

/* The books, for programs (--json): after pipeline_finish() they are final. */
int pipeline_books(struct pipeline *p, const struct books *b, bool is_final, struct err *e);

#endif

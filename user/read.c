// SPDX-License-Identifier: GPL-2.0-only
#include "read.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file/output.h"
#include "file/reader.h"
#include "file/series.h"
#include "pipeline.h"
#include "sandbox/sandbox.h"
#include "util/cleanup.h"
#include "util/log.h"

struct run {
	const struct options *o;
	struct reader *reader;
	struct pipeline *pipeline;
	struct identity identity;
	int64_t last; /* time of the latest packet */
	bool is_usage_error;
};

/* Files after the first cannot be opened once sealed; so they are refused. */
static int check_usage(const struct options *o, struct err *e)
{
	if (series_rotates(o))
		return err_set(e, -EINVAL, "-b cannot be used with -r");
	return 0;
}

static int start(struct run *r, struct err *e)
{
	struct pipeline_setup ps = {
		.o = r->o,
		.file_fd = -1,
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.filter_text = r->o->filter,
	};
	int keep[2] = { -1, -1 };
	int err = check_usage(r->o, e);

	r->is_usage_error = err != 0;
	if (err)
		return err;
	r->reader = reader_open(r->o->read_file, e);
	if (!r->reader)
		return e->code;
	if (r->o->filter)
		err = reader_filter(r->reader, r->o->filter, e);
	r->is_usage_error = err != 0;
	if (!err && (r->o->print || r->o->dns || r->o->dns_tree || !r->o->write_file))
		err = reader_check_link(r->reader, e);
	if (!err && r->o->write_file) {
		struct identity owner;

		sandbox_invoker(&owner);
		ps.file_fd = output_open(r->o->write_file, owner.uid, owner.gid, e);
		err = ps.file_fd < 0 ? ps.file_fd : 0;
	}
	ps.dlt = reader_tap(r->reader)->dlt;
	keep[0] = ps.file_fd;
	keep[1] = reader_fd(r->reader);
	tzset();
	if (!err)
		err = sandbox_drop(&r->identity, keep, ARRAY_SIZE(keep), e);
	if (!err)
		err = pipeline_new(&r->pipeline, &ps, e);
	return err ?: sandbox_seal(e);
}

/* Whole packets before a damaged place are shown; then the damage is told. */
static int copy(struct run *r, struct err *e)
{
	struct packet pkt;
	int got = 0;

	while (!pipeline_is_done(r->pipeline) && (got = reader_next(r->reader, &pkt, e)) == 1) {
		r->last = pkt.time;
		pipeline_packet(r->pipeline, &pkt);
	}
	return got < 0 ? got : 0;
}

int read_main(const struct options *o)
{
	struct run r = { .o = o };
	struct err read_err = { 0 }, e = { 0 };
	int err;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sandbox_identity(&r.identity);
	err = start(&r, &e);
	if (err) {
		log_err(&e);
	} else {
		err = copy(&r, &read_err);
		if (pipeline_finish(r.pipeline, r.last, &e)) {
			log_err(&e);
			err = e.code;
		}
		if (read_err.code)
			log_err(&read_err);
	}
	pipeline_free(r.pipeline);
	reader_free(r.reader);
	if (r.is_usage_error)
		return EXIT_USAGE;
	return err ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "decode/frame.h"
#include "file/output.h"
#include "file/series.h"
#include "nswatch/record.h"
#include "sink/capfile.h"
#include "sink/dns_json.h"
#include "sink/dns_text.h"
#include "sink/dns_tree.h"
#include "sink/last_seen.h"
#include "sink/out.h"
#include "sink/tap_json.h"
#include "sink/text.h"
#include "stream/record.h"
#include "track/vantage.h"
#include "util/log.h"

/* What the sinks' headers say that one line needs. */
#define LINE_ROOM    16384
#define SUMMARY_ROOM (512 * 1024 - 1)

/* Packets of a tap that go to no output. */
struct unused {
	uint64_t filtered;
	uint64_t hidden;
	uint64_t beyond;
};

struct pipeline {
	struct pipeline_setup s;
	const struct options *o;
	bool show_packets; /* as text or JSON lines */
	bool takes_runs;
	struct out out;
	struct text *text;
	struct dns_engine *dns;
	struct dns_text_style style;
	struct dns_text_clock clock;
	struct dns_tree *tree; /* -z dns,tree */
	struct capfile *file;
	struct vantage *vantage; /* --side both: where what is lost was last seen */
	uint64_t taken;		 /* packets that count for -c */
	struct unused *unused;	 /* by tap id */
	int64_t first_time;
	bool done;
};

static unsigned int terminal_width(void)
{
	struct winsize w;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_col)
		return 0;
	return w.ws_col;
}

static bool use_color(const struct options *o)
{
	if (o->color == COLOR_AUTO)
		return isatty(STDOUT_FILENO);
	return o->color == COLOR_ALWAYS;
}

static void on_transaction(void *ctx, const struct dns_transaction *t);
static void on_finding(void *ctx, const struct dns_finding *f);

static void on_ask(void *ctx, const struct dns_ask *a)
{
	struct pipeline *p = ctx;

	p->s.ask(p->s.ctx, a);
}

static void on_message(void *ctx, const struct dns_seen *m)
{
	struct pipeline *p = ctx;

	dns_tree_add(p->tree, m);
}

static void on_host_end(void *ctx, uint64_t netns)
{
	struct pipeline *p = ctx;

	p->s.host_end(p->s.ctx, netns);
}

static void on_losses(void *ctx)
{
	struct pipeline *p = ctx;

	p->s.losses(p->s.ctx);
}

static struct dns_engine_ops dns_ops(const struct pipeline *p)
{
	return (struct dns_engine_ops){
		.transaction = on_transaction,
		.finding = on_finding,
		.message = p->tree ? on_message : NULL,
		.ask = p->s.ask ? on_ask : NULL,
		.host_end = p->s.host_end && p->o->side == SIDES_INSIDE ? on_host_end : NULL,
		.losses = p->s.losses ? on_losses : NULL,
	};
}

static int start_dns(struct pipeline *p, struct err *e)
{
	struct dns_engine_options o = {
		.from_host_side = p->o->side == SIDES_HOST,
		.multicast = p->o->mdns,
	};
	struct dns_engine_ops ops;

	memcpy(o.ports, p->o->dns_ports, sizeof(o.ports));
	p->style = (struct dns_text_style){
		.color = use_color(p->o),
		.utf8 = p->s.utf8,
		.show_target = p->o->nr_targets > 1 || p->o->all,
		.forewarn = true,
		.details = p->o->details,
		.width = terminal_width(),
		.clock = &p->clock,
	};
	if (p->o->dns_tree) {
		p->tree = calloc(1, sizeof(*p->tree));
		if (!p->tree)
			return err_sys(e, -ENOMEM, "DNS table");
	}
	ops = dns_ops(p);
	p->dns = dns_engine_new(&o, &ops, p);
	return p->dns ? 0 : err_sys(e, -ENOMEM, "DNS engine");
}

static int start_text(struct pipeline *p, struct err *e)
{
	struct text_options o = {
		.time_format = p->o->time_format,
		.show_tap = p->o->nr_targets > 1 || p->o->all || p->o->side == SIDES_BOTH,
		.color = use_color(p->o),
	};

	p->text = text_new(&o);
	return p->text ? 0 : err_sys(e, -ENOMEM, "text output");
}

static int start_file(struct pipeline *p, struct err *e)
{
	const struct options *o = p->o;
	struct capfile_options c = {
		.format = o->format,
		.snaplen = o->snaplen,
		.dlt = p->s.dlt,
		.filter = p->s.filter_text,
		.borrow_bytes = p->s.ring_bytes / 4,
		.gzip = output_is_gzip(o->write_file),
		.lossless = !p->s.live,
		.stop = p->s.stop,
		.max_bytes = o->ring_filesize ?: o->stop_filesize,
		.max_packets = o->ring_packets,
		.max_duration = (int64_t)o->ring_duration_ns,
		.max_files = o->stop_files,
		.next_fd = series_rotates(o) ? p->s.next_fd : NULL,
		.failed = p->s.file_failed,
		.stats = p->s.stats,
		.ctx = p->s.ctx,
	};

	p->file = capfile_new(p->s.file_fd, &c, e);
	return p->file ? 0 : e->code;
}

static void say_lost(const struct vantage_pair *pair, enum vantage_place at)
{
	char mem[512];
	struct strbuf line;
	size_t i;

	strbuf_init(&line, mem, sizeof(mem));
	for (i = 0; last_seen_text(&line, pair, at, i); i++) {
		log_info("%s", mem);
		strbuf_reset(&line);
	}
}

static void on_first_lost(void *ctx, const struct vantage_pair *pair, enum vantage_place at)
{
	(void)ctx;
	say_lost(pair, at);
}

static bool filter_takes(void *ctx, const uint8_t *data, uint32_t len, enum direction dir)
{
	const struct pipeline *p = ctx;

	if (p->o->directions != DIRECTIONS_BOTH)
		return false; /* the other one is not watched */
	return !p->s.any_filter || filter_match(p->s.any_filter, data, len, len, dir);
}

/* With --dns the findings tell it. */
static int start_vantage(struct pipeline *p, struct err *e)
{
	struct vantage_options o = {
		.filtered = p->s.any_filter != NULL,
		.takes = filter_takes,
		.lost = on_first_lost,
		.ctx = p,
	};

	if (!p->s.live || p->o->side != SIDES_BOTH || p->o->dns)
		return 0;
	if (p->s.any_filter && filter_asks_length(p->s.any_filter)) {
		log_info("the filter looks at lengths: the ends of a veth pair are not compared");
		return 0;
	}
	p->vantage = vantage_new(&o);
	return p->vantage ? 0 : err_sys(e, -ENOMEM, "vantage");
}

/* Only writing, and no limit that a single packet could reach. */
static bool only_writes(const struct pipeline *p)
{
	const struct options *o = p->o;

	return p->s.live && p->file && !p->dns && !p->show_packets && !p->s.filter && !o->count &&
	       !o->stop_packets && !o->stop_filesize && !series_rotates(o);
}

int pipeline_new(struct pipeline **out, const struct pipeline_setup *s, struct err *e)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	const struct options *o = s->o;
	int err = -ENOMEM;

	if (!p || out_init(&p->out, STDOUT_FILENO, o->line_buffered || isatty(STDOUT_FILENO))) {
		err_sys(e, -ENOMEM, "output");
		goto fail;
	}
	p->s = *s;
	p->o = o;
	p->unused = calloc(NSW_MAX_TAPS, sizeof(*p->unused));
	if (!p->unused) {
		err_sys(e, -ENOMEM, "output");
		goto fail;
	}
	p->show_packets = !o->quiet && (o->print || (!o->dns && !o->write_file));
	err = o->dns || o->dns_tree ? start_dns(p, e) : 0;
	if (!err && p->show_packets)
		err = start_text(p, e);
	if (!err)
		err = start_vantage(p, e);
	if (!err && s->file_fd >= 0)
		err = start_file(p, e);
	if (err)
		goto fail;
	p->takes_runs = only_writes(p);
	*out = p;
	return 0;
fail:
	pipeline_free(p);
	return err;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	capfile_free(p->file);
	dns_engine_free(p->dns);
	vantage_free(p->vantage);
	free(p->tree);
	text_free(p->text);
	out_fini(&p->out);
	free(p->unused);
	free(p);
}

bool pipeline_shows(const struct pipeline *p, const struct tap *tap)
{
	/* A file is shown as it is. */
	if (!p->s.live)
		return true;
	switch (p->o->side) {
	case SIDES_INSIDE: return tap->side == SIDE_INSIDE;
	case SIDES_HOST: return tap->side == SIDE_HOST;
	default: return true;
	}
}

void pipeline_tap(struct pipeline *p, const struct tap *tap, int64_t now)
{
	if (p->dns)
		dns_engine_tap(p->dns, tap, now);
	if (p->file && pipeline_shows(p, tap))
		capfile_tap(p->file, tap);
	if (p->vantage)
		vantage_tap(p->vantage, tap);
}

static void print_tap(struct pipeline *p, const struct tap *tap, int64_t now,
		      void (*print)(struct strbuf *out, const struct tap *tap, int64_t now))
{
	if (!p->o->json || p->o->quiet || p->done || !pipeline_shows(p, tap))
		return;
	print(out_reserve(&p->out, LINE_ROOM), tap, now);
	out_line_end(&p->out);
}

void pipeline_attached(struct pipeline *p, const struct tap *tap, int64_t now)
{
	if (p->vantage)
		vantage_begin(p->vantage, tap, now);
	print_tap(p, tap, now, tap_json_attach);
}

void pipeline_gone(struct pipeline *p, const struct tap *tap, int64_t now)
{
	if (p->vantage)
		vantage_end(p->vantage, tap, now);
	print_tap(p, tap, now, tap_json_detach);
}

void pipeline_leaving(struct pipeline *p, int64_t now)
{
	if (p->vantage)
		vantage_end_all(p->vantage, now);
}

void pipeline_tap_gone(struct pipeline *p, const struct tap *tap)
{
	if (p->dns)
		dns_engine_tap_gone(p->dns, tap);
}

/* Addresses in the answer become names in the file. */
static void learn_names(struct pipeline *p, const struct dns_transaction *t)
{
	char text[DNS_ANSWERS_LEN], *save = NULL, *word;
	struct ipaddr a;

	if (!p->file || t->rcode || (t->state != DNS_ANSWERED && t->state != DNS_LATE))
		return;
	memcpy(text, t->answers, sizeof(text));
	for (word = strtok_r(text, ", ", &save); word; word = strtok_r(NULL, ", ", &save))
		if (ipaddr_parse(word, &a))
			capfile_name(p->file, &a, t->name);
}

static void on_transaction(void *ctx, const struct dns_transaction *t)
{
	struct pipeline *p = ctx;
	struct strbuf *b = out_reserve(&p->out, LINE_ROOM);

	learn_names(p, t);
	/* What a resolver passed on is in the line of the lookup itself. */
	if (!p->o->dns || p->o->quiet || (t->upstream_of && !p->o->json))
		return;
	if (p->o->json)
		dns_json_transaction(b, t);
	else
		dns_text_transaction(b, t, &p->style);
	p->style.after_blank = false;
	out_line_end(&p->out);
}

/* Each once; the summary has the final count. */
static void on_finding(void *ctx, const struct dns_finding *f)
{
	struct pipeline *p = ctx;
	struct strbuf *b = out_reserve(&p->out, LINE_ROOM);

	if (f->repeat || p->o->quiet || !p->o->dns)
		return;
	if (p->o->json)
		dns_json_finding(b, f);
	else
		dns_text_finding(b, f, &p->style);
	p->style.after_blank = true;
	out_line_end(&p->out);
}

static void print_packet(struct pipeline *p, const struct packet *pkt, const struct frame *f)
{
	struct strbuf *b = out_reserve(&p->out, LINE_ROOM);

	if (p->o->json) {
		struct text_columns c = text_columns(p->text, pkt, f);

		dns_json_packet(b, pkt, &c.flow, c.protocol, c.info);
	} else {
		text_line(p->text, pkt, f, b);
		strbuf_putc(b, '\n');
	}
	out_line_end(&p->out);
}

static void check_outputs(struct pipeline *p)
{
	if (p->out.error || (p->file && (capfile_is_full(p->file) || capfile_has_failed(p->file))))
		p->done = true;
}

/* -c, -a packets: and -a duration: of a file being read, whose clock is its own. */
static void check_limits(struct pipeline *p, const struct packet *pkt)
{
	const struct options *o = p->o;
	uint64_t limit = o->count ? o->count : o->stop_packets;

	if (!p->first_time)
		p->first_time = pkt->time;
	if (limit && p->taken >= limit)
		p->done = true;
	if (!p->s.live && o->stop_duration_ns &&
	    pkt->time - p->first_time >= (int64_t)o->stop_duration_ns)
		p->done = true;
	check_outputs(p);
}

void pipeline_packet(struct pipeline *p, struct packet *pkt)
{
	struct unused *unused = &p->unused[pkt->tap->id % NSW_MAX_TAPS];
	bool shown = pipeline_shows(p, pkt->tap);
	struct frame f;

	if (p->done) {
		/* Not a limit but a failure: what comes still is lost, and counted. */
		if (p->file && shown && capfile_has_failed(p->file))
			capfile_packet(p->file, pkt, NULL);
		else
			unused->beyond++;
		return;
	}
	if (p->s.filter &&
	    !filter_match(p->s.filter, pkt->data, pkt->caplen, pkt->wirelen, pkt->dir)) {
		unused->filtered++;
		return;
	}
	if (p->o->snaplen && pkt->caplen > p->o->snaplen)
		pkt->caplen = p->o->snaplen;
	if (p->dns || p->show_packets)
		decode_frame(&f, pkt->data, pkt->caplen, pkt->wirelen, pkt->tap->dlt);
	if (shown) {
		pkt->number = p->s.live ? ++p->taken : (p->taken++, pkt->number);
		if (p->show_packets)
			print_packet(p, pkt, &f);
		if (p->file && !capfile_packet(p->file, pkt, NULL) && capfile_is_full(p->file))
			unused->beyond++;
	} else {
		unused->hidden++;
	}
	if (p->vantage)
		vantage_packet(p->vantage, pkt);
	if (p->tree)
		dns_tree_start(p->tree, pkt->time);
	if (p->dns)
		dns_engine_packet(p->dns, pkt, &f);
	check_limits(p, pkt);
	/* What comes now is not looked at any more. */
	if (p->done)
		pipeline_leaving(p, pkt->time);
}

bool pipeline_takes_runs(const struct pipeline *p)
{
	return p->takes_runs;
}

static void compare_run(struct pipeline *p, const struct packet_run *run)
{
	struct packet pkt = { .number = p->taken, .tap = run->tap };
	size_t at;
	uint32_t n;

	for (at = 0; at < run->len && (n = run_block_len(run, at)); at += n) {
		block_packet(run->blocks + at, &pkt);
		pkt.number++;
		vantage_packet(p->vantage, &pkt);
	}
}

void pipeline_run(struct pipeline *p, const struct packet_run *run)
{
	struct unused *unused = &p->unused[run->tap->id % NSW_MAX_TAPS];

	if (p->done && !capfile_has_failed(p->file)) {
		unused->beyond += run->n;
	} else if (!pipeline_shows(p, run->tap)) {
		unused->hidden += run->n;
	} else {
		if (p->vantage)
			compare_run(p, run);
		p->taken += run->n;
		capfile_run(p->file, run);
	}
	check_outputs(p);
}

void pipeline_let_go(struct pipeline *p)
{
	if (p->file)
		capfile_let_go(p->file);
}

void pipeline_attempt(struct pipeline *p, const struct dns_attempt *a)
{
	if (p->dns)
		dns_engine_attempt(p->dns, a);
}

void pipeline_facts(struct pipeline *p, const struct dns_facts *f, int64_t now)
{
	if (p->dns)
		dns_engine_facts(p->dns, f, now);
}

void pipeline_lost(struct pipeline *p, const struct tap *tap, uint64_t n, int64_t now)
{
	if (p->dns)
		dns_engine_lost(p->dns, tap->netns, n, now);
	if (p->vantage)
		vantage_missed(p->vantage, tap, now);
	if (p->file && pipeline_shows(p, tap))
		capfile_missed(p->file, tap, n);
}

void pipeline_tick(struct pipeline *p, int64_t now)
{
	if (p->dns)
		dns_engine_tick(p->dns, now);
	if (p->vantage)
		vantage_tick(p->vantage, now);
	check_outputs(p);
}

int64_t pipeline_next(const struct pipeline *p)
{
	int64_t dns = p->dns ? dns_engine_next(p->dns) : INT64_MAX;
	int64_t vantage = p->vantage ? vantage_next(p->vantage) : INT64_MAX;

	return dns < vantage ? dns : vantage;
}

void pipeline_idle(struct pipeline *p)
{
	out_flush(&p->out);
	if (p->file)
		capfile_flush(p->file);
	check_outputs(p);
}

void pipeline_reader_gone(struct pipeline *p)
{
	if (!p->out.error)
		p->out.error = -EPIPE;
	p->done = true;
}

bool pipeline_is_done(const struct pipeline *p)
{
	return p->done;
}

void pipeline_count(const struct pipeline *p, const struct tap *tap, struct tap_stats *s)
{
	const struct unused *u = &p->unused[tap->id % NSW_MAX_TAPS];

	s->filtered = u->filtered;
	s->hidden = u->hidden;
	s->beyond = u->beyond;
	if (p->vantage)
		s->not_across = vantage_not_across(p->vantage, tap);
	if (p->file)
		capfile_stats(p->file, tap, &s->written, &s->write_lost);
}

static void finish_dns(struct pipeline *p, int64_t now)
{
	const struct dns_summary *s = dns_engine_finish(p->dns, now);
	struct strbuf *b = out_reserve(&p->out, SUMMARY_ROOM);

	if (p->tree)
		dns_tree_text(b, p->tree);
	if (!p->o->dns)
		return;
	if (p->o->json)
		dns_json_summary(b, s);
	else
		dns_text_summary(b, s, &p->style);
}

/* Where what was lost was last seen. */
static void finish_vantage(struct pipeline *p, int64_t now)
{
	const struct vantage_pair *pair;
	size_t i;
	int at;

	vantage_finish(p->vantage, now);
	for (i = 0; (pair = vantage_pair(p->vantage, i)); i++) {
		for (at = 0; at < VANTAGE_NR_PLACES; at++) {
			say_lost(pair, at);
			if (!p->o->json)
				continue;
			last_seen_json(out_reserve(&p->out, LINE_ROOM), pair, at);
			out_line_end(&p->out);
		}
	}
}

static int check_stdout(const struct pipeline *p, struct err *e)
{
	if (p->out.error == -EPIPE)
		return err_set(e, -EPIPE,
			       "standard output: broken pipe, its reader has closed it; stopped");
	if (p->out.error)
		return err_sys(e, p->out.error, "cannot write to standard output");
	return 0;
}

int pipeline_books(struct pipeline *p, const struct books *b, bool is_final, struct err *e)
{
	int before = p->out.error;

	if (!p->o->json)
		return 0;
	books_json(out_reserve(&p->out, SUMMARY_ROOM), b, is_final);
	out_flush(&p->out);
	return before ? 0 : check_stdout(p, e);
}

int pipeline_finish(struct pipeline *p, int64_t now, struct err *e)
{
	int err;

	if (p->dns)
		finish_dns(p, now);
	if (p->vantage)
		finish_vantage(p, now);
	out_flush(&p->out);
	err = check_stdout(p, e);
	if (p->file) {
		struct err fe = { 0 };
		int ferr = capfile_close(p->file, &fe);

		if (ferr && !err) {
			*e = fe;
			err_wrap(e, "%s",
				 strcmp(p->o->write_file, "-") ? p->o->write_file
							       : "standard output");
		}
		err = err ?: ferr;
	}
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "file/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file/source.h"
#include "util/cleanup.h"

#define NS_PER_S 1000000000LL

struct reader {
	char *name; /* for messages */
	struct source *source;
	pcap_t *pcap;
	struct bpf_program filter;
	bool has_filter;
	uint64_t number;
	struct tap tap;			  /* of packets whose interface has no name */
	struct tap *named[SOURCE_LABELS]; /* by label; made when a packet comes */
};

/* Those that decode_frame() knows. */
static const int decodable[] = { DLT_EN10MB, DLT_RAW,  DLT_NULL,      DLT_LOOP,
				 DLT_IPV4,   DLT_IPV6, DLT_LINUX_SLL, DLT_LINUX_SLL2 };

/* libpcap's words for the commonest mistakes are for programmers. */
static void explain_open(struct reader *r, const char *why, struct err *e)
{
	const char *damage = source_damage(r->source);

	if (damage) {
		err_set(e, -EINVAL, "%s: %s", r->name, damage);
	} else if (strstr(why, "unknown file format")) {
		err_set(e, -EINVAL, "%s: not a capture file (neither pcap nor pcapng)", r->name);
		err_hint(e, "zstd -dc FILE | nswatch -r -, if it is compressed (gzip needs no "
			    "help)");
	} else if (strstr(why, "only got 0")) {
		err_set(e, -EINVAL, "%s: is empty", r->name);
	} else if (strstr(why, "truncated")) {
		err_set(e, -EINVAL, "%s: ends within its header", r->name);
	} else {
		err_set(e, -EINVAL, "%s: %s", r->name, why);
	}
}

static int open_pcap(struct reader *r, int fd, struct err *e)
{
	char why[PCAP_ERRBUF_SIZE];
	FILE *f;

	r->source = source_new(fd);
	f = r->source ? source_stream(r->source) : NULL;
	if (!f)
		return err_sys(e, -ENOMEM, "%s", r->name);
	r->pcap = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!r->pcap) {
		fclose(f);
		explain_open(r, why, e);
		return -EINVAL;
	}
	r->tap.dlt = pcap_datalink(r->pcap);
	return 0;
}

struct reader *reader_open_fd(int fd, const char *name, struct err *e)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (r)
		r->name = strdup(strcmp(name, "-") ? name : "standard input");
	if (!r || !r->name) {
		close(fd);
		err_sys(e, -ENOMEM, "%s", name);
		reader_free(r);
		return NULL;
	}
	if (open_pcap(r, fd, e)) {
		reader_free(r);
		return NULL;
	}
	return r;
}

struct reader *reader_open(const char *path, struct err *e)
{
	bool is_stdin = !strcmp(path, "-");
	struct stat st;
	int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			  : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		err_sys(e, -errno, "%s", is_stdin ? "standard input" : path);
		return NULL;
	}
	if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
		close(fd);
		err_sys(e, -EISDIR, "%s", path);
		return NULL;
	}
	return reader_open_fd(fd, path, e);
}

void reader_free(struct reader *r)
{
	size_t i;

	if (!r)
		return;
	if (r->has_filter)
		pcap_freecode(&r->filter);
	if (r->pcap)
		pcap_close(r->pcap);
	for (i = 0; i < SOURCE_LABELS; i++)
		free(r->named[i]);
	source_free(r->source);
	free(r->name);
	free(r);
}

const struct tap *reader_tap(const struct reader *r)
{
	return &r->tap;
}

int reader_fd(const struct reader *r)
{
	return source_fd(r->source);
}

int reader_check_link(const struct reader *r, struct err *e)
{
	const char *text = pcap_datalink_val_to_description(r->tap.dlt);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(decodable); i++)
		if (decodable[i] == r->tap.dlt)
			return 0;
	err_set(e, -ENOTSUP, "%s: cannot decode link type %d (%s)", r->name, r->tap.dlt,
		text ? text : "unknown");
	err_hint(e, "-w FILE copies such packets; tshark decodes them");
	return -ENOTSUP;
}

int reader_filter(struct reader *r, const char *expr, struct err *e)
{
	struct bpf_program prog;

	if (pcap_compile(r->pcap, &prog, expr, 1, PCAP_NETMASK_UNKNOWN))
		return err_set(e, -EINVAL, "filter \"%s\": %s", expr, pcap_geterr(r->pcap));
	if (r->has_filter)
		pcap_freecode(&r->filter);
	r->filter = prog;
	r->has_filter = true;
	return 0;
}

/* A name of ours is "php/eth0", its description that of sink/pcapng.c. */
static void set_names(struct tap *tap, const struct source_label *l)
{
	const char *of = strstr(l->description, "network namespace ");
	const char *slash = strrchr(l->name, '/');
	unsigned long long netns;
	unsigned int ifindex;

	if (of && sscanf(of, "network namespace %20llu, ifindex %10u", &netns, &ifindex) == 2) {
		tap->side = of == l->description + 3 ? SIDE_INSIDE : SIDE_HOST;
		tap->netns = netns;
		tap->ifindex = ifindex;
	} else {
		slash = NULL;
	}
	if (slash)
		snprintf(tap->target, sizeof(tap->target), "%.*s", (int)(slash - l->name), l->name);
	snprintf(tap->ifname, sizeof(tap->ifname), "%s", slash ? slash + 1 : l->name);
	tap->is_loopback = !strcmp(tap->ifname, "lo");
}

static struct tap *tap_of(struct reader *r, uint8_t label)
{
	struct tap *tap = r->named[label];

	if (!label)
		return &r->tap;
	if (tap)
		return tap;
	tap = malloc(sizeof(*tap));
	if (!tap)
		return &r->tap;
	*tap = r->tap;
	tap->id = label;
	set_names(tap, source_label(r->source, label));
	r->named[label] = tap;
	return tap;
}

/* The packets of a pcapng file may differ in resolution. Seconds are unsigned in a
 * pcap file; libpcap makes those after 2038 negative. */
static int64_t packet_time(struct reader *r, const struct timeval *tv, struct tap **tap)
{
	uint8_t digits, label;
	bool known;
	int64_t ns;

	known = source_packet_time(r->source, &ns, &digits, &label);
	*tap = tap_of(r, label);
	(*tap)->time_digits = digits;
	if (known)
		return ns;
	return (int64_t)(uint32_t)tv->tv_sec * NS_PER_S + tv->tv_usec; /* tv_usec holds ns */
}

static int explain_damage(const struct reader *r, struct err *e)
{
	const char *why = pcap_geterr(r->pcap), *damage = source_damage(r->source);
	unsigned long long n = r->number + 1;

	if (damage)
		return err_set(e, -EBADMSG, "%s: ends in packet %llu: %s", r->name, n, damage);
	if (strstr(why, "truncated"))
		return err_set(e, -EBADMSG, "%s: cut short in the middle of packet %llu", r->name,
			       n);
	return err_set(e, -EBADMSG, "%s: damaged at packet %llu: %s", r->name, n, why);
}

int reader_next(struct reader *r, struct packet *out, struct err *e)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	struct tap *tap;
	int64_t time;
	int got;

	do {
		got = pcap_next_ex(r->pcap, &h, &data);
		if (got == PCAP_ERROR_BREAK && !source_damage(r->source))
			return 0;
		if (got != 1)
			return explain_damage(r, e);
		r->number++;
		time = packet_time(r, &h->ts, &tap);
	} while (r->has_filter && !pcap_offline_filter(&r->filter, h, data));
	*out = (struct packet){
		.number = r->number,
		.time = time,
		.data = data,
		.caplen = h->caplen,
		.wirelen = h->len,
		.tap = tap,
	};
	return 1;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The Info column is made first, into a buffer that lives with the sink,
 * because the protocol's name is known only when its innermost layer has been
 * looked at. Then the columns are put together. Widths are minima, as in
 * tshark: number 5 and time 10 to the right, source 12 to the right,
 * destination 12 to the left, the others as they come.
 *
 * A header that the packet does not hold whole ends the line's text where the
 * reading stopped, with a note that says whether the capture cut it off or the
 * packet itself is wrong.
 */
#include "sink/text.h"

#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sink/text_line.h"
#include "track/arp.h"
#include "track/frag.h"
#include "util/cleanup.h"
#include "util/digits.h"

#define INFO_SIZE   4096
#define MAX_FLOWS   16384
#define MAX_PAYLOAD (4u << 20)
#define MAX_ECHOS   8192
#define MAX_CLAIMS  16384
#define ETH_FCS_LEN 4
#define ETH_ZLEN    60 /* shortest frame, without its checksum */
#define MAX_FRAGS   64
#define NS	    1000000000
#define MAX_DIGITS  9
#define ARROW	    " \xe2\x86\x92 "

struct text {
	struct text_options o;
	bool has_first, has_last;
	int64_t first, last; /* times of packets, ns */
	time_t clock_second;
	char clock[24]; /* that second as text, for TIME_ABSOLUTE and the like */
	uint8_t clock_len;
	struct tcp_track *tcp;
	struct echo_track *echo;
	struct frag_track *frag;
	struct arp_track *arp;
	char info[INFO_SIZE];
	char protocol[64];
};

struct text *text_new(const struct text_options *o)
{
	struct text *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->o = *o;
	t->clock_second = -1;
	t->tcp = tcp_track_new(MAX_FLOWS, MAX_PAYLOAD);
	t->echo = echo_track_new(MAX_ECHOS);
	t->frag = frag_track_new(MAX_FRAGS, FRAG_FOR_EVER);
	t->arp = arp_track_new(MAX_CLAIMS);
	if (!t->tcp || !t->echo || !t->frag || !t->arp) {
		text_free(t);
		return NULL;
	}
	return t;
}

void text_free(struct text *t)
{
	if (!t)
		return;
	tcp_track_free(t->tcp);
	echo_track_free(t->echo);
	frag_track_free(t->frag);
	arp_track_free(t->arp);
	free(t);
}

/* --- pieces ---------------------------------------------------------------- */

/* What the columns up to the protocol take at most, with a block of MAX_WIDTH behind them. */
#define COLUMNS_SIZE 256
#define MAX_WIDTH    12
#define MAC_SIZE     (3 * 16)

/* Moves a text to the right end of its column; in whole blocks, whatever is behind it. */
static char *align_right(char *from, char *to, size_t width)
{
	size_t len = (size_t)(to - from);
	char text[MAX_WIDTH];

	if (len >= width)
		return to;
	memcpy(text, from, sizeof(text));
	memset(from, ' ', sizeof(text));
	memcpy(from + (width - len), text, sizeof(text));
	return from + width;
}

static char *align_left(const char *from, char *to, size_t width)
{
	size_t len = (size_t)(to - from);

	if (len >= width)
		return to;
	memset(to, ' ', MAX_WIDTH);
	return to + (width - len);
}

void text_mac_put(struct strbuf *b, const uint8_t *mac, unsigned int len)
{
	static const char hex[] = "0123456789abcdef";
	char tmp[MAC_SIZE];
	unsigned int i, n = 0;

	for (i = 0; i < len && n + 3 <= sizeof(tmp); i++) {
		tmp[n++] = hex[mac[i] >> 4];
		tmp[n++] = hex[mac[i] & 0xf];
		tmp[n++] = ':';
	}
	if (n)
		strbuf_put(b, tmp, n - 1);
}

void text_field(struct strbuf *b, const char *name, uint64_t value)
{
	strbuf_putc(b, ' ');
	strbuf_puts(b, name);
	strbuf_putc(b, '=');
	strbuf_u64(b, value);
}

void text_insert(struct strbuf *b, size_t at, const char *s, size_t len)
{
	size_t end = b->len;

	strbuf_put(b, s, len);
	if (b->cut || at == end)
		return;
	memmove(b->s + at + len, b->s + at, end - at);
	memcpy(b->s + at, s, len);
}

struct cursor line_cursor(const struct line *l, uint32_t off, uint32_t len)
{
	uint32_t caplen = off < l->f->caplen ? l->f->caplen - off : 0;

	return cursor_init(l->f->data + (caplen ? off : 0), caplen, len);
}

/* --- time ------------------------------------------------------------------ */

static unsigned int digits_of(const struct tap *tap)
{
	if (tap->time_digits == TIME_DIGITS_NONE)
		return 0;
	return tap->time_digits ?: MAX_DIGITS;
}

static char *put_fraction(char *to, uint32_t ns, unsigned int digits)
{
	unsigned int i;

	if (!digits)
		return to;
	for (i = digits; i < MAX_DIGITS; i++)
		ns /= 10;
	*to++ = '.';
	return digits_last(to, ns, digits);
}

static char *put_seconds(char *to, int64_t ns, unsigned int digits)
{
	uint64_t v = ns < 0 ? -(uint64_t)ns : (uint64_t)ns, unit = 1;
	unsigned int i;

	for (i = digits; i < MAX_DIGITS; i++)
		unit *= 10;
	if (ns < 0 && v >= unit)
		*to++ = '-';
	to = digits_u64(to, v / NS);
	return put_fraction(to, (uint32_t)(v % NS), digits);
}

/* Renders the time of day, and the date; a second's packets share the text. */
static void set_clock(struct text *t, time_t second, bool utc, bool date)
{
	struct strbuf b;
	struct tm tm;

	if (second == t->clock_second)
		return;
	if (utc)
		gmtime_r(&second, &tm);
	else
		localtime_r(&second, &tm);
	strbuf_init(&b, t->clock, sizeof(t->clock));
	if (date) {
		strbuf_digits(&b, (uint32_t)tm.tm_year + 1900, 4);
		strbuf_putc(&b, '-');
		strbuf_digits(&b, (uint32_t)tm.tm_mon + 1, 2);
		strbuf_putc(&b, '-');
		strbuf_digits(&b, (uint32_t)tm.tm_mday, 2);
		strbuf_putc(&b, ' ');
	}
	strbuf_digits(&b, (uint32_t)tm.tm_hour, 2);
	strbuf_putc(&b, ':');
	strbuf_digits(&b, (uint32_t)tm.tm_min, 2);
	strbuf_putc(&b, ':');
	strbuf_digits(&b, (uint32_t)tm.tm_sec, 2);
	t->clock_len = (uint8_t)b.len;
	t->clock_second = second;
}

static char *put_clock(struct text *t, char *to, const struct packet *p, bool utc, bool date)
{
	int64_t second = p->time / NS, ns = p->time % NS;

	if (ns < 0) {
		ns += NS;
		second--;
	}
	set_clock(t, (time_t)second, utc, date);
	memcpy(to, t->clock, sizeof(t->clock));
	return put_fraction(to + t->clock_len, (uint32_t)ns, digits_of(p->tap));
}

static char *put_time(struct text *t, char *to, const struct packet *p)
{
	unsigned int digits = digits_of(p->tap);

	switch (t->o.time_format) {
	case TIME_RELATIVE: return put_seconds(to, p->time - t->first, digits);
	case TIME_DELTA:
	case TIME_DELTA_SHOWN: return put_seconds(to, t->has_last ? p->time - t->last : 0, digits);
	case TIME_EPOCH: return put_seconds(to, p->time, digits);
	case TIME_ABSOLUTE: return put_clock(t, to, p, false, false);
	case TIME_ABSOLUTE_DATE: return put_clock(t, to, p, false, true);
	case TIME_UTC_CLOCK: return put_clock(t, to, p, true, false);
	case TIME_UTC_DATE: return put_clock(t, to, p, true, true);
	}
	return to;
}

/* --- columns --------------------------------------------------------------- */

static void put_tap(struct strbuf *b, const struct tap *tap)
{
	if (tap->target[0]) {
		strbuf_escape(b, tap->target, strnlen(tap->target, sizeof(tap->target)));
		strbuf_putc(b, '/');
	}
	strbuf_escape(b, tap->ifname, strnlen(tap->ifname, sizeof(tap->ifname)));
	strbuf_putc(b, ' ');
}

static char *put_mac(char *to, const uint8_t *mac, unsigned int len)
{
	struct strbuf b;

	strbuf_init(&b, to, MAC_SIZE);
	text_mac_put(&b, mac, len);
	return to + b.len;
}

/* The network address once it is known, else the link-layer one, else nothing. */
static char *put_source(char *to, const struct frame *f)
{
	if (f->has_src)
		return ipaddr_text(to, &f->flow.src);
	return f->has_mac_src ? put_mac(to, f->data + f->mac_src_off, f->mac_len) : to;
}

static char *put_destination(char *to, const struct frame *f)
{
	if (f->has_dst)
		return ipaddr_text(to, &f->flow.dst);
	return f->has_mac_dst ? put_mac(to, f->data + f->mac_dst_off, f->mac_len) : to;
}

static char *put_addresses(char *to, const struct frame *f)
{
	char *from = to;

	to = align_right(from, put_source(from, f), 12);
	memcpy(to, ARROW, sizeof(ARROW) - 1);
	from = to + sizeof(ARROW) - 1;
	return align_left(from, put_destination(from, f), 12);
}

static void put_first_columns(struct text *t, const struct packet *p, const struct frame *f,
			      struct strbuf *b)
{
	char mem[COLUMNS_SIZE], *text = strbuf_begin(b, mem, sizeof(mem)), *to;

	to = align_right(text, digits_u64(text, p->number), 5);
	*to++ = ' ';
	to = align_right(to, put_time(t, to, p), 10);
	*to++ = ' ';
	to = put_addresses(to, f);
	*to++ = ' ';
	strbuf_end(b, text, to);
}

/* f: the frame itself, which may be the last fragment of what the line is about. */
static void put_columns(struct text *t, const struct line *l, const struct frame *f,
			struct strbuf *b)
{
	if (t->o.show_tap)
		put_tap(b, l->p->tap);
	put_first_columns(t, l->p, l->f, b);
	strbuf_puts(b, l->protocol);
	strbuf_putc(b, ' ');
	strbuf_u64(b, f->wirelen);
	strbuf_putc(b, ' ');
	strbuf_put(b, l->info->s, l->info->len);
}

static const struct {
	enum frame_l4 l4;
	void (*info)(struct line *);
} transports[] = {
	{ L4_TCP, text_tcp },	  { L4_UDP, text_udp },	      { L4_ICMP, text_icmp },
	{ L4_ICMP6, text_icmp6 }, { L4_GRE, text_gre },	      { L4_ERSPAN, text_erspan },
	{ L4_VXLAN, text_vxlan }, { L4_GENEVE, text_geneve },
};

/* TCP and UDP are named once their ports are read; before, the line is the IP header's. */
static bool put_transport(struct line *l)
{
	const struct frame *f = l->f;
	size_t i;

	if ((f->l4 == L4_TCP || f->l4 == L4_UDP) && !f->flow.has_ports) {
		text_ip(l);
		return true;
	}

	for (i = 0; i < ARRAY_SIZE(transports); i++) {
		if (transports[i].l4 == l->f->l4) {
			transports[i].info(l);
			return true;
		}
	}
	return false;
}

/* An IPv4 header whose packet ends behind it, whatever it says comes next. */
static bool is_empty_ip4(struct line *l)
{
	const struct frame *f = l->f;

	if (f->ip_version != 4 || f->l4_len)
		return false;
	l->malformed = l->truncated = false;
	return true;
}

/* A fragment is dissected only if nothing will ever be put together. */
static bool is_waiting_fragment(struct line *l)
{
	if (!frame_waits(l->f))
		return false;
	l->malformed = l->truncated = false;
	return true;
}

/* Zeros behind the packet, with which the shortest Ethernet frame is filled. */
static bool is_padding(const struct frame *f, uint32_t from, uint32_t to)
{
	for (; from < to && from < ETH_ZLEN; from++)
		if (f->data[from])
			return false;
	return true;
}

/* Padding, or a trailer that is long enough for a checksum, captured in part. Behind a length
 * (IEEE 802.3) a trailer begins in any case. */
static bool cuts_trailer(const struct line *l)
{
	const struct frame *f = l->f;
	uint32_t end = f->is_8023 ? f->l2_off + f->l2_len : f->end_off, padding = 0;

	if (f->dlt != DLT_EN10MB || f->caplen >= f->wirelen)
		return false;
	if (f->is_8023 ? end > f->caplen : !f->has_end || end >= f->caplen)
		return f->is_8023;
	if (f->wirelen >= ETH_ZLEN && end < ETH_ZLEN && is_padding(f, end, f->caplen)) {
		if (f->caplen < ETH_ZLEN)
			return true;
		padding = ETH_ZLEN - end;
	}
	if (f->is_8023 ? f->nr_vlans || f->nr_tunnels : f->is_end_tagged)
		return false; /* no checksum is looked for */
	return f->wirelen >= ETH_ZLEN + ETH_FCS_LEN && f->wirelen - end - padding >= ETH_FCS_LEN;
}

/* What is missing there may be in the other fragments. */
static bool is_in_fragment(const struct frame *f)
{
	if (f->layer == LAYER_PAYLOAD || f->layer == LAYER_IP6_EXT)
		return f->is_fragment;
	return f->in_fragment;
}

static void put_info(struct line *l)
{
	switch (l->f->layer) {
	case LAYER_LINK:
	case LAYER_VLAN:
	case LAYER_RAW_8023:
	case LAYER_LLC: text_link(l); break;
	case LAYER_ARP: text_arp(l); break;
	case LAYER_IP4:
	case LAYER_IP6:
	case LAYER_IP6_EXT:
	case LAYER_IP_VERSION: text_ip(l); break;
	case LAYER_PAYLOAD:
		if (is_empty_ip4(l) || is_waiting_fragment(l) || !put_transport(l))
			text_ip(l);
		break;
	}
	if ((l->contained || l->malformed) && is_in_fragment(l->f))
		strbuf_puts(l->info, "[BoundErrorUnreassembled Packet]");
	else if (l->contained)
		strbuf_puts(l->info,
			    "[Malformed Packet: length of contained item exceeds length of "
			    "containing item]");
	else if (l->malformed)
		strbuf_puts(l->info, "[Malformed Packet]");
	if ((l->truncated && !l->malformed && !l->contained) || cuts_trailer(l))
		strbuf_puts(l->info, "[Packet size limited during capture]");
}

static const char *const tones[] = {
	[TONE_PLAIN] = NULL,
	[TONE_NOTICE] = "\033[33m",
	[TONE_TROUBLE] = "\033[31m",
};

/* A line up to its Info column. */
static void begin_line(struct text *t, struct line *l, const struct packet *p,
		       const struct frame *whole, struct strbuf *info)
{
	*l = (struct line){
		.p = p,
		.f = whole,
		.protocol = "",
		.info = info,
		.truncated = whole->truncated,
		.malformed = whole->malformed,
		.contained = whole->contained,
		.tcp = t->tcp,
		.echo = t->echo,
		.arp = t->arp,
	};
	strbuf_init(info, t->info, sizeof(t->info));
	put_info(l);
}

void text_line(struct text *t, const struct packet *p, const struct frame *f, struct strbuf *out)
{
	struct frame assembled;
	const struct frame *whole = frag_track_whole(t->frag, p, f, &assembled);
	struct strbuf info;
	struct line l;
	const char *tone;

	begin_line(t, &l, p, whole, &info);
	if (!t->has_first)
		t->first = p->time;
	t->has_first = true;
	tone = t->o.color ? tones[l.malformed || l.contained ? TONE_TROUBLE : l.tone] : NULL;
	if (tone)
		strbuf_puts(out, tone);
	put_columns(t, &l, f, out);
	if (tone)
		strbuf_puts(out, "\033[0m");
	t->last = p->time;
	t->has_last = true;
}

struct text_columns text_columns(struct text *t, const struct packet *p, const struct frame *f)
{
	struct frame assembled;
	const struct frame *whole = frag_track_whole(t->frag, p, f, &assembled);
	struct strbuf info;
	struct line l;

	begin_line(t, &l, p, whole, &info);
	strbuf_init(&info, t->protocol, sizeof(t->protocol));
	strbuf_puts(&info, l.protocol);
	return (struct text_columns){
		.protocol = t->protocol,
		.info = t->info,
		.flow = whole->flow,
	};
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * libpcap reads capture files for us, but (as of 1.10) three things get lost on
 * the way, which tshark shows:
 *
 * - in pcapng, seconds are cut to 32 bits: 2107 becomes 1970;
 * - packets are cut to the snapshot length in the file's header, although the
 *   file has more of them;
 * - a pcapng file whose interfaces differ in snapshot length is refused, and so
 *   is a packet longer than its interface's.
 *
 * libpcap takes a stdio stream. We give it one whose read function follows the
 * bytes as they pass: it puts the greatest snapshot length in place of each
 * that is smaller, and queues the times in pcapng blocks. libpcap returns one
 * packet for each packet block, in order, so the queue is taken one by one.
 *
 * A compressed file is unpacked before that.
 *
 * Nothing is judged here: what is no valid file, libpcap refuses. Bytes that make
 * no sense only end the following.
 */
#include "file/source.h"

#include <endian.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/gunzip.h"
#include "nswatch/record.h"
#include "packet.h"
#include "util/cleanup.h"

#define BUFFER_BYTES 65536
#define HEAD_BYTES   20 /* fixed part of a block or file header, as far as it is looked at */
/* Of a block, so much is looked at: the options with the time's resolution lie
 * before anything long. */
#define BLOCK_PREFIX 4096
#define NS_PER_S     1000000000ULL
/* No packet block is shorter than 16 bytes; as much again for what stdio holds. */
#define QUEUE_LEN (2 * BUFFER_BYTES / 16)

enum block_type {
	BLOCK_INTERFACE = 1,
	BLOCK_OLD_PACKET = 2,
	BLOCK_SIMPLE_PACKET = 3,
	BLOCK_PACKET = 6,
	BLOCK_SECTION = 0x0a0d0d0a,
};

enum { OPT_IF_NAME = 2, OPT_IF_DESCRIPTION = 3, OPT_TSRESOL = 9, OPT_TSOFFSET = 14 };

#define BYTE_ORDER_MAGIC 0x1a2b3c4du

struct interface {
	uint64_t units; /* per second; 0: unknown */
	int64_t offset; /* s */
	uint8_t digits; /* see struct tap */
	uint8_t label;	/* of names; 0 none */
};

enum kind { KIND_UNKNOWN, KIND_PCAP, KIND_PCAPNG, KIND_OTHER };

struct source {
	int fd;
	struct gunzip *gunzip;
	uint8_t buffer[BUFFER_BYTES];
	size_t pos, len;

	enum kind kind;
	bool swapped;	/* the other byte order than ours */
	uint8_t digits; /* of a pcap file; see struct tap */
	uint64_t at;	/* bytes of this file header or block that have passed */
	uint32_t total; /* length of this block; 0: not known yet */
	uint8_t prefix[BLOCK_PREFIX];

	struct interface *interfaces;
	uint32_t nr_interfaces;
	struct source_label labels[SOURCE_LABELS]; /* from 1 on, each once */
	uint8_t nr_labels;

	struct {
		int64_t time;
		bool known;
		uint8_t digits, label;
	} queue[QUEUE_LEN]; /* of packets that passed and were not returned yet */
	unsigned int queue_head;
	unsigned int queue_len;
};

static uint32_t get32(const struct source *s, size_t off)
{
	uint32_t v;

	memcpy(&v, s->prefix + off, sizeof(v));
	return s->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t get16(const struct source *s, size_t off)
{
	uint16_t v;

	memcpy(&v, s->prefix + off, sizeof(v));
	return s->swapped ? __builtin_bswap16(v) : v;
}

/* if_tsresol: a negative power of ten, or of two with the highest bit set. */
static uint64_t units_of(uint8_t resolution)
{
	unsigned int exponent = resolution & 0x7f;
	uint64_t units = 1;

	if (resolution & 0x80)
		return exponent < 64 ? units << exponent : 0;
	if (exponent > 19)
		return 0;
	while (exponent--)
		units *= 10;
	return units;
}

/*
 * The digits that a time in these units is worth, as tshark rounds them: those of
 * milli-, micro- and nanoseconds beyond two.
 */
static uint8_t digits_of(uint64_t units)
{
	unsigned int digits = 0;

	while (units >= 10 && digits < 9) {
		units /= 10;
		digits++;
	}
	if (!digits)
		return units ? TIME_DIGITS_NONE : 0;
	return digits < 3 ? (uint8_t)digits : (uint8_t)(digits / 3 * 3);
}

static void take_text(char *to, size_t size, const uint8_t *from, size_t len)
{
	size_t n = strnlen((const char *)from, len < size - 1 ? len : size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

/* The number under which the interface's name is kept, 0 if it has none. */
static uint8_t label_of(struct source *s, const struct source_label *l)
{
	uint8_t i;

	if (!l->name[0])
		return 0;
	for (i = 1; i <= s->nr_labels; i++)
		if (!strcmp(s->labels[i].name, l->name) &&
		    !strcmp(s->labels[i].description, l->description))
			return i;
	if (s->nr_labels == SOURCE_LABELS - 1)
		return 0;
	s->labels[++s->nr_labels] = *l;
	return s->nr_labels;
}

/* What the options of an interface say about its name and about time; the default is 10^-6 s. */
static struct interface read_interface(struct source *s)
{
	size_t end = s->total - 4 < BLOCK_PREFIX ? s->total - 4 : BLOCK_PREFIX, off = 16;
	struct interface i = { .units = 1000000 };
	struct source_label label = { 0 };
	uint64_t offset;

	while (off + 4 <= end && get16(s, off)) {
		uint16_t code = get16(s, off), len = get16(s, off + 2);

		if (off + 4 + len > end)
			break;
		if (code == OPT_TSRESOL && len == 1) {
			i.units = units_of(s->prefix[off + 4]);
		} else if (code == OPT_TSOFFSET && len == 8) {
			memcpy(&offset, s->prefix + off + 4, sizeof(offset));
			i.offset = (int64_t)(s->swapped ? __builtin_bswap64(offset) : offset);
		} else if (code == OPT_IF_NAME) {
			take_text(label.name, sizeof(label.name), s->prefix + off + 4, len);
		} else if (code == OPT_IF_DESCRIPTION) {
			take_text(label.description, sizeof(label.description), s->prefix + off + 4,
				  len);
		}
		off += 4 + ((len + 3u) & ~3u);
	}
	i.digits = digits_of(i.units);
	i.label = label_of(s, &label);
	return i;
}

static void add_interface(struct source *s)
{
	uint32_t n = s->nr_interfaces;
	struct interface *grown;

	if (!(n & (n - 1))) { /* full at each power of two */
		grown = realloc(s->interfaces, (n ? 2 * (size_t)n : 1) * sizeof(*grown));
		if (!grown) {
			s->kind = KIND_OTHER;
			return;
		}
		s->interfaces = grown;
	}
	s->interfaces[s->nr_interfaces++] = read_interface(s);
}

static bool to_ns(const struct source *s, uint32_t interface, uint64_t t, int64_t *out)
{
	const struct interface *i;
	__int128 ns;

	if (interface >= s->nr_interfaces || !s->interfaces[interface].units)
		return false;
	i = &s->interfaces[interface];
	ns = ((__int128)(t / i->units) + i->offset) * (int64_t)NS_PER_S +
	     (__int128)(t % i->units) * (int64_t)NS_PER_S / i->units;
	/* The end of time for 64 bits of nanoseconds is the year 2262. */
	*out = ns > INT64_MAX ? INT64_MAX : ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
	return true;
}

static void add_packet(struct source *s, uint32_t interface, uint32_t high, uint32_t low)
{
	unsigned int tail = (s->queue_head + s->queue_len) % QUEUE_LEN;

	if (s->queue_len == QUEUE_LEN) {
		s->kind = KIND_OTHER;
		return;
	}
	s->queue_len++;
	s->queue[tail].digits = interface < s->nr_interfaces ? s->interfaces[interface].digits : 0;
	s->queue[tail].label = interface < s->nr_interfaces ? s->interfaces[interface].label : 0;
	s->queue[tail].known =
		to_ns(s, interface, (uint64_t)high << 32 | low, &s->queue[tail].time);
}

/* The block has passed whole; its start is in prefix. */
static void end_block(struct source *s)
{
	switch (get32(s, 0)) {
	case BLOCK_SECTION: s->nr_interfaces = 0; break;
	case BLOCK_INTERFACE: add_interface(s); break;
	case BLOCK_PACKET: add_packet(s, get32(s, 8), get32(s, 12), get32(s, 16)); break;
	case BLOCK_OLD_PACKET: add_packet(s, get16(s, 8), get32(s, 12), get32(s, 16)); break;
	case BLOCK_SIMPLE_PACKET: add_packet(s, UINT32_MAX, 0, 0); break;
	default: break;
	}
	s->at = 0;
	s->total = 0;
}

/* Puts the greatest snapshot length where a smaller one passes by. */
static void raise_snaplen(const struct source *s, uint8_t *last_byte)
{
	uint32_t v = get32(s, s->at - 4);

	if (v >= NSW_MAX_SNAP)
		return;
	v = s->swapped ? __builtin_bswap32(NSW_MAX_SNAP) : NSW_MAX_SNAP;
	memcpy(last_byte - 3, &v, sizeof(v));
}

static void follow_pcap(struct source *s, uint8_t *byte)
{
	if (s->at != 20)
		return;
	raise_snaplen(s, byte);
	s->kind = KIND_OTHER;
}

static void follow_block(struct source *s, uint8_t *byte)
{
	if (s->at == 12 && get32(s, 0) == BLOCK_SECTION) {
		s->swapped ^= get32(s, 8) != BYTE_ORDER_MAGIC;
		s->total = get32(s, 4);
	} else if (s->at == 8 && get32(s, 0) != BLOCK_SECTION) {
		s->total = get32(s, 4);
	} else if (s->at == 16 && get32(s, 0) == BLOCK_INTERFACE) {
		raise_snaplen(s, byte);
	}
	if (s->total && s->at >= s->total && s->total < 12)
		s->kind = KIND_OTHER;
	else if (s->total && s->at == s->total)
		end_block(s);
}

static void find_kind(struct source *s)
{
	static const struct {
		uint32_t magic;
		enum kind kind;
		uint8_t digits;
	} magics[] = {
		{ 0xa1b2c3d4, KIND_PCAP, 6 },
		{ 0xa1b23c4d, KIND_PCAP, 9 },
		{ 0xa1b2cd34, KIND_PCAP, 6 },
		{ BLOCK_SECTION, KIND_PCAPNG, 0 },
	};
	size_t i;
	int order;

	s->kind = KIND_OTHER;
	for (order = 0; order < 2; order++)
		for (i = 0; i < ARRAY_SIZE(magics); i++) {
			s->swapped = order;
			if (get32(s, 0) != magics[i].magic)
				continue;
			s->kind = magics[i].kind;
			s->digits = magics[i].digits;
			return;
		}
}

static void follow_byte(struct source *s, uint8_t *byte)
{
	if (s->at < BLOCK_PREFIX)
		s->prefix[s->at] = *byte;
	s->at++;
	if (s->kind == KIND_UNKNOWN && s->at == 4)
		find_kind(s);
	if (s->kind == KIND_PCAP)
		follow_pcap(s, byte);
	else if (s->kind == KIND_PCAPNG)
		follow_block(s, byte);
}

/* Bytes that need no look: what follows the fixed part of a block (of an
 * interface, the options too), up to its last byte. */
static size_t plain_bytes(const struct source *s, size_t n)
{
	uint64_t left;
	uint32_t prefix;

	if (s->kind == KIND_OTHER)
		return n;
	if (s->kind != KIND_PCAPNG || !s->total || s->at >= s->total)
		return 0;
	prefix = get32(s, 0) == BLOCK_INTERFACE ? BLOCK_PREFIX : HEAD_BYTES;
	if (s->at < prefix)
		return 0;
	left = s->total - s->at - 1;
	return left < n ? left : n;
}

static void follow(struct source *s, uint8_t *bytes, size_t n)
{
	size_t i = 0, plain;

	while (i < n) {
		plain = plain_bytes(s, n - i);
		s->at += plain;
		i += plain;
		if (i < n)
			follow_byte(s, bytes + i++);
	}
}

static bool is_within_head(const struct source *s)
{
	return s->kind != KIND_OTHER && s->at > 0 && s->at < HEAD_BYTES;
}

static ssize_t read_more(struct source *s, size_t most)
{
	ssize_t n = gunzip_read(s->gunzip, s->buffer + s->len, most);

	if (n > 0) {
		follow(s, s->buffer + s->len, (size_t)n);
		s->len += (size_t)n;
	}
	return n;
}

/* A header is passed on whole, so that a field of it can still be changed when
 * its last byte is seen. Of the rest, whatever there is: a pipe may be live. */
static ssize_t fill(struct source *s)
{
	ssize_t n;

	s->pos = 0;
	s->len = 0;
	n = read_more(s, sizeof(s->buffer) - HEAD_BYTES);
	while (n > 0 && is_within_head(s) && s->len < sizeof(s->buffer))
		n = read_more(s, 1);
	return s->len ? (ssize_t)s->len : n;
}

static ssize_t pass(void *cookie, char *out, size_t size)
{
	struct source *s = cookie;
	ssize_t got;
	size_t n;

	if (s->pos == s->len) {
		got = fill(s);
		if (got <= 0)
			return got;
	}
	n = s->len - s->pos < size ? s->len - s->pos : size;
	memcpy(out, s->buffer + s->pos, n);
	s->pos += n;
	return (ssize_t)n;
}

struct source *source_new(int fd)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return NULL;
	}
	s->fd = fd;
	s->gunzip = gunzip_new(fd);
	if (!s->gunzip) {
		source_free(s);
		return NULL;
	}
	return s;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	gunzip_free(s->gunzip);
	closep(&s->fd);
	free(s->interfaces);
	free(s);
}

FILE *source_stream(struct source *s)
{
	return fopencookie(s, "r", (cookie_io_functions_t){ .read = pass });
}

int source_fd(const struct source *s)
{
	return s->fd;
}

const char *source_damage(const struct source *s)
{
	return gunzip_damage(s->gunzip);
}

bool source_packet_time(struct source *s, int64_t *ns, uint8_t *digits, uint8_t *label)
{
	unsigned int head = s->queue_head;

	*digits = s->digits;
	*label = 0;
	if (!s->queue_len)
		return false;
	s->queue_head = (head + 1) % QUEUE_LEN;
	s->queue_len--;
	*ns = s->queue[head].time;
	*digits = s->queue[head].digits;
	*label = s->queue[head].label;
	return s->queue[head].known;
}

const struct source_label *source_label(const struct source *s, uint8_t label)
{
	return &s->labels[label];
}

// SPDX-License-Identifier: GPL-2.0-only
#include "sink/pcapng.h"

#include <stdbool.h>
#include <string.h>

#include "sink/pcap.h"
#include "sink/store.h"
#include "stream/record.h"
#include "util/strbuf.h"

enum block_type {
	BLOCK_INTERFACE = 1,
	BLOCK_NAMES = 4,
	BLOCK_STATS = 5,
	BLOCK_PACKET = 6,
	BLOCK_SECTION = 0x0a0d0d0a,
};

enum option {
	OPT_END = 0,
	OPT_COMMENT = 1,
	SHB_HARDWARE = 2,
	SHB_OS = 3,
	SHB_APPLICATION = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_FILTER = 11,
	EPB_FLAGS = 2,
	EPB_DROPCOUNT = 4,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	ISB_FILTERACCEPT = 6,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
};

#define BYTE_ORDER_MAGIC    0x1a2b3c4du
#define TSRESOL_NANOSECONDS 9
#define FILTER_IS_PCAP_TEXT 0

enum name_record { NAME_END = 0, NAME_IPV4 = 1, NAME_IPV6 = 2 };

struct block_head {
	uint32_t type;
	uint32_t len;
};

struct option_head {
	uint16_t code;
	uint16_t len;
};

struct packet_head {
	struct block_head head;
	uint32_t interface;
	uint32_t time_high;
	uint32_t time_low;
	uint32_t caplen;
	uint32_t wirelen;
};

static uint32_t pad4(uint32_t n)
{
	return (n + 3) & ~3u;
}

/* A block under construction. Once something did not fit, `full` stays set and
 * the block comes to nothing. */
struct block {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	bool full;
};

static void put(struct block *b, const void *bytes, uint32_t len)
{
	uint32_t padded = pad4(len);

	if ((size_t)(b->end - b->p) < padded) {
		b->full = true;
		return;
	}
	if (padded != len)
		memset(b->p + padded - 4, 0, 4);
	memcpy(b->p, bytes, len);
	b->p += padded;
}

static void put_u32(struct block *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static void put_time(struct block *b, int64_t ns)
{
	put_u32(b, (uint32_t)((uint64_t)ns >> 32));
	put_u32(b, (uint32_t)ns);
}

static void block_begin(struct block *b, uint8_t *out, size_t room, enum block_type type)
{
	struct block_head head = { .type = type };

	*b = (struct block){ .start = out, .p = out, .end = out + room };
	put(b, &head, sizeof(head));
}

static size_t block_end(struct block *b)
{
	uint32_t len = (uint32_t)(b->p - b->start) + sizeof(len);

	put_u32(b, len);
	if (b->full)
		return 0;
	memcpy(b->start + offsetof(struct block_head, len), &len, sizeof(len));
	return len;
}

static void put_option(struct block *b, enum option code, const void *bytes, uint32_t len)
{
	struct option_head head = { .code = code, .len = (uint16_t)len };

	put(b, &head, sizeof(head));
	put(b, bytes, len);
}

static void put_text(struct block *b, enum option code, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len)
		put_option(b, code, text,
			   (uint32_t)(len < PCAPNG_TEXT_MAX ? len : PCAPNG_TEXT_MAX));
}

static void put_u64_option(struct block *b, enum option code, uint64_t v)
{
	put_option(b, code, &v, sizeof(v));
}

/* Timestamps in options are two words, the high one first, in either order of
 * bytes: not a 64-bit number. */
static void put_time_option(struct block *b, enum option code, int64_t ns)
{
	struct option_head head = { .code = code, .len = 8 };

	put(b, &head, sizeof(head));
	put_time(b, ns);
}

static void end_options(struct block *b)
{
	put_u32(b, OPT_END);
}

size_t pcapng_put_section(uint8_t *out, size_t room, const char *hardware, const char *os,
			  const char *application)
{
	struct block b;

	block_begin(&b, out, room, BLOCK_SECTION);
	put_u32(&b, BYTE_ORDER_MAGIC);
	put(&b, (const uint16_t[]){ 1, 0 }, 4); /* version 1.0 */
	put_u32(&b, UINT32_MAX);
	put_u32(&b, UINT32_MAX);
	put_text(&b, SHB_HARDWARE, hardware);
	put_text(&b, SHB_OS, os);
	put_text(&b, SHB_APPLICATION, application);
	end_options(&b);
	return block_end(&b);
}

static void put_if_name(struct block *b, const struct tap *tap)
{
	char mem[4 * (TARGET_NAME_LEN + IFNAMSIZ) + 2];
	struct strbuf s;

	strbuf_init(&s, mem, sizeof(mem));
	if (tap->target[0]) {
		strbuf_escape(&s, tap->target, strnlen(tap->target, sizeof(tap->target)));
		strbuf_putc(&s, '/');
	}
	strbuf_escape(&s, tap->ifname, strnlen(tap->ifname, sizeof(tap->ifname)));
	put_text(b, IF_NAME, mem);
}

static void put_if_description(struct block *b, const struct tap *tap)
{
	char mem[160];
	struct strbuf s;

	if (!tap->id)
		return;
	strbuf_init(&s, mem, sizeof(mem));
	strbuf_puts(&s, tap->side == SIDE_HOST ? "host end, for network namespace "
					       : "in network namespace ");
	strbuf_u64(&s, tap->netns);
	strbuf_puts(&s, ", ifindex ");
	strbuf_u64(&s, tap->ifindex);
	if (tap->generation > 1)
		strbuf_printf(&s, ", attachment %u", tap->generation);
	put_text(b, IF_DESCRIPTION, mem);
}

/* That there was a gap, and how long it was. */
static void put_if_comment(struct block *b, const struct tap *tap)
{
	char mem[128];
	struct strbuf s;

	if (!tap->gap)
		return;
	strbuf_init(&s, mem, sizeof(mem));
	strbuf_printf(&s, "attachment %u, from ", tap->generation);
	strbuf_rfc3339(&s, tap->began);
	strbuf_printf(&s, " on, %lld.%03lld s after the end of the one before",
		      (long long)(tap->gap / 1000000000), (long long)(tap->gap / 1000000 % 1000));
	put_text(b, OPT_COMMENT, mem);
}

static void put_if_filter(struct block *b, const char *filter)
{
	char mem[1 + PCAPNG_TEXT_MAX + 1];
	struct strbuf s;

	if (!filter || !filter[0])
		return;
	strbuf_init(&s, mem, sizeof(mem));
	strbuf_putc(&s, FILTER_IS_PCAP_TEXT);
	strbuf_puts(&s, filter);
	if (!s.cut)
		put_option(b, IF_FILTER, mem, (uint32_t)s.len);
}

size_t pcapng_put_interface(uint8_t *out, size_t room, const struct tap *tap, uint32_t snaplen,
			    const char *filter)
{
	uint8_t resolution = TSRESOL_NANOSECONDS;
	struct block b;

	block_begin(&b, out, room, BLOCK_INTERFACE);
	put(&b, (const uint16_t[]){ (uint16_t)pcap_linktype_of(tap->dlt), 0 }, 4);
	put_u32(&b, snaplen);
	put_if_name(&b, tap);
	put_if_description(&b, tap);
	put_if_comment(&b, tap);
	put_option(&b, IF_TSRESOL, &resolution, sizeof(resolution));
	put_if_filter(&b, filter);
	end_options(&b);
	return block_end(&b);
}

static uint32_t packet_flags(const struct packet *p)
{
	uint32_t flags = p->csum_partial ? NSW_BLOCK_CSUM_PARTIAL : 0;

	if (p->dir == DIR_IN)
		flags |= NSW_BLOCK_IN;
	else if (p->dir == DIR_OUT)
		flags |= NSW_BLOCK_OUT;
	return flags;
}

/* "getent(4711)" */
static void put_owner(struct block *b, const struct owner *o)
{
	char mem[4 * sizeof(o->comm) + 16];
	struct strbuf s;

	strbuf_init(&s, mem, sizeof(mem));
	strbuf_escape(&s, o->comm, strnlen(o->comm, sizeof(o->comm)));
	strbuf_putc(&s, '(');
	strbuf_u64(&s, o->pid);
	strbuf_putc(&s, ')');
	put_option(b, OPT_COMMENT, mem, (uint32_t)s.len);
}

/* Length of the comment in bytes; one that is too long ends before the
 * character that does not fit. */
static uint32_t comment_len(const char *comment)
{
	size_t len = strnlen(comment, PCAPNG_TEXT_MAX + 1);

	if (len <= PCAPNG_TEXT_MAX)
		return (uint32_t)len;
	len = PCAPNG_TEXT_MAX;
	while (len && ((uint8_t)comment[len] & 0xc0) == 0x80)
		len--;
	return (uint32_t)len;
}

static void put_packet_options(struct block *b, const struct packet *p, const char *comment,
			       uint64_t dropped)
{
	uint32_t flags = packet_flags(p);
	uint8_t *before = b->p;

	if (flags)
		put_option(b, EPB_FLAGS, &flags, sizeof(flags));
	if (dropped)
		put_u64_option(b, EPB_DROPCOUNT, dropped);
	if (p->owner.pid)
		put_owner(b, &p->owner);
	if (comment && comment[0])
		put_option(b, OPT_COMMENT, comment, comment_len(comment));
	if (b->p != before)
		end_options(b);
}

size_t pcapng_put_packet(uint8_t *out, size_t room, uint32_t interface, uint32_t snaplen,
			 const struct packet *p, const char *comment, uint64_t dropped)
{
	uint32_t caplen = p->caplen < snaplen ? p->caplen : snaplen;
	struct packet_head head = {
		.head.type = BLOCK_PACKET,
		.interface = interface,
		.time_high = (uint32_t)((uint64_t)p->time >> 32),
		.time_low = (uint32_t)p->time,
		.caplen = caplen,
		.wirelen = p->wirelen,
	};
	struct block b = { .start = out, .p = out, .end = out + room };

	put(&b, &head, sizeof(head));
	put(&b, p->data, caplen);
	put_packet_options(&b, p, comment, dropped);
	return block_end(&b);
}

size_t pcapng_put_run(uint8_t *out, size_t room, uint32_t interface, const struct packet_run *run,
		      size_t first, struct run_part *part)
{
	size_t len = 0;

	*part = (struct run_part){ .end = first };
	while (part->end < run->len && len < room) {
		uint32_t n = run_block_len(run, part->end);

		if (!n) {
			part->end = run->len;
			break;
		}
		memcpy(out + len, run->blocks + part->end, n);
		store_u32(out + len + offsetof(struct packet_head, interface), interface);
		len += n;
		part->end += n;
		part->packets++;
	}
	return len;
}

void pcapng_set_interface(const struct packet_run *run, size_t first, uint32_t interface)
{
	size_t at;
	uint32_t n;

	for (at = first; at < run->len && (n = run_block_len(run, at)); at += n)
		store_u32(run->blocks + at + offsetof(struct packet_head, interface), interface);
}

int pcapng_is_hostname(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789-_.");

	return n > 0 && n <= 253 && !name[n];
}

size_t pcapng_put_name(uint8_t *out, size_t room, const struct ipaddr *a, const char *name)
{
	uint8_t record[16 + PCAPNG_TEXT_MAX];
	uint32_t addr_len = a->family == 4 ? 4 : 16;
	size_t name_len = strnlen(name, PCAPNG_TEXT_MAX - 1);
	struct option_head head = {
		.code = a->family == 4 ? NAME_IPV4 : NAME_IPV6,
		.len = (uint16_t)(addr_len + name_len + 1),
	};
	struct block b;

	memcpy(record, a->bytes, addr_len);
	memcpy(record + addr_len, name, name_len);
	record[addr_len + name_len] = '\0';
	block_begin(&b, out, room, BLOCK_NAMES);
	put(&b, &head, sizeof(head));
	put(&b, record, head.len);
	put_u32(&b, NAME_END);
	return block_end(&b);
}

/* What is missing in plain words, for whoever reads the file without us. */
static void put_loss_comment(struct block *b, const struct tap_stats *s)
{
	char mem[192];
	struct strbuf text;

	if (!(s->ring_full + s->load_failed + s->write_lost))
		return;
	strbuf_init(&text, mem, sizeof(mem));
	strbuf_puts(&text, "lost: ");
	strbuf_u64(&text, s->ring_full);
	strbuf_puts(&text, " buffer full, ");
	strbuf_u64(&text, s->load_failed);
	strbuf_puts(&text, " not readable, ");
	strbuf_u64(&text, s->write_lost);
	strbuf_puts(&text, " output too slow");
	put_text(b, OPT_COMMENT, mem);
}

static void put_crossing_comment(struct block *b, const struct tap_stats *s)
{
	char mem[96];
	struct strbuf text;

	if (!s->not_across)
		return;
	strbuf_init(&text, mem, sizeof(mem));
	strbuf_u64(&text, s->not_across);
	strbuf_puts(&text, s->not_across == 1 ? " packet was" : " packets were");
	strbuf_puts(&text, " not seen at the other end of the veth pair");
	put_text(b, OPT_COMMENT, mem);
}

size_t pcapng_put_stats(uint8_t *out, size_t room, uint32_t interface, int64_t start, int64_t end,
			const struct tap_stats *s)
{
	uint64_t os_dropped = s->ring_full + s->load_failed;
	struct block b;

	block_begin(&b, out, room, BLOCK_STATS);
	put_u32(&b, interface);
	put_time(&b, end);
	put_loss_comment(&b, s);
	put_crossing_comment(&b, s);
	put_time_option(&b, ISB_STARTTIME, start);
	put_time_option(&b, ISB_ENDTIME, end);
	put_u64_option(&b, ISB_IFRECV, s->seen);
	/* All that is missing, wherever it was lost: the figure that dumpcap
	 * puts here and that Wireshark shows as dropped. */
	put_u64_option(&b, ISB_IFDROP, os_dropped + s->write_lost);
	put_u64_option(&b, ISB_FILTERACCEPT, s->matched);
	put_u64_option(&b, ISB_OSDROP, os_dropped);
	put_u64_option(&b, ISB_USRDELIV, s->delivered);
	end_options(&b);
	return block_end(&b);
}

size_t pcapng_block_len(const uint8_t *block, size_t len, int *is_packet)
{
	struct block_head head;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, block, sizeof(head));
	*is_packet = head.type == BLOCK_PACKET;
	return head.len <= len ? head.len : 0;
}

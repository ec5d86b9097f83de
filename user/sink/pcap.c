// SPDX-License-Identifier: GPL-2.0-only
#include "sink/pcap.h"

#include <pcap/dlt.h>
#include <string.h>

#include "sink/store.h"
#include "stream/record.h"
#include "util/cleanup.h"

#define MAGIC_NANOSECONDS 0xa1b23c4du
#define NS_PER_S	  1000000000

struct file_header {
	uint32_t magic;
	uint16_t version_major;
	uint16_t version_minor;
	uint32_t reserved[2];
	uint32_t snaplen;
	uint32_t linktype;
};
_Static_assert(sizeof(struct file_header) == PCAP_FILE_HEADER_LEN, "file header");

struct record_header {
	uint32_t seconds;
	uint32_t nanoseconds;
	uint32_t caplen;
	uint32_t wirelen;
};
_Static_assert(sizeof(struct record_header) == PCAP_RECORD_HEADER_LEN, "record header");

/* https://www.tcpdump.org/linktypes.html: the rows whose two columns differ. */
static const struct {
	int dlt;
	uint32_t linktype;
} linktypes[] = {
	{ DLT_ATM_RFC1483, 100 }, { DLT_RAW, 101 },	 { DLT_SLIP_BSDOS, 102 },
	{ DLT_PPP_BSDOS, 103 },	  { DLT_ATM_CLIP, 106 }, { DLT_PFSYNC, 246 },
	{ DLT_PKTAP, 258 },
};

uint32_t pcap_linktype_of(int dlt)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(linktypes); i++)
		if (linktypes[i].dlt == dlt)
			return linktypes[i].linktype;
	return (uint32_t)dlt;
}

size_t pcap_put_header(uint8_t *out, size_t room, int dlt, uint32_t snaplen)
{
	struct file_header h = {
		.magic = MAGIC_NANOSECONDS,
		.version_major = 2,
		.version_minor = 4,
		.snaplen = snaplen,
		.linktype = pcap_linktype_of(dlt),
	};

	if (room < sizeof(h))
		return 0;
	memcpy(out, &h, sizeof(h));
	return sizeof(h);
}

/* A time before 1970 has a negative remainder; the fraction must not. */
static struct record_header record_time(int64_t ns)
{
	int64_t s = ns / NS_PER_S, frac = ns % NS_PER_S;

	if (frac < 0) {
		frac += NS_PER_S;
		s--;
	}
	return (struct record_header){ .seconds = (uint32_t)s, .nanoseconds = (uint32_t)frac };
}

size_t pcap_put_record(uint8_t *out, size_t room, uint32_t snaplen, const struct packet *p)
{
	struct record_header h = record_time(p->time);

	h.caplen = p->caplen < snaplen ? p->caplen : snaplen;
	h.wirelen = p->wirelen;
	if (room < sizeof(h) + h.caplen)
		return 0;
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), p->data, h.caplen);
	return sizeof(h) + h.caplen;
}

size_t pcap_put_run(uint8_t *out, size_t room, const struct packet_run *run, size_t first,
		    struct run_part *part)
{
	size_t len = 0;

	*part = (struct run_part){ .end = first };
	while (part->end < run->len && len < room) {
		const uint8_t *block = run->blocks + part->end;
		const struct nsw_block *b = block_head(block);
		struct record_header h = record_time(block_time(block));
		uint32_t n = run_block_len(run, part->end), caplen;
		uint8_t *p = out + len;

		if (!n) {
			part->end = run->len;
			break;
		}
		caplen = n - (uint32_t)NSW_LEAST_BLOCK;
		if (caplen > b->caplen)
			caplen = b->caplen;
		p = store_u32(p, h.seconds);
		p = store_u32(p, h.nanoseconds);
		p = store_u32(p, caplen);
		p = store_u32(p, b->wirelen);
		memcpy(p, b + 1, caplen);
		len += sizeof(h) + caplen;
		part->end += n;
		part->packets++;
	}
	return len;
}

size_t pcap_record_len(const uint8_t *rec, size_t len)
{
	struct record_header h;

	if (len < sizeof(h))
		return 0;
	memcpy(&h, rec, sizeof(h));
	return sizeof(h) + (size_t)h.caplen <= len ? sizeof(h) + h.caplen : 0;
}

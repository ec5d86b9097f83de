/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_STREAM_RECORD_H
#define NSWATCH_STREAM_RECORD_H

#include "nswatch/record.h"
#include "packet.h"
#include "util/ipaddr.h"

/* The contract's types, as the rest of user space knows them. */
struct owner record_owner(const struct nsw_owner *o);
/* An IPv4-mapped address becomes the IPv4 one. */
struct ipaddr record_addr(const struct nsw_addr *a);

/* How many bytes of the frame are in a record. */
static inline uint32_t record_caplen(const struct nsw_rec *rec, uint32_t snaplen)
{
	return rec->wirelen < snaplen ? rec->wirelen : snaplen;
}

/* Fills in what the header says: lengths, direction, checksum. */
static inline void record_header(const struct nsw_rec *rec, uint32_t snaplen, struct packet *p)
{
	p->caplen = record_caplen(rec, snaplen);
	p->wirelen = rec->wirelen;
	p->dir = rec->flags & NSW_REC_EGRESS ? DIR_OUT : DIR_IN;
	p->csum_partial = rec->flags & NSW_REC_CSUM_PARTIAL;
}

/* The i-th packet of a run; borrows its bytes. It has no number. */
static inline struct packet record_of_run(const struct packet_run *run, size_t i)
{
	const struct nsw_rec *rec = run->recs[i];
	struct packet p = {
		.time = (int64_t)rec->time + run->offset,
		.data = (const uint8_t *)(rec + 1),
		.tap = run->tap,
	};

	record_header(rec, run->snaplen, &p);
	return p;
}

#endif

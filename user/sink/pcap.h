/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_PCAP_H
#define NSWATCH_SINK_PCAP_H

#include <stddef.h>
#include <stdint.h>

#include "packet.h"

/*
 * The classic capture format with nanoseconds (draft-ietf-opsawg-pcap),
 * encoded into memory in host byte order. Pure. A function returns the bytes
 * written, or 0 (and writes nothing) if they do not fit into `room`.
 *
 * Not through pcap_dump(): that goes through stdio, which copies each packet
 * once more in 4 KiB steps, can't tell which record a failed write had
 * reached, and may block in the caller. What it would add is 40 bytes of
 * header; the tests read the result back with libpcap.
 */

#define PCAP_FILE_HEADER_LEN   24
#define PCAP_RECORD_HEADER_LEN 16

/* dlt is libpcap's DLT_ value. */
size_t pcap_put_header(uint8_t *out, size_t room, int dlt, uint32_t snaplen);

/* At most snaplen bytes of the packet are taken. Seconds are 32 bits: a time
 * outside 1970..2106 wraps, as it does in libpcap. */
size_t pcap_put_record(uint8_t *out, size_t room, uint32_t snaplen, const struct packet *p);

/* As pcapng_put_run(): those from byte `first` on until `room` is used up. */
size_t pcap_put_run(uint8_t *out, size_t room, const struct packet_run *run, size_t first,
		    struct run_part *part);

/* Length in bytes of the record at `rec`, of which `len` bytes are there;
 * 0 if it is not whole. */
size_t pcap_record_len(const uint8_t *rec, size_t len);

/* The number that stands in files for a DLT_ value: the same but for a few
 * whose values differ between systems. */
uint32_t pcap_linktype_of(int dlt);

#endif

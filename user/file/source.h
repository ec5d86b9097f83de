/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_FILE_SOURCE_H
#define NSWATCH_FILE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The bytes of a capture file, compressed with gzip or not, on their way to libpcap;
 * see source.c. */
struct source;

/* fd is owned from here on, on failure too. NULL: out of memory. */
struct source *source_new(int fd);
void source_free(struct source *s);

/* A stream for pcap_fopen_offline(), which closes it; the source outlives it. */
FILE *source_stream(struct source *s);
int source_fd(const struct source *s);

/* Why a compressed file has ended before its time, or NULL: it has not. */
const char *source_damage(const struct source *s);

/* The time of the next packet, ns since the Unix epoch: to be called once for each
 * that libpcap returns. False where libpcap's own is all there is: not a pcapng
 * file, or no time in the block. digits: as time_digits of struct tap, always set; label: of the
 * interface's name, always set. */
bool source_packet_time(struct source *s, int64_t *ns, uint8_t *digits, uint8_t *label);

#define SOURCE_LABELS 64 /* names of interfaces that are kept apart, and none */

struct source_label {
	char name[160];	       /* of the interface as in the file; untrusted bytes */
	char description[128]; /* the same */
};

/* What a packet's label stands for; 0 is an interface without a name. */
const struct source_label *source_label(const struct source *s, uint8_t label);

#endif

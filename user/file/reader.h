/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_FILE_READER_H
#define NSWATCH_FILE_READER_H

#include "packet.h"
#include "util/err.h"

/*
 * A capture file being read (-r): pcap and pcapng, through libpcap, compressed
 * with gzip or not. Its packets look like live ones. Those of an interface
 * that a pcapng file names are from a tap of their own, the others from one with id 0 and
 * without names. dlt is the file's link type, time_digits those of the tap's latest packet.
 */
struct reader;

/* "-" is stdin. NULL: *e says what is wrong. */
struct reader *reader_open(const char *path, struct err *e);
/* The same for an open fd, which is owned from here on, on failure too. name is for messages. */
struct reader *reader_open_fd(int fd, const char *name, struct err *e);
void reader_free(struct reader *r);

const struct tap *reader_tap(const struct reader *r);
/* The file's descriptor; borrowed. */
int reader_fd(const struct reader *r);

/* 0, or -ENOTSUP with a message if packets of this link type cannot be decoded
 * (they can still be copied to another file). */
int reader_check_link(const struct reader *r, struct err *e);

/* Only packets that match the pcap-filter(7) expression are delivered. A syntax
 * error: -EINVAL with libpcap's message. */
int reader_filter(struct reader *r, const char *expr, struct err *e);

/*
 * The next packet: 1; 0 at the end; -errno and a message if the file is cut short
 * or damaged there. The packet's bytes are valid until the next call. Its number
 * is its place in the file, counting those that the filter keeps back, as
 * tshark shows it.
 */
int reader_next(struct reader *r, struct packet *out, struct err *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * resolv.conf(5) as glibc's res_init() reads it, and the comments that Docker
 * leaves in the one it writes.
 */
#ifndef NSWATCH_DNS_RESOLV_H
#define NSWATCH_DNS_RESOLV_H

#include <stddef.h>

#include "dns/facts.h"

#define RESOLV_LIBC_SERVERS 3 /* MAXNS: glibc asks the first three, no more */

/* Parses text (any bytes, no NUL needed) into *out, which is always filled. A file without
 * a nameserver line has nr_servers 0; libc then asks 127.0.0.1 (resolv_server()). */
void resolv_parse(struct resolv_conf *out, const char *text, size_t len);

/* Number of servers that libc will ask, at least one, and the i-th of them with its line
 * (0: libc's default, no line names it). */
unsigned int resolv_nr_used(const struct resolv_conf *c);
struct ipaddr resolv_server(const struct resolv_conf *c, unsigned int i, uint32_t *line);

#endif

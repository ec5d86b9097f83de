/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the text sink: one line while it is made. Each protocol's file
 * fills in the protocol's name and the Info column.
 */
#ifndef NSWATCH_SINK_TEXT_LINE_H
#define NSWATCH_SINK_TEXT_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/cursor.h"
#include "decode/frame.h"
#include "packet.h"
#include "track/arp.h"
#include "track/echo.h"
#include "track/tcp.h"
#include "util/strbuf.h"

enum line_tone { TONE_PLAIN, TONE_NOTICE, TONE_TROUBLE };

struct line {
	const struct packet *p;
	const struct frame *f;
	const char *protocol;
	char protocol_mem[8]; /* "0x88cc" */
	struct strbuf *info;
	bool truncated; /* a read went behind the captured bytes */
	bool malformed; /* or behind the packet's own end */
	bool contained; /* or, within what a header says of itself, behind the packet's end */
	enum line_tone tone;
	struct tcp_track *tcp;
	struct echo_track *echo;
	struct arp_track *arp;
};

/* Notes why a cursor stopped. */
static inline void line_stopped(struct line *l, const struct cursor *c)
{
	l->truncated |= c->truncated;
	l->malformed |= c->malformed;
}

/* A cursor over len bytes at off, of which those captured can be read. */
struct cursor line_cursor(const struct line *l, uint32_t off, uint32_t len);

void text_mac_put(struct strbuf *b, const uint8_t *mac, unsigned int len);
/* " name=value" */
void text_field(struct strbuf *b, const char *name, uint64_t value);

/* Skips fields of these sizes in bytes, a digit each; A is an IPv6 address. False if one does not
 * fit. */
bool text_fields(struct cursor *c, const char *sizes);

/* Inserts before what stands at `at`. */
void text_insert(struct strbuf *b, size_t at, const char *s, size_t len);

void text_link(struct line *l);
void text_arp(struct line *l);
void text_ip(struct line *l);
void text_icmp(struct line *l);
void text_icmp6(struct line *l);
void text_icmp6_body(struct line *l, struct cursor *c);
/* Walks RFC 4884's extension structure, up to the message's end. */
void text_icmp_extensions(struct cursor *c);
void text_gre(struct line *l);
void text_erspan(struct line *l);
void text_vxlan(struct line *l);
void text_geneve(struct line *l);
void text_tcp(struct line *l);
void text_udp(struct line *l);

#endif

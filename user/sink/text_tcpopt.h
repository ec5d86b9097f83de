/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_TEXT_TCPOPT_H
#define NSWATCH_SINK_TEXT_TCPOPT_H

#include <stdbool.h>
#include <stddef.h>

#include "decode/tcpopt.h"
#include "sink/text_line.h"
#include "track/tcp.h"

/*
 * Appends the options to the line, and puts what belongs before the segment's
 * text at `front`. Tells in *facts what a connection is judged by; facts->scps
 * is what is known before. False if the options cannot be read to their end:
 * then the line says why.
 */
bool text_tcp_options(struct line *l, size_t front, const struct tcp_verdict *v,
		      struct tcpopt_facts *facts);

#endif

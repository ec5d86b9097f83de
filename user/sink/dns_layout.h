/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the --dns text: where the columns of a transaction's line are. */
#ifndef NSWATCH_SINK_DNS_LAYOUT_H
#define NSWATCH_SINK_DNS_LAYOUT_H

#include <stdbool.h>

#include "sink/dns_text.h"

/* Where the columns of a transaction's line begin, by the terminal's width. In a small one
 * the client is its interface alone, or its target, and "eth0\u2192192.0.2.1" one column. */
struct dns_layout {
	unsigned int width; /* for terminals of at least this */
	unsigned int process, client, server, question, result;
	bool brief;
};

/* The least that is shown of what is too long. */
#define MIN_PROCESS 13
#define MIN_CLIENT  12
#define MIN_SERVER  15
#define MIN_NAME    10
#define MIN_RESULT  12

const struct dns_layout *dns_layout_of(const struct dns_text_style *style);
bool dns_layout_is_narrow(const struct dns_text_style *style);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of `tshark -z dns,tree`. */
#ifndef NSWATCH_SINK_DNS_TREE_H
#define NSWATCH_SINK_DNS_TREE_H

#include "dns/tree.h"
#include "util/strbuf.h"

/* A buffer of 128 KiB holds any. */
void dns_tree_text(struct strbuf *b, const struct dns_tree *t);

#endif

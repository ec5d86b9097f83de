/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_SINK_TAP_JSON_H
#define NSWATCH_SINK_TAP_JSON_H

#include "packet.h"
#include "util/strbuf.h"

/* One JSON line, of at most 4 KiB: the tap is watched from now on, or not any more. now is in
 * ns since the epoch. Pure. */
void tap_json_attach(struct strbuf *out, const struct tap *tap, int64_t now);
void tap_json_detach(struct strbuf *out, const struct tap *tap, int64_t now);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of assigned numbers, as tshark spells them. */
#ifndef NSWATCH_SINK_NAMES_H
#define NSWATCH_SINK_NAMES_H

#include <stdint.h>

const char *name_ethertype(uint16_t type);	/* NULL if none */
const char *name_gre_type(uint16_t type);	/* NULL if none */
const char *name_ip_protocol(uint8_t protocol); /* "Unknown" if none */

#endif

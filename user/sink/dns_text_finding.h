/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the --dns text: a finding as a row of the summary. */
#ifndef NSWATCH_SINK_DNS_TEXT_FINDING_H
#define NSWATCH_SINK_DNS_TEXT_FINDING_H

#include "dns/transaction.h"
#include "sink/dns_out.h"

void dns_text_finding_row(struct dns_out *o, const struct dns_finding *f);

#endif

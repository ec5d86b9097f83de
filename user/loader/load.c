// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#include "attach/insns.h"
#include "loader/internal.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MIB (1024 * 1024)

/*
 * What --dns wants to see: DNS itself, Docker's embedded resolver (whose port
 * NAT has already rewritten when a packet reaches lo), the errors that tell of
 * its failure, and fragments, which have no ports.
 */
#define DNS_FILTER                                           \
	"port 53 or ip host 127.0.0.11 or icmp or icmp6 or " \
	"(ip and ip[6:2] & 0x3fff != 0) or (ip6 and ip6[6] == 44)"

static char *filter_text(const struct options *o)
{
	char *text = NULL;

	if (!o->dns)
		return o->filter ? strdup(o->filter) : NULL;
	if (!o->filter)
		return strdup(DNS_FILTER);
	return asprintf(&text, "(%s) and (%s)", DNS_FILTER, o->filter) < 0 ? NULL : text;
}

static int load_with(struct loader *l, const struct bpf_insn *insns, size_t n, struct err *e)
{
	struct programs_options po = {
		.snaplen = l->o->snaplen,
		.ring_bytes = (uint64_t)l->o->buffer_mib * MIB,
		.max_taps = MAX_TAPS,
		.owners = l->o->dns || l->o->json,
		.filter = insns,
		.filter_len = n,
	};

	return programs_load(&l->programs, &po, e);
}

/* With the filter in the kernel if it can be had there; else everything is
 * captured and the collector filters, after a warning. */
int load_programs(struct loader *l, struct err *e)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	struct err why = { 0 };
	size_t n = 0;
	int err = 0;

	l->filter_text = filter_text(l->o);
	if (!l->filter_text)
		return load_with(l, NULL, 0, e);
	/* The user's own words first: an error message should quote these. */
	if (l->o->dns && l->o->filter) {
		struct filter *alone = NULL;

		err = filter_compile(&alone, l->o->filter, DLT_EN10MB, l->o->snaplen, e);
		filter_free(alone);
	}
	if (!err)
		err = filter_compile(&l->filter, l->filter_text, DLT_EN10MB, l->o->snaplen, e);
	if (err) {
		l->is_usage_error = true;
		return err;
	}
	err = filter_translate(l->filter, INSNS_OWN_STACK, &insns, &n, &why)
		      ?: load_with(l, insns, n, &why);
	if (!err)
		return 0;
	err = load_with(l, NULL, 0, e);
	if (err)
		return err;
	log_warn("the filter runs in user space, every packet is copied: %s", why.msg);
	l->filter_in_user = true;
	return 0;
}

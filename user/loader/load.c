// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#include "attach/insns.h"
#include "loader/internal.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MAX_TAPS 2048
#define MIB	 (1024 * 1024)

/*
 * What --dns wants to see, for a kernel that refuses bpf/dns.bpf.h: DNS itself, Docker's
 * embedded resolver (whose port NAT has already rewritten when a packet reaches lo), the
 * errors that tell of its failure, and fragments, which have no ports.
 */
#define DNS_FILTER                                           \
	"port 53 or ip host 127.0.0.11 or icmp or icmp6 or " \
	"(ip and ip[6:2] & 0x3fff != 0) or (ip6 and ip6[6] == 44)"

uint32_t load_max_taps(const struct options *o)
{
	return o->all ? NSW_MAX_TAPS : MAX_TAPS;
}

static int load_with(struct loader *l, bool dns, const struct bpf_insn *insns, size_t n,
		     struct err *e)
{
	struct programs_options po = {
		.snaplen = l->o->snaplen,
		.ring_bytes = (uint64_t)l->o->buffer_mib * MIB,
		.max_taps = load_max_taps(l->o),
		.one_for_all = l->n > MANY_TARGETS,
		.meet = l->o->follow,
		.owners = l->o->dns || l->o->json,
		.dns = dns,
		.mdns = l->o->mdns,
		.every_errno = l->o->every_errno,
		.filter = insns,
		.filter_len = n,
	};

	memcpy(po.dns_ports, l->o->dns_ports, sizeof(po.dns_ports));
	return programs_load(&l->programs, &po, e);
}

/* With the filter in the kernel if it can be had there; else the collector filters,
 * after a warning. */
static int load_with_filter(struct loader *l, bool dns, const char *text, struct err *e)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	struct err why = { 0 };
	size_t n = 0;
	int err;

	if (!text)
		return load_with(l, dns, NULL, 0, e);
	err = filter_compile(&l->filter, text, DLT_EN10MB, l->o->snaplen, e);
	if (err) {
		l->is_usage_error = true;
		return err;
	}
	err = filter_translate(l->filter, INSNS_OWN_STACK, &insns, &n, &why)
		      ?: load_with(l, dns, insns, n, &why);
	if (!err)
		return 0;
	err = load_with(l, dns, NULL, 0, e);
	if (err)
		return err;
	log_warn("the filter runs in user space, every packet is copied: %s", why.msg);
	l->filter_in_user = true;
	return 0;
}

/* The filter was compiled before: what fails now is not the user's. */
static int load_dns_by_filter(struct loader *l, struct err *e)
{
	_cleanup_free_ char *text = NULL;

	filter_free(steal_ptr(l->filter));
	if (l->o->filter)
		text = asprintf(&text, "(%s) and (%s)", DNS_FILTER, l->o->filter) < 0 ? NULL : text;
	else
		text = strdup(DNS_FILTER);
	if (!text)
		return err_sys(e, -ENOMEM, "filter");
	return load_with_filter(l, false, text, e);
}

int load_programs(struct loader *l, struct err *e)
{
	struct err why = { 0 };
	int err = load_with_filter(l, l->o->dns, l->o->filter, l->o->dns ? &why : e);

	if (!err || !l->o->dns)
		return err;
	if (l->is_usage_error) {
		*e = why;
		return err;
	}
	err = load_dns_by_filter(l, e);
	if (!err)
		log_warn("DNS is selected by a filter, with more packets than it needs: %s",
			 why.msg);
	return err;
}

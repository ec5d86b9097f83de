// SPDX-License-Identifier: GPL-2.0-only
#include "netns/nat.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "netns/ipt.h"
#include "netns/nft.h"
#include "util/cleanup.h"

struct nat_rules {
	struct nft_rules nft;
	struct ipt_rules legacy;
	bool unknown;	 /* there are rules that cannot be read */
	bool unknown_v6; /* of IPv6 */
};

/* Has the name in its first column. */
static bool file_names(const char *path, const char *name)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, " \n")] = '\0';
		if (!strcmp(line, name))
			return true;
	}
	return false;
}

/*
 * To ask for rules loads the module that would have them. Where it is a module
 * that is not loaded there are no rules, and nothing is asked.
 */
bool nat_has_nftables(void)
{
	struct utsname u;
	char path[256];

	if (access("/sys/module/nf_tables", F_OK) == 0 || uname(&u) < 0)
		return true;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", u.release);
	return access(path, F_OK) < 0 || file_names("/proc/modules", "nf_tables");
}

struct nat_rules *nat_read_here(void)
{
	struct nat_rules *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	if (nat_has_nftables() && nft_read_here(&r->nft))
		r->unknown = true;
	if (file_names("/proc/thread-self/net/ip_tables_names", "nat") &&
	    ipt_read_here(&r->legacy, "nat"))
		r->unknown = true;
	r->unknown_v6 = file_names("/proc/thread-self/net/ip6_tables_names", "nat");
	return r;
}

unsigned int nat_filters_of_sent_here(void)
{
	static const char *const tables[] = { "filter", "mangle", "raw", "security" };
	int found = nat_has_nftables() ? nft_filters_of_sent_here() : 0;
	size_t i;

	if (found < 0)
		return NAT_FILTER_OUTPUT | NAT_FILTER_EGRESS;
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		if (file_names("/proc/thread-self/net/ip_tables_names", tables[i]) ||
		    file_names("/proc/thread-self/net/ip6_tables_names", tables[i]))
			found |= NAT_FILTER_OUTPUT;
	return (unsigned int)found;
}

void nat_free(struct nat_rules *r)
{
	if (r) {
		nft_fini(&r->nft);
		ipt_fini(&r->legacy);
	}
	free(r);
}

static enum nat_answer follow(const struct nat_rules *r, uint32_t hook, const struct nat_packet *p)
{
	unsigned int may, legacy;
	bool unknown;

	if (!r || p->src.family != p->dst.family || !p->src.family)
		return NAT_UNKNOWN;
	may = nft_follow_nat(&r->nft, hook, p);
	legacy = ipt_follow_nat(&r->legacy, hook, p);
	/* Whichever comes first, the other has its turn on what that leaves. */
	if (may == MAY_NAT || legacy == MAY_NAT)
		return NAT_YES;
	unknown = r->unknown || (r->unknown_v6 && p->src.family == 6);
	return (may | legacy) & MAY_NAT || unknown ? NAT_UNKNOWN : NAT_NO;
}

enum nat_answer nat_source(const struct nat_rules *r, const struct nat_packet *p)
{
	return follow(r, NF_INET_POST_ROUTING, p);
}

enum nat_answer nat_redirect(const struct nat_rules *r, const struct nat_packet *p)
{
	return follow(r, NF_INET_LOCAL_OUT, p);
}

bool nat_blocks(const struct nat_rules *r, const struct nat_packet *p)
{
	return r && p->src.family == p->dst.family && p->src.family &&
	       nft_follow_forward(&r->nft, p) == MAY_DROP;
}

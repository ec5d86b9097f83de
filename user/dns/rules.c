// SPDX-License-Identifier: GPL-2.0-only
#include "dns/rules.h"

#include <errno.h>
#include <string.h>

#include "dns/engine.h"
#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

/* In the order in which they are asked. */
static const struct dns_rule *const families[] = {
	rules_local,
	rules_silence,
};

const struct dns_rule *rules_match(const struct rule_input *in)
{
	const struct dns_rule *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		for (r = families[i]; r->code; r++)
			if (r->events & in->event && r->fires(in))
				return r;
	return NULL;
}

void rules_finding(struct dns_finding *f, const struct dns_rule *r, const struct rule_input *in)
{
	memset(f, 0, sizeof(*f));
	f->code = r->code;
	f->severity = r->severity;
	if (in->event == RULE_CHECK || (ipaddr_is_loopback(&in->server) && has_other(in)))
		f->severity = DNS_WARNING;
	f->server = in->server;
	f->resolv_line = line_of(in->facts, &in->server);
	if (in->facts) {
		f->netns = in->facts->netns;
		memcpy(f->target, in->facts->target, sizeof(f->target));
	}
	if (in->t) {
		f->netns = in->t->netns;
		if (in->t->target[0])
			memcpy(f->target, in->t->target, sizeof(f->target));
		f->owner = in->t->owner;
	}
	if (in->facts && knows_resolv(in->facts))
		memcpy(f->resolv_path, in->facts->resolv.path, sizeof(f->resolv_path));
	r->text(f, in);
}

unsigned int dns_check(const struct dns_facts *facts,
		       void (*finding)(void *ctx, const struct dns_finding *f), void *ctx)
{
	struct rule_input in = { .event = RULE_CHECK, .facts = facts, .facts_fresh = true };
	const struct dns_rule *r, *seen[RESOLV_LIBC_SERVERS] = { NULL };
	const struct resolv_conf *c = &facts->resolv.conf;
	struct dns_finding f;
	unsigned int i, n = 0;

	if (!knows_resolv(facts) && facts->resolv.error != ENOENT)
		return 0;
	for (i = 0; i < resolv_nr_used(c); i++) {
		in.server = resolv_server(c, i, NULL);
		r = rules_match(&in);
		if (!r || (!r->per_server && n && seen[n - 1] == r))
			continue;
		rules_finding(&f, r, &in);
		f.count = 1;
		seen[n++] = r;
		finding(ctx, &f);
	}
	return n;
}

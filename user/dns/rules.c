// SPDX-License-Identifier: GPL-2.0-only
#include "dns/rules.h"

#include <errno.h>
#include <string.h>

#include "dns/engine.h"
#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

#define SEC 1000000000LL

/* In the order in which they are asked. */
static const struct dns_rule *const families[] = {
	rules_local,   rules_facts, rules_docker,  rules_transport,
	rules_answers, rules_other, rules_silence,
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

/* AAAA alone unanswered: does the server fear them all? A socket that gets no answers while
 * others do: one lost packet, or a stale path? */
bool rules_wait(const struct rule_input *in)
{
	bool silence = in->event == RULE_VERDICT && !in->t->failure && !in->answered_by.family;

	if (!silence || in->waited)
		return false;
	if (in->t->has_question && in->t->qtype == DNS_T_AAAA && in->a_found)
		return true;
	return !in->server_silent && in->port_failures >= 2 && in->port_time >= SEC;
}

const struct ipaddr *rules_server(const struct dns_rule *r, const struct rule_input *in)
{
	return r->scope == PER_UPSTREAM && in->upstream.server.family ? &in->upstream.server
								      : &in->server;
}

void rules_finding(struct dns_finding *f, const struct dns_rule *r, const struct rule_input *in)
{
	memset(f, 0, sizeof(*f));
	f->code = r->code;
	f->severity = r->severity;
	if (in->event == RULE_CHECK || (ipaddr_is_loopback(&in->server) && has_other(in)))
		f->severity = DNS_WARNING;
	f->server = *rules_server(r, in);
	f->resolv_line = line_of(in->facts, &f->server);
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

struct check {
	void (*finding)(void *ctx, const struct dns_finding *f);
	void *ctx;
	unsigned int n;
};

static void check_found(struct check *c, const struct dns_rule *r, const struct rule_input *in)
{
	struct dns_finding f;

	rules_finding(&f, r, in);
	f.count = 1;
	c->n++;
	c->finding(c->ctx, &f);
}

/* The same server on a line before. */
static bool is_named_twice(const struct resolv_conf *conf, unsigned int nr)
{
	struct ipaddr other, a = resolv_server(conf, nr, NULL);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		other = resolv_server(conf, i, NULL);
		if (ipaddr_equal(&other, &a))
			return true;
	}
	return false;
}

static void check_servers(struct check *c, const struct dns_facts *facts)
{
	struct rule_input in = { .event = RULE_CHECK, .facts = facts, .facts_fresh = true };
	const struct resolv_conf *conf = &facts->resolv.conf;
	const struct dns_rule *r, *last = NULL;
	unsigned int i;

	for (i = 0; i < resolv_nr_used(conf); i++) {
		if (is_named_twice(conf, i))
			continue;
		in.server = resolv_server(conf, i, NULL);
		r = rules_match(&in);
		if (!r || (r->scope == PER_NAMESPACE && last == r))
			continue;
		last = r;
		check_found(c, r, &in);
	}
}

static void check_namespace(struct check *c, const struct dns_facts *facts)
{
	struct rule_input in = { .event = RULE_FACTS, .facts = facts, .facts_fresh = true };
	const struct dns_rule *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		for (r = families[i]; r->code; r++)
			if (r->events & RULE_FACTS && r->fires(&in))
				check_found(c, r, &in);
}

unsigned int dns_check(const struct dns_facts *facts,
		       void (*finding)(void *ctx, const struct dns_finding *f), void *ctx)
{
	struct check c = { finding, ctx, 0 };

	if (knows_resolv(facts) || facts->resolv.error == ENOENT)
		check_servers(&c, facts);
	check_namespace(&c, facts);
	return c.n;
}

bool dns_usable(const struct dns_facts *facts, const struct ipaddr *server)
{
	return usable(facts, server);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Queries without an answer. */
#include "dns/rules_text.h"
#include "util/strbuf.h"

#define SEC 1000000000LL

/*
 * One lost packet is no fault. Either the lookup got no answer from anyone, or
 * this server is dead and costs each lookup a delay before another answers.
 */
static bool no_answer_fires(const struct rule_input *in)
{
	/* A local resolver that is being restarted. */
	if (ipaddr_is_loopback(&in->server) && refused(in->t) && in->facts &&
	    listening(in->facts, &in->server))
		return false;
	if (in->answered_by.family)
		return !ipaddr_equal(&in->answered_by, &in->server) && in->server_silent &&
		       in->server_unanswered >= 2 && in->answered_after >= 9 * SEC / 10;
	return in->t->failure != DNS_FAIL_NONE || in->server_silent || in->t->queries > 1;
}

static void put_host_side(struct dns_finding *f, const struct dns_transaction *t)
{
	struct strbuf b;

	if (!t->host_side_watched)
		return;
	b = seen_begin(f);
	if (t->came_back)
		strbuf_puts(&b,
			    "It left through the veth, and an answer came back to the veth's host "
			    "end, but not into the namespace: it was dropped on the way in.");
	else if (t->left)
		strbuf_puts(&b, "It left through the veth; no answer came back to the veth.");
	else
		strbuf_puts(&b, "It did not reach the veth's host end: it was dropped inside.");
}

static void put_no_answer_cause(struct strbuf *b, const struct rule_input *in)
{
	ipaddr_put(b, &in->server);
	if (port_unreachable(in->t))
		strbuf_puts(b, " is reachable but runs no name server: it refuses port 53.");
	else if (in->t->failure == DNS_FAIL_RESET)
		strbuf_puts(b, " refuses TCP connections to port 53.");
	else if (in->t->failure == DNS_FAIL_ICMP)
		strbuf_printf(b, " cannot be reached: %s.", icmp_text(in->t));
	else if (in->server_silent)
		strbuf_puts(b, " does not answer.");
	else
		strbuf_puts(b, " answers other queries, but not this one.");
}

static void no_answer_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name server ");
	put_no_answer_cause(&b, in);
	if (in->answered_by.family) {
		strbuf_puts(&b, " Lookups succeed through ");
		ipaddr_put(&b, &in->answered_by);
		strbuf_printf(&b, ", each after a delay of %.1f s.",
			      (double)in->answered_after / 1e9);
		f->severity = DNS_WARNING;
	} else {
		strbuf_puts(&b, " The lookup fails.");
	}
	seen_transaction(f, in);
	put_host_side(f, in->t);
	seen_file(f, in);
	b = fix_begin(f, "Ask the server from the host; if that works, look for a firewall or "
			 "missing masquerading between the namespace and it:");
	strbuf_puts(&b, "dig +time=2 +tries=1 @");
	ipaddr_put(&b, &in->server);
	strbuf_putc(&b, ' ');
	put_shell(&b, in->t->has_question ? in->t->name : ".");
	if (!ipaddr_is_loopback(&in->server))
		fix_here(f, in);
}

const struct dns_rule rules_silence[] = {
	{ "NO-ANSWER", DNS_ERROR, RULE_VERDICT, true, no_answer_fires, no_answer_text },
	{ 0 },
};

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
	/* A local resolver that waits for another server: that one is the fault. */
	if (ipaddr_is_loopback(&in->server) && in->upstream.bad)
		return false;
	/* A local resolver that is being restarted. */
	if (ipaddr_is_loopback(&in->server) && refused(in->t) && in->facts &&
	    listening(in->facts, &in->server))
		return false;
	if (in->answered_by.family)
		return !ipaddr_equal(&in->answered_by, &in->server) && in->server_silent &&
		       in->server_unanswered >= 2 && in->answered_after >= 9 * SEC / 10;
	return in->t->failure != DNS_FAIL_NONE || in->server_silent || in->t->queries > 1;
}

/* --- GATEWAY-FILTERED -------------------------------------------------------------------- */

static bool gateway_filtered_fires(const struct rule_input *in)
{
	const struct server_facts *s = in->facts ? server_facts(in->facts, &in->server) : NULL;

	return s && s->is_gateway && s->host_listens && in->facts->asked_port == 53 &&
	       no_answer_fires(in) && (in->server_silent || in->t->failure != DNS_FAIL_NONE);
}

/* The interface name of no bridge is known here; the source address says the same. */
static void fix_allow_53(struct dns_finding *f, const struct rule_input *in, const char *proto)
{
	struct strbuf b = fix_begin(f, *proto == 'u' ? "Let the host's firewall take queries from "
						       "this namespace:"
						     : "And those over TCP:");

	strbuf_printf(&b, "%siptables -I INPUT -s ", sudo(in));
	ipaddr_put(&b, &in->t->client);
	strbuf_printf(&b, " -p %s --dport 53 -j ACCEPT", proto);
}

static void gateway_filtered_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b,
		    " is the host itself, this namespace's gateway. A server listens there, but "
		    "queries from here ");
	if (in->t->failure == DNS_FAIL_ICMP)
		strbuf_printf(&b, "are turned away (%s)", icmp_text(in->t));
	else
		strbuf_puts(&b, in->t->failure ? "are turned away" : "vanish");
	strbuf_puts(&b, ": the host's firewall does not let them in.");
	put_delay_or_failure(f, &b, in);
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "On the host a socket takes port 53 of ");
	ipaddr_put(&b, &in->server);
	strbuf_putc(&b, '.');
	seen_host_side(f, in->t);
	seen_file(f, in);
	if (in->server.family == 4) {
		fix_allow_53(f, in, "udp");
		fix_allow_53(f, in, "tcp");
	}
	b = fix_begin(f, "What the firewall has now:");
	strbuf_printf(&b, "%snft list ruleset", sudo(in));
}

/* --- NO-ANSWER ------------------------------------------------------------------------------ */

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
	put_delay_or_failure(f, &b, in);
	seen_transaction(f, in);
	seen_host_side(f, in->t);
	seen_file(f, in);
	b = fix_begin(f, "Ask the server from the host; if that works, look for a firewall or "
			 "missing masquerading between the namespace and it:");
	strbuf_puts(&b, "dig +time=2 +tries=1 @");
	ipaddr_put(&b, &in->server);
	strbuf_putc(&b, ' ');
	put_shell_name(&b, in->t);
	if (!ipaddr_is_loopback(&in->server))
		fix_here(f, in);
}

const struct dns_rule rules_silence[] = {
	{ "GATEWAY-FILTERED", DNS_ERROR, RULE_VERDICT, PER_SERVER, false, gateway_filtered_fires,
	  gateway_filtered_text },
	{ "NO-ANSWER", DNS_ERROR, RULE_VERDICT, PER_SERVER, true, no_answer_fires, no_answer_text },
	{ 0 },
};

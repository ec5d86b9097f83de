// SPDX-License-Identifier: GPL-2.0-only
/* What is no lookup on port 53, and what nswatch cannot see. */
#include <netinet/in.h>

#include "dns/rules_text.h"
#include "util/cleanup.h"

#define PORT_DOT 853

/* --- LOCALHOST-REFUSED ------------------------------------------------------------------- */

static bool localhost_refused_fires(const struct rule_input *in)
{
	const struct server_facts *s = in->facts ? server_facts(in->facts, &in->server) : NULL;

	if (!s || in->facts->asked_port != in->t->server_port)
		return false;
	return (s->host_listens && !in->facts->is_host_netns) || in->facts->listens_in[0];
}

static void localhost_fix_host(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (in->facts->bridge_addr[0]) {
		b = fix_begin(f, "Let the server listen on the host's address on the bridge, and "
				 "connect to that one; whether it does:");
		strbuf_puts(&b, "nc -vz ");
		put_raw(&b, in->facts->bridge_addr);
		strbuf_printf(&b, " %u", in->t->server_port);
	}
	if (in->facts->kind == TARGET_DOCKER)
		fix_begin(f, "Or share the host's network: docker run --network host. From a "
			     "container to the host, also docker run "
			     "--add-host host.docker.internal:host-gateway.");
	else
		fix_begin(f, "Or run the client in the host's network namespace.");
}

static void localhost_fix_other(struct dns_finding *f, const struct rule_input *in)
{
	fix_begin(f, "Let the server listen on an address that can be reached from here, and "
		     "connect to that one.");
	if (in->facts->kind == TARGET_DOCKER)
		fix_begin(f, "Or have both share one network: docker run --network "
			     "container:NAME.");
	else
		fix_begin(f, "Or run the client in that network namespace.");
}

static void localhost_refused_text(struct dns_finding *f, const struct rule_input *in)
{
	const struct dns_transaction *t = in->t;
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "A connection to ");
	ipaddr_put(&b, &in->server);
	strbuf_printf(&b,
		      " port %u was refused: nothing in this network namespace listens there. "
		      "Something %s does, but each namespace has a localhost of its "
		      "own, and the server is on the other one.",
		      t->server_port, in->facts->listens_in[0] ? "elsewhere" : "on the host");
	b = seen_begin(f);
	strbuf_puts(&b, "The connection from port ");
	strbuf_printf(&b, "%u on ", t->client_port);
	put_raw(&b, t->ifname);
	strbuf_puts(&b, " was reset");
	put_packet_nr(&b, t->response_nr);
	strbuf_puts(&b, ".");
	b = seen_begin(f);
	if (in->facts->listens_in[0]) {
		strbuf_puts(&b, "In ");
		put_raw(&b, in->facts->listens_in);
	} else {
		strbuf_puts(&b, "On the host");
	}
	strbuf_printf(&b, " a socket takes TCP port %u of that address.", t->server_port);
	if (in->facts->listens_in[0])
		localhost_fix_other(f, in);
	else
		localhost_fix_host(f, in);
}

/* --- ENCRYPTED ------------------------------------------------------------------------------ */

static bool encrypted_fires(const struct rule_input *in)
{
	return !in->plain_seen;
}

static void encrypted_text(struct dns_finding *f, const struct rule_input *in)
{
	const struct dns_transaction *t = in->t;
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "Names are resolved over an encrypted connection to ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, t->server_port != PORT_DOT ? " (DNS over HTTPS)"
			: t->proto == IPPROTO_UDP  ? " (DNS over QUIC)"
						   : " (DNS over TLS)");
	strbuf_puts(&b, ", and no query on port 53 is seen. What is asked and answered is not "
			"visible from outside: no finding here does not mean that it works.");
	b = seen_begin(f);
	put_owner(&b, &t->owner);
	strbuf_puts(&b, " connected to ");
	ipaddr_put(&b, &in->server);
	strbuf_printf(&b, " port %u on ", t->server_port);
	put_raw(&b, t->ifname);
	put_packet_nr(&b, t->query_nr);
	strbuf_putc(&b, '.');
	fix_begin(f,
		  "To watch lookups, have that program use plain DNS for the time, or see its own "
		  "log.");
}

/* --- BLIND -------------------------------------------------------------------------------------
 */

static bool blind_fires(const struct rule_input *in)
{
	return in->lost;
}

static void blind_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_printf(&b,
		      "%llu packets were lost before they could be looked at, because more came "
		      "than could be taken. What is missing may be the answers: findings "
		      "marked \"possible\" rest on incomplete evidence.",
		      (unsigned long long)in->lost);
	fix_begin(f, "Give it a larger buffer (-B, in MiB), or watch less: a filter such as "
		     "\"port 53\", fewer interfaces (-i).");
}

const struct dns_rule rules_other[] = {
	{ "LOCALHOST-REFUSED", DNS_ERROR, RULE_REFUSED, PER_SERVER, false, localhost_refused_fires,
	  localhost_refused_text },
	{ "ENCRYPTED", DNS_INFO, RULE_ENCRYPTED, PER_NAMESPACE, false, encrypted_fires,
	  encrypted_text },
	{ "BLIND", DNS_WARNING, RULE_BLIND, PER_NAMESPACE, false, blind_fires, blind_text },
	{ 0 },
};

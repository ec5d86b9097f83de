// SPDX-License-Identifier: GPL-2.0-only
/* The rules that no traffic is needed for, nor changes: what the files, the sockets and the
 * address translation of a namespace say. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

/* --- Docker's resolver ---------------------------------------------------------- */

static bool has_docker_socket(const struct dns_facts *f, uint8_t proto)
{
	uint32_t i;

	for (i = 0; i < f->nr_listeners && i < FACTS_MAX_LISTENERS; i++)
		if (is_docker(&f->listeners[i].addr) && f->listeners[i].proto == proto)
			return true;
	return false;
}

/* For a protocol, why queries do not arrive; NULL if they do. */
static const char *docker_gap(const struct dns_facts *f, uint8_t proto, enum nat_answer nat)
{
	if (!has_docker_socket(f, proto))
		return "no socket of dockerd is left on 127.0.0.11";
	return nat == NAT_NO ? "the NAT rule is missing that leads port 53 of 127.0.0.11 to "
			       "dockerd's socket"
			     : NULL;
}

bool docker_dns_gone(const struct dns_facts *f)
{
	static const uint8_t bytes[4] = { 127, 0, 0, 11 };
	struct ipaddr docker = ipaddr_v4(bytes);

	/* Whoever listens on port 53 itself needs no rule. */
	if (!f->docker_known || takes_port_53(f, &docker))
		return false;
	return docker_gap(f, IPPROTO_UDP, f->docker_nat_udp) ||
	       docker_gap(f, IPPROTO_TCP, f->docker_nat_tcp);
}

static bool docker_gone_fires(const struct rule_input *in)
{
	return is_docker(&in->server) && in->facts && in->facts_fresh && in->facts->lo_up &&
	       !in->answered_by.family && docker_dns_gone(in->facts);
}

static void seen_gap(struct dns_finding *f, const char *proto, const char *gap)
{
	struct strbuf b;

	if (!gap)
		return;
	b = seen_begin(f);
	strbuf_printf(&b, "For %s %s.", proto, gap);
}

static void docker_gone_text(struct dns_finding *f, const struct rule_input *in)
{
	const struct dns_facts *facts = in->facts;
	struct strbuf b = what_begin(f);
	bool docker = facts->kind == TARGET_DOCKER;

	if (docker)
		strbuf_puts(&b,
			    "Docker's resolver for this container, 127.0.0.11, is out of reach: "
			    "its sockets or the rules that lead to them are gone. ");
	else
		strbuf_puts(&b, "127.0.0.11 is the resolver that dockerd runs inside each of its "
				"containers on a user-defined network; there is none in this "
				"namespace. ");
	strbuf_puts(&b, has_other(in) ? "Each lookup goes on to the next server."
				      : "Lookups fail with \"Temporary failure in name "
					"resolution\".");
	seen_transaction(f, in);
	seen_gap(f, "UDP", docker_gap(facts, IPPROTO_UDP, facts->docker_nat_udp));
	seen_gap(f, "TCP", docker_gap(facts, IPPROTO_TCP, facts->docker_nat_tcp));
	seen_file(f, in);
	if (!docker) {
		fix_servers(f, in);
		return;
	}
	if (!has_docker_socket(facts, IPPROTO_UDP) && !has_docker_socket(facts, IPPROTO_TCP)) {
		b = fix_begin(f, "The sockets are dockerd's own; see that it runs:");
		strbuf_printf(&b, "%ssystemctl start docker", sudo(in));
	}
	b = fix_begin(f, "Docker sets both up when the container starts:");
	strbuf_printf(&b, "%sdocker restart ", sudo(in));
	put_shell(&b, bare_target(facts));
	b = fix_begin(f, "If it happens again, look for what flushes the rules in there:");
	put_enter(&b, in);
	strbuf_puts(&b, "iptables -t nat -S");
	fix_here(f, in);
}

/* --- resolv.conf ------------------------------------------------------------------ */

static bool limits_fire(const struct rule_input *in)
{
	return knows_resolv(in->facts) && in->facts->resolv.conf.nr_ignored;
}

static void limits_text(struct dns_finding *f, const struct rule_input *in)
{
	static const char *const why[] = {
		[RESOLV_TOO_MANY] = "the fourth server or a later one; libc asks three",
		[RESOLV_NO_ADDRESS] = "not an IP address",
		[RESOLV_INDENTED] = "a line counts only if it begins with the keyword",
	};
	const struct resolv_conf *c = &in->facts->resolv.conf;
	struct strbuf b = what_begin(f);
	uint32_t i;

	put_raw(&b, in->facts->resolv.path[0] ? in->facts->resolv.path : "/etc/resolv.conf");
	strbuf_printf(&b, " has %u line%s that name%s a server and that libc ignores.",
		      c->nr_ignored, c->nr_ignored == 1 ? "" : "s", c->nr_ignored == 1 ? "s" : "");
	if (c->nr_servers > RESOLV_LIBC_SERVERS)
		strbuf_puts(&b, " The servers in them are never asked, not even if the first three "
				"are dead.");
	f->resolv_line = c->ignored[0].line;
	for (i = 0; i < c->nr_ignored && i < RESOLV_MAX_IGNORED; i++) {
		b = seen_begin(f);
		strbuf_printf(&b, "Line %u: %s.", c->ignored[i].line, why[c->ignored[i].why]);
	}
	fix_begin(f, c->nr_servers > RESOLV_LIBC_SERVERS
			     ? "Keep the three servers that are wanted; a local resolver can "
			       "ask more."
			     : "Correct these lines, or remove them.");
}

/* --- the network -------------------------------------------------------------------- */

static bool internal_fires(const struct rule_input *in)
{
	const struct dns_facts *f = in->facts;

	return f && f->has_uplink && (!f->has_default_route || f->is_blocked) && !f->is_host_netns;
}

static void internal_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b,
		    "This is an internal network: it has no way out, so only what is on it can be "
		    "reached.");
	if (has_docker_socket(in->facts, IPPROTO_UDP))
		strbuf_puts(&b,
			    " Docker's resolver may find names that are outside; what they name "
			    "is out of reach all the same.");
	b = seen_begin(f);
	strbuf_puts(&b, in->facts->has_default_route
				? "Its default route leads to a host that lets nothing through."
				: "There is no default route in this namespace.");
	fix_begin(f, in->facts->kind == TARGET_DOCKER
			     ? "Nothing, if that is meant (docker network create --internal); "
			       "else connect it to a network with a way out."
			     : "Nothing, if that is meant; else add a default route.");
}

static bool loopback_only_fires(const struct rule_input *in)
{
	return in->facts && in->facts->nr_services && !in->facts->is_host_netns;
}

static uint32_t kept_services(const struct dns_facts *f)
{
	return f->nr_services < FACTS_MAX_SERVICES ? f->nr_services : FACTS_MAX_SERVICES;
}

static uint32_t nr_published(const struct dns_facts *f)
{
	uint32_t i, n = 0;

	for (i = 0; i < kept_services(f); i++)
		n += f->services[i].published != 0;
	return n;
}

static void put_socket(struct strbuf *b, const struct listener *l)
{
	strbuf_puts(b, l->proto == IPPROTO_TCP ? "TCP " : "UDP ");
	strbuf_puts(b, l->addr.family == 6 ? "[" : "");
	ipaddr_put(b, &l->addr);
	strbuf_printf(b, "%s:%u", l->addr.family == 6 ? "]" : "", l->port);
}

static void seen_service(struct dns_finding *f, const struct service *s)
{
	struct strbuf b = seen_begin(f);

	put_owner(&b, &s->owner);
	strbuf_puts(&b, " listens on ");
	put_socket(&b, &s->socket);
	if (s->published)
		strbuf_printf(&b, ", to which the host's port %u is published", s->published);
	strbuf_putc(&b, '.');
}

static void loopback_only_text(struct dns_finding *f, const struct rule_input *in)
{
	const struct dns_facts *facts = in->facts;
	uint32_t published = nr_published(facts), n = kept_services(facts), i;
	struct strbuf b = what_begin(f);

	if (published) {
		f->severity = DNS_WARNING;
		strbuf_printf(&b,
			      "%s published on the host, but the program behind %s listens on the "
			      "loopback of this namespace only. Connections from outside arrive on "
			      "another interface and are refused.",
			      published == 1 ? "A port is" : "Ports are",
			      published == 1 ? "it" : "them");
	} else {
		strbuf_puts(&b, "Nobody outside this namespace can reach what listens on its "
				"loopback: neither other containers nor a published port (-p).");
	}
	/* What is published comes first: it is the fault. */
	for (i = 0; i < n; i++)
		if (facts->services[i].published)
			seen_service(f, &facts->services[i]);
	for (i = 0; i < n; i++)
		if (!facts->services[i].published)
			seen_service(f, &facts->services[i]);
	if (facts->nr_services > FINDING_MAX_SEEN) {
		strbuf_init(&b, f->seen[FINDING_MAX_SEEN - 1], sizeof(f->seen[0]));
		strbuf_printf(&b, "And %u more.", facts->nr_services - FINDING_MAX_SEEN + 1);
	}
	fix_begin(f, published ? "Let the program listen on 0.0.0.0 (or ::) in the container."
			       : "Nothing, if that is meant; else let the program listen on "
				 "0.0.0.0 (or ::).");
}

const struct dns_rule rules_facts[] = {
	{ .code = "DOCKER-DNS-GONE",
	  .severity = DNS_ERROR,
	  .events = RULE_CHECK | AFTER_QUERY,
	  .fires = docker_gone_fires,
	  .text = docker_gone_text },
	{ .code = "RESOLV-LIMITS",
	  .severity = DNS_WARNING,
	  .events = RULE_FACTS,
	  .fires = limits_fire,
	  .text = limits_text },
	{ .code = "LOOPBACK-ONLY",
	  .severity = DNS_INFO,
	  .events = RULE_FACTS,
	  .fires = loopback_only_fires,
	  .text = loopback_only_text },
	{ .code = "INTERNAL",
	  .severity = DNS_INFO,
	  .events = RULE_FACTS,
	  .fires = internal_fires,
	  .text = internal_text },
	{ 0 },
};

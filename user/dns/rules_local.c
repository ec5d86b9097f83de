// SPDX-License-Identifier: GPL-2.0-only
/* Servers that cannot be there: on this namespace's own loopback, or beyond its routes. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "dns/call.h"
#include "dns/rules_text.h"
#include "util/strbuf.h"

static bool lo_down_fires(const struct rule_input *in)
{
	return ipaddr_is_loopback(&in->server) && in->facts && in->facts_fresh && !in->facts->lo_up;
}

static void lo_down_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name server is ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, ", a loopback address, and lo is down in this network namespace. ");
	/* One that was up before keeps its address: then a packet is made, and dropped. */
	strbuf_puts(&b, in->event & AFTER_QUERY
				? "What is sent there is dropped."
				: "The query fails in the socket call; no packet ever exists.");
	if (!listening(in->facts, &in->server))
		strbuf_puts(&b,
			    " With lo up it would still fail: nothing in this namespace listens "
			    "on that address.");
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "lo is down in this namespace.");
	seen_file(f, in);
	seen_no_listener(f, in);
	fix_lo_up(f, in);
	if (!listening(in->facts, &in->server))
		fix_servers(f, in);
}

/* Nothing listens on the loopback server: proven by a refusal, or by silence where the
 * namespace's sockets are known. */
static bool loopback_dead(const struct rule_input *in)
{
	bool known = in->facts && in->facts_fresh;

	if (!ipaddr_is_loopback(&in->server) || (known && listening(in->facts, &in->server)))
		return false;
	if (in->t && refused(in->t))
		return true;
	return known && in->facts->lo_up;
}

static bool stub_dead_fires(const struct rule_input *in)
{
	return is_stub(&in->server) && loopback_dead(in);
}

static bool other_dead_fires(const struct rule_input *in)
{
	return !is_stub(&in->server) && !is_docker(&in->server) && loopback_dead(in);
}

/* Who asks that server, and why: "/etc/resolv.conf names 127.0.0.53". */
static void put_who_names(struct strbuf *b, const struct rule_input *in)
{
	const struct resolv_file *r = in->facts ? &in->facts->resolv : NULL;
	bool known = r && knows_resolv(in->facts);

	if (in->t && !(known && line_of(in->facts, &in->server)))
		strbuf_puts(b, "The process");
	else
		put_raw(b, known && r->path[0] ? r->path : "/etc/resolv.conf");
	if (!in->t && r && r->error == ENOENT)
		strbuf_puts(b, " is not there, so libc asks ");
	else if (!in->t && known && !r->conf.nr_servers)
		strbuf_puts(b, " names no server, so libc asks ");
	else
		strbuf_puts(b, " names ");
	ipaddr_put(b, &in->server);
}

static void put_consequence(struct strbuf *b, const struct rule_input *in)
{
	if (has_other(in))
		strbuf_puts(b,
			    " Each lookup is refused there first and goes on to the next server.");
	else if (in->event == RULE_CHECK)
		strbuf_puts(b, " Lookups will fail with \"Temporary failure in name resolution\".");
	else
		strbuf_puts(b, " The program reads \"Temporary failure in name resolution\".");
}

static void stub_dead_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);
	bool host = in->facts && in->facts->is_host_netns;

	put_who_names(&b, in);
	if (host)
		strbuf_puts(
			&b,
			", the stub of this host's systemd-resolved, and nothing listens there: "
			"it is not running, or its stub listener is off.");
	else
		strbuf_puts(&b,
			    ", the stub of the host's systemd-resolved. Each network namespace has "
			    "its own loopback, and in this one nothing listens there.");
	put_consequence(&b, in);
	seen_transaction(f, in);
	seen_file(f, in);
	seen_no_listener(f, in);
	if (host) {
		b = fix_begin(f, "Start it:");
		strbuf_printf(&b, "%ssystemctl restart systemd-resolved", sudo(in));
		return;
	}
	fix_servers(f, in);
}

static void loopback_dead_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	put_who_names(&b, in);
	strbuf_puts(&b,
		    ", an address of this namespace's own loopback, and nothing listens there. ");
	if (!in->facts || !in->facts->is_host_netns)
		strbuf_puts(&b, "It may be right on the host (dnsmasq, unbound), whose loopback is "
				"another one.");
	put_consequence(&b, in);
	seen_transaction(f, in);
	seen_file(f, in);
	seen_no_listener(f, in);
	fix_servers(f, in);
}

/* An unreachable server beside a reachable one does no harm: libc goes on at once. An IPv6
 * server copied into a namespace without IPv6 is the common case. */
static bool unreachable_fires(const struct rule_input *in)
{
	return !ipaddr_is_loopback(&in->server) && in->facts && in->facts_fresh &&
	       no_route(in->facts, &in->server) && !has_other(in);
}

static void unreachable_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "There is no route from this network namespace to the name server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, ". The query fails in the socket call; no packet leaves.");
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "Route lookup for ");
	ipaddr_put(&b, &in->server);
	strbuf_printf(&b, " in this namespace: %s; %s.",
		      strerror(server_facts(in->facts, &in->server)->route_errno),
		      in->facts->has_default_route ? "there is a default route, but not for it"
						   : "there is no default route");
	seen_file(f, in);
	b = fix_begin(f, "See which addresses and routes it has, then add what is missing:");
	if (in->facts->kind == TARGET_NETNS) {
		strbuf_printf(&b, "%sip -n ", sudo(in));
		put_shell(&b, bare_target(in->facts));
		strbuf_puts(&b, " route show table all");
	} else {
		put_enter(&b, in);
		strbuf_puts(&b, "ip route show table all");
	}
	fix_begin(f, "On an internal network: name a server that is on that network.");
}

/* The kernel asks nobody but the packet filter, and programs at the socket's cgroup, whether a
 * datagram is permitted; connect() of UDP asks the latter alone. */
static bool local_firewall_fires(const struct rule_input *in)
{
	return in->t && in->t->failure == DNS_FAIL_CALL && in->t->error == EPERM;
}

static bool egress_hook_fires(const struct rule_input *in)
{
	return in->t && in->t->failure == DNS_FAIL_EGRESS;
}

/* udp_send_skb() passes the error on with IP_RECVERR only, and a connection is tried again. */
static void put_what_sender_gets(struct strbuf *b, const struct dns_transaction *t)
{
	if (t->error)
		strbuf_printf(b, " The call fails with \"%s\".", call_errno_text(t->error));
	else if (t->proto == IPPROTO_TCP)
		strbuf_puts(b, " The program is not told; its connection is tried until it gives "
			       "up.");
	else
		strbuf_puts(b, " The program is not told, and waits in vain; one that asks for "
			       "errors, as glibc does, may get \"No buffer space available\".");
}

static void egress_hook_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The firewall in this network namespace drops what is sent to the name "
			"server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, ", at nftables' egress hook of ");
	put_raw(&b, in->t->ifname);
	strbuf_puts(&b, ", before any capture sees it.");
	put_what_sender_gets(&b, in->t);
	seen_transaction(f, in);
	seen_file(f, in);
	if (!in->facts)
		return;
	b = fix_begin(f, "Find the rule in a chain with \"hook egress\", and permit UDP and TCP "
			 "port 53:");
	put_enter(&b, in);
	strbuf_puts(&b, "nft list ruleset netdev");
}

static void local_firewall_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The firewall in this network namespace refuses what is sent to the name "
			"server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, ": the query fails in the socket call with \"Operation not permitted\", "
			"and no packet leaves.");
	seen_transaction(f, in);
	seen_file(f, in);
	if (!in->facts)
		return;
	b = fix_begin(f, "Find the rule on the output path, and permit UDP and TCP port 53:");
	put_enter(&b, in);
	strbuf_puts(&b, "nft list ruleset");
	b = fix_begin(f, "If there is none: a filter of the service's control group, such as "
			 "systemd's IPAddressDeny=, does the same:");
	strbuf_printf(&b, "%sbpftool cgroup tree", sudo(in));
}

const struct dns_rule rules_local[] = {
	{ "LO-DOWN", DNS_ERROR, RULE_CHECK | RULE_NOT_SENT | AFTER_QUERY, PER_NAMESPACE, false,
	  lo_down_fires, lo_down_text },
	{ "STUB-DEAD", DNS_ERROR, AFTER_QUERY, PER_NAMESPACE, false, stub_dead_fires,
	  stub_dead_text },
	{ "STUB-CONFIG", DNS_WARNING, RULE_CHECK, PER_NAMESPACE, false, stub_dead_fires,
	  stub_dead_text },
	{ "LOOPBACK-DEAD", DNS_ERROR, AFTER_QUERY | RULE_CHECK, PER_SERVER, false, other_dead_fires,
	  loopback_dead_text },
	{ "LOCAL-FIREWALL", DNS_ERROR, RULE_NOT_SENT, PER_SERVER, false, local_firewall_fires,
	  local_firewall_text },
	{ "LOCAL-FIREWALL", DNS_ERROR, RULE_NOT_SENT, PER_SERVER, false, egress_hook_fires,
	  egress_hook_text },
	{ "UNREACHABLE", DNS_ERROR, RULE_CHECK | RULE_NOT_SENT, PER_SERVER, false,
	  unreachable_fires, unreachable_text },
	{ 0 },
};

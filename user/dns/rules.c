// SPDX-License-Identifier: GPL-2.0-only
#include "dns/rules.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "dns/engine.h"
#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"
#include "util/strbuf.h"

#define SEC 1000000000LL

/* --- what the facts say ------------------------------------------------------- */

/* Whether libc has another server to go on to, in the same file. */
static bool has_other(const struct rule_input *in)
{
	const struct resolv_conf *c;
	struct ipaddr a;
	unsigned int i;

	if (!knows_resolv(in->facts))
		return false;
	c = &in->facts->resolv.conf;
	for (i = 0; i < resolv_nr_used(c); i++) {
		a = resolv_server(c, i, NULL);
		if (!ipaddr_equal(&a, &in->server) && usable(in->facts, &a))
			return true;
	}
	return false;
}

static uint32_t line_of(const struct dns_facts *f, const struct ipaddr *server)
{
	uint32_t i;

	if (!knows_resolv(f))
		return 0;
	for (i = 0; i < f->resolv.conf.nr_servers && i < RESOLV_MAX_SERVERS; i++)
		if (ipaddr_equal(&f->resolv.conf.servers[i].addr, server))
			return f->resolv.conf.servers[i].line;
	return 0;
}

static bool port_unreachable(const struct dns_transaction *t)
{
	if (t->failure != DNS_FAIL_ICMP)
		return false;
	return t->icmp_version == 4 ? t->icmp_type == 3 && t->icmp_code == 3
				    : t->icmp_type == 1 && t->icmp_code == 4;
}

/* The answer of a machine on which nothing listens. */
static bool refused(const struct dns_transaction *t)
{
	return t->failure == DNS_FAIL_RESET || port_unreachable(t);
}

/* "mkdir -p DIR && printf TEXT > FILE", so that it works with and without sudo. */
static void put_write_file(struct strbuf *b, const struct rule_input *in, const char *dir,
			   const char *name, const char *file, const char *text)
{
	strbuf_printf(b, "%smkdir -p ", sudo(in));
	put_shell_in(b, dir, name, "");
	strbuf_printf(b, " && printf '%s' %s", text, *sudo(in) ? "| sudo tee " : "> ");
	put_shell_in(b, dir, name, file);
}

/* --- evidence --------------------------------------------------------------------- */

static void put_question(struct strbuf *b, const struct dns_transaction *t)
{
	if (!t->has_question) {
		strbuf_puts(b, t->proto == 6 ? "a TCP connection" : "a query");
		return;
	}
	strbuf_puts(b, "the query for ");
	strbuf_puts(b, t->name);
	strbuf_putc(b, ' ');
	dns_type_put(b, t->qtype);
}

static const char *icmp_text(const struct dns_transaction *t)
{
	static const char *const v4[] = {
		"network unreachable",
		"host unreachable",
		"protocol unreachable",
		"port unreachable",
		"fragmentation needed",
		"source route failed",
		"network unknown",
		"host unknown",
		"source host isolated",
		"network administratively prohibited",
		"host administratively prohibited",
		"network unreachable for this service",
		"host unreachable for this service",
		"administratively prohibited",
	};
	static const char *const v6[] = {
		"no route",	    "administratively prohibited",
		"beyond scope",	    "address unreachable",
		"port unreachable", "source address refused",
		"route refused",
	};

	if (t->icmp_version == 4 && t->icmp_type == 3 && t->icmp_code < ARRAY_SIZE(v4))
		return v4[t->icmp_code];
	if (t->icmp_version == 6 && t->icmp_type == 1 && t->icmp_code < ARRAY_SIZE(v6))
		return v6[t->icmp_code];
	return t->icmp_type == 11 || (t->icmp_version == 6 && t->icmp_type == 3)
		       ? "hop limit exceeded"
		       : "error";
}

static void put_packet_nr(struct strbuf *b, uint64_t nr)
{
	if (nr)
		strbuf_printf(b, " (packet %llu)", (unsigned long long)nr);
}

static void put_outcome(struct strbuf *b, const struct dns_transaction *t)
{
	switch (t->failure) {
	case DNS_FAIL_ICMP:
		strbuf_printf(b, ": ICMP %s came back from ", icmp_text(t));
		ipaddr_put(b, &t->reporter);
		put_packet_nr(b, t->response_nr);
		break;
	case DNS_FAIL_RESET:
		strbuf_puts(b, ": the connection was reset");
		put_packet_nr(b, t->response_nr);
		break;
	case DNS_FAIL_NO_SYN:
		strbuf_printf(b, ": nobody accepted it for %.1f s", (double)t->waited / 1e9);
		break;
	case DNS_FAIL_NONE: strbuf_printf(b, ": no answer for %.1f s", (double)t->waited / 1e9);
	}
	strbuf_putc(b, '.');
}

static void seen_transaction(struct dns_finding *f, const struct rule_input *in)
{
	const struct dns_transaction *t = in->t;
	struct strbuf b;

	if (!t)
		return;
	b = seen_begin(f);
	put_owner(&b, &t->owner);
	if (t->state == DNS_NOT_SENT) {
		strbuf_puts(&b, " called the name server ");
		ipaddr_put(&b, &in->server);
		if (t->queries > 1)
			strbuf_printf(&b, " %u times", t->queries);
		strbuf_puts(&b, "; no packet to it appeared on any interface.");
		return;
	}
	strbuf_puts(&b, " sent ");
	put_question(&b, t);
	strbuf_puts(&b, " to ");
	ipaddr_put(&b, &t->server);
	strbuf_puts(&b, " on ");
	put_raw(&b, t->ifname[0] ? t->ifname : "an interface");
	put_packet_nr(&b, t->query_nr);
	if (t->queries > 1)
		strbuf_printf(&b, ", %u times", t->queries);
	put_outcome(&b, t);
}

static void put_how_found(struct strbuf *b, const struct resolv_file *r, const struct owner *who)
{
	static const char *const how[] = {
		[RESOLV_PROCESS] = "read through /proc/%u/root",
		[RESOLV_SAME_MNTNS] = "read through pid %u, which has the same files",
		[RESOLV_PARENT] = "read through its parent, pid %u",
		[RESOLV_TARGET] = "the container's own file, read through pid %u",
		[RESOLV_HOST] = "the host's file",
	};

	(void)who;
	if (r->source == RESOLV_HOST || !r->pid)
		strbuf_puts(b, r->source == RESOLV_TARGET ? "the target's own file"
							  : "the host's file");
	else
		strbuf_printf(b, how[r->source], r->pid);
}

static void seen_file(struct dns_finding *f, const struct rule_input *in)
{
	const struct resolv_file *r;
	struct strbuf b;

	if (!knows_resolv(in->facts))
		return;
	r = &in->facts->resolv;
	b = seen_begin(f);
	put_raw(&b, r->path[0] ? r->path : "/etc/resolv.conf");
	if (f->resolv_line) {
		strbuf_printf(&b, " line %u: nameserver ", f->resolv_line);
		ipaddr_put(&b, &in->server);
	} else if (!r->conf.nr_servers) {
		strbuf_puts(&b, " names no server, so libc asks 127.0.0.1");
	} else {
		strbuf_puts(&b, " does not name ");
		ipaddr_put(&b, &in->server);
		strbuf_puts(&b, "; the process has it from elsewhere");
	}
	strbuf_puts(&b, " (");
	put_how_found(&b, r, &f->owner);
	if (r->is_hosts_own)
		strbuf_puts(&b, "; this is the host's own resolv.conf");
	else if (r->host_path[0] && strcmp(r->host_path, r->path)) {
		strbuf_puts(&b, "; on the host ");
		put_raw(&b, r->host_path);
	}
	strbuf_puts(&b, ").");
}

static void seen_no_listener(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (!in->facts || listening(in->facts, &in->server))
		return;
	b = seen_begin(f);
	strbuf_puts(&b, "No socket in this namespace takes port 53 of ");
	ipaddr_put(&b, &in->server);
	strbuf_putc(&b, '.');
}

/* --- fixes ------------------------------------------------------------------------ */

static unsigned int put_upstreams(struct strbuf *b, const struct dns_facts *f, const char *before,
				  const char *after)
{
	unsigned int n = 0;
	uint32_t i;

	for (i = 0; f && i < f->nr_upstreams && i < RESOLV_MAX_SERVERS && n < RESOLV_LIBC_SERVERS;
	     i++) {
		if (ipaddr_is_loopback(&f->upstreams[i]))
			continue;
		strbuf_puts(b, before);
		ipaddr_put(b, &f->upstreams[i]);
		strbuf_puts(b, after);
		n++;
	}
	return n;
}

static void fix_here(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (!in->facts || !in->facts->target[0] || in->facts->is_host_netns)
		return;
	b = fix_begin(f, "Run the command with a working resolv.conf, changing nothing:");
	strbuf_printf(&b, "%snswatch ", sudo(in));
	put_shell(&b, in->facts->target);
	strbuf_puts(&b, " --fix-dns -- CMD");
}

static void fix_netns(struct dns_finding *f, const struct rule_input *in)
{
	char text[256];
	struct strbuf b;

	strbuf_init(&b, text, sizeof(text));
	if (!put_upstreams(&b, in->facts, "nameserver ", "\\n"))
		return;
	b = fix_begin(f, "For good, for everything started by ip netns exec:");
	put_write_file(&b, in, "/etc/netns/", bare_target(in->facts), "/resolv.conf", text);
}

static void fix_runtime(struct dns_finding *f, const struct rule_input *in, const char *runtime)
{
	struct strbuf b;
	char text[256];

	strbuf_init(&b, text, sizeof(text));
	if (put_upstreams(&b, in->facts, " --dns ", "")) {
		b = fix_begin(f, "For good, when the container is started:");
		strbuf_printf(&b, "%s%s run%s IMAGE", sudo(in), runtime, text);
	}
	b = fix_begin(f, "Or with the host's list of real servers:");
	strbuf_printf(&b, "%s%s run -v /run/systemd/resolve/resolv.conf:/etc/resolv.conf:ro IMAGE",
		      sudo(in), runtime);
}

static void fix_process_files(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b, text;
	char mem[256];

	strbuf_init(&text, mem, sizeof(mem));
	if (!put_upstreams(&text, in->facts, "nameserver ", "\\n"))
		return;
	b = fix_begin(f, "Or by hand, in a private mount namespace:");
	strbuf_printf(
		&b,
		"printf '%s' > /tmp/resolv.conf && %snsenter --net=/proc/%u/ns/net unshare -m "
		"sh -c 'mount --bind /tmp/resolv.conf /etc/resolv.conf && exec CMD'",
		mem, sudo(in), (unsigned int)in->facts->resolv.pid);
}

static void fix_bridge(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;
	char text[128];

	if (!is_stub(&in->server) || !in->facts || !in->facts->bridge_addr[0])
		return;
	strbuf_init(&b, text, sizeof(text));
	strbuf_puts(&b, "[Resolve]\\nDNSStubListenerExtra=");
	put_raw(&b, in->facts->bridge_addr);
	strbuf_puts(&b, "\\n");
	b = fix_begin(f, "Or let the host's resolver listen on the bridge, and name that address:");
	put_write_file(&b, in, "/etc/systemd/", "resolved.conf.d", "/nswatch.conf", text);
	strbuf_printf(&b, " && %ssystemctl restart systemd-resolved", sudo(in));
}

/* How to give this kind of target servers that it can reach. */
static void fix_servers(struct dns_finding *f, const struct rule_input *in)
{
	if (!in->facts)
		return;
	fix_here(f, in);
	switch (in->facts->kind) {
	case TARGET_NETNS: fix_netns(f, in); break;
	case TARGET_DOCKER: fix_runtime(f, in, "docker"); break;
	case TARGET_PODMAN: fix_runtime(f, in, "podman"); break;
	case TARGET_CRI:
		fix_begin(f,
			  "For good: let the kubelet hand out real servers "
			  "(resolvConf: /run/systemd/resolve/resolv.conf in its configuration).");
		break;
	case TARGET_PID:
	case TARGET_PATH:
		if (in->facts->resolv.pid)
			fix_process_files(f, in);
		break;
	default: break;
	}
	fix_bridge(f, in);
}

static void fix_lo_up(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (!in->facts)
		return;
	if (in->facts->kind == TARGET_NEW) {
		b = fix_begin(f, "Bring lo up before the command:");
		strbuf_printf(&b, "%snswatch new -- sh -c 'ip link set lo up; exec CMD'", sudo(in));
		return;
	}
	b = fix_begin(f, "Bring lo up:");
	if (in->facts->kind == TARGET_NETNS) {
		strbuf_printf(&b, "%sip -n ", sudo(in));
		put_shell(&b, bare_target(in->facts));
		strbuf_puts(&b, " link set lo up");
		return;
	}
	put_enter(&b, in);
	strbuf_puts(&b, "ip link set lo up");
}

#define AFTER_QUERY (RULE_UNANSWERED | RULE_VERDICT)

/* --- the rules ----------------------------------------------------------------------- */

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

static void put_file_name(struct strbuf *b, const struct rule_input *in)
{
	if (in->facts && knows_resolv(in->facts) && line_of(in->facts, &in->server))
		put_raw(b, in->facts->resolv.path[0] ? in->facts->resolv.path : "/etc/resolv.conf");
	else
		strbuf_puts(b, in->t ? "The process" : "/etc/resolv.conf");
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

	put_file_name(&b, in);
	strbuf_puts(&b, " names ");
	ipaddr_put(&b, &in->server);
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

	put_file_name(&b, in);
	strbuf_puts(&b, " names ");
	ipaddr_put(&b, &in->server);
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

static const struct dns_rule rules[] = {
	{ "LO-DOWN", DNS_ERROR, RULE_CHECK | RULE_NOT_SENT | AFTER_QUERY, false, lo_down_fires,
	  lo_down_text },
	{ "STUB-DEAD", DNS_ERROR, AFTER_QUERY, false, stub_dead_fires, stub_dead_text },
	{ "STUB-CONFIG", DNS_WARNING, RULE_CHECK, false, stub_dead_fires, stub_dead_text },
	{ "LOOPBACK-DEAD", DNS_ERROR, AFTER_QUERY | RULE_CHECK, true, other_dead_fires,
	  loopback_dead_text },
	{ "UNREACHABLE", DNS_ERROR, RULE_CHECK | RULE_NOT_SENT, true, unreachable_fires,
	  unreachable_text },
	{ "NO-ANSWER", DNS_ERROR, RULE_VERDICT, true, no_answer_fires, no_answer_text },
};

const struct dns_rule *rules_match(const struct rule_input *in)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].events & in->event && rules[i].fires(in))
			return &rules[i];
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

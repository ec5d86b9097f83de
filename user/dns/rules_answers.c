// SPDX-License-Identifier: GPL-2.0-only
/* Answers that say no, for a reason that can be named; and servers that are slow. */
#include <string.h>

#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

#define MSEC 1000000LL
#define SEC  (1000 * MSEC)

#define SLOW_WARN  (100 * MSEC)
#define SLOW_ERROR SEC
/* So many in a row are no hiccup of the server, even if another one answers. */
#define SERVFAIL_ROW 3
#define STORM	     20
#define SUFFIXES     3

static bool says_no(const struct rule_input *in)
{
	return in->event == RULE_ANSWER && in->t->has_question && !(in->t->flags & DNS_F_TC) &&
	       !in->t->count[DNS_ANSWER];
}

static bool has_rcode(const struct rule_input *in, uint16_t rcode)
{
	return in->event == RULE_ANSWER && in->t->rcode == rcode && !is_docker(&in->server);
}

/* The resolver only passes on what befell itself; that server's own finding says it. */
static bool upstreams_fault(const struct rule_input *in)
{
	const struct rule_upstream *u = &in->upstream;

	return !in->parent.family && u->server.family &&
	       (u->bad || u->rcode == DNS_R_SERVFAIL || u->rcode == DNS_R_REFUSED);
}

static void put_name(struct strbuf *b, const struct rule_input *in)
{
	strbuf_puts(b, in->t->name);
}

static void put_other_server(struct dns_finding *f, struct strbuf *b, const struct rule_input *in)
{
	if (in->resolved_by.family) {
		strbuf_puts(b, " Meanwhile ");
		ipaddr_put(b, &in->resolved_by);
		strbuf_puts(b, " answers in its place.");
		f->severity = DNS_WARNING;
	} else {
		strbuf_puts(b, " The lookup fails with \"Temporary failure in name resolution\".");
	}
}

static void seen_answer(struct dns_finding *f, const struct rule_input *in)
{
	const struct dns_transaction *t = in->t;
	struct strbuf b;

	seen_transaction(f, in);
	if (!t->edns.nr_errors)
		return;
	b = seen_begin(f);
	strbuf_puts(&b, "The server's own reason (extended error): ");
	strbuf_puts(&b, dns_ede_name(t->edns.errors[0].code) ?: "unknown");
	if (t->ede_text[0][0])
		strbuf_printf(&b, ": %s", t->ede_text[0]);
	strbuf_putc(&b, '.');
}

/* --- SERVFAIL, REFUSED ---------------------------------------------------------------- */

static bool servfail_fires(const struct rule_input *in)
{
	return has_rcode(in, DNS_R_SERVFAIL) && !upstreams_fault(in) &&
	       (!in->resolved_by.family || in->servfails >= SERVFAIL_ROW);
}

static void servfail_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " is there, but could not resolve ");
	put_name(&b, in);
	strbuf_puts(&b, " (SERVFAIL): the servers that it asks itself do not answer, or what they "
			"say fails DNSSEC validation.");
	put_other_server(f, &b, in);
	seen_answer(f, in);
	seen_file(f, in);
	b = fix_begin(f,
		      "Without validation: if this works, DNSSEC is the reason. If not, see that "
		      "server's log:");
	put_dig(&b, in, "+cd");
	fix_begin(f, "Meanwhile, name another server.");
}

static bool refused_fires(const struct rule_input *in)
{
	return has_rcode(in, DNS_R_REFUSED) && !upstreams_fault(in);
}

static void refused_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " refuses to answer ");
	ipaddr_put(&b, &in->t->client);
	strbuf_puts(&b, " (REFUSED): its access list does not have this client, or it is not a "
			"resolver for names like ");
	put_name(&b, in);
	strbuf_putc(&b, '.');
	put_other_server(f, &b, in);
	seen_answer(f, in);
	seen_file(f, in);
	b = fix_begin(f, "Allow the client there (unbound: access-control, BIND: allow-query and "
			 "allow-recursion), or name another server. Compare from the host:");
	put_dig(&b, in, "");
}

/* --- SHORT-NAME ------------------------------------------------------------------------ */

/* Docker passes on what it does not know, and systemd-resolved refuses single labels. */
static bool is_refusal(const struct rule_input *in)
{
	return is_docker(&in->server) &&
	       (in->t->rcode == DNS_R_REFUSED || in->t->rcode == DNS_R_SERVFAIL);
}

static bool short_name_fires(const struct rule_input *in)
{
	if (!says_no(in) || in->name_found || strchr(in->t->name, '.') ||
	    !strcmp(in->t->name, "localhost") ||
	    (in->t->rcode != DNS_R_NXDOMAIN && in->t->rcode != DNS_R_NOERROR && !is_refusal(in)))
		return false;
	return is_docker(&in->server) ||
	       (in->facts && in->facts->kind == TARGET_DOCKER && !in->facts->is_host_netns);
}

/* One network for both, under a name that tells where it comes from. */
static void fix_one_network(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (!in->facts || in->facts->kind != TARGET_DOCKER)
		return;
	b = fix_begin(f, "Put both on one network of your own:");
	strbuf_printf(&b, "%sdocker network create shared && %sdocker network connect shared ",
		      sudo(in), sudo(in));
	put_shell(&b, bare_target(in->facts));
	strbuf_printf(&b, " && %sdocker network connect shared ", sudo(in));
	put_shell_name(&b, in->t);
}

static void short_name_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	if (is_docker(&in->server)) {
		strbuf_puts(&b, "Docker's resolver knows no container ");
		put_name(&b, in);
		strbuf_puts(&b, " on the networks of this container, and nobody else knows the "
				"name. Either there is none, it does not run, or it is on another "
				"network.");
	} else {
		strbuf_puts(&b, "This container asks ");
		ipaddr_put(&b, &in->server);
		strbuf_puts(&b, " for ");
		put_name(&b, in);
		strbuf_puts(&b, ", which knows no containers. Docker resolves their names on "
				"networks that you have created, not on the default bridge.");
	}
	seen_answer(f, in);
	fix_one_network(f, in);
	b = fix_begin(f, "Which containers run, and on which networks:");
	strbuf_printf(&b, "%sdocker ps --format '{{.Names}}: {{.Networks}}'", sudo(in));
}

/* --- LOCAL-TLD ---------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n >= s && !strcmp(name + n - s, suffix) && (n == s || name[n - s - 1] == '.');
}

/* A domain of that kind that somebody set up on purpose; Kubernetes has its own. */
static bool is_served_local(const struct rule_input *in)
{
	const struct resolv_conf *c;
	uint32_t i;

	if (ends_with(in->t->name, "cluster.local"))
		return true;
	if (!knows_resolv(in->facts))
		return false;
	c = &in->facts->resolv.conf;
	for (i = 0; i < c->nr_search && i < RESOLV_MAX_SEARCH; i++)
		if (c->search[i][0] && ends_with(in->t->name, c->search[i]))
			return true;
	return false;
}

static bool local_tld_fires(const struct rule_input *in)
{
	if (!in->t->has_question || !ends_with(in->t->name, "local") || !strchr(in->t->name, '.') ||
	    in->name_found || is_served_local(in))
		return false;
	return in->event == RULE_VERDICT ? !in->answered_by.family
					 : says_no(in) && in->t->rcode == DNS_R_NXDOMAIN;
}

static void local_tld_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	put_name(&b, in);
	strbuf_puts(&b, " is a name of multicast DNS: names under .local are asked of the machines "
			"on the link, not of a name server (RFC 6762). Here it was sent to ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, ", which does not know it.");
	if (in->event == RULE_VERDICT)
		seen_transaction(f, in);
	else
		seen_answer(f, in);
	fix_begin(f, "Use another domain than .local for names in DNS; home.arpa and internal are "
		     "there for that.");
	b = fix_begin(f, "Or, where the machine is on the same link, let libc ask by multicast:");
	strbuf_printf(&b, "%sapt-get install libnss-mdns avahi-daemon", sudo(in));
}

/* --- NX-STORM, SEARCH-AMPLIFY -------------------------------------------------------------- */

static bool nx_storm_fires(const struct rule_input *in)
{
	return says_no(in) && in->nx_minute >= STORM;
}

static void nx_storm_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	if (in->t->owner.pid)
		put_owner(&b, &in->t->owner);
	else
		strbuf_puts(&b, "An application");
	strbuf_puts(&b, " keeps asking for ");
	put_name(&b, in);
	strbuf_printf(&b, ", which does not exist: NXDOMAIN %u times within the last minute.",
		      in->nx_minute);
	f->severity = DNS_WARNING;
	seen_answer(f, in);
	if (in->t->owner.pid) {
		b = fix_begin(f, "Correct the name in that program's configuration, or let it wait "
				 "longer between its tries. The program:");
		strbuf_printf(&b, "ps -o pid,lstart,args -p %u", in->t->owner.pid);
	} else {
		fix_begin(f, "Correct the name in the application's configuration, or let it wait "
			     "longer between its tries.");
	}
}

static bool search_amplify_fires(const struct rule_input *in)
{
	return in->event == RULE_ANSWER && in->nx_wasted >= SUFFIXES;
}

static void seen_search(struct dns_finding *f, const struct rule_input *in)
{
	const struct resolv_conf *c;
	struct strbuf b;
	uint32_t i;

	if (!knows_resolv(in->facts) || !in->facts->resolv.conf.nr_search)
		return;
	c = &in->facts->resolv.conf;
	b = seen_begin(f);
	put_raw(&b, in->facts->resolv.path[0] ? in->facts->resolv.path : "/etc/resolv.conf");
	strbuf_puts(&b, ": search");
	for (i = 0; i < c->nr_search && i < RESOLV_MAX_SEARCH; i++) {
		strbuf_putc(&b, ' ');
		put_raw(&b, c->search[i]);
	}
	strbuf_printf(&b, "; ndots:%u, so names with fewer dots are tried with these first.",
		      c->ndots);
}

static void search_amplify_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "Before ");
	put_name(&b, in);
	strbuf_printf(&b,
		      " itself was asked for, %u queries for it with a search suffix got "
		      "NXDOMAIN. That took ",
		      in->nx_wasted);
	put_duration(&b, in->nx_wasted_time);
	strbuf_puts(&b, ", and does so for each lookup of a name like this.");
	f->severity = DNS_WARNING;
	seen_answer(f, in);
	seen_search(f, in);
	b = fix_begin(f, "Write the name with a dot at its end, which takes it as it is:");
	strbuf_puts(&b, "getent hosts ");
	put_shell_name(&b, in->t);
	strbuf_putc(&b, '.');
	fix_option(f, in, "Or try names with a dot as they are first:", "ndots:1");
}

/* --- SPLIT-ANSWERS --------------------------------------------------------------------------- */

static bool split_answers_fires(const struct rule_input *in)
{
	return in->event == RULE_ANSWER && in->nx_first.family;
}

static void split_answers_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name servers do not agree: ");
	ipaddr_put(&b, &in->nx_first);
	strbuf_puts(&b, " says that ");
	put_name(&b, in);
	strbuf_puts(&b, " does not exist, ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " has an answer. A client that asks all of them at once (musl, so Alpine) "
			"takes what comes first, and this time that was the wrong one.");
	seen_answer(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "NXDOMAIN from ");
	ipaddr_put(&b, &in->nx_first);
	strbuf_puts(&b, " to the same socket came ");
	put_duration(&b, in->nx_ahead);
	strbuf_puts(&b, " before it.");
	seen_file(f, in);
	fix_begin(f, "Name only servers that know the same names: one resolver that forwards the "
		     "private domain to the server that has it.");
}

/* --- SLOW ---------------------------------------------------------------------------------------
 */

static bool slow_fires(const struct rule_input *in)
{
	/* A local resolver is as slow as whom it asks. */
	if (ipaddr_is_loopback(&in->server) && in->upstream.server.family)
		return false;
	return in->event == RULE_SLOW && in->latency.p95 > SLOW_WARN;
}

static void slow_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " is slow: one answer in twenty takes longer than ");
	put_duration(&b, in->latency.p95);
	strbuf_puts(&b, ". Whatever looks names up waits for that.");
	f->severity = in->latency.p95 > SLOW_ERROR ? DNS_ERROR : DNS_WARNING;
	b = seen_begin(f);
	strbuf_printf(&b, "%llu answers: half of them within ",
		      (unsigned long long)in->latency.count);
	put_duration(&b, in->latency.p50);
	strbuf_puts(&b, ", 95 % within ");
	put_duration(&b, in->latency.p95);
	strbuf_puts(&b, ", 99 % within ");
	put_duration(&b, in->latency.p99);
	strbuf_puts(&b, "; the slowest took ");
	put_duration(&b, in->latency.max);
	strbuf_putc(&b, '.');
	seen_file(f, in);
	b = fix_begin(f, "Compare with the host; if it is slow there, too, it is the server or the "
			 "way to it:");
	put_dig(&b, in, "+stats");
	fix_begin(f,
		  "A cache near by (dnsmasq, unbound, systemd-resolved on the host) hides it for "
		  "names asked for often.");
}

const struct dns_rule rules_answers[] = {
	{ "SPLIT-ANSWERS", DNS_ERROR, RULE_ANSWER, PER_NAMESPACE, false, split_answers_fires,
	  split_answers_text },
	{ "SHORT-NAME", DNS_ERROR, RULE_ANSWER, PER_NAMESPACE, false, short_name_fires,
	  short_name_text },
	{ "LOCAL-TLD", DNS_ERROR, RULE_ANSWER | RULE_VERDICT, PER_NAMESPACE, false, local_tld_fires,
	  local_tld_text },
	{ "SERVFAIL", DNS_ERROR, RULE_ANSWER, PER_SERVER, false, servfail_fires, servfail_text },
	{ "REFUSED", DNS_ERROR, RULE_ANSWER, PER_SERVER, false, refused_fires, refused_text },
	{ "NX-STORM", DNS_WARNING, RULE_ANSWER, PER_NAMESPACE, false, nx_storm_fires,
	  nx_storm_text },
	{ "SEARCH-AMPLIFY", DNS_WARNING, RULE_ANSWER, PER_NAMESPACE, false, search_amplify_fires,
	  search_amplify_text },
	{ "SLOW", DNS_WARNING, RULE_SLOW, PER_SERVER, false, slow_fires, slow_text },
	{ 0 },
};

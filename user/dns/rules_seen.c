// SPDX-License-Identifier: GPL-2.0-only
/* What a finding's evidence is made of. */
#include <string.h>

#include "dns/call.h"
#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

/* --- what the facts and the transaction say --------------------------------------- */

bool has_other(const struct rule_input *in)
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

uint32_t line_of(const struct dns_facts *f, const struct ipaddr *server)
{
	uint32_t i;

	if (!knows_resolv(f))
		return 0;
	for (i = 0; i < f->resolv.conf.nr_servers && i < RESOLV_MAX_SERVERS; i++)
		if (ipaddr_equal(&f->resolv.conf.servers[i].addr, server))
			return f->resolv.conf.servers[i].line;
	return 0;
}

bool port_unreachable(const struct dns_transaction *t)
{
	if (t->failure != DNS_FAIL_ICMP)
		return false;
	return t->icmp_version == 4 ? t->icmp_type == 3 && t->icmp_code == 3
				    : t->icmp_type == 1 && t->icmp_code == 4;
}

bool refused(const struct dns_transaction *t)
{
	return t->failure == DNS_FAIL_RESET || port_unreachable(t);
}

/* --- sentences ---------------------------------------------------------------------- */

void put_question(struct strbuf *b, const struct dns_transaction *t)
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

const char *icmp_text(const struct dns_transaction *t)
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

void put_packet_nr(struct strbuf *b, uint64_t nr)
{
	if (nr)
		strbuf_printf(b, " (packet %llu)", (unsigned long long)nr);
}

void put_duration(struct strbuf *b, int64_t ns)
{
	if (ns >= 1000000000)
		strbuf_printf(b, "%.1f s", (double)ns / 1e9);
	else
		strbuf_printf(b, ns >= 100000000 ? "%.0f ms" : "%.1f ms", (double)ns / 1e6);
}

static void put_answer(struct strbuf *b, const struct dns_transaction *t)
{
	strbuf_puts(b, ": ");
	dns_rcode_put(b, t->rcode);
	if (t->flags & DNS_F_TC)
		strbuf_puts(b, ", truncated,");
	else if (t->rcode == DNS_R_NOERROR && !t->count[DNS_ANSWER])
		strbuf_puts(b, " without a record");
	strbuf_puts(b, " after ");
	put_duration(b, t->latency);
	put_packet_nr(b, t->response_nr);
	strbuf_putc(b, '.');
}

static void put_outcome(struct strbuf *b, const struct dns_transaction *t)
{
	if (t->state == DNS_ANSWERED || t->state == DNS_LATE) {
		put_answer(b, t);
		return;
	}
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
	case DNS_FAIL_CALL:
	case DNS_FAIL_EGRESS:
	case DNS_FAIL_ROUTE: break; /* see put_call() */
	case DNS_FAIL_NONE: strbuf_printf(b, ": no answer for %.1f s", (double)t->waited / 1e9);
	}
	strbuf_putc(b, '.');
}

static void put_egress(struct strbuf *b, const struct dns_transaction *t)
{
	strbuf_puts(b, ": the kernel dropped what was sent at the egress hook of ");
	put_raw(b, t->ifname);
	if (t->error)
		strbuf_printf(b, ", and %s() failed with", call_name(t->call));
}

/* What never became a packet. */
static void put_call(struct strbuf *b, const struct dns_transaction *t)
{
	strbuf_puts(b, " called the name server ");
	ipaddr_put(b, &t->server);
	if (t->queries > 1)
		strbuf_printf(b, " %u times", t->queries);
	if (t->failure == DNS_FAIL_CALL)
		strbuf_printf(b, ": %s() failed with", call_name(t->call));
	else if (t->failure == DNS_FAIL_ROUTE)
		strbuf_puts(b, ": the route lookup for it answers");
	else if (t->failure == DNS_FAIL_EGRESS)
		put_egress(b, t);
	if (t->error)
		strbuf_printf(b, " %s (%s)", call_errno_name(t->error), call_errno_text(t->error));
	strbuf_puts(b, t->failure == DNS_FAIL_EGRESS
			       ? "."
			       : "; no packet to it appeared on any interface.");
}

void seen_transaction(struct dns_finding *f, const struct rule_input *in)
{
	const struct dns_transaction *t = in->t;
	struct strbuf b;

	if (!t)
		return;
	b = seen_begin(f);
	put_owner(&b, &t->owner);
	if (t->state == DNS_NOT_SENT) {
		put_call(&b, t);
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

void seen_file(struct dns_finding *f, const struct rule_input *in)
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

void seen_no_listener(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (!in->facts || listening(in->facts, &in->server))
		return;
	b = seen_begin(f);
	strbuf_puts(&b, "No socket in this namespace takes port 53 of ");
	ipaddr_put(&b, &in->server);
	strbuf_putc(&b, '.');
}

void seen_host_side(struct dns_finding *f, const struct dns_transaction *t)
{
	struct strbuf b;

	if (!t->host_side_watched && !t->host_side_later)
		return;
	b = seen_begin(f);
	if (!t->host_side_watched)
		strbuf_puts(&b, "The veth's host end was not watched yet (--side both watches it "
				"from the start).");
	else if (t->came_back)
		strbuf_puts(&b,
			    "It left through the veth, and an answer came back to the veth's host "
			    "end, but not into the namespace: it was dropped on the way in.");
	else if (t->left)
		strbuf_puts(&b, "It left through the veth; no answer came back to the veth.");
	else
		strbuf_puts(&b, "It did not reach the veth's host end: it was dropped inside.");
}

void put_delay_or_failure(struct dns_finding *f, struct strbuf *b, const struct rule_input *in)
{
	if (in->answered_by.family) {
		strbuf_puts(b, " Lookups succeed through ");
		ipaddr_put(b, &in->answered_by);
		strbuf_printf(b, ", each after a delay of %.1f s.",
			      (double)in->answered_after / 1e9);
		f->severity = DNS_WARNING;
	} else {
		strbuf_puts(b, " The lookup fails.");
	}
}

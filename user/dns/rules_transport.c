// SPDX-License-Identifier: GPL-2.0-only
/* Answers that are lost, cut, or changed on their way. */
#include <netinet/in.h>

#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

#define MSEC 1000000LL
#define SEC  (1000 * MSEC)

/* A client that goes on over TCP does so at once. */
#define TCP_AT_ONCE (100 * MSEC)
/* How long a truncated answer stays the reason for a connection. */
#define TRUNCATED_TIME (5 * SEC)
/* The shortest time after which libc asks again. */
#define RETRY_TIME (9 * SEC / 10)
#define AAAA_NAMES 3
/* Transactions in a row, over so long, that one socket lost. */
#define STALE_ROW  3
#define STALE_TIME (2 * SEC)

/* --- WRONG-SOURCE ----------------------------------------------------------------------- */

static bool wrong_source_fires(const struct rule_input *in)
{
	return in->wrong_source.family && !in->answered_by.family;
}

static void wrong_source_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The query went to ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, ", and its answer came from ");
	ipaddr_put(&b, &in->wrong_source);
	strbuf_puts(&b,
		    ". The client drops it, as it must: it could be forged. Some NAT rewrote the "
		    "query's address and not the answer's, which happens when the answer takes "
		    "another way back, past the NAT.");
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "An answer with the same id, port and question came from ");
	ipaddr_put(&b, &in->wrong_source);
	put_packet_nr(&b, in->wrong_source_nr);
	strbuf_putc(&b, '.');
	b = fix_begin(f, "If both are on one bridge, make bridged packets pass the NAT:");
	strbuf_printf(&b,
		      "%smodprobe br_netfilter && %ssysctl -w net.bridge.bridge-nf-call-iptables=1",
		      sudo(in), sudo(in));
	b = fix_begin(f, "Or find the rule that rewrites, and masquerade what it rewrites:");
	strbuf_printf(&b, "%snft list ruleset", sudo(in));
}

/* --- BIG-UDP-LOST -------------------------------------------------------------------------- */

static bool big_udp_lost_fires(const struct rule_input *in)
{
	if (in->event == RULE_ANSWER)
		return in->big_unanswered;
	return in->half_answered && !in->answered_by.family;
}

static void big_udp_lost_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "Large answers of ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " over UDP do not arrive: they are longer than a packet on the way may be, "
			"travel in fragments, and fragments are dropped. ");
	if (in->event == RULE_ANSWER) {
		strbuf_printf(&b,
			      "With up to %u bytes allowed no answer came; asked again for a "
			      "smaller one, it came.",
			      in->big_unanswered);
		f->severity = DNS_WARNING;
	} else {
		strbuf_puts(&b, "The first fragment came, the rest did not.");
	}
	seen_transaction(f, in);
	seen_file(f, in);
	fix_begin(f,
		  "Have answers fit into a packet: EDNS buffer size 1232 in the resolver and the "
		  "server (unbound: edns-buffer-size: 1232, dnsmasq: edns-packet-max=1232).");
	fix_inside(f, in, "Find the way's MTU, and give the interface that one:",
		   "ip link show; tracepath -n SERVER");
}

/* --- TC-NO-TCP, TCP53-BLOCKED --------------------------------------------------------------- */

static bool tc_no_tcp_fires(const struct rule_input *in)
{
	return in->event == RULE_ANSWER && in->t->flags & DNS_F_TC && in->t->proto == IPPROTO_UDP &&
	       in->tcp_after < 0 && !in->whole &&
	       (!in->last_call || in->age - in->t->latency >= TCP_AT_ONCE);
}

static void tc_no_tcp_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The answer for ");
	strbuf_puts(&b, in->t->name);
	strbuf_puts(&b,
		    " is too long for one UDP packet and came cut short (TC); the client should "
		    "ask again over TCP and did not. It works with what it got, a part of the "
		    "records or none. Old musl (Alpine before 3.18) does so.");
	f->severity = DNS_WARNING;
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "No TCP connection to ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " followed.");
	fix_begin(f, "Update the client's libc (musl 1.2.4, Alpine 3.18 or later), or shorten the "
		     "answer: fewer records under that name.");
	b = fix_begin(f, "The whole answer:");
	put_dig(&b, in, "+tcp");
}

static bool tcp53_blocked_fires(const struct rule_input *in)
{
	return in->event == RULE_VERDICT && in->t->proto == IPPROTO_TCP && !in->t->has_question &&
	       in->t->failure != DNS_FAIL_NONE && in->truncated_before >= 0 &&
	       in->truncated_before <= TRUNCATED_TIME;
}

static void tcp53_blocked_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " answers over UDP, but its TCP port 53 ");
	strbuf_puts(&b, in->t->failure == DNS_FAIL_NO_SYN ? "is silent" : "refuses");
	strbuf_puts(&b,
		    ". Answers too long for UDP are asked for again over TCP: those lookups "
		    "fail. A firewall lets only UDP through, or the server does not serve TCP.");
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "A truncated answer of that server came ");
	put_duration(&b, in->truncated_before);
	strbuf_puts(&b, " before.");
	seen_host_side(f, in->t);
	b = fix_begin(f, "Allow TCP port 53 on the way to it. From the host:");
	strbuf_puts(&b, "dig +tcp +time=2 +tries=1 @");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " .");
	b = fix_begin(f, "A rule that does, if the host's own firewall is the one:");
	strbuf_printf(&b, "%siptables -I FORWARD -p tcp -d ", sudo(in));
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " --dport 53 -j ACCEPT");
}

/* --- RACE-5S ---------------------------------------------------------------------------------- */

static bool race_fires(const struct rule_input *in)
{
	if (!in->twin_answered)
		return false;
	if (in->event == RULE_ANSWER)
		return in->t->queries > 1 && in->t->waited >= RETRY_TIME;
	return in->answered_by.family && ipaddr_equal(&in->answered_by, &in->server) &&
	       in->answered_after >= RETRY_TIME;
}

static void race_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b,
		    "A and AAAA were asked at the same moment from one socket; one of the two was "
		    "lost, and the lookup took ");
	put_duration(&b, in->event == RULE_ANSWER ? in->t->waited : in->answered_after);
	strbuf_puts(&b, ", until it was asked again. This is how a known race in the kernel's "
			"connection tracking (NAT) shows: two first packets of one socket at once, "
			"and one is dropped.");
	f->severity = DNS_WARNING;
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_printf(&b, "The %s query of the same socket, within 5 ms, was answered at once.",
		      in->t->qtype == DNS_T_AAAA ? "A" : "AAAA");
	seen_host_side(f, in->t);
	seen_file(f, in);
	fix_option(f, in, "Ask one after the other, from two sockets:", "single-request-reopen");
	fix_begin(f,
		  "Or a cache that needs no NAT: a resolver on the node, asked by its address on "
		  "the bridge.");
}

/* --- AAAA-SILENT --------------------------------------------------------------------------------
 */

static bool aaaa_silent_fires(const struct rule_input *in)
{
	if (!in->t->has_question || in->t->qtype != DNS_T_AAAA || !in->a_found ||
	    in->aaaa_names < AAAA_NAMES)
		return false;
	return in->event == RULE_ANSWER ? in->t->rcode == DNS_R_NOTIMP : !in->answered_by.family;
}

static void aaaa_silent_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "The name server ");
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " answers queries for IPv4 addresses (A), but ");
	strbuf_puts(&b, in->event == RULE_ANSWER ? "says NOTIMP to" : "is silent about");
	strbuf_printf(&b,
		      " those for IPv6 (AAAA), for %u names so far. Programs ask for both, and ",
		      in->aaaa_names);
	strbuf_puts(&b, in->event == RULE_ANSWER ? "some take that for a failure."
						 : "wait for the second until they give up.");
	seen_transaction(f, in);
	seen_host_side(f, in->t);
	b = fix_begin(f,
		      "That server, or a firewall before it, has to answer AAAA, be it that there "
		      "is none. From the host:");
	put_dig(&b, in, "");
	b = fix_begin(f, "Meanwhile, have programs ask for IPv4 only:");
	strbuf_puts(&b, "getent ahostsv4 ");
	put_shell_name(&b, in->t);
	fix_option(f, in, "glibc 2.36 and later has an option for that:", "no-aaaa");
}

/* --- STALE-CONNTRACK
 * ------------------------------------------------------------------------------- */

static bool stale_conntrack_fires(const struct rule_input *in)
{
	return in->event == RULE_VERDICT && in->t->proto == IPPROTO_UDP &&
	       in->t->failure == DNS_FAIL_NONE && !in->server_silent && !in->answered_by.family &&
	       in->port_failures >= STALE_ROW && in->port_time >= STALE_TIME;
}

static void stale_conntrack_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_printf(&b, "Queries from source port %u to ", in->t->client_port);
	ipaddr_put(&b, &in->server);
	strbuf_puts(&b, " get no answer, while those from other ports do. The kernel's connection "
			"tracking keeps an old entry for this socket, so that its packets are "
			"still translated or routed as they were before something changed.");
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_printf(&b, "%u queries in a row from that port were lost, over ", in->port_failures);
	put_duration(&b, in->port_time);
	strbuf_puts(&b, "; meanwhile the server answered other sockets.");
	seen_host_side(f, in->t);
	b = fix_begin(f, "Delete the entry on the host:");
	strbuf_printf(&b, "%sconntrack -D -p udp -s ", sudo(in));
	ipaddr_put(&b, &in->t->client);
	strbuf_printf(&b, " --sport %u --dport 53", in->t->client_port);
	fix_begin(f, "Or restart the program, which takes a new port.");
}

const struct dns_rule rules_transport[] = {
	{ "WRONG-SOURCE", DNS_ERROR, AFTER_QUERY, PER_SERVER, false, wrong_source_fires,
	  wrong_source_text },
	{ "BIG-UDP-LOST", DNS_ERROR, AFTER_QUERY | RULE_ANSWER, PER_SERVER, false,
	  big_udp_lost_fires, big_udp_lost_text },
	{ "TC-NO-TCP", DNS_WARNING, RULE_ANSWER, PER_SERVER, false, tc_no_tcp_fires,
	  tc_no_tcp_text },
	{ "TCP53-BLOCKED", DNS_ERROR, RULE_VERDICT, PER_SERVER, false, tcp53_blocked_fires,
	  tcp53_blocked_text },
	{ "RACE-5S", DNS_WARNING, RULE_VERDICT | RULE_ANSWER, PER_SERVER, false, race_fires,
	  race_text },
	{ "AAAA-SILENT", DNS_ERROR, RULE_VERDICT | RULE_ANSWER, PER_SERVER, false,
	  aaaa_silent_fires, aaaa_silent_text },
	{ "STALE-CONNTRACK", DNS_ERROR, RULE_VERDICT, PER_SERVER, false, stale_conntrack_fires,
	  stale_conntrack_text },
	{ 0 },
};

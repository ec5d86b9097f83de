// SPDX-License-Identifier: GPL-2.0-only
#include "sink/dns_json.h"

#include <string.h>
#include <time.h>

#include "decode/dns.h"
#include "dns/call.h"
#include "decode/frame.h"
#include "util/cleanup.h"

#define SEC 1000000000LL

/* Members of an object, each with its comma before it but the first. */
static void key(struct strbuf *b, const char *name)
{
	if (b->len && b->s[b->len - 1] != '{')
		strbuf_putc(b, ',');
	strbuf_putc(b, '"');
	strbuf_puts(b, name);
	strbuf_puts(b, "\":");
}

static void put_string(struct strbuf *b, const char *name, const char *s)
{
	key(b, name);
	strbuf_json(b, s, strlen(s));
}

static void put_u64(struct strbuf *b, const char *name, uint64_t v)
{
	key(b, name);
	strbuf_u64(b, v);
}

static void put_bool(struct strbuf *b, const char *name, bool v)
{
	key(b, name);
	strbuf_puts(b, v ? "true" : "false");
}

static void put_null(struct strbuf *b, const char *name)
{
	key(b, name);
	strbuf_puts(b, "null");
}

static void put_time(struct strbuf *b, const char *name, int64_t ns)
{
	key(b, name);
	strbuf_putc(b, '"');
	strbuf_rfc3339(b, ns);
	strbuf_putc(b, '"');
}

/* A duration in milliseconds, exact to the nanosecond; null if there is none. */
static void put_ms(struct strbuf *b, const char *name, int64_t ns)
{
	if (ns < 0) {
		put_null(b, name);
		return;
	}
	key(b, name);
	strbuf_u64(b, (uint64_t)ns / 1000000);
	strbuf_printf(b, ".%06u", (unsigned int)(ns % 1000000));
}

static void put_addr(struct strbuf *b, const char *name, const struct ipaddr *a)
{
	if (!a->family) {
		put_null(b, name);
		return;
	}
	key(b, name);
	strbuf_putc(b, '"');
	ipaddr_put(b, a);
	strbuf_putc(b, '"');
}

static void put_owner(struct strbuf *b, const struct owner *o)
{
	if (!o->pid) {
		put_null(b, "process");
		return;
	}
	key(b, "process");
	strbuf_putc(b, '{');
	put_u64(b, "pid", o->pid);
	put_string(b, "comm", o->comm);
	strbuf_putc(b, '}');
}

static void begin(struct strbuf *b, const char *type)
{
	strbuf_putc(b, '{');
	/* Not by key(): the buffer may hold lines already. */
	strbuf_printf(b, "\"type\":\"%s\"", type);
}

static void end(struct strbuf *b)
{
	strbuf_puts(b, "}\n");
}

static void put_proto(struct strbuf *b, uint8_t proto)
{
	if (proto == 17)
		put_string(b, "transport", "udp");
	else if (proto == 6)
		put_string(b, "transport", "tcp");
	else
		put_null(b, "transport");
}

/* --- transactions ------------------------------------------------------------------ */

static const char *const state_names[] = {
	[DNS_ANSWERED] = "answered",   [DNS_UNANSWERED] = "unanswered", [DNS_LATE] = "late",
	[DNS_FAILED] = "failed",       [DNS_NOT_SENT] = "not-sent",	[DNS_SILENT] = "silent",
	[DNS_ANNOUNCED] = "announced",
};

static void put_question(struct strbuf *b, const struct dns_transaction *t)
{
	char text[24];
	struct strbuf name;

	if (!t->has_question) {
		put_null(b, "question");
		return;
	}
	key(b, "question");
	strbuf_putc(b, '{');
	put_string(b, "name", t->name);
	strbuf_init(&name, text, sizeof(text));
	dns_type_put(&name, t->qtype);
	put_string(b, "type", text);
	strbuf_reset(&name);
	dns_class_put(&name, t->qclass);
	put_string(b, "class", text);
	strbuf_putc(b, '}');
}

static void put_flags(struct strbuf *b, uint16_t flags)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {
		{ DNS_F_AA, "aa" }, { DNS_F_TC, "tc" }, { DNS_F_RD, "rd" },
		{ DNS_F_RA, "ra" }, { DNS_F_AD, "ad" }, { DNS_F_CD, "cd" },
	};
	bool first = true;
	size_t i;

	key(b, "flags");
	strbuf_putc(b, '[');
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(flags & names[i].bit))
			continue;
		strbuf_printf(b, "%s\"%s\"", first ? "" : ",", names[i].name);
		first = false;
	}
	strbuf_putc(b, ']');
}

static void put_ede(struct strbuf *b, const struct dns_transaction *t, unsigned int i)
{
	const char *name = dns_ede_name(t->edns.errors[i].code);

	strbuf_putc(b, '{');
	put_u64(b, "code", t->edns.errors[i].code);
	put_string(b, "name", name ? name : "");
	put_string(b, "text", t->ede_text[i]);
	strbuf_putc(b, '}');
}

static void put_text_or_null(struct strbuf *b, const char *name, const char *s)
{
	if (*s)
		put_string(b, name, s);
	else
		put_null(b, name);
}

static void put_edns_asked(struct strbuf *b, const struct dns_transaction *t)
{
	if (!t->asked.present) {
		put_null(b, "query_edns");
		return;
	}
	key(b, "query_edns");
	strbuf_putc(b, '{');
	put_u64(b, "udp_size", t->asked.udp_size);
	put_bool(b, "dnssec_ok", t->asked.dnssec_ok);
	put_bool(b, "cookie", t->asked.has_cookie);
	strbuf_putc(b, '}');
}

static void put_edns(struct strbuf *b, const struct dns_transaction *t)
{
	unsigned int i;

	if (!t->edns.present) {
		put_null(b, "edns");
		return;
	}
	key(b, "edns");
	strbuf_putc(b, '{');
	put_u64(b, "udp_size", t->edns.udp_size);
	put_u64(b, "version", t->edns.version);
	put_bool(b, "dnssec_ok", t->edns.dnssec_ok);
	put_bool(b, "cookie", t->edns.has_cookie);
	put_text_or_null(b, "cookie_hex", t->cookie);
	put_text_or_null(b, "nsid", t->nsid);
	put_text_or_null(b, "client_subnet", t->subnet);
	if (t->edns.nr_errors) {
		key(b, "error");
		put_ede(b, t, 0);
	}
	key(b, "errors");
	strbuf_putc(b, '[');
	for (i = 0; i < t->edns.nr_errors; i++) {
		strbuf_puts(b, i ? "," : "");
		put_ede(b, t, i);
	}
	strbuf_puts(b, "]}");
}

static void put_answer(struct strbuf *b, const struct dns_transaction *t)
{
	static const char *const sections[] = { "questions", "answers", "authority", "additional" };
	char text[24];
	struct strbuf name;
	size_t i;

	if (t->state != DNS_ANSWERED && t->state != DNS_LATE && t->state != DNS_ANNOUNCED) {
		put_null(b, "answer");
		return;
	}
	key(b, "answer");
	strbuf_putc(b, '{');
	strbuf_init(&name, text, sizeof(text));
	dns_rcode_put(&name, t->rcode);
	put_string(b, "rcode", text);
	put_flags(b, t->flags);
	put_string(b, "data", t->answers);
	key(b, "counts");
	strbuf_putc(b, '{');
	for (i = 0; i < DNS_NR_SECTIONS; i++)
		put_u64(b, sections[i], t->count[i]);
	strbuf_putc(b, '}');
	put_u64(b, "bytes", t->response_len);
	put_bool(b, "malformed", t->malformed);
	put_bool(b, "cut_by_capture", t->truncated_capture);
	put_edns(b, t);
	strbuf_putc(b, '}');
}

static void put_failure(struct strbuf *b, const struct dns_transaction *t)
{
	static const char *const kinds[] = {
		[DNS_FAIL_ICMP] = "icmp",	    [DNS_FAIL_RESET] = "reset",
		[DNS_FAIL_NO_SYN] = "not-accepted", [DNS_FAIL_CALL] = "call",
		[DNS_FAIL_ROUTE] = "route",	    [DNS_FAIL_EGRESS] = "egress-hook",
	};

	if (t->failure == DNS_FAIL_NONE) {
		put_null(b, "failure");
		return;
	}
	key(b, "failure");
	strbuf_putc(b, '{');
	put_string(b, "kind", kinds[t->failure]);
	if (t->failure == DNS_FAIL_ICMP) {
		put_u64(b, "icmp_version", t->icmp_version);
		put_u64(b, "icmp_type", t->icmp_type);
		put_u64(b, "icmp_code", t->icmp_code);
		put_addr(b, "from", &t->reporter);
	}
	if (t->error && t->failure != DNS_FAIL_ROUTE)
		put_string(b, "call", call_name(t->call));
	if (t->error) {
		put_string(b, "errno", call_errno_name(t->error));
		put_string(b, "message", call_errno_text(t->error));
	}
	strbuf_putc(b, '}');
}

static void put_multicast(struct strbuf *b, const struct dns_transaction *t)
{
	uint32_t i;

	if (t->protocol == DNS_UNICAST) {
		put_null(b, "multicast");
		return;
	}
	key(b, "multicast");
	strbuf_putc(b, '{');
	put_string(b, "protocol", t->protocol == DNS_LLMNR ? "llmnr" : "mdns");
	put_bool(b, "from_outside", t->from_outside);
	put_bool(b, "unicast_wanted", t->unicast_wanted);
	put_bool(b, "probe", t->probe);
	put_bool(b, "goodbye", t->goodbye);
	put_u64(b, "known_answers", t->known);
	put_u64(b, "responders", t->nr_responders);
	key(b, "from");
	strbuf_putc(b, '[');
	for (i = 0; i < t->nr_responders && i < DNS_MAX_RESPONDERS; i++) {
		strbuf_puts(b, i ? ",\"" : "\"");
		ipaddr_put(b, &t->responders[i]);
		strbuf_putc(b, '"');
	}
	strbuf_puts(b, "]}");
}

static void put_number(struct strbuf *b, const char *name, uint64_t nr)
{
	if (nr)
		put_u64(b, name, nr);
	else
		put_null(b, name);
}

static void put_endpoints(struct strbuf *b, const struct dns_transaction *t)
{
	put_addr(b, "client", &t->client);
	put_number(b, "client_port", t->client_port);
	put_string(b, "interface", t->ifname);
	put_addr(b, "server", &t->server);
	put_u64(b, "server_port", t->server_port);
	put_proto(b, t->proto);
}

void dns_json_transaction(struct strbuf *b, const struct dns_transaction *t)
{
	begin(b, "transaction");
	put_u64(b, "serial", t->serial);
	put_string(b, "state", state_names[t->state]);
	put_time(b, "time", t->time);
	put_string(b, "target", t->target);
	put_u64(b, "netns", t->netns);
	put_owner(b, &t->owner);
	put_endpoints(b, t);
	put_u64(b, "id", t->id);
	put_u64(b, "opcode", t->opcode);
	put_question(b, t);
	put_edns_asked(b, t);
	put_u64(b, "queries", t->queries);
	put_ms(b, "latency_ms", t->latency);
	put_ms(b, "waited_ms", t->waited);
	put_number(b, "first_query_packet", t->first_query_nr);
	put_number(b, "query_packet", t->query_nr);
	put_number(b, "response_packet", t->response_nr);
	put_answer(b, t);
	put_failure(b, t);
	put_multicast(b, t);
	put_addr(b, "upstream", &t->upstream);
	put_number(b, "upstream_of", t->upstream_of);
	if (t->host_side_watched) {
		key(b, "host_side");
		strbuf_putc(b, '{');
		put_bool(b, "left", t->left);
		put_bool(b, "came_back", t->came_back);
		strbuf_putc(b, '}');
	} else {
		put_null(b, "host_side");
	}
	end(b);
}

/* --- findings ------------------------------------------------------------------------ */

static void put_finding(struct strbuf *b, const struct dns_finding *f)
{
	static const char *const severities[] = { "info", "warning", "error" };
	uint32_t i;

	put_string(b, "code", f->code);
	put_string(b, "severity", severities[f->severity]);
	put_bool(b, "possible", f->possible);
	put_u64(b, "count", f->count);
	if (f->first)
		put_time(b, "first", f->first);
	if (f->last)
		put_time(b, "last", f->last);
	put_string(b, "target", f->target);
	put_u64(b, "netns", f->netns);
	put_owner(b, &f->owner);
	put_addr(b, "server", &f->server);
	put_string(b, "resolv_conf", f->resolv_path);
	put_number(b, "line", f->resolv_line);
	put_string(b, "what", f->what);
	key(b, "seen");
	strbuf_putc(b, '[');
	for (i = 0; i < f->nr_seen; i++) {
		strbuf_puts(b, i ? "," : "");
		strbuf_json(b, f->seen[i], strlen(f->seen[i]));
	}
	strbuf_putc(b, ']');
	key(b, "fix");
	strbuf_putc(b, '[');
	for (i = 0; i < f->nr_fix; i++) {
		strbuf_puts(b, i ? ",{" : "{");
		put_string(b, "how", f->fix[i].how);
		put_string(b, "command", f->fix[i].cmd);
		strbuf_putc(b, '}');
	}
	strbuf_putc(b, ']');
}

void dns_json_finding(struct strbuf *b, const struct dns_finding *f)
{
	begin(b, "finding");
	put_bool(b, "repeat", f->repeat);
	put_finding(b, f);
	end(b);
}

/* --- the summary ----------------------------------------------------------------------- */

static void put_latency(struct strbuf *b, const struct dns_latency *l)
{
	key(b, "latency_ms");
	strbuf_putc(b, '{');
	put_u64(b, "count", l->count);
	put_ms(b, "p50", l->count ? l->p50 : -1);
	put_ms(b, "p95", l->count ? l->p95 : -1);
	put_ms(b, "p99", l->count ? l->p99 : -1);
	put_ms(b, "max", l->count ? l->max : -1);
	strbuf_putc(b, '}');
}

static void put_rcodes(struct strbuf *b, const uint64_t rcode[DNS_SUMMARY_RCODES])
{
	unsigned int i;

	key(b, "rcodes");
	strbuf_putc(b, '{');
	for (i = 0; i < DNS_SUMMARY_RCODES; i++) {
		char text[24];
		struct strbuf name;

		if (!rcode[i])
			continue;
		strbuf_init(&name, text, sizeof(text));
		dns_rcode_put(&name, (uint16_t)i);
		put_u64(b, text, rcode[i]);
	}
	strbuf_putc(b, '}');
}

static void put_server(struct strbuf *b, const struct dns_server_summary *s)
{
	strbuf_putc(b, '{');
	put_addr(b, "server", &s->addr);
	put_u64(b, "transactions", s->transactions);
	put_u64(b, "answered", s->answered);
	put_u64(b, "unanswered", s->unanswered);
	put_u64(b, "failed", s->failed);
	put_u64(b, "not_sent", s->not_sent);
	put_u64(b, "retries", s->retries);
	put_rcodes(b, s->rcode);
	put_latency(b, &s->latency);
	strbuf_putc(b, '}');
}

static void put_names(struct strbuf *b, const char *name, const struct dns_name_summary *s,
		      uint32_t nr)
{
	uint32_t i;

	key(b, name);
	strbuf_putc(b, '[');
	for (i = 0; i < nr; i++) {
		strbuf_puts(b, i ? ",{" : "{");
		put_string(b, "name", s[i].name);
		put_u64(b, "transactions", s[i].transactions);
		put_u64(b, "unanswered", s[i].unanswered);
		put_u64(b, "failed", s[i].failed);
		put_u64(b, "retries", s[i].retries);
		put_rcodes(b, s[i].rcode);
		put_latency(b, &s[i].latency);
		strbuf_putc(b, '}');
	}
	strbuf_putc(b, ']');
}

static void put_multicast_summary(struct strbuf *b, const struct dns_multicast_summary *s,
				  enum dns_protocol protocol)
{
	strbuf_putc(b, '{');
	put_string(b, "protocol", protocol == DNS_LLMNR ? "llmnr" : "mdns");
	put_u64(b, "questions", s->questions);
	put_u64(b, "answered", s->answered);
	put_u64(b, "silent", s->silent);
	put_u64(b, "retries", s->retries);
	put_u64(b, "responses", s->responses);
	put_u64(b, "announcements", s->announcements);
	put_latency(b, &s->latency);
	strbuf_putc(b, '}');
}

void dns_json_summary(struct strbuf *b, const struct dns_summary *s)
{
	uint32_t i;

	begin(b, "summary");
	put_u64(b, "transactions", s->transactions);
	put_u64(b, "answered", s->answered);
	put_u64(b, "late", s->late);
	put_u64(b, "unanswered", s->unanswered);
	put_u64(b, "failed", s->failed);
	put_u64(b, "not_sent", s->not_sent);
	put_u64(b, "retries", s->retries);
	put_u64(b, "malformed", s->malformed);
	put_u64(b, "dropped", s->dropped);
	put_u64(b, "lost_records", s->lost_records);
	put_latency(b, &s->latency);
	key(b, "multicast");
	strbuf_putc(b, '[');
	for (i = 0; i < DNS_NR_MULTICAST; i++) {
		strbuf_puts(b, i ? "," : "");
		put_multicast_summary(b, &s->multicast[i], i + DNS_MDNS);
	}
	strbuf_putc(b, ']');
	key(b, "servers");
	strbuf_putc(b, '[');
	for (i = 0; i < s->nr_servers; i++) {
		strbuf_puts(b, i ? "," : "");
		put_server(b, &s->servers[i]);
	}
	strbuf_putc(b, ']');
	put_u64(b, "more_servers", s->more_servers);
	put_names(b, "names", s->names, s->nr_names);
	put_names(b, "failing_names", s->failing_names, s->nr_failing_names);
	put_u64(b, "more_names", s->more_names);
	key(b, "findings");
	strbuf_putc(b, '[');
	for (i = 0; i < s->nr_findings; i++) {
		strbuf_puts(b, i ? ",{" : "{");
		put_finding(b, &s->findings[i]);
		strbuf_putc(b, '}');
	}
	strbuf_putc(b, ']');
	put_u64(b, "more_findings", s->more_findings);
	end(b);
}

/* --- packets ------------------------------------------------------------------------- */

static void put_link_addr(struct strbuf *b, const char *name, const uint8_t *p)
{
	int i;

	key(b, name);
	strbuf_putc(b, '"');
	for (i = 0; i < 6; i++) {
		strbuf_puts(b, i ? ":" : "");
		strbuf_hex(b, p[i], 2);
	}
	strbuf_putc(b, '"');
}

static void put_flow(struct strbuf *b, const struct packet *p, const struct flow *f)
{
	/* Ethernet's destination comes first. Any other header without IP has no address here. */
	bool ethernet = p->tap->dlt == 1 && p->caplen >= 12;

	if (!f->src.family && ethernet) {
		put_link_addr(b, "src", p->data + 6);
		put_link_addr(b, "dst", p->data);
	} else {
		put_addr(b, "src", &f->src);
		put_addr(b, "dst", &f->dst);
	}
	put_number(b, "src_port", f->has_ports ? f->sport : 0);
	put_number(b, "dst_port", f->has_ports ? f->dport : 0);
}

void dns_json_packet(struct strbuf *b, const struct packet *p, const struct flow *f,
		     const char *protocol, const char *info)
{
	static const char *const directions[] = {
		[DIR_UNKNOWN] = "unknown",
		[DIR_IN] = "in",
		[DIR_OUT] = "out",
	};

	begin(b, "packet");
	put_u64(b, "number", p->number);
	put_time(b, "time", p->time);
	put_string(b, "target", p->tap->target);
	put_string(b, "interface", p->tap->ifname);
	put_string(b, "side", p->tap->side == SIDE_HOST ? "host" : "inside");
	put_string(b, "direction", directions[p->dir]);
	put_u64(b, "wirelen", p->wirelen);
	put_u64(b, "caplen", p->caplen);
	put_owner(b, &p->owner);
	put_flow(b, p, f);
	put_string(b, "protocol", protocol);
	put_string(b, "info", info);
	end(b);
}

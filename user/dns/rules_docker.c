// SPDX-License-Identifier: GPL-2.0-only
/* Docker's embedded resolver, 127.0.0.11, and whom it asks. */
#include <string.h>

#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

#define MSEC 1000000LL

/* Docker makes a query wait for about four seconds before it refuses it. */
#define OVERLOAD_TIME (3500 * MSEC)

/* --- DOCKER-OVERLOAD -------------------------------------------------------------------- */

static bool overload_fires(const struct rule_input *in)
{
	return in->event == RULE_ANSWER && is_docker(&in->server) &&
	       in->t->rcode == DNS_R_REFUSED && in->t->latency >= OVERLOAD_TIME;
}

static void overload_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "Docker's resolver is at its limit of concurrent queries: it let this one "
			"wait and refused it then. Either its upstream server is so slow that "
			"queries pile up, or the container asks too much at once.");
	seen_transaction(f, in);
	fix_begin(f, "See in the summary which name is asked for most and how long the upstream "
		     "takes; correct the one, or name a faster server with docker run --dns.");
}

/* --- DOCKER-UPSTREAM-DEAD, STALE-UPSTREAM ------------------------------------------------- */

/* Docker's resolver hangs, fails, or was late, and it had asked somebody who does not answer. */
static bool upstream_dead_fires(const struct rule_input *in)
{
	bool own = in->parent.family;

	if (!in->upstream.bad || !is_docker(own ? &in->parent : &in->server))
		return false;
	if (own || in->event == RULE_VERDICT)
		return in->event == RULE_VERDICT;
	return in->t->state == DNS_LATE || in->t->rcode == DNS_R_SERVFAIL;
}

static bool is_upstream_now(const struct dns_facts *f, const struct ipaddr *a)
{
	uint32_t i;

	for (i = 0; i < f->nr_upstreams && i < RESOLV_MAX_SERVERS; i++)
		if (ipaddr_equal(&f->upstreams[i], a))
			return true;
	return false;
}

static bool stale_upstream_fires(const struct rule_input *in)
{
	return upstream_dead_fires(in) && in->facts && in->facts->nr_upstreams &&
	       in->facts->inherits_servers && !is_upstream_now(in->facts, &in->upstream.server);
}

static void seen_upstream(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (!in->parent.family)
		seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "Docker's resolver asked ");
	ipaddr_put(&b, &in->upstream.server);
	strbuf_puts(&b, " the same on ");
	put_raw(&b, in->upstream.ifname[0] ? in->upstream.ifname : "another interface");
	put_packet_nr(&b, in->upstream.query_nr);
	strbuf_puts(&b, ": no answer.");
	if (in->parent.family)
		seen_host_side(f, in->t);
}

static void put_docker_consequence(struct dns_finding *f, struct strbuf *b,
				   const struct rule_input *in)
{
	if (in->event == RULE_ANSWER && in->t->state == DNS_LATE) {
		strbuf_puts(b, " Another server answers then, after ");
		put_duration(b, in->t->waited);
		strbuf_putc(b, '.');
		f->severity = DNS_WARNING;
	} else {
		strbuf_puts(b, " Names of containers still resolve, others do not.");
	}
}

static void upstream_dead_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);

	strbuf_puts(&b, "Docker's resolver is well, but the name server that it asks for this "
			"container, ");
	ipaddr_put(&b, &in->upstream.server);
	strbuf_puts(&b, ", does not answer it.");
	put_docker_consequence(f, &b, in);
	seen_upstream(f, in);
	b = fix_begin(f, "Ask that server from the host; if that works, a firewall is in the way "
			 "between the container and it:");
	strbuf_puts(&b, "dig +time=2 +tries=1 @");
	ipaddr_put(&b, &in->upstream.server);
	strbuf_putc(&b, ' ');
	put_shell_name(&b, in->t);
	fix_docker_dns(f, in, "Or name one that answers when the container is started:");
}

static void stale_upstream_text(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b = what_begin(f);
	uint32_t i;

	strbuf_puts(&b, "Docker's resolver asks ");
	ipaddr_put(&b, &in->upstream.server);
	strbuf_puts(&b, ", which does not answer. The host itself asks another server by now: its "
			"network changed after the container had been started, and the container "
			"keeps what was right then.");
	put_docker_consequence(f, &b, in);
	seen_upstream(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "The host's name servers now:");
	for (i = 0; i < in->facts->nr_upstreams && i < RESOLV_MAX_SERVERS; i++) {
		strbuf_putc(&b, ' ');
		ipaddr_put(&b, &in->facts->upstreams[i]);
	}
	strbuf_putc(&b, '.');
	fix_restart(f, in, "Restart the container; it takes over the host's servers of that time:");
}

/* --- DOCKER-HOST-UPSTREAM ------------------------------------------------------------------- */

/* Docker asks from the host's namespace when the host's server is on its loopback. Engines
 * before 25 do not write down what they ask. */
static bool asks_from_host(const struct dns_facts *f)
{
	const struct resolv_conf *c = &f->resolv.conf;
	uint32_t i;

	if (!c->has_ext_servers)
		return true;
	for (i = 0; i < c->nr_ext && i < RESOLV_MAX_SERVERS; i++)
		if (c->ext[i].via_host)
			return true;
	return false;
}

static bool host_upstream_fires(const struct rule_input *in)
{
	if (!is_docker(&in->server) || in->upstream.server.family || !in->facts ||
	    !asks_from_host(in->facts))
		return false;
	if (in->event == RULE_VERDICT)
		return in->t->failure == DNS_FAIL_NONE && !in->answered_by.family &&
		       listening(in->facts, &in->server) && in->t->has_question;
	/* Of a single label it is said that it is no container. */
	return (in->t->rcode == DNS_R_SERVFAIL || in->t->rcode == DNS_R_REFUSED) &&
	       strchr(in->t->name, '.');
}

static void host_upstream_text(struct dns_finding *f, const struct rule_input *in)
{
	const struct resolv_conf *c = &in->facts->resolv.conf;
	struct strbuf b = what_begin(f);
	uint32_t i;

	strbuf_puts(&b, "Docker's resolver took the query, but did not pass it on from within this "
			"container: it asks the host's own resolver, and that failed; or the "
			"container's networks are internal and it may ask nobody.");
	seen_transaction(f, in);
	b = seen_begin(f);
	strbuf_puts(&b, "No query to another server left this container.");
	for (i = 0; i < c->nr_ext && i < RESOLV_MAX_SERVERS; i++) {
		if (!c->ext[i].via_host)
			continue;
		b = seen_begin(f);
		strbuf_puts(&b, "Docker's note in its resolv.conf: ExtServers has host(");
		ipaddr_put(&b, &c->ext[i].addr);
		strbuf_puts(&b, ").");
	}
	b = fix_begin(f, "See what the host's resolver asks, and whether it answers on the host:");
	strbuf_puts(&b, "resolvectl status; resolvectl query ");
	put_shell_name(&b, in->t);
	if (in->facts->kind != TARGET_DOCKER)
		return;
	b = fix_begin(f, "Whether one of the container's networks is internal:");
	strbuf_printf(&b,
		      "%sdocker network inspect -f '{{.Name}} internal={{.Internal}}' $(%sdocker "
		      "network ls -q)",
		      sudo(in), sudo(in));
}

const struct dns_rule rules_docker[] = {
	{ "DOCKER-OVERLOAD", DNS_ERROR, RULE_ANSWER, PER_NAMESPACE, false, overload_fires,
	  overload_text },
	{ "STALE-UPSTREAM", DNS_ERROR, RULE_ANSWER | RULE_VERDICT, PER_UPSTREAM, false,
	  stale_upstream_fires, stale_upstream_text },
	{ "DOCKER-UPSTREAM-DEAD", DNS_ERROR, RULE_ANSWER | RULE_VERDICT, PER_UPSTREAM, false,
	  upstream_dead_fires, upstream_dead_text },
	{ "DOCKER-HOST-UPSTREAM", DNS_ERROR, RULE_ANSWER | RULE_VERDICT, PER_NAMESPACE, false,
	  host_upstream_fires, host_upstream_text },
	{ 0 },
};

// SPDX-License-Identifier: GPL-2.0-only
#include "sink/last_seen.h"

#include <netinet/in.h>
#include <string.h>

#include "util/cleanup.h"

struct place {
	const char *json;
	const char *one, *many; /* what they are */
	const char *but;	/* what did not happen */
	bool host;		/* the end where it was seen */
	bool answer;		/* an answer is what is missing */
};

static const struct place places[] = {
	[VANTAGE_LEFT_PROCESS] = { "left-process", "packet left the process",
				   "packets left the process", "not the namespace", false, false },
	[VANTAGE_LEFT_NETNS] = { "left-namespace", "request left the namespace",
				 "requests left the namespace", "nothing came back", true, true },
	[VANTAGE_CAME_BACK] = { "came-back", "packet came to the veth pair",
				"packets came to the veth pair", "not into the namespace", true,
				false },
	[VANTAGE_CAME_IN] = { "came-in", "request came in", "requests came in",
			      "no answer went out", false, true },
};
_Static_assert(ARRAY_SIZE(places) == VANTAGE_NR_PLACES, "a line for each");

static void put_end(struct strbuf *out, const struct vantage_pair *p, bool host)
{
	strbuf_put(out, host ? p->host : p->inside, strnlen(host ? p->host : p->inside, IFNAMSIZ));
	if (host)
		strbuf_puts(out, " (host end)");
}

static void put_what(struct strbuf *out, const struct vantage_pair *p, const struct place *pl,
		     uint64_t n)
{
	strbuf_put(out, p->target, strnlen(p->target, sizeof(p->target)));
	strbuf_puts(out, ": ");
	strbuf_u64(out, n);
	strbuf_printf(out, " %s, but %s: seen at ", n == 1 ? pl->one : pl->many, pl->but);
	put_end(out, p, pl->host);
	if (pl->answer) {
		strbuf_puts(out, ", and no answer there");
	} else {
		strbuf_puts(out, ", not at ");
		put_end(out, p, !pl->host);
	}
}

static const char *protocol(const struct glance_talk *t)
{
	if (!t->client.family)
		return NULL;
	switch (t->proto) {
	/* In IPv6 it is the hop-by-hop header: what follows was not looked at. */
	case 0: return t->client.family == 4 ? "ARP" : "IP";
	case IPPROTO_TCP: return "TCP";
	case IPPROTO_UDP: return "UDP";
	case IPPROTO_ICMP: return "ICMP";
	case IPPROTO_ICMPV6: return "ICMPv6";
	default: return "IP";
	}
}

static void put_party(struct strbuf *out, const struct ipaddr *a, uint16_t port, bool has_port)
{
	bool brackets = has_port && a->family == 6;

	if (brackets)
		strbuf_putc(out, '[');
	ipaddr_put(out, a);
	if (brackets)
		strbuf_putc(out, ']');
	if (has_port)
		strbuf_printf(out, ":%u", port);
}

static void put_talk(struct strbuf *out, const struct glance_talk *t)
{
	bool ports = t->proto == IPPROTO_TCP;

	if (!protocol(t))
		return;
	strbuf_printf(out, "%s ", protocol(t));
	put_party(out, &t->client, t->client_port, ports);
	strbuf_puts(out, " > ");
	put_party(out, &t->server, t->server_port, ports);
}

static void put_which(struct strbuf *out, const struct vantage_loss *l)
{
	strbuf_puts(out, "  ");
	if (l->count == 1 && l->first)
		strbuf_printf(out, "packet %llu: ", (unsigned long long)l->first);
	else if (l->first && l->last)
		strbuf_printf(out,
			      "packets %llu to %llu; the first: ", (unsigned long long)l->first,
			      (unsigned long long)l->last);
	else if (l->count > 1)
		strbuf_puts(out, "the first: ");
	put_talk(out, &l->talk);
}

static void put_unsure(struct strbuf *out, const struct vantage_pair *p, const struct place *pl,
		       uint64_t n)
{
	strbuf_put(out, p->target, strnlen(p->target, sizeof(p->target)));
	strbuf_puts(out, ": of ");
	strbuf_u64(out, n);
	strbuf_printf(out, " %s at ", pl->answer ? "requests" : "packets");
	put_end(out, p, pl->host);
	strbuf_puts(out, pl->answer ? " it is not known whether they were answered: records are "
				      "missing"
				    : " it is not known whether they got through: records are "
				      "missing, or packets change on the way");
}

bool last_seen_text(struct strbuf *out, const struct vantage_pair *p, enum vantage_place at,
		    size_t line)
{
	const struct vantage_loss *l = &p->lost[at];
	const struct place *pl = &places[at];

	if (!l->count)
		line += 2;
	if (line == 0)
		put_what(out, p, pl, l->count);
	else if (line == 1)
		put_which(out, l);
	else if (line == 2 && l->unsure)
		put_unsure(out, p, pl, l->unsure);
	else
		return false;
	return true;
}

/* --- JSON ------------------------------------------------------------------ */

static void put_name(struct strbuf *out, const char *key, const char *name, size_t size)
{
	strbuf_printf(out, ",\"%s\":", key);
	strbuf_json(out, name, strnlen(name, size));
}

static void put_number(struct strbuf *out, const char *key, uint64_t v, bool known)
{
	strbuf_printf(out, ",\"%s\":", key);
	if (known)
		strbuf_u64(out, v);
	else
		strbuf_puts(out, "null");
}

static void put_time(struct strbuf *out, const char *key, int64_t ns, bool known)
{
	strbuf_printf(out, ",\"%s\":", key);
	strbuf_puts(out, known ? "\"" : "null");
	if (!known)
		return;
	strbuf_rfc3339(out, ns);
	strbuf_putc(out, '"');
}

static void put_first(struct strbuf *out, const struct vantage_loss *l)
{
	const struct glance_talk *t = &l->talk;
	bool known = l->count && t->client.family, ports = known && t->proto == IPPROTO_TCP;

	put_number(out, "first_packet", l->first, l->count && l->first);
	put_time(out, "first_time", l->first_time, l->count);
	put_number(out, "last_packet", l->last, l->count && l->last);
	put_time(out, "last_time", l->last_time, l->count);
	strbuf_puts(out, ",\"protocol\":");
	strbuf_printf(out, known ? "\"%s\"" : "null", protocol(t));
	strbuf_puts(out, ",\"src\":");
	strbuf_puts(out, known ? "\"" : "null");
	if (known) {
		ipaddr_put(out, &t->client);
		strbuf_puts(out, "\",\"dst\":\"");
		ipaddr_put(out, &t->server);
		strbuf_putc(out, '"');
	} else {
		strbuf_puts(out, ",\"dst\":null");
	}
	put_number(out, "src_port", t->client_port, ports);
	put_number(out, "dst_port", t->server_port, ports);
}

void last_seen_json(struct strbuf *out, const struct vantage_pair *p, enum vantage_place at)
{
	const struct vantage_loss *l = &p->lost[at];

	if (!l->count && !l->unsure)
		return;
	strbuf_puts(out, "{\"type\":\"last-seen\"");
	put_name(out, "target", p->target, sizeof(p->target));
	put_number(out, "netns", p->netns, true);
	put_name(out, "inside", p->inside, sizeof(p->inside));
	put_name(out, "host_end", p->host, sizeof(p->host));
	strbuf_printf(out, ",\"place\":\"%s\"", places[at].json);
	put_number(out, "count", l->count, true);
	put_number(out, "unsure", l->unsure, true);
	put_first(out, l);
	strbuf_puts(out, "}\n");
}

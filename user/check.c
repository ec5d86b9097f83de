// SPDX-License-Identifier: GPL-2.0-only
#include "check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/engine.h"
#include "dns/resolv.h"
#include "list_view.h"
#include "netns/facts.h"
#include "netns/inventory.h"
#include "options.h"
#include "sink/dns_json.h"
#include "sink/dns_text.h"
#include "target/docker.h"
#include "target/target.h"
#include "target/way_out.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/strbuf.h"

#define EXIT_FAULT 3

/* Any escaped path or name, and what is said about it. */
#define LINE_LEN    4096
#define FINDING_LEN (16 * 1024)
#define LABEL_WIDTH 11
/* Longer paths (those of Docker) are in --json only. */
#define HOST_PATH_WIDTH 48
#define MAX_PORTS	64

static void put_name(struct strbuf *b, const char *untrusted)
{
	strbuf_escape(b, untrusted, strlen(untrusted));
}

/* The rows of what was looked at: one is kept back, since the last is drawn in another way. */
struct rows {
	const struct view_style *style;
	struct view_row kept;
	bool has_kept;
};

static void rows_add(struct rows *r, const char *label, const struct strbuf *text)
{
	if (r->has_kept)
		view_row(r->style, &r->kept, LABEL_WIDTH, false);
	r->kept = (struct view_row){ 0 };
	snprintf(r->kept.label, sizeof(r->kept.label), "%s", label);
	snprintf(r->kept.text, sizeof(r->kept.text), "%s", text->s);
	r->has_kept = true;
}

static void rows_end(struct rows *r)
{
	if (r->has_kept)
		view_row(r->style, &r->kept, LABEL_WIDTH, true);
}

static void print_head(const struct view_style *style, const struct target *t)
{
	char mem[LINE_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_puts(&b, VIEW_BOLD);
	put_name(&b, t->name);
	strbuf_printf(&b, VIEW_END "  %s", target_kind_name(t->kind));
	if (t->pid && t->kind != TARGET_PID)
		strbuf_printf(&b, ", pid %d", (int)t->pid);
	strbuf_printf(&b, ", " VIEW_DIM "net:[%llu]" VIEW_END, (unsigned long long)t->ns.ino);
	if (t->is_host && t->kind != TARGET_HOST)
		strbuf_puts(&b, ", the host's own network (host mode)");
	view_title(style, mem);
}

static void add_link(struct rows *r, const struct link *l)
{
	char mem[LINE_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	put_name(&b, l->name);
	strbuf_puts(&b, l->up ? " up" : VIEW_WARN " down" VIEW_END);
	for (i = 0; i < l->nr_addrs && i < LINK_MAX_ADDRS; i++) {
		strbuf_putc(&b, ' ');
		ipaddr_put(&b, &l->addrs[i].addr);
		strbuf_printf(&b, "/%u", l->addrs[i].prefixlen);
	}
	rows_add(r, "interface", &b);
}

/* They are not among the facts: the rules do not need them, a reader does. */
static void add_links(struct rows *r, const struct target *t)
{
	_cleanup_free_ struct link *links = NULL;
	_cleanup_fd_ int fd = target_open(t, NULL);
	size_t i, n = 0;

	if (fd < 0 || inventory_links(fd, &links, &n, NULL))
		return;
	for (i = 0; i < n; i++)
		add_link(r, &links[i]);
}

static void add_route(struct rows *r, const struct dns_facts *f)
{
	char mem[64];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_puts(&b, f->has_default_route ? "default" : "no default route");
	if (f->has_default_route && f->gateway.family) {
		strbuf_puts(&b, " via ");
		ipaddr_put(&b, &f->gateway);
	} else if (f->has_default_route) {
		strbuf_puts(&b, ", without a gateway");
	}
	rows_add(r, "route", &b);
}

static const char *whose_file(const struct target *t, const struct resolv_file *f)
{
	if (t->kind == TARGET_HOST || !f->is_hosts_own)
		return "";
	return f->source == RESOLV_HOST ? ", the host's, as `ip netns exec` leaves it"
					: ", the host's own file";
}

static void add_resolv(struct rows *r, const struct target *t, const struct resolv_file *f)
{
	char mem[LINE_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	put_name(&b, f->path);
	if (f->error)
		strbuf_printf(&b, ": %s", strerror(f->error));
	if (f->host_path[0] && strcmp(f->host_path, f->path) != 0 &&
	    strlen(f->host_path) < HOST_PATH_WIDTH) {
		strbuf_puts(&b, " = ");
		put_name(&b, f->host_path);
		strbuf_puts(&b, " on the host");
	}
	strbuf_puts(&b, whose_file(t, f));
	rows_add(r, "resolv.conf", &b);
}

static void add_server(struct rows *r, const struct dns_facts *f, uint32_t i)
{
	const struct server_facts *s = &f->servers[i];
	char mem[LINE_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	ipaddr_put(&b, &s->addr);
	if (i < f->resolv.conf.nr_servers)
		strbuf_printf(&b, " line %u", f->resolv.conf.servers[i].line);
	else
		strbuf_puts(&b, " libc's default, no line names one");
	if (s->route_errno)
		strbuf_printf(&b, ", %s", strerror(s->route_errno));
	else if (ipaddr_is_loopback(&s->addr) || s->listening)
		strbuf_puts(&b,
			    s->listening ? ", a socket listens there" : ", nothing listens there");
	else
		strbuf_puts(&b, s->is_gateway ? ", the gateway" : ", route ok");
	if (i >= RESOLV_LIBC_SERVERS && i < f->resolv.conf.nr_servers)
		strbuf_puts(&b, ", not used by libc");
	rows_add(r, "nameserver", &b);
}

static void put_listener(struct strbuf *b, const struct listener *l)
{
	strbuf_puts(b, l->proto == IPPROTO_TCP ? "tcp" VIEW_JOIN : "udp" VIEW_JOIN);
	strbuf_puts(b, l->addr.family == 6 ? "[" : "");
	ipaddr_put(b, &l->addr);
	strbuf_printf(b, "%s:%u", l->addr.family == 6 ? "]" : "", l->port);
}

static void add_listeners(struct rows *r, const struct dns_facts *f)
{
	char mem[LINE_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	for (i = 0; i < f->nr_listeners; i++) {
		strbuf_puts(&b, i ? ", " : "");
		put_listener(&b, &f->listeners[i]);
	}
	if (!f->nr_listeners)
		strbuf_puts(&b, "nothing on port 53");
	rows_add(r, "DNS sockets", &b);
}

static void add_upstreams(struct rows *r, const struct dns_facts *f)
{
	char mem[LINE_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	for (i = 0; i < f->nr_upstreams; i++) {
		strbuf_puts(&b, i ? " " : "");
		ipaddr_put(&b, &f->upstreams[i]);
	}
	if (f->nr_upstreams)
		rows_add(r, "host asks", &b);
}

static void print_facts(const struct view_style *style, const struct target *t,
			const struct dns_facts *f)
{
	struct rows rows = { .style = style };
	uint32_t i;

	print_head(style, t);
	add_links(&rows, t);
	add_route(&rows, f);
	add_resolv(&rows, t, &f->resolv);
	for (i = 0; i < f->nr_servers; i++)
		add_server(&rows, f, i);
	add_listeners(&rows, f);
	add_upstreams(&rows, f);
	rows_end(&rows);
}

static void json_string(struct strbuf *b, const char *key, const char *untrusted)
{
	strbuf_printf(b, ",\"%s\":", key);
	strbuf_json(b, untrusted, strlen(untrusted));
}

static void json_addr(struct strbuf *b, const char *key, const struct ipaddr *a)
{
	char text[IPADDR_STRLEN];

	ipaddr_format(a, text);
	if (a->family)
		strbuf_printf(b, ",\"%s\":\"%s\"", key, text);
	else
		strbuf_printf(b, ",\"%s\":null", key);
}

static const char *json_bool(bool v)
{
	return v ? "true" : "false";
}

static void json_server(struct strbuf *b, const struct dns_facts *f, uint32_t i)
{
	const struct server_facts *s = &f->servers[i];

	strbuf_printf(b, "%s{\"line\":%u", i ? "," : "",
		      i < f->resolv.conf.nr_servers ? f->resolv.conf.servers[i].line : 0);
	json_addr(b, "address", &s->addr);
	strbuf_printf(b, ",\"route\":%s,\"gateway\":%s,\"listening\":%s}",
		      json_bool(!s->route_errno), json_bool(s->is_gateway),
		      json_bool(s->listening));
}

static void json_listeners(struct strbuf *b, const struct dns_facts *f)
{
	uint32_t i;

	strbuf_puts(b, ",\"listeners\":[");
	for (i = 0; i < f->nr_listeners; i++) {
		const struct listener *l = &f->listeners[i];

		strbuf_printf(b, "%s{\"protocol\":\"%s\",\"port\":%u", i ? "," : "",
			      l->proto == IPPROTO_TCP ? "tcp" : "udp", l->port);
		json_addr(b, "address", &l->addr);
		strbuf_putc(b, '}');
	}
	strbuf_putc(b, ']');
}

static void json_upstreams(struct strbuf *b, const struct dns_facts *f)
{
	uint32_t i;

	strbuf_puts(b, ",\"host_upstreams\":[");
	for (i = 0; i < f->nr_upstreams; i++) {
		strbuf_puts(b, i ? ",\"" : "\"");
		ipaddr_put(b, &f->upstreams[i]);
		strbuf_putc(b, '"');
	}
	strbuf_putc(b, ']');
}

static void json_services(struct strbuf *b, const struct dns_facts *f)
{
	uint32_t i;

	strbuf_printf(b, ",\"loopback_only\":[");
	for (i = 0; i < f->nr_services && i < FACTS_MAX_SERVICES; i++) {
		const struct service *s = &f->services[i];

		strbuf_printf(b, "%s{\"protocol\":\"%s\",\"port\":%u", i ? "," : "",
			      s->socket.proto == IPPROTO_TCP ? "tcp" : "udp", s->socket.port);
		json_addr(b, "address", &s->socket.addr);
		if (s->published)
			strbuf_printf(b, ",\"published\":%u", s->published);
		else
			strbuf_puts(b, ",\"published\":null");
		if (s->owner.pid) {
			strbuf_printf(b, ",\"process\":{\"pid\":%u", s->owner.pid);
			json_string(b, "comm", s->owner.comm);
			strbuf_puts(b, "}}");
		} else {
			strbuf_puts(b, ",\"process\":null}");
		}
	}
	strbuf_putc(b, ']');
}

static void json_facts(const struct target *t, const struct dns_facts *f, const char *verdict)
{
	char mem[FINDING_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_puts(&b, "{\"type\":\"facts\"");
	json_string(&b, "target", t->name);
	json_string(&b, "kind", target_kind_name(t->kind));
	json_string(&b, "verdict", verdict);
	strbuf_printf(&b, ",\"netns\":%llu,\"host\":%s,\"lo_up\":%s,\"default_route\":%s",
		      (unsigned long long)f->netns, json_bool(f->is_host_netns),
		      json_bool(f->lo_up), json_bool(f->has_default_route));
	json_addr(&b, "gateway", &f->gateway);
	strbuf_printf(&b, ",\"resolv_conf\":{\"error\":%d,\"hosts_own\":%s", f->resolv.error,
		      json_bool(f->resolv.is_hosts_own));
	json_string(&b, "path", f->resolv.path);
	json_string(&b, "host_path", f->resolv.host_path);
	strbuf_puts(&b, "},\"nameservers\":[");
	for (i = 0; i < f->nr_servers; i++)
		json_server(&b, f, i);
	strbuf_putc(&b, ']');
	json_listeners(&b, f);
	json_services(&b, f);
	json_upstreams(&b, f);
	strbuf_putc(&b, '}');
	puts(b.s);
}

/* --- findings and verdict --------------------------------------------------------- */

#define MAX_FINDINGS 16

enum verdict { FINE, FAULT, FAILS, UNKNOWN };

struct findings {
	unsigned int n, faults; /* faults: warnings and errors */
	bool dns_fault;		/* one of them is about DNS */
	struct dns_finding v[MAX_FINDINGS];
};

static void keep_finding(void *ctx, const struct dns_finding *f)
{
	struct findings *all = ctx;

	if (all->n < MAX_FINDINGS)
		all->v[all->n++] = *f;
	if (f->severity == DNS_INFO)
		return;
	all->faults++;
	/* What no other rule looks at: a service of another protocol. */
	all->dns_fault |= strcmp(f->code, "LOOPBACK-ONLY") != 0;
}

static enum verdict judge(const struct dns_facts *f, const struct findings *all)
{
	const struct resolv_conf *c = &f->resolv.conf;
	unsigned int i;
	struct ipaddr a;

	if (f->resolv.error && f->resolv.error != ENOENT)
		return UNKNOWN;
	if (!all->faults)
		return FINE;
	for (i = 0; i < resolv_nr_used(c); i++) {
		a = resolv_server(c, i, NULL);
		if (dns_usable(f, &a))
			return FAULT;
	}
	return all->dns_fault ? FAILS : FAULT;
}

static void put_codes(struct strbuf *b, const struct findings *all)
{
	unsigned int i, n = 0;

	for (i = 0; i < all->n; i++)
		if (all->v[i].severity != DNS_INFO)
			strbuf_printf(b, "%s%s", n++ ? ", " : "", all->v[i].code);
}

static void print_verdict(const struct view_style *style, const struct target *t,
			  const struct dns_facts *f, const struct findings *all)
{
	static const struct {
		const char *utf8, *ascii, *color, *text;
	} forms[] = {
		[FINE] = { "✓", "ok", VIEW_GOOD, "no fault found" },
		[FAULT] = { "!", "!", VIEW_WARN, "lookups should work, but something is wrong: " },
		[FAILS] = { "✗", "!!", VIEW_BAD, "lookups will fail: " },
		[UNKNOWN] = { "?", "?", VIEW_WARN, "its resolv.conf cannot be read: " },
	};
	enum verdict v = judge(f, all);
	char mem[LINE_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_printf(&b, "%s%s" VIEW_END " " VIEW_BOLD, forms[v].color,
		      style->utf8 ? forms[v].utf8 : forms[v].ascii);
	put_name(&b, t->name);
	strbuf_printf(&b, VIEW_END ": %s%s", forms[v].color,
		      v == FAULT && !all->dns_fault ? "no fault of DNS, but of a published port: "
						    : forms[v].text);
	if (v == UNKNOWN)
		strbuf_puts(&b, strerror(f->resolv.error));
	else
		put_codes(&b, all);
	strbuf_puts(&b, VIEW_END);
	view_title(style, mem);
}

static void print_finding(const struct view_style *style, const struct dns_finding *f)
{
	struct dns_text_style text = { .utf8 = style->utf8,
				       .color = style->color,
				       .width = style->width };
	char mem[FINDING_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	text.after_blank = true;
	dns_text_finding(&b, f, &text);
	fputs(b.s, stdout);
}

static void print_text(const struct options *o, const struct target *t, const struct dns_facts *f,
		       const struct findings *all)
{
	struct view_style style = view_style_of(o->color);
	unsigned int i;

	print_verdict(&style, t, f, all);
	putchar('\n');
	for (i = 0; i < all->n; i++)
		print_finding(&style, &all->v[i]);
	print_facts(&style, t, f);
}

static void print_json(const struct target *t, const struct dns_facts *f,
		       const struct findings *all)
{
	static const char *const verdicts[] = {
		[FINE] = "ok", [FAULT] = "fault", [FAILS] = "fails", [UNKNOWN] = "unknown"
	};
	char mem[FINDING_LEN];
	struct strbuf b;
	unsigned int i;

	json_facts(t, f, verdicts[judge(f, all)]);
	for (i = 0; i < all->n; i++) {
		strbuf_init(&b, mem, sizeof(mem));
		dns_json_finding(&b, &all->v[i]);
		fputs(b.s, stdout);
	}
}

/* The engine that knows may be gone; then no port is known to be published. */
static void look_at_services(const struct target *t, struct dns_facts *f)
{
	struct published ports[MAX_PORTS];
	struct err e = { 0 };
	uint32_t n = 0;

	if (t->is_host)
		return;
	if (t->kind == TARGET_DOCKER && docker_published(t->container, ports, MAX_PORTS, &n, &e))
		log_debug("published ports of %s: %s", t->name, e.msg);
	if (facts_services(t, ports, n, f, &e))
		log_warn("%s", e.msg);
}

/* What the namespace that the default route leads into makes of it. */
static void look_at_way_out(const struct target *t, struct dns_facts *f)
{
	_cleanup_(spaces_fini) struct spaces all;
	struct way_out way;
	struct space *own;

	if (t->is_host || !f->has_default_route || spaces_collect(&all, SPACES_LINKS, NULL))
		return;
	own = space_of_ns(&all, &t->ns);
	if (!own)
		return;
	way_out_find(&all, own, &way);
	/* What lies beyond the first of them is not this network's affair. */
	f->is_blocked = way.nr_hops == 1 && (way.end == WAY_BLOCKED || way.end == WAY_NO_FORWARD);
}

/* Returns 0, EXIT_FAULT if something is wrong, or 1. */
static int check_one(const struct options *o, const char *spec)
{
	struct findings all = { 0 };
	struct dns_facts facts;
	struct err e = { 0 };
	struct target t;

	if (target_resolve(spec, &t, &e)) {
		log_err(&e);
		return 1;
	}
	if (t.kind == TARGET_NEW) {
		log_error("check: a namespace that does not exist yet has nothing to check");
		return 1;
	}
	if (facts_collect(&t, NULL, 0, NULL, 0, NULL, &facts, &e)) {
		log_err(&e);
		return 1;
	}
	look_at_services(&t, &facts);
	look_at_way_out(&t, &facts);
	dns_check(&facts, keep_finding, &all);
	if (o->json)
		print_json(&t, &facts, &all);
	else
		print_text(o, &t, &facts, &all);
	if (all.faults)
		return EXIT_FAULT;
	return judge(&facts, &all) == UNKNOWN ? 1 : 0;
}

int check_main(const struct options *o)
{
	int status = 0, one;
	unsigned int i;

	for (i = 0; i < o->nr_targets; i++) {
		if (i && !o->json)
			putchar('\n');
		one = check_one(o, o->targets[i]);
		if (one == 1 || (one && !status))
			status = one;
	}
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write the facts: %s", strerror(errno));
		return 1;
	}
	return status;
}

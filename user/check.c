// SPDX-License-Identifier: GPL-2.0-only
#include "check.h"

#include <errno.h>
#include <langinfo.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dns/engine.h"
#include "dns/resolv.h"
#include "netns/facts.h"
#include "netns/inventory.h"
#include "options.h"
#include "sink/dns_json.h"
#include "sink/dns_text.h"
#include "target/target.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/strbuf.h"

#define EXIT_FAULT 3

/* Any escaped path or name, and what is said about it. */
#define LINE_LEN     4096
#define FINDING_LEN  (16 * 1024)
#define LABEL_FORMAT "  %-12s %s\n"

static void put_name(struct strbuf *b, const char *untrusted)
{
	strbuf_escape(b, untrusted, strlen(untrusted));
}

static void print_head(const struct target *t)
{
	char mem[LINE_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	put_name(&b, t->name);
	strbuf_printf(&b, "  %s", target_kind_name(t->kind));
	if (t->pid && t->kind != TARGET_PID)
		strbuf_printf(&b, ", pid %d", (int)t->pid);
	strbuf_printf(&b, ", net:[%llu]", (unsigned long long)t->ns.ino);
	if (t->is_host && t->kind != TARGET_HOST)
		strbuf_puts(&b, ", the host's own network (host mode)");
	puts(b.s);
}

static void print_link(const struct link *l)
{
	char mem[LINE_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	put_name(&b, l->name);
	strbuf_puts(&b, l->up ? " up" : " down");
	for (i = 0; i < l->nr_addrs && i < LINK_MAX_ADDRS; i++) {
		strbuf_putc(&b, ' ');
		ipaddr_put(&b, &l->addrs[i].addr);
		strbuf_printf(&b, "/%u", l->addrs[i].prefixlen);
	}
	printf(LABEL_FORMAT, "interface", b.s);
}

/* They are not among the facts: the rules do not need them, a reader does. */
static void print_links(const struct target *t)
{
	_cleanup_free_ struct link *links = NULL;
	_cleanup_fd_ int fd = target_open(t, NULL);
	size_t i, n = 0;

	if (fd < 0 || inventory_links(fd, &links, &n, NULL))
		return;
	for (i = 0; i < n; i++)
		print_link(&links[i]);
}

static void print_route(const struct dns_facts *f)
{
	char text[64] = "no default route", addr[IPADDR_STRLEN];

	if (f->has_default_route && f->gateway.family) {
		ipaddr_format(&f->gateway, addr);
		snprintf(text, sizeof(text), "default via %s", addr);
	} else if (f->has_default_route) {
		snprintf(text, sizeof(text), "default, without a gateway");
	}
	printf(LABEL_FORMAT, "route", text);
}

static const char *whose_file(const struct target *t, const struct resolv_file *f)
{
	if (t->kind == TARGET_HOST || !f->is_hosts_own)
		return "";
	return f->source == RESOLV_HOST ? ", the host's, as `ip netns exec` leaves it"
					: ", the host's own file";
}

static void print_resolv(const struct target *t, const struct resolv_file *f)
{
	char mem[LINE_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	put_name(&b, f->path);
	if (f->error)
		strbuf_printf(&b, ": %s", strerror(f->error));
	if (f->host_path[0] && strcmp(f->host_path, f->path) != 0) {
		strbuf_puts(&b, " = ");
		put_name(&b, f->host_path);
		strbuf_puts(&b, " on the host");
	}
	strbuf_puts(&b, whose_file(t, f));
	printf(LABEL_FORMAT, "resolv.conf", b.s);
}

static void print_server(const struct dns_facts *f, uint32_t i)
{
	const struct server_facts *s = &f->servers[i];
	char mem[LINE_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	ipaddr_put(&b, &s->addr);
	if (i < f->resolv.conf.nr_servers)
		strbuf_printf(&b, "  line %u", f->resolv.conf.servers[i].line);
	else
		strbuf_puts(&b, "  libc's default, no line names one");
	if (s->route_errno)
		strbuf_printf(&b, ", %s", strerror(s->route_errno));
	else if (ipaddr_is_loopback(&s->addr) || s->listening)
		strbuf_puts(&b,
			    s->listening ? ", a socket listens there" : ", nothing listens there");
	else
		strbuf_puts(&b, s->is_gateway ? ", the gateway" : ", route ok");
	if (i >= RESOLV_LIBC_SERVERS && i < f->resolv.conf.nr_servers)
		strbuf_puts(&b, ", not used by libc");
	printf(LABEL_FORMAT, "nameserver", b.s);
}

static void print_listeners(const struct dns_facts *f)
{
	char mem[LINE_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	for (i = 0; i < f->nr_listeners; i++) {
		const struct listener *l = &f->listeners[i];

		strbuf_puts(&b, i ? ", " : "");
		strbuf_puts(&b, l->proto == IPPROTO_TCP ? "tcp " : "udp ");
		strbuf_puts(&b, l->addr.family == 6 ? "[" : "");
		ipaddr_put(&b, &l->addr);
		strbuf_printf(&b, "%s:%u", l->addr.family == 6 ? "]" : "", l->port);
	}
	printf(LABEL_FORMAT, "listening", f->nr_listeners ? b.s : "nothing on port 53");
}

static void print_upstreams(const struct dns_facts *f)
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
		printf(LABEL_FORMAT, "host asks", b.s);
}

static void print_facts(const struct target *t, const struct dns_facts *f)
{
	uint32_t i;

	print_head(t);
	print_links(t);
	print_route(f);
	print_resolv(t, &f->resolv);
	for (i = 0; i < f->nr_servers; i++)
		print_server(f, i);
	print_listeners(f);
	print_upstreams(f);
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

static void json_facts(const struct target *t, const struct dns_facts *f)
{
	char mem[FINDING_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_puts(&b, "{\"type\":\"facts\"");
	json_string(&b, "target", t->name);
	json_string(&b, "kind", target_kind_name(t->kind));
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
	json_upstreams(&b, f);
	strbuf_putc(&b, '}');
	puts(b.s);
}

static void print_finding(void *ctx, const struct dns_finding *f)
{
	struct dns_text_style *style = ctx;
	char mem[FINDING_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	dns_text_finding(&b, f, style);
	style->after_blank = true;
	fputs(b.s, stdout);
}

static void print_finding_json(void *ctx, const struct dns_finding *f)
{
	char mem[FINDING_LEN];
	struct strbuf b;

	(void)ctx;
	strbuf_init(&b, mem, sizeof(mem));
	dns_json_finding(&b, f);
	fputs(b.s, stdout);
}

static unsigned int terminal_width(void)
{
	struct winsize ws;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 ? ws.ws_col : 0;
}

static struct dns_text_style style_of(const struct options *o)
{
	unsigned int width = terminal_width();

	return (struct dns_text_style){
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.color = o->color == COLOR_ALWAYS || (o->color == COLOR_AUTO && width),
		.width = width,
	};
}

/* Returns 0, EXIT_FAULT if there is a finding, or 1. */
static int check_one(const struct options *o, const char *spec)
{
	struct dns_text_style style = style_of(o);
	struct dns_facts facts;
	struct err e = { 0 };
	struct target t;
	unsigned int n;

	if (target_resolve(spec, &t, &e)) {
		log_err(&e);
		return 1;
	}
	if (t.kind == TARGET_NEW) {
		log_error("check: a namespace that does not exist yet has nothing to check");
		return 1;
	}
	if (facts_collect(&t, NULL, 0, NULL, NULL, &facts, &e)) {
		log_err(&e);
		return 1;
	}
	if (o->json)
		json_facts(&t, &facts);
	else
		print_facts(&t, &facts);
	n = dns_check(&facts, o->json ? print_finding_json : print_finding, &style);
	if (!n && !o->json)
		puts("\n  no fault found");
	return n ? EXIT_FAULT : 0;
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

// SPDX-License-Identifier: GPL-2.0-only
#include "list.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "target/space.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/strbuf.h"

/* A line holds LINK_MAX_ADDRS addresses or a few names, each byte escaped. */
#define LINE_LEN 4096

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

static void put_name(struct strbuf *b, const char *untrusted)
{
	strbuf_escape(b, untrusted, strlen(untrusted));
}

static uint32_t kept_addrs(const struct link *l)
{
	return l->nr_addrs < LINK_MAX_ADDRS ? l->nr_addrs : LINK_MAX_ADDRS;
}

/* fe80::/10: every interface has one, and nobody looks for it. */
static bool is_link_local(const struct ipaddr *a)
{
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static void put_addrs(struct strbuf *b, const struct link *l)
{
	uint32_t i, n = kept_addrs(l);

	for (i = 0; i < n; i++) {
		if (is_link_local(&l->addrs[i].addr))
			continue;
		strbuf_puts(b, b->len ? " " : "");
		ipaddr_put(b, &l->addrs[i].addr);
		strbuf_printf(b, "/%u", l->addrs[i].prefixlen);
	}
	if (l->nr_addrs > n)
		strbuf_printf(b, " +%u", l->nr_addrs - n);
	if (!b->len)
		strbuf_putc(b, '-');
}

struct all {
	const struct space *v;
	size_t n;
};

static void put_procs(struct strbuf *b, const struct netns_seen *seen)
{
	uint32_t i;

	/* On the host the first six processes tell nobody anything. */
	if (seen->home) {
		strbuf_printf(b, "%u process%s", seen->nr_procs, seen->nr_procs == 1 ? "" : "es");
		return;
	}
	for (i = 0; i < seen->nr_procs && i < NETNS_MAX_PROCS; i++) {
		if (i)
			strbuf_putc(b, ' ');
		put_name(b, seen->procs[i].comm);
		strbuf_printf(b, "(%d)", (int)seen->procs[i].pid);
	}
	if (seen->nr_procs > NETNS_MAX_PROCS)
		strbuf_printf(b, " +%u", seen->nr_procs - NETNS_MAX_PROCS);
	if (!seen->nr_procs)
		strbuf_puts(b, "no process");
}

/* The other things it can be called by, after the label. */
static void put_aliases(struct strbuf *b, const struct space *s)
{
	uint32_t i, first = s->seen.home ? 0 : 1;

	for (i = first; i < s->nr_containers && i < SPACE_MAX_CONTAINERS; i++) {
		strbuf_puts(b, " = docker:");
		put_name(b, s->containers[i]);
	}
	if (s->nr_containers > SPACE_MAX_CONTAINERS)
		strbuf_printf(b, " +%u", s->nr_containers - SPACE_MAX_CONTAINERS);
	if (s->seen.name[0] && (s->seen.home || s->nr_containers)) {
		strbuf_puts(b, " = netns:");
		put_name(b, s->seen.name);
	}
}

static void print_head(const struct space *s)
{
	char mem[LINE_LEN], label[TARGET_NAME_LEN + 16];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	space_label(s, label);
	put_name(&b, label);
	put_aliases(&b, s);
	strbuf_printf(&b, "  net:[%llu]  ", (unsigned long long)s->seen.id.ino);
	put_procs(&b, &s->seen);
	puts(b.s);
}

static void put_peer(struct strbuf *b, const struct all *all, const struct space *s,
		     const struct veth_peer *p)
{
	const struct space *other = spaces_find(all->v, all->n, &p->ns);
	char label[TARGET_NAME_LEN + 16];

	strbuf_puts(b, ", peer ");
	put_name(b, p->name);
	if (other && other != s) {
		space_label(other, label);
		strbuf_puts(b, " in ");
		put_name(b, label);
	}
	if (p->bridge) {
		strbuf_puts(b, " on ");
		put_name(b, p->bridge_name);
	}
}

static void put_relations(struct strbuf *b, const struct all *all, const struct space *s, size_t i)
{
	const struct link *l = &s->links[i], *master;

	strbuf_puts(b, l->kind[0] ? l->kind : l->loopback ? "loopback" : "device");
	master = l->master ? inventory_find(s->links, s->nr_links, l->master) : NULL;
	if (master) {
		strbuf_puts(b, ", on ");
		put_name(b, master->name);
	}
	if (s->peers && s->peers[i].ifindex)
		put_peer(b, all, s, &s->peers[i]);
	else if (!strcmp(l->kind, "veth"))
		strbuf_puts(b, ", peer not found");
}

static void print_link(const struct all *all, const struct space *s, size_t i, int width)
{
	char name_mem[5 * IFNAMSIZ], addr_mem[1024], rest_mem[LINE_LEN];
	struct strbuf name, addrs, rest;

	strbuf_init(&name, name_mem, sizeof(name_mem));
	strbuf_init(&addrs, addr_mem, sizeof(addr_mem));
	strbuf_init(&rest, rest_mem, sizeof(rest_mem));
	put_name(&name, s->links[i].name);
	put_addrs(&addrs, &s->links[i]);
	put_relations(&rest, all, s, i);
	printf("  %-15s %-4s  %-*s  %s\n", name.s, s->links[i].up ? "up" : "down", width, addrs.s,
	       rest.s);
}

/* Addresses get a column as wide as the widest, up to a limit. */
static int addrs_width(const struct space *s)
{
	char mem[1024];
	struct strbuf b;
	size_t i, widest = 1;

	for (i = 0; i < s->nr_links; i++) {
		strbuf_init(&b, mem, sizeof(mem));
		put_addrs(&b, &s->links[i]);
		if (b.len > widest && b.len <= 40)
			widest = b.len;
	}
	return (int)widest;
}

static void print_resolv(const struct resolv_file *f)
{
	char mem[LINE_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	for (i = 0; i < f->conf.nr_servers; i++) {
		ipaddr_put(&b, &f->conf.servers[i].addr);
		strbuf_putc(&b, ' ');
	}
	if (f->error)
		strbuf_printf(&b, "%s: ", strerror(f->error));
	else if (!f->conf.nr_servers)
		strbuf_puts(&b, "none ");
	strbuf_putc(&b, '(');
	put_name(&b, f->path);
	if (f->host_path[0] && strcmp(f->host_path, f->path) != 0) {
		strbuf_puts(&b, " = ");
		put_name(&b, f->host_path);
	}
	strbuf_puts(&b, f->is_hosts_own && f->source != RESOLV_HOST ? ", the host's own)" : ")");
	printf("  %-15s %s\n", "nameservers", b.s);
}

/* Docker's sockets on 127.0.0.11 have random ports, so the port is shown. */
static void print_listeners(const struct space *s)
{
	char mem[LINE_LEN];
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, mem, sizeof(mem));
	for (i = 0; i < s->nr_listeners; i++) {
		const struct listener *l = &s->listeners[i];

		strbuf_printf(&b, "%s%s ", i ? ", " : "", proto_name(l->proto));
		strbuf_puts(&b, l->addr.family == 6 ? "[" : "");
		ipaddr_put(&b, &l->addr);
		strbuf_printf(&b, "%s:%u", l->addr.family == 6 ? "]" : "", l->port);
	}
	if (s->nr_listeners)
		printf("  %-15s %s\n", "DNS listeners", b.s);
}

static void print_text(const struct all *all, const struct space *s)
{
	size_t i;

	print_head(s);
	if (s->error) {
		printf("  cannot look inside: %s\n", strerror(s->error));
		return;
	}
	for (i = 0; i < s->nr_links; i++)
		print_link(all, s, i, addrs_width(s));
	print_resolv(&s->resolv);
	print_listeners(s);
}

/* "key":"value", with a comma in front unless first. */
static void json_string(const char *key, const char *untrusted)
{
	char mem[6 * RESOLV_PATH_LEN + 8];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_json(&b, untrusted, strnlen(untrusted, RESOLV_PATH_LEN));
	printf(",\"%s\":%s", key, b.s);
}

static void json_item(const char *untrusted, bool comma)
{
	char mem[6 * RESOLV_PATH_LEN + 8];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_json(&b, untrusted, strnlen(untrusted, RESOLV_PATH_LEN));
	printf("%s%s", comma ? "," : "", b.s);
}

static const char *json_bool(bool v)
{
	return v ? "true" : "false";
}

static void json_procs(const struct netns_seen *seen)
{
	uint32_t i;

	printf(",\"processes\":%u,\"first_processes\":[", seen->nr_procs);
	for (i = 0; i < seen->nr_procs && i < NETNS_MAX_PROCS; i++) {
		printf("%s{\"pid\":%d", i ? "," : "", (int)seen->procs[i].pid);
		json_string("comm", seen->procs[i].comm);
		putchar('}');
	}
	putchar(']');
}

static void json_link(const struct space *s, size_t i)
{
	const struct veth_peer *p = s->peers ? &s->peers[i] : NULL;
	const struct link *l = &s->links[i], *master;
	char text[IPADDR_STRLEN];
	uint32_t k;

	printf("%s{\"ifindex\":%u", i ? "," : "", l->ifindex);
	json_string("name", l->name);
	json_string("kind", l->kind);
	printf(",\"up\":%s,\"mtu\":%u,\"addresses\":[", json_bool(l->up), l->mtu);
	for (k = 0; k < kept_addrs(l); k++) {
		ipaddr_format(&l->addrs[k].addr, text);
		printf("%s\"%s/%u\"", k ? "," : "", text, l->addrs[k].prefixlen);
	}
	putchar(']');
	master = l->master ? inventory_find(s->links, s->nr_links, l->master) : NULL;
	if (master)
		json_string("master", master->name);
	if (p && p->ifindex) {
		printf(",\"peer\":{\"netns\":%llu,\"ifindex\":%u", (unsigned long long)p->ns.ino,
		       p->ifindex);
		json_string("name", p->name);
		if (p->bridge)
			json_string("bridge", p->bridge_name);
		putchar('}');
	}
	putchar('}');
}

static void json_resolv(const struct resolv_file *f)
{
	char text[IPADDR_STRLEN];
	uint32_t i;

	printf(",\"resolv_conf\":{\"error\":%d,\"hosts_own\":%s", f->error,
	       json_bool(f->is_hosts_own));
	json_string("path", f->path);
	json_string("host_path", f->host_path);
	printf(",\"nameservers\":[");
	for (i = 0; i < f->conf.nr_servers; i++) {
		ipaddr_format(&f->conf.servers[i].addr, text);
		printf("%s\"%s\"", i ? "," : "", text);
	}
	printf("]}");
}

static void json_listeners(const struct space *s)
{
	char text[IPADDR_STRLEN];
	uint32_t i;

	printf(",\"listeners\":[");
	for (i = 0; i < s->nr_listeners; i++) {
		const struct listener *l = &s->listeners[i];

		ipaddr_format(&l->addr, text);
		printf("%s{\"protocol\":\"%s\",\"address\":\"%s\",\"port\":%u}", i ? "," : "",
		       proto_name(l->proto), text, l->port);
	}
	putchar(']');
}

static void print_json(const struct space *s)
{
	char label[TARGET_NAME_LEN + 16];
	uint32_t k;
	size_t i;

	space_label(s, label);
	printf("{\"type\":\"namespace\",\"netns\":%llu,\"host\":%s",
	       (unsigned long long)s->seen.id.ino, json_bool(s->seen.home));
	json_string("target", label);
	json_string("path", s->seen.path);
	if (s->seen.name[0])
		json_string("name", s->seen.name);
	printf(",\"containers\":[");
	for (k = 0; k < s->nr_containers && k < SPACE_MAX_CONTAINERS; k++)
		json_item(s->containers[k], k > 0);
	putchar(']');
	json_procs(&s->seen);
	if (s->error) {
		json_string("error", strerror(s->error));
		puts("}");
		return;
	}
	printf(",\"interfaces\":[");
	for (i = 0; i < s->nr_links; i++)
		json_link(s, i);
	putchar(']');
	json_resolv(&s->resolv);
	json_listeners(s);
	puts("}");
}

int list_main(const struct options *o)
{
	struct space *spaces = NULL;
	struct err e = { 0 };
	struct all all;
	size_t i, n = 0;

	if (spaces_collect(&spaces, &n, &e)) {
		log_err(&e);
		return 1;
	}
	all = (struct all){ spaces, n };
	for (i = 0; i < n; i++) {
		if (o->json)
			print_json(&spaces[i]);
		else
			print_text(&all, &spaces[i]);
		if (!o->json && i + 1 < n)
			putchar('\n');
	}
	spaces_free(spaces, n);
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write the list: %s", strerror(errno));
		return 1;
	}
	return 0;
}

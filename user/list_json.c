// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "list.h"
#include "target/space.h"
#include "target/way_out.h"
#include "util/strbuf.h"

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

static uint32_t kept_addrs(const struct link *l)
{
	return l->nr_addrs < LINK_MAX_ADDRS ? l->nr_addrs : LINK_MAX_ADDRS;
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

/* Every word that leads there. */
static void json_targets(const struct space *s)
{
	char label[CONTAINER_LABEL_LEN];
	bool comma = s->seen.home;
	uint32_t k;

	printf(",\"targets\":[%s", s->seen.home ? "\"host\"" : "");
	for (k = 0; k < s->nr_containers && k < SPACE_MAX_CONTAINERS; k++, comma = true) {
		container_label(&s->containers[k], label);
		json_item(label, comma);
	}
	snprintf(label, sizeof(label), "netns:%s", s->seen.name);
	if (s->seen.name[0])
		json_item(label, comma);
	putchar(']');
}

static const char *json_bool(bool v)
{
	return v ? "true" : "false";
}

static void json_process(const char *before, pid_t pid, const char *comm)
{
	if (!pid) {
		printf("%snull", before);
		return;
	}
	printf("%s{\"pid\":%d", before, (int)pid);
	json_string("comm", comm);
	putchar('}');
}

static void json_procs(const struct netns_seen *seen)
{
	uint32_t i;

	printf(",\"processes\":%u,\"first_processes\":[", seen->nr_procs);
	for (i = 0; i < seen->nr_procs && i < NETNS_MAX_PROCS; i++) {
		json_process(i ? "," : "", seen->procs[i].pid, seen->procs[i].comm);
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
	printf(",\"up\":%s,\"mtu\":%u,\"rx_packets\":%llu,\"tx_packets\":%llu,\"addresses\":[",
	       json_bool(l->up), l->mtu, (unsigned long long)l->rx_packets,
	       (unsigned long long)l->tx_packets);
	for (k = 0; k < kept_addrs(l); k++) {
		ipaddr_format(&l->addrs[k].addr, text);
		printf("%s\"%s/%u\"", k ? "," : "", text, l->addrs[k].prefixlen);
	}
	putchar(']');
	master = l->master ? inventory_find(s->links, s->nr_links, l->master) : NULL;
	if (master)
		json_string("master", master->name);
	if (p && p->ifindex) {
		printf(",\"%s\":{\"netns\":%llu,\"ifindex\":%u",
		       strcmp(l->kind, "veth") ? "parent" : "peer", (unsigned long long)p->ns.ino,
		       p->ifindex);
		json_string("name", p->name);
		if (p->bridge)
			json_string("bridge", p->bridge_name);
		putchar('}');
	}
	putchar('}');
}

static const char *nat_name(enum nat_answer nat)
{
	static const char *const names[] = {
		[NAT_UNKNOWN] = "null", [NAT_NO] = "false", [NAT_YES] = "true"
	};

	return names[nat];
}

static void json_hop(const struct way_hop *h, bool comma)
{
	char text[IPADDR_STRLEN];

	printf("%s{\"ifindex\":%u", comma ? "," : "", h->out->ifindex);
	json_string("interface", h->out->name);
	ipaddr_format(&h->gateway, text);
	if (h->gateway.family)
		printf(",\"gateway\":\"%s\"", text);
	else
		printf(",\"gateway\":null");
	if (h->into) {
		printf(",\"into\":%llu", (unsigned long long)h->into->seen.id.ino);
		json_string("arrives", h->arrives);
		printf(",\"nat\":%s", nat_name(h->nat));
	}
	putchar('}');
}

static void json_way_out(const struct spaces *all, struct space *s)
{
	struct way_out way;
	unsigned int i;

	way_out_find(all, s, &way);
	printf(",\"way_out\":{\"end\":\"%s\",\"hops\":[", way_end_name(way.end));
	for (i = 0; i < way.nr_hops; i++)
		json_hop(&way.hops[i], i > 0);
	printf("]}");
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
		printf("%s{\"protocol\":\"%s\",\"address\":\"%s\",\"port\":%u", i ? "," : "",
		       proto_name(l->proto), text, l->port);
		json_process(",\"process\":", s->holders[i].pid, s->holders[i].comm);
		putchar('}');
	}
	putchar(']');
}

void list_print_json(const struct spaces *all, struct space *s)
{
	static const char *const activity[] = {
		[LIST_DOWN] = "down",
		[LIST_QUIET] = "quiet",
		[LIST_LOOPBACK] = "loopback",
		[LIST_ACTIVE] = "active",
	};
	char label[CONTAINER_LABEL_LEN];
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
		json_item(s->containers[k].name, k > 0);
	putchar(']');
	json_targets(s);
	json_procs(&s->seen);
	if (s->error) {
		json_string("error", strerror(s->error));
		puts("}");
		return;
	}
	printf(",\"activity\":\"%s\",\"interfaces\":[", activity[list_activity(s)]);
	for (i = 0; i < s->nr_links; i++)
		json_link(s, i);
	putchar(']');
	json_way_out(all, s);
	json_resolv(&s->resolv);
	json_listeners(s);
	puts("}");
}

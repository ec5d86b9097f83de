// SPDX-License-Identifier: GPL-2.0-only
/*
 * A namespace is a title and rows below it. The rows of interfaces have columns
 * of their own: state, address, packets, and what the interface hangs on. What is
 * longer than its column goes into a line below.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "list.h"
#include "list_view.h"
#include "target/space.h"
#include "target/way_out.h"
#include "util/cleanup.h"

#define LABEL_WIDTH	11 /* "nameservers"; an interface has a longer name perhaps */
#define STATE_WIDTH	4
#define ADDR_WIDTH	18 /* 255.255.255.255/32 */
#define COUNT_WIDTH	13 /* "9999 packets" */
#define RELATION_WIDTH	17 /* of a label that is not to be torn from its interface */
#define HOST_PATH_WIDTH 48 /* longer ones (Docker's) are in --json only */

struct page {
	const struct spaces *all;
	struct space *s;
	const struct view_style *style;
	unsigned int label_width;
	struct view_row row;
	struct strbuf text; /* into row */
};

static void put_name(struct strbuf *b, const char *untrusted)
{
	strbuf_escape(b, untrusted, strlen(untrusted));
}

static const char *sign(const struct page *p, const char *utf8, const char *ascii)
{
	return p->style->utf8 ? utf8 : ascii;
}

static const char *arrow(const struct page *p)
{
	return sign(p, " →" VIEW_JOIN, " ->" VIEW_JOIN);
}

static void row_begin(struct page *p, const char *label)
{
	struct strbuf b;

	strbuf_init(&b, p->row.label, sizeof(p->row.label));
	put_name(&b, label);
	strbuf_init(&p->text, p->row.text, sizeof(p->row.text));
	p->row.more[0] = '\0';
	p->row.indent = p->row.more_indent = 0;
}

static void row_end(struct page *p, bool last)
{
	view_row(p->style, &p->row, p->label_width, last);
}

static void put_label(struct strbuf *b, const struct space *s)
{
	char label[CONTAINER_LABEL_LEN];

	space_label(s, label);
	put_name(b, label);
}

/* --- the title ---------------------------------------------------------------- */

/* The other things it can be called by, after the label. */
static void put_aliases(struct strbuf *b, const struct space *s)
{
	uint32_t i, first = s->seen.home ? 0 : 1;
	char label[CONTAINER_LABEL_LEN];

	for (i = first; i < s->nr_containers && i < SPACE_MAX_CONTAINERS; i++) {
		container_label(&s->containers[i], label);
		strbuf_puts(b, " =" VIEW_JOIN);
		put_name(b, label);
	}
	if (s->nr_containers > SPACE_MAX_CONTAINERS)
		strbuf_printf(b, " +%u", s->nr_containers - SPACE_MAX_CONTAINERS);
	if (s->seen.name[0] && (s->seen.home || s->nr_containers)) {
		strbuf_puts(b, " =" VIEW_JOIN "netns:");
		put_name(b, s->seen.name);
	}
}

static void put_activity(struct page *p, struct strbuf *b)
{
	static const char *const words[] = {
		[LIST_DOWN] = "  " VIEW_WARN "no" VIEW_JOIN "interface" VIEW_JOIN "is" VIEW_JOIN
			      "up" VIEW_END,
		[LIST_QUIET] = "  " VIEW_DIM "no" VIEW_JOIN "packet" VIEW_JOIN "yet" VIEW_END,
		[LIST_LOOPBACK] = "  " VIEW_DIM "packets" VIEW_JOIN "on" VIEW_JOIN "lo" VIEW_JOIN
				  "only" VIEW_END,
		[LIST_ACTIVE] = "",
	};

	if (!p->s->error)
		strbuf_puts(b, words[list_activity(p->s)]);
}

static void print_title(struct page *p)
{
	char mem[VIEW_TEXT_LEN];
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_puts(&b, VIEW_BOLD);
	put_label(&b, p->s);
	strbuf_puts(&b, VIEW_END);
	put_aliases(&b, p->s);
	strbuf_printf(&b, "  " VIEW_DIM "net:[%llu]" VIEW_END,
		      (unsigned long long)p->s->seen.id.ino);
	put_activity(p, &b);
	view_title(p->style, mem);
}

/* --- rows ---------------------------------------------------------------------- */

static void put_process(struct strbuf *b, const char *comm, pid_t pid)
{
	put_name(b, comm);
	strbuf_printf(b, "(%d)", (int)pid);
}

static void print_procs(struct page *p)
{
	const struct netns_seen *seen = &p->s->seen;
	uint32_t i;

	row_begin(p, "processes");
	/* On the host the first six tell nobody anything. */
	for (i = 0; !seen->home && i < seen->nr_procs && i < NETNS_MAX_PROCS; i++) {
		strbuf_puts(&p->text, i ? " " : "");
		put_process(&p->text, seen->procs[i].comm, seen->procs[i].pid);
	}
	if (seen->home || !seen->nr_procs)
		strbuf_printf(&p->text, seen->nr_procs ? "%u" : VIEW_DIM "none" VIEW_END,
			      seen->nr_procs);
	else if (seen->nr_procs > NETNS_MAX_PROCS)
		strbuf_printf(&p->text, " +%u", seen->nr_procs - NETNS_MAX_PROCS);
	row_end(p, false);
}

static uint32_t kept_addrs(const struct link *l)
{
	return l->nr_addrs < LINK_MAX_ADDRS ? l->nr_addrs : LINK_MAX_ADDRS;
}

/* fe80::/10 and ::1: every interface, every lo has one, and nobody looks for it. */
static bool is_noise(const struct ipaddr *a)
{
	return a->family == 6 &&
	       (ipaddr_is_loopback(a) || (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80));
}

static void format_addr(struct strbuf *b, const struct link_addr *a)
{
	ipaddr_put(b, &a->addr);
	strbuf_printf(b, "/%u", a->prefixlen);
}

/* The first that fits its column; UINT32_MAX if none does. */
static uint32_t first_addr(const struct link *l)
{
	char mem[IPADDR_STRLEN + 8];
	struct strbuf b;
	uint32_t i;

	for (i = 0; i < kept_addrs(l); i++) {
		strbuf_init(&b, mem, sizeof(mem));
		format_addr(&b, &l->addrs[i]);
		if (b.len <= ADDR_WIDTH && !is_noise(&l->addrs[i].addr))
			return i;
	}
	return UINT32_MAX;
}

static void pad_to(struct strbuf *b, unsigned int column)
{
	unsigned int at = view_columns(b->s);

	for (; at < column; at++)
		strbuf_puts(b, VIEW_JOIN);
}

static void put_link_name(struct page *p, const struct space *in, const char *name)
{
	char label[CONTAINER_LABEL_LEN];

	strbuf_puts(&p->text, VIEW_NAME);
	put_name(&p->text, name);
	strbuf_puts(&p->text, VIEW_END);
	if (in && in != p->s) {
		space_label(in, label);
		strbuf_puts(&p->text, strlen(label) <= RELATION_WIDTH ? VIEW_JOIN : " ");
		strbuf_puts(&p->text, "in" VIEW_JOIN);
		put_name(&p->text, label);
	}
}

static void put_peer(struct page *p, const struct link *l, const struct veth_peer *peer)
{
	bool veth = !strcmp(l->kind, "veth");

	if (veth)
		strbuf_puts(&p->text, sign(p, "⇄" VIEW_JOIN, "<->" VIEW_JOIN));
	else
		strbuf_printf(&p->text, "%s" VIEW_JOIN "of" VIEW_JOIN, l->kind);
	put_link_name(p, space_of_ns(p->all, &peer->ns), peer->name);
	if (veth && peer->bridge) {
		strbuf_puts(&p->text, " on" VIEW_JOIN);
		put_link_name(p, NULL, peer->bridge_name);
	}
}

static unsigned int nr_ports(const struct space *s, const struct link *bridge)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < s->nr_links; i++)
		n += s->links[i].master == bridge->ifindex;
	return n;
}

static void put_relation(struct page *p, size_t i)
{
	const struct link *l = &p->s->links[i], *master;
	const struct veth_peer *peer = p->s->peers ? &p->s->peers[i] : NULL;
	struct strbuf *b = &p->text;

	master = l->master ? inventory_find(p->s->links, p->s->nr_links, l->master) : NULL;
	if (master) {
		strbuf_puts(b, "on" VIEW_JOIN);
		put_link_name(p, NULL, master->name);
		strbuf_putc(b, ' ');
	}
	if (peer && peer->ifindex)
		put_peer(p, l, peer);
	else if (!strcmp(l->kind, "veth"))
		strbuf_puts(b, "veth," VIEW_JOIN "peer" VIEW_JOIN "not" VIEW_JOIN "found");
	else if (!strcmp(l->kind, "bridge"))
		strbuf_printf(b, "bridge" VIEW_JOIN "of" VIEW_JOIN "%u", nr_ports(p->s, l));
	else
		strbuf_puts(b, l->kind[0] ? l->kind : "device");
}

static void put_packets(struct strbuf *b, const struct link *l)
{
	/* What is received on lo was sent there. */
	uint64_t n = l->loopback ? l->rx_packets : l->rx_packets + l->tx_packets;

	if (!n) {
		strbuf_puts(b, VIEW_DIM "no" VIEW_JOIN "packets" VIEW_END);
		return;
	}
	view_count(b, n);
	strbuf_puts(b, n == 1 ? VIEW_JOIN "packet" : VIEW_JOIN "packets");
}

/* The addresses that have no place in the first line. */
static void put_more_addrs(struct page *p, const struct link *l, uint32_t shown)
{
	struct strbuf b;
	uint32_t i;

	strbuf_init(&b, p->row.more, sizeof(p->row.more));
	p->row.more_indent = STATE_WIDTH + 1;
	for (i = 0; i < kept_addrs(l); i++) {
		if (i == shown || is_noise(&l->addrs[i].addr))
			continue;
		strbuf_puts(&b, b.len ? " " : "");
		format_addr(&b, &l->addrs[i]);
	}
	if (l->nr_addrs > kept_addrs(l))
		strbuf_printf(&b, " +%u", l->nr_addrs - kept_addrs(l));
}

static void print_link(struct page *p, size_t i)
{
	const struct link *l = &p->s->links[i];
	uint32_t first = first_addr(l);
	struct strbuf *b = &p->text;

	row_begin(p, l->name);
	strbuf_puts(b, l->up ? "up" : VIEW_WARN "down" VIEW_END);
	pad_to(b, STATE_WIDTH + 1);
	put_more_addrs(p, l, first);
	if (first != UINT32_MAX)
		format_addr(b, &l->addrs[first]);
	else if (!p->row.more[0])
		strbuf_puts(b, VIEW_DIM "-" VIEW_END);
	pad_to(b, STATE_WIDTH + 1 + ADDR_WIDTH + 2);
	put_packets(b, l);
	/* Alone on lo there is nothing to say behind it. */
	if (!l->loopback || l->master || l->kind[0]) {
		p->row.indent = STATE_WIDTH + 1 + ADDR_WIDTH + 2 + COUNT_WIDTH;
		pad_to(b, p->row.indent);
		put_relation(p, i);
	}
	row_end(p, false);
}

static void put_nat(struct page *p, enum nat_answer nat)
{
	static const char *const words[] = {
		[NAT_UNKNOWN] = VIEW_WARN "NAT" VIEW_JOIN "unknown" VIEW_END,
		[NAT_NO] = "no" VIEW_JOIN "NAT",
		[NAT_YES] = VIEW_GOOD "NAT" VIEW_END,
	};

	strbuf_puts(&p->text, arrow(p));
	strbuf_puts(&p->text, words[nat]);
}

static void put_hop(struct page *p, const struct way_hop *h, bool first)
{
	bool veth = !strcmp(h->out->kind, "veth");

	strbuf_puts(&p->text, first ? "" : arrow(p));
	put_link_name(p, NULL, h->out->name);
	if (h->into) {
		strbuf_puts(&p->text, arrow(p));
		put_link_name(p, h->into->seen.home ? NULL : h->into, h->arrives);
	}
	if (h->into && veth)
		put_nat(p, h->nat);
}

static void put_way_end(struct page *p, const struct way_out *way)
{
	const struct way_hop *last = way->nr_hops ? &way->hops[way->nr_hops - 1] : NULL;
	static const char *const why[] = {
		[WAY_DEAD_END] = " has no default route",
		[WAY_NO_FORWARD] = " does not forward",
		[WAY_BLOCKED] = " lets nothing through (internal network)",
	};
	struct strbuf *b = &p->text;

	switch (way->end) {
	case WAY_NONE: strbuf_puts(b, VIEW_WARN "none" VIEW_END ": no default route"); break;
	case WAY_DEVICE:
		if (last && last->gateway.family) {
			strbuf_puts(b, arrow(p));
			ipaddr_put(b, &last->gateway);
		}
		break;
	case WAY_PROGRAM:
		strbuf_puts(b, arrow(p));
		strbuf_puts(b, "a program (tun device)");
		break;
	case WAY_DEAD_END:
	case WAY_NO_FORWARD:
	case WAY_BLOCKED:
		strbuf_puts(b, arrow(p));
		strbuf_puts(b, VIEW_BAD "none" VIEW_END ": ");
		if (last && last->into)
			put_label(b, last->into);
		strbuf_puts(b, why[way->end]);
		break;
	case WAY_LOST:
		strbuf_puts(b, arrow(p));
		strbuf_puts(b, VIEW_WARN "not found" VIEW_END);
		break;
	}
}

static void print_way_out(struct page *p)
{
	struct way_out way;
	unsigned int i;

	way_out_find(p->all, p->s, &way);
	row_begin(p, "way out");
	for (i = 0; i < way.nr_hops; i++)
		put_hop(p, &way.hops[i], i == 0);
	put_way_end(p, &way);
	row_end(p, false);
}

static bool takes_queries(const struct space *s, const struct ipaddr *server)
{
	static const uint8_t docker[4] = { 127, 0, 0, 11 };
	struct ipaddr embedded = ipaddr_v4(docker);
	uint32_t i;

	for (i = 0; ipaddr_equal(server, &embedded) && i < s->nr_listeners; i++)
		if (ipaddr_equal(&s->listeners[i].addr, server))
			return true;
	return netns_listens(s->listeners, s->nr_listeners, server, IPPROTO_UDP, 53) ||
	       netns_listens(s->listeners, s->nr_listeners, server, IPPROTO_TCP, 53);
}

static void put_server(struct page *p, const struct ipaddr *server)
{
	bool dead = ipaddr_is_loopback(server) && !takes_queries(p->s, server);

	strbuf_puts(&p->text, dead ? VIEW_BAD : VIEW_NAME);
	ipaddr_put(&p->text, server);
	strbuf_puts(&p->text, VIEW_END);
	if (dead)
		strbuf_puts(&p->text, VIEW_JOIN "(nothing" VIEW_JOIN "listens)");
	strbuf_putc(&p->text, ' ');
}

static void print_resolv(struct page *p, bool last)
{
	const struct resolv_file *f = &p->s->resolv;
	struct strbuf *b = &p->text;
	uint32_t i;

	row_begin(p, "nameservers");
	for (i = 0; i < f->conf.nr_servers; i++)
		put_server(p, &f->conf.servers[i].addr);
	if (f->error)
		strbuf_printf(b, "%s ", strerror(f->error));
	else if (!f->conf.nr_servers)
		strbuf_puts(b, "none ");
	strbuf_puts(b, VIEW_DIM "by" VIEW_JOIN);
	put_name(b, f->path);
	if (f->host_path[0] && strcmp(f->host_path, f->path) != 0 &&
	    strlen(f->host_path) < HOST_PATH_WIDTH) {
		strbuf_puts(b, " =" VIEW_JOIN);
		put_name(b, f->host_path);
	}
	strbuf_puts(b, f->is_hosts_own && !p->s->seen.home ? ", the" VIEW_JOIN "host's" : "");
	strbuf_puts(b, VIEW_END);
	row_end(p, last);
}

static bool same_socket(const struct space *s, uint32_t i, uint32_t k)
{
	return ipaddr_equal(&s->listeners[i].addr, &s->listeners[k].addr) &&
	       s->listeners[i].port == s->listeners[k].port &&
	       s->holders[i].pid == s->holders[k].pid;
}

static void put_listener(struct page *p, uint32_t i)
{
	const struct listener *l = &p->s->listeners[i];
	struct strbuf *b = &p->text;

	strbuf_puts(b, l->addr.family == 6 ? "[" : "");
	ipaddr_put(b, &l->addr);
	strbuf_printf(b, "%s:%u", l->addr.family == 6 ? "]" : "", l->port);
}

/* What one process has open, one address at a time; UDP and TCP are one. Docker's sockets on
 * 127.0.0.11 have random ports, so the port is shown. */
static void print_listeners(struct page *p, bool last)
{
	const struct space *s = p->s;
	uint32_t i, k;

	row_begin(p, "DNS sockets");
	for (i = 0; i < s->nr_listeners; i++) {
		bool both = false;

		for (k = 0; k < i && !same_socket(s, i, k); k++)
			;
		if (k < i)
			continue;
		for (k = i + 1; k < s->nr_listeners; k++)
			both |= same_socket(s, i, k) &&
				s->listeners[k].proto != s->listeners[i].proto;
		if (!i || s->holders[i].pid != s->holders[i - 1].pid) {
			strbuf_puts(&p->text, i ? " " : "");
			if (s->holders[i].pid)
				put_process(&p->text, s->holders[i].comm, s->holders[i].pid);
			else
				strbuf_puts(&p->text, "?");
		}
		strbuf_printf(&p->text, " %s" VIEW_JOIN,
			      both				     ? "udp+tcp"
			      : s->listeners[i].proto == IPPROTO_TCP ? "tcp"
								     : "udp");
		put_listener(p, i);
	}
	row_end(p, last);
}

static unsigned int label_width(const struct space *s)
{
	unsigned int width = LABEL_WIDTH;
	size_t i;

	for (i = 0; i < s->nr_links; i++)
		if (strlen(s->links[i].name) > width)
			width = (unsigned int)strlen(s->links[i].name);
	return width;
}

void list_print_text(const struct spaces *all, struct space *s, const struct view_style *style)
{
	struct page p = { .all = all, .s = s, .style = style };
	size_t i;

	p.label_width = label_width(s);
	print_title(&p);
	if (s->error) {
		row_begin(&p, "?");
		strbuf_printf(&p.text, "cannot look inside: %s", strerror(s->error));
		row_end(&p, true);
		return;
	}
	print_procs(&p);
	for (i = 0; i < s->nr_links; i++)
		print_link(&p, i);
	print_way_out(&p);
	print_resolv(&p, !s->nr_listeners);
	if (s->nr_listeners)
		print_listeners(&p, true);
}

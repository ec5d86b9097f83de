// SPDX-License-Identifier: GPL-2.0-only
#include "netns/facts.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns/resolv.h"
#include "netns/holders.h"
#include "netns/inventory.h"
#include "netns/nat.h"
#include "netns/resolv_file.h"
#include "netns/veth.h"
#include "util/cleanup.h"
#include "util/now.h"

#define RESOLV_CONF	 "/etc/resolv.conf"
#define DNS_PORT	 53
#define SYSTEMD_UPSTREAM "/run/systemd/resolve/resolv.conf"

/* The inode of a process's mount namespace; 0 if it is gone. */
static uint32_t mntns_of(pid_t pid)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	return stat(path, &st) < 0 ? 0 : (uint32_t)st.st_ino;
}

/*
 * Reads through the root of pid; mntns is where it must be, 0 anywhere. False
 * if it is gone, or went meanwhile: a mount namespace that ends with its last
 * process takes its mounts along, and the file under a mount is not the one that
 * the process saw.
 */
static bool read_of(pid_t pid, uint32_t mntns, enum resolv_source source, struct resolv_file *out)
{
	uint32_t before = mntns_of(pid);
	char root[32];

	if (!before || (mntns && mntns != before))
		return false;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	resolv_file_read(root, pid == getpid() ? 0 : pid, RESOLV_CONF, out);
	if (mntns_of(pid) != before)
		return false;
	out->source = source;
	out->pid = (uint32_t)pid;
	return true;
}

/*
 * Any process of a mount namespace has the same files, unless it changed its
 * root: those near to the asker come first. Inode numbers are reused at once
 * when a namespace ends (`ip netns exec` in a loop), so a stranger must be older
 * than the asker, which its pid tells well enough.
 */
static bool from_mntns(const struct target *t, const struct owner *asker, uint32_t ppid,
		       struct resolv_file *out)
{
	const pid_t near[] = { (pid_t)ppid, t->pid, getpid() };
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *ent;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(near); i++)
		if (near[i] && read_of(near[i], asker->mntns, RESOLV_SAME_MNTNS, out))
			return true;
	d = opendir("/proc");
	while (d && (ent = readdir(d))) {
		long pid = strtol(ent->d_name, NULL, 10);

		if (pid > 0 && pid < (long)asker->pid &&
		    read_of((pid_t)pid, asker->mntns, RESOLV_SAME_MNTNS, out))
			return true;
	}
	return false;
}

/* `ip netns exec NAME` gives its command a mount namespace of its own, with
 * /etc/netns/NAME/resolv.conf in the place of /etc/resolv.conf if there is one. */
static bool from_etc_netns(const char *name, enum resolv_source source, uint32_t pid,
			   struct resolv_file *out)
{
	char path[RESOLV_PATH_LEN];

	snprintf(path, sizeof(path), "/etc/netns/%s/resolv.conf", name);
	if (access(path, F_OK) < 0)
		return false;
	resolv_file_read("/", 0, path, out);
	out->source = source;
	out->pid = pid;
	snprintf(out->host_path, sizeof(out->host_path), "%s", path);
	snprintf(out->path, sizeof(out->path), "%s", RESOLV_CONF);
	return true;
}

/* Finds the name that the asker's parent gave to `ip netns exec`. */
static bool from_netns_name(const struct target *t, uint32_t ppid, struct resolv_file *out)
{
	_cleanup_closedir_ DIR *d = opendir("/run/netns");
	char path[RESOLV_PATH_LEN + 16];
	struct dirent *ent;
	struct stat st;

	while (d && (ent = readdir(d))) {
		snprintf(path, sizeof(path), "/run/netns/%s", ent->d_name);
		if (ent->d_name[0] != '.' && stat(path, &st) == 0 && st.st_ino == t->ns.ino &&
		    st.st_dev == t->ns.dev && from_etc_netns(ent->d_name, RESOLV_PARENT, ppid, out))
			return true;
	}
	return false;
}

static bool from_parent(const struct target *t, const struct owner *asker, uint32_t ppid,
			struct resolv_file *out)
{
	uint32_t mntns = mntns_of((pid_t)ppid);

	if (!mntns)
		return false;
	if (asker->mntns && asker->mntns != mntns && from_netns_name(t, ppid, out))
		return true;
	return read_of((pid_t)ppid, mntns, RESOLV_PARENT, out);
}

/* The container may be gone, and its pid somebody else's. */
static bool from_target(const struct target *t, struct resolv_file *out)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)t->pid);
	if (t->pid)
		return stat(path, &st) == 0 && st.st_ino == t->ns.ino &&
		       read_of(t->pid, 0, RESOLV_TARGET, out);
	return t->kind == TARGET_NETNS && from_etc_netns(t->name, RESOLV_TARGET, 0, out);
}

static void from_host(struct resolv_file *out)
{
	resolv_file_read("/", 0, RESOLV_CONF, out);
	out->source = RESOLV_HOST;
}

/* Files that are nswatch's own can be read at any time. */
void facts_remember(struct facts_memory *m, const struct owner *owner)
{
	struct remembered *slot = &m->slots[m->next % FACTS_REMEMBERED];
	struct resolv_file file;

	if (owner->mntns == mntns_of(getpid()) ||
	    !read_of((pid_t)owner->pid, owner->mntns, RESOLV_PROCESS, &file))
		return;
	slot->owner = *owner;
	slot->resolv = file;
	m->next++;
}

/* The latest entry counts: a process may mount the file between two execs. */
static bool from_memory(const struct facts_memory *m, const struct owner *asker,
			struct resolv_file *out)
{
	uint32_t back;

	for (back = 1; m && back <= FACTS_REMEMBERED; back++) {
		const struct remembered *r = &m->slots[(m->next - back) % FACTS_REMEMBERED];

		if (r->owner.pid != asker->pid || r->owner.mntns != asker->mntns)
			continue;
		*out = r->resolv;
		return true;
	}
	return false;
}

void facts_read_resolv(const struct target *t, const struct owner *asker, uint32_t ppid,
		       const struct facts_memory *memory, struct resolv_file *out)
{
	if (asker && asker->pid) {
		if (read_of((pid_t)asker->pid, asker->mntns, RESOLV_PROCESS, out))
			return;
		if (asker->mntns && from_memory(memory, asker, out))
			return;
		if (asker->mntns && from_mntns(t, asker, ppid, out))
			return;
		if (ppid && from_parent(t, asker, ppid, out))
			return;
	}
	if (!from_target(t, out))
		from_host(out);
}

static void add_server(struct dns_facts *f, const struct ipaddr *addr)
{
	uint32_t i;

	for (i = f->resolv.conf.nr_servers; i < f->nr_servers; i++)
		if (ipaddr_equal(&f->servers[i].addr, addr))
			return;
	for (i = 0; i < f->resolv.conf.nr_servers; i++)
		if (ipaddr_equal(&f->resolv.conf.servers[i].addr, addr))
			return;
	if (f->nr_servers < RESOLV_MAX_SERVERS + 1)
		f->servers[f->nr_servers++].addr = *addr;
}

/* libc asks 127.0.0.1 if no line names a server: resolv_server() says so. Of a file that we do
 * not read, it is not known whether one does. */
static void list_servers(struct dns_facts *f, const struct ipaddr *server)
{
	const struct resolv_conf *c = &f->resolv.conf;
	struct ipaddr fallback;
	uint32_t i, line;

	f->nr_servers = c->nr_servers;
	for (i = 0; i < c->nr_servers; i++)
		f->servers[i].addr = c->servers[i].addr;
	if (!c->nr_servers && (!f->resolv.error || f->resolv.error == ENOENT)) {
		fallback = resolv_server(c, 0, &line);
		add_server(f, &fallback);
	}
	if (server && server->family)
		add_server(f, server);
}

/* Docker rewrites queries to its resolver to a random port: any socket there will do. */
static bool is_listening(const struct dns_facts *f, const struct ipaddr *addr)
{
	static const uint8_t docker[4] = { 127, 0, 0, 11 };
	struct ipaddr embedded = ipaddr_v4(docker);
	uint32_t i;

	if (ipaddr_equal(addr, &embedded))
		for (i = 0; i < f->nr_listeners; i++)
			if (ipaddr_equal(&f->listeners[i].addr, addr))
				return true;
	return netns_listens(f->listeners, f->nr_listeners, addr, IPPROTO_UDP, 53) ||
	       netns_listens(f->listeners, f->nr_listeners, addr, IPPROTO_TCP, 53);
}

static bool is_local(const struct link *links, size_t n, const struct ipaddr *addr)
{
	size_t i;
	uint32_t k;

	if (ipaddr_is_loopback(addr))
		return true;
	for (i = 0; i < n; i++)
		for (k = 0; k < links[i].nr_addrs && k < LINK_MAX_ADDRS; k++)
			if (ipaddr_equal(&links[i].addrs[k].addr, addr))
				return true;
	return false;
}

struct facts_visit {
	struct dns_facts *f;
	struct link *links;
	size_t nr_links;
	struct err *e;
};

static int look_at_servers(struct facts_visit *v)
{
	struct dns_facts *f = v->f;
	uint32_t i;
	int r;

	for (i = 0; i < f->nr_servers; i++) {
		struct server_facts *s = &f->servers[i];

		r = netns_route_here(&s->addr, &s->route_errno, v->e);
		if (r)
			return r;
		s->is_gateway = ipaddr_equal(&s->addr, &f->gateway);
		s->listening =
			is_local(v->links, v->nr_links, &s->addr) && is_listening(f, &s->addr);
	}
	return 0;
}

static void look_at_link(struct dns_facts *f, const struct link *l)
{
	if (l->loopback)
		f->lo_up |= l->up;
	else
		f->has_uplink |= l->up && l->nr_addrs;
}

static enum nat_answer docker_nat(const struct nat_rules *rules, uint8_t proto)
{
	static const uint8_t docker[4] = { 127, 0, 0, 11 };
	struct nat_packet p = { .src = ipaddr_v4(docker),
				.dst = ipaddr_v4(docker),
				.proto = proto,
				.dport = 53,
				.oif = "lo" };

	return nat_redirect(rules, &p);
}

static void look_at_docker(struct dns_facts *f)
{
	static const uint8_t docker[4] = { 127, 0, 0, 11 };
	struct ipaddr embedded = ipaddr_v4(docker);
	struct nat_rules *rules;
	uint32_t i;

	for (i = 0; i < f->nr_servers; i++)
		if (ipaddr_equal(&f->servers[i].addr, &embedded))
			break;
	if (i == f->nr_servers)
		return;
	rules = nat_read_here();
	f->docker_known = true;
	f->docker_nat_udp = docker_nat(rules, IPPROTO_UDP);
	f->docker_nat_tcp = docker_nat(rules, IPPROTO_TCP);
	nat_free(rules);
}

static int visit_facts(void *arg)
{
	struct facts_visit *v = arg;
	struct dns_facts *f = v->f;
	size_t i;
	int r;

	r = inventory_links_here(&v->links, &v->nr_links, v->e);
	if (!r)
		r = netns_gateway_here(&f->has_default_route, &f->gateway, v->e);
	if (!r)
		r = netns_listeners_here(f->listeners, FACTS_MAX_LISTENERS, &f->nr_listeners, v->e);
	if (r)
		return r;
	for (i = 0; i < v->nr_links; i++)
		look_at_link(f, &v->links[i]);
	look_at_docker(f);
	return look_at_servers(v);
}

/* Systemd keeps the real ones apart from its stub. */
static void list_upstreams(struct dns_facts *f)
{
	struct resolv_file file;
	uint32_t i;

	if (resolv_file_read("/", 0, SYSTEMD_UPSTREAM, &file) || !file.conf.nr_servers)
		resolv_file_read("/", 0, RESOLV_CONF, &file);
	for (i = 0; i < file.conf.nr_servers; i++)
		if (!ipaddr_is_loopback(&file.conf.servers[i].addr))
			f->upstreams[f->nr_upstreams++] = file.conf.servers[i].addr;
}

/* The address that the host has on the container's bridge. */
static void find_bridge(const struct facts_visit *v, int nsfd, const struct target *t)
{
	struct veth_peer peer;
	size_t i;

	for (i = 0; i < v->nr_links; i++) {
		if (veth_peer(nsfd, t->path, &v->links[i], &peer, NULL) || !peer.bridge_addr.family)
			continue;
		ipaddr_format(&peer.bridge_addr, v->f->bridge_addr);
		return;
	}
}

/* Which of the servers' addresses a socket of the host takes that port of. */
static void look_at_host(struct dns_facts *f, uint16_t port)
{
	struct listener l[FACTS_MAX_LISTENERS];
	bool gateway = false;
	uint32_t i, n = 0;

	f->asked_port = port ? port : DNS_PORT;
	for (i = 0; i < f->nr_servers; i++)
		gateway |= f->servers[i].is_gateway;
	/* Nobody wants to know otherwise. */
	if (f->is_host_netns || (f->asked_port == DNS_PORT && !gateway) ||
	    netns_port_here(f->asked_port, l, FACTS_MAX_LISTENERS, &n, NULL))
		return;
	for (i = 0; i < f->nr_servers; i++)
		f->servers[i].host_listens =
			netns_listens(l, n, &f->servers[i].addr, IPPROTO_TCP, f->asked_port) ||
			(f->asked_port == DNS_PORT &&
			 netns_listens(l, n, &f->servers[i].addr, IPPROTO_UDP, DNS_PORT));
}

struct port_visit {
	struct listener v[FACTS_MAX_LISTENERS];
	uint32_t n;
	uint16_t port;
};

static int visit_port(void *arg)
{
	struct port_visit *v = arg;

	return netns_port_here(v->port, v->v, FACTS_MAX_LISTENERS, &v->n, NULL);
}

bool facts_listens(const struct target *t, const struct ipaddr *addr, uint16_t port)
{
	_cleanup_fd_ int fd = target_open(t, NULL);
	struct port_visit v = { .port = port };

	return fd >= 0 && !netns_call(fd, visit_port, &v, NULL) &&
	       netns_listens(v.v, v.n, addr, IPPROTO_TCP, port);
}

int facts_collect(const struct target *t, const struct owner *asker, uint32_t ppid,
		  const struct ipaddr *server, uint16_t port, const struct facts_memory *memory,
		  struct dns_facts *out, struct err *e)
{
	struct facts_visit v = { .f = out, .e = e };
	_cleanup_fd_ int fd = -1;
	int r;

	memset(out, 0, sizeof(*out));
	out->time = now_ns(CLOCK_REALTIME);
	facts_read_resolv(t, asker, ppid, memory, &out->resolv);
	out->netns = t->ns.ino;
	out->kind = t->kind;
	memcpy(out->target, t->name, sizeof(out->target));
	out->is_host_netns = t->is_host;
	out->inherits_servers = t->inherits_dns;
	out->sudo = getenv("SUDO_UID") != NULL;
	if (asker)
		out->asker = *asker;
	list_servers(out, server);
	list_upstreams(out);
	fd = target_open(t, e);
	if (fd < 0)
		return fd;
	r = netns_call(fd, visit_facts, &v, e);
	if (!r && !t->is_host)
		find_bridge(&v, fd, t);
	if (!r)
		look_at_host(out, port);
	free(v.links);
	return r;
}

#define MAX_SOCKETS 1024 /* of a namespace that are looked at */

struct sockets_visit {
	struct listener *v;
	uint32_t n;
	struct err *e;
};

static int visit_sockets(void *arg)
{
	struct sockets_visit *v = arg;

	return netns_sockets_here(v->v, MAX_SOCKETS, &v->n, v->e);
}

static uint16_t published_as(const struct published *p, uint32_t n, const struct listener *l)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (p[i].proto == l->proto && p[i].port == l->port)
			return p[i].host_port;
	return 0;
}

/* Docker's and systemd-resolved's sockets are there for this namespace alone, and so is port 53
 * on the loopback. */
static bool is_private(const struct sockets_visit *v, const struct listener *l)
{
	static const uint8_t docker[4] = { 127, 0, 0, 11 };
	struct ipaddr embedded = ipaddr_v4(docker);
	uint32_t i;

	if (!ipaddr_is_loopback(&l->addr) || ipaddr_equal(&l->addr, &embedded) || l->port == 53)
		return false;
	for (i = 0; i < v->n; i++)
		if (v->v[i].proto == l->proto && v->v[i].port == l->port &&
		    !ipaddr_is_loopback(&v->v[i].addr))
			return false;
	return true;
}

static void add_service(struct dns_facts *f, const struct listener *l, uint16_t published)
{
	if (l->proto != IPPROTO_TCP && !published)
		return;
	if (f->nr_services < FACTS_MAX_SERVICES)
		f->services[f->nr_services] =
			(struct service){ .socket = *l, .published = published };
	f->nr_services++;
}

static void name_services(struct dns_facts *f)
{
	uint32_t n = f->nr_services < FACTS_MAX_SERVICES ? f->nr_services : FACTS_MAX_SERVICES, i;
	struct holder holders[FACTS_MAX_SERVICES] = { 0 };

	for (i = 0; i < n; i++)
		holders[i].inode = f->services[i].socket.inode;
	holders_find(holders, n);
	for (i = 0; i < n; i++) {
		f->services[i].owner.pid = (uint32_t)holders[i].pid;
		memcpy(f->services[i].owner.comm, holders[i].comm, sizeof(holders[i].comm));
	}
}

int facts_services(const struct target *t, const struct published *p, uint32_t n,
		   struct dns_facts *f, struct err *e)
{
	_cleanup_free_ struct listener *sockets = calloc(MAX_SOCKETS, sizeof(*sockets));
	struct sockets_visit v = { .v = sockets, .e = e };
	_cleanup_fd_ int fd = -1;
	uint32_t i;
	int r;

	if (!sockets)
		return err_sys(e, -ENOMEM, "list of sockets");
	fd = target_open(t, e);
	if (fd < 0)
		return fd;
	r = netns_call(fd, visit_sockets, &v, e);
	if (r)
		return r;
	for (i = 0; i < v.n; i++)
		if (is_private(&v, &v.v[i]))
			add_service(f, &v.v[i], published_as(p, n, &v.v[i]));
	name_services(f);
	return 0;
}

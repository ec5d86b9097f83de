// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interfaces, peers, routes and sockets, against real ones made with ip(8) in
 * namespaces that children hold. Needs root; skipped, saying so, without.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "netns/inventory.h"
#include "netns/sockdiag.h"
#include "netns/veth.h"
#include "util/cleanup.h"

#include "child.h"

static int bind_socket(int family, int type, const char *addr, uint16_t port, bool v6only)
{
	struct sockaddr_in6 sa6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sa4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(family, type, 0), on = v6only, r;

	if (family == AF_INET) {
		inet_pton(AF_INET, addr, &sa4.sin_addr);
		r = bind(fd, (struct sockaddr *)&sa4, sizeof(sa4));
	} else {
		inet_pton(AF_INET6, addr, &sa6.sin6_addr);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		r = bind(fd, (struct sockaddr *)&sa6, sizeof(sa6));
	}
	if (!r && type == SOCK_STREAM)
		r = listen(fd, 1);
	return r;
}

/* What the children with sockets hold: a resolver, Docker's one, and noise. */
static void open_sockets(void *arg)
{
	int fd;

	(void)arg;
	if (system("ip link set lo up") != 0 ||
	    bind_socket(AF_INET, SOCK_DGRAM, "127.0.0.53", 53, false) ||
	    bind_socket(AF_INET, SOCK_STREAM, "127.0.0.53", 53, false) ||
	    bind_socket(AF_INET, SOCK_DGRAM, "127.0.0.11", 41234, false) ||
	    bind_socket(AF_INET, SOCK_DGRAM, "127.0.0.1", 5353, false) ||
	    bind_socket(AF_INET6, SOCK_DGRAM, "::", 53, true) ||
	    bind_socket(AF_INET6, SOCK_STREAM, "::1", 53, false))
		_exit(1);
	/* A client's socket is no listener, whatever its port. */
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(fd,
		 (struct sockaddr *)&(struct sockaddr_in){ .sin_family = AF_INET,
							   .sin_port = htons(53),
							   .sin_addr.s_addr = htonl(0x7f000009) },
		 sizeof(struct sockaddr_in)) ||
	    connect(fd,
		    (struct sockaddr *)&(struct sockaddr_in){ .sin_family = AF_INET,
							      .sin_port = htons(9),
							      .sin_addr.s_addr =
								      htonl(0x7f000001) },
		    sizeof(struct sockaddr_in)))
		_exit(1);
}

static void links_of(const struct child *c, struct link **links, size_t *n)
{
	_cleanup_fd_ int fd = netns_open(c->path, NULL, NULL);

	assert_true(fd >= 0);
	assert_int_equal(inventory_links(fd, links, n, NULL), 0);
}

static void test_links(void **state)
{
	struct link *links;
	const struct link *l;
	struct child c;
	char args[64];
	size_t n;
	int i;

	(void)state;
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, NULL, NULL);
	ip(&c, "link add br0 type bridge");
	ip(&c, "link add p0 type veth peer name p1");
	ip(&c, "link set p0 master br0 mtu 1300 address 02:00:00:00:00:07 up");
	ip(&c, "link set p1 up");
	for (i = 1; i <= LINK_MAX_ADDRS + 2; i++) {
		snprintf(args, sizeof(args), "addr add 10.1.0.%d/24 dev br0", i);
		ip(&c, args);
	}
	ip(&c, "addr add 10.2.0.1 peer 10.2.0.2/32 dev p1");
	links_of(&c, &links, &n);
	assert_int_equal(n, 4);

	l = inventory_find_name(links, n, "lo");
	assert_non_null(l);
	assert_true(l->loopback);
	assert_false(l->up);
	l = inventory_find_name(links, n, "br0");
	assert_string_equal(l->kind, "bridge");
	assert_int_equal(l->nr_addrs, LINK_MAX_ADDRS + 2);
	assert_int_equal(l->addrs[0].prefixlen, 24);
	l = inventory_find_name(links, n, "p0");
	assert_string_equal(l->kind, "veth");
	assert_true(l->up);
	assert_int_equal(l->mtu, 1300);
	assert_int_equal(l->master, inventory_find_name(links, n, "br0")->ifindex);
	assert_int_equal(l->mac[5], 7);
	assert_int_equal(l->peer_nsid, -1);
	assert_int_equal(l->peer_ifindex, inventory_find_name(links, n, "p1")->ifindex);
	l = inventory_find_name(links, n, "p1");
	assert_memory_equal(l->addrs[0].addr.bytes, "\x0a\x02\x00\x01", 4);
	assert_ptr_equal(inventory_find(links, n, l->ifindex), l);
	assert_null(inventory_find(links, n, 999));
	free(links);
	reap(&c);
}

#define STEADY 80

/* Adds interfaces PREFIX1, PREFIX2, ..., for so many seconds at most; 0: all of them. */
static int add_bridges(const struct child *c, const char *prefix, unsigned int n,
		       unsigned int seconds)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "seq 1 %u | sed 's/.*/link add %s& type bridge/' | "
		 "timeout %u nsenter --net=%s ip -batch -",
		 n, prefix, seconds, c->path);
	return system(cmd);
}

static void check_steady(const struct link *links, size_t n)
{
	size_t i, steady = 0;

	for (i = 0; i < n; i++) {
		steady += links[i].name[0] == 'd';
		assert_true(!i || links[i - 1].ifindex < links[i].ifindex);
	}
	assert_int_equal(steady, STEADY);
}

/* The kernel says of nearly each list that it changed under it. What was there all the
 * time is in all of them. */
static void test_links_while_they_change(void **state)
{
	struct link *links;
	struct child c;
	pid_t adding;
	size_t n;

	(void)state;
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, NULL, NULL);
	assert_int_equal(add_bridges(&c, "d", STEADY, 0), 0);
	adding = fork();
	assert_true(adding >= 0);
	if (!adding) {
		add_bridges(&c, "x", STEADY, 1);
		_exit(0);
	}
	do {
		links_of(&c, &links, &n);
		check_steady(links, n);
		free(links);
	} while (!waitpid(adding, NULL, WNOHANG));
	reap(&c);
}

static void check_peer(const struct child *c, const char *name, const struct child *other,
		       const char *other_name)
{
	_cleanup_fd_ int fd = netns_open(c->path, NULL, NULL);
	_cleanup_free_ struct link *links = NULL;
	const struct link *l;
	struct veth_peer p;
	struct netns_id id;
	size_t n;

	assert_int_equal(inventory_links(fd, &links, &n, NULL), 0);
	l = inventory_find_name(links, n, name);
	assert_non_null(l);
	assert_int_equal(veth_peer(fd, c->path, l, &p, NULL), 0);
	assert_string_equal(p.name, other_name);
	assert_false(p.home);
	assert_int_equal(netns_ident_path(other->path, &id, NULL), 0);
	assert_true(netns_same(&p.ns, &id));
	assert_int_equal(netns_ident_path(p.path, &id, NULL), 0);
	assert_true(netns_same(&p.ns, &id));
}

/* Every end has ifindex 7 or 8, and every namespace has an x0 and an x1: only
 * the namespace ids tell them apart. */
static void test_peers_with_equal_ifindexes(void **state)
{
	struct child c[3];
	char args[128];
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		SPAWN_OR_SKIP(&c[i], CLONE_NEWNET, NULL, NULL);
	for (i = 0; i < 3; i++) {
		snprintf(args, sizeof(args),
			 "link add name x0 index 7 type veth peer name x1 index 8 netns %d",
			 (int)c[(i + 1) % 3].pid);
		ip(&c[i], args);
	}
	for (i = 0; i < 3; i++) {
		check_peer(&c[i], "x0", &c[(i + 1) % 3], "x1");
		check_peer(&c[(i + 1) % 3], "x1", &c[i], "x0");
	}
	for (i = 0; i < 3; i++)
		reap(&c[i]);
}

static void test_peer_on_a_bridge(void **state)
{
	struct child host, c;
	struct link *links, again;
	struct veth_peer p;
	char args[128], text[IPADDR_STRLEN];
	size_t n;
	int fd;

	(void)state;
	SPAWN_OR_SKIP(&host, CLONE_NEWNET, NULL, NULL);
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, NULL, NULL);
	ip(&host, "link add br7 type bridge");
	ip(&host, "addr add 10.7.0.1/24 dev br7");
	snprintf(args, sizeof(args), "link add veth7 type veth peer name eth0 netns %d",
		 (int)c.pid);
	ip(&host, args);
	ip(&host, "link set veth7 master br7");
	ip(&c, "link add v0 type veth peer name v1");
	links_of(&c, &links, &n);
	fd = netns_open(c.path, NULL, NULL);
	assert_int_equal(veth_peer(fd, c.path, inventory_find_name(links, n, "eth0"), &p, NULL), 0);
	assert_string_equal(p.name, "veth7");
	assert_string_equal(p.bridge_name, "br7");
	ipaddr_format(&p.bridge_addr, text);
	assert_string_equal(text, "10.7.0.1");
	/* A pair within one namespace. */
	assert_int_equal(veth_peer(fd, c.path, inventory_find_name(links, n, "v0"), &p, NULL), 0);
	assert_string_equal(p.name, "v1");
	assert_int_equal(p.bridge, 0);
	assert_int_equal(veth_peer(fd, c.path, inventory_find_name(links, n, "lo"), &p, NULL),
			 -ENODEV);
	/* A veth that was made anew since it was listed: the peer names another one. */
	again = *inventory_find_name(links, n, "eth0");
	again.ifindex += 100;
	assert_int_equal(veth_peer(fd, c.path, &again, &p, NULL), -ENOENT);
	/* The answer of before does not hold any more. */
	ip(&host, "link del veth7");
	assert_int_equal(veth_peer(fd, c.path, inventory_find_name(links, n, "eth0"), &p, NULL),
			 -ENOENT);
	close(fd);
	free(links);
	reap(&c);
	reap(&host);
}

static int route_errno(int fd, const char *addr)
{
	struct ipaddr a;
	int r = -1;

	assert_true(ipaddr_parse(addr, &a));
	assert_int_equal(netns_route(fd, &a, &r, NULL), 0);
	return r;
}

static void test_routes(void **state)
{
	struct ipaddr gw;
	struct child c;
	char text[IPADDR_STRLEN];
	bool found;
	int fd;

	(void)state;
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, NULL, NULL);
	fd = netns_open(c.path, NULL, NULL);
	assert_int_equal(netns_gateway(fd, &found, &gw, NULL), 0);
	assert_false(found);
	assert_int_equal(route_errno(fd, "127.0.0.53"), ENETUNREACH);
	assert_int_equal(route_errno(fd, "::1"), ENETUNREACH);
	ip(&c, "link set lo up");
	assert_int_equal(route_errno(fd, "127.0.0.53"), 0);
	assert_int_equal(route_errno(fd, "::1"), 0);
	assert_int_equal(route_errno(fd, "192.0.2.1"), ENETUNREACH);

	ip(&c, "link add p0 type veth peer name p1");
	ip(&c, "link set p0 up");
	ip(&c, "link set p1 up");
	ip(&c, "addr add 10.1.0.2/24 dev p0");
	ip(&c, "addr add fd01::2/64 dev p0 nodad");
	ip(&c, "route add unreachable 198.51.100.0/24");
	ip(&c, "route add prohibit 203.0.113.0/24");
	ip(&c, "-6 route add prohibit 2001:db8:1::/48");
	ip(&c, "-6 route add default via fd01::1");
	assert_int_equal(route_errno(fd, "10.1.0.1"), 0);
	assert_int_equal(route_errno(fd, "198.51.100.1"), EHOSTUNREACH);
	assert_int_equal(route_errno(fd, "203.0.113.1"), EACCES);
	assert_int_equal(route_errno(fd, "2001:db8:1::1"), EACCES);
	assert_int_equal(route_errno(fd, "2001:db8:2::1"), 0);
	assert_int_equal(netns_gateway(fd, &found, &gw, NULL), 0);
	assert_true(found);
	ipaddr_format(&gw, text);
	assert_string_equal(text, "fd01::1");

	ip(&c, "route add default via 10.1.0.254 metric 500");
	ip(&c, "route add default via 10.1.0.1 metric 100");
	ip(&c, "route add default via 10.1.0.9 table 77");
	assert_int_equal(netns_gateway(fd, &found, &gw, NULL), 0);
	ipaddr_format(&gw, text);
	assert_string_equal(text, "10.1.0.1");
	ip(&c, "route add default metric 50 nexthop via 10.1.0.7 nexthop via 10.1.0.8");
	assert_int_equal(netns_gateway(fd, &found, &gw, NULL), 0);
	ipaddr_format(&gw, text);
	assert_string_equal(text, "10.1.0.7");
	ip(&c, "route add default dev p0 metric 10");
	assert_int_equal(netns_gateway(fd, &found, &gw, NULL), 0);
	assert_true(found);
	assert_int_equal(gw.family, 0);
	close(fd);
	reap(&c);
}

static bool listens(const struct listener *l, uint32_t n, const char *addr, uint8_t proto,
		    uint16_t port)
{
	struct ipaddr a;

	assert_true(ipaddr_parse(addr, &a));
	return netns_listens(l, n, &a, proto, port);
}

static void test_listeners(void **state)
{
	struct listener l[16];
	struct child c;
	uint32_t n, cut;
	int fd;

	(void)state;
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, open_sockets, NULL);
	fd = netns_open(c.path, NULL, NULL);
	assert_int_equal(netns_listeners(fd, l, 16, &n, NULL), 0);
	assert_int_equal(n, 5);
	assert_true(listens(l, n, "127.0.0.53", IPPROTO_UDP, 53));
	assert_true(listens(l, n, "127.0.0.53", IPPROTO_TCP, 53));
	assert_true(listens(l, n, "127.0.0.11", IPPROTO_UDP, 41234));
	assert_true(listens(l, n, "::1", IPPROTO_TCP, 53));
	assert_true(listens(l, n, "fd00::5", IPPROTO_UDP, 53));
	/* The :: socket is for IPv6 only. */
	assert_false(listens(l, n, "127.0.0.1", IPPROTO_UDP, 53));
	assert_false(listens(l, n, "127.0.0.9", IPPROTO_UDP, 53));
	assert_int_equal(netns_listeners(fd, l, 2, &cut, NULL), 0);
	assert_int_equal(cut, 2);
	/* None of it is at home. */
	assert_int_equal(netns_listeners(-1, l, 16, &n, NULL), 0);
	assert_false(listens(l, n, "127.0.0.11", IPPROTO_UDP, 41234));
	close(fd);
	reap(&c);
}

/* /proc/net/udp of the child, read from outside, must tell the same. */
static void test_listeners_as_text(void **state)
{
	struct listener l[16];
	struct sockdiag_found f = { .out = l, .max = 16 };
	char udp[40], udp6[40], tcp[40], tcp6[40];
	const struct sockdiag_table tables[] = {
		{ AF_INET, IPPROTO_UDP, TCP_CLOSE, udp },
		{ AF_INET6, IPPROTO_UDP, TCP_CLOSE, udp6 },
		{ AF_INET, IPPROTO_TCP, TCP_LISTEN, tcp },
		{ AF_INET6, IPPROTO_TCP, TCP_LISTEN, tcp6 },
	};
	struct child c;
	size_t i;

	(void)state;
	SPAWN_OR_SKIP(&c, CLONE_NEWNET, open_sockets, NULL);
	snprintf(udp, sizeof(udp), "/proc/%d/net/udp", (int)c.pid);
	snprintf(udp6, sizeof(udp6), "/proc/%d/net/udp6", (int)c.pid);
	snprintf(tcp, sizeof(tcp), "/proc/%d/net/tcp", (int)c.pid);
	snprintf(tcp6, sizeof(tcp6), "/proc/%d/net/tcp6", (int)c.pid);
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		assert_int_equal(sockdiag_read_proc(&tables[i], &f), 0);
	assert_int_equal(f.n, 5);
	assert_true(listens(l, f.n, "127.0.0.53", IPPROTO_UDP, 53));
	assert_true(listens(l, f.n, "127.0.0.53", IPPROTO_TCP, 53));
	assert_true(listens(l, f.n, "127.0.0.11", IPPROTO_UDP, 41234));
	assert_true(listens(l, f.n, "::1", IPPROTO_TCP, 53));
	assert_true(listens(l, f.n, "fd00::5", IPPROTO_UDP, 53));
	reap(&c);
}

static struct listener on(const char *addr, bool v6only)
{
	struct listener l = { .port = 53, .proto = IPPROTO_UDP, .v6only = v6only };

	assert_true(ipaddr_parse(addr, &l.addr));
	return l;
}

static void test_who_takes_a_query(void **state)
{
	const struct listener any = on("0.0.0.0", false), dual = on("::", false),
			      six = on("::", true), mapped = on("::ffff:127.0.0.53", false);

	(void)state;
	assert_true(listens(&any, 1, "127.0.0.53", IPPROTO_UDP, 53));
	assert_false(listens(&any, 1, "::1", IPPROTO_UDP, 53));
	assert_false(listens(&any, 1, "127.0.0.53", IPPROTO_TCP, 53));
	assert_false(listens(&any, 1, "127.0.0.53", IPPROTO_UDP, 54));
	assert_true(listens(&dual, 1, "127.0.0.53", IPPROTO_UDP, 53));
	assert_true(listens(&dual, 1, "::1", IPPROTO_UDP, 53));
	assert_false(listens(&six, 1, "127.0.0.53", IPPROTO_UDP, 53));
	assert_true(listens(&mapped, 1, "127.0.0.53", IPPROTO_UDP, 53));
	assert_false(listens(&mapped, 1, "127.0.0.54", IPPROTO_UDP, 53));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_links_while_they_change),
		cmocka_unit_test(test_peers_with_equal_ifindexes),
		cmocka_unit_test(test_peer_on_a_bridge),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_listeners_as_text),
		cmocka_unit_test(test_who_takes_a_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

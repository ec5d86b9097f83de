// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "netns/inventory.h"
#include "netns/rtnl.h"
#include "netns/sockdiag.h"
#include "util/cleanup.h"

#define DNS_PORT 53

/* The states in which a socket takes queries from anyone: a TCP listener, a UDP
 * socket without a peer. proc is the same list as text. */
static const struct sockdiag_table tables[] = {
	{ AF_INET, IPPROTO_UDP, TCP_CLOSE, "/proc/thread-self/net/udp" },
	{ AF_INET6, IPPROTO_UDP, TCP_CLOSE, "/proc/thread-self/net/udp6" },
	{ AF_INET, IPPROTO_TCP, TCP_LISTEN, "/proc/thread-self/net/tcp" },
	{ AF_INET6, IPPROTO_TCP, TCP_LISTEN, "/proc/thread-self/net/tcp6" },
};

static void consider(struct sockdiag_found *f, const struct listener *l)
{
	static const uint8_t docker[4] = { 127, 0, 0, 11 };
	struct ipaddr embedded = ipaddr_v4(docker), addr = ipaddr_unmap(&l->addr);

	if (f->port ? l->port != f->port
		    : !f->all && l->port != DNS_PORT && !ipaddr_equal(&addr, &embedded))
		return;
	if (f->n < f->max)
		f->out[f->n++] = *l;
}

static int on_socket(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct listener l = { 0 };
	const struct nlattr *attr;
	struct sockdiag_found *f = ctx;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return MNL_CB_OK;
	l.proto = f->proto;
	l.inode = msg->idiag_inode;
	l.port = ntohs(msg->id.idiag_sport);
	l.addr = msg->idiag_family == AF_INET ? ipaddr_v4(msg->id.idiag_src)
					      : ipaddr_v6(msg->id.idiag_src);
	mnl_attr_for_each(attr, nlh, sizeof(*msg)) {
		if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY)
			l.v6only = mnl_attr_get_u8(attr);
	}
	consider(f, &l);
	return MNL_CB_OK;
}

static int dump_diag(struct mnl_socket *nl, const struct sockdiag_table *t,
		     struct sockdiag_found *f)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = rtnl_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	req->sdiag_family = t->family;
	req->sdiag_protocol = t->proto;
	req->idiag_states = 1u << t->state;
	return rtnl_talk(nl, nlh, on_socket, f);
}

/* The address column of /proc/net/udp: 32-bit words, each in host byte order. */
static bool parse_hex_addr(struct ipaddr *out, const char *hex, uint8_t family)
{
	uint32_t words[4] = { 0 };
	size_t i, n = family == AF_INET ? 1 : 4;

	if (strlen(hex) != 8 * n)
		return false;
	for (i = 0; i < n; i++)
		if (sscanf(hex + 8 * i, "%8" SCNx32, &words[i]) != 1)
			return false;
	*out = family == AF_INET ? ipaddr_v4(words) : ipaddr_v6(words);
	return true;
}

int sockdiag_read_proc(const struct sockdiag_table *t, struct sockdiag_found *f)
{
	_cleanup_fclose_ FILE *file = fopen(t->proc, "re");
	unsigned int port, state, inode;
	char line[512], addr[33];
	struct listener l;
	int n;

	if (!file)
		return errno == ENOENT && t->family == AF_INET6 ? 0 : -errno;
	while (fgets(line, sizeof(line), file)) {
		n = sscanf(line,
			   " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %u",
			   addr, &port, &state, &inode);
		if (n != 4 || state != t->state)
			continue;
		l = (struct listener){ .port = (uint16_t)port, .proto = t->proto, .inode = inode };
		if (parse_hex_addr(&l.addr, addr, t->family))
			consider(f, &l);
	}
	return 0;
}

static int list_sockets(struct sockdiag_found *found, struct err *e)
{
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		_cleanup_rtnl_ struct mnl_socket *nl = NULL;
		uint32_t before = found->n;

		found->proto = tables[i].proto;
		r = rtnl_open(&nl, NETLINK_SOCK_DIAG, NULL);
		if (!r)
			r = dump_diag(nl, &tables[i], found);
		if (r) {
			found->n = before;
			r = sockdiag_read_proc(&tables[i], found);
		}
		if (r)
			return err_sys(e, r, "list of sockets");
	}
	return 0;
}

int netns_listeners_here(struct listener *out, uint32_t max, uint32_t *n, struct err *e)
{
	struct sockdiag_found f = { .out = out, .max = max };
	int r = list_sockets(&f, e);

	*n = r ? 0 : f.n;
	return r;
}

int netns_sockets_here(struct listener *out, uint32_t max, uint32_t *n, struct err *e)
{
	struct sockdiag_found f = { .out = out, .max = max, .all = true };
	int r = list_sockets(&f, e);

	*n = r ? 0 : f.n;
	return r;
}

int netns_port_here(uint16_t port, struct listener *out, uint32_t max, uint32_t *n, struct err *e)
{
	struct sockdiag_found f = { .out = out, .max = max, .port = port };
	int r = list_sockets(&f, e);

	*n = r ? 0 : f.n;
	return r;
}

struct listeners_visit {
	struct listener *out;
	uint32_t max, *n;
	struct err *e;
};

static int visit_listeners(void *arg)
{
	struct listeners_visit *v = arg;

	return netns_listeners_here(v->out, v->max, v->n, v->e);
}

int netns_listeners(int nsfd, struct listener *out, uint32_t max, uint32_t *n, struct err *e)
{
	struct listeners_visit v = { out, max, n, e };

	return netns_call(nsfd, visit_listeners, &v, e);
}

static bool takes(const struct listener *l, const struct ipaddr *addr)
{
	struct ipaddr bound = ipaddr_unmap(&l->addr);

	if (!ipaddr_is_any(&bound))
		return ipaddr_equal(&bound, addr);
	return bound.family == addr->family || (addr->family == 4 && !l->v6only);
}

bool netns_listens(const struct listener *l, uint32_t n, const struct ipaddr *addr, uint8_t proto,
		   uint16_t port)
{
	struct ipaddr plain = ipaddr_unmap(addr);
	uint32_t i;

	for (i = 0; i < n; i++)
		if (l[i].proto == proto && l[i].port == port && takes(&l[i], &plain))
			return true;
	return false;
}

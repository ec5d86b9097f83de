// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netns/inventory.h"
#include "netns/rtnl.h"
#include "util/cleanup.h"

static int af_of(const struct ipaddr *addr)
{
	return addr->family == 4 ? AF_INET : AF_INET6;
}

/* IPv4 answers a refusing route with an error, IPv6 with a route of such a type. */
static int errno_of_type(uint8_t type)
{
	switch (type) {
	case RTN_UNREACHABLE: return EHOSTUNREACH;
	case RTN_PROHIBIT: return EACCES;
	case RTN_BLACKHOLE: return EINVAL;
	case RTN_THROW: return EAGAIN;
	default: return 0;
	}
}

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	int *route_errno = ctx;

	if (nlh->nlmsg_type == RTM_NEWROUTE)
		*route_errno = errno_of_type(rtm->rtm_type);
	return MNL_CB_OK;
}

int netns_route_here(const struct ipaddr *addr, int *route_errno, struct err *e)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	_cleanup_rtnl_ struct mnl_socket *nl = NULL;
	size_t len = addr->family == 4 ? 4 : 16;
	struct nlmsghdr *req;
	struct rtmsg *rtm;
	int r;

	r = rtnl_open(&nl, NETLINK_ROUTE, e);
	if (r)
		return r;
	req = rtnl_request(buf, RTM_GETROUTE, 0);
	rtm = mnl_nlmsg_put_extra_header(req, sizeof(*rtm));
	rtm->rtm_family = (uint8_t)af_of(addr);
	rtm->rtm_dst_len = (uint8_t)(8 * len);
	mnl_attr_put(req, RTA_DST, len, addr->bytes);
	*route_errno = 0;
	r = rtnl_talk(nl, req, on_route, route_errno);
	/* The refusal of a destination is the answer, not a failure to get one. */
	if (r)
		*route_errno = -r;
	return 0;
}

struct gateway {
	struct default_route route;
	uint32_t metric;
};

static void get_gateway(struct ipaddr *out, uint8_t family, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (family == AF_INET && len == 4)
		*out = ipaddr_v4(mnl_attr_get_payload(attr));
	else if (family == AF_INET6 && len == 16)
		*out = ipaddr_v6(mnl_attr_get_payload(attr));
}

/* The first of several next hops stands for all of them. */
static void get_nexthop(struct default_route *out, const struct nlattr *multipath)
{
	const struct rtnexthop *nh = mnl_attr_get_payload(multipath);
	size_t len = mnl_attr_get_payload_len(multipath);
	const struct nlattr *attr;

	if (len < sizeof(*nh) || nh->rtnh_len < sizeof(*nh) || nh->rtnh_len > len)
		return;
	mnl_attr_for_each_payload((void *)(nh + 1), nh->rtnh_len - sizeof(*nh)) {
		if (mnl_attr_get_type(attr) == RTA_GATEWAY)
			get_gateway(&out->gateway, out->family == 4 ? AF_INET : AF_INET6, attr);
	}
	out->ifindex = (uint32_t)nh->rtnh_ifindex;
}

static int on_default(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct gateway this = { .route.found = true }, *best = ctx;
	const struct nlattr *attr;
	uint32_t table = rtm->rtm_table;

	if (nlh->nlmsg_type != RTM_NEWROUTE || rtm->rtm_dst_len || rtm->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	this.route.family = rtm->rtm_family == AF_INET ? 4 : 6;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_TABLE: table = mnl_attr_get_u32(attr); break;
		case RTA_PRIORITY: this.metric = mnl_attr_get_u32(attr); break;
		case RTA_OIF: this.route.ifindex = mnl_attr_get_u32(attr); break;
		case RTA_GATEWAY: get_gateway(&this.route.gateway, rtm->rtm_family, attr); break;
		case RTA_MULTIPATH: get_nexthop(&this.route, attr); break;
		default: break;
		}
	}
	if (table == RT_TABLE_MAIN && (!best->route.found || this.metric < best->metric))
		*best = this;
	return MNL_CB_OK;
}

static int dump_default(int family, struct gateway *best)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	_cleanup_rtnl_ struct mnl_socket *nl = NULL;
	struct nlmsghdr *req;
	struct rtmsg *rtm;
	int r;

	r = rtnl_open(&nl, NETLINK_ROUTE, NULL);
	if (r)
		return r;
	req = rtnl_request(buf, RTM_GETROUTE, NLM_F_DUMP);
	rtm = mnl_nlmsg_put_extra_header(req, sizeof(*rtm));
	rtm->rtm_family = (uint8_t)family;
	r = rtnl_talk(nl, req, on_default, best);
	return r == -EINTR ? 0 : r;
}

int netns_default_here(struct default_route *out, struct err *e)
{
	struct gateway best = { 0 };
	int r;

	r = dump_default(AF_INET, &best);
	if (!r && !best.route.found)
		r = dump_default(AF_INET6, &best);
	*out = best.route;
	return r ? err_sys(e, r, "list of routes") : 0;
}

int netns_gateway_here(bool *found, struct ipaddr *gateway, struct err *e)
{
	struct default_route route;
	int r = netns_default_here(&route, e);

	*found = route.found;
	*gateway = route.gateway;
	return r;
}

struct route_visit {
	const struct ipaddr *addr;
	int *route_errno;
	bool *found;
	struct ipaddr *gateway;
	struct err *e;
};

static int visit_route(void *arg)
{
	struct route_visit *v = arg;

	return netns_route_here(v->addr, v->route_errno, v->e);
}

static int visit_gateway(void *arg)
{
	struct route_visit *v = arg;

	return netns_gateway_here(v->found, v->gateway, v->e);
}

int netns_route(int nsfd, const struct ipaddr *addr, int *route_errno, struct err *e)
{
	struct route_visit v = { .addr = addr, .route_errno = route_errno, .e = e };

	return netns_call(nsfd, visit_route, &v, e);
}

int netns_gateway(int nsfd, bool *found, struct ipaddr *gateway, struct err *e)
{
	struct route_visit v = { .found = found, .gateway = gateway, .e = e };

	return netns_call(nsfd, visit_gateway, &v, e);
}

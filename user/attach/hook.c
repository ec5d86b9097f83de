// SPDX-License-Identifier: GPL-2.0-only
#include "attach/hook.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "netns/rtnl.h"
#include "util/cleanup.h"

/* Linux 6.6 (commit e420bed02507); the headers of Debian 12 lack them. */
#define TCX_INGRESS 46
#define TCX_EGRESS  47
#define F_BEFORE    (1U << 3) /* BPF_F_BEFORE: ahead of all others */

static int attach_tcx(struct hook *h, int prog_fd)
{
	enum bpf_attach_type type = h->direction == HOOK_INGRESS ? TCX_INGRESS : TCX_EGRESS;
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = F_BEFORE);

	h->link = bpf_link_create(prog_fd, (int)h->ifindex, type, &opts);
	return h->link < 0 ? -errno : 0;
}

static enum bpf_tc_attach_point attach_point(const struct hook *h)
{
	return h->direction == HOOK_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

/* Priority 0 lets the kernel choose one ahead of all filters that are there. */
static int attach_clsact(struct hook *h, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, at, .ifindex = (int)h->ifindex, .attach_point = attach_point(h));
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd);
	int err = bpf_tc_hook_create(&at);

	if (err && err != -EEXIST)
		return err;
	h->owns_qdisc = !err;
	err = bpf_tc_attach(&at, &opts);
	if (err) {
		hook_detach(h);
		return err;
	}
	h->handle = opts.handle;
	h->priority = opts.priority;
	h->prog_id = opts.prog_id;
	return 0;
}

int hook_attach(struct hook *h, uint32_t ifindex, enum programs_hook direction, int prog_fd,
		bool *use_clsact, struct err *e)
{
	int err = -EINVAL;

	*h = (struct hook){ .link = -1, .ifindex = ifindex, .direction = direction };
	if (!*use_clsact)
		err = attach_tcx(h, prog_fd);
	if (err == -EINVAL) {
		err = attach_clsact(h, prog_fd);
		if (!err)
			*use_clsact = true;
	}
	if (err)
		return err_sys(e, err, "cannot attach to interface %u", ifindex);
	return 0;
}

static int count_filter(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	++*(unsigned int *)data;
	return MNL_CB_OK;
}

/* Filters in one half of the interface's clsact qdisc; at least 1 on failure,
 * so that in doubt nothing is deleted. */
static unsigned int count_filters(uint32_t ifindex, uint32_t parent)
{
	_cleanup_rtnl_ struct mnl_socket *nl = NULL;
	char buf[RTNL_REQ_LEN];
	struct nlmsghdr *req = rtnl_request(buf, RTM_GETTFILTER, NLM_F_DUMP);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(req, sizeof(*tc));
	unsigned int n = 0;

	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = (int)ifindex;
	tc->tcm_parent = parent;
	if (rtnl_open(&nl, NETLINK_ROUTE, NULL) || rtnl_talk(nl, req, count_filter, &n))
		return 1;
	return n;
}

static bool clsact_is_empty(uint32_t ifindex)
{
	return !count_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) &&
	       !count_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
}

/* The slot may have been reused since: only a filter with our program goes. */
static void remove_filter(const struct hook *h, const struct bpf_tc_hook *at)
{
	LIBBPF_OPTS(bpf_tc_opts, found, .handle = h->handle, .priority = h->priority);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = h->handle, .priority = h->priority);

	if (!bpf_tc_query(at, &found) && found.prog_id == h->prog_id)
		bpf_tc_detach(at, &opts);
}

void hook_detach(struct hook *h)
{
	LIBBPF_OPTS(bpf_tc_hook, at, .ifindex = (int)h->ifindex, .attach_point = attach_point(h));

	if (h->link >= 0) {
		close(steal_fd(&h->link));
		return;
	}
	if (h->prog_id)
		remove_filter(h, &at);
	h->prog_id = 0;
	if (h->owns_qdisc && clsact_is_empty(h->ifindex)) {
		at.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&at);
	}
}

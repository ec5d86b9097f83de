// SPDX-License-Identifier: GPL-2.0-only
#include "netns/rtnl.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/cleanup.h"

int rtnl_open(struct mnl_socket **out, int bus, struct err *e)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int r;

	if (!nl)
		return err_sys(e, -errno, "netlink socket");
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		mnl_socket_close(nl);
		return err_sys(e, r, "netlink socket");
	}
	*out = nl;
	return 0;
}

void rtnl_closep(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

struct nlmsghdr *rtnl_request(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *req;

	memset(buf, 0, RTNL_REQ_LEN);
	req = mnl_nlmsg_put_header(buf);
	req->nlmsg_type = type;
	req->nlmsg_flags = NLM_F_REQUEST | flags;
	return req;
}

static int on_error(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

	(void)ctx;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	errno = -err->error;
	return err->error ? MNL_CB_ERROR : MNL_CB_STOP;
}

/* A dump that fails half-way (no handler module, say) tells so here only; the
 * callback of libmnl itself does not look. */
static int on_done(const struct nlmsghdr *nlh, void *ctx)
{
	int code = 0;

	(void)ctx;
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	errno = -code;
	return code < 0 ? MNL_CB_ERROR : MNL_CB_STOP;
}

/* libmnl leaves the rest unread at the first message with that flag: it is taken off. */
static bool take_interruption(char *buf, ssize_t size)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	bool interrupted = false;
	int left = (int)size;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		interrupted |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
		nlh->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
	}
	return interrupted;
}

int rtnl_talk(struct mnl_socket *nl, struct nlmsghdr *req, mnl_cb_t cb, void *ctx)
{
	mnl_cb_t control[] = { [NLMSG_ERROR] = on_error, [NLMSG_DONE] = on_done };
	char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	unsigned int portid = mnl_socket_get_portid(nl);
	bool is_dump = (req->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP, interrupted = false;
	static __thread unsigned int last_seq;
	ssize_t len;
	int r;

	req->nlmsg_seq = ++last_seq;
	/* What is no dump ends with its acknowledgement. */
	if (!is_dump)
		req->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(nl, req, req->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0)
			return -errno;
		interrupted |= is_dump && take_interruption(buf, len);
		r = mnl_cb_run2(buf, len, req->nlmsg_seq, portid, cb, ctx, control,
				ARRAY_SIZE(control));
	} while (r > MNL_CB_STOP);
	if (r < 0)
		return -errno;
	return interrupted ? -EINTR : 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Netlink requests, over libmnl. A socket belongs to the namespace of the
 * thread that opens it, so it lives inside one netns_call(). */
#ifndef NSWATCH_NETNS_RTNL_H
#define NSWATCH_NETNS_RTNL_H

#include <libmnl/libmnl.h>

#include "util/err.h"

/* Room for any request that this program makes. */
#define RTNL_REQ_LEN 512

/* Opens a socket on a netlink bus (NETLINK_ROUTE, NETLINK_SOCK_DIAG). 0 or -errno. */
int rtnl_open(struct mnl_socket **out, int bus, struct err *e);
void rtnl_closep(struct mnl_socket **nl);
#define _cleanup_rtnl_ _cleanup_(rtnl_closep)

/* Starts a request of the given type in buf (RTNL_REQ_LEN bytes). */
struct nlmsghdr *rtnl_request(char *buf, uint16_t type, uint16_t flags);

/*
 * Sends req and runs cb on each message of the answer until its end. 0, or
 * -errno: what the kernel answered, or what cb set in errno with MNL_CB_ERROR.
 * -EINTR: things changed under the dump, cb has seen the whole of it; what came or went
 * meanwhile may be in it or not, or twice.
 * A cb that stops early (MNL_CB_STOP) leaves the rest unread: close the socket.
 */
int rtnl_talk(struct mnl_socket *nl, struct nlmsghdr *req, mnl_cb_t cb, void *ctx);

#endif

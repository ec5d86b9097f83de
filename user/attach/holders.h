/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which process has a socket open, found without a BPF iterator that may write
 * to socket storage (Linux 5.11): every process's sockets, borrowed one by one.
 */
#ifndef NSWATCH_ATTACH_HOLDERS_H
#define NSWATCH_ATTACH_HOLDERS_H

/*
 * Fills in a struct nsw_sock_owner for each IP socket whose network namespace's
 * inode is a key of the map `watched`. owners: a socket storage map; what it
 * has already stays. No socket is held any longer than the look at it takes.
 * 0, or -errno if /proc or pidfds cannot be used at all.
 */
int holders_seed(int owners, int watched);

#endif

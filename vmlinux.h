/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel types that bpf/ reads, with only the fields it reads. Offsets are
 * relocated at load time against the running kernel's BTF (CO-RE), so neither
 * order nor architecture matters here. tools/gen-vmlinux checks this file
 * against a kernel and rewrites it.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	char name[16];
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	int skb_iif;
	unsigned char *head;
	unsigned char *data;
	short unsigned int network_header;
	short unsigned int mac_header;
	unsigned char ip_summed : 2;
};

struct sock_common {
	unsigned int skc_daddr;
	short unsigned int skc_dport;
	short unsigned int skc_family;
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	short unsigned int sk_protocol;
};

struct inet_connection_sock {
	unsigned char icsk_retransmits;
};

struct bpf_sock_addr_kern {
	struct sock *sk;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct file {
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
};

struct task_struct {
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	int tgid;
	char comm[16];
};

struct bpf_iter__task_file {
	struct task_struct *task;
	struct file *file;
};

#pragma clang attribute pop

#endif

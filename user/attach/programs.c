// SPDX-License-Identifier: GPL-2.0-only
#include "attach/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nswatch.skel.h"
#include "util/cleanup.h"
#include "util/log.h"

#ifndef BPF_FUNC_ktime_get_tai_ns
#define TAI_HELPER 208 /* bpf_ktime_get_tai_ns(), kernel 6.1 */
#endif

#define NR_SOCKET_HOOKS 4

struct programs {
	struct nswatch_bpf *skel;
	struct nsw_count *counts;
	size_t counts_size; /* bytes mapped */
	size_t ring_size;
	uint32_t ncpus;
	enum nsw_clock clock;
	int socket_links[NR_SOCKET_HOOKS];
	int exec_link;
};

/*
 * The filter on its way into the programs; see splice_filter(). Static, as is
 * the handler's registration: taking back the last one leaves libbpf 1.1 with a
 * freed list (fixed in 1.2).
 */
static struct splice {
	bool is_registered;
	const struct bpf_insn *body;
	size_t len;
} splice;

static int print_debug(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;

	(void)level;
	/* The verifier's log comes as one message of many lines. */
	if (vasprintf(&text, fmt, ap) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		log_debug("libbpf: %s", line);
	return 0;
}

/* Where the only subprogram, nsw_filter(), begins; 0 if nothing calls it. */
static size_t subprogram_start(const struct bpf_insn *insns, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].src_reg == BPF_PSEUDO_CALL)
			return i + 1 + insns[i].imm;
	return 0;
}

/* Line info of instructions that are no longer there would be refused. */
static void cut_line_info(struct bpf_prog_load_opts *opts, size_t start)
{
	const char *info = opts->line_info;
	__u32 n = 0;

	while (n < opts->line_info_cnt &&
	       ((const struct bpf_line_info *)(info + (size_t)n * opts->line_info_rec_size))
			       ->insn_off <= start)
		n++;
	opts->line_info_cnt = n;
}

/*
 * libbpf's hook before a program is loaded: replaces the body of nsw_filter(),
 * the last function of the program, by the translated expression. Nothing
 * behind it moves, and calls to it stay as they are.
 */
static int splice_filter(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	const struct bpf_insn *insns = bpf_program__insns(prog);
	size_t start = subprogram_start(insns, bpf_program__insn_cnt(prog));
	_cleanup_free_ struct bpf_insn *out = NULL;

	(void)cookie;
	if (!splice.body)
		return 0;
	if (!start)
		return -EINVAL;
	out = calloc(start + splice.len, sizeof(*out));
	if (!out)
		return -ENOMEM;
	memcpy(out, insns, start * sizeof(*out));
	memcpy(out + start, splice.body, splice.len * sizeof(*out));
	cut_line_info(opts, start);
	return bpf_program__set_insns(prog, out, start + splice.len);
}

static size_t ring_size_for(uint64_t bytes)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	while (size < bytes)
		size *= 2;
	return size;
}

static enum nsw_clock choose_clock(void)
{
	bool tai = libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, TAI_HELPER, NULL) == 1;

	return tai ? NSW_CLOCK_TAI : NSW_CLOCK_BOOT;
}

static int configure(struct programs *p, const struct programs_options *o)
{
	struct nswatch_bpf *skel = p->skel;
	int err;

	skel->rodata->cfg_ncpus = p->ncpus;
	skel->rodata->cfg_snaplen = o->snaplen;
	skel->rodata->cfg_clock = p->clock;
	skel->rodata->cfg_owner = o->owners;
	err = bpf_map__set_max_entries(skel->maps.packets, p->ring_size);
	return err ?: bpf_map__set_max_entries(skel->maps.counts, o->max_taps * p->ncpus);
}

static int map_counts(struct programs *p, const struct programs_options *o, struct err *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)o->max_taps * p->ncpus * sizeof(struct nsw_count);
	void *mem;

	p->counts_size = (size + page - 1) / page * page;
	mem = mmap(NULL, p->counts_size, PROT_READ, MAP_SHARED, bpf_map__fd(p->skel->maps.counts),
		   0);
	if (mem == MAP_FAILED)
		return err_sys(e, -errno, "cannot map the packet counters");
	p->counts = mem;
	return 0;
}

static int explain(int code, struct err *e)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		err_set(e, -ENOTSUP, "this kernel has no BTF (/sys/kernel/btf/vmlinux)");
		err_hint(e,
			 "a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are since 11");
		return e->code;
	}
	if (code == -EPERM) {
		err_set(e, code, "no permission to load BPF programs");
		err_hint(e, "run as root: sudo nswatch ...");
		return code;
	}
	return err_sys(e, code, "cannot load the BPF programs");
}

static int register_handler(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = splice_filter);
	int handler;

	if (splice.is_registered)
		return 0;
	handler = libbpf_register_prog_handler("tc/", BPF_PROG_TYPE_SCHED_CLS, 0, &opts);
	splice.is_registered = handler >= 0;
	return handler < 0 ? handler : 0;
}

static int load(struct programs *p, const struct programs_options *o, struct err *e)
{
	int err = register_handler();

	if (err)
		return err_sys(e, err, "libbpf");
	splice.body = o->filter;
	splice.len = o->filter_len;
	p->skel = nswatch_bpf__open();
	if (!p->skel)
		err = explain(-errno, e);
	else if ((err = configure(p, o)) || (err = nswatch_bpf__load(p->skel)))
		err = explain(err, e);
	splice.body = NULL;
	return err;
}

int programs_load(struct programs **out, const struct programs_options *o, struct err *e)
{
	struct programs *p = calloc(1, sizeof(*p));
	int err, i;

	if (!p)
		return err_sys(e, -ENOMEM, "cannot load the BPF programs");
	for (i = 0; i < NR_SOCKET_HOOKS; i++)
		p->socket_links[i] = -1;
	p->exec_link = -1;
	libbpf_set_print(print_debug);
	p->ncpus = (uint32_t)libbpf_num_possible_cpus();
	p->ring_size = ring_size_for(o->ring_bytes);
	p->clock = choose_clock();
	err = load(p, o, e);
	if (!err)
		err = map_counts(p, o, e);
	if (err) {
		programs_free(p);
		return err;
	}
	*out = p;
	return 0;
}

void programs_detach_processes(struct programs *p)
{
	int i;

	for (i = 0; i < NR_SOCKET_HOOKS; i++) {
		closep(&p->socket_links[i]);
		p->socket_links[i] = -1;
	}
	closep(&p->exec_link);
	p->exec_link = -1;
}

void programs_free(struct programs *p)
{
	if (!p)
		return;
	programs_detach_processes(p);
	if (p->counts)
		munmap(p->counts, p->counts_size);
	nswatch_bpf__destroy(p->skel);
	free(p);
}

int programs_fd(const struct programs *p, enum programs_hook hook)
{
	return bpf_program__fd(hook == HOOK_INGRESS ? p->skel->progs.tc_ingress
						    : p->skel->progs.tc_egress);
}

int programs_ring_fd(const struct programs *p)
{
	return bpf_map__fd(p->skel->maps.packets);
}

int programs_attempts_fd(const struct programs *p)
{
	return bpf_map__fd(p->skel->maps.attempts);
}

size_t programs_ring_size(const struct programs *p)
{
	return p->ring_size;
}

enum nsw_clock programs_clock(const struct programs *p)
{
	return p->clock;
}

volatile uint32_t *programs_asleep(const struct programs *p)
{
	return &p->skel->bss->asleep;
}

const struct nsw_count *programs_counts(const struct programs *p)
{
	return p->counts;
}

uint32_t programs_ncpus(const struct programs *p)
{
	return p->ncpus;
}

int programs_tap_add(struct programs *p, uint32_t netns, uint32_t ifindex,
		     const struct nsw_tap *tap)
{
	struct nsw_tap_key key = { .netns = netns, .ifindex = ifindex };

	return bpf_map_update_elem(bpf_map__fd(p->skel->maps.taps), &key, tap, BPF_ANY);
}

void programs_tap_del(struct programs *p, uint32_t netns, uint32_t ifindex)
{
	struct nsw_tap_key key = { .netns = netns, .ifindex = ifindex };

	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.taps), &key);
}

int programs_watch_netns(struct programs *p, uint32_t netns)
{
	uint8_t one = 1;

	return bpf_map_update_elem(bpf_map__fd(p->skel->maps.watched), &netns, &one, BPF_ANY);
}

/*
 * The root of the cgroup v2 hierarchy, without a mount point: wherever the
 * administrator mounted it, and also if nowhere (fsopen(2), Linux 5.2).
 */
static int open_root_cgroup(void)
{
	_cleanup_fd_ int fs = (int)syscall(SYS_fsopen, "cgroup2", 1 /* FSOPEN_CLOEXEC */);

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0))
		return -errno;
	return (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0) ?: -errno;
}

int programs_attach_processes(struct programs *p, struct err *e)
{
	const struct {
		struct bpf_program *prog;
		enum bpf_attach_type type;
	} hooks[NR_SOCKET_HOOKS] = {
		{ p->skel->progs.sock_connect4, BPF_CGROUP_INET4_CONNECT },
		{ p->skel->progs.sock_connect6, BPF_CGROUP_INET6_CONNECT },
		{ p->skel->progs.sock_sendmsg4, BPF_CGROUP_UDP4_SENDMSG },
		{ p->skel->progs.sock_sendmsg6, BPF_CGROUP_UDP6_SENDMSG },
	};
	_cleanup_fd_ int cgroup = open_root_cgroup();
	int i;

	p->exec_link = bpf_raw_tracepoint_open("sched_process_exec",
					       bpf_program__fd(p->skel->progs.process_exec));
	if (p->exec_link < 0)
		return err_sys(e, -errno, "cannot attach to the exec tracepoint");
	if (cgroup < 0)
		return err_sys(e, cgroup, "cannot open the root cgroup");
	for (i = 0; i < NR_SOCKET_HOOKS; i++) {
		p->socket_links[i] = bpf_link_create(bpf_program__fd(hooks[i].prog), cgroup,
						     hooks[i].type, NULL);
		if (p->socket_links[i] < 0)
			return err_sys(e, -errno, "cannot attach the socket hooks");
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "attach/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attach/cpus.h"
#include "attach/holders.h"
#include "attach/insns.h"
#include "nswatch.skel.h"
#include "stream/clock.h"
#include "stream/stream.h"
#include "util/cleanup.h"
#include "util/log.h"

#define TAI_HELPER	208 /* bpf_ktime_get_tai_ns(), kernel 6.1 */
#define NR_SOCKET_HOOKS 6
#define NR_MEET_HOOKS	3
#define VERIFIER_LOG	(1024 * 1024)
#define MAX_INSTANCES	64 /* taps with programs of their own */
#define FIRST_TAP	1
#define CHUNKS_STEP	8 /* the ring is so many chunks, or a multiple */

/* A TC program as it is loaded, but for the tap it serves. */
struct template
{
	struct bpf_insn *insns;
	size_t n;
};

struct programs {
	struct nswatch_bpf *skel;
	struct template templates[2]; /* by enum programs_hook */
	int shared[2];		      /* programs that serve any tap, loaded when needed; else -1 */
	int tried; /* that of the first tap's egress, for whoever is it; else -1 */
	struct nsw_count *counts;
	size_t counts_size; /* bytes mapped */
	struct ring ring;
	uint32_t ncpus; /* as cfg_ncpus */
	bool dns, every_errno;
	enum nsw_clock clock;
	bool has_all; /* the optional programs are loaded */
	int socket_links[NR_SOCKET_HOOKS];
	int exec_link, outcome_link, drops_link;
	int meet_links[NR_MEET_HOOKS];
	bool one_for_all;
};

/*
 * The load that stitch() is called for. Static, as is the handler's
 * registration: taking back the last one leaves libbpf 1.1 with a freed list
 * (fixed in 1.2).
 */
static struct {
	bool is_registered;
	struct programs *p;
	const struct programs_options *o;
} under_way;

/* The verifier's log comes as one message of many lines. Cuts text up. */
static void log_lines(const char *who, char *text)
{
	char *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		log_debug("%s: %s", who, line);
}

static int print_debug(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = NULL;

	(void)level;
	if (vasprintf(&text, fmt, ap) >= 0)
		log_lines("libbpf", text);
	return 0;
}

/*
 * libbpf's hook before a TC program is loaded, when maps and offsets are filled
 * in: puts the filter where it belongs and keeps the result for
 * programs_instance(). What libbpf then loads is a program that does nothing:
 * it takes the verifier milliseconds to walk the real one, once per instance.
 */
static int stitch(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	bool ingress = !strcmp(bpf_program__name(prog), "tc_ingress");
	struct template *t = &under_way.p->templates[ingress ? HOOK_INGRESS : HOOK_EGRESS];
	int err;

	(void)cookie;
	err = insns_with_filter(bpf_program__insns(prog), bpf_program__insn_cnt(prog),
				under_way.o->filter, under_way.o->filter_len, &t->insns, &t->n);
	if (!err)
		insns_drop_kfuncs(t->insns, t->n, false);
	if (!err && !under_way.p->skel->rodata->cfg_has_exchange)
		insns_drop_exchanges(t->insns, t->n);
	opts->func_info_cnt = opts->line_info_cnt = 0;
	return err ?: bpf_program__set_insns(prog, nothing, ARRAY_SIZE(nothing));
}

/* Each CPU may have a chunk in which there is nothing to read any more. */
static void size_ring(struct programs *p, uint64_t bytes)
{
	uint64_t chunks = (bytes + NSW_CHUNK - 1) / NSW_CHUNK + p->ncpus;

	chunks = (chunks + CHUNKS_STEP - 1) / CHUNKS_STEP * CHUNKS_STEP;
	p->ring.nr_chunks = chunks < NSW_MAX_CHUNKS ? (uint32_t)chunks : NSW_MAX_CHUNKS;
	p->ring.nr_lanes = p->ncpus;
	p->ring.nr_slots = 1;
	while (p->ring.nr_slots < p->ring.nr_chunks)
		p->ring.nr_slots *= 2;
}

static uint32_t nr_segments(const struct ring *r)
{
	return (r->nr_chunks + NSW_SEGMENT / NSW_CHUNK - 1) / (NSW_SEGMENT / NSW_CHUNK);
}

static uint32_t nr_links(const struct ring *r)
{
	return r->nr_chunks + r->nr_lanes;
}

static size_t size_of_returned(const struct ring *r)
{
	return sizeof(struct nsw_returned) + r->nr_slots * sizeof(uint32_t);
}

static int size_maps(const struct programs *p)
{
	const struct ring *r = &p->ring;
	int err = bpf_map__set_max_entries(p->skel->maps.segments, nr_segments(r));

	if (!err)
		err = bpf_map__set_max_entries(p->skel->maps.links, nr_links(r));
	if (!err)
		err = bpf_map__set_max_entries(p->skel->maps.lanes, r->nr_lanes);
	return err
		       ?: bpf_map__set_value_size(p->skel->maps.returned,
						  (uint32_t)size_of_returned(r));
}

static enum nsw_clock choose_clock(void)
{
	bool tai = libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, TAI_HELPER, NULL) == 1;

	return tai ? NSW_CLOCK_TAI : NSW_CLOCK_BOOT;
}

/* Whether there is an atomic exchange that the JIT knows: a program that it does not take is
 * interpreted, if not refused. */
static bool has_exchange(void)
{
	static const struct bpf_insn exchange[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8 },
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW,
		  .dst_reg = BPF_REG_10,
		  .off = -8,
		  .imm = BPF_XCHG },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_fd_ int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "exchange", "GPL", exchange,
					    ARRAY_SIZE(exchange), NULL);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.jited_prog_len;
}

/* What only the selection of DNS uses takes no memory without it. */
static int shrink_dns_maps(const struct nswatch_bpf *skel)
{
	return bpf_map__set_max_entries(skel->maps.fragments, 1);
}

static void number_calls(struct nswatch_bpf *skel)
{
	static const uint32_t nr[NSW_NR_CALLS] = {
		[NSW_CALL_CONNECT] = SYS_connect,   [NSW_CALL_SENDTO] = SYS_sendto,
		[NSW_CALL_SENDMSG] = SYS_sendmsg,   [NSW_CALL_SENDMMSG] = SYS_sendmmsg,
		[NSW_CALL_WRITE] = SYS_write,	    [NSW_CALL_WRITEV] = SYS_writev,
		[NSW_CALL_RECVFROM] = SYS_recvfrom, [NSW_CALL_RECVMSG] = SYS_recvmsg,
		[NSW_CALL_READ] = SYS_read,
	};
	size_t i;

	for (i = 0; i < NSW_NR_CALLS; i++)
		skel->rodata->cfg_syscall[i] = nr[i];
}

/* What became of a call is found by one of two; what is of no use to this run is
 * not loaded. */
static void choose_tracepoints(struct programs *p)
{
	bpf_program__set_autoload(p->skel->progs.process_exec, p->dns);
	bpf_program__set_autoload(p->skel->progs.syscall_exit, p->dns && p->every_errno);
	bpf_program__set_autoload(p->skel->progs.packet_dropped, p->dns);
}

static int configure(struct programs *p, const struct programs_options *o)
{
	struct nswatch_bpf *skel = p->skel;
	int err, i;

	skel->rodata->cfg_ncpus = p->ncpus;
	skel->rodata->cfg_snaplen = o->snaplen;
	skel->rodata->cfg_clock = p->clock;
	skel->rodata->cfg_chunks = p->ring.nr_chunks;
	/* A quarter may wait to be written (struct capfile_options), and a sixth come during a
	 * nap (user/collector.c). */
	skel->rodata->cfg_wake_chunks = (p->ring.nr_chunks - p->ring.nr_lanes) * 7 / 12;
	skel->rodata->cfg_slot_mask = p->ring.nr_slots - 1;
	skel->rodata->cfg_has_exchange = !NSW_STORES_IN_ORDER && has_exchange();
	skel->rodata->cfg_owner = o->owners;
	number_calls(skel);
	choose_tracepoints(p);
	skel->rodata->cfg_dns = p->dns;
	skel->rodata->cfg_mdns = o->mdns;
	for (i = 0; i < NSW_MAX_DNS_PORTS; i++)
		skel->rodata->cfg_dns_ports[i] = o->dns_ports[i];
	if (!o->meet) {
		bpf_program__set_autoload(skel->progs.netns_fork, false);
		bpf_program__set_autoload(skel->progs.netns_exec, false);
		bpf_program__set_autoload(skel->progs.netns_socket, false);
		bpf_map__set_max_entries(skel->maps.known, 1);
	}
	err = size_maps(p);
	if (!err && !p->dns)
		err = shrink_dns_maps(skel);
	return err ?: bpf_map__set_max_entries(skel->maps.counts, o->max_taps * p->ncpus);
}

static size_t whole_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

static void *map_memory(const struct bpf_map *map, size_t offset, size_t size, int prot)
{
	void *mem =
		mmap(NULL, whole_pages(size), prot, MAP_SHARED, bpf_map__fd(map), (off_t)offset);

	return mem == MAP_FAILED ? NULL : mem;
}

static void unmap(const volatile void *mem, size_t size)
{
	if (mem)
		munmap((void *)mem, whole_pages(size));
}

static int map_counts(struct programs *p, const struct programs_options *o, struct err *e)
{
	p->counts_size = (size_t)o->max_taps * p->ncpus * sizeof(struct nsw_count);
	p->counts = map_memory(p->skel->maps.counts, 0, p->counts_size, PROT_READ);
	return p->counts ? 0 : err_sys(e, -errno, "cannot map the packet counters");
}

/* A lane begins where a chunk would be full. */
static void start_lanes(const struct ring *r, struct nsw_lane *lanes)
{
	uint32_t i;

	for (i = 0; i < r->nr_lanes; i++) {
		lanes[i].end = NSW_CHUNK;
		lanes[i].chunk = r->nr_chunks + i;
	}
}

static void set_wall_offset(const struct programs *p)
{
	struct clock clock;

	clock_init(&clock, p->clock);
	*p->ring.wall_offset = (uint64_t)clock.offset;
}

static int map_ring(struct programs *p, struct err *e)
{
	const int rw = PROT_READ | PROT_WRITE;
	struct ring *r = &p->ring;
	struct nsw_lane *lanes =
		map_memory(p->skel->maps.lanes, 0, r->nr_lanes * sizeof(*lanes), rw);
	size_t page = whole_pages(1);

	r->segments = map_memory(p->skel->maps.segments, 0,
				 (size_t)nr_segments(r) * NSW_SEGMENT_STRIDE, rw);
	r->links = map_memory(p->skel->maps.links, 0, nr_links(r) * sizeof(*r->links), PROT_READ);
	r->lanes = lanes;
	r->returned = map_memory(p->skel->maps.returned, 0, size_of_returned(r), rw);
	r->bell_read = map_memory(p->skel->maps.bell, 0, page, rw);
	r->bell_rung = map_memory(p->skel->maps.bell, page, page, PROT_READ);
	r->bell_fd = bpf_map__fd(p->skel->maps.bell);
	r->consumer = &p->skel->bss->consumer;
	r->wall_offset = &p->skel->bss->wall_offset;
	if (!r->segments || !r->links || !r->lanes || !r->returned || !r->bell_read ||
	    !r->bell_rung)
		return err_sys(e, -errno, "cannot map the packet ring");
	start_lanes(r, lanes);
	set_wall_offset(p);
	return 0;
}

static void unmap_all(struct programs *p)
{
	const struct ring *r = &p->ring;

	unmap(p->counts, p->counts_size);
	unmap(r->segments, (size_t)nr_segments(r) * NSW_SEGMENT_STRIDE);
	unmap(r->links, nr_links(r) * sizeof(*r->links));
	unmap(r->lanes, r->nr_lanes * sizeof(*r->lanes));
	unmap(r->returned, size_of_returned(r));
	unmap(r->bell_read, 1);
	unmap(r->bell_rung, 1);
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
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = stitch);
	int handler;

	if (under_way.is_registered)
		return 0;
	handler = libbpf_register_prog_handler("tc/", BPF_PROG_TYPE_SCHED_CLS, 0, &opts);
	under_way.is_registered = handler >= 0;
	return handler < 0 ? handler : 0;
}

/* Programs that use what 5.10 does not have: socket storage outside the
 * packet path. Owners are found in other ways there, or less well. */
static void leave_out_optional(struct programs *p)
{
	bpf_program__set_autoload(p->skel->progs.seed_owners, false);
	bpf_program__set_autoload(p->skel->progs.sock_bound4, false);
	bpf_program__set_autoload(p->skel->progs.sock_bound6, false);
}

/* Without owners nothing looks at sockets, and what is relocated for the kernel at hand
 * is the half of it. */
static void leave_out_sockets(struct programs *p)
{
	bpf_program__set_autoload(p->skel->progs.sock_connect4, false);
	bpf_program__set_autoload(p->skel->progs.sock_connect6, false);
	bpf_program__set_autoload(p->skel->progs.sock_sendmsg4, false);
	bpf_program__set_autoload(p->skel->progs.sock_sendmsg6, false);
}

static int open_and_load(struct programs *p, const struct programs_options *o, bool all)
{
	int err;

	p->skel = nswatch_bpf__open();
	if (!p->skel)
		return -errno;
	p->has_all = all && o->owners;
	if (!p->has_all)
		leave_out_optional(p);
	if (!o->owners)
		leave_out_sockets(p);
	err = configure(p, o);
	return err ?: nswatch_bpf__load(p->skel);
}

/* The first template is of no use if the load failed after it was made. */
static void start_over(struct programs *p)
{
	int i;

	nswatch_bpf__destroy(p->skel);
	p->skel = NULL;
	for (i = HOOK_INGRESS; i <= HOOK_EGRESS; i++) {
		free(p->templates[i].insns);
		p->templates[i] = (struct template){ 0 };
	}
}

static int load(struct programs *p, const struct programs_options *o, struct err *e)
{
	int err = register_handler();

	if (err)
		return err_sys(e, err, "libbpf");
	under_way.p = p;
	under_way.o = o;
	err = open_and_load(p, o, true);
	if (err && o->owners) {
		start_over(p);
		err = open_and_load(p, o, false);
	}
	under_way.p = NULL;
	return err ? explain(err, e) : 0;
}

/* Has the verifier say why, for --verbose: the same once more, with a log. */
static void log_refusal(const char *name, const struct bpf_insn *insns, size_t n)
{
	_cleanup_free_ char *log = calloc(1, VERIFIER_LOG);
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = VERIFIER_LOG,
		    .log_level = 1);
	int fd;

	if (!log)
		return;
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, n, &opts);
	closep(&fd);
	log_lines("verifier", log);
}

/* Loads the program of one direction; value: the tap, or 0 to look it up. */
static int load_instance(struct programs *p, enum programs_hook hook, uint32_t value)
{
	const char *name = hook == HOOK_INGRESS ? "tc_ingress" : "tc_egress";
	struct template *t = &p->templates[hook];
	_cleanup_free_ struct bpf_insn *insns = calloc(t->n, sizeof(*insns));
	int fd, err;

	if (!insns)
		return -ENOMEM;
	memcpy(insns, t->insns, t->n * sizeof(*insns));
	insns_set_tap(insns, t->n, value);
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, t->n, NULL);
	if (fd >= 0)
		return fd;
	err = -errno;
	log_refusal(name, insns, t->n);
	/* A kernel that has such a function need not allow it here. */
	if (insns_drop_kfuncs(t->insns, t->n, true))
		return load_instance(p, hook, value);
	return err;
}

/* Whether the kernel takes the program, with the filter and the selection in it. It is
 * one that is needed in a moment, as a rule. */
static int try_program(struct programs *p, struct err *e)
{
	int *fd = p->one_for_all ? &p->shared[HOOK_EGRESS] : &p->tried;

	*fd = load_instance(p, HOOK_EGRESS, p->one_for_all ? 0 : FIRST_TAP);
	if (*fd >= 0)
		return 0;
	err_sys(e, *fd, "the kernel refuses the program");
	err_hint(e, "--verbose for what its verifier says");
	return e->code;
}

int programs_load(struct programs **out, const struct programs_options *o, struct err *e)
{
	struct programs *p = calloc(1, sizeof(*p));
	int err, i;

	if (!p)
		return err_sys(e, -ENOMEM, "cannot load the BPF programs");
	for (i = 0; i < NR_SOCKET_HOOKS; i++)
		p->socket_links[i] = -1;
	p->exec_link = p->outcome_link = p->drops_link = p->tried = -1;
	for (i = 0; i < NR_MEET_HOOKS; i++)
		p->meet_links[i] = -1;
	p->one_for_all = o->one_for_all;
	p->shared[HOOK_INGRESS] = p->shared[HOOK_EGRESS] = -1;
	libbpf_set_print(print_debug);
	err = cpus_slots(&p->ncpus, e);
	size_ring(p, o->ring_bytes);
	p->clock = choose_clock();
	p->dns = o->dns;
	p->every_errno = o->every_errno;
	if (!err)
		err = load(p, o, e);
	if (!err)
		err = map_counts(p, o, e);
	if (!err)
		err = map_ring(p, e);
	if (!err)
		err = try_program(p, e);
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
	for (i = 0; i < NR_MEET_HOOKS; i++) {
		closep(&p->meet_links[i]);
		p->meet_links[i] = -1;
	}
	closep(&p->exec_link);
	closep(&p->outcome_link);
	closep(&p->drops_link);
	p->exec_link = p->outcome_link = p->drops_link = -1;
}

void programs_free(struct programs *p)
{
	int i;

	if (!p)
		return;
	programs_detach_processes(p);
	for (i = HOOK_INGRESS; i <= HOOK_EGRESS; i++) {
		closep(&p->shared[i]);
		free(p->templates[i].insns);
	}
	closep(&p->tried);
	unmap_all(p);
	nswatch_bpf__destroy(p->skel);
	free(p);
}

/*
 * Knowing the tap saves a look-up that costs more than all else but the copy.
 * A program takes milliseconds to load and some memory, so the many taps of a
 * whole host share one.
 */
int programs_instance(struct programs *p, enum programs_hook hook, const struct nsw_tap *tap)
{
	uint32_t value = tap->id | (uint32_t)tap->flags << 16;
	int fd;

	if (hook == HOOK_EGRESS && value == FIRST_TAP && p->tried >= 0)
		return steal_fd(&p->tried);
	if (!p->one_for_all && tap->id <= MAX_INSTANCES)
		return load_instance(p, hook, value);
	if (p->shared[hook] < 0)
		p->shared[hook] = load_instance(p, hook, 0);
	if (p->shared[hook] < 0)
		return p->shared[hook];
	fd = fcntl(p->shared[hook], F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

int programs_attempts_fd(const struct programs *p)
{
	return bpf_map__fd(p->skel->maps.attempts);
}

enum nsw_clock programs_clock(const struct programs *p)
{
	return p->clock;
}

bool programs_have_owners(const struct programs *p)
{
	return p->skel->rodata->cfg_owner;
}

const struct ring *programs_ring(const struct programs *p)
{
	return &p->ring;
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

void programs_forget_netns(struct programs *p, uint32_t netns)
{
	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.watched), &netns);
	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.known), &netns);
}

static bool is_among(const uint32_t *netns, size_t n, uint32_t one)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (netns[i] == one)
			return true;
	return false;
}

int programs_set_known(struct programs *p, const uint32_t *netns, size_t n)
{
	int map = bpf_map__fd(p->skel->maps.known), err = 0;
	uint32_t key, *last = NULL;
	uint8_t one = 1;
	size_t i;

	/* After a deletion from the start: there is no way on from a key that is gone. */
	while (!bpf_map_get_next_key(map, last, &key)) {
		last = is_among(netns, n, key) ? &key : NULL;
		if (!last)
			bpf_map_delete_elem(map, &key);
	}
	for (i = 0; i < n && !err; i++)
		err = bpf_map_update_elem(map, &netns[i], &one, BPF_ANY);
	return err;
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

static int attach_socket_hooks(struct programs *p, struct err *e)
{
	const struct {
		struct bpf_program *prog;
		enum bpf_attach_type type;
	} hooks[NR_SOCKET_HOOKS] = {
		{ p->skel->progs.sock_connect4, BPF_CGROUP_INET4_CONNECT },
		{ p->skel->progs.sock_connect6, BPF_CGROUP_INET6_CONNECT },
		{ p->skel->progs.sock_sendmsg4, BPF_CGROUP_UDP4_SENDMSG },
		{ p->skel->progs.sock_sendmsg6, BPF_CGROUP_UDP6_SENDMSG },
		{ p->skel->progs.sock_bound4, BPF_CGROUP_INET4_POST_BIND },
		{ p->skel->progs.sock_bound6, BPF_CGROUP_INET6_POST_BIND },
	};
	_cleanup_fd_ int cgroup = open_root_cgroup();
	int i;

	if (cgroup < 0)
		return err_sys(e, cgroup, "cannot open the root cgroup");
	for (i = 0; i < NR_SOCKET_HOOKS; i++) {
		if (!bpf_program__autoload(hooks[i].prog))
			continue;
		p->socket_links[i] = bpf_link_create(bpf_program__fd(hooks[i].prog), cgroup,
						     hooks[i].type, NULL);
		if (p->socket_links[i] < 0)
			return err_sys(e, -errno, "cannot attach the socket hooks");
	}
	return 0;
}

static int attach_tracepoint(int *link, const char *name, struct bpf_program *prog, struct err *e)
{
	*link = bpf_raw_tracepoint_open(name, bpf_program__fd(prog));
	return *link < 0 ? err_sys(e, -errno, "cannot attach to the tracepoint %s", name) : 0;
}

/* Before Linux 5.17 the tracepoint does not say why (commit c504e5c2f964), and the kernel
 * refuses a program that asks. */
void programs_watch_drops(struct programs *p)
{
	struct err why = { 0 };

	if (attach_tracepoint(&p->drops_link, "kfree_skb", p->skel->progs.packet_dropped, &why))
		log_debug("that a firewall drops what is sent to a name server is not seen "
			  "(but with --errno, by the error of the call): %s",
			  why.msg);
}

int programs_attach_processes(struct programs *p, struct err *e)
{
	int err = attach_socket_hooks(p, e);

	if (!err && p->dns)
		err = attach_tracepoint(&p->exec_link, "sched_process_exec",
					p->skel->progs.process_exec, e);
	if (!err && p->dns && p->every_errno)
		err = attach_tracepoint(&p->outcome_link, "sys_exit", p->skel->progs.syscall_exit,
					e);
	return err;
}

/* One pass over all open files of all processes; the program writes nothing. */
static int run_iterator(int prog)
{
	_cleanup_fd_ int link = bpf_link_create(prog, 0, BPF_TRACE_ITER, NULL);
	_cleanup_fd_ int iter = -1;
	char buf[64];
	ssize_t n;

	if (link < 0)
		return -errno;
	iter = bpf_iter_create(link);
	if (iter < 0)
		return -errno;
	do {
		n = read(iter, buf, sizeof(buf));
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	return n < 0 ? -errno : 0;
}

int programs_seed_owners(struct programs *p, struct err *e)
{
	int err = -ENOTSUP;

	if (p->has_all)
		err = run_iterator(bpf_program__fd(p->skel->progs.seed_owners));
	if (err)
		err = holders_seed(bpf_map__fd(p->skel->maps.owners),
				   bpf_map__fd(p->skel->maps.watched));
	return err ? err_sys(e, err, "cannot look through the open sockets") : 0;
}

int programs_attach_namespaces(struct programs *p, struct err *e)
{
	_cleanup_fd_ int cgroup = open_root_cgroup();
	int socket = bpf_program__fd(p->skel->progs.netns_socket), i;

	if (cgroup < 0)
		return err_sys(e, cgroup, "cannot open the root cgroup");
	p->meet_links[0] = bpf_raw_tracepoint_open("sched_process_fork",
						   bpf_program__fd(p->skel->progs.netns_fork));
	p->meet_links[1] = bpf_raw_tracepoint_open("sched_process_exec",
						   bpf_program__fd(p->skel->progs.netns_exec));
	p->meet_links[2] = bpf_link_create(socket, cgroup, BPF_CGROUP_INET_SOCK_CREATE, NULL);
	for (i = 0; i < NR_MEET_HOOKS; i++)
		if (p->meet_links[i] < 0)
			return err_sys(e, -errno, "cannot watch for new namespaces");
	return 0;
}

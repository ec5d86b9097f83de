// SPDX-License-Identifier: GPL-2.0-only
#include "loader.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <pcap/dlt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attach/filter.h"
#include "attach/insns.h"
#include "attach/programs.h"
#include "attach/taps.h"
#include "collector.h"
#include "file/series.h"
#include "launch.h"
#include "netns/facts.h"
#include "netns/inventory.h"
#include "netns/watch.h"
#include "sandbox/wire.h"
#include "stream/record.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MAX_TAPS     1024
#define MIB	     (1024 * 1024)
#define SOCKET_BYTES (4 * MIB)

/*
 * What --dns wants to see: DNS itself, Docker's embedded resolver (whose port
 * NAT has already rewritten when a packet reaches lo), the errors that tell of
 * its failure, and fragments, which have no ports.
 */
#define DNS_FILTER                                           \
	"port 53 or ip host 127.0.0.11 or icmp or icmp6 or " \
	"(ip and ip[6:2] & 0x3fff != 0) or (ip6 and ip6[6] == 44)"

/* Facts are collected for this many socket calls a second; all others are
 * passed on bare. A process may call as often as it likes. */
#define FACTS_PER_SECOND 50

/* Socket calls looked at before everything else has its turn again. */
#define ATTEMPTS_A_ROUND 256

/* A second signal within this time is the same one, sent to the group as well
 * (timeout(1) does that); one after it means "at once". */
#define IMPATIENT_NS 500000000LL

enum { FD_SIGNAL, FD_LINKS, FD_ATTEMPTS, FD_COLLECTOR, FD_FILES, FD_COMMAND, FD_TIMER, NR_FDS };

struct watched {
	struct target target;
	int nsid;
	bool dirty; /* its interfaces changed */
	bool gone;
};

struct loader {
	const struct options *o;
	struct watched *targets;
	unsigned int n;
	struct identity identity;
	struct series series;
	struct filter *filter;
	char *filter_text;
	bool filter_in_user; /* the kernel did not take it */
	struct programs *programs;
	struct taps *taps;
	struct netns_watch *links;
	struct ring_buffer *attempts;
	struct command command;
	bool announcing; /* interfaces found at start are named in one line */
	pid_t collector; /* 0 once reaped */
	int sock, files_sock, file_fd, signal_fd, timer_fd;
	int socket_room;	    /* bytes that may wait in sock, if they are no taps */
	bool is_falling_behind;	    /* said once */
	unsigned int attempts_left; /* of this round */
	unsigned int next_file;	    /* number that the collector may ask for */
	int64_t first_signal;	    /* when; 0: none yet */
	struct facts_memory memory;
	time_t facts_second;
	unsigned int facts_used;
	bool stopping, stop_sent;
	bool is_usage_error; /* what failed is the user's to correct */
	int status;	     /* the collector's, once it ended */
};

/*
 * Nothing may keep the loader waiting for the collector: that may be stopped,
 * or wait itself for whoever reads its output. So the socket does not block,
 * and only taps, which are few, may fill the second half of it.
 */
static void send_if_room(struct loader *l, const struct wire_msg *m)
{
	int used;

	if (!ioctl(l->sock, SIOCOUTQ, &used) && used < l->socket_room) {
		wire_send(l->sock, m, -1);
		return;
	}
	if (!l->is_falling_behind)
		log_warn("the output does not keep up; some processes and socket calls will be "
			 "missing in findings");
	l->is_falling_behind = true;
}

static void tap_added(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;
	struct wire_msg m = { .type = WIRE_TAP, .tap = *tap };

	wire_send(l->sock, &m, -1);
}

static void tap_attached(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;

	if (!l->announcing)
		log_info("%s: %s appeared, watching it", tap->target, tap->ifname);
}

static void tap_removed(void *ctx, const struct tap *tap)
{
	struct loader *l = ctx;

	if (!l->stopping)
		log_debug("%s: %s is gone", tap->target, tap->ifname);
}

static const struct taps_ops taps_ops = { tap_added, tap_attached, tap_removed };

static int resolve_targets(struct loader *l, struct err *e)
{
	unsigned int i;
	int err;

	l->targets = calloc(l->o->nr_targets, sizeof(*l->targets));
	if (!l->targets)
		return err_sys(e, -ENOMEM, "targets");
	for (i = 0; i < l->o->nr_targets; i++) {
		err = target_resolve(l->o->targets[i], &l->targets[i].target, e);
		if (err)
			return err;
		l->n++;
	}
	err = launch(&l->command, l->o, &l->targets[0].target, e);
	if (!err && l->targets[0].target.kind == TARGET_NEW && !l->o->argv) {
		err_set(e, -EINVAL, "a new namespace needs a command to run in it");
		err_hint(e, "nswatch new -- COMMAND");
		return e->code;
	}
	return err;
}

static char *filter_text(const struct options *o)
{
	char *text = NULL;

	if (!o->dns)
		return o->filter ? strdup(o->filter) : NULL;
	if (!o->filter)
		return strdup(DNS_FILTER);
	return asprintf(&text, "(%s) and (%s)", DNS_FILTER, o->filter) < 0 ? NULL : text;
}

static int load_with(struct loader *l, const struct bpf_insn *insns, size_t n, struct err *e)
{
	struct programs_options po = {
		.snaplen = l->o->snaplen,
		.ring_bytes = (uint64_t)l->o->buffer_mib * MIB,
		.max_taps = MAX_TAPS,
		.owners = l->o->dns || l->o->json,
		.filter = insns,
		.filter_len = n,
	};

	return programs_load(&l->programs, &po, e);
}

/* With the filter in the kernel if it can be had there; else everything is
 * captured and the collector filters, after a warning. */
static int load_programs(struct loader *l, struct err *e)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	struct err why = { 0 };
	size_t n = 0;
	int err = 0;

	l->filter_text = filter_text(l->o);
	if (!l->filter_text)
		return load_with(l, NULL, 0, e);
	/* The user's own words first: an error message should quote these. */
	if (l->o->dns && l->o->filter) {
		struct filter *alone = NULL;

		err = filter_compile(&alone, l->o->filter, DLT_EN10MB, l->o->snaplen, e);
		filter_free(alone);
	}
	if (!err)
		err = filter_compile(&l->filter, l->filter_text, DLT_EN10MB, l->o->snaplen, e);
	if (err) {
		l->is_usage_error = true;
		return err;
	}
	err = filter_translate(l->filter, INSNS_OWN_STACK, &insns, &n, &why)
		      ?: load_with(l, insns, n, &why);
	if (!err)
		return 0;
	err = load_with(l, NULL, 0, e);
	if (err)
		return err;
	log_warn("the filter runs in user space, every packet is copied: %s", why.msg);
	l->filter_in_user = true;
	return 0;
}

static int open_output(struct loader *l, struct err *e)
{
	const struct options *o = l->o;
	struct identity owner;
	int err;

	if (!o->write_file)
		return 0;
	sandbox_invoker(&owner);
	err = series_init(&l->series, o, owner.uid, owner.gid, e);
	if (err)
		return err;
	l->file_fd = series_open(&l->series, 1, e);
	return l->file_fd < 0 ? l->file_fd : 0;
}

/* Without the privilege to exceed the limit (CAP_NET_ADMIN) that must do. */
static void enlarge(int sock)
{
	const int size = SOCKET_BYTES;

	if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fcntl(sock, F_SETFL, O_NONBLOCK);
}

static int make_sockets(int loader[2], int collector[2], struct err *e)
{
	int i;

	for (i = 0; i < 2; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
			return err_sys(e, -errno, "socketpair");
		enlarge(pair[0]);
		loader[i] = pair[0];
		collector[i] = pair[1];
	}
	return 0;
}

static int fork_collector(struct loader *l, struct err *e)
{
	int mine[2] = { -1, -1 }, its[2] = { -1, -1 };
	socklen_t len = sizeof(l->socket_room);
	int err = make_sockets(mine, its, e);

	if (err)
		return err;
	fflush(NULL);
	l->collector = fork();
	if (l->collector < 0)
		return err_sys(e, -errno, "fork");
	if (l->collector == 0) {
		struct collector_setup s = {
			.o = l->o,
			.programs = l->programs,
			.filter = l->filter_in_user ? l->filter : NULL,
			.filter_text = l->o->filter,
			.identity = l->identity,
			.sock = its[0],
			.files_sock = its[1],
			.file_fd = l->file_fd,
			.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		};

		_exit(collector_run(&s));
	}
	close(its[0]);
	close(its[1]);
	closep(&l->file_fd);
	l->file_fd = -1;
	l->sock = mine[0];
	l->files_sock = mine[1];
	getsockopt(l->sock, SOL_SOCKET, SO_SNDBUF, &l->socket_room, &len);
	l->socket_room /= 2;
	return 0;
}

static void send_facts(struct loader *l, const struct target *t, const struct owner *asker,
		       uint32_t ppid, const struct ipaddr *server, int code)
{
	struct wire_msg m = { .type = WIRE_FACTS, .code = code };
	struct err e = { 0 };

	if (facts_collect(t, asker, ppid, server, &l->memory, &m.facts, &e))
		log_debug("%s: %s", t->name, e.msg);
	send_if_room(l, &m);
}

static struct watched *by_netns(struct loader *l, uint64_t ino)
{
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (l->targets[i].target.ns.ino == ino)
			return &l->targets[i];
	return NULL;
}

static bool may_collect_facts(struct loader *l)
{
	time_t now = time(NULL);

	if (now != l->facts_second)
		l->facts_used = 0;
	l->facts_second = now;
	return l->facts_used++ < FACTS_PER_SECOND;
}

/* An attempt, or an exec. Facts first: the caller may be gone in a millisecond,
 * and with it the file. */
static void take_attempt(struct loader *l, const struct nsw_attempt *a)
{
	struct wire_msg m = { .type = WIRE_ATTEMPT, .attempt = *a };
	struct watched *w = by_netns(l, a->netns);
	struct owner owner = record_owner(&a->owner);
	struct ipaddr server = record_addr(&a->dst);

	if (!w)
		return;
	if (a->call == NSW_CALL_EXEC) {
		facts_remember(&l->memory, &owner);
		return;
	}
	if (may_collect_facts(l))
		send_facts(l, &w->target, &owner, a->ppid, &server, 0);
	send_if_room(l, &m);
}

/* libbpf goes on for as long as there is more, unless told otherwise; a process
 * that calls without end must not keep the signals waiting. */
static int on_attempt(void *ctx, void *data, size_t len)
{
	struct loader *l = ctx;

	if (len >= sizeof(struct nsw_attempt))
		take_attempt(l, data);
	return --l->attempts_left ? 0 : -EAGAIN;
}

static void read_attempts(struct loader *l, unsigned int most)
{
	l->attempts_left = most;
	ring_buffer__consume(l->attempts);
}

static void on_link_event(void *ctx, int nsid, int msgtype, uint32_t ifindex, const char *ifname)
{
	struct loader *l = ctx;
	unsigned int i;

	(void)ifname;
	for (i = 0; i < l->n; i++) {
		if (msgtype != NETNS_WATCH_RESYNC && l->targets[i].nsid != nsid)
			continue;
		l->targets[i].dirty = true;
		if (msgtype == RTM_DELLINK)
			taps_gone(l->taps, &l->targets[i].target, ifindex);
	}
}

static void begin_stop(struct loader *l)
{
	l->stopping = true;
}

static void sync_target(struct loader *l, struct watched *w)
{
	struct err e = { 0 };
	int err = taps_sync(l->taps, &w->target, &e);

	w->dirty = false;
	if (!err)
		return;
	if (err != -ESTALE && err != -ENOENT) {
		log_warn("%s: %s", w->target.name, e.msg);
		return;
	}
	w->gone = true;
	taps_drop(l->taps, &w->target);
	log_info("%s: its network namespace is gone", w->target.name);
}

static void on_links(struct loader *l)
{
	unsigned int i, left = 0;

	netns_watch_read(l->links, on_link_event, l);
	for (i = 0; i < l->n; i++) {
		if (l->targets[i].dirty && !l->targets[i].gone)
			sync_target(l, &l->targets[i]);
		left += !l->targets[i].gone;
	}
	if (!left)
		begin_stop(l);
}

/* The collector is not trusted: it gets facts of watched namespaces only. */
static void on_ask(struct loader *l, const struct dns_ask *a)
{
	struct watched *w = by_netns(l, a->netns);

	if (w)
		send_facts(l, &w->target, &a->asker, a->ppid, a->server.family ? &a->server : NULL,
			   1);
}

/* Returns false when the collector is gone. */
static bool on_collector(struct loader *l)
{
	struct wire_msg m;
	int fd, got = wire_recv(l->sock, &m, &fd, MSG_DONTWAIT);

	if (got == -EAGAIN || got == -EPROTO)
		return true;
	if (got <= 0)
		return false;
	closep(&fd);
	if (m.type == WIRE_ASK)
		on_ask(l, &m.ask);
	else if (m.type == WIRE_DONE)
		begin_stop(l);
	return true;
}

/* What it asks for is fixed by what the user asked for: one file after another. */
static bool may_have_file(const struct loader *l, const struct wire_msg *m)
{
	return m->type == WIRE_NEED_FILE && l->o->write_file && series_rotates(l->o) &&
	       m->code == (int)l->next_file;
}

/* Rotation: the writer asks for file number `code`. */
static void on_need_file(struct loader *l)
{
	struct wire_msg m;
	struct err e = { 0 };
	int fd, got = wire_recv(l->files_sock, &m, &fd, MSG_DONTWAIT);

	if (got == 1)
		closep(&fd);
	if (got != 1 || !may_have_file(l, &m)) {
		if (got != -EAGAIN)
			close(steal_fd(&l->files_sock));
		return;
	}
	fd = series_open(&l->series, l->next_file++, &e);
	if (fd < 0)
		log_err(&e);
	m = (struct wire_msg){ .type = WIRE_FILE, .code = fd < 0 ? fd : 0 };
	wire_send(l->files_sock, &m, fd);
	closep(&fd);
}

static int64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* A Ctrl-C reached the command as well; a kill(1) of us alone is passed on. The
 * next one ends what does not end by itself: the command or, when nobody reads
 * its output, the collector. */
static void on_stop_signal(struct loader *l, const struct signalfd_siginfo *si)
{
	int64_t now = monotonic_ns();
	bool first = !l->first_signal, again = !first && now - l->first_signal > IMPATIENT_NS;

	begin_stop(l);
	if (first)
		l->first_signal = now;
	if (again && command_pid(&l->command))
		command_kill(&l->command, SIGKILL);
	else if (again && l->collector > 0)
		kill(l->collector, SIGKILL);
	else if (first && si->ssi_code <= 0)
		command_kill(&l->command, (int)si->ssi_signo);
}

static void on_signal(struct loader *l)
{
	struct wire_msg stats = { .type = WIRE_STATS };
	struct signalfd_siginfo si;

	if (read(l->signal_fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGUSR1)
		wire_send(l->sock, &stats, -1);
	else if (si.ssi_signo != SIGCHLD)
		on_stop_signal(l, &si);
}

static int start_attaching(struct loader *l, struct err *e)
{
	const struct options *o = l->o;
	struct taps_options to = {
		.inside = o->side != SIDES_HOST,
		.host = o->side != SIDES_INSIDE || o->dns,
		.interfaces = o->interfaces,
		.nr_interfaces = o->nr_interfaces,
		.directions = o->directions,
		.max_taps = MAX_TAPS,
	};

	l->taps = taps_new(l->programs, &to, &taps_ops, l);
	if (!l->taps)
		return err_sys(e, -ENOMEM, "taps");
	return netns_watch_open(&l->links, e);
}

static int no_such_interface(struct loader *l, const struct target *t, int nsfd, struct err *e)
{
	_cleanup_free_ struct link *links = NULL;
	struct strbuf names;
	char mem[256];
	size_t n = 0, i;

	strbuf_init(&names, mem, sizeof(mem));
	inventory_links(nsfd, &links, &n, NULL);
	for (i = 0; i < n; i++)
		strbuf_printf(&names, "%s%s", i ? ", " : "", links[i].name);
	err_set(e, -ENODEV, "%s has no interface \"%s\"", t->name, l->o->interfaces[0]);
	err_hint(e, "one of %s", mem);
	return e->code;
}

/* Events are asked for before the first look, so that nothing falls between. */
static int attach_target(struct loader *l, struct watched *w, struct err *e)
{
	_cleanup_fd_ int fd = target_open(&w->target, e);
	int err;

	if (fd < 0)
		return fd;
	w->nsid = netns_watch_add(l->links, fd, e);
	if (w->nsid < NETNS_WATCH_HOME)
		return w->nsid;
	programs_watch_netns(l->programs, (uint32_t)w->target.ns.ino);
	err = taps_sync(l->taps, &w->target, e);
	if (!err && !taps_count(l->taps, &w->target) && l->o->nr_interfaces)
		return no_such_interface(l, &w->target, fd, e);
	return err;
}

static void announce(struct loader *l, const struct watched *w)
{
	char mem[512];
	struct strbuf names;

	strbuf_init(&names, mem, sizeof(mem));
	taps_names(l->taps, &w->target, &names);
	log_info("watching %s: %s", w->target.name, names.len ? mem : "no interface yet");
}

static int attach_all(struct loader *l, struct err *e)
{
	unsigned int i;
	int err;

	err = start_attaching(l, e);
	if (!err && l->o->dns) {
		struct err why = { 0 };

		if (programs_attach_processes(l->programs, &why))
			log_warn("processes and failed sends are not shown: %s", why.msg);
		l->attempts =
			ring_buffer__new(programs_attempts_fd(l->programs), on_attempt, l, NULL);
		if (!l->attempts)
			return err_sys(e, -errno, "attempts ring");
	}
	l->announcing = true;
	for (i = 0; i < l->n && !err; i++) {
		err = attach_target(l, &l->targets[i], e);
		if (err)
			return err;
	}
	l->announcing = false;
	/* Whoever waits for the first of these lines may rely on all targets. */
	for (i = 0; i < l->n && !err; i++)
		announce(l, &l->targets[i]);
	/* A command speaks for itself in a moment, and it may have other files. */
	for (i = 0; i < l->n && !err && l->o->dns && !l->o->argv; i++)
		send_facts(l, &l->targets[i].target, NULL, 0, NULL, 0);
	return err;
}

static int block_signals(struct loader *l, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signal_fd < 0 ? err_sys(e, -errno, "signalfd") : 0;
}

static int start_timer(struct loader *l, struct err *e)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(l->o->stop_duration_ns / 1000000000ULL),
		.it_value.tv_nsec = (long)(l->o->stop_duration_ns % 1000000000ULL),
	};

	if (!l->o->stop_duration_ns)
		return 0;
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->timer_fd < 0 || timerfd_settime(l->timer_fd, 0, &when, NULL))
		return err_sys(e, -errno, "timer");
	return 0;
}

static void detach(struct loader *l)
{
	taps_free(l->taps);
	l->taps = NULL;
	programs_detach_processes(l->programs);
}

/* Detaches, then says so: what the collector finds in the ring after that is
 * all there will be. Its socket may be full; then again later. */
static void stop(struct loader *l)
{
	struct wire_msg m = { .type = WIRE_STOP };

	detach(l);
	if (l->attempts)
		read_attempts(l, UINT_MAX);
	l->stop_sent = wire_send(l->sock, &m, -1) != -EAGAIN;
}

static void fill_fds(const struct loader *l, struct pollfd fds[NR_FDS])
{
	const int list[NR_FDS] = {
		[FD_SIGNAL] = l->signal_fd,
		[FD_LINKS] = l->stopping ? -1 : netns_watch_fd(l->links),
		[FD_ATTEMPTS] =
			l->attempts && !l->stopping ? ring_buffer__epoll_fd(l->attempts) : -1,
		[FD_COLLECTOR] = l->sock,
		[FD_FILES] = l->files_sock,
		[FD_COMMAND] = command_pid(&l->command) ? command_pidfd(&l->command) : -1,
		[FD_TIMER] = l->stopping ? -1 : l->timer_fd,
	};
	int i;

	for (i = 0; i < NR_FDS; i++)
		fds[i] = (struct pollfd){ .fd = list[i], .events = POLLIN };
	if (l->stopping && !l->stop_sent)
		fds[FD_COLLECTOR].events |= POLLOUT;
}

/* Until the collector has gone, by our word or by itself. */
static void loop(struct loader *l)
{
	struct pollfd fds[NR_FDS];
	bool collector = true;

	while (collector) {
		if (l->stopping && !l->stop_sent)
			stop(l);
		fill_fds(l, fds);
		if (poll(fds, NR_FDS, -1) < 0)
			continue;
		if (fds[FD_ATTEMPTS].revents)
			read_attempts(l, ATTEMPTS_A_ROUND);
		if (fds[FD_SIGNAL].revents)
			on_signal(l);
		if (fds[FD_LINKS].revents)
			on_links(l);
		if (fds[FD_FILES].revents)
			on_need_file(l);
		if (fds[FD_COLLECTOR].revents)
			collector = on_collector(l);
		if (fds[FD_COMMAND].revents || fds[FD_TIMER].revents)
			begin_stop(l);
		if (fds[FD_COMMAND].revents)
			command_status(&l->command);
	}
}

static void reap_collector(struct loader *l)
{
	int status = 0;

	while (waitpid(l->collector, &status, 0) < 0 && errno == EINTR)
		;
	l->collector = 0;
	if (WIFEXITED(status)) {
		l->status = WEXITSTATUS(status);
		return;
	}
	l->status = 1;
	log_error("the collector was killed by signal %d; what it had not written is lost",
		  WTERMSIG(status));
}

/*
 * A lookup that fails at once is over in a millisecond, and then the process is
 * gone. On a busy machine only priority gets us there in time; what runs with
 * it is little, and bounded by FACTS_PER_SECOND.
 */
static void hurry(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_RR, &first))
		setpriority(PRIO_PROCESS, 0, -20);
}

/* Each hook is a descriptor. A command, started before, keeps the limit that we
 * were given. */
static void raise_fd_limit(void)
{
	const rlim_t need = 2 * MAX_TAPS + 256;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= need)
		return;
	r.rlim_cur = need;
	if (r.rlim_max < need)
		r.rlim_max = need;
	setrlimit(RLIMIT_NOFILE, &r);
}

static int set_up(struct loader *l, struct err *e)
{
	int err = block_signals(l, e);

	sandbox_identity(&l->identity);
	if (!err)
		err = resolve_targets(l, e);
	raise_fd_limit();
	if (!err)
		err = load_programs(l, e);
	if (!err)
		err = open_output(l, e);
	if (!err)
		err = fork_collector(l, e);
	if (!err && l->o->dns)
		hurry();
	if (!err)
		err = attach_all(l, e);
	if (!err)
		err = start_timer(l, e);
	return err;
}

/* Lets the command run; one that cannot be executed ends the watch. */
static void release_command(struct loader *l)
{
	struct err e = { 0 };

	if (!l->o->argv || !command_go(&l->command, &e))
		return;
	log_err(&e);
	begin_stop(l);
}

/* The command may still run when a limit was reached: its end is ours. */
static int exit_status(struct loader *l)
{
	struct pollfd fds[] = {
		{ .fd = command_pidfd(&l->command), .events = POLLIN },
		{ .fd = l->signal_fd, .events = POLLIN },
	};
	int status;

	if (!l->o->argv)
		return l->status;
	while ((status = command_status(&l->command)) == -EAGAIN)
		if (poll(fds, ARRAY_SIZE(fds), -1) > 0 && fds[1].revents)
			on_signal(l);
	return status ?: l->status;
}

static void abandon(struct loader *l)
{
	const struct wire_msg m = { .type = WIRE_STOP, .code = 1 };

	if (l->collector <= 0)
		return;
	wire_send(l->sock, &m, -1);
	reap_collector(l);
}

static void tear_down(struct loader *l)
{
	taps_free(l->taps);
	ring_buffer__free(l->attempts);
	netns_watch_free(l->links);
	command_fini(&l->command);
	programs_free(l->programs);
	series_fini(&l->series);
	filter_free(l->filter);
	free(l->filter_text);
	free(l->targets);
	closep(&l->sock);
	closep(&l->files_sock);
	closep(&l->file_fd);
	closep(&l->signal_fd);
	closep(&l->timer_fd);
}

int loader_main(const struct options *o)
{
	struct loader l = {
		.o = o,
		.sock = -1,
		.files_sock = -1,
		.file_fd = -1,
		.signal_fd = -1,
		.timer_fd = -1,
		.next_file = 2,
		.command = COMMAND_INIT,
	};
	struct err e = { 0 };
	int status = 1;

	if (set_up(&l, &e)) {
		log_err(&e);
		status = l.is_usage_error ? EXIT_USAGE : 1;
		abandon(&l);
	} else {
		release_command(&l);
		loop(&l);
		detach(&l);
		/* Its socket closes when it ends; one that closes it before is ended. */
		kill(l.collector, SIGKILL);
		reap_collector(&l);
		status = exit_status(&l);
	}
	tear_down(&l);
	return status;
}

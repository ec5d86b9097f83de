// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loader/internal.h"
#include "loader/loader.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"

/* Socket calls looked at before everything else has its turn again. */
#define ATTEMPTS_A_ROUND 256

/* A second signal within this time is the same one, sent to the group as well
 * (timeout(1) does that); one after it means "at once". */
#define IMPATIENT_NS 500000000LL

enum {
	FD_SIGNAL,
	FD_LINKS,
	FD_RULES,
	FD_ATTEMPTS,
	FD_COLLECTOR,
	FD_FILES,
	FD_COMMAND,
	FD_TIMER,
	FD_LOOK,
	FD_INOTIFY,
	NR_FDS
};

void loader_begin_stop(struct loader *l)
{
	l->stopping = true;
}

int64_t loader_now_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

/* A Ctrl-C reached the command as well; a kill(1) of us alone is passed on. The
 * next one ends what does not end by itself: the command or, when nobody reads
 * its output, the collector. */
static void on_stop_signal(struct loader *l, const struct signalfd_siginfo *si)
{
	int64_t now = loader_now_ns();
	bool first = !l->first_signal, again = !first && now - l->first_signal > IMPATIENT_NS;

	loader_begin_stop(l);
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
	struct wire_msg leaving = { .type = WIRE_LEAVING };

	if (l->taps && l->o->side == SIDES_BOTH)
		wire_send(l->sock, &leaving, -1);
	detach(l);
	if (l->attempts)
		attempts_read(l, UINT_MAX);
	l->stop_sent = wire_send(l->sock, &m, -1) != -EAGAIN;
}

static void fill_fds(const struct loader *l, struct pollfd fds[NR_FDS])
{
	const int list[NR_FDS] = {
		[FD_SIGNAL] = l->signal_fd,
		[FD_LINKS] = l->stopping ? -1 : netns_watch_fd(l->links),
		[FD_RULES] = l->stopping ? -1 : netns_watch_rules_fd(l->links),
		[FD_ATTEMPTS] =
			l->attempts && !l->stopping ? ring_buffer__epoll_fd(l->attempts) : -1,
		[FD_COLLECTOR] = l->sock,
		[FD_FILES] = l->files_sock,
		[FD_COMMAND] = command_pid(&l->command) ? command_pidfd(&l->command) : -1,
		[FD_TIMER] = l->stopping ? -1 : l->timer_fd,
		[FD_LOOK] = l->stopping ? -1 : l->follow.timer_fd,
		[FD_INOTIFY] = l->stopping ? -1 : l->follow.inotify_fd,
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
			attempts_read(l, ATTEMPTS_A_ROUND);
		if (fds[FD_SIGNAL].revents)
			on_signal(l);
		if (fds[FD_LINKS].revents || fds[FD_RULES].revents)
			watchset_update(l);
		if (fds[FD_INOTIFY].revents)
			follow_inotify(l);
		if (fds[FD_LOOK].revents)
			follow_timer(l);
		if (fds[FD_FILES].revents)
			files_serve(l);
		if (fds[FD_COLLECTOR].revents)
			collector = child_serve(l);
		if (fds[FD_COMMAND].revents || fds[FD_TIMER].revents)
			loader_begin_stop(l);
		if (fds[FD_COMMAND].revents)
			command_status(&l->command);
	}
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
static void raise_fd_limit(uint32_t max_taps)
{
	const rlim_t need = 2 * max_taps + 256;
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
		err = watchset_resolve(l, e);
	raise_fd_limit(load_max_taps(l->o));
	if (!err)
		err = load_programs(l, e);
	if (!err)
		err = files_open(l, e);
	if (!err)
		err = child_fork(l, e);
	if (!err && l->o->dns)
		hurry();
	if (!err)
		err = watchset_attach(l, e);
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
	loader_begin_stop(l);
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

static void tear_down(struct loader *l)
{
	taps_free(l->taps);
	ring_buffer__free(l->attempts);
	netns_watch_free(l->links);
	command_fini(&l->command);
	programs_free(l->programs);
	series_fini(&l->series);
	filter_free(l->filter);
	watchset_free(l);
	follow_close(l);
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
		.follow = { .timer_fd = -1, .inotify_fd = -1 },
		.next_file = 2,
		.command = COMMAND_INIT,
	};
	struct err e = { 0 };
	int status = 1;

	if (set_up(&l, &e)) {
		log_err(&e);
		status = l.is_usage_error ? EXIT_USAGE : 1;
		child_abandon(&l);
	} else {
		release_command(&l);
		loop(&l);
		detach(&l);
		/* Its socket closes when it ends; one that closes it before is ended. */
		kill(l.collector, SIGKILL);
		child_reap(&l);
		status = exit_status(&l);
	}
	tear_down(&l);
	return status;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "sandbox/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/cleanup.h"

#define FALLBACK_NOBODY 65534

static bool env_id(const char *name, unsigned int *out)
{
	const char *s = getenv(name);
	unsigned long v;
	char *end;

	if (!s || !*s)
		return false;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || *end || v == 0 || v >= UINT32_MAX)
		return false;
	*out = (unsigned int)v;
	return true;
}

void sandbox_invoker(struct identity *id)
{
	id->uid = geteuid();
	id->gid = getegid();
	if (id->uid == 0 && env_id("SUDO_UID", &id->uid) && !env_id("SUDO_GID", &id->gid))
		id->gid = FALLBACK_NOBODY;
}

void sandbox_identity(struct identity *id)
{
	struct passwd *nobody;

	sandbox_invoker(id);
	if (id->uid != 0)
		return;
	nobody = getpwnam("nobody");
	id->uid = nobody ? nobody->pw_uid : FALLBACK_NOBODY;
	id->gid = nobody ? nobody->pw_gid : FALLBACK_NOBODY;
}

static int compare_ints(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static void close_others(const int *keep, unsigned int n)
{
	int sorted[16];
	unsigned int i, next = 3;

	if (n > ARRAY_SIZE(sorted))
		n = ARRAY_SIZE(sorted);
	memcpy(sorted, keep, n * sizeof(*keep));
	qsort(sorted, n, sizeof(*sorted), compare_ints);
	for (i = 0; i < n; i++) {
		if (sorted[i] < (int)next)
			continue;
		if ((unsigned int)sorted[i] > next)
			close_range(next, (unsigned int)sorted[i] - 1, 0);
		next = (unsigned int)sorted[i] + 1;
	}
	close_range(next, ~0U, 0);
}

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int err = 0;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (!none || cap_set_proc(none))
		err = -errno;
	cap_free(none);
	return err;
}

int sandbox_drop(const struct identity *id, const int *keep, unsigned int nr_keep, struct err *e)
{
	const struct rlimit none = { 0, 0 };
	bool root = geteuid() == 0;
	int cap;

	close_others(keep, nr_keep);
	/* While still root: the bounding set can only be cut with CAP_SETPCAP. */
	for (cap = 0; root && cap_valid(cap); cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (root && (setgroups(0, NULL) || setresgid(id->gid, id->gid, id->gid) ||
		     setresuid(id->uid, id->uid, id->uid)))
		return err_sys(e, -errno, "cannot become uid %u", id->uid);
	if (drop_capabilities())
		return err_set(e, -EPERM, "cannot give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_sys(e, -errno, "no_new_privs");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	return 0;
}

/* What the drain, the sinks, malloc, threads and stdio need; nothing that
 * takes a path, makes a socket or a process. */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fstat),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(fcntl),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(futex),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(sched_yield),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(getrandom),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

int sandbox_seal(struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	size_t i;
	int err;

	if (!ctx)
		return err_set(e, -ENOMEM, "seccomp: out of memory");
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	for (i = 0; i < ARRAY_SIZE(allowed) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err ? err_sys(e, err, "cannot install the seccomp filter") : 0;
}

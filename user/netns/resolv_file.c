// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a file through the eyes of a process that nobody trusts.
 *
 * The path is resolved inside the process's root (openat2, RESOLVE_IN_ROOT), so
 * that an absolute symlink means what it means to that process. The file is
 * first opened with O_PATH, which runs no driver's code, and only a regular file
 * is opened for reading, through /proc/self/fd.
 *
 * Where the file is on the host follows from the mount it lies on: its
 * mountinfo line tells device and root within that device, and a mount of ours
 * with the same device and a root above it shows the same file. The guess is
 * checked by device and inode, never trusted.
 */
#include "netns/resolv_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dns/resolv.h"
#include "target/proof.h"
#include "util/cleanup.h"

#define MAX_STUCK 64 /* threads that dead file systems may hold, one for each process */
#define MAX_RACES 100
#define MAX_LATE  10 /* timeouts that a thread without a CPU is given in all */

struct view {
	const char *root;
	pid_t pid;
	const char *file;
};

/* A ".." in the path is refused with EAGAIN when anything on the host was renamed or
 * mounted meanwhile, openat2(2). */
static int open_in_root(int rootfd, const char *file)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int races = 0;
	long fd;

	do
		fd = syscall(SYS_openat2, rootfd, file, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN && ++races < MAX_RACES);
	return fd < 0 ? -errno : (int)fd;
}

static ssize_t link_of_fd(int fd, char *out, size_t size)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, out, size - 1);
	out[len > 0 ? len : 0] = '\0';
	return len;
}

/* The kernel shows the path from the root of the mount namespace (full, PATH_MAX
 * bytes); the process may have a root below that. */
static void path_in_view(int rootfd, int fd, char *full, char out[RESOLV_PATH_LEN])
{
	char root[PATH_MAX];
	size_t len = 0;

	if (link_of_fd(rootfd, root, sizeof(root)) < 0 || link_of_fd(fd, full, PATH_MAX) < 0)
		return;
	if (strcmp(root, "/") != 0 && !strncmp(full, root, strlen(root)) &&
	    full[strlen(root)] == '/')
		len = strlen(root);
	snprintf(out, RESOLV_PATH_LEN, "%s", full + len);
}

static int read_regular(int pathfd, const struct stat *st, struct resolv_conf *conf)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int fd = -1;
	size_t len = 0;
	char link[32];
	ssize_t n;

	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", pathfd);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	text = malloc(RESOLV_FILE_MAX + 1);
	if (!text)
		return -ENOMEM;
	do {
		n = read(fd, text + len, RESOLV_FILE_MAX + 1 - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	} while (n > 0 && len <= RESOLV_FILE_MAX);
	if (len > RESOLV_FILE_MAX)
		return -EFBIG;
	resolv_parse(conf, text, len);
	return 0;
}

/* One line of mountinfo, proc(5). */
struct mount {
	int id;
	char dev[24];	     /* "8:1" */
	char root[PATH_MAX]; /* within that device */
	char at[PATH_MAX];   /* where it is mounted */
};

/* Undoes the \040 of mountinfo, in place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static FILE *open_mountinfo(pid_t pid)
{
	char path[40] = "/proc/self/mountinfo";

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	return fopen(path, "re");
}

static bool next_mount(FILE *f, char **line, size_t *size, struct mount *m)
{
	while (getline(line, size, f) > 0) {
		if (sscanf(*line, "%d %*d %23s %4095s %4095s", &m->id, m->dev, m->root, m->at) != 4)
			continue;
		unescape(m->root);
		unescape(m->at);
		return true;
	}
	return false;
}

static int mount_id(int fd)
{
	char path[40], line[128];
	_cleanup_fclose_ FILE *f = NULL;
	int id = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "mnt_id: %d", &id) == 1)
			break;
	return id;
}

/* What follows prefix in path, if prefix is a folder above it or path itself. */
static const char *below(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (!strcmp(prefix, "/"))
		return path;
	if (strncmp(path, prefix, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path + len;
}

static bool same_file(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* Finds the mount of the file in the process's view; inner is its path from the
 * root of the device. */
static bool find_mount(pid_t pid, int id, const char *path, char dev[24], char inner[PATH_MAX])
{
	_cleanup_fclose_ FILE *f = open_mountinfo(pid);
	_cleanup_free_ char *line = NULL;
	const char *rest;
	struct mount m;
	size_t size = 0;

	while (f && next_mount(f, &line, &size, &m)) {
		if (m.id != id)
			continue;
		rest = below(path, m.at);
		if (!rest)
			return false;
		memcpy(dev, m.dev, sizeof(m.dev));
		return snprintf(inner, PATH_MAX, "%s%s", strcmp(m.root, "/") ? m.root : "", rest) <
		       PATH_MAX;
	}
	return false;
}

static void path_on_host(const struct view *v, int fd, const struct stat *st, const char *full,
			 struct resolv_file *out)
{
	char dev[24], inner[PATH_MAX], path[PATH_MAX];
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	const char *rest;
	struct mount m;
	size_t size = 0;

	if (strlen(full) < sizeof(out->host_path) && same_file(full, st)) {
		snprintf(out->host_path, sizeof(out->host_path), "%s", full);
		return;
	}
	if (!find_mount(v->pid, mount_id(fd), out->path, dev, inner))
		return;
	f = open_mountinfo(0);
	while (f && next_mount(f, &line, &size, &m)) {
		rest = strcmp(m.dev, dev) ? NULL : below(inner, m.root);
		if (!rest || snprintf(path, sizeof(path), "%s%s", strcmp(m.at, "/") ? m.at : "",
				      rest) >= RESOLV_PATH_LEN)
			continue;
		if (!same_file(path, st))
			continue;
		snprintf(out->host_path, sizeof(out->host_path), "%s", path);
		return;
	}
}

static int read_view(const struct view *v, struct resolv_file *out)
{
	_cleanup_fd_ int rootfd = open(v->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int fd = -1;
	char full[PATH_MAX] = "";
	struct stat st;
	int r;

	if (rootfd < 0)
		return -errno;
	snprintf(out->path, sizeof(out->path), "%s", v->file);
	fd = open_in_root(rootfd, v->file);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = read_regular(fd, &st, &out->conf);
	path_in_view(rootfd, fd, full, out->path);
	if (r)
		return r;
	out->is_hosts_own = same_file("/etc/resolv.conf", &st);
	path_on_host(v, fd, &st, full, out);
	return 0;
}

/*
 * The reading happens in a thread that can be left behind. Who leaves last, the
 * thread or its caller, frees the job.
 */
struct job {
	char root[64], file[RESOLV_PATH_LEN];
	pid_t pid;
	pid_t tid; /* of the thread, once it runs */
	struct resolv_file out;
	bool done, abandoned;
	struct job *next; /* among the abandoned */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t finished;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct job *stuck;

static void init_cond(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&finished, &attr);
	pthread_condattr_destroy(&attr);
}

static void forget(struct job *j)
{
	struct job **p = &stuck;

	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
}

/* What has hung once hangs again; it must not keep others from being served. */
static bool is_hopeless(const char *root)
{
	unsigned int n = 0;
	struct job *j;
	bool found = false;

	pthread_mutex_lock(&lock);
	for (j = stuck; j; j = j->next, n++)
		found |= !strcmp(j->root, root);
	pthread_mutex_unlock(&lock);
	return found || n >= MAX_STUCK;
}

static void *job_thread(void *arg)
{
	struct job *j = arg;
	struct view v = { j->root, j->pid, j->file };

	pthread_mutex_lock(&lock);
	j->tid = gettid();
	pthread_mutex_unlock(&lock);
	j->out.error = -read_view(&v, &j->out);
	pthread_mutex_lock(&lock);
	j->done = true;
	if (j->abandoned) {
		forget(j);
		free(j);
	} else {
		pthread_cond_broadcast(&finished);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static int start(struct job *j)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, job_thread, j);
	pthread_attr_destroy(&attr);
	return -r;
}

/* A file system hangs only whom it lets sleep: who could run waits for a CPU. */
static bool is_runnable(const struct job *j)
{
	struct proof_proc thread;

	return !j->tid || (!proof_look(j->tid, &thread) && thread.state == 'R');
}

/* Lock held. */
static void wait_for_timeout(struct job *j)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += RESOLV_FILE_TIMEOUT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (!j->done && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&finished, &lock, &until);
}

static int run(struct job *j, struct resolv_file *out)
{
	int late = 0;

	pthread_mutex_lock(&lock);
	do
		wait_for_timeout(j);
	while (!j->done && ++late < MAX_LATE && is_runnable(j));
	if (j->done) {
		*out = j->out;
		free(j);
	} else {
		j->abandoned = true;
		j->next = stuck;
		stuck = j;
		snprintf(out->path, sizeof(out->path), "%s", j->file);
		out->error = ETIMEDOUT;
	}
	pthread_mutex_unlock(&lock);
	return -out->error;
}

int resolv_file_read(const char *root, pid_t pid, const char *file, struct resolv_file *out)
{
	struct job *j;
	bool hopeless;
	int r;

	memset(out, 0, sizeof(*out));
	/* Our own files are the host's: nobody to beware of. */
	if (!strcmp(root, "/")) {
		struct view own = { root, pid, file };

		out->error = -read_view(&own, out);
		return -out->error;
	}
	pthread_once(&once, init_cond);
	hopeless = is_hopeless(root);
	j = hopeless ? NULL : calloc(1, sizeof(*j));
	if (!j) {
		out->error = hopeless ? ETIMEDOUT : ENOMEM;
		return -out->error;
	}
	snprintf(j->root, sizeof(j->root), "%s", root);
	snprintf(j->file, sizeof(j->file), "%s", file);
	j->pid = pid;
	r = start(j);
	if (r) {
		free(j);
		out->error = -r;
		return r;
	}
	return run(j, out);
}

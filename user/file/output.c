// SPDX-License-Identifier: GPL-2.0-only
#include "file/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "util/cleanup.h"

#define MAX_LINKS     8
#define MAX_FILE_NUMS 100000 /* dumpcap's numbers have five digits */

struct place {
	const char *path; /* for messages */
	int dirfd;
	const char *base; /* name within the directory */
	bool shared;	  /* sticky and writable for everybody */
	bool magic;	  /* its links (/proc/PID/fd/N) are not names */
	uid_t uid;
	gid_t gid;
};

static int open_dir(struct place *at, struct err *e)
{
	size_t len = (size_t)(at->base - at->path);
	char dir[PATH_MAX] = ".";
	struct statfs fs;
	struct stat st;

	if (len >= sizeof(dir) || !at->base[0])
		return err_sys(e, at->base[0] ? -ENAMETOOLONG : -EISDIR, "%s", at->path);
	if (len) {
		memcpy(dir, at->path, len);
		dir[len] = '\0';
	}
	at->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at->dirfd < 0 || fstat(at->dirfd, &st))
		return err_sys(e, -errno, "%s", at->path);
	at->shared = (st.st_mode & S_ISVTX) && (st.st_mode & S_IWOTH);
	at->magic = !fstatfs(at->dirfd, &fs) && fs.f_type == PROC_SUPER_MAGIC;
	return 0;
}

static bool is_ours(const struct place *at, const struct stat *st)
{
	return st->st_uid == geteuid() || st->st_uid == at->uid;
}

static int refuse(const struct place *at, const char *what, struct err *e)
{
	err_set(e, -EPERM, "%s: refused: %s in a directory that everybody can write to", at->path,
		what);
	err_hint(e, "another name, or a directory of your own");
	return -EPERM;
}

static int check_existing(const struct place *at, const struct stat *st, struct err *e)
{
	if (S_ISDIR(st->st_mode))
		return err_sys(e, -EISDIR, "%s", at->path);
	if (S_ISBLK(st->st_mode))
		return err_set(e, -EINVAL, "%s: refused: a block device", at->path);
	if (!at->shared)
		return 0;
	if (!is_ours(at, st))
		return refuse(at, "belongs to somebody else", e);
	if (S_ISREG(st->st_mode) && st->st_nlink > 1)
		return refuse(at, "a file with a second name", e);
	return 0;
}

/* Takes over an fd that was opened without following and without blocking. */
static int use_existing(const struct place *at, int fd_in, struct err *e)
{
	_cleanup_fd_ int fd = fd_in;
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return err_sys(e, -errno, "%s", at->path);
	r = check_existing(at, &st, e);
	if (r)
		return r;
	if (isatty(fd))
		return err_set(e, -EINVAL, "%s: refused: a terminal", at->path);
	if (S_ISREG(st.st_mode) && ftruncate(fd, 0))
		return err_sys(e, -errno, "%s", at->path);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK))
		return err_sys(e, -errno, "%s", at->path);
	return steal_fd(&fd);
}

static int open_existing(const struct place *at, bool follow, struct err *e)
{
	int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
	int fd = openat(at->dirfd, at->base, flags);
	int error = -errno;

	if (fd >= 0)
		return use_existing(at, fd, e);
	err_sys(e, error, "%s", at->path);
	if (error == -ENXIO) {
		err_set(e, error, "%s: no process reads from it", at->path);
		err_hint(e, "start the reader first");
	}
	return error;
}

static int create(const struct place *at, struct err *e)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_fd_ int fd = openat(at->dirfd, at->base, flags, 0600);

	if (fd < 0)
		return errno == EEXIST ? -EEXIST : err_sys(e, -errno, "%s", at->path);
	if (geteuid() == 0 && at->uid != 0 && fchown(fd, at->uid, at->gid))
		return err_sys(e, -errno, "%s: cannot give it to user %u", at->path, at->uid);
	return steal_fd(&fd);
}

static int open_path(const char *path, uid_t uid, gid_t gid, unsigned int depth, struct err *e);

/* Goes on at what the link says, relative to the link's own directory. */
static int follow(const struct place *at, unsigned int depth, struct err *e)
{
	char text[PATH_MAX], next[2 * PATH_MAX];
	ssize_t n = readlinkat(at->dirfd, at->base, text, sizeof(text) - 1);
	int dir_len = (int)(at->base - at->path);

	if (n < 0)
		return err_sys(e, -errno, "%s", at->path);
	text[n] = '\0';
	if (text[0] == '/')
		dir_len = 0;
	snprintf(next, sizeof(next), "%.*s%s", dir_len, at->path, text);
	return open_path(next, at->uid, at->gid, depth + 1, e);
}

static int open_at(const struct place *at, unsigned int depth, struct err *e)
{
	struct stat st;
	int r = create(at, e);

	if (r != -EEXIST)
		return r;
	if (fstatat(at->dirfd, at->base, &st, AT_SYMLINK_NOFOLLOW))
		return err_sys(e, -errno, "%s", at->path);
	if (!S_ISLNK(st.st_mode)) {
		/* Also before opening: to open a device or FIFO has effects. */
		r = check_existing(at, &st, e);
		return r ? r : open_existing(at, false, e);
	}
	if (at->magic)
		return open_existing(at, true, e);
	if (at->shared && !is_ours(at, &st))
		return refuse(at, "somebody else's symbolic link", e);
	return follow(at, depth, e);
}

static int open_path(const char *path, uid_t uid, gid_t gid, unsigned int depth, struct err *e)
{
	const char *slash = strrchr(path, '/');
	struct place at = {
		.path = path,
		.dirfd = -1,
		.base = slash ? slash + 1 : path,
		.uid = uid,
		.gid = gid,
	};
	int r;

	if (depth > MAX_LINKS)
		return err_sys(e, -ELOOP, "%s", path);
	r = open_dir(&at, e);
	if (!r)
		r = open_at(&at, depth, e);
	closep(&at.dirfd);
	return r;
}

int output_open(const char *path, uid_t uid, gid_t gid, struct err *e)
{
	int fd;

	if (strcmp(path, "-") != 0)
		return open_path(path, uid, gid, 0, e);
	if (isatty(STDOUT_FILENO)) {
		err_set(e, -EINVAL, "refused: standard output is a terminal");
		err_hint(e, "| tshark -r -, or > FILE");
		return -EINVAL;
	}
	fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 ? fd : err_sys(e, -errno, "standard output");
}

bool output_is_gzip(const char *path)
{
	size_t len = strlen(path);

	return len > 3 && !strcmp(path + len - 3, ".gz");
}

/* Where the suffix starts; a dot at the start of the name is no suffix. */
static const char *suffix_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const char *end = base + strlen(base), *dot;

	if (output_is_gzip(base))
		end -= 3;
	dot = memrchr(base, '.', (size_t)(end - base));
	return dot && dot > base ? dot : end;
}

int output_name(char *out, size_t size, const char *path, unsigned int index, time_t now)
{
	const char *suffix = suffix_of(path);
	char stamp[32];
	struct tm tm;
	int n;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	n = snprintf(out, size, "%.*s_%05u_%s%s", (int)(suffix - path), path, index % MAX_FILE_NUMS,
		     stamp, suffix);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "target/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

/*
 * A regular file of at most max bytes. It is looked at before it is opened: on
 * a path that somebody else can bend, opening alone may do harm (a device).
 * Its size is 0 where the kernel makes it up.
 */
static int open_regular(int dirfd, const char *path, size_t max, const uid_t *owner)
{
	_cleanup_fd_ int look = -1;
	char self[32];
	struct stat st;
	int fd;

	look = openat(dirfd, path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (look < 0 || fstat(look, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (owner && st.st_uid != *owner)
		return -EPERM;
	if ((size_t)st.st_size > max)
		return -EFBIG;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", look);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static ssize_t read_whole(int dirfd, const char *path, size_t max, const uid_t *owner, char **out)
{
	_cleanup_fd_ int fd = open_regular(dirfd, path, max, owner);
	_cleanup_free_ char *buf = NULL;
	size_t len = 0, room = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	do {
		char *grown;

		if (len == room) {
			room = room ? 4 * room : 4096;
			grown = realloc(buf, room + 1);
			if (!grown)
				return -ENOMEM;
			buf = grown;
		}
		n = read(fd, buf + len, room - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > max) /* it grows while it is read */
			return -EFBIG;
	} while (n);
	buf[len] = '\0';
	*out = steal_ptr(buf);
	return (ssize_t)len;
}

ssize_t statefile_read(int dirfd, const char *path, size_t max, char **out)
{
	return read_whole(dirfd, path, max, NULL, out);
}

static json_t *read_json(int dirfd, const char *path, const uid_t *owner)
{
	_cleanup_free_ char *text = NULL;
	ssize_t len = read_whole(dirfd, path, STATEFILE_MAX, owner, &text);

	return len < 0 ? NULL : json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
}

json_t *statefile_json(int dirfd, const char *path)
{
	return read_json(dirfd, path, NULL);
}

json_t *statefile_json_of(const char *path, uid_t owner)
{
	return read_json(AT_FDCWD, path, &owner);
}

pid_t statefile_pid(int dirfd, const char *path)
{
	_cleanup_free_ char *text = NULL;
	char *end;
	long pid;

	if (statefile_read(dirfd, path, 32, &text) <= 0 || !text || !strchr("0123456789", text[0]))
		return 0;
	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || (*end && strcmp(end, "\n") != 0) || pid <= 0 || pid > INT_MAX)
		return 0;
	return (pid_t)pid;
}

DIR *statefile_dir(int dirfd, const char *path)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		steal_fd(&fd);
	return d;
}

const char *statefile_next(DIR *d)
{
	struct dirent *ent;

	while ((ent = readdir(d)))
		if (ent->d_name[0] != '.')
			return ent->d_name;
	return NULL;
}

void statefile_string(char *out, size_t size, const json_t *string)
{
	snprintf(out, size, "%s", json_is_string(string) ? json_string_value(string) : "");
}

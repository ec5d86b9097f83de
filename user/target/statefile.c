// SPDX-License-Identifier: GPL-2.0-only
#include "target/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

/* A regular file of at most max bytes. Its size is 0 where the kernel makes it up. */
static int open_regular(int dirfd, const char *path, size_t max)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((size_t)st.st_size > max)
		return -EFBIG;
	return steal_fd(&fd);
}

ssize_t statefile_read(int dirfd, const char *path, size_t max, char **out)
{
	_cleanup_fd_ int fd = open_regular(dirfd, path, max);
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

json_t *statefile_json(int dirfd, const char *path)
{
	_cleanup_free_ char *text = NULL;
	ssize_t len = statefile_read(dirfd, path, STATEFILE_MAX, &text);

	return len < 0 ? NULL : json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files that COMMAND sees. Nothing that anybody else can see changes:
 * every mount is made in a mount namespace of the command's own, which is a
 * slave of the one it was copied from (mounts made there later still arrive,
 * none of ours goes back), and which ends with the last process in it.
 *
 * Standing in for /etc/resolv.conf takes one of three ways:
 *  - it exists, directly or through links: the substitute is mounted on the
 *    file that the links lead to, as any reader follows them;
 *  - it is a link that leads nowhere (/run/systemd/resolve is missing): the
 *    substitute is mounted on the link itself. mount(2) would follow it;
 *    move_mount(2) (Linux 5.2) takes an O_PATH descriptor of the link;
 *  - there is no such name, hence nothing to mount on: a read-only overlay on
 *    /etc adds it.
 * The substitute needs a file system to live on. It is a tmpfs that is mounted
 * on some directory only until the file in it is mounted where it belongs, so
 * a read-only root does not matter.
 */
#include "command/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "command/command.h"
#include "util/cleanup.h"
#include "util/log.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define NETNS_ETC   "/etc/netns"

/* setns(2) moves root and working directory to the root of that namespace. */
static int join_mntns(const struct command_options *opt, struct err *e)
{
	if (setns(opt->mntns_fd, CLONE_NEWNS))
		return err_sys(e, -errno, "--mount: cannot enter the mount namespace");
	if (opt->root_fd >= 0 && fchdir(opt->root_fd))
		return err_sys(e, -errno, "--mount: cannot enter the root directory");
	return 0;
}

static int make_private(struct err *e)
{
	if (unshare(CLONE_NEWNS))
		return err_sys(e, -errno, "cannot make a private mount namespace");
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL))
		return err_sys(e, -errno, "cannot make the mounts private");
	return 0;
}

/* Only now: unshare() has carried the working directory over into the private
 * namespace, which it would not have done for root_fd. */
static int change_root(struct err *e)
{
	if (chroot(".") || chdir("/"))
		return err_sys(e, -errno, "--mount: cannot change the root directory");
	return 0;
}

/* Failures are warnings, as the command may well do without. A read-only sysfs
 * that cannot be unmounted must not be covered by a writable one: the kernel
 * refuses that. */
static void remount_sys(void)
{
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	struct statvfs st;

	if (umount2("/sys", MNT_DETACH) && !statvfs("/sys", &st) && (st.f_flag & ST_RDONLY))
		flags |= MS_RDONLY;
	if (mount("sysfs", "/sys", "sysfs", flags, NULL))
		log_warn("cannot mount /sys for this namespace: %s", strerror(errno));
}

/* Mounts the tree on what the descriptor itself refers to, even a symlink. */
static int mount_at(int tree, int target)
{
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
		return -errno;
	return 0;
}

/* What to mount on so that a reader of path finds it: see above. -ENOENT if
 * there is not even a link. */
static int open_mountpoint(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int mount_over(const char *source, const char *path)
{
	_cleanup_fd_ int tree = -1, target = -1;

	tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return -errno;
	target = open_mountpoint(path);
	return target < 0 ? target : mount_at(tree, target);
}

/* `ip netns exec` warns and goes on too. */
static void bind_etc_entry(const char *dir, const char *name)
{
	char source[PATH_MAX], path[PATH_MAX];
	int err;

	snprintf(source, sizeof(source), "%s/%s", dir, name);
	snprintf(path, sizeof(path), "/etc/%s", name);
	err = mount_over(source, path);
	if (err)
		log_warn("cannot put %s over %s: %s", source, path, strerror(-err));
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static void bind_etc(const char *netns_name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];

	/* It comes from the command line and must stay one path component. */
	if (strchr(netns_name, '/') || is_dots(netns_name))
		return;
	snprintf(path, sizeof(path), NETNS_ETC "/%s", netns_name);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (!is_dots(entry->d_name))
			bind_etc_entry(path, entry->d_name);
}

/* A directory, any, that may be covered for a moment. */
static const char *staging_dir(void)
{
	static const char *const candidates[] = { "/tmp", "/run", "/mnt", "/var", "/usr", "/dev" };
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(candidates); i++)
		if (!stat(candidates[i], &st) && S_ISDIR(st.st_mode))
			return candidates[i];
	return NULL;
}

static int write_file(const char *path, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0 || fchmod(fd, 0644))
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

/* target < 0: there is no resolv.conf. */
static int put_in_place(const char *stage, const char *file, int target, struct err *e)
{
	_cleanup_fd_ int tree = -1;
	char options[PATH_MAX];
	int err;

	if (target < 0) {
		snprintf(options, sizeof(options), "lowerdir=%s:/etc", stage);
		if (!mount("overlay", "/etc", "overlay", MS_RDONLY, options))
			return 0;
		err_sys(e, -errno, "--fix-dns: cannot add " RESOLV_CONF);
		err_hint(e, "make an empty one: touch " RESOLV_CONF);
		return e ? e->code : -EINVAL;
	}
	tree = open_tree(AT_FDCWD, file, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	err = tree < 0 ? -errno : mount_at(tree, target);
	return err ? err_sys(e, err, "--fix-dns: cannot mount over " RESOLV_CONF) : 0;
}

static int replace_resolv_conf(const char *text, struct err *e)
{
	const char *stage = staging_dir();
	_cleanup_fd_ int target = -1;
	char file[64];
	int err;

	/* Before the staging directory gets covered: it may be in there. */
	target = open_mountpoint(RESOLV_CONF);
	if (target < 0 && target != -ENOENT)
		return err_sys(e, target, "--fix-dns: " RESOLV_CONF);
	if (!stage)
		return err_set(e, -ENOENT, "--fix-dns: these files have no /tmp and no /run");
	if (mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=755"))
		return err_sys(e, -errno, "--fix-dns: cannot mount a tmpfs on %s", stage);
	snprintf(file, sizeof(file), "%s/resolv.conf", stage);
	err = write_file(file, text);
	if (err)
		err_sys(e, err, "--fix-dns: cannot write the new resolv.conf");
	else
		err = put_in_place(stage, file, target, e);
	umount2(stage, MNT_DETACH);
	return err;
}

int view_enter(const struct command_options *opt, struct err *e)
{
	bool other = opt->mntns_fd >= 0;
	bool named = opt->netns_name && !other;
	int err = 0;

	if (other)
		err = join_mntns(opt, e);
	if (!err && (named || opt->resolv_conf))
		err = make_private(e);
	if (!err && other && opt->root_fd >= 0)
		err = change_root(e);
	if (!err && named) {
		remount_sys();
		bind_etc(opt->netns_name);
	}
	if (!err && opt->resolv_conf)
		err = replace_resolv_conf(opt->resolv_conf, e);
	return err;
}

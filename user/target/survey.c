// SPDX-License-Identifier: GPL-2.0-only
#include "target/survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "target/proof.h"
#include "target/statefile.h"
#include "util/cleanup.h"

#define MAX_MONITORS 16384

static const struct {
	const char *comm;
	enum monitor_kind kind;
} monitors[] = {
	{ "conmon\n", MONITOR_CONMON },
	{ "systemd-nspawn\n", MONITOR_NSPAWN },
};

void survey_init(struct survey *s, int64_t deadline)
{
	memset(s, 0, sizeof(*s));
	s->deadline = deadline;
}

void survey_fini(struct survey *s)
{
	free(s->monitors);
	memset(s, 0, sizeof(*s));
}

static bool sees_our_run(pid_t pid)
{
	struct stat ours, its;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/root/run/.", (int)pid);
	return stat("/run/.", &ours) == 0 && stat(path, &its) == 0 && ours.st_dev == its.st_dev &&
	       ours.st_ino == its.st_ino;
}

static int add(struct survey *s, pid_t pid, enum monitor_kind kind)
{
	struct monitor *grown, m = { .kind = kind, .pid = pid, .uid = proof_uid(pid) };

	if (m.uid == (uid_t)-1 || !sees_our_run(pid))
		return 0;
	grown = reallocarray(s->monitors, s->nr_monitors + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->monitors = grown;
	s->monitors[s->nr_monitors++] = m;
	return 0;
}

static int look_at(struct survey *s, pid_t pid)
{
	char comm[32];
	size_t i;

	if (proof_read(pid, "comm", comm, sizeof(comm)) <= 0)
		return 0;
	for (i = 0; i < ARRAY_SIZE(monitors); i++)
		if (!strcmp(comm, monitors[i].comm))
			return add(s, pid, monitors[i].kind);
	return 0;
}

static void scan(struct survey *s)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	const char *name;

	while (d && (name = statefile_next(d)) && s->nr_monitors < MAX_MONITORS) {
		long pid = strtol(name, NULL, 10);

		if (pid > 0 && look_at(s, (pid_t)pid))
			break;
	}
}

const struct monitor *survey_monitors(struct survey *s, size_t *n)
{
	if (!s->scanned)
		scan(s);
	s->scanned = true;
	*n = s->nr_monitors;
	return s->monitors;
}

const char *survey_option(const char *args, size_t len, const char *option)
{
	size_t n = strlen(option);
	const char *p, *end = args + len;

	for (p = args; p < end; p += strlen(p) + 1) {
		if (strncmp(p, option, n) != 0)
			continue;
		if (p[n] == '=')
			return p + n + 1;
		if (!p[n] && p + n + 1 < end)
			return p + n + 1;
	}
	return NULL;
}

bool survey_any_exists(const char *const *paths)
{
	struct stat st;

	for (; *paths; paths++)
		if (stat(*paths, &st) == 0)
			return true;
	return false;
}

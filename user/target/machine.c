// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machines of systemd: those registered with systemd-machined have a file in
 * /run/systemd/machines (private to systemd, but of the same form since version
 * 206); systemd-nspawn without registration is found as a process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "target/proof.h"
#include "target/resolvers.h"
#include "target/statefile.h"
#include "target/survey.h"
#include "util/cleanup.h"

#define FOLDER "/run/systemd/machines"

static const char *const traces[] = { FOLDER, "/run/systemd/nspawn", NULL };

/* The value of a line KEY=VALUE, quotes taken off. */
static bool value_of(const char *text, const char *key, char *out, size_t size)
{
	size_t n = strlen(key), len;
	const char *line;

	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, n) != 0 || line[n] != '=')
			continue;
		line += n + 1;
		line += *line == '"';
		len = strcspn(line, "\"\n");
		if (!len || len >= size)
			return false;
		memcpy(out, line, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

int machine_parse(const char *text, struct container *c, char unit[MACHINE_UNIT_LEN])
{
	char word[32], *end;
	long pid;

	memset(c, 0, sizeof(*c));
	c->kind = TARGET_MACHINE;
	/* A virtual machine has no namespace that one could look into. */
	if (!value_of(text, "NAME", c->name, sizeof(c->name)) ||
	    !value_of(text, "CLASS", word, sizeof(word)) || strcmp(word, "container") != 0 ||
	    !value_of(text, "LEADER", word, sizeof(word)))
		return -EINVAL;
	pid = strtol(word, &end, 10);
	if (*end || pid <= 1 || pid > INT_MAX)
		return -EINVAL;
	c->pid = (pid_t)pid;
	unit[0] = '\0';
	value_of(text, "SCOPE", unit, MACHINE_UNIT_LEN);
	return 0;
}

/* Still its leader: in its unit, or a child of the nspawn of its name. */
static bool is_leader(const struct container *c, const char *unit)
{
	char text[8192], comm[32];
	struct proof_proc proc;

	if (proof_look(c->pid, &proc))
		return false;
	if (unit[0] && proof_read(c->pid, "cgroup", text, sizeof(text)) > 0 &&
	    proof_in_cgroup(text, unit))
		return true;
	return proof_read(proc.ppid, "comm", comm, sizeof(comm)) > 0 &&
	       !strcmp(comm, "systemd-nspawn\n") && proof_uid(proc.ppid) == 0;
}

static void look_at_file(int folder, const char *name, struct container *c)
{
	_cleanup_free_ char *text = NULL;
	char unit[MACHINE_UNIT_LEN];

	c->pid = 0;
	if (statefile_read(folder, name, 65536, &text) < 0 || !text || machine_parse(text, c, unit))
		return;
	if (!is_leader(c, unit))
		c->pid = 0;
	c->running = c->pid != 0;
}

/* -M NAME, else the name of the folder or image, as nspawn chooses it. */
bool machine_name_of_args(const char *args, size_t len, char *out, size_t size)
{
	static const char *const options[] = { "-M",	      "--machine", "-D",
					       "--directory", "-i",	   "--image" };
	const char *value = NULL, *slash;
	size_t i, n;

	for (i = 0; !value && i < ARRAY_SIZE(options); i++)
		value = survey_option(args, len, options[i]);
	if (!value)
		return false;
	for (n = strlen(value); n && value[n - 1] == '/'; n--)
		;
	slash = memrchr(value, '/', n);
	if (slash) {
		n -= (size_t)(slash + 1 - value);
		value = slash + 1;
	}
	snprintf(out, size, "%.*s", (int)n, value);
	return *out != '\0';
}

static void each_nspawn(struct survey *s, containers_fn fn, void *ctx)
{
	const struct monitor *m;
	char args[8192];
	size_t i, n;

	m = survey_monitors(s, &n);
	for (i = 0; i < n; i++) {
		struct container c = { .kind = TARGET_MACHINE, .running = true };
		ssize_t len;

		if (m[i].kind != MONITOR_NSPAWN || m[i].uid)
			continue;
		len = proof_read(m[i].pid, "cmdline", args, sizeof(args));
		c.pid = proof_child(m[i].pid);
		if (len > 0 && c.pid &&
		    machine_name_of_args(args, (size_t)len, c.name, sizeof(c.name)))
			fn(ctx, &c);
	}
}

struct dedup {
	containers_fn fn;
	void *ctx;
	pid_t pids[256];
	size_t n;
};

static void give_once(void *ctx, const struct container *c)
{
	struct dedup *d = ctx;
	size_t i;

	for (i = 0; i < d->n; i++)
		if (d->pids[i] == c->pid)
			return;
	if (d->n < ARRAY_SIZE(d->pids))
		d->pids[d->n++] = c->pid;
	d->fn(d->ctx, c);
}

int machine_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dedup all = { .fn = fn, .ctx = ctx };
	struct container c;
	const char *name;

	(void)e;
	if (!survey_any_exists(traces))
		return 0;
	d = statefile_dir(AT_FDCWD, FOLDER);
	while (d && (name = statefile_next(d))) {
		look_at_file(dirfd(d), name, &c);
		if (c.pid)
			give_once(&all, &c);
	}
	each_nspawn(s, give_once, &all);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What several runtimes need to be looked at for one question: the time until
 * which answers count, and the monitors: processes under which container
 * managers keep each container's main process.
 */
#ifndef NSWATCH_TARGET_SURVEY_H
#define NSWATCH_TARGET_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum monitor_kind { MONITOR_CONMON, MONITOR_NSPAWN };

struct monitor {
	enum monitor_kind kind;
	pid_t pid;
	uid_t uid; /* whose container it is */
};

struct survey {
	int64_t deadline; /* milliseconds of CLOCK_MONOTONIC */
	struct monitor *monitors;
	size_t nr_monitors;
	bool scanned;
};

void survey_init(struct survey *s, int64_t deadline);
void survey_fini(struct survey *s);

/*
 * The monitors that run now; /proc is searched at the first call only. Those
 * that see another /run than we do are left out: a runtime inside a container
 * names things for its own host. The memory is the survey's.
 */
const struct monitor *survey_monitors(struct survey *s, size_t *n);

/*
 * The value of an option in a monitor's arguments (len bytes, NUL-separated),
 * written as "-n" "VALUE" or "--name=VALUE"; NULL if it is not there.
 */
const char *survey_option(const char *args, size_t len, const char *option);

/* Whether any of the paths exists; the list ends with NULL. */
bool survey_any_exists(const char *const *paths);

#endif

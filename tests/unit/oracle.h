/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_TESTS_ORACLE_H
#define NSWATCH_TESTS_ORACLE_H

/* Other people's programs as judges of our files. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Runs a shell command and stores its output, which must fit. Returns 0 if it
 * exits with 0 and has nothing to say on stderr (but that it runs as root).
 */
__attribute__((format(printf, 3, 4))) static inline int oracle(char *out, size_t size,
							       const char *fmt, ...)
{
	char cmd[4096], full[8192];
	size_t n;
	va_list ap;
	FILE *f;
	int status;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	snprintf(full, sizeof(full),
		 "exec 4>&1; e=$( { %s ; } 2>&1 1>&4 4>&- ); r=$?; "
		 "e=$(printf '%%s\\n' \"$e\" | grep -v '^Running as user'); "
		 "[ -z \"$e\" ] || { printf 'stderr: %%s\\n' \"$e\"; exit 99; }; exit $r",
		 cmd);
	f = popen(full, "r");
	if (!f)
		return -1;
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	status = pclose(f);
	if (status)
		fprintf(stderr, "%s: status %d: %s\n", cmd, status, out);
	return status;
}

static inline int have_tool(const char *name)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null", name);
	return system(cmd) == 0;
}

#endif

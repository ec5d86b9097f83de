// SPDX-License-Identifier: GPL-2.0-only
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/strbuf.h"

static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

static void emit(enum log_level level, const char *prefix, const char *fmt, va_list ap)
{
	char text[1024], line[4096];
	struct strbuf out;

	if (level > threshold)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	strbuf_init(&out, line, sizeof(line) - 1);
	strbuf_puts(&out, prefix);
	strbuf_escape(&out, text, strlen(text));
	line[out.len] = '\n';
	/* One write, so that lines of two processes do not mix. */
	fwrite(line, 1, out.len + 1, stderr);
}

#define LOG_FN(name, level, prefix)               \
	void name(const char *fmt, ...)           \
	{                                         \
		va_list ap;                       \
                                                  \
		va_start(ap, fmt);                \
		emit((level), (prefix), fmt, ap); \
		va_end(ap);                       \
	}

LOG_FN(log_error, LOG_ERROR, "nswatch: ")
LOG_FN(log_warn, LOG_WARN, "nswatch: ")
LOG_FN(log_info, LOG_INFO, "nswatch: ")
LOG_FN(log_debug, LOG_DEBUG, "nswatch: debug: ")

void log_err(const struct err *e)
{
	log_error("%s", e->msg);
	if (e->hint[0])
		log_error("  try: %s", e->hint);
}

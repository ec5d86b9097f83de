/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_LOG_H
#define NSWATCH_UTIL_LOG_H

#include "util/err.h"

/*
 * The log goes to stderr, one line a message, prefixed "nswatch: ". Control
 * characters in the message are escaped: names come from hostile places.
 */
enum log_level { LOG_QUIET, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints the error object's message and, below it, its hint. */
void log_err(const struct err *e);

#endif

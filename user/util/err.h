/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_UTIL_ERR_H
#define NSWATCH_UTIL_ERR_H

/*
 * What went wrong, carried up to the edge that prints it. A lower layer sets
 * the message once with err_set(); layers above prepend context with
 * err_wrap(). Plain functions return 0 or -errno beside it.
 */
struct err {
	int code;	/* -errno of the cause, 0 when unset */
	char msg[512];	/* "what failed: why"; no trailing newline */
	char hint[256]; /* what to try, or empty */
};

/* Stores the message (printf style) and returns code, so that callers can
 * `return err_set(e, -ENOENT, ...)`. e may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set(), with ": " and strerror(-code) appended. */
int err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Prepends "context: "; returns e->code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the hint. */
void err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

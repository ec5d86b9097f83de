/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_TARGET_UNIX_HTTP_H
#define NSWATCH_TARGET_UNIX_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define HTTP_MAX_ANSWER (8u * 1024 * 1024) /* bytes, headers included */

struct http_answer {
	int status; /* 200, 404... */
	char *body; /* NUL-terminated for convenience; may hold NULs */
	size_t len;
	char *raw; /* what body points into */
};

/*
 * GET path over the unix socket at sock, HTTP/1.0 (RFC 1945); an answer that is
 * chunked all the same (RFC 9112, 7.1) is put together. path must be free of
 * spaces and control characters. The whole exchange ends by the deadline, in
 * milliseconds of CLOCK_MONOTONIC. The caller calls http_answer_fini(). 0, or
 *   -ENOENT, -ECONNREFUSED, -EACCES  nobody to ask (err is set)
 *   -ETIMEDOUT, -EPROTO, -EMSGSIZE   no usable answer
 */
int unix_http_get(const char *sock, const char *path, int64_t deadline, struct http_answer *out,
		  struct err *e);
void http_answer_fini(struct http_answer *a);

/* Now, as deadlines are counted. */
int64_t http_now_ms(void);

/* Splits the len bytes at a->raw, the whole answer. 0 or -EPROTO. */
int http_parse(struct http_answer *a, size_t len);

#endif

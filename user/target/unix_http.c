// SPDX-License-Identifier: GPL-2.0-only
#include "target/unix_http.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/now.h"

int64_t http_now_ms(void)
{
	return now_ns(CLOCK_MONOTONIC) / 1000000;
}

/* Waits until fd is ready for events or the deadline is over. 0 or -errno. */
static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int r;

	do {
		left = deadline - http_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)left);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

/* A full backlog answers EAGAIN at once: the listener is alive but not serving. */
static int open_socket(const char *sock, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;

	if (strlen(sock) >= sizeof(sa.sun_path))
		return err_sys(e, -ENAMETOOLONG, "%s", sock);
	memcpy(sa.sun_path, sock, strlen(sock));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, -errno, "%s", sock);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(e, errno == EAGAIN ? -ETIMEDOUT : -errno, "%s", sock);
	return steal_fd(&fd);
}

static int send_all(int fd, const char *buf, size_t len, int64_t deadline)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);
		int r;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
			continue;
		}
		r = wait_for(fd, POLLOUT, deadline);
		if (r)
			return r;
	}
	return 0;
}

static int make_room(struct http_answer *a, size_t *room)
{
	size_t want = *room ? 2 * *room : 16384;
	char *grown;

	if (want > HTTP_MAX_ANSWER)
		return -EMSGSIZE;
	grown = realloc(a->raw, want + 1);
	if (!grown)
		return -ENOMEM;
	a->raw = grown;
	*room = want;
	return 0;
}

/* HTTP/1.0: the answer ends where the connection does. */
static int receive_all(int fd, struct http_answer *a, size_t *len, int64_t deadline)
{
	size_t room = 0;
	ssize_t n;
	int r;

	for (*len = 0;; *len += (size_t)n) {
		if (*len == room) {
			r = make_room(a, &room);
			if (r)
				return r;
		}
		r = wait_for(fd, POLLIN, deadline);
		if (r)
			return r;
		n = recv(fd, a->raw + *len, room - *len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			n = 0;
		else if (n < 0)
			return -errno;
		else if (n == 0)
			break;
	}
	a->raw[*len] = '\0';
	return 0;
}

/* The value of a header within [p, end), or NULL. Names compare without case. */
static const char *header(const char *p, const char *end, const char *name, size_t *len)
{
	size_t n = strlen(name);

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol)
			eol = end;
		if ((size_t)(eol - p) > n && !strncasecmp(p, name, n) && p[n] == ':') {
			for (p += n + 1; p < eol && (*p == ' ' || *p == '\t'); p++)
				;
			while (eol > p && (eol[-1] == '\r' || eol[-1] == ' '))
				eol--;
			*len = (size_t)(eol - p);
			return p;
		}
		p = eol + 1;
	}
	return NULL;
}

/* One "SIZE[;EXT]\r\n"; returns the bytes it takes, 0 if it is none. */
static size_t chunk_size(const char *p, const char *end, size_t *size)
{
	const char *eol = memchr(p, '\n', (size_t)(end - p));
	char *stop;

	if (!eol || !strchr("0123456789abcdefABCDEF", *p) || !*p)
		return 0;
	errno = 0;
	*size = strtoul(p, &stop, 16);
	if (errno || (*stop != '\r' && *stop != '\n' && *stop != ';' && *stop != ' '))
		return 0;
	return (size_t)(eol + 1 - p);
}

/* Joins the chunks in place. Trailers are left behind. */
static int join_chunks(struct http_answer *a)
{
	char *to = a->body, *p = a->body, *end = a->body + a->len;
	size_t size, n;

	for (;;) {
		n = chunk_size(p, end, &size);
		if (!n)
			return -EPROTO;
		p += n;
		if (!size)
			break;
		if (size > (size_t)(end - p) || (size_t)(end - p) - size < 2)
			return -EPROTO;
		memmove(to, p, size);
		to += size;
		p += size;
		p += *p == '\r' ? 2 : 1;
	}
	a->len = (size_t)(to - a->body);
	*to = '\0';
	return 0;
}

static int check_length(struct http_answer *a, const char *value, size_t len)
{
	unsigned long want;
	char text[24];

	if (!len || len >= sizeof(text))
		return -EPROTO;
	memcpy(text, value, len);
	text[len] = '\0';
	if (text[strspn(text, "0123456789")])
		return -EPROTO;
	want = strtoul(text, NULL, 10);
	if (want > a->len)
		return -EPROTO;
	a->len = want;
	a->body[want] = '\0';
	return 0;
}

int http_parse(struct http_answer *a, size_t len)
{
	const char *headers, *value;
	char *end = memmem(a->raw, len, "\r\n\r\n", 4);
	size_t n;

	if (!end || sscanf(a->raw, "HTTP/1.%*1[01] %3d", &a->status) != 1)
		return -EPROTO;
	headers = memchr(a->raw, '\n', len);
	headers++;
	a->body = end + 4;
	a->len = len - (size_t)(a->body - a->raw);
	value = header(headers, end, "Transfer-Encoding", &n);
	if (value && n == 7 && !strncasecmp(value, "chunked", n))
		return join_chunks(a);
	value = header(headers, end, "Content-Length", &n);
	return value ? check_length(a, value, n) : 0;
}

static int exchange(const char *sock, const char *path, int64_t deadline, struct http_answer *a,
		    struct err *e)
{
	_cleanup_fd_ int fd = open_socket(sock, e);
	char req[512];
	size_t len;
	int n, r;

	if (fd < 0)
		return fd;
	n = snprintf(req, sizeof(req),
		     "GET %s HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n",
		     path);
	if (n >= (int)sizeof(req))
		return err_sys(e, -ENAMETOOLONG, "%s", sock);
	r = send_all(fd, req, (size_t)n, deadline);
	if (!r)
		r = receive_all(fd, a, &len, deadline);
	if (!r)
		r = http_parse(a, len);
	if (r == -ETIMEDOUT)
		return err_set(e, r, "%s: no answer in time", sock);
	if (r == -EMSGSIZE)
		return err_set(e, r, "%s: the answer is longer than %u bytes", sock,
			       HTTP_MAX_ANSWER);
	if (r == -EPROTO)
		return err_set(e, r, "%s: the answer is not HTTP", sock);
	return r ? err_sys(e, r, "%s", sock) : 0;
}

int unix_http_get(const char *sock, const char *path, int64_t deadline, struct http_answer *out,
		  struct err *e)
{
	int r;

	memset(out, 0, sizeof(*out));
	r = exchange(sock, path, deadline, out, e);
	if (r)
		http_answer_fini(out);
	return r;
}

void http_answer_fini(struct http_answer *a)
{
	free(a->raw);
	memset(a, 0, sizeof(*a));
}

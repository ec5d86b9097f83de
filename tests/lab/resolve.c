// SPDX-License-Identifier: GPL-2.0-only
/* Resolves the names given as getaddrinfo() does; linked with musl, a client of that libc. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

static int resolve(const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	int r = getaddrinfo(name, NULL, &hints, &list);
	char text[INET6_ADDRSTRLEN];

	if (r) {
		fprintf(stderr, "%s: %s\n", name, gai_strerror(r));
		return 2;
	}
	for (a = list; a; a = a->ai_next) {
		const void *addr =
			a->ai_family == AF_INET6
				? (void *)&((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr
				: (void *)&((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr;

		puts(inet_ntop(a->ai_family, addr, text, sizeof(text)));
	}
	freeaddrinfo(list);
	return 0;
}

int main(int argc, char **argv)
{
	int i, status = 0;

	for (i = 1; i < argc; i++)
		status |= resolve(argv[i]);
	return status;
}

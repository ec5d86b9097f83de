// SPDX-License-Identifier: GPL-2.0-only
/*
 * flood ADDRESS PORT COUNT [SIZE]   sends COUNT UDP packets of SIZE bytes
 * flood sink PORT                   binds PORT, never reads, until killed
 *
 * Each payload starts with its number (little endian, 64 bits), so that a
 * capture shows which ones are missing; the rest is noise, the same in every
 * BATCH packets: longer ones cannot be compressed. A send that fails is tried again:
 * what it prints at the end was really handed to the network.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH	 64
#define MAX_SIZE 1400

static int udp_socket(const char *address, const char *port, int passive)
{
	uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = number };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = number };
	struct sockaddr *to = (struct sockaddr *)&in4;
	socklen_t len = sizeof(in4);
	int fd;

	if (inet_pton(AF_INET, address, &in4.sin_addr) != 1) {
		to = (struct sockaddr *)&in6;
		len = sizeof(in6);
		if (inet_pton(AF_INET6, address, &in6.sin6_addr) != 1) {
			fprintf(stderr, "flood: not an address: %s\n", address);
			exit(2);
		}
	}
	fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || (passive ? bind : connect)(fd, to, len)) {
		perror("flood");
		exit(1);
	}
	return fd;
}

static void sink(const char *port)
{
	/* Nobody reads: when the buffer is full the kernel drops, and sends no ICMP. */
	udp_socket("::", port, 1);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static unsigned char payload[BATCH][MAX_SIZE];

/* xorshift64, Marsaglia 2003 */
static void make_noise(void)
{
	unsigned char *p = &payload[0][0];
	uint64_t x = 88172645463325252ull;
	size_t i;

	for (i = 0; i < sizeof(payload); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (unsigned char)(x >> 32);
	}
}

/* Sends packets [first, first + n); n <= BATCH. Returns how many went. */
static int send_batch(int fd, uint64_t first, int n, size_t size)
{
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH];
	int i;

	memset(msgs, 0, sizeof(msgs));
	for (i = 0; i < n; i++) {
		uint64_t number = first + (uint64_t)i;

		memcpy(payload[i], &number, sizeof(number));
		iov[i] = (struct iovec){ payload[i], size };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	return sendmmsg(fd, msgs, (unsigned int)n, 0);
}

int main(int argc, char **argv)
{
	struct timespec begin, end;
	uint64_t count, sent = 0;
	size_t size = 64;
	int fd, n;

	if (argc == 3 && !strcmp(argv[1], "sink"))
		sink(argv[2]);
	if (argc < 4) {
		fputs("usage: flood ADDRESS PORT COUNT [SIZE] | flood sink PORT\n", stderr);
		return 2;
	}
	count = strtoull(argv[3], NULL, 10);
	if (argc > 4)
		size = strtoull(argv[4], NULL, 10);
	if (size < sizeof(uint64_t) || size > MAX_SIZE) {
		fprintf(stderr, "flood: SIZE is between 8 and %d\n", MAX_SIZE);
		return 2;
	}
	make_noise();
	fd = udp_socket(argv[1], argv[2], 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (sent < count) {
		n = send_batch(fd, sent, count - sent < BATCH ? (int)(count - sent) : BATCH, size);
		if (n > 0)
			sent += (uint64_t)n;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED &&
			 errno != EINTR) {
			perror("flood: send");
			break;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%llu sent in %.3f s\n", (unsigned long long)sent,
	       (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return sent == count ? 0 : 1;
}

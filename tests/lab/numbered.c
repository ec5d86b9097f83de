// SPDX-License-Identifier: GPL-2.0-only
/*
 * numbered LIFE BASE ADDRESS PORT: once the file BASE.go is there, sends a UDP
 * packet every 3 ms, "life" and two numbers: LIFE, and its own from 0 on. How
 * many were sent is kept in BASE.sent, so that whoever kills it knows.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	nanosleep(&ts, NULL);
}

/* In a fresh namespace it is down; where that may not be changed, it is up. */
static void lo_up(int s)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING };

	ioctl(s, SIOCSIFFLAGS, &r);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), out;
	struct {
		char magic[4];
		uint32_t life, number;
	} p = { .magic = "life" };
	char path[512];

	if (argc != 5 || s < 0 || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1)
		errx(2, "usage: numbered LIFE BASE ADDRESS PORT");
	to.sin_port = htons((uint16_t)atoi(argv[4]));
	p.life = (uint32_t)atoi(argv[1]);
	lo_up(s);
	snprintf(path, sizeof(path), "%s.go", argv[2]);
	while (access(path, F_OK))
		pause_ms(5);
	snprintf(path, sizeof(path), "%s.sent", argv[2]);
	out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (out < 0)
		err(1, "%s", path);
	for (;;) {
		/* An ICMP error about an earlier one is no failure of this one. */
		if (sendto(s, &p, sizeof(p), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			continue;
		p.number++;
		if (pwrite(out, &p.number, sizeof(p.number), 0) < 0)
			err(1, "%s", path);
		pause_ms(3);
	}
}

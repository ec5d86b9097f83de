// SPDX-License-Identifier: GPL-2.0-only
/*
 * load KIND [NAME=VALUE...]
 *
 * KIND is xdp, udp, dns, rr or gro, NAME a field of struct load.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	fputs("load: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(err));
	exit(1);
}

void enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("%s", netns);
	close(fd);
}

int udp_socket(const char *netns, const char *local, uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd;

	enter(netns);
	inet_pton(AF_INET, local, &addr.sin_addr);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("UDP socket on %s port %u", local, port);
	return fd;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void pace(uint64_t start_ns, uint64_t sent, uint64_t rate)
{
	if (!rate)
		return;
	while ((double)(now_ns() - start_ns) < (double)sent * 1e9 / (double)rate)
		;
}

void report(uint64_t sent, uint64_t elapsed_ns, const double *ns, size_t n)
{
	size_t i;

	printf("{\"sent\":%llu,\"seconds\":%.6f,\"ns\":[", (unsigned long long)sent,
	       (double)elapsed_ns / 1e9);
	for (i = 0; i < n; i++)
		printf("%s%.2f", i ? "," : "", ns[i]);
	puts("]}");
}

/* veth has NAPI, which takes XDP frames, only with GRO or an XDP program. */
int load_gro(const struct load *l)
{
	struct ethtool_value value = { .cmd = ETHTOOL_SGRO, .data = (uint32_t)l->on };
	struct ifreq ifr = { .ifr_data = (void *)&value };
	int fd = udp_socket(l->workload, "0.0.0.0", 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", l->dev);
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		die("GRO of %s", l->dev);
	close(fd);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const struct load *l);
} kinds[] = {
	{ "xdp", load_xdp }, { "udp", load_udp }, { "dns", load_dns },
	{ "rr", load_rr },   { "gro", load_gro },
};

#define TEXT(f)                                 \
	{                                       \
#f, offsetof(struct load, f), 0 \
	}
#define NUMBER(f)                               \
	{                                       \
#f, offsetof(struct load, f), 1 \
	}

static const struct field {
	const char *name;
	size_t offset;
	int is_number;
} fields[] = {
	TEXT(workload),	   TEXT(peer),	   TEXT(dev),	  NUMBER(count), NUMBER(bursts),
	NUMBER(rate),	   NUMBER(size),   NUMBER(flows), NUMBER(port),	 NUMBER(every),
	NUMBER(rare_port), NUMBER(gap_us), NUMBER(on),
};

static void usage(void)
{
	fputs("usage: load xdp|udp|dns|rr|gro [NAME=VALUE...]\n", stderr);
	exit(2);
}

static void set(struct load *l, const char *word)
{
	const char *value = strchr(word, '=');
	size_t i;

	for (i = 0; value && i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];
		void *where = (char *)l + f->offset;

		if (strlen(f->name) != (size_t)(value - word) ||
		    strncmp(f->name, word, strlen(f->name)))
			continue;
		if (f->is_number)
			*(uint64_t *)where = strtoull(value + 1, NULL, 10);
		else
			*(const char **)where = value + 1;
		return;
	}
	usage();
}

int main(int argc, char **argv)
{
	struct load l = { .count = 100000, .bursts = 10, .size = 64, .flows = 1, .port = 9 };
	size_t i;
	int a;

	if (argc < 2)
		usage();
	for (a = 2; a < argc; a++)
		set(&l, argv[a]);
	if (!l.workload || !l.bursts || !l.flows || l.count < l.bursts)
		usage();
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(argv[1], kinds[i].name))
			return kinds[i].run(&l);
	usage();
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The load generators of the benchmark. Each runs to its end, measures on its
 * own core and prints one JSON object on stdout.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

/* Who is who on the link (tests/bench/arena.py gives these addresses). */
#define WORKLOAD_ADDR "10.99.0.1"
#define PEER_ADDR     "10.99.0.2"
/*
 * In the peer's neighbour table, but with the MAC address of nobody: what is
 * sent there crosses the link and is dropped first thing by the peer's IP.
 */
#define NOBODY_ADDR "10.99.0.3"
#define NOBODY_MAC                        \
	{                                 \
		0x02, 0, 0, 0, 0x77, 0xff \
	}
#define PEER_MAC                          \
	{                                 \
		0x02, 0, 0, 0, 0x77, 0x02 \
	}

#define HEADERS	  42 /* Ethernet, IPv4 and UDP */
#define MIN_FRAME 60
#define MAX_FRAME 1514

struct load {
	const char *workload; /* path of its network namespace */
	const char *peer;
	const char *dev; /* the device that is meant */
	uint64_t count;	 /* packets, or requests */
	uint64_t bursts; /* the times are taken over count / bursts packets */
	uint64_t rate;	 /* a second; 0: as fast as it goes */
	uint64_t size;	 /* of a frame, without FCS; of a request */
	uint64_t flows;
	uint64_t port;
	uint64_t every; /* each every-th packet goes to rare_port; 0: none */
	uint64_t rare_port;
	uint64_t gap_us; /* between two requests */
	uint64_t on;	 /* for "gro" */
};

int load_xdp(const struct load *l);
int load_udp(const struct load *l);
int load_dns(const struct load *l);
int load_rr(const struct load *l);
int load_gro(const struct load *l);

/* These end the program where they fail: there is nothing to save. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);
void enter(const char *netns);
int udp_socket(const char *netns, const char *local, uint16_t port);

uint64_t now_ns(void);
/* Waits, without sleeping, until packet number `sent` is due. */
void pace(uint64_t start_ns, uint64_t sent, uint64_t rate);
/* Prints {"sent":..., "seconds":..., "ns":[...]}; ns: per packet and burst. */
void report(uint64_t sent, uint64_t elapsed_ns, const double *ns, size_t n);

#endif

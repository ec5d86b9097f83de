// SPDX-License-Identifier: GPL-2.0-only
/*
 * DNS over UDP: the workload asks, the peer answers, both played by this one
 * process, which has a socket in either namespace. The answers vary: an address
 * behind an alias, an IPv6 address, a mail exchanger, NXDOMAIN.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define BATCH	    16
#define DNS_PORT    53
#define CLIENT_PORT 40000
#define MAX_MESSAGE 512

#define FLAGS_QUERY    0x0100 /* RD; RFC 1035 section 4.1.1 */
#define FLAGS_ANSWER   0x8180 /* QR, RD, RA */
#define FLAGS_NXDOMAIN 0x8183
#define CLASS_IN       1
#define NAME_OF_QUERY  0xc00c /* RFC 1035 section 4.1.4: pointer to offset 12 */
#define TYPE_CNAME     5

struct message {
	unsigned char byte[MAX_MESSAGE];
	size_t len;
};

static const struct {
	uint16_t type;
	uint16_t flags;
	uint16_t answers;
	uint16_t len; /* of the last answer's data */
	unsigned char data[16];
} kinds[] = {
	{ 1, FLAGS_ANSWER, 2, 4, { 192, 0, 2, 1 } },
	{ 28, FLAGS_ANSWER, 1, 16, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
	{ 15, FLAGS_ANSWER, 1, 9, { 0, 10, 4, 'm', 'a', 'i', 'l', 0xc0, 0x0c } },
	{ 1, FLAGS_NXDOMAIN, 0, 0, { 0 } },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void put(struct message *m, const void *bytes, size_t len)
{
	memcpy(m->byte + m->len, bytes, len);
	m->len += len;
}

static void put16(struct message *m, uint16_t value)
{
	value = htons(value);
	put(m, &value, sizeof(value));
}

static void put_label(struct message *m, const char *label)
{
	unsigned char len = (unsigned char)strlen(label);

	put(m, &len, 1);
	put(m, label, len);
}

static void put_question(struct message *m, uint64_t n, uint16_t flags, uint16_t answers)
{
	char host[32];

	snprintf(host, sizeof(host), "host-%llu", (unsigned long long)n);
	m->len = 0;
	put16(m, (uint16_t)n);
	put16(m, flags);
	put16(m, 1);
	put16(m, answers);
	put16(m, 0);
	put16(m, 0);
	put_label(m, host);
	put_label(m, "example");
	put_label(m, "test");
	put_label(m, "");
	put16(m, kinds[n % KINDS].type);
	put16(m, CLASS_IN);
}

static void put_record(struct message *m, uint16_t name, uint16_t type, const void *data,
		       uint16_t len)
{
	put16(m, name);
	put16(m, type);
	put16(m, CLASS_IN);
	put16(m, 0);
	put16(m, 300);
	put16(m, len);
	put(m, data, len);
}

static void make_answer(struct message *m, uint64_t n)
{
	static const unsigned char alias[] = { 5, 'a', 'l', 'i', 'a', 's', 0xc0, 0x0c };
	uint16_t name = NAME_OF_QUERY, answers = kinds[n % KINDS].answers;

	put_question(m, n, kinds[n % KINDS].flags, answers);
	if (answers > 1) {
		put_record(m, name, TYPE_CNAME, alias, sizeof(alias));
		name = (uint16_t)(0xc000 | (m->len - sizeof(alias)));
	}
	if (answers)
		put_record(m, name, kinds[n % KINDS].type, kinds[n % KINDS].data,
			   kinds[n % KINDS].len);
}

static int open_end(const char *netns, const char *addr, uint16_t port, const char *to_addr,
		    uint16_t to_port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(to_port) };
	struct timeval patience = { .tv_sec = 1 };
	int fd = udp_socket(netns, addr, port);

	inet_pton(AF_INET, to_addr, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		die("socket in %s", netns);
	return fd;
}

static void send_message(int fd, const struct message *m)
{
	if (send(fd, m->byte, m->len, 0) < 0)
		die("send");
}

static void receive(int fd, uint64_t n)
{
	unsigned char buf[MAX_MESSAGE];

	if (recv(fd, buf, sizeof(buf), 0) < 2 || buf[1] != (n & 0xff)) {
		errno = errno ?: EBADMSG;
		die("receive message %llu", (unsigned long long)n);
	}
}

static void exchange(int client, int server, uint64_t first, uint64_t n)
{
	struct message m;
	uint64_t i;

	for (i = first; i < first + n; i++) {
		put_question(&m, i, FLAGS_QUERY, 0);
		send_message(client, &m);
	}
	for (i = first; i < first + n; i++) {
		receive(server, i);
		make_answer(&m, i);
		send_message(server, &m);
	}
	for (i = first; i < first + n; i++)
		receive(client, i);
}

int load_dns(const struct load *l)
{
	uint64_t start, sent = 0, n;
	int client, server;

	if (!l->peer) {
		errno = EINVAL;
		die("peer");
	}
	client = open_end(l->workload, WORKLOAD_ADDR, CLIENT_PORT, PEER_ADDR, DNS_PORT);
	server = open_end(l->peer, PEER_ADDR, DNS_PORT, WORKLOAD_ADDR, CLIENT_PORT);
	start = now_ns();
	while (sent < l->count) {
		n = l->count - sent < BATCH ? l->count - sent : BATCH;
		exchange(client, server, sent, n);
		sent += n;
		pace(start, sent, l->rate);
	}
	report(2 * sent, now_ns() - start, NULL, 0);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target for everything that reads DNS bytes: the decoder, the Info
 * column, the engine over UDP and TCP, resolv.conf, and the sinks behind them.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode/dns.h"
#include "dns/engine.h"
#include "dns/resolv.h"
#include "sink/dns_json.h"
#include "sink/dns_text.h"
#include "sink/text_dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char line[1 << 16];

/* Nothing but printable ASCII and newlines may reach a terminal. */
static void check_line(const struct strbuf *b)
{
	size_t i;

	for (i = 0; i < b->len; i++)
		if (b->s[i] != '\n' && (b->s[i] < 0x20 || b->s[i] > 0x7e))
			abort();
}

static void on_transaction(void *ctx, const struct dns_transaction *t)
{
	const struct dns_text_style style = { .width = 80 };
	struct strbuf b;

	(void)ctx;
	strbuf_init(&b, line, sizeof(line));
	dns_text_transaction(&b, t, &style);
	check_line(&b);
	strbuf_reset(&b);
	dns_json_transaction(&b, t);
}

static void on_finding(void *ctx, const struct dns_finding *f)
{
	const struct dns_text_style style = { .width = 80 };
	struct strbuf b;

	(void)ctx;
	strbuf_init(&b, line, sizeof(line));
	dns_text_finding(&b, f, &style);
	check_line(&b);
}

static void walk(const uint8_t *data, uint32_t caplen, uint32_t len)
{
	struct dns_walk w;
	struct dns_edns edns;
	struct dns_msg m;
	struct dns_rr rr;
	struct strbuf b;

	if (dns_msg_init(&m, data, caplen, len))
		return;
	dns_walk_init(&w, &m);
	while (dns_walk_next(&w, &rr)) {
		strbuf_init(&b, line, sizeof(line));
		dns_name_put(&b, &m, rr.name_off, NULL);
		if (rr.section != DNS_QUESTION)
			dns_rdata_put(&b, &m, &rr);
		check_line(&b);
	}
	dns_edns_get(&edns, &m);
}

static void info(const uint8_t *data, uint32_t caplen, uint32_t len, enum frame_l4 l4)
{
	struct frame f = { .l4 = l4, .flow = { .sport = 53, .dport = 40000, .has_ports = true } };
	const char *protocol;
	struct strbuf b;

	strbuf_init(&b, line, sizeof(line));
	text_dns_info(&b, &protocol, data, caplen, len, &f);
}

/* Chunks of the input as packets: a byte of direction and protocol, a byte of length. */
static void engine(const uint8_t *data, size_t size)
{
	static const struct dns_engine_ops ops = { on_transaction, on_finding, NULL, NULL };
	static const struct tap tap = { .dlt = 1, .ifname = "eth0" };
	struct dns_engine_options o = { .max_transactions = 256,
					.max_streams = 4,
					.multicast = true };
	struct dns_engine *e = dns_engine_new(&o, &ops, NULL);
	uint32_t seq[2] = { 1, 1 };
	struct packet p = { .tap = &tap };
	size_t n;

	if (!e)
		return;
	for (; size > 2; data += n, size -= n) {
		struct frame f = { .flow = { .has_ports = true } };
		bool reply = data[0] & 1;
		uint16_t server = data[0] < 0xc0 ? 53 : data[0] < 0xe0 ? 5353 : 5355;

		f.l4 = data[0] & 2 ? L4_TCP : L4_UDP;
		f.flow.proto = f.l4 == L4_TCP ? 6 : 17;
		f.flow.src = ipaddr_v4(reply ? "\1\1\1\1" : "\2\2\2\2");
		f.flow.dst = ipaddr_v4(reply ? "\2\2\2\2" : "\1\1\1\1");
		f.flow.sport = reply ? server : 40000;
		f.flow.dport = reply ? 40000 : server;
		f.tcp_flags = data[0] >> 5;
		n = data[1] + 2U < size ? data[1] + 2U : size;
		f.data = data;
		f.payload_off = 2;
		f.payload_len = f.payload_caplen = (uint32_t)n - 2;
		f.tcp_seq = seq[reply] + (data[0] & 4 ? 100 : 0) - (data[0] & 8 ? 3 : 0);
		seq[reply] += f.payload_len;
		p.data = data;
		p.caplen = p.wirelen = (uint32_t)n;
		p.number++;
		p.time += data[0] & 16 ? 2000000000LL : 1000000;
		dns_engine_packet(e, &p, &f);
	}
	dns_engine_finish(e, p.time + 1);
	dns_engine_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolv_conf c;
	uint32_t n = (uint32_t)size;

	if (size > 65535)
		return 0;
	walk(data, n, n);
	walk(data, n / 2, n);
	info(data, n, n, L4_UDP);
	info(data, n, n + 7, L4_UDP);
	info(data, n, n, L4_TCP);
	engine(data, size);
	resolv_parse(&c, (const char *)data, size);
	return 0;
}

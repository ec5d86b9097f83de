// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer target for the DNS engine over UDP and TCP, and the sinks behind it. */
#include <stddef.h>
#include <stdint.h>

#include "dns/engine.h"
#include "sink/dns_json.h"
#include "sink/dns_text.h"
#include "line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

/* Chunks of the input as packets: a byte of direction and protocol, a byte of length. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
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
		return 0;
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
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer target for what reads DNS bytes: the decoder, the Info column, resolv.conf. */
#include <stddef.h>
#include <stdint.h>

#include "decode/dns.h"
#include "dns/resolv.h"
#include "sink/text_dns.h"
#include "line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	resolv_parse(&c, (const char *)data, size);
	return 0;
}

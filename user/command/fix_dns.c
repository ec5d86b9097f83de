// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "command/command.h"
#include "dns/facts.h"
#include "util/cleanup.h"
#include "util/strbuf.h"

#define LIBC_SERVERS 3 /* MAXNS in resolv.h: no libc asks more */
#define TEXT_SIZE    4096

/* A link-local address needs a scope, which struct ipaddr does not carry and
 * which would name an interface of the host. */
static bool is_link_local(const struct ipaddr *a)
{
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static bool is_usable(const struct ipaddr *a)
{
	return a->family && !ipaddr_is_loopback(a) && !ipaddr_is_any(a) && !is_link_local(a);
}

static unsigned int put_servers(struct strbuf *b, const struct dns_facts *f)
{
	unsigned int i, n = 0;

	for (i = 0; i < f->nr_upstreams && i < RESOLV_MAX_SERVERS && n < LIBC_SERVERS; i++) {
		if (!is_usable(&f->upstreams[i]))
			continue;
		strbuf_puts(b, "nameserver ");
		ipaddr_put(b, &f->upstreams[i]);
		strbuf_putc(b, '\n');
		n++;
	}
	return n;
}

/* The old file is untrusted: what is no plain word must not become a line. */
static bool is_plain(const char *name)
{
	const char *s;

	for (s = name; *s; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	return s != name;
}

static void put_search(struct strbuf *b, const struct resolv_conf *conf)
{
	unsigned int i, n = 0;

	for (i = 0; i < conf->nr_search && i < RESOLV_MAX_SEARCH; i++) {
		if (!is_plain(conf->search[i]))
			continue;
		strbuf_puts(b, n++ ? " " : "search ");
		strbuf_puts(b, conf->search[i]);
	}
	if (n)
		strbuf_putc(b, '\n');
}

/* trust-ad is left out: it was said of the server that is being replaced. */
static void put_options(struct strbuf *b, const struct resolv_conf *conf)
{
	const struct {
		const char *name;
		uint32_t value, usual;
	} numbers[] = {
		{ "ndots", conf->ndots, 1 },
		{ "timeout", conf->timeout, 5 },
		{ "attempts", conf->attempts, 2 },
	};
	const struct {
		const char *name;
		bool set;
	} flags[] = {
		{ "rotate", conf->rotate },
		{ "single-request", conf->single_request },
		{ "single-request-reopen", conf->single_request_reopen },
		{ "use-vc", conf->use_vc },
		{ "edns0", conf->edns0 },
	};
	char mem[256];
	struct strbuf options;
	size_t i;

	strbuf_init(&options, mem, sizeof(mem));
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (numbers[i].value != numbers[i].usual)
			strbuf_printf(&options, " %s:%u", numbers[i].name, numbers[i].value);
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].set)
			strbuf_printf(&options, " %s", flags[i].name);
	if (options.len)
		strbuf_printf(b, "options%s\n", options.s);
}

char *command_fix_dns_text(const struct dns_facts *facts, struct err *e)
{
	char mem[TEXT_SIZE], *text;
	struct strbuf b;

	strbuf_init(&b, mem, sizeof(mem));
	strbuf_puts(&b, "# The host's upstream servers, for this command alone "
			"(nswatch --fix-dns).\n");
	if (!put_servers(&b, facts)) {
		err_set(e, -ENOENT, "no upstream server is known that another namespace could ask");
		err_hint(e, "name one in /run/systemd/resolve/resolv.conf or /etc/resolv.conf");
		return NULL;
	}
	if (facts->resolv.source != RESOLV_NONE && !facts->resolv.error) {
		put_search(&b, &facts->resolv.conf);
		put_options(&b, &facts->resolv.conf);
	}
	text = strdup(mem);
	if (!text)
		err_sys(e, -ENOMEM, "resolv.conf");
	return text;
}

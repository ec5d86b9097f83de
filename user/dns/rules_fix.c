// SPDX-License-Identifier: GPL-2.0-only
/* Fixes that several rules have to offer. */
#include <string.h>

#include "dns/resolv.h"
#include "dns/rules_text.h"
#include "util/cleanup.h"

/* "mkdir -p DIR && printf TEXT > FILE", so that it works with and without sudo. */
static void put_write_file(struct strbuf *b, const struct rule_input *in, const char *dir,
			   const char *name, const char *file, const char *text)
{
	strbuf_printf(b, "%smkdir -p ", sudo(in));
	put_shell_in(b, dir, name, "");
	strbuf_printf(b, " && printf '%s' %s", text, *sudo(in) ? "| sudo tee " : "> ");
	put_shell_in(b, dir, name, file);
}

static unsigned int put_upstreams(struct strbuf *b, const struct dns_facts *f, const char *before,
				  const char *after)
{
	unsigned int n = 0;
	uint32_t i;

	for (i = 0; f && i < f->nr_upstreams && i < RESOLV_MAX_SERVERS && n < RESOLV_LIBC_SERVERS;
	     i++) {
		if (ipaddr_is_loopback(&f->upstreams[i]))
			continue;
		strbuf_puts(b, before);
		ipaddr_put(b, &f->upstreams[i]);
		strbuf_puts(b, after);
		n++;
	}
	return n;
}

void fix_here(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (!in->facts || !in->facts->target[0] || in->facts->is_host_netns)
		return;
	b = fix_begin(f, "Run the command with a working resolv.conf, changing nothing:");
	strbuf_printf(&b, "%snswatch ", sudo(in));
	put_shell(&b, in->facts->target);
	strbuf_puts(&b, " --fix-dns -- CMD");
}

static void fix_netns(struct dns_finding *f, const struct rule_input *in)
{
	char text[256];
	struct strbuf b;

	strbuf_init(&b, text, sizeof(text));
	if (!put_upstreams(&b, in->facts, "nameserver ", "\\n"))
		return;
	b = fix_begin(f, "For good, for everything started by ip netns exec:");
	put_write_file(&b, in, "/etc/netns/", bare_target(in->facts), "/resolv.conf", text);
}

static void fix_runtime(struct dns_finding *f, const struct rule_input *in, const char *runtime)
{
	struct strbuf b;
	char text[256];

	strbuf_init(&b, text, sizeof(text));
	if (put_upstreams(&b, in->facts, " --dns ", "")) {
		b = fix_begin(f, "For good, when the container is started:");
		strbuf_printf(&b, "%s%s run%s IMAGE", sudo(in), runtime, text);
	}
	b = fix_begin(f, "Or with the host's list of real servers:");
	strbuf_printf(&b, "%s%s run -v /run/systemd/resolve/resolv.conf:/etc/resolv.conf:ro IMAGE",
		      sudo(in), runtime);
}

static void fix_process_files(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b, text;
	char mem[256];

	strbuf_init(&text, mem, sizeof(mem));
	if (!put_upstreams(&text, in->facts, "nameserver ", "\\n"))
		return;
	b = fix_begin(f, "Or by hand, in a private mount namespace:");
	strbuf_printf(
		&b,
		"printf '%s' > /tmp/resolv.conf && %snsenter --net=/proc/%u/ns/net unshare -m "
		"sh -c 'mount --bind /tmp/resolv.conf /etc/resolv.conf && exec CMD'",
		mem, sudo(in), (unsigned int)in->facts->resolv.pid);
}

static void fix_bridge(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;
	char text[128];

	if (!is_stub(&in->server) || !in->facts || !in->facts->bridge_addr[0])
		return;
	strbuf_init(&b, text, sizeof(text));
	strbuf_puts(&b, "[Resolve]\\nDNSStubListenerExtra=");
	put_raw(&b, in->facts->bridge_addr);
	strbuf_puts(&b, "\\n");
	b = fix_begin(f, "Or let the host's resolver listen on the bridge, and name that address:");
	put_write_file(&b, in, "/etc/systemd/", "resolved.conf.d", "/nswatch.conf", text);
	strbuf_printf(&b, " && %ssystemctl restart systemd-resolved", sudo(in));
}

void fix_servers(struct dns_finding *f, const struct rule_input *in)
{
	if (!in->facts)
		return;
	fix_here(f, in);
	switch (in->facts->kind) {
	case TARGET_NETNS: fix_netns(f, in); break;
	case TARGET_DOCKER: fix_runtime(f, in, "docker"); break;
	case TARGET_PODMAN: fix_runtime(f, in, "podman"); break;
	case TARGET_CRI:
		fix_begin(f,
			  "For good: let the kubelet hand out real servers "
			  "(resolvConf: /run/systemd/resolve/resolv.conf in its configuration).");
		break;
	case TARGET_PID:
	case TARGET_PATH:
		if (in->facts->resolv.pid)
			fix_process_files(f, in);
		break;
	default: break;
	}
	fix_bridge(f, in);
}

void fix_lo_up(struct dns_finding *f, const struct rule_input *in)
{
	struct strbuf b;

	if (!in->facts)
		return;
	if (in->facts->kind == TARGET_NEW) {
		b = fix_begin(f, "Bring lo up before the command:");
		strbuf_printf(&b, "%snswatch new -- sh -c 'ip link set lo up; exec CMD'", sudo(in));
		return;
	}
	b = fix_begin(f, "Bring lo up:");
	if (in->facts->kind == TARGET_NETNS) {
		strbuf_printf(&b, "%sip -n ", sudo(in));
		put_shell(&b, bare_target(in->facts));
		strbuf_puts(&b, " link set lo up");
		return;
	}
	put_enter(&b, in);
	strbuf_puts(&b, "ip link set lo up");
}

void put_dig(struct strbuf *b, const struct rule_input *in, const char *options)
{
	const struct dns_transaction *t = in->t;

	strbuf_puts(b, "dig @");
	ipaddr_put(b, &in->server);
	if (*options)
		strbuf_printf(b, " %s", options);
	strbuf_putc(b, ' ');
	put_shell_name(b, t);
	if (!t->has_question || t->qtype == DNS_T_A)
		return;
	strbuf_putc(b, ' ');
	dns_type_put(b, t->qtype);
}

void fix_inside(struct dns_finding *f, const struct rule_input *in, const char *how,
		const char *cmd)
{
	struct strbuf b;

	if (!in->facts)
		return;
	b = fix_begin(f, how);
	if (in->facts->kind == TARGET_NETNS) {
		strbuf_printf(&b, "%sip netns exec ", sudo(in));
		put_shell(&b, bare_target(in->facts));
		strbuf_printf(&b, " %s", cmd);
		return;
	}
	put_enter(&b, in);
	strbuf_puts(&b, cmd);
}

void fix_option(struct dns_finding *f, const struct rule_input *in, const char *how,
		const char *option)
{
	struct strbuf b = fix_begin(f, how);

	if (in->facts && (in->facts->kind == TARGET_DOCKER || in->facts->kind == TARGET_PODMAN)) {
		strbuf_printf(&b, "%s%s run --dns-opt %s IMAGE", sudo(in),
			      in->facts->kind == TARGET_DOCKER ? "docker" : "podman", option);
	} else if (in->facts && in->facts->kind == TARGET_NETNS) {
		strbuf_printf(&b, "echo 'options %s' | %stee -a ", option, sudo(in));
		put_shell_in(&b, "/etc/netns/", bare_target(in->facts), "/resolv.conf");
	} else {
		strbuf_printf(&b, "echo 'options %s' | %stee -a /etc/resolv.conf", option,
			      sudo(in));
	}
}

void fix_docker_dns(struct dns_finding *f, const struct rule_input *in, const char *how)
{
	struct strbuf b, text;
	char mem[256];

	strbuf_init(&text, mem, sizeof(mem));
	if (!put_upstreams(&text, in->facts, " --dns ", ""))
		return;
	b = fix_begin(f, how);
	strbuf_printf(&b, "%sdocker run%s IMAGE", sudo(in), mem);
}

void fix_restart(struct dns_finding *f, const struct rule_input *in, const char *how)
{
	struct strbuf b = fix_begin(f, how);

	if (!in->facts || in->facts->kind != TARGET_DOCKER)
		return;
	strbuf_printf(&b, "%sdocker restart ", sudo(in));
	put_shell(&b, bare_target(in->facts));
}

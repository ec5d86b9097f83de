// SPDX-License-Identifier: GPL-2.0-only
#include "dns/rules_text.h"

#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

static bool is_v4(const struct ipaddr *a, uint8_t b0, uint8_t b1, uint8_t b2, uint8_t b3)
{
	struct ipaddr u = ipaddr_unmap(a);
	const uint8_t want[4] = { b0, b1, b2, b3 };

	return u.family == 4 && !memcmp(u.bytes, want, 4);
}

/* systemd-resolved's stub listeners, resolved.conf(5). */
bool is_stub(const struct ipaddr *a)
{
	return is_v4(a, 127, 0, 0, 53) || is_v4(a, 127, 0, 0, 54);
}

bool is_docker(const struct ipaddr *a)
{
	return is_v4(a, 127, 0, 0, 11);
}

const struct server_facts *server_facts(const struct dns_facts *f, const struct ipaddr *a)
{
	uint32_t i;

	for (i = 0; f && i < f->nr_servers && i < ARRAY_SIZE(f->servers); i++)
		if (ipaddr_equal(&f->servers[i].addr, a))
			return &f->servers[i];
	return NULL;
}

static bool listener_takes(const struct listener *l, const struct ipaddr *a)
{
	if (l->port != 53)
		return false;
	if (ipaddr_equal(&l->addr, a))
		return true;
	if (!ipaddr_is_any(&l->addr))
		return false;
	return l->addr.family == a->family || (l->addr.family == 6 && !l->v6only);
}

bool listening(const struct dns_facts *f, const struct ipaddr *a)
{
	const struct server_facts *s = server_facts(f, a);

	return (s && s->listening) || takes_port_53(f, a);
}

bool takes_port_53(const struct dns_facts *f, const struct ipaddr *a)
{
	uint32_t i;

	for (i = 0; i < f->nr_listeners && i < FACTS_MAX_LISTENERS; i++)
		if (listener_takes(&f->listeners[i], a))
			return true;
	return false;
}

bool no_route(const struct dns_facts *f, const struct ipaddr *a)
{
	const struct server_facts *s = server_facts(f, a);

	return s && s->route_errno;
}

/* A server of which nothing bad is known. */
bool usable(const struct dns_facts *f, const struct ipaddr *a)
{
	if (ipaddr_is_loopback(a))
		return f->lo_up && (is_docker(a) ? !docker_dns_gone(f) : listening(f, a));
	return !no_route(f, a);
}

bool knows_resolv(const struct dns_facts *f)
{
	return f && f->resolv.source != RESOLV_NONE && !f->resolv.error;
}

void put_shell(struct strbuf *b, const char *s)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				   "_@%+=:,./-";
	const unsigned char *p;

	if (*s && strspn(s, safe) == strlen(s)) {
		strbuf_puts(b, s);
		return;
	}
	for (p = (const unsigned char *)s; *p >= 0x20 && *p < 0x7f && *p != '\''; p++)
		;
	/* $'...' is bash's and zsh's; nothing else can name a control character. */
	strbuf_puts(b, *p ? "$'" : "'");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (!*p)
			strbuf_putc(b, (char)c);
		else if (c < 0x20 || c >= 0x7f || c == '\'' || c == '\\')
			strbuf_printf(b, "\\x%02x", c);
		else
			strbuf_putc(b, (char)c);
	}
	strbuf_putc(b, '\'');
}

void put_shell_name(struct strbuf *b, const struct dns_transaction *t)
{
	const char *name = t->has_question ? t->name : ".";
	char mem[sizeof(t->name) + 4];

	if (*name == '-' || *name == '+') {
		snprintf(mem, sizeof(mem), "\\%03u%s", (unsigned char)*name, name + 1);
		name = mem;
	}
	put_shell(b, name);
}

/* A path under a directory of ours and the target's name, quoted as one word. */
void put_shell_in(struct strbuf *b, const char *dir, const char *name, const char *rest)
{
	char mem[2 * TARGET_NAME_LEN + 64];
	struct strbuf path;

	strbuf_init(&path, mem, sizeof(mem));
	strbuf_puts(&path, dir);
	strbuf_puts(&path, name);
	strbuf_puts(&path, rest);
	put_shell(b, mem);
}

void put_raw(struct strbuf *b, const char *s)
{
	strbuf_escape(b, s, strlen(s));
}

void put_owner(struct strbuf *b, const struct owner *o)
{
	if (!o->pid) {
		strbuf_puts(b, "a process");
		return;
	}
	put_raw(b, o->comm);
	strbuf_printf(b, "(%u)", o->pid);
}

struct strbuf what_begin(struct dns_finding *f)
{
	struct strbuf b;

	strbuf_init(&b, f->what, sizeof(f->what));
	return b;
}

struct strbuf seen_begin(struct dns_finding *f)
{
	static char overflow[2];
	struct strbuf b;

	if (f->nr_seen < FINDING_MAX_SEEN) {
		strbuf_init(&b, f->seen[f->nr_seen], sizeof(f->seen[0]));
		f->nr_seen++;
	} else {
		strbuf_init(&b, overflow, sizeof(overflow));
	}
	return b;
}

const char *sudo(const struct rule_input *in)
{
	return in->facts && in->facts->sudo ? "sudo " : "";
}

/* The next fix; the returned buffer takes its command. */
struct strbuf fix_begin(struct dns_finding *f, const char *how)
{
	static char overflow[2];
	struct strbuf b;

	if (f->nr_fix >= FINDING_MAX_FIX) {
		strbuf_init(&b, overflow, sizeof(overflow));
		return b;
	}
	strbuf_init(&b, f->fix[f->nr_fix].how, sizeof(f->fix[0].how));
	strbuf_puts(&b, how);
	strbuf_init(&b, f->fix[f->nr_fix].cmd, sizeof(f->fix[0].cmd));
	f->nr_fix++;
	return b;
}

/* The target's name without its kind. */
const char *bare_target(const struct dns_facts *f)
{
	const char *colon = strchr(f->target, ':');
	static const char *const kinds[] = {
		"netns:", "docker:", "podman:", "cri:", "pid:", "path:"
	};
	size_t i;

	for (i = 0; colon && i < ARRAY_SIZE(kinds); i++)
		if (!strncmp(f->target, kinds[i], strlen(kinds[i])))
			return colon + 1;
	return f->target;
}

void put_enter(struct strbuf *b, const struct rule_input *in)
{
	const struct dns_facts *f = in->facts;

	switch (f->kind) {
	case TARGET_DOCKER:
	case TARGET_PODMAN:
		strbuf_printf(b, "%snsenter -n -t \"$(%s%s inspect -f '{{.State.Pid}}' ", sudo(in),
			      sudo(in), f->kind == TARGET_DOCKER ? "docker" : "podman");
		put_shell(b, bare_target(f));
		strbuf_puts(b, ")\" ");
		break;
	case TARGET_NETNS:
		strbuf_printf(b, "%sip netns exec ", sudo(in));
		put_shell(b, bare_target(f));
		strbuf_putc(b, ' ');
		break;
	case TARGET_PATH:
		strbuf_printf(b, "%snsenter --net=", sudo(in));
		put_shell(b, bare_target(f));
		strbuf_putc(b, ' ');
		break;
	case TARGET_PID:
		strbuf_printf(b, "%snsenter -n -t ", sudo(in));
		put_shell(b, bare_target(f));
		strbuf_putc(b, ' ');
		break;
	case TARGET_HOST: strbuf_puts(b, sudo(in)); break;
	default:
		if (in->t && in->t->owner.pid)
			strbuf_printf(b, "%snsenter -n -t %u ", sudo(in), in->t->owner.pid);
		else
			strbuf_printf(b, "%s", sudo(in));
	}
}

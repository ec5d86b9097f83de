// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "loader/internal.h"
#include "netns/nat.h"
#include "netns/netns.h"
#include "stream/record.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Facts are collected for this many socket calls a second; all others are
 * passed on bare. A process may call as often as it likes. */
#define FACTS_PER_SECOND 50
#define RULES_NS	 (2 * 1000000LL) /* between two looks at a namespace's rules */
/* For a server that is not where it was looked for. */
#define NAMESPACES_LOOKED_AT 256

/* A connection to a loopback address was refused: the server may be in another namespace that
 * is watched. */
static void look_elsewhere(const struct loader *l, const struct target *t,
			   const struct ipaddr *server, uint16_t port, struct dns_facts *f)
{
	unsigned int i;

	for (i = 0; i < l->n && i < NAMESPACES_LOOKED_AT; i++) {
		const struct watched *w = l->targets[i];

		if (w->gone || w->target.ns.ino == t->ns.ino ||
		    !facts_listens(&w->target, server, port))
			continue;
		memcpy(f->listens_in, w->target.name, sizeof(f->listens_in));
		return;
	}
}

void attempts_send_facts(struct loader *l, const struct target *t, const struct owner *asker,
			 uint32_t ppid, const struct ipaddr *server, uint16_t port, int code)
{
	struct wire_msg m = { .type = WIRE_FACTS, .code = code };
	struct err e = { 0 };

	if (facts_collect(t, asker, ppid, server, port, &l->memory, &m.facts, &e))
		log_debug("%s: %s", t->name, e.msg);
	else if (server && ipaddr_is_loopback(server) && port && port != 53)
		look_elsewhere(l, t, server, port, &m.facts);
	child_send(l, &m);
}

static bool may_collect_facts(struct loader *l)
{
	time_t now = time(NULL);

	if (now != l->facts_second)
		l->facts_used = 0;
	l->facts_second = now;
	return l->facts_used++ < FACTS_PER_SECOND;
}

static int filters_of_sent(void *arg)
{
	(void)arg;
	return (int)nat_filters_of_sent_here();
}

/* Filters by whose drops something is to be learnt: with every errno of calls, of those that
 * make no call fail. */
static int telling_filters(const struct loader *l)
{
	return NAT_FILTER_EGRESS | (l->o->every_errno ? 0 : NAT_FILTER_OUTPUT);
}

/* A container may change its rules without end. */
void attempts_new_rules(struct loader *l, struct watched *w)
{
	int64_t now = loader_now_ns();
	_cleanup_fd_ int fd = -1;
	int filters;

	if (!l->o->dns || l->sees_drops || now - w->rules_read < RULES_NS)
		return; /* until somebody sends, or more come */
	w->rules_read = now;
	w->new_rules = false;
	fd = target_open(&w->target, NULL);
	filters = fd < 0 ? 0 : netns_call(fd, filters_of_sent, NULL, NULL);
	if (filters <= 0 || !(filters & telling_filters(l)))
		return;
	programs_watch_drops(l->programs);
	netns_watch_rules_end(l->links);
	l->sees_drops = true;
}

/* Facts first: the caller may be gone in a millisecond,
 * and with it the file. */
static void take_attempt(struct loader *l, const struct nsw_attempt *a)
{
	struct wire_msg m = { .type = WIRE_ATTEMPT, .attempt = *a };
	struct watched *w = watchset_find(l, a->netns);
	struct ipaddr server = record_addr(&a->dst);
	struct owner owner;

	record_owner(&owner, &a->owner);
	if (a->call == NSW_CALL_NETNS) {
		follow_hint(l);
		return;
	}
	if (a->call == NSW_CALL_MANY_PACKETS) {
		watchset_many_packets(l, a->netns, (int64_t)a->time);
		return;
	}
	if (!w)
		return;
	if (a->call == NSW_CALL_EXEC) {
		facts_remember(&l->memory, &owner);
		return;
	}
	if (w->new_rules || netns_watch_rules_fd(l->links) < 0)
		attempts_new_rules(l, w);
	/* One that has failed began a moment ago. */
	if (!a->error && may_collect_facts(l))
		attempts_send_facts(l, &w->target, &owner, a->ppid, &server, 0, 0);
	child_send(l, &m);
}

/* libbpf goes on for as long as there is more, unless told otherwise; a process
 * that calls without end must not keep the signals waiting. */
static int on_attempt(void *ctx, void *data, size_t len)
{
	struct loader *l = ctx;

	if (len >= sizeof(struct nsw_attempt))
		take_attempt(l, data);
	return --l->attempts_left ? 0 : -EAGAIN;
}

void attempts_read(struct loader *l, unsigned int most)
{
	l->attempts_left = most;
	ring_buffer__consume(l->attempts);
}

/* The collector is not trusted: it gets facts of watched namespaces only. */
void attempts_answer(struct loader *l, const struct dns_ask *a)
{
	struct watched *w = watchset_find(l, a->netns);

	if (w)
		attempts_send_facts(l, &w->target, &a->asker, a->ppid,
				    a->server.family ? &a->server : NULL, a->port, 1);
}

int attempts_open(struct loader *l, struct err *e)
{
	struct err why = { 0 };

	if (l->o->follow && programs_attach_namespaces(l->programs, &why))
		log_warn("some new containers will be noticed late: %s", why.msg);
	l->attempts = ring_buffer__new(programs_attempts_fd(l->programs), on_attempt, l, NULL);
	return l->attempts ? 0 : err_sys(e, -errno, "attempts ring");
}

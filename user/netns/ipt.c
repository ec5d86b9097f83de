// SPDX-License-Identifier: GPL-2.0-only
/*
 * A rule is a struct ipt_entry: addresses, interfaces and protocol, then matches, then
 * one target. Where the next one begins, and where a jump leads to, are offsets
 * into the table. What a match that is not known here says is a matter of MAYBE.
 */
#include "netns/ipt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/nft.h"
#include "util/cleanup.h"

#define MAX_SIZE  (16 * 1024 * 1024)
#define MAX_STEPS 50000
#define MAX_DEPTH 64
#define TRIES	  3 /* the table may change between two questions */

enum truth { FALSE, TRUE, MAYBE };

struct walk {
	const struct ipt_rules *table;
	const struct nat_packet *packet;
	unsigned int steps;
};

/* --- reading ---------------------------------------------------------------- */

static int read_entries(int sock, struct ipt_rules *t, const struct ipt_getinfo *info)
{
	socklen_t len = (socklen_t)(sizeof(struct ipt_get_entries) + info->size);
	_cleanup_free_ struct ipt_get_entries *e = calloc(1, len);

	if (!e)
		return -ENOMEM;
	memcpy(e->name, info->name, sizeof(e->name));
	e->size = info->size;
	if (getsockopt(sock, IPPROTO_IP, IPT_SO_GET_ENTRIES, e, &len))
		return -errno;
	t->entries = malloc(info->size);
	if (!t->entries)
		return -ENOMEM;
	memcpy(t->entries, (const uint8_t *)e + sizeof(*e), info->size);
	t->size = info->size;
	return 0;
}

static int read_once(int sock, struct ipt_rules *t, const char *name)
{
	struct ipt_getinfo info = { 0 };
	socklen_t len = sizeof(info);
	size_t i;

	snprintf(info.name, sizeof(info.name), "%s", name);
	if (getsockopt(sock, IPPROTO_IP, IPT_SO_GET_INFO, &info, &len))
		return -errno;
	if (!info.size || info.size > MAX_SIZE)
		return -EFBIG;
	for (i = 0; i < ARRAY_SIZE(t->hooks); i++)
		t->hooks[i] = info.valid_hooks & (1U << i) ? info.hook_entry[i] : UINT32_MAX;
	return read_entries(sock, t, &info);
}

int ipt_read_here(struct ipt_rules *t, const char *name)
{
	_cleanup_fd_ int sock = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	int err = -EAGAIN, i;

	*t = (struct ipt_rules){ 0 };
	if (sock < 0)
		return -errno;
	for (i = 0; i < TRIES && err == -EAGAIN; i++)
		err = read_once(sock, t, name);
	return err;
}

void ipt_fini(struct ipt_rules *t)
{
	free(t->entries);
	*t = (struct ipt_rules){ 0 };
}

/* --- one rule --------------------------------------------------------------- */

static enum truth both(enum truth a, enum truth b)
{
	if (a == FALSE || b == FALSE)
		return FALSE;
	return a == TRUE && b == TRUE ? TRUE : MAYBE;
}

static enum truth unless(bool inverted, bool same)
{
	return same != inverted ? TRUE : FALSE;
}

static enum truth match_address(const struct ipaddr *a, struct in_addr want, struct in_addr mask,
				bool inverted)
{
	uint32_t have;

	memcpy(&have, a->bytes, sizeof(have));
	return unless(inverted, (have & mask.s_addr) == want.s_addr);
}

/* The mask has 0xff for each byte that counts; with the NUL if it is the whole name. */
static enum truth match_interface(const char *name, const char *want, const uint8_t *mask,
				  bool inverted)
{
	char have[IFNAMSIZ] = { 0 };
	size_t i;

	if (!mask[0])
		return TRUE;
	if (!name[0])
		return MAYBE;
	snprintf(have, sizeof(have), "%s", name);
	for (i = 0; i < IFNAMSIZ; i++)
		if ((have[i] ^ want[i]) & mask[i])
			return unless(inverted, false);
	return unless(inverted, true);
}

static enum truth match_ip(const struct ipt_ip *ip, const struct nat_packet *p)
{
	enum truth t = match_address(&p->src, ip->src, ip->smsk, ip->invflags & IPT_INV_SRCIP);

	t = both(t, match_address(&p->dst, ip->dst, ip->dmsk, ip->invflags & IPT_INV_DSTIP));
	t = both(t, match_interface(p->iif, ip->iniface, ip->iniface_mask,
				    ip->invflags & IPT_INV_VIA_IN));
	t = both(t, match_interface(p->oif, ip->outiface, ip->outiface_mask,
				    ip->invflags & IPT_INV_VIA_OUT));
	if (ip->proto)
		t = both(t, unless(ip->invflags & IPT_INV_PROTO, ip->proto == p->proto));
	/* No fragment is followed. */
	if (ip->flags & IPT_F_FRAG)
		t = both(t, unless(ip->invflags & IPT_INV_FRAG, false));
	return t;
}

/* struct xt_udp and the head of struct xt_tcp are the same: two ranges of ports. */
static enum truth match_ports(const struct xt_entry_match *m, const struct nat_packet *p, bool tcp)
{
	size_t len = m->u.match_size - sizeof(*m);
	struct xt_tcp x = { 0 };
	uint8_t inverted;

	if (len < (tcp ? sizeof(struct xt_tcp) : sizeof(struct xt_udp)))
		return MAYBE;
	if (p->proto != (tcp ? IPPROTO_TCP : IPPROTO_UDP))
		return FALSE;
	memcpy(&x, m->data, tcp ? sizeof(struct xt_tcp) : sizeof(struct xt_udp));
	inverted = tcp ? x.invflags : ((const struct xt_udp *)(const void *)m->data)->invflags;
	if (x.spts[0] != 0 || x.spts[1] != 0xffff || (tcp && (x.option || x.flg_mask)))
		return MAYBE;
	return unless(inverted & XT_UDP_INV_DSTPT, p->dport >= x.dpts[0] && p->dport <= x.dpts[1]);
}

static enum truth run_match(const struct xt_entry_match *m, const struct nat_packet *p)
{
	const char *name = m->u.user.name;

	if (!strncmp(name, "comment", sizeof(m->u.user.name)))
		return TRUE;
	if (!strncmp(name, "tcp", sizeof(m->u.user.name)))
		return match_ports(m, p, true);
	if (!strncmp(name, "udp", sizeof(m->u.user.name)))
		return match_ports(m, p, false);
	return MAYBE;
}

/* The rule at that offset, if all of its parts lie within the table. */
static const struct ipt_entry *entry_at(const struct ipt_rules *t, uint32_t off)
{
	const struct ipt_entry *e = (const void *)(t->entries + off);

	if (off >= t->size || t->size - off < sizeof(*e) || off % 8)
		return NULL;
	if (e->next_offset > t->size - off || e->target_offset < sizeof(*e) ||
	    e->target_offset + sizeof(struct xt_entry_target) > e->next_offset)
		return NULL;
	return e;
}

static enum truth run_rule(const struct ipt_entry *e, const struct nat_packet *p)
{
	enum truth t = match_ip(&e->ip, p);
	uint32_t off = sizeof(*e);

	while (t != FALSE && off + sizeof(struct xt_entry_match) <= e->target_offset) {
		const struct xt_entry_match *m = (const void *)((const uint8_t *)e + off);

		if (m->u.match_size < sizeof(*m) || m->u.match_size > e->target_offset - off)
			return MAYBE;
		t = both(t, run_match(m, p));
		off += m->u.match_size;
	}
	return t;
}

/* --- the table -------------------------------------------------------------- */

static unsigned int walk_chain(struct walk *w, uint32_t off, unsigned int depth);

static bool is_called(const struct xt_entry_target *target, const char *name)
{
	return !strncmp(target->u.user.name, name, sizeof(target->u.user.name));
}

/* Negative: a verdict, minus one; else where to jump to, be it the next rule. */
static unsigned int follow_standard(struct walk *w, const struct ipt_entry *e, uint32_t off,
				    const struct xt_entry_target *target, unsigned int depth)
{
	int32_t verdict;

	if (target->u.target_size < sizeof(struct xt_standard_target))
		return MAY_ANY;
	memcpy(&verdict, target->data, sizeof(verdict));
	if (verdict == XT_RETURN)
		return MAY_RETURN;
	if (verdict < 0)
		return MAY_END;
	if ((uint32_t)verdict == off + e->next_offset)
		return MAY_RETURN; /* no target at all: on to the next rule */
	return walk_chain(w, (uint32_t)verdict, depth + 1);
}

static unsigned int follow_target(struct walk *w, const struct ipt_entry *e, uint32_t off,
				  unsigned int depth)
{
	static const char *const nat[] = { "MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP" };
	const struct xt_entry_target *t = (const void *)((const uint8_t *)e + e->target_offset);
	size_t i;

	if (!t->u.user.name[0])
		return follow_standard(w, e, off, t, depth);
	for (i = 0; i < ARRAY_SIZE(nat); i++)
		if (is_called(t, nat[i]))
			return MAY_NAT;
	return is_called(t, "LOG") || is_called(t, "NFLOG") ? MAY_RETURN : MAY_RETURN | MAY_END;
}

/* Whether the chain is left by this rule, if that matches. */
static bool ends_chain(const struct ipt_entry *e)
{
	const struct xt_entry_target *t = (const void *)((const uint8_t *)e + e->target_offset);
	int32_t verdict;

	if (t->u.user.name[0] || t->u.target_size < sizeof(struct xt_standard_target))
		return false;
	memcpy(&verdict, t->data, sizeof(verdict));
	return verdict == XT_RETURN || (verdict >= 0 && e->ip.flags & IPT_F_GOTO);
}

static unsigned int walk_chain(struct walk *w, uint32_t off, unsigned int depth)
{
	const struct ipt_entry *e;
	unsigned int all = 0, this;

	for (;; off += e->next_offset) {
		enum truth matches;

		e = entry_at(w->table, off);
		if (!e || depth > MAX_DEPTH || ++w->steps > MAX_STEPS)
			return MAY_ANY;
		matches = run_rule(e, w->packet);
		if (matches == FALSE)
			continue;
		this = follow_target(w, e, off, depth);
		if (ends_chain(e)) {
			all |= this;
			if (matches == TRUE)
				return all;
			continue;
		}
		all |= this & ~(unsigned int)MAY_RETURN;
		if (matches == TRUE && !(this & MAY_RETURN))
			return all;
	}
}

unsigned int ipt_follow_nat(const struct ipt_rules *t, uint32_t hook, const struct nat_packet *p)
{
	struct walk w = { .table = t, .packet = p };
	unsigned int may;

	if (!t->entries || p->src.family != 4 || hook >= ARRAY_SIZE(t->hooks) ||
	    t->hooks[hook] == UINT32_MAX)
		return MAY_END;
	may = walk_chain(&w, t->hooks[hook], 0);
	/* A base chain ends with its policy. */
	return may & ~(unsigned int)MAY_NAT ? (may & MAY_NAT) | MAY_END : MAY_NAT;
}

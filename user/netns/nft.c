// SPDX-License-Identifier: GPL-2.0-only
/*
 * A rule is a list of expressions: some load a part of the packet into a
 * register, some compare a register and break off, the last one tells the
 * verdict. A register that holds what is not known of the made-up packet makes
 * the comparison, and so the rule, a matter of MAYBE.
 */
#include "netns/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "netns/rtnl.h"
#include "util/cleanup.h"

/* That are read; more are not followed at all. Chains are looked for one by one. */
#define MAX_CHAINS 1000
#define MAX_RULES  20000
#define MAX_STEPS  50000 /* rules looked at for one packet */
#define CT_NEW	   NF_CT_STATE_BIT(IP_CT_NEW)
#define MAX_DEPTH  16 /* of jumps: the kernel's NFT_JUMP_STACK_SIZE */

struct nft_chain {
	struct nlmsghdr *msg; /* which the strings point into */
	const char *table, *name;
	uint8_t family;
	size_t rules, nr_rules; /* where they are among all */
	bool has_type;		/* it is a base chain */
	bool is_nat, is_filter; /* of that type */
	uint32_t hook;
	int32_t priority;
	bool drops;    /* its policy */
	bool has_rule; /* or, unless it is a base chain, is jumped to */
};

struct nft_rule {
	struct nlmsghdr *msg;
	const char *table, *chain;
	const struct nlattr *exprs; /* may be NULL */
	uint8_t family;
};

/* --- reading ---------------------------------------------------------------- */

static const char *get_name(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ? NULL : mnl_attr_get_str(attr);
}

/* Netfilter's numbers are in network byte order. */
static uint32_t get_be32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) < 4 ? 0 : ntohl(mnl_attr_get_u32(attr));
}

static struct nlmsghdr *copy_of(const struct nlmsghdr *nlh)
{
	struct nlmsghdr *copy = malloc(nlh->nlmsg_len);

	return copy ? memcpy(copy, nlh, nlh->nlmsg_len) : NULL;
}

static void get_hook(struct nft_chain *c, const struct nlattr *hook)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, hook) {
		if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM)
			c->hook = get_be32(attr);
		else if (mnl_attr_get_type(attr) == NFTA_HOOK_PRIORITY)
			c->priority = (int32_t)get_be32(attr);
	}
}

static void get_chain_attr(struct nft_chain *c, const struct nlattr *attr)
{
	const char *type;

	switch (mnl_attr_get_type(attr)) {
	case NFTA_CHAIN_TABLE: c->table = get_name(attr); break;
	case NFTA_CHAIN_NAME: c->name = get_name(attr); break;
	case NFTA_CHAIN_HOOK: get_hook(c, attr); break;
	case NFTA_CHAIN_TYPE:
		type = get_name(attr);
		c->has_type = type;
		c->is_nat = type && !strcmp(type, "nat");
		c->is_filter = type && !strcmp(type, "filter");
		break;
	case NFTA_CHAIN_USE: c->has_rule = get_be32(attr) > 0; break;
	case NFTA_CHAIN_POLICY: c->drops = get_be32(attr) == NF_DROP; break;
	default: break;
	}
}

/* One more at the end of an array; NULL without memory. */
static void *append(void *array, size_t *n, size_t *room, size_t size)
{
	void **v = array, *grown;

	if (*n == *room) {
		size_t more = *room ? 2 * *room : 64;

		grown = reallocarray(*v, more, size);
		if (!grown)
			return NULL;
		*v = grown;
		*room = more;
	}
	return (char *)*v + size * (*n)++;
}

static int on_chain(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	struct nft_rules *r = ctx;
	struct nft_chain c = { .family = nfg->nfgen_family, .msg = copy_of(nlh) }, *kept = NULL;
	const struct nlattr *attr;

	if (!c.msg)
		return MNL_CB_ERROR;
	mnl_attr_for_each(attr, c.msg, sizeof(*nfg)) {
		get_chain_attr(&c, attr);
	}
	errno = EFBIG;
	if (c.table && c.name && r->nr_chains < MAX_CHAINS)
		kept = append(&r->chains, &r->nr_chains, &r->room_chains, sizeof(c));
	if (kept)
		*kept = c;
	else
		free(c.msg);
	return kept ? MNL_CB_OK : MNL_CB_ERROR;
}

static int on_rule(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	struct nft_rules *r = ctx;
	struct nft_rule rule = { .family = nfg->nfgen_family, .msg = copy_of(nlh) }, *kept = NULL;
	const struct nlattr *attr;

	if (!rule.msg)
		return MNL_CB_ERROR;
	mnl_attr_for_each(attr, rule.msg, sizeof(*nfg)) {
		switch (mnl_attr_get_type(attr)) {
		case NFTA_RULE_TABLE: rule.table = get_name(attr); break;
		case NFTA_RULE_CHAIN: rule.chain = get_name(attr); break;
		case NFTA_RULE_EXPRESSIONS: rule.exprs = attr; break;
		default: break;
		}
	}
	errno = EFBIG;
	if (rule.table && rule.chain && r->nr_rules < MAX_RULES)
		kept = append(&r->rules, &r->nr_rules, &r->room_rules, sizeof(rule));
	if (kept)
		*kept = rule;
	else
		free(rule.msg);
	return kept ? MNL_CB_OK : MNL_CB_ERROR;
}

static struct nlmsghdr *nft_request(char *buf, uint8_t family, uint16_t type)
{
	struct nlmsghdr *req =
		rtnl_request(buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_DUMP);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(req, sizeof(*nfg));

	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return req;
}

static bool takes_part(const struct nft_chain *c)
{
	return (c->is_nat || (c->is_filter && c->hook == NF_INET_FORWARD)) &&
	       (c->family == NFPROTO_IPV4 || c->family == NFPROTO_IPV6 ||
		c->family == NFPROTO_INET);
}

static bool same_table(const struct nft_chain *a, const struct nft_chain *b)
{
	return a->family == b->family && !strcmp(a->table, b->table);
}

/* The rules of each table that translates, once. */
static int read_rules(struct mnl_socket *nl, struct nft_rules *r)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	size_t i, k;
	int err = 0;

	for (i = 0; i < r->nr_chains && !err; i++) {
		const struct nft_chain *c = &r->chains[i];
		struct nlmsghdr *req;

		for (k = 0; k < i; k++)
			if (takes_part(&r->chains[k]) && same_table(&r->chains[k], c))
				break;
		if (!takes_part(c) || k < i || strlen(c->table) > 255)
			continue;
		req = nft_request(buf, c->family, NFT_MSG_GETRULE);
		mnl_attr_put_strz(req, NFTA_RULE_TABLE, c->table);
		err = rtnl_talk(nl, req, on_rule, r);
	}
	return err;
}

static bool belongs(const struct nft_rule *rule, const struct nft_chain *c)
{
	return rule->family == c->family && !strcmp(rule->chain, c->name) &&
	       !strcmp(rule->table, c->table);
}

/* A dump tells the rules chain by chain. */
static void index_rules(struct nft_rules *r)
{
	struct nft_chain *c = NULL;
	size_t i, k;

	for (i = 0; i < r->nr_rules; i++) {
		if (c && belongs(&r->rules[i], c)) {
			c->nr_rules++;
			continue;
		}
		for (c = NULL, k = 0; k < r->nr_chains && !c; k++)
			if (belongs(&r->rules[i], &r->chains[k]))
				c = &r->chains[k];
		if (!c)
			continue;
		c->rules = i;
		c->nr_rules = 1;
	}
}

static int by_priority(const void *a, const void *b)
{
	const struct nft_chain *x = a, *y = b;

	return (x->priority > y->priority) - (x->priority < y->priority);
}

static int read_chains(struct mnl_socket **nl, struct nft_rules *r)
{
	char buf[RTNL_REQ_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	int err = rtnl_open(nl, NETLINK_NETFILTER, NULL);

	return err
		       ?: rtnl_talk(*nl, nft_request(buf, NFPROTO_UNSPEC, NFT_MSG_GETCHAIN),
				    on_chain, r);
}

/* NF_INET_LOCAL_OUT and _POST_ROUTING are what these are in each of the families of IP. */
static int filters_sent(const struct nft_chain *c)
{
	if (!c->has_type || c->is_nat || !(c->drops || c->has_rule))
		return 0;
	switch (c->family) {
	case NFPROTO_IPV4:
	case NFPROTO_IPV6:
	case NFPROTO_INET:
		return c->hook == NF_INET_LOCAL_OUT || c->hook == NF_INET_POST_ROUTING
			       ? NAT_FILTER_OUTPUT
			       : 0;
	case NFPROTO_NETDEV: return c->hook == NF_NETDEV_EGRESS ? NAT_FILTER_EGRESS : 0;
	default: return 0;
	}
}

int nft_filters_of_sent_here(void)
{
	_cleanup_rtnl_ struct mnl_socket *nl = NULL;
	struct nft_rules r = { 0 };
	int found = read_chains(&nl, &r);
	size_t i;

	for (i = 0; i < r.nr_chains && found >= 0; i++)
		found |= filters_sent(&r.chains[i]);
	nft_fini(&r);
	return found;
}

int nft_read_here(struct nft_rules *r)
{
	_cleanup_rtnl_ struct mnl_socket *nl = NULL;
	int err = read_chains(&nl, r);

	if (err)
		return err;
	if (r->nr_chains)
		qsort(r->chains, r->nr_chains, sizeof(*r->chains), by_priority);
	err = read_rules(nl, r);
	index_rules(r);
	return err;
}

void nft_fini(struct nft_rules *r)
{
	size_t i;

	for (i = 0; i < r->nr_chains; i++)
		free(r->chains[i].msg);
	for (i = 0; i < r->nr_rules; i++)
		free(r->rules[i].msg);
	free(r->chains);
	free(r->rules);
	*r = (struct nft_rules){ 0 };
}

/* --- following ---------------------------------------------------------------- */

enum truth { FALSE, TRUE, MAYBE };

enum verdict { V_CONTINUE, V_NAT, V_ACCEPT, V_DROP, V_EITHER, V_RETURN, V_JUMP, V_GOTO };

/* Bytes of which some are known. */
struct bytes {
	uint8_t v[64];
	bool known[64];
};

struct walk {
	const struct nft_rules *rules;
	const struct nat_packet *packet;
	struct bytes network, transport; /* the made-up packet's headers */
	struct bytes reg;
	unsigned int steps;
};

/* What one rule does with the packet. */
struct outcome {
	enum truth matches;
	enum verdict verdict;
	const char *chain; /* of V_JUMP, V_GOTO */
};

static void set_bytes(struct bytes *b, size_t at, const void *v, size_t n)
{
	size_t i;

	for (i = 0; i < n && at + i < sizeof(b->v); i++) {
		b->v[at + i] = ((const uint8_t *)v)[i];
		b->known[at + i] = true;
	}
}

static void forget_bytes(struct bytes *b, size_t at, size_t n)
{
	if (at < sizeof(b->v))
		memset(b->known + at, 0, n < sizeof(b->v) - at ? n : sizeof(b->v) - at);
}

static void make_headers(struct walk *w)
{
	const struct nat_packet *p = w->packet;
	uint16_t dport = htons(p->dport);

	if (p->src.family == 4) {
		set_bytes(&w->network, 9, &p->proto, 1);
		set_bytes(&w->network, 12, p->src.bytes, 4);
		set_bytes(&w->network, 16, p->dst.bytes, 4);
	} else {
		set_bytes(&w->network, 6, &p->proto, 1);
		set_bytes(&w->network, 8, p->src.bytes, 16);
		set_bytes(&w->network, 24, p->dst.bytes, 16);
	}
	set_bytes(&w->transport, 2, &dport, 2);
}

/* Where a register begins in the file of 64 bytes; enum nft_registers. */
static size_t reg_at(uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (reg - NFT_REG_1) * 16;
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return (reg - NFT_REG32_00) * 4;
	return sizeof(((struct bytes *)NULL)->v);
}

/* The attributes of an expression by their number. */
#define MAX_ATTR 16

static void list_attrs(const struct nlattr *nest, const struct nlattr *out[MAX_ATTR])
{
	const struct nlattr *attr;

	memset(out, 0, MAX_ATTR * sizeof(*out));
	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) < MAX_ATTR)
			out[mnl_attr_get_type(attr)] = attr;
	}
}

static uint32_t number(const struct nlattr *attr)
{
	return attr ? get_be32(attr) : 0;
}

/* NFTA_DATA_VALUE within nft_data_attributes. */
static const uint8_t *data_value(const struct nlattr *nest, size_t *len)
{
	const struct nlattr *attr;

	*len = 0;
	if (!nest)
		return NULL;
	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE) {
			*len = mnl_attr_get_payload_len(attr);
			return mnl_attr_get_payload(attr);
		}
	}
	return NULL;
}

static enum truth do_payload(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	size_t to = reg_at(number(a[NFTA_PAYLOAD_DREG])), i;
	uint32_t base = number(a[NFTA_PAYLOAD_BASE]), at = number(a[NFTA_PAYLOAD_OFFSET]);
	uint32_t len = number(a[NFTA_PAYLOAD_LEN]);
	const struct bytes *from = base == NFT_PAYLOAD_NETWORK_HEADER	  ? &w->network
				   : base == NFT_PAYLOAD_TRANSPORT_HEADER ? &w->transport
									  : NULL;

	(void)o;
	forget_bytes(&w->reg, to, len);
	for (i = 0; from && i < len && i < sizeof(from->v); i++)
		if (at < sizeof(from->v) - i && from->known[at + i])
			set_bytes(&w->reg, to + i, &from->v[at + i], 1);
	return TRUE;
}

static enum truth do_meta(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	const struct nat_packet *p = w->packet;
	size_t to = reg_at(number(a[NFTA_META_DREG]));
	uint8_t nfproto = p->src.family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	uint16_t ether = htons(p->src.family == 4 ? ETH_P_IP : ETH_P_IPV6);

	(void)o;
	forget_bytes(&w->reg, to, 16);
	switch (number(a[NFTA_META_KEY])) {
	case NFT_META_PROTOCOL: set_bytes(&w->reg, to, &ether, sizeof(ether)); break;
	case NFT_META_NFPROTO: set_bytes(&w->reg, to, &nfproto, 1); break;
	case NFT_META_L4PROTO: set_bytes(&w->reg, to, &p->proto, 1); break;
	case NFT_META_IIFNAME: set_bytes(&w->reg, to, p->iif, sizeof(p->iif)); break;
	case NFT_META_OIFNAME: set_bytes(&w->reg, to, p->oif, sizeof(p->oif)); break;
	default: break;
	}
	return TRUE;
}

static enum truth do_bitwise(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	size_t from = reg_at(number(a[NFTA_BITWISE_SREG])), to, i, nr_mask, nr_xor;
	const uint8_t *mask = data_value(a[NFTA_BITWISE_MASK], &nr_mask);
	const uint8_t * xor = data_value(a[NFTA_BITWISE_XOR], &nr_xor);
	uint32_t len = number(a[NFTA_BITWISE_LEN]);

	(void)o;
	to = reg_at(number(a[NFTA_BITWISE_DREG]));
	if (!mask || !xor || nr_mask < len || nr_xor < len || number(a[NFTA_BITWISE_OP])) {
		forget_bytes(&w->reg, to, len);
		return TRUE;
	}
	for (i = 0; i < len && from + i < sizeof(w->reg.v) && to + i < sizeof(w->reg.v); i++) {
		/* What is masked out need not be known. */
		w->reg.known[to + i] = w->reg.known[from + i] || !mask[i];
		w->reg.v[to + i] = (uint8_t)((w->reg.v[from + i] & mask[i]) ^ xor[i]);
	}
	return TRUE;
}

static enum truth compare(const uint8_t *a, const uint8_t *b, size_t n, uint32_t op)
{
	int d = memcmp(a, b, n);

	switch (op) {
	case NFT_CMP_EQ: return d == 0 ? TRUE : FALSE;
	case NFT_CMP_NEQ: return d != 0 ? TRUE : FALSE;
	case NFT_CMP_LT: return d < 0 ? TRUE : FALSE;
	case NFT_CMP_LTE: return d <= 0 ? TRUE : FALSE;
	case NFT_CMP_GT: return d > 0 ? TRUE : FALSE;
	case NFT_CMP_GTE: return d >= 0 ? TRUE : FALSE;
	default: return MAYBE;
	}
}

static enum truth do_cmp(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	size_t at = reg_at(number(a[NFTA_CMP_SREG])), i, n;
	const uint8_t *v = data_value(a[NFTA_CMP_DATA], &n);

	(void)o;
	if (!v || at + n > sizeof(w->reg.v))
		return MAYBE;
	for (i = 0; i < n; i++)
		if (!w->reg.known[at + i])
			return MAYBE;
	return compare(&w->reg.v[at], v, n, number(a[NFTA_CMP_OP]));
}

static enum truth do_range(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	size_t at = reg_at(number(a[NFTA_RANGE_SREG])), i, n, m;
	const uint8_t *from = data_value(a[NFTA_RANGE_FROM_DATA], &n);
	const uint8_t *to = data_value(a[NFTA_RANGE_TO_DATA], &m);
	bool inside;

	(void)o;
	if (!from || !to || n != m || at + n > sizeof(w->reg.v))
		return MAYBE;
	for (i = 0; i < n; i++)
		if (!w->reg.known[at + i])
			return MAYBE;
	inside = memcmp(&w->reg.v[at], from, n) >= 0 && memcmp(&w->reg.v[at], to, n) <= 0;
	return inside == (number(a[NFTA_RANGE_OP]) == NFT_RANGE_EQ) ? TRUE : FALSE;
}

static void get_verdict(const struct nlattr *nest, struct outcome *o)
{
	const struct nlattr *attr;
	int32_t code = NFT_CONTINUE;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == NFTA_VERDICT_CODE)
			code = (int32_t)get_be32(attr);
		else if (mnl_attr_get_type(attr) == NFTA_VERDICT_CHAIN)
			o->chain = get_name(attr);
	}
	switch (code) {
	case NFT_CONTINUE: break;
	case NFT_RETURN: o->verdict = V_RETURN; break;
	case NFT_JUMP: o->verdict = V_JUMP; break;
	case NFT_GOTO: o->verdict = V_GOTO; break;
	case NF_ACCEPT: o->verdict = V_ACCEPT; break;
	case NF_DROP: o->verdict = V_DROP; break;
	default: o->verdict = V_EITHER; /* it is queued to a program */
	}
}

static enum truth do_immediate(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	const struct nlattr *attr;
	const uint8_t *v;
	size_t n;

	if (!a[NFTA_IMMEDIATE_DATA])
		return MAYBE;
	mnl_attr_for_each_nested(attr, a[NFTA_IMMEDIATE_DATA]) {
		if (mnl_attr_get_type(attr) == NFTA_DATA_VERDICT)
			get_verdict(attr, o);
	}
	v = data_value(a[NFTA_IMMEDIATE_DATA], &n);
	if (v)
		set_bytes(&w->reg, reg_at(number(a[NFTA_IMMEDIATE_DREG])), v, n);
	return TRUE;
}

static enum truth do_nat(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	(void)w;
	(void)a;
	o->verdict = V_NAT;
	return TRUE;
}

static enum truth do_reject(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	(void)w;
	(void)a;
	o->verdict = V_DROP;
	return TRUE;
}

/* The made-up packet is the first of its connection. */
static enum truth do_ct(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	size_t to = reg_at(number(a[NFTA_CT_DREG]));
	uint32_t state = CT_NEW;

	(void)o;
	if (!a[NFTA_CT_DREG])
		return TRUE;
	forget_bytes(&w->reg, to, 16);
	if (number(a[NFTA_CT_KEY]) == NFT_CT_STATE)
		set_bytes(&w->reg, to, &state, sizeof(state));
	return TRUE;
}

static enum truth do_nothing(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	(void)w;
	(void)a;
	(void)o;
	return TRUE;
}

/* iptables' targets under nftables. */
static enum truth do_target(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	static const char *const nat[] = { "MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP" };
	const char *name = a[NFTA_TARGET_NAME] ? get_name(a[NFTA_TARGET_NAME]) : NULL;
	size_t i;

	(void)w;
	for (i = 0; name && i < ARRAY_SIZE(nat); i++)
		if (!strcmp(name, nat[i]))
			o->verdict = V_NAT;
	if (name && !strcmp(name, "REJECT"))
		o->verdict = V_DROP;
	/* LOG, MARK and the like let the packet pass. */
	return name ? TRUE : MAYBE;
}

/* struct xt_udp and the head of struct xt_tcp are the same: two ranges of ports. */
static enum truth match_ports(const struct walk *w, const char *name, const struct nlattr *info)
{
	uint8_t proto = !strcmp(name, "udp") ? IPPROTO_UDP : IPPROTO_TCP, inverse;
	const struct xt_udp *udp = mnl_attr_get_payload(info);
	bool inside;

	if (mnl_attr_get_payload_len(info) < sizeof(struct xt_udp))
		return MAYBE;
	if (w->packet->proto != proto)
		return FALSE;
	inverse = proto == IPPROTO_UDP ? udp->invflags : 0;
	if (proto == IPPROTO_TCP && mnl_attr_get_payload_len(info) >= sizeof(struct xt_tcp)) {
		const struct xt_tcp *tcp = mnl_attr_get_payload(info);

		if (tcp->option || tcp->flg_mask)
			return MAYBE;
		inverse = tcp->invflags;
	}
	if (udp->spts[0] != 0 || udp->spts[1] != 0xffff)
		return MAYBE;
	inside = w->packet->dport >= udp->dpts[0] && w->packet->dport <= udp->dpts[1];
	return inside != !!(inverse & XT_UDP_INV_DSTPT) ? TRUE : FALSE;
}

static enum truth match_state(const struct nlattr *info)
{
	const struct xt_state_info *st = mnl_attr_get_payload(info);

	if (mnl_attr_get_payload_len(info) < sizeof(*st))
		return MAYBE;
	return st->statemask & CT_NEW ? TRUE : FALSE;
}

static enum truth match_conntrack(const struct nlattr *info)
{
	const struct xt_conntrack_mtinfo2 *ct = mnl_attr_get_payload(info);

	if (mnl_attr_get_payload_len(info) < sizeof(*ct) || ct->match_flags != XT_CONNTRACK_STATE)
		return MAYBE;
	return !!(ct->state_mask & CT_NEW) != !!(ct->invert_flags & XT_CONNTRACK_STATE) ? TRUE
											: FALSE;
}

static enum truth do_match(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o)
{
	const char *name = a[NFTA_MATCH_NAME] ? get_name(a[NFTA_MATCH_NAME]) : NULL;

	(void)o;
	if (name && !strcmp(name, "comment"))
		return TRUE;
	if (name && a[NFTA_MATCH_INFO] && (!strcmp(name, "udp") || !strcmp(name, "tcp")))
		return match_ports(w, name, a[NFTA_MATCH_INFO]);
	if (name && a[NFTA_MATCH_INFO] && !strcmp(name, "state"))
		return match_state(a[NFTA_MATCH_INFO]);
	if (name && a[NFTA_MATCH_INFO] && !strcmp(name, "conntrack"))
		return match_conntrack(a[NFTA_MATCH_INFO]);
	return MAYBE;
}

static const struct {
	const char *name;
	enum truth (*run)(struct walk *w, const struct nlattr *a[MAX_ATTR], struct outcome *o);
} exprs[] = {
	{ "payload", do_payload }, { "meta", do_meta },		  { "bitwise", do_bitwise },
	{ "cmp", do_cmp },	   { "range", do_range },	  { "ct", do_ct },
	{ "reject", do_reject },   { "immediate", do_immediate }, { "masq", do_nat },
	{ "nat", do_nat },	   { "redir", do_nat },		  { "target", do_target },
	{ "match", do_match },	   { "counter", do_nothing },	  { "log", do_nothing },
};

/* An expression that is not among these may write any register, and match or not. */
static enum truth run_expr(struct walk *w, const struct nlattr *elem, struct outcome *o)
{
	const struct nlattr *attr, *data = NULL, *a[MAX_ATTR] = { NULL };
	const char *name = NULL;
	size_t i;

	mnl_attr_for_each_nested(attr, elem) {
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
			name = get_name(attr);
		else if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA)
			data = attr;
	}
	if (data)
		list_attrs(data, a);
	for (i = 0; name && i < ARRAY_SIZE(exprs); i++)
		if (!strcmp(name, exprs[i].name))
			return exprs[i].run(w, a, o);
	memset(w->reg.known, 0, sizeof(w->reg.known));
	return MAYBE;
}

static struct outcome run_rule(struct walk *w, const struct nft_rule *rule)
{
	struct outcome o = { .matches = TRUE, .verdict = V_CONTINUE };
	const struct nlattr *elem;
	enum truth t;

	memset(&w->reg, 0, sizeof(w->reg));
	if (!rule->exprs)
		return o;
	mnl_attr_for_each_nested(elem, rule->exprs) {
		t = run_expr(w, elem, &o);
		if (t == FALSE) {
			o.matches = FALSE;
			break;
		}
		if (t == MAYBE)
			o.matches = MAYBE;
	}
	return o;
}

static const struct nft_chain *find_chain(const struct nft_rules *r, const struct nft_chain *from,
					  const char *name)
{
	size_t i;

	for (i = 0; name && i < r->nr_chains; i++)
		if (same_table(&r->chains[i], from) && !strcmp(r->chains[i].name, name))
			return &r->chains[i];
	return NULL;
}

static unsigned int walk_chain(struct walk *w, const struct nft_chain *c, unsigned int depth);

/* What a rule's verdict may lead to; MAY_RETURN: on to the next rule. */
static unsigned int follow_verdict(struct walk *w, const struct nft_chain *c,
				   const struct outcome *o, unsigned int depth)
{
	const struct nft_chain *to;

	switch (o->verdict) {
	case V_NAT: return MAY_NAT;
	case V_ACCEPT: return MAY_END;
	case V_DROP: return MAY_DROP;
	case V_EITHER: return MAY_END | MAY_DROP;
	case V_JUMP:
	case V_GOTO:
		to = find_chain(w->rules, c, o->chain);
		return to ? walk_chain(w, to, depth + 1) : MAY_ANY;
	default: return MAY_RETURN;
	}
}

static unsigned int walk_chain(struct walk *w, const struct nft_chain *c, unsigned int depth)
{
	unsigned int all = 0, this;
	size_t i;

	for (i = 0; i < c->nr_rules; i++) {
		const struct nft_rule *rule = &w->rules->rules[c->rules + i];
		struct outcome o;

		if (depth > MAX_DEPTH || ++w->steps > MAX_STEPS)
			return MAY_ANY;
		o = run_rule(w, rule);
		if (o.matches == FALSE || o.verdict == V_CONTINUE)
			continue;
		this = follow_verdict(w, c, &o, depth);
		/* Behind these verdicts there is no next rule in this chain. */
		if (o.verdict == V_RETURN || o.verdict == V_GOTO) {
			all |= this;
			if (o.matches == TRUE)
				return all;
			continue;
		}
		all |= this & ~(unsigned int)MAY_RETURN;
		if (o.matches == TRUE && !(this & MAY_RETURN))
			return all;
	}
	return all | MAY_RETURN;
}

static bool sees_family(const struct nft_chain *c, const struct nat_packet *p)
{
	return c->family == NFPROTO_INET ||
	       c->family == (p->src.family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

/* The first chain that translates wins; each other one leaves it to the next. */
unsigned int nft_follow_nat(const struct nft_rules *r, uint32_t hook, const struct nat_packet *p)
{
	struct walk w = { .rules = r, .packet = p };
	unsigned int all = 0, this;
	size_t i;

	make_headers(&w);
	for (i = 0; i < r->nr_chains; i++) {
		const struct nft_chain *c = &r->chains[i];

		if (!c->is_nat || c->hook != hook || !sees_family(c, p))
			continue;
		this = walk_chain(&w, c, 0);
		all |= this & MAY_NAT;
		if (this == MAY_NAT)
			return all;
	}
	return all | MAY_END;
}

/* Every chain must let it pass. */
unsigned int nft_follow_forward(const struct nft_rules *r, const struct nat_packet *p)
{
	struct walk w = { .rules = r, .packet = p };
	unsigned int all = MAY_END, this;
	size_t i;

	make_headers(&w);
	for (i = 0; i < r->nr_chains; i++) {
		const struct nft_chain *c = &r->chains[i];

		if (!c->is_filter || c->hook != NF_INET_FORWARD || !sees_family(c, p))
			continue;
		this = walk_chain(&w, c, 0);
		if (this & MAY_RETURN)
			this |= c->drops ? MAY_DROP : MAY_END;
		if (!(this & (MAY_END | MAY_NAT)))
			return MAY_DROP;
		all |= this & MAY_DROP;
	}
	return all;
}

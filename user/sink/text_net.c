// SPDX-License-Identifier: GPL-2.0-only
/* Link layer, ARP and IP in the Info column. */
#include "sink/names.h"
#include "sink/text_line.h"

#include <pcap/dlt.h>
#include <string.h>

#include "decode/tunnel.h"
#include "util/cleanup.h"

enum {
	PROTO_HOPOPTS = 0,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_IP6 = 41,
	PROTO_NONE = 59,
	PROTO_DSTOPTS = 60
};
enum { HW_ETHER = 1, HW_IEEE802 = 6, HW_ATM = 19, ARP_REQUEST = 1, ARP_REPLY = 2 };

/* --- link ------------------------------------------------------------------ */

static void put_tag(struct line *l)
{
	const struct frame *f = l->f;
	bool qinq = f->vlan_tpid == ET_QINQ;

	strbuf_puts(l->info, "PRI: ");
	strbuf_u64(l->info, f->last_tci >> 13);
	strbuf_puts(l->info, qinq ? "  DROP: " : "  DEI: ");
	strbuf_u64(l->info, f->last_tci >> 12 & 1);
	strbuf_puts(l->info, qinq ? " ID: " : "  ID: ");
	strbuf_u64(l->info, f->last_tci & 0xfff);
}

/* Nothing but Ethernet is the link layer in a tunnel. */
static bool is_ether(const struct frame *f)
{
	return f->dlt == DLT_EN10MB || f->nr_tunnels;
}

/* A type that is not decoded. One without a name leaves what the layer before said. */
static void put_ethertype(struct line *l)
{
	const struct frame *f = l->f;
	const char *name = name_ethertype(f->ethertype);
	struct strbuf b;

	strbuf_init(&b, l->protocol_mem, sizeof(l->protocol_mem));
	strbuf_puts(&b, "0x");
	strbuf_hex(&b, f->ethertype, 4);
	l->protocol = l->protocol_mem;
	if (name)
		strbuf_puts(l->info, name);
	else if (f->nr_vlans)
		put_tag(l);
	else if (is_ether(f))
		strbuf_puts(l->info, "Ethernet II");
}

static void put_vlan(struct line *l)
{
	const struct frame *f = l->f;

	l->protocol = f->vlan_tpid == ET_QINQ ? "802.1ad" : "VLAN";
	if (f->has_tci)
		put_tag(l);
}

/* IEEE's and others' service access points. */
static const struct {
	uint8_t sap;
	const char *name;
} saps[] = {
	{ 0x00, "NULL LSAP" },
	{ 0x02, "LLC Sub-Layer Management" },
	{ 0x04, "SNA Path Control" },
	{ 0x06, "TCP/IP" },
	{ 0x08, "SNA" },
	{ 0x0c, "SNA" },
	{ 0x0e, "PROWAY (IEC955) Network Management and Initialization" },
	{ 0x10, "NetWare (unofficial?)" },
	{ 0x14, "ISO Network Layer (OSLAN 1)" },
	{ 0x18, "Texas Instruments" },
	{ 0x20, "ISO Network Layer (unofficial?)" },
	{ 0x34, "ISO Network Layer (unofficial?)" },
	{ 0x42, "Spanning Tree BPDU" },
	{ 0x4e, "EIA RS-511 Manufacturing Message Service" },
	{ 0x54, "ISO Network Layer (OSLAN 2)" },
	{ 0x7e, "ISO 8208 (X.25 over 802.2)" },
	{ 0x80, "XNS" },
	{ 0x82, "BACnet" },
	{ 0x86, "Nestar" },
	{ 0x8e, "PROWAY (IEC955) Active Station List Maintenance" },
	{ 0x98, "ARP" },
	{ 0xaa, "SNAP" },
	{ 0xb4, "HP JetDirect Printer" },
	{ 0xba, "Banyan Vines" },
	{ 0xbc, "Banyan Vines" },
	{ 0xe0, "NetWare" },
	{ 0xf0, "NetBIOS" },
	{ 0xf4, "IBM Net Management" },
	{ 0xf8, "HP Extended LLC" },
	{ 0xfa, "Ungermann-Bass" },
	{ 0xfc, "Remote Program Load" },
	{ 0xfe, "ISO Network Layer" },
};

static void put_sap(struct strbuf *b, uint8_t sap)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(saps); i++) {
		if (saps[i].sap == (sap & 0xfe)) {
			strbuf_puts(b, saps[i].name);
			return;
		}
	}
	strbuf_puts(b, "0x");
	strbuf_hex(b, sap & 0xfe, 2);
}

/* Unnumbered ones by their modifier bits, as a command and as a response. */
static const struct {
	uint8_t control;
	const char *command, *response;
} unnumbered[] = {
	{ 0x03, "UI", "UI" },	    { 0x07, "SIM", "RIM" },   { 0x0f, "SARM", "DM" },
	{ 0x23, "UP", "UP" },	    { 0x2f, "SABM", "SABM" }, { 0x43, "DISC", "RD" },
	{ 0x4f, "SARME", "SARME" }, { 0x63, "UA", "UA" },     { 0x6f, "SABME", "SABME" },
	{ 0x83, "SNRM", "SNRM" },   { 0x87, "FRMR", "FRMR" }, { 0x8f, "RESET", "RESET" },
	{ 0xaf, "XID", "XID" },	    { 0xc7, "CFGR", "CFGR" }, { 0xcf, "SNRME", "SNRME" },
	{ 0xe3, "TEST", "TEST" },   { 0xef, "BCN", "BCN" },
};

static const char *unnumbered_name(uint8_t control, bool response)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unnumbered); i++)
		if (unnumbered[i].control == (control & 0xef))
			return response ? unnumbered[i].response : unnumbered[i].command;
	return "Unknown";
}

/* IEEE 802.2 5.4: information and supervisory frames are numbered, others are
 * commands. The poll bit of a command is the final bit of a response. */
static void put_llc_control(struct strbuf *b, uint8_t c0, uint8_t c1, bool response)
{
	static const char *const supervisory[] = { "RR", "RNR", "REJ", "SREJ" };
	const char *final = response ? " F" : " P";

	if (!(c0 & 1)) {
		strbuf_puts(b, c1 & 1 ? "I P, N(R)=" : "I, N(R)=");
		strbuf_u64(b, c1 >> 1);
		strbuf_puts(b, ", N(S)=");
		strbuf_u64(b, c0 >> 1);
	} else if (!(c0 & 2)) {
		strbuf_putc(b, 'S');
		strbuf_puts(b, c1 & 1 ? final : "");
		strbuf_puts(b, ", func=");
		strbuf_puts(b, supervisory[c0 >> 2 & 3]);
		strbuf_puts(b, ", N(R)=");
		strbuf_u64(b, c1 >> 1);
	} else {
		strbuf_putc(b, 'U');
		strbuf_puts(b, c0 & 0x10 ? final : "");
		strbuf_puts(b, ", func=");
		strbuf_puts(b, unnumbered_name(c0, response));
	}
}

static void put_upper_hex(struct strbuf *b, uint32_t v, unsigned int digits)
{
	while (digits--)
		strbuf_putc(b, "0123456789ABCDEF"[v >> digits * 4 & 0xf]);
}

static void put_snap(struct line *l, struct cursor *c)
{
	const uint8_t *oui = cursor_bytes(c, 3);
	uint16_t pid = cursor_be16(c);

	if (!cursor_ok(c) || !oui)
		return;
	strbuf_puts(l->info, "; SNAP, OUI 0x");
	put_upper_hex(l->info, (uint32_t)oui[0] << 16 | (uint32_t)oui[1] << 8 | oui[2], 6);
	strbuf_puts(l->info, ", PID 0x");
	put_upper_hex(l->info, pid, 4);
}

static void put_llc(struct line *l)
{
	struct cursor c = line_cursor(l, l->f->l2_off, l->f->l2_len);
	uint8_t dsap = cursor_u8(&c), ssap = cursor_u8(&c), c0 = cursor_u8(&c), c1 = 0;

	l->protocol = "LLC";
	if (cursor_ok(&c) && (c0 & 3) != 3)
		c1 = cursor_u8(&c);
	if (cursor_ok(&c)) {
		put_llc_control(l->info, c0, c1, ssap & 1);
		if (dsap == 0xaa && ssap == 0xaa) {
			put_snap(l, &c);
		} else {
			strbuf_puts(l->info, "; DSAP ");
			put_sap(l->info, dsap);
			strbuf_puts(l->info, dsap & 1 ? " Group, SSAP " : " Individual, SSAP ");
			put_sap(l->info, ssap);
			strbuf_puts(l->info, ssap & 1 ? " Response" : " Command");
		}
	}
	line_stopped(l, &c);
}

static void put_bad_length(struct line *l)
{
	l->protocol = "Ethernet";
	l->malformed = false;
	strbuf_puts(l->info, "Ethernet Unknown: Invalid length/type: 0x");
	strbuf_hex(l->info, l->f->ethertype, 4);
	strbuf_puts(l->info, " (");
	strbuf_u64(l->info, l->f->ethertype);
	strbuf_putc(l->info, ')');
}

void text_link(struct line *l)
{
	const struct frame *f = l->f;

	if (f->layer == LAYER_LLC) {
		put_llc(l);
	} else if ((f->layer == LAYER_VLAN && !f->has_type) ||
		   (f->layer == LAYER_RAW_8023 && f->nr_vlans)) {
		put_vlan(l);
	} else if (f->layer == LAYER_RAW_8023) {
		l->protocol = "Ethernet";
		strbuf_puts(l->info, "IEEE 802.3 Ethernet Raw ");
	} else if (f->fault == FAULT_LENGTH_TYPE && !f->nr_vlans && is_ether(f)) {
		put_bad_length(l);
	} else if (f->has_type) {
		put_ethertype(l);
		l->malformed = false;
	} else {
		l->protocol = "Ethernet";
	}
}

/* --- ARP (RFC 826, 903, 1931, 2022, 2176, 2390; assigned operation numbers) -------------- */

struct arp {
	uint16_t hw, proto, op;
	uint8_t hlen, plen;
	const uint8_t *sha, *spa, *tha, *tpa;
};

static bool read_arp_header(struct arp *a, struct cursor *c)
{
	a->hw = cursor_be16(c);
	a->proto = cursor_be16(c);
	a->hlen = cursor_u8(c);
	a->plen = cursor_u8(c);
	a->op = cursor_be16(c);
	return cursor_ok(c);
}

/* What is there of the addresses. */
static void read_arp_addresses(struct arp *a, struct cursor c)
{
	a->sha = cursor_bytes(&c, a->hlen);
	a->spa = a->sha ? cursor_bytes(&c, a->plen) : NULL;
	a->tha = a->spa ? cursor_bytes(&c, a->hlen) : NULL;
	a->tpa = a->tha ? cursor_bytes(&c, a->plen) : NULL;
}

static void put_bytes(struct strbuf *b, const uint8_t *p, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		strbuf_hex(b, p[i], 2);
}

static bool is_for_ether(const struct arp *a)
{
	return a->hw == HW_ETHER || a->hw == HW_IEEE802;
}

static void put_hw(struct strbuf *b, const struct arp *a, const uint8_t *addr)
{
	if (!a->hlen)
		strbuf_puts(b, "<No address>");
	else if (a->hlen == 6 && is_for_ether(a))
		text_mac_put(b, addr, 6);
	else
		put_bytes(b, addr, a->hlen);
}

static void put_proto(struct strbuf *b, const struct arp *a, const uint8_t *addr)
{
	if (!a->plen)
		strbuf_puts(b, "<No address>");
	else if (a->proto == ET_IP && a->plen == 4)
		ipaddr_put_v4(b, addr);
	else
		put_bytes(b, addr, a->plen);
}

static bool all_bytes(const uint8_t *p, unsigned int len, uint8_t value)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		if (p[i] != value)
			return false;
	return true;
}

static bool has_no_target(const struct arp *a)
{
	return a->hlen >= 6 && all_bytes(a->tha, 6, 0);
}

static void arp_gratuitous(struct strbuf *b, const struct arp *a, bool request)
{
	if (request && has_no_target(a)) {
		strbuf_puts(b, "ARP Announcement for ");
		put_proto(b, a, a->tpa);
		return;
	}
	strbuf_puts(b, "Gratuitous ARP for ");
	put_proto(b, a, a->tpa);
	strbuf_puts(b, request ? " (Request)" : " (Reply)");
}

static bool arp_is_gratuitous(const struct arp *a)
{
	return a->plen && memcmp(a->spa, a->tpa, a->plen) == 0;
}

static void arp_request(struct strbuf *b, const struct arp *a)
{
	if (arp_is_gratuitous(a)) {
		arp_gratuitous(b, a, true);
		return;
	}
	strbuf_puts(b, "Who has ");
	put_proto(b, a, a->tpa);
	/* RFC 5227 2.1.1: a probe has no sender address, and no target's but in IP. */
	if (has_no_target(a) && a->plen == 4 && all_bytes(a->spa, 4, 0)) {
		strbuf_puts(b, "? (ARP Probe)");
		return;
	}
	strbuf_puts(b, "? Tell ");
	put_proto(b, a, a->spa);
}

static void arp_reply(struct strbuf *b, const struct arp *a)
{
	if (arp_is_gratuitous(a)) {
		arp_gratuitous(b, a, false);
		return;
	}
	put_proto(b, a, a->spa);
	strbuf_puts(b, " is at ");
	put_hw(b, a, a->sha);
}

static void rarp_request(struct strbuf *b, const struct arp *a)
{
	strbuf_puts(b, "Who is ");
	put_hw(b, a, a->tha);
	strbuf_puts(b, "? Tell ");
	put_hw(b, a, a->sha);
}

static void rarp_reply(struct strbuf *b, const struct arp *a)
{
	put_hw(b, a, a->tha);
	strbuf_puts(b, " is at ");
	put_proto(b, a, a->tpa);
}

static void inarp_reply(struct strbuf *b, const struct arp *a)
{
	put_hw(b, a, a->sha);
	strbuf_puts(b, " is at ");
	put_proto(b, a, a->spa);
}

static void put_from_at(struct strbuf *b, const struct arp *a)
{
	put_hw(b, a, a->sha);
	strbuf_puts(b, " at ");
	put_proto(b, a, a->spa);
}

static void put_opcode(struct strbuf *b, const struct arp *a)
{
	strbuf_hex(b, a->op, 4);
}

enum arp_needs { ARP_NOTHING, ARP_SENDER, ARP_TARGET_HW, ARP_ALL };

struct arp_op {
	uint16_t op;
	const char *protocol, *text;
	void (*put)(struct strbuf *, const struct arp *);
	enum arp_needs needs; /* the addresses that are looked at, up to these */
};

static const struct arp_op arp_ops[] = {
	{ 0, "ARP", "Reserved opcode 0", NULL, ARP_NOTHING },
	{ ARP_REQUEST, "ARP", NULL, arp_request, ARP_ALL },
	{ ARP_REPLY, "ARP", NULL, arp_reply, ARP_ALL },
	{ 3, "RARP", NULL, rarp_request, ARP_TARGET_HW },
	{ 4, "RARP", NULL, rarp_reply, ARP_ALL },
	{ 5, "DRARP", NULL, rarp_request, ARP_TARGET_HW },
	{ 6, "DRARP", NULL, rarp_reply, ARP_ALL },
	{ 7, "DRARP", "DRARP Error", NULL, ARP_NOTHING },
	{ 8, "Inverse ARP", NULL, rarp_request, ARP_TARGET_HW },
	{ 9, "Inverse ARP", NULL, inarp_reply, ARP_SENDER },
	{ 10, "ARP", "ARP NAK", NULL, ARP_NOTHING },
	{ 11, "MARS", "MARS request from ", put_from_at, ARP_SENDER },
	{ 12, "MARS", "MARS MULTI request from ", put_from_at, ARP_SENDER },
	{ 13, "MARS", "MARS MSERV request from ", put_from_at, ARP_SENDER },
	{ 14, "MARS", "MARS JOIN request from ", put_from_at, ARP_SENDER },
	{ 15, "MARS", "MARS LEAVE from ", put_from_at, ARP_SENDER },
	{ 16, "MARS", "MARS NAK from ", put_from_at, ARP_SENDER },
	{ 17, "MARS", "MARS UNSERV request from ", put_from_at, ARP_SENDER },
	{ 18, "MARS", "MARS SJOIN request from ", put_from_at, ARP_SENDER },
	{ 19, "MARS", "MARS SLEAVE from ", put_from_at, ARP_SENDER },
	{ 20, "MARS", "MARS grouplist request from ", put_from_at, ARP_SENDER },
	{ 21, "MARS", "MARS grouplist reply from ", put_from_at, ARP_SENDER },
	{ 22, "MARS", "MARS redirect map from ", put_from_at, ARP_SENDER },
	{ 23, "MAPOS", "MAPOS UNARP request from ", put_from_at, ARP_SENDER },
	{ 24, "ARP", "Experimental 1 ( opcode 24 )", NULL, ARP_NOTHING },
	{ 25, "ARP", "Experimental 2 ( opcode 25 )", NULL, ARP_NOTHING },
	{ 65535, "ARP", "Reserved opcode 65535", NULL, ARP_NOTHING },
};

static const struct arp_op *find_arp_op(uint16_t op)
{
	static const struct arp_op unknown = { .protocol = "ARP",
					       .text = "Unknown ARP opcode 0x",
					       .put = put_opcode };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(arp_ops); i++)
		if (arp_ops[i].op == op)
			return &arp_ops[i];
	return &unknown;
}

static void put_arp_op(struct line *l, const struct arp_op *op, const struct arp *a)
{
	if (op->text)
		strbuf_puts(l->info, op->text);
	if (op->put)
		op->put(l->info, a);
}

static uint32_t arp_need(const struct arp_op *op, const struct arp *a)
{
	static const uint8_t hw[] = { 0, 1, 2, 2 }, proto[] = { 0, 1, 1, 2 };

	return (uint32_t)hw[op->needs] * a->hlen + (uint32_t)proto[op->needs] * a->plen;
}

static bool is_ether_ip4(const struct arp *a)
{
	return is_for_ether(a) && a->hlen == 6 && a->proto == ET_IP && a->plen == 4;
}

/*
 * The address that somebody else has claimed before, or NULL. As in tshark, a sender's claim
 * counts although the target is cut off; and of a reply's two claims the last is told, with the
 * address of the first if that one alone was another's.
 */
static const uint8_t *arp_duplicate(struct line *l, const struct arp *a)
{
	const uint8_t *twice = NULL;
	bool last;

	if ((a->op != ARP_REQUEST && a->op != ARP_REPLY) || !is_ether_ip4(a) || !a->sha || !a->spa)
		return NULL;
	last = arp_track_claim(l->arp, l->p->number, a->spa, a->sha);
	if (last)
		twice = a->spa;
	if (a->op == ARP_REQUEST || !a->tha || !a->tpa || !arp_is_claim(a->tpa, a->tha))
		return last ? twice : NULL;
	if (twice && memcmp(twice, a->tpa, 4) == 0)
		return twice;
	return arp_track_claim(l->arp, l->p->number, a->tpa, a->tha) ? a->tpa : NULL;
}

/* A packet shorter than its addresses says nothing else. */
static bool arp_fits(const struct arp *a, struct cursor *c)
{
	c->malformed = 2u * a->hlen + 2u * a->plen > cursor_reported(c);
	return !c->malformed;
}

static void put_duplicate(struct line *l, const uint8_t *ip)
{
	strbuf_puts(l->info, " (duplicate use of ");
	ipaddr_put_v4(l->info, ip);
	strbuf_puts(l->info, " detected!)");
	l->tone = TONE_TROUBLE;
}

void text_arp(struct line *l)
{
	struct cursor c = line_cursor(l, l->f->l2_off, l->f->l2_len);
	const struct arp_op *op;
	const uint8_t *twice;
	struct arp a;

	l->protocol = "ARP";
	l->malformed = l->truncated = false;
	/* RFC 2225 lays ARP for ATM out otherwise. */
	if (read_arp_header(&a, &c) && a.hw != HW_ATM && arp_fits(&a, &c)) {
		op = find_arp_op(a.op);
		l->protocol = op->protocol;
		read_arp_addresses(&a, c);
		twice = arp_duplicate(l, &a);
		if (is_ether_ip4(&a) && op->needs == ARP_ALL)
			cursor_need(&c, a.hlen + a.plen);
		if (cursor_need(&c, arp_need(op, &a)) && cursor_ok(&c))
			put_arp_op(l, op, &a);
		if (cursor_ok(&c) && twice)
			put_duplicate(l, twice);
	}
	line_stopped(l, &c);
}

/* --- IP -------------------------------------------------------------------- */

static void put_ip_fault(struct line *l)
{
	const struct frame *f = l->f;
	struct strbuf *b = l->info;

	switch (f->fault) {
	case FAULT_IP_VERSION:
		strbuf_puts(b, "Bogus IPv");
		strbuf_u64(b, f->ip_version);
		strbuf_puts(b, " version (");
		strbuf_u64(b, f->fault_value);
		strbuf_puts(b, ", must be ");
		strbuf_u64(b, f->ip_version);
		strbuf_putc(b, ')');
		break;
	case FAULT_IP_HEADER_LEN:
		strbuf_puts(b, "Bogus IP header length (");
		strbuf_u64(b, f->fault_value);
		strbuf_puts(b, ", must be at least 20)");
		break;
	case FAULT_IP_TOTAL_LEN:
		strbuf_puts(b, "Bogus IP length (");
		strbuf_u64(b, f->fault_value);
		strbuf_puts(b, ", less than header length ");
		strbuf_u64(b, f->ip_hlen);
		strbuf_putc(b, ')');
		break;
	case FAULT_IP6_SHORT:
		strbuf_puts(b, "Invalid IPv6 header (");
		strbuf_u64(b, f->fault_value);
		strbuf_puts(b, " bytes, need exactly 40)");
		break;
	default: break;
	}
}

static const char *ext_name(uint8_t kind)
{
	switch (kind) {
	case PROTO_HOPOPTS: return "IPv6 hop-by-hop options";
	case PROTO_ROUTING: return "IPv6 routing";
	default: return "IPv6 destination options";
	}
}

static void put_ip6_fragment(struct line *l)
{
	const struct frame *f = l->f;
	struct strbuf *b = l->info;

	strbuf_puts(b, "IPv6 fragment (off=");
	strbuf_u64(b, f->frag6_bits & 0xfff8);
	strbuf_puts(b, f->frag6_bits & 1 ? " more=y ident=0x" : " more=n ident=0x");
	strbuf_hex(b, f->frag6_id, 8);
	strbuf_puts(b, " nxt=");
	strbuf_u64(b, f->flow.proto);
	strbuf_putc(b, ')');
}

static void put_ip6_exts(struct line *l)
{
	const struct frame *f = l->f;
	unsigned int i;

	/* RFC 2675: only with a jumbo option. */
	if (f->nr_ext && f->ext[0] == PROTO_HOPOPTS && f->ip_version == 6 && !f->ip_payload_len)
		strbuf_puts(l->info, "Invalid IPv6 payload length , ");
	for (i = 0; i < f->nr_ext; i++) {
		bool last = i + 1 == f->nr_ext;

		if (f->ext[i] == PROTO_FRAGMENT && last && f->layer == LAYER_IP6_EXT)
			break;
		if (i)
			strbuf_puts(l->info, " , ");
		if (f->ext[i] == PROTO_FRAGMENT)
			put_ip6_fragment(l);
		else
			strbuf_puts(l->info, ext_name(f->ext[i]));
	}
}

static void put_ip4_fragment(struct line *l)
{
	const struct frame *f = l->f;
	struct strbuf *b = l->info;

	strbuf_puts(b, "Fragmented IP protocol (proto=");
	strbuf_puts(b, name_ip_protocol(f->flow.proto));
	strbuf_putc(b, ' ');
	strbuf_u64(b, f->flow.proto);
	strbuf_puts(b, ", off=");
	strbuf_u64(b, f->frag_off);
	strbuf_puts(b, ", ID=");
	strbuf_hex(b, f->ip_id, 4);
	strbuf_putc(b, ')');
}

static void put_ip_protocol(struct line *l)
{
	const struct frame *f = l->f;
	struct strbuf *b = l->info;

	if (f->ip_version == 6 || f->nr_ext)
		strbuf_puts(b, "Unknown IP Protocol: ");
	strbuf_puts(b, name_ip_protocol(f->flow.proto));
	strbuf_puts(b, " (");
	strbuf_u64(b, f->flow.proto);
	strbuf_putc(b, ')');
}

static void put_ip_payload(struct line *l)
{
	const struct frame *f = l->f;

	if (f->ip_version == 4 && !f->nr_ext && !f->l4_len && !f->frag_off)
		return;
	if (f->ip_version == 4 && frame_waits(f))
		put_ip4_fragment(l);
	else if (f->ip_version == 6 && f->is_fragment)
		put_ip6_fragment(l);
	else if (f->l4 == L4_TCP || f->l4 == L4_UDP)
		put_ip6_exts(l); /* and no port behind them */
	else if (f->ip_version == 6 && f->flow.proto == PROTO_NONE)
		strbuf_puts(l->info, "IPv6 no next header");
	else
		put_ip_protocol(l);
}

void text_ip(struct line *l)
{
	const struct frame *f = l->f;

	l->protocol = f->ip_version == 6 ? "IPv6" : "IPv4";
	if (f->layer == LAYER_IP_VERSION) {
		l->protocol = "IP";
		strbuf_puts(l->info, "Bogus IP version (");
		strbuf_u64(l->info, f->fault_value);
		strbuf_putc(l->info, ')');
		l->malformed = false;
	} else if (f->layer == LAYER_PAYLOAD) {
		if (f->flow.proto == PROTO_IP6 && f->l4_caplen && !frame_waits(f))
			l->protocol = "IPv6"; /* or what says so */
		put_ip_payload(l);
	} else if (f->layer == LAYER_IP6_EXT) {
		put_ip6_exts(l);
	} else {
		put_ip_fault(l);
		l->malformed = (f->fault == FAULT_IP6_SHORT && !l->truncated) ||
			       (!f->fault && l->malformed);
	}
}

/* --- tunnels, with what is not decoded in them ------------------------------------------ */

/* name: NULL if the type has none. Then GRE's number is in upper case, as in tshark. */
static void put_carried(struct line *l, const char *name, uint16_t type, bool upper)
{
	strbuf_puts(l->info, "Encapsulated ");
	if (name) {
		strbuf_puts(l->info, name);
		return;
	}
	strbuf_puts(l->info, "0x");
	if (upper)
		put_upper_hex(l->info, type, 4);
	else
		strbuf_hex(l->info, type, 4);
	strbuf_puts(l->info, " (unknown)");
}

void text_gre(struct line *l)
{
	struct cursor c = line_cursor(l, l->f->l4_off, l->f->l4_len);
	struct gre g;

	l->protocol = l->f->ip_version == 6 ? "IPv6" : "IPv4";
	if (tunnel_gre_header(&c, &g)) {
		l->protocol = "GRE";
		put_carried(l, name_gre_type(g.type), g.type, true);
	}
	line_stopped(l, &c);
}

void text_erspan(struct line *l)
{
	l->protocol = "ERSPAN";
	strbuf_puts(l->info, "ERSPAN:");
}

void text_vxlan(struct line *l)
{
	l->protocol = "VxLAN";
}

/* Those that are decoded need no name elsewhere. */
static const char *name_carried(uint16_t type)
{
	switch (type) {
	case ET_IP: return "IPv4";
	case ET_IP6: return "IPv6";
	case ET_ARP: return "ARP";
	case ET_ETHER: return "Transparent Ethernet bridging";
	default: return name_ethertype(type);
	}
}

void text_geneve(struct line *l)
{
	struct cursor c = line_cursor(l, l->f->l4_off, l->f->l4_len);
	uint16_t type;

	cursor_skip(&c, 2); /* version, length of the options, flags */
	type = cursor_be16(&c);
	l->protocol = "Geneve";
	if (cursor_ok(&c))
		put_carried(l, name_carried(type), type, false);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "sink/dns_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define MAX_ROWS (TREE_KINDS * (TREE_VALUES + 1) + 32)
#define COLUMN	 14 /* each but the first and the last */

struct name {
	uint32_t value;
	const char *name;
};

static const struct name types[] = {
	{ 0, "Unused" },
	{ 1, "A (Host Address)" },
	{ 2, "NS (authoritative Name Server)" },
	{ 3, "MD (Mail Destination)" },
	{ 4, "MF (Mail Forwarder)" },
	{ 5, "CNAME (Canonical NAME for an alias)" },
	{ 6, "SOA (Start Of a zone of Authority)" },
	{ 7, "MB (MailBox domain name)" },
	{ 8, "MG (Mail Group member)" },
	{ 9, "MR (Mail Rename domain)" },
	{ 10, "NULL RR" },
	{ 11, "WKS (Well Known Service)" },
	{ 12, "PTR (domain name PoinTeR)" },
	{ 13, "HINFO (host information)" },
	{ 14, "MINFO (Mailbox or mail list information)" },
	{ 15, "MX (Mail eXchange)" },
	{ 16, "TXT (Text strings)" },
	{ 17, "RP (Responsible Person)" },
	{ 18, "AFSDB (AFS Data Base location)" },
	{ 19, "X25 (XX.25 PSDN address)" },
	{ 20, "ISDN (ISDN address)" },
	{ 21, "RT (Route Through)" },
	{ 22, "NSAP (NSAP address)" },
	{ 23, "NSAP-PTR (NSAP domain name pointer)" },
	{ 24, "SIG (security signature)" },
	{ 25, "KEY (security key)" },
	{ 26, "PX (X.400 mail mapping information)" },
	{ 27, "GPOS (Geographical Position)" },
	{ 28, "AAAA (IPv6 Address)" },
	{ 29, "LOC (Location Information)" },
	{ 30, "NXT (Next Domain)" },
	{ 31, "EID (Endpoint Identifier)" },
	{ 32, "NIMLOC (Nimrod Locator)" },
	{ 33, "SRV (Server Selection)" },
	{ 34, "ATMA (ATM Address)" },
	{ 35, "NAPTR (Naming Authority Pointer)" },
	{ 36, "KX (Key Exchanger)" },
	{ 37, "CERT" },
	{ 38, "A6 (OBSOLETE - use AAAA)" },
	{ 39, "DNAME" },
	{ 40, "SINK" },
	{ 41, "OPT" },
	{ 42, "APL" },
	{ 43, "DS (Delegation Signer)" },
	{ 44, "SSHFP (SSH Key Fingerprint)" },
	{ 45, "IPSECKEY" },
	{ 46, "RRSIG (Resource Record Signature)" },
	{ 47, "NSEC (Next Secure)" },
	{ 48, "DNSKEY (DNS Public Key)" },
	{ 49, "DHCID" },
	{ 50, "NSEC3" },
	{ 51, "NSEC3PARAM" },
	{ 52, "TLSA" },
	{ 55, "HIP (Host Identity Protocol)" },
	{ 57, "RKEY" },
	{ 58, "TALINK (Trust Anchor LINK)" },
	{ 59, "CDS (Child DS)" },
	{ 60, "CDNSKEY (DNSKEY(s) the Child wants reflected in DS)" },
	{ 61, "OPENPGPKEY (OpenPGP Key)" },
	{ 62, "CSYNC (Child-to-Parent Synchronization)" },
	{ 63, "ZONEMD" },
	{ 64, "SVCB (General Purpose Service Endpoints)" },
	{ 65, "HTTPS (HTTPS Specific Service Endpoints)" },
	{ 99, "SPF" },
	{ 100, "UINFO" },
	{ 101, "UID" },
	{ 102, "GID" },
	{ 103, "UNSPEC" },
	{ 104, "NID (NodeID)" },
	{ 105, "L32 (Locator32)" },
	{ 106, "L64 (Locator64)" },
	{ 107, "LP (Locator FQDN)" },
	{ 108, "EUI48" },
	{ 109, "EUI64" },
	{ 249, "TKEY (Transaction Key)" },
	{ 250, "TSIG (Transaction Signature)" },
	{ 251, "IXFR (incremental transfer)" },
	{ 252, "AXFR (transfer of an entire zone)" },
	{ 253, "MAILB (mailbox-related RRs)" },
	{ 254, "MAILA (mail agent RRs)" },
	{ 255, "* (A request for all records the server/cache has available)" },
	{ 256, "URI" },
	{ 257, "CAA (Certification Authority Restriction)" },
	{ 32768, "TA (DNSSEC Trust Authorities)" },
	{ 32769, "DLV (DNSSEC Lookaside Validation)" },
	{ 65281, "WINS" },
	{ 65282, "WINS-R" },
	{ 65422, "XPF" },
	{ 0, NULL },
};

static const struct name rcodes[] = {
	{ 0, "No error" },
	{ 1, "Format error" },
	{ 2, "Server failure" },
	{ 3, "No such name" },
	{ 4, "Not implemented" },
	{ 5, "Refused" },
	{ 6, "Name exists" },
	{ 7, "RRset exists" },
	{ 8, "RRset does not exist" },
	{ 9, "Not authoritative" },
	{ 10, "Name out of zone" },
	{ 11, "DSO-Type not implemented" },
	{ 0, NULL },
};

static const struct name opcodes[] = {
	{ 0, "Standard query" },
	{ 1, "Inverse query" },
	{ 2, "Server status request" },
	{ 4, "Zone change notification" },
	{ 5, "Dynamic update" },
	{ 6, "DNS Stateful operations (DSO)" },
	{ 0, NULL },
};

static const struct name responses[] = { { 0, "Query" }, { 1, "Response" }, { 0, NULL } };

static const struct name classes[] = {
	{ 1, "IN" },	 { 2, "CS" },	 { 3, "CH" }, { 4, "HS" },
	{ 254, "NONE" }, { 255, "ANY" }, { 0, NULL },
};

static const struct {
	const char *label;
	const struct name *names;
	const char *unknown;
} kinds[TREE_KINDS] = {
	[TREE_RCODE] = { "rcode", rcodes, "Unknown rcode (%u)" },
	[TREE_OPCODE] = { "opcodes", opcodes, "Unknown opcode (%u)" },
	[TREE_RESPONSE] = { "Query/Response", responses, "Unknown qr (%u)" },
	[TREE_TYPE] = { "Query Type", types, "Unknown packet type (%u)" },
	[TREE_CLASS] = { "Class", classes, "Unknown class (%u)" },
};

struct row {
	char label[64];
	int parent; /* its row; -1 none */
	unsigned int depth;
	const struct tree_count *count; /* NULL: a heading */
	const struct tree_average *average;
	bool is_real; /* the average's values are no integers */
};

struct table {
	struct row rows[MAX_ROWS];
	int nr;
	double elapsed; /* ms */
	struct strbuf *b;
};

static int add(struct table *t, int parent, const char *label, const struct tree_count *count)
{
	struct row *r = &t->rows[t->nr];

	*r = (struct row){
		.parent = parent,
		.depth = parent < 0 ? 0 : t->rows[parent].depth + 1,
		.count = count,
	};
	snprintf(r->label, sizeof(r->label), "%s", label);
	return t->nr++;
}

static int add_average(struct table *t, int parent, const char *label,
		       const struct tree_average *average)
{
	int row = add(t, parent, label, &average->count);

	t->rows[row].average = average;
	return row;
}

static void add_kind(struct table *t, int parent, const struct dns_tree *tree, enum tree_kind kind)
{
	int all = add(t, parent, kinds[kind].label, &tree->kinds[kind].all);
	uint32_t i;

	for (i = 0; i < tree->kinds[kind].nr; i++) {
		const struct tree_value *v = &tree->kinds[kind].values[i];
		const struct name *n = kinds[kind].names;
		char unknown[48];

		while (n->name && n->value != v->value)
			n++;
		snprintf(unknown, sizeof(unknown), kinds[kind].unknown, v->value);
		add(t, all, n->name ? n->name : unknown, &v->count);
	}
}

static void add_rows(struct table *t, const struct dns_tree *tree)
{
	static const char *const levels[] = { "1st Level", "2nd Level", "3rd Level",
					      "4th Level or more" };
	static const char *const sections[] = { "no. of questions", "no. of answers",
						"no. of authorities", "no. of additionals" };
	int top = add(t, -1, "Total Packets", &tree->packets), below;
	size_t i;

	for (i = 0; i < TREE_KINDS; i++)
		add_kind(t, top, tree, i);
	add_average(t, -1, "Payload size", &tree->payload);
	top = add(t, -1, "Query Stats", NULL);
	add_average(t, top, "Qname Len", &tree->name_len);
	below = add(t, top, "Label Stats", NULL);
	for (i = 0; i < ARRAY_SIZE(levels); i++)
		add(t, below, levels[i], &tree->levels[i]);
	top = add(t, -1, "Response Stats", NULL);
	for (i = 0; i < ARRAY_SIZE(sections); i++)
		add_average(t, top, sections[i], &tree->sections[i]);
	top = add(t, -1, "Service Stats", NULL);
	below = add_average(t, top, "request-response time (msec)", &tree->response_time);
	t->rows[below].is_real = true;
	add(t, top, "no. of unsolicited responses", &tree->unsolicited);
	add(t, top, "no. of retransmissions", &tree->repeated);
}

static uint64_t count_of(const struct row *r)
{
	return r->count ? r->count->n : 0;
}

/* Most first; of equals, the label that comes last. */
static int compare(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;

	if (count_of(x) != count_of(y))
		return count_of(x) < count_of(y) ? 1 : -1;
	return strcmp(y->label, x->label);
}

static void put_cell(struct strbuf *b, const char *text, unsigned int width)
{
	strbuf_printf(b, "%-*s", (int)width, text);
}

static void put_averages(struct strbuf *b, const struct row *r)
{
	const struct tree_average *a = r->average;
	const char *format = r->is_real ? "%.6f" : "%.0f";
	char mean[32] = "", min[32] = "", max[32] = "";

	if (a && a->count.n) {
		snprintf(mean, sizeof(mean), "%.2f", (double)(a->total / (float)a->count.n));
		snprintf(min, sizeof(min), format, (double)a->min);
		snprintf(max, sizeof(max), format, (double)a->max);
	}
	put_cell(b, mean, COLUMN);
	put_cell(b, min, COLUMN);
	put_cell(b, max, COLUMN);
}

static void put_percent(struct strbuf *b, const struct table *t, const struct row *r)
{
	uint64_t of = r->parent < 0 ? 0 : count_of(&t->rows[r->parent]);
	char text[32] = "";

	if (r->parent < 0)
		snprintf(text, sizeof(text), "100%%");
	else if (of)
		snprintf(text, sizeof(text), "%.2f%%", (double)count_of(r) * 100 / (double)of);
	put_cell(b, text, COLUMN);
}

/* The window is of 100 ms. */
static void put_burst(struct strbuf *b, const struct tree_count *c)
{
	char rate[32] = "-", start[32] = "-";

	if (c && c->burst) {
		snprintf(rate, sizeof(rate), "%.4f", (double)c->burst / 100);
		snprintf(start, sizeof(start), "%.3f", (double)c->burst_time / 1e9);
	}
	put_cell(b, rate, COLUMN);
	put_cell(b, start, COLUMN - 1);
}

static void put_row(struct table *t, const struct row *r, unsigned int width)
{
	char text[96];

	snprintf(text, sizeof(text), "%*s%s", (int)r->depth, "", r->label);
	put_cell(t->b, text, width);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)count_of(r));
	put_cell(t->b, text, COLUMN);
	put_averages(t->b, r);
	text[0] = '\0';
	if (t->elapsed > 0)
		snprintf(text, sizeof(text), "%.4f", (double)count_of(r) / t->elapsed);
	put_cell(t->b, text, COLUMN);
	put_percent(t->b, t, r);
	put_burst(t->b, r->count);
	strbuf_putc(t->b, '\n');
}

static void put_rows(struct table *t, int parent, unsigned int width)
{
	const struct row *below[TREE_VALUES + 1];
	int i, nr = 0;

	for (i = 0; i < t->nr; i++)
		if (t->rows[i].parent == parent)
			below[nr++] = &t->rows[i];
	if (parent >= 0 && nr)
		qsort(below, (size_t)nr, sizeof(below[0]), compare);
	for (i = 0; i < nr; i++) {
		put_row(t, below[i], width);
		put_rows(t, (int)(below[i] - t->rows), width);
	}
}

static void put_rule(struct strbuf *b, char c, unsigned int n)
{
	while (n--)
		strbuf_putc(b, c);
	strbuf_putc(b, '\n');
}

static void put_table(struct table *t)
{
	static const char *const heads[] = { "Count",	  "Average", "Min Val",	   "Max Val",
					     "Rate (ms)", "Percent", "Burst Rate", "Burst Start" };
	unsigned int width = strlen("Topic / Item"), whole;
	size_t i;
	int row;

	for (row = 0; row < t->nr; row++)
		if (t->rows[row].depth + strlen(t->rows[row].label) > width)
			width = t->rows[row].depth + (unsigned int)strlen(t->rows[row].label);
	width += 2;
	whole = width + COLUMN * (unsigned int)ARRAY_SIZE(heads) - 1;
	strbuf_putc(t->b, '\n');
	put_rule(t->b, '=', whole);
	strbuf_puts(t->b, "DNS:\n");
	put_cell(t->b, "Topic / Item", width);
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		put_cell(t->b, heads[i], i + 1 < ARRAY_SIZE(heads) ? COLUMN : COLUMN - 1);
	strbuf_putc(t->b, '\n');
	put_rule(t->b, '-', whole);
	put_rows(t, -1, width);
	strbuf_putc(t->b, '\n');
	put_rule(t->b, '-', whole);
}

void dns_tree_text(struct strbuf *b, const struct dns_tree *tree)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return;
	t->b = b;
	t->elapsed = (double)tree->last / 1e6;
	add_rows(t, tree);
	put_table(t);
	free(t);
}

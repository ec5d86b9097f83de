/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DNS messages (RFC 1035 and successors): header, questions, resource records,
 * names and record data as text. Works on the message's own bytes: offsets into
 * it, no copies, no allocation. Whatever the bytes say, time is linear in the
 * message's length: a compression pointer must point before the labels that
 * led to it, and a name ends at 255 bytes and has 127 pointers at most.
 */
#ifndef NSWATCH_DECODE_DNS_H
#define NSWATCH_DECODE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/strbuf.h"

/* Truncated: the capture ends before the message does. Malformed: no amount of
 * further bytes could make it right. */
enum dns_status { DNS_OK, DNS_TRUNCATED, DNS_MALFORMED };

enum dns_section { DNS_QUESTION, DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_NR_SECTIONS };

/* Types that code refers to; dns_type_name() knows all of IANA's. */
enum dns_type {
	DNS_T_A = 1,
	DNS_T_NS = 2,
	DNS_T_CNAME = 5,
	DNS_T_SOA = 6,
	DNS_T_PTR = 12,
	DNS_T_TXT = 16,
	DNS_T_AAAA = 28,
	DNS_T_OPT = 41,
	DNS_T_RRSIG = 46,
};

enum dns_rcode {
	DNS_R_NOERROR = 0,
	DNS_R_FORMERR = 1,
	DNS_R_SERVFAIL = 2,
	DNS_R_NXDOMAIN = 3,
	DNS_R_NOTIMP = 4,
	DNS_R_REFUSED = 5,
};

/* Bits of dns_msg.flags, RFC 1035 4.1.1 and RFC 4035. */
enum dns_flag {
	DNS_F_QR = 1 << 15,
	DNS_F_AA = 1 << 10,
	DNS_F_TC = 1 << 9,
	DNS_F_RD = 1 << 8,
	DNS_F_RA = 1 << 7,
	DNS_F_AD = 1 << 5,
	DNS_F_CD = 1 << 4,
};

#define DNS_HEADER_LEN 12
#define DNS_NAME_MAX   255 /* wire form, RFC 1035 2.3.4 */
/* Longest escaped text of a name (four characters a byte), with its NUL. */
#define DNS_NAME_TEXT (DNS_NAME_MAX * 4 + 1)

struct dns_msg {
	const uint8_t *data; /* borrowed */
	uint32_t caplen;     /* bytes at data */
	uint32_t len;	     /* of the message as sent; >= caplen */
	uint16_t id;
	uint16_t flags; /* whole second word: enum dns_flag, opcode, rcode */
	uint8_t opcode;
	uint8_t rcode; /* the header's four bits */
	uint16_t count[DNS_NR_SECTIONS];
};

/* One entry of any section; a question has no ttl and no data. */
struct dns_rr {
	enum dns_section section;
	uint32_t name_off; /* from the start of the message */
	uint16_t type;
	uint16_t class;
	uint32_t ttl; /* seconds */
	uint32_t rdata_off;
	uint16_t rdlen;
};

/* A walk over all entries of a message, in their order. */
struct dns_walk {
	const struct dns_msg *msg;
	uint32_t off;
	enum dns_section section;
	uint16_t left; /* in this section */
	enum dns_status status;
	uint64_t steps; /* labels and pointers of names gone through so far */
};

/* A name in uncompressed wire form, ASCII letters lowered: len and wire compare as memory. Which
 * letters were capitals is kept for its text. */
struct dns_name {
	uint8_t len; /* with the root label; 0 is no name */
	bool has_upper;
	uint8_t wire[DNS_NAME_MAX]; /* as long as it is: the rest is not filled */
	uint32_t upper[8];	    /* a bit for each byte of wire; only if has_upper */
};

static inline void dns_name_copy(struct dns_name *to, const struct dns_name *from)
{
	memcpy(to, from, offsetof(struct dns_name, wire) + from->len);
	if (from->has_upper)
		memcpy(to->upper, from->upper, sizeof(to->upper));
}

/* Bytes of the message, by offset; len 0: none. */
struct dns_span {
	uint32_t off, len;
};

#define DNS_MAX_EDE 4

/* EDNS, RFC 6891, with extended DNS errors (RFC 8914), cookies (RFC 7873), the name server's
 * identifier (RFC 5001) and the client's subnet (RFC 7871). */
struct dns_edns {
	bool present;
	uint16_t udp_size;
	uint8_t ext_rcode; /* upper eight bits */
	uint8_t version;
	bool dnssec_ok;
	bool has_cookie, has_nsid;
	struct dns_span cookie, nsid;
	uint8_t nr_errors; /* further ones are not kept */
	struct {
		uint16_t code;
		struct dns_span text;
	} errors[DNS_MAX_EDE];
	uint8_t subnet_family; /* 0 none, 4, 6 */
	uint8_t subnet_source,
		subnet_scope;	/* bits that the question has; that the answer is for */
	struct dns_span subnet; /* the leading bytes of the address */
};

/* What of it matters of a query. */
struct dns_edns_asked {
	bool present, dnssec_ok, has_cookie;
	uint16_t udp_size;
};

/* Fills *m from the header. DNS_TRUNCATED if the header itself is cut: *m is then zero
 * but for data and lengths. len < 12 is DNS_MALFORMED. */
enum dns_status dns_msg_init(struct dns_msg *m, const uint8_t *data, uint32_t caplen, uint32_t len);

/* The first question. False, and the name has length 0, if there is none that can be read. */
bool dns_question_get(const struct dns_msg *m, struct dns_name *name, uint16_t *type,
		      uint16_t *class);

void dns_walk_init(struct dns_walk *w, const struct dns_msg *m);
/* Next entry into *rr. False at the end or at a fault: w->status tells. */
bool dns_walk_next(struct dns_walk *w, struct dns_rr *rr);

/* Appends the name at off as dig prints it, without the final dot ("." for the root);
 * special and non-printing bytes as \X and \DDD (RFC 1035 5.1). *end, unless NULL, is set to
 * the offset behind the name. */
enum dns_status dns_name_put(struct strbuf *b, const struct dns_msg *m, uint32_t off,
			     uint32_t *end);
/* The same name in comparable form. */
enum dns_status dns_name_get(struct dns_name *n, const struct dns_msg *m, uint32_t off,
			     uint32_t *end);
/* Text of a stored name, as dns_name_put(). */
void dns_name_text(struct strbuf *b, const struct dns_name *n);

/* A byte of a name or string as \X or \DDD. */
void dns_escape_put(struct strbuf *b, uint8_t c);

/* Appends the record's data as dig prints it (names without the final dot). Data that
 * does not fit its type is printed in the form of RFC 3597 (\# LENGTH HEX) and reported. */
enum dns_status dns_rdata_put(struct strbuf *b, const struct dns_msg *m, const struct dns_rr *rr);

/* Reads the OPT record, if there is one. */
void dns_edns_get(struct dns_edns *e, const struct dns_msg *m);
/* Reads rr, which is an OPT record. */
void dns_edns_read(struct dns_edns *e, const struct dns_msg *m, const struct dns_rr *rr);

/* "192.0.2.0/24/0", as dig; nothing if there is none. */
void dns_subnet_put(struct strbuf *b, const struct dns_msg *m, const struct dns_edns *e);

/* Names of numbers; NULL if IANA has none. */
const char *dns_type_name(uint16_t type);
const char *dns_class_name(uint16_t class);
const char *dns_rcode_name(uint16_t rcode); /* "NXDOMAIN"; up to 12 bits, with EDNS */
const char *dns_opcode_name(uint8_t opcode);
const char *dns_ede_name(uint16_t code); /* RFC 8914: "Stale Answer" */
/* The name, else TYPE123 / CLASS123 / RCODE123 / OPCODE9 (RFC 3597). */
void dns_type_put(struct strbuf *b, uint16_t type);
void dns_class_put(struct strbuf *b, uint16_t class);
void dns_rcode_put(struct strbuf *b, uint16_t rcode);
void dns_opcode_put(struct strbuf *b, uint8_t opcode);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transactions in memory, found by address pair and id, or by question.
 * Bounded: when full, finished ones go first, then the oldest.
 */
#ifndef NSWATCH_DNS_TABLE_H
#define NSWATCH_DNS_TABLE_H

#include "decode/dns.h"
#include "dns/timers.h"
#include "dns/transaction.h"
#include "packet.h"
#include "util/ipaddr.h"

/* The five-tuple of a transaction with its id. Hashed and compared as memory: whoever fills
 * one zeroes it first with memset(). */
struct trans_key {
	uint64_t netns;
	struct ipaddr client, server;
	uint16_t client_port, server_port;
	uint16_t id;
	uint8_t proto;
	bool connect; /* a TCP connection being opened; no id, no question */
};

struct question {
	uint16_t type, class;
	uint32_t hash;	      /* of the name; strangers cannot aim it */
	struct dns_name name; /* len 0: none */
};

enum trans_stage {
	TRANS_PENDING, /* nothing reported */
	TRANS_SHOWN,   /* reported as unanswered or failed; an answer may yet come */
	TRANS_DONE,    /* answered */
};

static inline void question_copy(struct question *to, const struct question *from)
{
	to->type = from->type;
	to->class = from->class;
	to->hash = from->hash;
	dns_name_copy(&to->name, &from->name);
}

/* What came instead of an answer. */
struct trans_failure {
	enum dns_failure how;
	uint8_t icmp_version, icmp_type, icmp_code;
	struct ipaddr reporter;
	int64_t time;
	uint64_t packet_nr;
};

struct server_state;

struct trans {
	struct timer timer;
	struct trans *by_key, *by_question;	  /* hash chains */
	struct trans **key_link, **question_link; /* what points here in them */
	struct trans *prev, *next;		  /* of its age list */
	uint32_t key_hash, question_hash;

	struct trans_key key;
	struct server_state *server; /* the engine's; NULL if there are too many */
	enum trans_stage stage;
	uint64_t serial;
	int64_t first, last; /* times of the first and the latest query */
	int64_t answered;    /* time of the answer, 0 none */
	int64_t asked;	     /* time of the query that an answer is measured from */
	uint64_t first_nr, asked_nr;
	uint32_t queries;
	const struct tap *tap;
	struct owner owner;
	uint8_t opcode;
	enum dns_failure failed;      /* DNS_FAIL_NONE: it has not */
	uint16_t rcode;		      /* of the answer */
	bool found;		      /* the answer has records */
	bool truncated;		      /* the answer is, TC */
	bool half_answered;	      /* a first fragment of an answer came */
	bool other_servers;	      /* asked under the same id and from the same port */
	bool has_twin, twin_answered; /* the other of A and AAAA, asked at once from the port */
	uint16_t twin_id;
	struct dns_edns_asked asked_edns;
	bool has_wrong_source;
	bool passed_on;
	bool verdict_given;
	bool left, came_back; /* seen on the host's side */
	int64_t switch_time;  /* the client went on to another server; 0: it did not */
	uint64_t upstream_of; /* serial of the lookup that it was passed on for, 0 none */

	struct question q;

	/* Not filled unless what is said of them above is so: most never touch this memory. */
	struct trans_failure failure; /* failed */
	struct ipaddr wrong_source;   /* whence an answer came that fits otherwise */
	uint64_t wrong_source_nr;
	struct ipaddr upstream; /* passed_on: to whom */
};

struct table;

struct table *table_new(uint32_t max);
void table_free(struct table *t);

/* A new one, zeroed but for key, q and hashes; NULL only if memory is out. evict() is told of
 * one that has to go for it. */
struct trans *table_add(struct table *t, const struct trans_key *key, const struct question *q,
			void (*evict)(void *ctx, struct trans *old), void *ctx);
void table_remove(struct table *t, struct trans *x);
/* Marks as finished: among the first to be evicted, still found. */
void table_done(struct table *t, struct trans *x);

/* One with that question may be added soon: its place is called for. */
void table_expect(const struct table *t, uint64_t netns, const struct question *q);

/* Newest with that key; q NULL: any question, else that one. */
struct trans *table_find(const struct table *t, const struct trans_key *key,
			 const struct question *q);
/* All with that question in the namespace, newest first: start with NULL. */
struct trans *table_next_same_question(const struct table *t, const struct trans *x,
				       const struct trans *pos);
/* The same for any question, asked for that type instead of its own: start with NULL. */
struct trans *table_next_question(const struct table *t, uint64_t netns, const struct question *q,
				  uint16_t type, const struct trans *pos);
/* Unfinished ones, newest first: start with NULL. */
struct trans *table_next_live(const struct table *t, const struct trans *pos);
bool question_equal(const struct question *a, const struct question *b);

#endif

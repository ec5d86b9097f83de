/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the DNS engine tells the sinks: transactions, findings and the summary.
 * Flat structs, valid only during the callback that hands them over.
 *
 * Text fields come in two kinds. Raw ones (comm, target, ifname) are untrusted
 * bytes that the sink escapes. Prepared ones (name, answers, all text of a
 * finding) are printable ASCII already and are printed as they are.
 */
#ifndef NSWATCH_DNS_TRANSACTION_H
#define NSWATCH_DNS_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/dns.h"
#include "dns/facts.h"
#include "packet.h"
#include "util/ipaddr.h"

#define DNS_ANSWERS_LEN	 2048
#define DNS_MAX_SERVERS	 32  /* kept apart in the summary */
#define DNS_MAX_FINDINGS 256 /* causes; further ones are counted */
#define DNS_MAX_NAMES	 32  /* most asked and most failing ones in the summary */

#define DNS_SUMMARY_RCODES 24 /* counted by code; above: in the last */
#define DNS_MAX_RESPONDERS 4  /* to a multicast question, by address; further ones are counted */

enum dns_protocol { DNS_UNICAST, DNS_MDNS, DNS_LLMNR };
#define DNS_NR_MULTICAST 2 /* DNS_MDNS and on */

enum dns_state {
	DNS_ANSWERED,	/* an answer came, in time or before a "no answer yet" was shown */
	DNS_UNANSWERED, /* none after a second, or none when the run ended */
	DNS_LATE,	/* an answer to one that was shown as unanswered */
	DNS_FAILED,	/* an ICMP error or a TCP reset came instead */
	DNS_NOT_SENT,	/* a socket call to the server, and no packet came of it */
	DNS_SILENT,	/* multicast: nobody has answered within a second, which is no fault */
	DNS_ANNOUNCED,	/* multicast: answers that nobody had asked for */
};

enum dns_failure {
	DNS_FAIL_NONE,
	DNS_FAIL_ICMP,	 /* icmp_version, icmp_type, icmp_code, reporter */
	DNS_FAIL_RESET,	 /* TCP: the server's side reset */
	DNS_FAIL_NO_SYN, /* TCP: the connection was never accepted */
	DNS_FAIL_CALL,	 /* DNS_NOT_SENT: call, error */
	DNS_FAIL_ROUTE,	 /* DNS_NOT_SENT: error, which is what the route lookup answers */
	/* DNS_NOT_SENT: nftables' egress hook of ifname; call and error if the call failed and
	 * that was seen, else error is 0 */
	DNS_FAIL_EGRESS,
};

struct dns_transaction {
	uint64_t serial; /* 1..; a late answer bears the serial it was unanswered under */
	enum dns_state state;

	int64_t time; /* ns since the epoch: the first query */
	/* ns from query_nr to the answer or failure, tshark's dns.time; -1 none */
	int64_t latency;
	int64_t waited;		 /* ns from the first query to the answer, failure or now */
	uint32_t queries;	 /* 1, and one more for each retry */
	uint64_t first_query_nr; /* packet number of the first query; 0 none */
	/* Of the query that was answered: the first one, or a retry 5 s or more after it. */
	uint64_t query_nr;
	uint64_t response_nr; /* of the answer, ICMP error or reset; 0 none */

	const struct tap *tap; /* where the query was seen; NULL if DNS_NOT_SENT */
	uint64_t netns;
	struct owner owner; /* pid 0 unknown */

	struct ipaddr client, server; /* client family 0 if DNS_NOT_SENT */
	uint16_t client_port, server_port;
	uint8_t proto; /* IPPROTO_UDP, IPPROTO_TCP */

	uint16_t id;
	bool is_connection; /* being opened, no query yet; TCP */
	bool has_question;  /* false: is_connection, DNS_NOT_SENT, or none that can be read */
	uint16_t qtype, qclass;
	uint8_t opcode;
	struct dns_edns_asked asked; /* of the query */

	/* The answer; only DNS_ANSWERED and DNS_LATE. */
	uint16_t rcode; /* with EDNS's upper bits */
	uint16_t flags; /* enum dns_flag */
	bool malformed, truncated_capture;
	uint32_t response_len; /* bytes of the message */
	uint16_t count[DNS_NR_SECTIONS];
	struct dns_edns edns; /* of the answer */
	enum dns_failure failure;
	uint8_t icmp_version; /* 4, 6 */
	uint8_t icmp_type, icmp_code;
	struct ipaddr reporter; /* who sent the ICMP error */
	uint8_t call;		/* enum nsw_call: what the application called */
	uint16_t error;		/* errno that it got, or must have got (DNS_FAIL_ROUTE) */

	/* Docker's embedded resolver passes a lookup on, which is no other lookup: it is not
	 * counted. */
	struct ipaddr upstream; /* whom it was passed on to, the latest; family 0 none seen */
	uint64_t upstream_of;	/* this is what was passed on, of that serial; 0: it is not */

	enum dns_protocol protocol;
	/* mDNS and LLMNR. An answered one has all that came within a second, from anybody;
	 * latency and response_nr are of the first. */
	bool to_group;	     /* to everybody, not to one machine */
	bool from_outside;   /* another machine asks, or announces */
	bool unicast_wanted; /* mDNS, "QU": the client takes a unicast answer */
	bool probe;	     /* mDNS: the client wants the name for itself */
	bool goodbye;	     /* DNS_ANNOUNCED: the records are no longer valid */
	uint32_t known;	     /* answers that the client said it has */
	uint32_t nr_responders;
	struct ipaddr responders[DNS_MAX_RESPONDERS];

	/* What the host's end of the veth saw of it; only if that was watched then. */
	bool host_side_watched;
	bool host_side_later; /* it was not, but is now */
	bool left;	      /* the query passed there */
	bool came_back;	      /* an answer passed there */

	/* Strings last: all before them is cleared for each transaction. */
	char target[TARGET_NAME_LEN];	 /* raw; empty for a file */
	char ifname[IFNAMSIZ];		 /* raw; empty if DNS_NOT_SENT, but for DNS_FAIL_EGRESS */
	char name[DNS_NAME_TEXT];	 /* prepared */
	char ede_text[DNS_MAX_EDE][160]; /* prepared; of edns.errors */
	char nsid[128], subnet[64];	 /* prepared; empty without */
	char cookie[81];		 /* hex; empty without */
	/* Data of the answer section in order, joined by ", "; one of another type than
	 * the question's is preceded by it: "CNAME www.example.net, 192.0.2.1". Signatures are
	 * left out unless they were asked for. Prepared. */
	char answers[DNS_ANSWERS_LEN];
};

/* One message, as it is seen. */
struct dns_seen {
	const struct dns_msg *msg; /* borrowed */
	int64_t time;		   /* ns since the epoch */
	bool over_tcp;
	/* Of a response: nobody asked, or it was answered before; else the time since the query
	 * as dns_transaction.latency. */
	bool unsolicited, repeated;
	int64_t latency;
};

enum dns_severity { DNS_INFO, DNS_WARNING, DNS_ERROR };

#define FINDING_MAX_SEEN 6
#define FINDING_MAX_FIX	 6

struct dns_finding {
	const char *code; /* "STUB-DEAD"; static */
	enum dns_severity severity;
	bool possible; /* records were lost in its window */
	bool repeat;   /* handed over before: only count, last and owner are news */
	uint64_t count;
	int64_t first, last; /* ns since the epoch; 0 for a check without traffic */
	uint64_t netns;
	char target[TARGET_NAME_LEN];	   /* raw */
	struct owner owner;		   /* latest asking process, pid 0 unknown */
	struct ipaddr server;		   /* family 0 if it is about none */
	char resolv_path[RESOLV_PATH_LEN]; /* raw; as the process names it; empty if unknown */
	uint32_t resolv_line;		   /* 0 unknown */
	char what[640];			   /* prepared: plain words, one paragraph */
	uint32_t nr_seen;
	char seen[FINDING_MAX_SEEN][400]; /* prepared: evidence, a sentence each */
	uint32_t nr_fix;
	struct {
		char how[200]; /* prepared: what the command is for */
		char cmd[600]; /* prepared: shell command as to be typed; may be empty */
	} fix[FINDING_MAX_FIX];
};

/* Latencies of one server, or of all. Percentiles are of answered ones, ns, exact to 1 %. */
struct dns_latency {
	uint64_t count;
	int64_t p50, p95, p99, max;
};

struct dns_server_summary {
	struct ipaddr addr;
	uint64_t transactions, answered, unanswered, failed, not_sent, retries;
	uint64_t rcode[DNS_SUMMARY_RCODES];
	struct dns_latency latency;
};

/* All types of one name. Its transactions are answered (by rcode), unanswered or failed. Its
 * latencies are exact to 7 %. */
struct dns_name_summary {
	char name[DNS_NAME_TEXT]; /* prepared */
	uint64_t transactions, unanswered, failed, retries;
	struct dns_latency latency;
	uint64_t rcode[DNS_SUMMARY_RCODES];
};

/* mDNS or LLMNR. Not among the counts of servers and names, and none of it is a failure. */
struct dns_multicast_summary {
	uint64_t questions, answered, silent, retries;
	uint64_t responses;	    /* messages that answer one */
	uint64_t announcements;	    /* messages that answer none */
	struct dns_latency latency; /* to the first answer */
};

struct dns_summary {
	uint64_t transactions, answered, late, unanswered, failed, not_sent, retries;
	uint64_t malformed;	/* messages on a DNS port that are none */
	uint64_t dropped;	/* transactions pushed out by memory limits */
	uint64_t lost_records;	/* as reported by dns_engine_lost() */
	uint64_t more_servers;	/* transactions of servers beyond DNS_MAX_SERVERS */
	uint64_t more_findings; /* causes beyond DNS_MAX_FINDINGS */
	struct dns_latency latency;
	struct dns_multicast_summary multicast[DNS_NR_MULTICAST]; /* from DNS_MDNS on */
	uint32_t nr_servers;					  /* most used first */
	struct dns_server_summary servers[DNS_MAX_SERVERS];
	uint32_t nr_names; /* most asked first */
	struct dns_name_summary names[DNS_MAX_NAMES];
	uint32_t nr_failing_names; /* by transactions without NOERROR, most first */
	struct dns_name_summary failing_names[DNS_MAX_NAMES];
	uint64_t more_names;  /* transactions of names that are not among the most asked */
	uint32_t nr_findings; /* in the order found */
	struct dns_finding findings[DNS_MAX_FINDINGS];
};

#endif

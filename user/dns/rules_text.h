/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules have in common: questions to the facts, and the pieces that a
 * finding's text is made of. For rules.c and its siblings only, hence the short
 * names.
 */
#ifndef NSWATCH_DNS_RULES_TEXT_H
#define NSWATCH_DNS_RULES_TEXT_H

#include "dns/rules.h"
#include "util/strbuf.h"

/* The rules, one file a family; each table ends with one that has no code. */
extern const struct dns_rule rules_local[], rules_facts[], rules_docker[], rules_transport[],
	rules_answers[], rules_other[], rules_silence[];

/* What became of a query; a server on the loopback is judged after the first second. */
#define AFTER_QUERY (RULE_UNANSWERED | RULE_VERDICT)

/* systemd-resolved's stub listeners, resolved.conf(5). */
bool is_stub(const struct ipaddr *a);
/* Docker's embedded resolver, 127.0.0.11. */
bool is_docker(const struct ipaddr *a);

/* How that server looks from the namespace; NULL if it is not among the facts. */
const struct server_facts *server_facts(const struct dns_facts *f, const struct ipaddr *a);
/* A socket of the namespace takes port 53 of that address. */
bool listening(const struct dns_facts *f, const struct ipaddr *a);
/* The same from the list of sockets alone: Docker's are on other ports. */
bool takes_port_53(const struct dns_facts *f, const struct ipaddr *a);
/* Docker's resolver is out of reach: its sockets or its NAT rules are missing. */
bool docker_dns_gone(const struct dns_facts *f);
bool no_route(const struct dns_facts *f, const struct ipaddr *a);
/* A server of which nothing bad is known. */
bool usable(const struct dns_facts *f, const struct ipaddr *a);
/* f may be NULL. */
bool knows_resolv(const struct dns_facts *f);

/* libc has another server to go on to, in the same file. */
bool has_other(const struct rule_input *in);
/* The line of resolv.conf that names the server; 0 none. */
uint32_t line_of(const struct dns_facts *f, const struct ipaddr *server);
bool port_unreachable(const struct dns_transaction *t);
/* The answer of a machine on which nothing listens. */
bool refused(const struct dns_transaction *t);

/* s as one word of a shell. */
void put_shell(struct strbuf *b, const char *s);
/* A path under a directory of ours and the target's name, quoted as one word. */
/* The name asked for, as an argument of a command. A name may have any bytes, and some program
 * chose it: as "-f/etc/passwd" dig would ask the server for every line of that file. The first
 * byte is escaped then (RFC 1035 section 5.1), which dig and resolvectl understand. */
void put_shell_name(struct strbuf *b, const struct dns_transaction *t);
void put_shell_in(struct strbuf *b, const char *dir, const char *name, const char *rest);
/* Untrusted bytes, escaped. */
void put_raw(struct strbuf *b, const char *s);
void put_owner(struct strbuf *b, const struct owner *o);
/* "sudo " or "", as the user has it. */
const char *sudo(const struct rule_input *in);
/* The target's name without its kind. */
const char *bare_target(const struct dns_facts *f);
/* What runs the command behind it in the target's network namespace. */
void put_enter(struct strbuf *b, const struct rule_input *in);

/* Buffers for the parts of *f: the one paragraph, the next piece of evidence, the command of the
 * next fix. Beyond FINDING_MAX_SEEN and FINDING_MAX_FIX what is written is dropped. */
struct strbuf what_begin(struct dns_finding *f);
struct strbuf seen_begin(struct dns_finding *f);
struct strbuf fix_begin(struct dns_finding *f, const char *how);

/* "the query for www.example.com A" */
void put_question(struct strbuf *b, const struct dns_transaction *t);
/* " (packet 12)"; nothing for 0. */
void put_packet_nr(struct strbuf *b, uint64_t nr);
const char *icmp_text(const struct dns_transaction *t);
/* "0.8 ms", "1.2 s" */
void put_duration(struct strbuf *b, int64_t ns);
/* Evidence: who asked whom what, and what came of it; where the server's address comes from; that
 * nothing listens there. */
void seen_transaction(struct dns_finding *f, const struct rule_input *in);
void seen_file(struct dns_finding *f, const struct rule_input *in);
void seen_no_listener(struct dns_finding *f, const struct rule_input *in);

/* Adds to f->seen what the host's end of the veth saw of the query, if it was watched. */
void seen_host_side(struct dns_finding *f, const struct dns_transaction *t);
/* Ends a sentence: for how long lookups wait for another server, or that they fail. */
void put_delay_or_failure(struct dns_finding *f, struct strbuf *b, const struct rule_input *in);
/* A line for the resolv.conf of this kind of target, "options ndots:1". */
void fix_option(struct dns_finding *f, const struct rule_input *in, const char *how,
		const char *option);
/* A command to run in the target's network namespace. */
void fix_inside(struct dns_finding *f, const struct rule_input *in, const char *how,
		const char *cmd);
/* docker run --dns with the host's servers; docker restart. */
void fix_docker_dns(struct dns_finding *f, const struct rule_input *in, const char *how);
void fix_restart(struct dns_finding *f, const struct rule_input *in, const char *how);
/* dig for that name, at that server. */
void put_dig(struct strbuf *b, const struct rule_input *in, const char *options);
/* Fixes: nswatch --fix-dns; how to give this kind of target servers that it can reach; ip link
 * set lo up. */
void fix_here(struct dns_finding *f, const struct rule_input *in);
void fix_servers(struct dns_finding *f, const struct rule_input *in);
void fix_lo_up(struct dns_finding *f, const struct rule_input *in);

#endif

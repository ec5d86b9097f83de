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

/* systemd-resolved's stub listeners, resolved.conf(5). */
bool is_stub(const struct ipaddr *a);
/* Docker's embedded resolver, 127.0.0.11. */
bool is_docker(const struct ipaddr *a);

/* How that server looks from the namespace; NULL if it is not among the facts. */
const struct server_facts *server_facts(const struct dns_facts *f, const struct ipaddr *a);
/* A socket of the namespace takes port 53 of that address. */
bool listening(const struct dns_facts *f, const struct ipaddr *a);
bool no_route(const struct dns_facts *f, const struct ipaddr *a);
/* A server of which nothing bad is known. */
bool usable(const struct dns_facts *f, const struct ipaddr *a);
/* f may be NULL. */
bool knows_resolv(const struct dns_facts *f);

/* s as one word of a shell. */
void put_shell(struct strbuf *b, const char *s);
/* A path under a directory of ours and the target's name, quoted as one word. */
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

#endif

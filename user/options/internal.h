/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the command line and what they share: the option table, which the
 * parser, the checks, the help and the completion all read, and the state of one
 * parse. Each function belongs to the file that its prefix names; options_* are
 * the public ones.
 */
#ifndef NSWATCH_OPTIONS_INTERNAL_H
#define NSWATCH_OPTIONS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "options.h"

#define DEFAULT_SNAPLEN 262144 /* libpcap's MAXIMUM_SNAPLEN, tshark's default */
#define MAX_NAME	32     /* longer words are no misspelt option */

enum section { S_TARGET, S_SHOW, S_CAPTURE, S_FILES, S_STOP, S_COMMAND, S_READ, S_OTHER, S_COUNT };

/* The commands that an option goes with. */
#define IN_WATCH (1u << CMD_WATCH)
#define IN_READ	 (1u << CMD_READ)
#define IN_LIST	 (1u << CMD_LIST)
#define IN_CHECK (1u << CMD_CHECK)
#define IN_VIEW	 (IN_WATCH | IN_READ)
#define IN_ALL	 (IN_VIEW | IN_LIST | IN_CHECK)

enum { REPEATS = 1, NEEDS_WRITE = 2, NEEDS_COMMAND = 4 };

struct opt;
typedef int setter(struct options *o, const struct opt *opt, const char *value, struct err *e);

struct opt {
	const char *name; /* without the dashes */
	const char *arg;  /* what --help calls the value; NULL: a flag */
	const char *help; /* lines of 52 columns at most */
	setter *set;
	size_t field;	  /* offset in struct options */
	const void *data; /* the setter's own table */
	uint64_t max;	  /* of a number */
	enum section section;
	unsigned int commands; /* IN_* */
	unsigned int rules;    /* REPEATS, NEEDS_* */
	char letter;	       /* 0: none */
};

struct choice {
	const char *name; /* NULL ends the table */
	unsigned int value;
};

enum unit { UNIT_COUNT, UNIT_KB, UNIT_SECONDS };

/* One TEST:VALUE of -a and -b. */
struct condition {
	const char *name; /* NULL ends the table */
	enum unit unit;
	size_t field;
};

/* In the order in which --help shows them. */
extern const struct opt opt_table[];
extern const size_t opt_count;

/* NULL if there is none. The word may go on behind len, as in NAME=VALUE. */
const struct opt *opt_by_name(const char *word, size_t len);
const struct opt *opt_by_letter(char letter);
/* How messages name an option: into buf, which is returned. */
const char *opt_name(const struct opt *opt, char buf[MAX_NAME]);
/* Its bit in struct parser.given. */
uint64_t opt_bit(const struct opt *opt);

/* What options do with their value, which is NULL for a flag; see struct opt.
 * 0, or -errno with a message that names the option and what it expects. */
setter set_flag, set_string, set_filter, set_choice, set_u32, set_u64, set_condition,
	set_statistics, set_dns_port, set_interface, set_command, set_nothing;

struct parser {
	struct options *o;
	struct err *e;
	char **argv;
	int argc, next;
	uint64_t given; /* bit n: opt_table[n] was given */
	const char **words;
	unsigned int nr_words;
	bool done; /* --help or --version: what follows does not matter */
};

/* Of an option that does not exist: say so, and what may have been meant. -EINVAL.
 * word is without its dashes; letters begins with the one at fault. */
int unknown_long(struct parser *p, const char *word, size_t len);
int unknown_letter(struct parser *p, const char *letters);

/* Gives the collected words their meaning: command, targets, filter. 0 or -errno. */
int words_take(struct parser *p);

/* Whether all that was given goes together. 0 or -EINVAL. */
int conflicts_check(const struct parser *p);

/* Whether it is name. The word may go on behind len, as in NAME=VALUE; name may be NULL. */
static inline bool is_word(const char *word, size_t len, const char *name)
{
	return name && strlen(name) == len && memcmp(word, name, len) == 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_OPTIONS_H
#define NSWATCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "nswatch/record.h"
#include "util/err.h"

enum subcommand { CMD_WATCH, CMD_READ, CMD_LIST, CMD_CHECK, CMD_HELP, CMD_VERSION };

#define EXIT_USAGE 2

enum file_format { FORMAT_PCAPNG, FORMAT_PCAP };

enum side_choice { SIDES_INSIDE, SIDES_HOST, SIDES_BOTH };

enum time_format {
	TIME_RELATIVE,	    /* r: seconds since the first packet (tshark's default) */
	TIME_ABSOLUTE,	    /* a: local time of day */
	TIME_ABSOLUTE_DATE, /* ad */
	TIME_DELTA,	    /* d: since the previous packet */
	TIME_DELTA_SHOWN,   /* dd: since the previous printed packet */
	TIME_EPOCH,	    /* e */
	TIME_UTC_CLOCK,	    /* u */
	TIME_UTC_DATE,	    /* ud */
};

enum color_choice { COLOR_AUTO, COLOR_NEVER, COLOR_ALWAYS };

enum direction_choice { DIRECTIONS_BOTH, DIRECTIONS_IN, DIRECTIONS_OUT };

/* The command line, parsed and checked; const from then on. Strings point into
 * argv or into memory owned by this struct. A number that was not given is 0. */
struct options {
	enum subcommand command;
	const char *const *targets; /* "[KIND:]NAME" each */
	unsigned int nr_targets;
	bool all;
	const char *exclude; /* with all: "NAME,...", each for fnmatch(3); or NULL */
	bool follow;
	const char
		*filter; /* pcap-filter(7) expression or NULL: -f, or the trailing words joined */
	const char *const *interfaces; /* -i, may repeat; none: all */
	unsigned int nr_interfaces;
	char *const *argv; /* COMMAND after --, NULL-terminated, or NULL */
	const char *mount; /* --mount TARGET */
	bool fix_dns;

	const char *read_file;	   /* -r; "-" is stdin */
	const char *write_file;	   /* -w; "-" is stdout */
	enum file_format format;   /* -F */
	uint32_t snaplen;	   /* -s; default and 0: 262144 */
	uint64_t count;		   /* -c */
	uint64_t stop_duration_ns; /* -a duration:SECONDS (may be fractional) */
	uint64_t stop_filesize;	   /* -a filesize:KB, in bytes (1 kB = 1000 bytes, as tshark) */
	uint64_t stop_packets;	   /* -a packets: */
	uint64_t stop_files;	   /* -a files: */
	uint64_t ring_filesize;	   /* -b filesize:KB, bytes */
	uint64_t ring_duration_ns; /* -b duration: */
	uint64_t ring_packets;	   /* -b packets: */
	uint64_t ring_files;	   /* -b files: */
	uint32_t buffer_mib;	   /* -B; default 8 */

	bool dns;
	uint16_t dns_ports[NSW_MAX_DNS_PORTS]; /* --dns-port, 0 for none */
	bool dns_tree;			       /* -z dns,tree */
	bool details;			       /* -V, with dns: header and EDNS below each lookup */
	bool mdns;			       /* with dns: mDNS and LLMNR as well */
	bool every_errno; /* --errno, with dns: of each call that fails, whatever it costs */
	bool json;
	bool quiet;	    /* -q: no per-packet or per-transaction lines, summary only */
	bool print;	    /* -P: print packets although -w is given */
	bool line_buffered; /* -l (and -U) */
	bool strict;
	bool list_interfaces; /* -D */
	bool verbose;
	bool brief; /* with CMD_HELP: no argument at all, the short help is meant */
	enum side_choice side;
	enum direction_choice directions; /* -Q in|out|inout */
	enum time_format time_format;
	enum color_choice color; /* NO_COLOR is folded in here */
};

/*
 * Parses argv. 0 on success. On wrong usage: -EINVAL with a message naming the
 * word at fault and, as hint, what is expected. For --help and --version it
 * sets command and leaves the printing to options_usage() and
 * options_version(). Whatever it returns, options_free() is safe and due.
 */
int options_parse(struct options *o, int argc, char **argv, struct err *e);
void options_free(struct options *o);

/* Prints the help to stdout, made from the option table. brief: what `nswatch`
 * alone prints, to stderr, a screenful of 80 columns at most. */
void options_usage(bool brief);
/* Prints name and version to stdout. */
void options_version(void);

enum completion { COMPLETE_NOTHING, COMPLETE_TARGETS, COMPLETE_FILES, COMPLETE_COMMANDS };

/*
 * For a command line that ends in words[n - 1], which may be half typed: calls fn
 * for each option, value or command that may stand there, typed or not, and
 * returns what else may.
 */
enum completion options_complete(char *const *words, unsigned int n,
				 void (*fn)(void *ctx, const char *word, const char *help),
				 void *ctx);

#endif

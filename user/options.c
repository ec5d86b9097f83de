// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line. One table says of each option how it is written, where it
 * may stand, what it stores and how --help explains it; the parser, the checks
 * and the help all read that table.
 *
 * Parsing takes one pass: options are stored as they come, other words are
 * collected, and the first "--" ends it, the rest being COMMAND. Only then are
 * the words given a meaning, since it depends on options that may stand behind
 * them: with -r all of them are the filter; otherwise the first one is TARGET,
 * `list` or `check`. getopt_long(3) is not used: it permutes argv, and it would
 * want a second table.
 */
#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/strbuf.h"

#define DEFAULT_SNAPLEN	   262144 /* libpcap's MAXIMUM_SNAPLEN, tshark's default */
#define DEFAULT_BUFFER_MIB 8
#define MAX_BUFFER_MIB	   1024
#define HELP_COLUMN	   28 /* where the explanations begin */
#define MAX_NAME	   32 /* longer words are no misspelt option */

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

static setter set_flag, set_string, set_filter, set_choice, set_u32, set_u64, set_condition,
	set_statistics, set_dns_port, add_interface, set_command, set_nothing;

static const struct choice formats[] = {
	{ "pcapng", FORMAT_PCAPNG },
	{ "pcap", FORMAT_PCAP },
	{ NULL, 0 },
};

static const struct choice sides[] = {
	{ "inside", SIDES_INSIDE },
	{ "host", SIDES_HOST },
	{ "both", SIDES_BOTH },
	{ NULL, 0 },
};

static const struct choice directions[] = {
	{ "in", DIRECTIONS_IN },
	{ "out", DIRECTIONS_OUT },
	{ "inout", DIRECTIONS_BOTH },
	{ NULL, 0 },
};

static const struct choice times[] = {
	{ "r", TIME_RELATIVE },	 { "a", TIME_ABSOLUTE },     { "ad", TIME_ABSOLUTE_DATE },
	{ "d", TIME_DELTA },	 { "dd", TIME_DELTA_SHOWN }, { "e", TIME_EPOCH },
	{ "u", TIME_UTC_CLOCK }, { "ud", TIME_UTC_DATE },    { NULL, 0 },
};

static const struct choice colors[] = {
	{ "auto", COLOR_AUTO },
	{ "never", COLOR_NEVER },
	{ "always", COLOR_ALWAYS },
	{ NULL, 0 },
};

#define FIELD(f) offsetof(struct options, f)

static const struct condition stops[] = {
	{ "duration", UNIT_SECONDS, FIELD(stop_duration_ns) },
	{ "packets", UNIT_COUNT, FIELD(stop_packets) },
	{ "filesize", UNIT_KB, FIELD(stop_filesize) },
	{ "files", UNIT_COUNT, FIELD(stop_files) },
	{ NULL, 0, 0 },
};

static const struct condition rings[] = {
	{ "duration", UNIT_SECONDS, FIELD(ring_duration_ns) },
	{ "packets", UNIT_COUNT, FIELD(ring_packets) },
	{ "filesize", UNIT_KB, FIELD(ring_filesize) },
	{ "files", UNIT_COUNT, FIELD(ring_files) },
	{ NULL, 0, 0 },
};

/* In the order in which --help shows them. */
static const struct opt table[] = {
	{ .letter = 'i',
	  .name = "interface",
	  .arg = "IFACE",
	  .help = "only this interface in there; may be repeated\n"
		  "(default: all, lo included)",
	  .section = S_TARGET,
	  .commands = IN_WATCH,
	  .rules = REPEATS,
	  .set = add_interface },
	{ .name = "all",
	  .help = "every network namespace of this machine, instead of\n"
		  "a TARGET; the host's own one included",
	  .section = S_TARGET,
	  .commands = IN_WATCH,
	  .set = set_flag,
	  .field = FIELD(all) },
	{ .name = "exclude",
	  .arg = "NAMES",
	  .help = "with --all: but not these, joined by commas;\n"
		  "* and ? match as in a shell",
	  .section = S_TARGET,
	  .commands = IN_WATCH,
	  .set = set_string,
	  .field = FIELD(exclude) },
	{ .name = "follow",
	  .help = "go on when TARGET restarts; with --all: take in what\n"
		  "appears later",
	  .section = S_TARGET,
	  .commands = IN_WATCH,
	  .set = set_flag,
	  .field = FIELD(follow) },
	{ .name = "side",
	  .arg = "SIDE",
	  .help = "inside (default), host (the host's end of the\n"
		  "veth pair), or both",
	  .section = S_TARGET,
	  .commands = IN_WATCH,
	  .set = set_choice,
	  .field = FIELD(side),
	  .data = sides },
	{ .letter = 'D',
	  .name = "list-interfaces",
	  .help = "list the interfaces of TARGET and exit",
	  .section = S_TARGET,
	  .commands = IN_WATCH,
	  .set = set_flag,
	  .field = FIELD(list_interfaces) },
	{ .name = "dns",
	  .help = "DNS lookups with their results and latency, and\n"
		  "in plain words why one fails",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .set = set_flag,
	  .field = FIELD(dns) },
	{ .name = "dns-port",
	  .arg = "PORT",
	  .help = "with --dns: DNS is spoken on this port, too",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .rules = REPEATS,
	  .set = set_dns_port,
	  .max = UINT16_MAX,
	  .field = FIELD(dns_ports) },
	{ .letter = 'V',
	  .name = "details",
	  .help = "with --dns: flags, counts, EDNS of each lookup",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .set = set_flag,
	  .field = FIELD(details) },
	{ .name = "mdns",
	  .help = "with --dns: multicast DNS and LLMNR as well",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .set = set_flag,
	  .field = FIELD(mdns) },
	{ .name = "errno",
	  .help = "with --dns: the error of each call to a name server\n"
		  "that fails; slows every system call by 0.1 us",
	  .section = S_SHOW,
	  .commands = IN_WATCH,
	  .set = set_flag,
	  .field = FIELD(every_errno) },
	{ .name = "json",
	  .help = "one JSON object a line, for programs",
	  .section = S_SHOW,
	  .commands = IN_ALL,
	  .set = set_flag,
	  .field = FIELD(json) },
	{ .letter = 'q',
	  .name = "quiet",
	  .help = "no line for each packet or lookup; the summary only",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .set = set_flag,
	  .field = FIELD(quiet) },
	{ .letter = 'z',
	  .name = "statistics",
	  .arg = "dns,tree",
	  .help = "at the end, tshark's table of DNS messages",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .set = set_statistics,
	  .field = FIELD(dns_tree) },
	{ .letter = 't',
	  .name = "time",
	  .arg = "FORMAT",
	  .help = "r: since the start (default); a: time of day;\n"
		  "ad: with date; u, ud: the same in UTC; e: epoch;\n"
		  "d: since the last packet; dd: since the last shown",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .set = set_choice,
	  .field = FIELD(time_format),
	  .data = times },
	{ .letter = 'l',
	  .name = "line-buffered",
	  .help = "write each line at once, also into a pipe",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .set = set_flag,
	  .field = FIELD(line_buffered) },
	{ .letter = 'U',
	  .name = "packet-buffered",
	  .help = "the same as -l, for packets written by -w",
	  .section = S_SHOW,
	  .commands = IN_VIEW,
	  .set = set_flag,
	  .field = FIELD(line_buffered) },
	{ .letter = 'n',
	  .help = "accepted; addresses are never turned into names",
	  .section = S_SHOW,
	  .commands = IN_ALL,
	  .set = set_nothing },
	{ .name = "color",
	  .arg = "WHEN",
	  .help = "auto (default: on a terminal, unless NO_COLOR is\n"
		  "set), never, always",
	  .section = S_SHOW,
	  .commands = IN_ALL,
	  .rules = REPEATS,
	  .set = set_choice,
	  .field = FIELD(color),
	  .data = colors },
	{ .letter = 'f',
	  .name = "filter",
	  .arg = "EXPR",
	  .help = "capture filter, see pcap-filter(7); the same as\n"
		  "FILTER words after TARGET",
	  .section = S_CAPTURE,
	  .commands = IN_VIEW,
	  .set = set_filter,
	  .field = FIELD(filter) },
	{ .letter = 'Q',
	  .name = "direction",
	  .arg = "WAY",
	  .help = "in, out or inout (default), as the container\n"
		  "sees it",
	  .section = S_CAPTURE,
	  .commands = IN_WATCH,
	  .set = set_choice,
	  .field = FIELD(directions),
	  .data = directions },
	{ .letter = 's',
	  .name = "snapshot-length",
	  .arg = "N",
	  .help = "keep N bytes of each packet (default 262144)",
	  .section = S_CAPTURE,
	  .commands = IN_WATCH,
	  .set = set_u32,
	  .field = FIELD(snaplen),
	  .max = DEFAULT_SNAPLEN },
	{ .letter = 'B',
	  .name = "buffer-size",
	  .arg = "MIB",
	  .help = "kernel buffer (default 8)",
	  .section = S_CAPTURE,
	  .commands = IN_WATCH,
	  .set = set_u32,
	  .field = FIELD(buffer_mib),
	  .max = MAX_BUFFER_MIB },
	{ .name = "strict",
	  .help = "exit with 1 if any packet was lost",
	  .section = S_CAPTURE,
	  .commands = IN_WATCH,
	  .set = set_flag,
	  .field = FIELD(strict) },
	{ .letter = 'w',
	  .name = "write",
	  .arg = "FILE",
	  .help = "write the packets to FILE, for Wireshark;\n"
		  "- is stdout, FILE.gz is compressed",
	  .section = S_FILES,
	  .commands = IN_VIEW,
	  .set = set_string,
	  .field = FIELD(write_file) },
	{ .letter = 'F',
	  .name = "format",
	  .arg = "FORMAT",
	  .help = "pcapng (default) or pcap",
	  .section = S_FILES,
	  .commands = IN_VIEW,
	  .rules = NEEDS_WRITE,
	  .set = set_choice,
	  .field = FIELD(format),
	  .data = formats },
	{ .letter = 'P',
	  .name = "print",
	  .help = "with -w: show the packets as well",
	  .section = S_FILES,
	  .commands = IN_VIEW,
	  .set = set_flag,
	  .field = FIELD(print) },
	{ .letter = 'b',
	  .name = "ring-buffer",
	  .arg = "TEST:N",
	  .help = "with -w: next file after duration:SECONDS,\n"
		  "filesize:KB or packets:N; files:N keeps the last N",
	  .section = S_FILES,
	  .commands = IN_WATCH,
	  .rules = REPEATS | NEEDS_WRITE,
	  .set = set_condition,
	  .data = rings },
	{ .letter = 'c',
	  .name = "count",
	  .arg = "N",
	  .help = "stop after N packets",
	  .section = S_STOP,
	  .commands = IN_VIEW,
	  .set = set_u64,
	  .field = FIELD(count),
	  .max = UINT64_MAX },
	{ .letter = 'a',
	  .name = "autostop",
	  .arg = "TEST:N",
	  .help = "stop after duration:SECONDS, packets:N,\n"
		  "filesize:KB or files:N; may be repeated",
	  .section = S_STOP,
	  .commands = IN_WATCH,
	  .rules = REPEATS,
	  .set = set_condition,
	  .data = stops },
	{ .name = "mount",
	  .arg = "TARGET",
	  .help = "give COMMAND the files of this container",
	  .section = S_COMMAND,
	  .commands = IN_WATCH,
	  .rules = NEEDS_COMMAND,
	  .set = set_string,
	  .field = FIELD(mount) },
	{ .name = "fix-dns",
	  .help = "give COMMAND a resolv.conf that works in there;\n"
		  "nothing on the host changes",
	  .section = S_COMMAND,
	  .commands = IN_WATCH,
	  .rules = NEEDS_COMMAND,
	  .set = set_flag,
	  .field = FIELD(fix_dns) },
	{ .letter = 'r',
	  .name = "read",
	  .arg = "FILE",
	  .help = "read this pcap or pcapng file, also one in gzip;\n"
		  "- is stdin",
	  .section = S_READ,
	  .commands = IN_READ,
	  .set = set_string,
	  .field = FIELD(read_file) },
	{ .name = "verbose",
	  .help = "say on stderr what is being done",
	  .section = S_OTHER,
	  .commands = IN_ALL,
	  .set = set_flag,
	  .field = FIELD(verbose) },
	{ .letter = 'h',
	  .name = "help",
	  .help = "this help",
	  .section = S_OTHER,
	  .commands = IN_ALL,
	  .set = set_command,
	  .field = CMD_HELP },
	{ .letter = 'v',
	  .name = "version",
	  .help = "the version",
	  .section = S_OTHER,
	  .commands = IN_ALL,
	  .set = set_command,
	  .field = CMD_VERSION },
};

_Static_assert(ARRAY_SIZE(table) <= 64, "struct parser.given has one bit for each option");

/* What tshark and tcpdump users may type and nswatch does not do. */
static const struct {
	char letter;
	const char *name;
	const char *hint;
} rejected[] = {
	{ 'T', NULL, "--json, or `nswatch TARGET -w - | tshark -r - -T ...`" },
	{ 'e', NULL, "`nswatch TARGET -w - | tshark -r - -T fields -e ...`" },
	{ 'E', NULL, "`nswatch TARGET -w - | tshark -r - -T fields -E ...`" },
	{ 'O', NULL, "`nswatch TARGET -w - | tshark -r - -O ...`" },
	{ 'x', NULL, "`nswatch TARGET -w - | tshark -r - -x`" },
	{ 'Y', "display-filter", "a capture filter, see pcap-filter(7): nswatch php udp port 53" },
	{ 'R', "read-filter", "a capture filter, see pcap-filter(7): nswatch -r FILE udp port 53" },
	{ 'N', NULL, "leave it out: addresses are never turned into names" },
	{ 'p', "no-promiscuous-mode", "leave it out: no interface is made promiscuous" },
	{ 'G', NULL, "-b duration:SECONDS" },
	{ 'C', NULL, "-b filesize:KB" },
	{ 'W', NULL, "-b files:N" },
};

struct parser {
	struct options *o;
	struct err *e;
	char **argv;
	int argc, next;
	uint64_t given; /* bit n: table[n] was given */
	const char **words;
	unsigned int nr_words;
	bool done; /* --help or --version: what follows does not matter */
};

/* How messages name an option. */
static const char *name_of(const struct opt *opt, char buf[MAX_NAME])
{
	if (opt->letter)
		snprintf(buf, MAX_NAME, "-%c", opt->letter);
	else
		snprintf(buf, MAX_NAME, "--%s", opt->name);
	return buf;
}

static int bad_value(struct err *e, const struct opt *opt, const char *value, const char *expected)
{
	char name[MAX_NAME];

	err_set(e, -EINVAL, "%s: `%s` is not %s", name_of(opt, name), value, expected);
	return -EINVAL;
}

/* The word may go on behind len, as in NAME=VALUE; name may be NULL. */
static bool is_word(const char *word, size_t len, const char *name)
{
	return name && strlen(name) == len && memcmp(word, name, len) == 0;
}

static void *field_of(struct options *o, size_t offset)
{
	return (char *)o + offset;
}

static int set_flag(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	*(bool *)field_of(o, opt->field) = true;
	return 0;
}

static int set_statistics(struct options *o, const struct opt *opt, const char *value,
			  struct err *e)
{
	if (!strcmp(value, "dns,tree"))
		return set_flag(o, opt, value, e);
	err_set(e, -EINVAL, "-z %s: only dns,tree is known here", value);
	err_hint(e, "`nswatch TARGET -w - | tshark -r - -z %s`", value);
	return -EINVAL;
}

static int set_nothing(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	(void)o;
	(void)opt;
	(void)value;
	(void)e;
	return 0;
}

static int set_command(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	o->command = (enum subcommand)opt->field;
	return 0;
}

static int set_string(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	if (!*value)
		return bad_value(e, opt, value, "a name");
	*(const char **)field_of(o, opt->field) = value;
	return 0;
}

/* The filter is owned, whether it comes from here or from joined words. An
 * empty one is none, as in tcpdump. */
static int set_filter(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	(void)opt;
	if (!*value)
		return 0;
	o->filter = strdup(value);
	return o->filter ? 0 : err_sys(e, -ENOMEM, "filter");
}

static int add_interface(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	const char **grown;

	if (!*value)
		return bad_value(e, opt, value, "an interface");
	grown = realloc((void *)o->interfaces, (o->nr_interfaces + 1) * sizeof(*grown));
	if (!grown)
		return err_sys(e, -ENOMEM, "-i %s", value);
	grown[o->nr_interfaces++] = value;
	o->interfaces = grown;
	return 0;
}

/* "a, b or c" */
static void list_names(char *buf, size_t size, const void *names, size_t stride)
{
	const char *row = names;
	size_t len = 0;

	buf[0] = '\0';
	for (; *(const char *const *)row && len < size; row += stride) {
		const char *next = *(const char *const *)(row + stride);
		const char *separator = !len ? "" : next ? ", " : " or ";

		len += snprintf(buf + len, size - len, "%s%s", separator,
				*(const char *const *)row);
	}
}

static int set_choice(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	const struct choice *c;
	char expected[128];

	for (c = opt->data; c->name; c++) {
		if (strcmp(c->name, value) != 0)
			continue;
		*(unsigned int *)field_of(o, opt->field) = c->value;
		return 0;
	}
	list_names(expected, sizeof(expected), opt->data, sizeof(*c));
	return bad_value(e, opt, value, expected);
}

/* Decimal digits alone: no sign, no blank, no base prefix. */
static int parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v) || v > max)
			return -ERANGE;
	}
	*out = v;
	return 0;
}

static int parse_number(const struct opt *opt, const char *value, uint64_t min, uint64_t *out,
			struct err *e)
{
	char expected[64];
	uint64_t v;

	if (!parse_u64(value, opt->max, &v) && v >= min) {
		*out = v;
		return 0;
	}
	if (opt->max == UINT64_MAX)
		snprintf(expected, sizeof(expected), "a number from %llu up",
			 (unsigned long long)min);
	else
		snprintf(expected, sizeof(expected), "a number from %llu to %llu",
			 (unsigned long long)min, (unsigned long long)opt->max);
	return bad_value(e, opt, value, expected);
}

static int set_u64(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	return parse_number(opt, value, 1, field_of(o, opt->field), e);
}

static int set_dns_port(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	uint64_t port;
	size_t i = 0;
	int err = parse_number(opt, value, 1, &port, e);

	if (err)
		return err;
	while (i < ARRAY_SIZE(o->dns_ports) && o->dns_ports[i])
		i++;
	if (i == ARRAY_SIZE(o->dns_ports))
		return err_set(e, -EINVAL, "--dns-port: %zu ports at most", i);
	o->dns_ports[i] = (uint16_t)port;
	return 0;
}

/* 0 is allowed and means the default, as tshark and tcpdump have it for -s. */
static int set_u32(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	uint64_t v;
	int err = parse_number(opt, value, 0, &v, e);

	if (!err && v)
		*(uint32_t *)field_of(o, opt->field) = (uint32_t)v;
	return err;
}

/* "2", "0.5": seconds to nanoseconds, whatever the locale. */
static int parse_seconds(const char *s, uint64_t *out)
{
	size_t whole = strcspn(s, "."), digits = 0;
	uint64_t seconds = 0, fraction = 0;
	char buf[24];

	if (whole >= sizeof(buf) || (!whole && !s[whole]))
		return -EINVAL;
	memcpy(buf, s, whole);
	buf[whole] = '\0';
	if (whole && parse_u64(buf, UINT64_MAX / 1000000000 - 1, &seconds))
		return -EINVAL;
	if (s[whole]) {
		digits = strlen(s + whole + 1);
		if (digits > 9 || parse_u64(s + whole + 1, UINT64_MAX, &fraction))
			return -EINVAL;
	}
	for (; digits < 9; digits++)
		fraction *= 10;
	*out = seconds * 1000000000 + fraction;
	return 0;
}

static int parse_in_unit(enum unit unit, const char *s, uint64_t *out)
{
	uint64_t factor = unit == UNIT_KB ? 1000 : 1;
	int err;

	if (unit == UNIT_SECONDS)
		return parse_seconds(s, out);
	err = parse_u64(s, UINT64_MAX / factor, out);
	if (!err)
		*out *= factor;
	return err;
}

static int set_condition(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	static const char *const expected[] = {
		[UNIT_COUNT] = "a number from 1 up",
		[UNIT_KB] = "a number of kB (1000 bytes)",
		[UNIT_SECONDS] = "a number of seconds above 0, such as 10 or 0.5",
	};
	size_t len = strcspn(value, ":");
	const struct condition *c;
	char tests[128];
	uint64_t v;

	for (c = opt->data; c->name; c++) {
		if (!is_word(value, len, c->name) || !value[len])
			continue;
		if (parse_in_unit(c->unit, value + len + 1, &v) || !v)
			return bad_value(e, opt, value + len + 1, expected[c->unit]);
		*(uint64_t *)field_of(o, c->field) = v;
		return 0;
	}
	list_names(tests, sizeof(tests), opt->data, sizeof(*c));
	bad_value(e, opt, value, "TEST:N");
	err_hint(e, "a TEST of %s, as in -%c duration:10", tests, opt->letter);
	return -EINVAL;
}

static const struct opt *by_name(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (is_word(name, len, table[i].name))
			return &table[i];
	return NULL;
}

static const struct opt *by_letter(char letter)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (letter && table[i].letter == letter)
			return &table[i];
	return NULL;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein distance, for words of up to MAX_NAME bytes. */
static unsigned int distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned int row[MAX_NAME + 1], diagonal, above;
	size_t i, j;

	for (j = 0; j <= blen; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= alen; i++) {
		diagonal = row[0];
		row[0] = (unsigned int)i;
		for (j = 1; j <= blen; j++) {
			above = row[j];
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[blen];
}

/* The option that was probably meant: one that the word begins, or is begun
 * by, or one that is two slips away at most. */
static const struct opt *nearest(const char *word, size_t len)
{
	const struct opt *best = NULL;
	unsigned int best_distance = 3;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table) && len < MAX_NAME; i++) {
		const char *name = table[i].name;
		size_t name_len = name ? strlen(name) : 0, common;
		unsigned int d;

		if (!name)
			continue;
		common = len < name_len ? len : name_len;
		d = distance(word, len, name, name_len);
		if (common > 2 && !strncmp(word, name, common))
			d = d ? 1 : 0;
		if (d < best_distance && d < len) {
			best = &table[i];
			best_distance = d;
		}
	}
	return best;
}

static int unknown_long(struct parser *p, const char *word, size_t len)
{
	const struct opt *near = nearest(word, len);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rejected); i++) {
		if (!is_word(word, len, rejected[i].name))
			continue;
		err_set(p->e, -EINVAL, "--%s is not supported in this version", rejected[i].name);
		err_hint(p->e, "%s", rejected[i].hint);
		return -EINVAL;
	}
	if (near)
		return err_set(p->e, -EINVAL, "unknown option --%.*s: did you mean --%s?", (int)len,
			       word, near->name);
	err_set(p->e, -EINVAL, "unknown option --%.*s", (int)len, word);
	err_hint(p->e, "nswatch --help");
	return -EINVAL;
}

static int unknown_letter(struct parser *p, const char *letters)
{
	const struct opt *meant = by_name(letters, strlen(letters));
	char letter = *letters;
	size_t i;

	if (meant)
		return err_set(p->e, -EINVAL, "unknown option -%s: did you mean --%s?", letters,
			       meant->name);
	for (i = 0; i < ARRAY_SIZE(rejected); i++) {
		if (rejected[i].letter != letter)
			continue;
		err_set(p->e, -EINVAL, "-%c is not supported in this version", letter);
		err_hint(p->e, "%s", rejected[i].hint);
		return -EINVAL;
	}
	err_set(p->e, -EINVAL, "unknown option -%c", letter);
	err_hint(p->e, "nswatch --help; a filter with a dash in it goes in quotes: -f 'EXPR'");
	return -EINVAL;
}

static int store(struct parser *p, const struct opt *opt, const char *value)
{
	uint64_t bit = 1ull << (opt - table);
	char name[MAX_NAME];

	if (opt->arg && !(opt->rules & REPEATS) && (p->given & bit))
		return err_set(p->e, -EINVAL, "%s is given twice", name_of(opt, name));
	p->given |= bit;
	p->done = opt->set == set_command;
	return opt->set(p->o, opt, value, p->e);
}

/* The value that is the next word. "--" is none: a forgotten value must not
 * swallow the start of COMMAND. */
static int next_value(struct parser *p, const struct opt *opt, const char **value)
{
	char name[MAX_NAME];

	if (p->next < p->argc && strcmp(p->argv[p->next], "--") != 0) {
		*value = p->argv[p->next++];
		return 0;
	}
	err_set(p->e, -EINVAL, "%s needs a value: %s %s", name_of(opt, name), name, opt->arg);
	return -EINVAL;
}

static int parse_long(struct parser *p, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct opt *opt = by_name(word, len);
	int err;

	if (!opt)
		return unknown_long(p, word, len);
	if (!opt->arg && value)
		return err_set(p->e, -EINVAL, "--%s takes no value", opt->name);
	if (opt->arg && !value) {
		err = next_value(p, opt, &value);
		if (err)
			return err;
	}
	return store(p, opt, value);
}

/* "-q", "-lnq", "-c5", "-c 5" */
static int parse_letters(struct parser *p, const char *letters)
{
	int err = 0;

	while (*letters && !err && !p->done) {
		const struct opt *opt = by_letter(*letters);
		const char *value = letters + 1;

		if (!opt)
			return unknown_letter(p, letters);
		letters++;
		if (!opt->arg) {
			err = store(p, opt, NULL);
			continue;
		}
		if (!*value) {
			err = next_value(p, opt, &value);
			if (err)
				return err;
		}
		return store(p, opt, value);
	}
	return err;
}

static int parse_words(struct parser *p)
{
	int err = 0;

	while (!err && !p->done && p->next < p->argc) {
		const char *word = p->argv[p->next++];

		if (!strcmp(word, "--")) {
			p->o->argv = p->argv + p->next;
			break;
		}
		if (!strncmp(word, "--", 2))
			err = parse_long(p, word + 2);
		else if (word[0] == '-' && word[1])
			err = parse_letters(p, word + 1);
		else
			p->words[p->nr_words++] = word;
	}
	return err;
}

static int join_filter(struct parser *p, unsigned int first)
{
	size_t size = 1;
	unsigned int i;
	char *joined;

	if (first >= p->nr_words)
		return 0;
	if (p->given & (1ull << (by_letter('f') - table)))
		return err_set(p->e, -EINVAL,
			       "-f and `%s`: the filter is given either by -f or by words",
			       p->words[first]);
	for (i = first; i < p->nr_words; i++)
		size += strlen(p->words[i]) + 1;
	joined = calloc(1, size);
	if (!joined)
		return err_sys(p->e, -ENOMEM, "filter");
	p->o->filter = joined;
	for (i = first; i < p->nr_words; i++) {
		if (i > first)
			joined = stpcpy(joined, " ");
		joined = stpcpy(joined, p->words[i]);
	}
	return 0;
}

static bool has_target(const struct options *o, const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < o->nr_targets; i++)
		if (is_word(name, len, o->targets[i]))
			return true;
	return false;
}

static int split_targets(struct parser *p, const char *list)
{
	size_t commas = 0, len;
	const char **targets, *s;

	for (s = list; *s; s++)
		commas += *s == ',';
	targets = calloc(commas + 1, sizeof(*targets));
	if (!targets)
		return err_sys(p->e, -ENOMEM, "%s", list);
	p->o->targets = targets;
	for (s = list;; s += len + 1) {
		len = strcspn(s, ",");
		if (!len)
			return err_set(p->e, -EINVAL, "`%s` has an empty name in it", list);
		if (has_target(p->o, s, len))
			return err_set(p->e, -EINVAL, "`%s` names %.*s twice", list, (int)len, s);
		targets[p->o->nr_targets] = strndup(s, len);
		if (!targets[p->o->nr_targets])
			return err_sys(p->e, -ENOMEM, "%s", list);
		p->o->nr_targets++;
		if (!s[len])
			return 0;
	}
}

static int want_target(struct parser *p)
{
	err_set(p->e, -EINVAL, "no TARGET given");
	err_hint(p->e, "nswatch list, to see the candidates; nswatch --help");
	return -EINVAL;
}

static int take_list(struct parser *p)
{
	if (p->nr_words > 1)
		return err_set(p->e, -EINVAL, "`nswatch list` takes no `%s`", p->words[1]);
	return 0;
}

static int take_check(struct parser *p)
{
	if (p->nr_words < 2)
		return want_target(p);
	if (p->nr_words > 2)
		return err_set(p->e, -EINVAL, "`nswatch check %s` takes no `%s`", p->words[1],
			       p->words[2]);
	return split_targets(p, p->words[1]);
}

static int take_watch(struct parser *p)
{
	int err;

	if (p->o->all)
		return join_filter(p, 0);
	if (!p->nr_words)
		return want_target(p);
	err = split_targets(p, p->words[0]);
	return err ? err : join_filter(p, 1);
}

static int take_words(struct parser *p)
{
	struct options *o = p->o;

	if (o->read_file) {
		o->command = CMD_READ;
		return join_filter(p, 0);
	}
	if (p->nr_words && !strcmp(p->words[0], "list")) {
		o->command = CMD_LIST;
		return take_list(p);
	}
	if (p->nr_words && !strcmp(p->words[0], "check")) {
		o->command = CMD_CHECK;
		return take_check(p);
	}
	o->command = CMD_WATCH;
	return take_watch(p);
}

static bool to_stdout(const struct options *o)
{
	return o->write_file && !strcmp(o->write_file, "-");
}

static bool rotates(const struct options *o)
{
	return o->ring_filesize || o->ring_duration_ns || o->ring_packets;
}

static bool command_not_watch(const struct options *o)
{
	return o->argv && o->command != CMD_WATCH;
}

static bool command_empty(const struct options *o)
{
	return o->argv && !o->argv[0];
}

static bool command_many(const struct options *o)
{
	return o->argv && (o->nr_targets > 1 || o->all);
}

static bool command_and_list(const struct options *o)
{
	return o->argv && o->list_interfaces;
}

static bool check_many(const struct options *o)
{
	return o->command == CMD_CHECK && o->nr_targets > 1;
}

static bool exclude_alone(const struct options *o)
{
	return o->exclude && !o->all;
}

/* The host's ends are interfaces of the host, which is watched itself. */
static bool all_sides(const struct options *o)
{
	return o->all && o->side != SIDES_INSIDE;
}

static bool all_and_list(const struct options *o)
{
	return o->all && o->list_interfaces;
}

/* A command ends, and the watch with it. */
static bool follow_command(const struct options *o)
{
	return o->follow && o->argv;
}

static bool mount_many(const struct options *o)
{
	return o->mount && strchr(o->mount, ',');
}

static bool text_and_file_to_stdout(const struct options *o)
{
	return to_stdout(o) && (o->print || o->dns || o->json || o->dns_tree);
}

static bool tree_and_json(const struct options *o)
{
	return o->dns_tree && o->json;
}

static bool ring_to_stdout(const struct options *o)
{
	return to_stdout(o) && (rotates(o) || o->ring_files);
}

static bool ring_without_end(const struct options *o)
{
	return o->ring_files && !rotates(o);
}

static bool filesize_without_file(const struct options *o)
{
	return o->stop_filesize && !o->write_file;
}

static bool files_without_ring(const struct options *o)
{
	return o->stop_files && !rotates(o);
}

static bool mdns_alone(const struct options *o)
{
	return o->mdns && !o->dns;
}

static bool details_alone(const struct options *o)
{
	return o->details && (!o->dns || o->json);
}

static bool dns_port_alone(const struct options *o)
{
	return o->dns_ports[0] && !o->dns;
}

static bool errno_alone(const struct options *o)
{
	return o->every_errno && !o->dns;
}

static bool over_itself(const struct options *o)
{
	return o->read_file && o->write_file && !to_stdout(o) &&
	       !strcmp(o->read_file, o->write_file);
}

static const struct {
	bool (*broken)(const struct options *o);
	const char *msg, *hint;
} conflicts[] = {
	{ command_not_watch, "-- COMMAND goes with a TARGET to watch only",
	  "nswatch php --dns -- curl http://example.com" },
	{ command_empty, "no COMMAND after --", "nswatch php --dns -- curl http://example.com" },
	{ command_many, "-- COMMAND runs in one namespace, and several targets are given",
	  "one TARGET" },
	{ command_and_list, "-D only lists interfaces: it takes no -- COMMAND", NULL },
	{ check_many, "`nswatch check` takes one TARGET", NULL },
	{ exclude_alone, "--exclude takes something out of --all", "nswatch --all --exclude php" },
	{ all_sides, "--side does not go with --all: the host's ends are watched as the host's own",
	  "leave out --side, or name the containers" },
	{ all_and_list, "-D lists the interfaces of one TARGET", "nswatch list" },
	{ follow_command, "--follow does not go with -- COMMAND: the watch ends with the command",
	  NULL },
	{ mount_many, "--mount takes one TARGET", NULL },
	{ tree_and_json, "-z dns,tree is a table for people; --dns --json has a summary", NULL },
	{ text_and_file_to_stdout, "-w - and -P, -z, --dns or --json would both write to stdout",
	  "-w FILE" },
	{ ring_to_stdout, "-b goes with -w FILE, not with -w -", NULL },
	{ ring_without_end, "-b files: needs a size, duration or count for each file",
	  "-b filesize:10000 -b files:5" },
	{ filesize_without_file, "-a filesize: needs -w FILE", NULL },
	{ files_without_ring, "-a files: needs -b, which is what makes several files",
	  "-b filesize:10000 -a files:5" },
	{ mdns_alone, "--mdns adds to what --dns shows", "nswatch php --dns --mdns" },
	{ details_alone, "-V adds to the lines of --dns; --json has it all",
	  "nswatch php --dns -V, or `nswatch php -w - | tshark -r - -V`" },
	{ dns_port_alone, "--dns-port adds to what --dns shows",
	  "nswatch php --dns --dns-port 5335" },
	{ errno_alone, "--errno adds to what --dns shows", "nswatch php --dns --errno" },
	{ over_itself, "-w would overwrite the file that -r reads", NULL },
};

static int check_conflicts(const struct parser *p)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(conflicts); i++) {
		if (!conflicts[i].broken(p->o))
			continue;
		err_set(p->e, -EINVAL, "%s", conflicts[i].msg);
		if (conflicts[i].hint)
			err_hint(p->e, "%s", conflicts[i].hint);
		return -EINVAL;
	}
	return 0;
}

static int check_option(const struct parser *p, const struct opt *opt)
{
	static const char *const where[] = {
		[CMD_WATCH] = "a TARGET",
		[CMD_READ] = "-r",
		[CMD_LIST] = "`nswatch list`",
		[CMD_CHECK] = "`nswatch check`",
	};
	const struct options *o = p->o;
	char name[MAX_NAME];

	name_of(opt, name);
	if (!(opt->commands & (1u << o->command)))
		return err_set(p->e, -EINVAL, "%s does not go with %s", name, where[o->command]);
	if ((opt->rules & NEEDS_WRITE) && !o->write_file)
		return err_set(p->e, -EINVAL, "%s needs -w FILE", name);
	if ((opt->rules & NEEDS_COMMAND) && !o->argv) {
		err_set(p->e, -EINVAL, "%s needs a command to run: -- COMMAND", name);
		err_hint(p->e, "nswatch php --dns %s%s -- curl http://example.com", name,
			 opt->arg ? " TARGET" : "");
		return -EINVAL;
	}
	return 0;
}

static int check(const struct parser *p)
{
	int err = 0;
	size_t i;

	for (i = 0; !err && i < ARRAY_SIZE(table); i++)
		if (p->given & (1ull << i))
			err = check_option(p, &table[i]);
	return err ? err : check_conflicts(p);
}

static void fold_no_color(struct options *o)
{
	const char *no_color = getenv("NO_COLOR");

	if (o->color == COLOR_AUTO && no_color && *no_color)
		o->color = COLOR_NEVER;
}

static int parse_all(struct parser *p)
{
	int err = parse_words(p);

	if (err || p->done)
		return err;
	err = take_words(p);
	if (err)
		return err;
	fold_no_color(p->o);
	return check(p);
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	struct parser p = { .o = o, .e = e, .argv = argv, .argc = argc, .next = 1 };
	int err;

	*o = (struct options){ .snaplen = DEFAULT_SNAPLEN, .buffer_mib = DEFAULT_BUFFER_MIB };
	if (argc < 2) {
		o->command = CMD_HELP;
		o->brief = true;
		return 0;
	}
	p.words = calloc(argc, sizeof(*p.words));
	if (!p.words)
		return err_sys(e, -ENOMEM, "command line");
	err = parse_all(&p);
	free(p.words);
	return err;
}

void options_free(struct options *o)
{
	unsigned int i;

	for (i = 0; i < o->nr_targets; i++)
		free((void *)o->targets[i]);
	free((void *)o->targets);
	free((void *)o->interfaces);
	free((void *)o->filter);
	*o = (struct options){ 0 };
}

static const char synopsis[] =
	"Usage: nswatch [OPTIONS] TARGET[,TARGET...] [FILTER...] [-- COMMAND...]\n"
	"       nswatch [OPTIONS] --all [FILTER...]\n"
	"       nswatch [OPTIONS] -r FILE [FILTER...]\n"
	"       nswatch list [--json]\n"
	"       nswatch check TARGET [--json]\n";

static const char brief_text[] =
	"nswatch shows what the network of one container really does.\n"
	"\n"
	"  sudo nswatch php --dns\n"
	"      the DNS lookups of container php and, in plain words, why one fails\n"
	"\n"
	"  sudo nswatch php tcp port 443\n"
	"      its packets, one a line; the words after its name are a capture filter\n"
	"\n"
	"  sudo nswatch php -w php.pcapng\n"
	"      its packets into a file for Wireshark, until Ctrl-C\n"
	"\n"
	"`sudo nswatch list` shows what there is to watch, `nswatch --help` every option.\n"
	"\n";

static const struct {
	const char *title;
	const char *intro;
} sections[] = {
	[S_TARGET] = { "Target: whose network",
		       "  NAME, docker:NAME         a Docker container, by name or by start of its id\n"
		       "  NAME, podman:NAME         a Podman container or pod; USER/NAME is a user's\n"
		       "  NAME, cri:NAME            of Kubernetes or containerd: NAMESPACE/POD/CONTAINER\n"
		       "                            or an end of that, or the id\n"
		       "  NAME, machine:NAME        a machine of systemd-nspawn\n"
		       "  NAME, netns:NAME          a namespace of `ip netns`\n"
		       "  N, pid:N                  the namespace of a process\n"
		       "  /FILE, path:FILE          a namespace file, such as /proc/N/ns/net\n"
		       "  net:[N], inode:N          a namespace by its number\n"
		       "  host                      the host's own namespace\n"
		       "  new                       a fresh one, as `unshare -n` makes\n"
		       "\n" },
	[S_SHOW] = { "What to show: packets, one a line, unless told otherwise", "" },
	[S_CAPTURE] = { "Capture", "" },
	[S_FILES] = { "Output files", "" },
	[S_STOP] = { "Stopping: Ctrl-C, or", "" },
	[S_COMMAND] = { "Command",
			"  -- COMMAND...             run COMMAND in the network of TARGET with the files\n"
			"                            of the host, as `ip netns exec` does; stop when it\n"
			"                            ends and return its status\n" },
	[S_READ] = { "Reading a file instead of watching", "" },
	[S_OTHER] = { "Other", "" },
};

_Static_assert(ARRAY_SIZE(sections) == S_COUNT, "a title for each section");

static const char epilogue[] =
	"\nExit status: 0 done; 1 failed, or something captured could not be written;\n"
	"2 wrong usage; 3 `check` found a fault; with -- COMMAND, the command's own.\n";

static void print_heading(const char *text)
{
	const char *no_color = getenv("NO_COLOR");
	bool bold = isatty(STDOUT_FILENO) && !(no_color && *no_color);

	printf("\n%s%s%s\n", bold ? "\033[1m" : "", text, bold ? "\033[0m" : "");
}

static void print_option(const struct opt *opt)
{
	char mem[HELP_COLUMN + 1];
	struct strbuf label;
	const char *line = opt->help;
	size_t len;

	strbuf_init(&label, mem, sizeof(mem));
	if (opt->letter)
		strbuf_printf(&label, "  -%c%s", opt->letter, opt->name ? ", " : "");
	else
		strbuf_puts(&label, "      ");
	if (opt->name)
		strbuf_printf(&label, "--%s", opt->name);
	if (opt->arg)
		strbuf_printf(&label, " %s", opt->arg);
	for (;; line += len + 1) {
		len = strcspn(line, "\n");
		printf("%-*s%.*s\n", HELP_COLUMN, label.s, (int)len, line);
		if (!line[len])
			break;
		strbuf_reset(&label);
	}
}

static void print_section(enum section section)
{
	size_t i;

	print_heading(sections[section].title);
	fputs(sections[section].intro, stdout);
	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].section == section)
			print_option(&table[i]);
}

void options_usage(bool brief)
{
	unsigned int s;

	if (brief) {
		fputs(brief_text, stderr);
		fputs(synopsis, stderr);
		return;
	}
	fputs(synopsis, stdout);
	for (s = 0; s < S_COUNT; s++)
		print_section(s);
	fputs(epilogue, stdout);
}

void options_version(void)
{
	printf("nswatch %s\n", NSWATCH_VERSION);
}

/* --- completion -------------------------------------------------------------------- */

struct completer {
	void (*fn)(void *ctx, const char *word, const char *help);
	void *ctx;
	const struct opt *pending; /* its value is the next word */
	unsigned int nr_words;	   /* without dashes in front */
	unsigned int commands;	   /* IN_*: what it can be so far */
	unsigned int after_dashes; /* 1 for the first word behind -- */
};

/* An option that wants a value in the next word, or NULL. */
static const struct opt *wants_value(const char *word)
{
	const struct opt *opt;
	const char *s;

	if (!strncmp(word, "--", 2)) {
		opt = by_name(word + 2, strlen(word + 2));
		return opt && opt->arg ? opt : NULL;
	}
	for (s = word + 1; *s; s++) {
		opt = by_letter(*s);
		if (!opt || opt->arg)
			return opt && !s[1] ? opt : NULL;
	}
	return NULL;
}

static void take_word(struct completer *c, const char *word)
{
	if (c->after_dashes) {
		c->after_dashes++;
	} else if (c->pending) {
		c->pending = NULL;
	} else if (!strcmp(word, "--")) {
		c->after_dashes = 1;
	} else if (word[0] == '-' && word[1]) {
		c->pending = wants_value(word);
		if (!strncmp(word, "-r", 2) || !strncmp(word, "--read", 6))
			c->commands = IN_READ;
	} else if (!c->nr_words++ && c->commands == IN_ALL) {
		c->commands = !strcmp(word, "list")    ? IN_LIST
			      : !strcmp(word, "check") ? IN_CHECK
						       : IN_WATCH;
	}
}

static enum completion complete_value(struct completer *c, const struct opt *opt)
{
	const struct condition *test;
	const struct choice *choice;
	char word[MAX_NAME + 2];

	if (opt->set == set_choice) {
		for (choice = opt->data; choice->name; choice++)
			c->fn(c->ctx, choice->name, "");
	} else if (opt->set == set_condition) {
		for (test = opt->data; test->name; test++) {
			snprintf(word, sizeof(word), "%s:", test->name);
			c->fn(c->ctx, word, "");
		}
	}
	if (!strcmp(opt->arg, "FILE"))
		return COMPLETE_FILES;
	return !strcmp(opt->arg, "TARGET") ? COMPLETE_TARGETS : COMPLETE_NOTHING;
}

static enum completion complete_options(struct completer *c, const char *word)
{
	const char *equals = strchr(word, '=');
	const struct opt *opt = equals ? by_name(word + 2, (size_t)(equals - word - 2)) : NULL;
	const struct choice *choice;
	char text[2 * MAX_NAME];
	size_t i;

	if (opt && opt->set == set_choice) {
		for (choice = opt->data; choice->name; choice++) {
			snprintf(text, sizeof(text), "--%s=%s", opt->name, choice->name);
			c->fn(c->ctx, text, "");
		}
		return COMPLETE_NOTHING;
	}
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (!(table[i].commands & c->commands))
			continue;
		if (table[i].name) {
			snprintf(text, sizeof(text), "--%s", table[i].name);
			c->fn(c->ctx, text, table[i].help);
		}
		if (table[i].letter && strncmp(word, "--", 2) != 0) {
			snprintf(text, sizeof(text), "-%c", table[i].letter);
			c->fn(c->ctx, text, table[i].help);
		}
	}
	return COMPLETE_NOTHING;
}

enum completion options_complete(char *const *words, unsigned int n,
				 void (*fn)(void *ctx, const char *word, const char *help),
				 void *ctx)
{
	struct completer c = { .fn = fn, .ctx = ctx, .commands = IN_ALL };
	unsigned int i;

	if (!n)
		return COMPLETE_NOTHING;
	for (i = 0; i + 1 < n; i++)
		take_word(&c, words[i]);
	if (c.after_dashes)
		return c.after_dashes == 1 ? COMPLETE_COMMANDS : COMPLETE_FILES;
	if (c.pending)
		return complete_value(&c, c.pending);
	if (words[n - 1][0] == '-')
		return complete_options(&c, words[n - 1]);
	if (!c.nr_words && c.commands == IN_ALL) {
		fn(ctx, "list", "every network namespace of this host");
		fn(ctx, "check", "what DNS would do in a namespace");
		return COMPLETE_TARGETS;
	}
	return c.commands == IN_CHECK && c.nr_words == 1 ? COMPLETE_TARGETS : COMPLETE_NOTHING;
}

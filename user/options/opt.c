// SPDX-License-Identifier: GPL-2.0-only
/*
 * The option table. It says of each option how it is written, where it may stand,
 * what it stores and how --help explains it; whatever needs to know one of these
 * reads it here.
 */
#include <stdio.h>

#include "options/internal.h"
#include "util/cleanup.h"

#define MAX_BUFFER_MIB 1024

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

const struct opt opt_table[] = {
	{ .letter = 'i',
	  .name = "interface",
	  .arg = "IFACE",
	  .help = "only this interface in there; may be repeated\n"
		  "(default: all, lo included)",
	  .section = S_TARGET,
	  .commands = IN_WATCH,
	  .rules = REPEATS,
	  .set = set_interface },
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

_Static_assert(ARRAY_SIZE(opt_table) <= 64, "struct parser.given has one bit for each option");

const size_t opt_count = ARRAY_SIZE(opt_table);

const struct opt *opt_by_name(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < opt_count; i++)
		if (is_word(word, len, opt_table[i].name))
			return &opt_table[i];
	return NULL;
}

const struct opt *opt_by_letter(char letter)
{
	size_t i;

	for (i = 0; i < opt_count; i++)
		if (letter && opt_table[i].letter == letter)
			return &opt_table[i];
	return NULL;
}

const char *opt_name(const struct opt *opt, char buf[MAX_NAME])
{
	if (opt->letter)
		snprintf(buf, MAX_NAME, "-%c", opt->letter);
	else
		snprintf(buf, MAX_NAME, "--%s", opt->name);
	return buf;
}

uint64_t opt_bit(const struct opt *opt)
{
	return 1ull << (opt - opt_table);
}

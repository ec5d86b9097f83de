// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"
#include "util/cleanup.h"

#define MAX_ARGS 40

/* A command line, split at blanks; 'a b' keeps its blank. */
struct line {
	char text[512];
	char *argv[MAX_ARGS + 1];
	int argc;
	struct options o;
	struct err e;
	int result;
};

static void split(struct line *l, const char *text)
{
	char *s = l->text, quote = 0;

	snprintf(l->text, sizeof(l->text), "nswatch %s", text);
	l->argc = 0;
	while (*s) {
		while (*s == ' ')
			*s++ = '\0';
		if (!*s)
			break;
		assert_true(l->argc < MAX_ARGS);
		if (*s == '\'')
			quote = *s++;
		l->argv[l->argc++] = s;
		while (*s && *s != (quote ? quote : ' '))
			s++;
		if (quote)
			*s++ = '\0';
		quote = 0;
	}
	l->argv[l->argc] = NULL;
}

static void parse(struct line *l, const char *text)
{
	memset(l, 0, sizeof(*l));
	split(l, text);
	l->result = options_parse(&l->o, l->argc, l->argv, &l->e);
}

static void parse_ok(struct line *l, const char *text)
{
	parse(l, text);
	if (l->result)
		print_error("%s: %s\n", text, l->e.msg);
	assert_int_equal(l->result, 0);
}

static void fini(struct line *l)
{
	options_free(&l->o);
}

static void words(void **state)
{
	_cleanup_(fini) struct line l;

	(void)state;
	parse_ok(&l, "-r x.pcapng --dns --mdns");
	assert_true(l.o.dns && l.o.mdns);
	parse_ok(&l, "php -w x.pcapng udp port 53 --dns --mdns");
	assert_int_equal(l.o.command, CMD_WATCH);
	assert_int_equal(l.o.nr_targets, 1);
	assert_string_equal(l.o.targets[0], "php");
	assert_string_equal(l.o.filter, "udp port 53");
	assert_string_equal(l.o.write_file, "x.pcapng");
	assert_true(l.o.dns && l.o.mdns);
	assert_null(l.o.argv);
	assert_int_equal(l.o.snaplen, 262144);
	assert_int_equal(l.o.buffer_mib, 8);
}

static void options_before_target(void **state)
{
	_cleanup_(fini) struct line l;

	(void)state;
	parse_ok(&l, "--dns --side both -lnqc5 php,netns:web 'tcp[tcpflags] & tcp-syn != 0'");
	assert_int_equal(l.o.nr_targets, 2);
	assert_string_equal(l.o.targets[0], "php");
	assert_string_equal(l.o.targets[1], "netns:web");
	assert_string_equal(l.o.filter, "tcp[tcpflags] & tcp-syn != 0");
	assert_int_equal(l.o.side, SIDES_BOTH);
	assert_true(l.o.line_buffered);
	assert_true(l.o.quiet);
	assert_int_equal(l.o.count, 5);
}

static void dash_in_filter(void **state)
{
	_cleanup_(fini) struct line l;

	(void)state;
	parse_ok(&l, "php len - 14 > 100");
	assert_string_equal(l.o.filter, "len - 14 > 100");
}

static void command_keeps_its_options(void **state)
{
	_cleanup_(fini) struct line l;

	(void)state;
	parse_ok(&l, "php --dns --fix-dns --mount tools udp -- ls --help -w -- -r x");
	assert_string_equal(l.o.filter, "udp");
	assert_string_equal(l.o.mount, "tools");
	assert_true(l.o.fix_dns);
	assert_string_equal(l.o.argv[0], "ls");
	assert_string_equal(l.o.argv[1], "--help");
	assert_string_equal(l.o.argv[3], "--");
	assert_string_equal(l.o.argv[5], "x");
	assert_null(l.o.argv[6]);
	assert_null(l.o.read_file);
}

static void reading(void **state)
{
	_cleanup_(fini) struct line l;

	(void)state;
	parse_ok(&l, "-t ad list -r x.pcap or udp --dns --json");
	assert_int_equal(l.o.command, CMD_READ);
	assert_int_equal(l.o.nr_targets, 0);
	assert_string_equal(l.o.read_file, "x.pcap");
	assert_string_equal(l.o.filter, "list or udp");
	assert_int_equal(l.o.time_format, TIME_ABSOLUTE_DATE);
}

static void list_and_check(void **state)
{
	struct line l;

	(void)state;
	parse_ok(&l, "list --json");
	assert_int_equal(l.o.command, CMD_LIST);
	assert_true(l.o.json);
	fini(&l);
	parse_ok(&l, "--json check docker:php");
	assert_int_equal(l.o.command, CMD_CHECK);
	assert_string_equal(l.o.targets[0], "docker:php");
	fini(&l);
	parse_ok(&l, "docker:list");
	assert_int_equal(l.o.command, CMD_WATCH);
	assert_string_equal(l.o.targets[0], "docker:list");
	fini(&l);
}

static void interfaces(void **state)
{
	_cleanup_(fini) struct line l;

	(void)state;
	parse_ok(&l, "php -i eth0 -ilo --interface=eth1 --interface eth2 -Q in");
	assert_int_equal(l.o.nr_interfaces, 4);
	assert_string_equal(l.o.interfaces[0], "eth0");
	assert_string_equal(l.o.interfaces[1], "lo");
	assert_string_equal(l.o.interfaces[2], "eth1");
	assert_string_equal(l.o.interfaces[3], "eth2");
	assert_int_equal(l.o.directions, DIRECTIONS_IN);
}

static void limits(void **state)
{
	_cleanup_(fini) struct line l;

	(void)state;
	parse_ok(&l,
		 "php -w f -F pcap -a duration:0.25 -a packets:7 -a filesize:3 -a files:4 "
		 "-b filesize:1000 --ring-buffer=files:5 -b duration:2 -b packets:9 -s 96 -B 32");
	assert_int_equal(l.o.stop_duration_ns, 250000000);
	assert_int_equal(l.o.stop_packets, 7);
	assert_int_equal(l.o.stop_filesize, 3000);
	assert_int_equal(l.o.stop_files, 4);
	assert_int_equal(l.o.ring_filesize, 1000000);
	assert_int_equal(l.o.ring_files, 5);
	assert_int_equal(l.o.ring_duration_ns, 2000000000);
	assert_int_equal(l.o.ring_packets, 9);
	assert_int_equal(l.o.snaplen, 96);
	assert_int_equal(l.o.buffer_mib, 32);
	assert_int_equal(l.o.format, FORMAT_PCAP);
}

static void zero_snaplen_is_default(void **state)
{
	_cleanup_(fini) struct line l;

	(void)state;
	parse_ok(&l, "php -s 0");
	assert_int_equal(l.o.snaplen, 262144);
}

static void help_and_version(void **state)
{
	static const struct {
		const char *line;
		enum subcommand command;
		bool brief;
	} rows[] = {
		{ "", CMD_HELP, true },
		{ "--help", CMD_HELP, false },
		{ "-h", CMD_HELP, false },
		{ "php --mount x --help --nonsense", CMD_HELP, false },
		{ "php --version --nonsense", CMD_VERSION, false },
		{ "list extra words -qv", CMD_VERSION, false },
	};
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		parse_ok(&l, rows[i].line);
		assert_int_equal(l.o.command, rows[i].command);
		assert_int_equal(l.o.brief, rows[i].brief);
		fini(&l);
	}
}

static void no_color(void **state)
{
	static const struct {
		const char *env, *line;
		enum color_choice color;
	} rows[] = {
		{ NULL, "php", COLOR_AUTO },
		{ "", "php", COLOR_AUTO },
		{ "1", "php", COLOR_NEVER },
		{ "1", "php --color=always", COLOR_ALWAYS },
		{ NULL, "php --color always --color never", COLOR_NEVER },
	};
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].env)
			setenv("NO_COLOR", rows[i].env, 1);
		else
			unsetenv("NO_COLOR");
		parse_ok(&l, rows[i].line);
		assert_int_equal(l.o.color, rows[i].color);
		fini(&l);
	}
	unsetenv("NO_COLOR");
}

static void refusals(void **state)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "--dns", "no TARGET" },
		{ "-- ls", "no TARGET" },
		{ "check", "no TARGET" },
		{ "php --", "no COMMAND after --" },
		{ "php,web -- ls", "one namespace" },
		{ "php,,web", "empty name" },
		{ "php,", "empty name" },
		{ "''", "empty name" },
		{ "php,web,php", "names php twice" },
		{ "list php", "takes no `php`" },
		{ "list -- ls", "watch only" },
		{ "check php udp", "takes no `udp`" },
		{ "check php,web", "one TARGET" },
		{ "check php -w x", "-w does not go with `nswatch check`" },
		{ "list --dns", "--dns does not go with `nswatch list`" },
		{ "php --dsn", "did you mean --dns?" },
		{ "php --jsn", "did you mean --json?" },
		{ "php --interfce=lo", "did you mean --interface?" },
		{ "php --write-file x", "did you mean --write?" },
		{ "php --snap 5", "did you mean --snapshot-length?" },
		{ "php -dns", "did you mean --dns?" },
		{ "php --entirely-else", "unknown option --entirely-else" },
		{ "php --dns=yes", "--dns takes no value" },
		{ "php -k", "unknown option -k" },
		{ "php --exclude web", "--exclude takes something out of --all" },
		{ "--all --side both", "--side does not go with --all" },
		{ "--all -D", "-D lists the interfaces of one TARGET" },
		{ "--all -- ls", "several targets" },
		{ "php --follow -- ls", "--follow does not go with -- COMMAND" },
		{ "--all --exclude a --exclude b", "--exclude is given twice" },
		{ "php -T fields", "-T is not supported" },
		{ "php -nO", "-O is not supported" },
		{ "php --display-filter=dns", "--display-filter is not supported" },
		{ "php -w", "-w needs a value" },
		{ "php -w -- ls", "-w needs a value" },
		{ "php -w a -w b", "-w is given twice" },
		{ "php -w ''", "-w: `` is not a name" },
		{ "php -c 0", "-c: `0`" },
		{ "php -c -5", "-c: `-5`" },
		{ "php -c 5x", "-c: `5x`" },
		{ "php -c 99999999999999999999", "-c: `99999999999999999999`" },
		{ "php -s 262145", "from 0 to 262144" },
		{ "php -B 4096", "from 0 to 1024" },
		{ "php --side left", "inside, host or both" },
		{ "php -Q sideways", "in, out or inout" },
		{ "php -t x", "r, a, ad, d, dd, e, u or ud" },
		{ "php -w x -F erf", "pcapng or pcap" },
		{ "php -a 10", "not TEST:N" },
		{ "php -a duration", "not TEST:N" },
		{ "php -a duration:", "not a number of seconds" },
		{ "php -a duration:0", "not a number of seconds" },
		{ "php -a duration:.", "not a number of seconds" },
		{ "php -a duration:-1", "not a number of seconds" },
		{ "php -a duration:1e3", "not a number of seconds" },
		{ "php -a duration:99999999999999", "not a number of seconds" },
		{ "php -a packets:0", "not a number from 1 up" },
		{ "php -a filesize:18446744073709551615", "kB" },
		{ "php -a filesize:10", "-a filesize: needs -w" },
		{ "php -w x -a files:2", "-a files: needs -b" },
		{ "php -b filesize:10", "-b needs -w" },
		{ "php -w x -b files:3", "needs a size, duration or count" },
		{ "php -w - -b filesize:10", "not with -w -" },
		{ "php -F pcap", "-F needs -w" },
		{ "php -w - -P", "both write to stdout" },
		{ "php -w - --dns", "both write to stdout" },
		{ "php -w - --json", "both write to stdout" },
		{ "php -f udp port 53", "-f and `port`" },
		{ "php --mount tools", "--mount needs a command" },
		{ "php --mdns -w x", "--mdns adds to what --dns shows" },
		{ "php --dns-port 5335", "--dns-port adds to what --dns shows" },
		{ "php --dns --dns-port 0", "a number from 1 to 65535" },
		{ "php --dns --dns-port 65536", "a number from 1 to 65535" },
		{ "php --dns --dns-port 1 --dns-port 2 --dns-port 3 --dns-port 4 --dns-port 5",
		  "4 ports at most" },
		{ "php -V", "-V adds to the lines of --dns" },
		{ "php --json --errno", "--errno adds to what --dns shows" },
		{ "php --fix-dns", "--fix-dns needs a command" },
		{ "php --mount a,b -- ls", "one TARGET" },
		{ "php -D -- ls", "-D only lists" },
		{ "-r x -- ls", "watch only" },
		{ "-r x --mount y", "--mount does not go with -r" },
		{ "-r x --side both", "--side does not go with -r" },
		{ "-r x -i lo", "-i does not go with -r" },
		{ "-r x -w x", "overwrite" },
		{ "-r x -f udp tcp", "-f and `tcp`" },
		{ "-r x -r y", "-r is given twice" },
	};
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		parse(&l, rows[i].line);
		if (l.result != -EINVAL || !strstr(l.e.msg, rows[i].says))
			print_error("`%s` says %d `%s`, not `%s`\n", rows[i].line, l.result,
				    l.e.msg, rows[i].says);
		assert_int_equal(l.result, -EINVAL);
		assert_non_null(strstr(l.e.msg, rows[i].says));
		assert_true(strlen(l.e.msg) < sizeof(l.e.msg) - 1);
		fini(&l);
	}
}

/* Allowed together, although near to something refused above. */
static void allowances(void **state)
{
	static const char *const lines[] = {
		"php --dns -w x",
		"php -w - -q",
		"php -w x -P --json",
		"php -w - -- ls",
		"-r - -w - udp",
		"-r x -w y -F pcap -c 3 -P",
		"php -q -q --dns -l -U",
		"php -D --side both",
		"php -a duration:.5",
		"/run/netns/a 1.2.3.4",
		"new --fix-dns -- curl x",
		"php --mount web -- ls",
		"php -f 'udp port 53' -- ls",
		"php -f '' -- ls",
		"list -n --color never --verbose",
	};
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		parse_ok(&l, lines[i]);
		fini(&l);
	}
}

/* Runs options_usage() into a buffer. */
static void capture_usage(bool brief, char *buf, size_t size)
{
	int stream = brief ? STDERR_FILENO : STDOUT_FILENO;
	int saved = dup(stream);
	FILE *f = tmpfile();
	size_t n;

	assert_non_null(f);
	fflush(stdout);
	dup2(fileno(f), stream);
	options_usage(brief);
	fflush(stdout);
	dup2(saved, stream);
	close(saved);
	rewind(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
}

static unsigned int check_width(const char *text)
{
	unsigned int lines = 0;
	size_t len;

	for (; *text; text += len + 1, lines++) {
		len = strcspn(text, "\n");
		if (len > 80)
			print_error("%zu columns: %.*s\n", len, (int)len, text);
		assert_true(len <= 80);
		assert_true(!len || text[len - 1] != ' ');
		assert_int_equal(text[len], '\n');
	}
	return lines;
}

static void usage_fits(void **state)
{
	static const char *const sections[] = { "\nTarget",	    "\nWhat to show", "\nCapture\n",
						"\nOutput files\n", "\nStopping",     "\nCommand\n",
						"\nReading",	    "\nOther\n" };
	char text[16384];
	size_t i;

	(void)state;
	capture_usage(true, text, sizeof(text));
	assert_true(check_width(text) <= 24);
	capture_usage(false, text, sizeof(text));
	check_width(text);
	for (i = 0; i < ARRAY_SIZE(sections); i++)
		assert_non_null(strstr(text, sections[i]));
	assert_null(strchr(text, '\033'));
}

/* The option that a line of --help begins with, or NULL: those lines are
 * indented by 2, or by 6 where there is no letter. */
static char *option_in(char *line)
{
	size_t indent = strspn(line, " ");

	if (line[indent] != '-' || indent > 6 || !strncmp(line + indent, "-- ", 3))
		return NULL;
	return line + indent;
}

/* Every option that --help shows is one that the parser knows. */
static void usage_is_true(void **state)
{
	char text[16384], line[64], *row, *s;
	unsigned int seen = 0;
	struct line l;

	(void)state;
	capture_usage(false, text, sizeof(text));
	for (row = strtok(text, "\n"); row; row = strtok(NULL, "\n")) {
		s = option_in(row);
		if (!s)
			continue;
		if (s[1] != '-' && s[2] == ',')
			s += 4;
		snprintf(line, sizeof(line), "php %.*s", (int)strcspn(s, " "), s);
		parse(&l, line);
		assert_null(strstr(l.e.msg, "unknown option"));
		fini(&l);
		seen++;
	}
	assert_true(seen > 25);
}

/* The letter and the name of an option as --help shows them: "-i, --interface". */
static void check_in_manual(const char *manual, const char *shown)
{
	char wanted[64];

	if (shown[1] != '-') {
		snprintf(wanted, sizeof(wanted), "\n.It Fl %c", shown[1]);
		if (!strstr(manual, wanted))
			print_error("the manual lacks -%c\n", shown[1]);
		assert_non_null(strstr(manual, wanted));
		shown += shown[2] == ',' ? 4 : 2;
	}
	if (strncmp(shown, "--", 2) != 0)
		return;
	snprintf(wanted, sizeof(wanted), "Fl -%.*s", (int)strcspn(shown + 2, " "), shown + 2);
	if (!strstr(manual, wanted))
		print_error("the manual lacks %s\n", wanted);
	assert_non_null(strstr(manual, wanted));
}

static void manual_is_complete(void **state)
{
	_cleanup_fclose_ FILE *f = fopen("docs/nswatch.8", "r");
	static char manual[65536], text[16384];
	char *s, *option;

	(void)state;
	if (!f) {
		print_message("manual_is_complete: docs/nswatch.8 is not here\n");
		skip();
	}
	manual[fread(manual, 1, sizeof(manual) - 1, f)] = '\0';
	capture_usage(false, text, sizeof(text));
	for (s = strtok(text, "\n"); s; s = strtok(NULL, "\n")) {
		option = option_in(s);
		if (option)
			check_in_manual(manual, option);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(options_before_target),
		cmocka_unit_test(dash_in_filter),
		cmocka_unit_test(command_keeps_its_options),
		cmocka_unit_test(reading),
		cmocka_unit_test(list_and_check),
		cmocka_unit_test(interfaces),
		cmocka_unit_test(limits),
		cmocka_unit_test(zero_snaplen_is_default),
		cmocka_unit_test(help_and_version),
		cmocka_unit_test(no_color),
		cmocka_unit_test(refusals),
		cmocka_unit_test(allowances),
		cmocka_unit_test(usage_fits),
		cmocka_unit_test(usage_is_true),
		cmocka_unit_test(manual_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

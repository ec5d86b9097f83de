// SPDX-License-Identifier: GPL-2.0-only
/*
 * The help, made from the option table, and the version.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options/internal.h"
#include "util/cleanup.h"
#include "util/strbuf.h"

#define HELP_COLUMN 28 /* where the explanations begin */

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
	for (i = 0; i < opt_count; i++)
		if (opt_table[i].section == section)
			print_option(&opt_table[i]);
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

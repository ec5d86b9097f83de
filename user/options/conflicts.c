// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does not go together: an option with the command, or with another option.
 */
#include <errno.h>
#include <string.h>

#include "options/internal.h"
#include "util/cleanup.h"

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

static int check_together(const struct parser *p)
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

	opt_name(opt, name);
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

int conflicts_check(const struct parser *p)
{
	int err = 0;
	size_t i;

	for (i = 0; !err && i < opt_count; i++)
		if (p->given & opt_bit(&opt_table[i]))
			err = check_option(p, &opt_table[i]);
	return err ? err : check_together(p);
}

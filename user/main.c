// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "complete.h"
#include "interfaces.h"
#include "list.h"
#include "loader/loader.h"
#include "options.h"
#include "read.h"
#include "util/log.h"

static int run(const struct options *o)
{
	switch (o->command) {
	case CMD_HELP: options_usage(o->brief); return o->brief ? EXIT_USAGE : 0;
	case CMD_VERSION: options_version(); return 0;
	case CMD_LIST: return list_main(o);
	case CMD_CHECK: return check_main(o);
	case CMD_READ: return read_main(o);
	default: return o->list_interfaces ? interfaces_main(o) : loader_main(o);
	}
}

/* A standard stream that is closed would become the first file that is opened,
 * an output file perhaps, and get what is meant for a reader. */
static void open_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options o;
	struct err e = { 0 };
	int status;

	open_standard_streams();
	setlocale(LC_CTYPE, "");
	/* For the shells' completion scripts; no option of its own, it takes any words. */
	if (argc > 1 && !strcmp(argv[1], "--complete"))
		return complete_main(argc - 2, argv + 2);
	if (options_parse(&o, argc, argv, &e)) {
		log_err(&e);
		options_free(&o);
		return EXIT_USAGE;
	}
	if (o.verbose)
		log_set_level(LOG_DEBUG);
	status = run(&o);
	options_free(&o);
	return status;
}

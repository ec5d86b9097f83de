// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <locale.h>
#include <stdio.h>

#include "check.h"
#include "interfaces.h"
#include "list.h"
#include "loader.h"
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

int main(int argc, char **argv)
{
	struct options o;
	struct err e = { 0 };
	int status;

	setlocale(LC_CTYPE, "");
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

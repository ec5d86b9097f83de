// SPDX-License-Identifier: GPL-2.0-only
#include "attach/cpus.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "nswatch/record.h"
#include "util/cleanup.h"

#define POSSIBLE "/sys/devices/system/cpu/possible"

int cpus_parse(const char *list)
{
	unsigned long cpu, highest = 0;
	char *end;

	for (;; list = end + 1) {
		if (!isdigit((unsigned char)*list))
			return -EINVAL;
		cpu = strtoul(list, &end, 10);
		if (cpu >= INT_MAX)
			return -ERANGE;
		if (cpu > highest)
			highest = cpu;
		if (*end != ',' && *end != '-')
			break;
	}
	return *end && *end != '\n' ? -EINVAL : (int)highest + 1;
}

int cpus_slots(uint32_t *out, struct err *e)
{
	_cleanup_fclose_ FILE *f = fopen(POSSIBLE, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int slots;

	if (!f)
		return err_sys(e, -errno, "cannot open " POSSIBLE);
	slots = getline(&line, &size, f) < 0 ? -EIO : cpus_parse(line);
	if (slots < 0)
		return err_sys(e, slots, POSSIBLE);
	if (slots > NSW_MAX_CPUS)
		return err_set(e, -ENOTSUP,
			       "the CPUs of this machine have numbers up to %d; nswatch can cope "
			       "with numbers up to %d",
			       slots - 1, NSW_MAX_CPUS - 1);
	*out = (uint32_t)slots;
	return 0;
}

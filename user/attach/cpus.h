/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_ATTACH_CPUS_H
#define NSWATCH_ATTACH_CPUS_H

#include <stdint.h>

#include "util/err.h"

/*
 * How many slots an array indexed by CPU needs: the highest number that a CPU of this machine
 * can have, and 1. There may be fewer CPUs, as numbers are left out on some machines; per-CPU
 * maps have as many values as there are CPUs (libbpf_num_possible_cpus()).
 * 0 or -errno; -ENOTSUP beyond NSW_MAX_CPUS.
 */
int cpus_slots(uint32_t *out, struct err *e);

/* The same of a list as the kernel prints it, "0-1,4-5\n" (Documentation/core-api/
 * printk-formats.rst, %*pbl), or -EINVAL, -ERANGE. */
int cpus_parse(const char *list);

#endif

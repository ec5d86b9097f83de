// SPDX-License-Identifier: GPL-2.0-only
#include "util/clear.h"

#include <string.h>

void clear_memory(void *p, size_t len)
{
	memset(p, 0, len);
}

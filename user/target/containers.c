// SPDX-License-Identifier: GPL-2.0-only
#include "target/containers.h"

#include <stdio.h>

#include "target/resolvers.h"
#include "target/unix_http.h"
#include "util/cleanup.h"

static int (*const runtimes[])(containers_fn fn, void *ctx, int64_t deadline, struct err *e) = {
	docker_containers,
};

int64_t containers_deadline(unsigned int ms)
{
	return http_now_ms() + ms;
}

int containers_each(containers_fn fn, void *ctx, int64_t deadline, struct err *e)
{
	size_t i;
	int failed = 0, r;

	for (i = 0; i < ARRAY_SIZE(runtimes); i++) {
		r = runtimes[i](fn, ctx, deadline, failed ? NULL : e);
		if (r && !failed)
			failed = r;
	}
	return failed;
}

void container_label(const struct container *c, char out[CONTAINER_LABEL_LEN])
{
	snprintf(out, CONTAINER_LABEL_LEN, "%s:%s", target_kind_name(c->kind), c->name);
}

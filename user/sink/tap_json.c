// SPDX-License-Identifier: GPL-2.0-only
#include "sink/tap_json.h"

#include <string.h>

static void put_tap(struct strbuf *out, const char *type, const struct tap *tap, int64_t now)
{
	strbuf_printf(out, "{\"type\":\"%s\",\"time\":\"", type);
	strbuf_rfc3339(out, now);
	strbuf_puts(out, "\",\"target\":");
	strbuf_json(out, tap->target, strnlen(tap->target, sizeof(tap->target)));
	strbuf_puts(out, ",\"netns\":");
	strbuf_u64(out, tap->netns);
	strbuf_puts(out, ",\"interface\":");
	strbuf_json(out, tap->ifname, strnlen(tap->ifname, sizeof(tap->ifname)));
	strbuf_printf(out, ",\"ifindex\":%u,\"side\":\"%s\",\"generation\":%u", tap->ifindex,
		      tap->side == SIDE_HOST ? "host" : "inside", tap->generation);
}

void tap_json_attach(struct strbuf *out, const struct tap *tap, int64_t now)
{
	put_tap(out, "attach", tap, now);
	strbuf_puts(out, ",\"gap_ms\":");
	if (tap->gap)
		strbuf_printf(out, "%llu.%06llu", (unsigned long long)tap->gap / 1000000,
			      (unsigned long long)tap->gap % 1000000);
	else
		strbuf_puts(out, "null");
	strbuf_puts(out, "}\n");
}

void tap_json_detach(struct strbuf *out, const struct tap *tap, int64_t now)
{
	put_tap(out, "detach", tap, now);
	strbuf_puts(out, "}\n");
}

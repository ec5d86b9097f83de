// SPDX-License-Identifier: GPL-2.0-only
#include "decode/tcpopt.h"

void tcpopts_init(struct tcpopts *o, const struct frame *f)
{
	o->past_end = false;
	o->c = cursor_init(f->data + f->l4_off, f->l4_caplen, f->tcp_hlen);
	cursor_skip(&o->c, TCP_HLEN_MIN);
}

bool tcpopts_next(struct tcpopts *o, struct tcpopt *opt)
{
	struct cursor *c = &o->c;
	uint8_t len;

	do {
		if (!cursor_reported(c) || !cursor_ok(c))
			return false;
		opt->kind = cursor_u8(c);
	} while (opt->kind == TCPOPT_NOP);
	if (opt->kind == TCPOPT_END || !cursor_ok(c) || !cursor_reported(c))
		return false;
	len = cursor_u8(c);
	if (!cursor_ok(c) || len < 2)
		return false;
	o->past_end = len - 2u > cursor_reported(c);
	if (o->past_end)
		return false;
	opt->body = cursor_init(c->data + c->off, cursor_left(c), len - 2u);
	c->off += opt->body.caplen;
	return true;
}

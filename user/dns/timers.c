// SPDX-License-Identifier: GPL-2.0-only
#include "dns/timers.h"

#include <stdlib.h>

static void place(struct timers *ts, uint32_t pos, struct timer *t)
{
	ts->heap[pos - 1] = t;
	t->pos = pos;
}

static void sift_up(struct timers *ts, struct timer *t)
{
	uint32_t pos = t->pos;

	while (pos > 1 && ts->heap[pos / 2 - 1]->due > t->due) {
		place(ts, pos, ts->heap[pos / 2 - 1]);
		pos /= 2;
	}
	place(ts, pos, t);
}

static void sift_down(struct timers *ts, struct timer *t)
{
	uint32_t pos = t->pos, child;

	while ((child = pos * 2) <= ts->nr) {
		if (child < ts->nr && ts->heap[child]->due < ts->heap[child - 1]->due)
			child++;
		if (ts->heap[child - 1]->due >= t->due)
			break;
		place(ts, pos, ts->heap[child - 1]);
		pos = child;
	}
	place(ts, pos, t);
}

void timers_fini(struct timers *ts)
{
	free(ts->heap);
	*ts = (struct timers){ 0 };
}

static int grow(struct timers *ts)
{
	uint32_t size = ts->size ? ts->size * 2 : 256;
	struct timer **heap = realloc(ts->heap, size * sizeof(struct timer *));

	if (!heap)
		return -1;
	ts->heap = heap;
	ts->size = size;
	return 0;
}

void timers_set(struct timers *ts, struct timer *t, int64_t due)
{
	if (!t->pos) {
		if (ts->nr == ts->size && grow(ts))
			return;
		place(ts, ++ts->nr, t);
	}
	t->due = due;
	sift_up(ts, t);
	sift_down(ts, t);
}

void timers_cancel(struct timers *ts, struct timer *t)
{
	struct timer *last;
	uint32_t pos = t->pos;

	if (!pos)
		return;
	t->pos = 0;
	last = ts->heap[--ts->nr];
	if (last == t)
		return;
	place(ts, pos, last);
	sift_up(ts, last);
	sift_down(ts, last);
}

struct timer *timers_expired(struct timers *ts, int64_t now)
{
	struct timer *t;

	if (!ts->nr || ts->heap[0]->due > now)
		return NULL;
	t = ts->heap[0];
	timers_cancel(ts, t);
	return t;
}

int64_t timers_next(const struct timers *ts)
{
	return ts->nr ? ts->heap[0]->due : INT64_MAX;
}

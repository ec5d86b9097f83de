// SPDX-License-Identifier: GPL-2.0-only
#include "stream/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/now.h"

#define NSEC 1000000000LL

int64_t clock_now(const struct clock *c)
{
	return now_ns(c->kind == NSW_CLOCK_TAI ? CLOCK_TAI : CLOCK_BOOTTIME);
}

/* The tightest of a few samples, so that a preemption between the two reads
 * does not shift every packet of the next second. */
static void sample(struct clock *c)
{
	int64_t best = INT64_MAX;
	int i;

	for (i = 0; i < 3; i++) {
		int64_t before = clock_now(c);
		int64_t wall = now_ns(CLOCK_REALTIME);
		int64_t after = clock_now(c);

		if (after - before >= best)
			continue;
		best = after - before;
		c->offset = wall - (before + best / 2);
		c->sampled = after;
	}
	/* TAI is ahead of UTC by whole seconds: round the negative offset. */
	if (c->kind == NSW_CLOCK_TAI)
		c->offset = (c->offset - NSEC / 2) / NSEC * NSEC;
}

void clock_init(struct clock *c, enum nsw_clock kind)
{
	c->kind = kind;
	sample(c);
}

void clock_stepped(struct clock *c)
{
	sample(c);
}

int64_t clock_wall(struct clock *c, int64_t time, int64_t now)
{
	if (now - c->sampled > NSEC)
		sample(c);
	return time + c->offset;
}

/* A timer that never comes, but is cancelled by each step: timerfd_create(2). */
int clock_steps_fd(void)
{
	const struct itimerspec never = { .it_value.tv_sec =
						  sizeof(time_t) == 8 ? INT64_MAX : INT32_MAX };
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (!timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

bool clock_has_stepped(int steps_fd)
{
	uint64_t times;

	return read(steps_fd, &times, sizeof(times)) < 0 && errno == ECANCELED;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The values of options: read, checked and stored in the field that the table
 * names. Numbers are decimal, whatever the locale.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/internal.h"
#include "util/cleanup.h"

static int bad_value(struct err *e, const struct opt *opt, const char *value, const char *expected)
{
	char name[MAX_NAME];

	err_set(e, -EINVAL, "%s: `%s` is not %s", opt_name(opt, name), value, expected);
	return -EINVAL;
}

static void *field_of(struct options *o, size_t offset)
{
	return (char *)o + offset;
}

int set_flag(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	*(bool *)field_of(o, opt->field) = true;
	return 0;
}

int set_statistics(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	if (!strcmp(value, "dns,tree"))
		return set_flag(o, opt, value, e);
	err_set(e, -EINVAL, "-z %s: only dns,tree is known here", value);
	err_hint(e, "`nswatch TARGET -w - | tshark -r - -z %s`", value);
	return -EINVAL;
}

int set_nothing(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	(void)o;
	(void)opt;
	(void)value;
	(void)e;
	return 0;
}

int set_command(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	o->command = (enum subcommand)opt->field;
	return 0;
}

int set_string(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	if (!*value)
		return bad_value(e, opt, value, "a name");
	*(const char **)field_of(o, opt->field) = value;
	return 0;
}

/* The filter is owned, whether it comes from here or from joined words. An
 * empty one is none, as in tcpdump. */
int set_filter(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	(void)opt;
	if (!*value)
		return 0;
	o->filter = strdup(value);
	return o->filter ? 0 : err_sys(e, -ENOMEM, "filter");
}

int set_interface(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	const char **grown;

	if (!*value)
		return bad_value(e, opt, value, "an interface");
	grown = realloc((void *)o->interfaces, (o->nr_interfaces + 1) * sizeof(*grown));
	if (!grown)
		return err_sys(e, -ENOMEM, "-i %s", value);
	grown[o->nr_interfaces++] = value;
	o->interfaces = grown;
	return 0;
}

/* "a, b or c" */
static void list_names(char *buf, size_t size, const void *names, size_t stride)
{
	const char *row = names;
	size_t len = 0;

	buf[0] = '\0';
	for (; *(const char *const *)row && len < size; row += stride) {
		const char *next = *(const char *const *)(row + stride);
		const char *separator = !len ? "" : next ? ", " : " or ";

		len += snprintf(buf + len, size - len, "%s%s", separator,
				*(const char *const *)row);
	}
}

int set_choice(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	const struct choice *c;
	char expected[128];

	for (c = opt->data; c->name; c++) {
		if (strcmp(c->name, value) != 0)
			continue;
		*(unsigned int *)field_of(o, opt->field) = c->value;
		return 0;
	}
	list_names(expected, sizeof(expected), opt->data, sizeof(*c));
	return bad_value(e, opt, value, expected);
}

/* Decimal digits alone: no sign, no blank, no base prefix. */
static int parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v) || v > max)
			return -ERANGE;
	}
	*out = v;
	return 0;
}

static int parse_number(const struct opt *opt, const char *value, uint64_t min, uint64_t *out,
			struct err *e)
{
	char expected[64];
	uint64_t v;

	if (!parse_u64(value, opt->max, &v) && v >= min) {
		*out = v;
		return 0;
	}
	if (opt->max == UINT64_MAX)
		snprintf(expected, sizeof(expected), "a number from %llu up",
			 (unsigned long long)min);
	else
		snprintf(expected, sizeof(expected), "a number from %llu to %llu",
			 (unsigned long long)min, (unsigned long long)opt->max);
	return bad_value(e, opt, value, expected);
}

int set_u64(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	return parse_number(opt, value, 1, field_of(o, opt->field), e);
}

int set_dns_port(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	uint64_t port;
	size_t i = 0;
	int err = parse_number(opt, value, 1, &port, e);

	if (err)
		return err;
	while (i < ARRAY_SIZE(o->dns_ports) && o->dns_ports[i])
		i++;
	if (i == ARRAY_SIZE(o->dns_ports))
		return err_set(e, -EINVAL, "--dns-port: %zu ports at most", i);
	o->dns_ports[i] = (uint16_t)port;
	return 0;
}

/* 0 is allowed and means the default, as tshark and tcpdump have it for -s. */
int set_u32(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	uint64_t v;
	int err = parse_number(opt, value, 0, &v, e);

	if (!err && v)
		*(uint32_t *)field_of(o, opt->field) = (uint32_t)v;
	return err;
}

/* "2", "0.5": seconds to nanoseconds, whatever the locale. */
static int parse_seconds(const char *s, uint64_t *out)
{
	size_t whole = strcspn(s, "."), digits = 0;
	uint64_t seconds = 0, fraction = 0;
	char buf[24];

	if (whole >= sizeof(buf) || (!whole && !s[whole]))
		return -EINVAL;
	memcpy(buf, s, whole);
	buf[whole] = '\0';
	if (whole && parse_u64(buf, UINT64_MAX / 1000000000 - 1, &seconds))
		return -EINVAL;
	if (s[whole]) {
		digits = strlen(s + whole + 1);
		if (digits > 9 || parse_u64(s + whole + 1, UINT64_MAX, &fraction))
			return -EINVAL;
	}
	for (; digits < 9; digits++)
		fraction *= 10;
	*out = seconds * 1000000000 + fraction;
	return 0;
}

static int parse_in_unit(enum unit unit, const char *s, uint64_t *out)
{
	uint64_t factor = unit == UNIT_KB ? 1000 : 1;
	int err;

	if (unit == UNIT_SECONDS)
		return parse_seconds(s, out);
	err = parse_u64(s, UINT64_MAX / factor, out);
	if (!err)
		*out *= factor;
	return err;
}

int set_condition(struct options *o, const struct opt *opt, const char *value, struct err *e)
{
	static const char *const expected[] = {
		[UNIT_COUNT] = "a number from 1 up",
		[UNIT_KB] = "a number of kB (1000 bytes)",
		[UNIT_SECONDS] = "a number of seconds above 0, such as 10 or 0.5",
	};
	size_t len = strcspn(value, ":");
	const struct condition *c;
	char tests[128];
	uint64_t v;

	for (c = opt->data; c->name; c++) {
		if (!is_word(value, len, c->name) || !value[len])
			continue;
		if (parse_in_unit(c->unit, value + len + 1, &v) || !v)
			return bad_value(e, opt, value + len + 1, expected[c->unit]);
		*(uint64_t *)field_of(o, c->field) = v;
		return 0;
	}
	list_names(tests, sizeof(tests), opt->data, sizeof(*c));
	bad_value(e, opt, value, "TEST:N");
	err_hint(e, "a TEST of %s, as in -%c duration:10", tests, opt->letter);
	return -EINVAL;
}

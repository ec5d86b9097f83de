// SPDX-License-Identifier: GPL-2.0-only
#include "sink/dns_layout.h"

static const struct dns_layout layouts[] = {
	{ 144, 14, 34, 56, 76, 110, false },
	{ 110, 9, 23, 41, 57, 80, true },
	{ 0, 9, 23, 0, 40, 59, true },
};

const struct dns_layout *dns_layout_of(const struct dns_text_style *style)
{
	const struct dns_layout *l = layouts;

	while (style->width && style->width < l->width)
		l++;
	return l;
}

bool dns_layout_is_narrow(const struct dns_text_style *style)
{
	return dns_layout_of(style)->brief;
}

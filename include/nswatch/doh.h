/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Public resolvers that answer DNS over HTTPS (RFC 8484) on port 443 of these
 * addresses, by their operators' documentation. For both the kernel's side, which
 * selects the beginnings of connections to them, and the rules.
 */
#ifndef NSWATCH_DOH_H
#define NSWATCH_DOH_H

#define DOH_PORT 443

/* X(a, b, c, d): a.b.c.d */
#define DOH_SERVERS4(X)                                                                  \
	X(1, 1, 1, 1) /* Cloudflare, also without malware (.2) and adult content (.3) */ \
	X(1, 0, 0, 1)                                                                    \
	X(1, 1, 1, 2)                                                                    \
	X(1, 0, 0, 2)                                                                    \
	X(1, 1, 1, 3)                                                                    \
	X(1, 0, 0, 3)                                                                    \
	X(8, 8, 8, 8) /* Google */                                                       \
	X(8, 8, 4, 4)                                                                    \
	X(9, 9, 9, 9) /* Quad9; unfiltered (.10), with client subnet (.11) */            \
	X(149, 112, 112, 112)                                                            \
	X(9, 9, 9, 10)                                                                   \
	X(149, 112, 112, 10)                                                             \
	X(9, 9, 9, 11)                                                                   \
	X(149, 112, 112, 11)                                                             \
	X(208, 67, 222, 222) /* OpenDNS */                                               \
	X(208, 67, 220, 220)                                                             \
	X(94, 140, 14, 14) /* AdGuard; unfiltered (.140, .141) */                        \
	X(94, 140, 15, 15)                                                               \
	X(94, 140, 14, 140)                                                              \
	X(94, 140, 14, 141)

/* X(high, low): the address as two numbers of 64 bits */
#define DOH_SERVERS6(X)                                                      \
	X(0x2606470047000000, 0x1111) /* Cloudflare: 2606:4700:4700::1111 */ \
	X(0x2606470047000000, 0x1001)                                        \
	X(0x2606470047000000, 0x1112)                                        \
	X(0x2606470047000000, 0x1002)                                        \
	X(0x2606470047000000, 0x1113)                                        \
	X(0x2606470047000000, 0x1003)                                        \
	X(0x2001486048600000, 0x8888) /* Google: 2001:4860:4860::8888 */     \
	X(0x2001486048600000, 0x8844)                                        \
	X(0x262000fe00000000, 0x00fe) /* Quad9: 2620:fe::fe */               \
	X(0x262000fe00000000, 0x0009)                                        \
	X(0x262000fe00000000, 0x0010)                                        \
	X(0x262000fe00000000, 0x00fe0010)                                    \
	X(0x262000fe00000000, 0x0011)                                        \
	X(0x262000fe00000000, 0x00fe0011)                                    \
	X(0x2620011900350000, 0x0035) /* OpenDNS: 2620:119:35::35 */         \
	X(0x2620011900530000, 0x0053)                                        \
	X(0x2a1050c000000000, 0x0ad100ff) /* AdGuard: 2a10:50c0::ad1:ff */   \
	X(0x2a1050c000000000, 0x0ad200ff)

#endif

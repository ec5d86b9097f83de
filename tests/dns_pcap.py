#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes a capture of DNS messages: every record type with data that fits, the
same data cut, empty and random, names of every shape, counts that lie, all
three protocols over UDP, and DNS over TCP. The bytes are the same each time.

    dns_pcap.py FILE.pcap
"""
import random
import struct
import sys

rnd = random.Random(1035)
packets = []


def name(text):
    out = b""
    for label in text.split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def header(ident, flags, counts):
    return struct.pack(">HH4H", ident, flags, *counts)


def rr(owner, rtype, data, rclass=1, ttl=300, rdlen=None):
    length = len(data) if rdlen is None else rdlen
    return owner + struct.pack(">HHIH", rtype, rclass, ttl, length) + data


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def ip(proto, payload):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0,
                       bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + head + payload


def udp(message, sport=53, dport=40000, cut=None):
    frame = ip(17, struct.pack(">4H", sport, dport, 8 + len(message), 0) + message)
    packets.append((frame if cut is None else frame[:cut], len(frame)))


tcp_port = [20000]


def tcp(payload):
    """A segment of a connection of its own."""
    tcp_port[0] += 1
    head = struct.pack(">HHIIBBHHH", 53, tcp_port[0], 1000, 2000, 0x50, 0x18, 8192, 0, 0)
    frame = ip(6, head + payload)
    packets.append((frame, len(frame)))


def response(records, question=("example.com", 1), flags=0x8180, ident=0x1234, counts=None):
    q = name(question[0]) + struct.pack(">HH", question[1], 1) if question else b""
    n = counts or (1 if question else 0, len(records), 0, 0)
    return header(ident, flags, n) + q + b"".join(records)


OWNER = b"\xc0\x0c"
S = lambda text: bytes([len(text)]) + text.encode("latin-1")
U = struct.pack

GOOD = {
    1: b"\1\2\3\4", 2: name("ns.example.net"), 3: name("md.example"), 4: name("mf.example"),
    5: name("www.example.net"),
    6: name("ns.example") + name("root.example") + U(">5I", 1, 2, 3, 4, 5),
    7: name("mb.example"), 8: name("mg.example"), 9: name("mr.example"), 10: b"anything",
    11: b"\1\2\3\4\6\x40\0\0\1", 12: name("host.example"), 13: S("CPU") + S("OS"),
    14: name("r.example") + name("e.example"), 15: U(">H", 10) + name("mx.example"),
    16: S("v=spf1 -all") + S("more"), 17: name("a.example") + name("b.example"),
    18: U(">H", 1) + name("afs.example"), 19: S("311061700956"), 20: S("150862028003217") + S("004"),
    21: U(">H", 2) + name("rt.example"), 22: b"\x47\0\x05", 23: name("nsap.example"),
    24: U(">HBBIIIH", 1, 5, 2, 3600, 1600000000, 1500000000, 4242) + name("sig.example") + b"abcd",
    25: U(">HBB", 256, 3, 5) + b"keykey", 26: U(">H", 1) + name("x.example") + name("y.example"),
    27: S("10.0") + S("20.0") + S("3.0"), 28: bytes(range(16)),
    29: b"\0\x12\x16\x13" + U(">III", 0x89179a57, 0x701be2df, 0x00988d20),
    30: name("next.example") + b"\x62\0\0\x08", 31: b"\1\2", 32: b"\3\4",
    33: U(">HHH", 1, 2, 443) + name("srv.example"), 34: b"\0abc",
    35: U(">HH", 1, 2) + S("u") + S("E2U+sip") + S("!^.*$!sip:x!") + name("."),
    36: U(">H", 5) + name("kx.example"), 37: U(">HHB", 1, 4711, 5) + b"cert",
    38: b"\x40" + bytes(8) + name("a6.example"), 39: name("dname.example"), 40: b"\1\2\3",
    41: b"", 42: b"\0\1\x18\3\x0a\0\1", 43: U(">HBB", 4711, 8, 2) + bytes(32),
    44: b"\1\1" + bytes(20), 45: b"\x0a\1\2" + b"\1\2\3\4" + b"key",
    46: U(">HBBIIIH", 1, 8, 2, 3600, 1600000000, 1500000000, 4242) + name("sig.example") + b"abcd",
    47: name("next.example") + b"\0\6\x40\1\0\0\0\3", 48: U(">HBB", 257, 3, 8) + b"key",
    49: b"\0\1\1" + bytes(32), 50: b"\1\0\0\x0a\2\xab\xcd\x04\1\2\3\4\0\1\x40",
    51: b"\1\0\0\x0a\2\xab\xcd", 52: b"\3\1\1" + bytes(32), 53: b"\3\1\1" + bytes(32),
    55: b"\4\2\0\4" + b"hipp" + b"rsak", 56: S("ninfo"), 57: b"\0\0\0\1\1", 58: name("t.example") * 2,
    59: U(">HBB", 4711, 8, 2) + bytes(32), 60: U(">HBB", 257, 3, 8) + b"key", 61: b"pgp",
    62: U(">IH", 1, 3) + b"\0\1\x40", 63: U(">IBB", 1, 1, 1) + bytes(48),
    64: U(">H", 1) + name("svc.example") + U(">HH", 3, 2) + b"\1\xbb",
    65: U(">H", 1) + name(".") + U(">HH", 1, 3) + S("h2") + U(">HH", 4, 4) + b"\1\2\3\4",
    99: S("v=spf1"), 100: b"u", 101: b"\1", 102: b"\1", 103: b"x", 104: U(">H", 1) + bytes(8),
    105: U(">H", 1) + b"\1\2\3\4", 106: U(">H", 1) + bytes(8), 107: U(">H", 1) + name("lp.example"),
    108: bytes(6), 109: bytes(8),
    249: name("gss") + U(">IIHHH", 1, 2, 3, 0, 4) + b"keys" + U(">H", 0),
    250: name("hmac-sha256") + b"\0\0\x5f\0\0\0\1\x2c" + U(">H", 4) + b"macm" + U(">HHH", 1, 0, 0),
    251: b"x", 252: b"x", 253: b"x", 254: b"x", 255: b"x",
    256: U(">HH", 1, 2) + b"http://example.com/", 257: b"\0" + S("issue") + b"ca.example",
    258: S("avc"), 259: b"\0\0\0\1\0\0\0\1\1" + S("text"), 260: b"\1\1\1\2\3\4", 32768: U(">HBB", 1, 8, 2) + b"d",
    32769: U(">HBB", 1, 8, 2) + bytes(32), 65281: U(">IIII", 0, 2, 0, 1) + b"\1\2\3\4",
    65282: b"x", 65422: b"x", 65535: b"x", 111: b"x", 600: b"zz",
}

# Every type as it should be, empty, cut short, one byte too long, and random.
for t, data in sorted(GOOD.items()):
    udp(response([rr(OWNER, t, data)], ("example.com", t)))
    udp(response([rr(OWNER, t, b"")], ("example.com", t)))
    udp(response([rr(OWNER, t, data + b"\7")], ("example.com", t)))
    for cut in {1, len(data) // 2, len(data) - 1}:
        if 0 < cut < len(data):
            udp(response([rr(OWNER, t, data[:cut]), rr(OWNER, 1, b"\5\6\7\x08")], ("example.com", t)))
            # The data ends with the message.
            udp(response([rr(OWNER, t, data[:cut], rdlen=len(data))], ("example.com", t)))
    for _ in range(4):
        udp(response([rr(OWNER, t, rnd.randbytes(rnd.randrange(1, 40)))], ("example.com", t)))
for t in range(0, 300):
    udp(header(t, 0x0100, (1, 0, 0, 0)) + name("type.example") + U(">HH", t, 1))
# Opcodes and response codes.
for opcode in range(16):
    for flags in (0, 0x8000):
        for rcode in (0, 3, opcode):
            udp(header(1, flags | opcode << 11 | rcode, (1, 0, 0, 0)) + name("op.example") + U(">HH", 1, 1))
# Bytes of all kinds in names and strings.
for c in range(256):
    udp(header(c, 0x0100, (1, 0, 0, 0)) + b"\3" + bytes([97, c, 98]) + b"\2xy\0" + U(">HH", 1, 1))
for text in ("\xc3\xa9t\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xc3(", "\xed\xa0\x80", "\xe2\x82", "a.b\\.c", "\xc2\x85", "\xe2\x80\xae", "\xc2\xad"):
    udp(header(7, 0x0100, (1, 0, 0, 0)) + name(text) + U(">HH", 1, 1))
    udp(response([rr(OWNER, 13, S(text) + S("a\0b\x1b[31m"))]))
# Sections, classes, the root, labels and names at and over their limits.
udp(header(8, 0x8580, (1, 1, 1, 1)) + name("example.com") + U(">HH", 1, 1) + rr(OWNER, 1, b"\1\1\1\1")
    + rr(OWNER, 2, b"\2ns\xc0\x0c") + rr(b"\0", 41, b"", 1232))
udp(header(9, 0x0100, (1, 0, 0, 1)) + b"\0" + U(">HH", 2, 1) + rr(b"\0", 41, b"\0\x0a\0\x08abcdefgh", 4096))
for c in (0, 2, 3, 4, 254, 255, 0x8001, 77):
    udp(header(c, 0x8180, (1, 1, 0, 0)) + name("class.example") + U(">HH", 1, c)
        + rr(OWNER, 1, b"\1a\0\1\1", c) + rr(OWNER, 28, bytes(16), c))
for n in (1, 62, 63):
    udp(header(n, 0x0100, (1, 0, 0, 0)) + name("a" * n) + U(">HH", 1, 1))
for n in (3, 4, 5, 16, 17):
    udp(header(n, 0x0100, (1, 0, 0, 0)) + name(".".join(["b" * 60] * n)) + U(">HH", 1, 1))
for total in (252, 253, 254, 255, 256):
    labels, left = [], total
    while left > 0:
        k = min(left - 1, 62) if left > 1 else 1
        labels.append("c" * k)
        left -= k + 1
    udp(header(total, 0x0100, (1, 0, 0, 0)) + name(".".join(labels)) + U(">HH", 1, 1))
# Pointers: to itself, forward, loops, chains, behind the end; reserved label types.
for p in (b"\xc0\x0c", b"\xc0\x0e", b"\xc0\x10", b"\xff\xff", b"\x40x", b"\x80x", b"\x41\x08\xff\0",
          b"\1a\xc0\x0c", b"\xc0\x00", b"\xc0", b"\x05ab"):
    udp(header(3, 0x0100, (1, 0, 0, 0)) + p + U(">HH", 1, 1))
    udp(header(3, 0x8100, (1, 1, 0, 0)) + p + U(">HH", 1, 1) + rr(b"\xc0\x0c", 5, p))
chain = b"".join(U(">H", 0xc000 | (12 + 2 * i - 2)) for i in range(1, 60))
udp(header(4, 0x0100, (2, 0, 0, 0)) + b"\0\0" + chain + U(">HH", 1, 1))
# Counts that lie, bytes left over, nothing at all.
udp(header(5, 0x8180, (1, 9, 9, 9)) + name("lie.example") + U(">HH", 1, 1) + rr(OWNER, 1, b"\1\2\3\4"))
udp(header(5, 0x0100, (3, 0, 0, 0)) + name("three.example") + U(">HH", 1, 1))
udp(header(5, 0x0100, (1, 0, 0, 0)) + name("extra.example") + U(">HH", 1, 1) + b"left over")
udp(header(5, 0x0000, (0, 0, 0, 0)))
udp(b"")
for n in range(1, 14):
    udp((header(6, 0x0100, (1, 0, 0, 0)) + name("x"))[:n])
many = [rr(OWNER, 1, bytes([10, 0, i // 256, i % 256])) for i in range(400)]
udp(response(many))
udp(response([rr(OWNER, 5, name("x" * 60 + "." + "y" * 60 + ".example")) for _ in range(60)]))
# A capture that is cut at each byte.
whole = response([rr(OWNER, 5, b"\3www\xc0\x0c"), rr(OWNER, 1, b"\1\2\3\4")])
for cut in range(42, 42 + len(whole)):
    udp(whole, cut=cut)
# Ports, and the same on ports that nobody knows.
q = header(2, 0x0100, (1, 0, 0, 0)) + name("port.example") + U(">HH", 1, 1)
for ports in ((53, 53), (5353, 5353), (5353, 40000), (5355, 40000), (40000, 5355), (40000, 53), (53, 5353),
              (5353, 53), (40000, 8053), (41000, 42000), (5355, 5353)):
    udp(q, *ports)
    udp(response([rr(OWNER, 1, b"\1\2\3\4", 0x8001), rr(OWNER, 12, name("p.example"))]), *ports)
    udp(header(2, 0, (2, 0, 0, 0)) + name("_ipp._tcp.local") + U(">HH", 12, 0x8001)
        + name("b.local") + U(">HH", 28, 1), *ports)
    udp(response([rr(OWNER, 16, S("x=\xc3\xa4"))], flags=0xbc00), *ports)
# TCP: one message, two, a part, a length of zero, more than one segment holds.
m = whole
L = lambda x: U(">H", len(x)) + x
for payload in (L(m), L(m) + L(q), L(m)[:-3], L(m) + L(q)[:5], L(m) + b"\0", b"\0", L(m)[:1], L(m)[:2], b"\0\0",
                L(b""), L(m[:5]), L(m[:20]), L(m + b"zz"), b"\0\0" + L(q), L(q) + L(q) + L(q)):
    tcp(payload)
# Bytes changed at random.
base = [response([rr(OWNER, t, GOOD[t])], ("example.com", t)) for t in (1, 5, 6, 15, 16, 28, 33, 41, 46, 47, 50, 64, 65)]
for i in range(1500):
    b = bytearray(rnd.choice(base))
    for _ in range(rnd.randrange(1, 4)):
        b[rnd.randrange(len(b))] = rnd.choice((rnd.randrange(256), 0, 0xc0, 0xff, 0x3f))
    udp(bytes(b))

with open(sys.argv[1], "wb") as out:
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
    for i, (data, length) in enumerate(packets):
        out.write(struct.pack("<IIII", 1600000000 + i * 10, 0, len(data), length) + data)

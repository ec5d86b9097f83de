# SPDX-License-Identifier: GPL-2.0-only
"""Frames and captures made byte by byte: DNS over UDP and TCP, IPv4 and IPv6,
whole and in fragments, on the link types that captures have."""

import ipaddress
import struct

ETHERNET, RAW, NULL, SLL, SLL2, LOOP, IPV4, IPV6 = 1, 101, 0, 113, 276, 108, 228, 229


def name(text):
    out = b""
    for label in text.split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def question(text, rtype=1, rclass=1):
    return name(text) + struct.pack(">HH", rtype, rclass)


def query(ident, text, rtype=1, flags=0x0100, edns=None, rclass=1):
    more = rr(b"\0", 41, edns, 1232, 0) if edns is not None else b""
    return struct.pack(">6H", ident, flags, 1, 0, 0, 1 if more else 0) \
        + question(text, rtype, rclass) + more


def rr(owner, rtype, data, rclass=1, ttl=300):
    return owner + struct.pack(">HHIH", rtype, rclass, ttl, len(data)) + data


def answer(ident, text, rtype=1, records=(), flags=0x8180, additional=(), rclass=1):
    return struct.pack(">6H", ident, flags, 1, len(records), 0, len(additional)) \
        + question(text, rtype, rclass) + b"".join(records) + b"".join(additional)


def a(address, owner=b"\xc0\x0c"):
    return rr(owner, 1, ipaddress.ip_address(address).packed)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(src, dst, proto, payload, ident=1, fragment=None):
    """fragment: (offset in bytes, more follow)"""
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    offset, more = fragment or (0, False)
    if src.version == 4:
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident,
                           more << 13 | offset // 8, 64, proto, 0, src.packed, dst.packed)
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload
    if fragment:
        payload = struct.pack(">BBHI", proto, 0, offset | more, ident) + payload
        proto = 44
    return struct.pack(">IHBB16s16s", 6 << 28, len(payload), proto, 64, src.packed,
                       dst.packed) + payload


def udp(src, dst, sport, dport, payload):
    head = struct.pack(">4H", sport, dport, 8 + len(payload), 0)
    if ipaddress.ip_address(src).version == 6:
        pseudo = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed \
            + struct.pack(">II", 8 + len(payload), 17)
        head = head[:6] + struct.pack(">H", checksum(pseudo + head + payload) or 0xFFFF)
    return ip(src, dst, 17, head + payload)


def fragments(src, dst, sport, dport, payload, size, ident):
    """The datagram in pieces of size bytes (a multiple of 8)."""
    whole = udp(src, dst, sport, dport, payload)
    body = whole[20:] if whole[0] >> 4 == 4 else whole[40:]
    for at in range(0, len(body), size):
        yield ip(src, dst, 17, body[at:at + size], ident, (at, at + size < len(body)))


SYN, FIN, RST, PSH, ACK = 2, 1, 4, 8, 16


def tcp(src, dst, sport, dport, seq, ack, flags, payload=b""):
    head = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50,
                       flags, 8192, 0, 0)
    return ip(src, dst, 6, head + payload)


def link(packet, dlt=ETHERNET, vlan=None):
    ethertype = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    if dlt == ETHERNET:
        tag = struct.pack(">HH", 0x8100, vlan) if vlan is not None else b""
        return bytes.fromhex("020000000002020000000001") + tag \
            + struct.pack(">H", ethertype) + packet
    if dlt == SLL:
        return struct.pack(">HHH8sH", 4, 1, 6, b"\2\0\0\0\0\1", ethertype) + packet
    if dlt == SLL2:
        return struct.pack(">HHIHBB8s", ethertype, 0, 2, 1, 4, 6, b"\2\0\0\0\0\1") + packet
    if dlt == NULL:
        return struct.pack("<I", 2 if ethertype == 0x0800 else 24) + packet
    if dlt == LOOP:
        return struct.pack(">I", 2 if ethertype == 0x0800 else 24) + packet
    return packet


class Capture:
    """Packets with their times, in seconds after START."""

    START = 1700000000

    def __init__(self, dlt=ETHERNET):
        self.dlt = dlt
        self.frames = []

    def add(self, time, packet, cut=None, vlan=None):
        """Returns the packet's number."""
        frame = link(packet, self.dlt, vlan)
        self.frames.append((time, frame if cut is None else frame[:cut], len(frame)))
        return len(self.frames)

    def write(self, path):
        with open(path, "wb") as f:
            f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, self.dlt))
            for time, frame, length in self.frames:
                ns = round(time * 10 ** 9)
                f.write(struct.pack("<IIII", self.START + ns // 10 ** 9, ns % 10 ** 9,
                                    len(frame), length) + frame)
        return path

# SPDX-License-Identifier: GPL-2.0-only
"""Offloads: what the kernel leaves to a device that a container's packets never
reach. A local packet's checksum may not be computed yet; the file says so."""

import os
import struct

import pytest

from lab import option, wait_for

NOT_READY = 1 << 9  # epb_flags
SENDER = r"""
import socket, sys
kind, addr = sys.argv[1:]
family = socket.AF_INET6 if ":" in addr else socket.AF_INET
if kind == "udp":
    s = socket.socket(family, socket.SOCK_DGRAM)
    for n in range(5):
        s.sendto(b"some bytes %d" % n, (addr, 9999))
else:
    s = socket.create_connection((addr, 9999))
    s.sendall(bytes(200000))
    s.shutdown(socket.SHUT_WR)
    while s.recv(65536):
        pass
"""
SERVER = r"""
import socket
s = socket.create_server(("::", 9999), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, _ = s.accept()
    while c.recv(65536):
        pass
    c.close()
"""


def ones_sum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def checksum_is_right(frame):
    """Of the UDP or TCP packet behind an Ethernet and an IP header; None if it
    is neither. RFC 1071, RFC 8200 section 8.1."""
    if frame[12:14] == b"\x08\x00":
        head = 14 + (frame[14] & 15) * 4
        end = 14 + struct.unpack("!H", frame[16:18])[0]
        proto, addresses = frame[23], frame[26:34]
    elif frame[12:14] == b"\x86\xdd":
        head = 54
        end = 54 + struct.unpack("!H", frame[18:20])[0]
        proto, addresses = frame[20], frame[22:54]
    else:
        return None
    if proto not in (6, 17):
        return None
    body = frame[head:end]
    pseudo = addresses + struct.pack("!II", len(body), proto)
    return ones_sum(pseudo + body) == 0xffff


def packets_with_flags(path):
    """[(wire length, bytes, epb_flags)] of a pcapng file."""
    with open(path, "rb") as f:
        data = f.read()
    pos = 0
    while pos < len(data):
        kind, length = struct.unpack_from("<II", data, pos)
        if kind == 6:
            caplen, wirelen = struct.unpack_from("<II", data, pos + 20)
            options = data[pos + 28 + (caplen + 3) // 4 * 4:pos + length - 4]
            flags, = struct.unpack("<I", option(options, 2))
            yield wirelen, data[pos + 28:pos + 28 + caplen], flags
        pos += length


@pytest.mark.parametrize("kind", ["udp", "tcp"])
@pytest.mark.parametrize("address", ["10.77.0.1", "fd77::1", "127.0.0.1"])
def test_a_checksum_that_is_not_ready_is_marked(lab, php, watch, out, kind, address):
    where = php.path if address == "127.0.0.1" else None
    server = lab.popen(["/usr/bin/python3", "-c", SERVER], ns=where)
    path = os.path.join(out, "offload.pcapng")
    try:
        wait_for("the server", lambda: lab.run(
            ["ss", "-Hltn", "sport", "=", ":9999"], ns=where).stdout.strip())
        w = watch("php", "-w", path)
        php.run(["/usr/bin/python3", "-c", SENDER, kind, address])
        wait_for("packets", lambda: os.path.getsize(path) > 1500)
        w.stop()
    finally:
        server.kill()
        server.wait()
    right_and_wrong = [0, 0]
    for wirelen, frame, flags in packets_with_flags(path):
        right = checksum_is_right(frame)
        if right is None or len(frame) < wirelen:
            continue
        assert bool(flags & NOT_READY) == (not right), (frame, flags)
        right_and_wrong[not right] += 1
    assert right_and_wrong[1] >= 5, right_and_wrong

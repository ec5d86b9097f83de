# SPDX-License-Identifier: GPL-2.0-only
"""What `--dns -w` keeps of a namespace's traffic, against tshark, which had all of it."""

import collections
import subprocess

import pytest

from lab import Tshark, read_pcapng, sockets, wait_for
from watching import tshark_fields

# Ports of what --dns selects; in a quote tshark calls them the same.
DNS = "udp.port == 53 || tcp.port == 53"

# On port 53 and 5000: an answer of 4000 bytes for each query; a short one at the end.
SERVER = """
import select, socket, struct
socks = []
for family, any in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for port in (53, 5000):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((any, port))
        socks.append(s)
while True:
    for s in select.select(socks, [], [])[0]:
        data, peer = s.recvfrom(65536)
        end = data.index(0, 12) + 5
        txt = b"".join(b"\\xff" + b"x" * 255 for _ in range(1 if b"end" in data else 15))
        rr = struct.pack(">HHHIH", 0xc00c, 16, 1, 60, len(txt)) + txt
        head = data[:2] + struct.pack(">HHHHH", 0x8400, 1, 1, 0, 0)
        s.sendto(head + data[12:end] + rr, peer)
"""

# The same to port 53 and to others.
CLIENT = """
import socket, struct, sys
addr4, addr6, closed4, closed6 = sys.argv[1:]

def ask(addr, port, options=(), wait=True, size=0, name=b"big"):
    query = struct.pack(">HHHHHHB", 7, 0x100, 1, 0, 0, 0, 3) + name + b"\\0\\0\\x10\\0\\1"
    six = ":" in addr
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    for option in options:
        s.setsockopt(*option)
    s.settimeout(5)
    s.connect((addr, port))
    s.send(query + bytes(size))
    if wait:
        s.recv(65536)
    else:
        try:
            s.recv(65536)
            sys.exit("an answer from a closed port")
        except ConnectionRefusedError:
            pass

pad6 = b"\\0\\0\\1\\4\\0\\0\\0\\0"
hop = (socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, pad6)
dst = (socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, pad6)
nop = (socket.IPPROTO_IP, socket.IP_OPTIONS, b"\\1" * 8)
for port in (53, 5000):
    ask(addr4, port)
    ask(addr6, port)
    ask(addr4, port, [nop])
    ask(addr6, port, [hop, dst])
    ask(addr6, port, [dst], size=3000)
    ask(addr4, port, size=3000)
for port in (53, 5001):
    ask(closed4, port, wait=False)
    ask(closed6, port, wait=False)
    ask(closed6, port, [hop], wait=False)
ask(addr4, 53, name=b"end")
"""


@pytest.fixture
def big(lab):
    """A server of large datagrams."""
    ns = lab.container("big")
    server = ns.popen(["/usr/bin/python3", "-c", SERVER])
    wait_for("the server", lambda: len(sockets(server.pid, "udp")) == 2
             and len(sockets(server.pid, "udp6")) == 2)
    yield ns
    server.kill()
    server.wait()
    ns.remove()


def frames_of(path, interface=None):
    return [data for name, _, data in read_pcapng(path)
            if interface is None or name.endswith(interface)]


def tshark_selects(path):
    """The numbers of the frames that speak of port 53, with all fragments of them: in
    its second pass tshark knows which frame completes a datagram."""
    done = subprocess.run(
        ["tshark", "-n", "-2", "-r", path, "-T", "fields", "-e", "frame.number",
         "-e", "ip.reassembled_in", "-e", "ipv6.reassembled.in"], check=True, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = {n for n, in tshark_fields(path, "frame.number", display=DNS)}
    return [int(line.split("\t")[0]) for line in done.stdout.splitlines()
            if found & set(line.split("\t"))]


def test_fragments_quotes_and_extension_headers(lab, php, big, watch, out):
    lab.run(["sh", "-c", "cd /proc/sys/net && echo 0 >ipv6/icmp/ratelimit && "
             "echo 0 >ipv4/icmp_ratelimit"])
    everything = Tshark(lab, php.path, f"{out}/all.pcapng", ["eth0"])
    w = watch("netns:php", "--dns", "-w", f"{out}/dns.pcapng", "-i", "eth0")
    php.run(["ping", "-c", "2", "-i", "0.2", "-s", "3000", big.addr4])
    php.run(["/usr/bin/python3", "-c", CLIENT, big.addr4, big.addr6, "10.77.0.1",
             "fd77::1"])
    everything.wait_seen(b"\3end\0", count=2)
    result = w.stop()
    everything.stop()
    assert result.status == 0

    mine, theirs = frames_of(f"{out}/dns.pcapng"), frames_of(everything.path)
    numbers = tshark_selects(everything.path)
    assert collections.Counter(mine) == collections.Counter(theirs[n - 1] for n in numbers)
    # That it was not all for nothing: what it was about is there, on both sides.
    kinds = ("ip.flags.mf == 1", "ipv6.fraghdr.offset > 0", "ipv6.hopopts", "ipv6.dstopts",
             "ip.hdr_len > 20", "icmp.type == 3", "icmpv6.type == 1")
    for kind in kinds:
        found = {int(n) for n, in tshark_fields(everything.path, "frame.number",
                                                display=kind)}
        assert found & set(numbers) and found - set(numbers), kind

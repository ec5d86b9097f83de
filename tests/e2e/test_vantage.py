# SPDX-License-Identifier: GPL-2.0-only
"""--side both: where a lost packet was last seen. What is lost, and where, is decided
by filters of tc, a route and a sysctl that the tests set."""

import os
import re
import signal
import subprocess
import time

import pytest

from lab import HOST4, WEB4, read_pcapng, wait_for
from watching import assert_opens_clean

NOWHERE = "203.0.113.9"
SHOT = "1,6 0 0 2"  # TC_ACT_SHOT


class dropped:
    """All packets in one direction of an interface, after nswatch has seen them:
    its program comes first (tcx), or has the other's behind it."""

    def __init__(self, lab, dev, where, ns=None):
        self.lab, self.dev, self.where, self.ns = lab, dev, where, ns

    def tc(self, *args):
        self.lab.run(["tc", *args], ns=self.ns)

    def __enter__(self):
        self.tc("qdisc", "add", "dev", self.dev, "clsact")
        self.tc("filter", "add", "dev", self.dev, self.where, "pref", "60000",
                "bpf", "da", "bytecode", SHOT)

    def __exit__(self, *exc):
        self.tc("qdisc", "del", "dev", self.dev, "clsact")


def flood(lab, address, count, ns=None, port="9"):
    lab.run([lab.tool("flood"), address, port, str(count)], ns=ns)


def told(result):
    """The lines about what was lost, without the prefix and what is told while it runs."""
    text = result.err.split(" seen, ")[0]
    return [line.removeprefix("nswatch: ") for line in text.splitlines() if ", but " in line]


def ping(php, address, count):
    php.run(["ping", "-n", "-q", "-c", str(count), "-i", "0.05", "-W", "1", address], check=False)


def lose_at_each_place(lab, php):
    lab.run(["ip", "route", "add", "blackhole", NOWHERE])
    try:
        ping(php, WEB4, 2)
        with dropped(lab, "eth0", "egress", php.path):
            flood(lab, HOST4, 5, php.path)
        with dropped(lab, php.veth, "egress"):
            flood(lab, php.addr4, 3)
        ping(php, NOWHERE, 2)
        php.run(["sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1"])
        lab.run(["ping", "-n", "-q", "-c", "1", "-W", "1", php.addr4], check=False)
    finally:
        lab.run(["ip", "route", "del", "blackhole", NOWHERE])


def test_last_seen(lab, php, watch, out):
    ping(php, WEB4, 1)  # so that no ARP is lost below
    lab.run(["ping", "-n", "-q", "-c", "1", php.addr4])
    # Nor is IPv6: listener reports come when they like, and are lost as well.
    whole = watch("php", "--side", "both", "-w", f"{out}/x.pcapng", "ip")
    objects = watch("php", "--side", "both", "--json", "ip")
    # Of these the answers are not selected: nothing can be said of them.
    one_way = watch("php", "--side", "both", f"dst host {NOWHERE}")
    lose_at_each_place(lab, php)
    results = [w.stop() for w in (whole, objects, one_way)]
    veth = php.veth
    expected = [
        f"php: 5 packets left the process, but not the namespace: seen at eth0, not at {veth} "
        "(host end)",
        f"php: 2 requests left the namespace, but nothing came back: seen at {veth} (host end), "
        "and no answer there",
        f"php: 3 packets came to the veth pair, but not into the namespace: seen at {veth} "
        "(host end), not at eth0",
        "php: 1 request came in, but no answer went out: seen at eth0, and no answer there",
    ]
    assert told(results[0]) == expected and told(results[1]) == expected
    assert told(results[2]) == []
    check_file(f"{out}/x.pcapng", results[0], php)
    check_objects(results[1], php)


def check_file(path, result, php):
    """The statistics say it, and the packet numbers are those of the file."""
    packets = read_pcapng(path)
    with open(path, "rb") as f:
        raw = f.read()
    for count in (b"5", b"3"):
        assert raw.count(count + b" packets were not seen at the other end of the veth pair") == 1
    assert_opens_clean(path)
    first, last = map(int, re.search(r"packets (\d+) to (\d+); the first: UDP "
                                     rf"{php.addr4} > {HOST4}$", result.err, re.M).groups())
    lost = packets[first - 1:last]
    assert len(lost) == 5 and {p[0] for p in lost} == {"php/eth0"}


def check_objects(result, php):
    got = {o["place"]: o for o in result.of_type("last-seen")}
    assert {place: o["count"] for place, o in got.items()} == {
        "left-process": 5, "left-namespace": 2, "came-back": 3, "came-in": 1}
    out_, back = got["left-process"], got["left-namespace"]
    assert (out_["src"], out_["dst"], out_["protocol"]) == (php.addr4, HOST4, "UDP")
    assert (back["dst"], back["protocol"]) == (NOWHERE, "ICMP")
    packets = {o["number"]: o for o in result.of_type("packet")}
    first = packets[out_["first_packet"]]
    assert first["dst"] == HOST4 and first["time"] == out_["first_time"]
    assert (first["interface"], first["side"]) == ("eth0", "inside")


SERVE = """
import socket
s = socket.create_server(("%s", 5001))
print("ready", flush=True)
c, _ = s.accept()
while c.recv(1 << 20):
    pass
""" % HOST4
SEND = """
import socket, sys
c = socket.create_connection(("%s", 5001), 5)
c.sendall(bytes(int(sys.argv[1])))
""" % HOST4


# SIOCETHTOOL with ETHTOOL_STSO: `ethtool -K eth0 tso off`
TSO_OFF = """
import ctypes, fcntl, socket, struct
value = ctypes.create_string_buffer(struct.pack("II", 0x1f, 0))
fcntl.ioctl(socket.socket(), 0x8946, struct.pack("16sP16x", b"eth0", ctypes.addressof(value)))
"""


def bulk(lab, php, size):
    """That many bytes over TCP, from the container to the host."""
    server = lab.popen(["/usr/bin/python3", "-c", SERVE], stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    php.run(["/usr/bin/python3", "-c", SEND, str(size)])
    server.wait(20)
    server.stdout.close()


def test_nothing_is_lost(lab, php, watch, out):
    """Big packets, and the same cut into segments between the two ends."""
    w = watch("php", "--side", "both", "-w", f"{out}/x.pcapng")
    filtered = watch("php", "--side", "both", "-q", "tcp")
    flood(lab, HOST4, 1000, php.path)
    bulk(lab, php, 2000000)
    php.run(["/usr/bin/python3", "-c", TSO_OFF])
    bulk(lab, php, 2000000)
    time.sleep(0.8)  # none of it may count as being in flight
    result = w.stop()
    assert told(result) == [], result.err
    assert told(filtered.stop()) == []
    sizes = {side: {len(data) for name, _, data in read_pcapng(f"{out}/x.pcapng")
                    if (name == "php/eth0") == (side == "inside")} for side in ("inside", "host")}
    assert max(sizes["inside"]) > 9000 and max(sizes["host"]) > 9000, "no big packet at all"
    assert sizes["inside"] != sizes["host"], "nothing was cut"


def test_lost_by_us_is_no_loss(lab, php, watch, out):
    """The ring is full for a while: what is missing in it was not lost on the way."""
    w = watch("php", "--side", "both", "-B", "1", "-w", f"{out}/x.pcapng")
    time.sleep(0.2)  # what comes before it knows of both ends is not judged
    for _ in range(3):
        os.kill(w.collector, signal.SIGSTOP)
        flood(lab, HOST4, 20000, php.path)
        os.kill(w.collector, signal.SIGCONT)
        time.sleep(0.3)
    time.sleep(0.6)
    result = w.stop()
    assert result.books["lost"] > 0 and told(result) == [], result.err


# Where there is no veth pair: said once, and the view from inside works.

# A tun device whose other end reads and is silent; then packets go out through it.
TUN = """
import fcntl, os, struct, subprocess, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"out", 0x1001))  # IFF_TUN, no header
subprocess.run("ip addr add 10.99.0.1/24 dev out; ip link set out up", shell=True, check=True)
print("ready", flush=True)
while True:
    os.read(tun, 65536)
"""


@pytest.mark.parametrize("kind", ["macvlan", "ipvlan", "tun"])
def test_no_veth_pair(lab, watch, out, kind):
    ns = lab.netns("noveth")
    holder = None
    try:
        if kind == "tun":
            holder = ns.popen(["/usr/bin/python3", "-c", TUN], stdout=subprocess.PIPE)
            assert holder.stdout.readline() == b"ready\n"
        else:
            if lab.run(["ip", "link", "add", "out0", "link", "br-lab", "type", kind],
                       check=False).returncode:
                pytest.skip(f"this kernel has no {kind}")
            lab._batch(["link set out0 netns noveth"])
            lab._batch(["link set out0 name out", "addr add 10.99.0.1/24 dev out",
                        "link set out up", "neigh add 10.99.0.2 lladdr 02:00:00:00:00:02 dev out"], ns=ns.path)
        w = watch("noveth", "--side", "both", "-w", f"{out}/x.pcapng", "udp port 9")
        flood(lab, "10.99.0.2", 5, ns.path)
        result = w.stop()
        sent = [p for p in read_pcapng(f"{out}/x.pcapng") if p[0] == "noveth/out"]
        assert result.err.count("no veth pair ends on the host") == 1
        assert len(sent) == 5 and told(result) == []
    finally:
        if holder:
            holder.kill()
            holder.wait()
            holder.stdout.close()
        ns.remove()


def test_host_has_no_other_side(lab, php, watch, out):
    w = watch("host", "--side", "both", "-w", f"{out}/x.pcapng", "udp port 9")
    flood(lab, HOST4, 5, php.path)
    result = w.stop()
    assert result.err.count("host: this is the host; there is no other side") == 1
    assert "no veth pair" not in result.err and told(result) == []
    assert {p[0] for p in read_pcapng(f"{out}/x.pcapng")} == {f"host/{php.veth}", "host/br-lab"}

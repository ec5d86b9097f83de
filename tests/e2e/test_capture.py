# SPDX-License-Identifier: GPL-2.0-only
"""The bytes of odd frames are tcpdump's, and programs of others next to ours
still see every packet."""

import os
import signal
import struct
import subprocess

import pytest

from lab import (HERE, HOST4, HOST6, WEB4, end_process, read_bytes, read_pcapng,
                 wait_for)
from watching import assert_opens_clean

MARK = b"nswatch-mark"


class Tcpdump:
    def __init__(self, ns, path, ifname, *filter_, snaplen=262144):
        self.path = path
        with open(path + ".err", "wb") as err:
            self.proc = ns.popen(["tcpdump", "-n", "-i", ifname, "-s", str(snaplen),
                                  "-B", "32768", "-U", "--immediate-mode", "-w", path,
                                  "-Z", "root", *filter_],
                                 stderr=err)
        wait_for("tcpdump", lambda: b"listening on" in read_bytes(path + ".err"))

    def packets(self):
        data, pos, found = read_bytes(self.path), 24, []
        while pos + 16 <= len(data):
            caplen, wirelen = struct.unpack_from("<II", data, pos + 8)
            found.append((wirelen, data[pos + 16:pos + 16 + caplen]))
            pos += 16 + caplen
        return found

    def stop(self, count):
        """[(wire length, bytes)], at least count of them."""
        wait_for(f"{count} packets", lambda: len(self.packets()) >= count)
        end_process(self.proc, signal.SIGINT)
        assert b"\n0 packets dropped by kernel" in read_bytes(self.path + ".err")
        return self.packets()


def ours(path, ifname):
    return [p[1:] for p in read_pcapng(path) if p[0].endswith("/" + ifname)]


SEND = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    s.send(bytes.fromhex(frame))
"""

MACS = bytes.fromhex("02000000000a02000000000b")
OURS = "ether src 02:00:00:00:00:0b"
REST = b"\x88\xb5" + MARK + bytes(range(60))
FRAMES = [MACS + tag + REST for tag in (
    b"", bytes.fromhex("81006005"), bytes.fromhex("88a80007"),
    bytes.fromhex("88a8000781000009"), bytes.fromhex("8100000581000006"),
    # Priority tags: a tag without a VLAN.
    bytes.fromhex("81000000"), bytes.fromhex("8100e000"), bytes.fromhex("88a80000"),
    bytes.fromhex("88a8e00081000000"))]


def send_frames(lab, ifname, ns=None):
    lab.run(["/usr/bin/python3", "-c", SEND, ifname, *(f.hex() for f in FRAMES)],
            ns=ns)


@pytest.mark.parametrize("snaplen", [262144, 40, 17, 14])
@pytest.mark.parametrize("direction", ["in", "out"])
def test_vlan_tags(lab, php, watch, out, direction, snaplen):
    dump = Tcpdump(php, f"{out}/x.pcap", "eth0", OURS, snaplen=snaplen)
    w = watch("netns:php", "-i", "eth0", "-s", snaplen, "-w", f"{out}/x.pcapng", OURS)
    if direction == "in":
        send_frames(lab, php.veth)
    else:
        send_frames(lab, "eth0", php.path)
    assert w.stop().status == 0
    mine = ours(f"{out}/x.pcapng", "eth0")
    assert len(mine) == len(FRAMES)
    assert mine == dump.stop(len(mine))


LENGTHS = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
head = bytes.fromhex(sys.argv[2])
for n in range(len(head), 301):
    s.send(head + bytes(i * 7 + n & 255 for i in range(n - len(head))))
"""


@pytest.mark.parametrize("snaplen", [262144, 100])
@pytest.mark.parametrize("direction", ["in", "out"])
def test_every_length(lab, php, watch, out, direction, snaplen):
    """Short frames are copied in another way than long ones, in steps."""
    ns, ifname = (php.path, "eth0") if direction == "out" else (None, php.veth)
    dump = Tcpdump(php, f"{out}/x.pcap", "eth0", OURS, snaplen=snaplen)
    w = watch("netns:php", "-i", "eth0", "-s", snaplen, "-w", f"{out}/x.pcapng", OURS)
    lab.run(["/usr/bin/python3", "-c", LENGTHS, ifname, (MACS + b"\x88\xb5").hex()], ns=ns)
    theirs = dump.stop(301 - 14)
    assert w.stop().status == 0
    assert [wirelen for wirelen, _ in theirs] == list(range(14, 301))
    assert ours(f"{out}/x.pcapng", "eth0") == theirs


def test_large_segments(lab, php, watch, out):
    """TCP segments as the stack hands them to the interface, up to 64 KiB."""
    dump = Tcpdump(php, f"{out}/x.pcap", "eth0", "tcp")
    w = watch("netns:php", "-i", "eth0", "-w", f"{out}/x.pcapng", "tcp")
    sink = lab.popen(["busybox", "nc", "-l", "-p", "7007"],
                     stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        php.run(["bash", "-c", "for i in $(seq 50); do dd if=/dev/zero bs=1M count=3"
                 " 2>&1 >/dev/tcp/10.77.0.1/7007 && exit; sleep 0.1; done; exit 1"])
    finally:
        end_process(sink, signal.SIGKILL)
    books = w.stop().books
    mine = ours(f"{out}/x.pcapng", "eth0")
    assert books["lost"] == 0
    assert max(p[0] for p in mine) > 60000
    # Data and acknowledgements run on two CPUs: whose order is the right one?
    assert sorted(mine) == sorted(dump.stop(len(mine)))


BIG = 196608
BIG_FILTER = "tcp port 7008 or ip6[6] = 0 and len > 60000"
# RTM_SETLINK with IFLA_GSO_MAX_SIZE, and its like for IPv4, which ip(8) has since 6.3.
SET_BIG = f"""
import socket, struct, sys
attributes = b"".join(struct.pack("=HHI", 8, code, {BIG}) for code in (41, 63))
message = struct.pack("=IHHII BBHiII", 32 + len(attributes), 19, 5, 1, 0,
                      0, 0, 0, socket.if_nametoindex(sys.argv[1]), 0, 0) + attributes
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.sendto(message, (0, 0))
sys.exit(-struct.unpack_from("=i", s.recv(4096), 16)[0])
"""
PUSH = """
import os, socket, sys
server = socket.create_server((sys.argv[1], 7008), family=socket.AF_INET6 if ":" in sys.argv[1]
                              else socket.AF_INET)
print("ready", flush=True)
peer, _ = server.accept()
while peer.recv(1 << 20):
    pass
"""


@pytest.mark.parametrize("address", [HOST4, HOST6])
def test_big_tcp(lab, php, watch, out, address):
    """Segments beyond 64 KiB, which no length field in IP could name. In IPv6 they
    have a hop-by-hop header, so are no TCP to a filter."""
    done = php.run(["/usr/bin/python3", "-c", SET_BIG, "eth0"], check=False)
    if done.returncode:
        pytest.skip(f"no BIG TCP: {os.strerror(done.returncode)}")
    dump = Tcpdump(php, f"{out}/x.pcap", "eth0", BIG_FILTER, snaplen=200)
    w = watch("netns:php", "-i", "eth0", "-s", "200", "-w", f"{out}/x.pcapng",
              BIG_FILTER)
    sink = lab.popen(["/usr/bin/python3", "-c", PUSH, address], stdout=subprocess.PIPE)
    try:
        assert sink.stdout.readline() == b"ready\n"
        php.run(["/usr/bin/python3", "-c", "import socket, sys\n"
                 "s = socket.create_connection((sys.argv[1], 7008))\n"
                 "for _ in range(40): s.sendall(bytes(1 << 20))", address])
        sink.wait(10)
    finally:
        end_process(sink, signal.SIGKILL)
        sink.stdout.close()
    assert w.stop().books["lost"] == 0
    mine = ours(f"{out}/x.pcapng", "eth0")
    assert 65536 < max(p[0] for p in mine) <= BIG + 200
    assert sorted(mine) == sorted(dump.stop(len(mine)))
    assert_opens_clean(f"{out}/x.pcapng")


TUN = """
import fcntl, os, socket, struct, subprocess, sys
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"tun0", 0x1001))
for cmd in ("link set tun0 mtu 60000 up", "addr add 10.79.0.1/24 dev tun0",
            "-6 addr add fd79::1/64 dev tun0 nodad"):
    subprocess.run(["ip", *cmd.split()], check=True)
print("ready", flush=True)
sys.stdin.readline()
s4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for n in (0, 1, 1000, 50000):
    s4.sendto(bytes(n), ("10.79.0.2", 9))
    s6.sendto(bytes(n), ("fd79::2", 9))
os.write(fd, bytes.fromhex("4500001c000040004011267a" "0a4f0002" "0a4f0001"
                           "00090009" "00080000"))
os.write(fd, bytes.fromhex("6000000000003bff") + bytes(32))
print("done", flush=True)
sys.stdin.readline()
"""


def behind_ethernet(packet):
    """A (wire length, bytes) of raw IP as nswatch writes it."""
    wirelen, data = packet
    kind = {4: b"\x08\x00", 6: b"\x86\xdd"}[data[0] >> 4]
    return wirelen + 14, bytes(12) + kind + data


def test_layer_3_device(lab, php, watch, out):
    """tcpdump writes raw IP there; ours has an Ethernet header before that."""
    tun = php.popen(["/usr/bin/python3", "-c", TUN], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE)
    try:
        assert tun.stdout.readline() == b"ready\n"
        dump = Tcpdump(php, f"{out}/x.pcap", "tun0")
        w = watch("netns:php", "-i", "tun0", "-w", f"{out}/x.pcapng")
        tun.stdin.write(b"go\n")
        tun.stdin.flush()
        assert tun.stdout.readline() == b"done\n"
        assert w.stop().status == 0
        theirs = dump.stop(10)
    finally:
        end_process(tun, signal.SIGKILL)
        tun.stdin.close()
        tun.stdout.close()
    assert ours(f"{out}/x.pcapng", "tun0") == [behind_ethernet(p) for p in theirs]


# Programs of others

@pytest.fixture
def counter(lab):
    """counter(ns): counts the packets at eth0's egress, in a program attached
    after all that are there. Returns a function that gives the count. With "tag"
    in front of all, and the packets have a VLAN tag from there on."""
    running = []

    def start(ns, times=1, ifname="eth0", where="egress", *tag):
        proc = ns.popen(["/usr/bin/python3", os.path.join(HERE, "tccounter.py"), ifname,
                         str(times), where, *tag],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(proc)
        assert proc.stdout.readline() == "ready\n"

        def count():
            proc.stdin.write("\n")
            proc.stdin.flush()
            return int(proc.stdout.readline())
        return count

    yield start
    for proc in running:
        end_process(proc, signal.SIGKILL)
        proc.stdin.close()
        proc.stdout.close()


@pytest.mark.parametrize("filter_", ["", "udp dst port 10"])
def test_a_program_behind_ours_sees_all(lab, php, watch, counter, filter_):
    """Whether ours takes the packet or not, and for frames of every length."""
    before, w = counter(php), watch("netns:php", "-q", *([filter_] if filter_ else []))
    behind = counter(php)
    first = before(), behind()
    php.run([lab.tool("flood"), WEB4, "9", "500"])
    send_frames(lab, "eth0", php.path)
    lab.run(["/usr/bin/python3", "-c", SEND, "eth0", MACS.hex() + "88b5"], ns=php.path)
    seen = before() - first[0], behind() - first[1]
    assert w.stop().status == 0
    assert seen[0] == seen[1] >= 506


SHORT = """
import fcntl, os, socket, struct, subprocess, sys
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"tun0", 1))
open("/proc/sys/net/ipv6/conf/tun0/disable_ipv6", "w").write("1")  # it talks by itself
subprocess.run(["ip", "link", "set", "tun0", "up"], check=True)
print("ready", flush=True)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("tun0", 0))
for line in sys.stdin:
    for n in range(1, 14):
        s.send(bytes(range(0x45, 0x45 + n)))
        os.write(fd, struct.pack("=H", 0) + b"\\x08\\x00" + bytes(range(0x45, 0x45 + n)))
    print("sent", flush=True)
"""


@pytest.mark.parametrize("filter_", ["", "udp dst port 10", "ether[13] = 1", "len > 5"])
def test_frames_of_1_to_13_bytes(php, watch, counter, out, filter_):
    """Shorter than what the filter reads; Ethernet has none, a tun device does."""
    tun = php.popen(["/usr/bin/python3", "-c", SHORT], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True)
    try:
        assert tun.stdout.readline() == "ready\n"
        before = [counter(php, 1, "tun0", where) for where in ("egress", "ingress")]
        dump = Tcpdump(php, f"{out}/x.pcap", "tun0")
        w = watch("netns:php", "-i", "tun0", "-w", f"{out}/x.pcapng",
                  *([filter_] if filter_ else []))
        behind = [counter(php, 1, "tun0", where) for where in ("egress", "ingress")]
        tun.stdin.write("go\n")
        tun.stdin.flush()
        assert tun.stdout.readline() == "sent\n"
        assert [c() for c in before] == [c() for c in behind] == [13, 13]
        assert w.stop().books["seen"] == 26
        theirs = dump.stop(26)
    finally:
        end_process(tun, signal.SIGKILL)
        tun.stdin.close()
        tun.stdout.close()
    taken = {"": 0, "len > 5": 0}.get(filter_, 99)
    assert ours(f"{out}/x.pcapng", "tun0") == [
        (wirelen + 14, bytes(12) + b"\x08\x00" + data)
        for wirelen, data in theirs if wirelen > taken]


def test_no_room_for_our_program(lab, php, watch, counter):
    """The kernel takes 63; the one interface is named once, the others watched."""
    counter(php, 63)
    w = watch("netns:php", "-l", "udp dst port 9")
    for i in range(5):
        php.run(["ip", "link", "set", "eth0", "alias", f"name{i}"])
    php.run([lab.tool("flood"), "127.0.0.1", "9", "1"])
    w.wait_out("127.0.0.1")
    result = w.stop()
    assert result.status == 0
    assert len(result.complaints) == 1 and "php/eth0" in result.complaints[0]


@pytest.mark.parametrize("filter_", ["", "not vlan"])
@pytest.mark.parametrize("snaplen", [262144, 40, 17, 10])
def test_tag_on_a_layer_3_device(php, watch, counter, out, snaplen, filter_):
    """A tag that the kernel keeps beside a packet without a link layer has no place in it."""
    tun = php.popen(["/usr/bin/python3", "-c", TUN], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE)
    try:
        assert tun.stdout.readline() == b"ready\n"
        dump = Tcpdump(php, f"{out}/x.pcap", "tun0")
        w = watch("netns:php", "-i", "tun0", "-s", snaplen, "-w", f"{out}/x.pcapng",
                  *([filter_] if filter_ else []))
        tagged = [counter(php, 1, "tun0", where, "tag") for where in ("egress", "ingress")]
        tun.stdin.write(b"go\n")
        tun.stdin.flush()
        assert tun.stdout.readline() == b"done\n"
        assert [count() for count in tagged] == [8, 2]
        books = w.stop().books
        theirs = dump.stop(10)
    finally:
        end_process(tun, signal.SIGKILL)
        tun.stdin.close()
        tun.stdout.close()
    assert books["written"] == 10 and books["lost"] == 0
    whole = [behind_ethernet(p) for p in theirs]
    assert ours(f"{out}/x.pcapng", "tun0") == [
        (wirelen, data[:snaplen]) for wirelen, data in whole]

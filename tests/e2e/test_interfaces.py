# SPDX-License-Identifier: GPL-2.0-only
"""Interfaces and namespaces that come, go and change while being watched, and
the two sides of a veth."""

import collections
import json
import os
import signal

import pytest

from lab import HOST4, WEB4, LabError, read_bytes, read_pcapng, wait_for
from watching import Footprint, Watch, network_state


def send(lab, ns, address, port="9", count="1"):
    lab.run([lab.tool("flood"), address, port, count], ns=ns.path)


def names(packets):
    return {p[0] for p in packets}


def test_lo_shows_each_packet_once(lab, php, watch, out):
    w = watch("netns:php", "-w", f"{out}/x.pcapng", "udp")
    send(lab, php, "127.0.0.1", count="10")
    assert w.stop().books["seen"] >= 10
    packets = read_pcapng(f"{out}/x.pcapng")
    assert len(packets) == 10 and names(packets) == {"php/lo"}


def test_watching_line_names_the_interfaces(php, watch):
    w = watch("netns:php")
    target, names_ = w.wait_attached().split(": ")
    assert target == "php" and set(names_.split(", ")) == {"eth0", "lo"}
    w.stop()


def test_quiet_keeps_the_watching_line(php, watch):
    result = watch("netns:php", "-q").stop()
    assert "watching php: " in result.err and result.out == ""


def test_one_interface(lab, php, watch, out):
    w = watch("netns:php", "-i", "lo", "-w", f"{out}/x.pcapng")
    send(lab, php, WEB4)
    send(lab, php, "127.0.0.1")
    w.stop()
    assert names(read_pcapng(f"{out}/x.pcapng")) == {"php/lo"}


def add_leg(lab, php, name="eth1", address="10.78.0.2"):
    lab._batch([f"link add leg type veth peer name {name} netns php",
                "addr add 10.78.0.1/24 dev leg", "link set leg up"])
    lab._batch([f"addr add {address}/24 dev {name}", f"link set {name} up"],
               ns=php.path)


def test_interface_appears(lab, php, watch, out):
    w = watch("netns:php", "-l", "-w", f"{out}/x.pcapng", "udp")
    add_leg(lab, php)
    w.wait_out(r"^nswatch: .*eth1", stream="err")
    send(lab, php, "10.78.0.1", count="5")
    result = w.stop()
    assert result.status == 0
    assert [p[0] for p in read_pcapng(f"{out}/x.pcapng")] == ["php/eth1"] * 5


def test_books_of_one_heard_of_late(lab, php, watch, out):
    """Packets pass before the collector has heard of the interface: counted all the same."""
    w = watch("netns:php", "-l", "-w", f"{out}/x.pcapng", "udp")
    os.kill(w.collector, signal.SIGSTOP)
    add_leg(lab, php)
    w.wait_out(r"^nswatch: .*eth1", stream="err")
    send(lab, php, "10.78.0.1", count="5")
    os.kill(w.collector, signal.SIGCONT)
    result = w.stop()
    assert (result.books["matched"], result.books["written"]) == (5, 5)


def test_interface_vanishes_and_returns(lab, php, watch, out):
    add_leg(lab, php)
    w = watch("netns:php", "-l", "-w", f"{out}/x.pcapng", "udp")
    send(lab, php, "10.78.0.1", count="2")
    php.run(["ip", "link", "del", "eth1"])
    send(lab, php, WEB4, count="2")
    said = w.err.count("eth1")
    add_leg(lab, php)
    wait_for("eth1 to be attached again", lambda: w.err.count("eth1") > said)
    send(lab, php, "10.78.0.1", count="3")
    result = w.stop()
    assert result.status == 0
    got = [p[0] for p in read_pcapng(f"{out}/x.pcapng")]
    assert got == ["php/eth1"] * 2 + ["php/eth0"] * 2 + ["php/eth1"] * 3
    assert result.books["written"] == 7


def test_interface_renamed(lab, php, watch, out):
    add_leg(lab, php)
    w = watch("netns:php", "-l", "-P", "-w", f"{out}/x.pcapng", "udp")
    send(lab, php, "10.78.0.1")
    lab._batch(["link set eth1 down", "link set eth1 name wan0",
                "link set wan0 up"], ns=php.path)
    w.wait_out(r"is called wan0 now", stream="err")
    send(lab, php, "10.78.0.1")
    w.wait_out(r"^ +2 ")  # ARP comes first
    assert w.stop().status == 0
    assert len(read_pcapng(f"{out}/x.pcapng")) == 2


def test_namespace_with_lo_only(bare, watch):
    assert watch("netns:bare").stop().status == 0


def test_deleting_the_namespace_removes_its_veth(lab, php, watch):
    """Nobody may keep a namespace alive by watching it."""
    w = watch("netns:php")
    prints = Footprint(w)
    php.remove()
    wait_for("the veth to go", lambda: lab.run(
        ["ip", "link", "show", php.veth], check=False).returncode != 0)
    result = w.stop()
    assert result.status in (0, 1)
    prints.gone()


def test_no_namespace_reference(php, watch):
    """Neither process has the namespace open, nor a socket made in it."""
    w = watch("netns:php")
    inode = os.stat(f"/proc/{w.pid}/ns/net").st_ino
    theirs = php.run(["readlink", "/proc/self/ns/net"]).stdout.strip()
    for pid in (w.pid, w.collector):
        assert os.stat(f"/proc/{pid}/ns/net").st_ino == inode
        links = [os.readlink(f"/proc/{pid}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{pid}/fd")]
        assert theirs not in links
    w.stop()


@pytest.mark.parametrize("args", [[], ["--dns"], ["--side", "both"], ["-q"]])
def test_no_trace_of_a_run(lab, php, watch, args):
    lab.settle()
    php.run(["sh", "-c", f"echo | busybox nc -w 1 {WEB4} 80"], check=False)
    before = network_state(lab, php.path), network_state(lab)
    mounts = lab.run(["cat", "/proc/self/mountinfo"]).stdout
    w = watch("netns:php", *args)
    prints = Footprint(w)
    send(lab, php, WEB4)
    assert w.stop().status == 0
    prints.gone()
    assert (network_state(lab, php.path), network_state(lab)) == before
    assert lab.run(["cat", "/proc/self/mountinfo"]).stdout == mounts


def test_somebody_elses_filter_stays(lab, php, watch):
    """A clsact qdisc and filter of another program are not ours to undo."""
    php.run(["tc", "qdisc", "add", "dev", "eth0", "clsact"])
    php.run(["tc", "filter", "add", "dev", "eth0", "egress", "prio", "7",
             "protocol", "ip", "bpf", "bytecode", "1,6 0 0 4294967295"])
    before = network_state(lab, php.path)
    assert "bytecode" in str(before)
    w = watch("netns:php")
    send(lab, php, WEB4, count="20")
    w.stop()
    assert network_state(lab, php.path) == before


# Sides

def test_both_sides(lab, php, watch, out):
    w = watch("netns:php", "--side", "both", "-w", f"{out}/x.pcapng", "icmp or udp")
    send(lab, php, WEB4, count="4")
    assert w.stop().status == 0
    got = read_pcapng(f"{out}/x.pcapng")
    inside = [p[2] for p in got if p[0] == "php/eth0"]
    others = names(got) - {"php/eth0"}
    assert len(others) == 1 and php.veth in others.pop()
    host = [p[2] for p in got if p[0] != "php/eth0"]
    assert inside and inside == host


def test_host_side_alone(lab, php, watch, out):
    w = watch("netns:php", "--side", "host", "-w", f"{out}/x.pcapng", "udp dst port 9")
    send(lab, php, WEB4, count="4")
    w.stop()
    got = read_pcapng(f"{out}/x.pcapng")
    assert len(got) == 4 and all(php.veth in p[0] for p in got)


def test_pair_within_the_namespace_has_no_host_end(lab, php, watch):
    """Both ends are the container's own: interfaces like others, each tapped once."""
    lab._batch(["link add d0 type veth peer name d1"], ns=php.path)
    w = watch("netns:php", "--side", "both")
    assert w.wait_attached() == f"php: lo, eth0, {php.veth} (host end), d1, d0"
    php.run(["ip", "link", "add", "d2", "type", "veth", "peer", "name", "d3"])
    w.wait_out(r"^nswatch: php: d2 appeared", stream="err")
    w.wait_out(r"^nswatch: php: d3 appeared", stream="err")
    result = w.stop()
    assert result.err.count(" appeared, watching it") == 2 and result.complaints == []


def test_direction_is_the_containers(lab, php, watch, out):
    """-Q in and out mean the container's view at both ends."""
    for side in ("inside", "host"):
        w = watch("netns:php", "--side", side, "-Q", "out", "-w",
                  f"{out}/{side}.pcapng", "udp dst port 9 or udp dst port 10")
        send(lab, php, WEB4, count="3")
        lab.run([lab.tool("flood"), php.addr4, "10", "5"])
        w.stop()
        assert len(read_pcapng(f"{out}/{side}.pcapng")) == 3


# Targets

def test_target_forms(lab, php, watch, out):
    sleeper = php.popen(["sleep", "1000"])
    lab.run(["mkdir", "-p", "/run/elsewhere"])
    lab.run(["touch", "/run/elsewhere/ns"])
    lab.run(["mount", "--bind", php.path, "/run/elsewhere/ns"])
    try:
        for target in ("php", "netns:php", f"pid:{sleeper.pid}", str(sleeper.pid),
                       "path:/run/elsewhere/ns", "/run/elsewhere/ns", php.path):
            w = watch(target, "-c", "1", "udp dst port 9")
            send(lab, php, HOST4)
            assert w.wait().status == 0, target
    finally:
        lab.run(["umount", "/run/elsewhere/ns"])
        sleeper.kill()
        sleeper.wait()


def test_host(lab, php, watch):
    w = watch("host", "-c", "1", "-i", php.veth, "udp dst port 9")
    send(lab, php, HOST4)
    assert w.wait().status == 0


def test_two_targets(lab, php, watch):
    db = lab.container("db")
    try:
        w = watch("netns:php,netns:db", "-l", "udp dst port 9")
        send(lab, php, WEB4)
        w.wait_out(r"php/eth0")
        send(lab, db, WEB4)
        w.wait_out(r"db/eth0")
        assert w.stop().status == 0
    finally:
        db.remove()


def test_list_of_interfaces(lab, php):
    result = Watch(lab, ["netns:php", "-D"], attach=False).wait()
    assert result.status == 0
    assert "eth0" in result.out and "lo" in result.out


def test_watching_line_speaks_for_all_targets(lab, watch):
    """Once the first target is said to be watched, so are the others."""
    spaces = [lab.container(f"box{i}") for i in range(9)]
    try:
        w = watch(",".join(f"netns:{ns.name}" for ns in spaces), "-l",
                  "udp dst port 9")
        send(lab, spaces[-1], WEB4)
        w.wait_out(r"box8/eth0")
        assert w.stop().status == 0
    finally:
        for ns in spaces:
            ns.remove()


def test_recreated_under_the_same_index(lab, php, watch, out):
    """Same name, same number, another interface: it is watched like the first."""
    add_leg(lab, php)
    index = json.loads(php.run(["ip", "-j", "link", "show", "eth1"]).stdout)[0]["ifindex"]
    w = watch("netns:php", "-l", "-w", f"{out}/x.pcapng", "udp")
    os.kill(w.pid, signal.SIGSTOP)  # it sees both events at once
    lab._batch(["link del eth1",
                f"link add eth1 index {index} type veth peer name far",
                "addr add 10.78.0.2/24 dev eth1", "link set eth1 up",
                "link set far up",
                "neigh add 10.78.0.9 lladdr 02:00:00:00:00:09 dev eth1"],
               ns=php.path)
    os.kill(w.pid, signal.SIGCONT)
    w.wait_out(r"^nswatch: .*far appeared", stream="err")
    send(lab, php, "10.78.0.9", count="3")
    assert w.stop().status == 0
    assert [p[0] for p in read_pcapng(f"{out}/x.pcapng")] == ["php/eth1", "php/far"] * 3


STEADY = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    s.sendto(b"steady", (sys.argv[1], 9))
    time.sleep(0.005)
"""


def names_by_wave(path):
    """How many packets to 10.78.WAVE.9: {(interface, WAVE): number}. The file may still grow."""
    try:
        packets = read_pcapng(path)
    except (LabError, OSError):
        return {}
    return collections.Counter((name, data[32]) for name, _, data in packets
                               if data[30:32] == b"\x0a\x4e")


@pytest.fixture
def short_grace_periods():
    """An interface with programs waits for grace periods as it goes."""
    def write(value):
        with open("/sys/kernel/rcu_expedited", "w") as f:
            f.write(value)

    before = read_bytes("/sys/kernel/rcu_expedited").decode()
    write("1")
    yield
    write(before)


@pytest.mark.slow
def test_ids_come_again(lab, short_grace_periods, php, watch, out):
    """More interfaces, one after another, than a run has ids for (2047), while packets pass:
    those of a later one, whose destination tells which, bear its name."""
    w = watch("netns:php", "-w", f"{out}/x.pcapng", "udp dst port 9")
    steady = php.popen(["/usr/bin/python3", "-c", STEADY, WEB4])
    try:
        for wave in range(6):
            last, other = f"a{wave}-199", f"b{wave}-199"
            lab._batch([f"link add a{wave}-{i} type veth peer name b{wave}-{i}"
                        for i in range(200)], ns=php.path)
            lab._batch([f"addr add 10.78.{wave}.2/24 dev {last}", f"link set {last} up",
                        f"link set {other} up",
                        f"neigh add 10.78.{wave}.9 lladdr 02:00:00:00:00:09 dev {last}"],
                       ns=php.path)

            def are_watched(wave=wave, ends=(last, other)):
                send(lab, php, f"10.78.{wave}.9")
                found = names_by_wave(f"{out}/x.pcapng")
                return all((f"php/{end}", wave) in found for end in ends)
            wait_for(f"{last} and {other} to be watched", are_watched, 30, 0.1)
            send(lab, php, f"10.78.{wave}.9", count="5")
            lab._batch([f"link del a{wave}-{i}" for i in range(200)], ns=php.path)
    finally:
        steady.kill()
        steady.wait()
    result = w.stop()
    assert result.status == 0 and "in all" not in result.err
    seen = names_by_wave(f"{out}/x.pcapng")
    assert {name for name, _ in seen} == {f"php/{end}{wave}-199" for wave in range(6)
                                          for end in "ab"}
    assert all(name[5:].startswith(f"{wave}-") and n >= 5 for (name, wave), n in seen.items())


def test_more_hooks_than_descriptors(lab, bare, watch):
    """Each hook is a descriptor; the limit of open files is raised for them."""
    lab._batch([f"link add a{i} type veth peer name b{i}" for i in range(15)], ns=bare.path)
    w = watch("netns:bare", prefix=("prlimit", "--nofile=48:"))
    assert w.stop().complaints == []

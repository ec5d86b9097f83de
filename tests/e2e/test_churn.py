# SPDX-License-Identifier: GPL-2.0-only
"""Namespaces and containers started and killed at random while --all --follow
watches: of ip netns, of unshare, and of Docker, where the sender is the container's
own process and sends through its veth pair.

Each has a sender that numbers its packets and writes down the number of the last
one. Whatever was sent from the line "watching NAME" on until the end must be in
the file once, under the right name. Names, inodes, ifindexes and pids are used
again and again.

NSWATCH_CHURN_SECONDS=120 NSWATCH_CHURN_LIVES=200 is the long form, by hand.
"""

import collections
import os
import random
import re
import signal
import struct
import threading
import time

import pytest

from lab import LabError, read_bytes, read_pcapng_times, wait_for
from watching import Footprint

SECONDS = float(os.environ.get("NSWATCH_CHURN_SECONDS", "8"))
AT_LEAST = int(os.environ.get("NSWATCH_CHURN_LIVES", "12"))
DRIVERS = int(os.environ.get("NSWATCH_CHURN_DRIVERS", "4"))
PORT = 20900
DOCKER_GATEWAY = "10.88.0.1"


def open_of(pid):
    """What a process has open: (what is no TCX link, links whose interface is gone). Links
    to interfaces that are there are not counted: other people's namespaces come as well."""
    others = dead = 0
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        info = read_bytes(f"/proc/{pid}/fdinfo/{fd}").decode()
        if re.search(r"^link_type:\ttcx$", info, re.M):
            dead += int(re.search(r"^ifindex:\t(\d+)$", info, re.M).group(1)) == 0
        else:
            others += 1
    return others, dead


def closed(w, at_most):
    others, dead = open_of(w.pid)
    return others <= at_most and not dead


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


# The numbers that the host has for namespaces to which neither a process nor a mount leads:
# only the kernel holds them. A number goes with its namespace.
HELD = r"""
import glob, os, re, socket, struct, subprocess
ids = {int(n) for n in re.findall(r"nsid (\d+)", subprocess.run(
    ["ip", "netns", "list-id"], stdout=subprocess.PIPE, text=True).stdout)}
paths = glob.glob("/proc/[0-9]*/ns/net")
for info in glob.glob("/proc/[0-9]*/mountinfo"):
    try:
        with open(info) as f:
            mounts = re.findall(r"^\S+ \S+ \S+ net:\[\d+\] (\S+) ", f.read(), re.M)
    except OSError:
        continue
    paths += [os.path.dirname(info) + "/root" + path for path in mounts]
sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
for path in paths:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    # RTM_GETNSID with NETNSA_FD; NETNSA_NSID comes back
    sock.send(struct.pack("=IHHIIB3xHHI", 28, 90, 1, 0, 0, 0, 8, 3, fd))
    reply = sock.recv(4096)
    os.close(fd)
    if struct.unpack_from("=H", reply, 4)[0] == 88 and len(reply) >= 28:
        ids.discard(struct.unpack_from("=i", reply, 24)[0])
print(*sorted(ids))
"""


def held(lab):
    return set(lab.run(["/usr/bin/python3", "-c", HELD]).stdout.split())


def wait_gone(lab, standing):
    wait_for("the last namespaces to go", lambda: held(lab) <= standing, timeout=30, step=0.2)


class Driver(threading.Thread):
    """Lives one after another. Their names come again, for another namespace each
    time."""

    def __init__(self, lab, w, number, until, kinds):
        super().__init__()
        self.lab, self.w, self.number, self.until = lab, w, number, until
        self.kinds = kinds
        self.random = random.Random(number)
        self.lives = []  # (life, interface, packets sent for sure)
        self.spans = {}  # life: [when it was to send, when it was ended, lines before, after]
        self.failure = None

    def run(self):
        turn = 0
        try:
            while time.monotonic() < self.until:
                kind = self.kinds[turn % len(self.kinds)]
                self.live(self.number * 10000 + turn, kind)
                turn += 1
        except Exception as e:  # shown by the main thread
            self.failure = e

    def live(self, life, kind):
        base = os.path.join(self.lab.tmp, f"life{life}")
        said = self.w.err.count("\n")
        name, interface, end = getattr(self, kind)(life, base)
        try:
            self.wait_watched(name, interface, said)
            began = time.time()
            with open(base + ".go", "w"):
                pass
            time.sleep(self.random.uniform(0.05, 1.0))
            self.spans[life] = [began, time.time(), said, self.w.err.count("\n") + 1]
        finally:
            end()
        # None, if it was killed before it had sent the first.
        sent = read_bytes(base + ".sent") or b"\0\0\0\0"
        self.lives.append((life, f"{name}/{interface}", struct.unpack("<I", sent)[0]))

    def sender(self, life, base, address="127.0.0.1"):
        return [self.lab.tool("numbered"), str(life), base, address, str(PORT)]

    def named(self, life, base):
        name = f"churn{self.number}-{life % 3}"
        self.lab.run(["ip", "netns", "add", name])
        proc = self.lab.popen(self.sender(life, base), ns=f"/run/netns/{name}")

        def end():
            kill(proc)
            self.lab.run(["ip", "netns", "del", name])
        return name, "lo", end

    def unnamed(self, life, base):
        proc = self.lab.popen(["unshare", "-n", "--", *self.sender(life, base)])
        return f"pid:{proc.pid}", "lo", lambda: kill(proc)

    def docker(self, life, base):
        name = f"box{self.number}-{life % 3}"
        self.lab.docker.run(name, "-v", f"{self.lab.tmp}:{self.lab.tmp}",
                            command=self.sender(life, base, DOCKER_GATEWAY))
        return name, "eth0", lambda: self.lab.docker.cli("rm", "-f", name)

    def wait_watched(self, name, interface, said):
        """The line may have come between the namespace and its process, or under a
        name that it had before."""
        def watched():
            lines = self.w.err.split("\n")[said:]
            names = [name] + [m[1] for m in (RENAMED.match(text) for text in lines)
                              if m and m[2] == name]
            if name.startswith("box"):  # Docker's is found before that has its name
                named_ = len(names) > 1 or f"nswatch: watching {name}: " in "\n".join(lines)
            else:
                named_ = True
            return named_ and any(is_watched(text, n, interface)
                                  for text in lines for n in names)
        try:
            wait_for(f"{name} to be watched", watched, timeout=20)
        except LabError as e:
            raise LabError(f"{e}:\n{self.w.err}") from None


RENAMED = re.compile(r"nswatch: (\S+) is called (\S+) now$")


def is_watched(text, name, interface):
    """Whether that line says so. A namespace that is found by the process which was
    about to give it its name is watched once it is called that."""
    if text.startswith(f"nswatch: watching {name}: "):
        return interface in text.partition(": ")[2].partition(": ")[2].split(", ")
    if interface == "lo" and RENAMED.match(text):
        return text.endswith(f" is called {name} now")
    return text.startswith(f"nswatch: {name}: ") and \
        (f": {interface} appeared" in text or text.endswith(f" is called {interface} now"))


def kill(proc):
    proc.send_signal(signal.SIGKILL)
    proc.wait()


def runs(numbers):
    """[1, 2, 3, 7] as "1-3 7"."""
    found = []
    for n in numbers:
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return " ".join(f"{a}-{b}" for a, b in found)


def tell_gaps(w, life, name, sent, gaps, moments, span):
    """All that the file and stderr have on a life of which packets are missing."""
    began, ended, first, last = span
    print(f"{life} {name}: {len(gaps)} of {sent} are missing: {runs(gaps)}; "
          f"sending from 0 to {ended - began:.3f} s")
    for (other, interface), of in moments.items():
        if other == life:
            print(f"  {interface} has {runs(sorted(of))}, "
                  f"from {min(of.values()) - began:.3f} to {max(of.values()) - began:.3f} s")
    print("".join(f"  {text}\n" for text in w.err.split("\n")[first:last]), end="")


# What the drivers' lives are, in turn: one of them Docker's all the time, another by halves.
KINDS = [["named", "unnamed"], ["docker"], ["named", "unnamed"], ["unnamed", "docker"]]


def test_churn(lab, docker, watch, out):
    lab.tool("numbered")
    w = watch("--all", "--follow", "-w", f"{out}/x.pcapng",
              f"udp port {PORT}")
    open_files, memory = open_of(w.pid)[0], rss_kib(w.pid)
    memory_of_collector = rss_kib(w.collector)
    standing = held(lab)
    drivers = [Driver(lab, w, n + 1, time.monotonic() + SECONDS, KINDS[n % len(KINDS)])
               for n in range(DRIVERS)]
    for d in drivers:
        d.start()
    for d in drivers:
        d.join()
    failures = "\n".join(str(d.failure) for d in drivers if d.failure)
    if failures:
        pytest.fail(failures)
    lives = [life for d in drivers for life in d.lives]
    boxes = {life for life, name, _ in lives if name.startswith("box")}
    assert len(lives) >= AT_LEAST and boxes
    assert sum(sent for life, _, sent in lives if life in boxes) > 0

    # All gone, for the kernel and for us: nothing was kept alive or open.
    wait_gone(lab, standing)
    # The two programs that all taps beyond the first 64 share are loaded meanwhile.
    wait_for("what was open for them to be closed",
             lambda: closed(w, open_files + 2), timeout=20)
    assert rss_kib(w.pid) < memory + 16 * 1024
    assert rss_kib(w.collector) < memory_of_collector + 16 * 1024
    grown = rss_kib(w.pid) - memory, rss_kib(w.collector) - memory_of_collector
    left = open_of(w.pid)[0] - open_files
    prints = Footprint(w)
    result = w.stop()
    prints.gone()
    lost = result.books["lost"]

    seen = collections.defaultdict(collections.Counter)
    moments = collections.defaultdict(dict)
    for interface, _, data, when in read_pcapng_times(f"{out}/x.pcapng"):
        at = data.index(b"life")
        life, number = struct.unpack_from("<II", data, at + 4)
        seen[life, interface][number] += 1
        moments[life, interface][number] = when / 1e9
    spans = {life: span for d in drivers for life, span in d.spans.items()}
    missing = 0
    for life, name, sent in lives:
        got = seen.pop((life, name), collections.Counter())
        # Docker gives eth0 its first name back when it takes it out of the namespace, and
        # packets that are read after that was heard of are shown under it.
        for key in [k for k in seen if k[0] == life and life in boxes and
                    re.fullmatch(rf"{name.removesuffix('eth0')}veth[0-9a-f]+", k[1])]:
            got += seen.pop(key)
        assert all(times == 1 for times in got.values()), (life, name)
        gaps = sorted(set(range(sent)) - set(got))
        missing += len(gaps)
        if gaps:
            tell_gaps(w, life, name, sent, gaps, moments, spans[life])
    # The host's end of the veth pair and the bridge are interfaces of the host's own.
    of_host = {key for key in seen if key[0] in boxes and key[1].startswith("host/")}
    assert all(times == 1 for key in of_host for times in seen[key].values())
    for key in of_host:
        del seen[key]
    assert not seen, f"under a wrong name: {[(k, len(v)) for k, v in seen.items()]}"
    assert missing <= lost, f"{missing} packets are missing, {lost} counted as lost\n{result.err}"
    print(f"{len(lives)} lives, {len(boxes)} of them Docker's, {sum(s for _, _, s in lives)} "
          f"packets, {missing} missing, {lost} lost; KiB more: {grown[0]} loader, {grown[1]} "
          f"collector; {left} descriptors more")

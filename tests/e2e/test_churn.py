# SPDX-License-Identifier: GPL-2.0-only
"""Namespaces started and killed at random while --all --follow watches.

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

from lab import LabError, read_bytes, read_pcapng, wait_for
from watching import children

SECONDS = float(os.environ.get("NSWATCH_CHURN_SECONDS", "15"))
AT_LEAST = int(os.environ.get("NSWATCH_CHURN_LIVES", "25"))
DRIVERS = int(os.environ.get("NSWATCH_CHURN_DRIVERS", "4"))
PORT = 20900

# Waits for the file NAME.go; sends "LIFE NUMBER"; keeps the count in NAME.sent.
SENDER = r"""
import fcntl, os, socket, struct, sys, time
life, base = int(sys.argv[1]), sys.argv[2]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x49))  # SIOCSIFFLAGS: up
while not os.path.exists(base + ".go"):
    time.sleep(0.005)
out = os.open(base + ".sent", os.O_WRONLY | os.O_CREAT, 0o644)
n = 0
while True:
    s.sendto(struct.pack("<4sII", b"life", life, n), ("127.0.0.1", %d))
    n += 1
    os.pwrite(out, struct.pack("<I", n), 0)
    time.sleep(0.003)
""" % PORT


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def numbers(lab):
    """What the host has a number for: that goes with the namespace."""
    return lab.run(["ip", "netns", "list-id"]).stdout.splitlines()


def wait_gone(lab, standing):
    try:
        wait_for("the last namespaces to go",
                 lambda: len(numbers(lab)) <= len(standing), timeout=30)
    except LabError as e:
        there = lab.run(["sh", "-c", "ip netns list-id; lsns -t net"]).stdout
        raise LabError(f"{e}\n{there}") from None


class Driver(threading.Thread):
    """Lives one after another, half of them with a name, half with a process
    alone. Its names come again, for another namespace each time."""

    def __init__(self, lab, w, number, until, script):
        super().__init__()
        self.lab, self.w, self.number, self.until = lab, w, number, until
        self.script = script
        self.random = random.Random(number)
        self.lives = []  # (life, name, packets sent for sure)
        self.failure = None

    def run(self):
        turn = 0
        try:
            while time.monotonic() < self.until:
                self.live(self.number * 10000 + turn, turn % 2 == 0)
                turn += 1
        except Exception as e:  # shown by the main thread
            self.failure = e

    def live(self, life, named):
        base = os.path.join(self.lab.tmp, f"life{life}")
        command = ["/usr/bin/python3", self.script, str(life), base]
        path = None
        if named:
            name = f"churn{self.number}-{life % 3}"
            self.lab.run(["ip", "netns", "add", name])
            path = f"/run/netns/{name}"
        else:
            command = ["unshare", "-n", "--", *command]
        said = self.w.err.count("\n")
        proc = self.lab.popen(command, ns=path)
        if not named:
            name = f"pid:{proc.pid}"
        try:
            self.wait_watched(name, said)
            with open(base + ".go", "w"):
                pass
            time.sleep(self.random.uniform(0.05, 1.0))
        finally:
            proc.send_signal(signal.SIGKILL)
            proc.wait()
            if named:
                self.lab.run(["ip", "netns", "del", name])
        # None, if it was killed before it had sent the first.
        sent = read_bytes(base + ".sent") or b"\0\0\0\0"
        self.lives.append((life, name, struct.unpack("<I", sent)[0]))

    def wait_watched(self, name, said):
        """The line may have come between the namespace and its process."""
        lines = (f"nswatch: watching {name}: lo",
                 # Found by the process that was about to give it its name.
                 re.compile(rf"nswatch: \S+ is called {re.escape(name)} now$"))

        def watched():
            return any(text.startswith(lines[0]) or lines[1].match(text) for text in
                       self.w.err.split("\n")[max(0, said - 12):])
        wait_for(f"{name} to be watched", watched, timeout=20)


def test_churn(lab, watch, out):
    script = lab.add_file("sender.py", SENDER)
    w = watch("--all", "--follow", "-w", f"{out}/x.pcapng",
              f"udp port {PORT}")
    open_files, memory = fds(w.pid), rss_kib(w.pid)
    memory_of_collector = rss_kib(w.collector)
    standing = numbers(lab)
    drivers = [Driver(lab, w, n + 1, time.monotonic() + SECONDS, script)
               for n in range(DRIVERS)]
    for d in drivers:
        d.start()
    for d in drivers:
        d.join()
    assert not any(d.failure for d in drivers), [d.failure for d in drivers]
    lives = [life for d in drivers for life in d.lives]
    assert len(lives) >= AT_LEAST and sum(sent for _, _, sent in lives) > 0

    # All gone, for the kernel and for us: nothing was kept alive or open.
    wait_gone(lab, standing)
    # The two programs that all taps beyond the first 64 share are loaded meanwhile.
    wait_for("what was open for them to be closed",
             lambda: fds(w.pid) <= open_files + 2, timeout=20)
    assert rss_kib(w.pid) < memory + 16 * 1024
    assert rss_kib(w.collector) < memory_of_collector + 16 * 1024
    result = w.stop()
    lost = result.books["lost"]

    seen = collections.defaultdict(collections.Counter)
    for interface, _, data in read_pcapng(f"{out}/x.pcapng"):
        at = data.index(b"life")
        life, number = struct.unpack_from("<II", data, at + 4)
        seen[life, interface][number] += 1
    missing = 0
    for life, name, sent in lives:
        got = seen.pop((life, f"{name}/lo"), {})
        assert all(times == 1 for times in got.values()), (life, name)
        missing += len(set(range(sent)) - set(got))
    assert not seen, f"under a wrong name: {[(k, len(v)) for k, v in seen.items()]}"
    assert missing <= lost, f"{missing} packets are missing, {lost} counted as lost"
    print(f"{len(lives)} lives, {sum(s for _, _, s in lives)} packets, {lost} lost")

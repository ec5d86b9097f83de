# SPDX-License-Identifier: GPL-2.0-only
"""A whole machine at once, and how fast the first packet is there.

Rows 14 share one run a round: 500 namespaces of two interfaces are made once, and
nswatch --all --dns --follow is started among them.
"""

import os
import re
import signal
import subprocess
import time

from arena import BenchError, WORKLOAD
from tools import difference, family, switches

SPACES = 500
DEADLINE = 30  # seconds


def wait_until(what, probe, step=0.0005):
    end = time.monotonic() + DEADLINE
    while not probe():
        if time.monotonic() > end:
            raise BenchError(f"{what}: not after {DEADLINE} s")
        time.sleep(step)


def batch(arena, lines):
    path = os.path.join(arena.tmp, "ip.batch")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    arena._run("ip", "-batch", path)


def make_spaces(bench):
    if not getattr(bench, "spaces", None):
        batch(bench.arena, [f"netns add space{i}" for i in range(SPACES)])
        batch(bench.arena, [f"link add host{i} type veth peer name eth0 netns space{i}"
                            for i in range(SPACES)])
        bench.spaces = True


def remove_spaces(bench):
    if getattr(bench, "spaces", None):
        batch(bench.arena, [f"netns del space{i}" for i in range(SPACES)])
        bench.spaces = None


def memory_mib(pid):
    """Proportional set size of all its processes."""
    total = 0
    for one in family(pid):
        with open(f"/proc/{one}/smaps_rollup") as f:
            total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
    return total / 1024


class Run:
    """One nswatch on everything."""

    def __init__(self, bench, tool, *words):
        self.bench = bench
        self.log_path = os.path.join(bench.arena.tmp, "fleet.log")
        self.begun = time.monotonic()
        with open(self.log_path, "w") as log:
            self.proc = bench.arena.popen([tool.path, *words], bench.arena.tool_cpu,
                                          stdout=subprocess.DEVNULL, stderr=log)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait(self, text):
        def probe():
            if self.proc.poll() is not None:
                raise BenchError(f"nswatch has ended: {self.log().strip()[-400:]}")
            return text in self.log()
        wait_until(text, probe)

    def end(self):
        self.bench.arena.end(self.proc, signal.SIGINT)


def measure_fleet(bench, tool):
    found = {}
    run = Run(bench, tool, "--all", "--dns", "--follow")
    try:
        run.wait("watching ")
        found["attach"] = time.monotonic() - run.begun
        time.sleep(2.5)  # the looks after the start
        found["memory"] = memory_mib(run.proc.pid)
        seconds = 3 if bench.quick else 10
        before = [switches(pid) for pid in family(run.proc.pid)]
        time.sleep(seconds)
        after = [switches(pid) for pid in family(run.proc.pid)]
        found["idle"] = sum(map(difference, after, before)) / seconds
        bench.arena._run("ip", "netns", "add", "onemore")
        began = time.monotonic()
        run.wait("watching onemore: lo")
        found["more"] = (time.monotonic() - began) * 1000
    finally:
        run.end()
        bench.arena._run("ip", "netns", "del", "onemore", check=False)
    return found


def fleet(bench, setup, tools):
    """The rows after the first of a round take its figures."""
    values = {}
    for tool in tools:
        key = (tool.name, setup["what"])
        kept = bench.__dict__.setdefault("fleet", {})
        if key not in kept:
            make_spaces(bench)
            kept.update({(tool.name, what): value
                         for what, value in measure_fleet(bench, tool).items()})
        values[tool.name] = kept.pop(key)
    if setup["what"] == "more" and not bench.__dict__.get("fleet"):
        remove_spaces(bench)
    return values


def send_on(bench):
    """UDP from within the workload, one a millisecond, on its lo."""
    words = ["python3", "-c",
             "import socket,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
             "while True:\n s.sendto(b'x', ('127.0.0.1', 9))\n time.sleep(0.001)"]
    return bench.arena.popen(words, bench.arena.gen_cpu, WORKLOAD)


def first_packet(bench, setup, tools):
    """From the start of the program until a packet of its target is in its output,
    which is a pipe: pcap for both, and unbuffered."""
    sender = send_on(bench)
    values = {}
    try:
        time.sleep(0.3)
        for tool in tools:
            if hasattr(tool, "path"):
                argv = [tool.path, f"netns:{WORKLOAD}", "-i", "lo", "-F", "pcap", "-w", "-"]
            else:
                argv = ["tcpdump", "-i", "lo", "-U", "-w", "-"]
            values[tool.name] = time_to_packet(bench, tool, argv)
    finally:
        bench.arena.end(sender)
    return values


def time_to_packet(bench, tool, argv):
    began = time.monotonic()
    proc = bench.arena.popen(argv, bench.arena.tool_cpu, tool.netns,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        got = b""
        while len(got) < 24 + 16:  # file header and the first record's
            data = os.read(proc.stdout.fileno(), 65536)
            if not data:
                raise BenchError(f"{tool.name} ended without a packet")
            got += data
        return (time.monotonic() - began) * 1000
    finally:
        proc.stdout.close()
        bench.arena.end(proc, signal.SIGINT)

# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the table: what is run, what is taken as its value.

A row's measure function is called once a round and returns {tool: value} or
{tool: (value, share of packets lost)}. The keys are tool names; "none" is the
workload alone, and a name with ' is the same tool once more: the noise.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import arena
import stats
from arena import BenchError
from fleet import first_packet, fleet
from tools import Session, Settings, difference, switches

FULL = 262144  # the tools' own default
DNS_PORT = 53
BURST = 2000  # packets: a millisecond and more, and several blocks' wake-ups


class Target:
    """against: the tool whose value ours is divided by, or None: ours as it is."""

    def __init__(self, against, sense, limit):
        self.against = against
        self.sense = sense
        self.limit = limit


class Row:
    def __init__(self, name, title, unit, measure, targets, tools=("tcpdump",), twice=True,
                 fixed=False, **setup):
        self.name = name
        self.title = title
        self.unit = unit
        self.measure = measure
        self.targets = targets
        self.tools = tools      # beside nswatch
        self.twice = twice      # tcpdump a second time, for the A/A noise
        self.fixed = fixed      # hardly varies: one or two rounds are enough
        self.setup = setup      # what measure() needs to know


class Bench:
    """What the measurements share: the place, the tools, the settings that the
    user may override."""

    def __init__(self, where, tools, params, quick):
        self.arena = where
        self.tools = tools
        self.params = params
        self.quick = quick
        self.load_prefix = ()  # runs the load that meets a capture: for a profile
        self.begin_row()

    def begin_row(self):
        self.offered = self.arrived = 0  # over the XDP link
        self.rates = {}  # packets a second reached, where it is told

    def number(self, setup, key, default=0):
        value = self.params.get(key)
        return int(value) if value else setup.get(key, default)

    def packets(self, setup):
        if self.params.get("packets"):
            return int(self.params["packets"])
        return setup["packets"] // (4 if self.quick else 1)

    def settings(self, setup, output=None):
        expr = self.params.get("filter")
        return Settings(self.number(setup, "snap", FULL), self.number(setup, "buffer", 8),
                        output or setup.get("output", "/dev/null"),
                        setup.get("expr", "") if expr is None else expr,
                        setup.get("dns", False))

    def run_load(self, setup, packets=None, prefix=()):
        """XDP frames in or a UDP flood out, as the row has it."""
        fields = {key: self.number(setup, key, default) for key, default in
                  (("size", 64), ("flows", 1), ("rate", 0), ("every", 0),
                   ("rare_port", DNS_PORT))}
        fields["count"] = packets or self.packets(setup)
        fields["bursts"] = max(1, min(1000, fields["count"] // BURST))
        kind = setup.get("load", "xdp")
        before = self.arena.received()
        found = self.arena.load(kind, prefix, **fields)
        if kind == "xdp":
            # What the link could not take never was a packet to any tool.
            self.offered += found["sent"]
            found["sent"] = self.arena.received() - before
            self.arrived += found["sent"]
        return found

    def output_for(self, tool, setup):
        if setup.get("output") == "tmpfs":
            return os.path.join(self.arena.tmp, tool.name.rstrip("'") + ".pcap")
        return setup.get("output", "/dev/null")

    def session(self, tool, setup):
        return Session(self.arena, tool, self.settings(setup, self.output_for(tool, setup)))


def lost_share(session, sent):
    return max(0.0, 1 - session.captured / sent)


def matching(bench, setup, sent):
    """How many of the packets sent the tools should have, if that is known."""
    if bench.settings(setup).expr:
        return None
    return sent


def typical(bursts):
    if os.environ.get("STAT") == "mean":
        return sum(bursts) / len(bursts)
    return stats.middle_mean(bursts)


def added_ns(bench, setup, tools):
    """Time per packet with a capture, less the mean of the runs without one
    right before and after it. The time of a run is that of its typical bursts."""
    def alone():
        return typical(bench.run_load(setup)["ns"])

    values = {}
    before = alone()
    values["none"] = before
    for tool in tools:
        with bench.session(tool, setup) as session:
            load = bench.run_load(setup, prefix=bench.load_prefix)
        after = alone()
        expected = matching(bench, setup, load["sent"])
        values[tool.name] = (typical(load["ns"]) - (before + after) / 2,
                             lost_share(session, expected) if expected else None)
        before = after
    return values


def cpu_per_packet(bench, setup, tools):
    """Time on a core of all the tool's processes, from ready until it has
    worked off everything, over the packets that it captured. What the kernel
    does on the sender's core is no part of it: that is what rows 1 to 4 show."""
    values = {}
    for tool in tools:
        with bench.session(tool, setup) as session:
            load = bench.run_load(setup, prefix=bench.load_prefix)
            session.wait_quiet()
            cpu = session.cpu()
        if not session.captured:
            raise BenchError(f"{tool.name} captured nothing")
        expected = matching(bench, setup, load["sent"])
        values[tool.name] = (cpu / session.captured,
                             lost_share(session, expected) if expected else None)
    return values


def loss(bench, setup, tools):
    values = {}
    for tool in tools:
        with bench.session(tool, setup) as session:
            load = bench.run_load(setup, prefix=bench.load_prefix)
            session.wait_quiet()
        values[tool.name] = 100 * lost_share(session, load["sent"])
        bench.rates.setdefault(tool.name, []).append(load["sent"] / load["seconds"])
    return values


def too_many(settings, setup, bench):
    """Three times what the buffer would hold if it held nothing but bytes."""
    kept = min(bench.number(setup, "size"), settings.snap)
    return 3 * settings.buffer_mib * (1 << 20) // kept


def held(bench, setup, tools):
    """Packets that the kernel kept for a reader that stood still."""
    values = {}
    settings = bench.settings(setup)
    for tool in tools:
        with bench.session(tool, setup) as session:
            session.signal_reader(signal.SIGSTOP)
            try:
                sent = bench.run_load(setup, too_many(settings, setup, bench))["sent"]
            finally:
                session.signal_reader(signal.SIGCONT)
            session.wait_quiet()
        if session.captured >= sent:
            raise BenchError(f"{tool.name} held all {sent} packets: send more")
        values[tool.name] = session.captured
    return values


def dns_text(bench, setup, tools):
    """As cpu_per_packet(), but over the packets sent less those lost on the interface:
    with --dns nswatch counts as captured what it sees a second time as evidence."""
    values = {}
    count = bench.packets(setup)
    for tool in tools:
        settings = bench.settings(setup)
        settings.output = None
        settings.text = setup.get("text") and os.path.join(bench.arena.tmp, "text")
        with Session(bench.arena, tool, settings) as session:
            load = bench.arena.load("dns", bench.load_prefix, count=count, bursts=1,
                                    rate=bench.number(setup, "rate"))
            session.wait_quiet()
            cpu = session.cpu()
        if not session.captured:
            raise BenchError(f"{tool.name} captured nothing")
        packets = session.worked_on(load["sent"])
        if not packets:
            raise BenchError(f"{tool.name} lost as many packets as were sent")
        values[tool.name] = (cpu / packets * setup.get("per", 1), 1 - packets / load["sent"])
        if settings.text:
            os.unlink(settings.text)
    return values


def start_iperf_server(bench):
    if not shutil.which("iperf3"):
        raise BenchError("iperf3 is not installed")
    server = bench.arena.popen(["iperf3", "-s"], bench.arena.gen_cpu, arena.PEER,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    return server


def iperf(bench):
    """Bits a second received."""
    argv = ["iperf3", "-c", arena.ADDRESSES[arena.PEER][2], "-J", "-t",
            "1" if bench.quick else "3", *os.environ.get("IPERF_ARGS", "").split()]
    client = bench.arena.popen(argv, bench.arena.gen_cpu, arena.WORKLOAD,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out, _ = client.communicate(timeout=60)
    finally:
        bench.arena.end(client)
    found = json.loads(out)
    if "error" in found:
        raise BenchError(f"iperf3: {found['error']}")
    return found["end"]["sum_received"]["bits_per_second"] / 1e9


def throughput(bench, setup, tools):
    server = start_iperf_server(bench)
    try:
        values = {"none": iperf(bench)}
        for tool in tools:
            with bench.session(tool, setup) as session:
                rate = iperf(bench)
            total = session.captured + session.lost
            values[tool.name] = (rate, session.lost / total if total else None)
    finally:
        bench.arena.end(server)
    return values


def latency(bench, setup, tools):
    """Both percentiles: {tool: {"p50": ..., "p99": ...}}."""
    def ask():
        found = bench.arena.load("rr", bench.load_prefix, count=bench.packets(setup),
                                 size=bench.number(setup, "size"),
                                 gap_us=bench.number(setup, "gap_us"))
        return {key: found[key] for key in ("p50", "p99")}

    values = {"none": ask()}
    for tool in tools:
        with bench.session(tool, setup):
            values[tool.name] = ask()
    return values


def wakeups(bench, setup, tools):
    """All tools at once: each one's context switches are its own."""
    seconds = 3 if bench.quick else 10
    sessions = [bench.session(tool, setup) for tool in tools]
    started = []
    try:
        for session in sessions:
            started.append(session.__enter__())
        time.sleep(2)
        before = [switches(session.proc.pid) for session in sessions]
        time.sleep(seconds)
        after = [switches(session.proc.pid) for session in sessions]
    finally:
        for session in started:
            bench.arena.end(session.proc, signal.SIGINT)
    return {tool.name: difference(a, b) / seconds
            for tool, a, b in zip(tools, after, before)}


def le(against, limit):
    return Target(against, "<=", limit)


def ge(against, limit):
    return Target(against, ">=", limit)


CAPTURE = ("tcpdump", "dumpcap")

ROWS = [
    Row("1", "added time per packet, 64 B in", "ns", added_ns, [le("tcpdump", 0.45)],
        CAPTURE, size=64, packets=1_000_000),
    Row("2", "the same, 1514 B in, full snap", "ns", added_ns, [le("tcpdump", 0.50)],
        CAPTURE, size=1514, packets=1_000_000),
    Row("3", "the same, 64 B out, UDP flood", "ns", added_ns,
        [le("tcpdump", 0.35), le("dumpcap", 0.25)], CAPTURE, load="udp", size=64,
        packets=400_000),
    Row("4in", "the same, `port 53` and none matches, in", "ns", added_ns,
        [le("tcpdump", 0.45)], CAPTURE, expr="port 53", size=64, packets=1_000_000),
    Row("4out", "the same, out", "ns", added_ns, [le("tcpdump", 0.35)], CAPTURE,
        load="udp", expr="port 53", size=64, packets=400_000),
    Row("4dnsin", "as 4in, nswatch with --dns instead", "ns", added_ns,
        [le("tcpdump", 0.45)], twice=False, dns=True, expr="port 53", size=64,
        packets=1_000_000),
    Row("4dnsout", "as 4out, nswatch with --dns instead", "ns", added_ns,
        [le("tcpdump", 0.35)], twice=False, dns=True, expr="port 53", load="udp", size=64,
        packets=400_000),
    Row("5null", "CPU per captured packet, 96 B snap, /dev/null", "ns", cpu_per_packet,
        [le("tcpdump", 0.30), le("dumpcap", 0.07)], CAPTURE, size=128, snap=96,
        rate=300_000, packets=400_000),
    Row("5file", "the same, to a tmpfs file", "ns", cpu_per_packet,
        [le("tcpdump", 0.50), le("dumpcap", 0.07)], CAPTURE, size=128, snap=96,
        rate=300_000, packets=400_000, output="tmpfs"),
    Row("6", "CPU per packet, 1400 B, to a tmpfs file", "ns", cpu_per_packet,
        [le("tcpdump", 0.30)], CAPTURE, size=1400, rate=150_000, packets=200_000,
        output="tmpfs"),
    Row("7small", "packets lost at 2 M/s, 64 B, 8 MiB", "%", loss,
        [le(None, 0), le("tcpdump", 1)], CAPTURE, twice=False, size=64, rate=2_000_000,
        packets=4_000_000),
    Row("7full", "the same, 1514 B, full snap", "%", loss,
        [le(None, 0), le("tcpdump", 1)], CAPTURE, twice=False, size=1514, rate=2_000_000,
        packets=2_000_000),
    Row("8small", "held in 2 MiB, reader stopped, 60 B", "packets", held,
        [ge("tcpdump", 1.5)], CAPTURE, twice=False, fixed=True, size=60, buffer=2),
    Row("8snap", "the same, 106 B cut to 96", "packets", held, [ge("tcpdump", 1.4)],
        CAPTURE, twice=False, fixed=True, size=106, snap=96, buffer=2),
    Row("8full", "the same, 1442 B", "packets", held, [ge("tcpdump", 1.03)], CAPTURE,
        twice=False, fixed=True, size=1442, buffer=2),
    Row("9", "CPU per DNS packet printed as text", "ns", dns_text,
        [le("tshark", 0.12), le("tcpdump", 0.25)], ("tcpdump", "tshark"),
        expr="port 53", rate=5_000, packets=15_000),
    Row("10snap", "iperf3 TCP, 96 B snap", "Gbit/s", throughput, [ge("none", 0.97)],
        CAPTURE, snap=96),
    Row("10full", "the same, full snap", "Gbit/s", throughput, [ge("tcpdump", 1)], CAPTURE),
    Row("11", "TCP request and response", "us", latency, [le("tcpdump", 1)], CAPTURE,
        size=64, packets=40_000),
    Row("13", "CPU per transaction, --dns at 50 k/s to a file", "ns", dns_text,
        [le("tshark", 0.12)], ("tshark",), twice=False, dns=True, text=True, expr="port 53",
        rate=50_000, packets=1_000_000, per=2, fixed=True),
    Row("12", "wake-ups a second when idle", "/s", wakeups, [le(None, 0)], CAPTURE,
        twice=False, fixed=True),
    Row("14attach", "500 namespaces of 2 interfaces, --all --dns: attached after", "s", fleet,
        [le(None, 2)], (), twice=False, fixed=True, what="attach"),
    Row("14memory", "the same: memory of all processes", "MiB", fleet, [le(None, 64)], (),
        twice=False, fixed=True, what="memory"),
    Row("14idle", "the same: wake-ups a second when idle", "/s", fleet, [le(None, 0)], (),
        twice=False, fixed=True, what="idle"),
    Row("14more", "the same: one more is attached after", "ms", fleet, [le(None, 50)], (),
        twice=False, fixed=True, what="more"),
    Row("15", "from the start to the first packet", "ms", first_packet, [le(None, 100)],
        ("tcpdump",), twice=False),
]

# Rows whose frames come in through XDP, which veth takes with GRO alone.
WITH_GRO = (added_ns, cpu_per_packet, loss, held)
PROFILED = (added_ns, cpu_per_packet, loss, dns_text)

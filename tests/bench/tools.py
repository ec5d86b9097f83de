# SPDX-License-Identifier: GPL-2.0-only
"""The capture tools: how each is started, when it is ready, what it counted,
and what /proc says that it cost."""

import glob
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

import arena
from arena import BenchError, WORKLOAD

DEVICE = arena.ADDRESSES[WORKLOAD][0]
SETTLE = 0.2  # seconds between "ready" and the first packet


class Settings:
    """What is asked of every tool alike. output: a path, or None: text on
    stdout, which goes to text, a path, or to /dev/null. dns: by --dns where
    there is such a thing, by the expression elsewhere."""

    def __init__(self, snap, buffer_mib, output="/dev/null", expr="", dns=False, text=None):
        self.snap = snap
        self.buffer_mib = buffer_mib
        self.output = output
        self.expr = expr
        self.dns = dns
        self.text = text


class Tool:
    comms = ()       # its processes' names
    ready = None     # what stderr says when capturing has begun
    captured = None  # at the end; lost: the same
    lost = None
    statuses = (0,)
    tail = 0.2       # seconds until it has seen a packet, however few there are

    def __init__(self, name):
        self.name = name

    def available(self):
        return shutil.which(self.command()[0]) is not None

    def command(self):
        return [self.name.rstrip("'")]

    def version(self):
        done = subprocess.run([*self.command(), "--version"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        return (done.stdout or done.stderr).splitlines()[0]

    def reader(self, pid):
        """The process that takes packets out of the kernel."""
        return pid

    def lost_here(self, log, lost):
        """Of what it lost, what was lost on the interface under test."""
        return lost


class Tcpdump(Tool):
    netns = WORKLOAD
    comms = ("tcpdump",)
    tail = 1.2  # pcap_set_timeout(1000): the last block is handed over that late
    ready = r"listening on "
    captured = r"(\d+) packets? captured"
    lost = r"(\d+) packets? dropped by (?:kernel|interface)"

    def argv(self, s):
        # -Z root: no other user may write to the directory.
        argv = [*self.command(), "-n", "-i", DEVICE, "-Z", "root", "-s", s.snap,
                "-B", s.buffer_mib * 1024]
        return argv + (["-w", s.output] if s.output else []) + s.expr.split()


class Dumpcap(Tool):
    netns = WORKLOAD
    comms = ("dumpcap",)
    tail = 0.5
    ready = r"^File: "
    captured = r"received/dropped on interface .*: (\d+)/"
    lost = r"received/dropped on interface .*: \d+/(\d+)"

    def argv(self, s):
        argv = [*self.command(), "-q", "-i", DEVICE, "-s", s.snap, "-B", s.buffer_mib]
        if os.environ.get("FORMAT") == "pcap":
            argv.append("-P")
        return argv + ["-w", s.output] + (["-f", s.expr] if s.expr else [])


class Tshark(Tool):
    netns = WORKLOAD
    comms = ("tshark", "dumpcap")
    tail = 1.2
    ready = r"Capture started"
    captured = r"(\d+) packets? captured"
    lost = r"(\d+) packets? dropped"

    def argv(self, s):
        argv = [*self.command(), "-n", "-i", DEVICE, "-s", s.snap, "-B", s.buffer_mib]
        argv += (["-w", s.output] if s.output else []) + (["-f", s.expr] if s.expr else [])
        return argv + (["-Y", "dns"] if s.dns else [])


class Nswatch(Tool):
    netns = None
    ready = r"watching "
    captured = r"(\d+) (?:written|captured(?!.* written))"
    lost = r"captured, (\d+) lost(?:.* (\d+) lost in writing)?"
    comms = ("nswatch", "nswatch-collect")
    statuses = (0, 1)  # 1: not all that was captured could be written

    def __init__(self, name, path):
        super().__init__(name)
        self.path = os.path.abspath(path)

    def command(self):
        return [self.path]

    def argv(self, s):
        argv = [self.path, f"netns:{WORKLOAD}", "-i", DEVICE, "-s", s.snap, "-B", s.buffer_mib]
        if os.environ.get("FORMAT"):
            argv += ["-F", os.environ["FORMAT"]]
        argv += shlex.split(os.environ.get("NSWATCH_ARGS", ""))
        if s.output:
            argv += ["-w", s.output]
        return argv + (["--dns"] if s.dns else s.expr.split())

    def reader(self, pid):
        below = [p for p in family(pid) if p != pid]
        if len(below) != 1:
            raise BenchError(f"nswatch has {len(below)} child processes, not one")
        return below[0]

    def lost_here(self, log, lost):
        """Evidence from the veth's other end is in the sum; the table, which is there if
        anything was lost, has a row for each: seen, matched, captured."""
        row = re.search(rf"^nswatch:   \S+/{DEVICE} +\d+ +(\d+) +(\d+)", log, re.M)
        return int(row.group(1)) - int(row.group(2)) if row else lost


def family(pid):
    """pid and all its descendants."""
    parent = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                number, rest = f.read().split(" ", 1)
        except OSError:
            continue
        parent[int(number)] = int(rest.rsplit(")", 1)[1].split()[1])
    found = [pid]
    for each in found:
        found += [p for p, of in parent.items() if of == each]
    return found


def threads(pid, name):
    """{thread: contents of /proc/.../task/THREAD/name} of pid's family."""
    found = {}
    for process in family(pid):
        for path in glob.glob(f"/proc/{process}/task/*/{name}"):
            try:
                with open(path) as f:
                    found[path] = f.read()
            except OSError:
                pass
    return found


def cpu_ns(pid):
    """Time on a core, user and system, of each thread: to the nanosecond."""
    return {path: int(text.split()[0]) for path, text in threads(pid, "schedstat").items()}


def switches(pid):
    """Context switches of each thread: how often it stopped running."""
    return {path: sum(int(n) for n in re.findall(r"ctxt_switches:\s*(\d+)", text))
            for path, text in threads(pid, "status").items()}


def difference(after, before):
    return sum(value - before.get(path, 0) for path, value in after.items())


class Session:
    """One run of a tool: `with Session(...) as s: ...; s.captured`."""

    def __init__(self, where, tool, settings):
        self.arena = where
        self.tool = tool
        self.settings = settings
        self.captured = self.lost = self.lost_here = None
        self.proc = None

    def __enter__(self):
        self.log_path = os.path.join(self.arena.tmp, f"{self.tool.name}.log")
        with open(self.log_path, "w") as log, \
                open(self.settings.text or os.devnull, "w") as stdout:
            self.proc = self.arena.popen(
                self.tool.argv(self.settings), self.arena.tool_cpu, self.tool.netns,
                stdout=stdout, stderr=log,
                env={**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": self.arena.tmp})
        try:
            self._wait_ready()
        except BaseException:
            self.arena.end(self.proc)
            raise
        self.before = cpu_ns(self.proc.pid)
        return self

    def _log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def _fail(self, what):
        raise BenchError(f"{self.tool.name} {what}: {self._log().strip()[-400:]}")

    def _wait_ready(self):
        end = time.monotonic() + 20
        while not re.search(self.tool.ready, self._log(), re.M):
            if self.proc.poll() is not None:
                self._fail("does not start")
            if time.monotonic() > end:
                self._fail("is not ready after 20 s")
            time.sleep(0.01)
        time.sleep(SETTLE)

    def cpu(self):
        """Nanoseconds on a core since it was ready."""
        return difference(cpu_ns(self.proc.pid), self.before)

    def wait_quiet(self, timeout=30):
        """Until it has worked off what it has got."""
        end = time.monotonic() + timeout
        time.sleep(self.tool.tail)
        last = self.cpu()
        while time.monotonic() < end:
            time.sleep(0.15)
            now = self.cpu()
            if now - last < 1_500_000:
                return
            last = now

    def signal_reader(self, sig):
        os.kill(self.tool.reader(self.proc.pid), sig)

    def __exit__(self, kind, *exc):
        self.arena.end(self.proc, signal.SIGINT)
        output = self.settings.output
        if output and output.startswith(self.arena.tmp):
            for path in glob.glob(glob.escape(output) + "*"):
                os.unlink(path)
        if kind is None:
            self._read_books()

    def _read_books(self):
        log = self._log()
        captured = re.search(self.tool.captured, log)
        lost = re.search(self.tool.lost, log)
        if self.proc.returncode not in self.tool.statuses or not captured:
            self._fail(f"ended with status {self.proc.returncode}")
        self.captured = int(captured.group(1))
        self.lost = sum(int(n) for n in lost.groups() if n) if lost else 0
        self.lost_here = self.tool.lost_here(log, self.lost)

    def worked_on(self, sent):
        """How many of the packets sent it had to deal with, each counted once."""
        return max(0, sent - self.lost_here)

# SPDX-License-Identifier: GPL-2.0-only
"""Running nswatch in the lab, and judging what it said and left behind."""

import ctypes
import datetime
import json
import os
import platform
import re
import signal
import struct
import subprocess
import tempfile

from lab import HERE as LAB_DIR
from lab import ROOT, LabError, read_bytes, wait_for

NSWATCH = os.path.abspath(os.environ.get("NSWATCH") or os.path.join(ROOT, "nswatch"))

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]

BOOKS = re.compile(
    r"^nswatch: (?P<seen>\d+) seen, (?P<matched>\d+) matched, "
    r"(?P<captured>\d+) captured, (?P<lost>\d+) lost "
    r"\((?P<ring_full>\d+) ring full, (?P<load_failed>\d+) load failed\)"
    r"(?:, (?P<not_matching>\d+) not matching)?(?:, (?P<after_the_end>\d+) after the end)?"
    r"(?:, (?P<host_end>\d+) of the host's end)?"
    r"(?:, (?P<written>\d+) written, (?P<lost_in_writing>\d+) lost in writing)?$", re.M)
ROW = re.compile(r"^nswatch:   (\S+/\S+(?: \(host end\))?)((?: +\d+)+)(?:  .*% lost)?$", re.M)
HEADING = re.compile(r"^nswatch:   interface  +(.*)$", re.M)
ATTACHED = re.compile(r"^nswatch: watching (.*)$", re.M)


def balance(books):
    """Nothing is lost uncounted, and it is known what became of the rest."""
    assert books["matched"] == books["captured"] + \
        books["ring_full"] + books["load_failed"], books
    assert books.get("lost") in (None, books["ring_full"] + books["load_failed"])
    if books.get("written") is not None:
        assert books["captured"] == sum(
            books.get(k) or 0 for k in ("not_matching", "after_the_end", "host_end",
                                        "written", "lost_in_writing")), books


class Result:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def books(self):
        """The counts nswatch ends with, checked against each other."""
        found = BOOKS.findall(self.err)
        assert len(found) == 1, f"one line of books expected in:\n{self.err}"
        books = {k: int(v)
                 for k, v in BOOKS.search(self.err).groupdict().items() if v}
        balance(books)
        return books

    @property
    def books_by_interface(self):
        """The table below them, {"php/eth0": {"seen": 3, ...}}, checked against the
        total; empty if there is none."""
        heading = HEADING.findall(self.err)
        assert len(heading) <= 1
        if not heading:
            return {}
        names = [name.replace(" ", "_") for name in re.split("  +", heading[0])]
        table = {}
        for name, figures in ROW.findall(self.err):
            table[name] = dict(zip(names, map(int, figures.split()), strict=True))
        total = self.books
        for name in names:
            assert sum(row[name] for row in table.values()) == total[name], (table, total)
        return table

    @property
    def objects(self):
        """The NDJSON on stdout: every line an object whose first key is type."""
        objects = []
        for line in self.lines:
            pairs = json.loads(line, object_pairs_hook=list)
            assert pairs and pairs[0][0] == "type", line
            objects.append(json.loads(line))
        return objects

    def of_type(self, kind):
        return [o for o in self.objects if o["type"] == kind]

    @property
    def all_codes(self):
        """The codes of the findings, each once, in order."""
        return list(dict.fromkeys(f["code"] for f in self.of_type("finding")))

    @property
    def codes(self):
        """Without STUB-CONFIG: what traffic showed. That one is said at the
        start of every run in a namespace that would use the host's file."""
        return [code for code in self.all_codes if code != "STUB-CONFIG"]

    @property
    def complaints(self):
        """What stderr says beyond the usual: errors, without their hint."""
        usual = re.compile(r"^nswatch: (watching |\d+ seen,|  try: |\S+: \S+ appeared,"
                           r"|\S+: (its network namespace is gone|gone|back in |no veth pair )|\S+: \S+ is called "
                           r"|  interface  |  \S+/\S+.* \d|  and \d+ more )")
        return [line for line in self.err.splitlines() if not usual.match(line)]


class Watch:
    """A running nswatch. Its output goes to files: nothing blocks, and what
    it has said so far can be looked at any time."""

    def __init__(self, lab, args, env=None, attach=True, stdout=None, prefix=(),
                 cwd=None, binary=NSWATCH):
        self.lab = lab
        self.dir = tempfile.mkdtemp(dir=lab.tmp)
        os.chmod(self.dir, 0o755)
        self._stdout = stdout
        self.argv = [*prefix, binary, *map(str, args)]
        with open(self._path("out"), "wb") as out, \
                open(self._path("err"), "wb") as err:
            self.proc = lab.popen(self.argv, stdout=stdout or out, stderr=err,
                                  env=env, cwd=cwd)
        self.pid = self.proc.pid
        if attach:
            self.wait_attached()

    def _path(self, name):
        return os.path.join(self.dir, name)

    @property
    def out(self):
        return read_bytes(self._path("out")).decode(errors="replace")

    @property
    def raw_out(self):
        return read_bytes(self._path("out"))

    @property
    def err(self):
        return read_bytes(self._path("err")).decode(errors="replace")

    def wait_attached(self, timeout=60):
        """Returns the names after "watching", "php: eth0, lo"."""
        def attached():
            done = self.proc.poll() is not None
            found = ATTACHED.search(self.err)
            if done and not found:
                raise LabError(f"{self.argv} ended with {self.proc.returncode} "
                               f"before it watched:\n{self.err}")
            return found
        return wait_for("nswatch to attach", attached, timeout).group(1)

    def wait_out(self, pattern, timeout=30, stream="out"):
        """Waits for a line on stdout (or err) that matches."""
        regex = re.compile(pattern, re.M)
        try:
            return wait_for(pattern, lambda: regex.search(getattr(self, stream)),
                            timeout)
        except LabError as e:
            raise LabError(f"{e}\nstdout:\n{self.out}\nstderr:\n{self.err}") \
                from None

    @property
    def collector(self):
        """The pid of the child that parses packets."""
        def find():
            for pid in children(self.pid):
                if comm(pid) == "nswatch-collect":
                    return pid
            return None
        return wait_for("the collector", find)

    def wait(self, timeout=60):
        try:
            status = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.argv} does not end:\n{self.out}\n{self.err}") \
                from None
        return Result(status, self.out, self.err)

    def stop(self, sig=signal.SIGINT, timeout=60):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        return self.wait(timeout)

    def kill(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()


def comm(pid):
    return read_bytes(f"/proc/{pid}/comm").decode().strip()


def children(pid):
    return [int(p) for p in
            read_bytes(f"/proc/{pid}/task/{pid}/children").split()]


def status_of(pid):
    return dict(line.split(":\t", 1) for line in
                read_bytes(f"/proc/{pid}/status").decode().splitlines()
                if ":\t" in line)


def bpf_objects(pid, kind):
    """The ids of the programs, maps or links that a process holds."""
    ids = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        info = read_bytes(f"/proc/{pid}/fdinfo/{fd}").decode(errors="replace")
        found = re.search(rf"^{kind}_id:\s+(\d+)", info, re.M)
        if found:
            ids.add(int(found.group(1)))
    return ids


def bpf_ids(kind):
    """All ids of that kind on the machine, asked of the kernel itself: bpftool
    gives up when one goes while it looks."""
    libc = ctypes.CDLL(None, use_errno=True)
    command = {"prog": 11, "map": 12, "link": 31}[kind]  # BPF_*_GET_NEXT_ID
    ids, attr = set(), ctypes.create_string_buffer(12)
    while libc.syscall(SYS_BPF, command, attr, 12) == 0:
        last, = struct.unpack_from("=I", attr.raw, 4)
        ids.add(last)
        struct.pack_into("=I", attr, 0, last)
    return ids


class Footprint:
    """What a watching nswatch holds in the kernel; gone() waits until all of
    it is gone (the kernel frees programs a moment after the last reference)."""

    KINDS = ("prog", "map", "link")

    def __init__(self, watch):
        pids = [watch.pid] + children(watch.pid)
        self.ids = {kind: set().union(*(bpf_objects(p, kind) for p in pids))
                    for kind in self.KINDS}
        assert self.ids["prog"], "no BPF program: is it watching at all?"

    def gone(self):
        for kind in self.KINDS:
            wait_for(f"{kind}s {sorted(self.ids[kind])} to go",
                     lambda: not self.ids[kind] & bpf_ids(kind))


def network_state(lab, ns=None):
    """All that somebody who watches could leave behind in a namespace: links
    with their flags and qdiscs, filters, TCX programs, namespace ids."""
    def sh(*cmd):
        return lab.run(cmd, ns=ns, check=False).stdout

    def bpftool():
        """It gives up when a program of anybody goes while it looks."""
        done = lab.run(["bpftool", "net", "show"], ns=ns, check=False)
        return done.returncode == 0 and done.stdout

    def sorted_out(link):
        """Without what changes by itself: carrier, a while after the fact."""
        link = {k: v for k, v in link.items() if k not in ("linkinfo", "operstate")}
        link["flags"] = sorted(set(link["flags"]) - {"LOWER_UP", "NO-CARRIER"})
        return link

    links = json.loads(sh("ip", "-j", "-d", "link", "show"))
    state = {
        "links": list(map(sorted_out, links)),
        "qdiscs": sh("tc", "qdisc", "show"),
        "tcx": sh("/usr/bin/python3", os.path.join(LAB_DIR, "bpfstate.py")),
        "bpftool": wait_for("bpftool to see all", bpftool),
        "nsids": sh("ip", "netns", "list-id"),
        "addresses": [(link["ifname"], [a["local"] for a in link["addr_info"]])
                      for link in json.loads(sh("ip", "-j", "addr", "show"))],
    }
    for link in links:
        for where in ("ingress", "egress"):
            state[f"{link['ifname']} {where}"] = sh(
                "tc", "filter", "show", "dev", link["ifname"], where)
    return state


def tshark_fields(path, *fields, display=None, decode_as=None):
    cmd = ["tshark", "-n", "-r", path, "-T", "fields"]
    if decode_as:
        cmd += ["-d", decode_as]
    for field in fields:
        cmd += ["-e", field]
    if display:
        cmd += ["-Y", display]
    done = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True)
    assert done.returncode == 0, f"tshark: {done.stderr}"
    return [line.split("\t") for line in done.stdout.splitlines()]


def assert_counts_clean(path):
    """capinfos reads the file without a complaint; the count."""
    done = subprocess.run(["capinfos", "-Mc", path], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr or done.stdout
    return int(re.search(r"Number of packets:\s+(\d+)", done.stdout).group(1))


def assert_opens_clean(path):
    """The same, and tshark too; half a minute for a million packets."""
    count = assert_counts_clean(path)
    done = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", "-e",
                           "frame.number"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    noise = [line for line in done.stderr.splitlines()
             if "Running as user" not in line]
    assert done.returncode == 0 and not noise, done.stderr
    assert len(done.stdout.splitlines()) == count
    return count


def parse_time(text):
    """Seconds since the epoch, from RFC 3339 with nanoseconds."""
    whole, fraction = text.removesuffix("Z").split(".")
    moment = datetime.datetime.fromisoformat(whole + "+00:00")
    return moment.timestamp() + int(fraction) / 1e9


def strings(value):
    """Every string in a JSON value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return []
    return [s for each in value for s in strings(each)]


LOOKUP = ["getent", "ahosts", "www.example.test"]

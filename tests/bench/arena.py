# SPDX-License-Identifier: GPL-2.0-only
"""Where the benchmark runs: two network namespaces joined by a veth pair.

    nsw-bench-load   the workload: eth0 10.99.0.1, what the tools capture on
    nsw-bench-peer   the other end: gen0 10.99.0.2

Their names, the tmpfs that output files go to and every process started live in
a mount and a pid namespace of their own. So whatever ends the benchmark, SIGKILL
included, the kernel leaves nothing behind; and two of them do not meet.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
MS_REC_PRIVATE = 0x4000 | 0x40000
PR_SET_PDEATHSIG = 1

WORKLOAD = "nsw-bench-load"
PEER = "nsw-bench-peer"
ADDRESSES = {
    # namespace: (device, its MAC, its address)
    WORKLOAD: ("eth0", "02:00:00:00:77:01", "10.99.0.1"),
    PEER: ("gen0", "02:00:00:00:77:02", "10.99.0.2"),
}
# On the link by address only: see NOBODY_ADDR in load.h.
NOBODY = ("10.99.0.3", "02:00:00:00:77:ff")

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NICE = -10
TMP = "/dev/shm"  # a tmpfs of ours there; the directory is on every system

libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    pass


def libc_call(what, result):
    if result != 0:
        raise BenchError(f"{what}: {os.strerror(ctypes.get_errno())}")


def netns_path(name):
    return f"/run/netns/{name}"


def mount(fstype, where, options=b""):
    libc_call(f"mount {where.decode()}", libc.mount(b"nsw-bench", where, fstype, 0, options))


def stop(number, _):
    """The first signal leads out through all the cleaning up; more are ignored."""
    for sig in STOPS:
        signal.signal(sig, signal.SIG_IGN)
    sys.exit(128 + number)


def confine():
    """Goes on in a child that is the first process of a pid namespace, with
    mounts of its own. The parent stays to hand on signals and the status."""
    if os.geteuid() != 0:
        raise BenchError("needs root: it makes namespaces")
    os.makedirs("/run/netns", exist_ok=True)
    libc_call("unshare", libc.unshare(CLONE_NEWNS | CLONE_NEWPID))
    libc_call("mount /", libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None))
    child = os.fork()
    if child == 0:
        os.setsid()  # signals come from the parent alone, once
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        mount(b"proc", b"/proc")
        mount(b"tmpfs", b"/run/netns", b"mode=755")
        mount(b"tmpfs", TMP.encode(), b"size=4g,mode=755")
        for sig in STOPS:
            signal.signal(sig, stop)
        return
    for sig in STOPS:
        signal.signal(sig, lambda number, _: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def child_of_ours(cpu):
    """For preexec_fn: on this core, with default signals. Load and tools alike
    go before what else the machine does."""
    def prepare():
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, signal.SIG_DFL)
        os.sched_setaffinity(0, {cpu})
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    return prepare


class Arena:
    def __init__(self, load, gen_cpu, tool_cpu):
        self.load_program = os.path.abspath(load)
        self.gen_cpu = gen_cpu
        self.tool_cpu = tool_cpu
        self.tmp = TMP
        self.processes = []

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for proc in list(self.processes):
            self.end(proc)
        for name in ADDRESSES:
            self._run("ip", "netns", "del", name, check=False)

    def _run(self, *argv, check=True):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise BenchError(f"{' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def _ip(self, name, *words):
        self._run("ip", "-n", name, *words)

    def _build(self):
        for name in ADDRESSES:
            self._run("ip", "netns", "add", name)
            # No packet but the load's: an idle link is to be idle.
            for who in ("all", "default"):
                self._run("ip", "netns", "exec", name, "sysctl", "-qw",
                          f"net.ipv6.conf.{who}.disable_ipv6=1")
            self._ip(name, "link", "set", "lo", "up")
        (dev, mac, _), (peer_dev, peer_mac, _) = ADDRESSES.values()
        self._ip(WORKLOAD, "link", "add", dev, "address", mac, "type", "veth", "peer",
                 "name", peer_dev, "netns", PEER, "address", peer_mac)
        for name, (dev, _, addr) in ADDRESSES.items():
            self._ip(name, "addr", "add", f"{addr}/24", "dev", dev)
            self._ip(name, "link", "set", dev, "up")
        neighbours = [(WORKLOAD, ADDRESSES[PEER][2], peer_mac), (WORKLOAD, *NOBODY),
                      (PEER, ADDRESSES[WORKLOAD][2], mac)]
        for name, addr, lladdr in neighbours:
            self._ip(name, "neigh", "add", addr, "lladdr", lladdr, "dev",
                     ADDRESSES[name][0], "nud", "permanent")

    # Running things

    def popen(self, argv, cpu, netns=None, **kw):
        """Popen; the pid is that of argv itself."""
        if netns:
            argv = ["nsenter", f"--net={netns_path(netns)}", "--", *argv]
        kw.setdefault("stdin", subprocess.DEVNULL)
        proc = subprocess.Popen([str(word) for word in argv], start_new_session=True,
                                preexec_fn=child_of_ours(cpu), **kw)
        self.processes.append(proc)
        return proc

    def end(self, proc, sig=signal.SIGKILL, timeout=30):
        """Ends one process of ours, however it takes it."""
        if proc.poll() is None:
            proc.send_signal(sig)
            try:
                proc.wait(timeout)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
        if proc in self.processes:
            self.processes.remove(proc)

    def load(self, kind, prefix=(), **fields):
        """Runs a generator to its end; prefix: a command that runs it."""
        dev = ADDRESSES[WORKLOAD if kind == "gro" else PEER][0]
        argv = [*prefix, self.load_program, kind, f"workload={netns_path(WORKLOAD)}",
                f"peer={netns_path(PEER)}", f"dev={dev}"]
        argv += [f"{name}={value}" for name, value in fields.items()]
        proc = self.popen(argv, self.gen_cpu, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
        try:
            out, err = proc.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            raise BenchError(f"load {kind} takes more than two minutes") from None
        finally:
            self.end(proc)
        if proc.returncode != 0:
            raise BenchError(f"load {kind}: {err.strip()}")
        return json.loads(out) if out.strip() else None

    def set_gro(self, on):
        self.load("gro", on=int(on))

    def received(self):
        """Packets that the workload's interface has taken so far."""
        out = self._run("ip", "-n", WORKLOAD, "-s", "-j", "link", "show", "dev",
                        ADDRESSES[WORKLOAD][0])
        return json.loads(out)[0]["stats64"]["rx"]["packets"]

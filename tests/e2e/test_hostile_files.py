# SPDX-License-Identifier: GPL-2.0-only
"""A container's resolv.conf belongs to whoever is in it. Whatever it is, nswatch
goes on at once, with little memory, and reads nothing that is not the container's."""

import concurrent.futures
import ctypes
import json
import os
import re
import subprocess
import time

import pytest

from lab import UPSTREAM4, wait_for
from watching import NSWATCH, Watch

SECRET = "203.0.113.77"  # the server that the host's /etc/shadow names
GOOD = f"nameserver {UPSTREAM4}"

# How the kernel refuses a link of /proc that is more than a path.
NO_MAGIC = "symbolic links|Permission denied|cross-device"

# Of the container: what makes its /etc/resolv.conf, run in what becomes its root; what
# nswatch says of it (a pattern's words), and the servers that it shows.
FILES = {
    "plain": (f"echo {GOOD} >etc/resolv.conf", None, [UPSTREAM4]),
    "huge": (f"yes {GOOD} | head -c 50M >etc/resolv.conf", "File too large", []),
    "zeros": ("truncate -s 50M etc/resolv.conf", "File too large", []),
    "fifo": ("mkfifo etc/resolv.conf", "Invalid argument", []),
    "socket": ("/usr/bin/python3 -c \"import socket; "
               "socket.socket(socket.AF_UNIX).bind('etc/resolv.conf')\"", "Invalid argument", []),
    "absolute": ("ln -s /etc/shadow etc/resolv.conf", "is not there, so libc asks 127.0.0.1", ["127.0.0.1"]),
    "dots": ("ln -s ../../../../../../../../etc/shadow etc/resolv.conf", "is not there, so libc asks 127.0.0.1", ["127.0.0.1"]),
    "proc": ("ln -s /proc/1/root/etc/shadow etc/resolv.conf", NO_MAGIC, []),
    "fds": ("ln -s /proc/self/fd/0 etc/resolv.conf", NO_MAGIC, []),
    "loop": ("ln -s resolv.conf etc/resolv.conf", "symbolic links", []),
    "device": ("mknod etc/resolv.conf c 1 5", "Invalid argument", []),
    "folder": ("mkdir etc/resolv.conf", "Invalid argument", []),
    "nuls": (f"printf 'nameserver\\0 192.0.2.1\\n{GOOD}\\n\\0\\0' >etc/resolv.conf", None,
             [UPSTREAM4]),
    "many": (f"yes {GOOD} | head -n 10000 >etc/resolv.conf", "File too large", []),
    "many-that-fit": ("yes nameserver 10.0.0.1 | head -n 3000 >etc/resolv.conf", None,
                      ["10.0.0.1"] * 8),
    "unended": (f"printf '{GOOD}' >etc/resolv.conf", None, [UPSTREAM4]),
    "one-line": ("{ printf 'nameserver '; head -c 5M /dev/zero | tr '\\0' 1; } "
                 ">etc/resolv.conf", "File too large", []),
    "escapes": (f"printf 'search \\033[31m\\a\\n{GOOD}\\n' >etc/resolv.conf", None, [UPSTREAM4]),
    # Written, linked, moved over each other for as long as the container runs.
    "changing": (f"echo {GOOD} >etc/resolv.conf; echo {GOOD} >etc/good; mkfifo etc/fifo; "
                 f"ln -s /proc/1/root/etc/shadow etc/link; yes {GOOD} | head -c 1M >etc/big; "
                 "mknod etc/zero c 1 5", None, None),
}
CHANGE = """
import os
while True:
    for name in ("good", "fifo", "link", "big", "zero"):
        try:
            os.unlink("/etc/new")
        except OSError:
            pass
        if name == "link":
            os.symlink("/proc/1/root/etc/shadow", "/etc/new")
        else:
            os.link("/etc/" + name, "/etc/new")
        os.rename("/etc/new", "/etc/resolv.conf")
"""
# A query for the root's NS records.
ASK = ("import socket, time; socket.socket(type=socket.SOCK_DGRAM).sendto(bytes.fromhex("
       "'12340100000100000000000000000200 01'), ('127.0.0.1', 53)); time.sleep(0.5)")


class Container:
    """A network namespace, and a process in it with a root of its own."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.ns = lab.netns("h-" + name)
        lab._batch(["link set lo up"], ns=self.ns.path)
        last = f"exec /usr/bin/python3 -c '{CHANGE}'" if name == "changing" else "exec sleep 1000"
        self.proc = lab.popen(["unshare", "--mount", "--propagation", "private", "sh", "-ec", f"""
            d=$(mktemp -d /run/root.XXXXXX); mount -t tmpfs none $d; cd $d
            mkdir -p etc proc usr old; ln -s usr/bin usr/lib usr/lib64 .
            mount --rbind /usr usr; mount -t proc proc proc
            {FILES[name][0]}
            pivot_root . old; cd /; umount -l /old; : >/etc/ready
            {last}"""], ns=self.ns.path, stderr=subprocess.PIPE)
        self.target = f"pid:{self.proc.pid}"

    def wait(self):
        def ready():
            assert self.proc.poll() is None, self.proc.stderr.read()
            return os.path.exists(f"/proc/{self.proc.pid}/root/etc/ready")
        wait_for(f"the files of {self.name}", ready)

    def run(self, *cmd):
        return self.lab.run(["nsenter", "-t", str(self.proc.pid), "-n", "-m", "-r", *cmd])

    def remove(self):
        self.proc.kill()
        self.proc.wait()
        self.ns.remove()


class Reads:
    """Who opens or reads a file; to open it as a path alone is neither."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.fd, path.encode(), 0x21) >= 0  # IN_ACCESS | IN_OPEN

    def __bool__(self):
        try:
            return bool(os.read(self.fd, 65536))
        except BlockingIOError:
            return False


@pytest.fixture(scope="module")
def hostile(lab):
    lab.run(["sh", "-c", f"echo nameserver {SECRET} >>/etc/shadow"])  # the lab's own
    made = {}
    try:
        for name in FILES:
            made[name] = Container(lab, name)
        for each in made.values():
            each.wait()
        yield made
    finally:
        for each in made.values():
            each.remove()


class Checked:
    """nswatch check: what it says, how long it takes, how much memory (KiB)."""

    def __init__(self, lab, target, *options):
        # The words of popen() become one another by exec: its pid is nswatch's.
        with open(os.path.join(lab.tmp, f"check-{id(self)}"), "w+b") as f:
            began = time.monotonic()
            proc = lab.popen([NSWATCH, "check", target, *options], stdout=f, stderr=f)
            _, status, usage = os.wait4(proc.pid, 0)
            self.seconds = time.monotonic() - began
            f.seek(0)
            self.text = f.read().decode()
        self.status = proc.returncode = os.waitstatus_to_exitcode(status)
        self.memory = usage.ru_maxrss


def shows(text):
    facts, = [o for o in map(json.loads, text.splitlines()) if o["type"] == "facts"]
    return facts["resolv_conf"], [s["address"] for s in facts["nameservers"]]


def is_clean(text):
    return SECRET not in text and "root:" not in text and \
        not any(c < " " and c != "\n" for c in text)


def test_check(lab, hostile):
    reads = Reads(f"/proc/{lab.holder.pid}/root/etc/shadow")
    plain = Checked(lab, hostile["plain"].target)
    for name, (_, says, servers) in FILES.items():
        text = Checked(lab, hostile[name].target)
        as_json = Checked(lab, hostile[name].target, "--json")
        for each in (text, as_json):
            assert each.status in (0, 1, 3), (name, each.text)
            # An error to whoever asked whether all is well, unless there is no file.
            assert (each.status == 1) == bool(says and "not there" not in says) or \
                servers is None, (name, each.text)
            assert each.seconds < 2, (name, each.seconds)
            assert each.memory < plain.memory + 4096, (name, each.memory, plain.memory)
            assert is_clean(each.text), (name, each.text)
        if servers is None:
            continue
        file, asked = shows(as_json.text)
        assert asked == servers, (name, file)
        assert bool(file["error"]) == bool(says), (name, file)
        if name == "many-that-fit":  # one server, so one cause
            assert text.text.count("! UNREACHABLE") == 1
        if says:
            assert re.search(says, text.text), (name, text.text)
    assert not reads


def test_check_while_the_file_changes(lab, hostile):
    reads = Reads(f"/proc/{lab.holder.pid}/root/etc/shadow")
    seen = set()
    for _ in range(20):
        done = Checked(lab, hostile["changing"].target, "--json")
        assert done.seconds < 2 and is_clean(done.text), done.text
        file, asked = shows(done.text)
        assert set(asked) <= {UPSTREAM4}
        seen.add(file["error"])
    assert len(seen) > 1, seen  # it did change
    assert not reads


def test_lookups(lab, hostile):
    """The file is read at the start, and when one of the container's processes asks."""
    reads = Reads(f"/proc/{lab.holder.pid}/root/etc/shadow")
    w = Watch(lab, [",".join(c.target for c in hostile.values()), "--dns", "--json", "-l"])
    try:
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda c: c.run("/usr/bin/python3", "-c", ASK), hostile.values()))
        for c in hostile.values():
            w.wait_out(f'"finding".*"LOOPBACK-DEAD".*"{c.target}"|'
                       f'"finding".*"{c.target}".*"LOOPBACK-DEAD"')
        assert time.monotonic() - began < 15
        with open(f"/proc/{w.pid}/status") as f:
            peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1])
        result = w.stop()
    finally:
        w.kill()
    assert result.status == 0 and is_clean(result.out) and is_clean(result.err)
    assert set(result.codes) == {"LOOPBACK-DEAD"}
    assert peak < 200 * 1024
    assert not reads

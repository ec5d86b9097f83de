# SPDX-License-Identifier: GPL-2.0-only
"""How soon after its start nswatch is of use."""

import ctypes
import os
import re
import signal
import struct
import subprocess
import time

import pytest

from lab import read_bytes, wait_for
from watching import NSWATCH, SYS_BPF, children, status_of

# A datagram a millisecond on lo, each with the time that it was sent at.
SEND = """
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    s.sendto(struct.pack("=Q", time.monotonic_ns()), ("127.0.0.1", 9))
    time.sleep(0.001)
"""

PCAP_HEADER, PCAP_RECORD = 24, 16
BEFORE_PAYLOAD = 14 + 20 + 8


@pytest.fixture
def sender(php):
    proc = php.popen(["/usr/bin/python3", "-c", SEND], stdout=subprocess.DEVNULL,
                     stdin=subprocess.DEVNULL)
    yield proc
    proc.kill()
    proc.wait()


def age_of_first(watch):
    """How old the first packet is when it comes out of the pipe, in ms."""
    there, here = os.pipe()
    try:
        w = watch("php", "-i", "lo", "-F", "pcap", "-w", "-", stdout=here, attach=False)
        os.close(here)
        here = -1
        data = b""
        while len(data) < PCAP_HEADER + PCAP_RECORD + BEFORE_PAYLOAD + 8:
            got = os.read(there, 65536)
            assert got, w.err
            data += got
        now = time.monotonic_ns()
        sent, = struct.unpack_from("=Q", data, PCAP_HEADER + PCAP_RECORD + BEFORE_PAYLOAD)
        w.kill()
        return (now - sent) / 1e6
    finally:
        os.close(there)
        if here >= 0:
            os.close(here)


def test_first_packet_comes_out_at_once(sender, watch):
    """Output is written in batches, up to 200 ms of it, but nobody waits that long for
    the first. The best of a few: any one run may have to wait for a core."""
    assert min(age_of_first(watch) for _ in range(5)) < 100


# What a program may take of the verifier, in instructions that it walks. It was up to
# 56,000, with all that a packet can be walked through once for each size of a record.
VERIFIED = {(): 14_000, ("--dns",): 25_000}
# lo in one direction, eth0 in both, and with --dns the host's end of it, too.
PROGRAMS = {(): 3, ("port 53",): 3, ("--dns",): 5}
BPF_PROG_GET_FD_BY_ID = 13


def verified(program):
    """Instructions that the verifier walked through (Linux 5.16)."""
    libc = ctypes.CDLL(None, use_errno=True)
    attr = ctypes.create_string_buffer(struct.pack("=III", program, 0, 0))
    fd = libc.syscall(SYS_BPF, BPF_PROG_GET_FD_BY_ID, attr, 12)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    try:
        info = read_bytes(f"/proc/self/fdinfo/{fd}").decode()
    finally:
        os.close(fd)
    found = re.search(r"^verified_insns:\s+(\d+)", info, re.M)
    return int(found.group(1)) if found else None


def tapped_with(pid):
    """The programs of its TCX links."""
    infos = [read_bytes(f"/proc/{pid}/fdinfo/{fd}").decode(errors="replace")
             for fd in os.listdir(f"/proc/{pid}/fdinfo")]
    return [int(re.search(r"^prog_id:\s+(\d+)", info, re.M).group(1))
            for info in infos if re.search(r"^link_type:\s+tcx$", info, re.M)]


@pytest.mark.parametrize("options", VERIFIED, ids=" ".join)
def test_programs_are_quickly_verified(php, watch, options):
    w = watch("php", *options)
    programs = tapped_with(w.pid)
    if not programs:
        pytest.skip("no TCX in this kernel")
    assert len(programs) == PROGRAMS[options]
    walked = [verified(program) for program in programs]
    if None in walked:
        pytest.skip("this kernel does not tell")
    assert max(walked) <= VERIFIED[options], walked


LOAD = re.compile(r"bpf\(BPF_PROG_LOAD, \{prog_type=BPF_PROG_TYPE_SCHED_CLS, insn_cnt=(\d+)")
ATTACH = re.compile(r"bpf\(BPF_LINK_CREATE, .*attach_type=(?:0x2[ef]|BPF_TCX_)")
PROBE = 10  # instructions: what only asks the kernel what it knows is shorter


@pytest.mark.parametrize("options", PROGRAMS, ids=" ".join)
def test_nothing_is_loaded_in_vain(lab, php, out, options):
    """Each program that is loaded for a packet's way is attached, and the first one is
    before the second is loaded."""
    trace = f"{out}/trace"
    lab.run(["strace", "-f", "-qq", "-e", "trace=bpf", "-o", trace, NSWATCH, "php",
             "-a", "duration:0.2", *options])
    calls = read_bytes(trace).decode().splitlines()
    attached = [n for n, line in enumerate(calls) if ATTACH.search(line)]
    loaded = [n for n, line in enumerate(calls)
              if (found := LOAD.search(line)) and int(found.group(1)) > PROBE]
    if not attached:
        pytest.skip("no TCX in this kernel")
    assert len(attached) == len(loaded) == PROGRAMS[options]
    assert sum(n < attached[0] for n in loaded) == 1


EXPEDITED = "/sys/kernel/rcu_expedited"


@pytest.fixture
def crowd(lab):
    """As many namespaces as make nswatch ask the kernel to hurry."""
    spaces = [lab.netns(f"crowd{i}") for i in range(40)]
    yield spaces
    for ns in spaces:
        ns.remove()


def is_expedited():
    with open(EXPEDITED) as f:
        return f.read().strip() == "1"


def keeper_of(pid):
    """The process that puts the setting back, if it is there."""
    for child in children(pid):
        if read_bytes(f"/proc/{child}/comm") == b"nswatch-keeper\n":
            return child
    return None


def hurrying(watch):
    """An nswatch that has just asked for it, stopped there, and its keeper. The moment is
    short: who misses it tries another one."""
    for _ in range(10):
        w = watch("--all", "-w", "/dev/null", attach=False)
        wait_for("the kernel to be asked", lambda: keeper_of(w.pid) and is_expedited(),
                 10, 0.0002)
        os.kill(w.pid, signal.SIGSTOP)
        keeper = keeper_of(w.pid)
        if keeper and is_expedited():
            return w, keeper
        w.kill()
    raise AssertionError("it hurries too shortly to be caught")


def is_over(pid):
    return status_of(pid).get("State", "Z").startswith("Z")


@pytest.mark.parametrize("victim", ["nswatch", "its keeper"])
def test_the_kernel_hurries_no_longer_than_asked(lab, crowd, watch, victim):
    """Whichever of the two is killed in the middle of it; nobody is left behind."""
    if is_expedited():
        pytest.skip(f"{EXPEDITED} is 1 already: nswatch leaves it alone")
    w, keeper = hurrying(watch)
    family = children(w.pid)
    if victim == "nswatch":
        w.kill()
    else:
        os.kill(keeper, signal.SIGKILL)
        os.kill(w.pid, signal.SIGCONT)
        w.wait_attached()
    wait_for(f"{EXPEDITED} to be 0 again", lambda: not is_expedited(), 5)
    if victim != "nswatch":
        w.stop()
        assert not is_expedited()
    wait_for("all of them to end", lambda: all(map(is_over, family)), 5)

# SPDX-License-Identifier: GPL-2.0-only
"""Compressed files: gzip(1) takes them however the capture ended."""

import gzip
import os
import signal
import subprocess

import pytest

from lab import read_bytes, wait_for
from watching import Watch, assert_opens_clean

COUNT = 2000
FILTER = "udp dst port 9"


def unpacked(path):
    """What gzip(1) makes of it, without a word of complaint."""
    done = subprocess.run(["gzip", "-dc", path], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def send(lab, php, count=COUNT, size="200"):
    lab.run([lab.tool("flood"), php.addr4, "9", str(count), size])


def stop_by_signal(w):
    return w.stop()


def kill_loader(w):
    collector = w.collector
    os.kill(w.pid, signal.SIGKILL)
    result = w.wait()
    wait_for("the collector to end", lambda: not os.path.exists(f"/proc/{collector}"))
    return result


def kill_collector(w):
    os.kill(w.collector, signal.SIGKILL)
    return w.wait()


@pytest.mark.parametrize("name", ["x.pcapng.gz", "x.pcap.gz"])
@pytest.mark.parametrize("end", [stop_by_signal, kill_loader, kill_collector])
def test_whole_at_every_end(lab, php, watch, out, name, end):
    """A killed collector had all on disk that it had written."""
    path = f"{out}/{name}"
    w = watch("netns:php", "-l", "-F", name.split(".")[1], "-w", path, FILTER)
    send(lab, php)
    wait_for("the packets on disk",
             lambda: unpacked(path).count(b"\x00\x09\x00\xd0") >= COUNT)
    plain = unpacked(path)
    end(w)
    assert assert_opens_clean(path) == COUNT
    assert unpacked(path).startswith(plain)
    assert os.path.getsize(path) < len(plain) / 3


@pytest.mark.parametrize("limit", [["-c", "7"], ["-a", "packets:7"],
                                   ["-a", "duration:1"], ["-a", "filesize:1"]])
def test_limits(lab, php, watch, out, limit):
    path = f"{out}/x.pcapng.gz"
    w = watch("netns:php", "-w", path, *limit, FILTER)
    send(lab, php, 50)
    result = w.wait()
    assert result.status == 0
    assert result.books["written"] == assert_opens_clean(path) >= 3
    if "7" in limit[1]:
        assert result.books["written"] == 7


def test_read_back(lab, php, watch, out):
    """The same text from a compressed file, and from one that gzip(1) made."""
    w = watch("netns:php", "-w", f"{out}/x.pcapng.gz", FILTER)
    send(lab, php, 20)
    assert w.stop().status == 0
    with open(f"{out}/x.pcapng", "wb") as f:
        f.write(unpacked(f"{out}/x.pcapng.gz"))
    with gzip.open(f"{out}/theirs", "wb") as f:
        f.write(read_bytes(f"{out}/x.pcapng"))
    said = [Watch(lab, ["-n", "-r", f"{out}/{name}"], attach=False).wait()
            for name in ("x.pcapng", "x.pcapng.gz", "theirs")]
    assert [r.status for r in said] == [0, 0, 0]
    assert len(said[0].lines) == 20
    assert said[0].out == said[1].out == said[2].out
    again = Watch(lab, ["-r", f"{out}/theirs", "-w", f"{out}/again.pcap.gz", "-F", "pcap"],
                  attach=False).wait()
    assert again.status == 0 and assert_opens_clean(f"{out}/again.pcap.gz") == 20


def test_cut_short(lab, php, watch, out):
    w = watch("netns:php", "-w", f"{out}/x.pcapng.gz", FILTER)
    send(lab, php, 20)
    w.stop()
    with open(f"{out}/x.pcapng.gz", "rb+") as f:
        f.truncate(os.path.getsize(f"{out}/x.pcapng.gz") - 8)
    result = Watch(lab, ["-n", "-r", f"{out}/x.pcapng.gz"], attach=False).wait()
    assert result.status == 1 and len(result.lines) == 20
    assert len(result.complaints) == 1 and "cut short" in result.complaints[0]

# SPDX-License-Identifier: GPL-2.0-only
"""Nothing may be lost uncounted: file plus reported loss is what was sent."""

import os
import signal
import struct
import subprocess

import pytest

from watching import assert_counts_clean, assert_opens_clean

COUNT = 1_000_000
PORT = "9"
FILTER = f"udp dst port {PORT}"


@pytest.fixture
def flood(lab, php):
    program = lab.tool("flood")
    sink = php.popen([program, "sink", PORT], stdout=subprocess.PIPE, text=True)
    assert sink.stdout.readline() == "ready\n"
    yield program
    sink.kill()
    sink.wait()
    sink.stdout.close()


def numbers(path, fmt):
    """The number that each flood packet of the file carries."""
    with open(path, "rb") as f:
        data = f.read()
    found, pos = [], 0
    if fmt == "pcap":
        pos = 24
        while pos < len(data):
            caplen, = struct.unpack_from("<I", data, pos + 8)
            found.append(struct.unpack_from("<Q", data, pos + 16 + 42)[0])
            pos += 16 + caplen
    else:
        while pos < len(data):
            kind, length = struct.unpack_from("<II", data, pos)
            if kind == 6:
                found.append(struct.unpack_from("<Q", data, pos + 28 + 42)[0])
            pos += length
    return found


def drops_reported(path):
    """ISB: received and dropped, summed over the interfaces."""
    with open(path, "rb") as f:
        data = f.read()
    pos, received, dropped = 0, 0, 0
    while pos < len(data):
        kind, length = struct.unpack_from("<II", data, pos)
        if kind == 5:
            at = pos + 20
            while at + 4 < pos + length:
                code, size = struct.unpack_from("<HH", data, at)
                if code == 0:
                    break
                if code == 4:
                    received += struct.unpack_from("<Q", data, at + 4)[0]
                if code == 5:
                    dropped += struct.unpack_from("<Q", data, at + 4)[0]
                at += 4 + (size + 3) // 4 * 4
        pos += length
    return received, dropped


def flood_while_watching(lab, watch, args, address, program):
    w = watch(*args)
    lab.run([program, address, PORT, str(COUNT)], timeout=120)
    return w.stop(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("run", [1, 2, 3])
def test_a_million_packets(lab, php, watch, flood, out, run):
    path = f"{out}/x.pcapng"
    result = flood_while_watching(
        lab, watch, ["netns:php", "-q", "-i", "eth0", "-w", path, FILTER],
        php.addr4, flood)
    books = result.books
    in_file = numbers(path, "pcapng")
    assert len(in_file) + books["lost"] + books["lost_in_writing"] == COUNT
    assert books["matched"] == COUNT and books["written"] == len(in_file)
    assert len(set(in_file)) == len(in_file) and max(in_file) < COUNT
    assert in_file == sorted(in_file)
    # The statistics cover the filter's matches, or all that was seen.
    received, dropped = drops_reported(path)
    assert dropped == books["lost"] and received >= len(in_file)
    opens_clean = assert_opens_clean if run == 1 else assert_counts_clean
    assert opens_clean(path) == len(in_file)


@pytest.mark.slow
def test_loss_is_counted_with_a_small_buffer(lab, php, watch, flood, out):
    """The collector is made to fall behind: the ring overflows for certain."""
    path = f"{out}/x.pcap"
    w = watch("netns:php", "-q", "-i", "eth0", "-B", "1", "-F", "pcap", "-w", path,
              FILTER)
    os.kill(w.collector, signal.SIGSTOP)
    lab.run([flood, php.addr4, PORT, "100000"], timeout=120)
    os.kill(w.collector, signal.SIGCONT)
    books = w.stop(timeout=60).books
    assert books["ring_full"] > 0
    assert books["matched"] == 100000
    assert len(numbers(path, "pcap")) + books["lost"] == 100000


@pytest.mark.slow
def test_loss_fails_a_strict_run(lab, php, watch, flood, out):
    w = watch("netns:php", "-q", "-i", "eth0", "-B", "1", "--strict", "-w",
              f"{out}/x.pcapng", FILTER)
    os.kill(w.collector, signal.SIGSTOP)
    lab.run([flood, php.addr4, PORT, "100000"], timeout=120)
    os.kill(w.collector, signal.SIGCONT)
    result = w.stop(timeout=60)
    assert result.books["lost"] > 0 and result.status == 1

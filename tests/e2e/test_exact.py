# SPDX-License-Identifier: GPL-2.0-only
"""Every packet that was sent is in the file, once and in its place, or in the
books as lost: whatever stands still, is full or breaks."""

import gzip
import os
import signal
import struct
import subprocess
import time
import zlib

import pytest

from lab import HERE, end_process, read_bytes
from watching import assert_opens_clean

FILTER = "udp dst port 9"
CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture
def sink(lab, php):
    """Takes what is sent, so that no ICMP comes back. Its neighbour is known: what
    waits for that is overtaken by what comes after."""
    proc = php.popen([lab.tool("flood"), "sink", "9"], stdout=subprocess.PIPE, text=True)
    assert proc.stdout.readline() == "ready\n"
    lab.run(["ping", "-n", "-c", "1", php.addr4])
    yield
    end_process(proc, signal.SIGKILL)
    proc.stdout.close()


def send(lab, php, count, size="64"):
    lab.run([lab.tool("flood"), php.addr4, "9", str(count), size], timeout=120)


def contents(path):
    data = read_bytes(path)
    return gzip.decompress(data) if path.endswith(".gz") else data


def records(data):
    """(time, frame) of each packet in the bytes of a pcap or pcapng file; what is cut
    short at the end is no packet."""
    if data[:4] == b"\x4d\x3c\xb2\xa1":
        pos = 24
        while pos + 16 <= len(data):
            sec, ns, caplen = struct.unpack_from("<III", data, pos)
            if pos + 16 + caplen <= len(data):
                yield sec * 10**9 + ns, data[pos + 16:pos + 16 + caplen]
            pos += 16 + caplen
        return
    pos = 0
    while pos + 8 <= len(data):
        kind, length = struct.unpack_from("<II", data, pos)
        if kind == 6 and pos + length <= len(data):
            high, low, caplen = struct.unpack_from("<III", data, pos + 12)
            yield high << 32 | low, data[pos + 28:pos + 28 + caplen]
        pos += length


def flows(*contents_):
    """The numbers that the packets of each sender carry, in the order of the files."""
    found, last = {}, 0
    for data in contents_:
        for when, frame in records(data):
            assert when >= last
            last = when
            found.setdefault(frame[34:36], []).append(
                struct.unpack_from("<Q", frame, 42)[0])
    return found


def account(result, sent, *contents_):
    """The books against what was sent and what is there. Returns the books."""
    found, books = flows(*contents_), result.books
    for numbers in found.values():
        assert all(a < b for a, b in zip(numbers, numbers[1:], strict=False))
        assert numbers[-1] < sent
    assert books["matched"] == sent
    assert books["written"] == sum(map(len, found.values()))
    assert books["written"] + books["lost"] + books["lost_in_writing"] == sent
    return books


@pytest.mark.parametrize("name", ["x.pcapng", "x.pcap.gz"])
def test_all_cpus_at_once(lab, php, sink, watch, out, name):
    count, path = 60000, f"{out}/{name}"
    w = watch("netns:php", "-q", "-i", "eth0", "-F", name.split(".")[1], "-w", path, FILTER)
    senders = [lab.popen(["taskset", "-c", str(cpu), lab.tool("flood"), php.addr4, "9",
                          str(count)], stdout=subprocess.DEVNULL) for cpu in CPUS]
    assert [s.wait(60) for s in senders] == [0] * len(CPUS)
    result = w.stop()
    found = flows(contents(path))
    assert len(found) == len(CPUS)
    for numbers in found.values():
        assert numbers == sorted(set(numbers)) and numbers[-1] < count
    books = result.books
    assert books["matched"] == count * len(CPUS)
    assert assert_opens_clean(path) == books["written"] == sum(map(len, found.values()))


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU alone")
def test_numbers_of_cpus_with_holes(lab, php, sink, watch, out):
    """The machine claims that it has some of its CPUs only: there are fewer than their
    numbers tell."""
    possible = os.path.join(out, "possible")
    with open(possible, "w") as f:
        f.write(f"{CPUS[-1]}\n")
    w = watch("netns:php", "-q", "-w", f"{out}/x.pcapng", FILTER, prefix=[
        "unshare", "-m", "sh", "-c",
        'mount --bind "$0" /sys/devices/system/cpu/possible && exec "$@"', possible])
    for cpu in (CPUS[0], CPUS[-1]):
        lab.run(["taskset", "-c", str(cpu), lab.tool("flood"), php.addr4, "9", "1000"])
        php.run(["taskset", "-c", str(cpu), lab.tool("flood"), "127.0.0.1", "9", "100"])
    result = w.stop()
    assert {name: (row["matched"], row["written"]) for name, row in
            result.books_by_interface.items()} == {
        "php/eth0": (2000, 2000), "php/lo": (200, 200)}
    assert_opens_clean(f"{out}/x.pcapng")


def test_collector_stopped_for_five_seconds(lab, php, sink, watch, out):
    """The senders are not held up; the ring overflows; what it held is in the file."""
    path = f"{out}/x.pcapng"
    w = watch("netns:php", "-q", "-i", "eth0", "-B", "1", "-w", path, FILTER)
    send(lab, php, 1000)
    os.kill(w.collector, signal.SIGSTOP)
    end, rounds = time.monotonic() + 5, 0
    while time.monotonic() < end:
        send(lab, php, 5000)
        rounds += 1
        time.sleep(0.5)
    os.kill(w.collector, signal.SIGCONT)
    send(lab, php, 1000)
    result = w.stop()
    books, found = result.books, flows(contents(path))
    assert books["matched"] == 5000 * rounds + 2000
    assert books["ring_full"] > 0
    assert books["written"] == assert_opens_clean(path) == sum(map(len, found.values()))
    for numbers in found.values():
        assert numbers == sorted(set(numbers))


ROTATIONS = [["packets:5000"], ["filesize:500"], ["packets:10", "files:4"],
             ["packets:3000", "duration:0.05"]]


@pytest.mark.parametrize("suffix", ["pcapng", "pcap.gz"])
@pytest.mark.parametrize("rules", ROTATIONS, ids=" ".join)
def test_rotation_at_full_rate(lab, php, sink, watch, out, suffix, rules):
    """Files follow one another without a gap or a packet in both."""
    count = 40000
    words = [w for rule in rules for w in ("-b", rule)]
    w = watch("netns:php", "-q", "-i", "eth0", "-B", "64", "-s", "60", "-F",
              suffix.split(".")[0], *words, "-w", f"{out}/x.{suffix}", FILTER)
    send(lab, php, count)
    result = w.stop()
    assert result.complaints == []
    files = [f"{out}/{name}" for name in sorted(os.listdir(out))]
    for path in (files[0], files[len(files) // 2], files[-1]):
        assert_opens_clean(path)
    if "files:4" not in rules:
        books = account(result, count, *map(contents, files))
        # The batches that wait are as many as there may be files at this rate.
        assert books["lost"] == books["lost_in_writing"] == 0 or "duration" in rules[-1]
        assert len(files) >= 7
        return
    assert len(files) == 4
    numbers, = flows(*map(contents, files)).values()
    assert numbers == sorted(set(numbers))
    assert [len(list(records(contents(f)))) for f in files[:3]] == [10, 10, 10]
    books = result.books
    assert books["written"] + books["lost"] + books["lost_in_writing"] == count


# Places where a file cannot grow

@pytest.fixture(params=["x.pcapng", "x.pcap", "x.pcapng.gz"])
def name(request):
    return request.param


def check_broken_off(lab, php, w, path, sent, says, copy=None):
    """One complaint, exit status 1, and the file has what the books say."""
    result = w.wait()
    assert result.status == 1
    assert len(result.complaints) == 1 and says in result.complaints[0], result.err
    lab.run(["cp", copy or path, f"{lab.tmp}/kept-{os.path.basename(path)}"])
    kept = f"{lab.tmp}/kept-{os.path.basename(path)}"
    books = result.books
    assert assert_opens_clean(kept) == books["written"] > 0
    found = flows(contents(kept))
    assert all(n == list(range(len(n))) for n in found.values())
    assert 0 < books["lost_in_writing"] and books["captured"] <= sent
    return books


def test_full_disk(lab, php, sink, watch, out, name):
    lab.run(["mount", "-t", "tmpfs", "-o", "size=1m", "full", out])
    try:
        w = watch("netns:php", "-q", "-F", name.split(".")[1], "-w", f"{out}/{name}", FILTER)
        send(lab, php, 3000, "1000")
        books = check_broken_off(lab, php, w, f"{out}/{name}", 3000, "No space left")
        assert books["written"] > 600  # of some 980 that would fit
    finally:
        lab.run(["umount", out])


def test_file_size_limit(lab, php, sink, watch, out, name):
    w = watch("netns:php", "-q", "-F", name.split(".")[1], "-w", f"{out}/{name}", FILTER,
              prefix=["prlimit", "--fsize=1000000:"])
    send(lab, php, 3000, "1000")
    books = check_broken_off(lab, php, w, f"{out}/{name}", 3000, "file size limit")
    assert books["written"] > 600 and os.path.getsize(f"{out}/{name}") <= 1000000


@pytest.fixture
def badfs(lab, out):
    """badfs(limit, delay) mounts a file system that fails, or is slow."""
    running = []

    def start(limit, delay=0.0):
        os.makedirs(f"{out}/bad")
        proc = lab.popen(["/usr/bin/python3", os.path.join(HERE, "badfs.py"), f"{out}/bad",
                          f"{out}/backing", str(limit), str(delay)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(proc)
        if proc.stdout.readline() != "ready\n":
            pytest.skip(f"no FUSE here: {proc.stderr.read().strip()}")
        return f"{out}/bad", f"{out}/backing"

    yield start
    for proc in running:
        lab.run(["umount", "-l", f"{out}/bad"], check=False)
        end_process(proc, signal.SIGKILL)
        proc.stdout.close()
        proc.stderr.close()


def test_io_error(lab, php, sink, watch, badfs, name):
    """The file system answers EIO from some place on."""
    folder, backing = badfs(1000000)
    path = f"{folder}/{name}"
    w = watch("netns:php", "-q", "-F", name.split(".")[1], "-w", path, FILTER)
    send(lab, php, 3000, "1000")
    check_broken_off(lab, php, w, path, 3000, "Input/output error", copy=backing)


def test_slow_disk(lab, php, sink, watch, badfs):
    """It takes a tenth of what comes: the rest is lost in writing, and counted."""
    folder, backing = badfs(1 << 40, 0.02)
    lab.tool("flood")  # its making is not timed
    w = watch("netns:php", "-q", "-i", "eth0", "-B", "64", "-w", f"{folder}/x", FILTER)
    began = time.monotonic()
    send(lab, php, 30000, "1000")
    took = time.monotonic() - began
    result = w.stop()
    books = account(result, 30000, read_bytes(backing))
    assert result.status == 1 and books["lost_in_writing"] > 0 and books["lost"] == 0
    assert took < 5
    assert assert_opens_clean(backing) == books["written"]


@pytest.mark.parametrize("packed", [False, True])
def test_reader_that_stops_reading(lab, php, sink, watch, out, packed):
    """What lies in the pipe is written, what waits for room there is given up."""
    path = f"{out}/pipe" + (".gz" if packed else "")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    w = watch("netns:php", "-q", "-i", "eth0", "-B", "64", "-w", path, FILTER)
    send(lab, php, 20000, "1000")
    result = w.stop()
    with open(reader, "rb") as f:
        data = f.read()
    if packed:
        data = zlib.decompressobj(31).decompress(data)
    books = account(result, 20000, data)
    assert result.status == 1 and books["lost"] == 0
    assert len(result.complaints) == 1 and "stopped reading" in result.complaints[0]
    assert 0 < books["written"] < 200

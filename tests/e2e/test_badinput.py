# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong is said in one clear line, with the right exit status, and
what was captured is kept."""

import os
import struct
import time

import pytest

from lab import WEB4
from watching import NSWATCH, Watch, assert_opens_clean


def fail(lab, *args, status, says, **kw):
    """Runs nswatch, which must end by itself, with one complaint."""
    result = Watch(lab, args, attach=False, **kw).wait(15)
    assert result.status == status, result.err
    assert len(result.complaints) == 1, result.err
    line = result.complaints[0]
    assert line.startswith("nswatch: ") and len(line) < 400
    for word in [says] if isinstance(says, str) else says:
        assert word.lower() in result.err.lower(), result.err
    assert result.out == ""
    return result


def test_not_root(lab, php):
    fail(lab, "netns:php", status=1, says="root",
         prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                 "--inh-caps=-all", "--bounding-set=-all"],
         binary=readable_copy(lab))


def readable_copy(lab):
    """The binary where everybody may read it."""
    path = os.path.join(lab.tmp, "nswatch")
    lab.run(["install", "-m", "755", NSWATCH, path])
    return path


def test_no_btf(lab, php):
    fail(lab, "netns:php", status=1, says="BTF",
         prefix=["unshare", "-m", "sh", "-c",
                 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"])


@pytest.mark.parametrize("target", ["nosuchname", "netns:nosuchname", "pid:4194303",
                                    "path:/nonexistent", "/nonexistent"])
def test_unknown_target(lab, target):
    fail(lab, target, status=1, says=target.split(":")[-1])


@pytest.mark.parametrize("target", ["/etc/passwd", "path:/etc", "/proc/self/ns/mnt"])
def test_target_that_is_no_network_namespace(lab, target):
    fail(lab, target, status=1, says="namespace")


@pytest.mark.parametrize("target", ["", "netns:", "pid:abc", "pid:-1", "pid:0",
                                    "pid:99999999999999999999", "netns:../../etc",
                                    "netns:" + "x" * 5000, "kind:name", ",", "a,,b"])
def test_malformed_target(lab, target):
    result = Watch(lab, [target], attach=False).wait(15)
    assert result.status in (1, 2) and len(result.complaints) == 1, result.err


def test_target_vanishes_while_attaching(lab):
    """Deleted at some moment of the start: an error line or a clean end."""
    for delay in range(8):
        ns = lab.container("brief")
        w = Watch(lab, ["netns:brief", "-a", "duration:2"], attach=False)
        lab.run(["sleep", str(delay * 0.01)])
        ns.remove()
        result = w.wait(10)
        assert result.status in (0, 1), result.err
        assert result.status == 0 or len(result.complaints) == 1, result.err


@pytest.mark.parametrize("path", ["/nonexistent/x.pcapng", "/tmp", "/proc/x.pcapng"])
def test_file_that_cannot_be_written(lab, php, path):
    fail(lab, "netns:php", "-w", path, status=1, says=path)


@pytest.mark.parametrize("fmt", ["pcapng", "pcap"])
def test_disk_full(lab, php, watch, out, fmt):
    """The packets that fit are kept, the rest is counted as lost in writing, and
    the watch ends: nothing more could be kept."""
    lab.run(["mount", "-t", "tmpfs", "-o", "size=64k", "full", out])
    try:
        path = f"{out}/x"
        w = watch("netns:php", "-F", fmt, "-w", path, "udp dst port 9")
        lab.run([lab.tool("flood"), WEB4, "9", "1000", "1000"], ns=php.path)
        result = w.stop()
        assert result.status == 1
        assert len(result.complaints) == 1
        assert "No space left" in result.complaints[0] and path in result.complaints[0]
        books = result.books
        assert books["lost_in_writing"] > 0
        assert books["written"] + books["lost_in_writing"] == books["captured"] <= 1000
        lab.run(["cp", path, f"{lab.tmp}/kept"])
        assert assert_opens_clean(f"{lab.tmp}/kept") == books["written"] > 0
    finally:
        lab.run(["umount", out])


def test_dev_full(lab, php):
    fail(lab, "netns:php", "-w", "/dev/full", status=1, says="No space left")


# What others may have planted under the name of an output file

@pytest.fixture
def shared(out):
    """A directory as /tmp: sticky, and everybody may write."""
    os.chmod(out, 0o1777)
    with open(f"{out}/victim", "w") as f:
        f.write("precious")
    return out


def plant(path, kind, victim):
    """As an unprivileged user."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        os.symlink(victim, path)
    elif kind == "dangling link":
        os.symlink(f"{victim}-2", path)
    else:
        with open(path, "w"):
            pass
    os.chown(path, 65534, 65534, follow_symlinks=False)


def names_soon(folder, index, suffix):
    """What file number index may be called in the next seconds."""
    return [f"{folder}/x_{index:05}_{time.strftime('%Y%m%d%H%M%S', time.localtime(t))}.{suffix}"
            for t in range(int(time.time()), int(time.time()) + 15)]


@pytest.mark.parametrize("suffix", ["pcapng", "pcapng.gz"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "file"])
def test_planted_name(lab, php, shared, kind, suffix):
    path = f"{shared}/x.{suffix}"
    plant(path, kind, f"{shared}/victim")
    fail(lab, "netns:php", "-w", path, status=1, says=["refused", path])
    for name in names_soon(shared, 1, suffix):
        plant(name, kind, f"{shared}/victim")
    fail(lab, "netns:php", "-b", "packets:2", "-w", path, status=1, says="refused")
    assert open(f"{shared}/victim").read() == "precious"
    assert not os.path.exists(f"{shared}/victim-2")


@pytest.mark.parametrize("suffix", ["pcapng", "pcapng.gz"])
def test_planted_name_of_a_later_file(lab, php, watch, shared, suffix):
    """The first file is kept; what came for the second is lost in writing."""
    w = watch("netns:php", "-q", "-b", "packets:2", "-w", f"{shared}/x.{suffix}",
              "udp dst port 9")
    for name in names_soon(shared, 2, suffix):
        plant(name, "link", f"{shared}/victim")
    lab.run([lab.tool("flood"), WEB4, "9", "5"], ns=php.path)
    result = w.wait()
    assert result.status == 1 and "refused" in result.complaints[0]
    first, = [n for n in os.listdir(shared) if n.startswith("x_00001_")]
    assert assert_opens_clean(f"{shared}/{first}") == result.books["written"] == 2
    assert result.books["captured"] == 5
    assert open(f"{shared}/victim").read() == "precious"


@pytest.mark.parametrize("words", [["udp prot 53"], ["port"], ["-f", "((udp"],
                                   ["host", "not a host"], ["\x1b[31m"]])
def test_wrong_filter(lab, php, words):
    result = fail(lab, "netns:php", *words, status=2, says="filter")
    assert "\x1b" not in result.err


def test_unknown_interface(lab, php):
    fail(lab, "netns:php", "-i", "nope0", status=1, says=["nope0", "eth0"])


@pytest.mark.parametrize("args", [["--nonsense"], ["-Z"], ["-c"], ["-c", "x"],
                                  ["-c", "-1"], ["-s", "-5"], ["-a", "nonsense:1"],
                                  ["-a", "duration:x"], ["-F", "erf", "-w", "x"],
                                  ["--side", "middle"], ["-t", "z"], ["-B", "0x"],
                                  ["-w", "x", "--fix-dns"], ["-c", "1" + "0" * 30]])
def test_wrong_usage(lab, args):
    fail(lab, "netns:php", *args, status=2, says=args[0] if args[0] != "-w" else "--fix-dns")


def test_fix_dns_and_mount_need_a_command(lab, php):
    fail(lab, "netns:php", "--fix-dns", status=2, says="--fix-dns")
    fail(lab, "netns:php", "--mount", "host", status=2, says="--mount")


def test_command_that_does_not_exist(lab, php):
    result = Watch(lab, ["netns:php", "--", "/nonexistent/tool"], attach=False).wait()
    assert result.status == 127
    assert len(result.complaints) == 1 and "/nonexistent/tool" in result.err


# Captures that are not what they should be

def ethernet_pcap(count=3, magic=0xA1B2C3D4, linktype=1):
    frame = bytes(12) + b"\x08\x00" + bytes(46)
    data = struct.pack("<IHHiIII", magic, 2, 4, 0, 0, 262144, linktype)
    for i in range(count):
        data += struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame
    return data


def write(out, data):
    path = f"{out}/bad.cap"
    with open(path, "wb") as f:
        f.write(data)
    return path


def test_missing_capture(lab):
    fail(lab, "-r", "/nonexistent.pcap", status=1, says="/nonexistent.pcap")


@pytest.mark.parametrize("data", [b"", b"\0", b"not a capture at all, but long enough",
                                  b"\n\r\r\n" + b"\xff" * 40, ethernet_pcap()[:10]])
def test_no_capture(lab, out, data):
    fail(lab, "-r", write(out, data), status=1, says="bad.cap")


@pytest.mark.parametrize("cut", [1, 30, 61, 70])
def test_truncated_capture(lab, out, cut):
    """The whole packets are shown, then the complaint."""
    path = write(out, ethernet_pcap()[:-cut])
    result = Watch(lab, ["-n", "-r", path], attach=False).wait()
    assert result.status == 1
    assert len(result.lines) == (2 if cut < 76 else 1)
    assert len(result.complaints) == 1 and "bad.cap" in result.complaints[0]


def test_corrupt_capture(lab, out):
    data = bytearray(ethernet_pcap())
    struct.pack_into("<I", data, 24 + 76 + 8, 0x7FFFFFFF)
    result = Watch(lab, ["-n", "-r", write(out, bytes(data))], attach=False).wait()
    assert result.status == 1
    assert len(result.lines) == 1 and len(result.complaints) == 1


def test_reading_needs_no_root(lab, out):
    path = write(out, ethernet_pcap())
    os.chmod(path, 0o644)
    result = Watch(lab, ["-n", "-r", path], attach=False, binary=readable_copy(lab),
                   prefix=["setpriv", "--reuid=65534", "--regid=65534",
                           "--clear-groups"]).wait()
    assert result.status == 0 and len(result.lines) == 3

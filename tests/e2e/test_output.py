# SPDX-License-Identifier: GPL-2.0-only
"""Files, streams, limits and formats."""

import os
import re
import subprocess

import pytest

from lab import ROOT, UPSTREAM4, WEB4, read_pcapng
from watching import LOOKUP, Watch, assert_opens_clean, tshark_fields

CORPUS = os.path.join(ROOT, "..", "shared", "corpus", "captures")


def send(lab, ns, count="1", size="64", address=WEB4):
    lab.run([lab.tool("flood"), address, "9", count, size], ns=ns.path)


def test_text_alone_on_stdout(lab, php, watch):
    w = watch("netns:php", "-c", "2", "udp dst port 9")
    send(lab, php, "2")
    result = w.wait()
    assert len(result.lines) == 2
    for line in result.lines:
        assert re.match(r" +\d+ +\d+\.\d{9} +\S+ +→ +\S+ +UDP 106 \d+ → 9 Len=64$",
                        line), line


def test_pcap(lab, php, watch, out):
    path = f"{out}/x.pcap"
    w = watch("netns:php", "-F", "pcap", "-c", "3", "-w", path, "udp")
    send(lab, php, "3")
    assert w.wait().status == 0
    assert assert_opens_clean(path) == 3
    with open(path, "rb") as f:
        assert f.read(4) == bytes.fromhex("4d3cb2a1")  # nanoseconds


def test_snaplen(lab, php, watch, out):
    path = f"{out}/x.pcapng"
    w = watch("netns:php", "-s", "60", "-c", "2", "-w", path, "udp")
    send(lab, php, "2", "1000")
    assert w.wait().status == 0
    assert [(p[1], len(p[2])) for p in read_pcapng(path)] == [(1042, 60)] * 2
    assert_opens_clean(path)


def test_write_is_silent_unless_asked(lab, php, watch, out):
    for options, lines in (([], 0), (["-P"], 2)):
        w = watch("netns:php", "-c", "2", "-w", f"{out}/x.pcapng", *options, "udp")
        send(lab, php, "2")
        assert len(w.wait().lines) == lines


def test_quiet(lab, php, watch):
    w = watch("netns:php", "-q", "-c", "2", "udp")
    send(lab, php, "2")
    result = w.wait()
    assert result.out == "" and result.books["captured"] >= 2


def test_quiet_dns_is_the_summary_alone(php, watch):
    w = watch("netns:php", "--dns", "--json", "-q")
    php.run(LOOKUP, check=False)
    result = w.stop()
    assert {o["type"] for o in result.objects} <= {"summary", "finding", "books"}
    assert len(result.of_type("summary")) == 1


@pytest.mark.parametrize("fmt", ["pcapng", "pcap"])
def test_stream_into_tshark(lab, php, watch, fmt):
    reader = lab.popen(["tshark", "-n", "-l", "-r", "-"], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    w = watch("netns:php", "-F", fmt, "-w", "-", "-c", "3", "udp dst port 9",
              stdout=reader.stdin)
    reader.stdin.close()
    send(lab, php, "3")
    assert w.wait().status == 0
    with reader.stdout:
        text = reader.stdout.read().decode()
    assert reader.wait(20) == 0
    assert text.count("→ 9 Len=64") == 3


def test_json_packets(lab, php, watch):
    w = watch("netns:php", "--json", "-c", "2", "udp dst port 9")
    send(lab, php, "2")
    result = w.wait()
    assert len(result.of_type("packet")) == 2


def test_json_of_hostile_names(php, watch):
    """Bytes from the wire cannot break a line out of its object."""
    w = watch("netns:php", "--dns", "--json", "-l")
    for name in (r"a\010b\"c\\d\027[31m.example.test", r"\000\255.example.test"):
        php.run(["dig", "+tries=1", "+time=1", f"@{UPSTREAM4}", name], check=False)
    php.run(["dig", f"@{UPSTREAM4}", "last.example.test"])
    w.wait_out("last.example.test")
    result = w.stop()
    assert len(result.of_type("transaction")) == 3
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", w.raw_out)


def test_text_of_hostile_names(php, watch):
    w = watch("netns:php", "--dns", "-l")
    php.run(["dig", "+tries=1", "+time=1", f"@{UPSTREAM4}",
             r"a\010b\027[31m.example.test"], check=False)
    php.run(["dig", f"@{UPSTREAM4}", "last.example.test"])
    w.wait_out("last.example.test")
    w.stop()
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", w.raw_out)


def test_processes_are_named(lab, php, watch):
    w = watch("netns:php", "--dns", "--json", "-l")
    lookup = php.popen(["dig", f"@{UPSTREAM4}", "v4.example.test"],
                       stdout=subprocess.DEVNULL)
    lookup.wait(10)
    w.wait_out("v4.example.test")
    transaction, = [t for t in w.stop().of_type("transaction")
                    if "v4.example.test" in str(t)]
    assert "dig" in str(transaction) or "isc-net" in str(transaction)
    assert str(lookup.pid) in str(transaction)


# Reading: -r

@pytest.fixture
def capture(lab, php, watch, out):
    path = f"{out}/x.pcapng"
    w = watch("netns:php", "-w", path)
    php.run(["dig", f"@{UPSTREAM4}", "www.example.test"])
    php.run(["busybox", "wget", "-q", "-O", "/dev/null", f"http://{WEB4}/"])
    w.stop()
    return path


def tshark_text(path, *options):
    return subprocess.run(["tshark", "-n", "--disable-protocol", "http", *options,
                           "-r", path], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL).stdout


def test_read_back(lab, capture):
    result = Watch(lab, ["-n", "-r", capture], attach=False).wait()
    assert result.status == 0
    assert result.out == tshark_text(capture)


@pytest.mark.parametrize("form", ["a", "ad", "d", "dd", "e", "r", "u", "ud"])
def test_time_formats(lab, capture, form):
    result = Watch(lab, ["-n", "-t", form, "-r", capture], attach=False).wait()
    assert result.out == tshark_text(capture, "-t", form)


def test_read_with_filter(lab, capture):
    result = Watch(lab, ["-n", "-r", capture, "tcp", "port", "80"], attach=False).wait()
    assert len(result.lines) == len(tshark_fields(capture, "frame.number",
                                                  display="tcp.port == 80"))


def test_read_dns(lab, capture):
    result = Watch(lab, ["-r", capture, "--dns", "--json"], attach=False).wait()
    assert result.status == 0
    assert "www.example.test" in str(result.of_type("transaction"))


def test_rewrite(lab, capture, out):
    result = Watch(lab, ["-r", capture, "-w", f"{out}/y.pcapng"], attach=False).wait()
    assert result.status == 0
    assert [p[1:] for p in read_pcapng(f"{out}/y.pcapng")] == \
        [p[1:] for p in read_pcapng(capture)]


def test_corpus_is_read_without_a_crash(lab):
    if not os.path.isdir(CORPUS):
        pytest.skip("no ../shared/corpus/captures here")
    bad = []
    for name in sorted(os.listdir(CORPUS)):
        result = Watch(lab, ["-n", "-r", os.path.join(CORPUS, name)],
                       attach=False).wait()
        if result.status not in (0, 1):
            bad.append((name, result.status, result.err))
    assert bad == []

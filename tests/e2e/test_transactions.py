# SPDX-License-Identifier: GPL-2.0-only
"""DNS transactions against tshark's pairing (dns.response_to, dns.response_in,
dns.time), on captures of others, on made ones of every link type, and live."""

import json
import os
import re
import struct
import subprocess
import sys

import pytest

from lab import ROOT
from test_corpus import CORPUS, FILES, capture, in_parallel
from watching import NSWATCH, Watch

sys.path.insert(0, os.path.join(ROOT, "tests"))

import dns_frames as f  # noqa: E402

CLIENT, SERVER, OTHER = "10.0.0.2", "10.0.0.53", "10.0.0.54"
CLIENT6, SERVER6 = "fd00::2", "fd00::53"

FIELDS = ("frame.number", "dns.response_to", "dns.response_in", "dns.time",
          "dns.qry.name", "dns.qry.type", "dns.flags.rcode", "dns.resp.ext_rcode")
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN",
          "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI", "12", "13", "14", "15",
          "BADVERS")


def paired_by_tshark(path, passes=2):
    """{(query's packet, answer's packet): (seconds, rcode, questions of the query's packet)};
    what tshark did not get to, because it could not read the message to its end, is None.
    Two passes: the query's packet has the answer's number, too."""
    argv = ["tshark", *(["-2"] if passes == 2 else []), "-n", "-r", path, "-Y", "dns", "-T",
            "fields", "-E", "occurrence=a", "-E", "aggregator=\x1f"]
    for field in FIELDS:
        argv += ["-e", field]
    out = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         stdin=subprocess.DEVNULL, check=True).stdout.decode()
    pairs, questions = {}, {}
    for line in out.splitlines():
        number, to, into, time, name, rtype, rcode, extended = \
            (column.split("\x1f") if column else [] for column in line.split("\t"))
        # Of a packet with several messages it is not said whose it is.
        if len(rcode) == len(extended) == 1:
            rcode = [int(extended[0], 0) << 4 | int(rcode[0])]
        questions[int(number[0])] = list(zip(name, rtype))
        for query, seconds, code in zip(to, time, rcode):
            pairs[(int(query), int(number[0]))] = (seconds, RCODES[int(code)],
                                                   questions.get(int(query)))
        for answer in into:
            pairs.setdefault((int(number[0]), int(answer)), None)
    return pairs


TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA",
         33: "SRV", 48: "DNSKEY", 64: "SVCB", 65: "HTTPS", 256: "URI", 257: "CAA"}


def transactions(text):
    """The same of nswatch's JSON."""
    pairs = {}
    for line in text.splitlines():
        t = json.loads(line)
        if t["type"] != "transaction" or not t["answer"]:
            continue
        q = t["question"] or {"name": None, "type": None}
        pairs[(t["query_packet"], t["response_packet"])] = (
            t["latency_ms"], q["name"], q["type"], t["answer"]["rcode"])
    return pairs


def nswatch(path, *options):
    done = subprocess.run([NSWATCH, "-r", path, "--dns", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def assert_same(ours, theirs):
    assert set(ours) == set(theirs)
    for pair, want in theirs.items():
        if not want:
            continue
        latency, name, rtype, rcode = ours[pair]
        seconds, want_rcode, questions = want
        assert abs(latency * 1e6 - float(seconds) * 1e9) < 1, pair
        assert rcode == want_rcode, pair
        questions = [("." if q == "<Root>" else q, TYPES.get(int(t), rtype)) for q, t in questions
                     if q == "<Root>" or not q.startswith("<")]
        assert (name, rtype) in questions or not questions, pair


@pytest.mark.skipif(not FILES, reason=f"no {CORPUS} here")
def test_captures_of_others():
    # test_corpus shows that the lines with " DNS " are those that tshark has.
    paths = [path for path in map(capture, FILES) if " DNS " in subprocess.run(
        [NSWATCH, "-r", path], stdout=subprocess.PIPE, check=True).stdout.decode()]
    theirs = in_parallel(paired_by_tshark, paths)
    assert sum(map(len, theirs.values())) > 20
    for path in paths:
        assert_same(transactions(nswatch(path, "--json")), theirs[path])


def tcp_message(message):
    return struct.pack(">H", len(message)) + message


class Talk(f.Capture):
    def ask(self, time, port, message, src=CLIENT, dst=SERVER, dport=53, **kw):
        return self.add(time, f.udp(src, dst, port, dport, message), **kw)

    def reply(self, time, port, message, src=CLIENT, dst=SERVER, dport=53, **kw):
        return self.add(time, f.udp(dst, src, dport, port, message), **kw)

    def connect(self, time, port, src=CLIENT, dst=SERVER):
        self.add(time, f.tcp(src, dst, port, 53, 100, 0, f.SYN))
        self.add(time, f.tcp(dst, src, 53, port, 500, 101, f.SYN | f.ACK))
        self.add(time, f.tcp(src, dst, port, 53, 101, 501, f.ACK))

    def stream(self, time, port, asked, answered, src=CLIENT, dst=SERVER):
        """Segments there, then segments back."""
        self.connect(time, port, src, dst)
        seq, ack = 101, 501
        for i, data in enumerate(asked):
            self.add(time + .01 + i / 1000, f.tcp(src, dst, port, 53, seq, ack, f.PSH | f.ACK,
                                                  data))
            seq += len(data)
        for i, data in enumerate(answered):
            self.add(time + .05 + i / 1000, f.tcp(dst, src, 53, port, ack, seq,
                                                  f.PSH | f.ACK, data))
            ack += len(data)
        self.add(time + .1, f.tcp(src, dst, port, 53, seq, ack, f.FIN | f.ACK))
        self.add(time + .1, f.tcp(dst, src, 53, port, ack, seq + 1, f.FIN | f.ACK))


def txt(ident, name, records, size=200):
    return f.answer(ident, name, 16,
                    [f.rr(b"\xc0\x0c", 16, bytes([size]) + b"x" * size)] * records)


def over_udp(c):
    q, a = f.query, f.answer
    # A retry within five seconds, after five, and both answered.
    c.ask(0, 1001, q(1, "a.test"))
    c.ask(2, 1001, q(1, "a.test"))
    c.reply(2.1, 1001, a(1, "a.test", records=[f.a("1.2.3.4")]))
    c.ask(10, 1002, q(2, "b.test"))
    c.ask(15.005, 1002, q(2, "b.test"))
    c.reply(15.1, 1002, a(2, "b.test"))
    c.reply(15.2, 1002, a(2, "b.test"))
    # The id used again, an answer from elsewhere, one without a question, a late one.
    for i in range(3):
        c.ask(40 + i, 1006, q(6, "f.test"))
        c.reply(40.1 + i, 1006, a(6, "f.test", flags=0x8183))
    c.ask(50, 1007, q(7, "g.test"))
    c.reply(50.1, 1007, a(7, "g.test"), dst=OTHER)
    c.ask(51, 1008, q(8, "h.test"))
    c.reply(51.1, 1008, struct.pack(">6H", 8, 0x8182, 0, 0, 0, 0))
    c.ask(60, 1010, q(10, "k.test"))
    c.reply(100.1, 1010, a(10, "k.test"))
    c.ask(110, 1011, q(11, "l.test"))
    c.ask(150, 1011, q(11, "l.test"))
    c.reply(150.1, 1011, a(11, "l.test"))
    # Capitals; a question that cannot be read, none, two; other operations, from port 53.
    c.ask(160, 1012, q(12, "MiXed.test"))
    c.reply(160.1, 1012, a(12, "mixed.TEST"))
    for port, body in ((1014, b"\xc0\x0c\0\1\0\1"), (1015, None),
                       (1016, f.question("x.test") + f.question("y.test"))):
        count = 0 if body is None else 2 if port == 1016 else 1
        c.ask(port, port, struct.pack(">6H", port, 0x100, count, 0, 0, 0) + (body or b""))
        c.reply(port + .1, port, struct.pack(">6H", port, 0x8181, count, 0, 0, 0)
                + (body or b""))
    for port, flags in ((1117, 0x2800), (1118, 0x2400)):
        c.ask(port, port, q(17, "zone.test", 6, flags))
        c.reply(port + .1, port, a(17, "zone.test", 6, flags=flags | 0x8000))
    c.ask(1200, 53, q(55, "pp.test"))
    c.reply(1200.1, 53, a(55, "pp.test"))
    # IPv6; in fragments, also in the wrong order; cut by the capture.
    c.ask(1210, 1019, q(19, "v6.test", 28), CLIENT6, SERVER6)
    c.reply(1210.1, 1019, a(19, "v6.test", 28), CLIENT6, SERVER6)
    for i, (src, dst) in enumerate(((CLIENT, SERVER), (CLIENT6, SERVER6)) * 2):
        c.ask(1220 + i, 1020 + i, q(20, "big.test", 16, edns=b""), src, dst)
        pieces = list(f.fragments(dst, src, 53, 1020 + i, txt(20, "big.test", 12), 1208, 77 + i))
        for n, piece in enumerate(pieces if i < 2 else reversed(pieces)):
            c.add(1220.1 + i + n / 100, piece)
    c.ask(1230, 1030, q(30, "cut.test"))
    c.reply(1230.1, 1030, a(30, "cut.test", records=[f.a("1.1.1.1")]), cut=80)


def over_tcp(c):
    q, a = f.query, f.answer
    c.stream(1300, 2000, [tcp_message(q(40, "t.test"))], [tcp_message(a(40, "t.test"))])
    # Two messages in a segment, answered the other way round; three segments a message.
    c.stream(1301, 2001, [tcp_message(q(41, "t.test")) + tcp_message(q(42, "u.test"))],
             [tcp_message(a(42, "u.test")) + tcp_message(a(41, "t.test"))])
    ask, reply = tcp_message(q(43, "w.test", 16)), tcp_message(txt(43, "w.test", 20))
    c.stream(1302, 2002, [ask[:1], ask[1:]], [reply[:1000], reply[1000:2000], reply[2000:]])
    # Begun before the capture; a segment sent twice.
    ask, reply = tcp_message(q(45, "mid.test")), tcp_message(a(45, "mid.test"))
    c.add(1310, f.tcp(CLIENT, SERVER, 2004, 53, 100, 500, f.PSH | f.ACK, ask))
    c.add(1310.1, f.tcp(SERVER, CLIENT, 53, 2004, 500, 100 + len(ask), f.PSH | f.ACK, reply))
    c.connect(1311, 2005)
    for at in (1311.01, 1311.21):
        c.add(at, f.tcp(CLIENT, SERVER, 2005, 53, 101, 501, f.PSH | f.ACK, ask))
    c.add(1311.3, f.tcp(SERVER, CLIENT, 53, 2005, 501, 101 + len(ask), f.PSH | f.ACK, reply))


LINKS = {"ethernet": f.ETHERNET, "raw": f.RAW, "null": f.NULL, "sll": f.SLL, "sll2": f.SLL2,
         "loop": f.LOOP}


@pytest.mark.parametrize("link", LINKS)
def test_made(link, tmp_path):
    c = Talk(LINKS[link])
    over_udp(c)
    over_tcp(c)
    c.ask(1400, 3001, f.query(51, "vl.test"), vlan=5)
    c.reply(1400.1, 3001, f.answer(51, "vl.test"), vlan=5)
    path = c.write(tmp_path / "x.pcap")
    theirs = paired_by_tshark(path)
    assert len(theirs) > 25
    assert_same(transactions(nswatch(path, "--json")), theirs)
    pcapng = tmp_path / "x.pcapng"
    subprocess.run(["editcap", path, pcapng], check=True)
    assert transactions(nswatch(pcapng, "--json")) == transactions(nswatch(path, "--json"))


@pytest.mark.parametrize("link", LINKS)
def test_text_of_links(link, tmp_path):
    c = Talk(LINKS[link])
    over_udp(c)
    path = c.write(tmp_path / "x.pcap")
    want = subprocess.run(["tshark", "-n", "-r", path], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout
    done = subprocess.run([NSWATCH, "-n", "-r", path], stdout=subprocess.PIPE, check=True)
    assert done.stdout == want


def test_where_an_id_alone_misleads(tmp_path):
    """tshark pairs by id alone, and reads a segment when it comes. Of two questions with one
    id, each gets its own answer here; one to another question is not taken; what came in the
    wrong order is put in order."""
    c = Talk()
    c.ask(0, 1005, f.query(5, "d.test"))
    c.ask(.001, 1005, f.query(5, "d.test", 28))
    c.reply(.2, 1005, f.answer(5, "d.test", 28))
    c.reply(.3, 1005, f.answer(5, "d.test"))
    c.ask(1, 1009, f.query(9, "i.test"))
    c.reply(1.1, 1009, f.answer(9, "j.test"))
    c.connect(2, 2003)
    ask, reply = tcp_message(f.query(44, "o.test", 16)), tcp_message(txt(44, "o.test", 10))
    query = c.add(2.01, f.tcp(CLIENT, SERVER, 2003, 53, 101, 501, f.PSH | f.ACK, ask))
    for at, part in ((1000, reply[1000:]), (0, reply[:1000])):
        last = c.add(2.02, f.tcp(SERVER, CLIENT, 53, 2003, 501 + at, 101 + len(ask),
                                 f.PSH | f.ACK, part))
    found = transactions(nswatch(c.write(tmp_path / "x.pcap"), "--json"))
    assert {pair: t[1:3] for pair, t in found.items()} == {
        (2, 3): ("d.test", "AAAA"), (1, 4): ("d.test", "A"), (query, last): ("o.test", "TXT")}


COUNT = int(os.environ.get("NSWATCH_TRANSACTIONS", "100000"))


def test_live(lab, php, tmp_path):
    """NSWATCH_TRANSACTIONS=10000 for less."""
    names = [f"{name} {rtype}" for rtype in ("A", "AAAA", "MX", "TXT")
             for name in ("www.example.test", "WWW.Example.Test", "nx.example.test",
                          "example.test", ".")]
    (tmp_path / "queries").write_text("\n".join(names) + "\n")
    watch = Watch(lab, ["php", "--dns", "--json", "-w", tmp_path / "x.pcapng"])
    try:
        done = php.run(["dnsperf", "-s", "10.77.53.53", "-d", tmp_path / "queries", "-n",
                        str(COUNT // len(names)), "-c", "8", "-Q", "20000"])
        result = watch.stop()
    finally:
        watch.kill()
    completed = int(re.search(r"Queries completed: +(\d+)", done.stdout).group(1))
    assert completed == COUNT and result.books["lost"] == 0
    ours = transactions(result.out)
    assert len(ours) == COUNT
    assert_same(ours, paired_by_tshark(tmp_path / "x.pcapng", passes=1))


def test_a_file_of_ours_says_the_same(lab, php, tmp_path):
    """Names, sides and namespaces of the interfaces come back from the file, so the
    transactions and what the host's end saw are those of the watch itself."""
    path = tmp_path / "x.pcapng"
    watch = Watch(lab, ["php", "--dns", "--json", "--side", "both", "-w", path])
    try:
        for name in ("www.example.test", "nx.example.test"):
            php.run(["dig", "+tries=1", "@10.77.53.53", name])
        result = watch.stop()
    finally:
        watch.kill()
    live = [t for t in map(json.loads, result.lines) if t["type"] == "transaction"]
    read = [t for t in map(json.loads, nswatch(path, "--json").splitlines())
            if t["type"] == "transaction"]
    assert len(live) == 2 and live[0]["host_side"] == {"left": True, "came_back": True}
    for t in (*live, *read):
        for key in ("process", "waited_ms"):  # not in the packets
            del t[key]
    assert read == live


def test_names_of_interfaces_of_others(tmp_path):
    """As tshark reads them, through a copy as well."""
    def block(kind, body):
        length = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + length + body + length

    def interface(name):
        option = struct.pack("<HH", 2, len(name)) + name + bytes(-len(name) % 4)
        return block(1, struct.pack("<HHI", 1, 0, 0) + option + bytes(4))

    def packet(number, frame):
        return block(6, struct.pack("<5I", number, 0, 1000, len(frame), len(frame)) + frame
                     + bytes(-len(frame) % 4))

    frame = f.link(f.udp(CLIENT, SERVER, 1000, 53, f.query(1, "a.test")))
    path, copy = tmp_path / "x.pcapng", tmp_path / "y.pcapng"
    path.write_bytes(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
                     + interface(b"wlan0") + interface(b"a/b-longer-than-it-may-be")
                     + packet(1, frame) + packet(0, frame) + packet(1, frame))
    done = subprocess.run([NSWATCH, "-r", path, "--json"], stdout=subprocess.PIPE, check=True)
    names = [json.loads(line)["interface"] for line in done.stdout.splitlines()]
    assert names == ["a/b-longer-than", "wlan0", "a/b-longer-than"]
    subprocess.run([NSWATCH, "-r", path, "-w", copy], check=True)
    shown = subprocess.run(["tshark", "-r", copy, "-T", "fields", "-e", "frame.interface_name"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    assert shown.stdout.decode().split() == names


def talk_as_usual():
    """Lookups as they are, with what tshark counts: retries, types, rcodes, unasked answers."""
    c = Talk()
    for i in range(400):
        rtype = (1, 28, 16, 15, 65, 12, 33, 6, 2, 48, 257)[i % 11]
        name = ("a.test", "www.example.test", "a.b.c.d.test", "test", ".")[i % 5]
        at = i * .0137 + (i // 50) * 1.5
        c.ask(at, 2000 + i, f.query(i, name, rtype, edns=b"" if i % 3 else None))
        if i % 7 == 0:
            c.ask(at + 2, 2000 + i, f.query(i, name, rtype))
        if i % 9:
            c.reply(at + .0021 + i % 13 / 100, 2000 + i,
                    f.answer(i, name, rtype, flags=0x8180 | (0, 3, 2, 5)[i % 4]))
        if i % 10 == 1:
            c.reply(at + .3, 2000 + i, f.answer(i, name, rtype))
    for i in range(5):
        c.reply(100 + i, 5000, f.answer(i, "unasked.test"))
    over_tcp(c)
    c.ask(1500, 6000, f.query(1, "x.test", 600, flags=0x1800, rclass=7))
    c.frames.sort(key=lambda frame: frame[0])
    return c


def test_dns_tree(tmp_path):
    paths = [talk_as_usual().write(tmp_path / "x.pcap"),
             *(p for p in map(capture, FILES) if re.search("dns[-_](udp|uri)|edns", p))]
    for path in paths:
        want, got = (subprocess.run([tool, "-n", "-q", "-r", path, "-z", "dns,tree"],
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                    check=True).stdout.decode() for tool in ("tshark", NSWATCH))
        assert got == want, path
    done = subprocess.run([NSWATCH, "-r", paths[0], "-z", "io,phs"], stderr=subprocess.PIPE,
                          check=False)
    assert done.returncode == 2 and b"dns,tree" in done.stderr


def flood(path, n, answered):
    """n queries, each for another name, 50,000 a second: more are pending at once than there
    is room for."""
    head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, f.RAW)
    there = b"\x45\0\0\x3f\0\1\0\0\x40\x11\0\0\x0a\0\0\2\x0a\0\0\x35"
    back = b"\x45\0\0\x3f\0\1\0\0\x40\x11\0\0\x0a\0\0\x35\x0a\0\0\2\0\x35"
    with open(path, "wb") as file:
        file.write(head)
        for i in range(n):
            text = b"\x0cn%011d\4test\0\0\1\0\1" % i
            sport = struct.pack(">H", 1024 + (i >> 4) % 60000)
            record = struct.pack("<IIII", 1700000000 + i // 50000, i % 50000 * 20000, 63, 63)
            length = struct.pack(">HH", 43, 0)
            ident = struct.pack(">H", i & 0xFFFF)
            file.write(record + there + sport + b"\0\x35" + length + ident
                       + b"\1\0\0\1\0\0\0\0\0\0" + text)
            if answered:
                file.write(record + back + sport + length + ident
                           + b"\x81\x83\0\1\0\0\0\0\0\0" + text)
    return path


# A process begins with the peak of the one that forked it: let that be a small one.
MEASURE = """
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(status != 0)
"""


def peak_memory(path):
    """MiB, and the summary."""
    done = subprocess.run([sys.executable, "-ISc", MEASURE, NSWATCH, "-r", path, "--dns", "-q",
                           "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, check=True)
    return int(done.stderr) / 1024, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("answered", (False, True))
def test_memory_is_bounded(tmp_path, answered):
    with open(NSWATCH, "rb") as binary:
        sanitized = b"__asan_init" in binary.read()
    if sanitized:
        pytest.skip("ASan's shadow and quarantine are measured, not nswatch's memory")
    peaks = []
    for n in (100_000, 300_000):
        peak, summary = peak_memory(flood(str(tmp_path / "flood.pcap"), n, answered))
        peaks.append(peak)
        assert summary["transactions"] == n
        assert summary["answered" if answered else "unanswered"] == n
        assert bool(summary["dropped"]) is not answered
    assert peaks[1] < peaks[0] + 2 and peaks[1] < 48, peaks

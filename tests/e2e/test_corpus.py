# SPDX-License-Identifier: GPL-2.0-only
"""`nswatch -r` on captures that others made, against tshark and editcap."""

import json
import os
import random
import re
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

import pytest

from lab import ROOT
from watching import NSWATCH

sys.path.insert(0, os.path.join(ROOT, "tests"))

import dns_frames  # noqa: E402

CORPUS = os.path.join(ROOT, "..", "shared", "corpus", "captures")
FILES = sorted(os.listdir(CORPUS)) if os.path.isdir(CORPUS) else []

# What decode/ knows, and what tshark needs below and beside it.
KNOWN = re.compile(
    r"(frame|eth|ethertype|vlan|ieee8021ad|arp|ip|ipv6|icmp|icmpv6|tcp|udp|dns|mdns"
    r"|llmnr|data|llc|sll|null|raw|mptcp|vxlan|geneve|gre|erspan|file-pcap.*|_ws[.].*"
    r"|(tcp|ip)[.]options.*|ipv6[.].*)$")
# What it calls the protocol of a line.
SHOWN = re.compile(r"(R?ARP|IP(v[46])?|ICMP(v6)?|TCP|MPTCP|UDP|M?DNS|LLMNR|LLC|Ethernet|VLAN"
                   r"|802[.]1ad|0x\w{4}|GRE|ERSPAN|VxLAN|Geneve)$")

# Where the lines may differ, and why.
DIFFERENT = {
    "a name from a database that nswatch does not carry":
        lambda g, w: ", OUI 0x" in w,
    "an extension header of IPv6 that neither decodes: tshark says nothing of it":
        lambda g, w: re.sub(r"Unknown IP Protocol: (Authentication Header|Mobile IPv6|Shim6 header)"
                            r" \(\d+\)", "", g) ==
                     re.sub("IPv6 (routing|(hop-by-hop|destination) options)", "", w),
    "a million microseconds or more behind the second, which tshark prints in seven digits":
        lambda g, w: re.search(r"\.\d{7}\d?\s", w),
}

FORMATS = ["a", "ad", "d", "dd", "e", "r", "u", "ud"]

pytestmark = pytest.mark.skipif(not FILES, reason="no ../shared/corpus/captures here")


def run(*cmd, **kw):
    kw = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, **kw}
    return subprocess.run(cmd, stdout=subprocess.PIPE, check=False, timeout=60, **kw)


def nswatch(*args, **kw):
    return run(NSWATCH, "-n", *args, **kw)


def tshark(*args, **kw):
    return run("tshark", "-n", *args, **kw).stdout


def in_parallel(function, items):
    """{item: function(item)}; a tshark takes a third of a second to start."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(items, pool.map(function, items)))


def capture(name):
    return os.path.join(CORPUS, name)


@pytest.fixture(scope="module")
def reduced(tmp_path_factory):
    """A profile of tshark without the dissectors that nswatch has not, so that
    it prints the line of the innermost protocol that both know."""
    profile = tmp_path_factory.mktemp("profile")
    names = [line.split("\t")[2] for line in
             run("tshark", "-G", "protocols").stdout.decode().splitlines()]
    assert len(names) > 1000
    (profile / "disabled_protos").write_text(
        "".join(f"{n}\n" for n in names if not KNOWN.match(n)))
    return {**os.environ, "WIRESHARK_CONFIG_DIR": str(profile)}


@pytest.fixture(scope="module")
def reduced_text(reduced):
    return in_parallel(lambda name: tshark("-r", capture(name), env=reduced), FILES)


@pytest.fixture(scope="module")
def plain_text():
    """The text of the files in which tshark finds our protocols alone."""
    def text(name):
        out = tshark("-r", capture(name), "-z", "io,phs").decode()
        text, _, tree = out.partition("\n" + "=" * 67)
        protocols = re.findall(r"^ *([\w.-]+) +frames:", tree, re.M)
        assert protocols or not text
        # What the tree does not tell: a dissector that waits for more, or has not come far.
        hidden = "[TCP segment of a reassembled PDU]" in text or "OLSR Packet" in text
        shown = re.findall(r"→ \S*\s+(\S+) \d+ ", text)
        known = all(map(KNOWN.match, protocols)) and all(map(SHOWN.match, shown))
        return text if known and not hidden else None

    texts = in_parallel(text, FILES)
    return {name: text for name, text in texts.items() if text}


def may_differ(g, w):
    return any(allows(g, w) for allows in DIFFERENT.values())


def assert_same_lines(got, want):
    got, want = got.decode().splitlines(), want.decode().splitlines()
    assert len(got) == len(want)
    assert [(g, w) for g, w in zip(got, want) if g != w and not may_differ(g, w)] == []


@pytest.mark.parametrize("name", FILES)
def test_text(name, reduced_text):
    done = nswatch("-r", capture(name))
    assert (done.returncode, done.stderr) == (0, b"")
    assert_same_lines(done.stdout, reduced_text[name])


def test_text_of_an_untouched_tshark(plain_text):
    assert len(plain_text) > 10
    for name, text in plain_text.items():
        assert nswatch("-r", capture(name)).stdout.decode() == text, name


def write_pcap(path, frames, wires=()):
    """wires: the frames' lengths on the wire, where more than the frame."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for number, (frame, wire) in enumerate(zip_longest(frames, wires, fillvalue=0)):
            f.write(struct.pack("<IIII", number, 0, len(frame), max(len(frame), wire)) + frame)


def ether(rest):
    return bytes.fromhex("020000000001020000000002") + rest


def test_every_llc_header(reduced, tmp_path):
    """IEEE 802.2: all service access points, all control fields."""
    headers = [bytes([0x44, sap, 3]) for sap in range(256)]
    headers += [bytes([sap, 0x44, 3]) for sap in range(256)]
    headers += [bytes([0x44, ssap, control, final]) for ssap in (0x44, 0x45)
                for control in range(256) for final in (4, 5)]
    path = tmp_path / "llc.pcap"
    write_pcap(path, [ether(struct.pack("!H", 50) + h.ljust(50, b"\0")) for h in headers])
    assert_same_lines(nswatch("-r", path).stdout, tshark("-r", path, env=reduced))


def test_types_behind_tags(reduced, tmp_path):
    path = tmp_path / "tags.pcap"
    write_pcap(path, [ether(struct.pack("!HHH", tpid, 0x6123, kind).ljust(60, b"\0"))
                      for tpid in (0x8100, 0x88A8, 0x9100)
                      for kind in (0, 0x0101, 0x05DC, 0x05DD, 0x05FF, 0x2800, 0x88CC,
                                   0x0842, 0xFFFF)])
    assert_same_lines(nswatch("-r", path).stdout, tshark("-r", path, env=reduced))


@pytest.mark.parametrize("form", FORMATS)
def test_time_formats(form, reduced):
    env = {**reduced, "TZ": "Asia/Kathmandu"}
    for name in ("edns-opts.pcap", "erspan-type-i-4.pcap"):
        assert_same_lines(nswatch("-t", form, "-r", capture(name), env=env).stdout,
                          tshark("-t", form, "-r", capture(name), env=env))


def test_tunnel_in_fragments(reduced, tmp_path):
    """The addresses are those of what is put together, in whatever order it comes."""
    ends = ("10.0.0.1", "10.0.0.2")
    inner = dns_frames.udp("10.1.0.1", "10.1.0.2", 4000, 9, bytes(64))
    vxlan = b"\x08\0\0\0\0\0\5\0" + ether(b"\x08\0" + inner)
    talks = [list(dns_frames.fragments(*ends, 50000, 4789, vxlan, 48, 7))[::-1]]
    for proto, body in [(47, b"\0\0\x08\0" + inner), (4, inner)]:
        talks.append([dns_frames.ip(*ends, proto, body[:48], 7, (0, True)),
                      dns_frames.ip(*ends, proto, body[48:], 7, (48, False))])
    talks[2].reverse()
    frames = [ether(b"\x08\0" + piece) for pieces in talks for piece in pieces]
    path = tmp_path / "fragments.pcap"
    write_pcap(path, frames)
    want = tshark("-r", path, env=reduced)
    assert want.count("10.1.0.1 → 10.1.0.2     UDP".encode()) == 3
    assert_same_lines(nswatch("-r", path).stdout, want)
    shown = [json.loads(line) for line in nswatch("--json", "-r", path).stdout.splitlines()]
    assert [(p["src"], p["src_port"], p["dst"], p["dst_port"])
            for p in shown if p["protocol"] == "UDP"] == [("10.1.0.1", 4000, "10.1.0.2", 9)] * 3


def test_tunnels_that_carry_little(reduced, tmp_path):
    """Nothing, or a byte, behind the header."""
    ends = ("10.0.0.1", "10.0.0.2")
    types = (0x0800, 0x86DD, 0x0806, 0x88BE, 0x22EB, 0x883E, 0x880B, 0x8100, 0, 1)
    rests = (b"", b"\0", b"\x45", b"\xd0")
    packets = [dns_frames.ip(*ends, 47, struct.pack("!HH", flags, kind) + number + rest)
               for flags, number in ((0, b""), (0x1000, b"\0\0\0\7"))
               for kind in types for rest in rests
               if not (flags and kind == 0x883E)]  # see ALLOWED
    headers = [(6081, struct.pack("!HHI", 0, kind, 0)) for kind in types]
    headers += [(4790, struct.pack("!BHBI", 12, 0, kind, 0)) for kind in range(5)]
    packets += [dns_frames.udp(*ends, 50000, port, header + rest)
                for port, header in headers for rest in rests]
    path = tmp_path / "little.pcap"
    write_pcap(path, [ether(b"\x08\0" + p) for p in packets])
    got, want = nswatch("-r", path).stdout, tshark("-r", path, env=reduced)
    # What is said of an Ethernet header that is cut off: see ALLOWED.
    want = re.sub(rb"(Ethernet \d+ )(Encapsulated Transparent Ethernet bridging|ERSPAN:)",
                  rb"\1", want)
    assert_same_lines(got, want)


# Frames, and their length on the wire if more than is captured.
CUT_SHORT = [
    # behind an 802.3 length: the trailer
    ("0180c2000000aabbcc0003100026424203000000000000800100aabbcc0300000000008001aabbcc"
     "000380020000140002000f00080000", 60),
    # in an outer tag, and in the inner one
    ("0020d25afb3f0080ea81886388a800c88100", 64),
    ("0020d25afb3f0080ea81886388a840c8810007", 0),
    # the length of IPv4 is zero, and the addresses or the options are not whole
    ("b8cef6048b14d4aff7db48970800450000004cfa40003d01d4b80a19840b0a1984", 0),
    ("a9a99d00007fffc18000000008004f000000640fdff9fe118e15fb49560000ac800583190f676767"
     "0000ac007400102424100024020e09240401efff", 0),
    # IPv6's options in the first fragment of an IPv4 packet
    ("200000011c7ec0c1c0a69b9d080045000128af0fe0000e003280fadb5b471464eeff1414000e006c"
     "400000047d010f", 0),
    # IPv6's fragment header in an IPv4 packet
    ("20000001007ec0c1c0a6809d080045000028af0fe0000e2c3280fadb5b471464eeff1414000e006c"
     "400000017d010f", 0),
    # a segment routing header, behind its first address
    ("080027206bcf080027c22da586dd600889ad00902b40000a000b000c00120000000000000001000a"
     "000b000c00020000000000f100002904040101000000000a000b000c000300000000000000d6000a"
     "000b000c", 198),
    # a compact routing header, longer than the packet
    ("00000000111100000000aaaa86dd6789abcd00202b4020010db8000100000000000000000001cafe"
     "00010000000000000000000000023b030600000000", 0),
    # an echo request that an ICMP error quotes
    ("a6824bc9a1a77483ef07d0a9080045c0004c9c6a00004001c6330a2801010a2802030301fcfe0000"
     "00004500003061b440003f01bfcc0a2802030a1e04040800b7db40", 90),
    # ERSPAN of type II under the number of type III
    ("001018b38f10881dfcc9dc0308004500006c00000000ff2f366dc0a801acc0a801f9900022eb0000"
     "baf620011865131dade100001e000000abc500004bce0180c2000000001969df", 0),
    # an inner frame of a tunnel's first fragment, and an inner packet
    ("001018b38f10881dfcc9dc0308004500006400002000ff2f3675c0a801acc0a801f9100088be0001"
     "a20c100110650000abc5010081000101001969dfdc01810000010013aaaa03000081", 0),
    ("002389afd259002389afcd0e08004500006200002000fd2f8968140101011e010102000088be0023"
     "89ce441300505684017d08004500003c664600008001be140a0101640a010101080098590300", 0),
    # padding behind a router's search list, captured in part and not all there
    ("33330000000102000000000286dd6000000000203afffe800000000000000000000000000001ff02"
     "0000000000000000000000000001860000004000070800000000000000001f02000000000708036c"
     "616e0000", 86),
    ("33330000000102000000000286dd60000000001f3afffe800000000000000000000000000001ff02"
     "0000000000000000000000000001860000004000070800000000000000001f02000000000708036c"
     "616e000000", 0),
    # more padding in an option than the option has room for
    ("33330000000102000000000286dd6000000000303afffe800000000000000000000000000001ff02"
     "0000000000000000000000000001860000004000070800000000000000000b044080000000000000"
     "00000000000000000000000000000000000000000000", 0),
]


def test_cut_short(reduced, tmp_path):
    path = tmp_path / "cut.pcap"
    frames, wires = zip(*CUT_SHORT)
    write_pcap(path, map(bytes.fromhex, frames), wires)
    assert_same_lines(nswatch("-r", path).stdout, tshark("-r", path, env=reduced))


# Packets that are wrong

PER_FILE, PER_PACKET = 12, 5

# Where nswatch may differ, and why; at most in one of 400 packets all together, of which
# those that follow from one another count once.
ALLOWED = {
    "TCP: what is remembered of segments that contradict each other":
        lambda g, w: re.search(" (MP)?TCP ", w) and (
            stateless(g) == stateless(w) or "[TCP Out-Of-Order]" in g and "[TCP Out-" in w
            or "[TCP segment of a reassembled PDU]" in w and " DNS " in g),
    "ICMP: which echo an answer belongs to, of those that contradict each other":
        lambda g, w: " ICMP" in w and unanswered(g) == unanswered(w),
    "DNS: a message that is faulty itself":
        lambda g, w: " DNS " in w or " MDNS " in w,
    "ICMPv6: a multicast control message, which tshark takes for an unknown protocol":
        lambda g, w: "MPL Control Message" in g,
    "IPv4: an option that is shorter than its fields; what follows is shown all the same":
        lambda g, w: re.search(r" IPv4 \d+ \[Malformed Packet\]$", w) and "Malformed" not in g,
    "GRE: WCCP behind a key, in which tshark looks for the version of IP":
        lambda g, w: re.search(r" IP \d+ Bogus IP version", w),
    "IPv6: a long chain of extension headers":
        lambda g, w: w.count(" , IPv6 ") >= 8,
    "ICMPv6: a length from 1,024 bytes on, which tshark takes for a negative one":
        lambda g, w: "Unknown IP Protocol: ICMPv6 (58)" in w,
    "a payload that is cut off, at which tshark looks all the same":
        lambda g, w: re.search(" (ICMP|TCP) ", w) and w == g + "[Packet size limited during capture]",
    "MPTCP: a failed assertion of tshark":
        lambda g, w: "Dissector bug" in w,
    "Ethernet: a header that is cut off in a tunnel, of which tshark then tells":
        lambda g, w: re.sub("Encapsulated Transparent Ethernet bridging|ERSPAN:", "", w) == g,
    "Cisco's ISL, which tshark finds by the destination":
        lambda g, w: re.search("→ 0[13]:00:0c:00:00:", g),
    "IP: a datagram put together of fragments that contradict each other":
        lambda g, w: re.search("Fragmented IP protocol|Illegal IPv", g + w),
}


def stateless(line):
    """The line without what earlier segments decide."""
    return re.sub(r"\[TCP [^]]*\] |(Win|Seq|Ack|SLE|SRE)=\d+|(, )?(ACE=\d|AE|CWR|ECE)\b(, )?",
                  "", line)


def unanswered(line):
    return re.sub(r" \((request in \d+|reply in \d+|no response found!)\)", "", line)


def packets(name):
    """[(bytes, length on the wire)]"""
    data, at, out = records(capture(name)), 0, []
    while at < len(data):
        _, _, cap, wire = struct.unpack_from("<IIII", data, at)
        out.append((data[at + 16:at + 16 + cap], wire))
        at += 16 + cap
    return out


def mutant(packet, wire, rng):
    """The packet with bytes changed, its end cut off, or both, or as it is."""
    data, how = bytearray(packet), rng.randrange(6)
    if how <= 2:
        for _ in range(rng.randrange(1, 4)):
            i = rng.randrange(min(len(data), 90))
            data[i] = rng.choice([0, 1, 255, rng.randrange(256),
                                  data[i] ^ 1 << rng.randrange(8)])
    elif how == 3:
        del data[rng.randrange(1, len(data) + 1):]
    elif how == 4:
        i = rng.randrange(12, min(len(data), 60))
        data[i] ^= 1 << rng.randrange(8)
        del data[max(14, len(data) - rng.randrange(60)):]
    if rng.randrange(2) or len(data) > wire:
        wire = len(data)
    return struct.pack("<II", len(data), wire) + data


@pytest.mark.parametrize("seed", range(1, 5))
def test_text_of_wrong_packets(seed, reduced, tmp_path):
    rng = random.Random(seed)
    chosen = []
    for found in in_parallel(packets, FILES).values():
        rng.shuffle(found)
        chosen += [p for p in found[:PER_FILE] if 20 < len(p[0]) < 2000]
    rng.shuffle(chosen)
    mutants = [mutant(*p, rng) for p in chosen for _ in range(PER_PACKET)]
    path = tmp_path / "wrong.pcap"
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1) +
                     b"".join(struct.pack("<II", 1700000000 + i, 0) + m
                              for i, m in enumerate(mutants)))
    done = nswatch("-r", path)
    assert (done.returncode, done.stderr) == (0, b"")
    got = done.stdout.decode(errors="replace").splitlines()
    want = tshark("-r", path, env=reduced).decode(errors="replace").splitlines()
    assert len(got) == len(want) == len(mutants) > 1000
    reasons = {reason: set() for reason in ALLOWED}
    strange = []
    for g, w in zip(got, want):
        if g == w or may_differ(g, w):
            continue
        why = next((r for r, allows in ALLOWED.items() if allows(g, w)), None)
        if why:
            follows = "what is remembered" in why
            reasons[why].add(frozenset(re.findall(r"(\S+) → (\S+)", w)[0]) if follows else w)
        else:
            strange.append((g, w))
    assert strange == []
    assert sum(map(len, reasons.values())) * 400 <= len(mutants), reasons


# TCP options

LENGTHS = {2: [4], 3: [3], 4: [2], 5: [10, 18, 26, 34], 6: [6], 7: [6], 8: [10], 11: [6], 12: [6],
           13: [6], 19: [18], 20: [4, 8], 21: [6], 22: [2], 23: [2], 27: [8], 28: [4],
           29: [4, 16], 30: [3, 4, 8, 10, 12, 16, 18, 20, 22, 24], 34: [2, 10], 76: [4, 8, 10, 14],
           78: [16], 99: [7], 172: [2, 5, 8, 11], 174: [2, 5, 8, 11], 253: [4, 5, 7, 10, 12],
           254: [4, 5, 7, 10, 13]}


def option(rng):
    """An option of any kind; its length is right four times of five."""
    kind = rng.choice(list(LENGTHS))
    size = rng.choice(LENGTHS[kind]) if rng.randrange(5) else rng.randrange(24)
    body = bytearray(rng.randbytes(max(0, size - 2)))
    if kind == 5:
        body = b"".join(struct.pack("!I", rng.choice([1, 500, 1000, 2000]) + rng.randrange(3))
                        for _ in range(9))[:len(body)]
    elif kind >= 253:
        body[:2] = struct.pack("!H", rng.choice([0xACC0, 0xACC1, 0xF989, 0xAC, 0x454E,
                                                 rng.randrange(65536)]))[:len(body)]
    elif kind == 30 and body:
        body[0] = rng.choice([*range(9), 15]) << 4 | rng.randrange(2)
    elif kind == 76 and body:
        body[0] = rng.choice([rng.randrange(11) << 4 | 1, rng.randrange(11) << 1])
    return bytes([kind, size]) + body


def segment(rng, port):
    """A frame with options, and its length on the wire; some are cut, by IP or the capture."""
    options = b"".join(b"\1" * rng.randrange(3) + option(rng)
                       for _ in range(rng.randrange(1, 4)))[:40]
    options += rng.choice([b"\0", b"\1"]) * (-len(options) % 4)
    flags = rng.choice([2, 0x12, 0x10, 0x18, 0x11, 0x14, 0x1C2, 0x52, 0xD0])
    ends = [(port, b"\n\0\0\1"), (80, b"\n\0\0\2")]
    rng.shuffle(ends)
    tcp = struct.pack("!HHIIHHHH", ends[0][0], ends[1][0], rng.choice([1000, 1001, 1004]),
                      rng.choice([0, 1000, 1001]), 5 + len(options) // 4 << 12 | flags, 1000,
                      0, 0) + options + rng.randbytes(rng.choice([0, 4]))
    size, cut = len(tcp), rng.randrange(8)
    if cut == 0:
        size = rng.randrange(20, len(tcp) + 1)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 1, 0, 64, 6, 0) + ends[0][1] + ends[1][1]
    frame = ether(b"\x08\0" + ip + tcp)
    return frame[:rng.randrange(34, len(frame) + 1) if cut == 1 else None], len(frame)


def test_options_of_segments(reduced, tmp_path):
    rng = random.Random(1)
    path = tmp_path / "options.pcap"
    frames = [segment(rng, 1024 + rng.randrange(1500)) for _ in range(4000)]
    write_pcap(path, *zip(*frames))
    got = nswatch("-r", path).stdout.decode().splitlines()
    want = tshark("-r", path, env=reduced).decode().splitlines()
    assert len(got) == len(want) == len(frames)
    assert [(g, w) for g, w in zip(got, want) if g != w and "Dissector bug" not in w] == []


# Names in DNS

def question(label):
    return asked(bytes([len(label)]) + label + b"\0")


def asked(name):
    dns = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + name + b"\0\1\0\1"
    udp = struct.pack("!HHHH", 1234, 53, 8 + len(dns), 0) + dns
    return ether(b"\x08\0" + struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) +
                 b"\n\0\0\1\n\0\0\2" + udp)


def test_characters_of_names(reduced, tmp_path):
    """All of two bytes, some longer than they need to be, and broken off."""
    labels = ["".join(map(chr, range(c, c + 16))).encode() for c in range(0x80, 0x800, 16)]
    labels += [bytes([0xC0 | c >> 6, 0x80 | c & 0x3F]) for c in range(1, 0x80)]
    labels += [b"\xe0\x81\x81", b"\xf0\x80\x82\xa9", b"\xf8\x80\x80\x81\x81",
               b"\xfc\x80\x80\x80\x81\x81", b"\xfd\xbf\xbf\xbf\xbf\xbf", b"\xfe\xff",
               b"\xf4\x90\x80\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\xe2\x82A", b"\xbf\x80",
               "\u200b\u202e\ufeff\U0001f600\U000e0001".encode()]
    path = tmp_path / "names.pcap"
    write_pcap(path, map(question, labels))
    assert_same_lines(nswatch("-r", path).stdout, tshark("-r", path, env=reduced))


def labels(total):
    """So many bytes of labels, with those that count them, but no label without letters."""
    lengths = [64] * (total // 64) + [total % 64] * (total % 64 > 1)
    return b"".join(bytes([n - 1]) + b"z" * (n - 1) for n in lengths) + b"\0"


def pointer(to):
    return struct.pack("!H", 0xC000 | to)


def test_shapes_of_names(reduced, tmp_path):
    """As long as a name may be, or longer; of bits; with bytes that are no letters anywhere; with
    pointers to before it, behind it, to themselves, and one after the other."""
    bits = b"\x41\x0c\xab\xc0"
    names = [b"\0", bits + b"\0", b"\1a" + bits + b"\1b\0", bits + b"\3abc\0"]
    names += [labels(total) for total in range(1, 300)]
    names += [b"\x14" + bytes(range(0x60, 0x60 + at)) + bytes([c]) + b"x" * (19 - at) + b"\2en\0"
              for at in range(20) for c in (0, 0x1f, 0x20, 0x7e, 0x7f, 0x80, 0xff)]
    names += [pointer(to) for to in range(40)]
    names += [b"\3abc" + pointer(to) for to in range(40)]
    names += [b"".join(pointer(14 + 2 * i) for i in range(n)) + b"\1a\0" for n in range(240, 270)]
    names += [bytes([n]) + b"a" * 20 + b"\0" for n in range(19, 256)]
    path = tmp_path / "names.pcap"
    write_pcap(path, map(asked, names))
    assert_same_lines(nswatch("-r", path).stdout, tshark("-r", path, env=reduced))


# Resolutions of time

ARP = bytes.fromhex("ffffffffffff0200000000010806000108000604000102000000000" "1"
                    "0a00000100000000000" "00a000002")


def block(kind, body):
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def section():
    return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(resolution):
    option = b"" if resolution is None else struct.pack("<HHB7x", 9, 1, resolution)
    return block(1, struct.pack("<HHI", 1, 0, 0) + option)


def packet(number, resolution, ns):
    resolution = 6 if resolution is None else resolution
    units = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10 ** resolution
    time = ns * units // 10 ** 9
    return block(6, struct.pack("<IIIII", number, time >> 32, time & 0xFFFFFFFF,
                                len(ARP), len(ARP)) + ARP)


def timed(resolutions, *times):
    """Interfaces of these resolutions, each with a packet at each time."""
    data = section() + b"".join(map(interface, resolutions))
    for time in times:
        for number, resolution in enumerate(resolutions):
            data += packet(number, resolution, time)
    return data


START = 1700000000 * 10 ** 9
TIMES = [START + ns for ns in (123456789, 1987654321, 123456389, -876543212)]
RESOLUTIONS = [None, *range(11), 0x80, 0x83, 0x84, 0x86, 0x87, 0x89, 0x8A, 0x90, 0x93,
               0x94, 0x9D, 0x9E, 0xA0]


@pytest.mark.parametrize("form", FORMATS)
def test_digits_of_each_interface(form, tmp_path):
    path = tmp_path / "x.pcapng"
    path.write_bytes(timed(RESOLUTIONS, *TIMES))
    assert nswatch("-t", form, "-r", path).stdout == tshark("-t", form, "-r", path)


def test_digits_begin_anew_with_a_section(tmp_path):
    path = tmp_path / "x.pcapng"
    path.write_bytes(timed([9, 3], *TIMES) + timed([6, 0], *TIMES))
    assert nswatch("-r", path).stdout == tshark("-r", path)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_digits_of_pcap(magic, order, tmp_path):
    path = tmp_path / "x.pcap"
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, 1)
    for i in range(3):
        data += struct.pack(order + "IIII", 1700000000 + i, 99999 * i, len(ARP), len(ARP))
        data += ARP
    path.write_bytes(data)
    assert nswatch("-r", path).stdout == tshark("-r", path)


# Copying and choosing

def records(path):
    """The packets with their times, as editcap understands the file."""
    done = run("editcap", "-F", "nsecpcap", path, "-")
    assert done.returncode == 0, done.stderr
    return done.stdout[24:]


@pytest.mark.parametrize("fmt", ["pcapng", "pcap"])
def test_copy(fmt, tmp_path):
    def copies(name):
        out = tmp_path / name
        done = nswatch("-r", capture(name), "-F", fmt, "-w", out)
        if (done.returncode, done.stdout, done.stderr) != (0, b"", b""):
            return done
        return same_packets(records(out), records(capture(name))) or "packets differ"

    def same_packets(ours, theirs):
        """A time that is none, a second or more behind the second, is each one's own guess."""
        at = 0
        while at < len(theirs):
            _, ns, cap, _ = struct.unpack_from("<IIII", theirs, at)
            skip = 8 if ns >= 10 ** 9 else 0
            if ours[at + skip:at + 16 + cap] != theirs[at + skip:at + 16 + cap]:
                return False
            at += 16 + cap
        return len(ours) == len(theirs)

    results = in_parallel(copies, FILES)
    assert {n: r for n, r in results.items() if r is not True} == {}


@pytest.mark.parametrize("fmt", ["pcapng", "pcap"])
def test_copy_opens_clean(fmt, tmp_path):
    out = tmp_path / "x"
    assert nswatch("-r", capture("dns_udp.pcap"), "-F", fmt, "-w", out).returncode == 0
    info = run("capinfos", "-Mt", out)
    assert info.returncode == 0 and info.stderr == b""
    assert fmt.encode() in info.stdout.splitlines()[1]


@pytest.mark.parametrize("fmt", ["pcapng", "pcap"])
def test_copy_without_packets(fmt, tmp_path):
    """It has a link type all the same: editcap would not convert it otherwise."""
    out = tmp_path / "x"
    assert nswatch("-r", capture("dns_udp.pcap"), "-F", fmt, "-w", out, "less 1").returncode == 0
    assert records(out) == b""
    assert b"ether\n" in run("capinfos", "-ME", out).stdout


def test_through_pipes(reduced_text):
    name = "dns_udp.pcap"
    with open(capture(name), "rb") as f:
        assert nswatch("-r", "-", stdin=f).stdout == reduced_text[name]
    for fmt in ("pcapng", "pcap"):
        with open(capture(name), "rb") as f:
            copy = nswatch("-r", "-", "-F", fmt, "-w", "-", stdin=f).stdout
        # pcap has nanoseconds in ours, so the text has more digits
        lines = nswatch("-t", "e", "-r", "-", input=copy, stdin=None).stdout
        assert lines == run("tshark", "-n", "-t", "e", "-r", "-", input=copy,
                            stdin=None).stdout


@pytest.mark.parametrize("count", [1, 3, 100000])
def test_count(count, reduced_text):
    name = "edns-opts.pcap"
    whole = reduced_text[name].splitlines(keepends=True)
    done = nswatch("-c", str(count), "-r", capture(name))
    assert done.returncode == 0 and len(whole) > 3
    assert done.stdout == b"".join(whole[:count])


def count_records(pcap):
    count, at = 0, 24
    while at < len(pcap):
        at += 16 + struct.unpack_from("<I", pcap, at + 8)[0]
        count += 1
    return count


@pytest.mark.parametrize("expr", ["udp port 53", "tcp", "not ip", "arp or icmp6",
                                  "greater 200", "ip[8] > 64", "vlan"])
def test_filter(expr, reduced_text):
    """libpcap's choice, with the numbers of the whole file."""
    for name in FILES[::3]:
        kept = run("tcpdump", "-n", "-t", "-r", capture(name), "-w", "-", expr).stdout
        shown = nswatch("-r", capture(name), *expr.split()).stdout.splitlines()
        assert len(shown) == count_records(kept), name
        numbers = [int(line.split()[0]) for line in shown]
        assert numbers == sorted(set(numbers))
        assert all(n <= reduced_text[name].count(b"\n") for n in numbers)


@pytest.mark.parametrize("expr", ["udp prot 53", "port", "host", "((ip", "ip[99999999999]",
                                  "vlan and and tcp"])
def test_wrong_filter(expr):
    why = run("tcpdump", "-n", "-r", capture("dns_udp.pcap"), expr).stderr.decode()
    why = why.splitlines()[-1].removeprefix("tcpdump: ")
    done = nswatch("-r", capture("dns_udp.pcap"), expr)
    assert done.returncode == 2 and done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert len([line for line in lines if not line.startswith("  try:")]) == 1
    assert why in lines[0]


@pytest.mark.parametrize("options", [[], ["-w"], ["--dns"]])
def test_truncated(options, tmp_path, reduced_text):
    data = open(capture("dns_udp.pcap"), "rb").read()
    path, out = tmp_path / "cut.pcap", tmp_path / "out"
    path.write_bytes(data[:-5])
    done = nswatch("-r", path, *options, *([out] if "-w" in options else []))
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1 and len(lines) == 1
    assert lines[0].startswith(f"nswatch: {path}: cut short in the middle of packet ")
    whole = reduced_text["dns_udp.pcap"].splitlines(keepends=True)[:-1]
    if not options:
        assert done.stdout == b"".join(whole)
    elif "-w" in options:
        assert tshark("-r", out).count(b"\n") == len(whole)

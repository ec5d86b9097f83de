# SPDX-License-Identifier: GPL-2.0-only
"""What became of the packets: in total, by interface, in the file, for programs."""

import os
import signal
import struct

from lab import WEB4, option, read_bytes, wait_for
from watching import BOOKS, LOOKUP, assert_opens_clean, balance


def statistics(path):
    """The interface statistics of a pcapng file: {"php/eth0": {...}}."""
    data, pos, names, found = read_bytes(path), 0, [], {}
    fields = {4: "seen", 5: "dropped", 6: "matched", 7: "lost", 8: "delivered"}
    while pos < len(data):
        kind, length = struct.unpack_from("<II", data, pos)
        body = data[pos + 8:pos + length - 4]
        if kind == 1:
            names.append(option(body[8:], 2).decode())
        elif kind == 5:
            name = names[struct.unpack_from("<I", body)[0]]
            assert name not in found
            found[name] = {field: struct.unpack("<Q", option(body[12:], code))[0]
                           for code, field in fields.items()}
        pos += length
    return found


def send(lab, ns, address, count, port="9"):
    lab.run([lab.tool("flood"), address, port, str(count)], ns=ns.path)


def test_by_interface(lab, php, watch, out):
    """Packets are lost at one of two interfaces: text, JSON and file say at which."""
    w = watch("netns:php", "--json", "-q", "-B", "1", "-w", f"{out}/x.pcapng",
              "udp dst port 9")
    send(lab, php, "127.0.0.1", 5)
    wait_for("five on disk", lambda: read_bytes(f"{out}/x.pcapng").count(b"\x00\x09\x00\x48") == 5)
    os.kill(w.collector, signal.SIGSTOP)
    send(lab, php, WEB4, 50000)
    os.kill(w.collector, signal.SIGCONT)
    result = w.stop()
    table, books = result.books_by_interface, result.books
    assert list(table) == ["php/lo", "php/eth0"] or list(table) == ["php/eth0", "php/lo"]
    lo, eth0 = table["php/lo"], table["php/eth0"]
    assert lo["matched"] == lo["written"] == 5 and lo["ring_full"] == 0
    assert eth0["matched"] == 50000 and eth0["ring_full"] > 0
    assert eth0["written"] + eth0["ring_full"] == 50000
    percent = 100 * eth0["ring_full"] / 50000
    assert f"  {percent:.1f} % lost\n" in result.err and result.err.count("% lost") == 1
    assert assert_opens_clean(f"{out}/x.pcapng") == books["written"]

    said, = result.of_type("books")
    assert said["final"] and said["more_interfaces"] == 0
    balance(said)
    for name, row in table.items():
        theirs, = [i for i in said["interfaces"] if f"{i['target']}/{i['interface']}" == name]
        balance(theirs)
        assert theirs["side"] == "inside"
        assert row == {key: theirs[key] for key in row}
    assert {key: books[key] for key in said.keys() & books.keys()} == \
        {key: said[key] for key in said.keys() & books.keys()}

    assert statistics(f"{out}/x.pcapng") == {
        name: {"seen": row["seen"], "matched": row["matched"], "lost": row["ring_full"],
               "dropped": row["ring_full"], "delivered": row["written"]}
        for name, row in table.items()}


def test_each_file_has_its_statistics(lab, php, watch, out):
    """What the files up to one hold is what its statistics say was delivered."""
    w = watch("netns:php", "-b", "packets:10", "-w", f"{out}/x.pcapng", "udp dst port 9")
    for address in ("127.0.0.1", WEB4, "127.0.0.1"):
        send(lab, php, address, 15)
    assert w.stop().books["written"] == 45
    files, delivered = sorted(os.listdir(out)), {"php/lo": 0, "php/eth0": 0}
    assert len(files) == 5
    in_file = [(10, 0), (5, 5), (0, 10), (10, 0), (5, 0)]
    for name, (lo, eth0) in zip(files, in_file, strict=True):
        delivered["php/lo"] += lo
        delivered["php/eth0"] += eth0
        assert assert_opens_clean(f"{out}/{name}") == lo + eth0
        found = statistics(f"{out}/{name}")
        assert {k: v["delivered"] for k, v in found.items()} == \
            {k: delivered[k] for k in found}
        assert {k for k, n in (("php/lo", lo), ("php/eth0", eth0)) if n} <= set(found)
    assert found["php/lo"]["matched"] == 30


def test_loss_alone_is_in_the_file(lab, php, watch, out):
    """An interface of which a file has nothing but losses is named in it."""
    w = watch("netns:php", "-q", "-B", "1", "-b", "packets:10", "-w", f"{out}/x.pcapng",
              "udp dst port 9")
    send(lab, php, WEB4, 1)
    wait_for("one on disk", lambda: b"\x00\x09\x00\x48" in b"".join(
        read_bytes(f"{out}/{name}") for name in os.listdir(out)))
    os.kill(w.collector, signal.SIGSTOP)
    send(lab, php, "127.0.0.1", 30000)
    send(lab, php, WEB4, 1000)
    os.kill(w.collector, signal.SIGCONT)
    result = w.stop()
    table = result.books_by_interface
    lost = table["php/eth0"]["ring_full"]
    last = sorted(os.listdir(out))[-1]
    assert lost > 0 and statistics(f"{out}/{last}")["php/eth0"]["lost"] == lost


def test_asked_for_by_signal(lab, php, watch):
    w = watch("netns:php", "--json", "-q", "udp dst port 9")
    for address in ("127.0.0.1", WEB4):
        send(lab, php, address, 3)
    w.wait_attached()
    w.proc.send_signal(signal.SIGUSR1)
    w.wait_out('"final":false')
    assert len(BOOKS.findall(w.err)) == 1 and "php/lo " in w.err and "php/eth0 " in w.err
    result = w.stop()
    assert [b["final"] for b in result.of_type("books")] == [False, True]
    assert result.of_type("books")[1]["matched"] == 6


def test_one_interface_needs_no_table(lab, php, watch):
    w = watch("netns:php", "-q")
    send(lab, php, WEB4, 3)
    result = w.stop()
    assert result.books["captured"] >= 3 and result.books_by_interface == {}


def test_what_is_not_written(lab, php, watch, out):
    """After -c, and of the host's end, which is looked at for --dns alone."""
    w = watch("netns:php", "-q", "-c", "4", "-w", f"{out}/x.pcapng", "udp dst port 9")
    send(lab, php, WEB4, 20)
    books = w.wait().books
    assert books["written"] == 4 and books["after_the_end"] == books["captured"] - 4
    w = watch("netns:php", "--dns", "-q", "-w", f"{out}/y.pcapng")
    php.run(LOOKUP, check=False)
    php.run(["dig", "@10.77.53.53", "www.example.test"])
    books = w.stop().books
    assert books["host_end"] >= 2
    assert assert_opens_clean(f"{out}/y.pcapng") == books["written"]

# SPDX-License-Identifier: GPL-2.0-only
"""Who asked. Every name asked for in here contains the pid and the name of
the program that asks for it (tests/lab/askers.py): that is the oracle."""

import os
import signal
import subprocess

import pytest

from lab import HERE as LAB_DIR
from lab import UPSTREAM4
from watching import children

TARGET = "netns:php"
ASKERS = ["/usr/bin/python3", os.path.join(LAB_DIR, "askers.py"), UPSTREAM4]
MANY = 4000


@pytest.fixture
def direct(lab, php):
    """php asks the upstream itself."""
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\n")

    def command(*words):
        return ["ip", "netns", "exec", "php", *map(str, words)]
    return command


def asked(result):
    """(right, without a process, wrong) of the names that tell who asks."""
    right, unknown, wrong = [], [], []
    for t in result.of_type("transaction"):
        name = t["question"]["name"] if t["question"] else ""
        if not name.endswith(".example.test") or "-" not in name:
            continue
        comm, pid = name.removesuffix(".example.test").split("-")[:2]
        if not t["process"]:
            unknown.append(t)
        elif t["process"] == {"pid": int(pid), "comm": comm}:
            right.append(t)
        else:
            wrong.append((name, t["process"]))
    return right, unknown, wrong


def test_many_short_lived_programs(lab, watch, direct):
    """Half of them are gone before anybody reads their packets."""
    w = watch(TARGET, "--dns", "--json")
    lab.run(direct(*ASKERS, "many", MANY // 2), timeout=120)
    os.kill(w.collector, signal.SIGSTOP)
    try:
        lab.run(direct(*ASKERS, "many", MANY // 2), timeout=120)
    finally:
        os.kill(w.collector, signal.SIGCONT)
    result = w.stop()
    assert result.books["lost"] == 0
    right, unknown, wrong = asked(result)
    pids = {(t["process"]["comm"], t["process"]["pid"]) for t in right}
    print(f"{len(right)} right, {len(unknown)} unknown, {len(wrong)} wrong, "
          f"{len(pids)} processes")
    assert wrong == []
    assert len(pids) >= 0.999 * MANY
    assert len(unknown) <= 0.001 * len(right)
    assert {comm for comm, _ in pids} == {"getent", "ping", "busybox", "dig"}
    assert {t["transport"] for t in right} == {"udp", "tcp"}


def test_every_kind_of_socket(lab, watch, direct):
    """Also such as are older than the watch, of a process in another
    namespace of pids, sent with by a child or by who was given it."""
    old = lab.popen(direct(*ASKERS, "old"), stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True)
    assert old.stdout.readline() == "ready\n"
    w = watch(TARGET, "--dns", "--json", "-l")
    old.stdin.close()
    assert old.wait(20) == 0
    lab.run(direct(*ASKERS, "each"))
    w.wait_out("-9.example.test")
    right, unknown, wrong = asked(w.stop())
    assert (unknown, wrong) == ([], [])
    assert len(right) == 9 + 12
    assert len({t["process"]["pid"] for t in right}) == 1 + 4 + 1 + 4 + 2


SERVER = """
import os, socket
with socket.create_server(("", 8053)) as s:
    for _ in range(2):
        if os.fork() == 0:
            while True:
                conn, _ = s.accept()
                conn.recv(100)
                conn.send(b"%100d" % os.getpid())
                conn.close()
    print(os.getpid(), flush=True)
    os.wait()
"""


def test_accepted_connections(lab, watch, php):
    """A worker's packets are the worker's, not those of who bound the port."""
    server = php.popen(["/usr/bin/python3", "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        master = int(server.stdout.readline())
        w = watch(TARGET, "--json", "-l", "tcp port 8053")
        client = ("import socket\nfor _ in range(20):\n"
                  f" s = socket.create_connection(('{php.addr4}', 8053))\n"
                  " s.send(b'?')\n print(s.getsockname()[1], s.recv(100).decode())\n")
        said = lab.run(["/usr/bin/python3", "-c", client]).stdout
        by_port = dict(map(int, line.split()) for line in said.splitlines())
        w.wait_out(f'"src_port":8053,"dst_port":{list(by_port)[-1]}\\D.*\n(.*\n)*.*'
                   f'"src_port":8053,"dst_port":{list(by_port)[-1]}\\D')
        packets = w.stop().of_type("packet")
    finally:
        for pid in [*children(server.pid), server.pid]:
            os.kill(pid, signal.SIGKILL)
        server.wait()
    assert len(by_port) == 20 and master not in by_port.values()
    data = [p for p in packets if p["direction"] == "out" and p["wirelen"] > 100]
    assert len(data) >= 20
    for p in packets:
        pid = by_port[p["dst_port"] if p["direction"] == "out" else p["src_port"]]
        # Until the worker has sent something, who listens is all that is known.
        known = {pid} if p in data else {pid, master}
        assert not p["process"] or p["process"]["pid"] in known, p
    assert all(p["process"] for p in data)


def test_received_packets(lab, watch, direct):
    """An answer belongs to the socket that it is for."""
    w = watch(TARGET, "--json", "-l", "port 53")
    for _ in range(20):
        lab.run(direct("getent", "hosts", "www.example.test"))
    lab.run(direct("dig", "+tcp", f"@{UPSTREAM4}", "last.example.test"))
    w.wait_out('"src_port":53.*"process":{[^}]*"dig"|"dig".*"src_port":53')
    packets = w.stop().of_type("packet")
    answers = [p for p in packets if p["direction"] == "in"]
    askers = {p["process"]["pid"] for p in packets if p["direction"] == "out"}
    assert len(askers) == 21 and len(answers) >= 21
    asker = {}  # by port; a later one may get the same
    for p in packets:
        if p["direction"] == "out":
            asker[p["src_port"]] = p["process"]
        elif p["process"]:
            assert p["process"] == asker[p["dst_port"]]
    # Its socket may be gone by the time that the last segment comes.
    assert len([p for p in answers if p["process"]]) >= len(askers)

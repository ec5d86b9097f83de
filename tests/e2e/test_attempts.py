# SPDX-License-Identifier: GPL-2.0-only
"""Calls to a name server of which no packet comes. The program that makes them
says which error it got (tests/lab/askers.py): that is the oracle. With --errno
that error is seen; without, a firewall's is, and all others are what the route
lookup answers. What nftables' egress hook drops is seen both ways; that it fails, if
it does, with --errno."""

import glob
import os
import re
import subprocess
import time

import pytest

from lab import HERE as LAB_DIR
from lab import UPSTREAM4, UPSTREAM6, read_bytes, wait_for
from watching import LOOKUP

ASKERS = ["/usr/bin/python3", os.path.join(LAB_DIR, "askers.py")]
FIREWALL = "table inet f {{ chain o {{ type filter hook output priority 0; udp dport 53 {}; }}; }}"


EGRESS = ("table netdev f {{ chain e {{ type filter hook egress devices = {{ lo, eth0 }} priority 0; "
          "{}; }}; }}")


def firewall(ns, verdict, table=FIREWALL):
    ns.run(["nft", "-f", "-"], input="flush ruleset\n" + table.format(verdict))


def errors(said):
    """{pid: error} of what the askers printed."""
    return {int(pid): error for pid, error in
            (line.split() for line in said.splitlines() if line != "ready")}


def reported(result):
    return {t["process"]["pid"]: t["failure"]["errno"]
            for t in result.of_type("transaction")
            if t["state"] == "not-sent" and t["failure"]}


def dropped(result):
    """{pid: error or "none"} of what the egress hook dropped."""
    return {t["process"] and t["process"]["pid"]: t["failure"].get("errno", "none")
            for t in result.of_type("transaction")
            if t["failure"] and t["failure"]["kind"] == "egress-hook"}


def looked_up(result):
    """Pids whose error is the route lookup's."""
    return {t["process"]["pid"] for t in result.of_type("transaction")
            if t["failure"] and t["failure"]["kind"] == "route"}


def kinds(result):
    """{call: kinds of its failure}; a call whose end was not seen is None."""
    found = {}
    for t in result.of_type("transaction"):
        if t["failure"]:
            found.setdefault(t["failure"].get("call"), set()).add(t["failure"]["kind"])
    return found


BOTH_WAYS = pytest.mark.parametrize("way", [[], ["--errno"]], ids=["default", "errno"])


@pytest.fixture
def island(lab):
    """Without a default route."""
    ns = lab.container("island", default_route=False)
    lab.write("/etc/netns/island/resolv.conf", f"nameserver {UPSTREAM4}\n")
    yield ns
    ns.remove()
    lab.run(["rm", "-rf", "/etc/netns/island"])


@BOTH_WAYS
def test_errors_of_every_call(lab, php, bare, island, watch, way):
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\n")
    later = php.popen([*ASKERS, UPSTREAM4, "fails-later"], stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE, text=True)
    assert later.stdout.readline() == "ready\n"
    w = watch("netns:php,netns:bare,netns:island", "--dns", "--json", "-l", *way)
    said = []

    def fails(ns, server, *more):
        said.append(errors(ns.run([*ASKERS, server, "fails", *more]).stdout))
        return set(said[-1].values())

    assert fails(bare, "127.0.0.53", "tcp") == {"ENETUNREACH"}
    assert fails(bare, "::1", "tcp") <= {"EADDRNOTAVAIL", "ENETUNREACH"}
    assert fails(island, UPSTREAM4, "tcp") == {"ENETUNREACH"}
    for server, kind, error in (("10.77.9.7", "unreachable", "EHOSTUNREACH"),
                                ("10.77.9.8", "prohibit", "EACCES"),
                                ("10.77.9.9", "blackhole", "EINVAL")):
        island.run(["ip", "route", "add", kind, server])
        assert fails(island, server, "tcp") == {error}
    for verdict in ("drop", "reject"):
        firewall(php, verdict)
        time.sleep(1)  # the first rules of a watched namespace: drops are looked at from now on
        assert fails(php, UPSTREAM4) == fails(php, UPSTREAM6) == {"EPERM"}
    said.append(errors(later.communicate()[0]))
    assert said[-1] == {later.pid: "EPERM"}
    w.wait_out(f'"pid":{later.pid}\\b')
    result = w.stop()
    want = {pid: error for each in said for pid, error in each.items()}
    # IPv6 looks for a source address first; a route lookup does not.
    want |= {pid: "ENETUNREACH" for pid in looked_up(result)
             if want.get(pid) == "EADDRNOTAVAIL"}
    assert len(want) > 50 and reported(result) == want
    calls = {call: {"call"} for call in ("sendto", "sendmsg", "write")}
    assert kinds(result) == (calls | {"connect": {"call"}} if way else calls | {None: {"route"}})


@BOTH_WAYS
def test_findings_have_the_error(lab, php, bare, island, watch, way):
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\n")
    firewall(php, "drop")
    w = watch("netns:php,netns:bare,netns:island", "--dns", "--json", "-l", *way)
    for ns in ("php", "bare", "island"):
        lab.run(["ip", "netns", "exec", ns, *LOOKUP], check=False)
    w.wait_out('"not-sent"(.*\\n)*.*"not-sent"(.*\\n)*.*"not-sent"')
    findings = {f["code"]: f for f in w.stop().of_type("finding")}
    connect = r"connect\(\) failed with" if way else "the route lookup for it answers"
    for code, says in (("LO-DOWN", rf"{connect} ENETUNREACH"),
                       ("UNREACHABLE", rf"{connect} ENETUNREACH"),
                       ("LOCAL-FIREWALL", r"send\w*\(\) failed with EPERM")):
        assert re.search(rf"getent\(\d+\) called.*: {says} \(",
                         findings[code]["seen"][0]), findings[code]
    # The fix, as it is typed, shows the rule.
    fix = findings["LOCAL-FIREWALL"]["fix"][0]["command"]
    assert "udp dport 53 drop" in lab.run(["sh", "-c", fix]).stdout


@BOTH_WAYS
def test_what_the_egress_hook_drops(lab, php, watch, way):
    """A sender is told nothing, or ENOBUFS if it wants to know and the packet need not wait
    for a neighbour's address. What askers say they got is what is shown."""
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\noptions timeout:1 attempts:1\n")
    for server in (UPSTREAM4, UPSTREAM6):  # the neighbours are known
        php.run(["dig", "+tries=1", f"@{server}", "www.example.test"])
    w = watch("netns:php", "--dns", "--json", "-l", *way)
    firewall(php, "meta l4proto { udp, tcp } th dport 53 drop", EGRESS)
    wait_for("a look at drops", lambda: looks_at_drops(w))
    said = {}
    for server, *more in ((UPSTREAM4,), (UPSTREAM6,), ("127.0.0.1",), (UPSTREAM4, "recverr"),
                          (UPSTREAM6, "recverr"), ("127.0.0.1", "recverr")):
        got = errors(php.run([*ASKERS, server, "fails", *more]).stdout)
        assert set(got.values()) == {"ENOBUFS" if more else "none"}
        said |= got
    php.run(["ip", "neigh", "flush", "dev", "eth0"])
    waited = errors(php.run([*ASKERS, UPSTREAM4, "fails", "recverr"]).stdout)
    said |= waited
    dig = php.popen(["dig", "+tcp", "+tries=1", "+time=2", f"@{UPSTREAM4}", "www.example.test"])
    glibc = lab.popen(["ip", "netns", "exec", "php", *LOOKUP])
    assert (dig.wait(), glibc.wait()) == (9, 2)
    said |= {dig.pid: "none", glibc.pid: "ENOBUFS"}
    w.wait_out(f'"pid":{dig.pid}\\b')
    result = w.stop()
    assert len(said) > 35
    shown = dropped(result)
    if None in shown:  # it was sent, and dropped, when the sender did not run
        missing, = said.keys() - shown.keys()
        shown[missing] = shown.pop(None)
        assert missing in waited
    assert shown == (said if way else dict.fromkeys(said, "none"))
    assert {(t["state"], t["interface"]) for t in result.of_type("transaction")} == {
        ("not-sent", "eth0"), ("not-sent", "lo")}
    assert set(result.codes) == {"LOCAL-FIREWALL"}
    finding = result.of_type("finding")[0]
    assert "egress hook of eth0" in finding["what"], finding
    fix = finding["fix"][0]["command"]
    assert "hook egress" in lab.run(["sh", "-c", fix]).stdout


def test_what_is_no_refused_send(lab, php, watch):
    """Dropped, but not what a process sends to a name server: answers that come in, and what
    is sent elsewhere. Nor does the egress hook drop what lacks a neighbour, or what a queue
    drops."""
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\noptions timeout:1 attempts:1\n")
    php.run(["nft", "-f", "-"], input="""table inet f {
        chain i { type filter hook input priority 0; udp sport 53 drop; }
        chain o { type filter hook output priority 0; udp dport 54 drop; }; }\n""")
    w = watch("netns:php", "--dns", "--json", "-l")
    said = errors(php.run([*ASKERS, UPSTREAM4, "fails-elsewhere"]).stdout)
    assert set(said.values()) == {"EPERM"}
    lab.run(["ip", "netns", "exec", "php", *LOOKUP], check=False)
    firewall(php, "udp dport 54 drop; arp operation request drop", EGRESS)
    lab.run(["ip", "netns", "exec", "php", *LOOKUP])
    said = errors(php.run([*ASKERS, UPSTREAM4, "fails-elsewhere"]).stdout)
    assert set(said.values()) == {"none"}
    php.run(["dig", "+tries=1", "+time=1", "@10.77.0.99", "www.example.test"], check=False)
    php.run(["tc", "qdisc", "add", "dev", "eth0", "root", "blackhole"])
    php.run(["dig", "+tries=1", "+time=1", f"@{UPSTREAM4}", "www.example.test"], check=False)
    w.wait_out('"answered"')
    result = w.stop()
    assert not reported(result) and not dropped(result)
    assert "LOCAL-FIREWALL" not in result.codes


def looks_at_drops(w):
    """A tracepoint that costs every packet that is dropped on the machine."""
    fds = glob.glob(f"/proc/{w.pid}/fdinfo/*")
    return any(b"kfree_skb" in read_bytes(fd) for fd in fds)


def test_drops_are_looked_at_where_a_filter_is(lab, php, watch):
    php.run(["nft", "-f", "-"], input="""table inet f {
        chain i { type filter hook input priority 0; udp sport 54 drop; };
        chain o { type filter hook output priority 0; }; }\n""")
    w = watch("netns:php", "--dns")
    php.run(["dig", "+tries=1", f"@{UPSTREAM4}", "www.example.test"])
    assert not looks_at_drops(w)
    php.run(["nft", "add", "rule", "inet", "f", "o", "udp", "dport", "54", "drop"])
    wait_for("a look at drops", lambda: looks_at_drops(w))
    w.stop()
    w = watch("netns:php", "--dns")
    wait_for("a look at drops", lambda: looks_at_drops(w))


@BOTH_WAYS
def test_drops_are_looked_at_where_an_egress_filter_is(lab, php, watch, way):
    """With --errno other filters are of no interest: calls fail by them."""
    php.run(["nft", "-f", "-"], input="""table netdev f {
        chain i { type filter hook ingress device eth0 priority 0; udp sport 54 drop; };
        chain e { type filter hook egress device eth0 priority 0; }; }\n""")
    if way:
        php.run(["nft", "-f", "-"], input=FIREWALL.format("drop"))
    w = watch("netns:php", "--dns", *way)
    php.run(["dig", "+tries=1", "+time=1", f"@{UPSTREAM4}", "www.example.test"], check=False)
    assert not looks_at_drops(w)
    php.run(["nft", "add", "rule", "netdev", "f", "e", "udp", "dport", "54", "drop"])
    wait_for("a look at drops", lambda: looks_at_drops(w))


def test_who_gets_through_is_left_alone(lab, php, watch):
    """A rule for one user, and another user's lookups: one cause, told apart."""
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\n")
    firewall(php, "meta skuid 65534 drop")
    w = watch("netns:php", "--dns", "--json", "-l")
    bad = lab.run(["ip", "netns", "exec", "php", "setpriv", "--reuid=65534", *LOOKUP],
                  check=False)
    good = lab.run(["ip", "netns", "exec", "php", *LOOKUP])
    assert bad.returncode == 2 and good.returncode == 0
    w.wait_out('"not-sent"(.*\\n)*.*"answered"')
    result = w.stop()
    assert result.codes == ["LOCAL-FIREWALL"]
    assert {t["state"] for t in result.of_type("transaction")} == {"not-sent", "answered"}

# SPDX-License-Identifier: GPL-2.0-only
"""mDNS and LLMNR: avahi and systemd-resolved on three machines of a network, what they ask
and answer against tshark, and against what the asking programs say."""

import collections
import json
import os
import subprocess

import pytest

from lab import Tshark, read_pcapng, wait_for
from watching import NSWATCH, tshark_fields

# $1: host name, $2: path of its bus.
AVAHI = """
set -e
mkdir -p /etc/avahi /run/avahi-daemon
mount -t tmpfs none /etc/avahi
mount -t tmpfs none /run/avahi-daemon
mkdir /etc/avahi/services
printf '[server]\\nhost-name=%s\\nallow-interfaces=eth0\\n[publish]\\n' "$1" \\
	>/etc/avahi/avahi-daemon.conf
printf 'publish-workstation=no\\npublish-hinfo=no\\n' >>/etc/avahi/avahi-daemon.conf
printf '<service-group><name>web on %s</name><service><type>_http._tcp</type>
<port>80</port></service></service-group>' "$1" >/etc/avahi/services/web.service
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$2
setpriv --pdeathsig KILL dbus-daemon --session --address="$DBUS_SYSTEM_BUS_ADDRESS" \\
	--nofork --nopidfile &
while [ ! -S "$2" ]; do sleep .05; done
exec avahi-daemon --no-drop-root --no-chroot --no-rlimits
"""
# $1: host name
RESOLVED = """
set -e
mount -t tmpfs -o mode=755 none /run/systemd/resolve
chown systemd-resolve: /run/systemd/resolve
printf '[Resolve]\\nDNS=\\nFallbackDNS=\\nLLMNR=yes\\nMulticastDNS=no\\n' >"/run/$1.conf"
mount --bind "/run/$1.conf" /etc/systemd/resolved.conf
hostname "$1"
exec /lib/systemd/systemd-resolved
"""


@pytest.fixture
def machines(lab):
    """Three on one network: LLMNR names ahost..., mDNS names amdns..."""
    made = [lab.container(name) for name in ("a", "b", "c")]
    logs = [os.path.join(lab.tmp, f"avahi-{ns.name}.log") for ns in made]
    daemons = []

    def start():
        for ns, log in zip(made, logs):
            bus = os.path.join(lab.tmp, f"bus-{ns.name}")
            for flags, *script in (("-m", AVAHI, "sh", f"{ns.name}mdns", bus),
                                   ("-mu", RESOLVED, "sh", f"{ns.name}host")):
                daemons.append(lab.daemon(["unshare", flags, "sh", "-c", *script], ns=ns.path,
                                          log=log if script[0] == AVAHI else None))
        wait_for("avahi", lambda: established(logs), timeout=20)
        return daemons

    yield made, start
    for daemon in daemons:
        daemon.terminate()
        daemon.wait()
    for ns in made:
        ns.remove()


def established(logs):
    """Names and services are announced."""
    texts = [open(log, encoding="utf-8").read() for log in logs]
    return all("successfully established" in text for text in texts)


def multicast(objects):
    return [t for t in objects if t["type"] == "transaction" and t["multicast"]]


def asked(objects, name, rtype, protocol="mdns", **also):
    return [t for t in multicast(objects) if t["question"]
            and (t["question"]["name"], t["question"]["type"]) == (name, rtype)
            and t["multicast"]["protocol"] == protocol
            and all(t[k] == v for k, v in also.items())]


def on_port(path, port, response, *fields):
    """tshark does not know LLMNR over TCP by itself."""
    return tshark_fields(path, *fields, decode_as=f"tcp.port=={port},dns",
                         display=f"(udp.port == {port} || tcp.port == {port}) && !icmp && "
                         f"dns.flags.response == {response}")


def questions_of_tshark(path, port):
    """How often each was asked."""
    types = {"1": "A", "12": "PTR", "28": "AAAA", "255": "ANY", "16": "TXT", "33": "SRV"}
    seen = collections.Counter()
    for names, kinds in on_port(path, port, 0, "dns.qry.name", "dns.qry.type"):
        for name, kind in zip(names.split(","), kinds.split(",")):
            seen[name.replace(" ", "\\032"), types[kind]] += 1
    return seen


def questions_of_ours(objects, protocol):
    seen = collections.Counter()
    for t in multicast(objects):
        if t["question"] and t["multicast"]["protocol"] == protocol:
            seen[t["question"]["name"], t["question"]["type"]] += t["queries"]
    return seen


def without_process(objects):
    """What another run, on a file, gets to know, too."""
    keep = [{k: v for k, v in t.items() if k not in (
        "serial", "process", "target", "netns", "host_side", "interface", "first_query_packet",
        "query_packet", "response_packet", "time", "latency_ms", "waited_ms")} for t in multicast(objects)]
    for t in keep:
        t["multicast"] = dict(t["multicast"], from_outside=None)
    return sorted(json.dumps(t, sort_keys=True) for t in keep)


def test_three_machines(lab, watch, out, machines):
    (a, b, c), start = machines
    theirs = Tshark(lab, a.path, f"{out}/theirs.pcapng", ["eth0"])
    text = watch("netns:a", "--dns", "--mdns")
    live = watch("netns:a", "--dns", "--mdns", "--json")
    file = watch("netns:a", "-w", f"{out}/ours.pcapng", "-i", "eth0")
    daemons = start()
    bus = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={os.path.join(lab.tmp, 'bus-a')}"}

    # avahi-daemon has heard b's and c's names announced and asks nobody for those.
    # dig asks everybody, and gets its answer from an address that it did not ask.
    for cmd in (["dig", "+tries=1", "+time=1", "-p", "5353", "@224.0.0.251", "cmdns.local"],
                ["dig", "+tries=1", "+time=1", "-p", "5353", f"@{b.addr4}", "bmdns.local"],
                ["avahi-resolve", "-n", "nobody.local"]):
        a.run(cmd, env=bus, check=False)
    browsed = a.run(["avahi-browse", "-rtp", "_http._tcp"], env=bus).stdout
    assert browsed.count("=;eth0;IPv4;web") == 3
    llmnr = [a.run(["dig", "+short", "+tries=1", "+time=4", "@127.0.0.53", *words]).stdout.split()
             for words in (["bhost"], ["nohost"], ["-x", c.addr4])]
    assert llmnr == [[b.addr4], [], ["chost."]]
    daemons[2].terminate()  # b's avahi-daemon
    wait_for("bmdns's goodbye", lambda: '"goodbye":true' in live.out)
    wait_for("nohost", lambda: "A nohost" in text.out)
    theirs.wait_seen(b"\x06nohost", timeout=5)
    file.stop()
    theirs.stop()
    shown, live = text.stop(), live.stop()
    objects = live.objects

    # The programs' own words.
    one, = asked(objects, "cmdns.local", "A", state="answered", client=a.addr4)
    assert one["answer"]["data"] == c.addr4 and one["multicast"]["from"] == [c.addr4]
    assert one["process"]["comm"] == "dig" and one["server"] == "224.0.0.251"
    one, = asked(objects, "bmdns.local", "A", state="answered", client=a.addr4)
    assert one["answer"]["data"] == b.addr4 == one["server"]
    assert {t["state"] for t in asked(objects, "nobody.local", "A")} == {"silent"}
    assert {t["process"]["comm"] for t in asked(objects, "nobody.local", "A")} \
        == {"avahi-daemon"}
    assert {t["state"] for t in multicast(objects) if t["multicast"]["probe"]} == {"silent"}
    one, = asked(objects, "bhost", "A", "llmnr", client=a.addr4)
    assert (one["state"], one["answer"]["data"]) == ("answered", b.addr4)
    assert one["multicast"]["from"] == [b.addr4]
    one, = asked(objects, "nohost", "A", "llmnr", client=a.addr4)
    assert one["state"] == "silent" and one["queries"] > 1
    one, = asked(objects, ".".join(reversed(c.addr4.split("."))) + ".in-addr.arpa", "PTR",
                 "llmnr", client=a.addr4)
    assert (one["answer"]["data"], one["transport"]) == ("chost", "tcp")
    announced = [t for t in multicast(objects) if t["state"] == "announced"]
    assert any("_http._tcp.local PTR web\\032on\\032cmdns._http._tcp.local" in
               t["answer"]["data"] for t in announced)
    assert any(t["multicast"]["goodbye"] and t["client"] == b.addr4 for t in announced)
    assert live.codes == []

    # tshark: the same packets, questions and answers. None is a copy for the host itself.
    path = f"{out}/ours.pcapng"
    ours, theirs = (collections.Counter(data for _, _, data in read_pcapng(f"{out}/{f}.pcapng")
                                        if b"\x06nohost" in data) for f in ("ours", "theirs"))
    assert ours == theirs and ours
    assert {data[12:14].hex() for _, _, data in read_pcapng(path)} <= {"0800", "0806", "86dd"}
    again = [json.loads(line) for line in subprocess.run(
        [NSWATCH, "-r", path, "--dns", "--mdns", "--json"], check=True, text=True,
        stdout=subprocess.PIPE).stdout.splitlines()]
    summary = {m["protocol"]: m for m in again[-1]["multicast"]}
    for protocol, port in (("mdns", 5353), ("llmnr", 5355)):
        ours = questions_of_ours(again, protocol)
        assert ours == questions_of_tshark(path, port)
        m = summary[protocol]
        assert m["questions"] + m["retries"] == sum(ours.values())
        assert m["questions"] == m["answered"] + m["silent"]
        answers = [int(n) for n, in on_port(path, port, 1, "dns.count.answers")]
        assert m["responses"] + m["announcements"] == len(answers) and all(answers)
    assert summary["llmnr"]["answered"] and summary["mdns"]["answered"]
    # Of the file all is known that was known live, but for who asked.
    assert collections.Counter(without_process(again)) - \
        collections.Counter(without_process(objects)) == collections.Counter()

    # Text.
    lines = shown.out.splitlines()
    assert any("mDNS" in line and "A nobody.local" in line and "nobody answers" in line
               for line in lines)
    assert any("LLMNR" in line and "A bhost" in line and b.addr4 in line for line in lines)
    assert any("free (probe)" in line for line in lines)
    assert any("announces" in line for line in lines)
    assert any("withdraws" in line for line in lines)
    assert sum(line.startswith(("  mDNS ", "  LLMNR ")) for line in lines) == 2

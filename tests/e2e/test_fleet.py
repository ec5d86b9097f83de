# SPDX-License-Identifier: GPL-2.0-only
"""Many targets in one run, namespaces that come and go, and containers that
try to make that expensive."""

import os
import re
import threading
import time

import pytest

from lab import (HOST4, UPSTREAM4, WEB4, LabError, option, read_bytes, read_pcapng,
                 wait_for)
from watching import Watch, children, parse_time

REPORT_WITHIN = 1.0  # seconds, from the event to the attachment


def send(lab, ns, address=HOST4, count=1):
    lab.run([lab.tool("flood"), address, "9", str(count)], ns=ns.path)


def names(path):
    """(interface, how often) of the packets in a file."""
    counts = {}
    for packet in read_pcapng(path):
        counts[packet[0]] = counts.get(packet[0], 0) + 1
    return counts


def names_so_far(path):
    try:
        return names(path)
    except LabError:  # a block is being written
        return {}


@pytest.fixture
def web(lab):
    """A second container."""
    ns = lab.container("web")
    yield ns
    ns.remove()


def timed(what, probe):
    """Waits for it, and says how long it took. Other work on the machine may
    stretch it; what is asserted is the promise with room for that."""
    start = time.monotonic()
    wait_for(what, probe)
    took = time.monotonic() - start
    assert took < 5 * REPORT_WITHIN, f"{what} took {took:.2f} s"
    return took


def test_two_targets_in_one_output(lab, php, web, watch, out):
    w = watch("php,web", "-l", "-P", "-w", f"{out}/x.pcapng", "udp")
    for ns in (php, web, php):
        send(lab, ns)
    w.wait_out(r"(?:^.*UDP.*\n){3}")
    result = w.stop()
    assert [line.split()[0] for line in result.lines] == \
        ["php/eth0", "web/eth0", "php/eth0"]
    times = [float(line.split()[2]) for line in result.lines]
    assert times == sorted(times)
    assert names(f"{out}/x.pcapng") == {"php/eth0": 2, "web/eth0": 1}


def test_shared_namespace_has_both_names(lab, php, watch, out):
    holder = php.popen(["sleep", "60"])
    w = watch(f"php,pid:{holder.pid}", "-w", f"{out}/x.pcapng", "udp")
    send(lab, php, count=3)
    result = w.stop()
    holder.kill()
    holder.wait()
    assert names(f"{out}/x.pcapng") == {f"php+pid:{holder.pid}/eth0": 3}
    assert result.err.count("nswatch: watching ") == 1


def test_all_takes_each_interface_once(lab, php, web, watch, out):
    w = watch("--all", "-w", f"{out}/x.pcapng", "udp port 9")
    send(lab, php, count=5)
    w.stop()
    got = names(f"{out}/x.pcapng")
    # The way of a packet from a container to the bridge's own address.
    assert {n: got[n] for n in got if not n.startswith("pid:")} == {
        "php/eth0": 5, f"host/{php.veth}": 5, "host/br-lab": 5}


def test_exclude(lab, php, web, watch, out):
    w = watch("--all", "--exclude", "host,netns:we*,upstream", "-w",
              f"{out}/x.pcapng", "udp port 9")
    send(lab, php, count=2)
    send(lab, web, count=2)
    w.stop()
    assert names(f"{out}/x.pcapng") == {"php/eth0": 2}


def test_all_follow(lab, php, watch, out):
    w = watch("--all", "--follow", "-w", f"{out}/x.pcapng", "udp port 9")
    w.wait_attached()
    lab.netns("late")
    timed("a new name", lambda: "watching late: lo" in w.err)
    lab.namespaces["late"].run(["ip", "link", "set", "lo", "up"])
    lab.run([lab.tool("flood"), "127.0.0.1", "9", "4"], ns="/run/netns/late")
    # Without a name: only its process holds it, and its first packet is late
    # enough.
    proc = lab.popen(["unshare", "-n", "sh", "-c",
                      "ip link set lo up; sleep 1.5; exec "
                      f"{lab.tool('flood')} 127.0.0.1 9 6"])
    timed("a namespace without a name",
          lambda: re.search(r"watching pid:\d+: lo", w.err))
    proc.wait()
    lab.namespaces["late"].remove()
    wait_for("its end", lambda: "late: gone" in w.err)
    w.stop()
    got = names(f"{out}/x.pcapng")
    assert got["late/lo"] == 4
    assert [n for name, n in got.items() if re.match(r"pid:\d+/lo", name)] == [6]


def test_follow_recreated(lab, watch, out):
    """Gone, and there again under the same name: two generations of eth0. The gap is
    told on stderr, in the file and as an object."""
    first = lab.container("again")
    w = watch("again", "--follow", "-w", f"{out}/x.pcapng", "udp port 9")
    j = watch("again", "--follow", "--json", "udp port 9")
    send(lab, first, count=2)
    numbers = [first.number()]
    first.remove()
    # A look, of which any new namespace on the machine is the occasion, may find the name
    # gone before the kernel has cleared the namespace away.
    left = re.compile(r"waiting for it|again: is not in its network namespace any more")
    wait_for("the end to be noticed", lambda: left.search(w.err))
    wait_for("the other one as well", lambda: left.search(j.err))
    second = lab.container("again")
    back = re.compile(r"back in(?s:.*)(eth0 appeared again|watching again: lo, eth0)")
    timed("eth0 again", lambda: back.search(w.err))
    wait_for("the other one as well", lambda: back.search(j.err))
    send(lab, second, count=3)
    numbers.append(second.number())
    result, objects = w.stop(), j.stop()
    second.remove()
    assert result.status == 0
    assert re.search(r"again: back in another network namespace, \d+\.\d{3} s",
                     result.err)
    assert names(f"{out}/x.pcapng") == {"again/eth0": 5}
    text = described(lab, f"{out}/x.pcapng", "again/eth0")
    assert "attachment 2" in text
    assert re.search(r"Comment = attachment 2, from \d{4}-\d\d-\d\dT[\d:.]+Z on, "
                     r"\d+\.\d{3} s after the end of the one before", text), text
    assert "attachment 1" not in text and text.count("Comment = ") == 1
    check_gap(objects, numbers)


def check_gap(result, numbers):
    """What is said of eth0, in order: the packets of either generation lie between."""
    story = [(o["type"], o.get("generation")) for o in result.objects
             if o.get("interface") == "eth0" and o["type"] != "books"]
    assert story == [("attach", 1)] + 2 * [("packet", None)] + [("detach", 1), ("attach", 2)] + \
        3 * [("packet", None)], story
    _, detach, attach = [o for o in result.objects if o["type"] in ("attach", "detach")
                         and o["interface"] == "eth0"]
    assert [detach["netns"], attach["netns"]] == numbers and attach["side"] == "inside"
    assert attach["target"] == detach["target"] == "again"
    gap = parse_time(attach["time"]) - parse_time(detach["time"])
    assert 0 < attach["gap_ms"] and abs(attach["gap_ms"] / 1000 - gap) < 1


def described(lab, path, name):
    """The descriptions of all interfaces of that name, by capinfos."""
    text = lab.run(["capinfos", "-M", path]).stdout
    return "\n".join(part for part in text.split("Interface #")
                     if f"Name = {name}\n" in part)


def test_rename_has_no_gap(lab, php, watch, out):
    """Packets at a steady rate while the name changes: none is missing."""
    w = watch("php", "-w", f"{out}/x.pcapng", "udp port 9")
    sent = 0

    def rename():
        # An interface that is up can be renamed since Linux 6.2. What the collector has not
        # read when it hears of a name goes by that one.
        before = "eth0"
        for name in ("one", "two", "eth0"):
            lab.run(["ip", "link", "set", before, "name", name], ns=php.path)
            wait_for("packets under it", lambda: f"php/{name}" in names_so_far(f"{out}/x.pcapng"))
            before = name
    if lab.run(["ip", "link", "set", "eth0", "name", "probe"], ns=php.path,
               check=False).returncode:
        pytest.skip("this kernel renames no interface that is up")
    lab.run(["ip", "link", "set", "probe", "name", "eth0"], ns=php.path)
    wait_for("two renames", lambda: w.err.count(" now") >= 1)
    thread = threading.Thread(target=rename)
    thread.start()
    while thread.is_alive():
        send(lab, php, count=50)
        sent += 50
    thread.join()
    result = w.stop()
    assert result.books["lost"] == 0
    got = names(f"{out}/x.pcapng")
    assert sum(got.values()) == sent and "php/one" in got and "php/two" in got, got


def test_moved_to_another_namespace(lab, php, web, watch, out):
    """eth0 leaves php for bare: from then on it is bare's."""
    w = watch("php,web", "-w", f"{out}/x.pcapng", "udp port 9")
    send(lab, php, count=2)
    lab._batch(["link set eth0 name eth5", "link set eth5 netns web"], ns=php.path)
    timed("it in the other one", lambda: "web: eth5" in w.err)
    lab._batch(["addr add 10.77.0.200/24 dev eth5", "link set eth5 up",
                "route replace 10.77.0.1/32 dev eth5"], ns=web.path)
    send(lab, web, count=3)
    w.stop()
    got = names(f"{out}/x.pcapng")
    assert got == {"php/eth0": 2, "web/eth5": 3}, got


def test_nothing_is_kept_alive(lab, watch):
    """The namespace and its veth go when the container does, though watched."""
    ns = lab.container("brief")
    w = watch("--all", "--follow")
    ns.remove()
    wait_for("the veth to go", lambda: lab.run(
        ["ip", "link", "show", ns.veth], check=False).returncode != 0)
    wait_for("its end to be said", lambda: "brief: gone" in w.err)
    w.stop()


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def wake_ups(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        status = read_bytes(f"/proc/{pid}/task/{task}/status")  # nothing, of one that has ended
        total += sum(int(n) for n in re.findall(rb"ctxt_switches:\s+(\d+)", status))
    return total


def idle(w):
    return wake_ups(w.pid) + sum(wake_ups(pid) for pid in children(w.pid))


def test_idle_all_follow_sleeps(lab, php, watch):
    """Nothing happens: nobody is woken up. On a host with other tenants things
    happen all the time, so what matters is one quiet second out of many, and their
    packets are not matched."""
    w = watch("--all", "--follow", "udp port 9 and host 192.0.2.1")

    def quiet():
        before = idle(w)
        time.sleep(1)
        return idle(w) == before
    wait_for("a second without a wake-up", quiet, timeout=60)
    w.stop()


def test_hostile_links_and_names(lab, php, web, watch, out):
    """A container makes links without end, renames without end, and uses what
    bytes a name may have. All that is bounded, and others are watched on."""
    w = watch("php,web", "--follow", "-w", f"{out}/x.pcapng", "udp port 9")
    memory, open_files = rss_kib(w.pid), fds(w.pid)
    flood = [f"link add d{i} type veth peer name e{i}" for i in range(520)]
    for i in range(300):
        flood += [f"link set d1 name r{i}", f"link set r{i} name d1"]
    lab._batch(flood, ns=php.path)
    lab.run(["sh", "-c", "ip link add \"$(printf '\\033[31m\\007x')\" type bridge"],
            ns=web.path)
    wait_for("the odd name", lambda: "web: " in w.err, timeout=20)
    wait_for("the bound to be said", lambda: "further ones are not watched" in w.err,
             timeout=30)
    send(lab, web, count=4)
    assert fds(w.pid) < open_files + 2 * 1024 + 20
    assert rss_kib(w.pid) < memory + 40 * 1024
    result = w.stop()
    assert result.status == 0
    assert "\x1b" not in result.err and "\x07" not in result.err
    assert result.err.count("further ones are not watched") == 1
    assert len(result.err.splitlines()) < 1500
    got = names(f"{out}/x.pcapng")
    assert got["web/eth0"] == 4


@pytest.mark.slow
def test_docker_restart_and_networks(docker, containers, watch):
    """One run through a restart, another container of the same name, and a
    network that is connected and disconnected."""
    containers.run("fleet")
    containers.network("fleetnet")
    w = watch("fleet", "--follow")
    docker.cli("network", "connect", "fleetnet", "fleet")
    timed("the new network's interface", lambda: "fleet: eth1 appeared" in w.err)
    docker.cli("network", "disconnect", "fleetnet", "fleet")
    docker.cli("restart", "-t", "0", "fleet")
    timed("the restarted one", lambda: w.err.count("fleet: back in") == 1)
    timed("its eth0", lambda: "eth0" in w.err[w.err.index("back in"):])
    docker.remove("fleet")
    containers.run("fleet")
    timed("the one that took its name", lambda: w.err.count("fleet: back in") == 2)
    assert w.stop().status == 0


@pytest.mark.slow
def test_docker_under_all(docker, containers, watch, out):
    """A container that starts later, and one that shares its network, by their
    names; one that leaves takes its name along."""
    w = watch("--all", "--follow", "-w", f"{out}/x.pcapng", "icmp")
    containers.run("later")
    timed("its name", lambda: re.search(r"(watching later: |is called later now)", w.err))
    containers.run("sidecar", "--network", "container:later")
    timed("both names", lambda: re.search(r"is called later\+sidecar now", w.err))
    docker.exec("later", "ping", "-c", "3", "-i", "0.2", "127.0.0.1")
    docker.remove("sidecar")
    w.stop()
    got = names(f"{out}/x.pcapng")
    assert got.get("later+sidecar/lo") == 6, got


def test_two_instances_see_the_same(lab, php, watch, out):
    first = watch("--all", "-w", f"{out}/a.pcapng", "udp port 9")
    second = watch("php", "-w", f"{out}/b.pcapng", "udp port 9")
    send(lab, php, count=20)
    second.stop()
    send(lab, php, count=5)
    first.stop()
    assert names(f"{out}/a.pcapng")["php/eth0"] == 25
    assert names(f"{out}/b.pcapng") == {"php/eth0": 20}

MASQUERADE = """
table ip nswatch_test {
	chain post {
		type nat hook postrouting priority srcnat
		ip saddr %s oifname "to-upstream" masquerade
	}
}
"""


def test_lookup_is_shown_once(lab, php, web, watch):
    """All namespaces see a query on its way: the container, the host's bridge and uplink, and
    the server's. It is the asking one's, with NAT (web) and without (php). What the host asks
    itself is its own."""
    lab.run(["nft", "-f", "-"], input=MASQUERADE % web.addr4)
    try:
        w = watch("--all", "--dns", "--json", "-l")
        for how in ([], ["+tcp"]):
            for name, run in (("php", php.run), ("web", web.run), ("host", lab.run)):
                run(["dig", "+tries=1", *how, f"@{UPSTREAM4}", f"once-{name}.example.test"])
        w.wait_out(r'"transport":"tcp".*once-host\.example\.test')
        result = w.stop()
    finally:
        lab.run(["nft", "delete", "table", "ip", "nswatch_test"])
    # Other labs on this machine are watched as well.
    mine = [t for t in result.of_type("transaction")
            if t["question"] and t["question"]["name"].startswith("once-")]
    got = [(t["question"]["name"], t["transport"], t["target"], t["client"],
            t["process"]["comm"]) for t in mine]
    assert got == [(f"once-{name}.example.test", transport, name, client, "dig")
                   for transport in ("udp", "tcp") for name, client in
                   (("php", php.addr4), ("web", web.addr4), ("host", "10.77.53.1"))], got
    assert all(t["state"] == "answered" and t["queries"] == 1 for t in mine)
    opened = [t for t in result.of_type("transaction")
              if not t["question"] and t["server"] == UPSTREAM4
              and t["client"] in (php.addr4, web.addr4, "10.77.53.1")]
    assert opened == []

# SPDX-License-Identifier: GPL-2.0-only
"""Containers of a real dockerd, against tshark in the same namespace at the
same time."""

import re
import subprocess

import pytest

from lab import UPSTREAM4, WEB4, LabError, Tshark, read_pcapng, wait_for
from watching import LOOKUP, Watch, assert_opens_clean, tshark_fields

BEGIN, END = 7001, 7002
# Destination port and length, as they stand in the UDP header.
END_BYTES = END.to_bytes(2, "big") + b"\x00\x30"


@pytest.fixture
def php(containers):
    containers.run("php")
    return containers.docker.inspect("php")


@pytest.fixture
def namespace(lab, php):
    path = f"/proc/{php['State']['Pid']}/ns/net"
    lab.plain_ports(path)
    return path


def address(info):
    return info["NetworkSettings"]["IPAddress"] or next(
        n["IPAddress"] for n in info["NetworkSettings"]["Networks"].values())


def mark(lab, namespace, port):
    """A packet that both see: to lo and out of eth0."""
    for to in ("127.0.0.1", WEB4):
        lab.run([lab.tool("flood"), to, port, "1", "40"], ns=namespace)


def traffic(docker, name="php"):
    docker.exec(name, *LOOKUP)
    docker.exec(name, "wget", "-q", "-O", "/dev/null", f"http://{WEB4}/")
    docker.exec(name, "ping", "-c", "2", "-i", "0.2", WEB4)
    docker.exec(name, "ping", "-c", "1", "127.0.0.1")
    docker.exec(name, "nslookup", "missing.example.test", check=False)


def dport(data):
    """The UDP destination port of an Ethernet/IPv4 frame without options."""
    if data[12:14] == b"\x08\x00" and data[23] == 17:
        return int.from_bytes(data[36:38], "big")
    return None


def between_marks(packets):
    ports = [dport(data) for _, _, data in packets]
    return packets[ports.index(BEGIN) + 1:ports.index(END)]


def of_interface(packets, name):
    return between_marks([p for p in packets if p[0].split("/")[-1] == name])


def test_capture_equals_tsharks(lab, containers, watch, namespace, out):
    reference = Tshark(lab, namespace, f"{out}/tshark.pcapng", ["eth0", "lo"])
    w = watch("php", "-w", f"{out}/x.pcapng")
    mark(lab, namespace, BEGIN)
    traffic(containers.docker)
    mark(lab, namespace, END)
    wait_for("tshark to see both ends", lambda: ended(reference.path))
    reference.stop()
    result = w.stop()
    assert result.status == 0 and result.books["lost"] == 0
    assert_opens_clean(f"{out}/x.pcapng")
    ours = read_pcapng(f"{out}/x.pcapng")
    theirs = read_pcapng(f"{out}/tshark.pcapng")
    assert {p[0] for p in ours} == {"php/eth0", "php/lo"}
    for name in ("eth0", "lo"):
        mine = of_interface(ours, name)
        assert mine, name
        assert [p[1:] for p in mine] == [p[1:] for p in of_interface(theirs, name)]


def ended(path):
    """Whether the end mark of both interfaces is in the file, whole."""
    try:
        return {name for name, _, data in read_pcapng(path) if dport(data) == END} \
            == {"eth0", "lo"}
    except LabError:
        return False


def summaries(text):
    """Lines of a summary without numbers and time, between the marks."""
    lines = [re.sub(r"^\s*\d+\s+\S+\s+", "", line) for line in text.splitlines()]
    # A reply names its request's number: counted from another start.
    lines = [re.sub(r"\((request|reply) in \d+\)", r"(\1)", line) for line in lines]
    first = next(i for i, l in enumerate(lines) if f"{BEGIN} Len=" in l)
    last = next(i for i, l in enumerate(lines) if f"{END} Len=" in l)
    return lines[first + 1:last]


def test_text_equals_tsharks(lab, containers, watch, namespace, out):
    reference = Tshark(lab, namespace, f"{out}/tshark", ["eth0"], text=True)
    w = watch("php", "-l", "-n", "-i", "eth0")
    mark(lab, namespace, BEGIN)
    traffic(containers.docker)
    mark(lab, namespace, END)
    reference.wait_seen(f"{END} Len=".encode())
    w.wait_out(f"{END} Len=")
    reference.stop()
    result = w.stop()
    with open(reference.text) as f:
        theirs = summaries(f.read())
    assert len(theirs) > 10
    assert summaries(result.out) == theirs


def test_dns_equals_tsharks(lab, containers, watch, namespace, out):
    reference = Tshark(lab, namespace, f"{out}/tshark.pcapng", ["eth0"])
    w = watch("php", "--dns", "--json", "-l")
    traffic(containers.docker)
    w.wait_out("missing.example.test")
    mark(lab, namespace, END)
    reference.wait_seen(END_BYTES)
    reference.stop()
    result = w.stop()
    theirs = tshark_fields(reference.path, "dns.id", "dns.qry.name",
                           display="dns.flags.response == 1")
    ours = [t["question"]["name"] for t in result.of_type("transaction")
            if t["state"] == "answered"]
    assert sorted(ours) == sorted(name for _, name in theirs)
    assert result.codes == []


def test_dns_in_words(containers, watch, php):
    w = watch("php", "--dns", "-l")
    containers.docker.exec("php", *LOOKUP)
    w.wait_out("www.example.test")
    result = w.stop()
    assert result.status == 0
    assert "STUB-DEAD" not in result.out
    assert "getent" in result.out and UPSTREAM4 in result.out


@pytest.mark.parametrize("form", ["docker:php", "id", "id prefix"])
def test_names(containers, watch, php, form):
    name = {"docker:php": form, "id": php["Id"], "id prefix": php["Id"][:12]}[form]
    w = watch(name, "-c", "1", "icmp")
    containers.docker.exec("php", "ping", "-c", "1", WEB4)
    assert w.wait().status == 0


def test_docker_host_is_honoured(lab, containers, watch, php):
    lab.run(["mv", "/run/docker.sock", "/run/lab/docker.sock"])
    try:
        w = watch("php", env={"DOCKER_HOST": "unix:///run/lab/docker.sock"})
        assert w.stop().status == 0
    finally:
        lab.run(["mv", "/run/lab/docker.sock", "/run/docker.sock"])


def test_user_defined_network(containers, watch):
    """The embedded resolver: one lookup, seen twice on its way, is one."""
    containers.network("app")
    containers.run("web", "--network", "app")
    w = watch("web", "--dns", "--json", "-l")
    containers.docker.exec("web", "nslookup", "-type=a", "v4.example.test",
                           check=False)
    w.wait_out("v4.example.test")
    result = w.stop()
    assert result.codes == []
    assert "127.0.0.11" in str(result.of_type("transaction"))


def through_docker(result):
    """The lookups through the embedded resolver, and what it passed on for each."""
    lookups = [t for t in result.of_type("transaction") if not t["upstream_of"]]
    passed_on = {t["upstream_of"]: t for t in result.of_type("transaction") if t["upstream_of"]}
    return lookups, passed_on


def test_embedded_resolver(containers, watch):
    """A lookup is one, its client's, whichever way the resolver takes: containers by name,
    UDP and TCP, truncated answers, several containers, restarted ones."""
    docker = containers.docker
    containers.network("app")
    for name in ("web", "db"):
        containers.run(name, "--network", "app", "--dns", UPSTREAM4)
    for again in (False, True):
        if again:
            docker.cli("restart", "-t", "0", "web", "db")
        w = watch("web,db", "--dns", "--json", "-l")
        for name in ("web", "db"):
            docker.exec(name, "getent", "hosts", "www.example.test")
            docker.exec(name, "nslookup", "-type=a", f"{name}.missing.test", check=False)
            docker.exec(name, "getent", "ahostsv4", "big.example.test")
            docker.exec(name, "getent", "hosts", "db")
        w.wait_out('"name":"db.missing.test')
        w.wait_out('"db".*(\n.*)*"target":"db".*"name":"db",')
        result = w.stop()
        lookups, passed_on = through_docker(result)
        dockerd = docker.daemon.pid
        for t in lookups:
            assert (t["server"], t["server_port"]) == ("127.0.0.11", 53)
            assert t["interface"] == "lo" and t["state"] == "answered"
            assert t["process"]["comm"] in ("getent", "nslookup")
            if t["question"]["name"] == "db":
                assert t["upstream"] is None and t["serial"] not in passed_on
            else:
                assert t["upstream"] == UPSTREAM4
                up = passed_on.pop(t["serial"])
                assert up["question"] == t["question"] and up["id"] == t["id"]
                assert up["target"] == t["target"] and up["interface"] == "eth0"
                assert up["process"] == {"pid": dockerd, "comm": "dockerd"}
        assert not passed_on
        assert {t["transport"] for t in lookups} == {"udp", "tcp"}
        summary, = result.of_type("summary")
        assert summary["transactions"] == summary["answered"] == len(lookups)
        assert [s["server"] for s in summary["servers"]] == ["127.0.0.11"]
        assert result.codes == []


def test_embedded_resolver_in_words(containers, watch):
    containers.network("app")
    containers.run("web", "--network", "app", "--dns", UPSTREAM4)
    w = watch("web", "--dns", "-l")
    containers.docker.exec("web", "getent", "ahostsv4", "v4.example.test")
    w.wait_out("v4.example.test")
    lines = [line for line in w.stop().lines if " v4.example.test" in line and ":" in line[:3]]
    assert len(lines) == 1
    assert "127.0.0.11" in lines[0] and f"(via {UPSTREAM4})" in lines[0]


def test_embedded_resolver_that_asks_the_host(containers, watch):
    """Without --dns it asks the stub, in the host's namespace."""
    containers.network("app")
    containers.run("web", "--network", "app")
    w = watch("web,host", "--dns", "--json", "-l")
    containers.docker.exec("web", "getent", "ahostsv4", "v4.example.test")
    w.wait_out('"target":"web".*v4.example.test')
    lookups, passed_on = through_docker(w.stop())
    mine, = [t for t in lookups if t["target"] == "web"]
    assert mine["server"] == "127.0.0.11" and mine["upstream"] == "127.0.0.53"
    up = passed_on[mine["serial"]]
    assert (up["target"], up["process"]["comm"]) == ("host", "dockerd")


def test_two_containers_in_one_namespace(lab, containers, watch, namespace):
    containers.run("side", "--network", "container:php")
    one, two = watch("php", "-l"), watch("side", "-l")
    mark(lab, namespace, BEGIN)
    containers.docker.exec("side", "ping", "-c", "1", WEB4)
    mark(lab, namespace, END)
    for w in (one, two):
        w.wait_out(f"{END} Len=")
    first, second = summaries(one.stop().out), summaries(two.stop().out)
    assert first == second and any("ping" in line for line in first)


def test_host_mode(lab, containers, watch):
    containers.run("monitor", "--network", "host")
    w = watch("monitor", "--dns", "--json", "-l")
    assert WEB4 in containers.docker.exec("monitor", *LOOKUP).stdout
    w.wait_out("www.example.test")
    result = w.stop()
    assert result.codes == []


def test_internal_network(containers, watch):
    containers.network("back", "--internal")
    containers.run("db", "--network", "back")
    containers.run("app", "--network", "back")
    w = watch("app", "--dns", "--json", "-l")
    assert containers.docker.exec("app", "getent", "hosts", "db").returncode == 0
    w.wait_out('"transaction".*"db"')
    assert w.stop().codes == []


def test_netns_link_to_the_sandbox(lab, containers, watch, php):
    lab.run(["ln", "-s", php["NetworkSettings"]["SandboxKey"], "/run/netns/linked"])
    try:
        w = watch("netns:linked", "-c", "1", "icmp")
        containers.docker.exec("php", "ping", "-c", "1", WEB4)
        assert w.wait().status == 0
    finally:
        lab.run(["rm", "/run/netns/linked"])


def test_stopped_container(lab, containers, watch, php):
    containers.docker.cli("stop", "-t", "0", "php")
    result = watch("php", attach=False).wait()
    assert result.status == 1
    assert len(result.complaints) == 1 and "php" in result.complaints[0]
    assert re.search("not running|stopped|exited", result.complaints[0])


def test_ambiguous_name(lab, containers, watch, php):
    lab.netns("php")
    try:
        result = watch("php", attach=False).wait()
        assert result.status in (1, 2)
        assert "docker:php" in result.err and "netns:php" in result.err
        w = watch("netns:php")
        assert w.stop().status == 0
    finally:
        lab.namespaces["php"].remove()


def test_stub_mounted_into_a_container(lab, containers, watch):
    """The file of the host, in a container: the classic."""
    stub = lab.add_file("stub.conf", "nameserver 127.0.0.53\n")
    containers.run("php", "-v", f"{stub}:/etc/resolv.conf:ro")
    w = watch("php", "--dns", "--json", "-l")
    assert containers.docker.exec("php", *LOOKUP, check=False).returncode == 2
    w.wait_out("STUB-DEAD")
    result = w.stop()
    assert result.codes == ["STUB-DEAD"]
    assert "/etc/resolv.conf" in str(result.of_type("finding"))
    check = Watch(lab, ["check", "php", "--json"], attach=False).wait()
    assert check.status == 3 and check.all_codes == ["STUB-CONFIG"]


def test_removing_the_container_ends_its_veth(lab, containers, watch, php):
    """Nobody may keep a namespace alive by watching it."""
    def veths():
        return lab.run(["sh", "-c", "ip -o link show type veth master docker0"
                        " 2>/dev/null"], check=False).stdout
    assert "veth" in veths()
    w = watch("php")
    containers.docker.remove("php")
    assert veths() == ""
    assert w.stop().status in (0, 1)


def test_pipe_into_tshark(lab, containers, watch, php):
    reader = lab.popen(["tshark", "-n", "-l", "-r", "-"], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    w = watch("php", "-w", "-", "icmp", stdout=reader.stdin)
    reader.stdin.close()
    containers.docker.exec("php", "ping", "-c", "2", "-i", "0.2", WEB4)
    assert w.stop().status == 0
    with reader.stdout:
        text = reader.stdout.read().decode()
    reader.wait(20)
    assert text.count("Echo (ping) request") == 2
    assert reader.returncode == 0

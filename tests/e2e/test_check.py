# SPDX-License-Identifier: GPL-2.0-only
"""`nswatch check` and `nswatch list` on containers of a real dockerd, judged by
what a lookup or a connection there really does."""

import json
import os
import re

import pytest

from lab import UPSTREAM4, WEB4
from watching import LOOKUP, NSWATCH

HTTPD = ("busybox", "httpd", "-f", "-p")


def check(lab, *args, **kw):
    """(exit status, facts, {code: finding})"""
    done = lab.run([NSWATCH, "check", "--json", *args], check=False, **kw)
    facts, *findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(f["type"] == "finding" for f in findings)
    assert len(findings) == len({f["code"] for f in findings})
    return done.returncode, facts, {f["code"]: f for f in findings}


def check_text(lab, *args):
    return lab.run([NSWATCH, "check", *args], check=False).stdout


def listed(lab):
    out = lab.run([NSWATCH, "list", "--json"]).stdout
    return [json.loads(line) for line in out.splitlines()]


def namespace(lab, target):
    (found,) = [n for n in listed(lab) if target in n["targets"]]
    return found


def looks_up(docker, name):
    return docker.exec(name, *LOOKUP, check=False).returncode == 0


@pytest.fixture(scope="module")
def network(lab):
    """Three networks with containers, for all tests here: dockerd is slow."""
    docker = lab.start_docker()
    docker.cli("network", "create", "mine")
    docker.cli("network", "create", "--internal", "inner")
    docker.run("web", "--network", "mine", "-p", "18080:8080", command=(*HTTPD, "127.0.0.1:8080"))
    docker.run("good", "--network", "mine", "-p", "18081:8080", command=(*HTTPD, "8080"))
    docker.run("side", "--network", "container:web")
    docker.run("shut", "--network", "inner")
    docker.run("open", "--network", "host")
    docker.run("alone", "--network", "none")
    yield docker
    docker.cli("rm", "-f", "web", "good", "side", "shut", "open", "alone", check=False)
    docker.cli("network", "rm", "mine", "inner", check=False)


def test_healthy(lab, network):
    assert looks_up(network, "good")
    status, facts, findings = check(lab, "good")
    assert (status, findings, facts["verdict"]) == (0, {}, "ok")
    assert [s["address"] for s in facts["nameservers"]] == ["127.0.0.11"]
    assert check_text(lab, "good").splitlines()[0] == "✓ good: no fault found"


def test_docker_dns_gone(lab, network):
    pid = network.pid("good")
    rules = lab.run(["nsenter", "-n", "-t", pid, "iptables-save", "-t", "nat"]).stdout
    assert "127.0.0.11" in rules
    lab.run(["nsenter", "-n", "-t", pid, "iptables", "-t", "nat", "-F"])
    try:
        assert not looks_up(network, "good")
        status, facts, findings = check(lab, "good")
        assert (status, list(findings), facts["verdict"]) == (3, ["DOCKER-DNS-GONE"], "fails")
        finding = findings["DOCKER-DNS-GONE"]
        assert any("the NAT rule is missing" in s for s in finding["seen"])
        assert any("docker restart good" in f["command"] for f in finding["fix"])
        text = check_text(lab, "good").splitlines()
        assert text[0] == "✗ good: lookups will fail: DOCKER-DNS-GONE"
    finally:
        lab.run(["nsenter", "-n", "-t", pid, "iptables-restore", "-T", "nat"], input=rules)
    assert looks_up(network, "good")
    assert check(lab, "good")[0] == 0


def test_copied_to_where_there_is_no_docker(lab, network, php):
    lab.write("/etc/netns/php/resolv.conf", "nameserver 127.0.0.11\n")
    status, _, findings = check(lab, "php")
    assert (status, list(findings)) == (3, ["DOCKER-DNS-GONE"])
    assert any("no socket of dockerd" in s for s in findings["DOCKER-DNS-GONE"]["seen"])


def test_published_port_that_leads_to_loopback(lab, network):
    """The oracle is a connection to the container's address."""
    for name, reachable in (("web", False), ("good", True)):
        info = network.inspect(name)["NetworkSettings"]["Networks"]["mine"]
        done = lab.run(["curl", "-s", "-o", "/dev/null", f"http://{info['IPAddress']}:8080/"],
                       check=False)
        assert (done.returncode != 7) == reachable
    for name in ("web", "side"):
        status, facts, findings = check(lab, name)
        assert (status, list(findings), facts["verdict"]) == (3, ["LOOPBACK-ONLY"], "fault")
        finding = findings["LOOPBACK-ONLY"]
        assert finding["severity"] == "warning"
        pid = network.pid("web")
        assert f"({pid}) listens on TCP 127.0.0.1:8080, to which the host's port 18080 is " \
            "published." in finding["seen"][0]
        assert facts["loopback_only"][0]["published"] == 18080
    assert check_text(lab, "web").splitlines()[0] == \
        "! web: no fault of DNS, but of a published port: LOOPBACK-ONLY"


def test_internal_network(lab, network):
    status, _, findings = check(lab, "shut")
    assert (status, list(findings)) == (0, ["INTERNAL"])
    assert findings["INTERNAL"]["severity"] == "info"
    assert namespace(lab, "docker:shut")["way_out"]["end"] == "blocked"
    # The oracle: the host routes what comes from a container on an open network.
    for name, reachable in (("good", True), ("shut", False)):
        done = network.exec(name, "timeout", "1", "wget", "-q", "-O", "/dev/null",
                            f"http://{WEB4}/", check=False)
        assert (done.returncode == 0) == reachable


def test_unpublished_loopback_listener(lab, php):
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\n")
    server = php.popen(["busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/"])
    both = php.popen(["busybox", "httpd", "-f", "-p", "8081", "-h", "/"])
    try:
        wait = 100
        while php.run(["ss", "-ltnH"]).stdout.count("\n") < 2 and wait:
            wait -= 1
        status, facts, findings = check(lab, "php")
        assert (status, list(findings), facts["verdict"]) == (0, ["LOOPBACK-ONLY"], "ok")
        assert findings["LOOPBACK-ONLY"]["severity"] == "info"
        assert findings["LOOPBACK-ONLY"]["seen"] == [
            f"busybox({server.pid}) listens on TCP 127.0.0.1:8080."]
    finally:
        for process in (server, both):
            process.kill()
            process.wait()


@pytest.mark.parametrize("text,lines", [
    (f"nameserver {UPSTREAM4}\n" * 3, []),
    (f"nameserver {UPSTREAM4}\n" * 4 + "nameserver 192.0.2.5\n", [4, 5]),
    (f"nameserver {UPSTREAM4}\nnameserver example.com\n", [2]),
    (f"# x\n  nameserver 192.0.2.1\nnameserver {UPSTREAM4}\n", [2]),
])
def test_resolv_limits(lab, php, text, lines):
    lab.write("/etc/netns/php/resolv.conf", text)
    # glibc's own reading: the servers that it asks.
    status, facts, findings = check(lab, "php")
    if not lines:
        assert (status, findings) == (0, {})
        return
    assert (status, list(findings), facts["verdict"]) == (3, ["RESOLV-LIMITS"], "fault")
    finding = findings["RESOLV-LIMITS"]
    assert [int(re.match(r"Line (\d+):", s).group(1)) for s in finding["seen"]] == lines
    assert finding["line"] == lines[0] and finding["resolv_conf"] == "/etc/resolv.conf"
    assert check_text(lab, "php").splitlines()[0] == \
        "! php: lookups should work, but something is wrong: RESOLV-LIMITS"


def test_list_of_containers(lab, network):
    web = namespace(lab, "docker:web")
    assert sorted(web["containers"]) == ["side", "web"]
    info = network.inspect("web")["NetworkSettings"]["Networks"]["mine"]
    (eth0,) = [l for l in web["interfaces"] if l["name"] == "eth0"]
    assert eth0["addresses"][0] == f"{info['IPAddress']}/{info['IPPrefixLen']}"
    # dockerd runs in the host's namespace and holds sockets in this one.
    assert {l["process"]["comm"] for l in web["listeners"] if l["address"] == "127.0.0.11"} == \
        {"dockerd"}
    (hop, *_) = web["way_out"]["hops"]
    assert hop["gateway"] == info["Gateway"] and hop["nat"] is True
    host = namespace(lab, "host")
    assert host["netns"] == hop["into"] and "open" in host["containers"]
    bridge = "br-" + json.loads(network.cli("network", "inspect", "mine").stdout)[0]["Id"][:12]
    assert hop["arrives"] == bridge == eth0["peer"]["bridge"]
    assert namespace(lab, "docker:alone")["way_out"]["end"] == "none"
    text = lab.run([NSWATCH, "list"]).stdout
    assert re.search(r"^docker:(web|side) = docker:(web|side)  net:\[\d+\]", text, re.M)
    assert re.search(rf"^├─ way out +eth0 → {bridge} → NAT", text, re.M)

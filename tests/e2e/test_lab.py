# SPDX-License-Identifier: GPL-2.0-only
"""The lab itself: what the other tests take for granted, without nswatch."""

import subprocess
import time

from lab import (SILENT4, STUB, STUB_FILE, UPSTREAM4, UPSTREAM6, WEB4, WEB6,
                 Tshark, read_pcapng, sockets)
from watching import LOOKUP


def test_no_way_out(lab):
    assert lab.run(["ip", "route", "show", "default"]).stdout == ""
    names = lab.run(["ip", "-o", "link"]).stdout
    assert " ens" not in names and " eth0" not in names


def test_host_resolves_through_its_stub(lab):
    assert lab.read("/etc/resolv.conf") == lab.read(STUB_FILE)
    assert f"nameserver {STUB}" in lab.read("/etc/resolv.conf")
    out = lab.run(LOOKUP).stdout
    assert WEB4 in out and WEB6 in out


def test_hosts_resolv_conf_fails_in_a_container(lab, php):
    before = time.monotonic()
    done = php.run(LOOKUP, check=False)
    assert done.returncode == 2
    assert time.monotonic() - before < 5  # glibc waits as long for each server that is silent


def test_lo_down_fails(lab, bare):
    assert bare.run(LOOKUP, check=False).returncode == 2


def test_upstream_works_in_a_container(lab, php):
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\n")
    assert WEB4 in lab.run(["ip", "netns", "exec", "php", *LOOKUP]).stdout
    for server in (UPSTREAM4, UPSTREAM6):
        for proto in ("+notcp", "+tcp"):
            out = php.run(["dig", "+short", proto, f"@{server}",
                           "v4.example.test"]).stdout
            assert out == WEB4 + "\n"
    assert "status: NXDOMAIN" in php.run(
        ["dig", f"@{UPSTREAM4}", "missing.example.test"]).stdout


def test_silent_server_is_silent(lab, php):
    done = php.run(["dig", "+tries=1", "+time=1", f"@{SILENT4}",
                    "www.example.test"], check=False)
    assert done.returncode == 9


def test_web_server(lab, php):
    assert "It works." in php.run(
        ["busybox", "wget", "-q", "-O", "-", f"http://{WEB4}/"]).stdout


def test_docker_container_resolves(lab, containers):
    containers.run("php")
    docker = containers.docker
    assert WEB4 in docker.exec("php", *LOOKUP).stdout
    containers.network("app")
    containers.run("web", "--network", "app")
    assert "127.0.0.11" in docker.exec("web", "cat", "/etc/resolv.conf").stdout
    assert WEB4 in docker.exec("web", *LOOKUP).stdout


def test_flood_loses_nothing_on_the_way(lab, php):
    flood = lab.tool("flood")
    sink = php.popen([flood, "sink", "9"], stdout=subprocess.PIPE, text=True)
    assert sink.stdout.readline() == "ready\n"
    assert ("::", 9) in sockets(sink.pid, "udp6")
    lab.run([flood, php.addr4, "9", "200000"])
    sink.kill()
    sink.wait()
    sink.stdout.close()
    out = php.run(["ip", "-s", "-s", "link", "show", "eth0"]).stdout
    received = int(out.split("RX:")[1].splitlines()[1].split()[1])
    assert 200000 <= received < 200100


def test_tshark_runs_in_a_container(lab, php, out):
    tshark = Tshark(lab, php.path, f"{out}/t.pcapng", ["eth0", "lo"])
    php.run(["dig", "+short", f"@{UPSTREAM4}", "marker.example.test"])
    tshark.wait_seen(b"\x06marker")
    tshark.stop()
    packets = read_pcapng(tshark.path)
    assert any(name == "eth0" and b"\x06marker" in data
               for name, _, data in packets)

# SPDX-License-Identifier: GPL-2.0-only
"""`nswatch list` and `nswatch check` on real namespaces.

A namespace plays the host: nswatch runs in it, so that nothing here depends on
the machine's own network. The oracle for interfaces and peers is ip(8).
NSWATCH names the program, ./nswatch by default.
"""
import json
import os
import re
import socketserver
import subprocess
import threading
import time

import pytest

NSWATCH = os.path.abspath(os.environ.get("NSWATCH", "./nswatch"))
PREFIX = f"nsw-inv{os.getpid()}-"
HOST, C1, C2, BARE = (PREFIX + n for n in ("host", "c1", "c2", "bare"))

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.access(NSWATCH, os.X_OK), reason=f"{NSWATCH} is not built"),
]


def sh(*cmd, check=True):
    return subprocess.run(cmd, check=check, text=True, capture_output=True, timeout=30)


def ip(ns, *args):
    return sh("ip", "-n", ns, *args).stdout


def nswatch(*args):
    """Runs nswatch in the namespace that plays the host, with this one's files."""
    return sh("nsenter", f"--net=/run/netns/{HOST}", NSWATCH, *args, check=False)


def namespaces():
    out = nswatch("list", "--json").stdout
    found = [json.loads(line) for line in out.splitlines()]
    assert all(n["type"] == "namespace" for n in found)
    return {n["netns"]: n for n in found}


def inode(ns):
    return os.stat(f"/run/netns/{ns}").st_ino


@pytest.fixture(scope="module", autouse=True)
def lab():
    names = (HOST, C1, C2, BARE)
    try:
        for ns in names:
            sh("ip", "netns", "add", ns)
        ip(HOST, "link", "set", "lo", "up")
        ip(HOST, "link", "add", "br0", "type", "bridge")
        ip(HOST, "addr", "add", "10.77.0.1/24", "dev", "br0")
        ip(HOST, "link", "set", "br0", "up")
        for i, ns in ((2, C1), (3, C2)):
            ip(HOST, "link", "add", f"v{i}", "type", "veth", "peer", "name", "eth0", "netns", ns)
            ip(HOST, "link", "set", f"v{i}", "master", "br0", "up")
            ip(ns, "link", "set", "lo", "up")
            ip(ns, "addr", "add", f"10.77.0.{i}/24", "dev", "eth0")
            ip(ns, "link", "set", "eth0", "up")
            ip(ns, "route", "add", "default", "via", "10.77.0.1")
        yield
    finally:
        for ns in names:
            sh("ip", "netns", "del", ns, check=False)
            sh("rm", "-rf", f"/etc/netns/{ns}")


@pytest.fixture
def etc_netns():
    """Writes /etc/netns/NAME/resolv.conf, and takes it away again."""
    written = []

    def write(ns, text):
        os.makedirs(f"/etc/netns/{ns}", exist_ok=True)
        with open(f"/etc/netns/{ns}/resolv.conf", "w") as f:
            f.write(text)
        written.append(ns)

    yield write
    for ns in written:
        sh("rm", "-rf", f"/etc/netns/{ns}")


def test_list_knows_every_interface():
    seen = namespaces()
    for ns in (HOST, C1, C2, BARE):
        oracle = json.loads(ip(ns, "-j", "addr", "show"))
        ours = seen[inode(ns)]["interfaces"]
        assert [(l["ifindex"], l["name"]) for l in ours] == [
            (l["ifindex"], l["ifname"]) for l in oracle
        ]
        for a, b in zip(ours, oracle):
            assert sorted(a["addresses"]) == sorted(
                f"{i['local']}/{i['prefixlen']}" for i in b["addr_info"]
            )
            assert a["up"] == ("UP" in b["flags"])
    assert [n["netns"] for n in seen.values() if n["host"]] == [inode(HOST)]


def test_list_ties_both_ends():
    seen = namespaces()
    for i, ns in ((2, C1), (3, C2)):
        (inside,) = [l for l in seen[inode(ns)]["interfaces"] if l["name"] == "eth0"]
        assert inside["peer"]["netns"] == inode(HOST)
        assert inside["peer"]["name"] == f"v{i}"
        assert inside["peer"]["bridge"] == "br0"
        (outside,) = [l for l in seen[inode(HOST)]["interfaces"] if l["name"] == f"v{i}"]
        assert outside["peer"]["netns"] == inode(ns)
        assert outside["peer"]["ifindex"] == inside["ifindex"]
        assert outside["master"] == "br0"


def test_list_as_text():
    out = nswatch("list").stdout
    assert re.search(rf"^host = netns:{HOST}  net:\[{inode(HOST)}\]", out, re.M)
    assert re.search(rf"^  v2 +up +- +veth, on br0, peer eth0 in netns:{C1}$", out, re.M)
    assert re.search(r"^  eth0 +up +10\.77\.0\.2/24 +veth, peer v2 in host on br0$", out, re.M)


def test_list_leaves_no_trace():
    before = ip(HOST, "link"), sorted(os.listdir("/run/netns"))
    nswatch("list")
    assert (ip(HOST, "link"), sorted(os.listdir("/run/netns"))) == before


def test_hostile_names_are_escaped():
    bad = "x\x1b[31m"
    ip(BARE, "link", "add", bad, "type", "bridge")
    try:
        out = nswatch("list")
        assert "\x1b" not in out.stdout + out.stderr
        assert "x\\x1b[31m" in out.stdout
        names = [l["name"] for l in namespaces()[inode(BARE)]["interfaces"]]
        assert bad in names
    finally:
        ip(BARE, "link", "del", bad)


def check_json(*args):
    r = nswatch("check", "--json", *args)
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    return r.returncode, lines[0], [l["code"] for l in lines[1:]]


def test_check_bare_namespace(etc_netns):
    etc_netns(BARE, "nameserver 127.0.0.53\n")
    status, facts, findings = check_json(f"netns:{BARE}")
    assert status == 3
    assert not facts["lo_up"] and not facts["default_route"]
    assert facts["resolv_conf"]["host_path"] == f"/etc/netns/{BARE}/resolv.conf"
    assert "LO-DOWN" in findings


def test_check_stub(etc_netns):
    etc_netns(C1, "nameserver 127.0.0.53\n")
    status, facts, findings = check_json(f"netns:{C1}")
    assert status == 3
    assert facts["lo_up"] and facts["gateway"] == "10.77.0.1"
    assert facts["nameservers"][0] == {
        "line": 1, "address": "127.0.0.53", "route": True, "gateway": False, "listening": False,
    }
    assert findings == ["STUB-CONFIG"]


def test_check_unreachable(etc_netns):
    etc_netns(BARE, "nameserver 192.0.2.53\n")
    status, facts, findings = check_json(f"netns:{BARE}")
    assert (status, findings) == (3, ["UNREACHABLE"])
    assert not facts["nameservers"][0]["route"]


def test_check_healthy(etc_netns):
    etc_netns(C1, "nameserver 10.77.0.1\n")
    status, facts, findings = check_json(f"netns:{C1}")
    assert (status, findings) == (0, [])
    assert facts["nameservers"][0]["gateway"]


def test_check_sees_the_listener(etc_netns):
    etc_netns(C2, "nameserver 127.0.0.53\n")
    server = subprocess.Popen(
        ["ip", "netns", "exec", C2, "python3", "-c",
         "import socket,sys,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
         "s.bind(('127.0.0.53',53)); print('up',flush=True); time.sleep(30)"],
        stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "up\n"
        status, facts, findings = check_json(f"netns:{C2}")
        assert (status, findings) == (0, [])
        assert facts["nameservers"][0]["listening"]
        assert facts["listeners"] == [
            {"protocol": "udp", "port": 53, "address": "127.0.0.53"}]
        assert any(p["comm"].startswith("python3")
                   for p in namespaces()[inode(C2)]["first_processes"])
    finally:
        server.kill()
        server.wait()


def test_check_symlinked_name():
    """As in `ln -s $sandboxKey /run/netns/$name`."""
    link = f"/run/netns/{PREFIX}link"
    holder = subprocess.Popen(["unshare", "-n", "sleep", "30"])
    try:
        for _ in range(100):
            if os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"):
                break
            time.sleep(0.02)
        os.symlink(f"/proc/{holder.pid}/ns/net", link)
        _, facts, _ = check_json(f"{PREFIX}link")
        assert facts["netns"] == os.stat(f"/proc/{holder.pid}/ns/net").st_ino
    finally:
        holder.kill()
        holder.wait()
        r = nswatch("check", f"{PREFIX}link")
        os.unlink(link)
    assert r.returncode == 1
    assert "is gone" in r.stderr and f"rm {link}" in r.stderr


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """An engine with the containers that the test puts in: name to pid."""
    pids = {}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            path = self.rfile.readline().split()[1].decode()
            name = path.split("/")[2]
            if path.startswith("/containers/json"):
                body = [{"Id": n, "Names": ["/" + n], "State": "running"} for n in pids]
            elif name in pids:
                body = {"Id": name, "Name": "/" + name,
                        "State": {"Status": "running", "Running": True, "Pid": pids[name]}}
            else:
                self.wfile.write(b'HTTP/1.0 404 Not Found\r\n\r\n{"message":"none"}')
                return
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(body).encode())

    sock = str(tmp_path / "docker.sock")
    with socketserver.ThreadingUnixStreamServer(sock, Handler) as server:
        monkeypatch.setenv("DOCKER_HOST", "unix://" + sock)
        threading.Thread(target=server.serve_forever).start()
        yield pids
        server.shutdown()


@pytest.fixture
def resident():
    """A process that lives in C1."""
    p = subprocess.Popen(["nsenter", f"--net=/run/netns/{C1}", "sleep", "30"])
    while os.stat(f"/proc/{p.pid}/ns/net").st_ino != inode(C1):
        time.sleep(0.02)
    yield p.pid
    p.kill()
    p.wait()


def test_containers_are_named(engine, resident):
    engine["php"] = engine["sidecar"] = resident
    assert sorted(namespaces()[inode(C1)]["containers"]) == ["php", "sidecar"]
    out = nswatch("list").stdout
    assert re.search(rf"^docker:\w+ = docker:\w+ = netns:{C1}  net:\[{inode(C1)}\]", out, re.M)
    for name in ("php", "sidecar", "docker:php"):
        _, facts, _ = check_json(name)
        assert facts["netns"] == inode(C1) and facts["kind"] == "docker"


def test_ambiguous_name(engine, resident):
    engine[C2] = resident
    r = nswatch("check", C2)
    assert r.returncode == 1
    assert f"docker:{C2} and netns:{C2}" in r.stderr
    # The same namespace by two ways is no conflict.
    engine[C1] = resident
    _, facts, _ = check_json(C1)
    assert facts["netns"] == inode(C1)


def test_stopped_engine_is_no_obstacle(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    assert check_json(C1)[1]["netns"] == inode(C1)
    r = nswatch("check", "docker:php")
    assert r.returncode == 1 and "no Docker engine answers at /nonexistent.sock" in r.stderr


@pytest.mark.parametrize("word,told", [
    (f"{PREFIX}hots", f"did you mean {HOST}?"),
    ("2147483647", "no such process"),
    ("/etc/passwd", "not a network namespace"),
    ("lxc:x", "docker, podman, cri, netns, pid, path, host"),
    ("\x1b[31mred", "\\x1b[31mred"),
])
def test_wrong_targets_get_one_line_and_a_hint(word, told):
    r = nswatch("check", word)
    assert r.returncode == 1
    assert r.stdout == ""
    assert told in r.stderr
    assert "\x1b" not in r.stderr
    assert len(r.stderr.splitlines()) == 2

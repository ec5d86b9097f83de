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
HOST, C1, C2, BARE, NET = (PREFIX + n for n in ("host", "c1", "c2", "bare", "net"))

OUTSIDE = "198.51.100.1"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.access(NSWATCH, os.X_OK), reason=f"{NSWATCH} is not built"),
]


def sh(*cmd, check=True):
    return subprocess.run(cmd, check=check, text=True, capture_output=True, timeout=30)


def ip(ns, *args):
    return sh("ip", "-n", ns, *args).stdout


def on_host(*cmd, **kw):
    """Runs a command in the namespace that plays the host, with this one's files."""
    return sh("nsenter", f"--net=/run/netns/{HOST}", *cmd, **kw)


def nswatch(*args):
    return on_host(NSWATCH, *args, check=False)


def namespaces():
    out = nswatch("list", "--json").stdout
    found = [json.loads(line) for line in out.splitlines()]
    assert all(n["type"] == "namespace" for n in found)
    return {n["netns"]: n for n in found}


def inode(ns):
    return os.stat(f"/run/netns/{ns}").st_ino


@pytest.fixture(scope="module", autouse=True)
def lab():
    names = (HOST, C1, C2, BARE, NET)
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
        # What lies behind the host, and is not to be reached from anywhere else.
        ip(HOST, "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", NET)
        ip(HOST, "addr", "add", "10.78.0.2/24", "dev", "up0")
        ip(HOST, "link", "set", "up0", "up")
        ip(HOST, "route", "add", "default", "via", "10.78.0.1")
        ip(NET, "addr", "add", "10.78.0.1/24", "dev", "eth0")
        ip(NET, "link", "set", "eth0", "up")
        ip(NET, "addr", "add", OUTSIDE, "dev", "eth0")
        ip(NET, "route", "add", "10.77.0.0/24", "via", "10.78.0.2")
        for ns in (HOST, NET):
            sh("ip", "netns", "exec", ns, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
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


def block(label, out=None):
    """The lines of one namespace."""
    out = out or nswatch("list").stdout
    (found,) = [b for b in out.split("\n\n") if re.match(rf"{label}\b", b)]
    return found.splitlines()


def test_list_as_text():
    head, *rows = block("host")
    assert head.startswith(f"host = netns:{HOST}  net:[{inode(HOST)}]")
    assert any(re.match(rf"├─ v2 +up +- +\S+ packets +on br0 ⇄ eth0 in netns:{C1}$", r)
               for r in rows)
    assert any(re.match(r"├─ br0 +up +10\.77\.0\.1/24 +\S+ packets +bridge of 2$", r)
               for r in rows)
    _, *rows = block(f"netns:{C1}")
    assert any(re.match(r"├─ eth0 +up +10\.77\.0\.2/24 +\S+ packets +⇄ v2 in host on br0$", r)
               for r in rows)
    assert rows[-1].startswith("└─ ")


def test_list_counts_packets():
    sh("ip", "netns", "exec", C1, "ping", "-c", "2", "-i", "0.2", "10.77.0.1")
    oracle = {l["ifname"]: l["stats64"] for l in json.loads(ip(C1, "-j", "-s", "link"))}
    seen = namespaces()
    for l in seen[inode(C1)]["interfaces"]:
        # Neighbour discovery goes on meanwhile.
        assert 0 <= l["rx_packets"] - oracle[l["name"]]["rx"]["packets"] < 20
        assert 0 <= l["tx_packets"] - oracle[l["name"]]["tx"]["packets"] < 20
    assert oracle["eth0"]["tx"]["packets"] >= 2
    assert seen[inode(C1)]["activity"] == "active"
    assert seen[inode(BARE)]["activity"] == "down"
    assert block(f"netns:{BARE}")[0].endswith("no interface is up")


def way_out(ns):
    way = namespaces()[inode(ns)]["way_out"]
    return way["end"], [h.get("nat", "-") for h in way["hops"]], [h["interface"] for h in way["hops"]]


MIRROR = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("%s", 53))
print("up", flush=True)
while True:
    _, who = s.recvfrom(100)
    s.sendto(who[0].encode(), who)
""" % OUTSIDE
LOOK = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"?", ("%s", 53))
print(s.recv(100).decode())
""" % OUTSIDE


@pytest.fixture(scope="module")
def mirror():
    """The kernel's own verdict: which source a query of C1 has out there."""
    server = subprocess.Popen(["nsenter", f"--net=/run/netns/{NET}", "/usr/bin/python3", "-c",
                               MIRROR], stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "up\n"
    yield lambda: sh("nsenter", f"--net=/run/netns/{C1}", "/usr/bin/python3", "-c",
                     LOOK).stdout.strip() != "10.77.0.2"
    server.kill()
    server.wait()


NFT = "table ip t {{ chain c {{ type nat hook postrouting priority srcnat; {}; }}; }}"


@pytest.mark.parametrize("rules,nat", [
    ("", False),
    (NFT.format("masquerade"), True),
    (NFT.format("oifname up0 ip saddr 10.77.0.0/24 masquerade"), True),
    (NFT.format("ip saddr 10.99.0.0/16 masquerade"), False),
    (NFT.format("oifname != br0 ip daddr != 10.0.0.0/8 counter snat to 10.78.0.2"), True),
    (NFT.format("oifname br0 masquerade"), False),
    (NFT.format("ip saddr 10.77.0.0/28 accept; masquerade"), False),
    (NFT.format("tcp dport 80 masquerade"), False),
    # What cannot be known is not guessed.
    (NFT.format("meta mark 7 masquerade"), None),
    (NFT.format("meta mark 7 return; masquerade"), None),
    (NFT.format("ip saddr { 10.77.0.2, 10.88.0.0-10.88.0.9 } masquerade"), None),
    # Both ways end in a translation.
    (NFT.format("meta mark 7 masquerade; ip saddr 10.77.0.0/16 masquerade"), True),
    ("table ip t { chain d { ip daddr 10.77.0.0/24 return; masquerade; }; "
     "chain c { type nat hook postrouting priority srcnat; ip saddr 10.77.0.0/24 jump d; }; }", True),
    ("table ip t { chain d { ip daddr != 10.77.0.0/24 return; masquerade; }; "
     "chain c { type nat hook postrouting priority srcnat; jump d; }; }", False),
    ("table inet t { chain c { type nat hook postrouting priority srcnat; "
     "meta nfproto ipv4 masquerade; }; }", True),
    ("table ip6 t { chain c { type nat hook postrouting priority srcnat; masquerade; }; }", False),
    ("table ip t { chain c { type filter hook postrouting priority 0; accept; }; }", False),
])
def test_nat_on_the_way(rules, nat, mirror):
    on_host("nft", "flush", "ruleset")
    if rules:
        on_host("nft", rules)
    try:
        assert way_out(C1) == ("dead-end", [nat, False], ["eth0", "up0"])
        assert nat in (mirror(), None)
    finally:
        on_host("nft", "flush", "ruleset")


@pytest.mark.parametrize("rule,nat", [
    ("-s 10.77.0.0/24 ! -o br0 -j MASQUERADE", True),
    ("-s 10.77.0.2 -d 10.77.0.2 -p tcp --dport 80 -j MASQUERADE", False),
    ("-s 10.77.0.0/17 -m comment --comment x -j SNAT --to-source 10.78.0.2", True),
    ("! -s 10.77.0.0/24 -j MASQUERADE", False),
    ("-p udp --dport 53 -j MASQUERADE", True),
    ("-p udp ! --dport 1:1000 -j MASQUERADE", False),
    ("-m mark --mark 1 -j MASQUERADE", None),
])
def test_nat_by_iptables(rule, nat, mirror):
    on_host("iptables-nft", "-t", "nat", "-A", "POSTROUTING", *rule.split())
    try:
        assert way_out(C1)[1] == [nat, False]
        assert nat in (mirror(), None)
    finally:
        on_host("nft", "flush", "ruleset")


LEGACY = ["iptables-legacy", "-t", "nat"]


@pytest.fixture
def legacy():
    """The old tables, which stay once they have been asked for: emptied afterwards."""
    if subprocess.run(["nsenter", f"--net=/run/netns/{HOST}", *LEGACY, "-S"],
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no iptables-legacy, in the kernel or here")
    yield
    on_host(*LEGACY, "-F")
    on_host(*LEGACY, "-X")


@pytest.mark.parametrize("rules,nat", [
    ([], False),
    (["POSTROUTING -s 10.77.0.0/24 ! -o br0 -j MASQUERADE"], True),
    (["POSTROUTING -o br0 -j MASQUERADE"], False),
    (["POSTROUTING -o up+ -j MASQUERADE"], True),
    (["POSTROUTING -s 10.77.0.2 -d 10.77.0.2 -p tcp --dport 80 -j MASQUERADE"], False),
    (["POSTROUTING -s 10.77.0.0/17 -m comment --comment x -j SNAT --to-source 10.78.0.2"], True),
    (["POSTROUTING ! -s 10.77.0.0/24 -j MASQUERADE"], False),
    (["POSTROUTING -p udp --dport 53 -j MASQUERADE"], True),
    (["POSTROUTING -p udp ! --dport 1:1000 -j MASQUERADE"], False),
    (["POSTROUTING -s 10.77.0.0/28 -j ACCEPT", "POSTROUTING -j MASQUERADE"], False),
    (["POSTROUTING -s 10.77.0.0/16", "POSTROUTING -j MASQUERADE"], True),
    (["POSTROUTING -m mark --mark 1 -j MASQUERADE"], None),
    (["POSTROUTING -m mark --mark 1 -j RETURN", "POSTROUTING -j MASQUERADE"], None),
    (["POSTROUTING -s 10.77.0.0/24 -j MINE", "MINE -d 10.77.0.0/24 -j RETURN",
      "MINE -j MASQUERADE"], True),
    (["POSTROUTING -j MINE", "MINE ! -d 10.77.0.0/24 -j RETURN", "MINE -j MASQUERADE"], False),
    (["POSTROUTING -g MINE", "POSTROUTING -j MASQUERADE", "MINE -p tcp -j MASQUERADE"], False),
    (["PREROUTING -d 10.9.9.9 -j DNAT --to-destination 10.9.9.8"], False),
])
def test_nat_by_iptables_legacy(rules, nat, mirror, legacy):
    on_host(*LEGACY, "-N", "MINE")
    for rule in rules:
        on_host(*LEGACY, "-A", *rule.split())
    assert way_out(C1)[1] == [nat, False]
    # The kernel's own answer.
    assert nat in (mirror(), None)


def test_ways_that_end():
    assert way_out(BARE) == ("none", [], [])
    assert "none: no default route" in "".join(block(f"netns:{BARE}"))
    on_host("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward")
    try:
        assert way_out(C1)[0] == "no-forwarding"
        assert any("way out" in r and r.endswith("none: host does not forward")
                   for r in block(f"netns:{C1}"))
    finally:
        on_host("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    route = ip(HOST, "route", "show", "default").split()
    ip(HOST, "route", "del", "default")
    try:
        assert way_out(C1)[0] == "dead-end"
        assert any(r.endswith("eth0 → br0 → no NAT → none: host has no default route")
                   for r in block(f"netns:{C1}"))
    finally:
        ip(HOST, "route", "add", *route)


def test_macvlan_names_its_parent():
    try:
        ip(HOST, "link", "add", "mv0", "link", "up0", "netns", BARE, "type", "macvlan")
    except subprocess.CalledProcessError:
        pytest.skip("this kernel has no macvlan")
    try:
        ip(BARE, "link", "set", "mv0", "up")
        ip(BARE, "addr", "add", "10.78.0.9/24", "dev", "mv0")
        ip(BARE, "route", "add", "default", "via", "10.78.0.1")
        (mv,) = [l for l in namespaces()[inode(BARE)]["interfaces"] if l["name"] == "mv0"]
        assert mv["parent"]["netns"] == inode(HOST) and mv["parent"]["name"] == "up0"
        assert way_out(BARE)[0] == "device"
        rows = block(f"netns:{BARE}")
        assert any(r.endswith("mv0 → up0 → 10.78.0.1") for r in rows)
        assert any(r.endswith("macvlan of up0 in host") for r in rows)
    finally:
        ip(BARE, "link", "del", "mv0")


def test_list_fits_the_terminal():
    """80 columns, whatever is in them; no color and no UTF-8 where they are not wanted."""
    def in_terminal(columns, **env):
        out = sh("nsenter", f"--net=/run/netns/{HOST}", "env", *(f"{k}={v}" for k, v in env.items()),
                 "script", "-qec", f"stty cols {columns}; {NSWATCH} list", "/dev/null").stdout
        return out.replace("\r", "")

    for columns in (80, 132):
        out = in_terminal(columns, LC_ALL="C.UTF-8", TERM="xterm")
        assert "\x1b[1mhost\x1b[0m" in out and "├─" in out
        plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
        assert max(map(len, plain.splitlines())) <= columns
    out = in_terminal(80, LC_ALL="C", TERM="xterm", NO_COLOR="1")
    assert out.isascii() and "\x1b" not in out and "|- " in out and "<-> eth0" in out
    assert "\x1b" not in nswatch("list").stdout
    assert "\x1b[1mhost" in nswatch("list", "--color", "always").stdout


def syscalls(n, tmp_path):
    """How many it takes nswatch to list n more namespaces, each with a veth to the next."""
    names = [f"{PREFIX}n{i}" for i in range(n)]
    lines = [f"netns add {name}" for name in names]
    lines += [f"link add p{i} netns {a} type veth peer name p{i} netns {b}"
              for i, (a, b) in enumerate(zip(names, names[1:]))]
    trace = tmp_path / f"strace{n}"
    try:
        subprocess.run(["ip", "-b", "-"], input="\n".join(lines), text=True, check=True)
        on_host("strace", "-f", "-c", "-o", str(trace), NSWATCH, "list", "--json")
        found = namespaces()
        links = [l for name in names for l in found[inode(name)]["interfaces"]
                 if l["kind"] == "veth"]
        assert len(links) == 2 * (n - 1) and all("peer" in l for l in links)
    finally:
        subprocess.run(["ip", "-b", "-"], input="\n".join(f"netns del {n}" for n in names),
                       text=True, check=True)
    total = [line.split() for line in trace.read_text().splitlines() if line.endswith(" total")]
    return int(total[0][3] if len(total[0]) > 4 else total[0][2])


def test_cost_grows_with_the_number_and_no_faster(tmp_path):
    few, some, more = (syscalls(n, tmp_path) for n in (2, 22, 42))
    assert more - some < 1.5 * (some - few), (few, some, more)


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
        oracle = sh("ip", "netns", "exec", C2, "ss", "-lunpH").stdout
        (listener,) = namespaces()[inode(C2)]["listeners"]
        assert listener["address"] == "127.0.0.53" and listener["port"] == 53
        assert f'("{listener["process"]["comm"]}",pid={listener["process"]["pid"]},' in oracle
        assert any(re.search(rf"python3\S*\({server.pid}\) udp 127\.0\.0\.53:53$", r)
                   for r in block(f"netns:{C2}"))
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
    ("lxc:x", "docker, podman, cri, machine, netns, pid, path, inode, host"),
    ("\x1b[31mred", "\\x1b[31mred"),
])
def test_wrong_targets_get_one_line_and_a_hint(word, told):
    r = nswatch("check", word)
    assert r.returncode == 1
    assert r.stdout == ""
    assert told in r.stderr
    assert "\x1b" not in r.stderr
    assert len(r.stderr.splitlines()) == 2

# SPDX-License-Identifier: GPL-2.0-only
"""What `--dns -w` keeps of a namespace's traffic, against tshark, which had all of it."""

import collections
import json
import subprocess

import pytest

from lab import UPSTREAM4, Tshark, read_pcapng, sockets, wait_for
from watching import NSWATCH, tshark_fields

# Ports of what --dns selects; in a quote tshark calls them the same.
DNS = "udp.port == 53 || tcp.port == 53"
MDNS = DNS + " || udp.port in {5353, 5355}"

# On port 53 and 5000: an answer of 4000 bytes for each query; a short one at the end.
SERVER = """
import select, socket, struct
socks = []
for family, any in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for port in (53, 5000):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((any, port))
        socks.append(s)
while True:
    for s in select.select(socks, [], [])[0]:
        data, peer = s.recvfrom(65536)
        end = data.index(0, 12) + 5
        txt = b"".join(b"\\xff" + b"x" * 255 for _ in range(1 if b"end" in data else 15))
        rr = struct.pack(">HHHIH", 0xc00c, 16, 1, 60, len(txt)) + txt
        head = data[:2] + struct.pack(">HHHHH", 0x8400, 1, 1, 0, 0)
        s.sendto(head + data[12:end] + rr, peer)
"""

# The same to port 53 and to others.
CLIENT = """
import socket, struct, sys
addr4, addr6, closed4, closed6 = sys.argv[1:]

def ask(addr, port, options=(), wait=True, size=0, name=b"big"):
    query = struct.pack(">HHHHHHB", 7, 0x100, 1, 0, 0, 0, 3) + name + b"\\0\\0\\x10\\0\\1"
    six = ":" in addr
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    for option in options:
        s.setsockopt(*option)
    s.settimeout(5)
    s.connect((addr, port))
    s.send(query + bytes(size))
    if wait:
        s.recv(65536)
    else:
        try:
            s.recv(65536)
            sys.exit("an answer from a closed port")
        except ConnectionRefusedError:
            pass

pad6 = b"\\0\\0\\1\\4\\0\\0\\0\\0"
hop = (socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, pad6)
dst = (socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, pad6)
nop = (socket.IPPROTO_IP, socket.IP_OPTIONS, b"\\1" * 8)
for port in (53, 5000):
    ask(addr4, port)
    ask(addr6, port)
    ask(addr4, port, [nop])
    ask(addr6, port, [hop, dst])
    ask(addr6, port, [dst], size=3000)
    ask(addr4, port, size=3000)
for port in (53, 5001):
    ask(closed4, port, wait=False)
    ask(closed6, port, wait=False)
    ask(closed6, port, [hop], wait=False)
for addr, port in (("224.0.0.251", 5353), (addr4, 5355)):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(bytes(3000), (addr, port))
ask(addr4, 53, name=b"end")
"""


@pytest.fixture
def big(lab):
    """A server of large datagrams."""
    ns = lab.container("big")
    server = ns.popen(["/usr/bin/python3", "-c", SERVER])
    wait_for("the server", lambda: len(sockets(server.pid, "udp")) == 2
             and len(sockets(server.pid, "udp6")) == 2)
    yield ns
    server.kill()
    server.wait()
    ns.remove()


def frames_of(path, interface=None):
    return [data for name, _, data in read_pcapng(path)
            if interface is None or name.endswith(interface)]


def tshark_selects(path, display):
    """The numbers of the frames that match, with all fragments of them: in its second
    pass tshark knows which frame completes a datagram."""
    done = subprocess.run(
        ["tshark", "-n", "-2", "-r", path, "-T", "fields", "-e", "frame.number",
         "-e", "ip.reassembled_in", "-e", "ipv6.reassembled.in"], check=True, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = {n for n, in tshark_fields(path, "frame.number", display=display)}
    return [int(line.split("\t")[0]) for line in done.stdout.splitlines()
            if found & set(line.split("\t"))]


def test_fragments_quotes_and_extension_headers(lab, php, big, watch, out):
    lab.run(["sh", "-c", "cd /proc/sys/net && echo 0 >ipv6/icmp/ratelimit && "
             "echo 0 >ipv4/icmp_ratelimit"])
    everything = Tshark(lab, php.path, f"{out}/all.pcapng", ["eth0"])
    w = watch("netns:php", "--dns", "-w", f"{out}/dns.pcapng", "-i", "eth0")
    more = watch("netns:php", "--dns", "--mdns", "-w", f"{out}/mdns.pcapng", "-i", "eth0")
    php.run(["ping", "-c", "2", "-i", "0.2", "-s", "3000", big.addr4])
    php.run(["/usr/bin/python3", "-c", CLIENT, big.addr4, big.addr6, "10.77.0.1",
             "fd77::1"])
    everything.wait_seen(b"\3end\0", count=2)
    assert w.stop().status == 0 and more.stop().status == 0
    everything.stop()

    theirs = frames_of(everything.path)
    for name, display in (("dns", DNS), ("mdns", MDNS)):
        numbers = tshark_selects(everything.path, display)
        assert collections.Counter(frames_of(f"{out}/{name}.pcapng")) == \
            collections.Counter(theirs[n - 1] for n in numbers), name
    assert len(tshark_selects(everything.path, DNS)) < len(numbers)
    # That it was not all for nothing: what it was about is there, on both sides.
    kinds = ("ip.flags.mf == 1", "ipv6.fraghdr.offset > 0", "ipv6.hopopts", "ipv6.dstopts",
             "ip.hdr_len > 20", "icmp.type == 3", "icmpv6.type == 1")
    for kind in kinds:
        found = {int(n) for n, in tshark_fields(everything.path, "frame.number",
                                                display=kind)}
        assert found & set(numbers) and found - set(numbers), kind


# Stands before libbpf and refuses what is described.
REFUSE = """
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	const union bpf_attr *attr = (void *)a[1];
	if (number == SYS_bpf && a[0] == CALL && REFUSED) {
		errno = EINVAL;
		return -1;
	}
	return ((long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"))(number, a[0], a[1], a[2],
								  a[3], a[4], a[5]);
}
"""


def refusing(out, call, refused):
    """The environment of a kernel that refuses it."""
    shim = f"{out}/refuse.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", f"-DCALL={call}", f"-DREFUSED={refused}", "-shared",
                    "-fPIC", "-x", "c", "-", "-o", shim], input=REFUSE, text=True, check=True)
    return {"LD_PRELOAD": shim, "ASAN_OPTIONS": "verify_asan_link_order=0"}


def test_kernel_that_refuses_the_selection(lab, php, watch, out):
    # The map of fragments, unless it is the small one.
    w = watch("netns:php", "--dns", "--json", "udp", "or", "icmp",
              env=refusing(out, "BPF_MAP_CREATE",
                           '!strcmp(attr->map_name, "fragments") && attr->max_entries > 1'))
    php.run(["dig", "+tries=1", f"@{UPSTREAM4}", "www.example.test"])
    php.run(["dig", "+tcp", "+tries=1", f"@{UPSTREAM4}", "www.example.test"])
    php.run(["ping", "-c", "1", UPSTREAM4])
    result = w.stop()
    assert result.status == 0, result.err
    assert result.err.count("DNS is selected by a filter") == 1
    # The query and its answer, and the ping and its: on eth0 and the host's end of it.
    assert result.books["matched"] == 8
    assert [t["state"] for t in result.of_type("transaction")] == ["answered"]


@pytest.mark.parametrize("args", [(), ("udp",), ("--dns",), ("--dns", "udp")])
def test_kernel_that_refuses_the_program(php, watch, out, args):
    # Not what the loader puts there until it knows the tap.
    result = watch("netns:php", *args, attach=False,
                   env=refusing(out, "BPF_PROG_LOAD",
                                '!strcmp(attr->prog_name, "tc_egress") && '
                                'attr->insn_cnt > 100')).wait()
    assert result.status == 1
    assert "the kernel refuses the program: Invalid argument" in result.err
    assert "watching" not in result.err and "user space" not in result.err


# The beginning of a connection over TCP and of one over QUIC; nothing leads there.
CONNECT = """
import socket, sys
how, addr = sys.argv[1:]
family = socket.AF_INET6 if ":" in addr else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if how == "tcp" else socket.SOCK_DGRAM)
s.setblocking(False)
if how == "tcp":
    s.connect_ex((addr, 443))
else:
    s.sendto(b"\\xc3\\0\\0\\0\\1" + bytes(1195), (addr, 443))
    s.sendto(b"\\x43" + bytes(99), (addr, 443))
"""


def test_dns_over_https(lab, watch):
    cases = {"doh4": ("tcp", "9.9.9.9"), "doh6": ("tcp", "2606:4700:4700::1111"),
             "doh3": ("udp", "8.8.8.8"), "web": ("tcp", "192.0.2.80")}
    made = [lab.container(name) for name in cases]
    w = watch(",".join(f"netns:{name}" for name in cases), "--dns", "--json")
    for ns in made:
        ns.run(["/usr/bin/python3", "-c", CONNECT, *cases[ns.name]])
    wait_for("the findings", lambda: w.out.count('"ENCRYPTED"') == 3)
    result = w.stop()
    found = {f["target"]: f["server"] for f in result.of_type("finding")
             if f["code"] == "ENCRYPTED"}
    assert found == {name: addr for name, (_, addr) in cases.items() if name != "web"}
    for ns in made:
        ns.remove()


def test_named_ports(lab, php, watch, out):
    servers = [php.popen(["dnsmasq", "-k", "-C", "/dev/null", "-p", str(port), "-R", "-h", "-u",
                          "root", "--pid-file=", f"--host-record=www.port.test,192.0.2.{port % 9}"])
               for port in (5335, 5353, 6053)]
    wait_for("dnsmasq", lambda: all(("0.0.0.0", port) in sockets(s.pid, "tcp")
                                    for s, port in zip(servers, (5335, 5353, 6053))))
    w = watch("netns:php", "--dns", "--dns-port", "5335", "--dns-port", "5353", "--json")
    file = watch("netns:php", "--dns", "--dns-port", "5335", "--dns-port", "5353", "-w",
                 f"{out}/ports.pcapng")
    for port in (5335, 5353, 6053):
        for how in ("+notcp", "+tcp"):
            php.run(["dig", how, "@127.0.0.1", "-p", str(port), "www.port.test"])
    file.stop()
    result = w.stop()
    read = [json.loads(line) for line in subprocess.run(
        [NSWATCH, "-r", f"{out}/ports.pcapng", "--dns", "--dns-port", "5335", "--dns-port", "5353",
         "--json"], check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()]
    for objects in (result.objects, read):
        seen = [(t["server_port"], t["transport"], t["question"]["name"], t["answer"]["data"])
                for t in objects if t["type"] == "transaction"]
        assert seen == [(port, how, "www.port.test", f"192.0.2.{port % 9}")
                        for port in (5335, 5353) for how in ("udp", "tcp")]
    assert result.codes == []
    for server in servers:
        server.terminate()
        server.wait()

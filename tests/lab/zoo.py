# SPDX-License-Identifier: GPL-2.0-only
"""The fault zoo's scenery: name servers that misbehave, and scenarios that run
side by side, each in a network namespace of its own.

The servers are unbound and dnsmasq, made to misbehave by their configuration
or by nftables in their namespace; where neither can, badserver.py, a scripted
one, stands in: SLOW, NOTIMP, the loops that Docker's resolver is in.
"""

import concurrent.futures
import os
import subprocess
import threading
import traceback

from lab import (HERE, HOST4, SILENT4, UPSTREAM4, UPSTREAM6, LabError, read_bytes,
                 sockets, wait_for)

NET = "10.77.53."
BOGUS = NET + "61"       # unbound, whose trust anchor does not fit: SERVFAIL
REFUSING = NET + "62"    # unbound, which allows nobody
NO_UPSTREAM = NET + "63"  # dnsmasq without a server to ask: REFUSED
PRIVATE = NET + "64"     # dnsmasq that knows private.test alone: the rest NXDOMAIN
TCP_RESET = NET + "65"   # unbound; TCP is reset
TCP_DROP = NET + "66"    # unbound; TCP is dropped
NO_AAAA = NET + "67"     # unbound; queries for AAAA are dropped
MOVED = NET + "68"       # unbound; its answers come from the address of another
NO_BIG = NET + "69"      # unbound; UDP answers over 1,300 bytes are dropped
FRAGMENTS = NET + "70"   # unbound; fragments but the first are dropped on the way
BIG = NET + "71"         # unbound; large answers in fragments, which arrive
DELAY_150 = NET + "90"
DELAY_60 = NET + "91"
DELAY_1200 = NET + "92"
NOTIMP = NET + "93"
HICCUP = NET + "94"
BROKEN = NET + "95"      # SERVFAIL to all
GOOD2 = NET + "72"       # unbound, well
WEB = NET + "80"

UNBOUND = """
server:
	do-daemonize: no
	username: ""
	chroot: ""
	directory: "/run/unbound"
	pidfile: ""
	use-syslog: no
	verbosity: 0
	num-threads: 1
	do-not-query-localhost: no
	edns-buffer-size: 4096
	max-udp-size: 4096
{lines}
remote-control:
	control-enable: no
"""

# The type of the question in a query for a name of 17 bytes, "n1.example.test".
AAAA = "@th,296,16 28"

NFT = """
table ip zoo {{
	chain in {{
		type filter hook input priority 0;
		ip daddr {reset} tcp dport 53 reject with tcp reset
		ip daddr {drop} tcp dport 53 drop
		ip daddr {no_aaaa} udp dport 53 {aaaa} drop
	}}
	chain out {{
		type filter hook output priority 0;
		ip saddr {moved} udp sport 53 ip saddr set 10.77.53.54
		ip saddr {no_big} udp sport 53 udp length > 1300 drop
	}}
}}
"""

HOST_NFT = f"""
table ip zoo {{
	set once {{ type ipv4_addr; flags dynamic; }}
	chain early {{
		type filter hook prerouting priority -450;
		ip saddr {FRAGMENTS} ip frag-off & 0x1fff != 0 drop
	}}
	chain pre {{
		type filter hook prerouting priority -150;
	}}
	chain input {{
		type filter hook input priority 0;
	}}
	chain forward {{
		type filter hook forward priority 0;
	}}
}}
"""


def records():
    lines = ["interface: " + a for a in (TCP_RESET, TCP_DROP, NO_AAAA, MOVED, NO_BIG,
                                         FRAGMENTS, BIG, GOOD2)]
    lines += ["access-control: 0.0.0.0/0 allow", 'local-zone: "." static']
    for i in range(1, 10):
        lines += [f'local-data: "n{i}.example.test. 300 IN A 10.77.53.80"',
                  f'local-data: "n{i}.example.test. 300 IN AAAA fd77:53::80"']
    for name in ("www.example.test", "db.corp.test", "printer.office.test", "host.local"):
        lines.append(f'local-data: "{name}. 300 IN A 10.77.53.80"')
    lines += [f'local-data: "big.example.test. 300 IN A 10.99.{i}.1"' for i in range(120)]
    return "\n".join("\t" + line for line in lines)


class Servers:
    def __init__(self, lab):
        self.lab = lab
        self.ns = lab.namespaces["upstream"]
        self.started = []
        addresses = sorted({v for k, v in globals().items()
                            if k.isupper() and isinstance(v, str) and v.startswith(NET)
                            and v not in (UPSTREAM4, SILENT4, WEB, NET)})
        lab._batch([f"addr add {a}/24 dev eth0" for a in addresses], ns=self.ns.path)
        self.unbound("zoo", records())
        self.unbound("bogus", "\n".join([
            f"\tinterface: {BOGUS}", "\taccess-control: 0.0.0.0/0 allow",
            '\tmodule-config: "validator iterator"', "\tede: yes",
            '\ttrust-anchor: "test. DS 1 8 2 ' + "ab" * 32 + '"',
            '\tlocal-zone: "test." nodefault',
            'forward-zone:\n\tname: "."\n\tforward-addr: ' + UPSTREAM4]))
        self.unbound("refusing", f"\tinterface: {REFUSING}\n"
                     "\taccess-control: 0.0.0.0/0 refuse")
        self.dnsmasq(self.ns, NO_UPSTREAM)
        self.dnsmasq(self.ns, PRIVATE, "--address=/intern.private.test/10.0.0.9",
                     "--local=/#/")
        for address, *how in ((DELAY_150, "delay", "150"), (DELAY_60, "delay", "60"),
                              (DELAY_1200, "delay", "1200"), (NOTIMP, "notimp"),
                              (HICCUP, "hiccup"), (BROKEN, "servfail")):
            self.scripted(self.ns, address, *how)
        self.nft(NFT.format(reset=TCP_RESET, drop=TCP_DROP, no_aaaa=NO_AAAA, aaaa=AAAA,
                            moved=MOVED, no_big=NO_BIG), self.ns.path)
        self.nft(HOST_NFT)
        self.dnsmasq(None, HOST4, f"--server={UPSTREAM4}")
        self.wait()

    def nft(self, text, ns=None):
        self.lab.run(["nft", "-f", "-"], ns=ns, input=text)

    def daemon(self, ns, cmd, address):
        """Answers when it is meant to, however many others play meanwhile."""
        log = os.path.join(self.lab.tmp, f"zoo-{address}.log")
        proc = self.lab.daemon(["chrt", "--rr", "1", *cmd], ns=ns.path if ns else None, log=log)
        self.started.append((proc, address, log))
        return proc

    def unbound(self, name, lines):
        conf = self.lab.add_file(f"zoo-{name}.conf", UNBOUND.format(lines=lines))
        address = lines.split("interface: ")[1].split()[0]
        self.daemon(self.ns, ["unbound", "-d", "-c", conf], address)

    def dnsmasq(self, ns, address, *options):
        return self.daemon(ns, [
            "dnsmasq", "-k", "-C", "/dev/null", "-R", "-h", "-u", "root", "-z",
            f"--listen-address={address}", "--pid-file=", *options], address)

    def scripted(self, ns, address, *how):
        return self.daemon(ns, ["/usr/bin/python3", os.path.join(HERE, "badserver.py"),
                                address, *how], address)

    def wait(self):
        for proc, address, log in self.started:
            def up():
                if proc.poll() is not None:
                    with open(log) as f:
                        raise LabError(f"the server on {address} ended: {f.read()}")
                return any((address, 53) in sockets(proc.pid, "udp" + v) for v in ("", "6"))
            wait_for(f"a server on {address}", up)


class Scenario:
    """One of them: a namespace on the bridge, as a container has it."""

    def __init__(self, world, function, code, also):
        self.world = world
        self.lab = world.lab
        self.function = function
        self.name = "z-" + function.__name__.replace("_", "-")
        self.code = code
        self.also = also
        self.found, self.findings = [], []
        self.error = None
        self.daemons = []

    @property
    def target(self):
        return "netns:" + self.name

    def prepare(self):
        kind = getattr(self.function, "kind", "container")
        if kind == "bare":
            self.ns = self.lab.netns(self.name)
        else:
            self.ns = self.lab.container(self.name, default_route=kind != "island")

    def resolv(self, *servers, options="", search=""):
        text = "".join(f"nameserver {s}\n" for s in servers)
        text += f"search {search}\n" if search else ""
        text += f"options {options}\n" if options else ""
        self.lab.write(f"/etc/netns/{self.name}/resolv.conf", text)

    def run(self, *cmd, check=False, **kw):
        kw.setdefault("timeout", 60)
        return self.lab.run(["ip", "netns", "exec", self.name, *cmd], check=check, **kw)

    def getent(self, name="www.example.test", how="ahosts"):
        return self.run("getent", how, name)

    def musl(self, *names):
        return self.run(self.world.musl, *names)

    def go(self, name="www.example.test"):
        """Go's own resolver: the docker client on its way to an engine."""
        return self.run("docker", "-H", f"tcp://{name}:2375", "version",
                        env={"GODEBUG": "netdns=go", "HOME": self.lab.tmp})

    def dig(self, *words):
        return self.run("dig", *words)

    def dnsmasq(self, address, *options):
        """In the scenario's own namespace."""
        proc = self.lab.popen(
            ["dnsmasq", "-k", "-C", "/dev/null", "-R", "-h", "-u", "root", "-z",
             f"--listen-address={address}", "--pid-file=", *options], ns=self.ns.path,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.up(proc, address)

    def scripted(self, address, *how):
        proc = self.lab.popen(["/usr/bin/python3", os.path.join(HERE, "badserver.py"),
                               address, *how], ns=self.ns.path,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.up(proc, address)

    def up(self, proc, address):
        self.daemons.append(proc)
        wait_for(f"a server on {address}",
                 lambda: (address, 53) in sockets(proc.pid, "udp"))
        return proc

    def rule(self, chain, rule):
        """In the host's nftables, for this scenario's packets."""
        self.lab.run(["nft", "add", "rule", "ip", "zoo", chain, "ip", "saddr",
                      self.ns.addr4, *rule.split()])

    def play(self):
        try:
            self.function(self)
        except Exception:
            self.error = traceback.format_exc()

    def end(self):
        for proc in self.daemons:
            proc.kill()
            proc.wait()

    @property
    def right(self):
        return (not self.error and (not self.code or self.code in self.found)
                and not set(self.found) - {self.code} - set(self.also))


class World:
    WORKERS = 24

    def __init__(self, lab):
        self.lab = lab
        self.servers = Servers(lab)
        self.musl = os.path.join(lab.tmp, "resolve-musl")
        subprocess.run(["musl-gcc", "-O2", "-static", "-o", self.musl,
                        os.path.join(HERE, "resolve.c")], check=True)
        self.lock = threading.Lock()

    def play(self, scenarios, watch):
        """Plays them all at once, under one nswatch; sorts its findings."""
        for s in scenarios:
            s.prepare()
        w = watch(",".join(s.target for s in scenarios), "--dns", "--json", "-l")
        with concurrent.futures.ThreadPoolExecutor(self.WORKERS) as pool:
            list(pool.map(Scenario.play, scenarios))
            # The longest that a verdict takes.
            wait_quiet(w)
            for s in scenarios:
                s.end()
        result = w.stop(timeout=60)
        sort_findings(scenarios, result)
        return result


def sort_findings(scenarios, result):
    by_name = {s.name: s for s in scenarios}
    for f in result.of_type("finding"):
        s = by_name.get(f["target"].split(":")[-1])
        # What is warned of at the start is the setting; these are about traffic.
        if s and not f["repeat"] and f["code"] != "STUB-CONFIG":
            s.found.append(f["code"])
            s.findings.append(f)


def read_comm(pid):
    return read_bytes(f"/proc/{pid}/comm").decode(errors="replace").strip()


def wait_quiet(w):
    """Six seconds: the five of a verdict, and what it waits for."""
    threading.Event().wait(6.5)


def table(scenarios):
    """Every scenario, what it is, and what was said of it."""
    lines, width = [], max(len(s.name) for s in scenarios)
    for s in sorted(scenarios, key=lambda s: (s.code or "~", s.name)):
        said = ", ".join(s.found) or "-"
        mark = "ok  " if s.right else "BAD "
        lines.append(f"{mark}{s.name:{width}}  {s.code or 'healthy':22} {said}")
        if s.error:
            lines.append(s.error)
    return "\n".join([*lines, "", confusion(scenarios)])


def confusion(scenarios):
    """For each rule, how many scenarios it has, how many of them came out right, and
    where it is wrong: what it missed, and where it spoke of another's."""
    lines = [f"{'rule':22} scenarios  right  wrong"]

    def row(name, mine, false):
        right = sum(s.right for s in mine)
        lines.append(f"{name:22} {len(mine):9} {right:6} {len(mine) - right + false:6}")

    for code in sorted({s.code for s in scenarios if s.code}):
        row(code, [s for s in scenarios if s.code == code],
            sum(code in s.found and code not in s.also for s in scenarios if s.code != code))
    row("(healthy)", [s for s in scenarios if not s.code], 0)
    return "\n".join(lines)

# SPDX-License-Identifier: GPL-2.0-only
"""A small internet in which nswatch can be tried and tested.

A network namespace plays the host. It has a bridge and no way out:

    host     lo 127.0.0.1   systemd-resolved on 127.0.0.53
             br-lab 10.77.0.1/24, fd77::1/64      one veth per container
             to-upstream 10.77.53.1/24, fd77:53::1/64
    upstream 10.77.53.53  fd77:53::53   unbound, authoritative for example.test
             10.77.53.54                takes queries on port 53, never answers
             10.77.53.80  fd77:53::80   web server

A mount namespace goes with it, so that the host's /etc (resolv.conf is the
link to the stub's file, as on every such host), /run (/run/netns,
/run/systemd/resolve, /run/docker.sock) and /var/lib/docker are the lab's own.
Both are held by one process, the holder; the machine's files are not touched,
and what is mounted goes when the holder goes.

Everything started here carries PR_SET_PDEATHSIG and the variable NSWATCH_LAB,
so that a lab whose owner was killed dies too; a watchdog ends the rest, and
the next lab what even that has missed.
"""

import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

MARK = "NSWATCH_LAB"

HOST4 = "10.77.0.1"
HOSTS = range(10, 200)  # the last part of a container's address
HOST6 = "fd77::1"
UPSTREAM4 = "10.77.53.53"
UPSTREAM6 = "fd77:53::53"
SILENT4 = "10.77.53.54"
WEB4 = "10.77.53.80"
WEB6 = "fd77:53::80"
# Of those that the kernel gives to clients, by `tshark -G decodes`.
TSHARK_PORTS = ("34962,34980,37008,41170,44321,44322,44818,45564,47000,47808,48049,48898,49999,"
                "54328,56000,56001,56500,56501,57000,57001,57032,57033,57500,57501,57532,57533,"
                "59000,59001,59032,59033,59500,59501,59532,59533,60001")
STUB = "127.0.0.53"
STUB_FILE = "/run/systemd/resolve/stub-resolv.conf"
UPSTREAM_FILE = "/run/systemd/resolve/resolv.conf"

UNBOUND_CONF = """
server:
	do-daemonize: no
	username: ""
	chroot: ""
	directory: "/run/unbound"
	pidfile: ""
	use-syslog: no
	verbosity: 0
	num-threads: 1
	module-config: "iterator"
	interface: {upstream4}
	interface: {upstream6}
	access-control: 0.0.0.0/0 allow
	access-control: ::0/0 allow
	do-not-query-localhost: no
	local-zone: "." static
	local-zone: "refused.test." refuse
	local-data: "www.example.test. 300 IN A {web4}"
	local-data: "www.example.test. 300 IN AAAA {web6}"
	local-data: "v4.example.test. 300 IN A {web4}"
	local-data: "v6.example.test. 300 IN AAAA {web6}"
	local-data: "alias.example.test. 300 IN CNAME www.example.test."
	local-data: "example.test. 300 IN MX 10 www.example.test."
{big}
remote-control:
	control-enable: no
"""

RESOLVED_CONF = """[Resolve]
DNS={upstream4}
FallbackDNS=
DNSSEC=no
DNSOverTLS=no
LLMNR=no
MulticastDNS=no
Cache=no
DNSStubListener=yes
"""

HOLDER = """
set -e
mount -t tmpfs -o mode=755 nswatch-lab /run
mkdir -p /run/netns /run/lock /run/unbound /run/systemd/resolve /run/lab/etc
chown systemd-resolve: /run/systemd/resolve 2>/dev/null || :
cp -a /etc/. /run/lab/etc/
mount --bind /run/lab/etc /etc
for dir in /var/lib/docker /var/lib/containerd; do
	[ -d "$dir" ] && mount -t tmpfs -o mode=711 nswatch-lab "$dir"
done
rm -rf /etc/netns /etc/docker
mkdir /etc/netns
rm -f /etc/resolv.conf
ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
ip link set lo up
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo ready
exec sleep infinity
"""

SILENT = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("%s", 53))
while True:
    s.recv(65536)
"""


class LabError(Exception):
    pass


def die_with_parent(sig=signal.SIGKILL):
    """For preexec_fn: the child gets sig when the thread that made it ends.
    It starts with the default signals, whatever a shell made us ignore."""
    libc = ctypes.CDLL(None, use_errno=True)

    def set_it():
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                     signal.SIGQUIT):
            signal.signal(each, signal.SIG_DFL)
        libc.prctl(1, sig, 0, 0, 0)

    return set_it


def wait_for(what, probe, timeout=30.0, step=0.01):
    """Polls probe() until it is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"gave up after {timeout:g} s waiting for {what}")
        time.sleep(step)


def start_time(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def sockets(pid, proto):
    """(address, port) of each socket in the namespace of pid; proto: udp, tcp,
    udp6, tcp6. TCP: listening ones only."""
    found = set()
    try:
        with open(f"/proc/{pid}/net/{proto}") as f:
            lines = f.read().splitlines()[1:]
    except OSError:
        return found
    for line in lines:
        word = line.split()
        if proto.startswith("tcp") and word[3] != "0A":
            continue
        addr, port = word[1].split(":")
        raw = bytes.fromhex(addr)
        raw = b"".join(raw[i:i + 4][::-1] for i in range(0, len(raw), 4))
        family = socket.AF_INET6 if proto.endswith("6") else socket.AF_INET
        found.add((socket.inet_ntop(family, raw), int(port, 16)))
    return found


def end_process(proc, sig=signal.SIGTERM, timeout=10):
    if proc is None or proc.poll() is not None:
        return
    proc.send_signal(sig)
    try:
        proc.wait(timeout)
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.wait()


def mark():
    """Names this process for good: a pid alone is used again."""
    return f"{os.getpid()}-{start_time(os.getpid())}"


def is_leftover(text):
    """Whether text names a lab whose owner is no longer there."""
    found = re.search(r"nswatch-lab[.=-](\d+)-(\d+)", text)
    return found and start_time(found.group(1)) != found.group(2)


def read_bytes(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def end_leftovers():
    """Ends what killed labs left behind: processes that carry their mark in
    the environment or, in a container, in the name of the control group."""
    if os.geteuid() != 0:
        return
    for _ in range(3):
        ended = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            text = b"\n".join(
                w for w in read_bytes(f"/proc/{pid}/environ").split(b"\0")
                if w.startswith(MARK.encode()))
            text += b"\n" + read_bytes(f"/proc/{pid}/cgroup")
            if is_leftover(text.decode(errors="replace").replace(
                    MARK + "=", "nswatch-lab=")):
                try:
                    os.kill(int(pid), signal.SIGKILL)
                    ended += 1
                except OSError:
                    pass
        if not ended:
            break
        time.sleep(0.2)
    for name in os.listdir(tempfile.gettempdir()):
        if name.startswith("nswatch-lab.") and is_leftover(name):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name),
                          ignore_errors=True)
    for group in control_groups():
        if is_leftover(group):
            remove_group(group)


def control_groups():
    """The labs' groups: at the top of each hierarchy."""
    return glob.glob("/sys/fs/cgroup/nswatch-lab-*") + \
        glob.glob("/sys/fs/cgroup/*/nswatch-lab-*")


def remove_group(group):
    """Docker leaves its (empty) groups behind."""
    for path, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            pass


class Netns:
    """A named network namespace of the lab, as `ip netns add` makes it."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.path = f"/run/netns/{name}"
        self.addr4 = None
        self.addr6 = None
        self.host = None  # the number that these end with
        self.veth = None  # the end on the host

    def run(self, cmd, **kw):
        return self.lab.run(cmd, ns=self.path, **kw)

    def popen(self, cmd, **kw):
        return self.lab.popen(cmd, ns=self.path, **kw)

    def number(self):
        """Its inode's; a later one may have the same once it is gone."""
        return os.stat(f"/proc/{self.lab.holder.pid}/root{self.path}").st_ino

    def remove(self):
        self.lab.run(["ip", "netns", "del", self.name], check=False)
        self.lab.namespaces.pop(self.name, None)


class Lab:
    def __init__(self):
        self.namespaces = {}
        self.daemons = []
        self.holder = None
        self.watchdog = None
        self.resolved_is = None
        self.docker = None
        self.tmp = None
        self._next_addr = HOSTS.stop - 1
        self._next_veth = 0

    # Life

    def start(self):
        if os.geteuid() != 0:
            raise LabError("the lab needs root: it makes namespaces")
        end_leftovers()
        self.tmp = tempfile.mkdtemp(prefix=f"nswatch-lab.{mark()}.")
        os.chmod(self.tmp, 0o755)
        # Sees the end of this process, however it comes, as the end of its input.
        self.watchdog = subprocess.Popen(
            ["/usr/bin/python3", os.path.abspath(__file__), "clean"],
            stdin=subprocess.PIPE, start_new_session=True)
        try:
            self._start_holder()
            self._start_upstream()
            self._start_bridge()
            self._start_stub()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        """Takes down everything; safe to call twice, and on half a lab."""
        old = {s: signal.signal(s, signal.SIG_IGN)
               for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            if self.docker:
                self.docker.stop()
                self.docker = None
            for daemon in reversed(self.daemons):
                end_process(daemon)
            self.daemons = []
            if self.holder:
                for ns in list(self.namespaces.values()):
                    ns.remove()
                end_process(self.holder, signal.SIGKILL)
                self.holder = None
            if self.tmp:
                shutil.rmtree(self.tmp, ignore_errors=True)
                self.tmp = None
            if self.watchdog:
                self.watchdog.stdin.close()
                self.watchdog.wait()
                self.watchdog = None
        finally:
            for sig, handler in old.items():
                signal.signal(sig, handler)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def _start_holder(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "--",
             "sh", "-c", HOLDER],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=self.env(),
            start_new_session=True, preexec_fn=die_with_parent())
        if self.holder.stdout.readline() != "ready\n":
            raise LabError("no namespace to play the host: "
                           + self.holder.stderr.read().strip())

    # Running things

    def env(self, extra=None):
        env = dict(os.environ)
        env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        env["LC_ALL"] = "C.UTF-8"
        env[MARK] = mark()
        for name in ("DOCKER_HOST", "NO_COLOR", "SUDO_UID", "SUDO_GID",
                     "SUDO_USER"):
            env.pop(name, None)
        env.update(extra or {})
        return env

    def command(self, cmd, ns=None, cwd=None):
        """The words that run cmd on the lab's host; ns: with the host's files
        but in that network namespace (a path in the lab)."""
        words = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net",
                 f"--mount=/proc/{self.holder.pid}/ns/mnt",
                 f"--wdns={cwd or self.tmp}", "--"]
        if ns:
            words += ["nsenter", f"--net={ns}", "--"]
        return words + [str(w) for w in cmd]

    def popen(self, cmd, ns=None, env=None, cwd=None, death=signal.SIGKILL,
              **kw):
        """Popen on the lab's host. The pid is that of cmd itself."""
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("start_new_session", True)
        return subprocess.Popen(self.command(cmd, ns, cwd), env=self.env(env),
                                preexec_fn=die_with_parent(death), **kw)

    def run(self, cmd, ns=None, env=None, cwd=None, check=True, timeout=60,
            **kw):
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        kw.setdefault("text", True)
        if "input" not in kw:
            kw.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(self.command(cmd, ns, cwd), env=self.env(env),
                              timeout=timeout, start_new_session=True,
                              preexec_fn=die_with_parent(), **kw)
        if check and done.returncode:
            raise LabError(f"{cmd}: exit status {done.returncode}: "
                           f"{(done.stderr or '')!s}".strip())
        return done

    def daemon(self, cmd, ns=None, death=signal.SIGKILL, log=None, env=None):
        with open(log or os.devnull, "ab") as out:
            proc = self.popen(cmd, ns=ns, death=death, stdout=out, stderr=out,
                              env=env)
        self.daemons.append(proc)
        return proc

    def write(self, path, text):
        """Writes a file of the lab's host."""
        self.run(["sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1"', "sh", path],
                 input=text)

    def read(self, path):
        return self.run(["cat", path]).stdout

    # The pieces

    def netns(self, name):
        """A new, empty network namespace, lo down."""
        self.run(["ip", "netns", "add", name])
        # Addresses that work at once, and no packets that nobody asked for.
        self.run(["sh", "-c", "cd /proc/sys/net/ipv6/conf/default && "
                  "echo 0 >accept_dad && echo 0 >router_solicitations"],
                 ns=f"/run/netns/{name}")
        self.plain_ports(f"/run/netns/{name}")
        ns = self.namespaces[name] = Netns(self, name)
        return ns

    def plain_ports(self, ns):
        """Clients there get no port by which tshark knows a protocol (47808 alone makes any
        datagram BACnet's)."""
        self.run(["sysctl", "-qw", f"net.ipv4.ip_local_reserved_ports={TSHARK_PORTS}"], ns=ns)

    def _batch(self, lines, ns=None):
        self.run(["ip", "-batch", "-"], ns=ns, input="\n".join(lines) + "\n")

    def _start_bridge(self):
        self._batch([
            "link add br-lab type bridge mcast_snooping 0",
            f"addr add {HOST4}/24 dev br-lab",
            f"addr add {HOST6}/64 dev br-lab nodad",
            "link set br-lab up",
        ])

    def _start_upstream(self):
        ns = self.netns("upstream")
        self._batch([
            "link add to-upstream type veth peer name eth0 netns upstream",
            "addr add 10.77.53.1/24 dev to-upstream",
            "addr add fd77:53::1/64 dev to-upstream nodad",
            "link set to-upstream up",
        ])
        self._batch(
            ["link set lo up", "link set eth0 up"]
            + [f"addr add {a}/24 dev eth0" for a in (UPSTREAM4, SILENT4, WEB4)]
            + [f"addr add {a}/64 dev eth0 nodad" for a in (UPSTREAM6, WEB6)]
            + ["route add default via 10.77.53.1",
               "route add default via fd77:53::1"], ns=ns.path)
        big = "\n".join(f'\tlocal-data: "big.example.test. 300 IN A 10.99.{i}.1"'
                        for i in range(120))
        conf = os.path.join(self.tmp, "unbound.conf")
        with open(conf, "w") as f:
            f.write(UNBOUND_CONF.format(upstream4=UPSTREAM4, web4=WEB4,
                                        upstream6=UPSTREAM6, web6=WEB6,
                                        big=big))
        www = os.path.join(self.tmp, "www")
        os.mkdir(www)
        with open(os.path.join(www, "index.html"), "w") as f:
            f.write("It works.\n" * 2000)
        log = os.path.join(self.tmp, "unbound.log")
        unbound = self.daemon(["unbound", "-d", "-c", conf], ns=ns.path, log=log)
        silent = self.daemon(["/usr/bin/python3", "-c", SILENT % SILENT4],
                             ns=ns.path)
        web = self.daemon(["busybox", "httpd", "-f", "-p", f"{WEB4}:80", "-h",
                           www], ns=ns.path) if shutil.which("busybox") else None

        def up():
            if unbound.poll() is not None:
                with open(log) as f:
                    raise LabError("unbound does not run: " + f.read())
            udp = sockets(unbound.pid, "udp")
            return ((UPSTREAM4, 53) in udp and (SILENT4, 53) in udp
                    and (UPSTREAM6, 53) in sockets(unbound.pid, "udp6")
                    and (UPSTREAM4, 53) in sockets(unbound.pid, "tcp")
                    and (not web or (WEB4, 80) in sockets(unbound.pid, "tcp")))

        wait_for("the upstream resolver", up)
        assert silent.poll() is None

    def _start_stub(self):
        """systemd-resolved, which runs as a plain daemon: it looks for D-Bus
        and is content without. Where its package cannot be installed, dnsmasq
        on the same address with the same two files stands in."""
        resolved = "/lib/systemd/systemd-resolved"
        log = os.path.join(self.tmp, "stub.log")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\n"
                   "hosts: files dns\nservices: files\nprotocols: files\n")
        if os.path.exists(resolved):
            self.resolved_is = "systemd-resolved"
            self.write("/etc/systemd/resolved.conf",
                       RESOLVED_CONF.format(upstream4=UPSTREAM4))
            cmd = [resolved]
        else:
            self.resolved_is = "dnsmasq"
            self.write(STUB_FILE, f"nameserver {STUB}\noptions edns0 trust-ad\n"
                       "search .\n")
            self.write(UPSTREAM_FILE, f"nameserver {UPSTREAM4}\nsearch .\n")
            cmd = ["dnsmasq", "-k", "-C", "/dev/null", "-i", "lo", "-z", "-R",
                   "-h", "-u", "root", f"--listen-address={STUB}",
                   f"--server={UPSTREAM4}", "--pid-file="]
        stub = self.daemon(cmd, log=log)

        def up():
            if stub.poll() is not None:
                with open(log) as f:
                    raise LabError(f"{cmd[0]} does not run: " + f.read())
            return ((STUB, 53) in sockets(stub.pid, "udp")
                    and (STUB, 53) in sockets(stub.pid, "tcp")
                    and UPSTREAM4 in self.run(["cat", UPSTREAM_FILE],
                                              check=False).stdout)

        wait_for("the stub resolver", up)

    def _free_host(self):
        """The next number of a container that no living one has."""
        taken = {ns.host for ns in self.namespaces.values()}
        for _ in HOSTS:
            self._next_addr = (self._next_addr - HOSTS.start + 1) % len(HOSTS) + HOSTS.start
            if self._next_addr not in taken:
                return self._next_addr
        raise LabError("too many containers at the same time")

    def container(self, name, default_route=True):
        """A namespace on the bridge, as container runtimes set one up: lo up,
        eth0 with an IPv4 and an IPv6 address, a default route."""
        ns = self.netns(name)
        host = ns.host = self._free_host()
        ns.addr4, ns.addr6 = f"10.77.0.{host}", f"fd77::{host:x}"
        ns.veth = f"veth{self._next_veth}"
        self._next_veth += 1
        self._batch([
            # The MAC address goes with the IP address, as in Docker: who gets that
            # of a container before it is reached at once.
            f"link add {ns.veth} type veth peer name eth0 netns {name} "
            f"address 02:4d:0a:4d:00:{host:02x}",
            f"link set {ns.veth} master br-lab",
            f"link set {ns.veth} up",
        ])
        lines = ["link set lo up", "link set eth0 up",
                 f"addr add {ns.addr4}/24 dev eth0",
                 f"addr add {ns.addr6}/64 dev eth0 nodad"]
        if default_route:
            lines += [f"route add default via {HOST4}",
                      f"route add default via {HOST6}"]
        self._batch(lines, ns=ns.path)
        return ns

    def settle(self):
        """Waits for the kernel to take down the namespaces that have been removed, with their
        veths and numbers: it does so later, and this one's not before theirs."""
        self.run(["ip", "netns", "add", "settle"])
        self._batch(["link add settle type veth peer name eth0 netns settle"])
        self.run(["ip", "netns", "del", "settle"])
        wait_for("removed namespaces to go", lambda: self.run(
            ["ip", "link", "show", "settle"], check=False).returncode, timeout=60)
        for ns in self.namespaces.values():
            if ns.veth:
                wait_for("its own address", lambda: self._has_own_address(ns.veth)
                         and self._has_own_address("eth0", ns.path))

    def _has_own_address(self, device, ns=None):
        """The kernel gives it one, fe80::/64, a while after it is up."""
        link, = json.loads(self.run(["ip", "-j", "addr", "show", "dev", device], ns=ns).stdout)
        return any(a.get("local", "").startswith("fe80:") for a in link["addr_info"])

    def start_docker(self):
        if not self.docker:
            self.docker = Docker(self)
            self.docker.start()
        return self.docker

    def add_file(self, path, content, mode=0o644):
        """A file under the lab's own temporary folder, readable by all."""
        full = os.path.join(self.tmp, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(content)
        os.chmod(full, mode)
        return full

    def tool(self, name):
        """Compiles tests/lab/NAME.c, statically, once per lab."""
        out = os.path.join(self.tmp, name)
        if not os.path.exists(out):
            subprocess.run(["cc", "-O2", "-std=gnu11", "-Wall", "-Wextra",
                            "-Werror", "-D_GNU_SOURCE", "-static", "-o", out,
                            os.path.join(HERE, f"{name}.c")], check=True)
        return out


class Docker:
    """A real dockerd on the lab's host, on its default socket and folders,
    which are the lab's own."""

    IMAGE = "lab"

    def __init__(self, lab):
        self.lab = lab
        self.daemon = None
        self.names = []

    def start(self):
        self.start_daemon()
        self._import_image()

    def start_daemon(self):
        log = os.path.join(self.lab.tmp, "dockerd.log")
        with open(log, "ab") as out:
            self.daemon = self.lab.popen(
                ["dockerd", "--bip", "10.88.0.1/24", "--default-address-pool",
                 "base=10.89.0.0/16,size=24", "--cgroup-parent", f"/nswatch-lab-{mark()}",
                 "--exec-opt", "native.cgroupdriver=cgroupfs"],
                stdout=out, stderr=out, death=signal.SIGTERM)

        def up():
            if self.daemon.poll() is not None:
                with open(log) as f:
                    raise LabError("dockerd does not run: " + f.read()[-2000:])
            return self.lab.run(["test", "-S", "/run/docker.sock"],
                                check=False).returncode == 0 and \
                self.cli("version", check=False).returncode == 0

        wait_for("dockerd", up, timeout=60, step=0.1)

    def stop_daemon(self):
        """The daemon alone: with live_restore() its containers go on."""
        end_process(self.daemon, timeout=60)

    def live_restore(self, on):
        self.lab.write("/etc/docker/daemon.json", json.dumps({"live-restore": on}))
        self.daemon.send_signal(signal.SIGHUP)
        wait_for("dockerd to take its file", lambda: self.cli(
            "info", "-f", "{{.LiveRestoreEnabled}}").stdout == f"{on}\n".lower())

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            ids = self.cli("ps", "-aq", check=False).stdout.split()
            if ids:
                self.cli("rm", "-f", *ids, check=False)
            end_process(self.daemon, timeout=30)
        self.daemon = None
        for group in control_groups():
            if group.endswith(f"nswatch-lab-{mark()}"):
                remove_group(group)

    def cli(self, *args, **kw):
        return self.lab.run(["docker", *args], **kw)

    def _import_image(self):
        root = os.path.join(self.lab.tmp, "rootfs")
        make_rootfs(root)
        self.lab.run(["sh", "-c", f"tar -C {root} -c . | docker import - "
                      f"{self.IMAGE}"])

    def run(self, name, *options, command=("sleep", "infinity")):
        """Starts a container; returns its main process's pid."""
        self.cli("run", "-d", "--name", name, *options, self.IMAGE, *command)
        return self.pid(name)

    def pid(self, name):
        return int(self.inspect(name)["State"]["Pid"])

    def inspect(self, name):
        return json.loads(self.cli("inspect", name).stdout)[0]

    def exec(self, name, *command, **kw):
        return self.cli("exec", name, *command, **kw)

    def remove(self, name):
        self.cli("rm", "-f", name, check=False)


class ThisMachine:
    """Where programs are taken from; see also sysroot.py."""
    root = ""
    cc = ["cc"]

    @staticmethod
    def which(program):
        return shutil.which(program)

    @staticmethod
    def library(name):
        out = subprocess.run(["ldconfig", "-p"], stdout=subprocess.PIPE, text=True,
                             check=True, env={"PATH": "/usr/sbin:/sbin"}).stdout
        return re.search(rf"{re.escape(name)} \(libc6,\S+ => (\S+)|"
                         rf"{re.escape(name)} .* => (\S+)", out).group(1) or ""

    @staticmethod
    def libraries(program):
        """Of those it is linked with, the paths."""
        out = subprocess.run(["ldd", program], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True).stdout
        return re.findall(r"(/\S+) \(0x", out)


def make_rootfs(root, extra=(), machine=ThisMachine):
    """A file system with busybox and real glibc clients, made from what there is."""
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "run", "root"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    copy_program(machine.which("busybox"), root, "bin/busybox", machine)
    applets = subprocess.run(["busybox", "--list"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout.split()
    for applet in applets:
        link = os.path.join(root, "bin", applet)
        if not os.path.lexists(link):
            os.symlink("busybox", link)
    for program in ("getent",) + tuple(extra):
        copy_program(machine.which(program), root,
                     os.path.join("bin", os.path.basename(program)), machine)
    libdir = os.path.dirname(machine.library("libc.so.6"))
    for name in ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"):
        path = os.path.join(libdir, name)
        if os.path.exists(machine.root + path):
            copy_into(machine.root + path, root, path)
    with open(os.path.join(root, "etc/nsswitch.conf"), "w") as f:
        f.write("passwd: files\ngroup: files\nhosts: files dns\n")
    with open(os.path.join(root, "etc/passwd"), "w") as f:
        f.write("root:x:0:0:root:/root:/bin/sh\n"
                "nobody:x:65534:65534:nobody:/:/bin/false\n")
    with open(os.path.join(root, "etc/group"), "w") as f:
        f.write("root:x:0:\nnogroup:x:65534:\n")
    with open(os.path.join(root, "etc/hosts"), "w") as f:
        f.write("127.0.0.1 localhost\n")


def copy_into(source, root, dest):
    full = os.path.join(root, dest.lstrip("/"))
    if os.path.lexists(full):
        os.unlink(full)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    shutil.copy(source, full)


def copy_program(program, root, dest, machine=ThisMachine):
    """A program and the shared libraries it needs, at their own paths."""
    copy_into(program, root, dest)
    for path in machine.libraries(program):
        copy_into(machine.root + path, root, path)


def descendants(pid):
    """pid and all below it."""
    found = [int(pid)]
    for child in read_bytes(f"/proc/{pid}/task/{pid}/children").split():
        found += descendants(int(child))
    return found


class Tshark:
    """tshark, live, in a namespace; ready when it takes packets: the kernel's
    own list of packet sockets says so."""

    def __init__(self, lab, ns, path, interfaces, text=False):
        self.path = path
        self.text = path + ".txt"
        words = ["tshark", "-n", "-l"]
        for name in interfaces:
            words += ["-i", name]
        # Text: of the protocols nswatch prints, not of what TCP carries.
        words += ["--disable-protocol", "http"] if text else ["-q", "-w", path]
        with open(self.text, "wb") as out:
            self.proc = lab.popen(words, ns=ns, stdout=out,
                                  stderr=subprocess.DEVNULL)
        wait_for("tshark to capture", lambda: self._sockets() >= len(interfaces),
                 timeout=20)

    def _sockets(self):
        """How many of its own sockets (dumpcap's, its child) take packets."""
        own = set()
        for pid in descendants(self.proc.pid):
            try:
                own |= {os.readlink(f"/proc/{pid}/fd/{fd}")
                        for fd in os.listdir(f"/proc/{pid}/fd")}
            except OSError:
                pass
        lines = read_bytes(f"/proc/{self.proc.pid}/net/packet").splitlines()
        words = [line.decode().split() for line in lines[1:]]
        return sum(w[5] == "1" and f"socket:[{w[8]}]" in own for w in words)

    def wait_seen(self, needle, count=1, timeout=20):
        """Until those bytes are in the file (or the text), count times."""
        wait_for(f"tshark to see {needle!r}",
                 lambda: read_bytes(self.path).count(needle) >= count
                 or read_bytes(self.text).count(needle) >= count, timeout)

    def stop(self):
        end_process(self.proc, signal.SIGINT)


def read_pcapng(path):
    """The packets of a pcapng file: [(interface name, wire length, bytes)],
    with the interfaces' names and the order of the file. A small reader of
    our own, so that nothing of a dissector's opinion is in the comparison."""
    return [(name, wirelen, data) for name, wirelen, data, _ in read_pcapng_times(path)]


def read_pcapng_times(path):
    """The same with the time of each, in the units of the file (ns in ours)."""
    with open(path, "rb") as f:
        data = f.read()
    names, packets, pos = [], [], 0
    while pos + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, pos)
        if length < 12 or pos + length > len(data):
            raise LabError(f"{path}: cut short at {pos}")
        body = data[pos + 8:pos + length - 4]
        if kind == 0x0A0D0D0A:
            names = []
        elif kind == 1:
            names.append(option(body[8:], 2).decode() if option(body[8:], 2)
                         else "")
        elif kind == 6:
            number, high, low, caplen, wirelen = struct.unpack_from("<5I", body)
            packets.append((names[number], wirelen, body[20:20 + caplen], high << 32 | low))
        pos += length
    return packets


def option(options, wanted):
    pos = 0
    while pos + 4 <= len(options):
        code, length = struct.unpack_from("<HH", options, pos)
        if code == 0:
            break
        if code == wanted:
            return options[pos + 4:pos + 4 + length]
        pos += 4 + (length + 3) // 4 * 4
    return None


if __name__ == "__main__" and sys.argv[1:] == ["clean"]:
    sys.stdin.read()
    end_leftovers()
elif __name__ == "__main__":
    # A shell on the lab's host, to look around.
    with Lab() as lab_:
        lab_.container("php")
        print("On the lab's host; `ip netns exec php ...` is a container.")
        subprocess.run(lab_.command([os.environ.get("SHELL", "/bin/sh")], cwd=ROOT),
                       env=lab_.env())

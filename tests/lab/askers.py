# SPDX-License-Identifier: GPL-2.0-only
"""Asks a name server in every way a program can, each time for a name that
tells who asks: COMM-PID.example.test, or COMM-PID-N for a further one.

    askers.py SERVER old          says "ready", and asks once stdin ends: with
                                  sockets that are older than the watch
    askers.py SERVER each         one of each kind
    askers.py SERVER many COUNT   short-lived real programs, COUNT in all
    askers.py SERVER fails [tcp] [recverr]
                                  with a server that cannot be reached; prints for
                                  each way its pid and the error that it got; tcp:
                                  that way, too; recverr: who wants to know (IP_RECVERR)
    askers.py SERVER fails-elsewhere  the same of one send, to port 54
    askers.py SERVER fails-later  the same with a connected socket, once stdin ends
"""

import errno

import os
import socket
import struct
import sys
import threading

COMM = open("/proc/self/comm").read().strip()


def name(extra=""):
    return f"{COMM}-{os.getpid()}{extra}.example.test"


def message(qname, tcp=False):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in qname.split("."))
    # The id, too, is the process's: a pid used again does not look like a retry.
    data = struct.pack(">6H", int.from_bytes(os.urandom(2), "big"), 0x100, 1, 0, 0, 0) + \
        labels + b"\0\0\1\0\1"
    return struct.pack(">H", len(data)) + data if tcp else data


def udp(family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(5)
    return s


def child(ask):
    """ask() in a child that has all our sockets."""
    pid = os.fork()
    if pid == 0:
        ask()
        os._exit(0)
    os.waitpid(pid, 0)


def connected(server):
    s = udp()
    s.connect((server, 53))

    def ask(extra=""):
        s.send(message(name(extra)))
        s.recv(4096)
    return ask


def unconnected(server):
    s = udp()

    def ask(extra=""):
        s.sendto(message(name(extra)), (server, 53))
        s.recv(4096)
    return ask


def mapped(server, connect):
    """IPv4 through an IPv6 socket."""
    s = udp(socket.AF_INET6)
    to = (f"::ffff:{server}", 53)
    if connect:
        s.connect(to)

    def ask(extra=""):
        if connect:
            s.send(message(name(extra)))
        else:
            s.sendto(message(name(extra)), to)
        s.recv(4096)
    return ask


def tcp(server):
    s = socket.create_connection((server, 53), 5)

    def ask(extra=""):
        s.sendall(message(name(extra), tcp=True))
        s.recv(4096)
    return ask


def passed(server):
    """A connected socket that another process gets and sends with."""
    ours, theirs = socket.socketpair()
    reader = os.fork()
    if reader == 0:
        ours.close()
        _, fds, _, _ = socket.recv_fds(theirs, 16, 1)
        with socket.socket(fileno=fds[0]) as s:
            s.settimeout(5)
            s.send(message(name()))
            s.recv(4096)
        os._exit(0)
    with udp() as s:
        s.connect((server, 53))
        socket.send_fds(ours, [b"x"], [s.fileno()])
    os.waitpid(reader, 0)


def in_a_pid_namespace(server):
    """The name has the pid that the first namespace knows it by."""
    read, write = os.pipe()
    starter = os.fork()
    if starter == 0:
        libc_unshare(0x20000000)  # CLONE_NEWPID
        inner = os.fork()
        if inner == 0:
            qname = os.read(read, 200).decode()
            with udp() as s:
                s.sendto(message(qname), (server, 53))
                s.recv(4096)
            os._exit(0)
        os.write(write, f"{COMM}-{inner}.example.test".encode())
        os.waitpid(inner, 0)
        os._exit(0)
    os.waitpid(starter, 0)


def libc_unshare(flags):
    import ctypes
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def renamed_thread(server):
    """Threads are called as they like; the program is the program."""
    def run():
        with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w") as f:
            f.write("resolver-7")
        unconnected(server)("-9")
    t = threading.Thread(target=run)
    t.start()
    t.join()


def everything(server):
    return [connected(server), unconnected(server), mapped(server, True),
            mapped(server, False), tcp(server)]


def old(server):
    asks = everything(server)
    print("ready", flush=True)
    sys.stdin.read()
    for i, ask in enumerate(asks):
        ask(f"-{i}")
    for i, ask in enumerate(asks[:4]):
        child(lambda: ask(f"-{i}"))


def each(server):
    asks = everything(server)
    for i, ask in enumerate(asks):
        ask(f"-{i}")
    for i, ask in enumerate(asks[:4]):
        child(lambda: ask(f"-{i}"))
    passed(server)
    in_a_pid_namespace(server)
    renamed_thread(server)


# The shell's pid is the program's: exec.
PROGRAMS = [
    (12, "exec getent hosts getent-$$.example.test"),
    (4, "exec getent ahosts getent-$$.example.test"),
    (2, "exec ping -c 1 ping-$$.example.test"),
    (2, "exec busybox nslookup busybox-$$.example.test {server}"),
    (1, "exec dig +tries=1 @{server} dig-$$.example.test"),
    (1, "exec dig +tcp @{server} dig-$$.example.test"),
]


def many(server, count):
    """Four at a time: they get in each other's way."""
    round_ = [line.format(server=server)
              for times, line in PROGRAMS for _ in range(times)]
    null = os.open("/dev/null", os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
    running = 0
    for i in range(count):
        if running == 4:
            os.wait()
            running -= 1
        line = round_[i % len(round_)]
        os.posix_spawn("/bin/sh", ["sh", "-c", line], os.environ, file_actions=actions)
        running += 1
    while running:
        os.wait()
        running -= 1


def udp_send(s, to):
    s.connect(to)
    s.send(b"x")


def udp_write(s, to):
    s.connect(to)
    os.write(s.fileno(), b"x")


def udp_sendto(s, to):
    s.sendto(b"x", to)


def udp_sendmsg(s, to):
    s.sendmsg([b"x"], [], 0, to)


def tell(fails):
    """Says who we are and which error it ends with."""
    try:
        fails()
        print(os.getpid(), "none", flush=True)
    except OSError as e:
        print(os.getpid(), errno.errorcode[e.errno], flush=True)


def failing_udp(family):
    s = udp(family)
    if "recverr" in sys.argv[3:]:
        s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, 25, 1)  # IPV6_RECVERR
    return s


def fails(server):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    ways = [(udp_send, family, server), (udp_write, family, server),
            (udp_sendto, family, server), (udp_sendmsg, family, server)]
    if family == socket.AF_INET:
        ways += [(udp_send, socket.AF_INET6, f"::ffff:{server}"),
                 (udp_sendto, socket.AF_INET6, f"::ffff:{server}")]
    for way, of, to in ways:
        child(lambda: tell(lambda: way(failing_udp(of), (to, 53))))
    if "tcp" in sys.argv[3:]:
        child(lambda: tell(lambda: socket.create_connection((server, 53), 5)))


def fails_later(server):
    s = udp()
    s.connect((server, 53))
    print("ready", flush=True)
    sys.stdin.read()
    tell(lambda: s.send(b"x"))


if __name__ == "__main__":
    if sys.argv[2] == "old":
        old(sys.argv[1])
    elif sys.argv[2] == "each":
        each(sys.argv[1])
    elif sys.argv[2] == "fails":
        fails(sys.argv[1])
    elif sys.argv[2] == "fails-elsewhere":
        tell(lambda: udp_sendto(udp(), (sys.argv[1], 54)))
    elif sys.argv[2] == "fails-later":
        fails_later(sys.argv[1])
    else:
        many(sys.argv[1], int(sys.argv[3]))

# SPDX-License-Identifier: GPL-2.0-only
"""The main job, shown to a person. tools/demo runs it."""

import fcntl
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import termios
import threading

from lab import ROOT, UPSTREAM4, Lab, LabError, wait_for

NSWATCH = os.environ.get("NSWATCH") or os.path.join(ROOT, "nswatch")
BOLD, DIM, PLAIN = ("\x1b[1m", "\x1b[2m", "\x1b[0m") \
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("", "", "")
PING = ["ping", "-n", "-c", "1", "www.example.test"]
SCENE = f"""\
A lab inside this machine, from which no packet leaves: a host with
systemd-resolved on 127.0.0.53, the network of a container "php" behind its
bridge, and the name server {UPSTREAM4} that the host asks."""


def heading(number, text):
    print(f"\n{BOLD}{number}. {text}{PLAIN}", flush=True)


def typed(words, background=False):
    print(f"{DIM}#{PLAIN} {shlex.join(words)}{' &' if background else ''}", flush=True)


class Shown:
    """A command whose output appears as it comes, and is kept. Where ours is
    a terminal, its is one too, so that it looks as it will for the reader."""

    def __init__(self, lab, words, env=None):
        self.text = ""
        self.turn = threading.Lock()  # held: what comes is shown later
        self.ours, theirs = pty.openpty() if sys.stdout.isatty() else os.pipe()
        if sys.stdout.isatty():
            size = fcntl.ioctl(sys.stdout, termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        self.proc = lab.popen(words, env=env, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.reader = threading.Thread(target=self._copy, daemon=True)
        self.reader.start()

    def _copy(self):
        while True:
            try:
                data = os.read(self.ours, 4096)
            except OSError:  # a terminal without a writer
                data = b""
            if not data:
                os.close(self.ours)
                return
            self.text += data.decode(errors="replace")
            with self.turn:
                sys.stdout.write(data.decode(errors="replace").replace("\r\n", "\n"))
                sys.stdout.flush()

    def wait_for(self, pattern):
        def there():
            if self.proc.poll() is not None:
                self.reader.join(2)
            found = re.search(pattern, self.text, re.M)
            if not found and self.proc.poll() is not None:
                raise LabError("it ended too early")
            return found
        wait_for(pattern, there, 15)

    def end(self, sig=None):
        if sig:
            self.proc.send_signal(sig)
        status = self.proc.wait(20)
        self.reader.join(5)
        return status


def demo(lab):
    lab.run(["install", "-D", "-m", "755", NSWATCH, f"{lab.tmp}/bin/nswatch"])
    path = {"PATH": f"{lab.tmp}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM": os.environ.get("TERM", "dumb")}
    if "NO_COLOR" in os.environ:
        path["NO_COLOR"] = os.environ["NO_COLOR"]
    lab.container("php")
    in_php = ["ip", "netns", "exec", "php"]
    nswatch = ["nswatch", "php", "--dns"]

    print(SCENE)
    heading(1, "A command in the container's network: the name lookup fails")
    typed(in_php + PING)
    if not Shown(lab, in_php + PING).end():
        raise LabError("the lookup should have failed")

    heading(2, "Why? nswatch watches the container, from the host")
    typed(nswatch, background=True)
    watch = Shown(lab, nswatch, path)
    watch.wait_for("^nswatch: watching ")
    watch.wait_for("STUB-CONFIG")
    typed(in_php + PING)
    with watch.turn:
        if not Shown(lab, in_php + PING).end():
            raise LabError("the lookup should have failed")
    watch.wait_for("STUB-DEAD")
    if watch.end(signal.SIGINT):
        raise LabError("nswatch failed")

    heading(3, "The first fix it offers, tried at once; nothing on the host changes")
    words = nswatch + ["--fix-dns", "--"] + PING
    typed(words)
    fixed = Shown(lab, words, path)
    if fixed.end() or "1 received" not in fixed.text or "STUB-DEAD" in fixed.text:
        raise LabError("the fix did not work")

    heading(4, "The packets, as tshark shows them; -w FILE would keep them for Wireshark")
    words = ["nswatch", "php", "--fix-dns", "--"] + PING
    typed(words)
    if Shown(lab, words, path).end():
        raise LabError("nswatch failed")
    print(f"\nThat was the lab. On your own host:\n"
          f"  {BOLD}sudo ./nswatch list{PLAIN}        what there is to watch\n"
          f"  {BOLD}sudo ./nswatch NAME --dns{PLAIN}  the lookups of one of them\n"
          f"  {BOLD}sudo ./nswatch{PLAIN}             more")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Lab() as lab:
            demo(lab)
    except KeyboardInterrupt:
        return 130
    except (LabError, OSError, subprocess.SubprocessError) as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

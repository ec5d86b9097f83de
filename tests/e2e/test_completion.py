# SPDX-License-Identifier: GPL-2.0-only
"""Completion in real shells on a terminal: what is typed, a tab, and then what
the shell passes to the program, as the program sees it."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from lab import ROOT
from watching import NSWATCH

SCRIPTS = os.path.join(ROOT, "tools", "completion")
PREFIX = f"nsw{os.getpid()}"
ODD = PREFIX + "-odd $x'y"
PLAIN = PREFIX + "-plain"

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             f". /usr/share/bash-completion/bash_completion; . {SCRIPTS}/nswatch.bash"),
    "zsh": (["zsh", "-f", "-i"],
            f"fpath=({SCRIPTS} $fpath); autoload -Uz compinit; compinit -u -D"),
    "fish": (["fish", "--no-config", "-i"], f"source {SCRIPTS}/nswatch.fish"),
}
CASES = [
    (f"{PREFIX}-p", [PLAIN]),
    (f"{PREFIX}-o", [ODD]),
    (f"check {PREFIX}-p", ["check", PLAIN]),
    (f"netns:{PREFIX}-p", [f"netns:{PLAIN}"]),
    (f"host,{PREFIX}-p", [f"host,{PLAIN}"]),
    ("x --sid", ["x", "--side"]),
    ("x --side b", ["x", "--side", "both"]),
    ("x --color=n", ["x", "--color=never"]),
    ("x -w /etc/hostn", ["x", "-w", "/etc/hostname"]),
    ("-r /etc/hostn", ["-r", "/etc/hostname"]),
    ("lis", ["list"]),
]


class Shell:
    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        self.out = b""

    def send(self, text):
        os.write(self.fd, text.encode())

    def wait(self, wanted, timeout=20):
        """Reads until wanted is there, and answers what a terminal is asked."""
        end = time.monotonic() + timeout
        while wanted not in self.out:
            assert time.monotonic() < end, f"{wanted} is not in {self.out!r}"
            if select.select([self.fd], [], [], 0.2)[0]:
                data = os.read(self.fd, 65536)
                self.out += data
                if b"\x1b[c" in data:
                    os.write(self.fd, b"\x1b[?1;2c")
                if b"\x1b[6n" in data:
                    os.write(self.fd, b"\x1b[1;1R")

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Namespaces, and a program that shows its arguments in the place of nswatch."""
    bin_ = tmp_path_factory.mktemp("bin")
    program = bin_ / "nswatch"
    program.write_text(f"""#!/bin/sh
[ "$1" = --complete ] && exec {NSWATCH} "$@"
printf 'AR''GS'; for a; do printf '|%s' "$a"; done; printf '|END\\n'
""")
    program.chmod(0o755)
    try:
        for name in (ODD, PLAIN):
            subprocess.run(["ip", "netns", "add", name], check=True)
        yield str(bin_)
    finally:
        for name in (ODD, PLAIN):
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.mark.parametrize("name", SHELLS)
def test_tab(names, name, tmp_path):
    argv, setup = SHELLS[name]
    if not shutil.which(argv[0]):
        pytest.skip(f"{argv[0]} is not installed")
    env = dict(os.environ, PATH=f"{names}:{os.environ['PATH']}", TERM="xterm", LC_ALL="C.UTF-8",
               HOME=str(tmp_path), COLUMNS="200")
    shell = Shell(argv, env)
    try:
        shell.send(f"{setup}; echo RE''ADY\n")
        shell.wait(b"READY")
        for typed, wanted in CASES:
            shell.out = b""
            shell.send(f"nswatch {typed}\t")
            time.sleep(0.5)  # a line editor that gets all at once takes it for pasted text
            shell.send("\n")
            shell.wait(b"|END")
            assert ("ARGS|" + "|".join(wanted) + "|END").encode() in shell.out, typed
    finally:
        shell.close()


def test_options_come_from_the_table():
    """Whatever --help lists is offered, and nothing else."""
    shown = subprocess.run([NSWATCH, "--help"], text=True, capture_output=True, check=True).stdout
    offered = subprocess.run([NSWATCH, "--complete", "php", "--"], text=True, capture_output=True,
                             check=True).stdout
    offered = {line.split("\t")[0] for line in offered.splitlines()}
    listed = {word.rstrip(",") for line in shown.splitlines() if line.lstrip().startswith("-")
              for word in line[:28].split() if word.startswith("--") and len(word) > 2}
    assert offered == listed - {"--read"}


def test_odd_words_do_no_harm():
    for words in ([], [""], ["--"], ["-"], ["--color="], ["\x1b[31m", "--x="], ["a" * 5000],
                  ["-a"], ["-a", "duration:"], ["php", "--", "x", "y"]):
        done = subprocess.run([NSWATCH, "--complete", *words], text=True, capture_output=True)
        assert done.returncode == 0 and not done.stderr and "\x1b" not in done.stdout

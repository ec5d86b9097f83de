# SPDX-License-Identifier: GPL-2.0-only
"""The first minutes with nswatch, in terminals of 80 and 160 columns."""

import re
import shlex
import uuid

import pytest

from lab import wait_for
from watching import LOOKUP, NSWATCH, Watch


class Terminal:
    """A tmux session on the lab's host."""

    def __init__(self, lab, columns, command, env=None):
        self.lab = lab
        self.socket = f"{lab.tmp}/tmux-{uuid.uuid4().hex[:8]}"
        self.done = self.socket + ".done"
        script = f"{command}; echo $? >{self.done}; sleep 1000"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y",
                   "50", script, env={"TERM": "xterm-256color", **(env or {})})

    def _tmux(self, *args, **kw):
        return self.lab.run(["tmux", "-S", self.socket, *args], **kw)

    def screen(self, colour=False, joined=False):
        """The lines shown; with colour: and the escapes that paint them;
        joined: those that the terminal wrapped in one."""
        more = (["-e"] if colour else []) + (["-J"] if joined else [])
        text = self._tmux("capture-pane", "-p", "-S", "-200", *more).stdout
        return [line.rstrip() for line in text.rstrip("\n").split("\n")]

    def wait_for(self, pattern):
        return wait_for(pattern, lambda: re.search(
            pattern, "\n".join(self.screen()), re.M))

    def status(self):
        return int(wait_for("the command to end", lambda: self.lab.run(
            ["cat", self.done], check=False).stdout))

    def keys(self, *keys):
        self._tmux("send-keys", *keys)

    def close(self):
        self._tmux("kill-server", check=False)


@pytest.fixture
def terminal(lab):
    opened = []

    def start(columns, *words, env=None):
        opened.append(Terminal(lab, columns, shlex.join([NSWATCH, *words]), env))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


WIDTHS = pytest.mark.parametrize("columns", [80, 160])


@WIDTHS
def test_alone(terminal, columns):
    t = terminal(columns)
    assert t.wait_for("(?i)usage")
    screen = t.screen()
    assert len(screen) <= 24, "more than a small screen"
    assert "nswatch php --dns" in "\n".join(screen)
    assert "--help" in "\n".join(screen)
    assert t.status() == 2


@WIDTHS
def test_help(lab, terminal, columns):
    t = terminal(columns, "--help")
    assert t.status() == 0
    plain = Watch(lab, ["--help"], attach=False).wait()
    assert plain.status == 0 and plain.err == ""
    # Nothing wraps: each line of the text is a line of the screen.
    assert all(len(line) <= 80 for line in plain.lines)
    shown = [line.rstrip() for line in t.screen()]
    assert [line.rstrip() for line in plain.lines] == shown[-len(plain.lines):] \
        or set(filter(None, map(str.rstrip, plain.lines))) <= set(shown)
    for option in ("--dns", "--side", "--json", "--mount", "--fix-dns",
                   "--strict", "-w", "-r", "-c", "-s", "-a", "-F"):
        assert re.search(rf"(^|[\s,]){option}\b", plain.out), option


def test_version(lab):
    result = Watch(lab, ["--version"], attach=False).wait()
    assert result.status == 0 and re.match(r"nswatch \d+\.\d+", result.out)


def words_of(lines):
    return {word for line in lines for word in line.split()}


@WIDTHS
def test_nothing_is_cut_at_the_edge(php, terminal, watch, columns):
    """No line is wrapped by the terminal: what tmux shows as lines, continued
    ones joined or not, is the same, and no word is there in halves."""
    t = terminal(columns, "netns:php", "--dns")
    w = watch("netns:php", "--dns", "-l")
    t.wait_for("nswatch: watching php")
    php.run(LOOKUP, check=False)
    t.wait_for("systemctl restart systemd-resolved")
    t.keys("C-c")
    assert t.status() == 0
    w.stop()
    screen = t.screen()
    assert screen == t.screen(joined=True)
    finding = w.out.split(" STUB-DEAD in php\n")[1].split("\n\n")[0]
    assert set(finding.split()) <= words_of(screen)
    # The command that the fix consists of is still one when it is pasted.
    shown = "\n".join(screen)
    command = re.findall(r"^ +(mkdir -p /etc/systemd.*(?:\n.*)*?"
                         r"systemctl restart systemd-resolved)$", shown, re.M)[-1]
    pasted = shlex.split(command.replace("\\\n", " "))
    wanted = re.search(r"^ +(mkdir -p /etc/systemd.*)$", finding, re.M).group(1)
    assert pasted == shlex.split(wanted)


@WIDTHS
def test_dns(php, terminal, columns):
    t = terminal(columns, "netns:php", "--dns")
    t.wait_for("nswatch: watching php")
    php.run(LOOKUP, check=False)
    t.wait_for("STUB-DEAD")
    t.wait_for("--fix-dns")
    painted = "\n".join(t.screen(colour=True))
    assert "\x1b[" in painted
    t.keys("C-c")
    assert t.status() == 0


def test_no_color(php, terminal):
    t = terminal(160, "netns:php", "--dns", env={"NO_COLOR": "1"})
    t.wait_for("nswatch: watching php")
    php.run(LOOKUP, check=False)
    t.wait_for("STUB-DEAD")
    assert "\x1b[" not in "\n".join(t.screen(colour=True))
    t.keys("C-c")
    assert t.status() == 0


def test_no_colour_in_a_file(php, watch):
    w = watch("netns:php", "--dns", "-l")
    php.run(LOOKUP, check=False)
    w.wait_out("STUB-DEAD")
    w.stop()
    assert b"\x1b" not in w.raw_out and "\x1b" not in w.err


def test_usage_alone_without_a_terminal(lab):
    result = Watch(lab, [], attach=False).wait()
    assert result.status == 2 and result.out == ""
    assert all(len(line) <= 80 for line in result.err.splitlines())

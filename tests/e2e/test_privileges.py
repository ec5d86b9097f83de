# SPDX-License-Identifier: GPL-2.0-only
"""Who may do what: the collector has nothing to lose."""

import os
import stat

import pytest

from watching import status_of

NOBODY = "65534"


@pytest.mark.parametrize("env, uid", [({}, NOBODY),
                                      ({"SUDO_UID": "4242", "SUDO_GID": "4343",
                                        "SUDO_USER": "someone"}, "4242")])
def test_collector(php, watch, out, env, uid):
    w = watch("netns:php", "-w", f"{out}/x.pcapng", env=env)
    status = status_of(w.collector)
    for caps in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(status[caps], 16) == 0, caps
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Uid"].split() == [uid] * 4
    assert status["Gid"].split() == ["4343" if env else NOBODY] * 4
    assert status["Groups"].split() in ([], [status["Gid"].split()[0]])
    assert w.stop().status == 0
    info = os.stat(f"{out}/x.pcapng")
    assert stat.S_IMODE(info.st_mode) == 0o600
    assert (info.st_uid, info.st_gid) == ((4242, 4343) if env else (0, 0))


def test_every_thread_of_the_collector(php, watch):
    w = watch("netns:php")
    pid = w.collector
    for task in os.listdir(f"/proc/{pid}/task"):
        status = status_of(f"{pid}/task/{task}")
        assert int(status["CapEff"], 16) == 0 and status["Seccomp"] == "2"
    w.stop()


def test_collector_holds_no_more_than_it_needs(php, watch, out):
    """No folder, no /proc, no program that it could attach elsewhere."""
    w = watch("netns:php", "-w", f"{out}/x.pcapng")
    for fd in os.listdir(f"/proc/{w.collector}/fd"):
        link = os.readlink(f"/proc/{w.collector}/fd/{fd}")
        assert not link.startswith(("/proc", "/sys", "net:", "mnt:")), link
        assert "bpf-prog" not in link and "bpf_link" not in link, link
    w.stop()


def test_a_command_has_the_callers_identity(php, watch):
    """The command runs as who called us, with all that the caller may do."""
    result = watch("netns:php", "-q", "--", "sh", "-c",
                   "grep -E '^(Uid|NoNewPrivs|Seccomp):' /proc/self/status >&2",
                   attach=False).wait()
    assert "Uid:\t0" in result.err
    assert "NoNewPrivs:\t0" in result.err and "Seccomp:\t0" in result.err


def test_an_existing_file_is_replaced(php, watch, out):
    path = f"{out}/x.pcapng"
    with open(path, "w") as f:
        f.write("old" * 1000)
    w = watch("netns:php", "-w", path)
    assert w.stop().status == 0
    with open(path, "rb") as f:
        assert b"oldold" not in f.read()

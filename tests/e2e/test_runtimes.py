# SPDX-License-Identifier: GPL-2.0-only
"""Names of what Podman, containerd and systemd-nspawn run. Which namespace a
name leads to is seen by an interface that the test put there, by the pid that the
runtime itself names."""

import json
import os
import re

import pytest

from lab import wait_for
from runtimes import UID, USER, Containerd, Nspawn, Podman
from watching import Watch


@pytest.fixture(scope="module")
def podman(lab):
    made = Podman(lab)
    yield made
    made.close()


@pytest.fixture(scope="module")
def users_podman(lab):
    made = Podman(lab, user=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def containerd(lab):
    made = Containerd(lab)
    yield made
    made.close()


def label(lab, pid, text):
    """An interface in the namespace of pid, to know that again."""
    lab.run(["ip", "link", "add", text, "type", "bridge"], ns=f"/proc/{pid}/ns/net")


def look(lab, target, **kw):
    """What -D says: (status, interface names, stderr)."""
    result = Watch(lab, ["-D", target], attach=False, **kw).wait()
    return result.status, re.findall(r"^\d+\. (\S+)", result.out, re.M), result.err


def assert_leads_to(lab, target, mark, **kw):
    status, names, err = look(lab, target, **kw)
    assert status == 0 and mark in names, (target, names, err)


def test_podman_as_root(lab, podman, watch):
    label(lab, podman.run("web", "--network", "none"), "pm-web")
    bridged = podman.run("shop-db", "--network", "bridge")
    label(lab, bridged, "pm-db")
    podman.pod("shop")
    label(lab, podman.run("cart", "--pod", "shop"), "pm-cart")
    podman.cli("create", "--name", "idle", "lab", "true")
    ident = podman.inspect("web")["Id"]
    infra = podman.cli("pod", "inspect", "-f", "{{.InfraContainerID}}", "shop").stdout.strip()
    for target, mark in (("web", "pm-web"), ("podman:web", "pm-web"), (ident, "pm-web"),
                         (f"podman:{ident[:12]}", "pm-web"), ("shop-db", "pm-db"),
                         ("cart", "pm-cart"), ("podman:shop", "pm-cart"),
                         (infra[:12], "pm-cart")):
        assert_leads_to(lab, target, mark)
    # An exec session has a monitor of its own.
    podman.cli("exec", "-d", "web", "sleep", "100")
    assert_leads_to(lab, "podman:web", "pm-web")
    status, _, err = look(lab, "podman:idle")
    assert status == 1 and "podman:idle: the container is not running" in err
    assert "podman start idle" in err
    status, _, err = look(lab, "podman:shop-bd")
    assert status == 1 and "did you mean shop-db?" in err
    # All the rest knows the kind: its own files, its own words in a fix.
    w = watch("web", "--dns", "--json")
    podman.cli("exec", "web", "nslookup", "x.example.test", "127.0.0.1", check=False)
    w.wait_out("x.example.test")
    result = w.stop()
    assert result.status == 0
    findings = result.of_type("finding")
    assert findings and all(f["target"] == "web" for f in findings)


def test_podman_without_its_monitor(lab, podman):
    """The monitor was killed, the container goes on: the state has its pid."""
    pid = podman.run("orphan", "--network", "none")
    label(lab, pid, "pm-orphan")
    monitor = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    assert open(f"/proc/{monitor}/comm").read() == "conmon\n"
    os.kill(monitor, 9)
    assert_leads_to(lab, "podman:orphan", "pm-orphan")
    # The same pid file, after the number went to another process.
    ident = podman.inspect("orphan")["Id"]
    pidfile = f"/run/containers/storage/overlay-containers/{ident}/userdata/pidfile"
    other = lab.popen(["unshare", "-n", "sleep", "100"])
    lab.write(pidfile, str(other.pid))
    status, _, err = look(lab, "podman:orphan")
    assert status == 1 and "not running" in err
    other.kill()
    other.wait()
    os.kill(pid, 9)


def test_podman_by_its_service(lab, podman):
    """Containers of a storage that the state files do not lead to."""
    podman.run("api", "--network", "none")
    sock = "/run/lab/podman.sock"
    podman.start_service(sock)
    label(lab, podman.pid("api"), "pm-api")
    assert_leads_to(lab, "podman:api", "pm-api", env={"CONTAINER_HOST": f"unix://{sock}"})
    status, _, err = look(lab, "podman:nobody", env={"CONTAINER_HOST": f"unix://{sock}"})
    assert status == 1 and "there is no such container" in err


def test_podman_of_a_user(lab, podman, users_podman):
    label(lab, users_podman.run("mine", "--network", "none"), "pm-mine")
    label(lab, users_podman.run("both", "--network", "none"), "pm-users")
    label(lab, podman.run("both", "--network", "none"), "pm-roots")
    for target in ("mine", "podman:mine", f"podman:{USER}/mine", f"{USER}/mine"):
        assert_leads_to(lab, target, "pm-mine")
    # Nobody takes the name of a container of root's.
    assert_leads_to(lab, "podman:both", "pm-roots")
    assert_leads_to(lab, f"podman:{USER}/both", "pm-users")


FAKE = """
import os, sys
# Looks like conmon, has a child in the host's namespace.
if os.fork() == 0:
    os.execv("/bin/sleep", ["sleep", "100"])
open("/proc/self/comm", "w").write("conmon")
while True:
    os.wait()
"""


def test_monitor_that_is_none(lab, podman):
    """A user's process with the name and arguments of a monitor, whose child is
    not in a user namespace of that user's."""
    ident = "ab" * 32
    fake = lab.popen(["setpriv", "--reuid", UID, "--regid", UID, "--clear-groups",
                      "/usr/bin/python3", "-c", FAKE, "-c", ident, "-n", "decoy"])
    wait_for("the decoy", lambda: open(f"/proc/{fake.pid}/comm").read() == "conmon\n")
    status, _, err = look(lab, "podman:decoy")
    assert status == 1 and "there is no such container" in err
    lab.run(["pkill", "-P", fake.pid], check=False)
    fake.kill()
    fake.wait()



def test_containerd(lab, containerd):
    """Plain containers, by id; the daemon is not asked: it is not there."""
    label(lab, containerd.run("default", "redis"), "cd-redis")
    label(lab, containerd.run("other", "cache"), "cd-cache")
    containerd.stop_daemon()
    for target, mark in (("redis", "cd-redis"), ("default/redis", "cd-redis"),
                         ("cri:redis", "cd-redis"), ("containerd:other/cache", "cd-cache"),
                         ("cache", "cd-cache")):
        assert_leads_to(lab, target, mark)
    status, _, err = look(lab, "other/redis")
    assert status == 1 and "no container" in err


def test_machine(lab):
    box = Nspawn(lab, "box")
    try:
        label(lab, box.pid, "ns-box")
        for target in ("box", "machine:box"):
            assert_leads_to(lab, target, "ns-box")
    finally:
        box.close()
    status, _, err = look(lab, "machine:box")
    assert status == 1 and "there is no such container" in err


def test_namespace_by_its_number(lab, php):
    number = os.stat(f"/proc/{lab.holder.pid}/root{php.path}").st_ino
    for target in (f"net:[{number}]", f"inode:{number}"):
        assert look(lab, target)[1] == ["lo", "eth0"]
    sleeper = lab.popen(["unshare", "-n", "sleep", "100"])
    wait_for("a namespace", lambda: os.readlink(f"/proc/{sleeper.pid}/ns/net")
             != os.readlink(f"/proc/{lab.holder.pid}/ns/net"))
    word = os.readlink(f"/proc/{sleeper.pid}/ns/net")
    label(lab, sleeper.pid, "un-shared")
    assert_leads_to(lab, word, "un-shared")
    assert_leads_to(lab, str(sleeper.pid), "un-shared")
    sleeper.kill()
    sleeper.wait()

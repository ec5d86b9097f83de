# SPDX-License-Identifier: GPL-2.0-only
"""Names of what Podman, containerd and systemd-nspawn run. Which namespace a
name leads to is seen by an interface that the test put there, by the pid that the
runtime itself names."""

import json
import json
import os
import re
import signal
import time

import pytest

from lab import UPSTREAM4, WEB4, end_process, wait_for
from runtimes import UID, USER, Containerd, Nspawn, Podman
from watching import Watch, comm


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


def parent(pid):
    """The monitor above a container's process."""
    monitor = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    assert comm(monitor) == "conmon"
    return monitor


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
    os.kill(parent(pid), signal.SIGKILL)
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
    os.kill(pid, signal.SIGKILL)


def test_podman_by_its_service(lab, podman):
    """A storage that no configuration names, and a monitor that died: only the
    service knows. One that hangs costs half a second and a line."""
    hidden = podman.elsewhere("hidden")
    pid = hidden.run("api", "--network", "none")
    label(lab, pid, "pm-api")
    os.kill(parent(pid), signal.SIGKILL)
    sock = hidden.start_service("/run/lab/podman.sock")
    there = {"CONTAINER_HOST": f"unix://{sock}"}
    try:
        assert look(lab, "podman:api")[0] == 1
        for target in ("podman:api", "api"):
            assert_leads_to(lab, target, "pm-api", env=there)
        status, _, err = look(lab, "podman:nobody", env=there)
        assert status == 1 and "there is no such container" in err
        hidden.service.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        status, _, err = look(lab, "nobody", env=there)
        assert time.monotonic() - began < 5
        assert status == 1 and err.count("no answer in time") == 1
    finally:
        hidden.service.send_signal(signal.SIGCONT)
        os.kill(pid, signal.SIGKILL)
        hidden.close()


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
                      "/usr/bin/python3", lab.add_file("fake.py", FAKE), "-c", ident,
                      "-n", "decoy"])
    wait_for("the decoy", lambda: comm(fake.pid) == "conmon")
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
    containerd.start_daemon()


def test_pods(lab, containerd, watch):
    """Pods that containerd made as it does for a kubelet."""
    label(lab, containerd.pod("default", "web-0", "nginx", "sidecar"), "pod-web")
    label(lab, containerd.pod("prod", "web-0", "nginx"), "pod-prod")
    label(lab, containerd.pod("prod", "db-0", "postgres"), "pod-db")
    for target, mark in (("default/web-0/nginx", "pod-web"), ("cri:default/web-0", "pod-web"),
                         ("sidecar", "pod-web"), ("web-0/sidecar", "pod-web"),
                         ("prod/web-0/nginx", "pod-prod"), ("prod/web-0", "pod-prod"),
                         ("db-0", "pod-db"), ("cri:postgres", "pod-db")):
        assert_leads_to(lab, target, mark)
    status, _, err = look(lab, "nginx")
    assert status == 1 and "default/web-0/nginx" in err and "prod/web-0/nginx" in err
    status, _, err = look(lab, "cri:postgers")
    assert status == 1 and "did you mean postgres?" in err
    # The pod's own resolv.conf, and a fix in Kubernetes' words.
    w = watch("sidecar", "--dns", "-l", "--json")
    sandbox = containerd.pods[0]
    lab.run(["busybox", "nslookup", "x.example.test", "127.0.0.1"], check=False,
            ns=f"/proc/{containerd.pid('k8s.io', sandbox)}/ns/net")
    w.wait_out("x.example.test")
    result = w.stop()
    assert {f["target"] for f in result.of_type("finding")} == {"default/web-0/sidecar"}
    check = Watch(lab, ["check", "db-0", "--json"], attach=False).wait()
    assert UPSTREAM4 in check.out, check.err


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
    number = php.number()
    for target in (f"net:[{number}]", f"inode:{number}"):
        assert look(lab, target)[1] == ["lo", "eth0"]
    sleeper = lab.popen(["unshare", "-n", "sleep", "100"])
    wait_for("a namespace", lambda: comm(sleeper.pid) == "sleep")
    word = os.readlink(f"/proc/{sleeper.pid}/ns/net")
    label(lab, sleeper.pid, "un-shared")
    assert_leads_to(lab, word, "un-shared")
    assert_leads_to(lab, str(sleeper.pid), "un-shared")
    sleeper.kill()
    sleeper.wait()


def test_docker_without_its_engine(lab, containers, watch):
    """The engine hangs, is stopped (containers live on), and comes back."""
    engine = containers.docker
    lab.write("/etc/docker/daemon.json", '{"live-restore": true}')
    engine.daemon.send_signal(signal.SIGHUP)
    label(lab, containers.run("php"), "dk-php")
    containers.run("gone")
    engine.cli("rename", "php", "php8")
    containers.names.append("php8")
    ident = engine.inspect("php8")["Id"]
    try:
        engine.daemon.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        for target in ("php8", "docker:php8", ident[:12]):
            status, names, err = look(lab, target)
            assert status == 0 and "dk-php" in names
            assert err.count("no answer in time") == 1
            assert len(err.splitlines()) == 1
        assert time.monotonic() - began < 15
        status, _, err = look(lab, "nobody")
        assert status == 1 and "no answer in time" in err
        engine.daemon.send_signal(signal.SIGCONT)
        wait_for("live-restore", lambda: engine.cli(
            "info", "-f", "{{.LiveRestoreEnabled}}").stdout == "true\n")
        end_process(engine.daemon)
        for target in ("php8", "docker:php8", ident):
            status, names, err = look(lab, target)
            assert status == 0 and "dk-php" in names and not err
        os.kill(state_pid(lab, "gone"), signal.SIGKILL)
        status, _, err = look(lab, "docker:gone")
        assert status == 1 and "docker:gone: the container is not running" in err
        status, _, err = look(lab, "docker:php")
        assert status == 1 and "no Docker engine answers" in err
        w = watch("php8", "-c", "1", "icmp")
        lab.run(["ping", "-c", "1", "-W", "1", WEB4], check=False,
                ns=f"/proc/{state_pid(lab, 'php8')}/ns/net")
        assert w.wait().status == 0
    finally:
        engine.daemon.send_signal(signal.SIGCONT)
        end_process(engine.daemon)
        engine.start()
        lab.write("/etc/docker/daemon.json", '{"live-restore": false}')
        engine.daemon.send_signal(signal.SIGHUP)


def state_pid(lab, name):
    """The pid of a container in the engine's own file."""
    script = "for f in /var/lib/docker/containers/*/config.v2.json; do cat $f; echo; done"
    for line in lab.run(["sh", "-c", script]).stdout.split("\n"):
        if line and json.loads(line)["Name"] == f"/{name}":
            return json.loads(line)["State"]["Pid"]
    return None

# SPDX-License-Identifier: GPL-2.0-only
"""The daemon that answers at 127.0.0.11 ends and comes back under a running watch, with other
ports than before; so does the container. A real dockerd, with live-restore and without."""

import itertools

import pytest

from lab import UPSTREAM4, WEB4, LabError, wait_for

WWW, BIG = "www.example.test", "big.example.test"


@pytest.fixture
def live(docker):
    docker.live_restore(True)
    yield docker
    if docker.daemon.poll() is not None:
        docker.start_daemon()
    docker.live_restore(False)
    docker.lab.run(["rm", "/etc/docker/daemon.json"])


def ports(lab, pid):
    """The embedded resolver's: what NAT makes of port 53."""
    said = lab.run(["ss", "-Hlntu", "src", "127.0.0.11"], ns=f"/proc/{pid}/ns/net").stdout
    return {line.split()[4] for line in said.splitlines()}


class Phases:
    """What the container asked, for names that tell when: NAME.PHASE.test has no answer but
    NXDOMAIN, and is asked once."""

    def __init__(self, containers, w):
        self.docker, self.w = containers.docker, w
        self.pid, self.daemons = {}, {}

    def ask(self, phase):
        for name in (f"one.{phase}.test", f"two.{phase}.test"):
            self.docker.exec("web", "nslookup", "-type=a", name, check=False)
        assert WEB4 in self.docker.exec("web", "getent", "ahostsv4", WWW).stdout
        self.docker.exec("web", "getent", "ahostsv4", BIG)
        self.w.wait_out(rf'"pid":{self.docker.daemon.pid}\b.*"two\.{phase}\.test"')
        self.daemons[phase] = self.docker.daemon.pid

    def wait_followed(self):
        """Until lookups are shown again. One that was not is not shown later."""
        for i in itertools.count():
            name = f"probe{i}.{len(self.daemons)}.test"
            self.docker.exec("web", "nslookup", "-type=a", name, check=False)
            try:
                self.w.wait_out(f'"127.0.0.11".*"{name}"', timeout=1)
                return
            except LabError:
                assert i < 10

    def check(self, result):
        shown = result.of_type("transaction")
        for phase, daemon in self.daemons.items():
            for name in (f"one.{phase}.test", f"two.{phase}.test"):
                of_name = [t for t in shown if t["question"]["name"] == name]
                lookup, = [t for t in of_name if not t["upstream_of"]]
                passed_on, = [t for t in of_name if t["upstream_of"]]
                assert (lookup["server"], lookup["server_port"]) == ("127.0.0.11", 53)
                assert (lookup["interface"], lookup["state"]) == ("lo", "answered")
                assert lookup["process"]["comm"] == "nslookup"
                assert lookup["upstream"] == passed_on["server"] == UPSTREAM4
                assert passed_on["upstream_of"] == lookup["serial"]
                assert passed_on["process"] == {"pid": daemon, "comm": "dockerd"}
        over_tcp = [t for t in shown if t["transport"] == "tcp"]
        lookups = {t["serial"]: t for t in over_tcp if not t["upstream_of"]}
        passed_on = {t["upstream_of"]: t for t in over_tcp if t["upstream_of"]}
        assert lookups.keys() == passed_on.keys()
        assert {t["server_port"] for t in lookups.values()} == {53}
        assert {t["process"]["pid"] for t in passed_on.values()} == set(self.daemons.values())


def test_dockerd_restarted(lab, live, containers, watch):
    containers.network("app")
    containers.run("web", "--network", "app", "--dns", UPSTREAM4, "--restart", "always",
                   "--stop-timeout", "0")
    pid = live.pid("web")
    before = ports(lab, pid)
    w = watch("web", "--dns", "--json", "-l", "--follow")
    phases = Phases(containers, w)
    phases.ask("before")

    live.stop_daemon()
    lab.run(["nsenter", "-t", pid, "-n", "-m", "getent", "ahostsv4", "gone.test"], check=False)
    w.wait_out('"code":"DOCKER-DNS-GONE"')
    live.start_daemon()
    assert live.pid("web") == pid and not ports(lab, pid) & before
    phases.ask("after")

    # Without live-restore the container ends with the daemon; --follow waits for it.
    live.live_restore(False)
    live.stop_daemon()
    live.start_daemon()
    wait_for("the container", lambda: live.pid("web") not in (0, pid))
    phases.wait_followed()
    phases.ask("again")

    live.cli("restart", "web")
    phases.wait_followed()
    phases.ask("restarted")
    result = w.stop()
    assert result.status == 0
    phases.check(result)
    assert result.codes == ["DOCKER-DNS-GONE"]
    gone = result.of_type("finding")[0]
    assert "no socket of dockerd is left on 127.0.0.11" in " ".join(gone["seen"])
    assert "systemctl start docker" in gone["fix"][0]["command"]
    unanswered = [t for t in result.of_type("transaction") if t["state"] != "answered"]
    assert {t["question"]["name"] for t in unanswered} == {"gone.test"}

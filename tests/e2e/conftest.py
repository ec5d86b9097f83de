# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures: one lab for the whole run, fresh containers for each test."""

import os
import signal
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import Lab  # noqa: E402
from watching import NSWATCH, Watch  # noqa: E402


def pytest_report_header():
    return f"nswatch: {NSWATCH}"


@pytest.fixture(scope="session")
def lab():
    # A CI job is told to end with SIGTERM: take the lab down then, too.
    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    with Lab() as lab_:
        yield lab_


@pytest.fixture
def php(lab):
    """A container's namespace, without a runtime."""
    ns = lab.container("php")
    yield ns
    if "php" in lab.namespaces:
        ns.remove()
    lab.run(["rm", "-rf", "/etc/netns/php"])


@pytest.fixture
def bare(lab):
    """A fresh namespace, as `unshare -n` makes it: lo is down."""
    ns = lab.netns("bare")
    yield ns
    ns.remove()


class Containers:
    """Docker containers and networks that go away after the test."""

    def __init__(self, docker):
        self.docker = docker
        self.names = []
        self.networks = []

    def run(self, name, *options, **kw):
        self.names.append(name)
        return self.docker.run(name, *options, **kw)

    def network(self, name, *options):
        self.docker.cli("network", "create", *options, name)
        self.networks.append(name)

    def close(self):
        if self.names:
            self.docker.cli("rm", "-f", *self.names, check=False)
        for name in self.networks:
            self.docker.cli("network", "rm", name, check=False)


@pytest.fixture
def docker(lab):
    return lab.start_docker()


@pytest.fixture
def containers(docker):
    made = Containers(docker)
    yield made
    made.close()


@pytest.fixture
def watch(lab):
    """watch(*arguments) starts nswatch on the lab's host."""
    if not os.access(NSWATCH, os.X_OK):
        pytest.fail(f"{NSWATCH} is not there: run make")
    running = []

    def start(*args, **kw):
        one = Watch(lab, args, **kw)
        running.append(one)
        return one

    yield start
    for one in running:
        one.kill()


@pytest.fixture
def out(lab, request):
    """A folder for a test's output files, open to every user."""
    path = os.path.join(lab.tmp, "out", "".join(
        c if c.isalnum() else "-" for c in request.node.name))
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)
    yield path

# SPDX-License-Identifier: GPL-2.0-only
"""Debian 12's own kernel, and Debian 11's, the oldest that is supported. Both have
no TCX: the same scenes, through clsact. tools/vm --kernel 6.12 tries Debian 13's."""

import os
import signal
import subprocess

import pytest

from lab import ROOT, end_process
from watching import NSWATCH

KERNELS = ["6.1", "5.10"]


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Both at once: either waits more than it computes."""
    started = {kernel: subprocess.Popen(
        [os.path.join(ROOT, "tools", "vm"), "--kernel", kernel, "--out",
         str(tmp_path_factory.mktemp("vm") / kernel)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "NSWATCH": NSWATCH}) for kernel in KERNELS}
    yield started
    for vm in started.values():
        end_process(vm, signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_without_tcx(machines, kernel):
    said = machines[kernel].communicate(timeout=600)[0]
    print(said)
    assert machines[kernel].returncode == 0, said
    for line in ("ok attached through clsact", "ok the kernel takes the selection of DNS",
                 "ok all: each where it belongs, under its name",
                 "ok all: lookups of php and of a namespace without a name",
                 "ok killed: nothing left attached",
                 "ok foreign: they stay after a kill"):
        assert line in said

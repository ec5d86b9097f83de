# SPDX-License-Identifier: GPL-2.0-only
"""Debian 12's own kernel, and Debian 11's, the oldest that is supported. Both have
no TCX: the same scenes, through clsact. tools/vm --kernel 6.12 tries Debian 13's."""

import os
import subprocess

import pytest

from lab import ROOT
from watching import NSWATCH


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["6.1", "5.10"])
def test_kernel_without_tcx(out, kernel):
    done = subprocess.run([os.path.join(ROOT, "tools", "vm"), "--kernel", kernel,
                           "--out", f"{out}/vm"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "NSWATCH": NSWATCH}, timeout=600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    for line in ("ok attached through clsact", "ok the kernel takes the selection of DNS",
                 "ok all: each where it belongs, under its name",
                 "ok all: lookups of php and of a namespace without a name",
                 "ok killed: nothing left attached",
                 "ok foreign: they stay after a kill"):
        assert line in done.stdout

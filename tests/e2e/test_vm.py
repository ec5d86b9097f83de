# SPDX-License-Identifier: GPL-2.0-only
"""Debian 12's own kernel, which has no TCX: the same scenes, through clsact.
tools/vm --kernel 5.10 and 6.12 try its neighbours."""

import os
import subprocess

import pytest

from lab import ROOT
from watching import NSWATCH


@pytest.mark.slow
def test_debian_12_kernel(out):
    done = subprocess.run([os.path.join(ROOT, "tools", "vm"), "--kernel", "6.1",
                           "--out", f"{out}/vm"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "NSWATCH": NSWATCH}, timeout=600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "ok attached through clsact" in done.stdout

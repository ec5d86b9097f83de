# SPDX-License-Identifier: GPL-2.0-only
"""How soon after its start nswatch is of use."""

import os
import struct
import subprocess
import time

import pytest

# A datagram a millisecond on lo, each with the time that it was sent at.
SEND = """
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    s.sendto(struct.pack("=Q", time.monotonic_ns()), ("127.0.0.1", 9))
    time.sleep(0.001)
"""

PCAP_HEADER, PCAP_RECORD = 24, 16
BEFORE_PAYLOAD = 14 + 20 + 8


@pytest.fixture
def sender(php):
    proc = php.popen(["/usr/bin/python3", "-c", SEND], stdout=subprocess.DEVNULL,
                     stdin=subprocess.DEVNULL)
    yield proc
    proc.kill()
    proc.wait()


def age_of_first(watch):
    """How old the first packet is when it comes out of the pipe, in ms."""
    there, here = os.pipe()
    try:
        w = watch("php", "-i", "lo", "-F", "pcap", "-w", "-", stdout=here, attach=False)
        os.close(here)
        here = -1
        data = b""
        while len(data) < PCAP_HEADER + PCAP_RECORD + BEFORE_PAYLOAD + 8:
            got = os.read(there, 65536)
            assert got, w.err
            data += got
        now = time.monotonic_ns()
        sent, = struct.unpack_from("=Q", data, PCAP_HEADER + PCAP_RECORD + BEFORE_PAYLOAD)
        w.kill()
        return (now - sent) / 1e6
    finally:
        os.close(there)
        if here >= 0:
            os.close(here)


def test_first_packet_comes_out_at_once(sender, watch):
    """Output is written in batches, up to 200 ms of it, but nobody waits that long for
    the first. The best of a few: any one run may have to wait for a core."""
    assert min(age_of_first(watch) for _ in range(5)) < 100

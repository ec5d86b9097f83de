#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes the seeds that fuzzing starts from, out of the messages of dns_pcap.py.

    seeds.py TARGET DIRECTORY
    seeds.py --has TARGET           exit status 0 if it has any
"""
import hashlib
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = 14 + 20  # Ethernet, IPv4
UDP, TCP = 17, 6
# engine_fuzz.c: the first byte of a chunk
REPLY, OVER_TCP = 1, 2


def frames():
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "dns.pcap")
        subprocess.run([sys.executable, os.path.join(HERE, "..", "dns_pcap.py"), path], check=True)
        with open(path, "rb") as f:
            data = f.read()
    at = 24
    while at < len(data):
        caplen = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + caplen]
        at += 16 + caplen


def chunks(message, kind):
    """What engine_fuzz.c takes for packets: kind, length, bytes."""
    for at in range(0, len(message), 255):
        piece = message[at:at + 255]
        yield bytes([kind, len(piece)]) + piece


def exchange(message, kind):
    """The message as a query, then as it is, so that one may answer the other."""
    query = message[:2] + b"\1\0\0\1" + bytes(6) + message[12:]
    if kind & OVER_TCP:
        query, message = (struct.pack(">H", len(m)) + m for m in (query, message))
    return b"".join((*chunks(query, kind), *chunks(message, kind | REPLY)))


def dns_seeds(frame):
    if frame[23] == UDP:
        yield frame[HEADERS + 8:]


def engine_seeds(frame):
    """An engine takes long to set up: each message over UDP or TCP."""
    message = frame[HEADERS + 8:]
    if frame[23] == TCP:
        yield b"".join(chunks(frame[HEADERS + 20:], OVER_TCP | REPLY))
    elif 12 < len(message) <= 255:
        yield exchange(message, OVER_TCP if message[1] & 1 else 0)


def frame_seeds(frame):
    yield b"\0\0" + frame
    yield b"\1\0" + frame[14:]


SEEDS = {"dns": dns_seeds, "engine": engine_seeds, "frame": frame_seeds}


def main():
    if sys.argv[1] == "--has":
        sys.exit(sys.argv[2] not in SEEDS)
    seeds = SEEDS[sys.argv[1]]
    os.makedirs(sys.argv[2], exist_ok=True)
    for frame in frames():
        for seed in seeds(frame):
            name = hashlib.sha1(seed).hexdigest()
            with open(os.path.join(sys.argv[2], name), "wb") as f:
                f.write(seed)


if __name__ == "__main__":
    main()

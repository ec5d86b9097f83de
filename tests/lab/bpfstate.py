# SPDX-License-Identifier: GPL-2.0-only
"""Prints what is attached in the network namespace it runs in, as JSON:
{"eth0 ingress": [program ids], ...} for TCX, which Debian 12's bpftool does
not know, in the interfaces' order. `tc` shows the rest."""

import ctypes
import errno
import json
import os
import platform
import socket
import struct

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROG_QUERY = 16
TCX = {"ingress": 46, "egress": 47}


def query(ifindex, attach_type):
    """The program ids, [] where there is none, None where TCX is unknown."""
    libc = ctypes.CDLL(None, use_errno=True)
    ids = (ctypes.c_uint32 * 64)()
    attr = struct.pack("=IIIIQIIQQQQ", ifindex, attach_type, 0, 0,
                       ctypes.addressof(ids), 64, 0, 0, 0, 0, 0)
    buf = ctypes.create_string_buffer(attr, len(attr))
    if libc.syscall(SYS_BPF, PROG_QUERY, buf, len(attr)) < 0:
        err = ctypes.get_errno()
        if err == errno.EINVAL:
            return None
        if err in (errno.ENOENT, errno.ENODEV):
            return []
        raise OSError(err, os.strerror(err))
    count = struct.unpack_from("=I", buf.raw, 24)[0]
    return list(ids[:count])


state = {}
for index, name in socket.if_nameindex():
    for where, kind in TCX.items():
        found = query(index, kind)
        if found:
            state[f"{name} {where}"] = found
print(json.dumps(state))

# SPDX-License-Identifier: GPL-2.0-only
"""tccounter.py IFNAME [TIMES [ingress|egress [tag]]]: attaches a program that counts
packets at the egress of the interface (or its ingress), behind all TCX programs that
are there, that many times; prints "ready", and the count for each line read. It goes
with its process.

tag: it gives each the tag of VLAN 5, as a device does that strips tags, before all
other programs, and counts those that have one then."""

import ctypes
import mmap
import os
import platform
import socket
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
MAP_CREATE, PROG_LOAD, LINK_CREATE = 0, 5, 28
ARRAY, MMAPABLE, SCHED_CLS, TCX_INGRESS, TCX_EGRESS = 2, 1 << 10, 3, 46, 47
BEFORE = 1 << 3  # BPF_F_BEFORE
VLAN_PUSH, VLAN_PRESENT = 18, 20  # a helper's number; offset in struct __sk_buff

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, len(attr))
    fd = libc.syscall(SYS_BPF, command, buf, len(attr))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def insn(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("=BBhi", code, src << 4 | dst, off, imm)


values = bpf(MAP_CREATE, struct.pack("=5I", ARRAY, 4, 8, 1, MMAPABLE))
push = b"".join([
    insn(0xbf, 6, 1),                        # r6 = r1, the skb
    insn(0xb7, 2, imm=socket.htons(0x8100)), # r2, r3: what the tag is made of
    insn(0xb7, 3, imm=5),
    insn(0x85, imm=VLAN_PUSH),
    insn(0x61, 2, 6, VLAN_PRESENT),          # r2 = skb->vlan_present
])
tags = sys.argv[4:] == ["tag"]
program = (push if tags else insn(0xb7, 2, imm=1)) + b"".join([  # r2 = 1
    insn(0x18, 1, 2, imm=values), insn(0),  # r1 = address of the map's value
    insn(0xdb, 1, 2),                       # lock *(u64 *)r1 += r2
    insn(0xb7, 0, imm=-1),                  # r0 = TCX_NEXT
    insn(0x95),                             # exit
])
code = ctypes.create_string_buffer(program, len(program))
licence = ctypes.create_string_buffer(b"GPL")
index = socket.if_nametoindex(sys.argv[1])
where = TCX_INGRESS if sys.argv[3:4] == ["ingress"] else TCX_EGRESS
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
    prog = bpf(PROG_LOAD, struct.pack("=IIQQIIQ", SCHED_CLS, len(program) // 8,
                                      ctypes.addressof(code),
                                      ctypes.addressof(licence), 0, 0, 0))
    bpf(LINK_CREATE, struct.pack("=IIII48x", prog, index, where, BEFORE if tags else 0))
count = mmap.mmap(values, mmap.PAGESIZE, prot=mmap.PROT_READ)
print("ready", flush=True)
for _ in sys.stdin:
    print(struct.unpack_from("=Q", count)[0], flush=True)

# SPDX-License-Identifier: GPL-2.0-only
"""badfs.py MOUNTPOINT BACKING LIMIT DELAY: a file system with one file, x, whose
bytes go to the file BACKING; what lies beyond LIMIT is answered with EIO, and
each write (of 128 KiB at most) takes DELAY seconds. Prints "ready" once it is
mounted; it goes with its process. FUSE, without a library: include/uapi/linux/fuse.h."""

import ctypes
import errno
import os
import stat
import struct
import sys
import time

MAX_WRITE = 128 * 1024
ROOT, FILE = 1, 2
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, WRITE, RELEASE, FLUSH, INIT, CREATE, FORGET_MANY = \
    1, 2, 3, 4, 14, 16, 18, 25, 26, 35, 42
BIG_WRITES, DIRECT_IO, ATTR_SIZE = 1 << 5, 1 << 0, 1 << 3

mountpoint, backing, limit, delay = sys.argv[1:]
limit, delay = int(limit), float(delay)
fuse = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"badfs", mountpoint.encode(), b"fuse", 0,
              b"fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other" % fuse):
    sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
file = None


def attr(node):
    size = os.fstat(file).st_size if node == FILE else 0
    mode = stat.S_IFREG | 0o600 if node == FILE else stat.S_IFDIR | 0o755
    return struct.pack("=6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def entry():
    return struct.pack("=4Q2I", FILE, 0, 0, 0, 0, 0) + attr(FILE)


def attributes(node, body):
    return struct.pack("=QII", 0, 0, 0) + attr(node)


def look_up(node, body):
    if file is None:
        raise OSError(errno.ENOENT, "")
    return entry()


def set_attributes(node, body):
    valid, _, _, size = struct.unpack_from("=IIQQ", body)
    if valid & ATTR_SIZE:
        os.ftruncate(file, size)
    return attributes(node, body)


def opened(node, body):
    return struct.pack("=QII", 0, DIRECT_IO, 0)


def create(node, body):
    global file
    file = os.open(backing, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    return entry() + opened(node, body)


def write(node, body):
    _, offset, size = struct.unpack_from("=QQI", body)
    time.sleep(delay)
    if offset + size > limit:
        raise OSError(errno.EIO, "")
    os.pwrite(file, body[40:40 + size], offset)
    return struct.pack("=II", size, 0)


def init(node, body):
    return struct.pack("=IIIIHHIIHH8I", 7, 31, 0, BIG_WRITES, 8, 8, MAX_WRITE, 1, 0, 0, *[0] * 8)


HANDLERS = {
    INIT: init, LOOKUP: look_up, GETATTR: attributes, SETATTR: set_attributes,
    CREATE: create, OPEN: opened, WRITE: write,
    FLUSH: lambda node, body: b"", RELEASE: lambda node, body: b"",
}

print("ready", flush=True)
while True:
    try:
        request = os.read(fuse, MAX_WRITE + 4096)
    except OSError:  # unmounted
        break
    _, opcode, unique, node = struct.unpack_from("=IIQQ", request)
    if opcode in (FORGET, FORGET_MANY):
        continue
    error, reply = -errno.ENOSYS, b""
    if opcode in HANDLERS:
        try:
            error, reply = 0, HANDLERS[opcode](node, request[40:])
        except OSError as e:
            error = -e.errno
    os.write(fuse, struct.pack("=IiQ", 16 + len(reply), error, unique) + reply)

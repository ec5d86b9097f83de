# SPDX-License-Identifier: GPL-2.0-only
"""badserver.py ADDRESS HOW [ARGUMENT]: a scripted name server, for what no real
one can be configured to do. Every name has the one address 10.77.53.80.

    delay MS      answers that much later
    notimp        AAAA gets NOTIMP
    truncate      every answer is empty and truncated; no TCP
    overload      waits 4 s and refuses, as Docker's resolver at its limit does
    servfail      SERVFAIL to all
    hiccup        SERVFAIL to the first query for each name and type, then well
"""

import socket
import struct
import sys
import threading
import time

ADDRESS, HOW = sys.argv[1:3]
ARGUMENT = float(sys.argv[3]) if len(sys.argv) > 3 else 0
seen = set()


def reply(query, rcode=0, flags=0, records=True):
    end = 12
    while query[end]:
        end += 1 + query[end]
    end += 5
    kind, = struct.unpack("!H", query[end - 4:end - 2])
    data = {1: bytes([10, 77, 53, 80])}.get(kind)
    answers = 1 if data and records and not rcode else 0
    message = query[:2] + struct.pack("!5H", 0x8180 | rcode | flags, 1, answers, 0, 0)
    message += query[12:end]
    if answers:
        message += struct.pack("!3HIH", 0xC00C, kind, 1, 60, len(data)) + data
    return kind, query[12:end], message


def answer(query):
    kind, question, message = reply(query)
    if HOW == "delay":
        time.sleep(ARGUMENT / 1000)
    elif HOW == "notimp" and kind == 28:
        message = reply(query, rcode=4)[2]
    elif HOW == "truncate":
        message = reply(query, flags=0x200, records=False)[2]
    elif HOW == "overload":
        time.sleep(4)
        message = reply(query, rcode=5)[2]
    elif HOW == "servfail" or (HOW == "hiccup" and question not in seen):
        seen.add(question)
        message = reply(query, rcode=2)[2]
    return message


def serve(query, peer):
    s.sendto(answer(query), peer)


s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((ADDRESS, 53))
while True:
    threading.Thread(target=serve, args=s.recvfrom(4096), daemon=True).start()

# SPDX-License-Identifier: GPL-2.0-only
"""However it ends: nothing stays attached, and files open cleanly."""

import os
import signal
import subprocess
import time

import pytest

from lab import WEB4, end_process, read_pcapng, read_pcapng_times, wait_for
from watching import (NSWATCH, Footprint, assert_opens_clean, bpf_ids,
                      network_state)


@pytest.fixture
def pings(lab, php):
    """Steady traffic, whoever else has the CPU: ten packets a second."""
    script = f"while :; do {lab.tool('flood')} {WEB4} 9 1; sleep 0.1; done"
    proc = php.popen(["chrt", "--rr", "1", "sh", "-c", script], stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL)
    yield
    end_process(proc, signal.SIGKILL)


@pytest.fixture
def unchanged(lab, php):
    """The namespace and the host are after the test as they were before."""
    lab.settle()
    # The neighbour entries and addresses settle with the first packets.
    php.run(["sh", "-c", f"echo | busybox nc -w 1 {WEB4} 80"], check=False)
    before = network_state(lab, php.path), network_state(lab)
    yield
    after = network_state(lab, php.path), network_state(lab)
    assert before == after


def wait_for_packets(path, count=1):
    def enough():
        return os.path.exists(path) and os.path.getsize(path) > 0 \
            and len(packets_so_far(path)) >= count
    wait_for(f"{count} packets in {path}", enough)


def packets_so_far(path):
    try:
        return read_pcapng(path)
    except Exception:  # a block is being written
        return []


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_signal(lab, unchanged, php, watch, pings, out, sig):
    path = f"{out}/x.pcapng"
    w = watch("netns:php", "-l", "-w", path)
    prints = Footprint(w)
    wait_for_packets(path)
    result = w.stop(sig)
    assert result.status == 0 and result.complaints == []
    assert result.books["written"] == assert_opens_clean(path) > 0
    prints.gone()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_group(lab, unchanged, php, watch, pings, out, sig):
    """Ctrl-C reaches both processes: the collector must not die of it."""
    path = f"{out}/x.pcapng"
    w = watch("netns:php", "-l", "-w", path)
    wait_for_packets(path)
    os.killpg(w.pid, sig)
    result = w.wait()
    assert result.status == 0
    assert result.books["written"] == assert_opens_clean(path) > 0


def test_loader_killed(lab, unchanged, php, watch, pings, out):
    path = f"{out}/x.pcapng"
    w = watch("netns:php", "-l", "-w", path)
    prints, collector = Footprint(w), w.collector
    wait_for_packets(path)
    os.kill(w.pid, signal.SIGKILL)
    w.wait()
    wait_for("the collector to end", lambda: not os.path.exists(f"/proc/{collector}"))
    assert assert_opens_clean(path) > 0
    prints.gone()


def test_collector_killed(lab, unchanged, php, watch, pings, out):
    path = f"{out}/x.pcapng"
    w = watch("netns:php", "-l", "-w", path)
    prints = Footprint(w)
    wait_for_packets(path)
    os.kill(w.collector, signal.SIGKILL)
    result = w.wait()
    assert result.status == 1
    assert len(result.complaints) == 1 and "collector" in result.complaints[0]
    assert assert_opens_clean(path) > 0
    prints.gone()


def test_head(lab, unchanged, php, pings):
    done = lab.run(["bash", "-c", f"{NSWATCH} netns:php -l | head -1;"
                    " echo ${PIPESTATUS[0]} >&2"])
    assert len(done.stdout.splitlines()) == 1
    status = int(done.stderr.splitlines()[-1])
    # What could not be written makes it 1; unless the reader was fast enough.
    assert status in (0, 1)


def test_head_of_a_capture(lab, unchanged, php, pings):
    done = lab.run(["bash", "-c", f"{NSWATCH} netns:php -w - | head -c 100 | wc -c;"
                    " echo ${PIPESTATUS[0]} >&2"])
    assert done.stdout.strip() == "100"
    assert int(done.stderr.splitlines()[-1]) == 1
    assert "pipe" in done.stderr


@pytest.mark.parametrize("args", [["-c", "3"], ["-a", "duration:1"],
                                  ["-a", "duration:0.5"], ["-a", "packets:3"]])
def test_limits(lab, unchanged, php, watch, pings, out, args):
    began = time.monotonic()
    w = watch("netns:php", "-w", f"{out}/x.pcapng", *args, "udp")
    result = w.wait(60)
    took = time.monotonic() - began
    assert result.status == 0
    count = assert_opens_clean(f"{out}/x.pcapng")
    if "3" in args[-1]:
        assert count == 3 == result.books["written"]
    else:
        seconds = float(args[1].split(":")[1])
        times = [p[3] for p in read_pcapng_times(f"{out}/x.pcapng")]
        assert seconds <= took
        # It may be late to start and to end; what is taken is not.
        assert count > 0 and times[-1] - times[0] < (seconds + 3) * 1e9


def test_command_ends_it(lab, unchanged, php, watch, out):
    w = watch("netns:php", "-w", f"{out}/x.pcapng", "--", "sh", "-c",
              f"{lab.tool('flood')} {WEB4} 9 5; exit 7", attach=False)
    result = w.wait()
    assert result.status == 7
    assert len([p for p in read_pcapng(f"{out}/x.pcapng")
                if p[2][23:24] == b"\x11"]) == 5


def test_command_killed_by_a_signal(php, watch):
    result = watch("netns:php", "--", "sh", "-c", "kill -9 $$", attach=False).wait()
    assert result.status == 128 + 9


def test_ctrl_c_during_a_command(lab, unchanged, php, watch):
    w = watch("netns:php", "--", "sleep", "1000")
    os.killpg(w.pid, signal.SIGINT)
    assert w.wait().status == 130


def test_no_packet_before_the_stop_is_lost(lab, php, watch, out):
    """What came in before the signal is in the file, without a pause."""
    path = f"{out}/x.pcapng"
    for _ in range(5):
        w = watch("netns:php", "-w", path, "udp dst port 9")
        lab.run([lab.tool("flood"), php.addr4, "9", "500"])
        result = w.stop()
        assert result.books["matched"] == 500
        assert len(read_pcapng(path)) + result.books["lost"] == 500


def test_stop_at_once(lab, unchanged, php, watch):
    """A signal while it still attaches is heeded too."""
    for delay in (0, 0.01, 0.03, 0.1):
        w = watch("netns:php", attach=False)
        time.sleep(delay)
        w.proc.send_signal(signal.SIGINT)
        status = w.wait().status
        # Before main() installs its handler the signal kills: no trace either.
        assert status in (0, 130, -signal.SIGINT)


CALLS = """
import itertools, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready", flush=True)
for i in itertools.count():
    s.connect((socket.inet_ntoa((0x7f000001 + i % 0xfffff).to_bytes(4, "big")), 53))
"""


def test_news_of_many_packets_is_read_after_the_stop(lab, unchanged, php, watch):
    """The kernel tells of every so many packets. The loader has yet to read that when it
    is told to stop, and reads it when nothing is tapped any more."""
    w = watch("netns:php", "--dns", "-q")
    os.kill(w.pid, signal.SIGSTOP)
    # More calls than the loader takes in one go, before it looks at signals.
    php.run(["/usr/bin/python3", "-c", "import socket\n"
             "for i in range(600):\n"
             "    with socket.socket(type=socket.SOCK_DGRAM) as s:\n"
             "        s.connect((f'127.1.{i // 250}.{1 + i % 250}', 53))"])
    php.run([lab.tool("flood"), WEB4, "9", "40000"])
    w.proc.send_signal(signal.SIGINT)
    os.kill(w.pid, signal.SIGCONT)
    result = w.wait()
    assert result.status == 0 and result.books["seen"] > 40000


@pytest.fixture
def calls(php):
    """A process that opens sockets to name servers as fast as it can."""
    proc = php.popen(["/usr/bin/python3", "-c", CALLS], stdout=subprocess.PIPE)
    assert proc.stdout.readline() == b"ready\n"
    yield
    end_process(proc, signal.SIGKILL)
    proc.stdout.close()


def test_flood_of_socket_calls(lab, unchanged, php, watch, calls):
    w = watch("netns:php", "--dns")
    time.sleep(1)
    assert w.stop().status == 0


def test_stopped_collector_does_not_hold_the_loader(lab, unchanged, php, watch, calls):
    """Its socket is full, and still a signal detaches; the second one ends all."""
    w = watch("netns:php", "--dns")
    prints = Footprint(w)
    os.kill(w.collector, signal.SIGSTOP)
    w.wait_out("does not keep up", stream="err")
    w.proc.send_signal(signal.SIGTERM)
    wait_for("the links to go", lambda: not prints.ids["link"] & bpf_ids("link"))
    time.sleep(0.6)
    assert w.stop(signal.SIGTERM).status == 1
    prints.gone()


def test_two_signals_at_once_are_one(lab, unchanged, php, watch, pings, out):
    """timeout(1) sends one to the process and one to its group."""
    w = watch("netns:php", "-w", f"{out}/x.pcapng", "--", "sh", "-c",
              "trap 'sleep 0.2; exit 9' TERM; echo on; while :; do sleep 0.05; done")
    w.wait_out("on")
    w.proc.send_signal(signal.SIGTERM)
    time.sleep(0.02)
    w.proc.send_signal(signal.SIGTERM)
    assert w.wait().status == 9
    assert_opens_clean(f"{out}/x.pcapng")


def test_signal_after_a_limit_reaches_the_command(lab, unchanged, php, watch, pings):
    w = watch("netns:php", "-c", "1", "--", "sleep", "1000")
    wait_for("the collector to end", lambda: "seen," in w.err, 10)
    assert w.stop(signal.SIGTERM).status == 128 + signal.SIGTERM


def test_collector_killed_during_a_command(lab, unchanged, php, watch, pings, out):
    """The command goes on, nothing stays attached meanwhile."""
    w = watch("netns:php", "--", "sh", "-c", f"until [ -e {out}/end ]; do sleep 0.1; done")
    prints = Footprint(w)
    os.kill(w.collector, signal.SIGKILL)
    wait_for("the links to go", lambda: not prints.ids["link"] & bpf_ids("link"))
    assert w.proc.poll() is None
    open(f"{out}/end", "w").close()
    assert w.wait().status == 1


def test_closed_standard_streams(lab, unchanged, php, pings, out):
    """No file takes their place and gets what is written to them."""
    path = f"{out}/x.pcapng"
    done = lab.run(["bash", "-c", f"{NSWATCH} netns:php -P -l -c 3 -w {path} udp"
                    " <&- >&- 2>&-"], check=False)
    assert done.returncode == 0
    assert assert_opens_clean(path) == 3

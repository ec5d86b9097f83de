# SPDX-License-Identifier: GPL-2.0-only
"""The tutorial's experiments: why a lookup in a container's namespace fails,
and the ways to make it work, with a real glibc client."""

import os
import re
import time

import pytest

from lab import SILENT4, STUB_FILE, UPSTREAM4, UPSTREAM6, UPSTREAM_FILE, WEB4, WEB6
from watching import LOOKUP, NSWATCH, Watch, parse_time, strings

TARGET = "netns:php"


def answered(result, name="www.example.test"):
    """The transactions for name that got an answer."""
    return [t for t in result.of_type("transaction")
            if t["state"] == "answered" and t["question"]["name"] == name]


def commands(finding):
    """Every command a finding offers."""
    return [s.removeprefix("sudo ") for s in strings(finding["fix"])]


def assert_healthy(result, name="www.example.test"):
    assert result.codes == []
    found = answered(result, name)
    assert {t["question"]["type"] for t in found} == {"A", "AAAA"}
    text = str(found)
    assert WEB4 in text and WEB6 in text
    for t in found:
        assert 0 < t["latency_ms"] < 2000


# a. the container's namespace, the host's resolv.conf

def test_stub_dead(php, watch):
    w = watch(TARGET, "--dns", "-l")
    lookup = php.popen(LOOKUP)
    assert lookup.wait(60) == 2
    w.wait_out("STUB-DEAD")
    result = w.stop()
    assert result.status == 0
    assert len(re.findall(r"^\W*STUB-DEAD in php", result.out, re.M)) == 1
    assert "127.0.0.53" in result.out
    assert "getent" in result.out and str(lookup.pid) in result.out
    assert STUB_FILE in result.out or "/etc/resolv.conf" in result.out
    assert "--fix-dns" in result.out
    assert "Temporary failure in name resolution" in result.out


def test_stub_dead_json(lab, php, watch):
    w = watch(TARGET, "--dns", "--json", "-l")
    pids = []
    for _ in range(3):
        lookup = php.popen(LOOKUP)
        assert lookup.wait(60) == 2
        pids.append(lookup.pid)
    w.wait_out(r'"finding".*STUB-DEAD')
    result = w.stop()
    assert result.codes == ["STUB-DEAD"]
    findings = result.of_type("finding")
    text = str(findings)
    assert "getent" in text and any(str(p) in text for p in pids)
    assert STUB_FILE in text or "/etc/resolv.conf" in text
    # Once per cause, with a count; not once per packet.
    assert len([f for f in findings if f["code"] == "STUB-DEAD"
                and not f.get("repeat")]) == 1
    assert len(result.of_type("summary")) == 1
    asked = [t for t in result.of_type("transaction")
             if "www.example.test" in str(t)]
    assert asked and all(t["state"] != "answered" for t in asked)


def test_fix_works_when_typed(lab, php, watch):
    w = watch(TARGET, "--dns", "--json", "-l")
    assert php.run(LOOKUP, check=False).returncode == 2
    w.wait_out(r'"finding".*STUB-DEAD')
    finding = [f for f in w.stop().of_type("finding") if f["code"] == "STUB-DEAD"][0]
    bindir = lab.run(["mktemp", "-d", "-p", lab.tmp]).stdout.strip()
    lab.run(["ln", "-s", NSWATCH, f"{bindir}/nswatch"])
    path = {"PATH": f"{bindir}:/usr/sbin:/usr/bin:/sbin:/bin"}

    here, = [c for c in commands(finding) if c.startswith("nswatch php --fix-dns -- ")]
    done = lab.run(["sh", "-c", here.replace("CMD", " ".join(LOOKUP))], env=path)
    assert WEB4 in done.stdout

    lasting, = [c for c in commands(finding) if "/etc/netns/php/" in c]
    lab.run(["sh", "-c", lasting])
    assert WEB4 in lab.run(["ip", "netns", "exec", "php", *LOOKUP]).stdout


def test_command_that_fails(lab, watch, php, out):
    script = f"{' '.join(LOOKUP)}; status=$?; touch {out}/end; exit $status"
    result = watch(TARGET, "--dns", "--", "sh", "-c", script, attach=False).wait()
    assert time.time() - os.stat(f"{out}/end").st_mtime < 5
    assert result.status == 2
    assert "STUB-DEAD" in result.out and "getent" in result.out
    result.books


def test_tcp_to_the_stub(php, watch):
    w = watch(TARGET, "--dns", "--json", "-l")
    php.run(["dig", "+tcp", "+tries=1", "+time=1", "@127.0.0.53",
             "www.example.test"], check=False)
    w.wait_out(r'"finding".*STUB-DEAD')
    assert w.stop().codes == ["STUB-DEAD"]


# b. a fresh namespace, whose lo is down

def test_lo_down(watch, bare):
    w = watch("netns:bare", "--dns", "--json", "-l")
    lookup = bare.popen(LOOKUP)
    assert lookup.wait(60) == 2
    w.wait_out(r'"finding".*LO-DOWN')
    result = w.stop()
    assert result.codes == ["LO-DOWN"]
    assert result.books["seen"] == 0
    assert "getent" in str(result.of_type("finding"))
    assert "link set lo up" in str(result.of_type("finding"))


def test_new_namespace(watch):
    result = watch("new", "--dns", "--", *LOOKUP, attach=False).wait()
    assert result.status == 2
    assert "LO-DOWN" in result.out and "getent" in result.out
    assert result.books["seen"] == 0


def test_new_namespace_outlives_its_command(watch):
    """What a lookup met is asked for when its process is gone: nswatch is stopped meanwhile."""
    script = f"kill -STOP $PPID; (sleep 0.5; kill -CONT $PPID) & exec {' '.join(LOOKUP)}"
    result = watch("new", "--dns", "--verbose", "--", "sh", "-c", script, attach=False).wait()
    assert result.status == 2
    assert "debug: new: " not in result.err


# c. three solutions

@pytest.fixture
def upstream_link(lab):
    lab.run(["ln", "-sf", "../run/systemd/resolve/resolv.conf",
             "/etc/resolv.conf"])
    yield
    lab.run(["ln", "-sf", "../run/systemd/resolve/stub-resolv.conf",
             "/etc/resolv.conf"])


def lookup_while_watching(w, run):
    assert WEB4 in run(LOOKUP).stdout
    w.wait_out("www.example.test")
    w.wait_out("AAAA")
    return w.stop()


def test_solution_1_upstreams_in_resolv_conf(php, watch, upstream_link):
    w = watch(TARGET, "--dns", "--json", "-l")
    result = lookup_while_watching(w, php.run)
    assert_healthy(result)
    assert result.all_codes == []


def test_solution_2_etc_netns(lab, php, watch):
    lab.write("/etc/netns/php/resolv.conf", f"nameserver {UPSTREAM4}\n")
    w = watch(TARGET, "--dns", "--json", "-l")
    result = lookup_while_watching(
        w, lambda cmd: lab.run(["ip", "netns", "exec", "php", *cmd]))
    assert_healthy(result)
    assert result.all_codes == []


def test_solution_3_private_mount_namespace(php, watch):
    w = watch(TARGET, "--dns", "--json", "-l")
    script = f'mount --bind {UPSTREAM_FILE} /etc/resolv.conf && exec "$@"'
    assert_healthy(lookup_while_watching(
        w, lambda cmd: php.run(["unshare", "-m", "sh", "-c", script, "sh", *cmd])))


def test_solution_3_fix_dns(lab, php, watch):
    before = lab.run(["sh", "-c", "stat -L /etc/resolv.conf; cat /etc/resolv.conf;"
                      " cat /proc/self/mountinfo"]).stdout
    result = watch(TARGET, "--dns", "--json", "--fix-dns", "--", "sh", "-c",
                   " ".join(LOOKUP) + " >&2", attach=False).wait()
    assert result.status == 0
    assert WEB4 in result.err
    assert_healthy(result)
    assert result.all_codes == []
    after = lab.run(["sh", "-c", "stat -L /etc/resolv.conf; cat /etc/resolv.conf;"
                     " cat /proc/self/mountinfo"]).stdout
    assert re.sub("Access:.*", "", before) == re.sub("Access:.*", "", after)


def test_latency_is_shown_in_text(php, watch, upstream_link):
    w = watch(TARGET, "--dns", "-l")
    php.run(LOOKUP)
    w.wait_out(r"AAAA\s.*www\.example\.test|www\.example\.test.*AAAA")
    line = re.search(r".*www\.example\.test.*", w.out).group(0)
    assert re.search(r"\d(\.\d+)? ?[mµu]s", line)
    assert "getent" in line and UPSTREAM4 in line and "eth0" in line
    assert w.stop().status == 0


# d. one container's namespace with another container's files

def test_mount_of_a_container(containers, php, watch):
    containers.run("tools", "--dns", UPSTREAM4, "--hostname", "toolbox")
    result = watch(TARGET, "--dns", "--json", "--mount", "docker:tools", "--", "sh", "-c",
                   "(cat /etc/hostname; " + " ".join(LOOKUP) + ") >&2",
                   attach=False).wait()
    assert result.status == 0
    assert "toolbox" in result.err and WEB4 in result.err
    assert_healthy(result)


def test_mount_of_a_container_that_has_the_stub(containers, php, watch, lab):
    stub = lab.add_file("stub.conf", "nameserver 127.0.0.53\n")
    containers.run("tools", "-v", f"{stub}:/etc/resolv.conf:ro")
    result = watch(TARGET, "--dns", "--json", "--mount", "docker:tools", "--", *LOOKUP,
                   attach=False).wait()
    assert result.status == 2
    assert result.codes == ["STUB-DEAD"]


# Other loopback servers, no route, no answer; and what is no fault

def resolv(lab, *servers, options=""):
    lab.write("/etc/netns/php/resolv.conf",
              "".join(f"nameserver {s}\n" for s in servers) + options)


def test_loopback_dead(lab, php, watch):
    resolv(lab, "127.0.0.1")
    w = watch(TARGET, "--dns", "--json", "-l")
    lab.run(["ip", "netns", "exec", "php", *LOOKUP], check=False)
    w.wait_out(r'"finding".*LOOPBACK-DEAD')
    assert w.stop().codes == ["LOOPBACK-DEAD"]


def test_loopback_that_answers_is_no_finding(lab, php, watch):
    server = php.popen(["dnsmasq", "-k", "-C", "/dev/null", "-R", "-h", "-u", "root",
                        "-z", "--listen-address=127.0.0.1", "--pid-file=",
                        f"--server={UPSTREAM4}"])
    try:
        resolv(lab, "127.0.0.1")
        w = watch(TARGET, "--dns", "--json", "-l")
        php.run(["dig", "+retry=5", "+time=1", "@127.0.0.1", "www.example.test"])
        done = lab.run(["ip", "netns", "exec", "php", *LOOKUP])
        assert WEB4 in done.stdout
        w.wait_out("AAAA")
        assert "LOOPBACK-DEAD" not in w.stop().codes
    finally:
        server.kill()
        server.wait()


def test_unreachable(lab, watch):
    ns = lab.container("island", default_route=False)
    try:
        lab.write("/etc/netns/island/resolv.conf", f"nameserver {UPSTREAM4}\n")
        w = watch("netns:island", "--dns", "--json", "-l")
        done = lab.run(["ip", "netns", "exec", "island", *LOOKUP], check=False)
        assert done.returncode == 2
        w.wait_out(r'"finding".*UNREACHABLE')
        result = w.stop()
        assert result.codes == ["UNREACHABLE"]
        assert UPSTREAM4 in str(result.of_type("finding"))
    finally:
        ns.remove()
        lab.run(["rm", "-rf", "/etc/netns/island"])


def test_no_answer(lab, php, watch):
    resolv(lab, SILENT4, options="options timeout:2 attempts:1\n")
    w = watch(TARGET, "--dns", "--json", "-l")
    client = lab.popen(["ip", "netns", "exec", "php", *LOOKUP])
    asked = parse_time(w.wait_out(r'"state":"unanswered","time":"([^"]*)"').group(1))
    assert 0.9 < time.time() - asked < 3
    client.wait(60)
    w.wait_out(r'"finding".*NO-ANSWER')
    result = w.stop()
    assert result.codes == ["NO-ANSWER"]
    assert SILENT4 in str(result.of_type("finding"))


def test_busy_host_end_is_left_until_an_answer_is_late(lab, php, watch):
    """It is there for evidence, and every packet of the container would pay for it."""
    w = watch(TARGET, "--dns", "--json", "-l")
    lab.run([lab.tool("flood"), WEB4, "9", "200000"], ns=php.path)
    w.wait_out("not watched until an answer is late", stream="err")
    lab.run([lab.tool("flood"), WEB4, "9", "100000"], ns=php.path)
    silent = ["dig", "+timeout=2", "+tries=1", f"@{SILENT4}"]
    php.run([*silent, "first.example.test"], check=False)
    lab.run([lab.tool("flood"), WEB4, "9", "100000"], ns=php.path)
    php.run([*silent, "second.example.test"], check=False)
    result = w.stop()
    # Twice that if the host's end had seen all of it, too.
    assert 400000 < result.books["seen"] < 650000
    sides = {t["question"]["name"].split(".")[0]: t["host_side"] for t in result.of_type("transaction")}
    assert sides == {"first": None, "second": {"left": True, "came_back": False}}


def test_first_server_silent_second_answers(lab, php, watch):
    resolv(lab, SILENT4, UPSTREAM4, options="options timeout:1\n")
    w = watch(TARGET, "--dns", "--json", "-l")
    assert WEB4 in lab.run(["ip", "netns", "exec", "php", *LOOKUP]).stdout
    w.wait_out(r'"finding".*NO-ANSWER')
    result = w.stop()
    assert result.codes == ["NO-ANSWER"]
    assert answered(result)


@pytest.mark.parametrize("server", [UPSTREAM4, UPSTREAM6])
@pytest.mark.parametrize("proto", ["+notcp", "+tcp"])
def test_transactions(php, watch, server, proto):
    w = watch(TARGET, "--dns", "--json", "-l")
    php.run(["dig", proto, f"@{server}", "v4.example.test"])
    php.run(["dig", proto, f"@{server}", "missing.example.test"])
    w.wait_out("missing.example.test")
    result = w.stop()
    good, = answered(result, "v4.example.test")
    assert good["answer"]["data"] == WEB4 and good["server"] == server
    bad, = answered(result, "missing.example.test")
    assert bad["answer"]["rcode"] == "NXDOMAIN"
    assert result.codes == []


def test_truncated_answer_over_tcp(php, watch):
    w = watch(TARGET, "--dns", "--json", "-l")
    php.run(["dig", f"@{UPSTREAM4}", "+bufsize=512", "big.example.test"])
    w.wait_out('"transaction".*big.example.test.*10.99.119.1')
    result = w.stop()
    assert len(answered(result, "big.example.test")) == 2
    assert result.codes == []


# check and list: the same without traffic

def test_check_finds_the_stub(lab, php):
    w = Watch(lab, ["check", TARGET, "--json"], attach=False)
    result = w.wait()
    assert result.status == 3
    assert result.all_codes == ["STUB-CONFIG"]
    text = Watch(lab, ["check", TARGET], attach=False).wait()
    assert text.status == 3 and "STUB-CONFIG" in text.out


def test_check_finds_lo_down(lab, bare):
    result = Watch(lab, ["check", "netns:bare", "--json"], attach=False).wait()
    assert result.status == 3
    assert result.codes == ["LO-DOWN"]


def test_check_is_content(lab, php):
    resolv(lab, UPSTREAM4)
    result = Watch(lab, ["check", TARGET, "--json"], attach=False).wait()
    assert (result.status, result.all_codes) == (0, [])


def test_check_host_is_content(lab):
    result = Watch(lab, ["check", "host", "--json"], attach=False).wait()
    assert (result.status, result.all_codes) == (0, [])


def test_list(lab, php, bare):
    result = Watch(lab, ["list"], attach=False).wait()
    assert result.status == 0
    for word in ("php", "bare", "upstream", "eth0", php.veth):
        assert word in result.out
    result = Watch(lab, ["list", "--json"], attach=False).wait()
    assert result.status == 0
    assert php.veth in str([o for o in result.objects if "php" in str(o)])

# SPDX-License-Identifier: GPL-2.0-only
"""The fault zoo: every rule of --dns against faults made on purpose, and
against healthy traffic that looks alike. All scenarios run at the same time,
each in its own network namespace, under one nswatch; the outcome is a table."""

import glob
import json
import os
import re
import signal
import threading
import time

import pytest

import zoo
from lab import HOST4, ROOT, SILENT4, STUB, STUB_FILE, UPSTREAM4, UPSTREAM6, WEB4, Lab
from watching import NSWATCH, Watch
from zoo import (BIG, BOGUS, BROKEN, DELAY_60, DELAY_150, DELAY_1200, FRAGMENTS, GOOD2, HICCUP,
                 MOVED, NO_AAAA, NO_BIG, NO_UPSTREAM, NOTIMP, PRIVATE, REFUSING, TCP_DROP,
                 TCP_RESET)

SCENARIOS = []
PLAYED = []  # all of them, for the table at the end
SERVED = threading.Event()


def fault(code, also=(), kind="container"):
    """A scenario that must show that finding, and no other but those of also."""
    def add(function):
        function.kind = kind
        SCENARIOS.append((function, code, also))
        return function
    return add


def healthy(function):
    return fault(None)(function)


# --- the namespace's own loopback, and routes ------------------------------------------

@fault("STUB-DEAD")
def stub_glibc(s):
    s.resolv(STUB)
    s.getent()


@fault("STUB-DEAD")
def stub_musl(s):
    s.resolv(STUB)
    s.musl("www.example.test")


@fault("STUB-DEAD")
def stub_go(s):
    s.resolv(STUB, options="timeout:1 attempts:1")
    s.go()


@fault("STUB-DEAD")
def stub_before_a_good_one(s):
    s.resolv(STUB, UPSTREAM4)
    s.getent()


@fault("LO-DOWN", kind="bare")
def lo_down_stub(s):
    s.resolv(STUB)
    s.getent()


@fault("LO-DOWN", kind="bare")
def lo_down_musl(s):
    s.resolv("127.0.0.1", options="timeout:1 attempts:1")
    s.musl("www.example.test")


@fault("LO-DOWN", kind="bare")
def lo_down_no_file(s):
    s.resolv()
    s.getent("www.example.test", "hosts")


@fault("LOOPBACK-DEAD")
def loopback_copied(s):
    s.resolv("127.0.0.1")
    s.getent()


@fault("LOOPBACK-DEAD")
def loopback_6(s):
    s.resolv("::1")
    s.getent()


@fault("LOOPBACK-DEAD")
def loopback_other(s):
    s.resolv("127.0.1.1")
    s.musl("www.example.test")


@fault("UNREACHABLE", kind="island")
def island_glibc(s):
    s.resolv(UPSTREAM4)
    s.getent()


@fault("UNREACHABLE", kind="island")
def island_musl(s):
    s.resolv(UPSTREAM4, options="timeout:1 attempts:1")
    s.musl("www.example.test")


@fault("UNREACHABLE", kind="island")
def island_6(s):
    s.resolv(UPSTREAM6)
    s.getent()


# --- silence -----------------------------------------------------------------------------

@fault("NO-ANSWER")
def silent_server(s):
    s.resolv(SILENT4, options="timeout:2 attempts:1")
    s.getent()


@fault("NO-ANSWER")
def silent_first(s):
    s.resolv(SILENT4, UPSTREAM4, options="timeout:1")
    s.getent()
    s.getent("n1.example.test")


@fault("NO-ANSWER")
def no_server_there(s):
    s.resolv(WEB4)
    s.getent()


@fault("NO-ANSWER")
def dropped_on_the_host(s):
    s.rule("forward", "udp dport 53 drop")
    s.resolv(UPSTREAM4, options="timeout:2 attempts:1")
    s.getent()


def address_of(s, device, ns=None):
    link, = json.loads(s.lab.run(["ip", "-j", "link", "show", device], ns=ns).stdout)
    return link["address"]


def lose_all(s, device, ns=None):
    """A queue that takes no packet: behind what TC programs see of the device. Both ends know
    each other's address, so that none is asked for in vain."""
    for to, mac, dev, at in ((HOST4, address_of(s, "br-lab"), "eth0", s.ns.path),
                             (s.ns.addr4, address_of(s, "eth0", s.ns.path), "br-lab", None)):
        s.lab.run(["ip", "neigh", "replace", to, "lladdr", mac, "dev", dev, "nud", "permanent"],
                  ns=at)
    s.lab.run(["tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", "8kbit", "burst", "16",
               "latency", "1ms"], ns=ns)


@fault("NO-ANSWER")
def lost_on_the_way_out(s):
    lose_all(s, "eth0", s.ns.path)
    s.resolv(UPSTREAM4, options="timeout:2 attempts:1")
    s.getent()


@fault("NO-ANSWER")
def lost_on_the_way_in(s):
    lose_all(s, s.ns.veth)
    s.resolv(UPSTREAM4, options="timeout:2 attempts:1")
    s.getent()


def own_firewall(s, rule):
    s.run("nft", "-f", "-", input="table inet f { chain o { type filter hook output priority 0; "
          f"{rule}; }}; }}\n", check=True)


@fault("LOCAL-FIREWALL")
def own_firewall_glibc(s):
    own_firewall(s, "udp dport 53 drop")
    s.resolv(UPSTREAM4)
    s.getent()


@fault("LOCAL-FIREWALL")
def own_firewall_rejects_musl(s):
    own_firewall(s, "udp dport 53 reject")
    s.resolv(UPSTREAM4, options="timeout:1 attempts:1")
    s.musl("www.example.test")


@fault("LOCAL-FIREWALL")
def own_firewall_dig(s):
    own_firewall(s, "meta l4proto udp ip daddr 10.77.53.0/24 drop")
    s.dig(f"@{UPSTREAM4}", "+tries=1", "+time=1", "www.example.test")


def egress_hook(s, rule):
    s.run("nft", "-f", "-", input="table netdev f { chain e { type filter hook egress "
          f"device eth0 priority 0; {rule}; }}; }}\n", check=True)


@fault("LOCAL-FIREWALL")
def egress_hook_glibc(s):
    egress_hook(s, "udp dport 53 drop")
    s.resolv(UPSTREAM4)
    s.getent()


@fault("LOCAL-FIREWALL")
def egress_hook_musl(s):
    egress_hook(s, "policy drop; arp operation 1-2 accept; icmpv6 type 133-137 accept")
    s.resolv(UPSTREAM4, options="timeout:1 attempts:1")
    s.musl("www.example.test")


@fault("LOCAL-FIREWALL")
def egress_hook_go(s):
    egress_hook(s, "ip daddr 10.77.53.53 drop")
    s.resolv(UPSTREAM4, options="timeout:1 attempts:1")
    s.go()


@fault("LOCAL-FIREWALL")
def egress_hook_tcp(s):
    egress_hook(s, "tcp dport 53 drop")
    s.dig(f"@{UPSTREAM4}", "+tcp", "+tries=1", "+time=1", "www.example.test")


@healthy
def egress_hook_for_others(s):
    egress_hook(s, "udp dport 54 drop; tcp dport 53 accept")
    s.resolv(UPSTREAM4)
    assert WEB4 in s.getent().stdout


@healthy
def egress_hook_drops_what_is_not_dns(s):
    egress_hook(s, "udp dport != 53 meta l4proto udp drop; tcp dport != 53 drop")
    s.resolv(UPSTREAM4)
    assert WEB4 in s.getent().stdout
    s.dig(f"@{UPSTREAM4}", "+tcp", "www.example.test")


@healthy
def own_firewall_for_others(s):
    own_firewall(s, "udp dport 54 drop")
    s.resolv(UPSTREAM4)
    assert WEB4 in s.getent().stdout


@fault("GATEWAY-FILTERED")
def gateway_dropped(s):
    s.rule("input", "udp dport 53 drop")
    s.resolv(HOST4, options="timeout:2 attempts:1")
    s.getent()


@fault("GATEWAY-FILTERED")
def gateway_prohibited(s):
    s.rule("input", "udp dport 53 reject with icmp type admin-prohibited")
    s.resolv(HOST4)
    s.getent()


@fault("GATEWAY-FILTERED")
def gateway_rejected(s):
    s.rule("input", "udp dport 53 reject")
    s.resolv(HOST4)
    s.musl("www.example.test")


# --- answers that say no -------------------------------------------------------------------

@fault("SERVFAIL")
def servfail_dnssec(s):
    s.resolv(BOGUS)
    s.getent()


@fault("SERVFAIL")
def servfail_musl(s):
    s.resolv(BOGUS, options="timeout:1 attempts:1")
    s.musl("www.example.test")


@fault("SERVFAIL")
def servfail_first_of_two(s):
    s.resolv(BROKEN, UPSTREAM4)
    for i in range(1, 4):
        s.getent(f"n{i}.example.test")


@fault("REFUSED")
def refused_client(s):
    s.resolv(REFUSING)
    s.getent()


@fault("REFUSED")
def refused_no_upstream(s):
    s.resolv(NO_UPSTREAM)
    s.getent()


@fault("REFUSED")
def refused_zone(s):
    s.resolv(UPSTREAM4)
    s.dig(f"@{UPSTREAM4}", "+tries=1", "www.refused.test")


@fault("NX-STORM")
def storm_glibc(s):
    s.resolv(UPSTREAM4)
    for _ in range(22):
        s.getent("gone.example.test", "ahostsv4")


@fault("NX-STORM")
def storm_musl(s):
    s.resolv(UPSTREAM4)
    s.musl(*["gone.example.test"] * 25)


@fault("NX-STORM")
def storm_dig(s):
    s.resolv(UPSTREAM4)
    s.dig(f"@{UPSTREAM4}", *["gone.example.test"] * 40)


K8S = "default.svc.cluster.local svc.cluster.local cluster.local"


@fault("SEARCH-AMPLIFY")
def search_k8s(s):
    s.resolv(UPSTREAM4, search=K8S, options="ndots:5")
    s.getent()


@fault("SEARCH-AMPLIFY")
def search_musl(s):
    s.resolv(UPSTREAM4, search=K8S, options="ndots:5")
    s.musl("www.example.test")


@fault("SEARCH-AMPLIFY")
def search_ipv4(s):
    s.resolv(GOOD2, search="a.test b.test c.test", options="ndots:4")
    s.getent("n1.example.test", "ahostsv4")


@fault("LOCAL-TLD")
def local_glibc(s):
    s.resolv(UPSTREAM4)
    s.getent("printer.local")


@fault("LOCAL-TLD")
def local_musl(s):
    s.resolv(UPSTREAM4)
    s.musl("nas.local")


@fault("LOCAL-TLD")
def local_silent(s):
    s.resolv(SILENT4, options="timeout:1 attempts:1")
    s.getent("nas.home.local", "ahostsv4")


@fault("SPLIT-ANSWERS")
def split_musl(s):
    s.resolv(DELAY_60, PRIVATE)
    s.musl("n1.example.test")


@fault("SPLIT-ANSWERS")
def split_musl_often(s):
    s.resolv(UPSTREAM4, PRIVATE, DELAY_60)
    s.musl("other.example.test", "more.example.test")


@fault("SPLIT-ANSWERS")
def split_musl_one(s):
    s.resolv(PRIVATE, DELAY_60)
    s.musl("n3.example.test")


@fault("SLOW")
def slow_dig(s):
    s.dig(f"@{DELAY_150}", *["www.example.test"] * 22)


@fault("SLOW")
def slow_glibc(s):
    s.resolv(DELAY_150)
    for i in range(1, 10):
        s.getent(f"n{i}.example.test")
    for i in range(1, 4):
        s.getent(f"n{i}.example.test")


@fault("SLOW")
def slow_musl(s):
    s.resolv(DELAY_150)
    s.musl(*[f"n{i}.example.test" for i in range(1, 10)] * 2)


# --- lost, cut, changed ----------------------------------------------------------------------

@fault("TC-NO-TCP")
def truncated_musl(s):
    s.resolv(UPSTREAM4)
    s.musl("big.example.test")


@fault("TC-NO-TCP")
def truncated_dig_ignores(s):
    s.dig(f"@{UPSTREAM4}", "+ignore", "+bufsize=512", "big.example.test")


@fault("TC-NO-TCP")
def truncated_noedns(s):
    s.dig(f"@{GOOD2}", "+ignore", "+noedns", "big.example.test")


@fault("TCP53-BLOCKED")
def tcp_reset_glibc(s):
    s.resolv(TCP_RESET, options="timeout:1 attempts:1")
    s.getent("big.example.test", "ahostsv4")


@fault("TCP53-BLOCKED")
def tcp_dropped_dig(s):
    s.dig(f"@{TCP_DROP}", "+bufsize=512", "+tries=1", "+time=2", "big.example.test")


@fault("TCP53-BLOCKED")
def tcp_dropped_on_the_host(s):
    s.rule("forward", "tcp dport 53 reject with tcp reset")
    s.resolv(UPSTREAM4, options="timeout:1 attempts:1")
    s.getent("big.example.test", "ahostsv4")


@fault("BIG-UDP-LOST")
def fragments_lost(s):
    s.dig(f"@{FRAGMENTS}", "+bufsize=4096", "+tries=1", "+time=2", "big.example.test")


@fault("BIG-UDP-LOST")
def fragments_lost_twice(s):
    s.dig(f"@{FRAGMENTS}", "+bufsize=4000", "+tries=2", "+time=1", "big.example.test")


@fault("BIG-UDP-LOST")
def small_retry(s):
    s.dig(f"@{NO_BIG}", "+bufsize=4096", "+tries=1", "+time=1", "big.example.test")
    s.dig(f"@{NO_BIG}", "+bufsize=1232", "+tries=1", "+time=1", "big.example.test")


@fault("WRONG-SOURCE")
def wrong_source_glibc(s):
    s.resolv(MOVED, options="timeout:1 attempts:1")
    s.getent()


@fault("WRONG-SOURCE")
def wrong_source_musl(s):
    s.resolv(MOVED, options="timeout:1 attempts:1")
    s.musl("www.example.test")


@fault("WRONG-SOURCE")
def wrong_source_dig(s):
    s.dig(f"@{MOVED}", "+tries=1", "+time=2", "www.example.test")


def lose_once(s):
    s.rule("pre", f"udp dport 53 {zoo.AAAA} ip saddr != @once add @once {{ ip saddr }} drop")


def undisturbed(s, *cmd):
    """What it sends at once is sent at once, however many others play meanwhile."""
    s.run("chrt", "--rr", "1", *cmd)


@fault("RACE-5S")
def race_glibc(s):
    lose_once(s)
    s.resolv(GOOD2)
    undisturbed(s, "getent", "ahosts", "n1.example.test")


@fault("RACE-5S")
def race_ping(s):
    lose_once(s)
    s.resolv(GOOD2, options="timeout:2")
    undisturbed(s, "ping", "-c", "1", "n3.example.test")


@fault("RACE-5S")
def race_glibc_timeout(s):
    lose_once(s)
    s.resolv(GOOD2, options="timeout:2")
    undisturbed(s, "getent", "ahosts", "n2.example.test")


@fault("AAAA-SILENT")
def aaaa_dropped(s):
    s.resolv(NO_AAAA, options="timeout:1 attempts:1")
    for i in range(1, 5):
        s.getent(f"n{i}.example.test")


@fault("AAAA-SILENT")
def aaaa_notimp(s):
    s.resolv(NOTIMP, options="timeout:1 attempts:1")
    for i in range(1, 5):
        s.getent(f"n{i}.example.test")


@fault("AAAA-SILENT")
def aaaa_dropped_musl(s):
    s.resolv(NO_AAAA, options="timeout:1 attempts:1")
    s.musl("n1.example.test", "n2.example.test", "n3.example.test", "n4.example.test")


def one_port(s, port, server, times=4):
    """Something is answered soon after each that is not, before that is judged."""
    asked = [f"dig -b 0.0.0.0#{port} @{server} +tries=1 +time=1 n{i}.example.test; "
             f"dig @{server} +tries=1 n{i + 4}.example.test" for i in range(1, times + 1)]
    undisturbed(s, "sh", "-c", "; ".join(asked))


@fault("STALE-CONNTRACK")
def stale_port(s):
    s.rule("pre", "udp sport 5555 drop")
    one_port(s, 5555, UPSTREAM4)


@fault("STALE-CONNTRACK")
def stale_port_redirected(s):
    s.rule("pre", f"udp sport 6666 ip daddr set {SILENT4}")
    one_port(s, 6666, GOOD2)


@fault("STALE-CONNTRACK")
def stale_port_many(s):
    s.rule("pre", "udp sport 7777 drop")
    one_port(s, 7777, GOOD2, 5)


# --- not on port 53 ----------------------------------------------------------------------------

def connect(s, address, port):
    s.run("bash", "-c", f"timeout 10 bash -c 'echo >/dev/tcp/{address}/{port}'")


@fault("ENCRYPTED")
def encrypted_dot(s):
    connect(s, UPSTREAM4, 853)


@fault("ENCRYPTED")
def encrypted_dot_twice(s):
    connect(s, GOOD2, 853)
    connect(s, UPSTREAM4, 853)


@fault("ENCRYPTED")
def encrypted_dig(s):
    # A TLS handshake's first packet is enough: Debian 12's dig speaks DoT.
    s.dig("+tls", f"@{UPSTREAM4}", "+tries=1", "+time=1", "www.example.test")


@fault("LOCALHOST-REFUSED")
def localhost_bash(s):
    connect(s, "127.0.0.1", 8099)


@fault("LOCALHOST-REFUSED")
def localhost_wget(s):
    s.run("busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8099/")


@fault("LOCALHOST-REFUSED")
def localhost_python(s):
    s.run("/usr/bin/python3", "-c", "import socket\ntry:\n socket.create_connection"
          "(('127.0.0.1', 8099), 2)\nexcept OSError:\n pass")


@fault("LOCALHOST-REFUSED")
def localhost_of_another(s):
    """Not on the host: the server is in the namespace of localhost_served()."""
    assert SERVED.wait(60)  # that one may have to wait for its turn
    connect(s, "127.0.0.1", 8097)


@healthy
def localhost_served(s):
    s.daemons.append(s.lab.popen(["busybox", "httpd", "-f", "-p", "127.0.0.1:8097", "-h", "/tmp"],
                                 ns=s.ns.path))
    zoo.wait_for("its port", lambda: ("127.0.0.1", 8097) in zoo.sockets(s.daemons[0].pid, "tcp"))
    SERVED.set()
    connect(s, "127.0.0.1", 8097)


# --- Docker's resolver, played: what it does can be scripted, dockerd itself is below ----------

@fault("DOCKER-OVERLOAD")
def overload_glibc(s):
    s.scripted("127.0.0.11", "overload")
    s.resolv("127.0.0.11", options="attempts:1")
    s.getent("www.example.test", "ahostsv4")


@fault("DOCKER-OVERLOAD")
def overload_dig(s):
    s.scripted("127.0.0.11", "overload")
    s.dig("@127.0.0.11", "+tries=1", "+time=5", "www.example.test")


@fault("DOCKER-OVERLOAD")
def overload_musl(s):
    s.scripted("127.0.0.11", "overload")
    s.resolv("127.0.0.11", options="attempts:1")
    s.musl("www.example.test")


# --- healthy ------------------------------------------------------------------------------------

@healthy
def plain_glibc(s):
    s.resolv(UPSTREAM4)
    assert WEB4 in s.getent().stdout


@healthy
def plain_musl(s):
    s.resolv(UPSTREAM4)
    assert WEB4 in s.musl("www.example.test").stdout


@healthy
def plain_go(s):
    s.resolv(UPSTREAM4)
    s.go()


@healthy
def plain_6(s):
    s.resolv(UPSTREAM6)
    assert WEB4 in s.getent().stdout


@healthy
def plain_ping(s):
    s.resolv(UPSTREAM4)
    assert s.run("ping", "-c", "1", "www.example.test").returncode == 0


@healthy
def tcp_only(s):
    s.resolv(UPSTREAM4, options="use-vc")
    assert WEB4 in s.getent().stdout


@healthy
def gateway_serves(s):
    s.resolv(HOST4)
    assert WEB4 in s.getent().stdout


@healthy
def local_cache(s):
    s.dnsmasq("127.0.0.1", f"--server={UPSTREAM4}")
    s.resolv("127.0.0.1")
    for _ in range(3):
        assert WEB4 in s.getent().stdout


@healthy
def local_cache_on_the_stubs_address(s):
    s.dnsmasq(STUB, f"--server={UPSTREAM4}")
    s.resolv(STUB)
    assert WEB4 in s.getent().stdout


@healthy
def slow_but_fine(s):
    s.dig(f"@{DELAY_60}", *["www.example.test"] * 25)


@healthy
def slow_but_few(s):
    s.dig(f"@{DELAY_150}", *["www.example.test"] * 10)


@healthy
def more_than_a_second(s):
    s.resolv(DELAY_1200)
    assert WEB4 in s.getent("www.example.test", "ahostsv4").stdout


@healthy
def right_nxdomain(s):
    s.resolv(UPSTREAM4)
    s.getent("missing.example.test")


@healthy
def right_nxdomain_a_few_times(s):
    s.resolv(UPSTREAM4)
    for _ in range(15):
        s.getent("missing.example.test")


@healthy
def many_missing_names(s):
    s.dig(f"@{UPSTREAM4}", *[f"missing{i}.example.test" for i in range(40)])


@healthy
def no_ipv6_address(s):
    s.resolv(UPSTREAM4)
    for _ in range(4):
        assert WEB4 in s.getent("v4.example.test").stdout


@healthy
def only_ipv6_address(s):
    s.resolv(UPSTREAM4)
    s.getent("v6.example.test")


@healthy
def alias(s):
    s.resolv(UPSTREAM4)
    assert "www.example.test" in s.dig(f"@{UPSTREAM4}", "alias.example.test").stdout


@healthy
def tcp_fallback_glibc(s):
    s.resolv(UPSTREAM4)
    assert "10.99.1.1" in s.getent("big.example.test", "ahostsv4").stdout


@healthy
def tcp_fallback_dig(s):
    assert "10.99.1.1" in s.dig(f"@{UPSTREAM4}", "+bufsize=512", "big.example.test").stdout


@healthy
def fragments_that_arrive(s):
    assert "10.99.1.1" in s.dig(f"@{BIG}", "+bufsize=4096", "big.example.test").stdout


@healthy
def two_good_servers(s):
    s.resolv(UPSTREAM4, GOOD2)
    s.getent()
    s.musl("www.example.test", "missing.example.test")


@healthy
def rotate(s):
    s.resolv(UPSTREAM4, GOOD2, options="rotate")
    for _ in range(4):
        assert WEB4 in s.getent().stdout


@healthy
def unreachable_6_beside_good_4(s):
    s.lab.run(["ip", "-6", "route", "flush", "default"], ns=s.ns.path)
    s.resolv("2001:db8::53", UPSTREAM4)
    assert WEB4 in s.getent().stdout


@healthy
def k8s_first_try(s):
    s.resolv(UPSTREAM4, search="example.test " + K8S, options="ndots:5")
    assert WEB4 in s.getent("www").stdout


@healthy
def k8s_trailing_dot(s):
    s.resolv(UPSTREAM4, search=K8S, options="ndots:5")
    assert WEB4 in s.getent("www.example.test.").stdout


@healthy
def one_suffix(s):
    s.resolv(UPSTREAM4, search="corp.test", options="ndots:5")
    for _ in range(12):
        assert WEB4 in s.getent().stdout


@healthy
def short_name_with_search(s):
    s.resolv(UPSTREAM4, search="example.test")
    assert WEB4 in s.getent("www").stdout


@healthy
def local_name_that_is_served(s):
    s.resolv(GOOD2)
    assert WEB4 in s.getent("host.local").stdout


@healthy
def cluster_local_missing(s):
    s.resolv(UPSTREAM4)
    s.getent("gone.default.svc.cluster.local")


@healthy
def hiccup(s):
    s.resolv(HICCUP)
    assert WEB4 in s.musl("n1.example.test").stdout


@healthy
def one_lost_packet(s):
    s.rule("pre", "udp dport 53 ip saddr != @once add @once { ip saddr } drop")
    s.resolv(UPSTREAM4, options="timeout:1")
    assert WEB4 in s.getent("www.example.test", "ahostsv4").stdout


@healthy
def fixed_port(s):
    for i in range(1, 5):
        s.dig("-b", "0.0.0.0#5555", f"@{UPSTREAM4}", f"n{i}.example.test")


@healthy
def encrypted_and_plain(s):
    s.resolv(UPSTREAM4)
    s.getent()
    connect(s, UPSTREAM4, 853)


@healthy
def localhost_refused_everywhere(s):
    connect(s, "127.0.0.1", 8098)


@healthy
def nothing_at_all(s):
    s.resolv(UPSTREAM4)
    s.run("ping", "-n", "-c", "1", WEB4)


@healthy
def reverse_lookup(s):
    s.resolv(UPSTREAM4)
    s.run("getent", "hosts", WEB4)


@healthy
def dead_address_of_no_lookup(s):
    s.resolv(UPSTREAM4)
    s.getent()
    connect(s, SILENT4, 81)


@pytest.fixture(scope="module")
def lab():
    """A lab of its own: where dockerd has been, connection tracking on the host
    keeps a first fragment until the others come, and no container sees it."""
    with Lab() as lab_:
        yield lab_


@pytest.fixture(scope="module")
def world(lab):
    web = lab.daemon(["busybox", "httpd", "-f", "-p", "127.0.0.1:8099", "-h", "/tmp"])
    zoo.wait_for("its port", lambda: ("127.0.0.1", 8099) in zoo.sockets(web.pid, "tcp"))
    return zoo.World(lab)


@pytest.fixture(scope="module")
def outcome(world, lab):
    scenarios = [zoo.Scenario(world, *s) for s in SCENARIOS]
    running = []

    def watch(*args):
        running.append(Watch(lab, args))
        return running[-1]

    try:
        result = world.play(scenarios, watch)
    finally:
        for w in running:
            w.kill()
    PLAYED.extend(scenarios)
    print(zoo.table(scenarios))
    yield scenarios, result
    for s in scenarios:
        if s.name in lab.namespaces:
            s.ns.remove()


def test_every_fault_is_found_and_nothing_else(outcome):
    scenarios, result = outcome
    assert result.status == 0
    assert result.books["lost"] == 0
    wrong = [s for s in scenarios if not s.right]
    assert not wrong, "\n" + zoo.table(scenarios)


# --- a real dockerd ------------------------------------------------------------------------------

class Container:
    """A scenario in a container; it is watched under its name."""

    ALL = []

    def __init__(self, name, code, options, lookup, also=(), prepare=None):
        self.name, self.code, self.options = "d-" + name, code, options
        self.lookup, self.also, self.prepare = lookup, also, prepare
        self.found, self.error, self.findings = [], None, []
        Container.ALL.append(self)

    right = zoo.Scenario.right


def looked_up(name, how="ahosts"):
    return ["getent", how, name]


WWW = looked_up("www.example.test")
FLUSH = ["iptables", "-t", "nat", "-F"]
APP, BACK, OTHER = (["--network", n] for n in ("app", "back", "other"))

Container("up-dead", "DOCKER-UPSTREAM-DEAD", APP + ["--dns", SILENT4], WWW)
Container("up-dead-ipv4", "DOCKER-UPSTREAM-DEAD", APP + ["--dns", SILENT4],
          looked_up("www.example.test", "ahostsv4"))
Container("up-dead-first", "DOCKER-UPSTREAM-DEAD",
          APP + ["--dns", SILENT4, "--dns", UPSTREAM4], WWW)
Container("stale", "STALE-UPSTREAM", APP, WWW)
Container("stale-ipv4", "STALE-UPSTREAM", APP, looked_up("www.example.test", "ahostsv4"))
Container("stale-other", "STALE-UPSTREAM", OTHER, looked_up("v4.example.test"))
Container("host-fails", "DOCKER-HOST-UPSTREAM", APP, looked_up("www.refused.test"))
Container("host-fails-ipv4", "DOCKER-HOST-UPSTREAM", OTHER,
          looked_up("db.refused.test", "ahostsv4"))
Container("host-fails-internal", "DOCKER-HOST-UPSTREAM", BACK, looked_up("www.refused.test"))
Container("short-bridge", "SHORT-NAME", [], looked_up("d-db"))
Container("short-app", "SHORT-NAME", APP, looked_up("d-db"))
Container("short-none", "SHORT-NAME", OTHER, looked_up("nobody", "ahostsv4"))
Container("gone-flushed", "DOCKER-DNS-GONE", APP, WWW, prepare=FLUSH)
Container("gone-rule", "DOCKER-DNS-GONE", OTHER, looked_up("d-db"),
          prepare=["iptables", "-t", "nat", "-F", "DOCKER_OUTPUT"])
Container("gone-ipv4", "DOCKER-DNS-GONE", OTHER, looked_up("v4.example.test", "ahostsv4"),
          prepare=FLUSH)
Container("db", None, ["--network", "data"], WWW)
Container("well-bridge", None, [], WWW)
Container("well-app", None, APP, WWW)
Container("well-name", None, OTHER, looked_up("d-well-other"))
Container("well-other", None, OTHER, looked_up("d-well-name", "hosts"))
Container("well-internal", None, BACK, looked_up("d-host-fails-internal"))
Container("well-internal-www", None, BACK, WWW)
Container("well-missing", None, APP, looked_up("missing.example.test"))


@pytest.fixture(scope="module")
def docker_outcome(lab, world):
    docker = lab.start_docker()
    docker.cli("network", "create", "app")
    docker.cli("network", "create", "other")
    docker.cli("network", "create", "data")
    docker.cli("network", "create", "--internal", "back")
    scenarios = Container.ALL
    w = None

    def begin(c):
        docker.cli("run", "-d", "--name", c.name, *c.options, docker.IMAGE, "sleep", "infinity")

    try:
        for stale in (True, False):
            # What the host asks changes after these have been started.
            lab.run(["sh", "-c", f"rm /etc/resolv.conf; echo nameserver {SILENT4} "
                     ">/etc/resolv.conf" if stale else f"ln -sf ..{STUB_FILE} /etc/resolv.conf"])
            with zoo.concurrent.futures.ThreadPoolExecutor(6) as pool:
                list(pool.map(begin, [c for c in scenarios
                                      if (c.code == "STALE-UPSTREAM") == stale]))
        for c in scenarios:
            if c.prepare:
                lab.run(c.prepare, ns=f"/proc/{docker.pid(c.name)}/ns/net")
        w = Watch(lab, [",".join("docker:" + c.name for c in scenarios), "--dns", "--json", "-l"])
        with zoo.concurrent.futures.ThreadPoolExecutor(24) as pool:
            list(pool.map(lambda c: docker.exec(c.name, *c.lookup, check=False), scenarios))
        zoo.wait_quiet(w)
        result = w.stop(timeout=60)
        zoo.sort_findings(scenarios, result)
        PLAYED.extend(scenarios)
        print(zoo.table(scenarios))
        yield scenarios
    finally:
        if w:
            w.kill()
        docker.cli("rm", "-f", *[c.name for c in scenarios], check=False)


def test_every_fault_of_docker_is_found(docker_outcome):
    wrong = [c for c in docker_outcome if not c.right]
    assert not wrong, "\n" + zoo.table(docker_outcome)


# --- what the files say, without traffic -----------------------------------------------------------

class Unasked:
    """A namespace that nobody looks anything up in. It is checked; how names a file for it,
    and gives the target."""

    ALL = []

    def __init__(self, name, code, how):
        self.name, self.code, self.how = "u-" + name, code, how
        self.also, self.found, self.error, self.holder = (), [], None, None
        Unasked.ALL.append(self)

    right = zoo.Scenario.right

    def prepare(self, lab):
        self.lab, self.ns = lab, lab.container(self.name)
        self.target = self.how(self)

    def hold(self, script):
        """A process in the namespace with files of its own, as a container's."""
        self.holder = self.lab.popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
             script + "\nexec sleep 1000"], ns=self.ns.path)
        zoo.wait_for("its files", lambda: zoo.read_comm(self.holder.pid) == "sleep")
        return f"pid:{self.holder.pid}"

    def judge(self, watch):
        """At the start of a watch and by check; neither may know less than the other."""
        done = self.lab.run([NSWATCH, "check", self.target, "--json"], check=False)
        self.found = [f["code"] for f in map(json.loads, done.stdout.splitlines())
                      if f["type"] == "finding"]
        at_start = [f["code"] for f in watch.of_type("finding") if f["target"].split(":")[-1] == self.target.split(":")[-1]]
        if done.returncode != (3 if self.code else 0):
            self.error = f"status {done.returncode}: {done.stderr}"
        if at_start != [c for c in self.found if c == "STUB-CONFIG"]:
            self.error = f"at the start: {at_start}"


def own_file(*lines):
    def how(s):
        s.lab.write(f"/etc/netns/{s.name}/resolv.conf", "".join(line + "\n" for line in lines))
        return "netns:" + s.name
    return how


def bound_file(*lines):
    text = "\\n".join(lines) + "\\n"
    return lambda s: s.hold(f"printf '{text}' >/run/{s.name}\n"
                            f"mount --bind /run/{s.name} /etc/resolv.conf")


def own_root(*lines):
    """As a container has it: a root of its own, with what little is in there."""
    text = "\\n".join(lines) + "\\n"
    return lambda s: s.hold(f"""d=$(mktemp -d /run/root.XXXXXX); mount -t tmpfs none $d
        cd $d; mkdir -p etc proc usr old; printf '{text}' >etc/resolv.conf
        mount --rbind /usr usr; for i in bin lib lib64; do ln -s usr/$i $i; done
        mount -t proc proc proc; pivot_root . old; cd /; umount -l /old""")


GOOD = f"nameserver {UPSTREAM4}"
NAMES_STUB = f"nameserver {STUB}"
Unasked("stub-hosts-file", "STUB-CONFIG", lambda s: "netns:" + s.name)
Unasked("stub-bound", "STUB-CONFIG", bound_file("# copied", NAMES_STUB))
Unasked("stub-container", "STUB-CONFIG", own_root(NAMES_STUB, "options edns0"))
Unasked("stub-before-a-good-one", "STUB-CONFIG", own_file(NAMES_STUB, GOOD))
Unasked("four-servers", "RESOLV-LIMITS",
        own_file(GOOD, *(f"nameserver 10.77.53.{i}" for i in (72, 71, 60))))
Unasked("server-by-name", "RESOLV-LIMITS", bound_file("nameserver ns.example.test", GOOD))
Unasked("server-indented", "RESOLV-LIMITS", own_root("  nameserver 10.77.53.72", GOOD))
Unasked("server-with-port", "RESOLV-LIMITS", own_file("nameserver 10.77.53.72:5353", GOOD))
Unasked("three-servers", None, own_file(GOOD, f"nameserver {GOOD2}", f"nameserver {BIG}"))
Unasked("comments", None, bound_file(f"; {NAMES_STUB}", f"# {NAMES_STUB}", GOOD))
Unasked("long-search", None, own_root("search " + " ".join(f"d{i}.test" for i in range(40)), GOOD))


@pytest.fixture(scope="module")
def unasked_outcome(lab, world):
    scenarios = Unasked.ALL
    w = None
    try:
        for s in scenarios:
            s.prepare(lab)
        w = Watch(lab, [",".join(s.target for s in scenarios), "--dns", "--json", "-l"])
        result = w.stop()
        for s in scenarios:
            s.judge(result)
        PLAYED.extend(scenarios)
        print(zoo.table(scenarios))
        yield scenarios
    finally:
        if w:
            w.kill()
        for s in scenarios:
            if s.holder:
                s.holder.kill()
                s.holder.wait()
            if s.name in lab.namespaces:
                s.ns.remove()


def test_what_the_files_say(unasked_outcome):
    wrong = [s for s in unasked_outcome if not s.right]
    assert not wrong, "\n" + zoo.table(unasked_outcome)


# --- with packets lost ---------------------------------------------------------------------------

def lost_silent(s):
    s.resolv(SILENT4, options="timeout:2 attempts:1")
    s.getent()


def lost_stub(s):
    """Refused at once."""
    s.resolv(STUB)
    s.getent()


def lost_servfail(s):
    s.resolv(BROKEN)
    s.getent()


def flood(s):
    """More than its buffer takes, to port 53 of a server that takes and never answers. These
    are no queries: too short."""
    s.run("/usr/bin/python3", "-c", "import socket\ns = socket.socket(type=socket.SOCK_DGRAM)\n"
          f"s.connect(('{SILENT4}', 53))\nfor _ in range(30000):\n s.send(b'flood')", check=True)


@pytest.fixture(scope="module")
def blind_outcome(lab, world):
    scenarios = [zoo.Scenario(world, f, "BLIND", (code,)) for f, code in
                 ((lost_silent, "NO-ANSWER"), (lost_stub, "STUB-DEAD"),
                  (lost_servfail, "SERVFAIL"))]
    w = None
    try:
        for s in scenarios:
            s.prepare()
        w = Watch(lab, [",".join(s.target for s in scenarios), "--dns", "--json", "-l",
                        "-B", "1"])
        with zoo.concurrent.futures.ThreadPoolExecutor(len(scenarios)) as pool:
            collector = w.collector
            os.kill(collector, signal.SIGSTOP)
            try:
                lookups = [pool.submit(s.play) for s in scenarios]
                time.sleep(0.5)  # what is asked first is still taken
                for s in scenarios:
                    flood(s)
            finally:
                os.kill(collector, signal.SIGCONT)
            for each in lookups:
                each.result()
            zoo.wait_quiet(w)
        result = w.stop(timeout=60)
        zoo.sort_findings(scenarios, result)
        PLAYED.extend(scenarios)
        print(zoo.table(scenarios))
        yield scenarios, result
    finally:
        if w:
            w.kill()
        for s in scenarios:
            if s.name in lab.namespaces:
                s.ns.remove()


def test_possible_where_packets_were_lost(blind_outcome):
    scenarios, result = blind_outcome
    assert result.books["lost"] > 0
    for s in scenarios:
        assert s.right and sorted(s.found) == sorted(["BLIND", *s.also]), zoo.table(scenarios)
        assert all(f["possible"] for f in s.findings if f["code"] != "BLIND"), s.findings


def test_every_rule_has_its_scenarios(outcome, docker_outcome, unasked_outcome, blind_outcome):
    """The table of all of them."""
    print("\n" + zoo.confusion(PLAYED))
    rules = set()
    for path in glob.glob(os.path.join(ROOT, "user", "dns", "rules_*.c")):
        with open(path) as f:
            rules |= set(re.findall(r'\t{ (?:\.code = )?"([A-Z0-9-]+)"', f.read()))
    # Of check alone, and not about lookups: test_check.py.
    rules -= {"LOOPBACK-ONLY", "INTERNAL"}
    assert len(rules) > 30
    few = [r for r in rules if sum(s.code == r for s in PLAYED) < 3]
    assert not few, few


# --- what is printed, typed -----------------------------------------------------------------------

def commands(s, code):
    """The commands of that finding as they are printed, without sudo."""
    finding, = [f for f in s.findings if f["code"] == code]
    return [fix["command"].replace("sudo ", "") for fix in finding["fix"] if fix["command"]]


def type_in(lab, command, lookup="true"):
    """As it would be typed, with nswatch in the path and CMD filled in."""
    bindir = lab.tmp + "/bin"
    lab.run(["sh", "-c", f"mkdir -p {bindir} && ln -sf {NSWATCH} {bindir}/nswatch"])
    return lab.run(["bash", "-c", command.replace("CMD", lookup)], check=False,
                   env={"PATH": f"{bindir}:/usr/sbin:/usr/bin:/sbin:/bin"})


def lookup_works(s, name="www.example.test"):
    return WEB4 in s.getent(name).stdout


@pytest.mark.parametrize("name, code, pattern", [
    ("stub_glibc", "STUB-DEAD", "/etc/netns/"),
    ("loopback_copied", "LOOPBACK-DEAD", "/etc/netns/"),
])
def test_servers_as_printed(outcome, lab, name, code, pattern):
    s, = [s for s in outcome[0] if s.function.__name__ == name]
    here, = [c for c in commands(s, code) if "--fix-dns" in c]
    assert WEB4 in type_in(lab, here, "getent ahosts www.example.test").stdout
    lasting, = [c for c in commands(s, code) if pattern in c]
    assert type_in(lab, lasting).returncode == 0
    assert lookup_works(s)


def test_lo_up_as_printed(outcome, lab):
    s, = [s for s in outcome[0] if s.function.__name__ == "lo_down_stub"]
    up, = [c for c in commands(s, "LO-DOWN") if "set lo up" in c]
    assert type_in(lab, up).returncode == 0
    s.dnsmasq(STUB, f"--address=/www.example.test/{WEB4}", "--local=/#/")
    try:
        assert lookup_works(s)
    finally:
        s.end()


def test_shared_network_as_printed(docker_outcome, lab):
    s, = [s for s in docker_outcome if s.name == "d-short-app"]
    command, = [c for c in commands(s, "SHORT-NAME") if "network create" in c]
    done = type_in(lab, command)
    assert done.returncode == 0, done.stderr
    assert lab.docker.exec("d-short-app", "getent", "hosts", "d-db", check=False).returncode == 0


def test_restart_as_printed(docker_outcome, lab):
    s, = [s for s in docker_outcome if s.name == "d-gone-flushed"]
    command, = [c for c in commands(s, "DOCKER-DNS-GONE") if "docker restart" in c]
    assert type_in(lab, command).returncode == 0
    assert WEB4 in lab.docker.exec("d-gone-flushed", *WWW).stdout


def test_localhost_of_which_namespace(outcome):
    for name, seen in (("localhost_bash", "On the host a socket"),
                       ("localhost_of_another", "In z-localhost-served a socket")):
        s, = [s for s in outcome[0] if s.function.__name__ == name]
        finding, = [f for f in s.findings if f["code"] == "LOCALHOST-REFUSED"]
        assert seen in " ".join(finding["seen"]), finding["seen"]


# --- where it was last seen --------------------------------------------------------------------------

@pytest.mark.parametrize("name, code, text", [
    ("silent_server", "NO-ANSWER", "left through the veth; no answer came back"),
    ("dropped_on_the_host", "NO-ANSWER", "left through the veth; no answer came back"),
    ("gateway_dropped", "GATEWAY-FILTERED", "left through the veth"),
    ("lost_on_the_way_out", "NO-ANSWER", "did not reach the veth's host end: it was dropped in"),
    ("lost_on_the_way_in", "NO-ANSWER", "came back to the veth's host end, but not into"),
])
def test_where_it_was_last_seen(outcome, name, code, text):
    s, = [s for s in outcome[0] if s.function.__name__ == name]
    finding, = [f for f in s.findings if f["code"] == code]
    assert re.search(text, " ".join(finding["seen"])), finding["seen"]


def test_no_veth_is_said_once(lab):
    ns = lab.netns("z-macvlan")
    try:
        lab._batch(["link add zv link br-lab type macvlan mode bridge",
                    f"link set zv netns {ns.name}"])
        # Its parent does not answer it; the query is to leave all the same.
        lab._batch(["addr add 10.77.0.250/24 dev zv", "link set zv up",
                    f"neigh add {HOST4} lladdr 02:00:00:00:00:01 dev zv",
                    f"route add default via {HOST4}"], ns=ns.path)
        lab.write(f"/etc/netns/{ns.name}/resolv.conf", f"nameserver {SILENT4}\n"
                  "options timeout:1 attempts:1\n")
        w = Watch(lab, [f"netns:{ns.name}", "--dns", "--json", "-l", "--", "ip", "netns", "exec",
                        ns.name, "getent", "hosts", "www.example.test"], attach=False)
        result = w.wait()
        assert result.err.count("no veth pair ends on the host") == 1
        assert [t for t in result.of_type("transaction") if t["interface"] == "zv"]
    finally:
        ns.remove()

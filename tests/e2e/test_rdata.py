# SPDX-License-Identifier: GPL-2.0-only
"""Record data as dig prints it: every type that Debian's named takes into a zone."""

import re

import pytest

from lab import wait_for

KEY = "AQOeiiR0GOMYkDshWoSKz9Xz"
ZONE = r"""
A 192.0.2.1
AAAA 2001:db8::1
CNAME other.example.test.
MX 10 mx.example.test.
PTR ptr.example.test.
TXT "hello" "\"\\ \001\255;"
SRV 1 2 443 srv.example.test.
HINFO "PC-Intel-700mhz" "Redhat Linux 7.1"
RP admin.example.test. txt.example.test.
AFSDB 1 afs.example.test.
X25 "311061700956"
ISDN "150862028003217" "004"
RT 10 relay.example.test.
NSAP 0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00
NSAP-PTR foo.example.test.
PX 10 px822.example.test. x400.example.test.
GPOS "-32.6882" "116.8652" "10.0"
LOC 42 21 54 N 71 06 18 W -24m 30m
LOC 52 14 05.123 S 0 8 50.001 E 10.01m 1m 10000m 0.10m
LOC 60 9 0 N 24 39 0 E 42849672.95m 90000000m 0m 0m
NXT next.example.test. A MX SIG NXT
EID 12 89 AB
NIMLOC 32251E030067
NAPTR 100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.example.test.
KX 10 kx.example.test.
CERT PKIX 65535 RSASHA256 MxFcby9k
CERT 4711 1 0 MxFcby9k
A6 0 2001:db8::1
A6 64 ::1 prefix.example.test.
A6 128 prefix.example.test.
DNAME target.example.test.
SINK 1 0 0 MxFcby9k
APL 1:192.168.32.0/21 !1:192.168.38.0/28 2:ff00::/8
APL
DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
SSHFP 2 1 123456789ABCDEF67890123456789ABCDEF67890
IPSECKEY 10 1 2 192.0.2.38 {key}
IPSECKEY 10 0 2 . {key}
IPSECKEY 10 2 2 2001:db8:0:8002::2000:1 {key}
IPSECKEY 10 3 2 gw.example.test. {key}
DNSKEY 256 3 5 {key}
DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
TLSA 3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB106618E971
SMIMEA 3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB106618E971
HIP 2 200100107B1A74DF365639CC39F1D578 {key} rvs.example.test. rvs2.example.test.
HIP 2 200100107B1A74DF365639CC39F1D578 {key}
NINFO "foo" "bar"
RKEY 0 255 1 {key}
TALINK talink0.example.test. talink2.example.test.
CDS 30795 1 1 310D27F4D82C1FC2400704EA9939FE6E1CEAA3B9
CDNSKEY 512 255 1 {key}
OPENPGPKEY {key}
CSYNC 66 3 A NS AAAA
ZONEMD 2018031500 1 1 62E6CF51B02E54B9B5F967D547CE43136792901F9F88E637493DAAF401C92C279DD10F0EDB1C56F8080211F8480EE306
SVCB 1 svc4.example.test. alpn="h2,h3" port=8004 ipv4hint=192.0.2.1,192.0.2.2 ech="{key}"
HTTPS 1 . mandatory=alpn,ipv4hint alpn=bar no-default-alpn ipv4hint=192.0.2.1 ipv6hint=2001:db8::1 key65300="hi"
HTTPS 0 pool.example.test.
SPF "v=spf1 mx -all"
NID 10 0014:4FFF:FF20:EE64
L32 10 1.2.3.4
L64 10 2001:0DB8:1140:1000
LP 10 l64-subnet.example.test.
EUI48 01-23-45-67-89-ab
EUI64 01-23-45-67-89-ab-cd-ef
URI 10 20 "https://www.example.test/"
CAA 128 tbs "Unknown"
AVC "foo:bar"
DOA 1234567890 1234567890 1 "image/gif" R0lGODlhKAAZAOMC
DOA 0 0 0 "" -
AMTRELAY 0 0 0 .
AMTRELAY 0 1 0 .
AMTRELAY 0 0 1 192.0.2.1
AMTRELAY 0 1 2 2001:db8::1
AMTRELAY 0 0 3 relay.example.test.
TA 30795 1 1 310D27F4D82C1FC2400704EA9939FE6E1CEAA3B9
DLV 30795 1 1 310D27F4D82C1FC2400704EA9939FE6E1CEAA3B9
WKS 10.0.0.1 TCP 21 25 80
WKS 10.0.0.1 17 53
MB mb.example.test.
MG mg.example.test.
MR mr.example.test.
MINFO rmail.example.test. email.example.test.
ATMA +31612345678
ATMA 47.000580ffe1000000f21510650020ea000ee0
TYPE65280 \# 3 ABCDEF
KEY 512 255 1 {key}
SIG NXT 1 3 3600 20000102030405 19961211100908 2143 foo.example.test. {key}
"""
RECORDS = [line.replace("{key}", KEY).partition(" ")[::2] for line in ZONE.strip().split("\n")]

CONF = """
options {{ directory "{dir}"; pid-file "{dir}/named.pid"; session-keyfile none;
	listen-on {{ any; }}; listen-on-v6 {{ none; }}; recursion no; server-id "lab 7"; dnssec-validation no; }};
controls {{ }};
zone "closed.test" {{ type primary; file "closed"; allow-query {{ none; }}; }};
zone "example.test" {{ type primary; file "zone"; check-names ignore; }};
"""


def plain(text):
    """Without the final dots of names; and dig has two blanks in A6 128."""
    return " ".join(word[:-1] if word.endswith(".") and word != "." else word
                    for word in text.split())


@pytest.fixture
def named(php, out, lab):
    lab.write(f"{out}/named.conf", CONF.format(dir=out))
    lab.write(f"{out}/zone", "$TTL 60\n@ SOA ns.example.test. root.example.test. 1 2 3 4 5\n"
              "@ NS ns\nns A 192.0.2.53\n"
              + "".join(f"t{i} {rtype} {data}\n" for i, (rtype, data) in enumerate(RECORDS)))
    lab.write(f"{out}/closed", "@ 60 SOA ns root 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n")

    def log():
        with open(f"{out}/named.log", encoding="utf-8") as file:
            return file.read()

    with open(f"{out}/named.log", "wb") as file:
        proc = php.popen(["named", "-g", "-c", f"{out}/named.conf"], stderr=file)
    wait_for("named", lambda: "zones loaded" in log() or proc.poll() is not None)
    assert "all zones loaded" in log(), log()
    yield proc
    proc.terminate()
    proc.wait()


def test_as_dig(php, out, watch, named):
    with open(f"{out}/questions", "w", encoding="ascii") as questions:
        for i, (rtype, _) in enumerate(RECORDS):
            questions.write(f"t{i}.example.test {rtype}\n")
    w = watch("netns:php", "--dns", "--json")
    said = php.run(["dig", "@127.0.0.1", "+noall", "+answer", "+nosplit", "+norec", "-f",
                    f"{out}/questions"]).stdout
    result = w.stop()
    theirs = {}
    for line in said.splitlines():
        owner, _, _, _, *data = line.split(None, 4)
        theirs[owner] = plain(data[0] if data else "")
    assert len(theirs) == len(RECORDS)
    ours = {t["question"]["name"] + ".": t["answer"]["data"]
            for t in result.of_type("transaction")}
    assert {} == {RECORDS[int(k[1:].split(".")[0])]: (ours.get(k), theirs[k])
                  for k in theirs if ours.get(k) != theirs[k]}


def test_edns_as_dig(php, watch, named):
    words = watch("netns:php", "--dns", "-V")
    numbers = watch("netns:php", "--dns", "--json")
    said = [php.run(["dig", "@127.0.0.1", *args]).stdout for args in (
        ["t0.example.test", "+nsid", "+subnet=192.0.2.128/25", "+dnssec", "+bufsize=1400"],
        ["t1.example.test", "AAAA", "+subnet=2001:db8::/33", "+nocookie"],
        ["www.closed.test"],
        ["t0.example.test", "+noedns"])]
    lines = words.stop().out.splitlines()
    answers = [t["answer"] for t in numbers.stop().of_type("transaction")]

    cookie, = re.findall("; COOKIE: ([0-9a-f]+) ", said[0])
    assert answers[0]["edns"]["cookie_hex"] == cookie
    assert "; CLIENT-SUBNET: 192.0.2.128/25/0" in said[0] and '("lab 7")' in said[0]
    assert answers[0]["edns"]["client_subnet"] == "192.0.2.128/25/0"
    assert answers[0]["edns"]["nsid"] == "lab 7"
    at, = [i for i, line in enumerate(lines) if "(NSID lab 7)" in line]
    assert "(subnet 192.0.2.128/25/0)" in lines[at]
    flags, = re.findall("^(;; flags: .*)$", said[0], re.M)
    assert lines[at + 1].strip().startswith(flags + "; id: ")
    size, = re.findall("MSG SIZE  rcvd: (.*)$", said[0], re.M)
    assert lines[at + 1].endswith(f"; {size} bytes")
    edns, = re.findall("^; (EDNS: .*)$", said[0], re.M)
    assert lines[at + 2].strip() == f";; {edns} (asked: 1400, do); COOKIE: {cookie}; " \
        'NSID: "lab 7"; CLIENT-SUBNET: 192.0.2.128/25/0'

    assert "; CLIENT-SUBNET: 2001:db8::/33/0" in said[1] and "COOKIE" not in said[1]
    assert answers[1]["edns"]["client_subnet"] == "2001:db8::/33/0"
    assert answers[1]["edns"]["cookie_hex"] is None

    code, name = re.findall(r"; EDE: (\d+) \((.*?)\)", said[2])[0]
    assert [(e["code"], e["name"]) for e in answers[2]["edns"]["errors"]] == [(int(code), name)]
    assert any(f"REFUSED (EDE {code} {name})" in line for line in lines)

    assert "EDNS" not in said[3] and answers[3]["edns"] is None
    assert lines[max(i for i, line in enumerate(lines) if "A t0.example.test" in line) + 2] \
        .strip() == ";; asked without EDNS"

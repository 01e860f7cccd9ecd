"""getaddrinfo against dnsmasq, and against servers that are not well."""

import contextlib
import re
import socket

from netns import LINUX

NAMES = (
    "--host-record=one.test,192.0.2.1",
    "--host-record=two.test,192.0.2.2",
    "--address=/many.test/192.0.2.11",
    "--cname=alias.test,one.test",
    "--cname=second.test,alias.test",
    "--host-record=%s.test,192.0.2.63" % ("a" * 63),
    "--local=/test/",
)


def addresses(program, name):
    return program.expect(r"^%s (.*)" % re.escape(name), 60).group(1)


def test_names(lan, tmp_path):
    lan.ns.dnsmasq(tmp_path, *NAMES)
    longest = "a" * 63 + ".test"
    names = [
        "one.test",
        "alias.test",
        "second.test",
        "ONE.TEST",
        "many.test",
        longest,
        "two.test.",
    ]
    program = lan.ready("resolve", LINUX, *names)
    found = [addresses(program, name) for name in names]
    assert found == ["192.0.2." + end for end in ("1", "1", "1", "1", "11", "63", "2")]


def test_no_such_name(lan, tmp_path):
    lan.ns.dnsmasq(tmp_path, *NAMES)
    program = lan.ready("resolve", LINUX, "nobody.test", "one.test")
    assert "nobody.test" in addresses(program, "nobody.test failed:")
    assert int(program.expect(r"^after (\d+) ms", 10).group(1)) < 2000
    assert addresses(program, "one.test") == "192.0.2.1"


def test_cache(lan, tmp_path):
    """Within its time to live a name is asked for once."""
    lan.ns.dnsmasq(tmp_path, "--local-ttl=60", *NAMES)
    program = lan.ready("resolve", LINUX, "one.test", "one.test", "one.test")
    for _ in range(3):
        assert addresses(program, "one.test") == "192.0.2.1"
    asked = lan.capture.frames('dns.qry.name == "one.test" && dns.flags.response == 0')
    assert len(asked) == 1


def test_queries_cannot_be_guessed(lan, tmp_path):
    """RFC 5452: another id and another port for each."""
    lan.ns.dnsmasq(tmp_path, "--local=/test/")
    names = ["n%d.test" % i for i in range(8)]
    program = lan.ready("resolve", LINUX, *names)
    addresses(program, names[-1])
    asked = lan.capture.frames("dns.flags.response == 0", "udp.srcport", "dns.id")
    ports, ids = zip(*(line.split("\t") for line in asked))
    assert len(set(ports)) >= 7 and len(set(ids)) >= 7


def test_no_server_listens(lan):
    """Linux answers with port unreachable; after 10 s at the latest the program is told."""
    program = lan.ready("resolve", LINUX, "one.test")
    assert "DNS" in addresses(program, "one.test failed:")
    assert int(program.expect(r"^after (\d+) ms", 10).group(1)) < 11000


def test_server_is_silent(lan):
    with silent(lan, LINUX):
        program = lan.ready("resolve", LINUX, "one.test")
        said = addresses(program, "one.test failed:")
    assert "no DNS server has answered" in said, said
    assert len(lan.capture.frames('dns.qry.name == "one.test"')) >= 2


def test_second_server(lan, tmp_path):
    """DHCP names two servers, the first of which says nothing."""
    lan.run("ip", "addr", "add", "10.99.0.3/24", "dev", "tap0")
    lan.ns.dnsmasq(
        tmp_path,
        "--listen-address=10.99.0.1",
        "--port=0",
        "--dhcp-range=10.99.0.50,10.99.0.59,1h",
        "--dhcp-option=option:dns-server,10.99.0.1,10.99.0.3",
        name="dhcp",
    )
    lan.start(
        "dnsmasq",
        "--no-daemon",
        "--conf-file=/dev/null",
        "--user=root",
        "--pid-file=",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--listen-address=10.99.0.3",
        *NAMES,
    ).expect("started", 20)
    with silent(lan, LINUX):
        program = lan.ready("resolve", "dhcp", "one.test", "two.test")
        assert addresses(program, "one.test") == "192.0.2.1"
        assert addresses(program, "two.test") == "192.0.2.2"


@contextlib.contextmanager
def silent(lan, address):
    """A DNS server that takes everything and says nothing."""
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.bind((address, 53))
        yield

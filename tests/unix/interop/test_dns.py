"""getaddrinfo against dnsmasq, and against servers that are not well."""

import contextlib
import itertools
import re
import socket
import threading

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
    return program.expect(r"^%s (.*)" % re.escape(name)).group(1)


def counted(program):
    """What the resolver has counted for this name. Time is left out of it, for the machine may be
    busy: a server that is slow is asked again, once for each of `timeouts`."""
    return eval(program.expect("^counted (.*)").group(1))


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
    counts = counted(program)
    assert counts["negative"] == 1 and counts["out"] == 1 + counts["timeouts"], counts
    assert addresses(program, "one.test") == "192.0.2.1"


def test_cache(lan, tmp_path):
    """Within its time to live a name is not asked for again."""
    lan.ns.dnsmasq(tmp_path, "--local-ttl=60", *NAMES)
    program = lan.ready("resolve", LINUX, "one.test", "one.test", "one.test")
    for cached in (False, True, True):
        assert addresses(program, "one.test") == "192.0.2.1"
        counts = counted(program)
        assert counts["cached"] == (1 if cached else 0), counts
        assert counts["out"] == (0 if cached else 1 + counts["timeouts"]), counts
    asked = lan.capture.frames('lower(dns.qry.name) == "one.test"', "dns.flags.response")
    assert [kind for kind, _ in itertools.groupby(asked)] in (["0", "1"], ["False", "True"]), asked


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
    """Linux answers with port unreachable, and the program is told at once."""
    program = lan.ready("resolve", LINUX, "one.test")
    assert "DNS" in addresses(program, "one.test failed:")
    counts = counted(program)
    assert counts["in_unreachable"] == counts["out"] == 1 and not counts["timeouts"], counts


def test_server_is_silent(lan):
    with silent(lan, LINUX):
        program = lan.ready("resolve", LINUX, "one.test")
        said = addresses(program, "one.test failed:")
    assert "no DNS server has answered" in said, said
    assert len(lan.capture.frames('lower(dns.qry.name) == "one.test"')) >= 2


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
    ).expect("started")
    with silent(lan, LINUX):
        program = lan.ready("resolve", "dhcp", "one.test", "two.test")
        assert addresses(program, "one.test") == "192.0.2.1"
        assert addresses(program, "two.test") == "192.0.2.2"


def test_second_server_at_once(lan, tmp_path):
    """Nobody listens at the first server: no time is lost."""
    lan.run("ip", "addr", "add", "10.99.0.3/24", "dev", "tap0")
    lan.ns.dnsmasq(
        tmp_path,
        "--listen-address=10.99.0.1",
        "--port=0",
        "--dhcp-range=10.99.0.50,10.99.0.59,1h",
        "--dhcp-option=option:dns-server,10.99.0.1,10.99.0.3",
        name="dhcp",
    )
    answer = lambda query: reply(query, address="192.0.2.9")  # noqa: E731
    with responder(lan, "10.99.0.3", answer):
        program = lan.ready("resolve", "dhcp", "one.test")
        assert addresses(program, "one.test") == "192.0.2.9"
        counts = counted(program)
    # each further question is due to the message that nobody listens, or to a slow second server
    assert counts["in_unreachable"] >= 1, counts
    assert counts["out"] == 1 + counts["in_unreachable"] + counts["timeouts"], counts


def test_long_answer(lan, tmp_path):
    """1,000 bytes come in one datagram thanks to EDNS0; 2,000 over TCP."""
    hosts = ["--host-record=edns.test,198.51.100.%d" % n for n in range(1, 61)]
    hosts += ["--host-record=tcp.test,203.0.113.%d" % n for n in range(1, 121)]
    lan.ns.dnsmasq(tmp_path, "--local=/test/", *hosts)
    program = lan.ready("resolve", LINUX, "edns.test", "tcp.test")
    for name, net in (("edns.test", "198.51.100."), ("tcp.test", "203.0.113.")):
        found = addresses(program, name).split()
        assert len(found) == 8 and all(addr.startswith(net) for addr in found), found
    assert lan.capture.frames('lower(dns.qry.name) == "edns.test" && udp && udp.length > 900')
    assert not lan.capture.frames('lower(dns.qry.name) == "edns.test" && tcp')
    assert lan.capture.frames(
        'lower(dns.qry.name) == "tcp.test" && tcp && dns.count.answers == 120'
    )


def test_several_at_once(lan, tmp_path):
    """asyncio tasks that look names up share the time that servers take."""
    names = ["n%d.test" % n for n in range(1, 9)]
    hosts = ["--host-record=%s,192.0.2.%s" % (name, name[1:-5]) for name in names]
    lan.ns.dnsmasq(tmp_path, "--local=/test/", *hosts)
    program = lan.ready("resolve_async", LINUX, *names, "nobody.test")
    program.expect(r"^after \d+ ms")
    for name in names:
        assert "%s 192.0.2.%s" % (name, name[1:-5]) in program.lines
    assert any(line.startswith("nobody.test failed:") for line in program.lines)


def test_search_list_of_dhcp(lan, tmp_path):
    """The domain that DHCP names is searched for short names."""
    lan.ns.dnsmasq(
        tmp_path,
        "--dhcp-range=10.99.0.50,10.99.0.59,1h",
        "--domain=lan.test",
        "--host-record=printer.lan.test,192.0.2.7",
        "--local=/test/",
    )
    program = lan.ready("resolve", "dhcp", "printer", "printer.", "scanner")
    assert addresses(program, "printer") == "192.0.2.7"
    program.expect("^printer. failed:")
    program.expect("^scanner failed:")


# -- servers that are odd, or enemies ----------------------------------------------------------


def question_end(query):
    at = 12
    while query[at]:
        at += query[at] + 1
    return at + 5


def reply(query, flags=0x8180, address=None, question=None):
    question = question or query[12 : question_end(query)]
    answer = b""
    if address:
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(address)
    counts = b"\0\1\0%c\0\0\0\0" % (1 if address else 0)
    return query[:2] + flags.to_bytes(2, "big") + counts + question + answer


@contextlib.contextmanager
def responder(lan, address, answer):
    """A DNS server that says what answer(query) returns: bytes, or a list of them."""
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def serve():
        while True:
            query, peer = s.recvfrom(2048)
            if peer == s.getsockname():
                break
            said = answer(query)
            for data in [said] if isinstance(said, bytes) else said:
                s.sendto(data, peer)

    with s:
        s.bind((address, 53))
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield s
        finally:
            s.sendto(b"", s.getsockname())
            thread.join()


def test_server_without_edns(lan):
    """RFC 6891 section 7: it answers FORMERR to what has an OPT record."""
    queries = []

    def answer(query):
        queries.append(query)
        if query[11]:
            return reply(query, 0x8181)
        return reply(query, address="192.0.2.1")

    with responder(lan, LINUX, answer):
        program = lan.ready("resolve", LINUX, "one.test")
        assert addresses(program, "one.test") == "192.0.2.1"
        counts = counted(program)
    assert counts["out_plain"] == 1 and counts["out"] == 2 + counts["timeouts"], counts
    assert [kind for kind, _ in itertools.groupby(query[11] for query in queries)] == [1, 0]


def test_server_without_case(lan):
    """It answers with the name in lower case: asked again without mixing, and believed."""

    def answer(query):
        lower = query[12 : question_end(query) - 4].lower() + query[question_end(query) - 4 :]
        return reply(query, address="192.0.2.1", question=lower[: question_end(query) - 12])

    with responder(lan, LINUX, answer):
        program = lan.ready("resolve", LINUX, "some-longer-name.test")
        assert addresses(program, "some-longer-name.test") == "192.0.2.1"
        counts = counted(program)
    assert counts["in_case"] >= 1 and counts["out_plain"] == 1, counts
    assert counts["out"] == 2 + counts["timeouts"], counts


def test_poisoning(lan, tmp_path):
    """Wrong ids, wrong questions and pointers in a circle come before the true answer."""

    def answer(query):
        wrong_id = bytes([query[0] ^ 1]) + query[1:]
        other = b"\5other\4test\0\0\1\0\1"
        circle = reply(query, address="192.0.2.66")
        at = question_end(query)
        return [
            reply(wrong_id, address="192.0.2.66"),
            reply(query, address="192.0.2.66", question=other),
            circle[:at] + (0xC000 | at).to_bytes(2, "big"),
            reply(query, 0x0180, address="192.0.2.66"),
            reply(query, address="192.0.2.66")[:-1],
            query,
            b"",
            reply(query, address="192.0.2.1"),
        ]

    with responder(lan, LINUX, answer):
        program = lan.ready("resolve", LINUX, "one.test", "two.test")
        for name in ("one.test", "two.test"):
            assert addresses(program, name) == "192.0.2.1"


@contextlib.contextmanager
def silent(lan, address):
    """A DNS server that takes everything and says nothing."""
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.bind((address, 53))
        yield

"""Groups: a Linux sender and listener, and Linux's bridge as the querier that snoops."""

import socket
import time

from netns import LINUX, MAC, OURS

GROUP = "239.7.7.7"
OTHER = "10.99.0.3"  # another address of Linux


def _socket(lan, address=LINUX):
    """A socket of Linux that sends to the group from `address`, and hears of port 4008."""
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        mreq = socket.inet_aton(GROUP) + socket.inet_aton(LINUX)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreq)
        s.bind(("", 4008))
    s.settimeout(5)
    return s


def test_both_ways(lan):
    """RFC 1112: what Linux sends comes, what we send comes there; reports as RFC 3376 has them."""
    program = lan.ready("group", GROUP, 4007)
    time.sleep(1.2)  # it is told twice
    with _socket(lan) as s:
        for i in range(20):
            s.sendto(b"number %d" % i, (GROUP, 4007))
            program.expect("^got number %d from %s$" % (i, LINUX), 5)
            assert s.recvfrom(100) == (b"number %d" % i, (OURS, 4007))
        s.sendto(b"other", ("239.7.7.8", 4007))
        s.sendto(b"leave", (GROUP, 4007))
        program.expect("^got leave", 5)
        program.expect("^left", 5)
        s.sendto(b"too late", (GROUP, 4007))
        program.expect("^errno 110", 10)
    program.finish(10)
    assert "other" not in program.output
    told = lan.capture.frames("igmp && eth.src == " + MAC, "igmp.record_type", "ip.ttl")
    assert [line.split("\t") for line in told] == [["4", "1"]] * 2 + [["3", "1"]] * 2
    sent = lan.capture.frames("udp && ip.dst == %s && eth.src == %s" % (GROUP, MAC), "ip.ttl")
    assert set(sent) == {"3"}


def test_one_source(lan):
    """RFC 3376 3.1: the other address of Linux is not heard."""
    lan.run("ip", "addr", "add", OTHER + "/24", "dev", "tap0")
    program = lan.ready("group", GROUP, 4007, LINUX)
    with _socket(lan) as s, _socket(lan, OTHER) as t:
        t.sendto(b"no", (GROUP, 4007))
        s.sendto(b"yes", (GROUP, 4007))
        program.expect("^got yes from " + LINUX, 5)
        t.sendto(b"no", (GROUP, 4007))
        s.sendto(b"leave", (GROUP, 4007))
        program.expect("^left", 5)
    assert "got no" not in program.output
    told = lan.capture.frames("igmp && eth.src == " + MAC, "igmp.record_type", "igmp.saddr")
    assert told[0].split("\t") == ["5", LINUX]


def _bridge(lan, version):
    """Put the TAP on a bridge of Linux that asks for groups and sends where they are wanted."""
    lan.run("ip", "addr", "flush", "dev", "tap0")
    lan.run(
        "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_querier", "1",
        "mcast_igmp_version", version, "mcast_query_interval", "200",
        "mcast_query_response_interval", "100", "mcast_startup_query_interval", "100",
    )  # fmt: skip
    lan.run("ip", "link", "set", "tap0", "master", "br0")
    lan.run("ip", "addr", "add", LINUX + "/24", "dev", "br0")
    lan.run("ip", "link", "set", "br0", "up")


def _snooped(lan, version, answer):
    _bridge(lan, version)
    program = lan.ready("group", GROUP, 4007)
    deadline = time.monotonic() + 10
    while GROUP not in lan.run("bridge", "mdb", "show"):
        assert time.monotonic() < deadline, lan.run("bridge", "mdb", "show")
        time.sleep(0.1)
    time.sleep(6)  # some queries, which have to be answered
    assert GROUP in lan.run("bridge", "mdb", "show")
    answers = lan.capture.frames(answer + " && eth.src == " + MAC)
    assert len(answers) >= 2, answers
    with _socket(lan) as s:
        s.sendto(b"leave", (GROUP, 4007))
        program.expect("^left", 5)


def test_querier_of_version_3(lan):
    _snooped(lan, 3, "igmp.record_type == 2")


def test_querier_of_version_2(lan):
    _snooped(lan, 2, "igmp.type == 0x16")

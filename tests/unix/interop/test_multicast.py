"""Groups: a Linux sender and listener, and Linux's bridge as the querier that snoops."""

import socket
import struct

import netns
from netns import LINUX, LINUX6, MAC, OURS, OURS6

GROUP = "239.7.7.7"
OTHER = "10.99.0.3"  # another address of Linux
REPORTS = "igmp && eth.src == " + MAC


def seen(lan, number, where, *fields):
    """What the capture has of such frames, once there are so many."""

    def enough():
        lines = netns.tshark(lan.capture.path, where, *fields)
        return len(lines) >= number and lines

    return netns.until(enough, "%d frames of %s" % (number, where))


def _socket(lan, address=LINUX):
    """A socket of Linux that sends to the group from `address`, and hears of port 4008."""
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        mreq = socket.inet_aton(GROUP) + socket.inet_aton(LINUX)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreq)
        s.bind(("", 4008))
    s.settimeout(60)
    return s


def test_both_ways(lan):
    """RFC 1112: what Linux sends comes, what we send comes there; reports as RFC 3376 has them."""
    program = lan.ready("group", GROUP, 4007)
    seen(lan, 2, REPORTS)  # it is told twice
    with _socket(lan) as s:
        for i in range(20):
            s.sendto(b"number %d" % i, (GROUP, 4007))
            program.expect("^got number %d from %s$" % (i, LINUX))
            assert s.recvfrom(100) == (b"number %d" % i, (OURS, 4007))
        s.sendto(b"other", ("239.7.7.8", 4007))
        s.sendto(b"leave", (GROUP, 4007))
        program.expect("^got leave")
        program.expect("^left")
        s.sendto(b"too late", (GROUP, 4007))
        program.expect("^errno 110")
    program.finish()
    assert "other" not in program.output
    told = lan.capture.frames(REPORTS, "igmp.record_type", "ip.ttl")
    told = [line.split("\t") for line in told]
    # twice, and anew if it is only now that our address has turned out to be free
    assert told[:2] == [["4", "1"]] * 2 and told[-2:] == [["3", "1"]] * 2
    assert told[2:-2] in ([], [["4", "1"]], [["4", "1"]] * 2), told
    sent = lan.capture.frames("udp && ip.dst == %s && eth.src == %s" % (GROUP, MAC), "ip.ttl")
    assert set(sent) == {"3"}


def test_one_source(lan):
    """RFC 3376 3.1: the other address of Linux is not heard."""
    lan.run("ip", "addr", "add", OTHER + "/24", "dev", "tap0")
    program = lan.ready("group", GROUP, 4007, LINUX)
    with _socket(lan) as s, _socket(lan, OTHER) as t:
        t.sendto(b"no", (GROUP, 4007))
        s.sendto(b"yes", (GROUP, 4007))
        program.expect("^got yes from " + LINUX)
        t.sendto(b"no", (GROUP, 4007))
        s.sendto(b"leave", (GROUP, 4007))
        program.expect("^left")
    assert "got no" not in program.output
    told = lan.capture.frames(REPORTS, "igmp.record_type", "igmp.saddr")
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


def _listed(lan, group):
    """Wait until the bridge knows that somebody wants the group."""
    netns.until(lambda: group in lan.run("bridge", "mdb", "show").stdout)


def _answered(lan, query, answer):
    """Wait until two of the bridge's queries have been answered, after what is told unasked."""
    where = "(%s) && eth.src != %s || (%s) && eth.src == %s" % (query, MAC, answer, MAC)

    def answers():
        asked = False
        n = 0
        for mac in netns.tshark(lan.capture.path, where, "eth.src"):
            n += mac == MAC and asked
            asked = mac != MAC
        return n

    netns.until(lambda: answers() > 2, "no answers to %s" % query)


def _snooped(lan, version, answer):
    _bridge(lan, version)
    program = lan.ready("group", GROUP, 4007)
    _listed(lan, GROUP)
    _answered(lan, "igmp.type == 0x11", answer)
    assert GROUP in lan.run("bridge", "mdb", "show").stdout
    with _socket(lan) as s:
        s.sendto(b"leave", (GROUP, 4007))
        program.expect("^left")


def test_querier_of_version_3(lan):
    _snooped(lan, 3, "igmp.record_type == 2")


def test_querier_of_version_2(lan):
    _snooped(lan, 2, "igmp.type == 0x16")


GROUP6 = "ff15::7:7"
OTHER6 = "fd99::3"  # another address of Linux


def _socket6(lan, address=LINUX6):
    """The same of IPv6."""
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        index = struct.pack("=I", socket.if_nametoindex("tap0"))
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        group = socket.inet_pton(socket.AF_INET6, GROUP6)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + index)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 5)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x40)
        s.bind(("::", 4108) if address == LINUX6 else (address, 0))
    s.settimeout(60)
    return s


def _lan6(lan):
    lan.ns.use_ipv6("tap0")
    lan.run("ip", "-6", "addr", "add", OTHER6 + "/64", "dev", "tap0", "nodad", "preferred_lft", 0)


REPORTS6 = "icmpv6.type == 143 && eth.src == %s && icmpv6.mldr.mar.multicast_address == %s" % (
    MAC,
    GROUP6,
)


def _told6(lan):
    """[record type, group, sources] of our reports about the group."""
    fields = ("record_type", "source_address")
    fields = ["icmpv6.mldr.mar." + name for name in fields]
    return [line.split("\t") for line in lan.capture.frames(REPORTS6, *fields, "ipv6.hlim")]


def test_both_ways_of_ipv6(lan):
    """RFC 3493, RFC 3810: with Linux as the other member; what recvmsg() tells of a datagram."""
    _lan6(lan)
    program = lan.ready("group6", GROUP6, 4107)
    seen(lan, 2, REPORTS6)  # it is told twice
    with _socket6(lan) as s:
        for i in range(20):
            s.sendto(b"number %d" % i, (GROUP6, 4107))
            program.expect("^got number %d from %s to %s 5 64$" % (i, LINUX6, GROUP6))
            data, peer = s.recvfrom(100)
            assert (data, peer[:2]) == (b"number %d" % i, (OURS6, 4107))
        s.sendto(b"other", ("ff15::7:8", 4107))
        s.sendto(b"alone", (OURS6, 4107))
        program.expect("^got alone from %s to %s 64 64$" % (LINUX6, OURS6))
        s.sendto(b"leave", (GROUP6, 4107))
        program.expect("^left")
        s.sendto(b"too late", (GROUP6, 4107))
        program.expect("^errno 110")
    program.finish()
    assert "other" not in program.output
    assert _told6(lan) == [["4", "", "1"]] * 2 + [["3", "", "1"]] * 2
    sent = lan.capture.frames(
        "udp && ipv6.dst == %s && eth.src == %s" % (GROUP6, MAC), "ipv6.hlim"
    )
    assert set(sent) == {"3"}


def test_one_source_of_ipv6(lan):
    """RFC 3678: the other address of Linux is not heard."""
    _lan6(lan)
    program = lan.ready("group6", GROUP6, 4107, LINUX6)
    with _socket6(lan) as s, _socket6(lan, OTHER6) as t:
        t.sendto(b"no", (GROUP6, 4107))
        s.sendto(b"yes", (GROUP6, 4107))
        program.expect("^got yes from " + LINUX6)
        t.sendto(b"no", (GROUP6, 4107))
        s.sendto(b"leave", (GROUP6, 4107))
        program.expect("^left")
    assert "got no" not in program.output
    assert _told6(lan)[0] == ["5", LINUX6, "1"]


def _snooped6(lan, version, answer):
    """Linux's bridge asks for groups."""
    lan.ns.use_ipv6("tap0")
    _bridge(lan, 3)
    lan.ns.use_ipv6("br0")
    lan.run("ip", "link", "set", "br0", "type", "bridge", "mcast_mld_version", version)
    program = lan.ready("group6", GROUP6, 4107)
    _listed(lan, GROUP6)
    _answered(lan, "icmpv6.type == 130", answer)
    assert GROUP6 in lan.run("bridge", "mdb", "show").stdout
    with lan.ns.entered():
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with s:
        s.sendto(b"leave", (OURS6, 4107))
        program.expect("^left")


def test_querier_of_mld_version_2(lan):
    _snooped6(lan, 2, "icmpv6.mldr.mar.record_type == 2")


def test_querier_of_mld_version_1(lan):
    _snooped6(lan, 1, "icmpv6.type == 131")

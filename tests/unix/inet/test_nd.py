# inet/nd.py: finding neighbours, whether they are still there, and who lies about it (RFC 4861 7,
# RFC 6583, RFC 6980).

import bench
import peer6
from packets import ip6, solicited

REACHABLE = 45000  # ms, the longest a neighbour counts as reachable (RFC 4861 10)


def _peer(**kw):
    return peer6.peer(auto_nd=False, **kw)


def _send(p, dst=None, data=b"x"):
    """A datagram to port 9 of `dst`."""
    e = p.host.udp.open(p.ip)
    with bench.inside(p.st):
        n = e.send(data, 0, len(data), p.ip, dst or p.addr, 9)
        e.close()
    p.poll()
    return n


def _state(p, addr=None):
    for ip, _, state in p.nif.v6.nd.entries():
        if ip == (addr or p.addr):
            return state


def _stat(p, name):
    return p.st.stats()["eth0.nd"][name]


def test_ask_then_send():
    # RFC 4861 7.2.2
    p = _peer()
    assert _send(p) == 1
    p.expect(
        "nd",
        type=135,
        src=p.host.addr,
        dst=solicited(p.addr),
        target=p.addr,
        opts={1: p.nic.mac},
    )
    p.expect_nothing()
    p.send(p.na_frame())
    p.expect("udp", dst_mac=p.mac, data=b"x")
    assert _state(p) == "reachable"
    _send(p)
    p.expect("udp", dst_mac=p.mac)


def test_source_of_what_waits():
    # RFC 4861 7.2.2: the solicitation comes from the address that wants to send
    p = _peer()
    e = p.host.udp.open(p.ip)
    with bench.inside(p.st):
        other = p.ip.add(p.nif, ip6("2001:db8::22"), 64).addr
        e.bind(p.ip, other, 5)
        e.send(b"x", 0, 1, p.ip, p.addr, 9)
        e.close()
    p.expect("nd", type=135, src=bytes(other))


def test_latest_wait():
    # RFC 4861 7.2.2: a small queue for each neighbour, the oldest gives way
    p = _peer()
    for i in range(5):
        _send(p, data=bytes((i,)))
    p.expect("nd", type=135)
    p.expect_nothing()
    assert p.st.pool.left == p.st.pool.count - 3
    p.send(p.na_frame())
    for i in (2, 3, 4):
        p.expect("udp", data=bytes((i,)))
    p.expect_nothing()
    assert _stat(p, "held") == 5 and _stat(p, "held_dropped") == 2


def test_one_waits_while_frames_are_few():
    # RFC 6583: those who ask for many neighbours do not get all the frames
    p = _peer(budget=40000)
    most = p.st.pool.count
    for k in range(3):
        for i in range(3):
            _send(p, ip6("2001:db8::1:%x" % k), bytes((i,)))
    assert most - p.st.pool.left <= most // 2 + 1
    p.advance(5000)
    p.take()
    assert p.st.pool.left == most and _stat(p, "failed") == 3


def test_each_that_waits_is_told_of():
    # RFC 4861 7.2.2: address unreachable, for each packet that waits
    p = _peer()
    ends = []
    for i in range(3):
        e = p.host.udp.open(p.ip)
        bench.at_end(e.close)
        with bench.inside(p.st):
            e.connect(p.ip, p.addr, 9)
            e.send(b"x", 0, 1)
        ends.append(e)
    p.advance(3000)
    assert [e.error for e in ends] == [113] * 3
    p.take()


def test_three_times_and_no_more():
    # RFC 4861 7.2.2, 10: MAX_MULTICAST_SOLICIT; the program is told
    p = _peer()
    e = p.host.udp.open(p.ip)
    with bench.inside(p.st):
        e.connect(p.ip, p.addr, 9)
        e.send(b"x", 0, 1)
    bench.at_end(e.close)
    for i in range(3):
        p.advance(1000 if i else 0)
        p.expect("nd", type=135)
        p.expect_nothing()
    assert e.error == 0
    p.advance(1000)
    p.expect_nothing()
    assert e.error == 113 and _stat(p, "failed") == 1 and _state(p) is None


def test_connect_to_nobody():
    p = _peer(tcp=True)
    with bench.inside(p.st):
        conn = p.st.tcp.open()
        conn.connect(p.ip, p.addr, 80)
    p.advance(3500)
    assert conn.error == 113


def test_answer():
    # RFC 4861 7.2.4
    p = _peer()
    p.send(p.ns_frame(src=p.addr))
    p.expect(
        "nd",
        type=136,
        src=p.host.addr,
        dst=p.addr,
        dst_mac=p.mac,
        flags=0x60,
        target=p.host.addr,
        opts={2: p.nic.mac},
    )
    assert _state(p) == "delay"  # STALE, and a packet has gone there


def test_answer_to_a_unicast_question():
    p = _peer(greet=True)
    p.send(p.ns_frame(src=p.addr, dst=p.host.addr, mac=False))
    p.expect("nd", type=136, flags=0x60, dst_mac=p.mac)


def test_answer_to_who_checks_an_address():
    # RFC 4861 7.2.4, RFC 4862 5.4.3: to all nodes, not as an answer
    p = _peer()
    p.send(p.ns_frame(src=peer6.NOBODY, mac=False))
    p.expect("nd", type=136, dst=peer6.ALL_NODES, flags=0x20, target=p.host.addr)


def test_questions_about_others():
    p = _peer()
    p.send(p.ns_frame(target=ip6("2001:db8::2:2")))  # of the same group
    p.expect_nothing()
    assert _state(p, p.link) is None  # RFC 4861 7.2.3: no row for it


def test_bad_solicitations():
    # RFC 4861 7.1.1, RFC 6980
    p = _peer()
    target = p.host.addr
    mac = peer6.opt_mac(1, p.mac)
    for frame in (
        p.ns_frame(hops=254),
        p.nd_frame(135, data=target + mac, rest=bytes(4), dst=solicited(target), hops=64),
        p.icmp_frame(135, 1, bytes(4), target + mac, src=p.link, dst=solicited(target), hops=255),
        p.nd_frame(135, data=target[:15], dst=solicited(target)),
        p.ns_frame(target=ip6("ff02::1"), dst=target),
        p.ns_frame(opts=b"\1\0" + p.mac),
        p.ns_frame(opts=b"\1\2" + p.mac),
        p.ns_frame(opts=mac + b"\1"),
        p.ns_frame(src=peer6.NOBODY),
        p.ns_frame(src=peer6.NOBODY, mac=False, dst=target),
    ):
        p.expect_drop(frame, "eth0.nd.in_bad")
    fragment = bytes((58, 0, 0, 0, 1, 2, 3, 4))
    whole = p.ns_frame(src=p.addr)
    frame = bytearray(whole[:54] + fragment + whole[54:])
    frame[20] = 44
    frame[18:20] = bytes((0, len(frame) - 54))
    p.expect_drop(frame, "eth0.nd.in_bad")


def test_bad_advertisements():
    # RFC 4861 7.1.2
    p = _peer()
    _send(p)
    p.take()
    for frame in (
        p.na_frame(hops=254),
        p.na_frame(opts=b"\2\0" + p.mac),
        p.na_frame(dst=peer6.ALL_NODES, flags=0x60),
        p.na_frame(target=ip6("ff02::1"), src=p.addr),
        p.na_frame(target=peer6.NOBODY, src=p.addr),
        p.na_frame(mac=b"\x03\0\0\0\0\1"),
    ):
        p.expect_drop(frame, "eth0.nd.in_bad")
    p.send(p.na_frame(csum=1))
    p.send(p.na_frame(opts=b""))  # RFC 4861 7.2.5: without an address it tells nothing
    p.expect_nothing()
    assert _state(p) == "incomplete"


def test_nobody_has_asked():
    # RFC 4861 7.2.5
    p = _peer()
    p.send(p.na_frame())
    assert _state(p) is None


def test_unsolicited_answer():
    p = _peer()
    _send(p)
    p.take()
    p.send(p.na_frame(flags=0x20, dst=peer6.ALL_NODES))
    p.expect("udp", dst_mac=p.mac)
    assert _state(p) == "delay"  # STALE, and a packet has gone there


def test_override():
    # RFC 4861 7.2.5, table in appendix C
    p = _peer()
    _send(p)
    p.send(p.na_frame())
    p.take()
    other = b"\x02\1\0\0\0\2"
    p.send(p.na_frame(flags=0x40, mac=other))  # another address, and no override
    assert _state(p) == "stale"
    p.send(p.na_frame(flags=0x40, mac=p.mac))
    assert _state(p) == "reachable"
    p.send(p.na_frame(flags=0x20, mac=other, dst=peer6.ALL_NODES))
    assert _state(p) == "stale"
    _send(p)
    p.expect("udp", dst_mac=other)


def test_is_it_still_there():
    # RFC 4861 7.3.3: REACHABLE, STALE when its time is up, DELAY when it is used, PROBE
    p = _peer()
    _send(p)
    p.send(p.na_frame())
    p.take()
    p.advance(REACHABLE)
    p.expect_nothing()
    assert _state(p) == "reachable"  # nobody looks before it is used
    _send(p)
    p.expect("udp")
    assert _state(p) == "delay"
    p.advance(4999)
    p.expect_nothing()
    p.advance(1)
    p.expect("nd", type=135, dst=p.addr, dst_mac=p.mac, src=p.host.addr, opts={1: p.nic.mac})
    assert _state(p) == "probe"
    _send(p)
    p.expect("udp")
    p.send(p.na_frame(flags=0x40, opts=b""))
    assert _state(p) == "reachable"
    p.advance(10000)
    p.expect_nothing()


def test_it_is_gone():
    # RFC 4861 7.3.3: MAX_UNICAST_SOLICIT
    p = _peer()
    _send(p)
    p.send(p.na_frame())
    p.advance(REACHABLE)
    _send(p)
    p.take()
    p.advance(5000 + 3000)
    assert [packet.type for packet in p.take()] == [135] * 3
    assert _state(p) is None
    _send(p)
    p.expect("nd", type=135, dst=solicited(p.addr))


def test_somebody_above_confirms():
    # RFC 4861 7.3.1
    p = _peer()
    _send(p)
    p.send(p.na_frame())
    p.advance(REACHABLE)
    _send(p)
    p.take()
    p.nif.v6.nd.confirm(p.addr, 0)
    p.advance(6000)
    p.expect_nothing()
    assert _state(p) == "reachable"


def _in_doubt():
    """A connection whose neighbour is in DELAY, in the fifth second of it."""
    p = _peer(tcp=True)
    p.send(p.ns_frame(src=p.addr))
    p.take()
    f = bench.established(p=p)
    p.send(p.na_frame())
    p.advance(REACHABLE)
    f.tcp(data=b"a")
    p.advance(100)
    f.expect_tcp("A")
    assert _state(p) == "delay"
    p.advance(4000)
    p.expect_nothing()
    return p, f


def test_text_from_tcp_confirms():
    # RFC 4861 7.3.1: new text comes in, so our ACKs arrive
    p, f = _in_doubt()
    f.tcp(data=b"b")
    p.advance(2000)
    f.expect_tcp("A", ack=3)
    p.expect_nothing()
    assert _state(p) == "reachable"
    p.advance(5000)
    p.expect_nothing()


def test_acknowledged_text_confirms():
    # RFC 4861 7.3.1: what we have sent is acknowledged
    p, f = _in_doubt()
    f.write(b"abc")
    f.expect_tcp("A", data=b"abc")
    f.tcp("A")
    p.advance(2000)
    p.expect_nothing()
    assert _state(p) == "reachable"


def test_tcp_without_progress_confirms_nothing():
    # RFC 4861 7.3.1: an old segment, or one from elsewhere, is no sign of a way to the neighbour
    p, f = _in_doubt()
    f.tcp(seq=1, data=b"a")
    f.tcp("A")
    f.tcp(seq=70000, data=b"x")
    p.advance(300)
    p.take()
    p.advance(1700)
    p.expect("nd", type=135, dst=p.addr)
    assert _state(p) == "probe"


def test_progress_by_another_neighbour_confirms_nothing():
    p, f = _in_doubt()
    p.nif.v6.nd.ip.routes.add(p.addr, 128, p.nif, p.link)  # from now on by a router
    f.tcp(data=b"b")
    p.advance(300)
    p.take()
    p.advance(1700)
    assert _state(p) == "probe"


def test_static():
    p = _peer()
    p.nif.v6.nd.add_static(p.addr, p.mac)
    _send(p)
    p.expect("udp", dst_mac=p.mac)
    p.send(p.na_frame(mac=b"\x02\1\0\0\0\2"))
    p.send(p.ns_frame(src=p.addr, opts=peer6.opt_mac(1, b"\x02\1\0\0\0\2")))
    p.expect("nd", type=136, dst_mac=p.mac)
    assert _state(p) == "static"
    p.nif.v6.nd.flush()
    assert _state(p) == "static"


def test_scan_does_not_fill_the_cache():
    # RFC 6583: our answers to a thousand invented senders
    p = _peer(greet=True)
    p.send(p.ns_frame(src=p.addr))
    p.take()
    for i in range(bench.scale(1000)):
        p.send(p.echo_frame(src=ip6("2001:db8::1:%x" % (i + 1))))
    assert len(p.nif.v6.nd.entries()) <= 24
    assert _state(p) == "delay" and _stat(p, "full") > 0
    assert all(packet.type == 135 for packet in p.take())
    assert p.st.pool.left >= p.st.pool.count - 16
    p.send(p.echo_frame(data=b"us"))
    p.expect("icmp6", type=129, data=b"us")
    p.send(p.ns_frame(src=ip6("2001:db8::abc"), opts=peer6.opt_mac(1, b"\x02\1\0\0\0\3")))
    p.expect("nd", type=136, dst_mac=b"\x02\1\0\0\0\3")  # who introduces itself has a place
    p.advance(4000)
    assert p.st.pool.left == p.st.pool.count


def test_as_many_as_the_stack_is_told():
    for most in (8, 24, 255):
        p = _peer(neighbours=0 if most == 24 else most)
        for i in range(most + 1):  # the last finds all others busy: each has been answered
            assert _stat(p, "full") == 0, i
            p.send(p.ns_frame(src=ip6("2001:db8::1:%x" % (i + 1))))
        p.take()
        assert len(p.nif.v6.nd.entries()) == most and _stat(p, "full") > 0
        for i in range(most):
            _send(p, ip6("2001:db8::1:%x" % (i + 1)))
            p.expect("udp", dst_mac=p.mac)
        bench.clean()


def test_flood_of_introductions():
    p = _peer()
    _send(p)
    p.send(p.na_frame())
    p.take()
    for i in range(bench.scale(1000)):
        p.advance(1)
        p.send(p.ns_frame(src=ip6("2001:db8::1:%x" % (i + 1))))
    p.take()
    assert len(p.nif.v6.nd.entries()) == 24 and _stat(p, "evicted") > 0
    _send(p)
    p.take()


def test_somebody_has_our_address():
    p = _peer(greet=True)
    p.send(p.na_frame(target=p.host.addr, src=p.addr))
    assert _stat(p, "conflicts") == 1 and _state(p, p.host.addr) is None
    p.send(p.echo_frame())
    p.expect("icmp6", type=129)


def test_group_is_mapped():
    # RFC 2464 7
    p = _peer()
    _send(p, ip6("ff02::1:2"))
    p.expect("udp", dst_mac=b"\x33\x33\0\1\0\2", dst=ip6("ff02::1:2"), src=p.host.link)


def test_nowhere_but_on_the_link():
    # RFC 5942: what is not known to be on the link is not asked for there
    p = _peer()
    assert _send(p, ip6("2001:db9::1")) == -101
    p.expect_nothing()


bench.run_tests(globals())

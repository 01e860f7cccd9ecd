# inet/icmpv6.py: echo, errors sent, their rate, and errors that reach a socket (RFC 4443).

import bench
import netstack
import peer6
from packets import ip6, udp, ipv6

EACCES = 13
ENETUNREACH = 101
ECONNREFUSED = 111
EHOSTUNREACH = 113
EMSGSIZE = 90
FAST_IN = 32  # of Stack.w


def _peer(**kw):
    return peer6.peer(greet=True, **kw)


def test_echo_of_every_length():
    p = _peer()
    for n in (0, 1, 2, 3, 7, 8, 255, 1000, 1451, 1452):
        data = bytes(i * 11 & 255 for i in range(n))
        p.send(p.echo_frame(7, n, data))
        p.expect("icmp6", type=129, id=7, seq=n, data=data, src=p.host.addr, dst=p.addr)
        p.expect_nothing()


def test_fast_path():
    # echo6_fast.py answers whom an answer went to before, and what icmpv6.py would
    for fast in (False, True):
        netstack.fastpath = fast
        try:
            p = _peer()
            before = p.st.w[FAST_IN]
            p.send(p.echo_frame(seq=0))
            p.expect("icmp6", type=129)
            assert p.st.w[FAST_IN] == before
            count = 0
            for n in (0, 1, 2, 3, 56, 1451, 1452):
                for fill in (0, 0xFF, 0x80, 0x7F):
                    data = bytes((fill,)) * n
                    for ident in (0, 0x7E7F, 0x7EFF, 0xFFFF):
                        count += 1
                        p.send(p.echo_frame(ident, 65535 - ident, data))
                        p.expect("icmp6", type=129, id=ident, seq=65535 - ident, data=data)
            assert p.st.w[FAST_IN] == before + fast * count
            stat = p.host.stat("icmp6")
            assert stat["in_echo"] == stat["out_reply"] == count + 1, stat
        finally:
            netstack.fastpath = True
        bench.clean()


def test_not_for_the_fast_path():
    p = _peer()
    for _ in range(3):
        p.send(p.echo_frame(data=b"abc"))
        p.expect("icmp6", type=129)
    before = p.st.w[FAST_IN]
    assert before > 0
    good = p.echo_frame(data=b"abc")
    p.send(p.echo_frame(data=b"abc", tclass=4))
    p.expect("icmp6", type=129, tclass=4)
    p.send(p.echo_frame(src=p.link, dst=p.host.link))
    p.expect("icmp6", type=129, dst=p.link)
    p.send(p.icmp_frame(128, 1, data=b"code"))
    p.expect("icmp6", type=129)
    p.send(good[:-1] + b"d")
    p.expect_nothing()
    assert p.st.w[FAST_IN] == before and p.host.stat("icmp6")["in_checksum"] == 1
    p.send(good)
    p.expect("icmp6", type=129, data=b"abc")
    assert p.st.w[FAST_IN] == before + 1
    with bench.inside(p.st):
        p.ip.remove(p.nif, p.nif.v6.find(p.host.addr, 0))
    p.send(good)
    p.expect_nothing()  # an address that is ours no more


def test_echo_keeps_the_traffic_class():
    p = _peer()
    p.send(p.echo_frame(tclass=0xB8))
    p.expect("icmp6", type=129, tclass=0xB8)


def test_echo_from_nobody():
    p = _peer()
    p.send(p.echo_frame(src=peer6.NOBODY))
    p.expect_nothing()


def test_bad_messages():
    p = _peer()
    p.expect_drop(p.echo_frame(csum=1), "icmp6.in_checksum")
    p.expect_drop(p.ip_frame(58, b"\x80\0\0\0\0\0\0"), "icmp6.in_short")
    p.expect_drop(p.icmp_frame(200), "icmp6.in_unknown")


def test_echo_with_a_pool_that_is_empty():
    p = _peer()
    hoard = []
    while True:
        fr = p.st.pool.alloc()
        if fr is None:
            break
        hoard.append(fr)
    moved = p.moves(p.echo_frame())
    assert moved["icmp6.out_nobuf"] == 1, moved
    p.expect_nothing()
    for fr in hoard:
        p.st.pool.release(fr)
    p.send(p.echo_frame())
    p.expect("icmp6", type=129)


def test_ping():
    p = _peer()
    heard = []
    p.ip.icmp.on_reply = lambda fr: heard.append(bytes(fr.buf[fr.l4 + 4 : fr.end]))
    with bench.inside(p.st):
        assert p.ip.icmp.echo(p.addr, 5, 6, 3) == 0
        assert p.ip.icmp.echo(ip6("2001:db9::1"), 5, 6, 3) == -ENETUNREACH
    p.expect("icmp6", type=128, id=5, seq=6, data=b"\0\1\2")
    p.send(p.icmp_frame(129, 0, b"\0\5\0\6", b"\0\1\2"))
    assert heard == [b"\0\5\0\6\0\1\2"]


def test_port_unreachable_quotes_what_fits():
    # RFC 4443 2.4 (c): no more than 1280 bytes in all
    p = _peer()
    for n in (0, 100, 1184, 1185, 1400):
        frame = p.udp_frame(1000, 9, bytes(n))
        p.send(frame)
        packet = p.expect("icmp6", type=1, code=4, src=p.host.addr)
        assert packet.data == frame[14:][:1232], n


def test_no_answer_to_groups_and_errors():
    # RFC 4443 2.4 (e)
    p = _peer()
    p.send(p.udp_frame(1000, 9, b"x", dst=peer6.ALL_NODES))
    for kind in (1, 2, 3, 4, 100, 127):
        p.send(p.icmp_frame(kind, data=bytes(40)))
    inner = p.icmp_frame(1, data=bytes(40))[54:]
    p.send(p.ip_frame(60, bytes((58, 0, 0x9E, 0, 1, 2, 0, 0)) + inner))
    p.send(p.ip_frame(60, bytes((58, 0, 0x9E, 0, 1, 2, 0, 0)) + b"\x89" + inner[1:]))
    p.expect_nothing()


def test_rate_of_errors():
    # RFC 4443 2.4 (f)
    p = _peer()
    for _ in range(200):
        p.queue(p.udp_frame(1000, 9, b"x"))
    p.poll()
    assert len(p.take()) == 20 and p.st.stats()["icmp6"]["out_limited"] == 180
    p.advance(100)
    for _ in range(20):
        p.queue(p.udp_frame(1000, 9, b"x"))
    p.poll()
    assert len(p.take()) == 10


def _connected(p):
    e = p.host.udp.open()
    with bench.inside(p.st):
        e.connect(p.ip, p.addr, 9)
        e.send(b"query", 0, 5)
    bench.at_end(e.close)
    return e, p.take()[0].frame[14:]


def test_errors_reach_the_socket():
    # RFC 4443 3.1, 5; errno as on Linux
    p = _peer()
    e, quote = _connected(p)
    for kind, code, errno in (
        (1, 0, ENETUNREACH),
        (1, 1, EACCES),
        (1, 3, EHOSTUNREACH),
        (1, 4, ECONNREFUSED),
        (1, 99, EHOSTUNREACH),
        (3, 0, EHOSTUNREACH),
        (4, 0, EHOSTUNREACH),
        (4, 1, ECONNREFUSED),
        (77, 0, EHOSTUNREACH),
    ):
        e.error = 0
        p.send(p.icmp_frame(kind, code, data=quote))
        assert e.error == errno, (kind, code, e.error)
    p.expect_nothing()


def test_errors_about_nothing_of_ours():
    p = _peer()
    e, quote = _connected(p)
    foreign = bytearray(quote)
    foreign[8] ^= 1  # another source
    other = bytearray(quote)
    other[41] ^= 1  # another port
    later = quote[:6] + b"\x2c" + quote[7:40] + bytes((17, 0, 1, 0, 0, 0, 0, 1)) + quote[40:]
    for data in (b"", quote[:39], quote[:47], bytes(foreign), bytes(other), later):
        p.send(p.icmp_frame(1, 4, data=data))
        assert e.error == 0, data
    chain = quote[:6] + b"\0" + quote[7:40] + (b"\0\0\1\4\0\0\0\0" * 20) + quote[40:]
    p.send(p.icmp_frame(1, 4, data=chain))  # a chain of headers that leads nowhere near
    assert e.error == 0


def test_errors_through_headers_of_ours():
    p = _peer()
    e, quote = _connected(p)
    with_options = quote[:6] + b"\x3c" + quote[7:40] + b"\x11\0\1\4\0\0\0\0" + quote[40:]
    p.send(p.icmp_frame(1, 4, data=with_options))
    assert e.error == ECONNREFUSED


def test_packet_too_big():
    # RFC 8201 4: what is below 1280 deceives, what is not smaller tells nothing
    f = bench.established(p=peer6.peer(tcp=True, greet=True), mss=1440)
    p = f.peer
    assert f.write(bytes(2000)) == 2000
    quote = p.take()[0].frame[14:]
    for mtu in (0, 1279, 1500):
        p.send(p.icmp_frame(2, 0, mtu.to_bytes(4, "big"), quote))
        assert f.conn.send_mss() == 1440, mtu
        p.expect_nothing()
    p.send(p.icmp_frame(2, 0, (1400).to_bytes(4, "big"), quote))
    assert f.conn.send_mss() == 1340
    assert [len(packet.data) for packet in p.take()] == [1340, 660]


def test_packet_too_big_for_udp():
    p = _peer()
    e = p.host.udp.open()
    with bench.inside(p.st):
        e.connect(p.ip, p.addr, 9)
        e.send(bytes(1400), 0, 1400)
    bench.at_end(e.close)
    quote = p.take()[0].frame[14:]
    p.send(p.icmp_frame(2, 0, (1300).to_bytes(4, "big"), quote[:1232]))
    assert e.error == EMSGSIZE


def test_refused_connection():
    f = bench.syn_sent(p=peer6.peer(tcp=True, greet=True))
    syn = ipv6(f.host.addr, f.peer.addr, 6, f.tcp_frame("S")[54:])
    assert f.conn.state == 2 and syn
    segment = udp(f.host.addr, f.peer.addr, f.dport, f.sport, b"")[:4] + f.irs.to_bytes(4, "big")
    quote = ipv6(f.host.addr, f.peer.addr, 6, segment + bytes(12))
    f.peer.send(f.peer.icmp_frame(1, 0, data=quote))
    assert f.conn.state == 2 and f.conn.soft_error == ENETUNREACH
    f.peer.send(f.peer.icmp_frame(1, 4, data=quote))
    assert f.conn.error == ECONNREFUSED


bench.run_tests(globals())

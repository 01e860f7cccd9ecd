# link/ethernet.py on the wire: Ethernet II (RFC 894), every length, every kind of destination.

import bench

TYPE = 0x88B5  # IEEE 802 local experimental


class Sink:
    """What a registered protocol is given."""

    def __init__(self, p):
        self.seen = []
        p.st.ethertypes[TYPE] = self.input

    def input(self, fr):
        payload = bytes(fr.buf[fr.l3 : fr.end])
        self.seen.append((payload, fr.group, fr.nif.name, fr.l3 - fr.l2, fr.l3 & 3))


def test_take_apart():
    p = bench.peer()
    sink = Sink(p)
    p.send(bench.mac("02:00:0a:00:00:02") + bench.mac("02:01:0a:00:00:01") + b"\x88\xb5payload")
    assert sink.seen == [(b"payload", False, "eth0", 14, 0)], sink.seen


def test_group_addresses():
    p = bench.peer()
    sink = Sink(p)
    for dst in (bench.BROADCAST, bench.mac("01:00:5e:00:00:01"), bench.mac("33:33:00:00:00:01")):
        p.send(bench.eth(dst, p.mac, TYPE, b"x"))
        assert sink.seen.pop()[:2] == (b"x", True), dst
    p.send(p.frame(b"x", TYPE))  # the frame is used again: it must not stay a group's
    assert sink.seen.pop()[:2] == (b"x", False)


def test_build():
    p = bench.peer()
    with bench.inside(p.st):
        fr = p.st.pool.alloc()
        fr.l3 = fr.pay
        fr.buf[fr.pay : fr.pay + 5] = b"hello"
        fr.end = fr.pay + 5
        p.nif.ethernet.send_to(fr, b"??\x02\1\x0a\0\0\1", 2, TYPE)
    assert p.sent == [b"\x02\1\x0a\0\0\1" + b"\x02\0\x0a\0\0\2" + b"\x88\xb5hello"], p.sent
    p.sent.clear()


def test_every_truncation():
    p = bench.peer()
    sink = Sink(p)
    whole = p.frame(b"payload", TYPE)
    for n in range(1, 14):
        p.expect_drop(whole[:n], "eth0.ethernet.in_short")
    for n in range(14, len(whole) + 1):
        p.send(whole[:n])
        assert sink.seen.pop()[0] == b"payload"[: n - 14]
    assert not sink.seen


def test_largest():
    p = bench.peer()
    sink = Sink(p)
    payload = bytes(i * 7 & 255 for i in range(1500))
    p.send(p.frame(payload, TYPE))
    assert sink.seen.pop()[0] == payload


def test_for_another_station():
    p = bench.peer()
    Sink(p)
    mine = p.nic.mac
    for i in range(6):
        other = bytearray(mine)
        other[i] ^= 2 if i == 0 else 1
        p.expect_drop(bench.eth(bytes(other), p.mac, TYPE, b"x"), "eth0.ethernet.in_other")


def test_unknown_types():
    # 802.3 lengths (below 0x600) and SNAP are not for us either
    p = bench.peer()
    for ethertype in (0, 46, 0x5FF, 0x600, 0x8100, 0x86DD, 0xFFFF):
        p.expect_drop(p.frame(b"x" * 46, ethertype), "eth0.ethernet.in_unknown")


bench.run_tests(globals())

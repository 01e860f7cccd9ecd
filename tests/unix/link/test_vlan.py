# lib: link/vlan.py
# VLANs (IEEE 802.1Q-2018): tags on and off, who gets what, bad tags, and what a NIC has to do.

import bench
import ref
import struct
from netstack.link import arp, ethernet

vlan = bench.optional("link.vlan")

TPID = 0x8100
VLANS = "eth0.vlan"


def _attach(nif):
    ethernet.attach(nif)
    arp.attach(nif)


class Net:
    """A host with VLANs, 10.0.<vid>.2 each, and a neighbour in each of them, 10.0.<vid>.1."""

    def __init__(self, *vids, **kw):
        self.p = p = bench.peer(tcp=kw.pop("tcp", False))
        self.st = p.st
        self.vlans = {}
        self.nifs = {}
        for vid in vids:
            self.add(vid, **kw)
        p.host.settled()
        p.take()

    def add(self, vid, **kw):
        nic = vlan.VLAN(self.p.nif, vid, **kw)
        nif = self.st.add(nic, _attach, "eth0.%d" % vid)
        with bench.inside(self.st):
            nif.set_up(True)
            self.st.ip4.configure(nif, bytes((10, 0, vid & 255, 2)), b"\xff\xff\xff\0")
            nif.arp.add_static(bytes((10, 0, vid & 255, 1)), self.p.mac)
        bench.at_end(nif.arp.flush)
        self.vlans[vid] = nic
        self.nifs[vid] = nif
        return nif

    def ping(self, vid, seq=1, data=b"", **over):
        v = vid & 255
        return self.p.ping_frame(
            7, seq, data, src=bytes((10, 0, v, 1)), dst=bytes((10, 0, v, 2)), **over
        )

    def answer(self):
        """(tci or None, packet) of what has been sent last."""
        assert len(self.p.sent) == 1, self.p.sent
        return untag(self.p.sent.pop())


def tagged(frame, vid, pcp=0, dei=0, tpid=TPID):
    return frame[:12] + struct.pack("!HH", tpid, pcp << 13 | dei << 12 | vid) + frame[12:]


def untag(frame):
    if frame[12:14] != b"\x81\0":
        return None, bench.Packet(frame)
    return frame[14] << 8 | frame[15], bench.Packet(frame[:12] + frame[16:])


def test_tag_comes_off_and_goes_on():
    # 802.1Q 9.6: TPID 81-00, then PCP, DEI and VID
    n = Net(10, 20)
    for vid in (20, 10, 20):
        n.p.send(tagged(n.ping(vid, data=b"abcdef"), vid))
        tci, packet = n.answer()
        assert tci == vid
        assert packet.kind == "icmp" and packet.type == 0 and packet.data == b"abcdef"
        assert packet.src == bytes((10, 0, vid, 2))


def test_every_length():
    n = Net(10)
    for size in list(range(0, 70)) + [1469, 1470, 1471, 1472]:
        data = bytes(i * 7 & 255 for i in range(size))
        n.p.send(tagged(n.ping(10, size, data), 10))
        tci, packet = n.answer()
        assert tci == 10 and packet.data == data and packet.seq == size, size


def test_untagged_is_the_interface_below():
    n = Net(10)
    n.p.greet()
    n.p.take()
    n.p.ping(data=b"x")
    tci, packet = n.answer()
    assert tci is None and packet.type == 0


def test_the_same_addresses_in_two_vlans_do_not_mix():
    # Broadcast in one VLAN is not heard in the other: ARP for an address of VLAN 20, in VLAN 10.
    n = Net(10, 20)
    who = n.p.arp_frame(spa=bytes((10, 0, 10, 1)), tpa=bytes((10, 0, 20, 2)))
    n.p.send(tagged(who, 10))
    n.p.expect_nothing()
    who = n.p.arp_frame(spa=bytes((10, 0, 10, 1)), tpa=bytes((10, 0, 10, 2)))
    n.p.send(tagged(who, 10))
    tci, packet = n.answer()
    assert tci == 10 and packet.kind == "arp" and packet.op == 2


def test_priority_tag():
    # 802.1Q 6.9.1: VID 0 is no VLAN, the frame belongs to the port's own
    n = Net(10)
    n.p.greet()
    n.p.take()
    n.p.send(tagged(n.p.ping_frame(data=b"x"), 0, pcp=5))
    tci, packet = n.answer()
    assert tci is None and packet.type == 0 and packet.data == b"x"


def test_any_priority_is_received():
    n = Net(10)
    for pcp in range(8):
        n.p.send(tagged(n.ping(10), 10, pcp=pcp, dei=pcp & 1))
        assert n.answer()[0] == 10


def test_priority_sent():
    n = Net(10, priority=6)
    n.p.send(tagged(n.ping(10), 10))
    assert n.answer()[0] == 6 << 13 | 10
    n.vlans[10].set_priority((1, 0, 2, 3, 4, 5, 6, 7))  # 802.1Q table I-2: 1 is background
    for tos in range(0, 256, 32):
        n.p.send(tagged(n.ping(10, tos=tos), 10))
        assert n.answer()[0] == (1, 0, 2, 3, 4, 5, 6, 7)[tos >> 5] << 13 | 10


def test_unknown_vlan_is_dropped_and_counted():
    n = Net(10)
    for vid in (1, 11, 0x80A, 4094, 4095):
        n.p.expect_drop(tagged(n.ping(10), vid), VLANS + ".in_unknown")


def test_no_vlans_at_all():
    # An interface without any, beside one that has some: an ethertype nobody has registered.
    n = Net(10)
    nic = bench.NIC(b"\x02\0\0\0\0\x77")
    other = n.st.add(nic, _attach, "eth1")
    n.p.host.settled()
    with bench.inside(n.st):
        other.set_up(True)
    nic.rx.append(tagged(nic.mac + n.p.mac + b"\x08\0" + bytes(46), 10))
    n.p.poll()
    assert n.st.stats()["eth1.ethernet"]["in_unknown"] == 1
    n.p.expect_nothing()


def test_short_frames():
    n = Net(10)
    whole = tagged(n.ping(10), 10)
    for size in (14, 15, 16, 17):
        n.p.expect_drop(whole[:size], VLANS + ".in_short")
    for size in range(18, 38):
        n.p.send(whole[:size])
        n.p.expect_nothing()
    assert n.st.stats()["ipv4"]["in_short"] == 20


def test_tag_in_tag():
    # No VLAN in a VLAN unless one was made, and no deeper than one tag for VID 0
    n = Net(10)
    n.p.expect_drop(tagged(tagged(n.ping(10), 10), 0), VLANS + ".in_unknown")
    moved = n.p.moves(tagged(tagged(n.ping(10), 10), 10))
    assert moved["eth0.10.ethernet.in_unknown"] == 1, moved
    n.p.expect_nothing()
    deep = n.ping(10)
    for _ in range(300):
        deep = tagged(deep, 0)
    n.p.expect_drop(deep, VLANS + ".in_unknown")


def test_vlan_in_vlan():
    n = Net(10)
    inner = vlan.VLAN(n.nifs[10], 5)
    nif = n.st.add(inner, _attach, "eth0.10.5")
    n.p.host.settled()
    with bench.inside(n.st):
        nif.set_up(True)
        n.st.ip4.configure(nif, bytes((10, 0, 5, 2)), b"\xff\xff\xff\0")
        nif.arp.add_static(bytes((10, 0, 5, 1)), n.p.mac)
    n.p.take()
    n.p.send(tagged(tagged(n.ping(5), 5), 10))
    frame = n.p.sent.pop()
    assert frame[12:20] == struct.pack("!HHHH", TPID, 10, TPID, 5)
    assert bench.Packet(frame[:12] + frame[20:]).type == 0


def test_interface_down():
    n = Net(10)
    with bench.inside(n.st):
        n.nifs[10].set_up(False)
    n.p.expect_drop(tagged(n.ping(10), 10), VLANS + ".in_down")
    assert not n.nifs[10].link
    with bench.inside(n.st):
        n.nifs[10].set_up(True)
    n.p.take()
    n.p.send(tagged(n.ping(10), 10))
    assert n.answer()[0] == 10


def test_nobody_has_made_the_interface():
    n = Net(10)
    vlan.VLAN(n.p.nif, 30)
    n.p.expect_drop(tagged(n.ping(30), 30), VLANS + ".in_down")


def test_link_follows_the_one_below():
    n = Net(10)
    n.p.nic.up = 0
    n.p.advance(500)
    assert n.nifs[10].link == 0
    n.p.nic.up = 1
    n.p.advance(500)
    assert n.nifs[10].link == 1
    with bench.inside(n.st):
        n.p.nif.set_up(False)
    assert n.vlans[10].send(bytearray(100), 6, 60) == -100
    with bench.inside(n.st):
        n.p.nif.set_up(True)


def test_busy_nic():
    # What waits is as it was: it goes out later, whole and in order.
    n = Net(10)
    n.p.nic.busy = 1
    for seq in range(1, 6):
        n.p.queue(tagged(n.ping(10, seq, b"q" * seq), 10))
    n.p.poll()
    got = [untag(frame) for frame in n.p.sent]
    n.p.sent.clear()
    assert [(tci, packet.seq) for tci, packet in got] == [(10, seq) for seq in range(1, 6)]
    assert n.st.stats()["eth0.10"]["out_busy"] >= 1


def test_frames_of_the_interface_below_go_first():
    n = Net(10)
    n.p.greet()
    n.p.take()
    n.p.nic.busy = 1
    n.p.queue(n.p.ping_frame(seq=1))
    n.p.queue(tagged(n.ping(10, 2), 10))
    n.p.poll()
    n.p.poll()
    assert [untag(frame)[1].seq for frame in n.p.sent] == [1, 2]
    n.p.sent.clear()


def test_failing_nic():
    n = Net(10)
    n.p.nic.fail = 1
    n.p.send(tagged(n.ping(10), 10))
    n.p.expect_nothing()
    assert n.st.stats()["eth0.10"]["out_error"] == 1


def test_send_leaves_the_buffer_as_it_was():
    # docs/nic.md: whatever `off` is, and nothing around the frame is changed
    n = Net(10)
    nic = n.vlans[10]
    frame = bench.eth(n.p.mac, n.p.nic.mac, bench.IPV4, bytes(range(40)))
    for off in range(0, 12):
        buf = bytearray(b"\xa5" * (off + len(frame) + 8))
        buf[off : off + len(frame)] = frame
        before = bytes(buf)
        assert nic.send(buf, off, len(frame)) == len(frame)
        assert bytes(buf) == before, off
        assert n.p.sent.pop() == tagged(frame, 10), off
    assert nic.send(bytearray(1600), 6, 1515) == -90 and nic.send(bytearray(60), 6, 13) == -90
    assert nic.recv(bytearray(100), 2) == 0


def test_mtu():
    n = Net(10, mtu=1000)
    assert n.nifs[10].mtu == 1000
    with bench.inside(n.st):
        assert n.p.host.icmp4.echo(bytes((10, 0, 10, 1)), 1, 1, 972) == 0
        assert n.p.host.icmp4.echo(bytes((10, 0, 10, 1)), 1, 1, 973) != 0 or len(n.p.sent) > 1
    n.p.take()


def test_counters():
    n = Net(10)
    n.p.send(tagged(n.ping(10, data=bytes(100)), 10))
    n.answer()
    stats = n.st.stats()
    assert stats["eth0.10"]["in_bytes"] == stats["eth0.10"]["out_bytes"] - 42 == 142
    assert stats[VLANS]["in"] == 1 and stats[VLANS]["out"] == 2  # the announcement was the other


def test_udp_and_tcp():
    # The transports know nothing of it, and the fast path takes part.
    for fast in (True, False):
        import netstack

        netstack.fastpath = fast
        try:
            n = Net(10, tcp=True)
            e = n.p.host.udp.open()
            e.bind(None, None, 7)
            src, dst = bytes((10, 0, 10, 1)), bytes((10, 0, 10, 2))
            for i in range(4):
                n.p.send(tagged(n.p.udp_frame(9, 7, b"d%d" % i, src=src, dst=dst), 10))
            buf = bytearray(10)
            for i in range(4):
                assert e.recv(buf, 0, 10) == 2 and buf[1] == 48 + i
            assert (n.st.stats()["fast"]["in"] >= 4) is fast, n.st.stats()["fast"]
            e.close()
        finally:
            netstack.fastpath = True


def test_close():
    n = Net(10)
    n.vlans[10].close()
    n.vlans[10].close()
    n.p.expect_drop(tagged(n.ping(10), 10), VLANS + ".in_unknown")
    assert n.vlans[10].send(bytearray(100), 6, 60) == -100 and n.vlans[10].link() == 0
    vlan.VLAN(n.p.nif, 10)


def test_bad_arguments():
    n = Net(10)
    for vid, kw in (
        (0, {}),
        (4095, {}),
        (-1, {}),
        (10, {}),  # there already
        (11, {"priority": 8}),
        (11, {"priority": (0, 1, 2, 3, 4, 5, 6, 9)}),
        (11, {"mtu": 1501}),
        (11, {"mtu": 67}),
    ):
        try:
            vlan.VLAN(n.p.nif, vid, **kw)
        except ValueError as error:
            assert "VLAN" in str(error)
        else:
            raise AssertionError("VLAN %d %s" % (vid, kw))
    vlan.VLAN(n.p.nif, 11)  # what was refused has left nothing behind


def test_multicast_is_passed_on():
    n = Net(10)
    n.vlans[10].multicast(b"\1\0\x5e\0\0\1", True)
    assert n.p.nic.groups == [b"\1\0\x5e\0\0\1"]


def test_kernels():
    rnd = bench.Random()
    for n in list(range(18, 90)) + [1517, 1518]:
        frame = rnd.bytes(n)
        got = bytearray(b"\xa5" * 2 + frame + b"\xa5" * 16)
        want = bytearray(got)
        assert vlan.strip(got, 2, n) == ref.strip(want, 2, n)
        assert got[: n - 2] == want[: n - 2] and got[n + 2 :] == want[n + 2 :], n
    for at in range(4, 12):
        got = bytearray(rnd.bytes(40))
        want = bytearray(got)
        saved, kept = bytearray(16), bytearray(16)
        tci = rnd.bits16()
        vlan.tag(got, at, saved, tci)
        ref.tag(want, at, kept, tci)
        assert got == want and saved == kept


bench.run_tests(globals())

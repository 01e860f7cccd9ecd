# lib: link/bridge.py
# The learning bridge (IEEE 802.1D-2004 clause 7, 802.1Q-2018 clause 8).

import bench
import netstack
import ref
from alike import both
from array import array
from bridgenet import GROUP, STATIONS, Net, bridge, frame
from hosts import NIC
from netstack.core.wire import address
from netstack.transport import udp


@both
def test_learns(fast):
    # 802.1D 7.7.3, 7.8: to an address that is not known by every other port, then by one
    n = Net()
    a, b, c = STATIONS[:3]
    assert n.send(0, frame(b, a)) == [1, 2]
    assert n.send(1, frame(a, b)) == [0]
    assert n.send(0, frame(b, a)) == [1]
    assert n.send(0, frame(b, a)) == [1]
    assert n.send(2, frame(c, c)) == []  # to itself
    assert n.send(0, frame(c, a)) == [2]
    assert (n.st.stats()["fast"]["in"] > 0) is fast
    assert n.stat("learned") == 3 and n.stat("flooded") == 1


@both
def test_frames_stay_whole(fast):
    n = Net()
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(1, frame(a, b))
    for size in (14, 15, 59, 60, 61, 1513, 1514):
        assert n.send(0, frame(b, a, size)) == [1], size


@both
def test_groups_go_everywhere(fast):
    n = Net(4)
    assert n.send(1, frame(bench.BROADCAST, STATIONS[0])) == [0, 2, 3]
    assert n.send(2, frame(GROUP, STATIONS[1])) == [0, 1, 3]


@both
def test_moves(fast):
    # 802.1D 7.8: the last port that it was heard on counts
    n = Net()
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(1, frame(a, b))
    assert n.send(0, frame(b, a)) == [1]
    n.send(2, frame(a, b))
    assert n.stat("moved") == 1
    assert n.send(0, frame(b, a)) == [2]
    n.send(1, frame(a, b))
    assert n.send(0, frame(b, a)) == [1]


@both
def test_same_port_is_filtered(fast):
    # 802.1D 7.7.1: never out where it came in
    n = Net()
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(0, frame(a, b))
    assert n.send(0, frame(b, a)) == [] and n.stat("filtered") >= 1


@both
def test_ages(fast):
    # 802.1D table 7-5: 300 seconds
    n = Net()
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(1, frame(a, b))
    n.advance(299000)
    assert n.send(0, frame(b, a)) == [1]
    n.advance(2000)
    assert n.send(0, frame(b, a)) == [1, 2]
    n.send(1, frame(a, b))
    assert n.send(0, frame(b, a)) == [1]
    n.advance(400000)
    assert [mac for mac, _, _ in n.bridge.entries()] == [n.mac]
    assert not n.bridge._timer.active, "it runs with nothing to age"


@both
def test_use_keeps_young(fast):
    n = Net()
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(1, frame(a, b))
    for _ in range(10):
        n.advance(100000)
        assert n.send(0, frame(b, a)) == [1]
        assert n.send(1, frame(a, b)) == [0]


@both
def test_reserved_addresses(fast):
    # 802.1Q 8.6.3, table 8-1: 01-80-C2-00-00-00 to -0F are never relayed
    n = Net()
    for last in range(16):
        assert n.send(0, frame(b"\1\x80\xc2\0\0" + bytes((last,)), STATIONS[0])) == []
    assert n.send(0, frame(b"\1\x80\xc2\0\0\x10", STATIONS[0])) == [1, 2]
    assert n.st.stats()["br0"]["in"] == 17  # the host may want them


@both
def test_host(fast):
    # Its address is delivered, by whatever port it comes, and nowhere else
    n = Net()
    peer = STATIONS[0]
    who = bench.arp(1, peer, b"\x0a\0\0\1", bytes(6), b"\x0a\0\0\2")
    for port in (0, 1, 2):
        n.send(port, bench.eth(bench.BROADCAST, peer, bench.ARP, who))
        answers = [[bench.Packet(f).op for f in sent if f[:6] == peer] for sent in n.sent]
        assert answers == [[2] if i == port else [] for i in range(3)], answers
        ping = bench.ip4(b"\x0a\0\0\1", b"\x0a\0\0\2", 1, bench.icmp(8, 0, b"\0\1\0\2", b"abc"))
        for _ in range(3):
            assert n.send(port, bench.eth(n.mac, peer, bench.IPV4, ping)) == []
            assert [len(sent) for sent in n.sent] == [int(i == port) for i in range(3)]
            assert bench.Packet(n.sent[port][0]).type == 0


@both
def test_host_between_others(fast):
    # Datagrams for a socket of the host, each after a frame that goes on to another port
    n = Net()
    udp.attach(n.st)
    told = []
    with bench.inside(n.st):
        for i in range(4):
            end = n.st.udp.open()
            end.bind(n.st.ip4, None, 7000 + i)
            end.notify = told.append
    us, peer = b"\x0a\0\0\2", b"\x0a\0\0\1"
    mine = bench.ip4(peer, us, 17, bench.udp(peer, us, 9, 7003, b"mine"))
    mine = bench.eth(n.mac, STATIONS[0], bench.IPV4, mine)
    for port in (0, 1, 2):
        n.send(port, frame(bench.BROADCAST, STATIONS[port]))
    for i in range(8):
        n.send(0, frame(STATIONS[1 + i % 2], STATIONS[0]))
        n.send(0, mine)
        assert told == [end], i
        told.clear()


def test_host_to_unknown_and_groups():
    n = Net()
    with bench.inside(n.st):
        n.nif.arp.announce()
    n.poll()
    assert [len(sent) for sent in n.sent] == [1, 1, 1]
    n.clear()
    buf = bytearray(frame(STATIONS[3], n.mac))
    assert n.bridge.send(buf, 0, len(buf)) == len(buf)
    assert [len(sent) for sent in n.sent] == [1, 1, 1]


@both
def test_no_loops(fast):
    # What bears the host's address comes from a ring, or from an impostor: dropped, and learnt not
    n = Net()
    assert n.send(0, frame(bench.BROADCAST, n.mac)) == []
    assert n.send(1, frame(STATIONS[0], n.mac)) == []
    assert n.stat("in_own") == 2
    n.send(2, frame(bench.BROADCAST, STATIONS[0]))
    assert n.send(2, frame(n.mac, STATIONS[0])) == []
    assert n.stat("flooded") == 1


@both
def test_bad_frames(fast):
    n = Net()
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(1, frame(a, b))
    for size in range(0, 14):
        n.nics[0].rx.append(frame(b, a)[:size])
    n.poll()
    assert n.stat("in_short") >= 13  # a frame of 0 bytes is none
    assert n.send(0, frame(b, GROUP)) == []
    assert n.send(0, frame(b, bench.BROADCAST)) == []
    assert n.stat("in_source") == 2
    assert n.send(0, frame(b, a)) == [1]


@both
def test_too_long_for_a_port(fast):
    n = Net(2)
    n.port(b"\x02\0\0\0\0\7", 600)
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(2, frame(a, b))
    assert n.send(0, frame(b, a, 614)) == [2]
    assert n.send(0, frame(b, a, 615)) == [] and n.stat("out_long") == 1
    tagged = frame(b, a, 618, 0x8100)
    assert n.send(0, tagged) == [2], "a tag is not part of the MTU"
    assert n.bridge.mtu == 600


@both
def test_busy_port(fast):
    # It waits, in order, bounded, and the others go on
    n = Net()
    a, b, c = STATIONS[:3]
    for i in range(3):
        n.send(i, frame(bench.BROADCAST, STATIONS[i]))
    n.clear()
    n.nics[1].busy = 1000
    for i in range(30):
        n.queue(0, frame(b, a, 60 + i))
        n.queue(0, frame(c, a, 60 + i))
    n.poll()
    assert len(n.sent[2]) == 30 and not n.sent[1]
    assert n.ports[1].queued == 16 and n.st.stats()["br0.1"]["out_full"] == 14
    n.nics[1].busy = 0
    n.poll()
    assert [len(f) for f in n.sent[1]] == list(range(60, 76))


@both
def test_failing_port(fast):
    n = Net()
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(1, frame(a, b))
    n.nics[1].fail = 2
    n.send(0, frame(b, a))
    n.nics[1].fail = 0
    assert n.st.stats()["br0.1"]["out_error"] == 1
    assert n.send(0, frame(b, a)) == [1]


@both
def test_link_down(fast):
    # What was known on a port is forgotten with its link; no frame goes there
    n = Net()
    a, b = STATIONS[:2]
    n.send(0, frame(b, a))
    n.send(1, frame(a, b))
    n.nics[1].up = 0
    n.advance(500)
    assert n.send(0, frame(b, a)) == [2]
    assert n.send(2, frame(a, b)) == [0]
    assert n.send(0, frame(b, a)) == [2]
    for nic in n.nics:
        nic.up = 0
    n.advance(1000)
    assert n.nif.link == 0
    n.nics[2].up = 1
    n.advance(1000)
    assert n.nif.link == 1


def test_table_is_bounded():
    # Ten thousand stations: the table keeps its size, and who talks is known
    n = Net(size=32)
    rnd = bench.Random()
    for i in range(bench.scale(2000)):
        mac = b"\x02" + rnd.bytes(5)
        n.clock.ms += 1
        n.send(i % 3, frame(STATIONS[7], mac))
        assert n.send((i + 1) % 3, frame(mac, STATIONS[7])) == [i % 3]
    assert len(n.bridge.entries()) <= 32
    assert n.stat("evicted") > 0
    assert n.bridge.table[0] == 7
    n.send(0, frame(STATIONS[7], STATIONS[0]))
    assert n.send(1, frame(STATIONS[0], STATIONS[1])) == [0]


@both
def test_static(fast):
    n = Net()
    a, b = STATIONS[:2]
    n.bridge.static(b, n.ports[1])
    assert n.send(0, frame(b, a)) == [1]
    n.advance(1000000)
    n.bridge.flush()
    assert n.send(0, frame(b, a)) == [1]
    assert n.send(2, frame(a, b)) == [] and n.stat("in_own") == 1  # an impostor
    assert n.send(0, frame(b, a)) == [1]
    assert n.send(1, frame(a, b)) == [0]
    assert (b, "br0.1", None) in n.bridge.entries()
    same = [b"\x02\1\1\0\0" + bytes((0,)), b"\x02\1\2\0\0\0", b"\x02\1\3\0\0\0", b"\x02\1\4\0\0\0"]
    small = bridge.Bridge(n.st, "br9", b"\x02\1\5\0\0\0", 4)
    for mac in same:
        small.static(mac, None)
    try:
        small.static(b"\x02\1\6\0\0\0", None)
    except ValueError:
        pass
    else:
        raise AssertionError("a fifth static address of four")


def test_bad_arguments():
    n = Net()
    for size in (0, 1, 2, 3, 5, 63):
        try:
            bridge.Bridge(n.st, "br1", size=size)
        except ValueError as error:
            assert "br1" in str(error)
        else:
            raise AssertionError("a table of %d" % size)
    many = bridge.Bridge(n.st, "br2")
    for i in range(30):
        many.add(NIC(b"\x02\0\0\0\2" + bytes((i,))))
    try:
        many.add(NIC(b"\x02\0\0\0\2\x77"))
    except ValueError:
        pass
    else:
        raise AssertionError("port 31")
    assert n.ports[0].output(n.st.pool.alloc(), 0x800, bytes(4), 0) == -100
    for stranger in (n.nif, many.ports[3]):
        try:
            n.bridge.static(STATIONS[0], stranger)
        except ValueError as error:
            assert stranger.name in str(error)
        else:
            raise AssertionError("no port of this bridge")


def test_fast_path_is_the_slow_path():
    # The same frames to two bridges, one without it: the same leaves, in the same order
    rnd = bench.Random(7)
    nets = [Net(), Net()]
    for _ in range(bench.scale(600)):
        port = rnd.below(3)
        src = rnd.choice(STATIONS[:5] + [nets[0].mac, GROUP])
        dst = rnd.choice(STATIONS + [bench.BROADCAST, GROUP, nets[0].mac])
        sent = frame(dst, src, 14 + rnd.below(80))
        step = rnd.choice((0, 0, 0, 1, 10, 60000))
        for n, fast in zip(nets, (True, False)):
            netstack.fastpath = fast
            n.clear()
            n.queue(port, sent)
            n.poll()
            n.clock.ms += step
        netstack.fastpath = True
        assert nets[0].sent == nets[1].sent
    assert nets[0].bridge.entries() == nets[1].bridge.entries()
    first, second = (dict(n.st.stats()) for n in nets)
    fast = first.pop("fast"), second.pop("fast")
    assert fast[0]["in"] > 0 and fast[1]["in"] == 0
    assert first == second


def test_kernels():
    rnd = bench.Random(3)
    got = array("I", bytes(4 * (4 + 4 * 16)))
    got[0] = 3
    got[1] = 1000
    want = array("I", got)
    macs = [b"\x02" + rnd.bytes(5) for _ in range(24)] + [b"\xfe\xff\xff\xff\xff\xff", bytes(6)]
    now = 0x3FFFFF00
    for i in range(bench.scale(3000)):
        now = now + rnd.below(40) & 0x3FFFFFFF
        buf = bytearray(b"xx") + rnd.choice(macs) + rnd.choice(macs) + bytes(4)
        port = rnd.below(3)
        what = rnd.below(40)
        if what < 20:
            static = int(what == 0 and i % 3 == 0)
            answers = [f(t, buf, 8, now, port, static) for f, t in _pairs("learn", got, want)]
        elif what < 30:
            answers = [f(t, buf, 2, now) for f, t in _pairs("lookup", got, want)]
        elif what < 39:
            answers = [_pick(t, buf, now, port) for t in (got, want)][:1]
            answers.append(_ref_pick(want, buf, now, port))
        else:
            answers = [f(t, now, port - 1) for f, t in _pairs("sweep", got, want)]
        assert answers[0] == answers[1], (i, what, answers)
        if what >= 30:
            want = array("I", got)
        assert got == want, (i, what)


def _pairs(name, got, want):
    return (getattr(bridge, name), got), (getattr(ref, name), want)


def _pick(table, buf, now, port):
    w = array("I", bytes(4 * 60))
    w[0] = now
    words = array("I", bytes(4 * 18))
    words[13], words[16], words[17] = port, 1514, 4
    address(words, 14, table)
    address(w, 51, buf)
    address(w, 53, words)
    kind = bridge.pick(w, 18)
    return kind, w[12], w[16], w[36]


def _ref_pick(table, buf, now, port):
    w = {0: now, 12: 0, 16: 0, 36: 0, "buf": buf}
    w["nif"] = {13: port, 14: table, 16: 1514, 17: 4}
    kind = ref.pick(w, 18)
    return kind, w[12], w[16], w[36]


bench.run_tests(globals())

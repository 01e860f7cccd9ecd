# lib: services/dhcpd_leases.py, services/dhcpd.py
# DHCP server against scripted clients, in virtual time: every message, pools, reservations, the
# file, broken and lying clients, floods.

import struct
import bench
from bench import Random, at_end, inside, ip, scale

bench.optional("services.dhcpd_leases")
dhcpd = bench.optional("services.dhcpd")

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
US = ip("10.0.0.2")
NOBODY = ip("0.0.0.0")
ALL = ip("255.255.255.255")
MAC = b"\2\0\0\0\0\x10"


def option(code, value, length=None):
    return bytes([code, len(value) if length is None else length]) + value


def bootp(xid, mac, opts, ciaddr=NOBODY, flags=0, op=1, htype=1, hlen=6, **kw):
    return (
        struct.pack("!BBBB", op, htype, hlen, 0)
        + struct.pack("!IHH", xid, 0, flags)
        + ciaddr
        + bytes(8)
        + kw.get("giaddr", NOBODY)
        + mac
        + bytes(10 + 192)
        + kw.get("cookie", b"\x63\x82\x53\x63")
        + opts
        + b"\xff"
    )


class Answer:
    """A message of the server, checked for what every one must have (RFC 2131 table 3)."""

    def __init__(self, packet):
        data = packet.data
        assert 300 <= len(data) <= 548, len(data)
        assert data[:4] == b"\2\1\6\0" and data[236:240] == b"\x63\x82\x53\x63"
        self.packet = packet
        self.xid, _, self.flags = struct.unpack("!IHH", data[4:12])
        self.ciaddr, self.yiaddr = data[12:16], data[16:20]
        assert data[20:28] == bytes(8) and data[34:236] == bytes(202)
        self.mac = data[28:34]
        self.opts = {}
        at = 240
        while data[at] != 255:
            assert data[at] and data[at] not in self.opts, data[at]
            self.opts[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
            at += 2 + data[at + 1]
        self.kind = self.opts[53][0]
        assert self.opts[54] == US


class Setup:
    """A host that serves 10.0.0.50 and up; we are its clients, and whoever else is on the link."""

    def __init__(self, count=4, start=True, **kw):
        self.p = bench.peer()
        self.st = self.p.st
        self.nif = self.p.nif
        self.taken = []  # addresses that somebody has
        self.probes = []
        self.p.auto_arp = False
        self.p.nic.tx = self._tap
        self.server = dhcpd.attach(self.nif)
        assert dhcpd.attach(self.nif) is self.server
        self.p.host.settled()
        self.xid = 100
        if start:
            self.start(count, **kw)
        at_end(self.stop)

    def start(self, count=4, **kw):
        with inside(self.st):
            self.server.start(ip("10.0.0.50"), ip("10.0.0.%d" % (49 + count)), **kw)

    def stop(self):
        with inside(self.st):
            self.server.stop()

    def _tap(self, frame):
        if frame[12:14] == b"\x08\x06":
            spa, tpa = frame[28:32], frame[38:42]
            if spa == NOBODY:
                self.probes.append(tpa)
            if tpa in self.taken:
                self.p.queue(self.p.arp_frame(2, tpa, spa, tha=frame[22:28], sha=b"\2\2\2\2\2\2"))
            elif spa != NOBODY and tpa[3] != 2:
                self.p.queue(self.p.arp_frame(2, tpa, spa, tha=frame[22:28], sha=MAC))
            return
        self.p.sent.append(frame)

    def send(self, kind, mac=MAC, opts=(), src=NOBODY, dst=ALL, sport=68, **kw):
        self.xid += 1
        body = option(53, bytes([kind])) if kind else b""
        body += b"".join(option(code, value) for code, value in opts)
        data = kw.pop("data", None) or bootp(self.xid, mac, body, **kw)
        dst_mac = b"\xff" * 6 if dst == ALL else None
        self.p.udp(sport, 67, data, src=src, dst=dst, dst_mac=dst_mac)

    def answer(self, kind=None):
        a = Answer(self.p.expect("udp", sport=67, dport=68))
        assert a.xid == self.xid and (kind is None or a.kind == kind), (a.kind, kind)
        return a

    def offer(self, mac=MAC, opts=(), wait=300, **kw):
        self.send(DISCOVER, mac, opts, **kw)
        self.p.advance(wait)
        return self.answer(OFFER)

    def bind(self, mac=MAC, opts=(), **kw):
        addr = self.offer(mac, opts, **kw).yiaddr
        rest = tuple(pair for pair in opts if pair[0] != 50)
        self.send(REQUEST, mac, ((54, US), (50, addr)) + rest)
        a = self.answer(ACK)
        assert a.yiaddr == addr
        return addr

    def state(self, addr):
        for row in self.server.entries():
            if row[0] == addr:
                return row[2]
        return None

    def silent(self, counter, *args, **kw):
        before = self.stat(counter)
        self.send(*args, **kw)
        assert self.stat(counter) == before + 1, (counter, args, kw)
        self.p.expect_nothing()

    def stat(self, name):
        return self.p.host.stat("dhcpd.eth0")[name]


def other_mac(n):
    return b"\2\0\0\0\1" + bytes([n])


A50, A51, A52 = ip("10.0.0.50"), ip("10.0.0.51"), ip("10.0.0.52")


# -- the way to a lease ------------------------------------------------------------------------


def test_lease():
    # RFC 2131 3.1, table 3; RFC 6842: the client identifier comes back
    s = Setup(options={6: ip("10.0.0.8"), 15: b"lan.test", 66: b"tftp"})
    wanted = (55, b"\1\3\6\x0f\x1c\x33")
    ident = (61, b"\1" + MAC)
    s.send(DISCOVER, opts=(wanted, ident, (12, b"board")))
    s.p.expect_nothing()
    s.p.advance(299)
    s.p.expect_nothing()
    assert s.probes == [A50]  # RFC 2131 2.2
    s.p.advance(1)
    a = s.answer(OFFER)
    assert a.yiaddr == A50 and a.ciaddr == NOBODY and a.mac == MAC
    assert a.packet.dst == ALL and a.packet.dst_mac == b"\xff" * 6 and a.packet.src == US
    assert s.state(A50) == "offered"
    s.send(REQUEST, opts=((54, US), (50, A50), wanted, ident, (12, b"board")))
    a = s.answer(ACK)
    assert a.yiaddr == A50 and a.packet.dst == ALL
    assert a.opts[1] == ip("255.255.255.0") and a.opts[3] == US and a.opts[28] == ip("10.0.0.255")
    assert a.opts[6] == ip("10.0.0.8") and a.opts[15] == b"lan.test" and a.opts[61] == b"\1" + MAC
    assert a.opts[51] == struct.pack("!I", 3600) and a.opts[58] == struct.pack("!I", 1800)
    assert a.opts[59] == struct.pack("!I", 3150) and 66 not in a.opts
    assert s.server.entries() == [(A50, b"\1" + MAC, "bound", 3600, "board")]
    s.p.advance(3600000)
    assert s.state(A50) == "expired"


def test_options_without_a_list():
    # RFC 2131 4.3.1: a client that does not say what it wants gets everything that is set
    s = Setup(options={66: b"tftp", 28: None})
    a = s.offer()
    assert a.opts[66] == b"tftp" and 1 in a.opts and 3 in a.opts and 28 not in a.opts


def test_options_that_do_not_fit():
    s = Setup(options={66: b"x" * 200, 67: b"y" * 200, 6: ip("10.0.0.8")})
    a = s.offer(opts=((55, b"\x42\x43\6\1"),))
    assert len(a.opts[66]) == 200 and 67 not in a.opts and a.opts[6] == ip("10.0.0.8")
    assert s.stat("left_out") == 1


def test_options_by_callback():
    # what a client says of itself decides: RFC 2132 9.13
    s = Setup()
    seen = []

    def choose(mac, found):
        seen.append(mac)
        return {43: b"for " + found[60]} if 60 in found else None

    s.server.choose_options = choose
    assert s.offer(opts=((60, b"abc"),)).opts[43] == b"for abc"
    assert 43 not in s.offer(other_mac(1)).opts and seen == [MAC, other_mac(1)]


def test_flags_and_unicast():
    # RFC 2131 4.1: the broadcast flag comes back; a client with an address is answered there
    s = Setup()
    assert s.offer(flags=0x8000).flags == 0x8000
    s.send(REQUEST, opts=((54, US), (50, A50)))
    s.answer(ACK)
    s.send(REQUEST, ciaddr=A50, src=A50, dst=US)
    a = s.answer(ACK)
    assert a.packet.dst == A50 and a.packet.dst_mac == MAC and a.ciaddr == A50 == a.yiaddr


def test_choice_of_the_address():
    # RFC 2131 4.3.1: its own, the one of before, the one it wants, a new one, the oldest
    s = Setup(3)
    assert s.bind(opts=((50, A52),)) == A52
    assert s.offer(wait=0).yiaddr == A52  # at once: it may have it configured
    assert s.bind(other_mac(1), opts=((50, A52),)) == A50
    assert s.bind(other_mac(2), opts=((50, ip("10.0.0.99")),)) == A51
    s.silent("full", DISCOVER, other_mac(3))
    s.send(RELEASE, other_mac(1), ((54, US),), ciaddr=A50, src=A50, dst=US)
    assert s.state(A50) == "free"
    s.send(RELEASE, MAC, ((54, US),), ciaddr=A52, src=A52, dst=US)
    assert s.bind(MAC) == A52
    assert s.bind(other_mac(3)) == A50
    s.silent("full", DISCOVER, other_mac(4))
    s.p.advance(3601000)
    assert s.bind(other_mac(4), wait=300) in (A50, A51, A52)


def test_a_discover_ends_no_lease():
    # anybody can send one in a client's name
    s = Setup()
    s.bind()
    s.offer(wait=0)
    s.p.advance(31000)
    assert s.state(A50) == "bound"


def test_offer_not_taken():
    # another server's is taken, or none: the address is free again
    s = Setup(1)
    s.offer()
    s.silent("in_other", REQUEST, opts=((54, ip("10.0.0.9")), (50, ip("10.0.0.88"))))
    assert s.offer(other_mac(1)).yiaddr == A50
    s.silent("full", DISCOVER)
    s.p.advance(30000)
    assert s.offer().yiaddr == A50


def test_conflict():
    # RFC 2131 2.2: somebody answers for the address, so another one is offered
    s = Setup(3)
    s.taken = [A50, A51]
    assert s.offer(wait=300).yiaddr == A52
    assert s.probes == [A50, A51, A52] and s.stat("conflicts") == 2
    assert s.state(A50) == s.state(A51) == "declined"
    s.silent("full", DISCOVER, other_mac(1))
    s.taken = []
    s.p.advance(600000)
    found = [s.bind(other_mac(n)) for n in range(3)]
    assert sorted(found) == [A50, A51, A52]


def test_many_at_once():
    # they are probed for one after the other; the ninth has to ask again
    s = Setup(20)
    for n in range(9):
        s.send(DISCOVER, other_mac(n))
    s.silent("busy", DISCOVER, other_mac(3))
    assert s.stat("busy") == 2
    s.p.advance(300 * 8)
    offers = [Answer(packet) for packet in s.p.take()]
    assert [a.mac for a in offers] == [other_mac(n) for n in range(8)]
    assert len(set(a.yiaddr for a in offers)) == 8
    assert s.offer(other_mac(8)).yiaddr[3] == 58


def test_probe_waits_for_our_own():
    # the network face checks our own address at the moment
    s = Setup()
    s.nif.arp.on_conflict = lambda addr: None
    s.send(DISCOVER)
    s.p.advance(600)
    s.p.expect_nothing()
    assert not s.probes
    s.nif.arp.on_conflict = None
    s.p.advance(600)
    s.answer(OFFER)
    assert s.probes == [A50] and s.nif.arp.on_conflict is None


# -- requests ----------------------------------------------------------------------------------


def test_reboot():
    # RFC 2131 4.3.2, INIT-REBOOT: right, wrong, on another network, unknown
    s = Setup()
    s.bind()
    s.send(REQUEST, opts=((50, A50),))
    assert s.answer(ACK).yiaddr == A50
    s.send(REQUEST, opts=((50, A51),))
    a = s.answer(NAK)
    assert a.packet.dst == ALL and a.yiaddr == NOBODY and 51 not in a.opts and 1 not in a.opts
    s.send(REQUEST, other_mac(1), ((50, ip("192.168.1.5")),))
    s.answer(NAK)
    s.silent("in_unknown", REQUEST, other_mac(1), ((50, A51),))
    s.silent("in_options", REQUEST)
    s.silent("in_options", REQUEST, opts=((50, b"\x0a\0\0"),))


def test_selecting_what_was_not_offered():
    s = Setup()
    s.send(REQUEST, opts=((54, US), (50, A50)))
    s.answer(NAK)
    s.offer()
    s.send(REQUEST, opts=((54, US), (50, A51)))
    s.answer(NAK)


def test_renewal_and_rebinding():
    # RFC 2131 4.3.2: the lease begins anew; what is not known is not answered
    s = Setup()
    s.bind()
    s.p.advance(1800000)
    assert s.server.entries()[0][3] == 1800
    s.send(REQUEST, ciaddr=A50, src=A50)  # broadcast: rebinding
    assert s.answer(ACK).packet.dst == A50
    assert s.server.entries()[0][3] == 3600
    s.silent("in_unknown", REQUEST, other_mac(1), ciaddr=A51, src=A51)
    s.silent("in_unknown", REQUEST, other_mac(1), ciaddr=A50, src=A51)
    s.send(REQUEST, ciaddr=ip("192.168.0.5"), src=NOBODY)
    s.answer(NAK)


def test_renewal_after_the_end():
    # late, but nobody has got the address meanwhile
    s = Setup()
    s.bind()
    s.p.advance(3700000)
    s.send(REQUEST, ciaddr=A50, src=A50)
    s.answer(ACK)
    assert s.state(A50) == "bound"


def test_decline():
    # RFC 2131 4.3.3: the address rests for ten minutes, and is nobody's
    s = Setup(2)
    s.bind()
    s.silent("in_unknown", DECLINE, opts=((54, US), (50, A51)))
    s.silent("in_unknown", DECLINE, other_mac(1), opts=((54, US), (50, A50)))
    s.silent("in_type", DECLINE, opts=((50, A50),))  # without server: table 5
    s.silent("declines", DECLINE, opts=((54, US), (50, A50)))
    assert s.state(A50) == "declined"
    assert s.bind() == A51
    s.silent("full", DISCOVER, other_mac(1))
    s.p.advance(600000)
    assert s.bind(other_mac(1)) == A50


def test_release():
    # RFC 2131 4.3.4
    s = Setup()
    s.bind()
    s.silent("in_unknown", RELEASE, other_mac(1), ((54, US),), ciaddr=A50, src=A50, dst=US)
    s.silent("in_unknown", RELEASE, MAC, ((54, US),), ciaddr=A51, src=A51, dst=US)
    s.silent("in_type", RELEASE, MAC, (), ciaddr=A50, src=A50, dst=US)
    s.silent("in_other", RELEASE, MAC, ((54, ip("10.0.0.9")),), ciaddr=A50, src=A50, dst=US)
    assert s.state(A50) == "bound"
    s.silent("releases", RELEASE, MAC, ((54, US),), ciaddr=A50, src=A50, dst=US)
    assert s.state(A50) == "free"


def test_inform():
    # RFC 2131 4.3.5: no address, no times
    s = Setup(options={6: ip("10.0.0.8")})
    s.send(INFORM, ciaddr=ip("10.0.0.77"), src=ip("10.0.0.77"))
    a = s.answer(ACK)
    assert a.packet.dst == ip("10.0.0.77") and a.yiaddr == NOBODY and a.opts[6] == ip("10.0.0.8")
    assert 51 not in a.opts and 58 not in a.opts and not s.server.entries()
    s.send(INFORM)
    s.p.expect_nothing()


# -- reservations, settings --------------------------------------------------------------------


def test_reservations():
    # by link address or client identifier, inside of the pool or not
    s = Setup(2, start=False)
    with inside(s.st):
        s.server.reserve(MAC, ip("10.0.0.99"))
        s.server.reserve(b"\0name", A50)
    s.start(2)
    assert s.bind() == ip("10.0.0.99")
    assert s.bind(other_mac(1)) == A51
    s.silent("full", DISCOVER, other_mac(2))
    assert s.bind(other_mac(3), ((61, b"\0name"),)) == A50
    s.silent("declines", DECLINE, opts=((54, US), (50, ip("10.0.0.99"))))
    s.silent("full", DISCOVER)
    s.p.advance(600000)
    assert s.bind() == ip("10.0.0.99")
    for client, addr in (
        (other_mac(4), A50),
        (MAC, ip("192.168.0.1")),
        (MAC, US),
        (MAC, ip("10.0.0.255")),
        (b"x", A51),
        (b"x" * 65, A51),
    ):
        try:
            s.server.reserve(client, addr)
        except ValueError:
            pass
        else:
            raise AssertionError((client, addr))


def test_settings_that_cannot_be():
    s = Setup(start=False)
    for args, kw in (
        (("10.0.0.60", "10.0.0.50"), {}),
        (("10.0.0.0", "10.0.0.50"), {}),
        (("10.0.0.50", "10.0.0.255"), {}),
        (("10.0.1.50", "10.0.1.60"), {}),
        (("10.0.0.2", "10.0.0.60"), {}),
        (("10.0.0.50", "10.0.0.60"), {"lease_s": 59}),
        (("10.0.0.50", "10.0.0.60"), {"lease_s": 0x4000000}),
        (("10.0.0.50", "10.0.0.60"), {"options": {0: b"x"}}),
        (("10.0.0.50", "10.0.0.60"), {"options": {255: b"x"}}),
        (("10.0.0.50", "10.0.0.60"), {"options": {51: b"x"}}),
        (("10.0.0.50", "10.0.0.60"), {"options": {6: b""}}),
        (("10.0.0.50", "10.0.0.60"), {"options": {6: bytes(256)}}),
    ):
        try:
            s.server.start(ip(args[0]), ip(args[1]), **kw)
        except ValueError:
            pass
        else:
            raise AssertionError((args, kw))
    other = s.st.udp.open()
    with inside(s.st):
        other.bind(None, None, 67)
    bench.raises(98, s.server.start, A50, A51)
    with inside(s.st):
        other.close()
    s.start()
    s.bind()
    s.start()  # again, with other settings: what was known is gone without a file
    assert not s.server.entries()
    s.stop()
    s.stop()
    assert s.st.udp.table.count == 0
    with inside(s.st):
        s.st.ip4.configure(s.nif, NOBODY, NOBODY)
    bench.raises(99, s.server.start, A50, A51)


def test_we_are_in_the_pool():
    # our own address is left out
    s = Setup(start=False)
    with inside(s.st):
        s.server.start(ip("10.0.0.1"), ip("10.0.0.3"))
    assert s.bind() == ip("10.0.0.1") and s.bind(other_mac(1)) == ip("10.0.0.3")
    s.silent("full", DISCOVER, other_mac(2), ((50, US),))


# -- the file ----------------------------------------------------------------------------------


def _file():
    """A file that can be written here, or None."""
    name = "test_dhcpd.leases"
    try:
        with open(name, "w"):
            return name
    except OSError:
        return None


def test_file():
    import os

    path = _file()
    if path is None:
        return
    s = Setup(path=path)
    s.bind(opts=((12, b"first"),))
    s.bind(other_mac(1))
    s.send(RELEASE, other_mac(1), ((54, US),), ciaddr=A51, src=A51, dst=US)
    s.p.advance(2000)
    assert s.stat("saved") == 1
    with open(path) as f:
        assert f.read() == "10.0.0.50 01020000000010 first\n"
    s.bind(other_mac(2), ((12, b"bad name\n10.0.0.52 01ff x"),))
    s.stop()  # writes what is not written yet
    s = Setup(path=path)
    assert [row[0] for row in s.server.entries()] == [A50, A52]
    assert s.server.entries()[0][2:] == ("bound", 3600, "first")
    assert s.bind(wait=0) == A50 and s.bind(other_mac(5)) == A51
    s.stop()
    os.remove(path)


def test_file_that_lies():
    # lines that make no sense are left out, and no more are taken than fit
    path = _file()
    if path is None:
        return
    import os

    with open(path, "w") as f:
        f.write("10.0.0.50 0102 a\nrubbish\n\n10.0.0.50 0103 b\n10.0.0.51 0102\n10.0.0.300 04\n")
        f.write("10.0.0.49 0105\n10.0.0 06\n10.0.0.51 zz\n10.0.0.52 \n10.0.0.53 0107 c d\n")
        f.write("10.0.0.51 0108" + "00" * 300 + "\n\0\1\2\n10.0.0.52 0109 last\n")
    s = Setup(path=path)
    rows = [(row[0], row[1]) for row in s.server.entries()]
    assert rows[0] == (A50, b"\1\2") and (A52, b"\1\x09") in rows and len(rows) <= 4, rows
    s.stop()
    os.remove(path)
    with inside(s.st):
        s.server.start(A50, A51, path="/no/such/directory/file")
    s.bind()
    s.p.advance(2000)
    assert s.stat("save_failed") == 1


# -- with our own client ------------------------------------------------------------------------


def test_our_client_on_a_lossy_wire():
    # one in five frames is lost, others are doubled: the lease is taken, kept and given back
    from hosts import Clock, Wire, host
    from netstack.services import dhcp

    clock = Clock()
    server = host("10.0.0.2", clock=clock, seed=5)
    board = host("0.0.0.0", clock=clock, seed=6, mac=b"\2\0\0\0\0\x55")
    wire = Wire(server, board, seed=7, loss=20, duplicate=10, delay=2)
    d = dhcpd.attach(server.nif)
    client = dhcp.attach(board.nif)
    server.settled()
    board.settled()
    with inside(server.st):
        d.start(A50, ip("10.0.0.59"), 120)
    with inside(board.st):
        client.start("board")
    assert wire.run(120000, lambda: client.bound)
    assert board.nif.v4.addr == A50 and board.nif.v4.gw == US
    rows = d.entries()
    assert rows[0][:3] == (A50, b"\1\2\0\0\0\0\x55", "bound") and rows[0][4] == "board"
    acks = server.stat("dhcpd.eth0")["acks"]
    wire.run(600000)
    assert client.bound and board.nif.v4.addr == A50
    assert server.stat("dhcpd.eth0")["acks"] >= acks + 5
    wire.loss = 0
    with inside(board.st):
        client.release()
    wire.run(2000)
    assert client.state == 0 and d.entries()[0][2] == "free"
    with inside(server.st):
        d.stop()


# -- broken, lying, many -----------------------------------------------------------------------


def test_messages_to_drop():
    s = Setup()
    for counter, kw in (
        ("in_op", {"op": 2}),
        ("in_op", {"htype": 6}),
        ("in_op", {"hlen": 16}),
        ("in_client", {"mac": b"\xff" * 6}),
        ("in_client", {"mac": bytes(6)}),
        ("in_client", {"mac": s.nif.mac}),
        ("in_relayed", {"giaddr": ip("10.0.0.9")}),
        ("in_cookie", {"cookie": b"abcd"}),
        ("in_type", {"kind": 0}),
        ("in_type", {"kind": OFFER}),
        ("in_type", {"kind": ACK}),
        ("in_type", {"kind": 99}),
        ("in_options", {"opts": ((50, b"\1"),)}),
        ("in_options", {"opts": ((1, b"\1"),)}),
        ("in_short", {"data": b"\1\1\6\0" + bytes(230)}),
        ("in_options", {"data": bootp(1, MAC, option(53, b"\1") + option(12, b"ab", 9))}),
    ):
        kind = kw.pop("kind", DISCOVER)
        s.silent(counter, kind, **kw)
    assert not s.server.entries()
    s.bind()


def test_silly_identifiers_and_names():
    # too short, too long: the link address counts; names that are none are not kept
    s = Setup(8)
    s.bind(opts=((61, b"x"), (12, b"a b")))
    s.bind(other_mac(1), ((61, b"y" * 65), (12, b"n" * 33)))
    s.bind(other_mac(2), ((61, b"z" * 64), (12, b"\xff\xfe")))
    rows = s.server.entries()
    assert [row[1] for row in rows] == [b"\1" + MAC, b"\1" + other_mac(1), b"z" * 64]
    assert [row[4] for row in rows] == ["", "", ""]


def test_every_truncation():
    s = Setup()
    body = option(53, b"\1") + option(61, b"\1" + MAC) + option(55, b"\1\3") + option(12, b"abc")
    whole = bootp(5, MAC, body)
    for cut in range(len(whole)):
        s.send(0, data=whole[:cut] or b"\0")
        s.p.advance(400)
        s.p.take()
    pool = s.st.pool
    assert pool.left == pool.count and len(s.server.entries()) <= 1


def test_flood():
    # forged clients take all addresses for half a minute, no more memory than there are addresses
    s = Setup(8)
    rnd = Random(3)
    for _ in range(scale(300)):
        s.send(DISCOVER, b"\2" + rnd.bytes(5))
        s.p.advance(100)
        s.p.take()
    assert len(s.server.entries()) <= 8 and len(s.server._queue) <= 8
    s.p.advance(33000)
    s.p.take()
    assert s.bind()


def test_random_flips():
    s = Setup(4)
    rnd = Random(9)
    body = option(53, b"\1") + option(61, b"\1" + MAC) + option(50, A51) + option(55, b"\1\3\6")
    for i in range(scale(1500)):
        data = bytearray(bootp(i + 1, MAC, body))
        data[242] = 1 + rnd.below(8)
        for _ in range(1 + rnd.below(4)):
            at = rnd.below(len(data)) if rnd.percent(50) else 240 + rnd.below(len(data) - 240)
            data[at] ^= 1 + rnd.below(255)
        s.send(0, data=bytes(data))
        if i & 7 == 0:
            s.p.advance(300)
        s.p.take()
    s.p.advance(3000)
    s.p.take()
    pool = s.st.pool
    assert pool.left == pool.count and len(s.server.entries()) <= 4


def test_two_servers_of_one_host():
    # each interface has its own pool; port 67 is shared
    s = Setup()
    nic = bench.NIC(b"\2\0\0\0\0\x77")
    from netstack.link import arp, ethernet

    def attach_link(nif):
        ethernet.attach(nif)
        arp.attach(nif)

    nif = s.st.add(nic, attach_link, "eth1")
    with inside(s.st):
        nif.set_up(True)
        s.st.ip4.configure(nif, ip("10.9.0.1"), ip("255.255.255.0"))
        other = dhcpd.attach(nif)
        other.start(ip("10.9.0.5"), ip("10.9.0.6"))
    assert other.port is s.server.port
    s.bind()
    assert not other.entries()
    s.stop()
    assert s.st.udp.table.count == 1
    with inside(s.st):
        other.stop()
        nif.set_up(False)
    assert s.st.udp.table.count == 0
    s.p.host.settled()
    nif.arp._timer.stop()


if __name__ == "__main__":
    bench.run_tests(globals())

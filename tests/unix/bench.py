# What the tests inside MicroPython stand on: virtual time, NICs in memory, a lossy wire between
# two stacks, and a scripted peer that forges and takes apart packets with code of its own.
#
#   def test_echo():
#       p = bench.peer()                      # a host 10.0.0.2, we are its neighbour 10.0.0.1
#       p.ping(data=b"abc")
#       p.expect("icmp", type=0, data=b"abc")
#       p.expect_nothing()
#
#   bench.run_tests(globals())                # last line of every test file
#
# run_tests() ends each test with tidy() and clean(): what is left behind is a failure.

import gc
import struct
import sys
from hosts import (  # noqa: F401
    NIC,
    Clock,
    Random,
    Wire,
    at_end,
    clean,
    forget,
    host,
    inside,
    pair,
    tidy,
)
from packets import (  # noqa: F401
    ARP,
    BROADCAST,
    IPV4,
    Packet,
    arp,
    eth,
    icmp,
    ip,
    ip4,
    mac,
    mend,
    ones_sum,
    SACK_OK,
    opt_mss,
    opt_sack,
    opt_ts,
    opt_wscale,
    parts,
    tcp,
    udp,
)

UNIX = sys.platform == "linux"
SLOW = 1 if UNIX else 5  # how many times less an emulated board is asked to do


def heap(*stacks):
    """Bytes in use, after a collection; frames that are not made yet are the stacks' already."""
    gc.collect()
    return gc.mem_alloc() + sum(st.pool.unmade * st.pool.size for st in stacks)


def grown(used):
    """How much more of the heap is in use after the last rounds of many than after the first, of
    which one may make what stays. The least of two counts: keys and other numbers at random are
    now and then taken for pointers by the collector, which then keeps what is garbage."""
    return min(used[-2:]) - min(used[1:3])


def scale(n):
    """`n` on the host, a fifth of it (at least 1) on an emulated board."""
    return max(1, n // SLOW)


def raises(errno, function, *args):
    """Check that the call raises OSError(errno)."""
    try:
        function(*args)
    except OSError as error:
        assert error.errno == errno, "OSError %s, expected %d" % (error.errno, errno)
    else:
        raise AssertionError("no OSError %d" % errno)


def takes(least, most, function, *args):
    """The call takes at least `least` milliseconds of real time, each time; and less than `most`:
    once, since the machine may halt for any time in the midst of any call, but not of all."""
    from time import ticks_diff, ticks_ms

    for _ in range(20):
        start = ticks_ms()
        function(*args)
        ms = ticks_diff(ticks_ms(), start)
        assert ms >= least, "%d ms, expected %d at least" % (ms, least)
        if ms < most:
            return
    raise AssertionError("%d ms, expected less than %d" % (ms, most))


# -- the scripted peer -------------------------------------------------------------------------


class Peer:
    """The neighbour of a host. Made by peer().

    It answers ARP requests for its addresses by itself and hides ARP from expect(), unless
    `auto_arp` is False."""

    def __init__(self, h, addr, auto_arp):
        self.host = h
        self.st = h.st
        self.nif = h.nif
        self.nic = h.nic
        self.clock = h.clock
        self.addr = ip(addr)
        self.ip = h.st.ip4
        self.mac = b"\x02\1" + self.addr
        self.addrs = [self.addr]
        self.auto_arp = auto_arp
        self.sent = []  # frames the stack has sent and nobody has expected yet
        h.nic.tx = self._from_stack

    def _from_stack(self, frame):
        tag = 4 if frame[12:14] == b"\x81\0" else 0
        assert len(frame) <= self.nic.mtu + 14 + tag, "a frame of %d bytes" % len(frame)
        assert frame[6:12] == self.nic.mac, "a frame with a foreign source address"
        if self.auto_arp and frame[12:14] == b"\x08\x06":
            if frame[21] == 1 and frame[38:42] in self.addrs and frame[28:32] != frame[38:42]:
                answer = arp(2, self.mac, frame[38:42], frame[22:28], frame[28:32])
                self.nic.rx.append(eth(frame[6:12], self.mac, ARP, answer))
            return
        self.sent.append(frame)

    # -- verbs

    def queue(self, frame):
        """Put a frame on the wire without polling."""
        self.nic.rx.append(bytes(frame))

    def send(self, frame):
        """Put a frame on the wire and let the stack take it."""
        self.queue(frame)
        self.host.poll()

    def poll(self):
        return self.host.poll()

    def advance(self, ms):
        """Let `ms` milliseconds pass; the stack is polled whenever it asks to be."""
        clock = self.clock
        end = clock.ms + ms
        wait = self.host.poll()
        while 0 <= wait < end - clock.ms:
            clock.ms += wait
            wait = self.host.poll()
        clock.ms = end
        self.host.poll()

    def expect(self, kind, **fields):
        """The next frame that was sent, checked: kind "arp", "icmp", "udp", "tcp", "ip4",
        "part" (a fragment) or "eth", and the values of fields."""
        assert self.sent, "expected %s %r: nothing was sent" % (kind, fields)
        packet = Packet(self.sent.pop(0))
        assert packet.kind == kind, "expected %s %r: %r" % (kind, fields, packet)
        for name, value in fields.items():
            got = getattr(packet, name)
            assert got == value, "%s: %r, expected %r in %r" % (name, got, value, packet)
        return packet

    def expect_nothing(self):
        assert not self.sent, "expected nothing: %r" % Packet(self.sent[0])

    def take(self):
        """Every frame that was sent, taken apart."""
        packets = [Packet(frame) for frame in self.sent]
        self.sent.clear()
        return packets

    def expect_whole(self, kind, **fields):
        """The same of one that was sent in fragments."""
        first, *others = [Packet(frame) for frame in self.sent]
        self.sent.clear()
        self.sent.append(first.joined(others).frame)
        return self.expect(kind, **fields)

    def moves(self, frame):
        """Send a frame; the counters that have moved: {"ipv4.in": 1, ...}."""
        before = self.st.stats()
        self.send(frame)
        moved = {}
        for group, values in self.st.stats().items():
            if group != "pool":
                for name, value in values.items():
                    if value != before[group][name]:
                        moved[group + "." + name] = value - before[group][name]
        return moved

    def expect_drop(self, frame, counter):
        """Send a frame that has to be dropped without an answer and counted in `counter`, say
        "ipv4.in_short", and nowhere else but among what has come in."""
        moved = self.moves(frame)
        others = [k for k in moved if not k.endswith((".in", ".in_bytes"))]
        assert others == [counter] and moved[counter] == 1, "%s, expected %s" % (moved, counter)
        self.expect_nothing()

    # -- forging, from our address to the host's unless told otherwise

    def frame(self, payload, ethertype=IPV4, dst=None, src=None):
        return eth(dst or self.nic.mac, src or self.mac, ethertype, payload)

    def arp_frame(self, op=1, spa=None, tpa=None, sha=None, tha=bytes(6), dst=None, **over):
        sha = sha or self.mac
        packet = arp(op, sha, spa or self.addr, tha, tpa or self.host.addr, **over)
        return self.frame(packet, ARP, dst or (BROADCAST if op == 1 else None), sha)

    def ip_frame(self, proto, payload, src=None, dst=None, dst_mac=None, **over):
        packet = ip4(src or self.addr, dst or self.host.addr, proto, payload, **over)
        return self.frame(packet, dst=dst_mac)

    def ping_frame(self, ident=1, seq=1, data=b"", **over):
        return self.ip_frame(1, icmp(8, 0, struct.pack("!HH", ident, seq), data), **over)

    def udp_frame(
        self, sport, dport, data=b"", src=None, dst=None, length=None, csum=None, **over
    ):
        src = src or self.addr
        dst = dst or self.host.addr
        packet = udp(src, dst, sport, dport, data, length, csum)
        return self.ip_frame(17, packet, src=src, dst=dst, **over)

    def part_frames(self, proto, payload, src=None, dst=None, dst_mac=None, **over):
        """A datagram in fragments: see packets.parts()."""
        packets = parts(src or self.addr, dst or self.host.addr, proto, payload, **over)
        return [self.frame(packet, dst=dst_mac) for packet in packets]

    def arp(self, *args, **over):
        self.send(self.arp_frame(*args, **over))

    def ping(self, *args, **over):
        self.send(self.ping_frame(*args, **over))

    def udp(self, *args, **over):
        self.send(self.udp_frame(*args, **over))

    def greet(self):
        """Let the host learn our address, so that no ARP is needed later."""
        auto, self.auto_arp = self.auto_arp, True
        self.arp()
        self.auto_arp = auto

    def flow(self, sport=40000, dport=80, iss=0xFFFFFE00):
        return Flow(self, sport, dport, iss)


def peer(addr="10.0.0.1", host_addr="10.0.0.2", auto_arp=True, **kw):
    """A Peer and its host: see host() for the other arguments."""
    return Peer(host(host_addr, **kw), addr, auto_arp)


# -- TCP ---------------------------------------------------------------------------------------


class Flow:
    """One TCP connection, from the peer's side. `seq` of what we send and `ack` of what the stack
    sends count from our initial sequence number, the other two from the stack's. The initial
    number is close to 2^32, so that most tests cross the wrap."""

    def __init__(self, peer, sport, dport, iss):
        self.peer = peer
        self.host = peer.host
        self.st = peer.st
        self.clock = peer.clock
        self.sport = sport
        self.dport = dport
        self.iss = iss
        self.irs = None
        self.snd_nxt = 0
        self.rcv_nxt = 0
        self.wnd = 65535
        self.tsval = None  # a number: every segment bears a timestamps option
        self.tsecr = 0  # the last one that came
        self.conn = None
        self.listener = None

    def tcp_frame(
        self,
        flags="A",
        seq=None,
        ack=None,
        data=b"",
        wnd=None,
        opts=b"",
        urg=0,
        off=None,
        csum=None,
        sack=(),
        **over,
    ):
        """`seq` None: the next one, which then moves on; `ack` None: all that has come."""
        if seq is None:
            seq = self.snd_nxt
            self.snd_nxt += len(data) + ("S" in flags) + ("F" in flags)
        if ack is None:
            ack = self.rcv_nxt
        if self.tsval is not None:
            opts = opts + opt_ts(self.tsval, self.tsecr)
        if sack:  # blocks of the stack's numbers, as `ack` counts them
            opts = opts + opt_sack(*((self.irs + a, self.irs + b) for a, b in sack))
        number = (self.irs or 0) + ack if "A" in flags else 0
        p = self.peer
        segment = tcp(
            p.addr,
            p.host.addr,
            self.sport,
            self.dport,
            self.iss + seq,
            number,
            flags,
            self.wnd if wnd is None else wnd,
            data,
            opts,
            urg,
            off,
            csum,
        )
        return p.ip_frame(6, segment, **over)

    def tcp(self, *args, **over):
        self.peer.send(self.tcp_frame(*args, **over))

    def expect_tcp(self, flags=None, seq=None, ack=None, data=None, wnd=None, **fields):
        """The next segment; numbers in the packet returned are relative. PSH is looked at only
        when it is asked for."""
        packet = self.peer.expect("tcp", sport=self.dport, dport=self.sport, **fields)
        if self.irs is None and "S" in packet.flags:
            self.irs = packet.seq
        if packet.ts:
            self.tsecr = packet.ts[0]
        packet.sack = [
            ((a - self.iss) & 0xFFFFFFFF, (b - self.iss) & 0xFFFFFFFF) for a, b in packet.sack
        ]
        packet.seq = (packet.seq - (self.irs or 0)) & 0xFFFFFFFF
        packet.ack = (packet.ack - self.iss) & 0xFFFFFFFF if "A" in packet.flags else None
        if flags is not None:
            got = packet.flags if "P" in flags else packet.flags.replace("P", "")
            assert set(got) == set(flags), "flags: %s, expected %s in %r" % (got, flags, packet)
        for name, value in (("seq", seq), ("ack", ack), ("data", data), ("wnd", wnd)):
            got = getattr(packet, name)
            assert value is None or got == value, "%s: %r, expected %r in %r" % (
                name,
                got,
                value,
                packet,
            )
        if "R" not in packet.flags:
            end = packet.seq + len(packet.data) + ("S" in packet.flags) + ("F" in packet.flags)
            if packet.seq <= self.rcv_nxt < end:
                self.rcv_nxt = end
        return packet

    def expect_nothing(self):
        self.peer.expect_nothing()

    def advance(self, ms):
        self.peer.advance(ms)

    # -- the program on the host

    def write(self, data):
        """conn.send() of it all; returns how much was taken, or -errno."""
        with inside(self.st):
            n = self.conn.send(data, 0, len(data))
        self.peer.poll()
        return n

    def read(self, n=65536):
        """conn.recv(): bytes, b"" at the end of the stream, None when there is nothing yet;
        OSError when the connection is broken."""
        n = min(n, max(self.conn.available(), 1))  # boards have no 64 kB to spare
        buf = bytearray(n)
        with inside(self.st):
            got = self.conn.recv(buf, 0, n)
        self.peer.poll()
        if got == -11:
            return None
        if got < 0:
            raise OSError(-got)
        return bytes(buf[:got])

    def call(self, name, *args):
        """conn.<name>(*args) as a program would call it, then a poll."""
        with inside(self.st):
            result = getattr(self.conn, name)(*args)
        self.peer.poll()
        return result

    def close(self):
        self.call("close")


def listening(
    port=80, backlog=5, p=None, sport=40000, rcvbuf=None, iss=0xFFFFFE00, tsval=None, **kw
):
    """A host that listens, and a Flow towards it that has sent nothing yet."""
    p = p or peer(tcp=True, **kw)
    f = p.flow(sport, port, iss)
    f.tsval = tsval
    with inside(p.st):
        f.listener = p.st.tcp.listen(None, None, port, backlog)
        if rcvbuf:
            f.listener.rcvbuf = rcvbuf
    at_end(lambda: _close(p.st, f.listener))
    return f


def _close(st, thing):
    with inside(st):
        thing.close()


def syn_received(mss=1460, opts=None, **kw):
    """The host has answered our SYN; our ACK is missing."""
    f = listening(**kw)
    f.tcp("S", opts=opt_mss(mss) if opts is None else opts)
    f.expect_tcp("SA", seq=0, ack=1)
    return f


def syn_sent(port=80, p=None, setup=None, **kw):
    """The host has sent a SYN to our `port`; setup(conn) is called before it connects."""
    p = p or peer(tcp=True, **kw)
    with inside(p.st):
        conn = p.st.tcp.open()
        if setup:
            setup(conn)
        conn.connect(p.ip, p.addr, port)
    at_end(lambda: _close(p.st, conn))
    p.poll()
    f = p.flow(port, conn.lport)
    f.conn = conn
    f.expect_tcp("S", seq=0)
    return f


def established(active=False, mss=1460, opts=None, setup=None, **kw):
    """A connection, opened by us or (active) by the host. f.conn is the host's end."""
    opts = opt_mss(mss) if opts is None else opts
    if active:
        f = syn_sent(setup=setup, **kw)
        f.tcp("SA", opts=opts)
        f.expect_tcp("A", seq=1, ack=1)
    else:
        f = syn_received(opts=opts, **kw)
        f.tcp("A")
        with inside(f.st):
            f.conn = f.listener.accept()
        assert f.conn, "nothing to accept"
        at_end(lambda: _close(f.st, f.conn))
        if setup:
            setup(f.conn)
    f.expect_nothing()
    assert f.conn.state == 4, "state %d, not ESTABLISHED" % f.conn.state
    return f


def fin_wait_1(**kw):
    """The host has closed its half; we have not acknowledged it. kw: established()'s."""
    f = established(**kw)
    f.call("shutdown_send")
    f.expect_tcp("FA", seq=1, ack=1)
    return f


def fin_wait_2(**kw):
    f = fin_wait_1(**kw)
    f.tcp("A")
    return f


def closing(**kw):
    """Both have sent FIN at the same time; ours does not acknowledge the host's."""
    f = fin_wait_1(**kw)
    f.tcp("FA", ack=1)
    f.expect_tcp("A", seq=2, ack=2)
    return f


def time_wait(**kw):
    f = fin_wait_2(**kw)
    f.tcp("FA")
    f.expect_tcp("A", seq=2, ack=2)
    return f


def close_wait(**kw):
    """We have closed our half."""
    f = established(**kw)
    f.tcp("FA")
    f.advance(500)
    f.expect_tcp("A", seq=1, ack=2)
    return f


def last_ack(**kw):
    f = close_wait(**kw)
    f.call("close")
    f.expect_tcp("FA", seq=1, ack=2)
    return f


def optional(name):
    """The module netstack.<name>, which is frozen only where it was asked for. A test file that
    wants it names it in its head, so that it gets onto boards: `# lib: link/vlan.py`."""
    name = "netstack." + name
    try:
        return _import(name)
    except ImportError:
        pass
    package, _, module = name.rpartition(".")
    place = "lib/" + package.replace(".", "/") if UNIX else "/lib/optional"
    sys.path.insert(0, place)
    try:
        found = __import__(module)
    finally:
        sys.path.remove(place)
    sys.modules[name] = found  # for those that import it by its own name
    setattr(_import(package), module, found)
    return found


def _import(name):
    __import__(name)
    return sys.modules[name]


def fastopen():
    return optional("transport.tcp.fastopen")


# -- running -----------------------------------------------------------------------------------


def _run_one(name, function):
    from time import ticks_diff, ticks_ms

    print(name, end=" ... ")
    forget()
    gc.collect()
    start = ticks_ms()
    try:
        function()
        tidy()
        clean()
    except Exception as error:
        print("FAIL")
        sys.print_exception(error)
        return False
    print("ok", ticks_diff(ticks_ms(), start), "ms")
    return True


def run_tests(names):
    """Run every test_* function of a module's globals(), in alphabetical order; on the host,
    arguments choose some by name."""
    chosen = sys.argv[1:] if UNIX else []
    if "netstack.api.host" in sys.modules:
        __import__("outside").up()
    passed = 0
    failed = []
    for name in sorted(names):
        if name.startswith("test_") and callable(names[name]):
            if chosen and name not in chosen:
                continue
            if _run_one(name, names[name]):
                passed += 1
            else:
                failed.append(name)
    names = ": " + ", ".join(failed) if failed else ""
    print("== %d passed, %d failed%s" % (passed, len(failed), names))
    if UNIX and failed:
        sys.exit(1)

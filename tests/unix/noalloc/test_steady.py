# The steady state allocates nothing (DESIGN section 1): 1,000 packets each way under heap_lock(),
# and again with the collector off and as much allocated afterwards as before. Either proof alone
# has a hole: an exception can be raised under heap_lock(), and `f(*args)` leaves no trace.

import bench
from allocated import allocated
from netstack.core.checksum import copy

COUNT = 1000
BURST = 4


class NIC(bench.NIC):
    """Gives the same frame over and over, keeps the last one sent; neither allocates."""

    def arm(self, frame):
        self.frame = frame
        self.size = len(frame)
        self.left = 0
        self.out = bytearray(1600)
        self.count = 0

    def recv(self, buf, off):
        if self.left == 0:
            return 0
        self.left -= 1
        copy(buf, off, self.frame, 0, self.size)
        return self.size

    def send(self, buf, off, n):
        copy(self.out, 0, buf, off, n)
        self.count += 1
        return n


class Case:
    """A host whose NIC is the one above, once it has learnt its neighbour."""

    def __init__(self, **kw):
        self.p = bench.peer(**kw)
        self.p.clock.start = 0  # virtual time must not pass 2^30, where small ints end
        self.p.poll()
        self.p.greet()
        self.st = self.p.st
        self.now = 0
        self.nic = NIC(self.p.nic.mac)
        self.nic.rx = self.p.nic.rx

    def use(self, frame):
        self.nic.arm(frame)
        self.p.nif.use(self.nic)

    def measure(self, run):
        got = allocated(run)
        assert self.st.nomem == 0, "MemoryError inside poll()"
        assert got == 0, "%d bytes allocated by %d packets" % (got, COUNT)
        self.p.clock.ms = self.now
        self.p.nif.use(self.p.nic)

    def poll(self):
        """A burst of frames in a poll of its own, and a millisecond of time."""
        self.nic.left = BURST
        self.now += 1
        self.st.poll(self.now)


def test_udp_received():
    case = Case()
    e = case.p.host.udp.open()
    e.bind(None, None, 7)
    data = bytes(i & 255 for i in range(1000))
    case.use(case.p.udp_frame(1000, 7, data))
    buf = bytearray(1500)
    case.got = 0

    def run():
        for _ in range(COUNT // BURST):
            case.poll()
            while e.waiting:
                case.got += e.recv(buf, 0, 1500)

    case.measure(run)
    assert case.got == 3 * COUNT * 1000 and buf[:1000] == data
    assert case.nic.count == 0


def test_pings():
    case = Case()
    data = bytes(i & 255 for i in range(500))
    case.use(case.p.ping_frame(1, 2, data))

    def run():
        for _ in range(COUNT // BURST):
            case.poll()

    case.measure(run)
    assert case.nic.count >= 3 * COUNT
    reply = bench.Packet(bytes(case.nic.out[:542]))
    assert reply.kind == "icmp" and reply.type == 0 and reply.data == data


def test_udp_answered():
    case = Case()
    e = case.p.host.udp.open()
    e.bind(None, None, 7)
    e.answer = lambda endpoint, buf, off, n: n
    data = bytes(i & 255 for i in range(1000))
    case.use(case.p.udp_frame(1000, 7, data))

    def run():
        for _ in range(COUNT // BURST):
            case.poll()

    case.measure(run)
    assert case.nic.count >= 3 * COUNT
    answer = bench.Packet(bytes(case.nic.out[:1042]))
    assert answer.kind == "udp" and answer.dport == 1000 and answer.data == data


def test_udp_sent():
    case = Case()
    st = case.st
    e = case.p.host.udp.open()
    e.connect(st.ip4, case.p.addr, 9)
    data = bytes(1000)
    case.use(b"")

    def run():
        for _ in range(COUNT):
            st.enter()
            e.send(data, 0, 1000)
            st.leave()

    case.measure(run)
    assert case.nic.count == 3 * COUNT


def test_udp_sent_to():
    case = Case()
    st = case.st
    e = case.p.host.udp.open()
    e.bind(None, None, 7)
    data = bytes(100)
    addr = case.p.addr
    case.use(b"")

    def run():
        for _ in range(COUNT):
            st.enter()
            e.send(data, 0, 100, st.ip4, addr, 9)
            st.leave()

    case.measure(run)
    assert case.nic.count == 3 * COUNT


def test_dropped():
    # Junk costs no memory either: another station's, an unknown type, a wrong checksum, no port.
    for which in range(4):
        case = Case()
        p = case.p
        frame = (
            bench.eth(b"\x02\xff\xff\xff\xff\xff", p.mac, bench.IPV4, bytes(60)),
            p.frame(bytes(60), 0x86DD),
            p.udp_frame(1000, 7, bytes(60), csum=1),
            p.udp_frame(1000, 8, bytes(60)),  # answered, within the limit of the rate
        )[which]
        case.use(frame)

        def run():
            for _ in range(COUNT // BURST):
                case.poll()

        case.measure(run)


def test_arp_answered():
    case = Case()
    case.use(case.p.arp_frame())

    def run():
        for _ in range(COUNT // BURST):
            case.poll()

    case.measure(run)
    assert case.nic.count == 3 * COUNT


bench.run_tests(globals())

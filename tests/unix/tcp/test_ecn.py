# Explicit congestion notification (RFC 3168 section 6.1).
#
# Words of the control block that are looked at: 15 CWND, 16 SSTHRESH, 31 FLAGS (65536: in use,
# 131072: our ACKs say ECE).

import bench
from bench import SACK_OK, inside, opt_mss

MSS = 1000
ECT0 = 2
CE = 3


def _asked(flags="SEC", **kw):
    """The peer's SYN asks for ECN; its flow once our answer has come."""
    f = bench.listening(budget=8 << 20, **kw)
    f.tcp(flags, opts=opt_mss(MSS) + SACK_OK)
    return f


def _flow(segments=10):
    """Established with ECN and Reno; `segments` are in flight."""
    f = _asked()
    f.expect_tcp("SAE")
    f.tcp("A")
    with inside(f.st):
        f.conn = f.listener.accept()
    bench.at_end(f.close)
    f.conn.set_congestion("reno")
    f.conn.cb[15] = segments * MSS
    if not segments:
        return f
    f.write(bytes(60 * MSS))
    assert len(f.peer.sent) == segments
    return f


def test_accepted():
    """RFC 3168 6.1.1: an ECN-setup SYN is answered by an ECN-setup SYN,ACK, without ECT."""
    f = _asked()
    p = f.expect_tcp("SAE")
    assert p.tos == 0
    f.tcp("A")
    with inside(f.st):
        f.conn = f.listener.accept()
    bench.at_end(f.close)
    assert f.conn.cb[31] & 65536


def test_not_asked():
    """RFC 3168 6.1.1: one of the two bits alone asks for nothing; nor do we agree when told not
    to."""
    for flags in ("S", "SE", "SC"):
        f = _asked(flags)
        assert f.expect_tcp("SA").tos == 0
    f = bench.listening()
    f.st.tcp.ecn_accept = False
    f.tcp("SEC", opts=opt_mss(MSS))
    f.expect_tcp("SA")


def _open(answer, ecn=True):
    p = bench.peer(tcp=True)
    p.st.tcp.ecn = ecn
    with inside(p.st):
        conn = p.st.tcp.open()
        conn.connect(p.st.ip4, p.addr, 80)
    p.poll()
    f = p.flow(80, conn.lport)
    f.conn = conn
    f.expect_tcp("SEC" if ecn else "S", seq=0)
    f.tcp(answer, opts=opt_mss(MSS))
    f.expect_tcp("A")
    used = conn.cb[31] & 65536
    f.call("abort")
    f.peer.take()
    return bool(used)


def test_active():
    """RFC 3168 6.1.1: asked for when TCP.ecn says so; used when the answer has ECE alone: a peer
    that mirrors our bits knows nothing of it."""
    assert _open("SAE")
    assert not _open("SA")
    assert not _open("SAEC")
    assert not _open("SAC")
    assert not _open("SAE", False)


def test_syn_again_without():
    """RFC 3168 6.1.1.1: a SYN that was not answered is sent again without the bits."""
    p = bench.peer(tcp=True)
    p.st.tcp.ecn = True
    with inside(p.st):
        conn = p.st.tcp.open()
        conn.connect(p.st.ip4, p.addr, 80)
    p.poll()
    f = p.flow(80, conn.lport)
    f.conn = conn
    f.expect_tcp("SEC", seq=0)
    f.advance(1100)
    f.expect_tcp("S", seq=0)
    f.tcp("SAE", opts=opt_mss(MSS))
    f.expect_tcp("A")
    assert not conn.cb[31] & 65536
    f.call("abort")
    f.peer.take()


def test_text_is_marked():
    """RFC 3168 6.1.2, 6.1.4, 6.1.5: ECT(0) on new text; not on what is sent again, nor on bare
    ACKs."""
    f = _flow()
    assert all(p.tos == ECT0 for p in f.peer.take())
    for _ in range(2):
        f.tcp(data=b"x" * MSS, ack=1)
    assert [p.tos for p in f.peer.take()] == [0]
    f.tcp("A", ack=1, sack=[(1 + MSS, 1 + 5 * MSS)])
    p = f.peer.take()[0]
    assert p.seq == f.irs + 1 and p.tos == 0
    f.advance(1000)
    assert all(p.tos == 0 for p in f.peer.take() if (p.seq - f.irs) & 0xFFFFFFFF < 10 * MSS)


def test_tos_of_the_program():
    """RFC 3168 section 5: the other six bits are the program's, these two are ours."""
    f = _flow(2)
    f.peer.take()
    f.call("set", "tos", 0xB9)
    f.conn.cb[15] = 3 * MSS
    f.tcp("A", ack=1 + MSS)
    assert {p.tos for p in f.peer.take()} == {0xB8 | ECT0}
    f.tcp(data=b"x" * MSS)
    f.tcp(data=b"x" * MSS)
    assert f.peer.take()[-1].tos == 0xB8


def test_fast_path():
    """RFC 3168 6.1.2 to 6.1.5: while nothing is marked all is the fast path's: ECT(0) on new text,
    none on bare ACKs; CE, ECE and CWR are not."""
    f = _flow(0)
    f.conn.cb[15] = 10 * MSS
    fast = f.st.stats()["fast"]
    f.write(bytes(20 * MSS))
    assert [p.tos for p in f.peer.take() if p.data] == [ECT0] * 10
    for i in range(1, 11):
        f.tcp(data=b"x" * MSS, ack=1 + i * MSS, tos=ECT0)
    assert f.read(20 * MSS) == b"x" * (10 * MSS)
    sent = f.peer.take()
    assert {p.tos for p in sent if p.data} == {ECT0} and {p.tos for p in sent if not p.data} <= {0}
    now = f.st.stats()["fast"]
    assert now["in"] > fast["in"] + 5 and now["out"] > fast["out"] + 10, (fast, now)
    f.tcp(data=b"x" * MSS, ack=1 + 10 * MSS, tos=CE)
    assert [p.flags for p in f.peer.take() if not p.data] == ["AE"]
    f.tcp("AE", ack=1 + 11 * MSS)
    assert f.st.stats()["fast"]["in"] == now["in"]
    f.peer.take()


def test_probes_are_not_marked():
    """RFC 3168 6.1.6: nothing that probes a closed window."""
    f = _flow(2)
    f.peer.take()
    f.tcp("A", ack=1 + 2 * MSS, wnd=0)
    f.advance(10000)
    probes = [p for p in f.peer.take() if p.data]
    assert probes and all(p.tos == 0 and len(p.data) == 1 for p in probes)


def test_nothing_without():
    """RFC 3168 6.1: a peer that has not agreed gets no ECT, and its bits say nothing."""
    f = bench.established(mss=MSS, budget=8 << 20)
    f.write(bytes(20 * MSS))
    assert all(p.tos == 0 for p in f.peer.take())
    cwnd = f.conn.cb[15]
    f.tcp("AE", ack=1 + MSS)
    assert f.conn.cb[15] >= cwnd
    f.peer.take()
    for _ in range(2):
        f.tcp(data=b"x" * 1000, tos=CE)
    assert all("E" not in p.flags for p in f.peer.take())


def test_echo_until_told():
    """RFC 3168 6.1.3: a mark is told at once, and in every ACK until CWR comes; a mark on that
    very segment counts again."""
    f = _flow(0)
    f.tcp(data=b"x" * 10, tos=CE)
    f.expect_tcp("AE", ack=11)
    f.tcp(data=b"x" * 10, tos=ECT0)
    f.advance(100)
    f.expect_tcp("AE", ack=21)
    f.tcp("AC", data=b"x" * 10, tos=ECT0)
    f.advance(100)
    f.expect_tcp("A", ack=31)
    f.tcp("A", data=b"x" * 10, tos=CE)
    f.expect_tcp("AE", ack=41)
    f.tcp("AC", data=b"x" * 10, tos=CE)
    f.expect_tcp("AE", ack=51)


def test_one_reduction_for_a_window():
    """RFC 3168 6.1.2: an ECE halves the window, once for each window of data; the next new text
    says CWR, once."""
    f = _flow(10)
    f.peer.take()
    f.tcp("AE", ack=1 + 2 * MSS)
    assert f.conn.cb[15] == f.conn.cb[16] == 5 * MSS
    sent = []
    for i in range(3, 12):
        f.tcp("AE" if i < 10 else "A", ack=1 + i * MSS)
        sent += [p for p in f.peer.take() if p.data]
    assert f.conn.cb[16] == 5 * MSS and f.host.stat("tcp")["marks"] == 1
    assert ["C" in p.flags for p in sent] == [True] + [False] * (len(sent) - 1)
    assert (sent[0].seq - f.irs) & 0xFFFFFFFF == 1 + 10 * MSS
    f.tcp("AE", ack=1 + 12 * MSS)
    assert f.conn.cb[16] < 5 * MSS and f.host.stat("tcp")["marks"] == 2
    assert f.host.stat("tcp")["rexmt"] == 0


def test_mark_in_recovery():
    """RFC 3168 6.1.2: one reduction for a window, be it for a loss or for a mark; CWR is told on
    new text, not on what is sent again."""
    f = _flow(10)
    f.peer.take()
    f.tcp("A", ack=1, sack=[(1 + MSS, 1 + 5 * MSS)])
    ssthresh = f.conn.cb[16]
    f.tcp("AE", ack=1, sack=[(1 + MSS, 1 + 7 * MSS)])
    f.tcp("AE", ack=1 + 10 * MSS)
    assert f.conn.cb[16] == ssthresh and f.host.stat("tcp")["marks"] == 0
    packets = [p for p in f.peer.take() if p.data]
    told = [(p.seq - f.irs) & 0xFFFFFFFF for p in packets if "C" in p.flags]
    assert told == [1 + 10 * MSS], told


def test_never_below_two_segments():
    """RFC 5681 equation 4"""
    f = _flow(2)
    f.peer.take()
    f.tcp("AE", ack=1 + MSS)
    assert f.conn.cb[15] == 2 * MSS


bench.run_tests(globals())

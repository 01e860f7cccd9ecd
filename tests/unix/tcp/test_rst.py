# RST and SYN in synchronized states (RFC 9293 3.10.7.4 second and fourth, RFC 5961), ICMP errors
# (RFC 9293 3.9.2.2, RFC 5461, RFC 5927), segments that are no segments.

import bench
from bench import raises

_ECONNREFUSED = 111
_ECONNRESET = 104
_EHOSTUNREACH = 113
_ETIMEDOUT = 110


def test_exact_rst():
    """RFC 5961 section 3.2: a RST at exactly RCV.NXT resets; the user is told."""
    f = bench.established()
    told = []
    f.conn.notify = lambda c: told.append((c.state, c.error))
    f.tcp("R")
    f.expect_nothing()
    assert told == [(0, _ECONNRESET)], told
    raises(_ECONNRESET, f.read)
    assert f.write(b"x") == -_ECONNRESET
    assert f.host.stat("tcp")["resets"] == 1


def test_exact_rst_with_ack():
    """RFC 9293 3.10.7.4 second: RST is looked at before ACK: a wrong ACK does not save it."""
    f = bench.established()
    f.tcp("RA", ack=0x12345678)
    assert f.conn.state == 0
    f.expect_nothing()


def test_rst_in_window():
    """RFC 5961 section 3.2: a RST elsewhere in the window gets a challenge ACK."""
    f = bench.established(rcvbuf=4096)
    for seq in (2, 1000, 4096):
        f.tcp("R", seq=seq)
        f.expect_tcp("A", seq=1, ack=1)
    assert f.conn.state == 4
    assert f.host.stat("tcp")["challenges"] == 3


def test_rst_out_of_window():
    """RFC 9293 3.10.7.4 first: a RST outside the window is dropped without an answer."""
    f = bench.established(rcvbuf=4096)
    for seq in (0, 4098, 0x80000000, 0xFFFFFFFF):
        f.tcp("R", seq=seq)
    f.expect_nothing()
    assert f.conn.state == 4


def test_rst_with_text():
    """RFC 5961 section 3.2: text does not make a RST exact whose number is not."""
    f = bench.established(rcvbuf=4096)
    f.tcp("A", data=b"abcd")
    f.peer.take()
    f.tcp("R", seq=1, data=bytes(100))
    f.expect_tcp("A", seq=1, ack=5)
    assert f.conn.state == 4


def test_syn_with_text():
    """RFC 5961 section 4.2: a SYN is challenged whatever its number, and its text dropped."""
    f = bench.established()
    f.tcp("SA", seq=0, data=b"abcd")
    f.expect_tcp("A", seq=1, ack=1)
    assert f.read() is None
    f = bench.time_wait()
    f.tcp("S", seq=0, data=bytes(100))
    f.expect_tcp("A", seq=2, ack=2)
    assert f.conn.state == 10


def test_rst_with_closed_window():
    """RFC 9293 3.10.7.4 first: with RCV.WND 0 a RST at RCV.NXT still resets."""
    f = bench.established(rcvbuf=2048)
    f.tcp("A", data=bytes(1400))
    f.tcp("A", data=bytes(648))
    f.peer.take()
    f.tcp("R")
    assert f.conn.state == 0
    assert len(f.read()) == 2048  # what came before is still there
    raises(_ECONNRESET, f.read)


def test_syn_in_window():
    """RFC 5961 section 4.2: a SYN in the window gets a challenge ACK, nothing else happens."""
    f = bench.established()
    for seq in (1, 5, 1000):
        f.tcp("S", seq=seq)
        f.expect_tcp("A", seq=1, ack=1)
    f.tcp("SA", seq=1)
    f.expect_tcp("A", seq=1, ack=1)
    assert f.conn.state == 4


def test_syn_out_of_window():
    """RFC 5961 section 4.2: so does a SYN outside the window (a peer that restarted)."""
    f = bench.established()
    f.tcp("S", seq=0x70000000)
    f.expect_tcp("A", seq=1, ack=1)
    f.tcp("R", seq=1)  # its answer: half-open connection discovered (RFC 9293 3.5.1)
    assert f.conn.state == 0


def test_challenges_are_limited():
    """RFC 5961 section 7: no more than 10 challenge ACKs a second."""
    f = bench.established()
    for i in range(30):
        f.tcp("R", seq=2 + i)
    assert len(f.peer.take()) == 10
    f.advance(1001)
    f.tcp("R", seq=2)
    f.expect_tcp("A")


def _reset_in(make, error):
    f = make()
    f.peer.take()
    f.tcp("R")
    f.expect_nothing()
    assert f.conn.state == 0
    assert f.conn.error == error, f.conn.error
    assert list(f.st.tcp.connections()) == []


def test_rst_in_each_state():
    """RFC 9293 3.10.7.4 second: reset up to CLOSE-WAIT, without an error from CLOSING on."""
    _reset_in(bench.fin_wait_1, _ECONNRESET)
    _reset_in(bench.fin_wait_2, _ECONNRESET)
    _reset_in(bench.close_wait, _ECONNRESET)
    _reset_in(bench.closing, 0)
    _reset_in(bench.last_ack, 0)


def test_data_before_rst():
    """RFC 9293 3.10.7.4: text that arrived before the RST can still be read."""
    f = bench.established()
    f.tcp("A", data=b"last words")
    f.tcp("R")
    assert f.read() == b"last words"
    raises(_ECONNRESET, f.read)


# -- ICMP --------------------------------------------------------------------------------------


def _quote(f, packet, code, type=3):
    """An ICMP error of the peer about a segment of the host's."""
    ip4 = packet.frame[14 : 14 + 28]
    f.peer.send(f.peer.ip_frame(1, bench.icmp(type, code, data=ip4)))


def test_port_unreachable_in_syn_sent():
    """RFC 9293 3.9.2.2 (SHLD-26): protocol or port unreachable ends an open."""
    for code in (2, 3):
        p = bench.peer(tcp=True)
        f = p.flow(80, 0)
        with bench.inside(p.st):
            f.conn = p.st.tcp.open()
            f.conn.connect(p.st.ip4, p.addr, 80)
        p.poll()
        f.dport = f.conn.lport
        syn = f.expect_tcp("S", seq=0)
        _quote(f, syn, code)
        assert f.conn.state == 0 and f.conn.error == _ECONNREFUSED, (code, f.conn.error)
        f.close()


def test_host_unreachable_in_syn_sent():
    """RFC 9293 3.9.2.2 (MUST-56): net and host unreachable are soft; the reason when it ends."""
    f = bench.syn_sent()
    f.advance(1000)
    _quote(f, f.expect_tcp("S", seq=0), 1)
    assert f.conn.state == 2
    f.advance(300000)
    assert f.conn.state == 0 and f.conn.error == _EHOSTUNREACH
    f.peer.take()


def test_errors_in_established():
    """RFC 9293 3.9.2.2 (MUST-56): no ICMP error ends an established connection."""
    f = bench.established()
    f.write(b"abc")
    sent = f.expect_tcp("A", data=b"abc")
    for code in (0, 1, 2, 3, 5):
        _quote(f, sent, code)
    assert f.conn.state == 4 and f.conn.error == 0
    f.tcp("A")
    assert f.conn.state == 4


def test_soft_error_is_forgotten():
    """RFC 5461 section 2: an ICMP error that was followed by an ACK explains nothing later."""
    f = bench.established()
    f.write(b"abc")
    _quote(f, f.expect_tcp("A", data=b"abc"), 1)
    f.tcp("A")
    f.write(b"def")
    f.advance(1000000)
    assert f.conn.error == _ETIMEDOUT
    f.peer.take()


def test_error_about_other_numbers():
    """RFC 5927 section 4.1: the quoted sequence number must be in flight."""
    f = bench.syn_sent()
    quoted = bench.tcp(f.host.addr, f.peer.addr, f.dport, f.sport, f.irs + 1000, 0, "S")
    packet = bench.ip4(f.host.addr, f.peer.addr, 6, quoted)
    f.peer.send(f.peer.ip_frame(1, bench.icmp(3, 3, data=packet[:28])))
    assert f.conn.state == 2


def test_error_cut_short():
    """RFC 792: an error that quotes less than 8 bytes of the segment is ignored."""
    f = bench.syn_sent()
    quoted = bench.tcp(f.host.addr, f.peer.addr, f.dport, f.sport, f.irs, 0, "S")
    packet = bench.ip4(f.host.addr, f.peer.addr, 6, quoted)
    for n in range(28):
        f.peer.send(f.peer.ip_frame(1, bench.icmp(3, 3, data=packet[:n])))
    assert f.conn.state == 2
    for at, value in ((0, 0x65), (0, 0x4F), (9, 17)):  # not IPv4, a header too long, not TCP
        wrong = bytearray(packet[:28])
        wrong[at] = value
        f.peer.send(f.peer.ip_frame(1, bench.icmp(3, 3, data=bytes(wrong))))
    assert f.conn.state == 2


# -- segments that are no segments -------------------------------------------------------------


def _bad(counter, **over):
    f = bench.established()
    f.tcp("A", seq=1, **over)
    f.expect_nothing()
    assert f.read() is None
    assert f.host.stat("tcp")[counter] == 1, f.host.stat("tcp")


def test_bad_offset():
    """RFC 9293 3.1: a data offset below 5 or beyond the end: dropped and counted."""
    _bad("in_offset", off=4, data=b"abcd")
    _bad("in_offset", off=0, data=b"abcd")
    _bad("in_offset", off=15, data=b"abcd")


def test_bad_checksum():
    """RFC 9293 3.1 (MUST-3): the checksum is checked."""
    _bad("in_checksum", csum=0x1234, data=b"abcd")
    _bad("in_checksum", csum=0, data=b"abcd")


def test_bad_options():
    """RFC 9293 3.1 (MUST-7): an option of length 0 or 1, or past the end: dropped and counted."""
    for opts in (
        b"\x02\x00\x05\xb4",
        b"\x02\x01\x05\xb4",
        b"\x01\x01\x02\x04",
        b"\x01\x01\x01\x08",
    ):
        _bad("in_option", opts=opts, data=b"abcd")
    _bad("in_option", opts=b"\xfe\xff" + bytes(38))


def test_unknown_options():
    """RFC 9293 3.1 (MUST-6): unknown options are skipped by their length, on any segment."""
    for opts in (b"\xfd\x02", b"\xfe\x06abcd\x01\x01", b"\x08\x0a" + bytes(8), b"\0\xff\xff\xff"):
        f = bench.established()
        f.tcp("A", opts=opts, data=b"abcd")
        assert f.read() == b"abcd", opts
    f = bench.syn_received(opts=b"\x03\x03\x07\x04\x02\x02\x04\x03\xe8")  # scale, SACK, MSS 1000
    f.tcp("A")
    f.conn = f.listener.accept()
    f.write(bytes(1500))
    assert len(f.expect_tcp("A", seq=1).data) == 1000


def test_mss_option_of_wrong_length():
    """RFC 9293 3.2: an MSS option that is not 4 bytes long is skipped as unknown."""
    f = bench.syn_received(opts=b"\x02\x03\x01\x01\x02\x06\1\2\3\4")
    f.tcp("A")
    f.conn = f.listener.accept()
    f.write(bytes(1500))
    assert len(f.expect_tcp("A", seq=1).data) == 536


def test_every_length():
    """RFC 9293 3.1: a segment cut anywhere is dropped, whatever the IP header says."""
    f = bench.established()
    p = f.peer
    whole = bench.tcp(p.addr, f.host.addr, f.sport, f.dport, f.iss + 1, f.irs + 1, "PA", data=b"x")
    for n in range(len(whole)):
        p.send(p.ip_frame(6, whole[:n]))
    f.expect_nothing()
    assert f.read() is None
    stat = f.host.stat("tcp")
    assert stat["in_short"] == 20 and stat["in_checksum"] == 1, stat


def test_urgent():
    """RFC 9293 3.8.5: urgent text is read in place; nonsense in the pointer does no harm."""
    f = bench.established()
    f.tcp("UA", data=b"abc", urg=1)
    f.tcp("UA", data=b"def", urg=0xFFFF)
    f.tcp("A", data=b"ghi", urg=5)
    assert f.read() == b"abcdefghi"


bench.run_tests(globals())

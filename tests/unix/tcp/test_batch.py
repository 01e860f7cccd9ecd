# Segments that arrive together are all taken before anything is sent (core/stack.py): what one
# wants sent, the next may have made out of date.

import bench


def test_syn_again_and_its_ack():
    # RFC 9293 3.10.7.4: the SYN asks for our SYN,ACK once more, the ACK shows that it had come
    f = bench.syn_received()
    f.peer.queue(f.tcp_frame("S", seq=0, opts=bench.opt_mss(1460)))
    f.peer.queue(f.tcp_frame("A", data=b"hello"))
    f.peer.poll()
    with bench.inside(f.st):
        f.conn = f.listener.accept()
    bench.at_end(f.close)
    f.advance(500)
    f.expect_tcp("SA", seq=0, ack=1)  # a record is answered at once: see synqueue.py
    f.expect_tcp("A", seq=1, ack=6)
    assert f.read() == b"hello"
    f.write(b"x")
    f.expect_tcp("A", seq=1, data=b"x")


def test_one_ack_for_many():
    # RFC 9293 3.8.6.3
    f = bench.established()
    for _ in range(4):
        f.peer.queue(f.tcp_frame(data=b"x" * 500))
    f.peer.poll()
    f.advance(500)
    f.expect_tcp("A", ack=2001)
    f.expect_nothing()
    assert f.read() == b"x" * 2000


def test_data_fin_and_reset():
    # What has come before a reset can still be read (RFC 9293 3.10.7.4, then 3.9.1.3)
    f = bench.established()
    f.peer.queue(f.tcp_frame("PA", data=b"last words"))
    f.peer.queue(f.tcp_frame("R", seq=11))
    f.peer.poll()
    assert f.conn.state == 0
    assert f.read() == b"last words"
    bench.raises(104, f.read)  # ECONNRESET


def test_fin_and_ack_of_ours():
    # FIN-WAIT-1 to TIME-WAIT at one poll
    f = bench.fin_wait_1()
    f.peer.queue(f.tcp_frame("A"))
    f.peer.queue(f.tcp_frame("FA"))
    f.peer.poll()
    f.expect_tcp("A", seq=2, ack=2)
    f.expect_nothing()
    assert f.conn.state == 10


def test_both_ends_write_at_once():
    f = bench.established()
    f.peer.queue(f.tcp_frame("PA", data=b"ping"))
    with bench.inside(f.st):
        f.conn.send(b"pong", 0, 4)
    f.expect_tcp("A", seq=1, data=b"pong")
    f.peer.poll()
    f.advance(500)
    assert f.read() == b"ping"
    assert f.expect_tcp("A", seq=5, ack=5).data == b""


def test_handshake_data_and_fin_together():
    f = bench.syn_received()
    f.peer.queue(f.tcp_frame("A"))
    f.peer.queue(f.tcp_frame("PA", data=b"all"))
    f.peer.queue(f.tcp_frame("FA"))
    f.peer.poll()
    with bench.inside(f.st):
        f.conn = f.listener.accept()
    bench.at_end(f.close)
    assert f.conn.state == 7
    f.expect_tcp("A", seq=1, ack=5)
    assert f.read() == b"all" and f.read() == b""


bench.run_tests(globals())

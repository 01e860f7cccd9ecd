# The data calls of sockets allocate nothing once they run: heap_lock() is held and the collector
# is off (a raised OSError would pass heap_lock, so the heap's use is compared as well).

import bench
import gc
import micropython
import outside
import socket

ROUNDS = 200


def check(step):
    """Run `step` often; what it allocates shows as an exception or as a difference."""
    outside.down()
    for _ in range(5):
        step()
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        micropython.heap_lock()
        try:
            for _ in range(ROUNDS):
                step()
        finally:
            micropython.heap_unlock()
        used = gc.mem_alloc() - before
    finally:
        gc.enable()
    # gc.mem_alloc() itself may have to make an int: the same on every run of the test
    assert used <= 32, "%d bytes allocated in %d rounds" % (used, ROUNDS)


def test_stream():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    a = socket.socket()
    bench.at_end(a.close)
    a.connect(server.getsockname())
    b, _ = server.accept()
    bench.at_end(b.close)
    server.close()
    data = bytes(1000)
    buf = bytearray(1000)
    view = memoryview(buf)

    def step():
        a.send(data)
        got = 0
        while got < 1000:
            got += b.recv_into(buf)
        b.write(view)
        a.readinto(view)

    for s in (a, b):
        s.settimeout(60)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    check(step)


def test_datagram():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.at_end(server.close)
    server.bind(("127.0.0.1", 0))
    server.settimeout(60)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.at_end(client.close)
    peer = server.getsockname()
    data = bytes(500)
    buf = bytearray(500)

    def step():
        client.sendto(data, peer)
        assert server.recv_into(buf) == 500

    check(step)


def test_poll():
    """select.poll().ipoll() on sockets that are not ready, and on ones that are."""
    import select

    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.at_end(server.close)
    server.bind(("127.0.0.1", 0))
    poller = select.poll()
    poller.register(server, select.POLLIN)
    peer = server.getsockname()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.at_end(client.close)
    buf = bytearray(10)

    def step():
        for _ in poller.ipoll(0):
            raise AssertionError("nothing has come")
        client.sendto(b"x", peer)
        for s, _ in poller.ipoll(1000):
            s.recv_into(buf)

    check(step)


bench.run_tests(globals())

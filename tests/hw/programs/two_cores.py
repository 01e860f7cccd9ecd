# What tests/hw/test_two_cores.py is about: Python on both cores, and the stack.

import _thread
import gc
import network
import socket
import sys
import time

LINUX = "10.99.0.1"
SIZE = 4000
BURST = 12
failed = []
done = []
stop = []
took = []
buf0 = bytearray(1500)
buf1 = bytearray(1500)


def run(function, args):
    try:
        function(*args)
    except BaseException as error:
        failed.append(error)
        sys.print_exception(error)
    done.append(function)


def second(function, *args):
    done.clear()
    stop.clear()
    while True:
        try:
            return _thread.start_new_thread(run, (function, args))
        except OSError:  # the last one has not left the core yet
            pass


def join():
    while not done:
        time.sleep_ms(2)
    assert not failed


def listener(port):
    s = socket.socket()
    s.bind(("", port))
    s.listen(2)
    return s


def datagrams(port=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    return s


def echo(server, buf):
    conn, _ = server.accept()
    while True:
        n = conn.recv_into(buf)
        if n == 0:
            break
        conn.sendall(memoryview(buf)[:n])
    conn.close()


def visit(address, data, buf):
    """Send it to an echo server, and see it come back."""
    s = socket.socket()
    s.connect(address)
    at = 0
    for off in range(0, len(data), 1000):
        s.sendall(data[off : off + 1000])
        end = min(off + 1000, len(data))
        while at < end:
            n = s.recv_into(buf, min(end - at, 1500))
            assert n and buf[:n] == data[at : at + n], at
            at += n
    s.close()


def shout(own, shared, who):
    for i in range(BURST):
        text = bytes([65 + i % 26]) * (20 + 13 * i % 700)
        own.sendto(b"own %d %d " % (who, i) + text, (LINUX, 9))
        shared.sendto(b"shared %d %d " % (who, i) + text, (LINUX, 9))


def wait(call):
    try:
        call()
        print("nothing")
    except OSError as error:
        print("errno", error.errno)


def close_later(s):
    time.sleep_ms(40)
    s.close()


def compute(stop):
    while not stop:
        pass


def transfer(data, buf):
    """Both ends of a connection on this core."""
    a, b = socket.socketpair()
    start = time.ticks_us()
    for off in range(0, len(data), 1000):
        a.sendall(data[off : off + 1000])
        n = 0
        while n < 1000:
            n += b.recv_into(buf, 1000 - n)
    took.append(time.ticks_diff(time.ticks_us(), start))
    a.close()
    b.close()


def litter(s, peer, first):
    """Datagrams to and fro, and garbage."""
    s.settimeout(10)
    for i in range(10):
        if first:
            s.sendto(bytes([i]) * (20 + i), peer)
        keep = [bytes(40) for _ in range(10)]
        got, sender = s.recvfrom(100)
        assert got == bytes([i]) * (20 + i) and sender == peer, (i, got, sender)
        if not first:
            s.sendto(got, sender)
        if i % 5 == 0:
            gc.collect()
        assert keep[9] == bytes(40)


def insist(s):
    """Never out of the stack for long."""
    s.setblocking(False)
    while True:
        try:
            s.recv(10)
        except OSError:
            pass


def part1():
    second(echo, listener(7), buf1)
    print("begin 1")
    visit((LINUX, 7), data, buf0)
    join()


def part2():
    own = [datagrams() for _ in range(3)]
    second(shout, own[1], own[2], 1)
    print("begin 2")
    shout(own[0], own[2], 0)
    join()


def part3():
    server = listener(8)
    a = socket.create_connection(("127.0.0.1", 8))
    b, _ = server.accept()
    d = datagrams()
    for s, call in (
        (a, lambda: a.recv(5)),
        (d, lambda: d.recvfrom(5)),
        (server, lambda: server.accept()),
    ):
        second(wait, call)
        time.sleep_ms(40)
        s.close()
        join()
    b.close()
    d = datagrams()
    second(close_later, d)
    wait(lambda: d.recv(5))
    join()


def part4():
    transfer(data[:2000], buf0)
    took.clear()
    transfer(data[:2000], buf0)
    second(compute, stop)
    transfer(data[:2000], buf0)
    stop.append(1)
    join()
    second(transfer, data[:2000], buf1)
    while not done:
        pass
    assert not failed
    print("us", *took)


def part5():
    a, b = datagrams(11), datagrams(12)
    second(litter, b, ("127.0.0.1", 11), False)
    litter(a, ("127.0.0.1", 12), True)
    join()


def part6():
    a, b = socket.socketpair()
    second(insist, b)
    time.sleep_ms(20)
    a.send(b"x")


data = bytes(i * 7 + (i >> 8) & 255 for i in range(SIZE))
nic = network.LAN()
nic.active(True)
nic.ipconfig(addr4="10.99.0.2/24")
while not nic.isconnected():
    time.sleep_ms(5)
for number, part in enumerate((part1, part2, part3, part4, part5, part6), 1):
    part()
    print("end", number)

# netstack through its sockets: sockets.py sink|source|accept|hold|echo [connections]

import lan
import network
import select
import socket
import sys
from netstack.api import host

role = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 1
nic = network.LAN()
if lan.IPV6:
    nic.config(dad6=0)
nic.active(True)
nic.ipconfig(addr4=lan.OURS + "/24")
if lan.IPV6:
    nic.ipconfig(addr6=lan.OURS6 + "/64")
buf = bytearray(lan.CHUNK)


def bound(kind):
    s = socket.socket(socket.AF_INET6 if lan.IPV6 else socket.AF_INET, kind)
    s.bind(("::" if lan.IPV6 else "0.0.0.0", lan.PORT))
    return s


def echo():
    s = bound(socket.SOCK_DGRAM)
    view = memoryview(buf)
    lan.ready()
    while True:
        n, peer = s.recvfrom_into(buf)
        s.sendto(view[:n], peer)


def accept(listener):
    while True:
        listener.accept()[0].close()


def hold(listener):
    conns = []
    while True:
        conns.append(listener.accept()[0])
        lan.held(len(conns))


def one(conn):
    if role == "sink":
        while conn.recv_into(buf):
            pass
    while role == "source":
        conn.sendall(buf)


def many(conns):
    """As one program serves several connections: by select."""
    poll = select.poll()
    for conn in conns:
        conn.setblocking(False)
        poll.register(conn, select.POLLIN if role == "sink" else select.POLLOUT)
    while True:
        for conn, _ in poll.ipoll():
            if role == "sink":
                conn.recv_into(buf)
            else:
                conn.send(buf)


def serve():
    host.tcp().set_congestion(lan.CONGESTION)
    listener = bound(socket.SOCK_STREAM)
    listener.listen(255)
    lan.ready()
    if role == "accept":
        accept(listener)
    if role == "hold":
        hold(listener)
    conns = [listener.accept()[0] for _ in range(count)]
    try:
        one(conns[0]) if count == 1 else many(conns)
    except OSError as e:  # the peer resets when it has seen enough
        print("ended", e.errno)
    for conn in conns:
        conn.close()
    lan.share(host.stack())


if role == "echo":
    echo()
else:
    serve()

# netstack by callbacks, without sockets: callbacks.py sink|source|accept|hold|echo [connections]
# `source` leaves those after the first `connections` idle.

import lan
import os
import sys
import tap
from netstack.core.stack import Stack
from netstack.inet import icmpv4, ipv4
from netstack.link import arp, ethernet
from netstack.transport import tcp, udp
from time import ticks_ms

_OURS = bytes(int(x) for x in lan.OURS.split("."))
_MASK = b"\xff\xff\xff\0"
_BUDGET = 2048 * 1024  # what sockets get on this port
_EACH = 8192  # for each of many connections; no stack has more than one for 4 kB of it
_AGAIN = -11
_CLOSE_WAIT = 7

role = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 1
begun = []  # connections that carry something
buf = bytearray(lan.CHUNK)
held = []


def link(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def echo(endpoint):
    while True:
        n = endpoint.recv(buf, 0, lan.CHUNK)
        if n < 0:
            return
        endpoint.send(buf, 0, n, st.ip4, endpoint.from_addr, endpoint.from_port)


def sink(conn):
    n = 1
    while n > 0:
        n = conn.recv(buf, 0, lan.CHUNK)
    if n == 0:
        conn.close()
    ended(conn, n)


def source(conn):
    n = 1
    while n > 0:
        n = conn.send(buf, 0, lan.CHUNK)
    if conn.state == _CLOSE_WAIT:
        conn.close()
        n = 0
    ended(conn, n)


def ended(conn, n):
    """Tell of the fast path when the first connection is over."""
    if n != _AGAIN and begun and conn is begun[0]:
        begun[0] = None
        lan.share(st)


def accepted(listener):
    while True:
        conn = listener.accept()
        if conn is None:
            return
        if role == "accept":
            conn.close()
        elif role == "hold":
            conn.notify = sink
            held.append(conn)
            lan.held(len(held))
        elif len(begun) >= count:
            conn.notify = sink
        else:
            begun.append(conn)
            conn.notify = sink if role == "sink" else source
            conn.notify(conn)


nic = tap.TAP(
    os.getenv("NETSTACK_TAP"), bytes(int(x, 16) for x in os.getenv("NETSTACK_MAC").split(":"))
)
st = Stack(max(_BUDGET, count * _EACH))
ipv4.attach(st)
icmpv4.attach(st)
nif = st.add(nic, link, "eth0")
nif.set_up(True)
st.ip4.configure(nif, _OURS, _MASK)
if role == "echo":
    udp.attach(st)
    server = st.udp.open()
    server.bind(st.ip4, None, lan.PORT)
    server.notify = echo
else:
    tcp.attach(st)
    st.tcp.set_congestion(lan.CONGESTION)
    server = st.tcp.listen(st.ip4, None, lan.PORT, 255)
    server.notify = accepted
lan.ready()

while True:
    wait = st.poll(ticks_ms())
    if wait:
        nic.wait(100 if wait < 0 or wait > 100 else wait)

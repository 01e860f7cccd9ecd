# Loads for bench.py, by netstack.api.callbacks:
#   callbacks.py sink|source|accept|hold|echo [connections]
# `source` leaves those after the first `connections` idle. What comes is looked at where it lies:
# a sink copies nothing, and a datagram is answered in the frame that it came in.

import lan
import os
import sys
import tap
from netstack.api import callbacks
from netstack.core.stack import Stack
from netstack.inet import icmpv4, ipv4
from netstack.link import arp, ethernet
from netstack.transport import tcp, udp
from time import ticks_ms

_OURS = bytes(int(x) for x in lan.OURS.split("."))
_MASK = b"\xff\xff\xff\0"
_BUDGET = 2048 * 1024  # what sockets get on this port
_EACH = 8192  # for each of many connections; no stack has more than one for 4 kB of it

role = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 1
begun = []  # connections that carry something
chunk = bytearray(lan.CHUNK)
held = []


def link(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def echo(endpoint, buf, at, n):
    return n


def sink(conn, buf, at, n, more):
    if n:
        conn.consume(n + more)
    else:
        conn.close()
        over(conn, 0)


def source(conn, n):
    while conn.write(chunk) > 0:
        pass


def over(conn, errno):
    """Tell of the fast path when the first connection is over."""
    if begun and conn is begun[0]:
        begun[0] = None
        lan.share(st)


def accepted(conn):
    if role == "accept":
        conn.close()
        return
    conn.on_recv = sink
    conn.on_error = over
    if role == "hold":
        held.append(conn)
        lan.held(len(held))
    elif len(begun) < count:
        begun.append(conn)
        if role == "source":
            conn.on_sent = source
            source(conn, 0)


nic = tap.TAP(
    os.getenv("NETSTACK_TAP"), bytes(int(x, 16) for x in os.getenv("NETSTACK_MAC").split(":"))
)
st = Stack(max(_BUDGET, count * _EACH))
ipv4.attach(st)
icmpv4.attach(st)
if lan.IPV6:
    from netstack.inet import ipv6

    ipv6.attach(st)
nif = st.add(nic, link, "eth0")
if lan.IPV6:
    nif.v6.transmits = 0
nif.set_up(True)
st.ip4.configure(nif, _OURS, _MASK)
if lan.IPV6:
    st.ip6.add(nif, b"\xfd\x99" + bytes(13) + b"\2")
with callbacks.Lock(st):
    if role == "echo":
        udp.attach(st)
        server = callbacks.datagrams(lan.PORT, echo, st=st)
    else:
        tcp.attach(st)
        st.tcp.set_congestion(lan.CONGESTION)
        server = callbacks.listen(lan.PORT, accepted, backlog=255, st=st)
lan.ready()

while True:
    wait = st.poll(ticks_ms())
    if wait:
        nic.wait(100 if wait < 0 or wait > 100 else wait)

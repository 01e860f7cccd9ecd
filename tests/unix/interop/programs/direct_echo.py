# The stack without its faces: answers pings, and returns UDP datagrams sent to port 7.
# Ends when its input closes, and prints the counters then.

import os
import select
import sys
from netstack.core.stack import Stack
from netstack.inet import icmpv4, ipv4
from netstack.link import arp, ethernet
from netstack.transport import udp
from time import ticks_ms
import tap

OURS = b"\x0a\x63\x00\x02"
MASK = b"\xff\xff\xff\x00"


def link(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def echo(endpoint):
    while True:
        n = endpoint.recv(data, 0, len(data))
        if n < 0:
            return
        endpoint.send(data, 0, n, st.ip4, endpoint.from_addr, endpoint.from_port)


nic = tap.TAP(
    os.getenv("NETSTACK_TAP"), bytes(int(x, 16) for x in os.getenv("NETSTACK_MAC").split(":"))
)
st = Stack()
ipv4.attach(st)
icmpv4.attach(st)
udp.attach(st)
nif = st.add(nic, link, "eth0")
nif.set_up(True)
st.ip4.configure(nif, OURS, MASK)
data = bytearray(1500)
server = st.udp.open()
server.bind(st.ip4, None, 7)
server.notify = echo
ended = select.poll()
ended.register(sys.stdin, select.POLLIN)
print("ready")

while not ended.poll(0):
    wait = st.poll(ticks_ms())
    if wait:
        nic.wait(100 if wait < 0 or wait > 100 else wait)
print(st.stats())

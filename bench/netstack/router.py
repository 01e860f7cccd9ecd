# netstack as a router: router.py <namespace> <namespace>, paths. It is 10.98.0.254 on the TAP
# `tap0` of the first and 10.99.0.254 on that of the second; for IPv6 fd98::fe and fd99::fe.

import ffi
import gc
import netstack
import os
import sys
import tap
from netstack.core.stack import Stack
from netstack.inet import forward, icmpv4, ipv4
from netstack.link import arp, ethernet
from time import ticks_ms

_CLONE_NEWNET = 0x40000000
_BUDGET = 2048 * 1024
_FLOWS = 256

libc = ffi.open(None)
setns = libc.func("i", "setns", "ii")


def link(nif):
    ethernet.attach(nif)
    arp.attach(nif)


def add(i, namespace):
    """The TAP of the namespace, as an interface."""
    with open(namespace) as file:
        if setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(os.errno(), namespace)
    nic = tap.TAP("tap0", bytes((2, 0x6E, 0x73, 0x74, 2, i)))
    nif = st.add(nic, link, "eth%d" % i)
    if IPV6:
        nif.v6.transmits = 0
    nif.set_up(True)
    st.ip4.configure(nif, bytes((10, 98 + i, 0, 254)), b"\xff\xff\xff\0")
    if IPV6:
        st.ip6.add(nif, bytes((0xFD, 0x98 + i)) + bytes(13) + b"\xfe")
    return nic


if os.getenv("NETSTACK_FASTPATH") == "0":
    netstack.fastpath = False
st = Stack(_BUDGET)
ipv4.attach(st)
icmpv4.attach(st)
IPV6 = os.getenv("NETSTACK_FAMILY") == "6"
if IPV6:
    from netstack.inet import forward6, ipv6

    ipv6.attach(st)
nics = [add(i, namespace) for i, namespace in enumerate(sys.argv[1:3])]
forward.attach(st, _FLOWS)
if IPV6:
    forward6.attach(st, _FLOWS)
gc.collect()
print("ready")

while True:
    wait = st.poll(ticks_ms())
    if wait:
        tap.wait(nics, 100 if wait < 0 or wait > 100 else wait)

# What both programs begin with: the switch of the fast path, and what they report.

import gc
import os

import netstack

OURS = "10.99.0.2"
OURS6 = "fd99::2"
PORT = 5001
CHUNK = 16384

if os.getenv("NETSTACK_FASTPATH") == "0":
    netstack.fastpath = False
IPV6 = os.getenv("NETSTACK_FAMILY") == "6"  # what is measured
CONGESTION = os.getenv("NETSTACK_CONGESTION") or "cubic"  # of all connections


def ready():
    gc.collect()  # what loading has left behind would be searched again and again
    print("ready")


def held(n):
    """After the n-th connection, each tenth: bytes of the heap in use."""
    if n % 10 == 0:
        gc.collect()
        print("held", n, gc.mem_alloc())


def share(st):
    """Segments that the fast path has taken and sent, and all of them, without the RSTs that a
    peer which has gone sends for each one that was still under way."""
    stats = st.stats()
    fast = stats["fast"]
    tcp = stats["tcp"]
    print("fast", fast["in"], fast["out"], "of", tcp["in"] - tcp["in_noport"], tcp["out"])

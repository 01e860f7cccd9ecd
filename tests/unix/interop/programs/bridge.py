# Joins the TAPs that are named to one Ethernet, on which it is 10.99.0.2 itself. At the end of its
# input it prints its counters: bridge.py [snoop] <tap>...

import network
import select
import sys
import tap
from netstack.api import host, links

snoop = sys.argv[1] == "snoop"
names = sys.argv[1 + snoop :]
nics = [tap.TAP(name, bytes((2, 0x6E, 0x73, 0x74, 1, i))) for i, name in enumerate(names)]
lan = network.LAN(nic=links.bridge(*nics, snoop=snoop))
lan.active(True)
lan.ipconfig(addr4="10.99.0.2/24")
ended = select.poll()
ended.register(sys.stdin, select.POLLIN)
print("ready")
while not ended.poll(0):
    host.wait(lambda: False, 500)
for name, values in host.stack().stats().items():
    print(name, values)

# Asks for the address that it had before a restart, on another network, when a line is read: it
# does so a few times only, and the server wants the interface first.

import network
import sys
import time
from netstack.api import host

nic = network.LAN()
host.udp()
from netstack.services import dhcp  # noqa: E402

nif = nic._wire.nif
st = nif.st
host.call(st, nif.set_up, True)
print("ready")
sys.stdin.readline()
client = host.call(st, dhcp.attach, nif)
host.call(st, lambda: client.start(addr=b"\xc0\0\2\x4d"))  # 192.0.2.77
while not nic.isconnected():
    time.sleep_ms(5)
print("all", nic.ipconfig("addr4")[0])

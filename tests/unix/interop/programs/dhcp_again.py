# Asks for the address that it had before a restart, on another network.

import network
import time
from netstack.api import host

nic = network.LAN()
host.udp()
from netstack.services import dhcp  # noqa: E402

nif = nic._wire.nif
st = nif.st
st.enter()
nif.set_up(True)
dhcp.attach(nif).start(addr=b"\xc0\0\2\x4d")  # 192.0.2.77
st.leave()
print("ready")
while not nic.isconnected():
    time.sleep_ms(5)
print("all", nic.ipconfig("addr4")[0])

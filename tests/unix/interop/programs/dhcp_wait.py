# The simplest program: wait for an address, and say what is wrong if there is none.

import network

nic = network.LAN()
nic.active(True)
try:
    nic.ifconfig("dhcp")
    print("got", nic.ifconfig()[0])
except OSError as e:
    print("failed:", e)

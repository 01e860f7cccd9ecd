# Sets an address by hand that somebody has already: address_taken.py <address>

import network
import sys
import time

nic = network.LAN()
nic.active(True)
nic.ipconfig(addr4=sys.argv[1] + "/24")
for _ in range(3000):
    if nic.status("error"):
        break
    time.sleep_ms(10)
print("connected", nic.isconnected())

# An interface that gives itself an address: prints it, and whenever it is another one.

import network
import time

nic = network.LAN()
nic.active(True)
nic.ipconfig(dhcp4=False)
nic.ipconfig(auto4=True)
print("ready")
last = "0.0.0.0"
while True:
    addr = nic.ipconfig("addr4")[0]
    if addr != last:
        print("addr", addr)
        last = addr
    time.sleep_ms(50)

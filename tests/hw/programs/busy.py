# Gets an address and then computes for ever: what the stack does now, it does from the scheduler.

import network
import time

nic = network.LAN()
nic.active(True)
nic.ipconfig(dhcp4=True)
while not nic.isconnected():
    time.sleep_ms(50)
print("ready", nic.ipconfig("addr4")[0])
while True:
    pass

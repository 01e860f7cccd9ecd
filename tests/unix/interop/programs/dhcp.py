# Brings the LAN up by DHCP and prints every change of what a program can see of it.
# dhcp.py [<host name>]

import network
import sys
import time

if len(sys.argv) > 1:
    network.hostname(sys.argv[1])
nic = network.LAN()
nic.active(True)
nic.ipconfig(dhcp4=True)
print("ready")
last = None
while True:
    now = "connected %s addr %s mask %s router %s dns %s mtu %d" % (
        nic.isconnected(),
        nic.ipconfig("addr4")[0],
        nic.ipconfig("addr4")[1],
        nic.ipconfig("gw4"),
        network.ipconfig("dns"),
        nic.config("mtu"),
    )
    if now != last:
        print(now)
        last = now
    time.sleep_ms(5)

# Prints the addresses of names: resolve.py <DNS server or "dhcp"> <name>...

import lan
import network
import socket
import sys
import time

if sys.argv[1] == "dhcp":
    nic = network.LAN()
    nic.active(True)
    while not nic.isconnected():
        time.sleep_ms(5)
else:
    lan.up()
    network.ipconfig(dns=sys.argv[1])
print("ready")
for name in sys.argv[2:]:
    start = time.ticks_ms()
    try:
        found = sorted(
            {info[-1][0] for info in socket.getaddrinfo(name, 80, 0, socket.SOCK_STREAM)}
        )
        print(name, " ".join(found))
    except OSError as e:
        print(name, "failed:", e)
    print("after", time.ticks_diff(time.ticks_ms(), start), "ms")

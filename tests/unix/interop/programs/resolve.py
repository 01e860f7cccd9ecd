# Prints the addresses of names, and what the resolver has counted for each:
# resolve.py <DNS server or "dhcp"> <name>...

import lan
import network
import socket
import sys
import time
from netstack.api import host

if sys.argv[1] == "dhcp":
    nic = network.LAN()
    nic.active(True)
    while not nic.isconnected():
        time.sleep_ms(5)
else:
    lan.up()
    network.ipconfig(dns=sys.argv[1])
print("ready")
before = {}
for name in sys.argv[2:]:
    try:
        found = sorted(
            {info[-1][0] for info in socket.getaddrinfo(name, 80, 0, socket.SOCK_STREAM)}
        )
        print(name, " ".join(found))
    except OSError as e:
        print(name, "failed:", e)
    counters = host.stack().stats()["dns"]
    print("counted", {key: counters[key] - before.get(key, 0) for key in counters})
    before = counters

# Connects to a name by create_connection, again for each line of input:
# race.py <DNS server> <name> <port> wait|await

import asyncio
import lan
import netstack
import network
import socket
import sys
import time
from netstack.api import host

nic = lan.up()
nic.ipconfig(addr6="fd99::2/64", gw6="fd99::1")
network.ipconfig(dns=sys.argv[1], prefer=6)
while ("fd99::2", 0x30) not in [row[:2] for row in nic.ipconfig("addr6")]:
    time.sleep_ms(10)
print("ready")
while sys.stdin.readline():
    start = time.ticks_ms()
    to = (sys.argv[2], int(sys.argv[3]))
    try:
        if sys.argv[4] == "await":
            sock = asyncio.run(netstack.create_connection(to, 20))
            sock.settimeout(20)
        else:
            sock = socket.create_connection(to, 20)
        sock.send(b"hello\n")
        print("connected", sock.getpeername()[0], sock.recv(100), end=" ")
        sock.close()
    except OSError as error:
        print("failed", error, end=" ")
    print("after", time.ticks_diff(time.ticks_ms(), start))
    print("left", len([c for c in host.tcp().connections() if c.state in (2, 3)]))

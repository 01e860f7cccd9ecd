# Finds the path MTU to an address, and sends a datagram of that size to port 9 there, of which no
# part may be missing: path_mtu.py <address> <seconds> [<bytes of UDP's and IP's header>]

import lan
import netstack
import socket
import sys

head = int(sys.argv[3]) if len(sys.argv) > 3 else 28
if head > 28:
    lan.up6().ipconfig(gw6=lan.LINUX6)
else:
    lan.up()
print("ready")
found = netstack.path_mtu(sys.argv[1], float(sys.argv[2]))
print("found", found)
family, _, _, _, address = socket.getaddrinfo(sys.argv[1], 9)[0]
s = socket.socket(family, socket.SOCK_DGRAM)
s.sendto(bytes(found - head), address)
print("sent")

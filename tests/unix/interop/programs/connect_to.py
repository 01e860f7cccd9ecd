# Tries to connect: connect_to.py <address> <port> [nogateway]

import lan
import socket
import sys

nic = lan.up()
if len(sys.argv) > 3:
    nic.ipconfig(gw4="0.0.0.0")
s = socket.socket()
s.settimeout(5)
try:
    s.connect(socket.getaddrinfo(sys.argv[1], int(sys.argv[2]))[0][-1])
    print("connected")
except OSError as e:
    print("errno", e.errno)

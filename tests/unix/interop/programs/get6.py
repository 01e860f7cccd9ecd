# get6.py <host> <port>: fetches / over IPv6 by a name or an address with a zone.

import lan
import socket
import sys

lan.up6()
info = socket.getaddrinfo(sys.argv[1], int(sys.argv[2]), socket.AF_INET6, socket.SOCK_STREAM)[0]
s = socket.socket(info[0], info[1], info[2])
s.settimeout(30)
s.connect(info[-1])
print("peer", s.getpeername())
s.write(b"GET / HTTP/1.0\r\n\r\n")
print(s.read())
s.close()

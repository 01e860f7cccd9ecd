# UDP echo server on port 7, for datagrams of any length.

import lan
import socket

lan.up()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 140000)
s.bind(socket.getaddrinfo("0.0.0.0", 7)[0][-1])
print("ready")
while True:
    data, peer = s.recvfrom(65535)
    s.sendto(data, peer)

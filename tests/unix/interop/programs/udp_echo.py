# UDP echo server on port 7.

import lan
import socket

lan.up()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(socket.getaddrinfo("0.0.0.0", 7)[0][-1])
print("ready")
while True:
    data, peer = s.recvfrom(1500)
    s.sendto(data, peer)

# UDP-Lite echo server on port 7; answers have their first 20 bytes covered.

import lan
import socket

lan.up()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDPLITE)
s.setsockopt(socket.IPPROTO_UDPLITE, 10, 20)  # UDPLITE_SEND_CSCOV
s.bind(("0.0.0.0", 7))
print("ready")
while True:
    data, peer = s.recvfrom(4000)
    s.sendto(data, peer)

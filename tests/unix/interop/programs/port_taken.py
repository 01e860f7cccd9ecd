# Two listeners on one port.

import lan
import socket

lan.up()
kept = []  # one that is lost gives way
for _ in range(2):
    s = socket.socket()
    kept.append(s)
    s.bind(socket.getaddrinfo("0.0.0.0", 80)[0][-1])
    s.listen(1)

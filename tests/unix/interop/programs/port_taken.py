# Two listeners on one port.

import lan
import socket

lan.up()
for _ in range(2):
    s = socket.socket()
    s.bind(socket.getaddrinfo("0.0.0.0", 80)[0][-1])
    s.listen(1)

# Connects to <port> of Linux and sends a file: tcp_source.py <port> <file> [<address>]

import lan
import socket
import sys

lan.up()
host = sys.argv[3] if len(sys.argv) > 3 else lan.LINUX
s = socket.socket()
s.connect(socket.getaddrinfo(host, int(sys.argv[1]))[0][-1])
buf = bytearray(16384)
view = memoryview(buf)
with open(sys.argv[2], "rb") as f:
    while n := f.readinto(buf):
        s.sendall(view[:n])
s.shutdown(socket.SHUT_WR)
print("rest", s.read())
lan.close(s)

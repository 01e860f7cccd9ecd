# HTTP server on port 80 by plain blocking sockets, one connection after the other.
# http_plain.py <directory>

import lan
import os
import socket
import sys

directory = sys.argv[1]


def serve(conn):
    f = conn.makefile("rwb", 0)
    path = f.readline().split()[1].decode()
    while f.readline().strip():
        pass
    try:
        size = os.stat(directory + path)[6]
    except OSError:
        f.write(b"HTTP/1.0 404 Not Found\r\n\r\n")
        return
    f.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    with open(directory + path, "rb") as source:
        while data := source.read(8192):
            conn.sendall(data)


lan.up()
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(socket.getaddrinfo("0.0.0.0", 80)[0][-1])
listener.listen(8)
print("ready")
while True:
    conn, peer = listener.accept()
    try:
        serve(conn)
    finally:
        conn.close()

# Sends back what comes on one connection to <port>, until its end.

import lan
import socket
import sys

lan.up()
listener = socket.socket()
listener.bind(socket.getaddrinfo("0.0.0.0", int(sys.argv[1]))[0][-1])
listener.listen(1)
print("ready")
conn, peer = listener.accept()
buf = bytearray(4096)
view = memoryview(buf)
while n := conn.recv_into(buf):
    conn.sendall(view[:n])
lan.close(conn)
print("done")

# Takes one connection on <port> until its end and prints how much came, and its sha256.

import binascii
import hashlib
import lan
import socket
import sys

lan.up()
listener = socket.socket()
listener.bind(socket.getaddrinfo("0.0.0.0", int(sys.argv[1]))[0][-1])
listener.listen(1)
print("ready")
conn, peer = listener.accept()
digest = hashlib.sha256()
buf = bytearray(16384)
view = memoryview(buf)
length = 0
while n := conn.readinto(buf):
    digest.update(view[:n])
    length += n
print("got", length, binascii.hexlify(digest.digest()).decode())
conn.write(b"%d bytes\n" % length)  # the other direction is still open
lan.close(conn)

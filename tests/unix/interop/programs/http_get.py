# HTTP client by plain sockets: http_get.py <host> <port> <path>
# Prints the body's length and sha256.

import binascii
import hashlib
import lan
import socket
import sys

host, port, path = sys.argv[1:4]
lan.up()
s = socket.socket()
s.connect(socket.getaddrinfo(host, int(port))[0][-1])
s.write(("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (path, host)).encode())
print(s.readline().decode().strip())
while s.readline().strip():
    pass
digest = hashlib.sha256()
buf = bytearray(16384)
view = memoryview(buf)
length = 0
while n := s.readinto(buf):
    digest.update(view[:n])
    length += n
s.close()
print("got", length, binascii.hexlify(digest.digest()).decode())

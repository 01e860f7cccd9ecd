# Temporary addresses, used while they are checked: waits until a router's prefix has given some,
# tells them, and what Linux sees when a connection is made: argv has its address and port.

import lan
import network
import socket
import sys
import time

nic = network.LAN()
nic.config(temp6=True, optimistic6=True, secret6=b"0123456789abcdef")
nic = lan.up()
print("started")
while not nic.ipconfig("has_autoconf6"):
    time.sleep(0.02)


def tell():
    for addr, state, preferred, valid in nic.ipconfig("addr6"):
        print("address", addr, "%#x" % state, preferred, valid)


tell()
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
print("from", s.getsockname()[0], s.recv(100).decode())
s.close()
while any(state & 0x08 for _, state, _, _ in nic.ipconfig("addr6")):
    time.sleep(0.02)
tell()
print("ready")
while True:
    time.sleep(1)

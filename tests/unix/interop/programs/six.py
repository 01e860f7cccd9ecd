# IPv6 as a program sees it: waits for an address that a router's prefix has given, tells what has
# been learnt, and serves HTTP on port 80 of both families.

import lan
import network
import socket
import time

nic = lan.up()
print("started")
while not nic.ipconfig("has_autoconf6"):
    time.sleep(0.1)
for addr, state, preferred, valid in nic.ipconfig("addr6"):
    print("address", addr, "%#x" % state, preferred, valid)
print("gateway", nic.ipconfig("gw6"))
print("dns", network.ipconfig("dns"), network.ipconfig("search"))
listener = socket.socket(socket.AF_INET6)
listener.bind(("::", 80))
listener.listen(5)
print("ready")
while True:
    conn, peer = listener.accept()
    request = conn.recv(1000)
    body = "you are %s\n" % peer[0]
    conn.sendall("HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    conn.close()

# Sends back what comes to port 7 over IPv6, by UDP and TCP: a program made of callbacks.

import lan
from netstack.api import host
from time import sleep

nic = lan.up()
st = host.stack()
buf = bytearray(4096)


def datagram(endpoint):
    n = endpoint.recv(buf, 0, 2048)
    endpoint.send(buf, 0, n, st.ip6, bytes(endpoint.from_addr), endpoint.from_port)


def accepted(listener):
    conn = listener.accept()
    conn.notify = stream
    stream(conn)


def stream(conn):
    while n := min(conn.available(), len(buf)):
        conn.peek(buf, 0, n)
        n = conn.send(buf, 0, n)
        if n <= 0:
            break
        conn.drop(n)
    if conn.eof() and not conn.available():
        conn.close()


host.udp()
host.tcp()
st.enter()
address = st.ip6.add(st.nifs[1], b"\xfd\x99" + bytes(13) + b"\2", 64)
endpoint = st.udp.open(st.ip6)
endpoint.notify = datagram
endpoint.bind(st.ip6, None, 7)
listener = st.tcp.listen(st.ip6, None, 7)
listener.notify = accepted
st.leave()
while not (address.usable() and st.nifs[1].v6.link_local()):  # nobody else has them
    sleep(0.05)
print("ready")
while True:
    sleep(1)

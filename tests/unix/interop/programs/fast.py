# TCP Fast Open, from a directory as fastopen.py is not frozen:
#   fast.py <directory> serve <port>     answers each connection with what it has sent, reversed
#   fast.py <directory> call <port> <n>  n connections to Linux, each with a line in its SYN

import lan
import netstack
import socket
import sys
from netstack.api import host

sys.path.append(sys.argv[1])
import fastopen

lan.up()
host.tcp()
fastopen.attach(host.stack())


def serve(port):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
    s.bind(("", port))
    s.listen()
    print("ready")
    while True:
        conn, _ = s.accept()
        early = conn._io.early and conn._io.state == 3  # SYN-RECEIVED
        line = conn.recv(2000)
        conn.sendall(bytes(reversed(line)))
        print("got", len(line), "early" if early else "late")
        conn.read()
        conn.close()


def call(port, n):
    while not netstack.ping(lan.LINUX, 1)[1]:  # a SYN that is lost asks for no cookie again
        pass
    for i in range(n):
        s = socket.socket()
        sent = s.sendto(b"line %d\n" % i, socket.MSG_FASTOPEN, (lan.LINUX, port))
        print("sent", sent, "answer", s.readline())
        s.close()


if sys.argv[2] == "serve":
    serve(int(sys.argv[3]))
else:
    call(int(sys.argv[3]), int(sys.argv[4]))

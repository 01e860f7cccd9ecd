"""A soft reset of a board with sockets open: peers are told when they send again, and everything is
there anew."""

import re
import socket
import ssl
import time

import certs
import emulate
import netns
import pytest

BOARDS = sorted(emulate.BOARDS)
UP = """
import gc, network, socket, ssl
nic = network.LAN()
nic.active(True)
nic.ipconfig(addr4="%s/24")
s = socket.socket()
s.bind(("", 7))
s.listen(5)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
""" % netns.OURS
# What is left open: a connection with data on its way out, TLS before and after its handshake, one
# that is being opened, datagrams, a callback, a timer, and a listener with one that nobody took.
OPEN = """
plain = s.accept()[0]
plain.setsockopt(socket.SOL_SOCKET, 20, lambda _: None)
plain.setblocking(False)
plain.send(bytes(20000))
half = context.wrap_socket(s.accept()[0], server_side=True, do_handshake_on_connect=False)
opening = socket.socket()
opening.setblocking(False)
try:
    opening.connect(("%s", 9))
except OSError:
    pass
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.bind(("", 7))
d.sendto(b"x", ("10.99.0.77", 7))
print("open")
""" % "10.99.0.77"
FREE = "import gc; gc.collect(); print('free', gc.mem_free())"


def paste(console, text):
    console.write(b"\x05" + text.encode().replace(b"\n", b"\r\n") + b"\x04")


def free(console):
    """Bytes of heap at a fresh prompt."""
    console.write(FREE.encode() + b"\r")
    console.expect(b"free ")
    return int(console.expect(b"\r\n"))

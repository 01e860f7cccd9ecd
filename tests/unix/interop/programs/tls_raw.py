# TLS by callbacks: tls_raw.py <directory of certificates> <kind>
#
#   kind: serve   port 4433: a line comes back in capitals; "about": what the connection is; "bye"
#                 ends it; "big <n>": lines of 64 bytes. A client has to show a certificate
#         fetch   GET / of port 4433 of the other end
#         count=<connections>, then "done" and by how much the heap has grown since the second

import gc
import lan
import ssl
import sys
from netstack.api import callbacks, host

directory, kind = sys.argv[1:3]
option = dict(text.split("=") for text in sys.argv[3:])
lan.up()
over = 0  # how many connections
before = 0


def context(protocol, name):
    new = ssl.SSLContext(protocol)
    new.load_cert_chain(directory + "/%s.pem" % name, directory + "/%s.key" % name)
    new.load_verify_locations(directory + "/ca.pem")
    new.verify_mode = ssl.CERT_REQUIRED
    new.set_alpn_protocols(["h2", "http/1.1"])
    return new


def about(conn):
    tls = conn.tls
    der = tls.getpeercert(True)
    return repr((tls.cipher(), tls.selected_alpn_protocol(), len(der))) + "\n"


def finished(conn, errno=0):
    global over
    if errno:
        print("error", errno, conn.reason)
    else:
        print("closed")
    over += 1


class Echo:
    """A connection, and what of it waits for room."""

    def __init__(self, conn):
        self.wanted = 0
        self.asked = self.sent = 0
        conn.on_recv = self.got
        conn.on_sent = self.room
        conn.on_error = finished

    def say(self, conn, text):
        assert conn.write(text) == len(text)
        self.asked += len(text)

    def got(self, conn, buf, at, n, more):
        if self.wanted:
            return  # it comes again
        line = bytes(memoryview(buf)[at : at + n])
        end = line.find(b"\n") + 1
        if n == 0 or line[:end] == b"bye\n":
            conn.consume(n)
            conn.close()
            finished(conn)
        elif end:
            line = line[: end - 1]
            conn.consume(end)
            if line == b"about":
                self.say(conn, about(conn).encode())
            elif line[:4] == b"big ":
                self.wanted = int(line[4:])
                self.room(conn, 0)
            else:
                self.say(conn, line.decode().upper() + "\n")
            if end < n:
                conn.offer()

    def room(self, conn, n):
        self.sent += n
        assert self.sent <= self.asked, "more was acknowledged than sent"
        while self.wanted:
            at = -self.wanted % 64
            n = conn.write(BLOCK, at, min(len(BLOCK) - at, self.wanted))
            if n <= 0:
                return
            self.asked += n
            self.wanted -= n
            if not self.wanted:
                conn.offer()


BLOCK = (bytes(range(33, 96)) + b"\n") * 50
got = 0


def opened(conn):
    print("connected", about(conn).strip())
    assert conn.write(b"GET / HTTP/1.0\r\n\r\n") == 18


def part(conn, buf, at, n, more):
    global got
    got += n
    conn.consume(n)
    if n == 0:
        print("got", got)
        conn.close()
        finished(conn)


if kind == "serve":
    with callbacks.lock:
        listener = callbacks.listen(
            4433, Echo, ssl=context(ssl.PROTOCOL_TLS_SERVER, option.get("cert", "server"))
        )
        listener.on_error = finished
    print("ready")
else:
    with callbacks.lock:
        conn = callbacks.connect(
            "10.99.0.1",
            4433,
            opened,
            ssl=context(ssl.PROTOCOL_TLS_CLIENT, "client"),
            server_hostname=option.get("host", "netstack.example"),
        )
        conn.on_recv = part
        conn.on_error = finished

count = int(option.get("count", "1"))
while over < count:
    seen = over
    host.wait(lambda: over > seen, -1)
    if over == 2:
        gc.collect()
        before = gc.mem_alloc()
if kind == "serve":
    with callbacks.lock:
        listener.close()
host.wait(lambda: False, 100)  # what they still have to say
if kind == "fetch":
    del conn
gc.collect()
print("done", gc.mem_alloc() - before)

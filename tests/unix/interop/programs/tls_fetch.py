# TLS clients: tls_fetch.py <directory of certificates> <kind> [name=value...]
#
#   kind: page   blocking, GET / of port 4433; async: by asyncio; dtls: a line and its answer
#   host=netstack.example: whom to expect; ca=ca: whom to believe; cert=client: who we are;
#   alpn=a,b; again=1: a second time, going on with the session; low=, high=: versions;
#   fragment=512; verify=0; port=4433; dtls: wait=poll|async, without blocking, nothing is called
#   unless there is something to read

import asyncio
import lan
import select
import socket
import ssl
import sys
import time
from asyncio.stream import Stream

directory, kind = sys.argv[1:3]
option = dict(text.split("=") for text in sys.argv[3:])
lan.up()
HOST = option.get("host", "netstack.example")
PEER = ("10.99.0.1", int(option.get("port", "4433")))

protocol = ssl.PROTOCOL_DTLS_CLIENT if kind == "dtls" else ssl.PROTOCOL_TLS_CLIENT
context = ssl.SSLContext(protocol)
if option.get("verify") != "0":
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(directory + "/%s.pem" % option.get("ca", "ca"))
if option.get("cert"):
    name = directory + "/" + option["cert"]
    context.load_cert_chain(name + ".pem", name + ".key")
if option.get("alpn"):
    context.set_alpn_protocols(option["alpn"].split(","))
if option.get("low"):
    context.set_versions(int(option["low"]), int(option["high"]))
if option.get("fragment"):
    context.set_max_fragment(int(option["fragment"]))


def about(sock):
    print("connected", sock.version(), sock.selected_alpn_protocol(), sock.session_reused)


def page(session=None):
    raw = socket.create_connection(PEER, timeout=60)
    with context.wrap_socket(raw, server_hostname=HOST, session=session) as sock:
        about(sock)
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        parts = []
        while part := sock.recv(5000):  # a record at a time
            parts.append(len(part))
        print("got", sum(parts), sock.getpeername()[1])
        print("longest", max(parts))
        return sock.session


def joined():
    raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    raw.connect(PEER)
    return raw


def waiting():
    """A DTLS connection that does not block."""
    raw = joined()
    raw.setblocking(False)
    return context.wrap_socket(raw, do_handshake_on_connect=False, server_hostname=HOST)


def dtls_poll():
    sock = waiting()
    poller = select.poll()
    poller.register(sock, select.POLLIN)

    def until(f, *args):
        while True:
            try:
                return f(*args)
            except OSError as error:
                if error.errno != 11:
                    raise error
            poller.poll()

    until(sock.do_handshake)
    about(sock)
    sock.send(b"hello from netstack\n")
    print("got", until(sock.recv, 100))
    sock.close()


async def dtls_async():
    stream = Stream(waiting())
    stream.write(b"hello from netstack\n")
    await stream.drain()
    about(stream.s)
    print("got", await stream.read(100))
    stream.close()


def dtls(session=None):
    raw = joined()
    raw.settimeout(60)
    with context.wrap_socket(raw, server_hostname=HOST, session=session) as sock:
        about(sock)
        sock.send(b"hello from netstack\n")
        print("got", sock.recv(100))
        return sock.session


def again(run, session):
    """Once more. OpenSSL's server has no socket of UDP for a moment."""
    for _ in range(200):
        try:
            return run(session)
        except OSError as error:
            if error.errno != 111:
                raise error
        time.sleep_ms(100)


async def fetch():
    reader, writer = await asyncio.open_connection(*PEER, ssl=context, server_hostname=HOST)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    await writer.drain()
    size = 0
    while data := await reader.read(1000):
        size += len(data)
    about(writer.s)
    print("got", size)
    writer.close()
    await writer.wait_closed()


try:
    if kind == "async":
        asyncio.run(fetch())
    elif option.get("wait"):
        dtls_poll() if option["wait"] == "poll" else asyncio.run(dtls_async())
    else:
        run = dtls if kind == "dtls" else page
        session = run()
        if option.get("again"):
            print("session", type(session))
            again(run, session)
except (OSError, ValueError) as error:
    print("error", repr(error))

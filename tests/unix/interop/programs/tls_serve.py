# TLS servers: tls_serve.py <directory of certificates> <kind> [name=value...]
#
#   kind: http   asyncio, port 443: GET /<n> gives n bytes
#         echo   blocking, port 4433: answers a line with itself in capitals; "about" with what
#                the connection is, "dead" ends it without a word, "bye" as it should be
#         dtls   the same over UDP, "ready" for each; wait=async: by asyncio
#   cert=server  which certificate; client=1: clients have to show one, too; alpn=a,b;
#   tickets=1; sni=1: who asks for other.example gets that certificate; low=, high=: versions;
#   timeout=<seconds>, for each connection but the last; count=<how many connections>, then "done"
#   and by how much the heap has grown since warm=2 of them

import asyncio
import gc
import lan
import socket
import ssl
import sys
from asyncio.stream import Stream

directory, kind = sys.argv[1:3]
option = dict(text.split("=") for text in sys.argv[3:])
lan.up()
COUNT = int(option.get("count", "0"))
WARM = int(option.get("warm", "2"))


def context(name):
    protocol = ssl.PROTOCOL_DTLS_SERVER if kind == "dtls" else ssl.PROTOCOL_TLS_SERVER
    new = ssl.SSLContext(protocol)
    new.load_cert_chain(directory + "/%s.pem" % name, directory + "/%s.key" % name)
    if option.get("client"):
        new.load_verify_locations(directory + "/ca.pem")
        new.verify_mode = ssl.CERT_REQUIRED
    if option.get("alpn"):
        new.set_alpn_protocols(option["alpn"].split(","))
    if option.get("tickets"):
        new.use_tickets(3600)
    if option.get("low"):
        new.set_versions(int(option["low"]), int(option["high"]))
    return new


def named(sock, name, context):
    if name == "other.example":
        sock.context = other
    elif name == "wrong.example":
        raise RuntimeError("nobody of that name")


main_context = context(option.get("cert", "server"))
if option.get("sni"):
    other = context("other")
    main_context.sni_callback = named


def about(sock):
    der = sock.getpeercert(True)
    words = (sock.cipher(), sock.selected_alpn_protocol(), sock.session_reused, der and len(der))
    return repr(words) + "\n"


def talk(sock):
    """False when it is to end abruptly."""
    while True:
        line = sock.readline() if kind == "echo" else sock.recv(2000)
        if not line or line == b"bye\n":
            return True
        if line == b"dead\n":
            return False
        sock.write(about(sock) if line == b"about\n" else line.decode().upper())


def serve_one(raw, first=None, timeout=60):
    raw.settimeout(timeout)
    try:
        sock = main_context.wrap_socket(raw, server_side=True, first=first)
        if talk(sock):
            sock.close()
        print("served")
    except (OSError, ValueError, RuntimeError) as error:
        print("error", repr(error))
    raw.close()


async def serve_async(raw, first):
    raw.setblocking(False)
    stream = Stream(main_context.wrap_socket(raw, True, False, first=first))
    while (line := await stream.read(2000)) not in (b"", b"bye\n"):
        stream.write(about(stream.s) if line == b"about\n" else line.decode().upper())
        await stream.drain()
    stream.close()
    print("served")


def echo():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", 4433))
    listener.listen(8)
    print("ready")
    served = 0
    timeout = float(option.get("timeout", "60"))
    while not COUNT or served < COUNT:
        last = served + 1 == COUNT
        serve_one(listener.accept()[0], timeout=60 if last else timeout)
        served += 1
        if served == WARM:  # lists have grown to their size
            gc.collect()
            before = gc.mem_alloc()
    listener.close()
    gc.collect()
    print("done", gc.mem_alloc() - before if served > WARM else 0)


def dtls():
    served = 0
    while not COUNT or served < COUNT:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", 4433))
        print("ready")
        first, peer = sock.recvfrom(2000)
        while first[0] != 22:  # no handshake: what was still under way to the one before
            first, peer = sock.recvfrom(2000)
        sock.connect(peer)
        if option.get("wait"):
            asyncio.run(serve_async(sock, first))
        else:
            serve_one(sock, first)
        served += 1
    print("done")


async def page(reader, writer):
    try:
        path = (await reader.readline()).split()[1].split(b"?")[0]
        while (await reader.readline()).strip():
            pass
        size = int(path[1:])
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while size:
            n = min(size, 10000)
            writer.write(bytes(i & 255 for i in range(n)))
            await writer.drain()
            size -= n
    except (OSError, ValueError, IndexError) as error:
        print("error", repr(error))
    writer.close()
    await writer.wait_closed()


async def http():
    server = await asyncio.start_server(page, "0.0.0.0", 443, ssl=main_context)
    print("ready")
    await server.wait_closed()


if kind == "http":
    asyncio.run(http())
elif kind == "dtls":
    dtls()
else:
    echo()
